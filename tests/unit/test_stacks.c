/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "profile/profile.h"

static void add(struct stacks *st, const char *folded, uint64_t weight)
{
	char *copy = strdup(folded), *word, *rest = copy;
	const char *frames[64];
	size_t count = 0;

	while ((word = strsep(&rest, "/")))
		frames[count++] = word;
	assert_int_equal(stacks_add(st, frames, count, weight), 0);
	free(copy);
}

static char *folded(const struct stacks *st)
{
	static char text[1 << 16];
	int fds[2];
	ssize_t len;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(stacks_write_folded(st, fds[1]), 0);
	close(fds[1]);
	len = read(fds[0], text, sizeof(text) - 1);
	assert_true(len >= 0);
	text[len] = '\0';
	close(fds[0]);
	return text;
}

static void sums_and_sorts(void **state)
{
	struct stacks *st = stacks_new(100);

	add(st, "main/b", 2);
	add(st, "main", 1);
	add(st, "main/a/x", 5);
	add(st, "main-loop", 7);
	add(st, "main/b", 3);
	add(st, "main/a", 1);
	assert_string_equal(folded(st), "main 1\nmain-loop 7\nmain;a 1\nmain;a;x 5\nmain;b 5\n");
	assert_int_equal(stacks_total(st), 19);
	assert_int_equal(stacks_count(st), 5);
	stacks_free(st);
}

static void order_does_not_depend_on_arrival(void **state)
{
	struct stacks *one = stacks_new(100), *two = stacks_new(100);
	static const char *const all[] = {"a/b", "a", "a b/c", "a/b/c", "a\x01", "\xc3\xa9", "A"};
	size_t i, n = sizeof(all) / sizeof(all[0]);
	char *first;

	for (i = 0; i < n; i++) {
		add(one, all[i], i + 1);
		add(two, all[n - 1 - i], n - i);
	}
	first = strdup(folded(one));
	assert_string_equal(folded(two), first);
	free(first);
	stacks_free(one);
	stacks_free(two);
}

static void names_are_cleaned(void **state)
{
	struct stacks *st = stacks_new(100);

	add(st, "Ljava;x/a\nb 5/\xff/", 3);
	assert_string_equal(folded(st), "Ljava:x;a\xef\xbf\xbd"
					"b 5;\xef\xbf\xbd;[unknown] 3\n");
	assert_int_equal(stacks_add(st, NULL, 0, 2), 0);
	assert_int_equal(stacks_count(st), 2);
	assert_non_null(strstr(folded(st), "[unknown] 2\n"));
	stacks_free(st);
}

static void rarest_become_other(void **state)
{
	struct stacks *st = stacks_new(3);

	add(st, "a", 10);
	add(st, "b", 1);
	add(st, "c", 5);
	add(st, "z", 4);
	add(st, "b", 1);
	assert_string_equal(folded(st), "[other] 2\na 10\nc 5\nz 4\n");
	add(st, "[", 1);
	add(st, "\\", 1);
	add(st, "d/e", 100);
	assert_string_equal(folded(st), "[other] 8\na 10\nc 5\nd;e 100\n");
	assert_int_equal(stacks_total(st), 123);
	assert_int_equal(stacks_count(st), 4);
	stacks_free(st);
}

static void memory_is_bounded_and_nothing_is_lost(void **state)
{
	struct stacks *st = stacks_new(50);
	char name[64];
	uint64_t sum = 0;
	size_t lines = 0;
	char *line;
	int i;

	for (i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "main/function_%d", i);
		add(st, name, 1);
		add(st, "main/hot", 1);
	}
	for (line = strtok(folded(st), "\n"); line; line = strtok(NULL, "\n")) {
		sum += strtoull(strrchr(line, ' '), NULL, 10);
		lines++;
		if (!strncmp(line, "main;hot ", 9))
			assert_string_equal(line, "main;hot 20000");
	}
	assert_int_equal(lines, 51);
	assert_int_equal(sum, 40000);
	assert_int_equal(stacks_total(st), 40000);
	stacks_free(st);
}

/* A stack that shows up when the set is full and stays hot wins a place. */
static void latecomer(void **state)
{
	struct stacks *st = stacks_new(100);
	char name[64];
	int i;

	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "cold_%d", i);
		add(st, name, 1);
	}
	for (i = 500; i < 1000; i++) {
		snprintf(name, sizeof(name), "cold_%d", i);
		add(st, name, 1);
		if (i % 5 == 0)
			add(st, "late", 1);
	}
	assert_non_null(strstr(folded(st), "\nlate "));
	stacks_free(st);
}

static void deepest_are_cut(void **state)
{
	struct stacks *st = stacks_new(10);
	const char *frames[2000];
	size_t i;

	for (i = 0; i < 2000; i++)
		frames[i] = i < 1024 ? "r" : "leaf";
	assert_int_equal(stacks_add(st, frames, 2000, 1), 0);
	assert_null(strstr(folded(st), "leaf"));
	stacks_free(st);
}

static void empty_set(void **state)
{
	struct stacks *st = stacks_new(10);

	assert_string_equal(folded(st), "");
	assert_int_equal(stacks_count(st), 0);
	stacks_free(st);
	stacks_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_and_sorts),
		cmocka_unit_test(order_does_not_depend_on_arrival),
		cmocka_unit_test(names_are_cleaned),
		cmocka_unit_test(rarest_become_other),
		cmocka_unit_test(memory_is_bounded_and_nothing_is_lost),
		cmocka_unit_test(latecomer),
		cmocka_unit_test(deepest_are_cut),
		cmocka_unit_test(empty_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
