/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoding accessors as compilers write them: a toy library (toy_client.c) built with gcc and clang at every
 * level of optimisation, whose true offsets are known; and the same with accessors that do not say what they
 * seem to say, where nothing may be claimed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect/accessor.h"
#include "skip.h"

static char dir[] = "/tmp/apm-toy-XXXXXX";

static const char *const compilers[] = {"gcc", "clang"};
static const char *const options[] = {
	"-O0",
	"-O1",
	"-O2",
	"-O3",
	"-Os",
	"-O2 -fcf-protection",
	"-O2 -fno-omit-frame-pointer",
	"-O2 -fstack-protector-all",
	"-O2 -fno-plt",
};
static const char *const variants[] = {"", "-DNARROW", "-DOLD", "-DOLD -DNARROW"};
#define COUNT(a) (sizeof(a) / sizeof(*(a)))

struct toy {
	char path[64];
	void *handle;
	uint64_t base;
	struct lib_match m[2];
};

/* 0 when it was built and recognised. */
static int toy_build(struct toy *t, const char *compiler, const char *option, const char *variant)
{
	static int number;
	const char *top = getenv("TOP");
	struct link_map *map;
	struct elf_file *f;
	char command[512];
	int found;

	memset(t, 0, sizeof(*t));
	snprintf(t->path, sizeof(t->path), "%s/toy%d.so", dir, number++);
	snprintf(command, sizeof(command), "%s %s %s -w -fPIC -shared -o %s %s/tests/unit/toy_client.c",
		 compiler, option, variant, t->path, top ? top : ".");
	if (system(command))
		return -1;
	t->handle = dlopen(t->path, RTLD_NOW | RTLD_LOCAL);
	assert_non_null(t->handle);
	assert_int_equal(dlinfo(t->handle, RTLD_DI_LINKMAP, &map), 0);
	t->base = map->l_addr;
	f = elf_file_open(t->path, -1);
	assert_non_null(f);
	found = lib_recognise(f, t->m, 2, NULL);
	elf_file_close(f);
	assert_int_equal(found, 2);
	assert_string_equal(t->m[0].name, "libpq");
	assert_string_equal(t->m[1].name, "sqlite3");
	return 0;
}

static void toy_close(struct toy *t)
{
	dlclose(t->handle);
	unlink(t->path);
}

static void truth(const struct toy *t, const char *function, int32_t off[APM_OFF_MAX])
{
	void (*fn)(int32_t *) = (void (*)(int32_t *))dlsym(t->handle, function);

	assert_non_null(fn);
	for (int i = 0; i < APM_OFF_MAX; i++)
		off[i] = -1;
	fn(off);
}

static int wrong;

/* Every offset must be the true one; `all`: and none may be missing. */
static void compare(const struct toy *t, const struct lib_match *m, const char *function, int all,
		    const char *how)
{
	int32_t off[APM_OFF_MAX];

	truth(t, function, off);
	for (int i = 0; i < APM_OFF_MAX; i++) {
		if (m->facts.off[i] == off[i] || (!all && m->facts.off[i] == -1))
			continue;
		print_message("# %s: %s offset %d is %d, decoded %d (%s)\n", how, m->name, i, off[i],
			      m->facts.off[i], m->missing);
		wrong++;
	}
}

static uint64_t inner_prepare(const struct toy *t)
{
	for (size_t i = 0; i < t->m[1].probe_count; i++) {
		if (!strcmp(t->m[1].probe[i].symbol->name, "sqlite3LockAndPrepare"))
			return t->m[1].probe[i].site.addr - t->m[1].probe[i].site.moved;
	}
	return 0;
}

static uint64_t true_prepare(const struct toy *t)
{
	const void *(*fn)(void) = (const void *(*)(void))dlsym(t->handle, "truth_prepare");

	return (uint64_t)(uintptr_t)fn() - t->base;
}

static void decoded_offsets_are_true(void **state)
{
	int built = 0;

	wrong = 0;
	for (size_t c = 0; c < COUNT(compilers); c++) {
		for (size_t o = 0; o < COUNT(options); o++) {
			for (size_t v = 0; v < COUNT(variants); v++) {
				struct toy t;
				char how[128];

				if (toy_build(&t, compilers[c], options[o], variants[v]))
					continue;
				built++;
				snprintf(how, sizeof(how), "%s %s %s", compilers[c], options[o], variants[v]);
				compare(&t, &t.m[0], "truth_libpq", 1, how);
				compare(&t, &t.m[1], "truth_sqlite", 1, how);
				if (inner_prepare(&t) != true_prepare(&t)) {
					print_message("# %s: inner prepare at %lx, found %lx\n", how,
						      (unsigned long)true_prepare(&t),
						      (unsigned long)inner_prepare(&t));
					wrong++;
				}
				assert_string_equal(t.m[0].version, "5.16");
				assert_string_equal(t.m[1].version, "3.39.2");
				toy_close(&t);
			}
		}
	}
	if (!built)
		skip_because("no compiler");
	assert_int_equal(wrong, 0);
}

/* Offsets of enum apm_off that the muddled toy gives no ground for. */
static const enum apm_off muddled_sqlite[] = {
	APM_OFF_LITE_STMT_SQL,	 APM_OFF_LITE_STMT_STATE,
	APM_OFF_LITE_STMT_NVAR,	 APM_OFF_LITE_STMT_AVAR,
	APM_OFF_LITE_MEM_SIZE,	 APM_OFF_LITE_MEM_FLAGS,
	APM_OFF_LITE_DB_ERRCODE, APM_OFF_LITE_DB_ERRVALUE,
	APM_OFF_LITE_DB_CHANGES, APM_OFF_LITE_DB_TOTAL_CHANGES,
	APM_OFF_LITE_STATE_RUN,	 APM_OFF_LITE_STMT_PC,
	APM_OFF_LITE_MEM_Z,	 APM_OFF_LITE_MEM_N,
};
static const enum apm_off muddled_libpq[] = {
	APM_OFF_PG_CONN_SOCKET, APM_OFF_PG_RES_CMD,    APM_OFF_PG_RES_ERRFIELDS,
	APM_OFF_PG_FIELD_CODE,	APM_OFF_PG_FIELD_TEXT,
};

static void nothing_is_claimed(const struct lib_match *m, const enum apm_off *off, size_t count,
			       const char *how)
{
	for (size_t i = 0; i < count; i++) {
		if (m->facts.off[off[i]] == -1)
			continue;
		print_message("# %s: %s offset %d was claimed to be %d\n", how, m->name, off[i],
			      m->facts.off[off[i]]);
		wrong++;
	}
}

static void what_is_not_proven_is_left_out(void **state)
{
	int built = 0;

	wrong = 0;
	for (size_t c = 0; c < COUNT(compilers); c++) {
		for (size_t o = 0; o < COUNT(options); o++) {
			struct toy t;
			char how[128];

			if (toy_build(&t, compilers[c], options[o], "-DMUDDLED"))
				continue;
			built++;
			snprintf(how, sizeof(how), "%s %s", compilers[c], options[o]);
			nothing_is_claimed(&t.m[0], muddled_libpq, COUNT(muddled_libpq), how);
			nothing_is_claimed(&t.m[1], muddled_sqlite, COUNT(muddled_sqlite), how);
			assert_int_equal(inner_prepare(&t), 0);
			assert_non_null(strstr(t.m[0].missing, "SQLSTATE (PQresultErrorField)"));
			assert_non_null(strstr(t.m[1].missing, "text (sqlite3_sql)"));
			toy_close(&t);
		}
	}
	if (!built)
		skip_because("no compiler");
	assert_int_equal(wrong, 0);
}

static int setup(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoded_offsets_are_true),
		cmocka_unit_test(what_is_not_proven_is_left_out),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
