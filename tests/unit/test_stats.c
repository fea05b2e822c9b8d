/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "txn/stats.h"

#define MS 1000000ULL

static void describe(struct stats *st, uint64_t fingerprint, const char *text, const char *raw)
{
	struct rec_text rec = {
		.fingerprint = fingerprint, .normalized = str_from(text), .raw = str_from(raw)};

	assert_int_equal(stats_describe(st, &rec), 0);
}

static struct statement executed(uint64_t fingerprint, uint64_t duration_ns, uint64_t rows)
{
	return (struct statement){.fingerprint = fingerprint,
				  .t_start = 5 * MS,
				  .t_end = 5 * MS + duration_ns + MS,
				  .duration_ns = duration_ns,
				  .rows = rows};
}

static void sum(const struct stats_query *q, void *arg)
{
	struct stats_query *all = arg;

	all->calls += q->calls;
	all->rows += q->rows;
	all->elapsed_ns += q->elapsed_ns;
	all->durations.sum += q->durations.sum;
	all->max_rows++;
}

static void test_nested_statements_do_not_count_twice(void **state)
{
	struct stats *st = stats_new(100, 10);
	struct statement outer = executed(1, 200 * MS, 3), inner = executed(2, 150 * MS, 1);

	inner.flags = APM_STMT_NESTED;
	describe(st, 1, "SELECT f(a)", NULL);
	describe(st, 2, "SELECT b", NULL);
	stats_add(st, &inner, 100 * MS);
	stats_add(st, &outer, 100 * MS);
	assert_int_equal(stats_totals(st)->db_ns, 200 * MS);
	assert_int_equal(stats_find(st, 2)->durations.sum, 150 * MS);
	stats_free(st);
}

static void test_amendment_leaves_the_last_word(void **state)
{
	struct stats *st = stats_new(100, 10);
	struct statement was = executed(1, 200 * MS, 3), now = executed(1, 900 * MS, 50);
	const struct stats_query *q;
	size_t count;

	describe(st, 1, "SELECT a", NULL);
	stats_add(st, &was, 100 * MS);
	now.error = 1;
	stats_amend(st, &was, &now, 100 * MS);
	q = stats_find(st, 1);
	assert_int_equal(q->calls, 1);
	assert_int_equal(q->rows, 50);
	assert_int_equal(q->errors, 1);
	assert_int_equal(q->durations.sum, 900 * MS);
	assert_int_equal(q->elapsed_ns, 901 * MS);
	assert_int_equal(stats_totals(st)->statements, 1);
	assert_int_equal(stats_totals(st)->db_ns, 900 * MS);
	assert_int_equal(stats_slowest(st, &count)[0].duration_ns, 900 * MS);
	assert_int_equal(count, 1);
	stats_free(st);
}

static void test_eviction_loses_no_count(void **state)
{
	struct stats *st = stats_new(100, 0);
	struct stats_query all = {0};
	struct statement s, now;
	uint64_t i;

	for (i = 1; i <= 1000; i++) {
		s = executed(i, i == 7 ? 500 * MS : MS, 2);
		describe(st, i, "SELECT", NULL);
		stats_add(st, &s, 1);
	}
	/* One that is in "[other]" by now changes there. */
	now = executed(1, 3 * MS, 4);
	s = executed(1, MS, 2);
	stats_amend(st, &s, &now, 1);
	stats_each_query(st, sum, &all);
	assert_int_equal(all.calls, 1000);
	assert_int_equal(all.rows, 2002);
	assert_int_equal(all.durations.sum, 999 * MS + 500 * MS + 2 * MS);
	assert_true(all.max_rows <= 101); /* rows of the table, and "[other]" */
	assert_true(stats_evicted(st) >= 900);
	assert_non_null(stats_find(st, 7));
	stats_free(st);
}

static void test_slowest_are_kept_in_order(void **state)
{
	struct stats *st = stats_new(10, 3);
	static const uint64_t ms[] = {5, 100, 101, 400, 3, 250, 300, 102};
	const struct stats_slow *slow;
	size_t i, count;

	describe(st, 1, "SELECT a", NULL);
	for (i = 0; i < sizeof(ms) / sizeof(ms[0]); i++) {
		struct statement s = executed(1, ms[i] * MS, 1);

		stats_add(st, &s, 100 * MS);
	}
	slow = stats_slowest(st, &count);
	assert_int_equal(count, 3);
	assert_int_equal(slow[0].duration_ns, 400 * MS);
	assert_int_equal(slow[1].duration_ns, 300 * MS);
	assert_int_equal(slow[2].duration_ns, 250 * MS);
	stats_free(st);
}

static void test_examples_are_few_and_different(void **state)
{
	struct stats *st = stats_new(10, 0);
	const struct stats_query *q;

	describe(st, 1, "SELECT ?", "SELECT 1");
	describe(st, 1, "SELECT ?", "SELECT 1");
	describe(st, 1, "SELECT ?", "SELECT 2");
	describe(st, 1, "SELECT ?", "SELECT 3");
	describe(st, 1, "SELECT ?", "SELECT 4");
	q = stats_find(st, 1);
	assert_string_equal(q->example[0], "SELECT 1");
	assert_string_equal(q->example[1], "SELECT 2");
	assert_string_equal(q->example[2], "SELECT 3");
	stats_free(st);
}

static void test_huge_texts_are_bounded(void **state)
{
	struct stats *st = stats_new(100000, 0);
	struct stats_query all = {0};
	char *text = malloc(100001);
	uint64_t i;

	memset(text, 'x', 100000);
	text[100000] = '\0';
	for (i = 1; i < 10000; i++)
		describe(st, i, text, NULL);
	stats_each_query(st, sum, &all);
	assert_true(all.max_rows < 4000);
	assert_true(strlen(stats_find(st, 9999)->normalized) < 5000);
	free(text);
	stats_free(st);
}

static void test_errors_by_code(void **state)
{
	struct stats *st = stats_new(10, 0);
	struct statement s = executed(1, MS, 0);
	struct rec_error unique = {.code = STR("23505"), .message = STR("duplicate key")};
	struct rec_error null = {.code = STR("23502")};

	assert_int_equal(stats_error(st, &s, 10, &unique), 1);
	assert_int_equal(stats_error(st, &s, 30, &unique), 2);
	assert_int_equal(stats_error(st, &s, 40, &null), 1);
	s.fingerprint = 2;
	assert_int_equal(stats_error(st, &s, 50, &unique), 1);
	stats_free(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_amendment_leaves_the_last_word),
		cmocka_unit_test(test_nested_statements_do_not_count_twice),
		cmocka_unit_test(test_eviction_loses_no_count),
		cmocka_unit_test(test_slowest_are_kept_in_order),
		cmocka_unit_test(test_examples_are_few_and_different),
		cmocka_unit_test(test_huge_texts_are_bounded),
		cmocka_unit_test(test_errors_by_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
