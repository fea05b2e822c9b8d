/* SPDX-License-Identifier: BSD-2-Clause */
/* Confidence intervals of differences: Welch's t. */
#ifndef APM_DIFF_INTERVAL_H
#define APM_DIFF_INTERVAL_H

#include "diff/series.h"

struct interval {
	double low, middle, high;
};

/* The value that Student's t with `freedom` degrees exceeds with probability `tail` (0 < tail < 0.5). */
double student_quantile(double tail, double freedom);

/*
 * b - a, with the interval that holds the true difference with probability 1 - alpha. `extra` is a variance
 * to add: of what differs between two runs of the same thing and is not seen within one.
 */
struct interval interval_of_difference(const struct estimate *a, const struct estimate *b, double alpha,
				       double extra);

#endif
