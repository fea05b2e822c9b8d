/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel, as far as the probes can tell: maps, a ring buffer, a clock, and a program to be traced. */
#ifndef APM_BPF_HOST_H
#define APM_BPF_HOST_H

#include <stddef.h>

#include "apm.bpf.h"

#define HOST_EVENTS_MAX 4096

/* Everything as on a fresh start: process 100, thread 101, in scope. */
void host_reset(void);
/* Which process and thread runs. */
void host_thread(u32 tgid, u32 tid);
/* Reads of [start, start + len) fail until host_fault(0, 0). */
void host_fault(u64 start, u64 len);
/* Reservations beyond this many fail. */
void host_ring_room(unsigned int events);
/* At the next run of a program: its attach cookie, and for sessions whether it is the return. */
void host_cookie(u64 cookie);
void host_phase(int is_return);

/* What was submitted, in order. */
unsigned int host_events(void);
const struct apm_hdr *host_event(unsigned int i);
/* The i-th event of a kind; NULL when there are fewer. */
const void *host_event_of(u16 kind, unsigned int i);
u64 host_counter(enum apm_counter counter);
u64 host_now(void);

#endif
