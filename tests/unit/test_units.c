/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a unit of work begins and ends, the order of statements, and the count of different parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "stream.h"
#include "txn/distinct.h"
#include "txn/order.h"

static const struct report_unit *unit_of_kind(const struct report *r, const char *kind)
{
	size_t i;

	for (i = 0; i < r->unit_shapes.count; i++) {
		if (strcmp(r->unit_shapes.item[i].kind, kind) == 0)
			return &r->unit_shapes.item[i];
	}
	return NULL;
}

static void test_gaps_cut_runs(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t text;
	int i;

	stream_open(&s, NULL);
	text = stream_text(&s, "SELECT a", SQL_KIND_READ, 0);
	for (i = 0; i < 6; i++) {
		stream_run(&s, text, MS, 1, 0);
		s.now += i % 2 ? 150 * MS : 50 * MS;
	}
	r = stream_report(&s);
	assert_int_equal(r->units, 3);
	assert_int_equal(r->unit_shapes.count, 1);
	assert_string_equal(r->unit_shapes.item[0].kind, "run");
	assert_string_equal(r->unit_shapes.item[0].shape, "SELECT a");
	assert_true(r->unit_shapes.item[0].statements_per_unit == 2.0);
	assert_int_equal(r->unit_shapes.item[0].confidence, CONFIDENCE_LIKELY);
	assert_int_equal(r->links_likely, 6);
	stream_close(&s);
}

static void test_a_long_statement_is_no_gap(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t text;

	stream_open(&s, NULL);
	text = stream_text(&s, "SELECT a", SQL_KIND_READ, 0);
	stream_run(&s, text, MS, 1, 0);
	stream_run(&s, text, 4 * SECOND, 1, 0);
	stream_run(&s, text, MS, 1, 0);
	r = stream_report(&s);
	assert_int_equal(r->units, 1);
	stream_close(&s);
}

static void test_threads_are_apart(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t text;
	int i;

	stream_open(&s, NULL);
	text = stream_text(&s, "SELECT a", SQL_KIND_READ, 0);
	for (i = 0; i < 40; i++) {
		s.tid = 11 + i % 4;
		s.conn = 0x1000 + i % 4;
		stream_run(&s, text, MS, 1, 0);
	}
	r = stream_report(&s);
	assert_int_equal(r->units, 4);
	stream_close(&s);
}

static void test_short_process_is_one_unit(void **state)
{
	struct stream s;
	const struct report *r;
	const struct report_unit *u;
	uint64_t text;
	int i;

	stream_open(&s, NULL);
	text = stream_text(&s, "SELECT a", SQL_KIND_READ, 0);
	stream_proc(&s, APM_EV_FORK, 20);
	s.tgid = s.tid = 20;
	text = stream_text(&s, "SELECT a", SQL_KIND_READ, 0);
	stream_proc(&s, APM_EV_EXEC, 0);
	for (i = 0; i < 5; i++) {
		stream_run(&s, text, MS, 1, 0);
		s.now += SECOND;
	}
	stream_proc(&s, APM_EV_EXIT, 0);
	r = stream_report(&s);
	assert_int_equal(r->units, 1);
	assert_int_equal(r->links_exact, 5);
	u = unit_of_kind(r, "process");
	assert_non_null(u);
	assert_string_equal(u->process, "worker");
	assert_int_equal(u->statements, 5);
	stream_close(&s);
}

static void test_number_of_a_process_used_again(void **state)
{
	struct stream s;
	const struct report *r;
	int i;

	stream_open(&s, NULL);
	for (i = 0; i < 2; i++) {
		s.tgid = s.tid = 10;
		stream_proc(&s, APM_EV_FORK, 20);
		s.tgid = s.tid = 20;
		stream_run(&s, stream_text(&s, "SELECT a", SQL_KIND_READ, 0), MS, 1, 0);
		s.now += SECOND;
	}
	stream_proc(&s, APM_EV_EXIT, 0); /* of the second: that of the first was lost */
	r = stream_report(&s);
	assert_int_equal(r->units, 2);
	assert_int_equal(unit_of_kind(r, "process")->statements, 1);
	stream_close(&s);
}

static void test_long_process_is_its_runs(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t text;
	int i;

	stream_open(&s, NULL);
	text = stream_text(&s, "SELECT a", SQL_KIND_READ, 0);
	stream_proc(&s, APM_EV_EXEC, 0);
	for (i = 0; i < 70; i++) {
		stream_run(&s, text, MS, 1, 0);
		s.now += SECOND;
	}
	stream_proc(&s, APM_EV_EXIT, 0);
	r = stream_report(&s);
	assert_int_equal(r->units, 70);
	assert_null(unit_of_kind(r, "process"));
	stream_close(&s);
}

static void test_process_that_did_not_exit_is_its_runs(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t text;
	int i;

	stream_open(&s, NULL);
	text = stream_text(&s, "SELECT a", SQL_KIND_READ, 0);
	stream_proc(&s, APM_EV_EXEC, 0);
	for (i = 0; i < 7; i++) {
		stream_run(&s, text, MS, 1, 0);
		s.now += SECOND;
	}
	r = stream_report(&s);
	assert_int_equal(r->units, 7);
	assert_int_equal(r->links_exact, 0);
	stream_close(&s);
}

static void test_connection_that_moves(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t text;
	int i;

	stream_open(&s, NULL);
	text = stream_text(&s, "SELECT a", SQL_KIND_READ, 0);
	for (i = 0; i < 60; i++) {
		s.tid = 11 + i % 5;
		stream_run(&s, text, MS, 1, 0);
	}
	r = stream_report(&s);
	assert_non_null(unit_of_kind(r, "connection run"));
	assert_true(unit_of_kind(r, "connection run")->statements >= 50);
	stream_close(&s);
}

static void test_transactions_are_counted(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t begin, commit, rollback, savepoint;

	stream_open(&s, NULL);
	begin = stream_text(&s, "BEGIN", SQL_KIND_BEGIN, 0);
	commit = stream_text(&s, "COMMIT", SQL_KIND_COMMIT, 0);
	rollback = stream_text(&s, "ROLLBACK", SQL_KIND_ROLLBACK, 0);
	savepoint = stream_text(&s, "SAVEPOINT ?", SQL_KIND_SAVEPOINT, 0);
	stream_run(&s, begin, MS, 0, 0);
	stream_run(&s, begin, MS, 0, 0); /* inside one it is only a warning */
	stream_run(&s, savepoint, MS, 0, 0);
	stream_run(&s, commit, MS, 0, 0);
	stream_run(&s, begin, MS, 0, 0);
	stream_run(&s, rollback, MS, 0, 0);
	stream_run(&s, rollback, MS, 0, 0);
	r = stream_report(&s);
	assert_int_equal(r->transactions, 2);
	assert_int_equal(r->control_statements, 7);
	assert_int_equal(r->statements, 0);
	assert_int_equal(r->units, 0);
	stream_close(&s);
}

static void test_many_threads_are_bounded(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t text[50];
	char query[32];
	int i, j;

	stream_open(&s, NULL);
	s.app_ns = 1000;
	for (j = 0; j < 50; j++) {
		snprintf(query, sizeof(query), "SELECT a%d", j);
		text[j] = stream_text(&s, query, SQL_KIND_READ, 0);
	}
	for (i = 0; i < 3000; i++) {
		s.tid = 100 + (uint32_t)i;
		for (j = 0; j < 50; j++)
			stream_run(&s, text[j], 1000, 1, 0);
	}
	r = stream_report(&s);
	assert_int_equal(r->statements, 150000);
	assert_true(r->units >= 3000);
	stream_close(&s);
}

/* ---- order ---- */

struct seen {
	uint64_t start[1000];
	size_t count;
};

static void note(struct statement *stmt, void *arg)
{
	struct seen *seen = arg;

	seen->start[seen->count++] = stmt->t_start;
}

static void test_order_within_the_delay(void **state)
{
	struct seen seen = {0};
	struct order *o = order_new(64, 1000, note, &seen);
	uint64_t random = 3;
	size_t i;

	for (i = 0; i < 500; i++) {
		struct statement stmt = {.t_start = i * 50};

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		stmt.t_start += (random >> 33) % 900;
		order_add(o, &stmt);
		order_time(o, i * 50);
	}
	order_flush(o, UINT64_MAX);
	assert_int_equal(seen.count, 500);
	for (i = 1; i < seen.count; i++)
		assert_true(seen.start[i - 1] <= seen.start[i]);
	order_free(o);
}

static void test_order_gives_up_when_full(void **state)
{
	struct seen seen = {0};
	struct order *o = order_new(8, UINT64_MAX / 2, note, &seen);
	size_t i;

	for (i = 0; i < 100; i++)
		order_add(o, &(struct statement){.t_start = 1000 - i});
	assert_int_equal(seen.count, 92);
	order_flush(o, 0);
	assert_int_equal(seen.count, 92);
	order_flush(o, UINT64_MAX);
	assert_int_equal(seen.count, 100);
	order_free(o);
}

/* ---- different parameters ---- */

static void test_distinct_is_exact_then_estimated(void **state)
{
	static const uint64_t counts[] = {0, 1, 2, 5, 100, 4000, 50000, 1000000};
	uint64_t i;
	size_t c;

	for (c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		struct distinct d = {0};
		double seen;

		for (i = 0; i < counts[c] * 2; i++)
			distinct_add(&d, i % (counts[c] ? counts[c] : 1), 4096);
		seen = (double)distinct_count(&d);
		if (d.shift == 0)
			assert_int_equal(distinct_count(&d), counts[c]);
		assert_true(counts[c] <= 4096 ? d.shift == 0 : d.shift > 0);
		assert_true(seen >= (double)counts[c] * 0.9 && seen <= (double)counts[c] * 1.1);
		assert_true(d.cap <= 8192);
		if (counts[c])
			assert_int_equal(d.commonest, 2);
		distinct_free(&d);
	}
}

static void test_distinct_can_be_used_again(void **state)
{
	struct distinct d = {0};
	uint64_t i;

	for (i = 0; i < 20; i++)
		distinct_add(&d, i, 4096);
	distinct_reset(&d);
	assert_int_equal(distinct_count(&d), 0);
	distinct_add(&d, 7, 4096);
	distinct_add(&d, 7, 4096);
	distinct_add(&d, 8, 4096);
	assert_int_equal(distinct_count(&d), 2);
	assert_int_equal(d.commonest, 2);
	distinct_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gaps_cut_runs),
		cmocka_unit_test(test_a_long_statement_is_no_gap),
		cmocka_unit_test(test_threads_are_apart),
		cmocka_unit_test(test_short_process_is_one_unit),
		cmocka_unit_test(test_number_of_a_process_used_again),
		cmocka_unit_test(test_long_process_is_its_runs),
		cmocka_unit_test(test_process_that_did_not_exit_is_its_runs),
		cmocka_unit_test(test_connection_that_moves),
		cmocka_unit_test(test_transactions_are_counted),
		cmocka_unit_test(test_many_threads_are_bounded),
		cmocka_unit_test(test_order_within_the_delay),
		cmocka_unit_test(test_order_gives_up_when_full),
		cmocka_unit_test(test_distinct_is_exact_then_estimated),
		cmocka_unit_test(test_distinct_can_be_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
