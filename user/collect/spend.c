/* SPDX-License-Identifier: BSD-2-Clause */
/* What tracing costs, and collecting less of it. */
#include "collect/collect_state.h"

#include <unistd.h>

#include <bpf/bpf.h>

#include "collect/calibrate.h"

/*
 * The kernel's statistics tell what the programs take, but make each run some 100 ns dearer: so they are on
 * for a moment every so often, the first time soon.
 */
#define MEASURE_FIRST_NS (300 * 1000000ULL)
#define MEASURE_FOR_NS	 (20 * 1000000ULL)
#define MEASURE_EVERY_NS (10 * 1000000000ULL)
#define MEASURE_RUNS	 20 /* fewer are no measurement */

void collect_measure(struct collect *c, uint64_t now_ns)
{
	struct program_price *p = &c->programs;
	uint64_t ns, runs;

	if (!p->next_ns)
		p->next_ns = now_ns + MEASURE_FIRST_NS;
	if (p->stats_fd >= 0 && now_ns - p->began_ns >= MEASURE_FOR_NS) {
		loader_run_time(c->loader, &ns, &runs);
		close(p->stats_fd);
		p->stats_fd = -1;
		if (runs - p->runs >= MEASURE_RUNS)
			p->per_run_ns = (ns - p->run_ns) / (runs - p->runs);
	} else if (p->stats_fd < 0 && now_ns >= p->next_ns && !c->detached) {
		loader_run_time(c->loader, &p->run_ns, &p->runs);
		p->stats_fd =
			bpf_enable_stats(BPF_STATS_RUN_TIME); /* not before 5.8, or without CAP_SYS_ADMIN */
		p->began_ns = now_ns;
		p->next_ns = now_ns + MEASURE_EVERY_NS;
	}
}

void collect_cost(const struct collect *c, struct collect_cost *out)
{
	out->entry_price_ns = c->price.entry_ns;
	out->return_price_ns = c->price.return_ns;
	out->run_ns = c->programs.per_run_ns;
	out->events_read = c->events_read;
}

void collect_counters(const struct collect *c, uint64_t values[APM_CNT_MAX], uint64_t *late_attach_ns)
{
	loader_counters(c->loader, values);
	values[APM_CNT_LATE_ATTACH] += c->late_count;
	values[APM_CNT_RECURSION] += c->ends_missed;
	*late_attach_ns = c->late_ns;
}

void collect_set_detail(struct collect *c, const struct apm_detail *detail, int samples)
{
	loader_set_detail(c->loader, detail);
	c->looks_off = !samples;
	if (!samples) {
		sampler_close(c->sampler);
		c->sampler = NULL;
	} else if (!c->sampler && c->opt.sample_freq && !c->stopped) {
		c->sampler = sampler_open(c->loader, c->opt.sample_freq);
	}
}

int collect_probe_executions(struct collect *c, const char *why)
{
	return !c->detached && lite_sets_change(&c->lite, why);
}

void collect_detach(struct collect *c)
{
	c->detached = 1;
	files_detach(c->files);
	spans_detach(c->spans);
}
