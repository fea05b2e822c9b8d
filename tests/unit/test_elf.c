/* SPDX-License-Identifier: BSD-2-Clause */
/* The ELF reader, on programs compiled here and on damaged ones. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/elf.h"
#include "skip.h"

static char dir[] = "/tmp/apm-elf-XXXXXX";

static const char library_source[] = "int old_way(int n) { return n + 1; }\n"
				     "int new_way(int n) { return n + 2; }\n"
				     "__asm__(\".symver old_way, api@V1\");\n"
				     "__asm__(\".symver new_way, api@@V2\");\n"
				     "int same_one(int n) { return n + 3; }\n"
				     "__asm__(\".symver same_one, same@V1\");\n"
				     "int same_two(int n) __attribute__((alias(\"same_one\")));\n"
				     "__asm__(\".symver same_two, same@@V2\");\n"
				     "int puts(const char *);\n"
				     "static int twice(int n) { return 2 * n; }\n"
				     "static void *resolve(void) { return (void *)twice; }\n"
				     "int chosen(int) __attribute__((ifunc(\"resolve\")));\n"
				     "int calls_puts(void) { return puts(\"x\") + chosen(1); }\n"
				     "int variable = 3;\n";

static const char program_source[] = "__attribute__((noinline)) int local_one(int n) { return n * 3; }\n"
				     "int main(int c, char **v) { return local_one(c); }\n";

static void shell(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command))
		fail_msg("failed: %s", command);
}

static void write_file(const char *name, const char *text)
{
	char path[64];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static struct elf_file *open_file(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return elf_file_open(path, -1);
}

static int build(void **state)
{
	assert_non_null(mkdtemp(dir));
	write_file("l.c", library_source);
	write_file("l.map",
		   "V1 { global: api; same; calls_puts; chosen; variable; local: *; };\nV2 { } V1;\n");
	write_file("p.c", program_source);
	shell("cd %s && cc -O1 -fPIC -shared -Wl,-soname,l.so,--build-id -Wl,--version-script=l.map -o l.so "
	      "l.c",
	      dir);
	shell("cd %s && cc -O1 -pie -fPIE -Wl,--build-id -o pie p.c && cc -O1 -no-pie -o nopie p.c && strip "
	      "-o bare pie",
	      dir);
	shell("cd %s && cc -O1 -static -o static p.c && strip -o bare_static static", dir);
	return 0;
}

static int remove_dir(void **state)
{
	shell("rm -rf %s", dir);
	return 0;
}

struct tally {
	const char *name;
	int count, defined, hidden;
	uint64_t addr;
	uint8_t type;
};

static int tally_symbol(const struct elf_symbol *sym, void *arg)
{
	struct tally *t = arg;

	assert_null(strchr(sym->name, '@'));
	if (strcmp(sym->name, t->name))
		return 0;
	t->count++;
	t->defined += sym->defined;
	t->hidden += sym->hidden;
	t->addr = sym->addr;
	t->type = sym->type;
	return 0;
}

static struct tally tally_of(struct elf_file *f, const char *name)
{
	struct tally t = {.name = name};

	assert_int_equal(elf_each_symbol(f, tally_symbol, &t), 0);
	return t;
}

static void versions_come_once(void **state)
{
	struct elf_file *f = open_file("l.so");
	struct elf_symbol sym, newer;
	struct tally t;

	assert_non_null(f);
	/* Two functions of one name, and one function of two versions. */
	t = tally_of(f, "api");
	assert_int_equal(t.count, 2);
	assert_int_equal(t.hidden, 1);
	t = tally_of(f, "same");
	assert_int_equal(t.count, 1);
	assert_int_equal(t.hidden, 0); /* in whichever order they stand */
	assert_int_equal(tally_of(f, "variable").count, 0);
	t = tally_of(f, "puts");
	assert_int_equal(t.count, 1);
	assert_int_equal(t.defined, 0);
	assert_int_equal(tally_of(f, "chosen").type, STT_GNU_IFUNC);
	assert_int_equal(elf_find_symbol(f, "api", &sym), 0);
	assert_int_equal(elf_find_symbol(f, "new_way", &newer), 0);
	assert_int_equal(sym.addr, newer.addr);
	assert_true(sym.dynamic && sym.defined && !sym.hidden && sym.size > 0);
	assert_int_equal(elf_find_symbol(f, "puts", &sym), -ENOENT);
	assert_int_equal(elf_find_symbol(f, "", &sym), -ENOENT);
	elf_file_close(f);
}

static int stop_at_first(const struct elf_symbol *sym, void *arg)
{
	++*(int *)arg;
	return 42;
}

static void walk_stops(void **state)
{
	struct elf_file *f = open_file("l.so");
	int calls = 0;

	assert_int_equal(elf_each_symbol(f, stop_at_first, &calls), 42);
	assert_int_equal(calls, 1);
	elf_file_close(f);
}

static void kinds_of_files(void **state)
{
	static const struct {
		const char *name;
		int executable, symtab, has_local;
	} cases[] = {
		{"l.so", 0, 1, 0}, {"pie", 1, 1, 1},	{"nopie", 1, 1, 1},
		{"bare", 1, 0, 0}, {"static", 1, 1, 1}, {"bare_static", 1, 0, 0},
	};
	struct elf_symbol sym;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct elf_file *f = open_file(cases[i].name);

		assert_non_null(f);
		assert_int_equal(elf_is_executable(f), cases[i].executable);
		assert_int_equal(elf_has_symtab(f), cases[i].symtab);
		assert_int_equal(elf_find_symbol(f, "local_one", &sym) == 0, cases[i].has_local);
		elf_file_close(f);
	}
}

static void build_id(void **state)
{
	struct elf_file *f = open_file("l.so");
	char id[65], command[128], want[65] = "";
	FILE *pipe;

	assert_int_equal(elf_build_id(f, id), 1);
	snprintf(command, sizeof(command), "readelf -n %s/l.so | sed -n 's/.*Build ID: //p'", dir);
	pipe = popen(command, "r");
	assert_int_equal(fscanf(pipe, "%64s", want), 1);
	pclose(pipe);
	assert_string_equal(id, want);
	elf_file_close(f);
	shell("cd %s && objcopy --remove-section .note.gnu.build-id nopie noid", dir);
	f = open_file("noid");
	assert_int_equal(elf_build_id(f, id), 0);
	assert_string_equal(id, "");
	elf_file_close(f);
}

static void addresses_and_offsets(void **state)
{
	struct elf_file *f = open_file("nopie");
	uint64_t off, addr, start, end;
	struct elf_symbol sym;
	const uint8_t *bytes, *section;
	uint8_t raw[16];
	char path[64];
	size_t len;
	int fd;

	assert_int_equal(elf_find_symbol(f, "local_one", &sym), 0);
	assert_int_equal(elf_addr_to_offset(f, sym.addr, &off), 0);
	assert_int_equal(off, sym.file_off);
	assert_true(off != sym.addr); /* not position independent: so this test can tell them apart */
	assert_int_equal(elf_offset_to_addr(f, off, &addr), 0);
	assert_int_equal(addr, sym.addr);
	assert_int_equal(elf_text_range(f, sym.addr, &start, &end), 0);
	assert_true(start <= sym.addr && sym.addr + sym.size <= end);
	snprintf(path, sizeof(path), "%s/nopie", dir);
	fd = open(path, O_RDONLY);
	assert_int_equal(pread(fd, raw, sizeof(raw), (off_t)off), sizeof(raw));
	close(fd);
	bytes = elf_bytes(f, sym.addr, sizeof(raw), &len);
	assert_int_equal(len, sizeof(raw));
	assert_memory_equal(bytes, raw, sizeof(raw));
	assert_ptr_equal(elf_bytes(f, sym.addr + 4, 4, &len), bytes + 4);
	assert_non_null(elf_bytes(f, end - 3, 64, &len));
	assert_int_equal(len, 3);
	assert_null(elf_bytes(f, 0, 4, &len));
	assert_int_equal(len, 0);
	assert_int_equal(elf_addr_to_offset(f, 0, &off), -ENOENT);
	assert_int_equal(elf_offset_to_addr(f, 1ULL << 40, &addr), -ENOENT);
	assert_int_equal(elf_text_range(f, UINT64_MAX, &start, &end), -ENOENT);
	section = elf_section(f, ".text", &len, &addr);
	assert_non_null(section);
	assert_true(sym.addr >= addr && sym.addr - addr < len);
	assert_memory_equal(section + (sym.addr - addr), raw,
			    sym.size < sizeof(raw) ? sym.size : sizeof(raw));
	assert_null(elf_section(f, ".bss", &len, &addr));
	assert_null(elf_section(f, ".none", &len, &addr));
	elf_file_close(f);
}

/* A stripped file is completed from its debug file, found by build-id. */
static void debug_file_by_build_id(void **state)
{
	struct elf_symbol sym, want;
	struct elf_file *f = open_file("pie");
	char id[65], debug[160];

	assert_int_equal(elf_find_symbol(f, "local_one", &want), 0);
	assert_int_equal(elf_build_id(f, id), 1);
	elf_file_close(f);
	snprintf(debug, sizeof(debug), "/usr/lib/debug/.build-id/%.2s", id);
	if (geteuid() != 0)
		skip_because("only root can write below /usr/lib/debug");
	shell("mkdir -p %s && objcopy --only-keep-debug %s/pie %s/%s.debug", debug, dir, debug, id + 2);
	f = open_file("bare");
	assert_int_equal(elf_find_symbol(f, "local_one", &sym), 0);
	shell("rm %s/%s.debug && rmdir -p --ignore-fail-on-non-empty %s", debug, id + 2, debug);
	assert_int_equal(sym.addr, want.addr);
	assert_int_equal(sym.file_off, want.file_off);
	elf_file_close(f);
	f = open_file("bare");
	assert_int_equal(elf_find_symbol(f, "local_one", &sym), -ENOENT);
	elf_file_close(f);
}

static int count_symbol(const struct elf_symbol *sym, void *arg)
{
	*(size_t *)arg += strlen(sym->name);
	return 0;
}

/* Calls everything; what it answers does not matter as long as it comes back. */
static void poke(struct elf_file *f)
{
	size_t sum = 0, len;
	struct elf_symbol sym;
	struct cfi_row row;
	uint64_t addr = 0, end;
	char id[65];

	if (!f)
		return;
	elf_each_symbol(f, count_symbol, &sum);
	if (!elf_find_symbol(f, "local_one", &sym))
		addr = sym.addr;
	elf_build_id(f, id);
	elf_is_executable(f);
	elf_cfi_row(f, addr, &row);
	elf_text_range(f, addr, &addr, &end);
	elf_bytes(f, addr, 4096, &len);
	elf_section(f, ".eh_frame", &len, &addr);
	elf_file_close(f);
}

static int memory_file(const uint8_t *bytes, size_t len)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	return fd;
}

/* Every header and table byte set to extreme values, and the file cut at every 64th byte. */
static void damaged_files(void **state)
{
	static const uint8_t values[] = {0x00, 0x7f, 0xff};
	static uint8_t good[1 << 16], bad[1 << 16];
	Elf64_Ehdr ehdr;
	char path[64];
	size_t len, i, k;
	FILE *in;

	snprintf(path, sizeof(path), "%s/pie", dir);
	in = fopen(path, "r");
	len = fread(good, 1, sizeof(good), in);
	fclose(in);
	memcpy(&ehdr, good, sizeof(ehdr));
	for (i = 0; i < len; i += 64)
		poke(elf_file_open(NULL, memory_file(good, i)));
	for (i = 0; i < len; i++) {
		int header =
			i < sizeof(ehdr) + (size_t)ehdr.e_phnum * sizeof(Elf64_Phdr) || i >= ehdr.e_shoff;

		for (k = 0; k < sizeof(values) && (header || i % 61 == 0); k++) {
			memcpy(bad, good, len);
			bad[i] = values[k];
			poke(elf_file_open(NULL, memory_file(bad, len)));
		}
	}
}

/* A section that claims to be larger than anything, in a file that is (sparsely) as large. */
static void huge_sparse_file(void **state)
{
	Elf64_Ehdr ehdr;
	Elf64_Shdr shdr;
	struct elf_file *f;
	char path[64];
	size_t sum = 0;
	int fd, i;

	shell("cp %s/pie %s/huge", dir, dir);
	snprintf(path, sizeof(path), "%s/huge", dir);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &ehdr, sizeof(ehdr), 0), sizeof(ehdr));
	for (i = 0; i < ehdr.e_shnum; i++) {
		off_t at = (off_t)(ehdr.e_shoff + (size_t)i * sizeof(shdr));

		assert_int_equal(pread(fd, &shdr, sizeof(shdr), at), sizeof(shdr));
		if (shdr.sh_type != SHT_SYMTAB && shdr.sh_type != SHT_DYNSYM)
			continue;
		shdr.sh_size = 1ULL << 38;
		assert_int_equal(pwrite(fd, &shdr, sizeof(shdr), at), sizeof(shdr));
	}
	if (ftruncate(fd, 1LL << 39)) {
		close(fd);
		skip_because("no sparse files of 512 GB in /tmp");
	}
	close(fd);
	f = elf_file_open(path, -1);
	assert_non_null(f);
	assert_int_equal(elf_each_symbol(f, count_symbol, &sum), 0);
	assert_int_equal(sum, 0);
	elf_file_close(f);
}

static void not_elf(void **state)
{
	char path[64];

	write_file("script", "#!/bin/sh\n");
	write_file("empty", "");
	assert_null(open_file("script"));
	assert_int_equal(errno, ENOEXEC);
	assert_null(open_file("empty"));
	assert_int_equal(errno, ENOEXEC);
	assert_null(open_file("missing"));
	assert_int_equal(errno, ENOENT);
	assert_null(elf_file_open("/dev/zero", -1));
	assert_int_equal(errno, ENOEXEC);
	assert_null(elf_file_open(dir, -1));
	assert_int_equal(errno, ENOEXEC);
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(elf_file_open(path, -1)); /* and does not wait for a writer */
	assert_int_equal(errno, ENOEXEC);
	assert_null(elf_file_open(NULL, -1));
	assert_int_equal(errno, EBADF);
	elf_file_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_come_once),
		cmocka_unit_test(walk_stops),
		cmocka_unit_test(kinds_of_files),
		cmocka_unit_test(build_id),
		cmocka_unit_test(addresses_and_offsets),
		cmocka_unit_test(debug_file_by_build_id),
		cmocka_unit_test(damaged_files),
		cmocka_unit_test(huge_sparse_file),
		cmocka_unit_test(not_elf),
	};

	return cmocka_run_group_tests(tests, build, remove_dir);
}
