/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a sleeping thread waits for, as far as its system call tells. Pure: a look in, a judgement out. When in
 * doubt it waits for nothing that counts: most threads that sleep have nothing to do.
 */
#ifndef APM_COLLECT_WAITING_H
#define APM_COLLECT_WAITING_H

#include <stdint.h>

#include "abi/look.h"

enum waiting {
	WAITING_IDLE = 0, /* for work, for a while, or nobody can tell */
	WAITING_IO,	  /* for a disk or a file system */
	WAITING_LOCK,	  /* for a mutex that another thread holds: see struct waiting_lock */
	/* In a span: for what the descriptors are, if they are sockets. */
	WAITING_FD,	/* one: arg[0] */
	WAITING_POLL,	/* those of the struct pollfd at arg[0], arg[1] of them */
	WAITING_SELECT, /* those below arg[0] in the sets at arg[1] and arg[2] */
	WAITING_EPOLL,	/* those that the epoll descriptor arg[0] watches */
};

enum waiting waiting_for(const struct apm_look *look);

/* Where the number of the thread that holds a mutex stands, of a thread with WAITING_LOCK. */
struct waiting_lock {
	uint32_t holder;   /* known from the call itself; 0 = not */
	uint64_t address;  /* else where to read it (u32); 0 = nowhere */
	uint32_t mask;	   /* bits of what is read there */
	int other_process; /* the holder may be a thread of another process */
};
void waiting_lock(const struct apm_look *look, struct waiting_lock *out);

/* Whether a thread in this system call (x86-64) may be waiting for its next work. */
int waiting_is_idle(long syscall);

#endif
