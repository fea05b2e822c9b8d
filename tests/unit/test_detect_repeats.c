/* SPDX-License-Identifier: BSD-2-Clause */
/* n_plus_one and duplicate_query over live records: a table of programs, each with
 * what must be said about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "stream.h"

#define LIST   "SELECT id FROM orders LIMIT ?"
#define DETAIL "SELECT * FROM items WHERE order_id = ?"
#define COUNT  "SELECT COUNT(*) FROM items WHERE order_id = ?"
#define INSERT "INSERT INTO log VALUES (?)"
#define UPDATE "UPDATE items SET n = ? WHERE id = ?"
#define CONFIG "SELECT value FROM settings WHERE name = ?"
#define USER   "SELECT * FROM users WHERE id = ?"

struct program {
	struct stream s;
	uint64_t list, detail, count, insert, update, config, user, begin, commit;
	uint64_t id;
};

static void texts(struct program *p)
{
	struct stream *s = &p->s;

	p->list = stream_text(s, LIST, SQL_KIND_READ, 0);
	p->detail = stream_text(s, DETAIL, SQL_KIND_READ, 0);
	p->count = stream_text(s, COUNT, SQL_KIND_COUNT, 0);
	p->insert = stream_text(s, INSERT, SQL_KIND_INSERT, 0);
	p->update = stream_text(s, UPDATE, SQL_KIND_UPDATE, 0);
	p->config = stream_text(s, CONFIG, SQL_KIND_READ, 0);
	p->user = stream_text(s, USER, SQL_KIND_READ, 0);
	p->begin = stream_text(s, "BEGIN", SQL_KIND_BEGIN, 0);
	p->commit = stream_text(s, "COMMIT", SQL_KIND_COMMIT, 0);
	s->call_site = 0x4000;
}

static void one(struct program *p, uint64_t text, uint64_t rows)
{
	stream_run(&p->s, text, MS / 5, rows, ++p->id * 2654435761u);
}

static void same(struct program *p, uint64_t text)
{
	stream_run(&p->s, text, MS / 5, 1, 77);
}

static void loop(struct program *p, uint64_t text, int count)
{
	while (count-- > 0)
		one(p, text, 1);
}

static void pause_for(struct program *p, uint64_t ns)
{
	p->s.now += ns;
}

/* ---- positives ---- */

static void list_and_details(struct program *p)
{
	one(p, p->list, 20);
	loop(p, p->detail, 20);
}

static void list_and_counts(struct program *p)
{
	one(p, p->list, 10);
	loop(p, p->count, 10);
}

static void saturated_server_with_loops(struct program *p)
{
	int i;

	for (i = 0; i < 50; i++) {
		one(p, p->user, 1);
		one(p, p->list, 10);
		loop(p, p->detail, 10);
	}
}

static void two_loops_interleaved(struct program *p)
{
	int i;

	one(p, p->list, 12);
	for (i = 0; i < 12; i++) {
		one(p, p->detail, 3);
		one(p, p->user, 1);
	}
}

static void writes_in_a_transaction(struct program *p)
{
	same(p, p->begin);
	loop(p, p->insert, 30);
	same(p, p->commit);
}

static void prepared_row(struct program *p, uint64_t handle)
{
	struct apm_ev_stmt ev = stream_stmt(&p->s, p->insert, MS / 5, 1);

	ev.system = APM_SYSTEM_SQLITE;
	ev.handle = handle;
	ev.param_hash = ++p->id;
	ev.param_count = 1;
	stream_send(&p->s, ev);
}

static void prepared_rows(struct program *p, int count)
{
	while (count-- > 0)
		prepared_row(p, 0x5000);
}

static void sqlite_rows_of_one_prepared_statement(struct program *p)
{
	same(p, p->begin);
	prepared_rows(p, 30);
	same(p, p->commit);
}

static void sqlite_rows_of_many_statements(struct program *p)
{
	int i;

	same(p, p->begin);
	for (i = 0; i < 30; i++)
		prepared_row(p, 0x5000 + (uint64_t)i);
	same(p, p->commit);
}

static void sqlite_rows_some_outside(struct program *p)
{
	sqlite_rows_of_one_prepared_statement(p);
	prepared_rows(p, 10);
}

static void sqlite_row_per_transaction(struct program *p)
{
	int i;

	stream_proc(&p->s, APM_EV_EXEC, 0);
	for (i = 0; i < 10; i++) {
		same(p, p->begin);
		prepared_rows(p, 1);
		same(p, p->commit);
	}
	stream_proc(&p->s, APM_EV_EXIT, 0);
}

static void cursor_open_around_the_loop(struct program *p)
{
	struct apm_ev_stmt cursor = stream_stmt(&p->s, p->list, MS / 5, 1);
	struct apm_ev_stmt end = cursor;

	cursor.hdr.flags = APM_STMT_OPEN;
	stream_send(&p->s, cursor);
	loop(p, p->detail, 15);
	end.rows = 15;
	end.t_end = end.hdr.ts = p->s.now;
	end.duration_ns = MS;
	stream_send(&p->s, end);
}

static void slow_cursor_around_the_loop(struct program *p)
{
	p->s.app_ns = 90 * MS; /* lasts longer than events are held for ordering */
	cursor_open_around_the_loop(p);
}

static void unreadable_parameters(struct program *p)
{
	int i;

	one(p, p->list, 10);
	for (i = 0; i < 10; i++)
		stream_run(&p->s, p->detail, MS, 1, 0);
}

static void short_script(struct program *p)
{
	stream_proc(&p->s, APM_EV_EXEC, 0);
	loop(p, p->update, 10);
	stream_proc(&p->s, APM_EV_EXIT, 0);
}

static void short_script_with_pauses(struct program *p)
{
	int i;

	stream_proc(&p->s, APM_EV_EXEC, 0);
	for (i = 0; i < 10; i++) {
		loop(p, p->update, 1);
		pause_for(p, 300 * MS);
	}
	stream_proc(&p->s, APM_EV_EXIT, 0);
}

static void same_setting_per_item(struct program *p)
{
	int i, j;

	for (i = 0; i < 4; i++) {
		one(p, p->user, 1);
		for (j = 0; j < 9; j++)
			same(p, p->config);
		one(p, p->update, 1);
	}
}

static void same_setting_in_bursts_between_pauses(struct program *p)
{
	int i, j;

	for (i = 0; i < 4; i++) {
		for (j = 0; j < 8; j++)
			same(p, p->config);
		pause_for(p, SECOND);
	}
}

static void same_query_in_a_script(struct program *p)
{
	int i;

	stream_proc(&p->s, APM_EV_EXEC, 0);
	for (i = 0; i < 9; i++)
		same(p, p->config);
	stream_proc(&p->s, APM_EV_EXIT, 0);
}

static void executor_threads(struct program *p)
{
	int i;

	/* Each statement of the one connection runs on another of three threads. */
	for (i = 0; i < 12; i++) {
		p->s.tid = 11 + i % 3;
		one(p, p->user, 1);
	}
	one(p, p->list, 12);
	for (i = 0; i < 12; i++) {
		p->s.tid = 11 + i % 3;
		one(p, p->detail, 1);
	}
}

/* ---- negatives ---- */

static void saturated_server(struct program *p)
{
	loop(p, p->detail, 2000);
}

static void saturated_server_same_query(struct program *p)
{
	int i;

	for (i = 0; i < 2000; i++)
		same(p, p->config);
}

static void saturated_server_after_boot(struct program *p)
{
	one(p, p->list, 40);
	loop(p, p->detail, 2000);
}

static void saturated_server_two_queries_per_request(struct program *p)
{
	int i;

	for (i = 0; i < 500; i++) {
		one(p, p->user, 1);
		one(p, p->detail, 8);
	}
}

static void saturated_server_transaction_per_request(struct program *p)
{
	int i;

	for (i = 0; i < 300; i++) {
		same(p, p->begin);
		one(p, p->user, 1);
		one(p, p->update, 1);
		same(p, p->commit);
	}
}

/* A fifth of the requests lists ten rows, the others fetch one: what follows a list has no fixed length. */
static void saturated_server_random_mix(struct program *p)
{
	uint64_t random = 42;
	int i;

	for (i = 0; i < 3000; i++) {
		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		if ((random >> 33) % 5 == 0)
			one(p, p->list, 10);
		else
			one(p, p->detail, 1);
	}
}

static void session_that_never_commits(struct program *p)
{
	same(p, p->begin);
	loop(p, p->detail, 1000);
}

static void busy_server_four_threads(struct program *p)
{
	int i;

	for (i = 0; i < 2000; i++) {
		p->s.tid = 11 + (i * 7) % 4;
		p->s.conn = 0x1000 + (i * 7) % 4;
		one(p, p->detail, 1);
	}
}

/* One thread, eight connections, a statement in flight on each: an event loop. */
static void event_loop(struct program *p)
{
	int i;

	stream_proc(&p->s, APM_EV_EXEC, 0);
	for (i = 0; i < 2000; i++) {
		struct apm_ev_stmt ev = stream_stmt(&p->s, p->detail, 8 * MS, 1);

		ev.conn += (uint64_t)i % 8;
		ev.param_hash = ++p->id;
		ev.param_count = 1;
		ev.hdr.flags = APM_STMT_ASYNC;
		ev.hdr.ts = p->s.now += MS;
		stream_send(&p->s, ev);
	}
	stream_proc(&p->s, APM_EV_EXIT, 0);
}

static void server_under_a_minute(struct program *p)
{
	stream_proc(&p->s, APM_EV_EXEC, 0);
	busy_server_four_threads(p);
	stream_proc(&p->s, APM_EV_EXIT, 0);
}

static void idle_server(struct program *p)
{
	int i;

	for (i = 0; i < 50; i++) {
		one(p, p->detail, 1);
		pause_for(p, 200 * MS);
	}
}

static void below_the_threshold(struct program *p)
{
	one(p, p->list, 4);
	loop(p, p->detail, 4);
}

static void savepoints(struct program *p)
{
	uint64_t savepoint = stream_text(&p->s, "SAVEPOINT ?", SQL_KIND_SAVEPOINT, 0);

	stream_proc(&p->s, APM_EV_EXEC, 0);
	loop(p, savepoint, 40);
	stream_proc(&p->s, APM_EV_EXIT, 0);
}

static void batches(struct program *p)
{
	uint64_t many = stream_text(&p->s, "INSERT INTO log VALUES (...)", SQL_KIND_INSERT_MANY, 0);

	stream_proc(&p->s, APM_EV_EXEC, 0);
	loop(p, many, 40);
	stream_proc(&p->s, APM_EV_EXIT, 0);
}

static void all_different(struct program *p)
{
	char text[64];
	int i;

	stream_proc(&p->s, APM_EV_EXEC, 0);
	for (i = 0; i < 30; i++) {
		snprintf(text, sizeof(text), "SELECT * FROM t%d WHERE id = ?", i);
		one(p, stream_text(&p->s, text, SQL_KIND_READ, 0), 1);
	}
	stream_proc(&p->s, APM_EV_EXIT, 0);
}

static void job_loop_in_a_script(struct program *p)
{
	int i, j;
	char text[64];

	/* Once per round of twelve: no loop over rows, but the script's own rounds. */
	stream_proc(&p->s, APM_EV_EXEC, 0);
	for (i = 0; i < 20; i++) {
		one(p, p->update, 1);
		for (j = 0; j < 11; j++) {
			snprintf(text, sizeof(text), "SELECT * FROM t%d", j);
			one(p, stream_text(&p->s, text, SQL_KIND_READ, 0), 1);
		}
	}
	stream_proc(&p->s, APM_EV_EXIT, 0);
}

static const struct {
	const char *name;
	void (*run)(struct program *p);
	const char *n_plus_one; /* the query, NULL = none */
	const char *duplicate;
	uint64_t count;
	enum confidence confidence;
} programs[] = {
	{"a list, then one query per row", list_and_details, DETAIL, NULL, 20, CONFIDENCE_LIKELY},
	{"a list, then one count per row", list_and_counts, COUNT, NULL, 10, CONFIDENCE_LIKELY},
	{"a saturated server whose requests loop", saturated_server_with_loops, DETAIL, NULL, 500,
	 CONFIDENCE_LIKELY},
	{"two statements per row", two_loops_interleaved, DETAIL, NULL, 12, CONFIDENCE_LIKELY},
	{"single-row inserts in one transaction", writes_in_a_transaction, INSERT, NULL, 30,
	 CONFIDENCE_LIKELY},
	{"SQLite: rows of many statements", sqlite_rows_of_many_statements, INSERT, NULL, 30,
	 CONFIDENCE_LIKELY},
	{"SQLite: a transaction per row", sqlite_row_per_transaction, INSERT, NULL, 10, CONFIDENCE_EXACT},
	{"SQLite: rows outside the transaction too", sqlite_rows_some_outside, INSERT, NULL, 40,
	 CONFIDENCE_LIKELY},
	{"the loop runs inside the open cursor", cursor_open_around_the_loop, DETAIL, NULL, 15,
	 CONFIDENCE_LIKELY},
	{"the same, slowly", slow_cursor_around_the_loop, DETAIL, NULL, 15, CONFIDENCE_LIKELY},
	{"parameters that cannot be read", unreadable_parameters, DETAIL, NULL, 10, CONFIDENCE_LIKELY},
	{"a short script", short_script, UPDATE, NULL, 10, CONFIDENCE_EXACT},
	{"a short script that pauses", short_script_with_pauses, UPDATE, NULL, 10, CONFIDENCE_LIKELY},
	{"statements of one connection on any thread", executor_threads, DETAIL, NULL, 12, CONFIDENCE_LIKELY},
	{"the same setting nine times per request", same_setting_per_item, NULL, CONFIG, 36,
	 CONFIDENCE_LIKELY},
	{"the same setting, requests apart", same_setting_in_bursts_between_pauses, NULL, CONFIG, 32,
	 CONFIDENCE_LIKELY},
	{"the same query in a short script", same_query_in_a_script, NULL, CONFIG, 9, CONFIDENCE_EXACT},
	{"saturated: one query per request", saturated_server, NULL, NULL, 0, 0},
	{"saturated: the same query per request", saturated_server_same_query, NULL, NULL, 0, 0},
	{"saturated: one list at the start", saturated_server_after_boot, NULL, NULL, 0, 0},
	{"saturated: two queries per request", saturated_server_two_queries_per_request, NULL, NULL, 0, 0},
	{"saturated: a transaction per request", saturated_server_transaction_per_request, NULL, NULL, 0, 0},
	{"saturated: lists and single rows at random", saturated_server_random_mix, NULL, NULL, 0, 0},
	{"saturated: a transaction that never ends", session_that_never_commits, NULL, NULL, 0, 0},
	{"saturated: four threads", busy_server_four_threads, NULL, NULL, 0, 0},
	{"a server that lived under a minute", server_under_a_minute, NULL, NULL, 0, 0},
	{"an event loop that serves eight connections", event_loop, NULL, NULL, 0, 0},
	{"requests far apart", idle_server, NULL, NULL, 0, 0},
	{"fewer than the threshold", below_the_threshold, NULL, NULL, 0, 0},
	{"savepoints", savepoints, NULL, NULL, 0, 0},
	{"multi-row inserts", batches, NULL, NULL, 0, 0},
	{"SQLite: rows of one prepared statement", sqlite_rows_of_one_prepared_statement, NULL, NULL, 0, 0},
	{"many queries, all different", all_different, NULL, NULL, 0, 0},
	{"rounds of a script, not rows", job_loop_in_a_script, NULL, NULL, 0, 0},
};

static void check(const struct report *r, const char *detector, const char *query, uint64_t count,
		  enum confidence confidence)
{
	const struct report_finding *f = stream_found(r, detector, query);

	if (!query) {
		if (f)
			fail_msg("%s: %s; %s", detector, f->query, f->evidence);
		return;
	}
	if (!f)
		fail_msg("no %s", detector);
	assert_int_equal(f->count, count);
	assert_int_equal(f->confidence, confidence);
	assert_non_null(f->recommendation);
	assert_non_null(f->evidence);
}

static void test_program(void **state)
{
	size_t i = (size_t)*state;
	struct program p = {0};
	const struct report *r;

	stream_open(&p.s, NULL);
	texts(&p);
	programs[i].run(&p);
	r = stream_report(&p.s);
	check(r, "n_plus_one", programs[i].n_plus_one, programs[i].count, programs[i].confidence);
	check(r, "duplicate_query", programs[i].duplicate, programs[i].count, programs[i].confidence);
	stream_close(&p.s);
}

static void test_parent_and_advice(void **state)
{
	struct program p = {0};
	const struct report *r;

	stream_open(&p.s, NULL);
	texts(&p);
	list_and_details(&p);
	r = stream_report(&p.s);
	assert_int_equal(r->n_plus_one.count, 1);
	assert_string_equal(r->n_plus_one.item[0].parent_query, LIST);
	assert_int_equal(r->n_plus_one.item[0].distinct_parameters, 20);
	assert_int_equal(r->n_plus_one.item[0].total_ns, 4 * MS);
	assert_non_null(strstr(r->n_plus_one.item[0].recommendation, "JOIN"));
	stream_close(&p.s);
}

static void test_announced_once(void **state)
{
	struct program p = {0};
	int i;

	stream_open(&p.s, NULL);
	texts(&p);
	for (i = 0; i < 5; i++) {
		list_and_details(&p);
		pause_for(&p, 10 * SECOND);
	}
	stream_report(&p.s);
	assert_string_equal(p.s.findings.ptr, "n_plus_one\n");
	stream_close(&p.s);
}

/* Whether a young process is the unit is not known yet: what its runs show is said at
 * once, and not said again. */
static void test_announced_before_the_process_ends(void **state)
{
	struct program p = {0};
	const struct report *r;

	stream_open(&p.s, NULL);
	texts(&p);
	stream_proc(&p.s, APM_EV_EXEC, 0);
	list_and_details(&p);
	pause_for(&p, SECOND);
	same(&p, p.config);
	pause_for(&p, 2 * SECOND);
	same(&p, p.config);
	assert_string_equal(p.s.findings.ptr, "n_plus_one\n");
	stream_proc(&p.s, APM_EV_EXIT, 0);
	r = stream_report(&p.s);
	assert_string_equal(p.s.findings.ptr, "n_plus_one\n");
	assert_int_equal(r->findings.count, 1);
	assert_int_equal(r->findings.item[0].count, 20);
	assert_int_equal(r->findings.item[0].confidence, CONFIDENCE_EXACT);
	stream_close(&p.s);
}

/* A run without gaps does not end: what it shows is said all the same. */
static void test_announced_while_the_run_goes_on(void **state)
{
	struct program p = {0};
	const struct report *r;

	stream_open(&p.s, NULL);
	texts(&p);
	while (p.s.now < 1010 * SECOND)
		saturated_server_with_loops(&p);
	assert_string_equal(p.s.findings.ptr, "n_plus_one\n");
	r = stream_report(&p.s);
	assert_string_equal(p.s.findings.ptr, "n_plus_one\n");
	assert_int_equal(r->findings.count, 1);
	assert_int_equal(r->findings.item[0].count, stream_query(r, DETAIL)->calls);
	stream_close(&p.s);
}

int main(void)
{
	enum { N = sizeof(programs) / sizeof(programs[0]) };
	struct CMUnitTest tests[N + 4];
	size_t i;

	for (i = 0; i < N; i++)
		tests[i] = (struct CMUnitTest){programs[i].name, test_program, NULL, NULL, (void *)i};
	tests[N] = (struct CMUnitTest)cmocka_unit_test(test_parent_and_advice);
	tests[N + 1] = (struct CMUnitTest)cmocka_unit_test(test_announced_once);
	tests[N + 2] = (struct CMUnitTest)cmocka_unit_test(test_announced_before_the_process_ends);
	tests[N + 3] = (struct CMUnitTest)cmocka_unit_test(test_announced_while_the_run_goes_on);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
