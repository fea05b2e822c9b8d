/* SPDX-License-Identifier: BSD-2-Clause */
/* Executions and their texts, results and ends: what comes out of the analysis must be what was executed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "stream.h"

#define UNATTACHED "unknown (prepared before attach)"
#define LOST	   "unknown (text lost)"

/* A text of several statements, separated by '|'. Fingerprints are as in stream_text(). */
static uint64_t parts_text(struct stream *s, const char *const *part, const uint8_t *stmt_class,
			   uint16_t parts)
{
	uint16_t i;

	s->text_id++;
	for (i = 0; i < parts; i++) {
		struct record rec = {.text = {.text_id = s->text_id,
					      .part = i,
					      .parts = parts,
					      .fingerprint = hash_bytes(HASH_SEED, part[i], strlen(part[i])),
					      .stmt_class = stmt_class[i],
					      .kind = SQL_KIND_READ,
					      .system = APM_SYSTEM_POSTGRESQL,
					      .normalized = str_from(part[i]),
					      .summary = str_from(part[i])}};

		stream_feed(s, &rec, stream_hdr(s, REC_TEXT));
	}
	return s->text_id;
}

static uint64_t name_text(struct stream *s, const char *name)
{
	struct record rec = {.text = {.text_id = ++s->text_id,
				      .parts = 1,
				      .flags = APM_TEXT_NAME,
				      .normalized = str_from(name)}};

	stream_feed(s, &rec, stream_hdr(s, REC_TEXT));
	return s->text_id;
}

static void prepare(struct stream *s, const char *name, uint64_t text_id)
{
	struct apm_ev_prepare ev = {
		.conn = s->conn, .conn_gen = 1, .name_id = name_text(s, name), .text_id = text_id};
	struct record rec = {.prepare = &ev};

	ev.hdr = stream_hdr(s, APM_EV_PREPARE);
	stream_feed(s, &rec, ev.hdr);
}

static void run_result(struct stream *s, uint64_t text_id, uint32_t index, uint16_t flags, uint64_t rows)
{
	struct apm_ev_stmt ev = stream_stmt(s, text_id, MS, rows);

	ev.result_index = index;
	ev.hdr.flags = flags;
	stream_send(s, ev);
}

static uint64_t calls(const struct report *r, const char *query)
{
	const struct report_query *q = stream_query(r, query);

	return q ? q->calls : 0;
}

static void test_prepared_by_name(void **state)
{
	struct stream s;
	const struct report *r;

	stream_open(&s, NULL);
	prepare(&s, "a", stream_text(&s, "SELECT a", SQL_KIND_READ, 0));
	prepare(&s, "b", stream_text(&s, "SELECT b", SQL_KIND_READ, 0));
	/* Each execution names its statement anew. */
	stream_run(&s, name_text(&s, "a"), MS, 1, 0);
	stream_run(&s, name_text(&s, "b"), MS, 1, 0);
	stream_run(&s, name_text(&s, "b"), MS, 1, 0);
	/* The same name, prepared again for something else. */
	prepare(&s, "b", stream_text(&s, "SELECT c", SQL_KIND_READ, 0));
	stream_run(&s, name_text(&s, "b"), MS, 1, 0);
	/* Another connection has its own names. */
	s.conn++;
	stream_run(&s, name_text(&s, "a"), MS, 1, 0);
	r = stream_report(&s);
	assert_int_equal(calls(r, "SELECT a"), 1);
	assert_int_equal(calls(r, "SELECT b"), 2);
	assert_int_equal(calls(r, "SELECT c"), 1);
	assert_int_equal(calls(r, UNATTACHED), 1);
	assert_int_equal(r->statements, 5);
	stream_close(&s);
}

static void test_names_do_not_outlive_the_program(void **state)
{
	struct stream s;
	const struct report *r;

	stream_open(&s, NULL);
	prepare(&s, "a", stream_text(&s, "SELECT a", SQL_KIND_READ, 0));
	stream_proc(&s, APM_EV_EXEC, 0);
	stream_run(&s, name_text(&s, "a"), MS, 1, 0);
	r = stream_report(&s);
	assert_int_equal(calls(r, "SELECT a"), 0);
	assert_int_equal(calls(r, UNATTACHED), 1);
	stream_close(&s);
}

static void test_unknown_texts(void **state)
{
	struct stream s;
	const struct report *r;

	stream_open(&s, NULL);
	stream_run(&s, 0, MS, 1, 0);
	stream_run(&s, 4711, MS, 1, 0);
	run_result(&s, 0, 0, APM_STMT_TEXT_UNKNOWN, 1);
	r = stream_report(&s);
	assert_int_equal(calls(r, LOST), 2);
	assert_int_equal(calls(r, UNATTACHED), 1);
	assert_int_equal(r->losses[APM_CNT_TEXT_UNKNOWN], 1);
	stream_close(&s);
}

static const char *const three[] = {"SELECT a", "COMMIT", "SELECT c"};
static const uint8_t three_classes[] = {SQL_CLASS_QUERY, SQL_CLASS_CONTROL, SQL_CLASS_QUERY};

static void test_results_belong_to_parts(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t text;

	stream_open(&s, NULL);
	text = parts_text(&s, three, three_classes, 3);
	run_result(&s, text, 0, APM_STMT_MORE, 5);
	run_result(&s, text, 1, APM_STMT_MORE, 0);
	run_result(&s, text, 2, 0, 7);
	r = stream_report(&s);
	assert_int_equal(r->statements, 2);
	assert_int_equal(r->control_statements, 1);
	assert_int_equal(stream_query(r, "SELECT a")->rows, 5);
	assert_int_equal(stream_query(r, "SELECT c")->rows, 7);
	stream_close(&s);
}

/* A procedure's results: one statement has them all. */
static void test_results_of_one_statement_add_up(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t text, seq = 77;
	uint32_t i;

	stream_open(&s, NULL);
	text = stream_text(&s, "CALL p()", SQL_KIND_OTHER, 0);
	for (i = 0; i < 3; i++) {
		struct apm_ev_stmt ev = stream_stmt(&s, text, MS, i < 2 ? 5 : 0);

		ev.hdr.stmt_seq = seq;
		ev.result_index = i;
		ev.hdr.flags = i < 2 ? APM_STMT_MORE : 0;
		stream_send(&s, ev);
	}
	r = stream_report(&s);
	assert_int_equal(r->statements, 1);
	assert_int_equal(stream_query(r, "CALL p()")->calls, 1);
	assert_int_equal(stream_query(r, "CALL p()")->rows, 10);
	stream_close(&s);
}

static void test_what_follows_an_error_did_not_run(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t text;

	stream_open(&s, NULL);
	text = parts_text(&s, three, three_classes, 3);
	run_result(&s, text, 0, APM_STMT_ERROR, 0);
	r = stream_report(&s);
	assert_int_equal(r->statements, 1);
	assert_int_equal(r->errors, 1);
	assert_int_equal(calls(r, "SELECT a"), 1);
	assert_int_equal(r->queries.count, 1);
	stream_close(&s);
}

static void test_one_result_of_several_is_multi(void **state)
{
	struct stream s;
	const struct report *r;

	stream_open(&s, NULL);
	run_result(&s, parts_text(&s, three, three_classes, 3), 0, 0, 7);
	run_result(&s, parts_text(&s, three, three_classes, 3), 0, 0, 7);
	r = stream_report(&s);
	assert_int_equal(r->queries.count, 1);
	assert_string_equal(r->queries.item[0].query, "SELECT a; COMMIT; SELECT c");
	assert_int_equal(r->queries.item[0].calls, 2);
	stream_close(&s);
}

static void test_large_texts_are_bounded(void **state)
{
	enum { PARTS = 250 };
	const char *part[PARTS];
	uint8_t classes[PARTS] = {0};
	struct stream s;
	const struct report *r;
	uint64_t kept;
	int i;

	for (i = 0; i < PARTS; i++)
		part[i] = i % 2 ? "SELECT a" : "SELECT b";
	stream_open(&s, NULL);
	kept = stream_text(&s, "SELECT c", SQL_KIND_READ, 0);
	for (i = 0; i < 2000; i++)
		parts_text(&s, part, classes, PARTS);
	run_result(&s, s.text_id, PARTS - 1, 0, 1);
	run_result(&s, kept, 0, 0, 1);	   /* one statement: small, and kept */
	run_result(&s, kept + 1, 0, 0, 1); /* the oldest large one is gone */
	r = stream_report(&s);
	assert_int_equal(calls(r, "SELECT a"), 1);
	assert_int_equal(calls(r, "SELECT c"), 1);
	assert_int_equal(calls(r, LOST), 1);
	stream_close(&s);
}

static void test_a_part_that_was_lost(void **state)
{
	struct stream s;
	const struct report *r;
	struct record rec = {.text = {.text_id = 50,
				      .part = 1,
				      .parts = 2,
				      .fingerprint = 1,
				      .normalized = STR("SELECT b")}};

	stream_open(&s, NULL);
	stream_feed(&s, &rec, stream_hdr(&s, REC_TEXT));
	run_result(&s, 50, 0, APM_STMT_MORE, 1);
	run_result(&s, 50, 1, 0, 1);
	r = stream_report(&s);
	assert_int_equal(calls(r, LOST), 1);
	assert_int_equal(calls(r, "SELECT b"), 1);
	stream_close(&s);
}

static void test_empty_parts_are_no_statements(void **state)
{
	static const char *const part[] = {"", "SELECT a", ""};
	static const uint8_t classes[] = {SQL_CLASS_EMPTY, SQL_CLASS_QUERY, SQL_CLASS_EMPTY};
	struct stream s;
	const struct report *r;

	stream_open(&s, NULL);
	run_result(&s, parts_text(&s, part, classes, 3), 0, 0, 1);
	run_result(&s, parts_text(&s, part, classes, 1), 0, 0, 0);
	r = stream_report(&s);
	assert_int_equal(r->statements, 1);
	assert_int_equal(calls(r, "SELECT a"), 1);
	stream_close(&s);
}

static void test_prepare_that_failed(void **state)
{
	struct stream s;
	const struct report *r;

	stream_open(&s, NULL);
	run_result(&s, stream_text(&s, "SELEC a", SQL_KIND_OTHER, 0), 0, APM_STMT_PREPARE_FAILED, 0);
	r = stream_report(&s);
	assert_int_equal(r->statements, 1);
	assert_int_equal(r->errors, 1);
	assert_int_equal(stream_query(r, "SELEC a")->errors, 1);
	assert_int_equal(r->error_groups.count, 1);
	stream_close(&s);
}

/* Two rows were read, then (long after, or not) the rest. */
static struct apm_ev_stmt open_cursor(struct stream *s, uint64_t text)
{
	struct apm_ev_stmt ev = stream_stmt(s, text, 2 * MS, 2);

	ev.hdr.flags = APM_STMT_OPEN;
	stream_send(s, ev);
	return ev;
}

static void end_cursor(struct stream *s, struct apm_ev_stmt ev)
{
	ev.hdr.flags = 0;
	ev.rows = 50;
	ev.duration_ns = 300 * MS;
	ev.t_end = ev.hdr.ts = s->now;
	stream_send(s, ev);
}

static void watermark(struct stream *s)
{
	struct record rec = {0};

	stream_feed(s, &rec, stream_hdr(s, REC_WATERMARK));
}

static void check_cursor(struct stream *s)
{
	const struct report *r = stream_report(s);

	assert_int_equal(r->statements, 1);
	assert_int_equal(r->queries.item[0].calls, 1);
	assert_int_equal(r->queries.item[0].rows, 50);
	assert_int_equal(r->queries.item[0].total_ns, 300 * MS);
	assert_int_equal(r->queries.item[0].max_ns, 300 * MS);
	assert_int_equal(r->db_ns, 300 * MS);
	assert_int_equal(r->slow.count, 1);
	assert_int_equal(r->slow.item[0].duration_ns, 300 * MS);
	assert_int_equal(stream_found(r, "slow_query", NULL)->count, 1);
}

static void test_cursor_that_ends_soon(void **state)
{
	struct apm_ev_stmt ev;
	struct stream s;

	stream_open(&s, NULL);
	ev = open_cursor(&s, stream_text(&s, "SELECT a", SQL_KIND_READ, 0));
	s.now += 10 * MS;
	end_cursor(&s, ev);
	check_cursor(&s);
	stream_close(&s);
}

static void test_cursor_that_ends_late(void **state)
{
	struct analysis_progress progress;
	struct apm_ev_stmt ev;
	struct stream s;

	stream_open(&s, NULL);
	ev = open_cursor(&s, stream_text(&s, "SELECT a", SQL_KIND_READ, 0));
	s.now += 2 * SECOND;
	watermark(&s);
	analysis_progress(s.analysis, &progress);
	assert_int_equal(progress.statements, 1); /* counted as it is */
	s.now += 3 * SECOND;
	end_cursor(&s, ev);
	check_cursor(&s);
	stream_close(&s);
}

static void test_cursor_that_never_ends(void **state)
{
	const struct report *r;
	struct stream s;

	stream_open(&s, NULL);
	open_cursor(&s, stream_text(&s, "SELECT a", SQL_KIND_READ, 0));
	r = stream_report(&s);
	assert_int_equal(r->statements, 1);
	assert_int_equal(r->queries.item[0].rows, 2);
	stream_close(&s);
}

static void test_many_open_cursors_lose_none(void **state)
{
	const struct report *r;
	struct stream s;
	uint64_t text;
	int i;

	stream_open(&s, NULL);
	text = stream_text(&s, "SELECT a", SQL_KIND_READ, 0);
	for (i = 0; i < 10000; i++)
		open_cursor(&s, text);
	r = stream_report(&s);
	assert_int_equal(r->statements, 10000);
	assert_int_equal(r->queries.item[0].rows, 20000);
	stream_close(&s);
}

static void test_closed_handle_ends_its_cursor(void **state)
{
	struct apm_ev_close closed = {.handle = 0x77, .handle_kind = APM_HANDLE_STMT};
	struct record rec = {.close = &closed};
	struct analysis_progress progress;
	struct apm_ev_stmt ev;
	struct stream s;

	stream_open(&s, NULL);
	ev = stream_stmt(&s, stream_text(&s, "SELECT a", SQL_KIND_READ, 0), MS, 2);
	ev.handle = 0x77;
	ev.hdr.flags = APM_STMT_OPEN;
	stream_send(&s, ev);
	analysis_progress(s.analysis, &progress);
	assert_int_equal(progress.statements, 0);
	closed.hdr = stream_hdr(&s, APM_EV_CLOSE);
	stream_feed(&s, &rec, closed.hdr);
	analysis_progress(s.analysis, &progress);
	assert_int_equal(progress.statements, 1);
	stream_close(&s);
}

/* Nothing tells of sqlite3_finalize: the end of a statement may come after its connection's. */
static void test_cursor_that_outlives_its_connection(void **state)
{
	struct apm_ev_close closed = {.handle_kind = APM_HANDLE_CONN};
	struct record rec = {.close = &closed};
	struct apm_ev_stmt ev;
	struct stream s;

	stream_open(&s, NULL);
	ev = open_cursor(&s, stream_text(&s, "SELECT a", SQL_KIND_READ, 0));
	closed.handle = s.conn;
	closed.hdr = stream_hdr(&s, APM_EV_CLOSE);
	stream_feed(&s, &rec, closed.hdr);
	s.now += SECOND;
	end_cursor(&s, ev);
	check_cursor(&s);
	stream_close(&s);
}

static void test_running_at_the_end(void **state)
{
	const struct report *r;
	struct stream s;

	stream_open(&s, NULL);
	s.now += 5 * SECOND;
	run_result(&s, stream_text(&s, "SELECT pg_sleep(?)", SQL_KIND_READ, 0), 0, 0, 1);
	run_result(&s, s.text_id, 0, APM_STMT_IN_FLIGHT, 0);
	r = stream_report(&s);
	assert_int_equal(r->running, 1);
	assert_int_equal(r->queries.item[0].running, 1);
	/* A short call that happens to run when the trace stops is no finding. */
	assert_null(stream_found(r, "running_statement", NULL));
	stream_close(&s);
}

static void test_running_for_long_is_found(void **state)
{
	const struct report *r;
	struct apm_ev_stmt ev;
	struct stream s;

	stream_open(&s, NULL);
	ev = stream_stmt(&s, stream_text(&s, "SELECT pg_sleep(?)", SQL_KIND_READ, 0), 3 * SECOND, 0);
	ev.hdr.flags = APM_STMT_IN_FLIGHT;
	stream_send(&s, ev);
	r = stream_report(&s);
	assert_int_equal(stream_found(r, "running_statement", NULL)->count, 1);
	assert_int_equal(r->slow.item[0].running, 1);
	stream_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prepared_by_name),
		cmocka_unit_test(test_names_do_not_outlive_the_program),
		cmocka_unit_test(test_unknown_texts),
		cmocka_unit_test(test_results_belong_to_parts),
		cmocka_unit_test(test_results_of_one_statement_add_up),
		cmocka_unit_test(test_what_follows_an_error_did_not_run),
		cmocka_unit_test(test_one_result_of_several_is_multi),
		cmocka_unit_test(test_large_texts_are_bounded),
		cmocka_unit_test(test_a_part_that_was_lost),
		cmocka_unit_test(test_empty_parts_are_no_statements),
		cmocka_unit_test(test_prepare_that_failed),
		cmocka_unit_test(test_cursor_that_ends_soon),
		cmocka_unit_test(test_cursor_that_ends_late),
		cmocka_unit_test(test_cursor_that_never_ends),
		cmocka_unit_test(test_many_open_cursors_lose_none),
		cmocka_unit_test(test_closed_handle_ends_its_cursor),
		cmocka_unit_test(test_cursor_that_outlives_its_connection),
		cmocka_unit_test(test_running_at_the_end),
		cmocka_unit_test(test_running_for_long_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
