/* SPDX-License-Identifier: BSD-2-Clause */
/* How a process uses libpq: whether the cheaper of its two sets of probes will do (bpf/lib/libpq.h). */
#ifndef APM_COLLECT_PQ_USE_H
#define APM_COLLECT_PQ_USE_H

#include <sys/types.h>

enum pq_use {
	PQ_USE_NONE = 0, /* libpq is not mapped, or the process is gone */
	PQ_USE_SYNC = 1, /* what is mapped names synchronous functions only */
	PQ_USE_ANY = 2,	 /* it may call any function */
};

/*
 * Judges a process by the names that stand in the files it executes from: imports, and what they might ask
 * dlsym() for, are strings in them. PQ_USE_SYNC when one names a synchronous function, none an asynchronous
 * one or calls through libffi (Python's ctypes call what no file names), and one file only is libpq itself.
 * Anything that cannot be read, or is very large, counts as PQ_USE_ANY. Files are read once and remembered.
 */
enum pq_use pq_use_of(pid_t pid);

#endif
