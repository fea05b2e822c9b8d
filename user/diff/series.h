/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A measurement over time in bounded memory: consecutive values are summed into at most SERIES_BLOCKS blocks
 * of equal size; when they are full, neighbours are joined and the blocks are twice as long. Means of blocks
 * are nearly independent even where neighbouring values are not, which is what intervals are made of (method
 * of batch means).
 */
#ifndef APM_DIFF_SERIES_H
#define APM_DIFF_SERIES_H

#include <stdint.h>

#define SERIES_BLOCKS 64 /* even */

/* Zero-initialise before use. */
struct series {
	uint64_t count;
	uint64_t per_block;  /* values in a full block */
	uint32_t used;	     /* the last may not be full */
	uint64_t last_count; /* values in the last */
	double sum[SERIES_BLOCKS];
	double log_sum[SERIES_BLOCKS]; /* of log(1 + value) */
};

void series_add(struct series *s, double value); /* value >= 0 */
double series_mean(const struct series *s);	 /* 0 when empty */

enum series_statistic {
	SERIES_MEAN = 0, /* arithmetic */
	SERIES_LOG_MEAN, /* logarithm of the arithmetic mean: differences are ratios */
	SERIES_MEAN_LOG, /* logarithm of the geometric mean, which single outliers hardly move */
};

/* A figure and how well it is known. */
struct estimate {
	double value;
	double variance; /* of `value` */
	double freedom;	 /* degrees of freedom of `variance` */
};

#define SERIES_MIN 32 /* values below which nothing is estimated */

/*
 * Estimates a statistic from the blocks. The variance is the largest of those that blocks of one, two, four …
 * times the length give: drift and bursts longer than a block count too. Returns 0, or -ENODATA when there
 * are fewer than SERIES_MIN values.
 */
int series_estimate(const struct series *s, enum series_statistic statistic, struct estimate *out);

#endif
