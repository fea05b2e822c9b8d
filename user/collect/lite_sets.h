/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of SQLite's two sets of probes is in use (bpf/lib/sqlite.h). The steps come first, because only they keep the
 * program's own time between rows out of a duration; whole executions take their place, for good, where they cost much less.
 */
#ifndef APM_COLLECT_LITE_SETS_H
#define APM_COLLECT_LITE_SETS_H

#include "collect/files.h"
#include "collect/inflight.h"

/* What one second has to have ended for the change: so many steps, and so many in one execution. */
#define LITE_STEPS	   10000
#define LITE_PER_EXECUTION 10

struct lite_sets {
	struct files *files; /* borrowed, as is the other */
	struct inflight *inflight;
	int executions;	   /* whole executions are probed */
	int unsettled;	   /* reviews since the set changed, while both are attached; 0 = settled */
	uint64_t begin_ns; /* of the second that is counted */
	uint64_t steps, ended;
};

/* Before anything is attached: whole executions from the start. */
void lite_sets_begin(struct lite_sets *s);
/* A statement has ended (an APM_EV_STMT of SQLite): its steps are counted. */
void lite_sets_statement(struct lite_sets *s, const struct apm_ev_stmt *ev);
/* From time to time: changes where it is worth it, and takes a set off when nothing is under way that it began. */
void lite_sets_review(struct lite_sets *s, uint64_t now_ns);
/*
 * Changes now, `why` for a reader. 1 when something has changed: 0 = no library has the other set, it is in use, or
 * executions take one step each.
 */
int lite_sets_change(struct lite_sets *s, const char *why);

#endif
