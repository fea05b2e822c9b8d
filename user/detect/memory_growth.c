/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resident memory: beyond the threshold, a lot more at once, or more and more over the window (the median of
 * all slopes between two checks: H. Theil, 1950; P. K. Sen, J. Am. Stat. Assoc. 63, 1968). A short window must
 * show more growth than a long one.
 */
#include "detect/detectors.h"

#include <stdlib.h>
#include <string.h>

#define MB_KB	      1024
#define WARM_UP_NS    (10 * 1000000000ULL) /* a younger process is still loading */
#define JUMP_KB	      (50 * MB_KB)
#define JUMP_NS	      (10 * 1000000000ULL) /* that is at once */
#define SLOPE_POINTS  6			   /* checks at least … */
#define SLOPE_NS      (60 * 1000000000ULL) /* … over at least this long */
#define SLOPE_KB      (20 * MB_KB)	   /* growth over the window that counts … */
#define SHORT_NS      (10 * 1000000000ULL) /* … or over this long … */
#define SHORT_KB      JUMP_KB		   /* … so much */
#define SLOPE_PERCENT 10		   /* … if it is so much of what there was */
#define RISING	      80		   /* per cent of the steps that go up or stay */
#define POINTS_MAX    64

static int by_value(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return a < b ? -1 : a > b;
}

/* KB per ns. */
static double median_slope(const struct detect_usage *u, size_t n)
{
	double slope[POINTS_MAX * (POINTS_MAX - 1) / 2];
	size_t i, j, k = 0;

	for (i = 0; i < n; i++) {
		for (j = i + 1; j < n; j++)
			slope[k++] =
				((double)u[j].rss_kb - (double)u[i].rss_kb) / (double)(u[j].ts - u[i].ts);
	}
	if (!k)
		return 0;
	qsort(slope, k, sizeof(*slope), by_value);
	return slope[k / 2];
}

static struct finding *report(struct detect *d, const struct detector *self, const struct detect_process *p,
			      enum detect_memory what)
{
	struct finding *f = detect_finding(d, self, 0, hash_mix(p->tgid, what));

	if (!f)
		return NULL;
	f->number = what;
	f->count = p->count;
	f->tgid = p->tgid;
	f->rows = p->usage[p->count - 1].rss_kb;
	f->confidence = CONFIDENCE_EXACT;
	if (p->comm)
		memcpy(f->comm, p->comm, strnlen(p->comm, sizeof(f->comm) - 1));
	detect_certain(d, f);
	return f;
}

/* The most that came within JUMP_NS, or between two checks that are further apart. */
static uint64_t largest_jump(const struct detect_process *p, uint64_t *took_ns)
{
	const struct detect_usage *u = p->usage;
	uint64_t jump = 0;
	size_t i, j;

	for (i = 0; i < p->count; i++) {
		if (u[i].age_ns < WARM_UP_NS)
			continue;
		for (j = i + 1; j < p->count && (j == i + 1 || u[j].ts - u[i].ts <= JUMP_NS); j++) {
			if (u[j].rss_kb <= u[i].rss_kb + jump)
				continue;
			jump = u[j].rss_kb - u[i].rss_kb;
			*took_ns = u[j].ts - u[i].ts;
		}
	}
	return jump;
}

/*
 * Checks that are about as far apart as the two that are furthest apart, for they come closer at the beginning, whose
 * slopes would count most. Those of a process that still loads are left out.
 */
static size_t spread(const struct detect_process *p, struct detect_usage out[POINTS_MAX])
{
	uint64_t apart = 0;
	size_t first = 0, n = 0, i;

	while (first < p->count && p->usage[first].age_ns < WARM_UP_NS)
		first++;
	for (i = first + 1; i < p->count; i++) {
		uint64_t gap = p->usage[i].ts - p->usage[i - 1].ts;

		apart = gap > apart ? gap : apart;
	}
	for (i = first; i < p->count && n < POINTS_MAX; i++) {
		if (!n || p->usage[i].ts - out[n - 1].ts >= apart)
			out[n++] = p->usage[i];
	}
	return n;
}

/* How much it grew steadily; 0 = it did not. */
static double steady_growth(const struct detect_process *p, uint64_t *took_ns)
{
	struct detect_usage u[POINTS_MAX];
	size_t n = spread(p, u), rising = 0, i;
	double grown;

	if (n < SLOPE_POINTS)
		return 0;
	*took_ns = u[n - 1].ts - u[0].ts;
	for (i = 1; i < n; i++)
		rising += u[i].rss_kb >= u[i - 1].rss_kb;
	grown = median_slope(u, n) * (double)*took_ns;
	if (rising * 100 < (n - 1) * RISING || grown * 100 < (double)u[0].rss_kb * SLOPE_PERCENT ||
	    !((*took_ns >= SLOPE_NS && grown >= SLOPE_KB) || (*took_ns >= SHORT_NS && grown >= SHORT_KB)))
		return 0;
	return grown;
}

/* What grows steadily and fast has its growth of each ten seconds, too: that is no jump of its own. */
static void check_growth(struct detect *d, const struct detector *self, const struct detect_process *p)
{
	uint64_t jump_ns = 0, slope_ns = 0, jump = largest_jump(p, &jump_ns);
	double grown = steady_growth(p, &slope_ns);
	struct finding *f;

	if (jump > JUMP_KB &&
	    !(grown > 0 && (double)jump <= 2 * grown * (double)jump_ns / (double)slope_ns)) {
		f = report(d, self, p, DETECT_MEMORY_JUMP);
		if (f) {
			f->worst_count = jump;
			f->worst_ns = jump_ns;
		}
	}
	f = grown > 0 ? report(d, self, p, DETECT_MEMORY_SLOPE) : NULL;
	if (f) {
		f->worst_count = (uint64_t)grown;
		f->worst_ns = slope_ns;
		f->confidence = CONFIDENCE_LIKELY;
	}
}

void memory_growth_process(struct detect *d, const struct detector *self, const struct detect_process *p)
{
	uint64_t most = 0, limit = detect_options(d)->memory_kb;
	struct finding *f;
	size_t i;

	for (i = 0; i < p->count; i++)
		most = p->usage[i].rss_kb > most ? p->usage[i].rss_kb : most;
	if (limit && most > limit) {
		f = report(d, self, p, DETECT_MEMORY_LIMIT);
		if (f)
			f->worst_count = most;
	}
	check_growth(d, self, p);
}

enum severity memory_growth_severity(const struct finding *f)
{
	return f->worst_count >= 10 * JUMP_KB ? SEVERITY_HIGH : SEVERITY_MEDIUM;
}

static void add_mb(struct strbuf *out, uint64_t kb)
{
	strbuf_addf(out, "%.0f MB", (double)kb / MB_KB);
}

void memory_growth_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			    struct strbuf *evidence, struct strbuf *recommendation)
{
	add_mb(title, f->worst_count);
	strbuf_addf(title, " %s: process %u",
		    f->number == DETECT_MEMORY_LIMIT  ? "of memory"
		    : f->number == DETECT_MEMORY_JUMP ? "more memory at once"
						      : "more memory, steadily",
		    f->tgid);
	if (f->comm[0])
		strbuf_addf(title, " (%s)", f->comm);
	if (f->number == DETECT_MEMORY_LIMIT) {
		strbuf_adds(evidence, "Resident memory reached ");
		add_mb(evidence, f->worst_count);
		strbuf_adds(evidence, ", the threshold is ");
		add_mb(evidence, detect_options(d)->memory_kb);
	} else if (f->number == DETECT_MEMORY_JUMP) {
		strbuf_adds(evidence, "Resident memory grew by ");
		add_mb(evidence, f->worst_count);
		strbuf_addf(evidence, " within %.1f s", (double)f->worst_ns / 1e9);
	} else {
		strbuf_adds(evidence, "Resident memory grew by ");
		add_mb(evidence, f->worst_count);
		strbuf_addf(evidence, " over %.0f s", (double)f->worst_ns / 1e9);
	}
	strbuf_addf(evidence, "; %llu checks, the last at ", (unsigned long long)f->count);
	add_mb(evidence, f->rows);
	strbuf_adds(evidence, ".");
	strbuf_adds(recommendation, "Look for large results held in memory (see large results), caches "
				    "without a bound and objects "
				    "that stay referenced; take a heap profile with the runtime's own tool.");
}
