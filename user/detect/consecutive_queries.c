/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Independent reads one after another that could run at the same time. Only on request: whether reads are
 * independent cannot be known from outside. Taken as independent: a read without parameters and without WHERE
 * that is not the first.
 */
#include "detect/detectors.h"
#include "detect/words.h"

#include <string.h>

static const char *const dependent[] = {"WHERE", NULL};

/* A row of statements, none of which began before the one before it ended. */
struct row {
	size_t count, independent;
	uint64_t total_ns, longest_ns, dependent_ns; /* longest: of the independent ones */
	uint64_t related[FINDING_RELATED];
};

static int is_independent(const struct detect *d, const struct unit_span *span)
{
	struct detect_query q;

	if (span->kind != SQL_KIND_READ && span->kind != SQL_KIND_COUNT)
		return 0;
	if (span->params != SPAN_PARAMS_KNOWN)
		return 0;
	detect_text(d, span->fingerprint, &q);
	return q.normalized.len && !words_any(q.normalized, dependent);
}

static void add_span(const struct detect *d, struct row *row, const struct unit_span *span)
{
	row->total_ns += span->duration_ns;
	if (row->count++ == 0 || span->duration_ns <= detect_options(d)->consecutive_min_span_ns ||
	    !is_independent(d, span)) {
		row->dependent_ns += span->duration_ns;
		return;
	}
	if (row->independent < FINDING_RELATED)
		row->related[row->independent] = span->fingerprint;
	row->independent++;
	if (span->duration_ns > row->longest_ns)
		row->longest_ns = span->duration_ns;
}

static void end_row(struct detect *d, const struct detector *self, const struct unit *unit, struct row *row)
{
	const struct detect_options *opt = detect_options(d);
	uint64_t least = row->longest_ns > row->dependent_ns ? row->longest_ns : row->dependent_ns;
	uint64_t saved = row->total_ns - least;
	struct finding *f;

	if (row->independent && row->count >= opt->consecutive_min_count &&
	    saved >= opt->consecutive_min_saved_ns &&
	    (double)saved >= opt->consecutive_min_ratio * (double)row->total_ns) {
		f = detect_finding(d, self, row->related[0], unit->shape);
		if (f) {
			memcpy(f->related, row->related, sizeof(f->related));
			f->count += row->independent;
			f->units++;
			f->total_ns += row->total_ns;
			f->saved_ns += saved;
			f->unit_kind = unit->kind;
			memcpy(f->comm, unit->comm, sizeof(f->comm));
			f->unit_first = unit->first;
			f->confidence = CONFIDENCE_LIKELY;
			detect_certain(d, f);
		}
	}
	*row = (struct row){0};
}

void consecutive_queries_unit(struct detect *d, const struct detector *self, const struct unit *unit)
{
	size_t kept = unit->span_total < unit->span_max ? unit->span_total : unit->span_max, i;
	struct row row = {0};
	uint64_t end = 0;

	for (i = unit->span_total - kept; i < unit->span_total; i++) {
		const struct unit_span *span = &unit->span[i % unit->span_max];

		if (span->type != SPAN_DB)
			continue;
		if (span->stmt_class != SQL_CLASS_QUERY || span->t_start < end)
			end_row(d, self, unit, &row);
		if (span->stmt_class == SQL_CLASS_QUERY && span->t_start >= end)
			add_span(d, &row, span);
		if (span->t_end > end)
			end = span->t_end;
	}
	end_row(d, self, unit, &row);
}

enum severity consecutive_queries_severity(const struct finding *f)
{
	return detect_severity(f->saved_ns, 0);
}

void consecutive_queries_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
				  struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title,
		    "%llu reads one after another that may be independent: ", (unsigned long long)f->count);
	detect_add_name(d, title, f->fingerprint);
	strbuf_adds(evidence, "The statements took ");
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, "; at the same time they would take ");
	detect_add_ms(evidence, f->total_ns - f->saved_ns);
	strbuf_adds(evidence, ".");
	strbuf_adds(recommendation,
		    "If none needs what another returned, run them in parallel on several connections or in "
		    "one pipeline, or join them into one query.");
}
