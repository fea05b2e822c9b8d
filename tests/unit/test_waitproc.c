/* SPDX-License-Identifier: BSD-2-Clause */
/* Which descriptors a sleeping thread waits for, and who holds the lock: asked about threads of this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "collect/waitproc.h"

static struct apm_look look_at(uint64_t a, uint64_t b, uint64_t c)
{
	return (struct apm_look){.tgid = (uint32_t)getpid(), .tid = (uint32_t)gettid(), .arg = {a, b, c}};
}

static void descriptors(void **state)
{
	struct pollfd list[2] = {{5, POLLIN, 0}, {9, POLLOUT, 0}};
	int fds[WAITPROC_FDS], watcher = epoll_create1(EPOLL_CLOEXEC), pair[2];
	struct epoll_event event = {.events = EPOLLIN};
	struct apm_look look = look_at(7, 0, 0);
	fd_set readable, writable;

	assert_int_equal(waitproc_fds(&look, WAITING_FD, fds), 1);
	assert_int_equal(fds[0], 7);
	look = look_at((uintptr_t)list, 2, 0);
	assert_int_equal(waitproc_fds(&look, WAITING_POLL, fds), 2);
	assert_int_equal(fds[0], 5);
	assert_int_equal(fds[1], 9);
	look = look_at(0, 0, 0);
	assert_int_equal(waitproc_fds(&look, WAITING_POLL, fds), 0);
	assert_int_equal(waitproc_fds(&look, WAITING_SELECT, fds), 0);
	look = look_at(8, 2, 0); /* no such memory */
	assert_true(waitproc_fds(&look, WAITING_POLL, fds) < 0);
	FD_ZERO(&readable);
	FD_ZERO(&writable);
	FD_SET(3, &readable);
	FD_SET(70, &readable);
	FD_SET(4, &writable);
	look = look_at(71, (uintptr_t)&readable, (uintptr_t)&writable);
	assert_int_equal(waitproc_fds(&look, WAITING_SELECT, fds), 3);
	assert_int_equal(fds[1], 4);
	assert_int_equal(fds[2], 70);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	epoll_ctl(watcher, EPOLL_CTL_ADD, pair[0], &event);
	look = look_at((uint64_t)watcher, 0, 0);
	assert_int_equal(waitproc_fds(&look, WAITING_EPOLL, fds), 1);
	assert_int_equal(fds[0], pair[0]);
	assert_true(waitproc_is_socket(&look, pair[0]));
	assert_false(waitproc_is_socket(&look, watcher));
	assert_false(waitproc_is_socket(&look, 9999));
	look.tgid = 0x7fffffff;
	assert_true(waitproc_fds(&look, WAITING_EPOLL, fds) < 0);
	close(watcher);
	close(pair[0]);
	close(pair[1]);
}

struct holder {
	pthread_mutex_t mutex;
	int busy, stop[2];
	_Atomic int ready;
};

static void *hold(void *arg)
{
	struct holder *h = arg;
	struct pollfd wait = {h->stop[0], POLLIN, 0};
	char byte;

	pthread_mutex_lock(&h->mutex);
	h->ready = 1;
	if (h->busy)
		(void)!read(h->stop[0], &byte, 1);
	else
		poll(&wait, 1, -1);
	pthread_mutex_unlock(&h->mutex);
	return NULL;
}

/* Whether this thread counts as kept from its work by a lock that another one holds, which is busy, or waits
 * for its next work. */
static int is_kept(int busy, uint64_t op)
{
	struct holder h = {.mutex = PTHREAD_MUTEX_INITIALIZER, .busy = busy};
	struct apm_look look = look_at((uintptr_t)&h.mutex, op, 2);
	struct timespec ms = {0, 20000000};
	pthread_t thread;
	int kept;

	assert_int_equal(pipe(h.stop), 0);
	pthread_create(&thread, NULL, hold, &h);
	while (!h.ready)
		nanosleep(&ms, NULL);
	nanosleep(&ms, NULL); /* it sleeps by now, or runs: busy both */
	kept = waitproc_is_kept(&look);
	assert_int_equal(write(h.stop[1], "", 1), 1);
	pthread_join(thread, NULL);
	close(h.stop[0]);
	close(h.stop[1]);
	return kept;
}

static void who_holds_the_lock(void **state)
{
	struct apm_look look = look_at(0, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0x80000010);

	if (access("/proc/self/syscall", R_OK))
		skip(); /* CONFIG_HAVE_ARCH_TRACEHOOK */
	assert_true(is_kept(1, FUTEX_WAIT | FUTEX_PRIVATE_FLAG));
	assert_false(is_kept(0, FUTEX_WAIT | FUTEX_PRIVATE_FLAG));
	/* Nobody knows who: within a process it is a lock, between processes it may be a turn at accept(). */
	look.arg[2] = FUTEX_WAITERS | FUTEX_TID_MASK;
	assert_true(waitproc_is_kept(&look));
	look.arg[1] = FUTEX_WAIT;
	assert_false(waitproc_is_kept(&look));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors),
		cmocka_unit_test(who_holds_the_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
