/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of addresses: of this process, of programs compiled here, of the kernel,
 * and of code a runtime made. */
#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/elf.h"
#include "base/procmaps.h"
#include "profile/perfmap.h"
#include "profile/profile.h"
#include "profile/symtab.h"
#include "record.h"
#include "skip.h"

#define SECOND 1000000000ULL

static char dir[] = "/tmp/apm-symbolize-XXXXXX";

static void assert_name(const struct resolved_frame *frame, const char *name)
{
	if (!str_eq(frame->name, str_from(name)))
		fail_msg("\"%.*s\" instead of \"%s\"", (int)frame->name.len, frame->name.ptr, name);
}

__attribute__((noinline)) static int own_function(int n)
{
	return n * 7;
}

static void own_process(void **state)
{
	struct symbolizer *s = symbolizer_new();
	struct resolved_frame frame;
	uint32_t pid = (uint32_t)getpid();
	uint64_t addr = (uintptr_t)own_function;

	symbolizer_user(s, pid, addr, 0, SECOND, &frame);
	assert_name(&frame, "own_function");
	assert_int_equal(frame.kind, REC_FRAME_NATIVE);
	assert_true(str_eq(frame.module, STR("test_symbolize")));
	assert_true(frame.build_id.len >= 16);
	assert_true(frame.file_off > 0 && frame.file_off < addr);
	/* A return address belongs to the call in front of it. */
	symbolizer_user(s, pid, addr, 1, SECOND, &frame);
	assert_false(str_eq(frame.name, STR("own_function")));
	symbolizer_user(s, pid, addr + 1, 1, SECOND, &frame);
	assert_name(&frame, "own_function");
	symbolizer_user(s, pid, (uintptr_t)dlsym(RTLD_DEFAULT, "gnu_get_libc_version"), 0, SECOND, &frame);
	assert_name(&frame, "gnu_get_libc_version");
	assert_non_null(memmem(frame.module.ptr, frame.module.len, "libc", 4));
	symbolizer_user(s, pid, (uintptr_t)&frame, 0, SECOND, &frame);
	assert_int_equal(frame.kind, REC_FRAME_UNKNOWN);
	symbolizer_user(s, pid, 0, 1, SECOND, &frame);
	assert_int_equal(frame.kind, REC_FRAME_UNKNOWN);
	symbolizer_user(s, pid, UINT64_MAX, 1, SECOND, &frame);
	assert_int_equal(frame.name.len, 0);
	assert_int_equal(own_function(1), 7);
	symbolizer_free(s);
	symbolizer_free(NULL);
}

static void vdso(void **state)
{
	uint64_t base = getauxval(AT_SYSINFO_EHDR);
	struct symbolizer *s;
	struct resolved_frame frame;
	int named = 0;
	uint64_t off;

	if (!base)
		skip_because("no vDSO");
	s = symbolizer_new();
	for (off = 0; off < 4096; off += 16) {
		symbolizer_user(s, (uint32_t)getpid(), base + off, 0, SECOND, &frame);
		assert_true(str_eq(frame.module, STR("[vdso]")));
		assert_true(frame.name.len > 0);
		named += memmem(frame.name.ptr, frame.name.len, "clock_gettime", 13) != NULL;
	}
	assert_true(named > 0);
	symbolizer_free(s);
}

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

static void write_file(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static uint64_t file_offset(const char *path, const char *name, struct elf_file **file)
{
	struct elf_symbol sym;

	*file = elf_file_open(path, -1);
	assert_non_null(*file);
	assert_int_equal(elf_find_symbol(*file, name, &sym), 0);
	return sym.file_off;
}

static struct proc_maps child_maps(pid_t pid)
{
	struct proc_maps maps;

	assert_int_equal(proc_maps_read(pid, &maps), 0);
	return maps;
}

/* The address at which a process has byte `off` of the file. */
static uint64_t address_of(pid_t pid, const char *path, uint64_t off)
{
	struct proc_maps maps = child_maps(pid);
	uint64_t addr = 0;
	size_t i;

	for (i = 0; i < maps.count; i++)
		if (maps.map[i].exec && !strcmp(maps.map[i].path, path) && off >= maps.map[i].file_off &&
		    off - maps.map[i].file_off < maps.map[i].end - maps.map[i].start)
			addr = maps.map[i].start + (off - maps.map[i].file_off);
	proc_maps_free(&maps);
	return addr;
}

static pid_t start(const char *path, int *out)
{
	int fds[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 1);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 1); /* it says when it runs */
	*out = fds[0];
	return pid;
}

static void stop(pid_t pid, int out)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(out);
}

static const char cplusplus[] =
	"#include <unistd.h>\n"
	"namespace shop { struct cart { int total(int n); }; int cart::total(int n) { return n * 3; } }\n"
	"int main() { shop::cart c; write(1, \"x\", 1); pause(); return c.total(1); }\n";

/* Another process; its file is deleted and replaced while it runs; it ends; its pid is forgotten. */
static void other_process(void **state)
{
	struct symbolizer *s = symbolizer_new();
	struct resolved_frame frame;
	char source[64], path[64];
	struct elf_file *f;
	uint64_t off, addr;
	uint32_t tgid;
	pid_t pid;
	int out;

	snprintf(source, sizeof(source), "%s/c.cc", dir);
	snprintf(path, sizeof(path), "%s/program", dir);
	write_file(source, cplusplus);
	shell("c++ -O1 -no-pie -o %s %s", path, source);
	off = file_offset(path, "_ZN4shop4cart5totalEi", &f);
	elf_file_close(f);
	pid = start(path, &out);
	tgid = (uint32_t)pid;
	addr = address_of(pid, path, off);
	assert_true(addr != 0);
	if (geteuid() == 0) {
		shell("rm %s && cp /bin/true %s", path,
		      path); /* only map_files leads to the right file now */
	}
	symbolizer_snapshot(s, tgid);
	symbolizer_user(s, tgid, addr, 0, SECOND, &frame);
	assert_name(&frame, "shop::cart::total");
	assert_int_equal(frame.file_off, off);
	assert_true(str_eq(frame.module, STR("program")));
	stop(pid, out);
	/* Gone, and still known. */
	symbolizer_user(s, tgid, addr, 0, 10 * SECOND, &frame);
	assert_name(&frame, "shop::cart::total");
	symbolizer_user(s, tgid, 1, 0, 20 * SECOND, &frame);
	assert_int_equal(frame.kind, REC_FRAME_UNKNOWN);
	symbolizer_user(s, tgid, addr, 0, 20 * SECOND, &frame);
	assert_name(&frame, "shop::cart::total");
	symbolizer_forget(s, tgid);
	symbolizer_user(s, tgid, addr, 0, 30 * SECOND, &frame);
	assert_int_equal(frame.kind, REC_FRAME_UNKNOWN);
	symbolizer_free(s);
}

/* One file mapped twice, and mapped after the first look at the process. */
static void mapped_twice_and_late(void **state)
{
	struct symbolizer *s = symbolizer_new();
	uint32_t tgid = (uint32_t)getpid();
	struct resolved_frame frame;
	char path[64], source[64];
	struct elf_file *f;
	uint64_t off, page;
	uint8_t *first, *second;
	int fd;

	symbolizer_user(s, tgid, (uintptr_t)own_function, 0, SECOND, &frame);
	snprintf(source, sizeof(source), "%s/l.c", dir);
	snprintf(path, sizeof(path), "%s/l.so", dir);
	write_file(source, "int twice(int n) { return n * 2; }\n");
	shell("cc -O1 -fPIC -shared -o %s %s", path, source);
	off = file_offset(path, "twice", &f);
	elf_file_close(f);
	page = off & ~4095ULL;
	fd = open(path, O_RDONLY);
	first = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, (off_t)page);
	second = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, (off_t)page);
	close(fd);
	assert_true(first != MAP_FAILED && second != MAP_FAILED);
	/* Mappings are read again at most once a second. */
	symbolizer_user(s, tgid, (uintptr_t)first + (off - page), 0, SECOND + SECOND / 2, &frame);
	assert_int_equal(frame.kind, REC_FRAME_UNKNOWN);
	symbolizer_user(s, tgid, (uintptr_t)first + (off - page), 0, 3 * SECOND, &frame);
	assert_name(&frame, "twice");
	symbolizer_user(s, tgid, (uintptr_t)second + (off - page), 0, 3 * SECOND, &frame);
	assert_name(&frame, "twice");
	assert_int_equal(frame.file_off, off);
	munmap(first, 8192);
	munmap(second, 4096);
	symbolizer_free(s);
}

/* A file written over keeps its inode: another process sees the new names. */
static void file_written_over(void **state)
{
	struct symbolizer *s = symbolizer_new();
	struct resolved_frame frame;
	char path[64], source[64];
	struct elf_file *f;
	uint64_t off;
	int round;

	snprintf(source, sizeof(source), "%s/o.c", dir);
	snprintf(path, sizeof(path), "%s/overwritten", dir);
	for (round = 0; round < 2; round++) {
		char text[256];
		pid_t pid;
		int out;

		snprintf(text, sizeof(text),
			 "#include <unistd.h>\nint round_%d(void) { return %d; }\n"
			 "int main(void) { write(1, \"x\", 1); pause(); return round_%d(); }\n",
			 round, round, round);
		write_file(source, text);
		shell("cc -O1 -o %s.new %s && cat %s.new > %s && chmod +x %s", path, source, path, path,
		      path);
		off = file_offset(path, round ? "round_1" : "round_0", &f);
		elf_file_close(f);
		pid = start(path, &out);
		symbolizer_user(s, (uint32_t)pid, address_of(pid, path, off), 0, SECOND, &frame);
		assert_name(&frame, round ? "round_1" : "round_0");
		stop(pid, out);
	}
	symbolizer_free(s);
}

static void kernel(void **state)
{
	struct symbolizer *s = symbolizer_new();
	struct resolved_frame frame;
	FILE *in = fopen("/proc/kallsyms", "r");
	char line[512], name[256] = "", type;
	unsigned long addr = 0;

	while (in && fgets(line, sizeof(line), in))
		if (sscanf(line, "%lx %c %255s", &addr, &type, name) == 3 &&
		    !strcmp(name, "schedule_timeout"))
			break;
	if (in)
		fclose(in);
	symbolizer_kernel(s, addr ? addr + 4 : 0xffffffff81000000UL, &frame);
	assert_int_equal(frame.kind, REC_FRAME_KERNEL);
	assert_true(str_eq(frame.module, STR("[kernel]")));
	if (addr && !strcmp(name, "schedule_timeout"))
		assert_name(&frame, "schedule_timeout");
	else
		assert_int_equal(frame.name.len, 0);
	symbolizer_kernel(s, 0x1000, &frame);
	assert_int_equal(frame.name.len, 0);
	symbolizer_free(s);
}

/* Code that a runtime made: the lines of its map file, of which later ones win, also while the file grows. */
static void jit_code(void **state)
{
	struct symbolizer *s = symbolizer_new();
	uint32_t tgid = (uint32_t)getpid();
	struct resolved_frame frame;
	char path[64];
	uint8_t *code = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t at = (uintptr_t)code;
	FILE *out;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	unlink(path);
	symbolizer_user(s, tgid, at, 0, SECOND, &frame);
	assert_int_equal(frame.kind, REC_FRAME_JIT);
	assert_true(str_eq(frame.module, STR("[jit]")));
	assert_int_equal(frame.name.len, 0);

	out = fopen(path, "w");
	assert_non_null(out);
	fprintf(out,
		"%lx 100 JS:^first a b.js:3\nnonsense\n%lx 0 empty\n%lx 40 old\n%lx 20 new\n%lx 80 unfinis",
		at, at + 0x200, at + 0x300, at + 0x310, at + 0x400);
	fflush(out);
	symbolizer_user(s, tgid, at, 0, SECOND + 1, &frame); /* not yet looked again */
	assert_int_equal(frame.name.len, 0);
	symbolizer_user(s, tgid, at + 0xff, 0, 3 * SECOND, &frame);
	assert_name(&frame, "JS:^first a b.js:3");
	symbolizer_user(s, tgid, at + 0x100, 1, 3 * SECOND, &frame);
	assert_name(&frame, "JS:^first a b.js:3");
	symbolizer_user(s, tgid, at + 0x200, 0, 3 * SECOND, &frame);
	assert_int_equal(frame.name.len, 0);
	symbolizer_user(s, tgid, at + 0x305, 0, 3 * SECOND, &frame);
	assert_name(&frame, "old");
	symbolizer_user(s, tgid, at + 0x315, 0, 3 * SECOND, &frame);
	assert_name(&frame, "new");
	symbolizer_user(s, tgid, at + 0x335, 0, 3 * SECOND, &frame);
	assert_name(&frame, "old");
	symbolizer_user(s, tgid, at + 0x401, 0, 3 * SECOND, &frame);
	assert_int_equal(frame.name.len, 0);

	fprintf(out, "hed\n%lx 100 replaced\n", at);
	fclose(out);
	symbolizer_user(s, tgid, at, 0, 5 * SECOND, &frame);
	assert_name(&frame, "replaced");
	symbolizer_user(s, tgid, at + 0x401, 0, 5 * SECOND, &frame);
	assert_name(&frame, "unfinished");
	symbolizer_user(s, tgid, at + 0x315, 0, 5 * SECOND, &frame);
	assert_name(&frame, "new");
	unlink(path);
	munmap(code, 8192);
	symbolizer_free(s);
}

/* Code in a file that is no ELF file: native as far as we know, unless the runtime has a name for it. */
static void jit_code_in_a_file(void **state)
{
	struct symbolizer *s = symbolizer_new();
	uint32_t tgid = (uint32_t)getpid();
	struct resolved_frame frame;
	int fd = memfd_create("code cache", 0);
	char path[64], text[64];
	uint8_t *code;

	assert_int_equal(ftruncate(fd, 8192), 0);
	code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 4096);
	close(fd);
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	unlink(path);
	symbolizer_user(s, tgid, (uintptr_t)code + 8, 0, SECOND, &frame);
	assert_int_equal(frame.kind, REC_FRAME_NATIVE);
	assert_true(str_eq(frame.module, STR("memfd:code cache")));
	assert_int_equal(frame.file_off, 4096 + 8);
	assert_int_equal(frame.name.len, 0);
	snprintf(text, sizeof(text), "%lx 100 compiled\n", (unsigned long)code);
	write_file(path, text);
	symbolizer_user(s, tgid, (uintptr_t)code + 8, 0, 3 * SECOND, &frame);
	assert_int_equal(frame.kind, REC_FRAME_JIT);
	assert_name(&frame, "compiled");
	unlink(path);
	munmap(code, 4096);
	symbolizer_free(s);
}

/* A map file that is a link to something else is not followed, and one of another user not believed. */
static void jit_file_of_others(void **state)
{
	struct perfmap *m;
	char path[64], target[64];

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	snprintf(target, sizeof(target), "%s/target", dir);
	write_file(target, "1000 100 secret\n");
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
	m = perfmap_new((uint32_t)getpid(), 0, getuid());
	assert_int_equal(perfmap_refresh(m), 0);
	assert_int_equal(unlink(path), 0);
	write_file(path, "1000 100 good\n");
	assert_int_equal(perfmap_refresh(m), 1);
	assert_true(str_eq(perfmap_find(m, 0x1010), STR("good")));
	perfmap_free(m);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 65534, 65534), 0);
		m = perfmap_new((uint32_t)getpid(), 0, 0);
		assert_int_equal(perfmap_refresh(m), 0);
		perfmap_free(m);
	}
	unlink(path);
	perfmap_free(NULL);
}

/* A file far larger than what is kept: the end counts, and memory stays small. */
static void jit_file_is_bounded(void **state)
{
	struct perfmap *m;
	char path[64];
	FILE *out;
	int i;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	out = fopen(path, "w");
	assert_non_null(out);
	for (i = 0; i < 400000; i++)
		fprintf(out, "%x 8 function_with_a_name_%d\n", 0x1000 + i * 16, i);
	fclose(out);
	m = perfmap_new((uint32_t)getpid(), 0, getuid());
	assert_int_equal(perfmap_refresh(m), 1);
	assert_true(perfmap_bytes(m) < 32 << 20);
	assert_true(str_eq(perfmap_find(m, 0x1000 + 399999 * 16), STR("function_with_a_name_399999")));
	assert_int_equal(perfmap_find(m, 0x1000).len, 0);
	assert_int_equal(perfmap_refresh(m), 0);
	unlink(path);
	perfmap_free(m);
}

static void table_of_symbols(void **state)
{
	struct symtab *t = symtab_new(1 << 20), *small;
	char name[32];
	int i;

	assert_int_equal(symtab_add(t, 0x300, 0, 0x40, "assembler"), 0);
	assert_int_equal(symtab_add(t, 0x100, 0x80, 0, "__outer"), 0);
	assert_int_equal(symtab_add(t, 0x100, 0, 0x1000, "outer"), 0);
	assert_int_equal(symtab_add(t, 0x110, 0x10, 0, "inner"), 0);
	assert_int_equal(symtab_add(t, 0x118, 0, 0x100, "label"), 0);
	symtab_finish(t);
	assert_int_equal(symtab_count(t), 3);
	assert_int_equal(symtab_find(t, 0xff).len, 0);
	assert_true(str_eq(symtab_find(t, 0x100), STR("outer")));
	assert_true(str_eq(symtab_find(t, 0x117), STR("inner")));
	assert_true(str_eq(symtab_find(t, 0x11f), STR("inner")));
	assert_true(str_eq(symtab_find(t, 0x130), STR("outer")));
	assert_int_equal(symtab_find(t, 0x180).len, 0);
	assert_true(str_eq(symtab_find(t, 0x33f), STR("assembler")));
	assert_int_equal(symtab_find(t, 0x340).len, 0);
	symtab_free(t);

	small = symtab_new(1000);
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		symtab_add(small, (uint64_t)i, 1, 0, name);
	}
	symtab_finish(small);
	assert_true(symtab_count(small) > 10 && symtab_bytes(small) < 1200);
	assert_true(str_eq(symtab_find(small, 3), STR("f3")));
	assert_int_equal(symtab_find(small, 999).len, 0);
	symtab_free(small);
	small = symtab_new(10);
	symtab_finish(small);
	assert_int_equal(symtab_find(small, 0).len, 0);
	symtab_free(small);
	symtab_free(NULL);
}

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	shell("rm -rf %s", dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_process),	      cmocka_unit_test(vdso),
		cmocka_unit_test(other_process),      cmocka_unit_test(mapped_twice_and_late),
		cmocka_unit_test(file_written_over),  cmocka_unit_test(kernel),
		cmocka_unit_test(jit_code),	      cmocka_unit_test(jit_code_in_a_file),
		cmocka_unit_test(jit_file_of_others), cmocka_unit_test(jit_file_is_bounded),
		cmocka_unit_test(table_of_symbols),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
