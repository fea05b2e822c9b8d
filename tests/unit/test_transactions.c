/* SPDX-License-Identifier: BSD-2-Clause */
/* Database transactions by what their connection was told, per system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "stream.h"
#include "txn/redis_use.h"
#include "txn/transactions.h"

#define ERROR 1
#define LOST  2 /* an error that rolls the transaction back */

struct step {
	const char *sql;
	int flags;
};

static struct transactions *made;
static uint64_t now;
static uint64_t conn;

static void one(uint8_t system, const char *sql, int flags)
{
	static const enum sql_dialect dialects[] = {[APM_SYSTEM_POSTGRESQL] = SQL_POSTGRESQL,
						    [APM_SYSTEM_SQLITE] = SQL_SQLITE,
						    [APM_SYSTEM_MYSQL] = SQL_MYSQL};
	struct sql_options opt = {.dialect = dialects[system]};
	char buf[4096];
	struct sql_info info;
	struct statement stmt;

	assert_true(sql_buffer_size(strlen(sql)) <= sizeof(buf));
	assert_int_equal(sql_analyse(sql, strlen(sql), &opt, buf, sizeof(buf), &info), 0);
	stmt = (struct statement){.fingerprint = info.fingerprint,
				  .system = system,
				  .stmt_class = (uint8_t)info.stmt_class,
				  .kind = (uint8_t)info.kind,
				  .tx_verb = (uint8_t)tx_verb_of(info.normalized, (uint8_t)info.kind),
				  .error = flags != 0,
				  .tx_lost = flags == LOST,
				  .t_start = now,
				  .t_end = now + MS,
				  .duration_ns = MS,
				  .tgid = 1,
				  .tid = 2,
				  .ctx_id = 2,
				  .conn = conn};
	assert_int_equal(transactions_feed(made, &stmt, 0), 0);
	now += 3 * MS;
}

static void add(const struct tx_shape *s, void *arg)
{
	struct tx_shape *all = arg;
	int i;

	all->count += s->count;
	for (i = 0; i < TX_OUTCOMES; i++)
		all->outcome[i] += s->outcome[i];
	all->implicit += s->implicit;
	all->nested += s->nested;
	all->savepoints += s->savepoints;
	all->savepoint_rollbacks += s->savepoint_rollbacks;
	all->statements += s->statements;
	all->errors += s->errors;
	all->refused += s->refused;
	all->second_phases += s->second_phases;
	all->idle_ns += s->idle_ns;
	all->db_ns += s->db_ns;
}

/* Runs the steps on one connection and sums all transactions up. */
static struct tx_shape run(uint8_t system, const struct step *steps)
{
	struct tx_shape all = {0};

	made = transactions_new();
	assert_non_null(made);
	now = SECOND;
	conn = 0x1000;
	for (; steps->sql; steps++)
		one(system, steps->sql, steps->flags);
	transactions_finish(made);
	transactions_each(made, add, &all);
	assert_int_equal(all.count, transactions_count(made));
	transactions_free(made);
	return all;
}

#define RUN(system, ...) run(APM_SYSTEM_##system, (const struct step[]){__VA_ARGS__, {NULL, 0}})

static void commits_and_rollbacks(void **state)
{
	struct tx_shape t =
		RUN(POSTGRESQL, {"SELECT 0", 0}, {"BEGIN", 0}, {"SELECT 1", 0}, {"UPDATE a SET b = 1", 0},
		    {"COMMIT", 0}, {"START TRANSACTION ISOLATION LEVEL SERIALIZABLE", 0}, {"SELECT 1", 0},
		    {"ROLLBACK", 0}, {"BEGIN", 0}, {"END", 0}, {"COMMIT", 0}, {"ROLLBACK", 0});

	assert_int_equal(t.count, 3);
	assert_int_equal(t.outcome[TX_COMMITTED], 2);
	assert_int_equal(t.outcome[TX_ROLLED_BACK], 1);
	assert_int_equal(t.statements, 3);
	assert_int_equal(t.db_ns, 9 * MS);
	assert_int_equal(t.idle_ns, (3 + 2 + 1) * 2 * MS);
}

static void postgresql_refuses_until_rollback(void **state)
{
	struct tx_shape t =
		RUN(POSTGRESQL, {"BEGIN", 0}, {"SELECT 1/0", ERROR}, {"SELECT 1", ERROR}, {"SELECT 2", ERROR},
		    {"COMMIT", 0}, {"BEGIN", 0}, {"SELECT 1/0", ERROR}, {"ROLLBACK", 0});

	assert_int_equal(t.outcome[TX_FAILED], 2);
	assert_int_equal(t.outcome[TX_COMMITTED], 0);
	assert_int_equal(t.errors, 4);
	assert_int_equal(t.refused, 2);
}

static void savepoints_heal(void **state)
{
	struct tx_shape t = RUN(POSTGRESQL, {"BEGIN", 0}, {"SAVEPOINT a", 0}, {"SELECT 1/0", ERROR},
				{"ROLLBACK TO SAVEPOINT a", 0}, {"SELECT 1", 0}, {"SAVEPOINT b", 0},
				{"RELEASE SAVEPOINT b", 0}, {"COMMIT", 0});

	assert_int_equal(t.outcome[TX_COMMITTED], 1);
	assert_int_equal(t.savepoints, 2);
	assert_int_equal(t.savepoint_rollbacks, 1);
	assert_int_equal(t.refused, 0);
}

static void two_phases(void **state)
{
	struct tx_shape t = RUN(POSTGRESQL, {"BEGIN", 0}, {"SELECT 1", 0}, {"PREPARE TRANSACTION 'x'", 0},
				{"SELECT 2", 0}, {"COMMIT PREPARED 'x'", 0});

	assert_int_equal(t.count, 1);
	assert_int_equal(t.outcome[TX_PREPARED], 1);
	assert_int_equal(t.second_phases, 1);
	assert_int_equal(t.statements, 1);
	t = RUN(MYSQL, {"XA START 'x'", 0}, {"SELECT 1", 0}, {"XA END 'x'", 0}, {"XA PREPARE 'x'", 0},
		{"XA COMMIT 'x'", 0}, {"XA START 'y'", 0}, {"XA END 'y'", 0}, {"XA COMMIT 'y' ONE PHASE", 0},
		{"XA BEGIN 'z'", 0}, {"XA END 'z'", 0}, {"XA ROLLBACK 'z'", 0});
	assert_int_equal(t.count, 3);
	assert_int_equal(t.outcome[TX_PREPARED], 1);
	assert_int_equal(t.outcome[TX_COMMITTED], 1);
	assert_int_equal(t.outcome[TX_ROLLED_BACK], 1);
	assert_int_equal(t.second_phases, 1);
}

static void begin_inside(void **state)
{
	struct tx_shape t = RUN(POSTGRESQL, {"BEGIN", 0}, {"BEGIN", 0}, {"COMMIT", 0});

	assert_int_equal(t.count, 1);
	assert_int_equal(t.nested, 1);
	t = RUN(MYSQL, {"BEGIN", 0}, {"SELECT 1", 0}, {"BEGIN", 0}, {"ROLLBACK", 0});
	assert_int_equal(t.outcome[TX_COMMITTED], 1);
	assert_int_equal(t.outcome[TX_ROLLED_BACK], 1);
	t = RUN(SQLITE, {"BEGIN", 0}, {"BEGIN", ERROR}, {"COMMIT", 0});
	assert_int_equal(t.count, 1);
	assert_int_equal(t.nested, 0);
}

static void mysql_by_itself(void **state)
{
	struct tx_shape t = RUN(MYSQL, {"BEGIN", 0}, {"UPDATE a SET b = 1", 0}, {"CREATE TABLE c (d INT)", 0},
				{"ROLLBACK", 0});

	assert_int_equal(t.count, 1);
	assert_int_equal(t.outcome[TX_COMMITTED], 1);
	t = RUN(MYSQL, {"BEGIN", 0}, {"UPDATE a SET b = 1", LOST}, {"UPDATE a SET b = 2", 0}, {"COMMIT", 0});
	assert_int_equal(t.count, 1);
	assert_int_equal(t.outcome[TX_FAILED], 1);
	t = RUN(MYSQL, {"BEGIN", 0}, {"UPDATE a SET b = 1", ERROR}, {"COMMIT", 0});
	assert_int_equal(t.outcome[TX_COMMITTED], 1);
}

static void autocommit_off(void **state)
{
	struct tx_shape t =
		RUN(MYSQL, {"SELECT 0", 0}, {"SET autocommit=0", 0}, {"SELECT 1", 0},
		    {"UPDATE a SET b = 1", 0}, {"COMMIT", 0}, {"COMMIT", 0}, {"SELECT 2", 0}, {"ROLLBACK", 0},
		    {"SELECT 3", 0}, {"SET AUTOCOMMIT = ON", 0}, {"SELECT 4", 0});

	assert_int_equal(t.count, 3);
	assert_int_equal(t.implicit, 3);
	assert_int_equal(t.outcome[TX_COMMITTED], 2);
	assert_int_equal(t.outcome[TX_ROLLED_BACK], 1);
	assert_int_equal(t.statements, 4);
	t = RUN(MYSQL, {"SET SESSION autocommit = 1", 0}, {"SELECT 1", 0}, {"SET NAMES utf8", 0},
		{"SET x = 0", 0}, {"SELECT 1", 0});
	assert_int_equal(t.count, 0);
}

static void sqlite_by_itself(void **state)
{
	struct tx_shape t = RUN(SQLITE, {"BEGIN IMMEDIATE", 0}, {"INSERT INTO a VALUES (1)", 0},
				{"COMMIT", ERROR}, {"COMMIT", 0});

	assert_int_equal(t.count, 1);
	assert_int_equal(t.outcome[TX_COMMITTED], 1);
	assert_int_equal(t.errors, 1);
	t = RUN(SQLITE, {"BEGIN", 0}, {"INSERT INTO a VALUES (1)", ERROR}, {"COMMIT", 0});
	assert_int_equal(t.outcome[TX_COMMITTED], 1);
}

static void chains(void **state)
{
	struct tx_shape t = RUN(POSTGRESQL, {"BEGIN", 0}, {"SELECT 1", 0}, {"COMMIT AND CHAIN", 0},
				{"SELECT 2", 0}, {"ROLLBACK AND NO CHAIN", 0});

	assert_int_equal(t.count, 2);
	assert_int_equal(t.outcome[TX_COMMITTED], 1);
	assert_int_equal(t.outcome[TX_ROLLED_BACK], 1);
}

static void left_open(void **state)
{
	struct tx_shape t = RUN(POSTGRESQL, {"BEGIN", 0}, {"SELECT 1", 0}), all = {0};
	struct statement mark = {.tgid = 1, .conn = 0x1000};

	assert_int_equal(t.outcome[TX_OPEN], 1);
	made = transactions_new();
	now = SECOND;
	conn = 0x1000;
	one(APM_SYSTEM_POSTGRESQL, "BEGIN", 0);
	mark.t_start = now;
	assert_int_equal(transactions_close(made, &mark), 0);
	one(APM_SYSTEM_POSTGRESQL, "BEGIN", 0);
	transactions_process_end(made, 2);
	transactions_process_end(made, 1);
	transactions_finish(made);
	transactions_each(made, add, &all);
	transactions_free(made);
	assert_int_equal(all.count, 2);
	assert_int_equal(all.outcome[TX_DROPPED], 2);
}

static void what_was_done_while_idle(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t begin, read, commit;
	int i;

	stream_open(&s, NULL);
	begin = stream_text(&s, "BEGIN", SQL_KIND_BEGIN, 0);
	read = stream_text(&s, "SELECT a", SQL_KIND_READ, 0);
	commit = stream_text(&s, "COMMIT", SQL_KIND_COMMIT, 0);
	stream_run(&s, begin, MS, 0, 0);
	stream_run(&s, read, MS, 1, 0);
	s.now += 2 * SECOND;
	stream_run(&s, commit, MS, 0, 0);
	for (i = 0; i < 3; i++)
		stream_run(&s, read, MS, 1, 0);
	r = stream_report(&s);
	assert_int_equal(r->transaction_shapes.count, 1);
	assert_string_equal(r->transaction_shapes.item[0].query, "SELECT a");
	assert_string_equal(r->transaction_shapes.item[0].system, "postgresql");
	assert_int_equal(r->transaction_shapes.item[0].statements, 1);
	assert_true(r->transaction_shapes.item[0].idle_ns > 2 * SECOND);
	assert_false(r->transaction_shapes.item[0].idle_cpu_known); /* no samples were taken */
	stream_close(&s);
}

static void uses_of_redis(void **state)
{
	assert_int_equal(redis_use_of(STR("GET")), REDIS_LOOKUP);
	assert_int_equal(redis_use_of(STR("MGET")), REDIS_CACHE);
	assert_int_equal(redis_use_of(STR("SET")), REDIS_CACHE);
	assert_int_equal(redis_use_of(STR("BRPOP")), REDIS_QUEUE);
	assert_int_equal(redis_use_of(STR("XADD")), REDIS_QUEUE);
	assert_int_equal(redis_use_of(STR("XRANGE")), REDIS_CACHE);
	assert_int_equal(redis_use_of(STR("")), REDIS_CACHE);
	assert_int_equal(redis_use_of(STR("G")), REDIS_CACHE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commits_and_rollbacks),
		cmocka_unit_test(postgresql_refuses_until_rollback),
		cmocka_unit_test(savepoints_heal),
		cmocka_unit_test(two_phases),
		cmocka_unit_test(begin_inside),
		cmocka_unit_test(mysql_by_itself),
		cmocka_unit_test(autocommit_off),
		cmocka_unit_test(sqlite_by_itself),
		cmocka_unit_test(chains),
		cmocka_unit_test(left_open),
		cmocka_unit_test(what_was_done_while_idle),
		cmocka_unit_test(uses_of_redis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
