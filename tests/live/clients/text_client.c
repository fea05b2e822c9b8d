/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program whose client library has its code in unusual memory.
 *
 *   text_client HOW LIBRARY MODULE MODE
 *
 * Loads LIBRARY, then MODULE, which uses it and runs MODE after the barrier. HOW: `memfd` loads the library from a file in memory,
 * `memfd-later` after the barrier (with another one before its work); `huge` too, and collapses its code into huge pages; `moved` lets copies of its code in anonymous memory take its place, as
 * programs do that want huge pages for it. Exit status 77: the kernel does not do that.
 */
/* LIBS: -ldl -lpthread */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

#include "truth.h"

#define HUGE (2UL << 20)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

struct range {
	uintptr_t begin, end;
};

static const char *in_memory(const char *path)
{
	static char name[64];
	int from = open(path, O_RDONLY), to = memfd_create("library", 0);
	char buf[65536];
	ssize_t got;

	if (from < 0 || to < 0)
		die("cannot copy the library");
	while ((got = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, (size_t)got) != got)
			die("cannot write to memory");
	close(from);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", to);
	return name;
}

/* The executable mappings of the file that holds `symbol`. */
static int code_of(const void *symbol, struct range *range, int max)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512], of[64] = "", perms[8], file[64];
	unsigned long begin, end, inode;
	int n = 0;

	for (int pass = 0; maps && pass < 2; rewind(maps), pass++)
		while (fgets(line, sizeof(line), maps)) {
			if (sscanf(line, "%lx-%lx %7s %*s %15s %lu", &begin, &end, perms, file, &inode) != 5)
				continue;
			snprintf(file + strlen(file), sizeof(file) - strlen(file), " %lu", inode);
			if (!pass && begin <= (uintptr_t)symbol && (uintptr_t)symbol < end)
				strcpy(of, file);
			if (pass && perms[2] == 'x' && !strcmp(of, file) && n < max)
				range[n++] = (struct range){begin, end};
		}
	if (!n)
		die("no code");
	return n;
}

static void move(struct range r)
{
	size_t len = r.end - r.begin;
	void *copy = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		die("mmap");
	memcpy(copy, (void *)r.begin, len);
	if (mprotect(copy, len, PROT_READ | PROT_EXEC) ||
	    mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)r.begin) == MAP_FAILED)
		die("cannot move the code");
}

static void collapse(struct range r)
{
	uintptr_t at = (r.begin + HUGE - 1) & ~(HUGE - 1);
	int done = 0;

	for (volatile char *p = (char *)r.begin; (uintptr_t)p < r.end; p += 4096)
		(void)*p;
	for (; at + HUGE <= r.end; at += HUGE)
		done += !madvise((void *)at, HUGE, MADV_COLLAPSE);
	if (!done) {
		perror("collapse");
		exit(77);
	}
}

int main(int argc, char **argv)
{
	const char *how = argc == 5 ? argv[1] : "";
	int (*run)(int, char **);
	struct range range[8];
	void *library, *module;

	truth_start("none");
	if (!strcmp(how, "memfd-later")) {
		truth_barrier();
		puts("again");
	}
	library = dlopen(strcmp(how, "moved") ? in_memory(argv[2]) : argv[2], RTLD_NOW | RTLD_GLOBAL);
	if (!library)
		die(dlerror());
	for (int n = code_of(dlsym(library, "sqlite3_step"), range, 8); n--;) {
		if (!strcmp(how, "moved"))
			move(range[n]);
		if (!strcmp(how, "huge"))
			collapse(range[n]);
	}
	module = dlopen(argv[3], RTLD_NOW);
	run = module ? (int (*)(int, char **))dlsym(module, "module_main") : NULL;
	if (!run)
		die(dlerror());
	return run(2, (char *[]){argv[0], argv[4], NULL});
}
