// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* CPU samples of processes in scope, tagged with the statement that the thread is working on. */
#include "working.bpf.h"

SEC("perf_event")
int sample_cpu(struct bpf_perf_event_data *ctx)
{
	struct apm_ev_sample *e;
	struct apm_thread *t;
	long n;

	if (!in_scope(bpf_get_current_pid_tgid() >> 32))
		return 0;
	e = event_reserve(struct apm_ev_sample, 0);
	if (!e)
		return 0;
	t = thread_find();
	event_header(&e->hdr, APM_EV_SAMPLE, sizeof(*e), t ? thread_statement(t) : 0);
	e->weight_ns = cfg.sample_freq ? 1000000000ULL / cfg.sample_freq : 0;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	n = bpf_get_stack(ctx, e->user, sizeof(e->user), BPF_F_USER_STACK);
	e->user_count = n < 0 ? n : (long)((u64)n / sizeof(u64));
	if (n == sizeof(e->user))
		count(APM_CNT_STACK_TRUNCATED);
	n = bpf_get_stack(ctx, e->kernel, sizeof(e->kernel), 0);
	/* -EFAULT: the sample hit user code */
	e->kernel_count = n < 0 ? 0 : (long)((u64)n / sizeof(u64));
	if (e->user_count < 0)
		count(APM_CNT_STACK_ERROR);
	event_submit(e);
	return 0;
}
