/* SPDX-License-Identifier: BSD-2-Clause */
/* Entry points of the sub-commands. Each returns the exit status of the program. */
#ifndef APM_CMD_H
#define APM_CMD_H

#include "options.h"

int cmd_trace(const struct options *opt);
int cmd_record(const struct options *opt);
int cmd_list(const struct options *opt); /* no target: prints what could be traced */
int cmd_report(const struct options *opt);
int cmd_flame(const struct options *opt);
int cmd_diff(const struct options *opt);

#endif
