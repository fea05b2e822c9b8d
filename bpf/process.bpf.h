/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The events that tell of processes, and programs at tracepoints that must not be missed. */
#ifndef APM_PROCESS_BPF_H
#define APM_PROCESS_BPF_H

#include "apm.bpf.h"

/*
 * A kernel that may preempt a program at a tracepoint (7.2 does) skips it for whatever else comes to that tracepoint
 * on the same CPU meanwhile. So there are two of it, one after the other, and what skips the first runs the second.
 * Each must leave nothing to do to the other; `again` tells which one it is. Where interrupts are off, as at
 * sched_switch and sched_wakeup_new, nothing preempts and one will do.
 */
#define TWICE(tracepoint, name)                                                                  \
	static __always_inline int name##_once(struct bpf_raw_tracepoint_args *ctx, bool again); \
	SEC("raw_tp/" tracepoint)                                                                \
	int name(struct bpf_raw_tracepoint_args *ctx)                                            \
	{                                                                                        \
		return name##_once(ctx, false);                                                  \
	}                                                                                        \
	SEC("raw_tp/" tracepoint)                                                                \
	int name##_again(struct bpf_raw_tracepoint_args *ctx)                                    \
	{                                                                                        \
		return name##_once(ctx, true);                                                   \
	}                                                                                        \
	static __always_inline int name##_once(struct bpf_raw_tracepoint_args *ctx, bool again)

static __always_inline void process_event(u16 kind, struct task_struct *task, u32 other)
{
	struct apm_ev_proc *e = event_reserve(struct apm_ev_proc, 0);

	if (!e)
		return;
	event_header(&e->hdr, kind, sizeof(*e), 0);
	e->other = other;
	e->reserved = 0;
	e->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	BPF_CORE_READ_STR_INTO(&e->comm, task, comm);
	event_submit(e);
}

#endif
