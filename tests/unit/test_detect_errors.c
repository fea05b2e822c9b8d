/* SPDX-License-Identifier: BSD-2-Clause */
/* Detectors of failures and writes without effect: programs in which something must be found, and as
 * many in which it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "program.h"

/* ---- failures ---- */

static void deadlock_again_and_again(struct program *p)
{
	int i;

	for (i = 0; i < 8; i++)
		fails(p, p->update, "40P01", 7);
}

static void busy_again_and_again(struct program *p)
{
	int i;

	for (i = 0; i < 8; i++)
		fails(p, p->insert, "SQLITE_BUSY_SNAPSHOT", 7);
}

static void deadlocks_of_different_rows(struct program *p)
{
	int i;

	for (i = 0; i < 8; i++)
		fails(p, p->update, "40P01", (uint64_t)i);
}

static void deadlocks_far_apart(struct program *p)
{
	int i;

	for (i = 0; i < 8; i++) {
		fails(p, p->update, "40P01", 7);
		pause_for(p, 5 * SECOND);
	}
}

static void wrong_again_and_again(struct program *p)
{
	int i;

	for (i = 0; i < 8; i++)
		fails(p, p->update, "42P01", 7);
}

static void transaction_that_fails(struct program *p)
{
	same(p, p->begin, 0);
	one(p, p->read, 1);
	fails(p, p->insert, "23505", ++p->id);
	same(p, p->rollback, 0);
}

static void transactions_fail(struct program *p)
{
	times(p, 6, transaction_that_fails);
	times(p, 3, transaction_that_works);
}

static void few_transactions_fail(struct program *p)
{
	times(p, 6, transaction_that_fails);
	times(p, 60, transaction_that_works);
}

static void four_transactions_fail(struct program *p)
{
	times(p, 4, transaction_that_fails);
}

static void given_up_without_an_error(struct program *p)
{
	int i;

	for (i = 0; i < 20; i++) {
		same(p, p->begin, 0);
		one(p, p->read, 1);
		same(p, p->rollback, 0);
	}
}

static void fails_and_commits(struct program *p)
{
	int i;

	for (i = 0; i < 20; i++) {
		same(p, p->begin, 0);
		fails(p, p->insert, "SQLITE_CONSTRAINT_UNIQUE", ++p->id);
		same(p, p->commit, 0);
	}
}

static void server_goes_away(struct program *p)
{
	int i;

	for (i = 0; i < 5; i++) {
		fails(p, p->read, "57P01", ++p->id);
		fails(p, p->items, "57P01", ++p->id);
		fails(p, p->update, "57P01", ++p->id);
	}
}

static void one_statement_fails_often(struct program *p)
{
	int i;

	for (i = 0; i < 30; i++)
		fails(p, p->read, "42P01", ++p->id);
}

static void errors_over_a_minute(struct program *p)
{
	int i;

	for (i = 0; i < 10; i++) {
		fails(p, p->read, "57P01", ++p->id);
		fails(p, p->items, "57P01", ++p->id);
		fails(p, p->update, "57P01", ++p->id);
		pause_for(p, 6 * SECOND);
	}
}

static void statements_wrong_in_themselves(struct program *p)
{
	int i;

	for (i = 0; i < 5; i++) {
		fails(p, p->read, "42P01", ++p->id);
		fails(p, p->items, "42P01", ++p->id);
		fails(p, p->update, "42P01", ++p->id);
	}
}

static void different_errors(struct program *p)
{
	int i;

	for (i = 0; i < 5; i++) {
		fails(p, p->read, "57P01", ++p->id);
		fails(p, p->items, "42P01", ++p->id);
		fails(p, p->update, "23505", ++p->id);
	}
}

/* ---- writes ---- */

static void updates_find_nothing(struct program *p)
{
	int i;

	one(p, p->insert, 1);
	for (i = 0; i < 25; i++)
		one(p, p->update, 0);
}

static void updates_find_something(struct program *p)
{
	int i;

	one(p, p->insert, 1);
	for (i = 0; i < 25; i++)
		one(p, p->update, i % 5 == 0);
}

static void rows_are_not_shown(struct program *p)
{
	int i;

	one(p, p->insert, 0);
	for (i = 0; i < 25; i++)
		one(p, p->update, 0);
}

static void few_updates(struct program *p)
{
	int i;

	one(p, p->insert, 1);
	for (i = 0; i < 19; i++)
		one(p, p->update, 0);
}

/* ---- rows that nobody fetched ---- */

/* A result of `ns` until its first row, given up after which the rest took `rest`. */
static void given_up(struct program *p, uint64_t ns, uint64_t rest, uint16_t flags)
{
	struct apm_ev_stmt ev = stream_stmt(&p->s, p->list, ns + rest, 3);

	ev.t_first = ev.t_start + ns;
	ev.hdr.flags |= flags;
	stream_send(&p->s, ev);
	p->s.now += p->s.app_ns;
}

static void much_is_left(struct program *p)
{
	given_up(p, MS, 30 * MS, APM_STMT_UNFETCHED);
}

static void little_is_left_often(struct program *p)
{
	int i;

	for (i = 0; i < 30; i++)
		given_up(p, MS, MS / 2, APM_STMT_UNFETCHED);
}

static void little_is_left(struct program *p)
{
	int i;

	for (i = 0; i < 10; i++)
		given_up(p, MS, MS / 2, APM_STMT_UNFETCHED);
}

static void nothing_is_left(struct program *p)
{
	given_up(p, MS, 30 * MS, 0);
}

static void the_query_itself_is_slow(struct program *p)
{
	given_up(p, 80 * MS, MS, APM_STMT_UNFETCHED);
}

static const struct row rows[] = {
	{"retry_storm", deadlock_again_and_again, 1},
	{"retry_storm", busy_again_and_again, 1},
	{"retry_storm", deadlocks_of_different_rows, 0},
	{"retry_storm", deadlocks_far_apart, 0},
	{"retry_storm", wrong_again_and_again, 0},
	{"failed_transaction", transactions_fail, 1},
	{"failed_transaction", few_transactions_fail, 0},
	{"failed_transaction", four_transactions_fail, 0},
	{"failed_transaction", given_up_without_an_error, 0},
	{"failed_transaction", fails_and_commits, 0},
	{"error_burst", server_goes_away, 1},
	{"error_burst", one_statement_fails_often, 0},
	{"error_burst", errors_over_a_minute, 0},
	{"error_burst", different_errors, 0},
	{"error_burst", statements_wrong_in_themselves, 0},
	{"unfetched_rows", much_is_left, 1},
	{"unfetched_rows", little_is_left_often, 1},
	{"unfetched_rows", little_is_left, 0},
	{"unfetched_rows", nothing_is_left, 0},
	{"unfetched_rows", the_query_itself_is_slow, 0},
	{"zero_row_write", updates_find_nothing, 1},
	{"zero_row_write", updates_find_something, 0},
	{"zero_row_write", rows_are_not_shown, 0},
	{"zero_row_write", few_updates, 0},
};

/* The longest of the slow ones decides what is advised. */
static void waits_and_is_refused(const char *code, uint64_t wait_ns, uint64_t later_ns, const char *said)
{
	struct program p = {0};
	const struct report_finding *f;
	struct apm_ev_stmt ev;

	stream_open(&p.s, NULL);
	texts(&p);
	if (code) {
		fails_after(&p, p.update, code, 1, 800 * MS);
	} else {
		ev = stream_stmt(&p.s, p.update, 800 * MS, 1);
		ev.wait_ns = wait_ns;
		stream_send(&p.s, ev);
	}
	if (later_ns)
		took(&p, p.update, later_ns);
	f = stream_found(stream_report(&p.s), "slow_query", NULL);
	assert_non_null(f);
	if (!strstr(f->recommendation, said))
		fail_msg("%s: %s", code, f->recommendation);
	stream_close(&p.s);
}

static void a_slow_one_that_waited_wants_no_index(void **state)
{
	waits_and_is_refused("40P01", 0, 0, "pg_blocking_pids");
	waits_and_is_refused("55P03", 0, 200 * MS, "pg_blocking_pids");
	waits_and_is_refused("55P03", 0, 900 * MS, "index");
	waits_and_is_refused("23505", 0, 0, "index");
	waits_and_is_refused(NULL, 700 * MS, 0, "pg_blocking_pids");
	waits_and_is_refused(NULL, 100 * MS, 0, "index");
}

int main(void)
{
	static const struct CMUnitTest more[] = {cmocka_unit_test(a_slow_one_that_waited_wants_no_index)};

	return run_rows(rows, sizeof(rows) / sizeof(rows[0]), more, sizeof(more) / sizeof(more[0]));
}
