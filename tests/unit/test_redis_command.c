/* SPDX-License-Identifier: BSD-2-Clause */
/* Patterns of Redis commands: what is a value goes, what names a kind of key stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis_command.h"

static const struct sql_options options = {.hash_key = {1, 2}};

struct result {
	struct sql_info info;
	char *buf;
	char pattern[512];
};

/* Text and buffer have exactly the size that is promised to be enough, so that a
 * sanitizer sees any excess. */
static struct result analyse(const char *text, size_t len)
{
	struct result r;
	char *copy = malloc(len ? len : 1);
	size_t cap = sql_buffer_size(len);

	memcpy(copy, text, len);
	r.buf = malloc(cap);
	assert_int_equal(redis_command_analyse(copy, len, &options, r.buf, cap, &r.info), 0);
	assert_int_equal(r.info.consumed, len);
	snprintf(r.pattern, sizeof(r.pattern), "%.*s", (int)r.info.normalized.len, r.info.normalized.ptr);
	free(copy);
	free(r.buf);
	return r;
}

static struct result of(const char *name, const char *key)
{
	char text[512];

	snprintf(text, sizeof(text), "%s\r\n$%zu\r\n%s", name, strlen(key), key);
	return analyse(text, strlen(text));
}

static void patterns(void **state)
{
	static const struct {
		const char *name, *key, *pattern;
	} cases[] = {
		{"get", "user:1", "GET user:?"},
		{"GET", "user:1:name", "GET user:?:name"},
		{"GET", "users", "GET users"},
		{"GET", "shard12/x7", "GET shard?/x?"},
		{"GET", "s:123e4567-e89b-12d3-a456-426614174000", "GET s:?"},
		{"GET", "s:123E4567-E89B-12D3-A456-426614174000:x", "GET s:?:x"},
		{"GET", "c:00deadbeef00", "GET c:?"},
		{"GET", "c:deadbeef", "GET c:deadbeef"}, /* a word may be that */
		{"GET", "mail:joe@example.org", "GET mail:?"},
		{"GET", "n:J\xc3\xbcrgen", "GET n:?"},
		{"GET", "two words", "GET two words"},
		{"GET", "{user:7}:x", "GET {user:?}:x"},
		{"KEYS", "user:*", "KEYS user:*"},
		{"CONFIG", "GET", "CONFIG GET"},
		{"GET", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "GET ?"},
		{"GET", "", "GET "},
		{"a b", "k", "? k"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(of(cases[i].name, cases[i].key).pattern, cases[i].pattern);
	assert_string_equal(analyse("PING", 4).pattern, "PING");
	assert_string_equal(analyse("get\r\n", 5).pattern, "GET");
	assert_int_equal(analyse("", 0).info.stmt_class, SQL_CLASS_EMPTY);
}

static void kinds(void **state)
{
	assert_int_equal(of("GET", "k").info.kind, SQL_KIND_READ);
	assert_int_equal(of("hgetall", "k").info.kind, SQL_KIND_READ);
	assert_int_equal(of("SET", "k").info.kind, SQL_KIND_OTHER);
	assert_int_equal(of("ET", "k").info.kind, SQL_KIND_OTHER);
	assert_int_equal(of("SET", "k").info.stmt_class, SQL_CLASS_QUERY);
	assert_int_equal(analyse("multi", 5).info.stmt_class, SQL_CLASS_CONTROL);
}

static void fingerprints(void **state)
{
	struct result a = of("GET", "user:1"), b = of("get", "user:2"), same = of("GET", "user:1");

	assert_true(a.info.fingerprint == b.info.fingerprint);
	assert_true(a.info.literal_hash != b.info.literal_hash);
	assert_true(a.info.literal_hash == same.info.literal_hash);
	assert_true(a.info.fingerprint != of("SET", "user:1").info.fingerprint);
	assert_int_equal(a.info.literal_count, 1);
	assert_int_equal(of("GET", "users").info.literal_count, 0);
	assert_int_equal(of("GET", "a:1:b:2").info.literal_count, 2);
}

static void any_bytes(void **state)
{
	char text[64];
	uint32_t seed = 7;

	for (int round = 0; round < 20000; round++) {
		size_t len = (seed >> 8) % sizeof(text);

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			text[i] = "\r\n$:G1a \0\xff-?*"[(seed >> 16) % 13];
		}
		seed = seed * 1664525 + 1013904223;
		analyse(text, len);
	}
}

static void errors(void **state)
{
	assert_true(str_eq(redis_error_code(STR("WRONGTYPE Operation")), STR("WRONGTYPE")));
	assert_true(str_eq(redis_error_code(STR("ERR")), STR("")));
	assert_true(str_eq(redis_error_code(STR("Server closed")), STR("")));
	assert_true(str_eq(redis_error_code(STR("")), STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns),  cmocka_unit_test(kinds),  cmocka_unit_test(fingerprints),
		cmocka_unit_test(any_bytes), cmocka_unit_test(errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
