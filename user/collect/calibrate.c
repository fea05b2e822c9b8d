/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/calibrate.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collect/attach.h"

/* Short rounds: the more of them are free of other work on the machine. A probe can cost microseconds. */
#define CALLS  50
#define ROUNDS 30

/*
 * The function that is probed. It begins with a push, like the functions of client libraries that are probed:
 * the price of a probe depends on its first instruction.
 */
__attribute__((noinline, noclone, used)) static void calibration_target(volatile uint64_t *n)
{
	*n += 1;
	__asm__ volatile("" ::: "memory", "rbx");
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* The least of some rounds: the machine is never faster than it is. */
static uint64_t per_call(void)
{
	uint64_t best = UINT64_MAX;
	volatile uint64_t n = 0;
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		uint64_t begin = cpu_ns(), took;

		for (i = 0; i < CALLS; i++)
			calibration_target(&n);
		took = (cpu_ns() - begin) / CALLS;
		if (took < best)
			best = took;
	}
	return best;
}

/* File offset of the target: our own executable is mapped from its first segment on. */
static int find_offset(struct dl_phdr_info *info, size_t size, void *arg)
{
	uint64_t addr = (uint64_t)(uintptr_t)calibration_target, *off = arg;
	int i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_LOAD && addr >= start && addr < start + p->p_filesz) {
			*off = addr - start + p->p_offset;
			return 1;
		}
	}
	return 0;
}

static int measure(const struct loader *l, int fd, uint64_t off, int entry, int ret, uint64_t *ns)
{
	struct attachment *a = attach_empty(l, fd, off, entry, ret);

	if (!a)
		return -errno;
	*ns = per_call();
	attachments_close(&a, 1);
	return 0;
}

int calibrate(const struct loader *l, struct calibration *out)
{
	uint64_t off = 0, bare, entry = 0, both = 0;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), err;

	memset(out, 0, sizeof(*out));
	if (fd < 0)
		return -errno;
	if (!dl_iterate_phdr(find_offset, &off)) {
		err = -ENOENT;
		goto out;
	}
	bare = per_call();
	err = measure(l, fd, off, 1, 0, &entry);
	if (!err)
		err = measure(l, fd, off, 1, 1, &both);
	if (!err && entry > bare && both > entry) {
		out->entry_ns = entry - bare;
		out->return_ns = both - entry;
	}
out:
	close(fd);
	return err;
}
