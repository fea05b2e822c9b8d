/* SPDX-License-Identifier: BSD-2-Clause */
/* A statement that fails again and again with the same code. */
#include "detect/conditions.h"
#include "detect/detectors.h"

#include <string.h>

void failing_statement_error(struct detect *d, const struct detector *self, const struct statement *stmt,
			     const struct detect_error *error)
{
	struct finding *f;
	size_t len;

	if (error->count < detect_options(d)->failures)
		return;
	f = detect_finding(d, self, stmt->fingerprint,
			   hash_bytes(HASH_SEED, error->code.ptr, error->code.len) + stmt->system);
	if (!f)
		return;
	len = error->code.len < sizeof(f->code) - 1 ? error->code.len : sizeof(f->code) - 1;
	if (len)
		memcpy(f->code, error->code.ptr, len);
	f->count = error->count;
	f->total_ns += stmt->duration_ns;
	f->saved_ns = f->total_ns;
	f->confidence = CONFIDENCE_EXACT;
	f->system = stmt->system;
	f->call_site = stmt->call_site;
	f->tgid = stmt->tgid;
	detect_certain(d, f);
}

enum severity failing_statement_severity(const struct finding *f)
{
	return f->count >= 100 ? SEVERITY_HIGH : f->count >= 10 ? SEVERITY_MEDIUM : SEVERITY_LOW;
}

void failing_statement_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
				struct strbuf *evidence, struct strbuf *recommendation)
{
	const char *name = condition_name(f->code), *advice = condition_advice(f->code);

	strbuf_addf(title, "Failed %llu times%s%s: ", (unsigned long long)f->count,
		    f->code[0] ? " with " : "", name ? name : f->code);
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu executions failed%s%s%s%s%s.", (unsigned long long)f->count,
		    f->code[0] ? " with " : "", f->code, name ? " (" : "", name ? name : "", name ? ")" : "");
	if (advice)
		strbuf_addf(recommendation, "%s The message is under \"errors\".", advice);
	else
		strbuf_adds(recommendation, "Look at the message under \"errors\"; a retry of what fails for "
					    "the same reason only adds load.");
}
