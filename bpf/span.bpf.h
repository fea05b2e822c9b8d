/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Spans under way, for those who ask whether a thread is in one (span.bpf.c keeps them). */
#ifndef APM_SPAN_BPF_H
#define APM_SPAN_BPF_H

#include "apm.bpf.h"

#include "abi/span.h"

struct apm_span_thread_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, APM_MAX_SPAN_THREADS);
	__type(key, struct apm_key);
	__type(value, struct apm_span_thread);
};
extern struct apm_span_thread_map span_threads SEC(".maps");

#endif
