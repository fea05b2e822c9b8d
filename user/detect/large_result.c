/* SPDX-License-Identifier: BSD-2-Clause */
/* A read that returns very many rows at once. */
#include "detect/detectors.h"

static int returns_rows(uint8_t kind)
{
	return kind == SQL_KIND_READ || kind == SQL_KIND_COUNT || kind == SQL_KIND_OTHER;
}

void large_result_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
			    const struct statement *was)
{
	uint64_t most = detect_options(d)->large_rows;
	struct finding *f;

	if (stmt->type != SPAN_DB || stmt->stmt_class != SQL_CLASS_QUERY || !returns_rows(stmt->kind) ||
	    stmt->rows < most || (was && was->rows >= most))
		return;
	f = detect_finding(d, self, stmt->fingerprint, 0);
	if (!f)
		return;
	f->count++;
	f->total_ns += stmt->duration_ns;
	f->confidence = CONFIDENCE_EXACT;
	if (stmt->rows > f->rows) {
		f->rows = stmt->rows;
		f->call_site = stmt->call_site;
		f->tgid = stmt->tgid;
	}
	detect_certain(d, f);
}

enum severity large_result_severity(const struct finding *f)
{
	return f->rows >= 1000000 ? SEVERITY_HIGH : f->rows >= 100000 ? SEVERITY_MEDIUM : SEVERITY_LOW;
}

void large_result_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			   struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title, "Large result, %llu rows: ", (unsigned long long)f->rows);
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu execution%s returned up to %llu rows, in ", (unsigned long long)f->count,
		    f->count == 1 ? "" : "s", (unsigned long long)f->rows);
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, ".");
	strbuf_adds(recommendation,
		    "Aggregate in the database, read pages, or stream with a server-side cursor, so that "
		    "memory does not grow with the result.");
}
