/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections opened again and again within one unit of work. */
#include "detect/detectors.h"
#include "detect/repeats.h"

void connection_churn_unit(struct detect *d, const struct detector *self, const struct unit *unit)
{
	const struct repeats_verdict verdict = {.together = 1, .confidence = CONFIDENCE_EXACT};
	size_t i;

	for (i = 0; i < unit->repeat_count; i++) {
		const struct repeat *r = &unit->repeat[i];

		if (r->type != SPAN_CONNECT || r->count < detect_options(d)->connects)
			continue;
		repeats_report(d, self, unit, r, &verdict);
	}
}

void connection_churn_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			       struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title, "%llu connections opened in one %s: ", (unsigned long long)f->worst_count,
		    unit_kind_name(f->unit_kind));
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "Opening %llu connections took ", (unsigned long long)f->count);
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, ".");
	strbuf_adds(
		recommendation,
		"Keep connections open: a pool, persistent connections, or one connection per unit of work.");
}
