/* SPDX-License-Identifier: BSD-2-Clause */
#include "diff/interval.h"

#include <math.h>

/*
 * The regularised incomplete beta function, by its continued fraction (NIST Digital Library of Mathematical
 * Functions, 8.17.22) evaluated from the front (modified Lentz). Good where x < (a + 1) / (a + b + 2).
 */
static double beta_fraction(double a, double b, double x)
{
	double c = 1, d = 1 - (a + b) * x / (a + 1), value;
	int m;

	d = 1 / (fabs(d) < 1e-300 ? 1e-300 : d);
	value = d;
	for (m = 1; m < 500; m++) {
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), step;

		d = 1 / (1 + even * d);
		c = 1 + even / c;
		value *= c * d;
		d = 1 / (1 + odd * d);
		c = 1 + odd / c;
		step = c * d;
		value *= step;
		if (fabs(step - 1) < 1e-12)
			break;
	}
	return value;
}

static double incomplete_beta(double a, double b, double x)
{
	double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));

	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(a, b, x) / a;
	return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* P(T > t) for t > 0. */
static double student_tail(double t, double freedom)
{
	return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2;
}

double student_quantile(double tail, double freedom)
{
	double low = 0, high = 1;
	int i;

	while (student_tail(high, freedom) > tail && high < 1e9)
		high *= 2;
	for (i = 0; i < 100 && high - low > 1e-9 * high; i++) {
		double middle = (low + high) / 2;

		if (student_tail(middle, freedom) > tail)
			low = middle;
		else
			high = middle;
	}
	return high;
}

struct interval interval_of_difference(const struct estimate *a, const struct estimate *b, double alpha,
				       double extra)
{
	double variance = a->variance + b->variance + extra, middle = b->value - a->value, half = 0;
	/* Welch and Satterthwaite; what is added is taken as known exactly. */
	double parts = a->variance * a->variance / a->freedom + b->variance * b->variance / b->freedom;
	double freedom = parts > 0 ? variance * variance / parts : 1e6;

	if (variance > 0)
		half = student_quantile(alpha / 2, fmin(freedom, 1e6)) * sqrt(variance);
	return (struct interval){middle - half, middle, middle + half};
}
