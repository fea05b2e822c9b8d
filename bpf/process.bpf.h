/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The events that tell of processes. */
#ifndef APM_PROCESS_BPF_H
#define APM_PROCESS_BPF_H

#include "apm.bpf.h"

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
