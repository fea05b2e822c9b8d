/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a look at the threads of the machine says of those that sleep (bpf/look.bpf.c). */
#ifndef APM_ABI_LOOK_H
#define APM_ABI_LOOK_H

#if !defined(__bpf__) && !defined(__VMLINUX_H__)
#include <linux/types.h>
#endif

#define APM_LOOK_IOWAIT	 0x1 /* sleeps in the kernel's io_schedule() */
#define APM_LOOK_BLOCKED 0x2 /* no signal wakes it, as when it waits for a disk or for a lock of the kernel */
#define APM_LOOK_IN_SPAN 0x4 /* inside a span that the user named */

#define APM_LOOK_NO_SYSCALL -1 /* a page fault, or not known */

#define APM_SYS_FUTEX 202 /* the one system call that the programs tell from the others (x86-64) */

/* A thread in scope that sleeps outside of database calls. */
struct apm_look {
	__u64 ts; /* CLOCK_MONOTONIC ns */
	__u32 tgid;
	__u32 tid;
	__u32 flags;
	__s32 syscall; /* its number; APM_LOOK_NO_SYSCALL */
	__u64 arg[3];  /* of the system call */
	__u64 sp;
};

_Static_assert(sizeof(struct apm_look) == 56, "ABI: size of struct apm_look");

#endif
