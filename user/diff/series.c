/* SPDX-License-Identifier: BSD-2-Clause */
#include "diff/series.h"

#include <errno.h>
#include <math.h>

#define GROUPS_MIN 8 /* blocks, joined or not, that a variance is made of */

static void join_neighbours(struct series *s)
{
	uint32_t i;

	for (i = 0; i < s->used / 2; i++) {
		s->sum[i] = s->sum[2 * i] + s->sum[2 * i + 1];
		s->log_sum[i] = s->log_sum[2 * i] + s->log_sum[2 * i + 1];
	}
	s->used /= 2;
	s->per_block *= 2;
	s->last_count = s->per_block;
}

void series_add(struct series *s, double value)
{
	if (!s->per_block)
		s->per_block = s->last_count = 1;
	if (s->used == SERIES_BLOCKS && s->last_count == s->per_block)
		join_neighbours(s);
	if (s->last_count == s->per_block) {
		s->sum[s->used] = s->log_sum[s->used] = 0;
		s->used++;
		s->last_count = 0;
	}
	s->sum[s->used - 1] += value;
	s->log_sum[s->used - 1] += log1p(value);
	s->last_count++;
	s->count++;
}

double series_mean(const struct series *s)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < s->used; i++)
		sum += s->sum[i];
	return s->count ? sum / (double)s->count : 0;
}

/* The statistic over `values` values. */
static double statistic_of(enum series_statistic statistic, double sum, double log_sum, double values)
{
	switch (statistic) {
	case SERIES_LOG_MEAN:
		return log1p(sum / values);
	case SERIES_MEAN_LOG:
		return log_sum / values;
	default:
		return sum / values;
	}
}

/* Variance of the mean over groups of `group` blocks, of which there are `groups`. */
static double variance_of(const struct series *s, enum series_statistic statistic, uint32_t group,
			  uint32_t groups)
{
	double values = (double)s->per_block * group, mean = 0, squares = 0;
	uint32_t i, k;

	for (i = 0; i < groups; i++) {
		double sum = 0, log_sum = 0, x, delta;

		for (k = i * group; k < (i + 1) * group; k++) {
			sum += s->sum[k];
			log_sum += s->log_sum[k];
		}
		x = statistic_of(statistic, sum, log_sum, values);
		delta = x - mean;
		mean += delta / (i + 1);
		squares += delta * (x - mean);
	}
	return squares / (groups - 1) / groups;
}

int series_estimate(const struct series *s, enum series_statistic statistic, struct estimate *out)
{
	uint32_t full = s->used - (s->last_count < s->per_block), group, i;
	double sum = 0, log_sum = 0;

	if (s->count < SERIES_MIN)
		return -ENODATA;
	for (i = 0; i < s->used; i++) {
		sum += s->sum[i];
		log_sum += s->log_sum[i];
	}
	*out = (struct estimate){.value = statistic_of(statistic, sum, log_sum, (double)s->count)};
	for (group = 1; group == 1 || full / group >= GROUPS_MIN; group *= 2) {
		uint32_t groups = full / group;
		double variance = variance_of(s, statistic, group, groups);

		if (group == 1 || variance > out->variance) {
			out->variance = variance;
			out->freedom = (double)groups - 1;
		}
	}
	return 0;
}
