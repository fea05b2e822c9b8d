/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "detect/conditions.h"
#include "sqlite_codes.h"

static void a_state_has_its_name(void **state)
{
	assert_string_equal(condition_name("22012"), "division_by_zero");
	assert_string_equal(condition_name("40P01"), "deadlock_detected");
	assert_string_equal(condition_name("23505"), "unique_violation");
}

static void what_names_itself_has_no_other_name(void **state)
{
	assert_null(condition_name("SQLITE_BUSY"));
	assert_null(condition_name("WRONGTYPE"));
	assert_null(condition_name("99999"));
	assert_null(condition_name(""));
}

static void advice_fits_the_code(void **state)
{
	assert_non_null(strstr(condition_advice("40001"), "retry"));
	assert_non_null(strstr(condition_advice("SQLITE_CONSTRAINT_UNIQUE"), "ON CONFLICT"));
	assert_ptr_equal(condition_advice("SQLITE_BUSY"), condition_advice("55P03"));
	assert_null(strstr(condition_advice("42601"), "retry"));
	assert_null(condition_advice("SQLITE_ERROR")); /* may be anything */
	assert_null(condition_advice("23000"));	       /* MySQL's for every constraint */
	assert_null(condition_advice(""));
}

static void a_code_of_sqlite_has_its_text(void **state)
{
	assert_string_equal(sqlite_code_text(5), "database is locked");
	assert_string_equal(sqlite_code_text(5 | 2 << 8), "database is locked");
	assert_string_equal(sqlite_code_text(2067), "constraint failed");
	assert_string_equal(sqlite_code_text(2), "unknown error");
	assert_string_equal(sqlite_code_text(200), "unknown error");
	assert_string_equal(sqlite_code_text(-1), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_has_its_name),
		cmocka_unit_test(a_code_of_sqlite_has_its_text),
		cmocka_unit_test(what_names_itself_has_no_other_name),
		cmocka_unit_test(advice_fits_the_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
