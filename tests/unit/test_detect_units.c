/* SPDX-License-Identifier: BSD-2-Clause */
/* Detectors of what is done how often, and how long it takes: repeats, latencies, units, connections:
 * programs in which something must be found, and as many in which it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "program.h"

/* ---- M N+1 ---- */

static void user_items_price(struct program *p)
{
	one(p, p->read, 1);
	one(p, p->items, 3);
	one(p, p->price, 1);
}

static void three_per_row(struct program *p)
{
	one(p, p->list, 10);
	times(p, 10, user_items_price);
}

static void user_and_setting(struct program *p)
{
	one(p, p->read, 1);
	same(p, p->price, 1);
}

static void two_per_row_one_of_them_the_same(struct program *p)
{
	one(p, p->list, 10);
	times(p, 10, user_and_setting);
}

static void two_loops_one_after_the_other(struct program *p)
{
	int i;

	one(p, p->list, 10);
	for (i = 0; i < 10; i++)
		one(p, p->read, 1);
	for (i = 0; i < 10; i++)
		one(p, p->items, 1);
}

static void one_per_row(struct program *p)
{
	int i;

	one(p, p->list, 10);
	for (i = 0; i < 10; i++)
		one(p, p->read, 1);
}

static void three_per_request(struct program *p)
{
	int i;

	for (i = 0; i < 10; i++) {
		user_items_price(p);
		pause_for(p, SECOND);
	}
}

static void three_per_request_saturated(struct program *p)
{
	times(p, 100, user_items_price);
}

/* ---- latency ---- */

static void mostly_fast(struct program *p)
{
	int i;

	for (i = 0; i < 300; i++)
		took(p, p->read, i % 30 == 29 ? 90 * MS : MS);
}

static void always_the_same(struct program *p)
{
	int i;

	for (i = 0; i < 300; i++)
		took(p, p->read, 40 * MS);
}

static void one_slow_in_a_thousand(struct program *p)
{
	int i;

	for (i = 0; i < 3000; i++)
		took(p, p->read, i % 1000 == 999 ? 90 * MS : MS);
}

static void fast_and_faster(struct program *p)
{
	int i;

	for (i = 0; i < 300; i++)
		took(p, p->read, i % 30 == 29 ? 15 * MS : MS / 10);
}

static void few_calls(struct program *p)
{
	int i;

	for (i = 0; i < 60; i++)
		took(p, p->read, i % 10 == 9 ? 90 * MS : MS);
}

/* ---- transactions ---- */

static void working_transaction(struct program *p)
{
	int i;

	same(p, p->begin, 0);
	for (i = 0; i < 30; i++) {
		took(p, p->update, 30 * MS);
		pause_for(p, 20 * MS);
	}
	same(p, p->commit, 0);
}

static void idle_transaction(struct program *p)
{
	same(p, p->begin, 0);
	one(p, p->update, 1);
	pause_for(p, 3 * SECOND);
	same(p, p->commit, 0);
}

static void short_transactions(struct program *p)
{
	int i;

	for (i = 0; i < 30; i++) {
		transaction_that_works(p);
		pause_for(p, SECOND);
	}
}

static void long_work_without_a_transaction(struct program *p)
{
	int i;

	for (i = 0; i < 30; i++) {
		took(p, p->update, 30 * MS);
		pause_for(p, 20 * MS);
	}
}

/* ---- units ---- */

static void request_of(struct program *p, int statements)
{
	int i;

	one(p, p->list, 1);
	for (i = 1; i < statements; i++)
		one(p, p->read, 1);
	pause_for(p, SECOND);
}

static void three_huge_requests(struct program *p)
{
	int i;

	for (i = 0; i < 42; i++)
		request_of(p, i % 10 == 9 && i > 10 ? 200 : 5);
}

static void requests_of_all_sizes(struct program *p)
{
	int i;

	for (i = 0; i < 40; i++)
		request_of(p, 20 + i * 4);
}

static void one_huge_request(struct program *p)
{
	int i;

	for (i = 0; i < 40; i++)
		request_of(p, i == 30 ? 200 : 5);
}

static void huge_of_few(struct program *p)
{
	int i;

	for (i = 0; i < 12; i++)
		request_of(p, i > 8 ? 200 : 5);
}

/* ---- connections ---- */

static void connection_per_request(struct program *p)
{
	int i;

	for (i = 0; i < 20; i++) {
		p->s.conn += 0x100;
		request_of(p, 3);
	}
}

static void one_connection(struct program *p)
{
	int i;

	for (i = 0; i < 20; i++)
		request_of(p, 3);
}

static void connection_per_thread(struct program *p)
{
	int i;

	for (i = 0; i < 20; i++) {
		p->s.conn += 0x100;
		p->s.tid++;
		request_of(p, 3);
	}
}

static void few_connections(struct program *p)
{
	int i;

	for (i = 0; i < 9; i++) {
		p->s.conn += 0x100;
		request_of(p, 3);
	}
}

static void pool_of_five(struct program *p)
{
	int i;

	for (i = 0; i < 50; i++) {
		p->s.conn = 0x1000 + 0x100 * (uint64_t)(i % 5);
		request_of(p, 3);
	}
}

static const struct row rows[] = {
	{"m_n_plus_one", three_per_row, 1},
	{"m_n_plus_one", two_per_row_one_of_them_the_same, 1},
	{"m_n_plus_one", two_loops_one_after_the_other, 0},
	{"m_n_plus_one", one_per_row, 0},
	{"m_n_plus_one", three_per_request, 0},
	{"m_n_plus_one", three_per_request_saturated, 0},
	{"n_plus_one", three_per_row, 3},
	{"n_plus_one", three_per_request_saturated, 0},
	{"latency_outlier", mostly_fast, 1},
	{"latency_outlier", always_the_same, 0},
	{"latency_outlier", one_slow_in_a_thousand, 0},
	{"latency_outlier", fast_and_faster, 0},
	{"latency_outlier", few_calls, 0},
	{"long_transaction", working_transaction, 1},
	{"long_transaction", idle_transaction, 0},
	{"long_transaction", short_transactions, 0},
	{"long_transaction", long_work_without_a_transaction, 0},
	{"idle_in_transaction", idle_transaction, 1},
	{"idle_in_transaction", working_transaction, 0},
	{"chatty_unit", three_huge_requests, 1},
	{"chatty_unit", requests_of_all_sizes, 0},
	{"chatty_unit", one_huge_request, 0},
	{"chatty_unit", huge_of_few, 0},
	{"connection_churn", connection_per_request, 1},
	{"connection_churn", one_connection, 0},
	{"connection_churn", connection_per_thread, 0},
	{"connection_churn", few_connections, 0},
	{"connection_churn", pool_of_five, 0},
};

/* Findings with more to save come first, those that nobody can tell last. */
static void test_order(void **state)
{
	struct program p = {0};
	const struct report *r;
	size_t i;

	stream_open(&p.s, NULL);
	texts(&p);
	three_per_row(&p);
	took(&p, p.report, SECOND);
	idle_transaction(&p);
	r = stream_report(&p.s);
	assert_true(r->findings.count > 3);
	for (i = 1; i < r->findings.count; i++)
		assert_true(r->findings.item[i - 1].saved_ns >= r->findings.item[i].saved_ns);
	assert_string_equal(r->findings.item[0].detector, "slow_query");
	stream_close(&p.s);
}

/* What a pattern consists of says so. */
static void test_part_of(void **state)
{
	struct program p = {0};
	const struct report *r;
	size_t i, parts = 0;

	stream_open(&p.s, NULL);
	texts(&p);
	three_per_row(&p);
	r = stream_report(&p.s);
	assert_int_equal(r->findings.count, 4);
	assert_string_equal(r->findings.item[0].detector, "m_n_plus_one");
	assert_int_equal(r->findings.item[0].part_of, 0);
	for (i = 1; i < r->findings.count; i++)
		parts += r->findings.item[i].part_of == r->findings.item[0].fingerprint;
	assert_int_equal(parts, 3);
	assert_int_equal(r->n_plus_one.count, 3);
	stream_close(&p.s);
	p = (struct program){0};
	stream_open(&p.s, NULL);
	texts(&p);
	two_loops_one_after_the_other(&p);
	r = stream_report(&p.s);
	assert_int_equal(r->findings.count, 2);
	assert_int_equal(r->findings.item[0].part_of | r->findings.item[1].part_of, 0);
	stream_close(&p.s);
}

int main(void)
{
	const struct CMUnitTest more[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_part_of)};

	return run_rows(rows, sizeof(rows) / sizeof(rows[0]), more, 2);
}
