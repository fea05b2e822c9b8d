/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/lite_sets.h"

#include <stdio.h>
#include <string.h>

#include "lib/sqlite.h"
#include "log.h"

#define SECOND_NS 1000000000ULL

void lite_sets_statement(struct lite_sets *s, const struct apm_ev_stmt *ev)
{
	if (ev->system != APM_SYSTEM_SQLITE || ev->hdr.flags & (APM_STMT_OPEN | APM_STMT_PREPARE_FAILED))
		return;
	s->steps += ev->calls;
	s->ended++;
}

static void change(struct lite_sets *s, const char *why)
{
	char text[256];
	int err;

	s->executions = 1;
	s->unsettled = 1;
	snprintf(
		text, sizeof(text),
		"whole executions are probed, not each step (%s): a duration runs from the first step to the "
		"end, with the program's own time between rows",
		why);
	err = files_select(s->files, APM_SYSTEM_SQLITE, APM_LITE_EXECUTIONS, text);
	if (err)
		log_warn("some copies of SQLite keep the probes of each step: %s", strerror(-err));
	log_info("SQLite: %s", text);
}

void lite_sets_begin(struct lite_sets *s)
{
	change(s, "--aggregate");
}

int lite_sets_change(struct lite_sets *s, const char *why)
{
	/* two entries cost more than an entry and its return: of no use where an execution takes one step */
	if (s->executions || s->steps < 2 * s->ended || !files_with_sets(s->files, APM_SYSTEM_SQLITE))
		return 0;
	change(s, why);
	return 1;
}

/* Not at the review that follows the change: a program that runs in the kernel may have begun before it. */
static void settle(struct lite_sets *s)
{
	if (!s->unsettled || s->unsettled++ == 1 || inflight_in_step(s->inflight))
		return;
	files_settle(s->files, APM_SYSTEM_SQLITE);
	s->unsettled = 0;
}

void lite_sets_review(struct lite_sets *s, uint64_t now_ns)
{
	settle(s);
	if (now_ns - s->begin_ns < SECOND_NS)
		return;
	if (s->begin_ns && s->steps >= LITE_STEPS && s->steps >= s->ended * LITE_PER_EXECUTION)
		lite_sets_change(s, "a second had 10 000 steps or more, ten or more in an execution");
	s->begin_ns = now_ns;
	s->steps = s->ended = 0;
}
