/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process has instead of a supported client library. */
#ifndef APM_COLLECT_HINT_H
#define APM_COLLECT_HINT_H

#include <stddef.h>
#include <sys/types.h>

/*
 * One clause for a user: "it is connected to 127.0.0.1:5432 (postgresql) through a driver that speaks the
 * protocol itself", or "it has no database connection".
 */
void hint_unsupported(pid_t pid, char *out, size_t len);

#endif
