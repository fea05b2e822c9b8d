/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chain of the live side, built from the options: collect -> enrich -> capture file and analysis. The
 * only file that knows every stage.
 */
#ifndef APM_PIPELINE_H
#define APM_PIPELINE_H

#include <stdint.h>
#include <sys/types.h>

#include "options.h"
#include "profile/profile.h"
#include "report/model.h"

struct pipeline;

/* Loads the programs and opens the capture. NULL after an error was logged. */
struct pipeline *pipeline_open(const struct options *opt);
void pipeline_free(struct pipeline *p); /* accepts NULL */

/* 0, -ESRCH, or -errno. */
int pipeline_add_process(struct pipeline *p, pid_t pid);
/* After them: their children, and what the options choose by name or cgroup. 0 or -errno. */
int pipeline_add_others(struct pipeline *p);
/*
 * The process that will exec COMMAND: in scope, with probes on the libraries that `program` is likely to map.
 * 0 or -errno.
 */
int pipeline_add_command(struct pipeline *p, pid_t pid, const char *program);
/* Once the targets are known: 0, or -ENOENT after a word about a --span that has no place. `program`: that of
 * COMMAND, NULL = none. */
int pipeline_check_spans(struct pipeline *p, const char *program);
/* Everything is in place: the window begins. */
void pipeline_start(struct pipeline *p);
/* Waits up to timeout_ms and works off what came. 0, or -errno: the capture cannot be written any more. */
int pipeline_poll(struct pipeline *p, int timeout_ms);
int pipeline_watch_fd(struct pipeline *p, int fd);

unsigned int pipeline_processes(const struct pipeline *p); /* counts them */
int pipeline_any_process(const struct pipeline *p);
int pipeline_selects(const struct pipeline *p); /* processes may come by themselves */
unsigned int pipeline_libraries(const struct pipeline *p);

/* What the report would say now, valid until records come; NULL = out of memory,
 * or there is none (record). */
const struct report *pipeline_snapshot(struct pipeline *p);

/* Draws the progress line. */
void pipeline_show(struct pipeline *p, uint64_t elapsed_ns);

/*
 * Ends the trace: probes off, last records, capture closed. *report is NULL for record. 0, or -errno of the
 * capture.
 */
int pipeline_finish(struct pipeline *p, const struct report **report, const struct stacks **stacks);

#endif
