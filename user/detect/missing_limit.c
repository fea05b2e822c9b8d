/* SPDX-License-Identifier: BSD-2-Clause */
/* A read with neither WHERE nor LIMIT that returns many rows: it grows with the table. */
#include "detect/detectors.h"
#include "detect/words.h"

static const char *const tables[] = {"FROM", "TABLE", NULL};
static const char *const bounded[] = {"WHERE", "LIMIT", "FETCH", "TOP", "ROWNUM", "GROUP", NULL};

void missing_limit_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
			     const struct statement *was)
{
	uint64_t most = detect_options(d)->missing_limit_rows;
	struct detect_query q;
	struct finding *f;

	if (stmt->type != SPAN_DB || stmt->kind != SQL_KIND_READ || stmt->rows == 0 || stmt->rows < most ||
	    (was && was->rows >= most))
		return;
	detect_text(d, stmt->fingerprint, &q);
	if (!words_any(q.normalized, tables) || words_any(q.normalized, bounded))
		return;
	f = detect_finding(d, self, stmt->fingerprint, 0);
	if (!f)
		return;
	f->count++;
	f->total_ns += stmt->duration_ns;
	/* With a page of at most that many rows. */
	f->saved_ns += (uint64_t)((double)stmt->duration_ns * (1 - (double)most / (double)stmt->rows));
	f->confidence = CONFIDENCE_EXACT;
	if (stmt->rows > f->rows) {
		f->rows = stmt->rows;
		f->call_site = stmt->call_site;
		f->tgid = stmt->tgid;
	}
	detect_certain(d, f);
}

enum severity missing_limit_severity(const struct finding *f)
{
	return detect_severity(f->saved_ns, 0);
}

void missing_limit_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			    struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title, "No WHERE and no LIMIT, %llu rows: ", (unsigned long long)f->rows);
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu execution%s read a whole table, up to %llu rows, in ",
		    (unsigned long long)f->count, f->count == 1 ? "" : "s", (unsigned long long)f->rows);
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, ".");
	strbuf_adds(recommendation, "Read pages (LIMIT with a condition on the last key seen), or only the "
				    "rows that are needed.");
}
