/* SPDX-License-Identifier: BSD-2-Clause */
/* A statement that had not ended when the trace did, and had been running for long. */
#include "detect/detectors.h"
#include "detect/slow_advice.h"

void running_statement_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
				 const struct statement *was)
{
	struct finding *f;

	if (!stmt->running || stmt->duration_ns < detect_options(d)->slow_ns)
		return;
	f = detect_finding(d, self, stmt->fingerprint, 0);
	if (!f)
		return;
	f->count++;
	f->total_ns += stmt->duration_ns;
	/* As for a slow query: made well, it takes a tenth of what counts as slow. */
	f->saved_ns = f->total_ns - f->count * detect_options(d)->slow_ns / 10;
	f->confidence = CONFIDENCE_EXACT;
	f->system = stmt->system;
	if (stmt->duration_ns > f->max_ns) {
		f->max_ns = stmt->duration_ns;
		f->call_site = stmt->call_site;
		f->tgid = stmt->tgid;
		f->tid = stmt->tid;
	}
	detect_certain(d, f);
}

enum severity running_statement_severity(const struct finding *f)
{
	return detect_severity(f->max_ns, 0);
}

void running_statement_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
				struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_adds(title, "Still running after ");
	detect_add_ms(title, f->max_ns);
	strbuf_adds(title, ": ");
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence,
		    "%llu execution%s had not ended when the trace did; the longest, in thread %u of process "
		    "%u, ran for ",
		    (unsigned long long)f->count, f->count == 1 ? "" : "s", f->tid, f->tgid);
	detect_add_ms(evidence, f->max_ns);
	strbuf_adds(evidence, " so far.");
	slow_advice(d, f, SLOW_RUNNING, recommendation);
}
