/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/waiting.h"

#include <linux/futex.h>
#include <stddef.h>
#include <string.h>

/*
 * System calls of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl), whose numbers never change. Elsewhere the
 * programs tell none.
 */
enum {
	SYS_READ = 0,
	SYS_WRITE = 1,
	SYS_LSTAT = 6,
	SYS_POLL = 7,
	SYS_PREAD64 = 17,
	SYS_READV = 19,
	SYS_WRITEV = 20,
	SYS_ACCESS = 21,
	SYS_SELECT = 23,
	SYS_MSYNC = 26,
	SYS_SENDFILE = 40,
	SYS_CONNECT = 42,
	SYS_ACCEPT = 43,
	SYS_SENDTO = 44,
	SYS_RECVFROM = 45,
	SYS_SENDMSG = 46,
	SYS_RECVMSG = 47,
	SYS_FSYNC = 74,
	SYS_LCHOWN = 94,
	SYS_SYNC = 162,
	SYS_READAHEAD = 187,
	SYS_FREMOVEXATTR = 199,
	SYS_IO_GETEVENTS = 208,
	SYS_IO_SUBMIT = 209,
	SYS_GETDENTS64 = 217,
	SYS_EPOLL_WAIT = 232,
	SYS_OPENAT = 257,
	SYS_FACCESSAT = 269,
	SYS_PSELECT6 = 270,
	SYS_PPOLL = 271,
	SYS_SPLICE = 275,
	SYS_SYNC_FILE_RANGE = 277,
	SYS_EPOLL_PWAIT = 281,
	SYS_FALLOCATE = 285,
	SYS_ACCEPT4 = 288,
	SYS_PREADV = 295,
	SYS_PWRITEV = 296,
	SYS_RECVMMSG = 299,
	SYS_SYNCFS = 306,
	SYS_SENDMMSG = 307,
	SYS_RENAMEAT2 = 316,
	SYS_COPY_FILE_RANGE = 326,
	SYS_PWRITEV2 = 328,
	SYS_STATX = 332,
	SYS_IO_URING_ENTER = 426,
	SYS_OPENAT2 = 437,
	SYS_EPOLL_PWAIT2 = 441,
};

/* Which work on files: a thread that sleeps in one so that no signal wakes it waits for the file system. */
static int is_of_files(int syscall)
{
	static const struct {
		int first, last;
	} ranges[] = {
		{SYS_READ, SYS_LSTAT}, /* write, open, close, stat, fstat */
		{SYS_PREAD64, SYS_ACCESS},
		{SYS_MSYNC, SYS_MSYNC},
		{SYS_SENDFILE, SYS_SENDFILE},
		{SYS_FSYNC, SYS_LCHOWN}, /* fdatasync, truncate, rename, mkdir, unlink … */
		{SYS_SYNC, SYS_SYNC},
		{SYS_READAHEAD, SYS_FREMOVEXATTR},
		{SYS_IO_SUBMIT, SYS_IO_SUBMIT},
		{SYS_GETDENTS64, SYS_GETDENTS64},
		{SYS_OPENAT, SYS_FACCESSAT}, /* mkdirat, newfstatat, unlinkat … */
		{SYS_SPLICE, SYS_SYNC_FILE_RANGE},
		{SYS_FALLOCATE, SYS_FALLOCATE},
		{SYS_PREADV, SYS_PWRITEV},
		{SYS_SYNCFS, SYS_SYNCFS},
		{SYS_RENAMEAT2, SYS_RENAMEAT2},
		{SYS_COPY_FILE_RANGE, SYS_PWRITEV2},
		{SYS_STATX, SYS_STATX},
		{SYS_OPENAT2, SYS_OPENAT2},
	};
	size_t i;

	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (syscall >= ranges[i].first && syscall <= ranges[i].last)
			return 1;
	}
	return 0;
}

int waiting_is_idle(long syscall)
{
	switch (syscall) {
	case SYS_POLL:
	case SYS_PPOLL:
	case SYS_SELECT:
	case SYS_PSELECT6:
	case SYS_EPOLL_WAIT:
	case SYS_EPOLL_PWAIT:
	case SYS_EPOLL_PWAIT2:
	case SYS_ACCEPT:
	case SYS_ACCEPT4:
	case SYS_IO_GETEVENTS:
	case SYS_IO_URING_ENTER:
		return 1;
	}
	return 0;
}

/* ---- locks ---- */

#define LOCKED_AND_WAITED_FOR 2 /* glibc's mutex: nptl/lowlevellock.h */
#define OWNER_OFFSET	      8 /* of __owner behind __lock in pthread_mutex_t */
#define OWN_STACK	      4096

/*
 * A futex serves mutexes and, mostly, threads that wait for work (condition variables, semaphores). Told apart
 * by how libc uses it: a mutex waits by FUTEX_WAIT for a word that says "locked, and somebody waits": 2, or
 * the holder's number with FUTEX_WAITERS. All else of glibc waits by FUTEX_WAIT_BITSET, and musl's condition
 * variable for a word in its own stack frame.
 */
static int is_lock(const struct apm_look *look)
{
	uint32_t value = (uint32_t)look->arg[2];

	switch (look->arg[1] & FUTEX_CMD_MASK) {
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return 1;
	case FUTEX_WAIT:
		if (look->arg[0] >= look->sp && look->arg[0] - look->sp < OWN_STACK)
			return 0;
		return value == LOCKED_AND_WAITED_FOR ||
		       (value & FUTEX_WAITERS && value & FUTEX_TID_MASK && value != UINT32_MAX);
	}
	return 0;
}

void waiting_lock(const struct apm_look *look, struct waiting_lock *out)
{
	uint32_t value = (uint32_t)look->arg[2];

	memset(out, 0, sizeof(*out));
	out->mask = FUTEX_TID_MASK;
	out->other_process = !(look->arg[1] & FUTEX_PRIVATE_FLAG);
	if ((look->arg[1] & FUTEX_CMD_MASK) != FUTEX_WAIT)
		out->address = look->arg[0];
	else if (value == LOCKED_AND_WAITED_FOR)
		out->address = look->arg[0] + OWNER_OFFSET;
	else
		out->holder = value & FUTEX_TID_MASK;
}

/* ---- all ---- */

/* Of a thread in a span, which has something to do. */
static enum waiting waiting_in_span(int syscall)
{
	switch (syscall) {
	case SYS_READ:
	case SYS_READV:
	case SYS_WRITE:
	case SYS_WRITEV:
	case SYS_CONNECT:
	case SYS_SENDTO:
	case SYS_SENDMSG:
	case SYS_SENDMMSG:
	case SYS_RECVFROM:
	case SYS_RECVMSG:
	case SYS_RECVMMSG:
		return WAITING_FD;
	case SYS_POLL:
	case SYS_PPOLL:
		return WAITING_POLL;
	case SYS_SELECT:
	case SYS_PSELECT6:
		return WAITING_SELECT;
	case SYS_EPOLL_WAIT:
	case SYS_EPOLL_PWAIT:
	case SYS_EPOLL_PWAIT2:
		return WAITING_EPOLL;
	}
	return WAITING_IDLE;
}

enum waiting waiting_for(const struct apm_look *look)
{
	/* A thread that waits for the completions of its ring is told to wait for a disk, whatever is in it. */
	if (look->flags & APM_LOOK_IOWAIT && look->syscall != SYS_IO_URING_ENTER)
		return WAITING_IO;
	if (look->flags & APM_LOOK_BLOCKED)
		return is_of_files(look->syscall) ? WAITING_IO : WAITING_IDLE;
	if (look->syscall == APM_SYS_FUTEX)
		return is_lock(look) ? WAITING_LOCK : WAITING_IDLE;
	return look->flags & APM_LOOK_IN_SPAN ? waiting_in_span(look->syscall) : WAITING_IDLE;
}
