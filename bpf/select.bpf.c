// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Processes chosen by what they are, and not by number: each that begins to match comes into scope before it
 * runs on. Loaded only when something is chosen that way, and attached before the programs that follow
 * processes, so that those find it in scope.
 */
#include "process.bpf.h"

const volatile unsigned char select_all = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, APM_MAX_SELECTED);
	__type(key, char[16]);
	__type(value, u8);
} select_comms SEC(".maps");

/* Key: the id of a cgroup in the unified hierarchy, the inode number of its directory. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, APM_MAX_SELECTED);
	__type(key, u64);
	__type(value, u8);
} select_cgroups SEC(".maps");

#define CGROUP_DEPTH 32

static __always_inline bool in_selected_cgroup(struct task_struct *task)
{
	struct cgroup_subsys_state *css;
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	int i;

	for (i = 0; i < CGROUP_DEPTH && cgroup; i++) {
		u64 id = BPF_CORE_READ(cgroup, kn, id);

		if (bpf_map_lookup_elem(&select_cgroups, &id))
			return true;
		css = BPF_CORE_READ(cgroup, self.parent);
		cgroup = css ? (void *)css - bpf_core_field_offset(struct cgroup, self) : NULL;
	}
	return false;
}

static __always_inline bool selected(struct task_struct *task)
{
	char comm[16] = {};

	if (select_all)
		return true;
	BPF_CORE_READ_STR_INTO(&comm, task, comm);
	return bpf_map_lookup_elem(&select_comms, comm) || in_selected_cgroup(task);
}

/* True when the process has come into scope just now. */
static __always_inline bool select(struct task_struct *task, u32 tgid)
{
	u32 told = 0;

	if (in_scope(tgid) || !selected(task))
		return false;
	if (bpf_map_update_elem(&scope, &tgid, &told, BPF_ANY)) {
		count(APM_CNT_MAP_FULL);
		return false;
	}
	return true;
}

/* A child of a process that is not in scope: clone3() may put it into a cgroup of its own. */
SEC("raw_tp/sched_wakeup_new")
int select_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (struct task_struct *)ctx->args[0];
	u32 parent_tgid = bpf_get_current_pid_tgid() >> 32, child_tgid = BPF_CORE_READ(child, tgid);

	if (parent_tgid != child_tgid && !in_scope(parent_tgid) && select(child, child_tgid))
		process_event(APM_EV_FORK, child, child_tgid);
	return 0;
}

/* The name is the new one already. process_exec() tells of it. */
TWICE("sched_process_exec", select_exec)
{
	select((struct task_struct *)ctx->args[0], bpf_get_current_pid_tgid() >> 32);
	return 0;
}

/* cgroup, path, task, threadgroup: after the move, by whoever wrote to cgroup.procs. */
TWICE("cgroup_attach_task", select_attach)
{
	struct task_struct *task = (struct task_struct *)ctx->args[2];
	u32 tgid = BPF_CORE_READ(task, tgid);

	if (select(task, tgid))
		process_event(APM_EV_FORK, task, tgid);
	return 0;
}
