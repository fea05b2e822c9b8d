/* SPDX-License-Identifier: BSD-2-Clause */
/* The SQLite probes, run on the host over a made-up library: what they send for each
 * course that calls can take. */
#include "bpf_calls.h"
#include "lib/sqlite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

int sqlite_entry(struct pt_regs *ctx);
int sqlite_return(struct pt_regs *ctx);

enum { APM_SQLITE_SYMBOLS(APM_SYMBOL_NUMBER) };

#define STATE_READY 1
#define STATE_RUN   2

struct fake_value {
	u64 u;
	u64 z;
	s32 n;
	u16 flags;
	u8 pad[34];
};

struct fake_db {
	s32 errcode;
	s32 pad;
	u64 error_value;
	u64 changes, total_changes;
};

struct fake_stmt {
	struct fake_db *db;
	const char *text;
	struct fake_value *values;
	s16 vars;
	u8 state;
	u8 readonly;
	u32 runs;
	u8 pad[256];
};

static void setup_library(void)
{
	struct apm_lib lib = library_unknown(APM_SYSTEM_SQLITE);

	lib.off[APM_OFF_LITE_STMT_DB] = offsetof(struct fake_stmt, db);
	lib.off[APM_OFF_LITE_STMT_SQL] = offsetof(struct fake_stmt, text);
	lib.off[APM_OFF_LITE_STMT_STATE] = offsetof(struct fake_stmt, state);
	lib.off[APM_OFF_LITE_STATE_RUN] = STATE_RUN;
	lib.off[APM_OFF_LITE_STMT_NVAR] = offsetof(struct fake_stmt, vars);
	lib.off[APM_OFF_LITE_STMT_AVAR] = offsetof(struct fake_stmt, values);
	lib.off[APM_OFF_LITE_STMT_RO] = offsetof(struct fake_stmt, readonly);
	lib.off[APM_OFF_LITE_RO_MASK] = 4;
	lib.off[APM_OFF_LITE_MEM_SIZE] = sizeof(struct fake_value);
	lib.off[APM_OFF_LITE_MEM_FLAGS] = offsetof(struct fake_value, flags);
	lib.off[APM_OFF_LITE_MEM_Z] = offsetof(struct fake_value, z);
	lib.off[APM_OFF_LITE_MEM_N] = offsetof(struct fake_value, n);
	lib.off[APM_OFF_LITE_DB_ERRCODE] = offsetof(struct fake_db, errcode);
	lib.off[APM_OFF_LITE_DB_ERRVALUE] = offsetof(struct fake_db, error_value);
	lib.off[APM_OFF_LITE_DB_CHANGES] = offsetof(struct fake_db, changes);
	lib.off[APM_OFF_LITE_DB_TOTAL_CHANGES] = offsetof(struct fake_db, total_changes);
	library_set(&lib);
}

static int setup(void **state)
{
	host_reset();
	setup_library();
	return 0;
}

static int teardown(void **state)
{
	host_reset();
	return 0;
}

static void enter(u16 symbol, unsigned int depth, u64 from, u64 a, u64 b, u64 c)
{
	call_enter(sqlite_entry, symbol, depth, from, a, b, c);
}

static void leave(unsigned int depth, s32 rc)
{
	call_leave(sqlite_return, depth, (u64)(s64)rc);
}

static void step(struct fake_stmt *s, s32 rc)
{
	enter(SYM_sqlite3_step, 0, CALLER, (u64)s, 0, 0);
	s->state = rc == 100 ? STATE_RUN : STATE_READY;
	leave(0, rc);
}

static void rows_are_counted_and_the_text_goes_once(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = "SELECT 1", .state = STATE_READY};

	step(&s, 100);
	step(&s, 100);
	assert_null(statement(0));
	step(&s, 101);
	step(&s, 101);
	assert_non_null(statement(1));
	assert_null(statement(2));
	assert_int_equal(statement(0)->rows, 2);
	assert_int_equal(statement(0)->calls, 3);
	assert_int_equal(statement(1)->rows, 0);
	assert_int_equal(statement(0)->hdr.flags, 0);
	assert_int_equal(statement(0)->call_site, CALLER);
	assert_int_equal(statement(0)->text_id, text(0)->text_id);
	assert_int_equal(statement(1)->text_id, text(0)->text_id);
	assert_null(text(1));
	assert_memory_equal(text(0)->data, "SELECT 1", 8);
	assert_true(statement(0)->t_start < statement(0)->t_first);
	assert_true(statement(0)->duration_ns > 0 && statement(0)->duration_ns < host_now());
}

static void an_execution_given_up_between_rows_ends_at_the_next_step(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = "SELECT 1", .state = STATE_READY};

	step(&s, 100);
	s.state = STATE_READY; /* sqlite3_reset */
	step(&s, 101);
	assert_int_equal(statement(0)->rows, 1);
	assert_int_equal(statement(1)->rows, 0);
	assert_true(statement(0)->hdr.stmt_seq != statement(1)->hdr.stmt_seq);
}

static void finalize_ends_and_forgets(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = "SELECT 1", .state = STATE_READY};

	step(&s, 100);
	enter(SYM_sqlite3_finalize, 0, CALLER, (u64)&s, 0, 0);
	assert_int_equal(statement(0)->rows, 1);
	s.state = STATE_READY;
	step(&s, 101); /* another statement at the same address */
	assert_non_null(text(1));
}

/* The library's count of a statement's runs tells it from the one that stood at its address. */
static void a_new_statement_at_an_old_address_has_its_own_text(void **state)
{
	struct apm_lib lib =
		*(struct apm_lib *)host_map_lookup(&libs, &(u32){LIB_ID}, sizeof(u32), sizeof(lib));
	struct fake_db db = {0};
	char sql[] = "SELECT 1";
	struct fake_stmt s = {.db = &db, .text = sql, .state = STATE_READY};
	unsigned int i;

	lib.off[APM_OFF_LITE_STMT_RUNS] = offsetof(struct fake_stmt, runs);
	library_set(&lib);
	for (i = 0; i < 3; i++) {
		step(&s, 101);
		s.runs += 1 + i; /* the parts of a trigger count too */
	}
	assert_null(text(1));
	step(&s, 100);
	s = (struct fake_stmt){
		.db = &db, .text = sql, .state = STATE_READY}; /* finalized, and another prepared */
	sql[7] = '2';
	step(&s, 101);
	assert_int_equal(statement(3)->rows, 1); /* the one that was given up */
	assert_int_equal(statement(3)->text_id, text(0)->text_id);
	assert_int_equal(statement(4)->text_id, text(1)->text_id);
	assert_memory_equal(text(1)->data, "SELECT 2", 8);
	assert_int_equal(statement(4)->call_site, CALLER);
	assert_null(statement(5));
}

static void changed_rows_count_unless_the_statement_only_reads(void **state)
{
	struct fake_db db = {.changes = 5, .total_changes = 10};
	struct fake_stmt s = {.db = &db, .text = "UPDATE t SET a = 1", .state = STATE_READY};

	enter(SYM_sqlite3_step, 0, CALLER, (u64)&s, 0, 0);
	db.changes = 3;
	db.total_changes = 13;
	leave(0, 101);
	assert_int_equal(statement(0)->rows, 3);
	step(&s, 101); /* changes nothing: the counter of the last statement that did stays */
	assert_int_equal(statement(1)->rows, 0);
}

static void a_failure_has_code_and_message(void **state)
{
	static const char message[] = "UNIQUE constraint failed: t.a";
	struct fake_value error = {.z = (u64)message, .n = sizeof(message) - 1, .flags = 2};
	struct fake_db db = {.errcode = 2067, .error_value = (u64)&error};
	struct fake_stmt s = {.db = &db, .text = "INSERT INTO t VALUES (1)", .state = STATE_READY};
	const struct apm_ev_error *e;

	step(&s, 19);
	e = host_event_of(APM_EV_ERROR, 0);
	assert_int_equal(e->number, 2067);
	assert_int_equal(e->size, sizeof(message) - 1);
	assert_memory_equal(e->message, message, e->size);
	assert_int_equal(e->hdr.stmt_seq, statement(0)->hdr.stmt_seq);
	assert_true(statement(0)->hdr.flags & APM_STMT_ERROR);

	/* Busy, which has no message: the text of the last failure is still there, marked as null. */
	db.errcode = 5;
	error.flags = 1;
	s.state = STATE_READY;
	step(&s, 5);
	e = host_event_of(APM_EV_ERROR, 1);
	assert_int_equal(e->number, 5);
	assert_int_equal(e->size, 0);
}

static void a_failed_prepare_is_a_failed_statement(void **state)
{
	struct fake_db db = {.errcode = 1};

	enter(SYM_sqlite3LockAndPrepare, 0, CALLER, (u64)&db, (u64) "SELEC 1; and more", 7);
	leave(0, 1);
	assert_true(statement(0)->hdr.flags & APM_STMT_PREPARE_FAILED);
	assert_int_equal(text(0)->total_len, 7);
	enter(SYM_sqlite3LockAndPrepare, 0, CALLER, (u64)&db, (u64) "SELECT 1", (u64)-1);
	leave(0, 0);
	assert_null(statement(1));
}

/* At the instruction that only failures reach, where values stand as the compiler left them. */
static void fail_to_prepare(struct fake_db *db, const char *sql, s32 bytes, s32 rc)
{
	s32 *stack = (s32 *)call_slot(3);
	struct pt_regs regs = {.bx = (u64)db,
			       .r12 = (u64)sql,
			       .r14 = 0xdead00000000 | (u32)rc,
			       .ip = BIAS + SITE,
			       .sp = (u64)stack};

	stack[2] = bytes;
	host_cookie(APM_COOKIE(SITE, LIB_ID, SYM_sqlite3Prepare));
	sqlite_entry(&regs);
}

static void a_failure_is_told_by_the_place_that_only_failures_reach(void **state)
{
	struct apm_lib lib =
		*(struct apm_lib *)host_map_lookup(&libs, &(u32){LIB_ID}, sizeof(u32), sizeof(lib));
	struct fake_db db = {.errcode = 1};
	struct fake_stmt s = {.db = &db, .text = "SELECT f()", .state = STATE_READY};
	struct apm_place reg = {.where = APM_WHERE_REGISTER, .index = APM_NO_INDEX, .size = 8};

	lib.place[APM_PLACE_LITE_DB] = lib.place[APM_PLACE_LITE_SQL] = lib.place[APM_PLACE_LITE_CODE] = reg;
	lib.place[APM_PLACE_LITE_DB].reg = offsetof(struct pt_regs, bx);
	lib.place[APM_PLACE_LITE_SQL].reg = offsetof(struct pt_regs, r12);
	lib.place[APM_PLACE_LITE_CODE].reg = offsetof(struct pt_regs, r14);
	lib.place[APM_PLACE_LITE_CODE].size = 4;
	lib.place[APM_PLACE_LITE_BYTES] = (struct apm_place){.where = APM_WHERE_MEMORY,
							     .reg = offsetof(struct pt_regs, sp),
							     .index = APM_NO_INDEX,
							     .value = 8,
							     .size = 4,
							     .is_signed = 1};
	library_set(&lib);
	fail_to_prepare(&db, "SELEC 1; and more", 7, 1);
	assert_int_equal(statement(0)->hdr.flags, APM_STMT_ERROR | APM_STMT_PREPARE_FAILED);
	assert_int_equal(statement(0)->conn, (u64)&db);
	assert_int_equal(text(0)->total_len, 7);
	assert_int_equal(error(0)->number, 1);
	fail_to_prepare(&db, "SELEC", -1, 1);
	assert_int_equal(text(1)->total_len, 5);
	/* is tried again */
	fail_to_prepare(&db, "SELECT 1", -1, 17);
	fail_to_prepare(&db, "SELECT 1", -1, 513);
	/* inside a statement: a virtual table's own */
	enter(SYM_sqlite3_step, 1, CALLER, (u64)&s, 0, 0);
	fail_to_prepare(&db, "SELEC", -1, 1);
	leave(1, 101);
	assert_int_equal(statement(2)->hdr.flags, 0);
	/* the schema is read: statements of its own, and a wait for a lock */
	enter(SYM_sqlite3InitOne, 1, IN_LIBRARY, (u64)&db, 0, 0);
	enter(SYM_sqlite3_step, 2, IN_LIBRARY, (u64)&s, 0, 0);
	leave(2, 101);
	fail_to_prepare(&db, "SELEC", -1, 1);
	leave(1, 0);
	assert_null(statement(3));
	/* what it slept for is all that is known of how long it took */
	enter(SYM_usleep, 0, IN_LIBRARY, 1, 0, 0);
	fail_to_prepare(&db, "SELECT 1", -1, 5);
	assert_int_equal(statement(3)->wait_ns, 1000);
	assert_true(statement(3)->duration_ns >= 1000);
	fail_to_prepare(&db, "SELECT 1", -1, 5);
	assert_int_equal(statement(4)->wait_ns, 0);
	assert_null(statement(5));
}

static void the_librarys_own_statements_do_not_count(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt outer = {.db = &db, .text = "CREATE TABLE t (a)", .state = STATE_READY};
	struct fake_stmt inner = {.db = &db, .text = "SELECT * FROM sqlite_master", .state = STATE_READY};
	struct fake_stmt called = {.db = &db, .text = "SELECT 2", .state = STATE_READY};

	enter(SYM_sqlite3_step, 0, CALLER, (u64)&outer, 0, 0);
	enter(SYM_sqlite3_step, 1, IN_LIBRARY, (u64)&inner, 0, 0);
	leave(1, 101);
	enter(SYM_sqlite3_step, 1, CALLER, (u64)&called, 0, 0); /* an SQL function of the program */
	leave(1, 101);
	leave(0, 101);
	assert_int_equal(statement(0)->text_id, text(1)->text_id);
	assert_true(statement(0)->hdr.flags & APM_STMT_NESTED);
	assert_int_equal(statement(1)->text_id, text(0)->text_id);
	assert_null(statement(2));
}

static void a_call_left_by_longjmp_is_noticed(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt a = {.db = &db, .text = "SELECT a", .state = STATE_READY};
	struct fake_stmt b = {.db = &db, .text = "SELECT b", .state = STATE_READY};

	enter(SYM_sqlite3_step, 2, CALLER, (u64)&a, 0, 0);
	step(&b, 101);
	assert_true(statement(0)->hdr.flags & APM_STMT_NO_RETURN);
	assert_int_equal(statement(1)->hdr.flags, 0);
	assert_int_equal(host_counter(APM_CNT_NO_RETURN), 1);
}

static void exec_is_not_trusted_to_keep_its_text(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = "SELECT 1", .state = STATE_READY};

	enter(SYM_sqlite3_step, 0, IN_LIBRARY, (u64)&s, 0, 0);
	leave(0, 101);
	enter(SYM_sqlite3_step, 0, IN_LIBRARY, (u64)&s, 0, 0);
	leave(0, 101);
	assert_non_null(text(1));
	assert_int_equal(statement(1)->text_id, text(1)->text_id);
	assert_int_equal(statement(0)->call_site, 0); /* its wrapper is not known here */
	step(&s, 101); /* the program's own, handle and text at the same addresses */
	assert_non_null(text(2));
	assert_int_equal(statement(2)->text_id, text(2)->text_id);
}

static void a_cold_page_is_read_again_at_the_return(void **state)
{
	static const char sql[] = "SELECT cold";
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = sql, .state = STATE_READY};

	host_fault((u64)sql, sizeof(sql));
	enter(SYM_sqlite3_step, 0, CALLER, (u64)&s, 0, 0);
	assert_null(text(0));
	host_fault(0, 0);
	leave(0, 101);
	assert_memory_equal(text(0)->data, sql, sizeof(sql) - 1);
	assert_int_equal(statement(0)->text_id, text(0)->text_id);
	assert_int_equal(host_counter(APM_CNT_UNREADABLE_TEXT), 0);
}

static void bound_values_tell_executions_apart(void **state)
{
	struct fake_db db = {0};
	struct fake_value v[2] = {{.u = 1, .flags = 4}, {.z = (u64) "abc", .n = 3, .flags = 2}};
	struct fake_stmt s = {.db = &db,
			      .text = "SELECT ?, ?",
			      .values = v,
			      .vars = 2,
			      .state = STATE_READY,
			      .readonly = 4};

	step(&s, 101);
	v[0].u = 2;
	step(&s, 101);
	v[0].u = 1;
	step(&s, 101);
	v[1].z = (u64) "abd";
	step(&s, 101);
	v[1].flags = 1;
	step(&s, 101);
	assert_int_equal(statement(0)->param_count, 2);
	assert_true(statement(0)->param_hash != statement(1)->param_hash);
	assert_int_equal(statement(0)->param_hash, statement(2)->param_hash);
	assert_true(statement(2)->param_hash != statement(3)->param_hash);
	assert_true(statement(3)->param_hash != statement(4)->param_hash);
	assert_int_equal(host_counter(APM_CNT_PARAMS_PARTIAL), 0);
}

/* Every length around the edges of the chunks arrives whole. */
static void texts_of_every_length_arrive(void **state)
{
	static const unsigned int lengths[] = {0, 1, 254, 255, 256, 257, 511, 3839, 3840, 3841, 4095, 4096};
	struct fake_db db = {0};
	unsigned int i, n;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char *sql = malloc(lengths[i] + 1), *got = calloc(1, 8192);
		struct fake_stmt s = {.db = &db, .text = sql, .state = STATE_READY};
		const struct apm_ev_text *t = NULL;

		memset(sql, 'a' + (int)(i % 26), lengths[i]);
		sql[lengths[i]] = '\0';
		host_reset();
		setup_library();
		step(&s, 101);
		for (n = 0; text(n); n++) {
			t = text(n);
			assert_true(t->offset + t->size <= 8192);
			memcpy(got + t->offset, t->data, t->size);
			assert_int_equal(t->hdr.len, sizeof(*t) + t->size);
		}
		assert_non_null(t);
		assert_int_equal(t->hdr.flags, APM_TEXT_LAST);
		assert_int_equal(t->total_len, lengths[i]);
		assert_string_equal(got, sql);
		free(sql);
		free(got);
	}
}

static void a_long_text_is_cut_and_its_length_told(void **state)
{
	unsigned int length = 100000, n;
	char *sql = malloc(length + 1);
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = sql, .state = STATE_READY};
	const struct apm_ev_text *t = NULL;

	memset(sql, 'x', length);
	sql[length] = '\0';
	step(&s, 101);
	for (n = 0; text(n); n++)
		t = text(n);
	assert_int_equal(t->hdr.flags, APM_TEXT_LAST | APM_TEXT_TRUNCATED);
	assert_int_equal(t->offset + t->size, 4096);
	assert_int_equal(t->total_len, length);
	assert_int_equal(host_counter(APM_CNT_TEXT_TRUNCATED), 1);
	free(sql);
}

static void a_full_ring_is_counted(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = "SELECT 1", .state = STATE_READY};
	unsigned int before;

	step(&s, 101);
	before = host_events();
	host_ring_room(0);
	step(&s, 101);
	assert_int_equal(host_events(), before);
	assert_int_equal(host_counter(APM_CNT_RING_FULL), 1);
	host_ring_room(10);
	step(&s, 101);
	assert_int_equal(host_events(), before + 1);
	assert_int_equal(host_counter(APM_CNT_EVENTS), host_events());
}

static void other_processes_send_nothing(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = "SELECT 1", .state = STATE_READY};

	host_thread(200, 200);
	step(&s, 101);
	assert_int_equal(host_events(), 0);
}

static void nesting_beyond_the_limit_is_counted(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s[APM_NEST_MAX + 1];
	unsigned int i;

	for (i = 0; i <= APM_NEST_MAX; i++) {
		s[i] = (struct fake_stmt){.db = &db, .text = "SELECT 1", .state = STATE_READY};
		enter(SYM_sqlite3_step, i, CALLER, (u64)&s[i], 0, 0);
	}
	assert_int_equal(host_counter(APM_CNT_NEST_OVERFLOW), 1);
	for (i = APM_NEST_MAX + 1; i-- > 0;)
		leave(i, 101);
	for (i = 0; statement(i); i++)
		;
	assert_int_equal(i, APM_NEST_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(rows_are_counted_and_the_text_goes_once),
		TEST(an_execution_given_up_between_rows_ends_at_the_next_step),
		TEST(finalize_ends_and_forgets),
		TEST(a_new_statement_at_an_old_address_has_its_own_text),
		TEST(changed_rows_count_unless_the_statement_only_reads),
		TEST(a_failure_has_code_and_message),
		TEST(a_failed_prepare_is_a_failed_statement),
		TEST(a_failure_is_told_by_the_place_that_only_failures_reach),
		TEST(the_librarys_own_statements_do_not_count),
		TEST(a_call_left_by_longjmp_is_noticed),
		TEST(exec_is_not_trusted_to_keep_its_text),
		TEST(a_cold_page_is_read_again_at_the_return),
		TEST(bound_values_tell_executions_apart),
		TEST(texts_of_every_length_arrive),
		TEST(a_long_text_is_cut_and_its_length_told),
		TEST(a_full_ring_is_counted),
		TEST(other_processes_send_nothing),
		TEST(nesting_beyond_the_limit_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
