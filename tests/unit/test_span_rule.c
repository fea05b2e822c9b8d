/* SPDX-License-Identifier: BSD-2-Clause */
/* What --span says, where static probes keep their arguments, and how values of calls are summed up. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "collect/span_place.h"
#include "collect/span_rule.h"
#include "collect/span_usdt.h"
#include "txn/attribute.h"

static struct span_rule rule;
static struct strbuf why;

static int parse(const char *text)
{
	span_rule_free(&rule);
	strbuf_reset(&why);
	return span_rule_parse(&rule, text, &why);
}

static void refused(const char *text, const char *word)
{
	if (parse(text) == 0 || !why.ptr || !strstr(why.ptr, word))
		fail_msg("%s: %s", text, why.ptr ? why.ptr : "taken");
}

static void functions(void **state)
{
	assert_int_equal(parse("./shop:pay"), 0);
	assert_string_equal(rule.binary, "./shop");
	assert_string_equal(rule.function, "pay");
	assert_string_equal(rule.name, "pay");
	assert_int_equal(rule.work, REC_SPAN_REQUEST);
	assert_int_equal(parse("shop:shop::Cart::pay(long, char const*)@background"), 0);
	assert_string_equal(rule.function, "shop::Cart::pay(long, char const*)");
	assert_null(rule.provider);
	assert_int_equal(rule.work, REC_SPAN_BACKGROUND);
	assert_int_equal(parse("srv:main.(*Server).Serve"), 0);
	assert_string_equal(rule.function, "main.(*Server).Serve");
}

static void static_probes(void **state)
{
	assert_int_equal(parse("php8.2:php:request__startup"), 0);
	assert_null(rule.function);
	assert_string_equal(rule.provider, "php");
	assert_string_equal(rule.begin, "request__startup");
	assert_null(rule.end);
	assert_int_equal(parse("x:p:here..there@arg2:str=handle"), 0);
	assert_string_equal(rule.begin, "here");
	assert_string_equal(rule.end, "there");
	assert_string_equal(rule.match_text, "handle");
	assert_string_equal(rule.name, "p:here(handle)");
}

static void arguments(void **state)
{
	assert_int_equal(parse("a:f@arg1@arg2:str:route@arg6:i64:amount@ret:bytes"), 0);
	assert_int_equal(rule.arg_count, 3);
	assert_string_equal(rule.arg[0].name, "arg1");
	assert_int_equal(rule.arg[0].type->size, 0);
	assert_int_equal(rule.arg[1].number, 2);
	assert_true(rule.arg[1].type->is_text);
	assert_string_equal(rule.arg[1].name, "route");
	assert_int_equal(rule.arg[2].type->size, 8);
	assert_string_equal(rule.ret_name, "bytes");
	assert_int_equal(parse("a:f@arg3:u8=0x10"), 0);
	assert_int_equal(rule.match.number, 3);
	assert_int_equal(rule.match_number, 16);
	assert_string_equal(rule.name, "f(16)");
}

static void errors_by_return_value(void **state)
{
	static const struct {
		const char *text;
		int test, value;
	} cases[] = {{"a:f@ret<0", REC_SPAN_TEST_LT, 0},	 {"a:f@ret<=-1", REC_SPAN_TEST_LE, -1},
		     {"a:f@ret!=0", REC_SPAN_TEST_NE, 0},	 {"a:f@ret:bool==0", REC_SPAN_TEST_EQ, 0},
		     {"a:f@ret:ptr==null", REC_SPAN_TEST_EQ, 0}, {"a:f@ret>=500", REC_SPAN_TEST_GE, 500},
		     {"a:f@ret>3", REC_SPAN_TEST_GT, 3}};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(cases[i].text), 0);
		assert_int_equal(rule.error_test, cases[i].test);
		assert_int_equal(rule.error_value, cases[i].value);
	}
	assert_int_equal(parse("a:f"), 0);
	assert_int_equal(rule.error_test, REC_SPAN_TEST_NONE);
}

static void what_is_not_understood(void **state)
{
	refused("", "BINARY:FUNCTION");
	refused("shop", "BINARY:FUNCTION");
	refused(":f", "BINARY:FUNCTION");
	refused("a:", "BINARY:FUNCTION");
	refused("a:p:", "PROVIDER:NAME");
	refused("a:f@", "not understood");
	refused("a:f@foo", "@foo");
	refused("a:f@arg", "arg1, arg2");
	refused("a:f@arg0", "1 to 12");
	refused("a:f@arg13", "1 to 12");
	refused("a:f@arg1:i32:u32:x", "a type");
	refused("a:f@arg1:with space", "a type");
	refused("a:f@arg1<3", "only compared with =");
	refused("a:f@arg1=x", "a number");
	refused("a:f@arg1:name=3", "give both apart");
	refused("a:f@arg1=1@arg2=2", "one comparison");
	refused("a:f@arg1@arg2@arg3@arg4@arg5", "four");
	refused("a:f@ret:str", "cannot be kept");
	refused("a:f@ret<x", "@ret<0");
	refused("a:f@ret=0", "@ret<0");
	refused("a:p:n@ret<0", "no return value");
}

static void binaries_by_name(void **state)
{
	assert_int_equal(parse("libcart.so:f"), 0);
	assert_true(span_binary_matches(&rule, "/usr/lib/libcart.so"));
	assert_true(span_binary_matches(&rule, "/usr/lib/libcart.so.1.2"));
	assert_false(span_binary_matches(&rule, "/usr/lib/libcart.so1"));
	assert_false(span_binary_matches(&rule, "/usr/lib/xlibcart.so"));
	assert_int_equal(parse("python3:f"), 0);
	assert_true(span_binary_matches(&rule, "/usr/bin/python3.11"));
	assert_false(span_binary_matches(&rule, "/usr/bin/python311"));
}

static void operands(void **state)
{
	const char *args = "-4@%esi 8@16(%rbp) 4@$5 8@-8(%rax,%rbx,4) -2@%r9w 8@(%rsp) 8@%xmm0 8@name(%rip)";
	struct apm_place p;

	assert_int_equal(usdt_argument(args, 1, &p), 0);
	assert_int_equal(p.where, APM_WHERE_REGISTER);
	assert_int_equal(p.reg, usdt_register("rsi", 3));
	assert_int_equal(p.size, 4);
	assert_true(p.is_signed);
	assert_int_equal(usdt_argument(args, 2, &p), 0);
	assert_int_equal(p.where, APM_WHERE_MEMORY);
	assert_int_equal(p.value, 16);
	assert_int_equal(p.index, APM_NO_INDEX);
	assert_false(p.is_signed);
	assert_int_equal(usdt_argument(args, 3, &p), 0);
	assert_int_equal(p.where, APM_WHERE_CONSTANT);
	assert_int_equal(p.value, 5);
	assert_int_equal(usdt_argument(args, 4, &p), 0);
	assert_int_equal(p.value, -8);
	assert_int_equal(p.index, usdt_register("%rbx", 4));
	assert_int_equal(p.scale, 4);
	assert_int_equal(usdt_argument(args, 5, &p), 0);
	assert_int_equal(p.reg, 64);
	assert_int_equal(usdt_argument(args, 6, &p), 0);
	assert_int_equal(p.value, 0);
	assert_int_equal(usdt_argument(args, 7, &p), -ENOTSUP);
	assert_int_equal(usdt_argument(args, 8, &p), -ENOTSUP);
	assert_int_equal(usdt_argument(args, 9, &p), -ENOENT);
	assert_int_equal(usdt_argument("", 1, &p), -ENOENT);
	assert_int_equal(usdt_argument("8@", 1, &p), -ENOTSUP);
	assert_int_equal(usdt_argument("3@%rax", 1, &p), -ENOTSUP);
	assert_int_equal(usdt_argument("8@4(%rax", 1, &p), -ENOTSUP);
	assert_int_equal(usdt_argument("8@(%rax,%rbx,3)", 1, &p), -ENOTSUP);
}

static void registers(void **state)
{
	/* struct pt_regs: r15 is first, sp the last but one */
	assert_int_equal(usdt_register("%r15", 4), 0);
	assert_int_equal(usdt_register("r8d", 3), 72);
	assert_int_equal(usdt_register("r10b", 4), 56);
	assert_int_equal(usdt_register("%rsp", 4), 152);
	assert_true(usdt_register("r16", 3) < 0);
	assert_true(usdt_register("r8x", 3) < 0);
	assert_true(usdt_register("", 0) < 0);
}

static void numbers_are_summed(void **state)
{
	struct attribute a = {0};

	attribute_number(&a, 5);
	attribute_number(&a, -7);
	attribute_number(&a, 0);
	assert_int_equal(a.count, 3);
	assert_true(a.sum == -2);
	assert_int_equal(a.min, -7);
	assert_int_equal(a.max, 5);
	attribute_free(&a);
}

static void texts_are_counted(void **state)
{
	char text[APM_SPAN_TEXT] = "";
	struct attribute a = {0};
	int i;

	for (i = 0; i < 2 * ATTRIBUTE_VALUES; i++) {
		snprintf(text, sizeof(text), "/page/%d", i);
		assert_int_equal(attribute_text(&a, text, i == 1, 10), 0);
		assert_int_equal(attribute_text(&a, "/home", 0, 1), 0);
	}
	assert_int_equal(a.values, ATTRIBUTE_VALUES);
	assert_int_equal(a.count, 4 * ATTRIBUTE_VALUES);
	assert_string_equal(a.value[1].text, "/home");
	assert_int_equal(a.value[1].count, 2 * ATTRIBUTE_VALUES);
	assert_int_equal(a.value[2].errors, 1);
	assert_int_equal(a.other.count, ATTRIBUTE_VALUES + 1);
	memset(text, 'x', sizeof(text)); /* no NUL: a damaged capture */
	assert_int_equal(attribute_text(&a, text, 0, 0), 0);
	attribute_free(&a);
}

static int end(void **state)
{
	span_rule_free(&rule);
	strbuf_free(&why);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions),
		cmocka_unit_test(static_probes),
		cmocka_unit_test(arguments),
		cmocka_unit_test(errors_by_return_value),
		cmocka_unit_test(what_is_not_understood),
		cmocka_unit_test(binaries_by_name),
		cmocka_unit_test(operands),
		cmocka_unit_test(registers),
		cmocka_unit_test(numbers_are_summed),
		cmocka_unit_test(texts_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
