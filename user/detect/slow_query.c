/* SPDX-License-Identifier: BSD-2-Clause */
/* Executions that took at least the threshold. */
#include "detect/detectors.h"
#include "detect/slow_advice.h"

#include <stdio.h>
#include <string.h>

/* Made well, it takes a tenth of what counts as slow. Waiting for locks is another finding (lock_wait). */
static uint64_t could_save(const struct finding *f, uint64_t slow)
{
	uint64_t left = f->number + f->count * slow / 10;

	return f->total_ns > left ? f->total_ns - left : 0;
}

void slow_query_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
			  const struct statement *was)
{
	uint64_t slow = detect_options(d)->slow_ns;
	struct finding *f;
	int counted = was && was->duration_ns >= slow;

	if (stmt->type != SPAN_DB || stmt->duration_ns < slow)
		return;
	f = detect_finding(d, self, stmt->fingerprint, 0);
	if (!f)
		return;
	f->count += !counted;
	f->total_ns += stmt->duration_ns - (counted ? was->duration_ns : 0);
	f->number += stmt->wait_ns - (counted ? was->wait_ns : 0);
	f->saved_ns = could_save(f, slow);
	f->confidence = CONFIDENCE_EXACT;
	f->system = stmt->system;
	if (stmt->duration_ns >= f->max_ns) {
		f->max_ns = stmt->duration_ns;
		f->rows = stmt->rows;
		f->rows_known = statement_rows_known(stmt);
		f->call_site = stmt->call_site;
		f->tgid = stmt->tgid;
		f->tid = stmt->tid;
	}
	detect_certain(d, f);
}

/* What a statement that waited for a lock too long ends with: SQLSTATE, MySQL's numbers, SQLite's codes. */
static int is_lock_code(struct str code)
{
	static const char *const codes[] = {"40P01",
					    "55P03",
					    "1205",
					    "1213",
					    "SQLITE_BUSY",
					    "SQLITE_BUSY_TIMEOUT",
					    "SQLITE_LOCKED_SHAREDCACHE",
					    NULL};

	for (int i = 0; codes[i]; i++)
		if (strlen(codes[i]) == code.len && memcmp(codes[i], code.ptr, code.len) == 0)
			return 1;
	return 0;
}

/* It may be told before or after the statement that failed. */
void slow_query_error(struct detect *d, const struct detector *self, const struct statement *stmt,
		      const struct detect_error *error)
{
	struct finding *f;

	if (stmt->type != SPAN_DB || stmt->duration_ns < detect_options(d)->slow_ns ||
	    !is_lock_code(error->code))
		return;
	f = detect_finding(d, self, stmt->fingerprint, 0);
	if (!f || stmt->duration_ns < f->worst_ns)
		return;
	f->worst_ns = stmt->duration_ns;
	snprintf(f->code, sizeof(f->code), "%.*s", (int)error->code.len, error->code.ptr);
}

enum severity slow_query_severity(const struct finding *f)
{
	return detect_severity(f->saved_ns, 0);
}

/* Most of its time went to locks, or the longest one was refused for one. */
static int waited(const struct finding *f)
{
	return (f->number && f->number >= f->total_ns / 2) || (f->code[0] && f->worst_ns >= f->max_ns);
}

void slow_query_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			 struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_adds(title, "Slow query: ");
	detect_add_ms(title, f->max_ns);
	strbuf_adds(title, ": ");
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu execution%s of at least ", (unsigned long long)f->count,
		    f->count == 1 ? "" : "s");
	detect_add_ms(evidence, detect_options(d)->slow_ns);
	strbuf_adds(evidence, ", average ");
	detect_add_ms(evidence, f->total_ns / f->count);
	strbuf_adds(evidence, ", worst ");
	detect_add_ms(evidence, f->max_ns);
	if (f->rows_known)
		strbuf_addf(evidence, " (%llu row%s)", (unsigned long long)f->rows, f->rows == 1 ? "" : "s");
	strbuf_adds(evidence, ".");
	if (f->number) {
		strbuf_adds(evidence, " They waited ");
		detect_add_ms(evidence, f->number);
		strbuf_adds(evidence, " of that for locks.");
	}
	slow_advice(d, f, waited(f) ? SLOW_WAITED : SLOW_ENDED, recommendation);
}
