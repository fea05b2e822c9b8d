/* SPDX-License-Identifier: BSD-2-Clause */
/* The same statement with the same parameters again and again in a unit of work. */
#include "detect/detectors.h"
#include "detect/repeats.h"
#include "detect/words.h"

/* The same text gives something else each time, or is executed for what it does. */
static const char *const changing[] = {"NEXTVAL",
				       "LASTVAL",
				       "CURRVAL",
				       "SETVAL",
				       "RANDOM",
				       "RAND",
				       "RANDOMBLOB",
				       "GEN_RANDOM_UUID",
				       "UUID",
				       "UUID_GENERATE_V4",
				       "UUID_SHORT",
				       "CLOCK_TIMESTAMP",
				       "SYSDATE",
				       "LAST_INSERT_ID",
				       "LAST_INSERT_ROWID",
				       "CHANGES",
				       "TOTAL_CHANGES",
				       "ROW_COUNT",
				       "FOUND_ROWS",
				       "PG_SLEEP",
				       "SLEEP",
				       "PG_NOTIFY",
				       "PG_ADVISORY_LOCK",
				       "PG_ADVISORY_XACT_LOCK",
				       "PG_ADVISORY_UNLOCK",
				       "PG_TRY_ADVISORY_LOCK",
				       "PG_TRY_ADVISORY_XACT_LOCK",
				       "GET_LOCK",
				       "RELEASE_LOCK",
				       "LOCKED",
				       "FETCH",
				       "CALL",
				       NULL};

static int is_read(uint8_t kind)
{
	return kind == SQL_KIND_READ || kind == SQL_KIND_COUNT || kind == SQL_KIND_OTHER;
}

static int may_change(const struct detect *d, uint64_t fingerprint)
{
	struct detect_query q;

	detect_text(d, fingerprint, &q);
	return words_any(q.normalized, changing);
}

void duplicate_query_unit(struct detect *d, const struct detector *self, const struct unit *unit)
{
	const struct detect_options *opt = detect_options(d);
	struct repeats_verdict verdict;
	size_t i;

	if (unit->kind == UNIT_PROCESS && unit->concurrent)
		return;
	for (i = 0; i < unit->repeat_count; i++) {
		const struct repeat *r = &unit->repeat[i];

		if (r->type != SPAN_DB || !is_read(r->kind) || r->total_ns < opt->min_total_ns ||
		    !repeats_equal(r, opt->n_plus_one) || may_change(d, r->fingerprint))
			continue;
		repeats_judge(unit, r, opt->n_plus_one, &verdict);
		repeats_report(d, self, unit, r, &verdict);
	}
}

void duplicate_query_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			      struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title, "Same query %llu times in one %s: ", (unsigned long long)f->worst_count,
		    unit_kind_name(f->unit_kind));
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu executions with the same parameters in %llu unit%s took ",
		    (unsigned long long)f->count, (unsigned long long)f->units, f->units == 1 ? "" : "s");
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, ".");
	strbuf_adds(recommendation, "Read it once and reuse the result: a local variable, memoisation for "
				    "the unit of work, or a cache.");
}
