/* SPDX-License-Identifier: BSD-2-Clause */
/* How much is collected, for courses that the cost can take: each row is seconds at a share of one core. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "governor.h"

struct span {
	unsigned int checks;
	double share;
	enum detail_level after;
};

static void run(double limit, const struct span *span, size_t count)
{
	struct governor g;
	enum detail_level before = DETAIL_FULL;

	governor_init(&g, limit);
	for (size_t i = 0; i < count; i++) {
		for (unsigned int n = 0; n < span[i].checks; n++) {
			int changed = governor_check(&g, span[i].share);

			assert_int_equal(changed, g.level != before);
			before = g.level;
		}
		assert_int_equal(g.level, span[i].after);
	}
}

#define RUN(limit, ...)                                            \
	do {                                                       \
		const struct span spans[] = {__VA_ARGS__};         \
		run(limit, spans, sizeof(spans) / sizeof(*spans)); \
	} while (0)

static void test_a_load_below_the_limit_changes_nothing(void **state)
{
	RUN(0.05, {1000, 0.05, DETAIL_FULL});
	RUN(0.05, {1000, 0.001, DETAIL_FULL});
}

static void test_no_limit_is_no_limit(void **state)
{
	RUN(0, {1000, 3.0, DETAIL_FULL});
}

static void test_a_peak_changes_nothing(void **state)
{
	RUN(0.05, {2, 0.9, DETAIL_FULL}, {1, 0.04, DETAIL_FULL}, {2, 0.9, DETAIL_FULL},
	    {1, 0.01, DETAIL_FULL}, {2, 0.9, DETAIL_FULL});
}

static void test_a_flood_goes_down_step_by_step(void **state)
{
	RUN(0.05, {2, 0.9, DETAIL_FULL}, {1, 0.9, DETAIL_NO_STACKS}, {2, 0.9, DETAIL_NO_STACKS},
	    {1, 0.9, DETAIL_NO_PARAMS}, {GOVERNOR_LAST - 1, 0.9, DETAIL_NO_PARAMS},
	    {1, 0.9, DETAIL_NO_PROBES}, {1000, 0, DETAIL_NO_PROBES});
}

static void test_a_step_that_helps_is_the_last(void **state)
{
	RUN(0.05, {GOVERNOR_OVER, 0.06, DETAIL_NO_STACKS}, {1000, 0.04, DETAIL_NO_STACKS});
}

static void test_what_was_left_out_comes_back_and_not_at_once(void **state)
{
	RUN(0.05, {GOVERNOR_OVER, 0.06, DETAIL_NO_STACKS},
	    {2 * GOVERNOR_PATIENCE - 1, 0.01, DETAIL_NO_STACKS}, {1, 0.01, DETAIL_FULL});
	RUN(0.05, {2 * GOVERNOR_OVER, 0.06, DETAIL_NO_PARAMS},
	    {4 * GOVERNOR_PATIENCE, 0.01, DETAIL_NO_STACKS}, {4 * GOVERNOR_PATIENCE, 0.01, DETAIL_FULL});
}

static void test_it_must_be_well_below_in_a_row(void **state)
{
	RUN(0.05, {GOVERNOR_OVER, 0.06, DETAIL_NO_STACKS},
	    {2 * GOVERNOR_PATIENCE - 1, 0.01, DETAIL_NO_STACKS}, {1, 0.04, DETAIL_NO_STACKS},
	    {2 * GOVERNOR_PATIENCE - 1, 0.01, DETAIL_NO_STACKS});
}

static unsigned int changes_in(unsigned int checks)
{
	struct governor g;
	unsigned int changes = 0;

	governor_init(&g, 0.05);
	for (unsigned int i = 0; i < checks; i++)
		changes += (unsigned int)governor_check(&g, g.level == DETAIL_FULL ? 0.06 : 0.01);
	return changes;
}

/* Too much when all is collected and little when not: it tries again, but ever more seldom. */
static void test_it_does_not_swing(void **state)
{
	assert_in_range(changes_in(10000), 10, 40);
	assert_true(changes_in(20000) - changes_in(10000) < changes_in(10000));
}

static void test_each_level_says_what_it_leaves_out(void **state)
{
	assert_null(governor_subject(DETAIL_FULL));
	for (enum detail_level level = DETAIL_FULL + 1; level < DETAIL_LEVELS; level++)
		assert_non_null(governor_subject(level));
	for (enum detail_level level = DETAIL_FULL; level < DETAIL_LEVELS; level++)
		assert_string_not_equal(record_detail_name((uint8_t)level), "unknown");
	assert_string_equal(record_detail_name(DETAIL_LEVELS), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_load_below_the_limit_changes_nothing),
		cmocka_unit_test(test_no_limit_is_no_limit),
		cmocka_unit_test(test_a_peak_changes_nothing),
		cmocka_unit_test(test_a_flood_goes_down_step_by_step),
		cmocka_unit_test(test_a_step_that_helps_is_the_last),
		cmocka_unit_test(test_what_was_left_out_comes_back_and_not_at_once),
		cmocka_unit_test(test_it_must_be_well_below_in_a_row),
		cmocka_unit_test(test_it_does_not_swing),
		cmocka_unit_test(test_each_level_says_what_it_leaves_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
