/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/hist.h"

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 11;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Values over twelve powers of ten, so every width of bucket is met. */
static void fill(uint64_t *value, size_t n, uint64_t seed)
{
	size_t i;

	for (i = 0; i < n; i++)
		value[i] = next_random(&seed) >> (next_random(&seed) % 44);
}

static void test_percentiles_within_one_percent(void **state)
{
	static const double q[] = {0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
	enum { N = 5000 };
	uint64_t *value = malloc(N * sizeof(*value)), seed;
	size_t i;

	for (seed = 1; seed < 20; seed++) {
		struct hist h = {0};

		fill(value, N, seed);
		for (i = 0; i < N; i++)
			assert_int_equal(hist_add(&h, value[i]), 0);
		qsort(value, N, sizeof(*value), ascending);
		assert_int_equal(h.count, N);
		assert_int_equal(h.min, value[0]);
		assert_int_equal(h.max, value[N - 1]);
		for (i = 0; i < sizeof(q) / sizeof(q[0]); i++) {
			double exact = (double)value[(size_t)ceil(q[i] * N) - 1];

			assert_true(fabs((double)hist_percentile(&h, q[i]) - exact) <= exact * 0.01);
		}
		hist_free(&h);
	}
	free(value);
}

static void test_extremes(void **state)
{
	struct hist h = {0};

	assert_int_equal(hist_percentile(&h, 0.5), 0);
	hist_add(&h, UINT64_MAX);
	assert_int_equal(hist_percentile(&h, 0.5), UINT64_MAX);
	hist_add(&h, 0);
	assert_int_equal(hist_percentile(&h, 0.5), 0);
	assert_int_equal(h.max, UINT64_MAX);
	hist_free(&h);
	assert_int_equal(h.count, 0);
}

static void test_merge_is_the_same_as_adding(void **state)
{
	enum { N = 2000 };
	uint64_t value[N];
	struct hist all = {0}, a = {0}, b = {0};
	double q;
	size_t i;

	fill(value, N, 7);
	for (i = 0; i < N; i++) {
		hist_add(&all, value[i]);
		hist_add(i % 3 ? &a : &b, value[i]);
	}
	assert_int_equal(hist_merge(&a, &b), 0);
	assert_int_equal(a.count, all.count);
	assert_int_equal(a.sum, all.sum);
	assert_int_equal(a.min, all.min);
	assert_int_equal(a.max, all.max);
	for (q = 0; q <= 1; q += 0.01)
		assert_int_equal(hist_percentile(&a, q), hist_percentile(&all, q));
	hist_free(&all);
	hist_free(&a);
	hist_free(&b);
}

static void test_subtract(void **state)
{
	struct hist h = {0};

	hist_add(&h, 1000000);
	hist_add(&h, 5);
	hist_add(&h, 90000000);
	assert_int_equal(hist_subtract(&h, 5), 0);
	assert_int_equal(h.count, 2);
	assert_int_equal(h.sum, 91000000);
	assert_true(h.min <= 1000000 && h.min >= 990000);
	assert_int_equal(hist_subtract(&h, 90000000), 0);
	assert_true(h.max >= 1000000 && h.max <= 1010000);
	assert_int_equal(hist_subtract(&h, 77), -ENOENT);
	assert_int_equal(hist_subtract(&h, 1000000), 0);
	assert_int_equal(h.count, 0);
	assert_int_equal(hist_percentile(&h, 1), 0);
	hist_free(&h);
}

static void test_memory_follows_what_is_used(void **state)
{
	struct hist h = {0};
	size_t i;

	for (i = 0; i < 100000; i++)
		hist_add(&h, 1000000 + i % 1000);
	assert_true(h.cap <= 8);
	hist_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_percentiles_within_one_percent), cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_merge_is_the_same_as_adding),    cmocka_unit_test(test_subtract),
		cmocka_unit_test(test_memory_follows_what_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
