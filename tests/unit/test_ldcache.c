/* SPDX-License-Identifier: BSD-2-Clause */
/* The loader's cache: caches built here byte by byte, whole, damaged and hostile; and the host's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect/ldcache.h"
#include "collect/lib.h"
#include "collect/targets.h"
#include "skip.h"

#define MAGIC "glibc-ld.so.cache1.1"

struct image {
	uint8_t bytes[4096];
	size_t len;
};

static void put_u32(struct image *im, size_t at, uint32_t v)
{
	memcpy(im->bytes + at, &v, sizeof(v));
}

/* Appends a new-format cache of `count` libraries named libN.so.1 in /lib. */
static void add_new_format(struct image *im, uint32_t count)
{
	size_t base = im->len, strings = base + 48 + count * 24;

	memcpy(im->bytes + base, MAGIC, strlen(MAGIC));
	put_u32(im, base + 20, count);
	for (uint32_t i = 0; i < count; i++) {
		size_t entry = base + 48 + i * 24;
		int n = sprintf((char *)im->bytes + strings, "/lib/lib%u.so.1", i);

		put_u32(im, entry + 4, (uint32_t)(strings - base + 5));
		put_u32(im, entry + 8, (uint32_t)(strings - base));
		strings += (size_t)n + 1;
	}
	im->len = strings;
}

struct seen {
	int count;
	int stop_at;
	char last_name[64], last_path[64];
};

static int see(const char *name, const char *path, void *arg)
{
	struct seen *s = arg;

	s->count++;
	snprintf(s->last_name, sizeof(s->last_name), "%s", name);
	snprintf(s->last_path, sizeof(s->last_path), "%s", path);
	return s->count == s->stop_at ? 77 : 0;
}

/* On the heap at its exact size, so that the sanitizer sees a byte too far. */
static int parse(const struct image *im, size_t len, struct seen *s)
{
	void *exact = malloc(len ? len : 1);
	int err;

	memset(s, 0, sizeof(*s));
	memcpy(exact, im->bytes, len);
	err = ldcache_parse(exact, len, see, s);
	free(exact);
	return err;
}

static void new_format_is_read(void **state)
{
	struct image im = {0};
	struct seen s;

	add_new_format(&im, 3);
	assert_int_equal(parse(&im, im.len, &s), 0);
	assert_int_equal(s.count, 3);
	assert_string_equal(s.last_name, "lib2.so.1");
	assert_string_equal(s.last_path, "/lib/lib2.so.1");
}

static void new_format_after_an_old_header_is_read(void **state)
{
	struct image im = {0};
	struct seen s;

	memcpy(im.bytes, "ld.so-1.7.0", 11);
	put_u32(&im, 12, 3);
	/* 16 bytes and three old entries of 12 are 52, padded to 56 */
	im.len = 56;
	add_new_format(&im, 2);
	assert_int_equal(parse(&im, im.len, &s), 0);
	assert_int_equal(s.count, 2);
	assert_string_equal(s.last_path, "/lib/lib1.so.1");
}

static void the_caller_can_stop(void **state)
{
	struct image im = {0};
	struct seen s = {.stop_at = 2};

	add_new_format(&im, 3);
	assert_int_equal(ldcache_parse(im.bytes, im.len, see, &s), 77);
	assert_int_equal(s.count, 2);
}

static void other_files_are_refused(void **state)
{
	struct image im = {0};
	struct seen s;

	assert_int_equal(parse(&im, 0, &s), -EINVAL);
	im.len = 200;
	assert_int_equal(parse(&im, im.len, &s), -EINVAL);
	memcpy(im.bytes, "ld.so-1.7.0", 11);
	put_u32(&im, 12, 0xffffffff); /* more old entries than there are bytes */
	assert_int_equal(parse(&im, im.len, &s), -EINVAL);
}

static void a_cut_cache_gives_what_is_whole(void **state)
{
	struct image im = {0};
	struct seen s;

	add_new_format(&im, 3);
	for (size_t len = 0; len < im.len; len++) {
		int err = parse(&im, len, &s);

		assert_int_equal(err, len < 48 ? -EINVAL : 0);
		assert_true(s.count <= 2); /* the last string is never whole */
	}
	assert_int_equal(s.count, 2);
}

static void strings_outside_are_passed_over(void **state)
{
	struct image im = {0};
	struct seen s;

	add_new_format(&im, 3);
	put_u32(&im, 48 + 24 + 8, 0xfffffff0);
	put_u32(&im, 48 + 4, (uint32_t)im.len);
	assert_int_equal(parse(&im, im.len, &s), 0);
	assert_int_equal(s.count, 1);
	put_u32(&im, 20, 0xffffffff); /* a count that cannot be: entries end with the buffer */
	assert_int_equal(parse(&im, im.len, &s), 0);
}

struct found {
	int pq, sqlite, others;
};

static int find(const char *path, void *arg)
{
	struct found *f = arg;

	if (strstr(path, "libpq.so"))
		f->pq++;
	else if (strstr(path, "libsqlite3.so"))
		f->sqlite++;
	else if (!lib_name_is_likely(path))
		f->others++;
	return 0;
}

static void the_host_cache_names_the_installed_libraries(void **state)
{
	struct found f = {0};
	int err = target_cached_libraries(find, &f);

	if (err == -ENOENT)
		skip_because("there is no ld.so.cache");
	assert_int_equal(err, 0);
	assert_int_equal(f.pq > 0, access("/usr/lib/x86_64-linux-gnu/libpq.so.5", F_OK) == 0);
	assert_int_equal(f.sqlite > 0, access("/usr/lib/x86_64-linux-gnu/libsqlite3.so.0", F_OK) == 0);
	assert_int_equal(f.others, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_format_is_read),
		cmocka_unit_test(new_format_after_an_old_header_is_read),
		cmocka_unit_test(the_caller_can_stop),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(a_cut_cache_gives_what_is_whole),
		cmocka_unit_test(strings_outside_are_passed_over),
		cmocka_unit_test(the_host_cache_names_the_installed_libraries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
