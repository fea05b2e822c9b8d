/* SPDX-License-Identifier: BSD-2-Clause */
/* The libpq probes, run on the host over made-up connections and results: what they send for each course that
 * calls can take, with either set of probes. */
#include "bpf_calls.h"
#include "lib/libpq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

int libpq_entry(struct pt_regs *ctx);
int libpq_return(struct pt_regs *ctx);
int libpq_session(struct pt_regs *ctx);

enum { APM_LIBPQ_SYMBOLS(APM_SYMBOL_NUMBER) };

/* ExecStatusType */
enum { COMMAND_OK = 1, TUPLES_OK = 2, FATAL_ERROR = 7, SINGLE_TUPLE = 9, PIPELINE_SYNC = 10 };

struct fake_conn {
	s32 socket;
	const char *db, *user;
	u32 pipeline;
};

struct fake_field {
	struct fake_field *next;
	char code;
	char text[64];
};

struct fake_result {
	s32 ntups, fields;
	u32 status;
	char cmd[64];
	const char *message;
	struct fake_field *field;
};

static void library(u8 set)
{
	struct apm_lib lib = library_unknown(APM_SYSTEM_POSTGRESQL);

	lib.set = set;
	lib.off[APM_OFF_PG_CONN_SOCKET] = offsetof(struct fake_conn, socket);
	lib.off[APM_OFF_PG_CONN_DB] = offsetof(struct fake_conn, db);
	lib.off[APM_OFF_PG_CONN_USER] = offsetof(struct fake_conn, user);
	lib.off[APM_OFF_PG_CONN_PIPELINE] = offsetof(struct fake_conn, pipeline);
	lib.off[APM_OFF_PG_RES_NTUPLES] = offsetof(struct fake_result, ntups);
	lib.off[APM_OFF_PG_RES_STATUS] = offsetof(struct fake_result, status);
	lib.off[APM_OFF_PG_RES_CMD] = offsetof(struct fake_result, cmd);
	lib.off[APM_OFF_PG_RES_ERRMSG] = offsetof(struct fake_result, message);
	lib.off[APM_OFF_PG_RES_ERRFIELDS] = offsetof(struct fake_result, field);
	lib.off[APM_OFF_PG_FIELD_CODE] = offsetof(struct fake_field, code);
	lib.off[APM_OFF_PG_FIELD_TEXT] = offsetof(struct fake_field, text);
	library_set(&lib);
}

static int setup(void **state)
{
	host_reset();
	library(APM_PQ_SYNC);
	return 0;
}

static int setup_async(void **state)
{
	host_reset();
	library(APM_PQ_ASYNC);
	return 0;
}

static int teardown(void **state)
{
	host_reset();
	return 0;
}

static void enter(u16 symbol, unsigned int depth, const void *a, const void *b, const void *c)
{
	call_enter(libpq_entry, symbol, depth, depth ? IN_LIBRARY : CALLER, (u64)a, (u64)b, (u64)c);
}

static void leave(unsigned int depth, const void *value)
{
	call_leave(libpq_return, depth, (u64)value);
}

static void get_result(unsigned int depth, const struct fake_conn *c, const struct fake_result *r)
{
	enter(SYM_PQgetResult, depth, c, NULL, NULL);
	leave(depth, r);
}

static void exec(const struct fake_conn *c, const char *sql, const struct fake_result *r)
{
	enter(SYM_PQexec, 0, c, sql, NULL);
	leave(0, r);
}

/* PQexecPrepared or PQsendQueryPrepared of a statement with parameters in text. */
static void prepared(u16 symbol, const struct fake_conn *c, const char *name, s32 count,
		     const char *const *values)
{
	u64 *slot = call_slot(0);
	struct pt_regs regs = {.di = (u64)c,
			       .si = (u64)name,
			       .dx = (u64)count,
			       .cx = (u64)values,
			       .ip = BIAS + SITE,
			       .sp = (u64)slot};

	slot[0] = CALLER;
	host_cookie(APM_COOKIE(SITE, LIB_ID, symbol));
	libpq_entry(&regs);
}

static void a_query_has_rows_text_and_connection(void **state)
{
	struct fake_conn c = {.socket = -1, .db = "shop", .user = "ada"};
	struct fake_result r = {.ntups = 12, .status = TUPLES_OK};
	const struct apm_ev_conn *conn;

	exec(&c, "SELECT 1", &r);
	conn = host_event_of(APM_EV_CONN, 0);
	assert_string_equal(conn->database, "shop");
	assert_string_equal(conn->user, "ada");
	assert_int_equal(statement(0)->rows, 12);
	assert_int_equal(statement(0)->hdr.flags, 0);
	assert_int_equal(statement(0)->calls, 1);
	assert_int_equal(statement(0)->call_site, CALLER);
	assert_int_equal(statement(0)->text_id, text(0)->text_id);
	assert_memory_equal(text(0)->data, "SELECT 1", 8);
	assert_null(statement(1));
}

static void a_command_tells_its_rows_in_its_tag(void **state)
{
	static const struct {
		const char *tag;
		u64 rows;
	} tags[] = {{"INSERT 0 34", 34}, {"UPDATE 5", 5}, {"CREATE TABLE", 0}, {"", 0}};
	struct fake_conn c = {.socket = -1};
	unsigned int i;

	for (i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		struct fake_result r = {.status = COMMAND_OK};

		strcpy(r.cmd, tags[i].tag);
		exec(&c, "a command", &r);
		assert_int_equal(statement(i)->rows, tags[i].rows);
	}
}

static void a_failure_has_state_and_primary_message(void **state)
{
	struct fake_field message = {.code = 'M', .text = "division by zero"};
	struct fake_field code = {.next = &message, .code = 'C', .text = "22012"};
	struct fake_conn c = {.socket = -1};
	struct fake_result r = {.status = FATAL_ERROR, .field = &code};

	exec(&c, "SELECT 1 / 0", &r);
	assert_true(statement(0)->hdr.flags & APM_STMT_ERROR);
	assert_string_equal(error(0)->sqlstate, "22012");
	assert_string_equal(error(0)->message, "division by zero");
	assert_int_equal(error(0)->hdr.stmt_seq, statement(0)->hdr.stmt_seq);
}

/* A damaged list of fields ends after some. */
static void a_list_without_end_is_left(void **state)
{
	struct fake_field field = {.code = 'H', .text = "a hint"};
	struct fake_conn c = {.socket = -1};
	struct fake_result r = {
		.status = FATAL_ERROR, .field = &field, .message = "server closed the connection"};

	field.next = &field;
	exec(&c, "SELECT 1", &r);
	assert_string_equal(error(0)->message, "server closed the connection");
}

static void what_could_not_be_sent_has_no_result(void **state)
{
	struct fake_conn c = {.socket = -1};

	exec(&c, "SELECT 1", NULL);
	assert_int_equal(statement(0)->hdr.flags, APM_STMT_NO_RETURN);
}

static void each_result_of_several_is_told(void **state)
{
	struct fake_conn c = {.socket = -1};
	struct fake_result first = {.ntups = 2, .status = TUPLES_OK},
			   last = {.ntups = 3, .status = TUPLES_OK};

	enter(SYM_PQexec, 0, &c, "SELECT 1; SELECT 2", NULL);
	enter(SYM_PQclear, 1, &first, NULL, NULL);
	leave(0, &last);
	assert_true(statement(0)->hdr.flags & APM_STMT_MORE);
	assert_int_equal(statement(0)->rows, 2);
	assert_int_equal(statement(1)->rows, 3);
	assert_int_equal(statement(1)->result_index, 1);
	assert_int_equal(statement(0)->hdr.stmt_seq, statement(1)->hdr.stmt_seq);
}

static void what_a_synchronous_function_calls_is_its_own(void **state)
{
	struct fake_conn c = {.socket = -1};
	struct fake_result r = {.ntups = 1, .status = TUPLES_OK};

	enter(SYM_PQexec, 0, &c, "SELECT 1", NULL);
	get_result(1, &c, NULL);
	enter(SYM_PQsendQuery, 1, &c, "SELECT 1", NULL);
	get_result(1, &c, &r);
	get_result(1, &c, NULL);
	leave(0, &r);
	assert_int_equal(statement(0)->rows, 1);
	assert_null(statement(1));
	assert_null(text(1));
}

static void sent_and_collected(void **state)
{
	struct fake_conn c = {.socket = -1};
	struct fake_result r = {.ntups = 1, .status = TUPLES_OK};

	enter(SYM_PQsendQuery, 0, &c, "SELECT 1", NULL);
	get_result(0, &c, &r);
	assert_null(statement(0)); /* whether more follow is not known yet */
	get_result(0, &c, NULL);
	assert_int_equal(statement(0)->hdr.flags, APM_STMT_ASYNC);
	assert_int_equal(statement(0)->rows, 1);
	assert_int_equal(statement(0)->calls, 3);
	get_result(0, &c, NULL); /* of nothing */
	assert_null(statement(1));
	assert_int_equal(host_counter(APM_CNT_OTHER_ENTRIES), 1);
}

static void rows_that_come_one_by_one_add_up(void **state)
{
	struct fake_conn c = {.socket = -1};
	struct fake_result row = {.ntups = 1, .status = SINGLE_TUPLE}, end = {.status = TUPLES_OK};
	unsigned int i;

	enter(SYM_PQsendQuery, 0, &c, "SELECT a FROM t", NULL);
	for (i = 0; i < 5; i++)
		get_result(0, &c, &row);
	get_result(0, &c, &end);
	get_result(0, &c, NULL);
	assert_int_equal(statement(0)->rows, 5);
	assert_null(statement(1));
}

static void a_pipeline_is_collected_in_order(void **state)
{
	struct fake_conn c = {.socket = -1, .pipeline = 1};
	struct fake_result one = {.ntups = 1, .status = TUPLES_OK}, two = {.ntups = 2, .status = TUPLES_OK};
	struct fake_result sync = {.status = PIPELINE_SYNC};

	enter(SYM_PQsendQuery, 0, &c, "SELECT 1", NULL);
	enter(SYM_PQsendQuery, 0, &c, "SELECT 2", NULL);
	get_result(0, &c, &one);
	get_result(0, &c, NULL);
	get_result(0, &c, &two);
	get_result(0, &c, NULL);
	get_result(0, &c, &sync);
	assert_int_equal(statement(0)->rows, 1);
	assert_int_equal(statement(1)->rows, 2);
	assert_int_equal(statement(0)->text_id, text(0)->text_id);
	assert_int_equal(statement(1)->text_id, text(1)->text_id);
	assert_null(statement(2));
}

static void a_statement_that_was_given_up_ends_at_the_next(void **state)
{
	struct fake_conn c = {.socket = -1};
	struct fake_result r = {.ntups = 1, .status = TUPLES_OK};

	enter(SYM_PQsendQuery, 0, &c, "SELECT 1", NULL);
	enter(SYM_PQsendQuery, 0, &c, "SELECT 2", NULL);
	get_result(0, &c, &r);
	get_result(0, &c, NULL);
	assert_true(statement(0)->hdr.flags & APM_STMT_NO_RETURN);
	assert_false(statement(1)->hdr.flags & APM_STMT_NO_RETURN);
}

static void a_prepare_that_succeeds_is_no_statement(void **state)
{
	static const char *const values[] = {"7", NULL};
	struct fake_conn c = {.socket = -1};
	struct fake_result made = {.status = COMMAND_OK}, r = {.ntups = 1, .status = TUPLES_OK};
	const struct apm_ev_prepare *p;

	enter(SYM_PQprepare, 0, &c, "by_id", "SELECT $1");
	leave(0, &made);
	assert_null(statement(0));
	p = host_event_of(APM_EV_PREPARE, 0);
	assert_int_equal(p->conn, &c);
	assert_int_equal(host_counter(APM_CNT_OTHER_CALLS), 1);
	prepared(SYM_PQexecPrepared, &c, "by_id", 2, values);
	leave(0, &r);
	assert_int_equal(statement(0)->text_id, p->name_id);
	assert_int_equal(statement(0)->hdr.flags, APM_STMT_PREPARED);
	assert_int_equal(statement(0)->param_count, 2);
}

static void a_failed_prepare_is_a_failed_statement(void **state)
{
	struct fake_conn c = {.socket = -1};
	struct fake_result bad = {.status = FATAL_ERROR, .message = "syntax error"};

	enter(SYM_PQprepare, 0, &c, "bad", "SELEC");
	leave(0, &bad);
	assert_true(statement(0)->hdr.flags & APM_STMT_PREPARE_FAILED);
	assert_null(host_event_of(APM_EV_PREPARE, 0));
}

static void values_tell_executions_apart(void **state)
{
	static const char *const values[][2] = {{"7", "x"}, {"8", "x"}, {"7", "x"}, {"7", NULL}, {"7x", ""}};
	struct fake_conn c = {.socket = -1};
	struct fake_result r = {.ntups = 1, .status = TUPLES_OK};
	unsigned int i;

	for (i = 0; i < 5; i++) {
		prepared(SYM_PQexecPrepared, &c, "by_id", 2, values[i]);
		leave(0, &r);
	}
	assert_true(statement(0)->param_hash != statement(1)->param_hash);
	assert_int_equal(statement(0)->param_hash, statement(2)->param_hash);
	assert_true(statement(2)->param_hash != statement(3)->param_hash);
	assert_true(statement(3)->param_hash != statement(4)->param_hash);
	assert_true(statement(2)->param_hash != statement(4)->param_hash);
	detail.no_params = 1;
	prepared(SYM_PQexecPrepared, &c, "by_id", 2, values[0]);
	leave(0, &r);
	detail.no_params = 0;
	assert_int_equal(statement(5)->param_hash, 0);
	assert_true(statement(5)->hdr.flags & APM_STMT_PARAMS_PARTIAL);
}

static void finish_ends_what_is_open(void **state)
{
	struct fake_conn c = {.socket = -1, .pipeline = 1};

	enter(SYM_PQsendQuery, 0, &c, "SELECT 1", NULL);
	enter(SYM_PQsendQuery, 0, &c, "SELECT 2", NULL);
	enter(SYM_PQfinish, 0, &c, NULL, NULL);
	assert_non_null(statement(1));
	assert_null(statement(2));
	assert_int_equal(((const struct apm_ev_close *)host_event_of(APM_EV_CLOSE, 0))->handle, &c);
}

static void while_the_sets_change_each_ends_what_it_began(void **state)
{
	struct fake_conn c = {.socket = -1}, d = {.socket = -1};
	struct fake_result r = {.ntups = 1, .status = TUPLES_OK};

	enter(SYM_PQsendQuery, 0, &c, "SELECT 1", NULL);
	library(APM_PQ_SYNC);
	get_result(0, &c, &r);
	get_result(0, &c, NULL);
	exec(&d, "SELECT 2", &r);
	assert_int_equal(statement(0)->conn, &c);
	assert_int_equal(statement(1)->conn, &d);
	enter(SYM_PQsendQuery, 0, &c, "SELECT 3", NULL); /* begins nothing any more */
	get_result(0, &c, &r);
	get_result(0, &c, NULL);
	assert_null(statement(2));
}

static void a_session_asks_for_the_returns_that_it_wants(void **state)
{
	struct fake_conn c = {.socket = -1};
	struct pt_regs regs = {
		.di = (u64)&c, .si = (u64) "SELECT 1", .ip = BIAS + SITE, .sp = (u64)call_slot(0)};

	*call_slot(0) = CALLER;
	host_phase(0);
	host_cookie(APM_COOKIE(SITE, LIB_ID, SYM_PQgetResult));
	assert_int_equal(libpq_session(&regs), 1); /* nothing was sent */
	host_cookie(APM_COOKIE(SITE, LIB_ID, SYM_PQsendQuery));
	assert_int_equal(libpq_session(&regs), 1);
	host_cookie(APM_COOKIE(SITE, LIB_ID, SYM_PQgetResult));
	assert_int_equal(libpq_session(&regs), 0);
	host_phase(1);
	regs.ax = 0;
	regs.sp += 8;
	libpq_session(&regs);
	assert_non_null(statement(0));
}

int main(void)
{
#define SYNC(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define ASYNC(name) cmocka_unit_test_setup_teardown(name, setup_async, teardown)
	const struct CMUnitTest tests[] = {
		SYNC(a_query_has_rows_text_and_connection),
		SYNC(a_command_tells_its_rows_in_its_tag),
		SYNC(a_failure_has_state_and_primary_message),
		SYNC(a_list_without_end_is_left),
		SYNC(what_could_not_be_sent_has_no_result),
		SYNC(each_result_of_several_is_told),
		SYNC(what_a_synchronous_function_calls_is_its_own),
		ASYNC(sent_and_collected),
		ASYNC(rows_that_come_one_by_one_add_up),
		ASYNC(a_pipeline_is_collected_in_order),
		ASYNC(a_statement_that_was_given_up_ends_at_the_next),
		SYNC(a_prepare_that_succeeds_is_no_statement),
		SYNC(a_failed_prepare_is_a_failed_statement),
		SYNC(values_tell_executions_apart),
		ASYNC(finish_ends_what_is_open),
		ASYNC(while_the_sets_change_each_ends_what_it_began),
		ASYNC(a_session_asks_for_the_returns_that_it_wants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
