/* SPDX-License-Identifier: BSD-2-Clause */
/* The hiredis probes, run on the host over made-up contexts: what they send for each course that
 * commands and replies can take. */
#define _GNU_SOURCE
#include "bpf_calls.h"
#include "lib/hiredis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

int hiredis_entry(struct pt_regs *ctx);
int hiredis_return(struct pt_regs *ctx);

enum { APM_HIREDIS_SYMBOLS(APM_SYMBOL_NUMBER) };

/* redisReply.type */
enum { STRING = 1, ARRAY = 2, INTEGER = 3, NIL = 4, ERROR = 6, PUSH = 12 };

struct fake_context {
	s32 err;
	char errstr[128];
	s32 fd;
};

struct fake_reply {
	s32 type;
	s64 integer;
	u64 len;
	const char *str;
	u64 elements;
};

#define SET "*3\r\n$3\r\nSET\r\n$6\r\nuser:1\r\n$5\r\nhello\r\n"
#define GET "*2\r\n$3\r\nGET\r\n$6\r\nuser:1\r\n"

static int setup(void **state)
{
	struct apm_lib lib = library_unknown(APM_SYSTEM_REDIS);

	host_reset();
	lib.off[APM_OFF_RE_CONTEXT_ERRSTR] = offsetof(struct fake_context, errstr);
	lib.off[APM_OFF_RE_CONTEXT_FD] = offsetof(struct fake_context, fd);
	lib.off[APM_OFF_RE_REPLY_LEN] = offsetof(struct fake_reply, len);
	lib.off[APM_OFF_RE_REPLY_ELEMENTS] = offsetof(struct fake_reply, elements);
	library_set(&lib);
	return 0;
}

static int teardown(void **state)
{
	host_reset();
	return 0;
}

/* The probes may read what is there and no byte behind it: the command stands at the end of its memory. */
static void append(struct fake_context *c, const char *command)
{
	size_t len = strlen(command);
	char *copy = malloc(len);

	memcpy(copy, command, len);
	call_enter(hiredis_entry, SYM___redisAppendCommand, 1, IN_LIBRARY, (u64)c, (u64)copy, len);
	free(copy);
}

static void take(struct fake_context *c, struct fake_reply *reply, s32 rc)
{
	call_enter(hiredis_entry, SYM_redisGetReply, 0, CALLER, (u64)c, (u64)&reply, 0);
	call_leave(hiredis_return, 0, (u64)(s64)rc);
}

static void a_command_has_name_and_key_and_its_value_only_as_a_hash(void **state)
{
	struct fake_context c = {.fd = -1};
	struct fake_reply ok = {.type = STRING, .str = "OK", .len = 2};
	const struct apm_ev_conn *conn;
	unsigned int i;

	append(&c, SET);
	take(&c, &ok, 0);
	conn = host_event_of(APM_EV_CONN, 0);
	assert_int_equal(conn->conn, &c);
	assert_int_equal(conn->system, APM_SYSTEM_REDIS);
	assert_int_equal(text(0)->size, strlen("SET\r\n$6\r\nuser:1"));
	assert_memory_equal(text(0)->data, "SET\r\n$6\r\nuser:1", text(0)->size);
	assert_int_equal(statement(0)->text_id, text(0)->text_id);
	assert_int_equal(statement(0)->rows, 1);
	assert_int_equal(statement(0)->hdr.flags, 0);
	assert_int_equal(statement(0)->param_count, 1);
	assert_int_equal(statement(0)->calls, 2);
	assert_int_equal(statement(0)->conn_gen, conn->conn_gen);
	for (i = 0; i < host_events(); i++)
		assert_null(memmem(host_event(i), host_event(i)->len, "hello", 5));
}

static void values_tell_commands_apart(void **state)
{
	static const char *const value[] = {"hello", "hullo", "hello"};
	struct fake_context c = {.fd = -1};
	struct fake_reply ok = {.type = STRING, .str = "OK", .len = 2};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		char command[128];

		snprintf(command, sizeof(command), "*3\r\n$3\r\nSET\r\n$6\r\nuser:1\r\n$5\r\n%s\r\n",
			 value[i]);
		append(&c, command);
		take(&c, &ok, 0);
	}
	assert_true(statement(0)->param_hash != statement(1)->param_hash);
	assert_int_equal(statement(0)->param_hash, statement(2)->param_hash);
	assert_null(host_event_of(APM_EV_CONN, 1));
}

static void a_secret_is_not_taken_for_a_key(void **state)
{
	struct fake_context c = {.fd = -1};
	struct fake_reply ok = {.type = STRING, .str = "OK", .len = 2};

	append(&c, "*2\r\n$4\r\nauth\r\n$6\r\nsesame\r\n");
	take(&c, &ok, 0);
	assert_int_equal(text(0)->size, 4);
	assert_memory_equal(text(0)->data, "auth", 4);
}

static void replies_come_in_the_order_of_the_commands(void **state)
{
	struct fake_context c = {.fd = -1};
	struct fake_reply ok = {.type = STRING, .str = "OK", .len = 2}, none = {.type = NIL};

	append(&c, SET);
	append(&c, GET);
	append(&c, GET);
	take(&c, &ok, 0);
	take(&c, &none, 0);
	take(&c, &ok, 0);
	assert_int_equal(statement(0)->hdr.flags, 0);
	assert_int_equal(statement(1)->hdr.flags, APM_STMT_ASYNC);
	assert_int_equal(statement(0)->text_id, text(0)->text_id);
	assert_int_equal(statement(1)->text_id, text(1)->text_id);
	assert_int_equal(statement(2)->text_id, text(2)->text_id);
	assert_int_equal(statement(1)->rows, 0);
	assert_int_equal(statement(2)->rows, 1);
	assert_null(statement(3));
	/* Of the second only the time inside its own redisGetReply counts. */
	assert_true(statement(1)->duration_ns < statement(0)->duration_ns);
}

static void an_array_has_as_many_rows_as_elements(void **state)
{
	struct fake_context c = {.fd = -1};
	struct fake_reply many = {.type = ARRAY, .elements = 12};

	append(&c, "*1\r\n$4\r\nKEYS\r\n");
	take(&c, &many, 0);
	assert_int_equal(statement(0)->rows, 12);
	assert_int_equal(statement(0)->param_count, 0);
}

static void an_error_reply_has_its_text(void **state)
{
	static const char message[] = "WRONGTYPE Operation against a key";
	struct fake_context c = {.fd = -1};
	struct fake_reply wrong = {.type = ERROR, .str = message, .len = sizeof(message) - 1};

	append(&c, GET);
	take(&c, &wrong, 0);
	assert_true(statement(0)->hdr.flags & APM_STMT_ERROR);
	assert_int_equal(error(0)->hdr.stmt_seq, statement(0)->hdr.stmt_seq);
	assert_int_equal(error(0)->size, sizeof(message) - 1);
	assert_memory_equal(error(0)->message, message, sizeof(message));
	wrong.len = 3; /* another layout of the reply: no text rather than a wrong one */
	append(&c, GET);
	take(&c, &wrong, 0);
	assert_int_equal(error(1)->size, 0);
}

static void a_lost_connection_has_the_text_of_the_context(void **state)
{
	struct fake_context c = {.fd = -1, .err = 3, .errstr = "Server closed the connection"};

	append(&c, GET);
	take(&c, NULL, -1);
	assert_true(statement(0)->hdr.flags & APM_STMT_ERROR);
	assert_memory_equal(error(0)->message, c.errstr, strlen(c.errstr));
	assert_int_equal(statement(0)->rows, 0);
}

static void a_context_that_does_not_block_is_asked_until_the_reply_is_there(void **state)
{
	struct fake_context c = {.fd = -1};
	struct fake_reply ok = {.type = INTEGER};

	append(&c, GET);
	take(&c, NULL, 0);
	take(&c, NULL, 0);
	assert_null(statement(0));
	take(&c, &ok, 0);
	assert_int_equal(statement(0)->rows, 1);
	assert_int_equal(statement(0)->calls, 4);
	assert_int_equal(statement(0)->duration_ns, statement(0)->t_end - statement(0)->t_start);
}

static void what_a_freed_context_left_behind_ends(void **state)
{
	struct fake_context c = {.fd = -1};
	const struct apm_ev_close *closed;

	append(&c, SET);
	append(&c, GET);
	call_enter(hiredis_entry, SYM_redisFree, 0, CALLER, (u64)&c, 0, 0);
	assert_int_equal(statement(0)->hdr.flags, APM_STMT_NO_RETURN);
	assert_int_equal(statement(1)->hdr.flags, APM_STMT_NO_RETURN | APM_STMT_ASYNC);
	closed = host_event_of(APM_EV_CLOSE, 0);
	assert_int_equal(closed->handle, &c);
	assert_int_equal(closed->conn_gen, statement(0)->conn_gen);
	append(&c, GET); /* another context at the same address */
	assert_true(((const struct apm_ev_conn *)host_event_of(APM_EV_CONN, 1))->conn_gen !=
		    closed->conn_gen);
}

static void what_is_no_command_has_no_text(void **state)
{
	static const char *const odd[] = {"PING\r\n",	     "*0\r\n", "*1\r\n", "*1\r\n$9999999\r\n",
					  "*2\r\n$3\r\nGET", "*",      ""};
	struct fake_context c = {.fd = -1};
	struct fake_reply ok = {.type = STRING, .str = "OK", .len = 2};
	unsigned int i;

	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		append(&c, odd[i]);
		take(&c, &ok, 0);
		assert_non_null(statement(i));
		if (i != 4)
			assert_true(statement(i)->hdr.flags & APM_STMT_TEXT_UNKNOWN);
	}
}

static void a_long_value_is_hashed_in_part_and_that_is_said(void **state)
{
	struct fake_context c = {.fd = -1};
	struct fake_reply ok = {.type = STRING, .str = "OK", .len = 2};
	char *command = calloc(1, 5000);

	memset(command + sprintf(command, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4000\r\n"), 'v', 4000);
	append(&c, command);
	take(&c, &ok, 0);
	assert_true(statement(0)->hdr.flags & APM_STMT_PARAMS_PARTIAL);
	assert_int_equal(host_counter(APM_CNT_PARAMS_PARTIAL), 1);
	free(command);
}

static void values_are_left_alone_when_told_so(void **state)
{
	struct fake_context c = {.fd = -1};
	struct fake_reply ok = {.type = STRING, .str = "OK", .len = 2};

	detail.no_params = 1;
	append(&c, SET);
	take(&c, &ok, 0);
	detail.no_params = 0;
	assert_int_equal(statement(0)->param_hash, 0);
	assert_int_equal(statement(0)->param_count, 1);
	assert_true(statement(0)->hdr.flags & APM_STMT_PARAMS_PARTIAL);
}

static void every_hit_is_told_once(void **state)
{
	struct fake_context c = {.fd = -1};
	struct fake_reply ok = {.type = STRING, .str = "OK", .len = 2};

	take(&c, &ok, 0); /* a reply to nothing that was seen */
	assert_int_equal(host_counter(APM_CNT_OTHER_CALLS), 1);
	append(&c, GET);
	take(&c, &ok, 0);
	call_enter(hiredis_entry, SYM_redisFree, 0, CALLER, (u64)&c, 0, 0);
	assert_int_equal(host_counter(APM_CNT_OTHER_CALLS), 1);
	assert_int_equal(host_counter(APM_CNT_OTHER_ENTRIES), 1);
	host_thread(200, 200);
	append(&c, GET); /* of a process that is not traced */
	assert_int_equal(host_counter(APM_CNT_OTHER_CALLS), 2);
	assert_null(statement(1));
	host_thread(100, 101);
	host_ring_room(1); /* for the connection, not for the text and the statement */
	append(&c, GET);
	take(&c, &ok, 0);
	assert_int_equal(host_counter(APM_CNT_OTHER_CALLS), 4);
	assert_int_equal(host_counter(APM_CNT_RING_FULL), 2);
}

static void a_push_answers_nothing_but_a_subscription(void **state)
{
	struct fake_context c = {.fd = -1};
	struct fake_reply push = {.type = PUSH, .elements = 3}, ok = {.type = STRING, .str = "x", .len = 1};

	append(&c, GET);
	take(&c, &push, 0);
	assert_null(statement(0));
	take(&c, &ok, 0);
	assert_int_equal(statement(0)->rows, 1);
	append(&c, "*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n");
	append(&c, GET);
	take(&c, &push, 0);
	assert_int_equal(text(1)->text_id, statement(1)->text_id);
	take(&c, &push, 0); /* what was published */
	assert_null(statement(2));
	take(&c, &ok, 0);
	assert_int_equal(text(2)->text_id, statement(2)->text_id);
}

/* redisCommand over redisvCommand over redisvAppendCommand over the probed function: each return address is read
 * where the one before says. */
static void a_caller_is_found_through_several_functions(void **state)
{
	static const struct apm_wrapper wrapper[] = {{.ret_off = 0x1800, .off = 8},
						     {.ret_off = 0x1820, .off = 16},
						     {.ret_off = 0x1840, .off = 8, .base = APM_BASE_FP},
						     {.ret_off = 0x1860, .off = 8}};
	u64 *slot = call_slot(1);
	u32 key = LIB_ID;
	struct fake_context c = {.fd = -1};
	struct fake_reply ok = {.type = STRING, .str = "x", .len = 1};
	struct apm_lib *lib = bpf_map_lookup_elem(&libs, &key);
	unsigned int i;

	memcpy(lib->wrapper, wrapper, sizeof(wrapper));
	lib->wrapper_count = 4;
	slot[1] = BIAS + 0x1820;
	slot[3] = BIAS + 0x1860;
	slot[4] = CALLER;
	append(&c, GET); /* its return address is IN_LIBRARY: 0x1800 */
	take(&c, &ok, 0);
	assert_int_equal(statement(0)->call_site, CALLER);
	slot[4] = BIAS + 0x1880; /* a function that is not known */
	append(&c, GET);
	take(&c, &ok, 0);
	assert_int_equal(statement(1)->call_site, 0);
	slot[3] = BIAS + 0x1840; /* goes by a frame pointer that is another function's */
	append(&c, GET);
	take(&c, &ok, 0);
	assert_int_equal(statement(2)->call_site, 0);
	slot[3] = CALLER;
	for (i = 3; i < 33; i++) {
		append(&c, GET);
		take(&c, &ok, 0);
		assert_int_equal(statement(i)->call_site, i < 16 || i % 8 == 0 ? CALLER : 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_command_has_name_and_key_and_its_value_only_as_a_hash),
		TEST(values_tell_commands_apart),
		TEST(a_secret_is_not_taken_for_a_key),
		TEST(replies_come_in_the_order_of_the_commands),
		TEST(an_array_has_as_many_rows_as_elements),
		TEST(an_error_reply_has_its_text),
		TEST(a_lost_connection_has_the_text_of_the_context),
		TEST(a_context_that_does_not_block_is_asked_until_the_reply_is_there),
		TEST(what_a_freed_context_left_behind_ends),
		TEST(what_is_no_command_has_no_text),
		TEST(a_long_value_is_hashed_in_part_and_that_is_said),
		TEST(values_are_left_alone_when_told_so),
		TEST(every_hit_is_told_once),
		TEST(a_push_answers_nothing_but_a_subscription),
		TEST(a_caller_is_found_through_several_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
