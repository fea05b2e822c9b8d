/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much durations differ between two runs of the same program under the same load, beyond what is seen
 * within one run: where its code and data happen to lie, how it is woken, and what else the machine did.
 * docs/diff.md says where the figures come from. Deviations are of logarithms: 0.01 is 1 %.
 */
#ifndef APM_DIFF_NOISE_H
#define APM_DIFF_NOISE_H

#include "report/model.h"

/* What is known of a run. */
struct noise {
	double seconds;
	double pressure; /* share of the time in which somebody waited for a CPU */
};

struct noise noise_of(const struct report *r);

/*
 * Variance of the logarithm of a duration of `ns` whose call goes to another process (`is_remote`) or not;
 * `steps` such calls make it up.
 */
double noise_variance(const struct noise *n, double ns, int is_remote, double steps);

/*
 * The same for a mean over all executions. `excess`: logarithm of the mean above the fastest tenth. Of it the
 * machine may have made the share in which somebody waited for a CPU.
 */
double noise_variance_of_mean(const struct noise *n, double ns, int is_remote, double steps, double excess);

#endif
