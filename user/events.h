/* SPDX-License-Identifier: BSD-2-Clause */
/* The statements of a capture one by one, for other programs: JSON lines. */
#ifndef APM_EVENTS_H
#define APM_EVENTS_H

#include "options.h"

/*
 * Writes each statement of opt->capture that the options choose as one line to --report or stdout, in the
 * order in which they ended; docs/events.md says what each field means. Returns the exit status.
 */
int events_print(const struct options *opt);

#endif
