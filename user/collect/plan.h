/* SPDX-License-Identifier: BSD-2-Clause */
/* --dry-run: what would be probed, and at what price, without attaching anything. */
#ifndef APM_COLLECT_PLAN_H
#define APM_COLLECT_PLAN_H

#include <stddef.h>
#include <sys/types.h>

#include "base/str.h"

/* Appends the plan for the processes, or for a COMMAND that is not started. 0, or -errno (-ESRCH: logged). */
int plan_print(const pid_t *pids, size_t pid_count, char *const argv[], struct strbuf *out);

#endif
