/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Everything that can be lost or missed, once: the BPF array index, the JSON name and the sentence a
 * reader sees. Append only: captures carry the index. `lossy` says whether counts become lower bounds.
 */
#ifndef APM_ABI_COUNTERS_H
#define APM_ABI_COUNTERS_H

/* X(ID, json name, lossy, sentence) */
#define APM_COUNTERS(X)                                                                                    \
	X(RING_FULL, "ring_full", 1, "events lost because the ring buffer was full")                       \
	X(MAP_FULL, "map_full", 1, "calls not followed because a kernel map was full")                     \
	X(NO_RETURN, "no_return", 0, "calls that were entered and never returned (longjmp, thread exit)")  \
	X(NO_ENTRY, "no_entry", 0, "returns whose entry was not seen (running at attach)")                 \
	X(TEXT_TRUNCATED, "text_truncated", 0, "statement texts cut at --max-sql")                         \
	X(UNREADABLE_TEXT, "unreadable_text", 0, "statement texts that could not be read")                 \
	X(PARAMS_PARTIAL, "params_partial", 0, "executions whose parameters could only be hashed in part") \
	X(NEST_OVERFLOW, "nest_overflow", 1, "calls nested deeper than is followed")                       \
	X(STACK_TRUNCATED, "stack_truncated", 0, "stacks cut at the frame limit")                          \
	X(STACK_ERROR, "stack_error", 0, "stacks that could not be read")                                  \
	X(RECURSION, "recursion_misses", 1, "probe runs skipped by the kernel (nested programs)")          \
	X(LATE_ATTACH, "late_attach", 1, "libraries in use before the probes were on them")                \
	X(UNATTRIBUTED, "unattributed", 0, "CPU samples whose statement was lost")                         \
	X(TEXT_UNKNOWN, "text_unknown", 0, "executions of statements prepared before attach")              \
	X(DECODE_SKIPPED, "decode_skipped", 1, "records skipped because they were not understood")         \
	X(EVICTED, "evicted", 0, "entries dropped from a bounded table in user space")                     \
	X(EVENTS, "events", 0, "events produced by the probes")                                            \
	X(OTHER_CALLS, "other_calls", 0,                                                                   \
	  "probed calls that no statement tells of: prepare, open, inner ones")                            \
	X(OTHER_ENTRIES, "other_entries", 0,                                                               \
	  "the same of functions whose return is not probed: finalize, close")

enum apm_counter {
#define APM_COUNTER_ENUM(id, name, lossy, text) APM_CNT_##id,
	APM_COUNTERS(APM_COUNTER_ENUM)
#undef APM_COUNTER_ENUM
		APM_CNT_MAX
};

#endif
