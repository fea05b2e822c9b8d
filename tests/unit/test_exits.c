/* SPDX-License-Identifier: BSD-2-Clause */
/* Where functions are left, over functions written for it and over the client libraries of this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/exits.h"

static char dir[] = "/tmp/apm-exits-XXXXXX";
static struct elf_file *toy; /* NULL: no compiler here, or another machine than x86-64 */

static int setup(void **state)
{
	const char *top = getenv("TOP");
	char command[512], path[64];

	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/toy.so", dir);
	snprintf(command, sizeof(command), "cc -shared -nostdlib -o %s %s/tests/unit/toy_exits.S", path,
		 top ? top : ".");
#ifdef __x86_64__
	if (!system(command))
		toy = elf_file_open(path, -1);
#endif
	return 0;
}

static int teardown(void **state)
{
	char command[64];

	elf_file_close(toy);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* What exits_find() makes of one function of the toy. */
static int exits_of(const char *name, uint8_t wants_return, struct exits *out, char *why, size_t why_len)
{
	struct lib_symbol symbol = {.name = name, .entry = 1, .ret = wants_return};
	static struct lib_match m;
	struct elf_symbol sym;
	uint64_t start, end;

	memset(&m, 0, sizeof(m));
	assert_int_equal(elf_find_symbol(toy, name, &sym), 0);
	assert_int_equal(elf_text_range(toy, sym.addr, &start, &end), 0);
	m.facts.text_start = start;
	m.facts.text_end = end;
	m.probe[0].symbol = &symbol;
	m.probe[0].site.addr = sym.addr;
	m.probe_count = 1;
	return exits_find(toy, &m, 0, out, why, why_len);
}

static int has(const struct exits *exits, const char *label)
{
	struct elf_symbol sym;
	size_t i;

	assert_int_equal(elf_find_symbol(toy, label, &sym), 0);
	for (i = 0; i < exits->count; i++)
		if (exits->file_off[i] == sym.file_off)
			return 1;
	return 0;
}

static void every_return_instruction_is_found(void **state)
{
	static const struct {
		const char *name;
		const char *exit[4];
	} expected[] = {
		{"two_returns", {"two_returns_1", "two_returns_2"}},
		{"calls_last", {"two_returns_1", "two_returns_2"}},
		{"has_far_part", {"has_far_part_1", "far_part_1"}},
		{"jumps_by_table", {"jumps_by_table_1"}},
		{"calls_method_last", {"two_returns_1", "two_returns_2"}},
		{"calls_and_jumps", {"calls_and_jumps_1", "two_returns_1", "two_returns_2"}},
	};
	struct exits exits;
	char why[96];

	if (!toy)
		skip();
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		size_t n = 0;

		print_message("# %s\n", expected[i].name);
		assert_int_equal(exits_of(expected[i].name, 1, &exits, why, sizeof(why)), 0);
		for (; n < 4 && expected[i].exit[n]; n++)
			assert_true(has(&exits, expected[i].exit[n]));
		assert_int_equal(exits.count, n);
	}
}

static void what_cannot_be_told_is_refused(void **state)
{
	static const struct {
		const char *name, *why;
	} expected[] = {
		{"calls_argument_last", "calls_argument_last jumps to where cannot be told"},
		{"ends_elsewhere", "ends_elsewhere ends in a function of another library"},
		{"without_frame_information",
		 "without_frame_information has code without call-frame information"},
	};
	struct exits exits;
	char why[96];

	if (!toy)
		skip();
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		assert_int_equal(exits_of(expected[i].name, 1, &exits, why, sizeof(why)), -ENOTSUP);
		assert_string_equal(why, expected[i].why);
	}
}

static void a_function_without_return_probe_is_not_looked_at(void **state)
{
	struct exits exits;
	char why[96];

	if (!toy)
		skip();
	assert_int_equal(exits_of("calls_argument_last", 0, &exits, why, sizeof(why)), 0);
	assert_int_equal(exits.count, 0);
}

/* As they are packaged, all of them can be probed at their exits. */
static void the_libraries_of_this_machine_can_be_left(void **state)
{
	static const char *const names[] = {"libpq.so.5", "libsqlite3.so.0", "libmariadb.so.3",
					    "libhiredis.so.0.14", "libhiredis.so.1.1.0"};
	static struct lib_match m[4];
	struct exits exits;
	char path[96], why[96];
	int seen = 0;

#ifndef __x86_64__
	skip();
#endif
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct elf_file *f;
		int n;

		snprintf(path, sizeof(path), "/usr/lib/x86_64-linux-gnu/%s", names[i]);
		f = elf_file_open(path, -1);
		if (!f)
			continue;
		n = lib_recognise(f, m, 4, NULL);
		assert_int_equal(n, 1);
		*why = 0;
		if (exits_find(f, &m[0], m[0].facts.set, &exits, why, sizeof(why)))
			fail_msg("%s: %s", path, why);
		assert_true(exits.count > 0);
		print_message("# %s %s: %zu\n", m[0].name, m[0].version, exits.count);
		seen++;
		elf_file_close(f);
	}
	if (!seen)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_return_instruction_is_found),
		cmocka_unit_test(what_cannot_be_told_is_refused),
		cmocka_unit_test(a_function_without_return_probe_is_not_looked_at),
		cmocka_unit_test(the_libraries_of_this_machine_can_be_left),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
