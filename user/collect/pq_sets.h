/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of libpq's two sets of probes is in use (bpf/lib/libpq.h), and the change from one to the other. */
#ifndef APM_COLLECT_PQ_SETS_H
#define APM_COLLECT_PQ_SETS_H

#include <sys/types.h>

#include "collect/files.h"
#include "collect/inflight.h"

struct pq_sets {
	struct files *files; /* borrowed, as are the others */
	struct inflight *inflight;
	int scope_fd;  /* the processes that are judged */
	int never;     /* the synchronous set is not to be used (any more) */
	int sync;      /* it is in use */
	int changed;   /* mappings, since the processes were judged */
	int unsettled; /* reviews since the set changed, while both are attached; 0 = settled */
};

/*
 * At the start, with `changed` set, and from time to time: changes to the synchronous set where it will do,
 * and takes a set off when nothing is under way that it began.
 */
void pq_sets_review(struct pq_sets *s);
/* A process in scope has mapped a file. 1 when that brought the asynchronous set back. */
int pq_sets_mapped(struct pq_sets *s, pid_t pid);
/* Back to the asynchronous set, for good. */
void pq_sets_give_up(struct pq_sets *s, const char *why);

#endif
