/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a user sees while tracing: one line at the bottom of a terminal (elapsed, statements, per second,
 * findings, and what was lost), and a line for each finding as it is made. All of it goes to stderr through the log. No
 * clock: time comes in as an argument.
 */
#ifndef APM_PROGRESS_H
#define APM_PROGRESS_H

#include <stdint.h>

#include "analysis.h"
#include "options.h"

struct progress;

/* NULL with errno on ENOMEM. The line shows when stderr is a terminal and -q was not given. */
struct progress *progress_new(const struct options *opt);
/* Removes the line; accepts NULL. */
void progress_free(struct progress *p);

/* Call as often as you like: it draws about four times a second of `elapsed_ns`, the
 * time since tracing began. */
void progress_update(struct progress *p, const struct analysis_progress *now, uint64_t elapsed_ns);

/* Prints a finding, unless -q. */
void progress_finding(struct progress *p, const struct report_finding *finding);

#endif
