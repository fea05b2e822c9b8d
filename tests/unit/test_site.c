/* SPDX-License-Identifier: BSD-2-Clause */
/* Where probes go and what they cost there, over functions written for it; and which
 * files forbid return probes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect/site.h"
#include "skip.h"

static char dir[] = "/tmp/apm-site-XXXXXX";
static struct elf_file *toy; /* NULL: no compiler here */

/* Compiles `source` (a file, or text for the C compiler's standard input) to
 * dir/name; the open file, or NULL. */
static struct elf_file *build(const char *name, const char *text, const char *flags, char *path, size_t size)
{
	char command[512];
	FILE *cc;

	snprintf(path, size, "%s/%s", dir, name);
	snprintf(command, sizeof(command), "cc -w -shared -nostdlib -fPIC -O1 %s -o %s -xc -", flags, path);
	cc = popen(command, "we");
	if (!cc)
		return NULL;
	fputs(text, cc);
	return pclose(cc) ? NULL : elf_file_open(path, -1);
}

static int setup(void **state)
{
	const char *top = getenv("TOP");
	char command[512], path[64];

	if (!mkdtemp(dir))
		return -1;
#ifdef __x86_64__
	snprintf(path, sizeof(path), "%s/toy.so", dir);
	snprintf(command, sizeof(command), "cc -shared -nostdlib -o %s %s/tests/unit/toy_sites.S", path,
		 top ? top : ".");
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

static const struct expected {
	const char *name;
	uint8_t moved;
	enum site_cost cost;
	uint32_t extra;
} expected[] = {
	{"at_push", 0, SITE_COST_EMULATED, 0},
	{"at_push_extended", 0, SITE_COST_EMULATED, 0},
	{"at_nop5", 0, SITE_COST_NOP5, 0},
	{"at_nop", 0, SITE_COST_EMULATED, 0},
	{"after_endbr", 4, SITE_COST_EMULATED, 0},
	{"branch_after_test", 3, SITE_COST_EMULATED, 0},
	{"branch_after_endbr_and_test", 9, SITE_COST_EMULATED, 0},
	{"jump_of_thunk", 5, SITE_COST_EMULATED, 1 << 2},
	{"argument_changes", 0, SITE_COST_STEPPED, 0},
	{"argument_changes_before_branch", 0, SITE_COST_STEPPED, 0},
	{"stack_changes", 0, SITE_COST_STEPPED, 0},
	{"frame_pointer_changes", 0, SITE_COST_STEPPED, 0},
	{"jumped_to", 0, SITE_COST_STEPPED, 0},
	{"returns_at_once", 0, SITE_COST_STEPPED, 0},
	{"far_away", 0, SITE_COST_STEPPED, 0},
	{"traps", 0, SITE_COST_STEPPED, 0},
};

static void the_cheapest_safe_instruction_is_found(void **state)
{
	int wrong = 0;

	if (!toy)
		skip_because("no compiler, or another machine than x86-64");
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		const struct expected *e = &expected[i];
		struct elf_symbol sym;
		uint32_t extra = 99;
		struct site site;
		uint64_t off;

		assert_int_equal(elf_find_symbol(toy, e->name, &sym), 0);
		assert_int_equal(site_find(toy, &sym, &site, &extra), 0);
		assert_int_equal(elf_addr_to_offset(toy, site.addr, &off), 0);
		if (site.addr == sym.addr + e->moved && site.moved == e->moved && site.cost == e->cost &&
		    extra == e->extra && site.file_off == off && !site.thunk)
			continue;
		print_message("# %s: at +%d %s, extra %x\n", e->name, site.moved, site_cost_name(site.cost),
			      extra);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

static void a_function_outside_the_file_is_an_error(void **state)
{
	struct elf_symbol sym = {.addr = 0x7fffffff0000, .size = 16};
	struct site site;

	if (!toy)
		skip_because("no compiler, or another machine than x86-64");
	assert_int_equal(site_find(toy, &sym, &site, NULL), -ENOENT);
}

static void costs_have_names(void **state)
{
	assert_string_equal(site_cost_name(SITE_COST_NOP5), "nop5");
	assert_string_equal(site_cost_name(SITE_COST_EMULATED), "emulated");
	assert_string_equal(site_cost_name(SITE_COST_STEPPED), "stepped");
}

static const struct switcher {
	const char *file;
	const char *text;
	const char *why; /* NULL = safe */
} switchers[] = {
	{"plain.so", "int f(int x) { return x + 1; }", NULL},
	{"context.so", "int swapcontext(void *, void *); int f(void *p) { return swapcontext(p, p); }",
	 "imports swapcontext"},
	{"make.so",
	 "void makecontext(void *, void (*)(void), int); void f(void *p) { makecontext(p, 0, 0); }",
	 "imports makecontext"},
	{"boost.so", "void *jump_fcontext(void *p) { return p; }", "has Boost.Context (jump_fcontext)"},
	{"renamed.so", "void *swoole_make_fcontext(void *p) { return p; }",
	 "has Boost.Context (make_fcontext)"},
	{"libco.so", "void co_switch(void *t) { }", "has libco (co_switch)"},
	{"greenlet.so", "void *PyInit__greenlet(void) { return 0; }", NULL},
	{"gevent.so", "void *PyInit__gevent_cgreenlet(void) { return 0; }", "is gevent"},
	{"mysql.so",
	 "int mysql_real_query_start(void *, void *); int f(void) { return mysql_real_query_start(0, 0); }",
	 "imports MariaDB's non-blocking calls"},
	{"mysql_cont.so",
	 "int mysql_stmt_execute_cont(void *); int f(void) { return mysql_stmt_execute_cont(0); }",
	 "imports MariaDB's non-blocking calls"},
	/* the library that defines them does nobody harm, only who calls them */
	{"libmariadb.so", "int mysql_real_query_start(void *a, void *b) { return 0; }", NULL},
	{"mysql_other.so", "int mysql_real_query(void *); int f(void) { return mysql_real_query(0); }", NULL},
	{"hook.so", "long read(int fd, void *p, unsigned long n) { return -1; }", "defines read"},
	{"hook2.so", "int connect(int fd, void *p, unsigned n) { return -1; }", "defines connect"},
	{"private.so",
	 "static __attribute__((used)) long read(int fd, void *p, unsigned long n) { return -1; }", NULL},
	{"calls.so", "long read(int, void *, unsigned long); long f(void) { return read(0, 0, 0); }", NULL},
	{"libc.so",
	 "int __libc_start_main(void) { return 0; } long read(int f, void *p, unsigned long n) { return -1; "
	 "}",
	 NULL},
	/* a C library that switches stacks would be no better than any other */
	{"strange.so", "int __libc_start_main(void) { return 0; } void *jump_fcontext(void *p) { return p; }",
	 "has Boost.Context (jump_fcontext)"},
	{"asan.so",
	 "void __sanitizer_set_report_path(void) {} long read(int f, void *p, unsigned long n) { return -1; "
	 "}",
	 NULL},
	{"php", "void zend_fiber_switch_context(void) {} void *jump_fcontext(void *p) { return p; }", NULL},
	{"crypto.so",
	 "void swapcontext(void *, void *); void ASYNC_start_job(void *p) { swapcontext(p, p); }", NULL},
	{"go",
	 "__asm__(\".section .note.go.buildid, \\\"a\\\", @note\\n.long 4, 4, 4\\n.asciz \\\"Go\\\"\\n.byte "
	 "0\\n.long 1\\n.text\");",
	 "is a Go program"},
};

static void files_that_switch_stacks_are_told(void **state)
{
	int wrong = 0;

	if (!toy)
		skip_because("no compiler, or another machine than x86-64");
	for (size_t i = 0; i < sizeof(switchers) / sizeof(*switchers); i++) {
		const struct switcher *s = &switchers[i];
		const char *why = NULL;
		char path[64];
		struct elf_file *f = build(s->file, s->text, "", path, sizeof(path));
		int safe;

		assert_non_null(f);
		safe = site_returns_safe(f, &why);
		if (safe != !s->why || strcmp(why, s->why ? s->why : "")) {
			print_message("# %s: safe %d (%s)\n", s->file, safe, why);
			wrong++;
		}
		elf_file_close(f);
	}
	assert_int_equal(wrong, 0);
}

/* The libraries that every program of interest has loaded must not forbid what is needed. */
static void common_libraries_are_safe(void **state)
{
	static const char *const name[] = {"libc.so.6",	      "libpthread.so.0", "libcrypto.so.3",
					   "libssl.so.3",     "libpq.so.5",	 "libsqlite3.so.0",
					   "libmariadb.so.3", "libstdc++.so.6",	 "libruby-3.1.so.3.1"};
	int seen = 0;

	for (size_t i = 0; i < sizeof(name) / sizeof(*name); i++) {
		struct elf_file *f;
		const char *why;
		char path[128];

		snprintf(path, sizeof(path), "/usr/lib/x86_64-linux-gnu/%s", name[i]);
		f = elf_file_open(path, -1);
		if (!f)
			continue;
		seen++;
		if (!site_returns_safe(f, &why))
			fail_msg("%s %s", name[i], why);
		elf_file_close(f);
	}
	if (!seen)
		skip_because("libraries are elsewhere on this system");
}

/* ---- a copy of SQLite inside a program ---- */

static const char static_program[] =
	"int sqlite3_libversion_number(void); int sqlite3_open(const char *, void **);\n"
	"int sqlite3_exec(void *, const char *, void *, void *, char **);\n"
	"int main(void) { void *db; sqlite3_open(\":memory:\", &db);\n"
	"return sqlite3_exec(db, \"select 1\", 0, 0, 0); }\n";

static struct elf_file *build_static(const char *flags, char *path, size_t size)
{
	char command[512];
	FILE *cc;

	snprintf(path, size, "%s/static", dir);
	snprintf(command, sizeof(command), "cc -w -O1 %s -o %s -xc - -l:libsqlite3.a -lm 2>/dev/null", flags,
		 path);
	cc = popen(command, "we");
	if (!cc)
		return NULL;
	fputs(static_program, cc);
	return pclose(cc) ? NULL : elf_file_open(path, -1);
}

static void a_static_copy_is_found_by_its_symbols(void **state)
{
	static struct lib_match m[2];
	struct elf_symbol main_fn, step;
	struct elf_file *f;
	char path[64];

	f = build_static("", path, sizeof(path));
	if (!f)
		skip_because("no compiler or no libsqlite3.a");
	assert_int_equal(lib_recognise(f, m, 2, NULL), 1);
	assert_string_equal(m[0].name, "sqlite3");
	assert_string_equal(m[0].missing, "");
	assert_int_equal(m[0].is_static, 1);
	for (int i = 0; i <= APM_OFF_LITE_STATE_RUN; i++)
		assert_true(m[0].facts.off[i] >= 0);
	assert_int_equal(elf_find_symbol(f, "main", &main_fn), 0);
	assert_int_equal(elf_find_symbol(f, "sqlite3_step", &step), 0);
	assert_true(step.addr >= m[0].facts.text_start && step.addr < m[0].facts.text_end);
	assert_false(main_fn.addr >= m[0].facts.text_start && main_fn.addr < m[0].facts.text_end);
	elf_file_close(f);
}

static void a_stripped_static_copy_is_not(void **state)
{
	static struct lib_match m[2];
	const char *why = "something";
	struct elf_file *f;
	char path[64];

	f = build_static("-s", path, sizeof(path));
	if (!f)
		skip_because("no compiler or no libsqlite3.a");
	assert_int_equal(lib_recognise(f, m, 2, &why), 0);
	assert_null(why);
	elf_file_close(f);
}

static void what_lacks_a_needed_function_is_named(void **state)
{
	static struct lib_match m[2];
	const char *why = NULL;
	struct elf_file *f;
	char path[64];

	f = build("half.so", "int PQsendQuery(void) { return 1; } int PQgetResult(void) { return 2; }", "",
		  path, sizeof(path));
	if (!f)
		skip_because("no compiler");
	assert_int_equal(lib_recognise(f, m, 2, &why), 0);
	assert_string_equal(why, "libpq without PQsendQueryParams");
	elf_file_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cheapest_safe_instruction_is_found),
		cmocka_unit_test(a_function_outside_the_file_is_an_error),
		cmocka_unit_test(costs_have_names),
		cmocka_unit_test(files_that_switch_stacks_are_told),
		cmocka_unit_test(common_libraries_are_safe),
		cmocka_unit_test(a_static_copy_is_found_by_its_symbols),
		cmocka_unit_test(a_stripped_static_copy_is_not),
		cmocka_unit_test(what_lacks_a_needed_function_is_named),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
