/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processes used and where the time went: memory warnings, bottlenecks, the profile's
 * functions for the detectors. */
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

/* ---- bottlenecks ---- */

/* Impact by the share of the time that is accounted for; less than the last is none. */
static const struct {
	double share;
	const char *impact;
} impacts[] = {{0.5, "high"}, {0.2, "medium"}, {0.05, "low"}};

static const char *impact_of(double share)
{
	size_t i;

	for (i = 0; i < sizeof(impacts) / sizeof(impacts[0]); i++) {
		if (share >= impacts[i].share)
			return impacts[i].impact;
	}
	return NULL;
}

/* Where time went, as far as it is known. */
struct spent {
	uint64_t db_ns, lock_ns, cpu_ns; /* in database calls, waiting for locks in them, CPU outside them */
	const char *cpu_from;
};

static int add_cpu(struct table_key key, void *value, void *arg)
{
	const struct process_usage *p = value;

	if (p->count > 1 && p->point[p->count - 1].cpu_ns > p->point[0].cpu_ns)
		*(uint64_t *)arg += p->point[p->count - 1].cpu_ns - p->point[0].cpu_ns;
	return 0;
}

static void add_wait(const struct stats_query *q, void *arg)
{
	*(uint64_t *)arg += q->wait_ns;
}

/* The profile knows what was outside statements; without one, the CPU time of the
 * processes is an upper bound of it. */
static struct spent spent_of(struct analysis *a)
{
	struct spent spent = {.db_ns = a->report.db_ns};
	struct samples_totals samples;

	stats_each_query(a->stats, add_wait, &spent.lock_ns);
	samples_totals(a->samples, &samples);
	if (samples.samples) {
		spent.cpu_ns =
			(uint64_t)((double)samples.weight_ns *
				   (double)(samples.samples - samples.attributed) / (double)samples.samples);
		spent.cpu_from = " of CPU time outside database calls";
	} else {
		table_visit(a->processes, add_cpu, &spent.cpu_ns);
		spent.cpu_from = " of CPU time";
	}
	return spent;
}

static void add_bottleneck(struct analysis *a, const char *kind, double share, const char *recommendation,
			   struct strbuf *evidence)
{
	struct report *r = &a->report;
	const char *impact = impact_of(share);

	if (!impact) {
		strbuf_free(evidence);
		return;
	}
	r->bottlenecks.item[r->bottlenecks.count++] =
		(struct report_bottleneck){.kind = kind,
					   .impact = impact,
					   .share = share > 1 ? 1 : share,
					   .evidence = analysis_own_text(a, evidence),
					   .recommendation = recommendation};
}

static void add_times(struct analysis *a, const struct spent *spent)
{
	double known = (double)spent->db_ns + (double)spent->cpu_ns;
	struct strbuf evidence[2] = {{0}, {0}}, lock = {0};
	size_t i;

	for (i = 0; i < 2; i++) {
		detect_add_ms(&evidence[i], i ? spent->cpu_ns : spent->db_ns);
		strbuf_adds(&evidence[i], i ? spent->cpu_from : " in database calls");
		strbuf_adds(&evidence[i], i ? ", " : "; ");
		detect_add_ms(&evidence[i], i ? spent->db_ns : spent->cpu_ns);
		strbuf_adds(&evidence[i], i ? " in database calls" : spent->cpu_from);
		strbuf_adds(&evidence[i], ", in a window of ");
		detect_add_ms(&evidence[i], a->report.duration_ns);
		strbuf_adds(&evidence[i], ".");
	}
	if (spent->lock_ns) {
		detect_add_ms(&lock, spent->lock_ns);
		strbuf_adds(&lock, " of the time in database calls was waiting for locks.");
		add_bottleneck(
			a, "lock", (double)spent->lock_ns / known,
			"Shorten the transactions that hold them (see lock waits and long transactions).",
			&lock);
	}
	add_bottleneck(a, "database", ((double)spent->db_ns - (double)spent->lock_ns) / known,
		       "Start with the findings and the queries by total time.", &evidence[0]);
	add_bottleneck(a, "cpu", (double)spent->cpu_ns / known, "Start with the hot functions.",
		       &evidence[1]);
}

/* Of processes that were watched all the time: as much more memory as they began with is the whole share. */
static void add_memory(struct analysis *a)
{
	const struct report *r = &a->report;
	uint64_t grown = 0, rss = 0;
	struct strbuf evidence = {0};
	size_t i;

	for (i = 0; i < r->memory_warnings.count; i++) {
		grown += r->memory_warnings.item[i].grown_kb;
		rss += r->memory_warnings.item[i].rss_kb;
	}
	if (!grown || !rss)
		return;
	strbuf_addf(&evidence, "%zu memory warning%s: %.0f MB in processes that now have %.0f MB.",
		    r->memory_warnings.count, r->memory_warnings.count == 1 ? "" : "s", (double)grown / 1024,
		    (double)rss / 1024);
	add_bottleneck(a, "memory", (double)grown / (double)rss, "See the memory warnings.", &evidence);
}

static int larger_share_first(const void *x, const void *y)
{
	const struct report_bottleneck *a = x, *b = y;

	return a->share < b->share ? 1 : a->share > b->share ? -1 : strcmp(a->kind, b->kind);
}

void analysis_fill_bottlenecks(struct analysis *a)
{
	struct report *r = &a->report;
	struct spent spent = spent_of(a);

	r->bottlenecks.item = analysis_own(a, calloc(4, sizeof(*r->bottlenecks.item)));
	if (!r->bottlenecks.item)
		return;
	if (spent.db_ns + spent.cpu_ns && r->duration_ns)
		add_times(a, &spent);
	add_memory(a);
	qsort(r->bottlenecks.item, r->bottlenecks.count, sizeof(*r->bottlenecks.item), larger_share_first);
}
