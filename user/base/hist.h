/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A histogram of 64-bit values that answers percentiles with a relative error below 1 %: 64 buckets per power
 * of two, so the middle of a bucket is at most 1/128 of the value away. Only buckets in use are stored (8
 * bytes each), at most 3776 of them. Count, sum, minimum and maximum are exact as long as nothing is
 * subtracted.
 */
#ifndef APM_BASE_HIST_H
#define APM_BASE_HIST_H

#include <stdint.h>

/* Zero-initialise before use. */
struct hist {
	uint64_t count;
	uint64_t sum;
	uint64_t min; /* of an empty histogram: 0 */
	uint64_t max;
	uint64_t *bucket; /* sorted: index in the upper 16 bits, count in the lower 48 */
	uint32_t used, cap;
	uint32_t last; /* where the previous value went: the next is often near */
};

void hist_free(struct hist *h); /* leaves an empty histogram */

/* 0 or -ENOMEM (then nothing has changed). */
int hist_add(struct hist *h, uint64_t value);

/*
 * Takes back one value that was added before. Minimum and maximum are then exact to 1 %. -ENOENT when no
 * value of that bucket is there.
 */
int hist_subtract(struct hist *h, uint64_t value);

/* Adds all of `from`. 0 or -ENOMEM (then nothing has changed). */
int hist_merge(struct hist *h, const struct hist *from);

/* The smallest value v with at least q (0..1) of all values <= v; within [min, max]; 0 when empty. */
uint64_t hist_percentile(const struct hist *h, double q);

#endif
