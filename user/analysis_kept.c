/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Units of work one by one: those that failed, were slow or had a finding, and a share of the others
 * (APM_SAMPLE_RATE). Bounded: the least telling and shortest go first. Counts are never taken from here.
 */
#include "analysis_state.h"

#include <stdlib.h>
#include <string.h>

static const char *const reasons[] = {
	[KEPT_SAMPLED] = "sampled", [KEPT_FINDING] = "finding", [KEPT_SLOW] = "slow", [KEPT_ERROR] = "error"};

/* The same for the same id everywhere: the upper half of a mixed hash against the rate. */
static int is_sampled(uint64_t id, double rate)
{
	return (double)(hash_mix(id, HASH_SEED) >> 32) < rate * 4294967296.0;
}

static int is_slow(const struct analysis *a, const struct unit *unit)
{
	size_t i;

	if (unit->end - unit->start >= a->thresholds.slow_request_ns)
		return 1;
	for (i = 0; i < unit->repeat_count; i++) {
		if (unit->repeat[i].max_ns >= a->thresholds.slow_ns)
			return 1;
	}
	return 0;
}

static int keeps(const struct analysis *a, const struct unit *unit, int has_finding, enum kept_why *why)
{
	uint64_t id = hash_mix(hash_mix(unit->shape, unit->start), unit->tgid);

	*why = unit->errors || unit->status == UNIT_STATUS_ERROR ? KEPT_ERROR
	       : is_slow(a, unit)				 ? KEPT_SLOW
	       : has_finding					 ? KEPT_FINDING
								 : KEPT_SAMPLED;
	return *why != KEPT_SAMPLED || is_sampled(id, a->sample_rate);
}

static int tells_less(const struct kept_unit *a, const struct kept_unit *b)
{
	if (a->why != b->why)
		return a->why < b->why;
	return a->end - a->start < b->end - b->start;
}

static struct kept_unit *place_of(struct analysis *a, const struct kept_unit *k)
{
	struct kept_unit *least = a->kept;
	size_t i;

	if (a->kept_count < KEPT_MAX)
		return &a->kept[a->kept_count++];
	for (i = 1; i < KEPT_MAX; i++) {
		if (tells_less(&a->kept[i], least))
			least = &a->kept[i];
	}
	return tells_less(least, k) ? least : NULL;
}

void analysis_keep_unit(struct analysis *a, const struct unit *unit, int has_finding)
{
	struct kept_unit k = {.start = unit->start,
			      .end = unit->end,
			      .statements = unit->statements,
			      .errors = unit->errors,
			      .db_ns = unit->db_ns,
			      .first = unit->first,
			      .rule = unit->rule,
			      .tgid = unit->tgid,
			      .kind = unit->kind};
	struct kept_unit *place;

	if (!keeps(a, unit, has_finding, &k.why))
		return;
	memcpy(k.comm, unit->comm, sizeof(k.comm));
	place = place_of(a, &k);
	if (place)
		*place = k;
}

static int telling_first(const void *x, const void *y)
{
	const struct kept_unit *a = x, *b = y;

	if (a->why != b->why)
		return a->why < b->why ? 1 : -1;
	return sorted_descending(a->end - a->start, b->end - b->start, a->start, b->start);
}

void analysis_fill_kept(struct analysis *a)
{
	struct report *r = &a->report;
	size_t i;

	qsort(a->kept, a->kept_count, sizeof(*a->kept), telling_first);
	r->sample_rate = a->sample_rate;
	r->kept_units.item = analysis_own(a, calloc(a->kept_count + 1, sizeof(*r->kept_units.item)));
	for (i = 0; i < a->kept_count && r->kept_units.item; i++) {
		const struct kept_unit *k = &a->kept[i];
		struct strbuf name = {0};

		if (k->kind == UNIT_SPAN)
			strbuf_adds(&name, analysis_span_name(a, k->rule));
		else
			detect_add_name(a->detect, &name, k->first);
		r->kept_units.item[r->kept_units.count++] = (struct report_kept_unit){
			.kind = k->kind == UNIT_SPAN ? "span" : unit_kind_name(k->kind),
			.why = reasons[k->why],
			.shape = analysis_own_text(a, &name),
			.process = k->comm,
			.tgid = k->tgid,
			.start_realtime_ns = a->meta.realtime_ns + (k->start - a->meta.mono_ns),
			.duration_ns = k->end - k->start,
			.db_ns = k->db_ns,
			.statements = k->statements,
			.errors = k->errors};
	}
}
