/* SPDX-License-Identifier: BSD-2-Clause */
#include "usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collect/procinfo.h"

#define PROCESSES_MAX 4096
#define SECOND	      1000000000ULL
#define FIRST_NS      SECOND /* between the first checks of a process … */
#define AT_ONCE	      64     /* … of so many; of more it takes as much longer */
#define PART	      8	     /* later: this part of the time since the first */

/* Fields of /proc/PID/stat, proc(5). */
enum { STAT_UTIME = 14, STAT_STIME = 15, STAT_START = 22, STAT_RSS = 24 };

struct watched {
	pid_t pid;
	uint64_t since_ns, next_ns;
};

struct usage {
	uint64_t every_ns, next_ns; /* when one of them is to be checked next */
	usage_fn fn;
	void *arg;
	uint64_t ticks, page_kb; /* clock ticks per second */
	size_t count;
	struct watched process[PROCESSES_MAX];
};

struct usage *usage_new(uint64_t every_ns, usage_fn fn, void *arg)
{
	struct usage *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->every_ns = every_ns;
	u->fn = fn;
	u->arg = arg;
	u->ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	u->page_kb = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	return u;
}

void usage_free(struct usage *u)
{
	free(u);
}

/* 0, or -errno when the process is gone. */
static int read_stat(pid_t pid, char *out, size_t size)
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, out, size - 1);
	close(fd);
	if (n <= 0)
		return -ESRCH;
	out[n] = '\0';
	return 0;
}

static uint64_t boottime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static uint64_t cpu_of(const struct usage *u, const char *stat)
{
	return (procinfo_stat(stat, STAT_UTIME) + procinfo_stat(stat, STAT_STIME)) * (SECOND / u->ticks);
}

uint64_t usage_cpu_ns(struct usage *u)
{
	uint64_t sum = 0;
	char stat[1024];

	for (size_t i = 0; i < u->count; i++) {
		if (!read_stat(u->process[i].pid, stat, sizeof(stat)))
			sum += cpu_of(u, stat);
	}
	return sum;
}

static int check(struct usage *u, pid_t pid)
{
	char stat[1024], comm[64];
	struct rec_usage usage;
	uint64_t start, now = boottime();
	int err = read_stat(pid, stat, sizeof(stat));

	if (err)
		return err;
	usage.rss_kb = procinfo_stat(stat, STAT_RSS) * u->page_kb;
	/* A zombie has no memory any more, and says nothing of what it had. */
	if (!usage.rss_kb)
		return -ESRCH;
	start = procinfo_stat(stat, STAT_START) * (SECOND / u->ticks);
	usage.age_ns = now > start ? now - start : 0;
	usage.cpu_ns = cpu_of(u, stat);
	procinfo_comm(stat, comm, sizeof(comm));
	usage.comm = str_from(comm);
	u->fn(pid, &usage, u->arg);
	return 0;
}

/* When a process that was just checked is to be checked again. */
static void plan(struct usage *u, struct watched *w, uint64_t now_ns)
{
	uint64_t first = FIRST_NS * (1 + u->count / AT_ONCE), step = (now_ns - w->since_ns) / PART;

	step = step > first ? step : first;
	w->next_ns = now_ns + (step < u->every_ns ? step : u->every_ns);
	u->next_ns = w->next_ns < u->next_ns ? w->next_ns : u->next_ns;
}

void usage_add(struct usage *u, pid_t pid, uint64_t now_ns)
{
	struct watched *w = &u->process[u->count];
	size_t i;

	for (i = 0; i < u->count; i++) {
		if (u->process[i].pid == pid)
			return;
	}
	if (u->count == PROCESSES_MAX || check(u, pid) != 0)
		return;
	*w = (struct watched){.pid = pid, .since_ns = now_ns};
	if (!u->count++)
		u->next_ns = UINT64_MAX;
	plan(u, w, now_ns);
}

void usage_check(struct usage *u, uint64_t now_ns, int force)
{
	size_t i, kept = 0;

	if (!force && now_ns < u->next_ns)
		return;
	u->next_ns = UINT64_MAX;
	for (i = 0; i < u->count; i++) {
		struct watched *w = &u->process[kept];

		*w = u->process[i];
		if (force || now_ns >= w->next_ns) {
			if (check(u, w->pid) != 0)
				continue;
			plan(u, w, now_ns);
		}
		u->next_ns = w->next_ns < u->next_ns ? w->next_ns : u->next_ns;
		kept++;
	}
	u->count = kept;
}
