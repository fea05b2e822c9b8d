/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a thread works on now. */
#ifndef APM_WORKING_BPF_H
#define APM_WORKING_BPF_H

#include "apm.bpf.h"

/*
 * Which of t->open[] the thread works on, -1 = none, or not known: of two on one connection that are stepped by turns
 * it is certain only as long as the newer one has returned no row.
 */
static __noinline s32 open_running(const struct apm_thread *t)
{
	struct apm_key key = {.tgid = bpf_get_current_pid_tgid() >> 32};
	const struct apm_open *o, *newest = NULL;
	const struct apm_handle *h;
	s32 found = -1, i;
	bool alone = true;

	for (i = 0; i < APM_OPEN_MAX; i++) {
		o = &t->open[i];
		if (!o->seq || (newest && newest->seq > o->seq) || (s32)read_u32(o->executing) < o->level)
			continue;
		newest = o;
		found = i;
	}
	if (!newest)
		return -1;
	for (i = 0; i < APM_OPEN_MAX; i++) {
		o = &t->open[i];
		if (o->seq && i != found && o->executing == newest->executing && o->level == newest->level)
			alone = false;
	}
	if (!alone && read_u32(newest->rows_at) != 1)
		return -1;
	key.ptr = newest->stmt;
	h = bpf_map_lookup_elem(&handles, &key);
	return h && h->exec.seq == newest->seq ? found : -1; /* another thread may have ended it */
}

/* The statement the thread is working on, 0 = none, or not known because its call
 * may stand on another stack. */
static __always_inline u64 thread_statement(const struct apm_thread *t)
{
	u32 depth = t->depth;
	s32 open;

	if (t->switches)
		return 0;
	if (depth > 0 && depth <= APM_NEST_MAX)
		return t->call[(depth - 1) & (APM_NEST_MAX - 1)].seq;
	open = open_running(t);
	if (open >= 0)
		return t->open[open & (APM_OPEN_MAX - 1)].seq;
	return t->sync_seq || !t->outer.sp ? t->sync_seq : t->outer.seq;
}

#endif
