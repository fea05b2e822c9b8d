/* SPDX-License-Identifier: BSD-2-Clause */
/* What the traced processes use, read from /proc now and then. */
#ifndef APM_USAGE_H
#define APM_USAGE_H

#include <stdint.h>
#include <sys/types.h>

#include "record.h"

typedef void (*usage_fn)(pid_t pid, const struct rec_usage *usage, void *arg);

struct usage;

/* `every_ns`: between two checks of all processes. NULL with errno. */
struct usage *usage_new(uint64_t every_ns, usage_fn fn, void *arg);
void usage_free(struct usage *u); /* accepts NULL */

/* Checks a process, now and from now on until it is gone. Known ones and those
 * beyond 4096 are passed over. */
void usage_add(struct usage *u, pid_t pid);
/* CLOCK_MONOTONIC has reached now_ns: checks all when it is time to, or with `force`. */
void usage_check(struct usage *u, uint64_t now_ns, int force);

#endif
