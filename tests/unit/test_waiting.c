/* SPDX-License-Identifier: BSD-2-Clause */
/* What a sleeping thread waits for, by its system call: what counts, and all that does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <linux/futex.h>

#include "collect/waiting.h"

#define IOWAIT	(APM_LOOK_IOWAIT | APM_LOOK_BLOCKED)
#define BLOCKED APM_LOOK_BLOCKED
#define IN_SPAN APM_LOOK_IN_SPAN
#define STACK	0x7ffe00001000

struct row {
	const char *what;
	uint32_t flags;
	int32_t syscall;
	uint64_t arg[3];
	enum waiting want;
};

static void hold(const struct row *rows, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		struct apm_look look = {.flags = rows[i].flags,
					.syscall = rows[i].syscall,
					.arg = {rows[i].arg[0], rows[i].arg[1], rows[i].arg[2]},
					.sp = STACK};

		if (waiting_for(&look) != rows[i].want)
			fail_msg("%s: %d, not %d", rows[i].what, waiting_for(&look), rows[i].want);
	}
}

#define HOLD(rows) hold(rows, sizeof(rows) / sizeof((rows)[0]))

static void disks_and_file_systems(void **state)
{
	static const struct row rows[] = {
		{"fdatasync", IOWAIT, 75, {3}, WAITING_IO},
		{"fsync waits for the journal", BLOCKED, 74, {3}, WAITING_IO},
		{"a page of a mapped file", IOWAIT, APM_LOOK_NO_SYSCALL, {0}, WAITING_IO},
		{"O_DIRECT", IOWAIT, 17, {3}, WAITING_IO},
		{"in a span too", IOWAIT | IN_SPAN, 1, {3}, WAITING_IO},
		{"rename", BLOCKED, 82, {0}, WAITING_IO},
		{"openat", BLOCKED, 257, {0}, WAITING_IO},
		{"NFS", BLOCKED, 0, {3}, WAITING_IO},
		/* No disk: */
		{"completions of a ring", IOWAIT, 426, {3}, WAITING_IDLE},
		{"a parent of vfork", BLOCKED, 58, {0}, WAITING_IDLE},
		{"mmap waits for mmap_lock", BLOCKED, 9, {0}, WAITING_IDLE},
		{"a page fault waits for it", BLOCKED, APM_LOOK_NO_SYSCALL, {0}, WAITING_IDLE},
		{"exit_group", BLOCKED, 231, {0}, WAITING_IDLE},
		{"read of a pipe or socket", 0, 0, {3}, WAITING_IDLE},
		{"write to a pipe", 0, 1, {3}, WAITING_IDLE},
		{"io_getevents", 0, 208, {0}, WAITING_IDLE},
		{"a future system call", BLOCKED, 1000, {0}, WAITING_IDLE},
		{"splice sleeps so that a signal wakes it", 0, 275, {0}, WAITING_IDLE},
	};

	HOLD(rows);
}

#define FUTEX	    APM_SYS_FUTEX
#define PRIVATE(op) ((op) | FUTEX_PRIVATE_FLAG)
#define MUTEX	    0x5000

static void locks(void **state)
{
	static const struct row rows[] = {
		{"a mutex of glibc", 0, FUTEX, {MUTEX, PRIVATE(FUTEX_WAIT), 2}, WAITING_LOCK},
		{"shared between processes", 0, FUTEX, {MUTEX, FUTEX_WAIT, 2}, WAITING_LOCK},
		{"robust", 0, FUTEX, {MUTEX, FUTEX_WAIT, FUTEX_WAITERS | 77}, WAITING_LOCK},
		{"of musl", 0, FUTEX, {MUTEX, PRIVATE(FUTEX_WAIT), 0x80000010}, WAITING_LOCK},
		{"with priority inheritance", 0, FUTEX, {MUTEX, PRIVATE(FUTEX_LOCK_PI), 0}, WAITING_LOCK},
		{"in a span", IN_SPAN, FUTEX, {MUTEX, PRIVATE(FUTEX_WAIT), 2}, WAITING_LOCK},
		/* A thread that has nothing to do: */
		{"a condition variable of glibc",
		 0,
		 FUTEX,
		 {MUTEX, PRIVATE(FUTEX_WAIT_BITSET) | FUTEX_CLOCK_REALTIME, 0},
		 WAITING_IDLE},
		{"whose word happens to be 2",
		 0,
		 FUTEX,
		 {MUTEX, PRIVATE(FUTEX_WAIT_BITSET), 2},
		 WAITING_IDLE},
		{"of musl: in its own frame", 0, FUTEX, {STACK + 80, PRIVATE(FUTEX_WAIT), 2}, WAITING_IDLE},
		{"a semaphore", 0, FUTEX, {MUTEX, PRIVATE(FUTEX_WAIT_BITSET), 0}, WAITING_IDLE},
		{"an idle thread of Go", 0, FUTEX, {MUTEX, PRIVATE(FUTEX_WAIT), 0}, WAITING_IDLE},
		{"a parked thread of Rust",
		 0,
		 FUTEX,
		 {MUTEX, PRIVATE(FUTEX_WAIT_BITSET), UINT32_MAX},
		 WAITING_IDLE},
		{"an event of somebody else",
		 0,
		 FUTEX,
		 {MUTEX, PRIVATE(FUTEX_WAIT), UINT32_MAX},
		 WAITING_IDLE},
		{"a barrier of OpenMP", 0, FUTEX, {MUTEX, PRIVATE(FUTEX_WAIT), 8}, WAITING_IDLE},
		{"pthread_join", 0, FUTEX, {MUTEX, FUTEX_WAIT_BITSET, 4711}, WAITING_IDLE},
		{"a condition variable in a span",
		 IN_SPAN,
		 FUTEX,
		 {MUTEX, PRIVATE(FUTEX_WAIT_BITSET), 0},
		 WAITING_IDLE},
		{"flock, fcntl: a turn at accept() as well", 0, 73, {3}, WAITING_IDLE},
	};

	HOLD(rows);
}

static void network(void **state)
{
	static const struct row rows[] = {
		{"read", IN_SPAN, 0, {3}, WAITING_FD},
		{"recvfrom", IN_SPAN, 45, {3}, WAITING_FD},
		{"connect", IN_SPAN, 42, {3}, WAITING_FD},
		{"sendto", IN_SPAN, 44, {3}, WAITING_FD},
		{"poll", IN_SPAN, 7, {0}, WAITING_POLL},
		{"ppoll", IN_SPAN, 271, {0}, WAITING_POLL},
		{"select", IN_SPAN, 23, {0}, WAITING_SELECT},
		{"epoll", IN_SPAN, 232, {3}, WAITING_EPOLL},
		/* Not known to have work in hand: */
		{"read", 0, 0, {3}, WAITING_IDLE},
		{"recvfrom", 0, 45, {3}, WAITING_IDLE},
		{"connect", 0, 42, {3}, WAITING_IDLE},
		{"poll", 0, 7, {0}, WAITING_IDLE},
		{"select", 0, 23, {0}, WAITING_IDLE},
		{"epoll", 0, 232, {3}, WAITING_IDLE},
		{"accept", 0, 43, {3}, WAITING_IDLE},
		/* For nobody: */
		{"accept", IN_SPAN, 43, {3}, WAITING_IDLE},
		{"nanosleep", IN_SPAN, 35, {0}, WAITING_IDLE},
		{"clock_nanosleep", IN_SPAN, 230, {0}, WAITING_IDLE},
		{"wait4", IN_SPAN, 61, {0}, WAITING_IDLE},
		{"pause", IN_SPAN, 34, {0}, WAITING_IDLE},
		{"rt_sigtimedwait", IN_SPAN, 128, {0}, WAITING_IDLE},
	};

	HOLD(rows);
}

static struct waiting_lock lock_of(uint64_t op, uint64_t value)
{
	struct apm_look look = {.syscall = FUTEX, .arg = {MUTEX, op, value}, .sp = STACK};
	struct waiting_lock lock;

	waiting_lock(&look, &lock);
	return lock;
}

static void who_holds_a_lock(void **state)
{
	struct waiting_lock lock = lock_of(PRIVATE(FUTEX_WAIT), 2);

	assert_int_equal(lock.address, MUTEX + 8); /* pthread_mutex_t.__data.__owner */
	assert_int_equal(lock.holder, 0);
	assert_false(lock.other_process);
	lock = lock_of(FUTEX_WAIT, FUTEX_WAITERS | FUTEX_OWNER_DIED | 77);
	assert_int_equal(lock.holder, 77);
	assert_int_equal(lock.address, 0);
	assert_true(lock.other_process);
	lock = lock_of(PRIVATE(FUTEX_LOCK_PI), 0);
	assert_int_equal(lock.address, MUTEX);
	assert_int_equal(0x80000123 & lock.mask, 0x123);
}

static void who_is_idle(void **state)
{
	static const long idle[] = {7, 23, 43, 232, 270, 271, 281, 288, 426, 441},
			  busy[] = {-1, 0, 1, 35, 42, 45, 61, 74, 202, 230};
	size_t i;

	for (i = 0; i < sizeof(idle) / sizeof(idle[0]); i++) {
		assert_true(waiting_is_idle(idle[i]));
		assert_false(waiting_is_idle(busy[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disks_and_file_systems),
		cmocka_unit_test(locks),
		cmocka_unit_test(network),
		cmocka_unit_test(who_holds_a_lock),
		cmocka_unit_test(who_is_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
