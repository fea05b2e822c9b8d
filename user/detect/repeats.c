/* SPDX-License-Identifier: BSD-2-Clause */
#include "detect/repeats.h"
#include "detect/detectors.h"

#include <string.h>

#define BURSTS_MIN 3

static const struct repeat_link *parent_of(const struct repeat *r)
{
	const struct repeat_link *best = NULL;
	int i;

	for (i = UNIT_LINK_TX + 1; i < UNIT_PARENTS; i++) {
		const struct repeat_link *l = &r->link[i];

		if (l->good == 0 || l->good < l->bad)
			continue;
		if (!best || l->good > best->good ||
		    (l->good == best->good && l->best_rows > best->best_rows))
			best = l;
	}
	return best;
}

static int close_together(const struct repeat *r)
{
	return r->last_position - r->first_position <= (r->count - 1) * (REPEATS_DISTANCE + 1);
}

void repeats_judge(const struct unit *unit, const struct repeat *r, uint32_t threshold,
		   struct repeats_verdict *out)
{
	*out = (struct repeats_verdict){.parent = parent_of(r), .confidence = CONFIDENCE_LIKELY};
	out->in_tx = r->link[UNIT_LINK_TX].good > 0;
	out->together = out->parent || out->in_tx;
	if (unit->kind == UNIT_GIVEN || unit->kind == UNIT_SPAN) {
		out->together = 1;
		out->confidence = CONFIDENCE_EXACT;
	} else if (unit->kind == UNIT_PROCESS) {
		out->together = out->together || close_together(r);
		if (r->gaps == 0)
			out->confidence = CONFIDENCE_EXACT;
	}
	if (r->count - r->unknown < threshold)
		out->confidence = CONFIDENCE_LIKELY;
}

int repeats_differ(const struct repeat *r, uint32_t threshold)
{
	return r->chain >= threshold && distinct_count(&r->params) + r->unknown >= threshold;
}

int repeats_equal(const struct repeat *r, uint32_t threshold)
{
	uint64_t known = r->count - r->unknown - r->partial;

	if (distinct_count(&r->params) + r->unknown >= threshold || known < threshold)
		return 0;
	return r->params.commonest >= threshold || known - distinct_count(&r->params) >= threshold;
}

/* The read that most recently ran for the first time before the repeats, and ran much less often. */
static uint64_t read_before(const struct unit *unit, const struct repeat *r)
{
	const struct repeat *best = NULL;
	size_t i;

	for (i = 0; i < unit->repeat_count; i++) {
		const struct repeat *p = &unit->repeat[i];

		if (p->kind != SQL_KIND_READ || p->first_start >= r->first_start || p->count * 2 > r->count)
			continue;
		if (!best || p->first_start > best->first_start)
			best = p;
	}
	return best ? best->fingerprint : 0;
}

static void keep_worst(struct finding *f, const struct unit *unit, const struct repeat *r,
		       const struct repeats_verdict *verdict)
{
	if (r->count <= f->worst_count)
		return;
	f->worst_count = r->count;
	f->worst_distinct = distinct_count(&r->params);
	f->distinct_estimated = r->params.shift > 0;
	f->worst_unknown = r->unknown;
	f->worst_ns = r->total_ns;
	f->unit_kind = unit->kind;
	f->rule = unit->rule;
	memcpy(f->comm, unit->comm, sizeof(f->comm));
	f->unit_first = unit->first;
	f->call_site = r->call_site;
	f->tgid = r->tgid;
	f->parent_rows = 0;
	f->number = r->count;
	if (verdict->parent) {
		f->parent = verdict->parent->parent;
		f->parent_rows = verdict->parent->best_rows;
		f->number = verdict->parent->best_group;
	} else if (unit->kind == UNIT_GIVEN || unit->kind == UNIT_SPAN || unit->kind == UNIT_PROCESS) {
		f->parent = read_before(unit, r);
	}
}

static void add_bursts(struct finding *f, const struct repeat *r)
{
	if (r->bursts == 0)
		return;
	if (f->bursts == 0 || r->burst_min < f->burst_min)
		f->burst_min = r->burst_min;
	if (r->burst_max > f->burst_max)
		f->burst_max = r->burst_max;
	f->bursts += r->bursts;
}

/* One statement instead of all: for reads what one of them took, for writes half, as
 * each row is still written. */
static uint64_t saved_by_one(const struct repeat *r)
{
	uint64_t saved = r->total_ns - r->total_ns / r->count;
	int writes = r->kind == SQL_KIND_INSERT || r->kind == SQL_KIND_UPDATE || r->kind == SQL_KIND_DELETE;

	return writes ? saved / 2 : saved;
}

struct finding *repeats_report(struct detect *d, const struct detector *self, const struct unit *unit,
			       const struct repeat *r, const struct repeats_verdict *verdict)
{
	uint64_t place = verdict->parent && unit->kind != UNIT_GIVEN ? verdict->parent->parent : unit->shape;
	struct finding *f = detect_finding(d, self, r->fingerprint, place);

	if (!f)
		return NULL;
	keep_worst(f, unit, r, verdict);
	add_bursts(f, r);
	f->count += r->count;
	f->units++;
	f->total_ns += r->total_ns;
	f->saved_ns += saved_by_one(r);
	f->units_db_ns += unit->db_ns;
	f->rows += r->rows;
	f->system = r->system;
	f->kind = r->kind;
	if (r->max_ns > f->max_ns)
		f->max_ns = r->max_ns;
	if (verdict->confidence > f->confidence)
		f->confidence = verdict->confidence;
	if (verdict->together)
		detect_certain(d, f);
	return f;
}

void repeats_end(struct detect *d, const struct detector *self, struct finding *f)
{
	if (!f->certain && f->bursts >= BURSTS_MIN && f->burst_min == f->burst_max && f->call_site &&
	    f->burst_min >= detect_options(d)->n_plus_one)
		detect_certain(d, f);
}

/* A database in the process costs no round trip: there the count alone says nothing. */
enum severity repeats_severity(const struct finding *f)
{
	return detect_severity(f->saved_ns, f->system == APM_SYSTEM_SQLITE ? 0 : f->worst_count);
}
