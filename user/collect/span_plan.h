/* SPDX-License-Identifier: BSD-2-Clause */
/* --dry-run for spans: where their probes would stand. */
#ifndef APM_COLLECT_SPAN_PLAN_H
#define APM_COLLECT_SPAN_PLAN_H

#include "collect/span_rule.h"

#include <sys/types.h>

/*
 * Appends the plan for each rule, in the files of these processes or of a COMMAND that is not started (NULL =
 * none). 0; -ENOENT when a rule cannot be kept, which the text says; -ENOMEM.
 */
int span_plan_print(const struct span_rule *rules, size_t count, const pid_t *pids, size_t pid_count,
		    const char *program, struct strbuf *out);

#endif
