/* SPDX-License-Identifier: BSD-2-Clause */
/* Call-frame rows, compared with what readelf makes of the same files. */
#include <dlfcn.h>
#include <fcntl.h>
#include <errno.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/elf.h"
#include "skip.h"

struct expected {
	uint64_t start, end;
	struct cfi_row row;
	int error;
};

struct columns {
	int fp, ra;
};

/* "c-16" -> RULE at CFA - 16. 1 when it is such a rule, 0 for "u" and "s" (not
 * saved), -1 for anything else. */
static int rule_of(const char *word, int32_t *off)
{
	*off = 0;
	if (word[0] == 'c' && (word[1] == '-' || word[1] == '+')) {
		*off = atoi(word + 1);
		return 1;
	}
	return word[0] == 'u' || word[0] == 's' ? 0 : -1;
}

static int split(char *line, char *words[32])
{
	int n = 0;
	char *word;

	for (word = strtok(line, " \n"); word && n < 32; word = strtok(NULL, " \n"))
		words[n++] = word;
	return n;
}

static struct columns header_columns(char *words[], int n)
{
	struct columns c = {-1, -1};
	int i;

	for (i = 0; i < n; i++) {
		if (!strcmp(words[i], "rbp"))
			c.fp = i;
		if (!strcmp(words[i], "ra"))
			c.ra = i;
	}
	return c;
}

static void expect_row(char *words[], int n, struct columns c, struct expected *out)
{
	*out = (struct expected){.start = strtoull(words[0], NULL, 16)};
	out->row.cfa_off = strlen(words[1]) > 3 ? atoi(words[1] + 3) : 0;
	if (!strncmp(words[1], "rsp", 3))
		out->row.base = CFI_SP;
	else if (!strncmp(words[1], "rbp", 3))
		out->row.base = CFI_FP;
	else
		out->error = -ENOTSUP;
	if (c.fp >= 0 && c.fp < n && rule_of(words[c.fp], &out->row.fp_off) < 0)
		out->error = -ENOTSUP;
	if (c.ra >= 0 && c.ra < n) {
		int kind = rule_of(words[c.ra], &out->row.ra_off);

		if (kind < 0)
			out->error = -ENOTSUP;
		out->row.outermost = kind == 0;
	}
}

static void check_row(struct elf_file *f, const struct expected *e, uint64_t addr)
{
	struct cfi_row row;
	int ret = elf_cfi_row(f, addr, &row);

	if (ret != e->error)
		fail_msg("%lx: returned %d, readelf says %d", (unsigned long)addr, ret, e->error);
	if (ret)
		return;
	if (row.base != e->row.base || row.cfa_off != e->row.cfa_off || row.fp_off != e->row.fp_off ||
	    row.ra_off != e->row.ra_off || row.outermost != e->row.outermost)
		fail_msg("%lx: base %d%+d fp %d ra %d, readelf says %d%+d %d %d", (unsigned long)addr,
			 row.base, row.cfa_off, row.fp_off, row.ra_off, e->row.base, e->row.cfa_off,
			 e->row.fp_off, e->row.ra_off);
}

/* Compares every `stride`th function. The number of rows compared. */
static size_t compare(const char *path, int stride)
{
	char command[512], line[1024], *words[32];
	struct elf_file *f = elf_file_open(path, -1);
	struct columns columns = {-1, -1};
	struct expected e = {0};
	uint64_t fde_end = 0;
	size_t rows = 0;
	int fdes = 0, open_row = 0, n;
	FILE *pipe;

	assert_non_null(f);
	snprintf(command, sizeof(command), "readelf --debug-dump=frames-interp '%s' 2>/dev/null", path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		char *pc = strstr(line, " pc="), *dots = pc ? strstr(pc, "..") : NULL;
		int header = strstr(line, "   LOC ") != NULL, blank = line[0] == '\n';

		n = split(line, words);
		if (open_row && (blank || (n >= 2 && !header))) {
			e.end = blank ? fde_end : strtoull(words[0], NULL, 16);
			check_row(f, &e, e.start);
			check_row(f, &e, e.start + (e.end - e.start) / 2);
			check_row(f, &e, e.end - 1);
			rows++;
			open_row = 0;
		}
		if (strstr(line, "Contents of")) /* the debug file's tables, which readelf follows, are not of
						    interest */
			fde_end = 0;
		if (dots)
			fde_end = fdes++ % stride ? 0 : strtoull(dots + 2, NULL, 16);
		else if (blank)
			fde_end = 0;
		else if (header)
			columns = header_columns(words, n);
		else if (fde_end && n >= 2 && strlen(words[0]) == 16) {
			expect_row(words, n, columns, &e);
			open_row = 1;
		}
	}
	pclose(pipe);
	elf_file_close(f);
	return rows;
}

static int library_path(const char *soname, char *path, size_t size)
{
	void *handle = dlopen(soname, RTLD_LAZY);
	struct link_map *map = NULL;

	if (!handle || dlinfo(handle, RTLD_DI_LINKMAP, &map))
		return 0;
	snprintf(path, size, "%s", map->l_name);
	return 1;
}

static void compare_library(const char *soname, int stride, size_t least)
{
	char path[256];
	size_t rows;

	if (!library_path(soname, path, sizeof(path)) || system("readelf --version >/dev/null 2>&1"))
		skip_because("%s or readelf is not installed", soname);
	rows = compare(path, stride);
	print_message("# %s: %zu rows\n", path, rows);
	assert_true(rows >= least);
}

static void libpq_agrees_with_readelf(void **state)
{
	compare_library("libpq.so.5", 1, 1000);
}

static void sqlite_agrees_with_readelf(void **state)
{
	compare_library("libsqlite3.so.0", 5, 1000);
}

static void libc_agrees_with_readelf(void **state)
{
	compare_library("libc.so.6", 7, 500);
}

static const char source[] =
	"int other(int);\n"
	"__attribute__((noinline)) int framed(int n) { char b[n]; b[0] = 1; return other(b[0]) + n; }\n"
	"int other(int n) { return n + 1; }\n"
	"int main(int c, char **v) { return framed(c); }\n";

static void compile(const char *dir, const char *flags, char *path, size_t size)
{
	char file[256], command[1024];
	FILE *out;

	snprintf(file, sizeof(file), "%s/p.c", dir);
	out = fopen(file, "w");
	assert_non_null(out);
	fputs(source, out);
	fclose(out);
	snprintf(path, size, "%s/p", dir);
	snprintf(command, sizeof(command), "cc %s -o %s %s", flags, path, file);
	assert_int_equal(system(command), 0);
}

static void remove_dir(const char *dir)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

static void own_program(void **state)
{
	char dir[] = "/tmp/apm-ehframe-XXXXXX", path[256];
	struct elf_symbol sym;
	struct cfi_row row;
	struct elf_file *f;

	assert_non_null(mkdtemp(dir));
	compile(dir, "-O0 -fcf-protection=none", path, sizeof(path));
	f = elf_file_open(path, -1);
	assert_non_null(f);
	assert_int_equal(elf_find_symbol(f, "framed", &sym), 0);
#ifdef __x86_64__
	assert_int_equal(elf_cfi_row(f, sym.addr, &row), 0);
	assert_int_equal(row.base, CFI_SP);
	assert_int_equal(row.cfa_off, 8);
	assert_int_equal(row.ra_off, -8);
	assert_int_equal(row.fp_off, 0);
	/* Behind push %rbp; mov %rsp, %rbp. */
	assert_int_equal(elf_cfi_row(f, sym.addr + 4, &row), 0);
	assert_int_equal(row.base, CFI_FP);
	assert_int_equal(row.cfa_off, 16);
	assert_int_equal(row.fp_off, -16);
	/* Nothing called the first frame, and the C library says so. */
	assert_int_equal(elf_find_symbol(f, "_start", &sym), 0);
	assert_int_equal(elf_cfi_row(f, sym.addr + sym.size - 1, &row), 0);
	assert_true(row.outermost);
#endif
	assert_int_equal(elf_cfi_row(f, 0, &row), -ENOENT);
	assert_int_equal(row.base, CFI_NONE);
	assert_int_equal(elf_cfi_row(f, UINT64_MAX, &row), -ENOENT);
	elf_file_close(f);
	remove_dir(dir);
}

/* Without .eh_frame_hdr every entry is tried in turn; without section headers the segment shows the way. */
static void without_header_table(void **state)
{
	char dir[] = "/tmp/apm-ehframe-XXXXXX", path[256];
	struct cfi_row row, again;
	struct elf_symbol sym;
	struct elf_file *f;
	uint64_t addr;
	int fd;

	assert_non_null(mkdtemp(dir));
	compile(dir, "-O1 -no-pie -Wl,--no-eh-frame-hdr", path, sizeof(path));
	f = elf_file_open(path, -1);
	assert_non_null(f);
	assert_int_equal(elf_find_symbol(f, "framed", &sym), 0);
	assert_int_equal(elf_cfi_row(f, sym.addr, &row), 0);
	assert_int_equal(row.cfa_off, 8);
	elf_file_close(f);

	compile(dir, "-O1 -no-pie", path, sizeof(path));
	f = elf_file_open(path, -1);
	assert_int_equal(elf_find_symbol(f, "framed", &sym), 0);
	addr = sym.addr + 1;
	assert_int_equal(elf_cfi_row(f, addr, &row), 0);
	elf_file_close(f);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "\0\0\0\0\0\0\0\0", 8, offsetof(ElfW(Ehdr), e_shoff)), 8);
	assert_int_equal(pwrite(fd, "\0\0\0\0", 4, offsetof(ElfW(Ehdr), e_shnum)), 4);
	close(fd);
	f = elf_file_open(path, -1);
	assert_non_null(f);
	assert_int_equal(elf_find_symbol(f, "framed", &sym), -ENOENT);
	assert_int_equal(elf_cfi_row(f, addr, &again), 0);
	assert_memory_equal(&row, &again, sizeof(row));
	elf_file_close(f);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(libpq_agrees_with_readelf), cmocka_unit_test(sqlite_agrees_with_readelf),
		cmocka_unit_test(libc_agrees_with_readelf),  cmocka_unit_test(own_program),
		cmocka_unit_test(without_header_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
