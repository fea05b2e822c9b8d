/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resident memory: beyond the threshold, a lot more at once, or more and more over the window (the median of
 * all slopes between two checks: H. Theil, 1950; P. K. Sen, J. Am. Stat. Assoc. 63, 1968).
 */
#include "detect/detectors.h"

#include <stdlib.h>
#include <string.h>

#define MB_KB	      1024
#define WARM_UP_NS    (10 * 1000000000ULL) /* a younger process is still loading */
#define JUMP_KB	      (50 * MB_KB)
#define SLOPE_POINTS  6			   /* checks at least … */
#define SLOPE_NS      (60 * 1000000000ULL) /* … over at least this long */
#define SLOPE_KB      (20 * MB_KB)	   /* growth over the window that counts … */
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

static void check_jump(struct detect *d, const struct detector *self, const struct detect_process *p)
{
	const struct detect_usage *u = p->usage;
	uint64_t jump = 0;
	struct finding *f;
	size_t i;

	for (i = 1; i < p->count; i++) {
		if (u[i - 1].age_ns >= WARM_UP_NS && u[i].rss_kb > u[i - 1].rss_kb + jump)
			jump = u[i].rss_kb - u[i - 1].rss_kb;
	}
	f = jump > JUMP_KB ? report(d, self, p, DETECT_MEMORY_JUMP) : NULL;
	if (f)
		f->worst_count = jump;
}

static void check_slope(struct detect *d, const struct detector *self, const struct detect_process *p)
{
	const struct detect_usage *u = p->usage;
	size_t n = p->count, rising = 0, i;
	double grown;
	struct finding *f;

	while (n && u->age_ns < WARM_UP_NS) {
		u++;
		n--;
	}
	if (n > POINTS_MAX) {
		u += n - POINTS_MAX;
		n = POINTS_MAX;
	}
	if (n < SLOPE_POINTS || u[n - 1].ts - u[0].ts < SLOPE_NS)
		return;
	for (i = 1; i < n; i++)
		rising += u[i].rss_kb >= u[i - 1].rss_kb;
	grown = median_slope(u, n) * (double)(u[n - 1].ts - u[0].ts);
	if (rising * 100 < (n - 1) * RISING || grown < SLOPE_KB ||
	    grown * 100 < (double)u[0].rss_kb * SLOPE_PERCENT)
		return;
	f = report(d, self, p, DETECT_MEMORY_SLOPE);
	if (f) {
		f->worst_count = (uint64_t)grown;
		f->worst_ns = u[n - 1].ts - u[0].ts;
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
	check_jump(d, self, p);
	check_slope(d, self, p);
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
		strbuf_adds(evidence, " between two checks");
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
