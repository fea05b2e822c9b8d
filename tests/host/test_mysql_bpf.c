/* SPDX-License-Identifier: BSD-2-Clause */
/* The probes of libmariadb and libmysqlclient, run on the host over made-up handles: what they send for each
 * course that calls can take. */
#include "bpf_calls.h"
#include "lib/mysql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

int mysql_entry(struct pt_regs *ctx);
int mysql_return(struct pt_regs *ctx);

enum { APM_MYSQL_SYMBOLS(APM_SYMBOL_NUMBER) };

#define MORE_RESULTS 8 /* SERVER_MORE_RESULTS_EXISTS */

/* The parts of struct st_ma_pvio and struct st_net that are public. */
struct fake_pvio {
	void *data;
	const u8 *cache, *next;
	u64 size;
};

struct fake_mysql {
	struct fake_pvio *pvio;
	u8 net[0x20];
	s32 fd;
	u8 more[0x58];
	u8 compress;
	u32 code;
	char message[128];
	char sqlstate[6];
	u64 affected;
	u32 status;
	u32 use_status;
	u32 fields;
	const char *user, *db;
};

struct fake_result {
	u64 rows;
};

/* MYSQL_BIND is public (mysql.h): 112 bytes. */
struct fake_bind {
	u64 *length;
	u8 *is_null;
	void *buffer;
	u64 unused0[5];
	u64 buffer_length;
	u64 unused1[3];
	u32 type;
	u8 unused2[2];
	u8 long_data;
	u8 unused3[9];
};
_Static_assert(sizeof(struct fake_bind) == 112, "MYSQL_BIND");

enum { TYPE_LONG = 3, TYPE_NULL = 6, TYPE_STRING = 254 };

struct fake_stmt {
	struct fake_mysql *mysql;
	u32 code;
	char message[128];
	char sqlstate[6];
	u64 affected, rows;
	u32 params, fields;
	struct fake_bind *bind;
};

static int setup(void **state)
{
	struct apm_lib lib = library_unknown(APM_SYSTEM_MYSQL);

	host_reset();
	lib.off[APM_OFF_MY_ERRNO] = offsetof(struct fake_mysql, code);
	lib.off[APM_OFF_MY_MESSAGE] = offsetof(struct fake_mysql, message);
	lib.off[APM_OFF_MY_SQLSTATE] = offsetof(struct fake_mysql, sqlstate);
	lib.off[APM_OFF_MY_AFFECTED] = offsetof(struct fake_mysql, affected);
	lib.off[APM_OFF_MY_STATUS] = offsetof(struct fake_mysql, status);
	lib.off[APM_OFF_MY_FIELDS] = offsetof(struct fake_mysql, fields);
	lib.off[APM_OFF_MY_USER] = offsetof(struct fake_mysql, user);
	lib.off[APM_OFF_MY_DB] = offsetof(struct fake_mysql, db);
	lib.off[APM_OFF_MY_RES_ROWS] = offsetof(struct fake_result, rows);
	lib.off[APM_OFF_MY_STMT_ERRNO] = offsetof(struct fake_stmt, code);
	lib.off[APM_OFF_MY_STMT_MESSAGE] = offsetof(struct fake_stmt, message);
	lib.off[APM_OFF_MY_STMT_SQLSTATE] = offsetof(struct fake_stmt, sqlstate);
	lib.off[APM_OFF_MY_STMT_AFFECTED] = offsetof(struct fake_stmt, affected);
	lib.off[APM_OFF_MY_STMT_ROWS] = offsetof(struct fake_stmt, rows);
	lib.off[APM_OFF_MY_STMT_CONN] = offsetof(struct fake_stmt, mysql);
	lib.off[APM_OFF_MY_STMT_PARAM_COUNT] = offsetof(struct fake_stmt, params);
	lib.off[APM_OFF_MY_STMT_PARAMS] = offsetof(struct fake_stmt, bind);
	lib.off[APM_OFF_MY_STMT_FIELDS] = offsetof(struct fake_stmt, fields);
	library_set(&lib);
	return 0;
}

static int teardown(void **state)
{
	host_reset();
	return 0;
}

static void enter(u16 symbol, unsigned int depth, const void *a, const void *b, u64 c)
{
	call_enter(mysql_entry, symbol, depth, depth ? IN_LIBRARY : CALLER, (u64)a, (u64)b, c);
}

static void leave(unsigned int depth, u64 value)
{
	call_leave(mysql_return, depth, value);
}

static void query(struct fake_mysql *m, const char *sql, s32 rc)
{
	enter(SYM_mysql_real_query, 0, m, sql, strlen(sql));
	leave(0, (u64)(s64)rc);
}

static void a_command_tells_what_it_affected(void **state)
{
	struct fake_mysql m = {.affected = 3, .user = "shop", .db = "orders"};
	const struct apm_ev_conn *conn;

	query(&m, "UPDATE t SET a = 1", 0);
	conn = host_event_of(APM_EV_CONN, 0);
	assert_string_equal(conn->user, "shop");
	assert_string_equal(conn->database, "orders");
	assert_int_equal(statement(0)->rows, 3);
	assert_int_equal(statement(0)->hdr.flags, 0);
	assert_int_equal(statement(0)->call_site, CALLER);
	assert_int_equal(statement(0)->conn_gen, conn->conn_gen);
	assert_int_equal(text(0)->size, strlen("UPDATE t SET a = 1"));
	assert_null(statement(1));
}

/* Texts have a length and need not end at a NUL. */
static void a_text_is_read_as_far_as_its_length(void **state)
{
	struct fake_mysql m = {0};
	char *sql = malloc(8);

	memcpy(sql, "SELECT 1", 8);
	enter(SYM_mysql_real_query, 0, &m, sql, 8);
	leave(0, 0);
	assert_int_equal(text(0)->size, 8);
	enter(SYM_mysql_real_query, 0, &m, "SELECT 22", (u64)-1); /* or end at it */
	leave(0, 0);
	assert_int_equal(text(1)->size, 9);
	free(sql);
}

static void a_failure_has_number_state_and_message(void **state)
{
	struct fake_mysql m = {.code = 1062, .message = "Duplicate entry", .sqlstate = "23000"};

	query(&m, "INSERT INTO t VALUES (1)", 1);
	assert_true(statement(0)->hdr.flags & APM_STMT_ERROR);
	assert_int_equal(error(0)->number, 1062);
	assert_string_equal(error(0)->sqlstate, "23000");
	assert_memory_equal(error(0)->message, "Duplicate entry", error(0)->size);
	assert_int_equal(error(0)->hdr.stmt_seq, statement(0)->hdr.stmt_seq);
}

static void rows_that_are_stored_belong_to_the_statement(void **state)
{
	struct fake_mysql m = {.fields = 2};
	struct fake_result r = {.rows = 12};

	query(&m, "SELECT a, b FROM t", 0);
	assert_null(statement(0));
	enter(SYM_mysql_store_result, 0, &m, NULL, 0);
	leave(0, (u64)&r);
	assert_int_equal(statement(0)->rows, 12);
	assert_int_equal(statement(0)->calls, 2);
	assert_true(statement(0)->duration_ns < statement(0)->t_end - statement(0)->t_start);
}

static void rows_that_are_fetched_one_by_one_are_counted_when_the_result_is_freed(void **state)
{
	struct fake_mysql m = {.fields = 1};
	struct fake_result r = {0};

	query(&m, "SELECT a FROM t", 0);
	enter(SYM_mysql_use_result, 0, &m, NULL, 0);
	leave(0, (u64)&r);
	r.rows = 50000; /* no probe is hit for them */
	assert_null(statement(0));
	enter(SYM_mysql_free_result, 0, &r, NULL, 0);
	assert_int_equal(statement(0)->rows, 50000);
	assert_int_equal(statement(0)->calls, 2);
	enter(SYM_mysql_free_result, 0, &r, NULL, 0); /* another result at this address */
	assert_null(statement(1));
}

/* The place in mysql_free_result that an unbuffered result comes to whose end was not read. */
static void drop(const struct fake_result *r)
{
	struct pt_regs regs = {.r13 = (u64)r, .ip = BIAS + SITE, .sp = (u64)call_slot(1)};

	host_cookie(APM_COOKIE(SITE, LIB_ID, SYM_mysql_eof));
	mysql_entry(&regs);
	host_cookie(APM_COOKIE(SITE, LIB_ID, SYM_mysql_free_result));
	mysql_entry(&regs);
}

static u16 dropped(struct fake_mysql *m, const u8 *next, u64 size, unsigned int number)
{
	struct fake_pvio pvio = {.cache = next - 1, .next = next, .size = size + 1};
	struct fake_result r = {.rows = 3};
	struct apm_lib lib;
	u32 key = LIB_ID;

	lib = *(struct apm_lib *)bpf_map_lookup_elem(&libs, &key);
	lib.place[APM_PLACE_MY_RESULT] = (struct apm_place){.where = APM_WHERE_REGISTER,
							    .reg = offsetof(struct pt_regs, r13),
							    .index = APM_NO_INDEX,
							    .size = 8};
	lib.off[APM_OFF_MY_USE_STATUS] = offsetof(struct fake_mysql, use_status);
	library_set(&lib);
	m->fields = 1;
	m->pvio = &pvio;
	query(m, "SELECT a FROM t", 0);
	enter(SYM_mysql_use_result, 0, m, NULL, 0);
	leave(0, (u64)&r);
	drop(&r);
	assert_int_equal(statement(number)->rows, 3);
	assert_true(statement(number)->duration_ns > 0);
	return statement(number)->hdr.flags & APM_STMT_UNFETCHED;
}

static void a_result_is_given_up_where_a_row_waits(void **state)
{
	static const u8 row[] = {2, 0, 0, 5, 1, '7'}, end[] = {5, 0, 0, 5, 0xfe, 0, 0, 0, 0},
			wide_row[] = {0, 0, 1, 5, 0xfe}, failed[] = {9, 0, 0, 5, 0xff};
	struct fake_mysql m = {.use_status = 2};

	assert_true(dropped(&m, row, sizeof(row), 0));
	assert_true(dropped(&m, wide_row, sizeof(wide_row), 1));
	assert_false(dropped(&m, end, sizeof(end), 2));
	assert_false(dropped(&m, failed, sizeof(failed), 3));
	assert_false(dropped(&m, row, 4, 4)); /* not here yet */
	m.compress = 1;
	assert_false(dropped(&m, row, sizeof(row), 5));
	m.compress = 0;
	m.use_status = 0; /* nothing is on its way */
	assert_false(dropped(&m, row, sizeof(row), 6));
}

static void a_result_that_nobody_fetched_ends_at_the_next_statement(void **state)
{
	struct fake_mysql m = {.fields = 1};

	query(&m, "SELECT a FROM t", 0);
	query(&m, "SELECT b FROM t", 0);
	assert_int_equal(statement(0)->rows, 0);
	assert_int_equal(statement(0)->hdr.flags, 0);
	assert_int_equal(statement(0)->text_id, text(0)->text_id);
}

static void each_result_of_several_is_told(void **state)
{
	struct fake_mysql m = {.affected = 1, .status = MORE_RESULTS};
	struct fake_result r = {.rows = 7};

	query(&m, "INSERT INTO t VALUES (1); SELECT * FROM t", 0);
	assert_true(statement(0)->hdr.flags & APM_STMT_MORE);
	assert_int_equal(statement(0)->rows, 1);
	m.status = 0;
	m.fields = 1;
	enter(SYM_mysql_next_result, 0, &m, NULL, 0);
	leave(0, 0);
	enter(SYM_mysql_store_result, 0, &m, NULL, 0);
	leave(0, (u64)&r);
	assert_int_equal(statement(1)->rows, 7);
	assert_int_equal(statement(1)->result_index, 1);
	assert_int_equal(statement(1)->hdr.stmt_seq, statement(0)->hdr.stmt_seq);
	assert_false(statement(1)->hdr.flags & APM_STMT_MORE);
	assert_null(statement(2));
}

static void sending_and_collecting_are_one_statement(void **state)
{
	struct fake_mysql m = {.affected = 1};

	enter(SYM_mysql_send_query, 0, &m, "DELETE FROM t", strlen("DELETE FROM t"));
	assert_null(statement(0));
	enter(SYM_mysql_read_query_result, 0, &m, NULL, 0);
	leave(0, 0);
	assert_int_equal(statement(0)->hdr.flags, APM_STMT_ASYNC);
	assert_int_equal(statement(0)->duration_ns, statement(0)->t_end - statement(0)->t_start);
}

/* In libmysqlclient mysql_real_query calls the other two. */
static void what_the_library_calls_itself_does_not_count(void **state)
{
	struct fake_mysql m = {.affected = 1};

	enter(SYM_mysql_real_query, 0, &m, "DELETE FROM t", strlen("DELETE FROM t"));
	enter(SYM_mysql_send_query, 1, &m, "DELETE FROM t", strlen("DELETE FROM t"));
	enter(SYM_mysql_read_query_result, 1, &m, NULL, 0);
	leave(1, 0);
	leave(0, 0);
	assert_int_equal(statement(0)->hdr.flags, 0);
	assert_null(statement(1));
	assert_null(text(1));
}

static void a_cold_page_is_read_again_at_the_return(void **state)
{
	static const char sql[] = "SELECT cold";
	struct fake_mysql m = {0};

	host_fault((u64)sql, sizeof(sql));
	enter(SYM_mysql_real_query, 0, &m, sql, sizeof(sql) - 1);
	assert_null(text(0));
	host_fault(0, 0);
	leave(0, 0);
	assert_memory_equal(text(0)->data, sql, sizeof(sql) - 1);
	assert_int_equal(statement(0)->text_id, text(0)->text_id);
}

static void prepare(struct fake_stmt *s, const char *sql, s32 rc)
{
	enter(SYM_mysql_stmt_prepare, 0, s, sql, strlen(sql));
	leave(0, (u64)(s64)rc);
}

static void execute(struct fake_stmt *s, s32 rc)
{
	enter(SYM_mysql_stmt_execute, 0, s, NULL, 0);
	leave(0, (u64)(s64)rc);
}

static void a_prepared_statement_sends_its_text_once(void **state)
{
	struct fake_mysql m = {0};
	struct fake_stmt s = {.mysql = &m, .affected = 1};

	prepare(&s, "INSERT INTO t VALUES (?)", 0);
	assert_null(statement(0));
	execute(&s, 0);
	execute(&s, 0);
	assert_int_equal(statement(0)->hdr.flags, APM_STMT_PREPARED);
	assert_int_equal(statement(0)->rows, 1);
	assert_int_equal(statement(0)->conn, &m);
	assert_int_equal(statement(1)->text_id, text(0)->text_id);
	assert_null(text(1));
	assert_int_equal(host_counter(APM_CNT_OTHER_CALLS), 1); /* the prepare */
}

static void a_statement_prepared_before_has_no_text(void **state)
{
	struct fake_mysql m = {0};
	struct fake_stmt s = {.mysql = &m};

	execute(&s, 0);
	assert_true(statement(0)->hdr.flags & APM_STMT_TEXT_UNKNOWN);
	assert_int_equal(statement(0)->text_id, 0);
}

static void a_failed_prepare_is_a_failed_statement(void **state)
{
	struct fake_mysql m = {0};
	struct fake_stmt s = {.mysql = &m, .code = 1064, .message = "You have an error", .sqlstate = "42000"};

	prepare(&s, "SELEC 1", 1);
	assert_true(statement(0)->hdr.flags & APM_STMT_PREPARE_FAILED);
	assert_int_equal(error(0)->number, 1064);
	assert_int_equal(statement(0)->text_id, text(0)->text_id);
}

static void bound_values_tell_executions_apart(void **state)
{
	s32 number = 7;
	char word[8] = "abc";
	u64 length = 3;
	u8 null = 0;
	struct fake_bind bind[2] = {
		{.buffer = &number, .type = TYPE_LONG},
		{.buffer = word, .length = &length, .is_null = &null, .type = TYPE_STRING}};
	struct fake_mysql m = {0};
	struct fake_stmt s = {.mysql = &m, .params = 2, .bind = bind};

	prepare(&s, "SELECT ?, ?", 0);
	execute(&s, 0);
	number = 8;
	execute(&s, 0);
	number = 7;
	execute(&s, 0);
	length = 2;
	execute(&s, 0);
	null = 1;
	execute(&s, 0);
	assert_int_equal(statement(0)->param_count, 2);
	assert_true(statement(0)->param_hash != statement(1)->param_hash);
	assert_int_equal(statement(0)->param_hash, statement(2)->param_hash);
	assert_true(statement(2)->param_hash != statement(3)->param_hash);
	assert_true(statement(3)->param_hash != statement(4)->param_hash);
	assert_int_equal(host_counter(APM_CNT_PARAMS_PARTIAL), 0);
	bind[0].long_data = 1; /* sent in pieces before: not here to be read */
	execute(&s, 0);
	assert_true(statement(5)->hdr.flags & APM_STMT_PARAMS_PARTIAL);
}

static void rows_of_a_prepared_statement_are_those_stored_or_fetched(void **state)
{
	struct fake_mysql m = {0};
	struct fake_stmt s = {.mysql = &m, .fields = 1};

	prepare(&s, "SELECT a FROM t", 0);
	execute(&s, 0);
	s.rows = 9;
	enter(SYM_mysql_stmt_store_result, 0, &s, NULL, 0);
	leave(0, 0);
	assert_int_equal(statement(0)->rows, 9);
	s.rows = 0;
	execute(&s, 0);
	s.rows = 4; /* fetched one by one */
	enter(SYM_mysql_stmt_close, 0, &s, NULL, 0);
	assert_int_equal(statement(1)->rows, 4);
	assert_null(statement(2));
	execute(&s, 0);
	enter(SYM_mysql_stmt_close, 0, &s, NULL, 0);
	assert_true(statement(2)->hdr.flags & APM_STMT_TEXT_UNKNOWN); /* another one at this address */
}

static void closing_ends_what_is_open(void **state)
{
	struct fake_mysql m = {.fields = 1};

	query(&m, "SELECT a FROM t", 0);
	enter(SYM_mysql_close, 0, &m, NULL, 0);
	assert_non_null(statement(0));
	assert_int_equal(((const struct apm_ev_close *)host_event_of(APM_EV_CLOSE, 0))->handle, &m);
	enter(SYM_mysql_close, 0, &m, NULL, 0);
	assert_null(host_event_of(APM_EV_CLOSE, 1));
	assert_int_equal(host_counter(APM_CNT_OTHER_ENTRIES), 2);
}

static void less_is_read_when_told_so(void **state)
{
	s32 number = 7;
	struct fake_bind bind = {.buffer = &number, .type = TYPE_LONG};
	struct fake_mysql m = {0};
	struct fake_stmt s = {.mysql = &m, .params = 1, .bind = &bind};

	detail.no_params = detail.no_sites = 1;
	execute(&s, 0);
	query(&m, "SELECT 1", 0);
	detail.no_params = detail.no_sites = 0;
	assert_int_equal(statement(0)->param_hash, 0);
	assert_true(statement(0)->hdr.flags & APM_STMT_PARAMS_PARTIAL);
	assert_int_equal(statement(0)->call_site, 0);
	assert_int_equal(statement(1)->call_site, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_command_tells_what_it_affected),
		TEST(a_text_is_read_as_far_as_its_length),
		TEST(a_failure_has_number_state_and_message),
		TEST(rows_that_are_stored_belong_to_the_statement),
		TEST(rows_that_are_fetched_one_by_one_are_counted_when_the_result_is_freed),
		TEST(a_result_is_given_up_where_a_row_waits),
		TEST(a_result_that_nobody_fetched_ends_at_the_next_statement),
		TEST(each_result_of_several_is_told),
		TEST(sending_and_collecting_are_one_statement),
		TEST(what_the_library_calls_itself_does_not_count),
		TEST(a_cold_page_is_read_again_at_the_return),
		TEST(a_prepared_statement_sends_its_text_once),
		TEST(a_statement_prepared_before_has_no_text),
		TEST(a_failed_prepare_is_a_failed_statement),
		TEST(bound_values_tell_executions_apart),
		TEST(rows_of_a_prepared_statement_are_those_stored_or_fetched),
		TEST(closing_ends_what_is_open),
		TEST(less_is_read_when_told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
