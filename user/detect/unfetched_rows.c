/* SPDX-License-Identifier: BSD-2-Clause */
/* Results that were given up while more rows had come, where the library has to read the rest all the same. */
#include "detect/detectors.h"

#define REST_MIN_NS 10000000 /* of all executions of a statement: less is not worth a change */

void unfetched_rows_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
			      const struct statement *was)
{
	uint64_t before = was ? was->rest_ns : 0;
	struct finding *f;

	if (stmt->type != SPAN_DB || stmt->rest_ns <= before)
		return;
	f = detect_finding(d, self, stmt->fingerprint, 0);
	if (!f)
		return;
	f->count += !before;
	f->total_ns += stmt->rest_ns - before;
	f->saved_ns = f->total_ns;
	f->confidence = CONFIDENCE_EXACT;
	f->system = stmt->system;
	f->rows = stmt->rows > f->rows ? stmt->rows : f->rows;
	if (stmt->rest_ns >= f->max_ns) {
		f->max_ns = stmt->rest_ns;
		f->call_site = stmt->call_site;
		f->tgid = stmt->tgid;
		f->tid = stmt->tid;
	}
	if (f->total_ns >= REST_MIN_NS)
		detect_certain(d, f);
}

enum severity unfetched_rows_severity(const struct finding *f)
{
	return detect_severity(f->saved_ns, 0);
}

void unfetched_rows_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			     struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_adds(title, "Rows that nobody fetched: ");
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(
		evidence,
		"%llu execution%s gave the result up after at most %llu row%s, while more had come; reading "
		"the rest and throwing it away took ",
		(unsigned long long)f->count, f->count == 1 ? "" : "s", (unsigned long long)f->rows,
		f->rows == 1 ? "" : "s");
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, ", at most ");
	detect_add_ms(evidence, f->max_ns);
	strbuf_adds(evidence, " in one.");
	strbuf_adds(recommendation,
		    "Ask for no more rows than are used: LIMIT, a condition that finds the row "
		    "that is looked for, or EXISTS.");
}
