/* SPDX-License-Identifier: BSD-2-Clause */
#include "overhead.h"

#include <stdio.h>
#include <time.h>

#include "collect/collect.h"
#include "report/format.h"
#include "usage.h"

#define CHECK_NS 1000000000ULL
#define PPM	 1e6

/* What the probes read at each level, and whether CPU samples are taken. */
static const struct {
	struct apm_detail detail;
	int samples;
} collected[DETAIL_LEVELS] = {
	[DETAIL_FULL] = {.samples = 1},
	[DETAIL_NO_STACKS] = {.detail = {.no_sites = 1}},
	[DETAIL_NO_PARAMS] = {.detail = {.no_sites = 1, .no_params = 1}},
	[DETAIL_NO_PROBES] = {.detail = {.no_sites = 1, .no_params = 1}},
};

/* Anonymous memory of this process, kB: the ring buffer's mappings are not the tool's own. */
static uint64_t own_rss_kb(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long kb = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %lu", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

/* Time in which somebody waited for a CPU, since boot (Documentation/accounting/psi.rst); 0 = not known. */
static uint64_t cpu_wait_ns(void)
{
	FILE *f = fopen("/proc/pressure/cpu", "re");
	unsigned long long us = 0;

	if (f && fscanf(f, "some avg10=%*f avg60=%*f avg300=%*f total=%llu", &us) != 1)
		us = 0;
	if (f)
		fclose(f);
	return us * 1000;
}

static uint64_t own_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static struct overhead_hits hits_now(const struct collect *c, uint64_t calls)
{
	uint64_t counters[APM_CNT_MAX], late;

	collect_counters(c, counters, &late);
	return (struct overhead_hits){.both = calls + counters[APM_CNT_OTHER_CALLS],
				      .entries = counters[APM_CNT_OTHER_ENTRIES]};
}

/* Each trap has its calibrated price, each run of a program its measured one. */
static uint64_t traps_ns(const struct overhead_hits *h, const struct collect_cost *cost)
{
	return (h->both + h->entries) * cost->entry_price_ns + h->both * cost->return_price_ns;
}

static uint64_t programs_ns(const struct overhead_hits *h, const struct collect_cost *cost)
{
	return (h->both * 2 + h->entries) * cost->run_ns;
}

void overhead_init(struct overhead *o, double limit, uint64_t now_ns)
{
	*o = (struct overhead){.begin_ns = now_ns,
			       .last_ns = now_ns,
			       .last_cpu_ns = own_cpu_ns(),
			       .waited_at_begin = cpu_wait_ns()};
	governor_init(&o->governor, limit);
}

/*
 * What the limit is a share of: the time since the last check, or the CPU time that the targets used in it.
 * Theirs is only read while the limit is exceeded: the first time there is nothing to compare it with, 0.
 */
static uint64_t base_ns(struct overhead *o, struct usage *targets, uint64_t window_ns, uint64_t spent_ns)
{
	uint64_t before = o->targets_ns, used;

	o->targets_ns = 0;
	if (!o->governor.limit || (double)spent_ns <= o->governor.limit * (double)window_ns)
		return window_ns;
	o->targets_ns = usage_cpu_ns(targets);
	if (!before && o->targets_ns)
		return 0;
	used = o->targets_ns > before ? o->targets_ns - before : 0;
	o->of_targets = used > window_ns;
	return o->of_targets ? used : window_ns;
}

/* The share that was spent since the last check; below 0 when it cannot be told yet. */
static double share_since(struct overhead *o, const struct collect *c, struct usage *targets, uint64_t calls,
			  uint64_t now_ns)
{
	struct overhead_hits now = hits_now(c, calls);
	struct overhead_hits since = {now.both - o->last_hits.both, now.entries - o->last_hits.entries};
	uint64_t cpu = own_cpu_ns(), spent, base;
	struct collect_cost cost;

	collect_cost(c, &cost);
	spent = traps_ns(&since, &cost) + programs_ns(&since, &cost) + cpu - o->last_cpu_ns;
	base = base_ns(o, targets, now_ns - o->last_ns, spent);
	o->last_hits = now;
	o->last_cpu_ns = cpu;
	o->last_ns = now_ns;
	return base ? (double)spent / (double)base : -1;
}

static void obey(struct overhead *o, struct collect *c, enum detail_level before, double share,
		 overhead_tell_fn tell, void *arg)
{
	enum detail_level level = o->governor.level;
	double at = (double)(o->last_ns - o->begin_ns) / 1e9;
	const char *what = o->of_targets ? "what the targets use" : "a core";
	char text[256];

	o->changes++;
	if (level == DETAIL_NO_PROBES)
		collect_detach(c);
	else
		collect_set_detail(c, &collected[level].detail, collected[level].samples);
	if (level < before) {
		snprintf(text, sizeof(text), "collected again from %.0f s on: tracing takes %s of %s", at,
			 format_percent(share), what);
		tell(governor_subject(before), text, arg);
		return;
	}
	snprintf(text, sizeof(text),
		 "left out from %.0f s on: tracing takes %s of %s, more than --max-overhead %g", at,
		 format_percent(share), what, o->governor.limit * 100);
	tell(governor_subject(level), text, arg);
}

void overhead_review(struct overhead *o, struct collect *c, struct usage *targets, uint64_t calls,
		     uint64_t now_ns, overhead_tell_fn tell, void *arg)
{
	enum detail_level before = o->governor.level;
	double share;

	if (now_ns - o->last_ns < CHECK_NS)
		return;
	share = share_since(o, c, targets, calls, now_ns);
	if (share < 0)
		return;
	if (share > o->peak)
		o->peak = share;
	if (governor_is_about(&o->governor, share) &&
	    collect_probe_executions(c, "tracing takes more than --max-overhead")) {
		governor_init(&o->governor,
			      o->governor.limit); /* nothing was left out: the count begins anew */
		return;
	}
	if (governor_check(&o->governor, share))
		obey(o, c, before, share, tell, arg);
}

void overhead_total(const struct overhead *o, const struct collect *c, uint64_t calls, uint64_t now_ns,
		    struct rec_overhead *out)
{
	uint64_t waited = cpu_wait_ns();
	struct overhead_hits hits = hits_now(c, calls);
	struct collect_cost cost;

	collect_cost(c, &cost);
	*out = (struct rec_overhead){
		.probe_hits = hits.both + hits.entries,
		.probe_ns = traps_ns(&hits, &cost),
		.program_ns = programs_ns(&hits, &cost),
		.price_entry_ns = (uint32_t)cost.entry_price_ns,
		.price_return_ns = (uint32_t)cost.return_price_ns,
		.events_read = cost.events_read,
		.agent_cpu_ns = own_cpu_ns(),
		.agent_rss_kb = own_rss_kb(),
		.probes = collect_sites(c),
		.limit_ppm = (uint32_t)(o->governor.limit * PPM),
		.peak_ppm = (uint32_t)(o->peak * PPM),
		.level = (uint8_t)o->governor.level,
		.changes = o->changes,
	};
	if (waited && o->waited_at_begin) {
		out->cpu_wait_ns = waited - o->waited_at_begin;
		out->cpu_window_ns = now_ns - o->begin_ns;
	}
}
