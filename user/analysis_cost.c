/* SPDX-License-Identifier: BSD-2-Clause */
/* What was lost, and what tracing cost. */
#include "analysis_state.h"

static void fill_losses(struct analysis *a)
{
	struct report *r = &a->report;
	struct units_totals units;
	struct samples_totals samples;
	uint32_t i;

	units_totals(a->units, &units);
	samples_totals(a->samples, &samples);
	for (i = 0; i < a->loss.count && i < APM_CNT_MAX; i++)
		r->losses[i] = a->loss.values[i];
	r->losses[APM_CNT_UNATTRIBUTED] += samples.unattributed;
	r->losses[APM_CNT_EVICTED] += stats_evicted(a->stats) + session_evicted(a->session) + units.evicted +
				      samples.evicted + detect_evicted(a->detect) + table_evicted(a->shapes) +
				      table_evicted(a->coverage) + table_evicted(a->libraries) +
				      table_evicted(a->span_ends) + table_evicted(a->processes);
	if (r->losses[APM_CNT_TEXT_UNKNOWN] < a->text_unknown)
		r->losses[APM_CNT_TEXT_UNKNOWN] = a->text_unknown;
	for (i = 0; i < APM_CNT_MAX; i++)
		r->lower_bounds |= r->losses[i] && counter_lossy((enum apm_counter)i);
	r->late_attach_ns = a->loss.late_attach_ns;
}

static void fill_overhead(struct analysis *a)
{
	struct report *r = &a->report;
	const struct rec_overhead *o = &a->overhead;

	r->probe_hits = o->probe_hits;
	r->probe_ns = o->probe_ns;
	r->program_ns = o->program_ns;
	r->agent_cpu_ns = o->agent_cpu_ns;
	r->agent_rss_kb = o->agent_rss_kb;
	r->probes = o->probes;
	r->price_entry_ns = o->price_entry_ns;
	r->price_return_ns = o->price_return_ns;
	r->events_read = o->events_read;
	r->cpu_wait_ns = o->cpu_wait_ns;
	r->cpu_window_ns = o->cpu_window_ns;
	r->overhead_limit = (double)o->limit_ppm / 1e6;
	r->overhead_peak = (double)o->peak_ppm / 1e6;
	r->overhead_changes = o->changes;
	r->overhead_level = record_detail_name(o->level);
}

void analysis_fill_cost(struct analysis *a)
{
	fill_losses(a);
	fill_overhead(a);
}
