/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for a connection of a pool that has none left. */
#include "detect/detectors.h"

void pool_saturation_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
			       const struct statement *was)
{
	const struct detect_options *opt = detect_options(d);
	struct finding *f;

	if (stmt->type != SPAN_POOL || stmt->duration_ns < opt->pool_wait_ns)
		return;
	f = detect_finding(d, self, stmt->fingerprint, 0);
	if (!f)
		return;
	f->count++;
	f->total_ns += stmt->duration_ns;
	f->saved_ns = f->total_ns;
	f->confidence = CONFIDENCE_EXACT;
	if (stmt->duration_ns > f->max_ns)
		f->max_ns = stmt->duration_ns;
	if (f->count >= opt->pool_waits)
		detect_certain(d, f);
}

enum severity pool_saturation_severity(const struct finding *f)
{
	return detect_severity(f->saved_ns, 0);
}

void pool_saturation_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			      struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_adds(title, "Waited for a free connection: ");
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu wait%s took ", (unsigned long long)f->count, f->count == 1 ? "" : "s");
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, ", the longest ");
	detect_add_ms(evidence, f->max_ns);
	strbuf_adds(evidence, ".");
	strbuf_adds(recommendation, "Hold connections for a shorter time (see slow and idle transactions) "
				    "before making the pool larger.");
}
