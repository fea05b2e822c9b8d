/* SPDX-License-Identifier: BSD-2-Clause */
/* A process that uses most of a core, or more than one, all the time. */
#include "detect/detectors.h"

#include <string.h>

#define PER_CENT  80
#define WINDOW_NS (10 * 1000000000ULL) /* less says nothing of a server */

void high_cpu_process(struct detect *d, const struct detector *self, const struct detect_process *p)
{
	const struct detect_usage *first = p->usage, *last = first + p->count - 1;
	uint64_t wall = last->ts - first->ts, cpu;
	struct finding *f;

	if (wall < WINDOW_NS || last->cpu_ns < first->cpu_ns)
		return;
	cpu = last->cpu_ns - first->cpu_ns;
	if ((double)cpu * 100 < (double)wall * PER_CENT)
		return;
	f = detect_finding(d, self, 0, p->tgid);
	if (!f)
		return;
	f->count = p->count;
	f->total_ns = cpu;
	f->worst_ns = wall;
	f->tgid = p->tgid;
	f->confidence = CONFIDENCE_EXACT;
	if (p->comm)
		memcpy(f->comm, p->comm, strnlen(p->comm, sizeof(f->comm) - 1));
	detect_certain(d, f);
}

enum severity high_cpu_severity(const struct finding *f)
{
	return f->total_ns >= 2 * f->worst_ns ? SEVERITY_MEDIUM : SEVERITY_LOW;
}

void high_cpu_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
		       struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title, "%.1f cores busy: process %u", (double)f->total_ns / (double)f->worst_ns, f->tgid);
	if (f->comm[0])
		strbuf_addf(title, " (%s)", f->comm);
	strbuf_adds(evidence, "It used ");
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, " of CPU time in ");
	detect_add_ms(evidence, f->worst_ns);
	strbuf_adds(evidence, ".");
	strbuf_adds(recommendation,
		    "See which functions it spends that in (hot functions, apm-bpf flame), and "
		    "whether reads return more rows than are needed.");
}
