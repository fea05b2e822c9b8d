/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process uses, read from /proc: of this test itself, and of one that ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "usage.h"

#define SECOND 1000000000ULL

struct seen {
	int count;
	pid_t last;
	struct rec_usage usage;
	char comm[64];
};

static void see(pid_t pid, const struct rec_usage *usage, void *arg)
{
	struct seen *s = arg;

	s->count++;
	s->last = pid;
	s->usage = *usage;
	memcpy(s->comm, usage->comm.ptr, usage->comm.len);
	s->comm[usage->comm.len] = '\0';
}

static void test_own(void **state)
{
	struct seen s = {0};
	struct usage *u = usage_new(60 * SECOND, see, &s);
	size_t size = 64 << 20;
	uint64_t before;
	void *memory;

	usage_add(u, getpid(), 0);
	usage_add(u, getpid(), 0);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.last, getpid());
	assert_true(strncmp(s.comm, "test_usage", 10) == 0);
	assert_true(s.usage.rss_kb > 100 && s.usage.age_ns < 3600 * SECOND);
	before = s.usage.rss_kb;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	assert_true(memory != MAP_FAILED);
	usage_check(u, SECOND, 1);
	assert_true(s.usage.rss_kb >= before + 60 * 1024);
	munmap(memory, size);
	usage_free(u);
}

/* How often a process is checked from `from` to `to` seconds, with the clock going on by tenths. */
static int checks(struct usage *u, struct seen *s, uint64_t from, uint64_t to)
{
	int before = s->count;
	uint64_t at;

	for (at = from * 10; at < to * 10; at++)
		usage_check(u, at * SECOND / 10, 0);
	return s->count - before;
}

static void test_when(void **state)
{
	struct seen s = {0};
	struct usage *u = usage_new(10 * SECOND, see, &s);

	usage_check(u, 50 * SECOND, 0); /* nobody to check */
	usage_add(u, getpid(), 100 * SECOND);
	assert_int_equal(s.count, 1);
	assert_int_equal(checks(u, &s, 100, 101), 0);
	assert_int_equal(checks(u, &s, 101, 109), 8); /* each second */
	assert_in_range(checks(u, &s, 109, 125), 6, 12);
	checks(u, &s, 125, 200);
	assert_int_equal(checks(u, &s, 200, 300), 10); /* as often as asked */
	usage_check(u, 300 * SECOND, 1);
	usage_check(u, 301 * SECOND, 1);
	assert_int_equal(checks(u, &s, 301, 311), 0);
	usage_free(u);
	s.count = 0;
	u = usage_new(SECOND / 10, see, &s);
	usage_add(u, getpid(), 100 * SECOND);
	assert_int_equal(checks(u, &s, 101, 102), 10);
	usage_free(u);
	usage_free(NULL);
}

/* A zombie has no memory, and one that is gone says nothing more. */
static void test_gone(void **state)
{
	struct seen s = {0};
	struct usage *u = usage_new(SECOND, see, &s);
	int ready[2], status;
	siginfo_t info;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (!child) {
		close(ready[1]);
		_exit(read(ready[0], &status, 1) < 0);
	}
	usage_add(u, child, 0);
	assert_int_equal(s.count, 1);
	close(ready[1]);
	close(ready[0]);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	usage_check(u, SECOND, 1);
	assert_int_equal(s.count, 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	usage_add(u, child, 0);
	assert_int_equal(s.count, 1);
	usage_free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_when),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
