/* SPDX-License-Identifier: BSD-2-Clause */
/* The same request to another service again and again, each time for another resource. */
#include "detect/detectors.h"
#include "detect/repeats.h"

void n_plus_one_http_unit(struct detect *d, const struct detector *self, const struct unit *unit)
{
	const struct detect_options *opt = detect_options(d);
	const struct repeats_verdict verdict = {.together = 1, .confidence = CONFIDENCE_EXACT};
	size_t i;

	for (i = 0; i < unit->repeat_count; i++) {
		const struct repeat *r = &unit->repeat[i];

		if (r->type != SPAN_HTTP || r->kind != SQL_KIND_READ || r->count < opt->http_min_count ||
		    r->total_ns < opt->http_min_total_ns || distinct_count(&r->params) < opt->http_min_count)
			continue;
		repeats_report(d, self, unit, r, &verdict);
	}
}

void n_plus_one_http_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			      struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title, "N+1 requests: %llu times in one %s: ", (unsigned long long)f->worst_count,
		    unit_kind_name(f->unit_kind));
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu requests took ", (unsigned long long)f->count);
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, ".");
	strbuf_adds(recommendation,
		    "Ask for all of them in one batch request, or at least send the requests in parallel.");
}
