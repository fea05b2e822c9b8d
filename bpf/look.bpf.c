// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A look at all threads of the machine: which of those in scope sleep outside of database calls, and in what.
 * User space runs it now and then, and judges; what nobody would count (a thread that waits for work) mostly
 * does not leave the kernel.
 */
#include "span.bpf.h"

#include "abi/look.h"

/* include/linux/sched.h */
#define TASK_INTERRUPTIBLE   0x1
#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_NOLOAD	     0x400 /* with the other: idle */

static __always_inline u32 task_state(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return BPF_CORE_READ((struct task_struct___old *)task, state);
}

/* Whether an execution has begun in the thread that is probed as a whole, and has not ended. */
static __always_inline bool has_open(const struct apm_thread *t)
{
	u32 i;

	for (i = 0; i < APM_OPEN_MAX; i++)
		if (t->open[i].seq)
			return true;
	return false;
}

/*
 * Inside a call of a database's library; also where that is not known, because the thread switches stacks, or because
 * nobody tells what it does between the rows.
 */
static __always_inline bool is_in_call(struct task_struct *task)
{
	struct apm_thread *t;
	u32 tid = task->pid;

	if (cfg.task_storage)
		t = bpf_task_storage_get(&thread_storage, task, NULL, 0);
	else
		t = bpf_map_lookup_elem(&thread_hash, &tid);
	return t && (t->depth || t->sync_seq || t->outer.sp || t->switches || has_open(t));
}

static __always_inline bool is_in_span(u32 tgid, u32 tid)
{
	struct apm_key key = {.tgid = tgid, .ptr = tid};
	struct apm_span_thread *t;

	if (!cfg.spans)
		return false;
	t = bpf_map_lookup_elem(&span_threads, &key);
	return t && t->depth;
}

#if defined(__TARGET_ARCH_x86)
#define THREAD_SIZE \
	16384	     /* arch/x86/include/asm/page_64_types.h, of the kernels that lack the helper (5.15) */
#define USER_CS 0x33 /* 64-bit code: others number their system calls differently */

static __always_inline void syscall_read(struct task_struct *task, struct apm_look *look)
{
	struct pt_regs *at, regs;

	if (cfg.task_regs)
		at = (struct pt_regs *)bpf_task_pt_regs(task);
	else
		at = (struct pt_regs *)(task->stack + THREAD_SIZE) - 1;
	if (bpf_probe_read_kernel(&regs, sizeof(regs), at) || regs.cs != USER_CS)
		return;
	look->syscall = regs.orig_ax;
	look->arg[0] = regs.di;
	look->arg[1] = regs.si;
	look->arg[2] = regs.dx;
	look->sp = regs.sp;
}
#else
static __always_inline void syscall_read(struct task_struct *task, struct apm_look *look)
{
}
#endif

SEC("iter/task")
int look_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct apm_look look = {.syscall = APM_LOOK_NO_SYSCALL};
	u32 state;

	if (!task)
		return 0;
	look.tgid = task->tgid;
	look.tid = task->pid;
	state = task_state(task);
	if (!(state & (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)) || state & TASK_NOLOAD ||
	    !in_scope(look.tgid) || is_in_call(task))
		return 0;
	if (BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait))
		look.flags |= APM_LOOK_IOWAIT;
	if (state & TASK_UNINTERRUPTIBLE)
		look.flags |= APM_LOOK_BLOCKED;
	if (is_in_span(look.tgid, look.tid))
		look.flags |= APM_LOOK_IN_SPAN;
	syscall_read(task, &look);
	if (!look.flags && look.syscall != APM_SYS_FUTEX)
		return 0;
	look.ts = bpf_ktime_get_ns();
	bpf_seq_write(ctx->meta->seq, &look, sizeof(look));
	return 0;
}
