/* SPDX-License-Identifier: BSD-2-Clause */
#include "diff/noise.h"

#include <math.h>

#define RELATIVE       0.005  /* on an idle machine */
#define RELATIVE_BUSY  0.005  /* more, for each that waits, in a run of … */
#define BUSY_SECONDS   5.0    /* … this length; it averages out in longer ones */
#define WAITING_MOST   6.0    /* more do not make a difference to what computes */
#define LOCAL_NS       1500.0 /* where the allocator's and the caches' state differ */
#define REMOTE_NS      2000.0 /* where another process is woken … */
#define REMOTE_BUSY_NS 4000.0 /* … more, for each that waits */
#define SECONDS_LEAST  1.0
#define PRESSURE_MOST  0.998 /* beyond it the figure is too coarse */
#define PRESSURE_GUESS 0.7   /* where the kernel does not tell */

struct noise noise_of(const struct report *r)
{
	double seconds = (double)r->duration_ns / 1e9;
	double pressure =
		r->cpu_window_ns ? (double)r->cpu_wait_ns / (double)r->cpu_window_ns : PRESSURE_GUESS;

	return (struct noise){.seconds = fmax(seconds, SECONDS_LEAST),
			      .pressure = fmin(pressure, PRESSURE_MOST)};
}

/* How many wait for a CPU on average, if they come one by one: of a queue that is
 * never empty there is no end. */
static double waiting(const struct noise *n)
{
	return n->pressure / (1 - n->pressure);
}

double noise_variance(const struct noise *n, double ns, int is_remote, double steps)
{
	double queue = waiting(n);
	double relative =
		RELATIVE + RELATIVE_BUSY * fmin(queue, WAITING_MOST) * sqrt(BUSY_SECONDS / n->seconds);
	double fixed_ns = is_remote ? REMOTE_NS + REMOTE_BUSY_NS * queue : LOCAL_NS;
	double fixed = fixed_ns * fmax(steps, 1) / fmax(ns, 1);

	return relative * relative + fixed * fixed;
}

double noise_variance_of_mean(const struct noise *n, double ns, int is_remote, double steps, double excess)
{
	double shared = fmax(excess, 0) * n->pressure;

	return noise_variance(n, ns, is_remote, steps) + shared * shared;
}
