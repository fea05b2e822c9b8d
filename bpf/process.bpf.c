// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Processes: scope is inherited at fork before the child runs, and forgotten when
 * the last thread has gone. */
#include "process.bpf.h"
#include "statement.bpf.h"

/* The parent is about to let the child run. */
SEC("raw_tp/sched_wakeup_new")
int process_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (struct task_struct *)ctx->args[0];
	u32 parent_tgid = bpf_get_current_pid_tgid() >> 32, child_tgid = BPF_CORE_READ(child, tgid);
	u32 told = 0;

	if (parent_tgid == child_tgid || !in_scope(parent_tgid))
		return 0;
	if (bpf_map_update_elem(&scope, &child_tgid, &told, BPF_ANY))
		count(APM_CNT_MAP_FULL);
	process_event(APM_EV_FORK, child, child_tgid);
	return 0;
}

TWICE("sched_process_exec", process_exec)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32, *told = bpf_map_lookup_elem(&scope, &tgid);
	struct apm_thread *t;

	if (!told)
		return 0;
	if (again && *told) {
		*told = 0;
		return 0;
	}
	*told = !again;
	t = thread_find();
	if (t) { /* the calls under way went with the old program */
		t->depth = 0;
		t->sync_seq = 0;
		t->outer.sp = 0;
	}
	process_event(APM_EV_EXEC, (struct task_struct *)ctx->args[0], 0);
	return 0;
}

TWICE("sched_process_exit", process_exit)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	u64 id = bpf_get_current_pid_tgid();
	u32 tgid = id >> 32, tid = (u32)id, i;
	struct apm_thread *t;

	if (!in_scope(tgid))
		return 0;
	t = thread_find();
	if (t) {
		for (i = 0; i < APM_NEST_MAX; i++) {
			struct apm_call *c = call_top(t);

			if (!c || t->switches) /* another thread may go on with them */
				break;
			call_abandoned(c);
			call_pop(t);
		}
		if (!cfg.task_storage)
			bpf_map_delete_elem(&thread_hash, &tid);
	}
	if (BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	if (!bpf_map_delete_elem(&scope, &tgid))
		process_event(APM_EV_EXIT, task, BPF_CORE_READ(task, exit_code));
	return 0;
}
