/* SPDX-License-Identifier: BSD-2-Clause */
/* N+1: one statement executed again and again in a unit of work, each time with other parameters. */
#include "detect/detectors.h"
#include "detect/repeats.h"
#include "detect/words.h"

/* Reads with so many values each, in a list, are a loop over batches already. */
#define BATCH_VALUES 10

static const char *const list[] = {"IN", "VALUES", "ANY", NULL};

static const char *const advice_of[] = {
	[SQL_KIND_READ] =
		"Fetch all of them at once: WHERE … IN (…) or = ANY(…), a JOIN with the query that lists "
		"them, the "
		"ORM's eager loading (joinedload, select_related, includes, preload), or a batch loader.",
	[SQL_KIND_COUNT] = "Count for all rows at once: one aggregate query with GROUP BY, or a counter "
			   "column kept by the "
			   "writer (counter cache).",
	[SQL_KIND_INSERT] =
		"Insert in batches: one INSERT with many VALUES rows, executemany in a pipeline, or COPY.",
	[SQL_KIND_UPDATE] =
		"Update in bulk: UPDATE … FROM (VALUES …), one CASE expression, or executemany in a batch.",
	[SQL_KIND_DELETE] =
		"Delete in bulk: one DELETE with WHERE … IN (…) or a join, or executemany in a batch.",
	[SQL_KIND_OTHER] = "Replace the loop by one statement or one batch for all values.",
};

static const char *advice(uint8_t kind)
{
	return kind < sizeof(advice_of) / sizeof(advice_of[0]) ? advice_of[kind] : NULL;
}

static int is_batch(const struct detect *d, const struct repeat *r)
{
	struct detect_query q;

	if (r->kind != SQL_KIND_READ || r->literals < BATCH_VALUES * r->count)
		return 0;
	detect_text(d, r->fingerprint, &q);
	return words_any(q.normalized, list);
}

/*
 * Rows inserted with bound values, most of them by the prepared statement and in the transaction of the row
 * before: SQLite has no round trip to save, and no faster way (https://www.sqlite.org/faq.html#q19).
 */
static int is_sqlite_batch(const struct repeat *r)
{
	return r->system == APM_SYSTEM_SQLITE && r->kind == SQL_KIND_INSERT && !r->literals &&
	       r->batched * 4 >= r->count * 3;
}

void n_plus_one_unit(struct detect *d, const struct detector *self, const struct unit *unit)
{
	const struct detect_options *opt = detect_options(d);
	struct repeats_verdict verdict;
	size_t i;

	if (unit->kind == UNIT_PROCESS && unit->concurrent)
		return;
	for (i = 0; i < unit->repeat_count; i++) {
		const struct repeat *r = &unit->repeat[i];

		if (r->type != SPAN_DB || !advice(r->kind) || r->total_ns < opt->min_total_ns ||
		    !repeats_differ(r, opt->n_plus_one) || is_batch(d, r) || is_sqlite_batch(r))
			continue;
		repeats_judge(unit, r, opt->n_plus_one, &verdict);
		repeats_report(d, self, unit, r, &verdict);
	}
}

void n_plus_one_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			 struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title, "N+1: %llu times in one %s: ", (unsigned long long)f->worst_count,
		    unit_kind_name(f->unit_kind));
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu executions in %llu unit%s took ", (unsigned long long)f->count,
		    (unsigned long long)f->units, f->units == 1 ? "" : "s");
	detect_add_ms(evidence, f->total_ns);
	if (f->units_db_ns)
		strbuf_addf(evidence, " (%.0f %% of the database time there)",
			    100.0 * (double)f->total_ns / (double)f->units_db_ns);
	if (f->worst_unknown == f->worst_count)
		strbuf_adds(evidence, "; parameters not readable");
	else
		strbuf_addf(evidence, "; at most %llu in one, with %s%llu different parameters",
			    (unsigned long long)f->worst_count, f->distinct_estimated ? "about " : "",
			    (unsigned long long)f->worst_distinct);
	if (f->parent) {
		strbuf_adds(evidence, "; after ");
		detect_add_name(d, evidence, f->parent);
		if (f->parent_rows)
			strbuf_addf(evidence, ", which returned %llu rows (%llu executions followed)",
				    (unsigned long long)f->parent_rows, (unsigned long long)f->number);
	}
	strbuf_adds(evidence, ".");
	if (advice(f->kind))
		strbuf_adds(recommendation, advice(f->kind));
}
