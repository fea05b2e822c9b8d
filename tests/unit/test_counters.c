/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "record.h"

static void every_counter_has_a_name_of_its_own(void **state)
{
	int i, j;

	for (i = 0; i < APM_CNT_MAX; i++) {
		assert_true(strlen(counter_name(i)) > 0);
		assert_true(strlen(counter_text(i)) > 0);
		for (j = 0; j < i; j++)
			assert_string_not_equal(counter_name(i), counter_name(j));
	}
}

static void lossy_counters_make_lower_bounds(void **state)
{
	assert_string_equal(counter_name(APM_CNT_RING_FULL), "ring_full");
	assert_int_equal(counter_lossy(APM_CNT_RING_FULL), 1);
	assert_int_equal(counter_lossy(APM_CNT_NO_RETURN), 0);
}

static void what_is_no_counter_has_no_name(void **state)
{
	assert_null(counter_name(APM_CNT_MAX));
	assert_null(counter_text(APM_CNT_MAX));
	assert_null(counter_name((enum apm_counter) - 1));
	assert_int_equal(counter_lossy(APM_CNT_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_counter_has_a_name_of_its_own),
		cmocka_unit_test(lossy_counters_make_lower_bounds),
		cmocka_unit_test(what_is_no_counter_has_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
