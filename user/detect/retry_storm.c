/* SPDX-License-Identifier: BSD-2-Clause */
/* One statement with the same parameters tried again and again, and failing for something that passes: a
 * lock, a deadlock, a server that has no room. */
#include "detect/conditions.h"
#include "detect/detectors.h"

#include <string.h>

#define ATTEMPTS_MIN 5
#define APART_NS     (2 * 1000000000ULL) /* attempts further apart than this are no storm */

/*
 * What passes: classes 08 (connection), 40 (rollback: deadlock, serialisation), 53 (no resources), 55P03 and
 * 57P03 of SQLSTATE (PostgreSQL's errcodes), SQLite's BUSY and LOCKED, MySQL's lock and connection errors
 * (mysqld_error.h, errmsg.h).
 */
static const char *const passing[] = {
	"08",	"40",	"53",	"55P03", "57P03", "SQLITE_BUSY", "SQLITE_LOCKED", "1040", "1205",
	"1213", "2002", "2003", "2006",	 "2013",  NULL};

static int passes(struct str code)
{
	size_t i, len;

	for (i = 0; passing[i]; i++) {
		len = strlen(passing[i]);
		if (code.len >= len && memcmp(code.ptr, passing[i], len) == 0 &&
		    (len > 2 ? code.len == len || code.ptr[len] == '_' : code.len == 5))
			return 1;
	}
	return 0;
}

void retry_storm_error(struct detect *d, const struct detector *self, const struct statement *stmt,
		       const struct detect_error *error)
{
	struct detect_note *note;
	struct finding *f;
	size_t len = error->code.len;

	if (stmt->params == SPAN_PARAMS_UNKNOWN || !passes(error->code))
		return;
	/* v: attempts, their time, end of the last */
	note = detect_note(d, self, hash_mix(stmt->fingerprint, stmt->param_hash),
			   hash_mix(stmt->tgid, stmt->ctx_id));
	if (!note)
		return;
	if (stmt->t_start > note->v[2] + APART_NS)
		note->v[0] = note->v[1] = 0;
	note->v[0]++;
	note->v[1] += stmt->duration_ns;
	note->v[2] = stmt->t_end;
	if (note->v[0] < ATTEMPTS_MIN)
		return;
	f = detect_finding(d, self, stmt->fingerprint, 0);
	if (!f)
		return;
	f->count += note->v[0] == ATTEMPTS_MIN ? ATTEMPTS_MIN : 1;
	f->total_ns += note->v[0] == ATTEMPTS_MIN ? note->v[1] : stmt->duration_ns;
	f->saved_ns = f->total_ns;
	f->confidence = CONFIDENCE_EXACT;
	f->system = stmt->system;
	f->call_site = stmt->call_site;
	f->tgid = stmt->tgid;
	if (note->v[0] > f->worst_count)
		f->worst_count = note->v[0];
	len = len < sizeof(f->code) - 1 ? len : sizeof(f->code) - 1;
	memcpy(f->code, error->code.ptr, len);
	f->code[len] = '\0';
	detect_certain(d, f);
}

enum severity retry_storm_severity(const struct finding *f)
{
	return f->worst_count >= 50 ? SEVERITY_HIGH : f->worst_count >= 10 ? SEVERITY_MEDIUM : SEVERITY_LOW;
}

void retry_storm_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			  struct strbuf *evidence, struct strbuf *recommendation)
{
	const char *name = condition_name(f->code);

	strbuf_addf(title, "Tried %llu times in a row, failing with %s: ", (unsigned long long)f->worst_count,
		    name ? name : f->code);
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence,
		    "%llu attempts with the same parameters failed within two seconds of each other, at most "
		    "%llu "
		    "in a row, and took ",
		    (unsigned long long)f->count, (unsigned long long)f->worst_count);
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, ".");
	strbuf_adds(
		recommendation,
		"Wait longer before each attempt (exponential backoff with jitter), give up after a few, and "
		"shorten the transactions that hold the lock; for SQLite set a busy timeout.");
}
