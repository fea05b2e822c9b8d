/* SPDX-License-Identifier: BSD-2-Clause */
/* Where results go: the report to stdout or --report FILE, flame graph and folded stacks to
 * theirs, and the exit status. */
#ifndef APM_OUTPUT_H
#define APM_OUTPUT_H

#include "options.h"
#include "profile/profile.h"
#include "report/model.h"

enum exit_status {
	EXIT_STATUS_OK = 0,
	EXIT_STATUS_FAILED = 1,
	EXIT_STATUS_USAGE = 2,
	EXIT_STATUS_FINDINGS = 3, /* --fail-on was met */
};

/*
 * Before the work begins: can --report, -o, --flame and --folded be written? 0, or -errno with the reason
 * logged. Leaves no new file behind and changes no old one.
 */
int output_check(const struct options *opt);

/* Whether output_report() will want stacks. */
int output_wants_stacks(const struct options *opt);

/*
 * Writes the report in --format to stdout or --report FILE, and --flame and --folded from
 * `stacks` (NULL when not collected). What cannot be written is logged; a report whose FILE fails goes to
 * stdout. Returns EXIT_STATUS_FAILED when anything failed, else EXIT_STATUS_FINDINGS when --fail-on is met,
 * else EXIT_STATUS_OK.
 */
int output_report(const struct options *opt, const struct report *r, const struct stacks *stacks);

/*
 * Writes a flame graph (svg) or folded stacks to `path` ("-" = stdout). Returns 0, or -errno with the reason
 * logged.
 */
int output_svg(const char *path, const struct stacks *stacks, const struct flame_options *flame);
int output_folded(const char *path, const struct stacks *stacks);
int output_folded_diff(const char *path, const struct stacks *a, const struct stacks *b);

/*
 * For results that come bit by bit: a descriptor for `path` (NULL or "-" = stdout), and writing to it.
 * Both return -errno with the reason logged.
 */
int output_open(const char *path);
int output_write(int fd, const char *path, const struct strbuf *text);
int output_close(int fd, const char *path);

/* Writes text to stdout. 0, or -errno with the reason logged. */
int output_text(const struct strbuf *text);

/*
 * The status of the program when it ran COMMAND: `status` of output_report() unless that is EXIT_STATUS_OK,
 * else COMMAND's own (128 + signal when killed), from its wait status.
 */
int output_command_status(int status, int wait_status);

/* Whether to write colours to `fd` under --color. */
int output_color(const struct options *opt, int fd);

#endif
