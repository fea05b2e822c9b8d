/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened when: slots grow with the window, and nothing is lost or counted twice on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "txn/timeline.h"

#define MS    1000000ULL
#define START (5000 * MS)

static uint64_t counted(const struct timeline *t, uint64_t *failed)
{
	uint64_t n = 0;
	uint32_t i;

	*failed = 0;
	for (i = 0; i < TIMELINE_SLOTS; i++) {
		n += t->slot[i].durations.count;
		*failed += t->slot[i].failed;
	}
	return n;
}

static void grows(void **state)
{
	struct timeline t = {0};
	uint64_t i, failed;
	uint32_t k;

	timeline_begin(&t, START);
	for (i = 0; i < 100000; i++) {
		assert_int_equal(timeline_add(&t, START + i * MS, 1000, i % 100 == 0), 0);
		if (i % 9973 == 0) {
			assert_int_equal(counted(&t, &failed), i + 1);
			assert_int_equal(failed, i / 100 + 1);
		}
	}
	/* 100 s in slots of 10 ms x 2^n */
	assert_int_equal(t.width_ns, 2560 * MS);
	assert_int_equal(timeline_used(&t, START + 100000 * MS), 40);
	for (k = 0; k < 39; k++) {
		assert_int_equal(t.slot[k].durations.count, 2560);
		assert_in_range(t.slot[k].failed, 25, 26);
	}
	assert_int_equal(t.slot[39].durations.count, 100000 - 39 * 2560);
	timeline_free(&t);
}

static void one_jump(void **state)
{
	struct timeline t = {0};
	uint64_t failed;

	timeline_begin(&t, START);
	assert_int_equal(timeline_add(&t, START - MS, 7, 0), 0); /* began before the window */
	assert_int_equal(timeline_add(&t, START, 7, 0), 0);
	assert_int_equal(timeline_add(&t, START + 86400000 * MS, 7, 1), 0);
	assert_int_equal(counted(&t, &failed), 3);
	assert_int_equal(failed, 1);
	assert_int_equal(t.slot[0].durations.count, 2);
	assert_in_range(timeline_used(&t, START + 86400000 * MS), TIMELINE_SLOTS / 2, TIMELINE_SLOTS);
	timeline_free(&t);
}

static void empty(void **state)
{
	struct timeline t = {0};

	assert_int_equal(timeline_used(&t, START), 0);
	timeline_begin(&t, START);
	assert_int_equal(timeline_used(&t, START), 0);
	assert_int_equal(timeline_used(&t, START + 1), 1);
	assert_int_equal(timeline_used(&t, START + 20 * MS), 2);
	assert_int_equal(timeline_used(&t, UINT64_MAX), TIMELINE_SLOTS);
	timeline_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows),
		cmocka_unit_test(one_jump),
		cmocka_unit_test(empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
