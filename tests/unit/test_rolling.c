/* SPDX-License-Identifier: BSD-2-Clause */
/* txn/rolling: the last minute holds what ended in it and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "txn/rolling.h"

#define SECOND 1000000000ULL

static void add(struct rolling *r, uint64_t end_ns, uint64_t duration_ns, int failed)
{
	struct statement stmt = {.t_end = end_ns, .duration_ns = duration_ns, .error = (uint8_t)failed};

	assert_int_equal(rolling_add(r, &stmt), 0);
}

static uint64_t count_at(const struct rolling *r, uint64_t now_ns)
{
	struct rolling_sum sum;
	uint64_t count;

	assert_int_equal(rolling_sum(r, 0, now_ns, &sum), 0);
	count = sum.durations.count;
	hist_free(&sum.durations);
	return count;
}

static void test_window(void **state)
{
	struct rolling r = {0};
	struct rolling_sum sum;
	uint64_t i;

	/* One a second for three minutes, each a microsecond longer than the one before. */
	for (i = 0; i < 180; i++)
		add(&r, i * SECOND + SECOND / 2, i * 1000, i % 10 == 0);
	assert_int_equal(rolling_sum(&r, 0, 179 * SECOND + SECOND / 2, &sum), 0);
	assert_int_equal(sum.durations.count, 60);
	assert_int_equal(sum.durations.min, 120000);
	assert_int_equal(sum.durations.max, 179000);
	assert_int_equal(sum.failed, 6);
	assert_int_equal(sum.window_ns, 59 * SECOND + SECOND / 2);
	hist_free(&sum.durations);

	/* Time passes and nothing comes. */
	assert_int_equal(count_at(&r, 189 * SECOND), 50);
	assert_int_equal(count_at(&r, 238 * SECOND), 1);
	assert_int_equal(count_at(&r, 239 * SECOND), 0);
	assert_int_equal(count_at(&r, 10000 * SECOND), 0);
	rolling_free(&r);
	assert_int_equal(count_at(&r, 179 * SECOND), 0);
}

static void test_short_run(void **state)
{
	struct rolling r = {0};
	struct rolling_sum sum;

	add(&r, 1000 * SECOND + 5, 1, 0);
	assert_int_equal(rolling_sum(&r, 1000 * SECOND, 1002 * SECOND, &sum), 0);
	assert_int_equal(sum.durations.count, 1);
	assert_int_equal(sum.window_ns, 2 * SECOND);
	hist_free(&sum.durations);
	/* A clock that has hardly begun. */
	assert_int_equal(rolling_sum(&r, 0, 3, &sum), 0);
	assert_int_equal(sum.durations.count, 0);
	rolling_free(&r);
}

static void test_late(void **state)
{
	struct rolling r = {0};

	add(&r, 100 * SECOND, 1, 0);
	add(&r, 40 * SECOND, 1, 0); /* its slot has a newer second */
	add(&r, 41 * SECOND, 1, 0); /* just inside */
	assert_int_equal(count_at(&r, 100 * SECOND), 2);
	rolling_free(&r);
}

static void test_control(void **state)
{
	struct rolling whole = {0}, query = {.with_control = 1};
	struct statement commit = {.t_end = SECOND, .duration_ns = 7, .stmt_class = SQL_CLASS_CONTROL};
	struct statement nested = {.t_end = SECOND, .duration_ns = 5, .flags = APM_STMT_NESTED};
	struct rolling_sum sum;

	assert_int_equal(rolling_add(&whole, &commit), 0);
	assert_int_equal(rolling_add(&query, &commit), 0);
	assert_int_equal(rolling_add(&whole, &nested), 0);
	rolling_unit(&whole, SECOND);
	assert_int_equal(rolling_sum(&whole, 0, SECOND, &sum), 0);
	assert_int_equal(sum.durations.count, 1);
	assert_int_equal(sum.control, 1);
	assert_int_equal(sum.units, 1);
	assert_int_equal(sum.db_ns, 7);
	hist_free(&sum.durations);
	assert_int_equal(count_at(&query, SECOND), 1);
	rolling_free(&whole);
	rolling_free(&query);
}

static void test_subtract(void **state)
{
	struct rolling r = {0};
	struct statement was = {.t_end = 5 * SECOND, .duration_ns = 1000, .error = 1};
	struct statement never = {.t_end = 5 * SECOND, .duration_ns = 999999};
	struct rolling_sum sum;

	add(&r, 5 * SECOND, 50, 0);
	assert_int_equal(rolling_add(&r, &was), 0);
	rolling_subtract(&r, &never);
	rolling_subtract(&r, &was);
	assert_int_equal(rolling_sum(&r, 0, 6 * SECOND, &sum), 0);
	assert_int_equal(sum.durations.count, 1);
	assert_int_equal(sum.failed, 0);
	assert_int_equal(sum.db_ns, 50);
	hist_free(&sum.durations);
	/* Gone with its second already. */
	add(&r, 65 * SECOND, 1, 0);
	rolling_subtract(&r, &was);
	assert_int_equal(count_at(&r, 65 * SECOND), 1);
	rolling_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window),	cmocka_unit_test(test_short_run), cmocka_unit_test(test_late),
		cmocka_unit_test(test_control), cmocka_unit_test(test_subtract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
