/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Statements that have not ended, read from the probes' own maps: while tracing, those that wait between two
 * rows (an execution may be given up there without another call); at stop, all of them.
 */
#ifndef APM_COLLECT_INFLIGHT_H
#define APM_COLLECT_INFLIGHT_H

#include <stdint.h>

#include "abi/event.h"
#include "collect/loader.h"

struct inflight;

typedef void (*inflight_fn)(const struct apm_ev_stmt *ev, void *arg);

struct inflight *inflight_new(const struct loader *l); /* NULL with errno */
void inflight_free(struct inflight *f);		       /* accepts NULL */

/*
 * Hands over, as APM_STMT_OPEN events, the executions that have not worked since `idle_since_ns` and were not
 * handed over as they stand now.
 */
void inflight_open(struct inflight *f, uint64_t now_ns, uint64_t idle_since_ns, inflight_fn fn, void *arg);
/* Hands over all that is left, at the end: running calls with APM_STMT_IN_FLIGHT,
 * open ones with APM_STMT_OPEN. */
void inflight_all(struct inflight *f, uint64_t now_ns, inflight_fn fn, void *arg);
/* The sets of probes (bits: lib/libpq.h) that have a statement under way on a connection. */
unsigned int inflight_sets(struct inflight *f);
/* Whether a step of SQLite is under way that was probed when it began (lib/sqlite.h: APM_LITE_STEPS). */
int inflight_in_step(struct inflight *f);
/*
 * A process is gone: its executions end as they stand (a call that was running with APM_STMT_NO_RETURN) and
 * its state is forgotten.
 */
void inflight_process_end(struct inflight *f, uint32_t tgid, uint64_t now_ns, inflight_fn fn, void *arg);

#endif
