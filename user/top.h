/* SPDX-License-Identifier: BSD-2-Clause */
/* `apm-bpf top`: a live trace whose figures are shown on a screen until it ends. */
#ifndef APM_TOP_H
#define APM_TOP_H

#include "options.h"
#include "pipeline.h"

struct top;

/* Takes over the terminal. NULL after an error was logged. */
struct top *top_open(const struct options *opt);
/* Call often: reads keys, and draws when there is something new. `elapsed_ns`: since tracing
 * began. 1 = the user leaves. */
int top_show(struct top *top, struct pipeline *p, uint64_t elapsed_ns);
/* Gives the terminal back. `command_runs`: COMMAND has been started and not ended. Accepts NULL. */
void top_close(struct top *top, int command_runs);

#endif
