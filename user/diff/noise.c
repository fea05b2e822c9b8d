/* SPDX-License-Identifier: BSD-2-Clause */
#include "diff/noise.h"

#include <math.h>

#define RELATIVE       0.005  /* on an idle machine */
#define RELATIVE_BUSY  0.010  /* more, on a busy one in a run of … */
#define BUSY_SECONDS   5.0    /* … this length; it averages out in longer ones */
#define LOCAL_NS       1500.0 /* where the allocator's and the caches' state differ */
#define REMOTE_NS      2000.0 /* where another process is woken … */
#define REMOTE_BUSY_NS 8000.0 /* … more, on a busy machine */
#define SECONDS_LEAST  1.0

struct noise noise_of(const struct report *r)
{
	double seconds = (double)r->duration_ns / 1e9;
	double pressure = r->cpu_window_ns ? (double)r->cpu_wait_ns / (double)r->cpu_window_ns : 1;

	return (struct noise){.seconds = fmax(seconds, SECONDS_LEAST), .pressure = fmin(pressure, 1)};
}

/* 0 … 1; half of the time is as bad as all of it. */
static double busy(const struct noise *n)
{
	return fmin(1, 2 * n->pressure);
}

double noise_variance(const struct noise *n, double ns, int is_remote, double steps)
{
	double relative = RELATIVE + RELATIVE_BUSY * busy(n) * sqrt(BUSY_SECONDS / n->seconds);
	double fixed_ns = is_remote ? REMOTE_NS + REMOTE_BUSY_NS * busy(n) : LOCAL_NS;
	double fixed = fixed_ns * fmax(steps, 1) / fmax(ns, 1);

	return relative * relative + fixed * fixed;
}

double noise_variance_of_mean(const struct noise *n, double ns, int is_remote, double steps, double excess)
{
	double shared = fmax(excess, 0) * n->pressure;

	return noise_variance(n, ns, is_remote, steps) + shared * shared;
}
