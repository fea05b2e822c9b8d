/* SPDX-License-Identifier: BSD-2-Clause */
/* Executions that took at least the threshold. */
#include "detect/detectors.h"

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

enum severity slow_query_severity(const struct finding *f)
{
	return detect_severity(f->saved_ns, 0);
}

static enum sql_dialect dialect_of(uint8_t system)
{
	switch (system) {
	case APM_SYSTEM_POSTGRESQL:
		return SQL_POSTGRESQL;
	case APM_SYSTEM_MYSQL:
		return SQL_MYSQL;
	case APM_SYSTEM_SQLITE:
		return SQL_SQLITE;
	default:
		return SQL_GENERIC;
	}
}

/* Where no rule applies: what tells more. */
static const char *next_step(enum sql_dialect dialect)
{
	switch (dialect) {
	case SQL_POSTGRESQL:
		return "Look at its plan with EXPLAIN (ANALYZE, BUFFERS): a sequential scan that drops most "
		       "rows wants an index on "
		       "what WHERE and JOIN compare.";
	case SQL_SQLITE:
		return "Look at its plan with EXPLAIN QUERY PLAN: SCAN of a large table wants an index on "
		       "what WHERE and JOIN "
		       "compare.";
	case SQL_MYSQL:
		return "Look at its plan with EXPLAIN: type ALL on a large table wants an index on what "
		       "WHERE and JOIN compare.";
	default:
		return "Look at its plan: a full scan of a large table wants an index on what WHERE and JOIN "
		       "compare.";
	}
}

void slow_query_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			 struct strbuf *evidence, struct strbuf *recommendation)
{
	struct sql_advice_input in = {.calls = f->count, .rows = f->rows, .duration_ns = f->max_ns};
	struct detect_query q;

	detect_text(d, f->fingerprint, &q);
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
		strbuf_addf(evidence, " (%llu rows)", (unsigned long long)f->rows);
	strbuf_adds(evidence, ".");
	if (f->number) {
		strbuf_adds(evidence, " They waited ");
		detect_add_ms(evidence, f->number);
		strbuf_adds(evidence, " of that for locks.");
	}
	in.normalized = q.normalized;
	in.dialect = dialect_of(q.system);
	if (!sql_advise(&in, recommendation))
		strbuf_adds(recommendation, next_step(in.dialect));
}
