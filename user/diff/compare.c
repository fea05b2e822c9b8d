/* SPDX-License-Identifier: BSD-2-Clause */
#include "diff/compare.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Probes whose code and data are cold cost this many times the price that was measured in a loop. */
#define PRICES	  3
#define SHARE_MIN 0.001 /* of all database time in either run: what takes less is not tested for latency */
#define FASTEST	  0.1	/* share of the executions that even a busy machine hardly disturbs */

const char *diff_change_name(enum diff_change change)
{
	static const char *const names[] = {[DIFF_UNTESTED] = "untested",
					    [DIFF_SAME] = "same",
					    [DIFF_BETTER] = "better",
					    [DIFF_WORSE] = "worse"};

	return names[change];
}

/* ---- one figure: first the estimates, then, when the number of tests is known, the intervals ---- */

struct pending {
	struct diff_figure *figure;
	struct estimate a, b;
	double extra;
	double least; /* absolute difference that matters */
	int is_ratio;
	int is_judged;	 /* counts for the verdict */
	double floor_ns; /* of ratios: absolute difference that matters */
};

struct work {
	struct diff *d;
	struct pending *pending;
	size_t count, cap;
	int failed;
};

static void add_pending(struct work *w, const struct pending *p)
{
	if (w->count == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 64;
		struct pending *grown = realloc(w->pending, cap * sizeof(*grown));

		if (!grown) {
			w->failed = 1;
			return;
		}
		w->pending = grown;
		w->cap = cap;
	}
	w->pending[w->count++] = *p;
}

/* What a duration is made of. */
struct timed {
	const struct series *series;
	const struct hist *hist;
	double steps; /* calls in it */
};

static double log_fastest(const struct timed *t)
{
	return log1p((double)hist_percentile(t->hist, FASTEST));
}

static struct noise noise_in(const struct diff_side *side)
{
	return noise_of(side->report);
}

/* A duration's mean: its ratio is tested. */
static void test_ratio(struct work *w, struct diff_figure *figure, const struct timed *a,
		       const struct timed *b, enum series_statistic statistic, int is_remote)
{
	struct pending p = {.figure = figure,
			    .is_ratio = 1,
			    .is_judged = statistic == SERIES_MEAN_LOG,
			    .floor_ns = (double)w->d->floor_ns};
	struct noise in_a = noise_in(&w->d->a), in_b = noise_in(&w->d->b);

	if (series_estimate(a->series, statistic, &p.a) || series_estimate(b->series, statistic, &p.b))
		return;
	figure->a = expm1(p.a.value);
	figure->b = expm1(p.b.value);
	p.extra = noise_variance_of_mean(&in_a, figure->a, is_remote, a->steps, p.a.value - log_fastest(a)) +
		  noise_variance_of_mean(&in_b, figure->b, is_remote, b->steps, p.b.value - log_fastest(b));
	add_pending(w, &p);
}

/*
 * The quantile's own error: how far it is to those that are two standard deviations of their place away.
 * Executions that follow each other are alike, so there are fewer independent ones.
 */
#define ALIKE 4

static void estimate_fastest(const struct timed *t, struct estimate *out)
{
	double place = 2 * sqrt(FASTEST * (1 - FASTEST) * ALIKE / (double)t->hist->count);
	double low = (double)hist_percentile(t->hist, fmax(FASTEST - place, 0));
	double high = (double)hist_percentile(t->hist, fmin(FASTEST + place, 1));
	double deviation = (log1p(high) - log1p(low)) / 4;

	*out = (struct estimate){.value = log_fastest(t), .variance = deviation * deviation, .freedom = 1e6};
}

/* The fastest tenth: what others do on the machine hardly shows in it. */
static void test_fastest(struct work *w, struct diff_figure *figure, const struct timed *a,
			 const struct timed *b, int is_remote)
{
	struct pending p = {
		.figure = figure, .is_ratio = 1, .is_judged = 1, .floor_ns = (double)w->d->floor_ns};
	struct noise in_a = noise_in(&w->d->a), in_b = noise_in(&w->d->b);

	if (a->hist->count < SERIES_MIN || b->hist->count < SERIES_MIN)
		return;
	estimate_fastest(a, &p.a);
	estimate_fastest(b, &p.b);
	figure->a = expm1(p.a.value);
	figure->b = expm1(p.b.value);
	p.extra = noise_variance(&in_a, figure->a, is_remote, a->steps) +
		  noise_variance(&in_b, figure->b, is_remote, b->steps);
	add_pending(w, &p);
}

/* A count per unit, or a share: its difference is tested. `extra`: variance of one value that the values may
 * have even when none of those seen differ. */
static void test_mean(struct work *w, struct diff_figure *figure, const struct series *a,
		      const struct series *b, double extra_a, double extra_b, double least)
{
	struct pending p = {.figure = figure, .least = least, .is_judged = 1};

	if (series_estimate(a, SERIES_MEAN, &p.a) || series_estimate(b, SERIES_MEAN, &p.b))
		return;
	figure->a = p.a.value;
	figure->b = p.b.value;
	p.extra = extra_a / (double)a->count + extra_b / (double)b->count;
	if (p.a.variance == 0 && p.b.variance == 0 && p.a.value == p.b.value)
		figure->change = DIFF_SAME;
	else
		add_pending(w, &p);
}

/* Counts: half a call is what a mean of whole numbers may hide. */
static void test_counts(struct work *w, struct diff_figure *figure, const struct series *a,
			const struct series *b)
{
	double most = fmax(series_mean(a), series_mean(b));

	test_mean(w, figure, a, b, 0.25, 0.25, most * w->d->options.min_effect);
}

/* Shares of yes and no: the variance of a binomial whose share is not quite 0 or 1 (Laplace's rule). */
static double share_variance(const struct series *s)
{
	double share = (series_mean(s) * (double)s->count + 1) / ((double)s->count + 2);

	return share * (1 - share);
}

#define LEAST_SHARE 0.01

static void test_share(struct work *w, struct diff_figure *figure, const struct series *a,
		       const struct series *b)
{
	test_mean(w, figure, a, b, share_variance(a), share_variance(b), LEAST_SHARE);
}

static void decide(struct work *w, struct pending *p, double alpha)
{
	struct interval i = interval_of_difference(&p->a, &p->b, alpha, p->extra);
	struct diff_figure *figure = p->figure;
	double least = p->least;
	int excludes = i.low > 0 || i.high < 0;

	if (p->is_ratio) {
		i = (struct interval){expm1(i.low), expm1(i.middle), expm1(i.high)};
		least = w->d->options.min_effect;
		excludes &= fabs(figure->b - figure->a) >= p->floor_ns;
	}
	figure->difference = i;
	figure->change = DIFF_SAME;
	if (excludes && i.low > 0 && i.high >= least)
		figure->change = DIFF_WORSE;
	if (excludes && i.high < 0 && -i.low >= least)
		figure->change = DIFF_BETTER;
	w->d->worse += p->is_judged && figure->change == DIFF_WORSE;
	w->d->better += p->is_judged && figure->change == DIFF_BETTER;
}

/* ---- queries ---- */

static int by_fingerprint(const void *x, const void *y)
{
	const struct report_query *a = *(const struct report_query *const *)x;
	const struct report_query *b = *(const struct report_query *const *)y;

	return a->fingerprint < b->fingerprint ? -1 : a->fingerprint > b->fingerprint;
}

/* The report's queries by fingerprint. NULL = out of memory. */
static const struct report_query **sorted_queries(const struct report *r)
{
	const struct report_query **list = calloc(r->queries.count + 1, sizeof(*list));
	size_t i;

	for (i = 0; list && i < r->queries.count; i++)
		list[i] = &r->queries.item[i];
	if (list && r->queries.count)
		qsort(list, r->queries.count, sizeof(*list), by_fingerprint);
	return list;
}

static double largest_share(const struct diff_query *q)
{
	return fmax(q->a ? q->a->share : 0, q->b ? q->b->share : 0);
}

static int costly_first(const void *x, const void *y)
{
	const struct diff_query *a = x, *b = y;
	double share_a = largest_share(a), share_b = largest_share(b);

	if (share_a != share_b)
		return share_a < share_b ? 1 : -1;
	return a->fingerprint < b->fingerprint ? -1 : a->fingerprint > b->fingerprint;
}

/* Whose query is next: < 0 only a's, > 0 only b's, 0 the same in both. NULL: that side has no more. */
static int merge_order(const struct report_query *a, const struct report_query *b)
{
	if (!a || !b)
		return a ? -1 : 1;
	return a->fingerprint < b->fingerprint ? -1 : a->fingerprint > b->fingerprint;
}

static int pair_queries(struct diff *d)
{
	size_t na = d->a.report->queries.count, nb = d->b.report->queries.count, i = 0, k = 0;
	const struct report_query **a = sorted_queries(d->a.report), **b = sorted_queries(d->b.report);

	d->queries.item = calloc(na + nb + 1, sizeof(*d->queries.item));
	while (a && b && d->queries.item && (i < na || k < nb)) {
		struct diff_query *q = &d->queries.item[d->queries.count++];
		const struct report_query *next_a = i < na ? a[i] : NULL, *next_b = k < nb ? b[k] : NULL;
		int order = merge_order(next_a, next_b);

		q->a = order <= 0 ? next_a : NULL;
		q->b = order >= 0 ? next_b : NULL;
		i += q->a != NULL;
		k += q->b != NULL;
		q->fingerprint = q->a ? q->a->fingerprint : q->b ? q->b->fingerprint : 0;
	}
	free(a);
	free(b);
	if (!a || !b || !d->queries.item)
		return -ENOMEM;
	qsort(d->queries.item, d->queries.count, sizeof(*d->queries.item), costly_first);
	return 0;
}

static void test_queries(struct work *w)
{
	struct diff *d = w->d;
	size_t i;

	for (i = 0; i < d->queries.count; i++) {
		struct diff_query *q = &d->queries.item[i];
		const struct observed_query *a = observation_query(d->a.observation, q->fingerprint);
		const struct observed_query *b = observation_query(d->b.observation, q->fingerprint);

		if (!q->a || !q->b || !a || !b)
			continue;
		if (largest_share(q) >= SHARE_MIN) {
			struct timed in_a = {&a->duration_ns, &a->durations, 1};
			struct timed in_b = {&b->duration_ns, &b->durations, 1};
			int is_remote = !q->a->system || strcmp(q->a->system, "sqlite") != 0;

			test_fastest(w, &q->fastest, &in_a, &in_b, is_remote);
			test_ratio(w, &q->typical, &in_a, &in_b, SERIES_MEAN_LOG, is_remote);
			test_ratio(w, &q->average, &in_a, &in_b, SERIES_LOG_MEAN, is_remote);
		}
		test_share(w, &q->failed, &a->failed, &b->failed);
	}
}

/* ---- units of work ---- */

static void count_row(const struct observed_unit *u, void *arg)
{
	++*(size_t *)arg;
}

static void count_calls(const struct observed_calls *c, void *arg)
{
	++*(size_t *)arg;
}

static void test_times(struct work *w, struct diff_unit *u)
{
	struct timed a = {&u->a->duration_ns, &u->a->durations, series_mean(&u->a->statements)};
	struct timed b = {&u->b->duration_ns, &u->b->durations, series_mean(&u->b->statements)};

	test_ratio(w, &u->duration, &a, &b, SERIES_MEAN_LOG, 1);
	a.series = &u->a->db_ns;
	a.hist = &u->a->db_times;
	b.series = &u->b->db_ns;
	b.hist = &u->b->db_times;
	test_ratio(w, &u->db_time, &a, &b, SERIES_MEAN_LOG, 1);
}

static void pair_unit(const struct observed_unit *a, void *arg)
{
	struct work *w = arg;
	struct diff *d = w->d;
	const struct observed_unit *b = observation_of_unit(d->b.observation, a->key);
	struct diff_unit *u;

	if (!b)
		return;
	u = &d->units.item[d->units.count++];
	u->a = a;
	u->b = b;
	test_times(w, u);
	test_counts(w, &u->statements, &a->statements, &b->statements);
}

static const struct report_query *query_of(const struct report *r, uint64_t fingerprint)
{
	size_t i;

	for (i = 0; i < r->queries.count; i++)
		if (r->queries.item[i].fingerprint == fingerprint)
			return &r->queries.item[i];
	return NULL;
}

static void pair_calls(const struct observed_calls *a, void *arg)
{
	struct work *w = arg;
	struct diff *d = w->d;
	const struct observed_calls *b = observation_calls(d->b.observation, a->unit, a->fingerprint);
	struct diff_calls *c;

	if (!b || a->calls.count < SERIES_MIN || b->calls.count < SERIES_MIN)
		return;
	c = &d->calls.item[d->calls.count++];
	c->unit = observation_of_unit(d->a.observation, a->unit);
	c->query = query_of(d->a.report, a->fingerprint);
	test_counts(w, &c->calls, &a->calls, &b->calls);
}

static int pair_units(struct work *w)
{
	struct diff *d = w->d;
	size_t units = 0, calls = 0;

	observation_each_unit(d->a.observation, count_row, &units);
	observation_each_calls(d->a.observation, count_calls, &calls);
	d->units.item = calloc(units + 1, sizeof(*d->units.item));
	d->calls.item = calloc(calls + 1, sizeof(*d->calls.item));
	if (!d->units.item || !d->calls.item)
		return -ENOMEM;
	observation_each_unit(d->a.observation, pair_unit, w);
	observation_each_calls(d->a.observation, pair_calls, w);
	return 0;
}

/* ---- findings ---- */

static int has_finding(const struct report *r, const struct report_finding *f)
{
	size_t i;

	for (i = 0; i < r->findings.count; i++)
		if (r->findings.item[i].fingerprint == f->fingerprint &&
		    !strcmp(r->findings.item[i].detector, f->detector))
			return 1;
	return 0;
}

/* Those of `from` that `other` has not. */
static const struct report_finding **findings_only_in(const struct report *from, const struct report *other,
						      size_t *count)
{
	const struct report_finding **list = calloc(from->findings.count + 1, sizeof(*list));
	size_t i;

	*count = 0;
	for (i = 0; list && i < from->findings.count; i++)
		if (!has_finding(other, &from->findings.item[i]))
			list[(*count)++] = &from->findings.item[i];
	return list;
}

/* ---- the whole ---- */

static uint64_t price_of(const struct report *r)
{
	return (uint64_t)r->price_entry_ns + r->price_return_ns;
}

static int compare(struct diff *d)
{
	struct work w = {.d = d};
	size_t i;
	int err = pair_queries(d);

	if (!err) {
		test_queries(&w);
		err = pair_units(&w);
	}
	if (w.failed)
		err = -ENOMEM;
	d->tests = w.count;
	for (i = 0; !err && i < w.count; i++)
		decide(&w, &w.pending[i], DIFF_ALPHA / (double)w.count);
	free(w.pending);
	return err;
}

struct diff *diff_new(const struct diff_side *a, const struct diff_side *b,
		      const struct diff_options *options)
{
	struct diff *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->a = *a;
	d->b = *b;
	d->options = *options;
	d->floor_ns = PRICES *
		      (price_of(a->report) > price_of(b->report) ? price_of(a->report) : price_of(b->report));
	d->resolved = findings_only_in(a->report, b->report, &d->resolved_count);
	d->appeared = findings_only_in(b->report, a->report, &d->appeared_count);
	if (!d->resolved || !d->appeared || compare(d)) {
		diff_free(d);
		errno = ENOMEM;
		return NULL;
	}
	return d;
}

void diff_free(struct diff *d)
{
	if (!d)
		return;
	free(d->queries.item);
	free(d->calls.item);
	free(d->units.item);
	free(d->resolved);
	free(d->appeared);
	free(d);
}

enum diff_change diff_latency(const struct diff_query *q)
{
	if (q->fastest.change == DIFF_WORSE || q->typical.change == DIFF_WORSE)
		return DIFF_WORSE;
	if (q->fastest.change == DIFF_BETTER || q->typical.change == DIFF_BETTER)
		return DIFF_BETTER;
	return q->typical.change;
}

const char *diff_verdict(const struct diff *d)
{
	if (d->worse)
		return "regression";
	if (d->better)
		return "improvement";
	return d->tests ? "no change" : "not comparable";
}
