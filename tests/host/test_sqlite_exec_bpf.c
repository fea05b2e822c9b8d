/* SPDX-License-Identifier: BSD-2-Clause */
/* The probes of whole executions of SQLite, run on the host over a made-up library: for each course that an execution
 * can take, what they send, and what its thread is said to work on. */
#include "bpf_calls.h"
#include "lib/sqlite.h"
#include "working.bpf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

int sqlite_entry(struct pt_regs *ctx);
int sqlite_return(struct pt_regs *ctx);

enum { APM_SQLITE_SYMBOLS(APM_SYMBOL_NUMBER) };

#define READY  1
#define RUN    2
#define HALT   3
#define FRAME  24 /* from the stack pointer at the place to sqlite3_step's return address */
#define BUSY   5
#define SCHEMA 17

struct fake_db {
	s32 errcode, executing;
	u64 changes, total_changes;
};

struct fake_stmt {
	struct fake_db *db;
	const char *text, *message;
	s32 code;
	u32 rows, runs, reprepared;
	s16 vars;
	u8 state, readonly, explain;
	u8 pad[256];
};

static struct apm_lib lib;

static int setup(void **state)
{
	static const struct apm_place reg = {.where = APM_WHERE_REGISTER, .index = APM_NO_INDEX, .size = 8};

	host_reset();
	lib = library_unknown(APM_SYSTEM_SQLITE);
	lib.set = APM_LITE_EXECUTIONS;
	lib.off[APM_OFF_LITE_STMT_DB] = offsetof(struct fake_stmt, db);
	lib.off[APM_OFF_LITE_STMT_SQL] = offsetof(struct fake_stmt, text);
	lib.off[APM_OFF_LITE_STMT_STATE] = offsetof(struct fake_stmt, state);
	lib.off[APM_OFF_LITE_STATE_RUN] = RUN;
	lib.off[APM_OFF_LITE_STMT_NVAR] = offsetof(struct fake_stmt, vars);
	lib.off[APM_OFF_LITE_STMT_RO] = offsetof(struct fake_stmt, readonly);
	lib.off[APM_OFF_LITE_RO_MASK] = 1;
	lib.off[APM_OFF_LITE_STMT_RUNS] = offsetof(struct fake_stmt, runs);
	lib.off[APM_OFF_LITE_DB_ERRCODE] = offsetof(struct fake_db, errcode);
	lib.off[APM_OFF_LITE_DB_CHANGES] = offsetof(struct fake_db, changes);
	lib.off[APM_OFF_LITE_DB_TOTAL_CHANGES] = offsetof(struct fake_db, total_changes);
	lib.off[APM_OFF_LITE_STMT_ROWS] = offsetof(struct fake_stmt, rows);
	lib.off[APM_OFF_LITE_STMT_CODE] = offsetof(struct fake_stmt, code);
	lib.off[APM_OFF_LITE_STMT_MESSAGE] = offsetof(struct fake_stmt, message);
	lib.off[APM_OFF_LITE_STMT_REPREPARED] = offsetof(struct fake_stmt, reprepared);
	lib.off[APM_OFF_LITE_STMT_EXPLAIN] = offsetof(struct fake_stmt, explain);
	lib.off[APM_OFF_LITE_EXPLAIN_MASK] = 0xc;
	lib.off[APM_OFF_LITE_DB_EXECUTING] = offsetof(struct fake_db, executing);
	lib.off[APM_OFF_LITE_BEGUN_CALLER] = FRAME;
	lib.off[APM_OFF_LITE_BEGUN_FP] = 0;
	lib.off[APM_OFF_LITE_BEGUN_SAVED_FP] = 0;
	for (int i = 0; i < APM_PLACE_MAX; i++)
		lib.place[i] = reg;
	lib.place[APM_PLACE_LITE_BEGUN].reg = lib.place[APM_PLACE_LITE_ENDED].reg =
		offsetof(struct pt_regs, bx);
	lib.place[APM_PLACE_LITE_OLD].reg = offsetof(struct pt_regs, bx);
	lib.place[APM_PLACE_LITE_CODE].reg = offsetof(struct pt_regs, r14);
	lib.place[APM_PLACE_LITE_DB].reg = offsetof(struct pt_regs, r12);
	library_set(&lib);
	return 0;
}

static int teardown(void **state)
{
	host_reset();
	return 0;
}

/* A place inside a function, whose frame is above `depth`. */
static void at(u16 symbol, unsigned int depth, struct fake_stmt *s, u64 from)
{
	u64 *sp = call_slot(depth);
	struct pt_regs regs = {.bx = (u64)s, .di = (u64)s, .ip = BIAS + SITE, .sp = (u64)sp};

	sp[FRAME / 8] = from;
	host_cookie(APM_COOKIE(SITE, LIB_ID, symbol));
	sqlite_entry(&regs);
}

static void begin_from(struct fake_stmt *s, unsigned int depth, u64 from)
{
	s->rows = 1;
	s->code = 0;
	s->message = NULL;
	s->state = RUN;
	at(SYM_sqlite3Step, depth, s, from);
	s->runs++;
	s->db->executing++;
}

static void begin(struct fake_stmt *s)
{
	begin_from(s, 0, CALLER);
}

/* sqlite3_step returns a row, and is called again. */
static void row(struct fake_stmt *s)
{
	s->rows += 2;
	s->db->executing--;
}

static void next(struct fake_stmt *s)
{
	s->db->executing++;
}

static void halt(struct fake_stmt *s, s32 code)
{
	s->code = code;
	s->state = HALT;
	at(SYM_sqlite3VdbeHalt, 6, s, 0);
}

static void done(struct fake_stmt *s, s32 code)
{
	halt(s, code);
	s->db->executing--;
	s->state = READY;
}

static u64 works_on(void)
{
	struct apm_thread *t = thread_find();

	return t ? thread_statement(t) : 0;
}

static void rows_are_those_that_the_statement_counted(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = "SELECT 1", .readonly = 1, .state = READY};

	begin(&s);
	for (int i = 0; i < 1000; i++) {
		row(&s);
		next(&s);
	}
	done(&s, 0);
	begin(&s);
	done(&s, 0);
	assert_null(statement(2));
	assert_int_equal(statement(0)->rows, 1000);
	assert_int_equal(statement(0)->hdr.flags, APM_STMT_ELAPSED);
	assert_int_equal(statement(0)->call_site, CALLER);
	assert_int_equal(statement(0)->calls,
			 0); /* hits are counted as those of functions without a return */
	assert_int_equal(host_counter(APM_CNT_OTHER_ENTRIES), 4);
	assert_int_equal(statement(1)->rows, 0);
	assert_int_equal(statement(1)->hdr.flags, 0); /* the program had no turn in between */
	assert_true(statement(1)->duration_ns > 0);
	assert_int_equal(statement(1)->text_id, text(0)->text_id);
	assert_null(text(1));
}

static void given_up_between_rows_it_ends_when_it_is_reset(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = "SELECT 1", .readonly = 1, .state = READY};

	begin(&s);
	row(&s);
	assert_null(statement(0));
	halt(&s, 0);
	assert_int_equal(statement(0)->rows, 1);
	halt(&s, 0);
	assert_null(statement(1));
}

static void changed_rows_and_explain(void **state)
{
	struct fake_db db = {.changes = 5, .total_changes = 10};
	struct fake_stmt s = {.db = &db, .text = "UPDATE t SET a = 1", .state = READY};

	begin(&s);
	db.changes = 3;
	db.total_changes = 13;
	done(&s, 0);
	assert_int_equal(statement(0)->rows, 3);
	begin(&s);
	done(&s, 0);
	assert_int_equal(statement(1)->rows, 0);
	s.explain = 4;
	begin(&s);
	done(&s, 0);
	assert_int_equal(statement(2)->hdr.flags, APM_STMT_ROWS_UNKNOWN | APM_STMT_ELAPSED);
}

static void a_failure_has_the_statements_code_and_message(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = "INSERT INTO t VALUES (1)", .state = READY};

	begin(&s);
	s.message = "UNIQUE constraint failed: t.a";
	done(&s, 2067);
	at(SYM_sqlite3VdbeTransferError, 0, &s, 0); /* it has been told */
	assert_int_equal(error(0)->number, 2067);
	assert_memory_equal(error(0)->message, s.message, error(0)->size);
	assert_int_equal(error(0)->hdr.stmt_seq, statement(0)->hdr.stmt_seq);
	assert_int_equal(statement(0)->hdr.flags, APM_STMT_ERROR);
	assert_null(statement(1));
}

/* SQLITE_BUSY leaves the statement as it was: the next step goes on without a beginning. */
static void each_attempt_counts_where_busy_is_tried_again(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = "BEGIN IMMEDIATE", .state = READY};

	begin(&s);
	for (int i = 0; i < 3; i++) {
		s.code = BUSY;
		at(SYM_sqlite3VdbeTransferError, 0, &s, 0);
	}
	assert_int_equal(statement(2)->hdr.flags & APM_STMT_ERROR, APM_STMT_ERROR);
	assert_null(statement(3));
	done(&s, 0);
	assert_int_equal(statement(3)->hdr.flags, APM_STMT_ELAPSED);
	assert_int_equal(statement(3)->text_id, text(0)->text_id);

	begin(&s);
	s.code = BUSY;
	at(SYM_sqlite3VdbeTransferError, 0, &s, 0);
	done(&s, BUSY); /* it is given up */
	assert_null(statement(5));
	begin(&s);
	done(&s, 0);
	assert_int_equal(statement(5)->hdr.flags, 0);
}

static void fail_to_compile(struct fake_stmt *old, s32 code)
{
	struct pt_regs regs = {.bx = (u64)old,
			       .r12 = (u64)old->db,
			       .r14 = (u32)code,
			       .ip = BIAS + SITE,
			       .sp = (u64)call_slot(0)};

	host_cookie(APM_COOKIE(SITE, LIB_ID, SYM_sqlite3Prepare));
	sqlite_entry(&regs);
}

static void a_changed_schema_is_one_execution(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = "SELECT 1", .readonly = 1, .state = READY};

	begin(&s);
	halt(&s, SCHEMA);
	db.executing--;
	at(SYM_sqlite3VdbeTransferError, 0, &s, 0);
	assert_null(statement(0));
	s.reprepared++;
	begin(&s);
	row(&s);
	next(&s);
	done(&s, 0);
	assert_int_equal(statement(0)->rows, 1);
	assert_null(error(0));
	/* it cannot be compiled again, found out while it runs and before */
	begin(&s);
	done(&s, SCHEMA);
	db.errcode = 1;
	fail_to_compile(&s, 1);
	s.code = SCHEMA;
	at(SYM_sqlite3VdbeTransferError, 0, &s, 0);
	assert_null(statement(2));
	fail_to_compile(&s, 1);
	assert_int_equal(statement(1)->hdr.flags, APM_STMT_ERROR);
	assert_int_equal(statement(2)->hdr.flags, APM_STMT_ERROR);
	assert_int_equal(error(1)->number, 1);
	/* it was not compiled again */
	begin(&s);
	done(&s, SCHEMA);
	begin(&s);
	done(&s, 0);
	assert_int_equal(error(2)->number, SCHEMA);
	assert_int_equal(statement(3)->hdr.flags, APM_STMT_ERROR);
	assert_int_equal(statement(4)->hdr.flags, 0);
	assert_null(statement(5));
}

static void the_librarys_own_statements_do_not_count(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt outer = {.db = &db, .text = "CREATE TABLE t (a)", .state = READY};
	struct fake_stmt inner = {.db = &db, .text = "SELECT * FROM sqlite_master", .state = READY};
	struct fake_stmt called = {.db = &db, .text = "SELECT 2", .state = READY};

	begin(&outer);
	begin_from(&inner, 1, IN_LIBRARY);
	done(&inner, 0);
	begin_from(&called, 1, CALLER); /* an SQL function of the program */
	done(&called, 0);
	done(&outer, 0);
	begin_from(&inner, 0, IN_LIBRARY); /* sqlite3_exec */
	done(&inner, 0);
	assert_int_equal(statement(0)->hdr.flags, APM_STMT_NESTED);
	assert_int_equal(statement(0)->text_id, text(1)->text_id);
	assert_int_equal(statement(1)->text_id, text(0)->text_id);
	assert_int_equal(statement(2)->text_id, text(2)->text_id);
	assert_null(statement(3));
}

static void what_a_thread_works_on(void **state)
{
	struct fake_db db = {0}, other = {0};
	struct fake_stmt a = {.db = &db, .text = "SELECT a", .readonly = 1, .state = READY};
	struct fake_stmt b = {.db = &db, .text = "SELECT b", .readonly = 1, .state = READY};
	struct fake_stmt c = {.db = &other, .text = "SELECT c", .readonly = 1, .state = READY};
	u64 seq_a, seq_b;

	assert_int_equal(works_on(), 0);
	begin(&a);
	seq_a = works_on();
	assert_true(seq_a);
	row(&a);
	assert_int_equal(works_on(), 0); /* the program's own time */
	next(&a);
	assert_int_equal(works_on(), seq_a);
	row(&a);
	begin(&b); /* between two rows of the other */
	seq_b = works_on();
	assert_true(seq_b && seq_b != seq_a);
	row(&b);
	next(&b);
	assert_int_equal(works_on(), 0); /* that may be either */
	done(&b, 0);
	assert_int_equal(statement(0)->hdr.stmt_seq, seq_b);
	next(&a);
	assert_int_equal(works_on(), seq_a);
	begin_from(&b, 1, CALLER); /* inside an SQL function */
	seq_b = works_on();
	assert_true(seq_b && seq_b != seq_a);
	done(&b, 0);
	assert_int_equal(works_on(), seq_a);
	begin_from(&c, 1, CALLER);
	assert_true(works_on() != seq_a);
	row(&c);
	assert_int_equal(works_on(), seq_a);
	done(&a, 0);
	assert_int_equal(works_on(), 0);
}

/* The set changes while executions are under way: each is told once. */
static void the_other_set_may_have_begun_it(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = "SELECT 1", .readonly = 1, .state = READY};

	lib.set = APM_LITE_STEPS;
	library_set(&lib);
	call_enter(sqlite_entry, SYM_sqlite3_step, 4, CALLER, (u64)&s, 0, 0);
	lib.set = APM_LITE_EXECUTIONS;
	library_set(&lib);
	begin_from(&s, 5, CALLER); /* the same call */
	row(&s);
	call_leave(sqlite_return, 4, 100);
	assert_int_equal(statement(0) != NULL, 0);
	call_enter(sqlite_entry, SYM_sqlite3_step, 4, CALLER, (u64)&s, 0, 0);
	next(&s);
	done(&s, 0);
	call_leave(sqlite_return, 4, 101);
	assert_int_equal(statement(0)->rows, 1);
	assert_int_equal(statement(0)->hdr.flags, APM_STMT_ELAPSED);
	assert_null(statement(1));

	/* entered before the change, ended behind it: its steps were all measured */
	lib.set = APM_LITE_STEPS;
	library_set(&lib);
	call_enter(sqlite_entry, SYM_sqlite3_step, 4, CALLER, (u64)&s, 0, 0);
	lib.set = APM_LITE_EXECUTIONS;
	library_set(&lib);
	begin_from(&s, 5, CALLER);
	s.rows = 3;
	done(&s, 0);
	call_leave(sqlite_return, 4, 101);
	assert_int_equal(statement(1)->hdr.flags, 0);
	assert_null(statement(2));
	assert_int_equal(host_counter(APM_CNT_NO_RETURN), 0);
}

static void what_began_before_it_was_probed_is_not_told(void **state)
{
	struct fake_db db = {0};
	struct fake_stmt s = {.db = &db, .text = "SELECT 1", .readonly = 1, .state = RUN, .rows = 7};

	done(&s, 0);
	assert_null(statement(0));
	begin(&s);
	done(&s, 0);
	assert_int_equal(statement(0)->rows, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(rows_are_those_that_the_statement_counted),
		TEST(given_up_between_rows_it_ends_when_it_is_reset),
		TEST(changed_rows_and_explain),
		TEST(a_failure_has_the_statements_code_and_message),
		TEST(each_attempt_counts_where_busy_is_tried_again),
		TEST(a_changed_schema_is_one_execution),
		TEST(the_librarys_own_statements_do_not_count),
		TEST(what_a_thread_works_on),
		TEST(the_other_set_may_have_begun_it),
		TEST(what_began_before_it_was_probed_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
