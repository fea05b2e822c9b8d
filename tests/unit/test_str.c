/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/str.h"

#define BAD "\xef\xbf\xbd" /* U+FFFD */

static void strings_compare_by_bytes(void **state)
{
	struct str empty = {0};

	assert_int_equal(str_from(NULL).len, 0);
	assert_int_equal(str_from("abc").len, 3);
	assert_int_equal(STR("a\0b").len, 3);
	assert_true(str_eq(str_from("abc"), STR("abc")));
	assert_false(str_eq(STR("abc"), STR("abd")));
	assert_false(str_eq(STR("abc"), STR("ab")));
	assert_false(str_eq(STR("a\0b"), STR("a\0c")));
	assert_true(str_eq(empty, STR("")));
	assert_true(str_eq(empty, empty));
	assert_false(str_eq(empty, STR("a")));
}

static void utf16_becomes_utf8(void **state)
{
	static const uint16_t text[] = {'a', 0xe9, 0x20ac, 0xd83d, 0xde00, 0xd800, 'b', 0xdc00, 0xd801};
	struct strbuf buf = {0};

	strbuf_add_utf16(&buf, text, sizeof(text));
	assert_string_equal(buf.ptr, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" BAD "b" BAD BAD);
	strbuf_reset(&buf);
	strbuf_add_utf16(&buf, text, 3); /* an odd byte is none */
	assert_string_equal(buf.ptr, "a");
	strbuf_add_utf16(&buf, text, 0);
	assert_string_equal(buf.ptr, "a");
	strbuf_free(&buf);
}

static void buffers_grow_and_end_with_nul(void **state)
{
	struct strbuf buf = {0};
	size_t i;

	strbuf_add(&buf, NULL, 0);
	assert_string_equal(buf.ptr, "");
	for (i = 0; i < 10000; i++) {
		strbuf_addc(&buf, (char)('a' + i % 26));
		assert_int_equal(buf.len, i + 1);
		assert_true(buf.cap > buf.len);
		assert_int_equal(buf.ptr[buf.len], 0);
	}
	for (i = 0; i < 10000; i++)
		assert_int_equal(buf.ptr[i], 'a' + i % 26);
	strbuf_reset(&buf);
	assert_int_equal(buf.len, 0);
	assert_string_equal(buf.ptr, "");
	assert_true(buf.cap > 10000);
	strbuf_adds(&buf, "again");
	assert_string_equal(buf.ptr, "again");
	strbuf_add(&buf, "\0x", 2);
	assert_int_equal(buf.len, 7);
	assert_memory_equal(buf.ptr, "again\0x", 8);
	strbuf_free(&buf);
	assert_null(buf.ptr);
	assert_int_equal(buf.len, 0);
	strbuf_free(&buf);
}

/* Every length around each size the buffer grows to. */
static void every_length_fits_exactly(void **state)
{
	char text[600];
	size_t len;

	memset(text, 'x', sizeof(text));
	for (len = 0; len < sizeof(text); len++) {
		struct strbuf plain = {0}, printed = {0};

		strbuf_add(&plain, text, len);
		strbuf_addf(&printed, "%.*s", (int)len, text);
		assert_int_equal(plain.len, len);
		assert_int_equal(printed.len, len);
		assert_memory_equal(plain.ptr, printed.ptr, len + 1);
		strbuf_free(&plain);
		strbuf_free(&printed);
	}
}

static void formats_append(void **state)
{
	struct strbuf buf = {0};

	strbuf_addf(&buf, "%d-%s", 42, "x");
	strbuf_addf(&buf, "%s", "");
	strbuf_addf(&buf, "%c%5.1f", 'y', 2.25);
	assert_string_equal(buf.ptr, "42-xy  2.2");
	strbuf_reset(&buf);
	strbuf_reset(&buf);
	assert_string_equal(buf.ptr, "");
	strbuf_free(&buf);
}

static void a_reset_of_nothing_is_harmless(void **state)
{
	struct strbuf buf = {0};

	strbuf_reset(&buf);
	assert_null(buf.ptr);
	strbuf_free(&buf);
}

static void a_failure_sticks_and_keeps_what_was_there(void **state)
{
	struct strbuf buf = {0};

	strbuf_adds(&buf, "kept");
	strbuf_add(&buf, "x", SIZE_MAX);
	assert_int_equal(buf.failed, 1);
	strbuf_add(&buf, "x", SIZE_MAX - 4);
	strbuf_adds(&buf, "not added");
	strbuf_addc(&buf, 'n');
	strbuf_addf(&buf, "%d", 1);
	strbuf_add_clean(&buf, STR("n"), 0);
	assert_int_equal(buf.failed, 1);
	assert_int_equal(buf.len, 4);
	assert_string_equal(buf.ptr, "kept");
	strbuf_reset(&buf);
	assert_int_equal(buf.failed, 0);
	strbuf_adds(&buf, "works again");
	assert_string_equal(buf.ptr, "works again");
	strbuf_free(&buf);
}

/* The input is copied to its exact size, so that the sanitizer sees a read beyond it. */
static void check_clean(struct str in, int keep_space, const char *want)
{
	char *copy = malloc(in.len ? in.len : 1);
	struct strbuf buf = {0};

	memcpy(copy, in.ptr, in.len);
	strbuf_add_clean(&buf, (struct str){copy, in.len}, keep_space);
	assert_string_equal(buf.len ? buf.ptr : "", want);
	assert_int_equal(buf.len, strlen(want));
	free(copy);
	strbuf_free(&buf);
}

static void clean_text_stays(void **state)
{
	check_clean(STR(""), 0, "");
	check_clean(STR("SELECT 1 ~"), 0, "SELECT 1 ~");
	check_clean(STR("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x98"), 0,
		    "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x98");
	/* first and last of each length, and around the surrogates */
	check_clean(STR("\xc2\xa0\xdf\xbf"), 0, "\xc2\xa0\xdf\xbf");
	check_clean(STR("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"), 0,
		    "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf");
	check_clean(STR("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), 0, "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
}

static void controls_do_not_reach_a_terminal(void **state)
{
	check_clean(STR("a\x1b[31mb"), 0, "a" BAD "[31mb");
	check_clean(STR("a\0b"), 0, "a" BAD "b");
	check_clean(STR("\x7f"), 0, BAD);
	check_clean(STR("\xc2\x80\xc2\x9b\xc2\x9f"), 0, BAD BAD BAD); /* C1: one mark each */
	check_clean(STR("a\nb\tc\rd"), 0, "a" BAD "b" BAD "c" BAD "d");
	check_clean(STR("a\nb\tc\rd"), 1, "a\nb\tc" BAD "d");
}

static void invalid_utf8_is_replaced(void **state)
{
	check_clean(STR("\x80"), 0, BAD);
	check_clean(STR("\xff\xfe"), 0, BAD BAD);
	check_clean(STR("a\xe9z"), 0, "a" BAD "z");
	check_clean(STR("\xc0\xaf"), 0, BAD BAD);		  /* overlong / */
	check_clean(STR("\xc1\xbf"), 0, BAD BAD);		  /* overlong */
	check_clean(STR("\xe0\x9f\xbf"), 0, BAD BAD BAD);	  /* overlong */
	check_clean(STR("\xf0\x8f\xbf\xbf"), 0, BAD BAD BAD BAD); /* overlong */
	check_clean(STR("\xed\xa0\x80"), 0, BAD BAD BAD);	  /* surrogate */
	check_clean(STR("\xed\xbf\xbf"), 0, BAD BAD BAD);
	check_clean(STR("\xf4\x90\x80\x80"), 0, BAD BAD BAD BAD); /* beyond U+10FFFF */
	check_clean(STR("\xf5\x80\x80\x80"), 0, BAD BAD BAD BAD);
	check_clean(STR("\xc3"), 0, BAD); /* cut short by the end */
	check_clean(STR("\xe2\x82"), 0, BAD BAD);
	check_clean(STR("\xf0\x9f\x90"), 0, BAD BAD BAD);
	check_clean(STR("\xe2\x82\xc3\xbc"), 0, BAD BAD "\xc3\xbc"); /* and by another character */
	check_clean(STR("\xe2\x82\x1b"), 0, BAD BAD BAD);
}

/* All pairs of bytes: what comes out is valid and free of controls, and cleaning it again changes nothing. */
static void cleaning_is_idempotent(void **state)
{
	unsigned int pair;

	for (pair = 0; pair < 0x10000; pair++) {
		char bytes[2] = {(char)(pair >> 8), (char)pair};
		struct strbuf once = {0}, twice = {0};

		strbuf_add_clean(&once, (struct str){bytes, 2}, 0);
		strbuf_add_clean(&twice, (struct str){once.ptr, once.len}, 0);
		assert_int_equal(once.len, twice.len);
		assert_memory_equal(once.ptr, twice.ptr, once.len);
		assert_null(memchr(once.ptr, 0x1b, once.len));
		strbuf_free(&once);
		strbuf_free(&twice);
	}
}

static void hashes_are_the_published_ones(void **state)
{
	/* FNV-1a test values: draft-eastlake-fnv, appendix C */
	assert_true(hash_bytes(HASH_SEED, "", 0) == 0xcbf29ce484222325ULL);
	assert_true(hash_bytes(HASH_SEED, "a", 1) == 0xaf63dc4c8601ec8cULL);
	assert_true(hash_bytes(HASH_SEED, "foobar", 6) == 0x85944171f73967e8ULL);
	assert_true(hash_bytes(hash_bytes(HASH_SEED, "foo", 3), "bar", 3) == 0x85944171f73967e8ULL);
	assert_true(hash_bytes(HASH_SEED, NULL, 0) == HASH_SEED);
}

static int popcount_of_change(uint64_t a, uint64_t b, int bit, int in_a)
{
	uint64_t flip = 1ULL << bit;
	uint64_t other = in_a ? hash_mix(a ^ flip, b) : hash_mix(a, b ^ flip);

	return __builtin_popcountll(hash_mix(a, b) ^ other);
}

static void mixing_depends_on_every_bit_and_the_order(void **state)
{
	int bit, i;

	assert_true(hash_mix(1, 2) != hash_mix(2, 1));
	for (bit = 0; bit < 64; bit++) {
		int in_a = 0, in_b = 0;

		for (i = 1; i <= 64; i++) {
			in_a += popcount_of_change((uint64_t)i * 0x123456789abcdefULL, (uint64_t)i, bit, 1);
			in_b += popcount_of_change((uint64_t)i * 0x123456789abcdefULL, (uint64_t)i, bit, 0);
		}
		/* on average half of the 64 bits should change */
		assert_in_range(in_a / 64, 16, 48);
		assert_in_range(in_b / 64, 16, 48);
	}
}

static void a_cursor_never_passes_its_end(void **state)
{
	char *bytes = malloc(7), to[8];
	struct cursor c;

	memcpy(bytes, "abcdefg", 7);
	c = cursor_of(bytes, 7);
	assert_int_equal(cursor_left(&c), 7);
	assert_null(cursor_take(&c, 8));
	assert_null(cursor_take(&c, UINT64_MAX));
	assert_int_equal(cursor_copy(&c, to, 8), 0);
	assert_int_equal(cursor_left(&c), 7);
	assert_ptr_equal(cursor_take(&c, 3), bytes);
	assert_int_equal(cursor_copy(&c, to, 2), 1);
	assert_memory_equal(to, "de", 2);
	assert_int_equal(cursor_left(&c), 2);
	assert_int_equal(cursor_align(&c, 8), 0); /* 5 -> 8 is beyond */
	assert_int_equal(cursor_align(&c, 2), 1); /* 5 -> 6 */
	assert_int_equal(cursor_align(&c, 2), 1); /* stays */
	assert_int_equal(cursor_left(&c), 1);
	assert_non_null(cursor_take(&c, 1));
	assert_non_null(cursor_take(&c, 0));
	assert_null(cursor_take(&c, 1));
	free(bytes);
}

static void a_string_is_taken_whole_or_not_at_all(void **state)
{
	struct strbuf bytes = {0};
	struct str s = STR("untouched");
	struct cursor c;
	uint32_t len = 5;
	size_t cut;

	strbuf_add(&bytes, &len, sizeof(len));
	strbuf_adds(&bytes, "hello");
	for (cut = 0; cut < bytes.len; cut++) {
		c = cursor_of(bytes.ptr, cut);
		assert_int_equal(cursor_str(&c, &s), 0);
		assert_int_equal(cursor_left(&c), cut);
		assert_true(str_eq(s, STR("untouched")));
	}
	c = cursor_of(bytes.ptr, bytes.len);
	assert_int_equal(cursor_str(&c, &s), 1);
	assert_true(str_eq(s, STR("hello")));
	assert_int_equal(cursor_left(&c), 0);
	memset(bytes.ptr, 0xff, sizeof(len));
	c = cursor_of(bytes.ptr, bytes.len);
	assert_int_equal(cursor_str(&c, &s), 0);
	strbuf_free(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_compare_by_bytes),
		cmocka_unit_test(buffers_grow_and_end_with_nul),
		cmocka_unit_test(utf16_becomes_utf8),
		cmocka_unit_test(every_length_fits_exactly),
		cmocka_unit_test(formats_append),
		cmocka_unit_test(a_reset_of_nothing_is_harmless),
		cmocka_unit_test(a_failure_sticks_and_keeps_what_was_there),
		cmocka_unit_test(clean_text_stays),
		cmocka_unit_test(controls_do_not_reach_a_terminal),
		cmocka_unit_test(invalid_utf8_is_replaced),
		cmocka_unit_test(cleaning_is_idempotent),
		cmocka_unit_test(hashes_are_the_published_ones),
		cmocka_unit_test(mixing_depends_on_every_bit_and_the_order),
		cmocka_unit_test(a_cursor_never_passes_its_end),
		cmocka_unit_test(a_string_is_taken_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
