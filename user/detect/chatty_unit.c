/* SPDX-License-Identifier: BSD-2-Clause */
/* Units of work with far more statements than others of their shape. */
#include "detect/detectors.h"

#include <string.h>

#define UNITS_MIN   20 /* before the shape's norm is known */
#define TIMES_P50   10
#define MORE_MIN    100 /* statements beyond the median */
#define OUTLIER_MIN 3	/* units */

void chatty_unit_unit(struct detect *d, const struct detector *self, const struct unit *unit)
{
	struct detect_note *shape;
	struct finding *f;
	uint64_t p50;

	if (unit->inner || unit->cut || !unit->shape)
		return;
	shape = detect_note(d, self, unit->shape, 0);
	if (!shape || hist_add(&shape->hist, unit->statements))
		return;
	p50 = hist_percentile(&shape->hist, 0.5);
	if (shape->hist.count < UNITS_MIN || unit->statements < p50 * TIMES_P50 ||
	    unit->statements < p50 + MORE_MIN)
		return;
	f = detect_finding(d, self, unit->first, unit->shape);
	if (!f)
		return;
	f->count++;
	f->units = shape->hist.count;
	f->total_ns += unit->db_ns;
	f->saved_ns += unit->db_ns - (uint64_t)((double)unit->db_ns * (double)p50 / (double)unit->statements);
	f->number = p50;
	f->unit_kind = unit->kind;
	f->unit_first = unit->first;
	memcpy(f->comm, unit->comm, sizeof(f->comm));
	f->tgid = unit->tgid;
	f->confidence = unit->kind == UNIT_RUN || unit->kind == UNIT_CONNECTION ? CONFIDENCE_LIKELY
										: CONFIDENCE_EXACT;
	if (unit->statements > f->worst_count)
		f->worst_count = unit->statements;
	if (f->count >= OUTLIER_MIN)
		detect_certain(d, f);
}

enum severity chatty_unit_severity(const struct finding *f)
{
	return detect_severity(f->saved_ns, 0);
}

void chatty_unit_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			  struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title, "%llu statements where others of its shape have %llu: %s that begins with ",
		    (unsigned long long)f->worst_count, (unsigned long long)f->number,
		    unit_kind_name(f->unit_kind));
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence,
		    "%llu units had at least %d times the statements of the median of %llu such units; their "
		    "statements took ",
		    (unsigned long long)f->count, TIMES_P50, (unsigned long long)f->units);
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, ".");
	strbuf_adds(recommendation, "Find what the large ones have more of: an account, a basket, a page "
				    "without a limit; load it "
				    "with a few queries for all (see N+1), or read pages.");
}
