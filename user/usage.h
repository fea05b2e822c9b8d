/* SPDX-License-Identifier: BSD-2-Clause */
/* What the traced processes use, read from /proc now and then. */
#ifndef APM_USAGE_H
#define APM_USAGE_H

#include <stdint.h>
#include <sys/types.h>

#include "record.h"

typedef void (*usage_fn)(pid_t pid, const struct rec_usage *usage, void *arg);

struct usage;

/*
 * `every_ns`: the most between two checks of a process. At first they come closer, each second and then after
 * a sixteenth of the time that it has been watched for, so that a short trace sees how its memory grew. NULL with errno.
 */
struct usage *usage_new(uint64_t every_ns, usage_fn fn, void *arg);
void usage_free(struct usage *u); /* accepts NULL */

/* Checks a process, now (CLOCK_MONOTONIC) and from now on until it is gone. Known ones and those
 * beyond 4096 are passed over. */
void usage_add(struct usage *u, pid_t pid, uint64_t now_ns);
/* CPU time of all that are watched and still there, ns, read now. */
uint64_t usage_cpu_ns(struct usage *u);
/* The clock has reached now_ns: checks those for which it is time to, or with `force` all. */
void usage_check(struct usage *u, uint64_t now_ns, int force);

#endif
