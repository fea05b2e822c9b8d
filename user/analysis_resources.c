/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processes used: memory warnings, CPU time, the profile's functions for the detectors. */
#include "analysis_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- processes ---- */

void analysis_usage_release(struct table_key key, void *value, void *arg)
{
	free(((struct process_usage *)value)->point);
}

/* Every second point goes, and from now on every second is not kept: the first and the last always are. */
static void thin_out(struct process_usage *p)
{
	uint32_t i;

	for (i = 1; 2 * i < p->count; i++)
		p->point[i] = p->point[2 * i];
	p->count = i;
	p->stride *= 2;
}

int analysis_feed_usage(struct analysis *a, const struct record *rec)
{
	const struct rec_usage *in = &rec->usage;
	struct process_usage *p = table_put(a->processes, (struct table_key){rec->hdr->tgid, 0}, NULL);
	size_t len = in->comm.len < sizeof(p->comm) - 1 ? in->comm.len : sizeof(p->comm) - 1;

	if (!p)
		return -ENOMEM;
	if (!p->point) {
		p->point = calloc(USAGE_POINTS, sizeof(*p->point));
		p->stride = 1;
		if (!p->point)
			return -ENOMEM;
	}
	memset(p->comm, 0, sizeof(p->comm));
	if (len)
		memcpy(p->comm, in->comm.ptr, len);
	p->seen++;
	p->peak_kb = in->rss_kb > p->peak_kb ? in->rss_kb : p->peak_kb;
	/* The newest always has a place: it takes that of the one before where that was not to be kept. */
	if (p->count > 1 && (p->seen - 2) % p->stride)
		p->count--;
	if (p->count == USAGE_POINTS)
		thin_out(p);
	if (p->count && p->point[p->count - 1].ts >= rec->hdr->ts)
		return 0;
	p->point[p->count++] = (struct detect_usage){
		.ts = rec->hdr->ts, .age_ns = in->age_ns, .rss_kb = in->rss_kb, .cpu_ns = in->cpu_ns};
	return 0;
}

static int judge_process(struct table_key key, void *value, void *arg)
{
	const struct process_usage *p = value;
	struct analysis *a = arg;
	struct detect_process process = {
		.tgid = (uint32_t)key.a, .comm = p->comm, .usage = p->point, .count = p->count};

	if (p->count)
		detect_process(a->detect, &process);
	return 0;
}

struct judging {
	struct analysis *a;
	struct samples_totals totals;
};

static void judge_function(const struct samples_function *f, void *arg)
{
	const struct judging *j = arg;
	struct detect_function function = {.name = f->name,
					   .module = f->module,
					   .self = f->self,
					   .samples = j->totals.samples,
					   .weight_ns = j->totals.weight_ns};

	detect_profile(j->a->detect, &function);
}

void analysis_judge_resources(struct analysis *a)
{
	struct judging j = {.a = a};

	table_visit(a->processes, judge_process, a);
	samples_totals(a->samples, &j.totals);
	samples_each_function(a->samples, judge_function, &j);
}

/* ---- memory ---- */

struct warnings {
	struct analysis *a;
	size_t count;
};

static void add_warning(const struct finding *f, void *arg)
{
	static const char *const kinds[] = {[DETECT_MEMORY_LIMIT] = "threshold",
					    [DETECT_MEMORY_JUMP] = "jump",
					    [DETECT_MEMORY_SLOPE] = "growth"};
	struct warnings *w = arg;
	struct report *r = &w->a->report;
	struct analysis_words words;
	struct report_finding said;

	if (strcmp(f->detector->name, "memory_growth") != 0)
		return;
	w->count++;
	if (!r->memory_warnings.item)
		return;
	if (analysis_words(w->a, f, &words, &said))
		w->a->err = -ENOMEM;
	r->memory_warnings.item[r->memory_warnings.count++] =
		(struct report_memory){.tgid = f->tgid,
				       .process = analysis_own(w->a, strdup(f->comm)),
				       .kind = kinds[f->number],
				       .severity = said.severity,
				       .rss_kb = f->rows,
				       .grown_kb = f->worst_count,
				       .evidence = analysis_own_text(w->a, &words.evidence)};
	analysis_words_free(&words);
}

void analysis_fill_memory(struct analysis *a)
{
	struct warnings w = {.a = a};

	detect_each(a->detect, add_warning, &w);
	a->report.memory_warnings.item =
		analysis_own(a, calloc(w.count + 1, sizeof(*a->report.memory_warnings.item)));
	detect_each(a->detect, add_warning, &w);
}

/* ---- CPU time ---- */

static int add_cpu(struct table_key key, void *value, void *arg)
{
	const struct process_usage *p = value;

	if (p->count > 1 && p->point[p->count - 1].cpu_ns > p->point[0].cpu_ns)
		*(uint64_t *)arg += p->point[p->count - 1].cpu_ns - p->point[0].cpu_ns;
	return 0;
}

uint64_t analysis_cpu_used(struct analysis *a)
{
	uint64_t cpu_ns = 0;

	table_visit(a->processes, add_cpu, &cpu_ns);
	return cpu_ns;
}
