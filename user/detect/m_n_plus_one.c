/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * M N+1: two to eight statements, one after another, and again from the first: a loop that loads several
 * things for each of its items. Each of them is an N+1 or a duplicate of its own; this says that one place is
 * to blame.
 */
#include "detect/detectors.h"
#include "detect/repeats.h"

#define PATTERN_MAX FINDING_RELATED /* statements */

/* Statements of other kinds stood between any two executions. */
static int is_alternating(const struct repeat *r, uint32_t threshold)
{
	return r->type == SPAN_DB && r->count >= threshold && r->bursts && r->burst_max == 1;
}

/* As often as the other, and always one place behind it, as far as first and last execution tell. */
static int follows(const struct repeat *r, const struct repeat *before, uint32_t threshold)
{
	return is_alternating(r, threshold) && r->count == before->count &&
	       r->first_position == before->first_position + 1 &&
	       r->last_position == before->last_position + 1;
}

/* Statements of the pattern that begins with repeat[first]; 1 = none begins there. */
static size_t pattern_at(const struct unit *unit, size_t first, uint32_t threshold)
{
	const struct repeat *r = &unit->repeat[first];
	size_t n = 1;

	if (!is_alternating(r, threshold))
		return 1;
	while (first + n < unit->repeat_count && follows(&r[n], &r[n - 1], threshold))
		n++;
	/* Nothing else in between. */
	return n <= PATTERN_MAX && r->last_position - r->first_position == n * (r->count - 1) ? n : 1;
}

static void report(struct detect *d, const struct detector *self, const struct unit *unit,
		   const struct repeat *part, size_t parts, const struct repeat *looped)
{
	struct repeats_verdict verdict;
	struct repeat sum = *part;
	struct finding *f;
	size_t i;

	repeats_judge(unit, looped, detect_options(d)->n_plus_one, &verdict);
	for (i = 1; i < parts; i++) {
		sum.total_ns += part[i].total_ns;
		sum.rows += part[i].rows;
		sum.max_ns = part[i].max_ns > sum.max_ns ? part[i].max_ns : sum.max_ns;
	}
	f = repeats_report(d, self, unit, &sum, &verdict);
	if (!f)
		return;
	f->count += (parts - 1) * part->count;
	for (i = 1; i < parts; i++)
		f->related[i - 1] = part[i].fingerprint;
}

void m_n_plus_one_unit(struct detect *d, const struct detector *self, const struct unit *unit)
{
	const struct detect_options *opt = detect_options(d);
	const struct repeat *looped;
	size_t first, parts, i;

	if (unit->kind == UNIT_PROCESS && unit->concurrent)
		return;
	for (first = 0; first < unit->repeat_count; first += parts) {
		parts = pattern_at(unit, first, opt->n_plus_one);
		for (looped = NULL, i = 0; parts > 1 && i < parts && !looped; i++) {
			if (repeats_differ(&unit->repeat[first + i], opt->n_plus_one))
				looped = &unit->repeat[first + i];
		}
		if (looped)
			report(d, self, unit, &unit->repeat[first], parts, looped);
	}
}

static unsigned int statements_of(const struct finding *f)
{
	unsigned int n = 0;

	while (n < FINDING_RELATED && f->related[n])
		n++;
	return n + 1;
}

void m_n_plus_one_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			   struct strbuf *evidence, struct strbuf *recommendation)
{
	size_t i;

	strbuf_addf(title, "N+1 of %u statements, %llu times in one %s: ", statements_of(f),
		    (unsigned long long)f->worst_count, unit_kind_name(f->unit_kind));
	detect_add_name(d, title, f->fingerprint);
	for (i = 0; i < FINDING_RELATED && f->related[i]; i++) {
		strbuf_adds(title, ", ");
		detect_add_name(d, title, f->related[i]);
	}
	strbuf_addf(evidence, "%llu executions in %llu unit%s took ", (unsigned long long)f->count,
		    (unsigned long long)f->units, f->units == 1 ? "" : "s");
	detect_add_ms(evidence, f->total_ns);
	strbuf_addf(evidence, "; the same %u statements in turn, at most %llu times in one", statements_of(f),
		    (unsigned long long)f->worst_count);
	if (f->parent) {
		strbuf_adds(evidence, ", after ");
		detect_add_name(d, evidence, f->parent);
	}
	strbuf_adds(evidence, ".");
	strbuf_adds(
		recommendation,
		"Load what the loop needs before it begins: one query per statement with all values (WHERE "
		"… IN (…), = ANY(…)), a JOIN, or the ORM's eager loading of each association.");
}
