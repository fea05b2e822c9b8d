/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Units of work: which statements belong together. A unit is one of
 *  - a whole process, seen from its start (fork or exec) to its exit and shorter than a minute, whose
 * statements all came from one thread;
 *  - a run of statements of one context (thread) between idle gaps;
 *  - a run of statements of one connection, when one thread waits for statements of several connections at
 * the same time (an event loop that serves many), or when the connection moves between threads in the middle
 * of its work: three quarters of at least eight statements in close succession ran on another thread than the
 * one before (an executor that gives each statement to any of its threads);
 *  - a span: what one call of a function that the user named, or the time between two static probes, holds;
 * it comes before all others;
 *  - given: everything that is fed (a scenario, a user-named span).
 *
 * A unit keeps one struct repeat per fingerprint, bounded, with what the detectors need: exact counts and
 * times, the number of different parameters, and evidence that the repeats belong together (struct
 * repeat_link, bursts).
 */
#ifndef APM_TXN_UNITS_H
#define APM_TXN_UNITS_H

#include <stddef.h>

#include "txn/unit.h"

struct units_options {
	uint64_t gap_ns;
	uint32_t threshold; /* of N+1 */
	size_t span_max;    /* statements kept in order per unit; 0 = none */
	int given;	    /* one unit of kind UNIT_GIVEN */
};

/*
 * Called when a unit has ended. With `held` set it is only shown: to announce what it holds already, not to
 * count it. Long runs are shown while they last.
 */
typedef int (*unit_fn)(const struct unit *unit, void *arg);

struct units;

struct units *units_new(const struct units_options *opt, unit_fn fn, void *arg); /* NULL with errno */
void units_free(struct units *u);						 /* accepts NULL */

/*
 * Adds a statement (in order of start as far as possible) and fills its in_tx, tx_idle_ns and
 * tx_idle_fingerprint. A statement with `opening` set is only remembered as a possible parent. 0, -ENOMEM or
 * what fn returned.
 */
int units_feed(struct units *u, struct statement *stmt);

/*
 * A span (APM_EV_SPAN_BEGIN, APM_EV_SPAN_END) began or ended, in its place between the statements. What its
 * context does in between belongs to the outermost one. 0, -ENOMEM or what fn returned.
 */
int units_span_begin(struct units *u, const struct statement *mark);
int units_span_end(struct units *u, const struct apm_ev_span *call);

/* A process began: `forked`, or it runs another program now. Or it got a name. `comm` may be NULL. */
int units_process_start(struct units *u, uint32_t tgid, uint64_t ts, const char *comm, int forked);
int units_process_name(struct units *u, uint32_t tgid, const char *comm);
/* `status` as in APM_EV_EXIT, 0 = success. */
int units_process_exit(struct units *u, uint32_t tgid, uint64_t ts, uint32_t status);

/* All statements that started before now_ns have been fed: closes what has been idle. */
int units_time(struct units *u, uint64_t now_ns);
int units_finish(struct units *u);

struct units_totals {
	uint64_t transactions; /* database transactions, counted at their beginning */
	uint64_t evicted;
};
void units_totals(const struct units *u, struct units_totals *out);
/* The database transactions seen so far; after units_finish() all of them. Lives as long as `u`. */
struct transactions;
struct transactions *units_transactions(struct units *u);

#endif
