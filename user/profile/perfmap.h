/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of code that a runtime made, from the file /tmp/perf-PID.map that it writes: lines "START SIZE name",
 * both in hexadecimal (Linux, tools/perf/Documentation/jit-interface.txt). Later lines replace earlier ones.
 */
#ifndef APM_PROFILE_PERFMAP_H
#define APM_PROFILE_PERFMAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

struct perfmap;

/*
 * tgid, and ns_pid as the process calls itself. Only a regular file that belongs to `uid` or root is
 * believed. Nothing is read yet. NULL with errno.
 */
struct perfmap *perfmap_new(uint32_t tgid, uint32_t ns_pid, uid_t uid);
void perfmap_free(struct perfmap *m); /* accepts NULL */

/* Reads what was added since the last call. 1 when something was. */
int perfmap_refresh(struct perfmap *m);
/* The name at addr; empty when there is none. Valid until the next refresh. */
struct str perfmap_find(const struct perfmap *m, uint64_t addr);
size_t perfmap_bytes(const struct perfmap *m);

#endif
