/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last minute, rolling: executions by the second in which they ended, for the latest ROLLING_SECONDS.
 */
#ifndef APM_TXN_ROLLING_H
#define APM_TXN_ROLLING_H

#include "base/hist.h"
#include "txn/span.h"

#define ROLLING_SECONDS 60

struct rolling_slot {
	uint64_t second; /* CLOCK_MONOTONIC; what it counts is of this one */
	uint64_t failed, control, units, db_ns;
	struct hist durations;
};

/* Zero-initialise before use. */
struct rolling {
	int with_control; /* control statements are in the durations too */
	struct rolling_slot slot[ROLLING_SECONDS];
};

void rolling_free(struct rolling *r); /* leaves an empty one */

/*
 * Counts an execution at its end; one that ended before the window is left out. 0 or -ENOMEM.
 */
int rolling_add(struct rolling *r, const struct statement *stmt);
/* Takes back one that was added, if its second is still there. */
void rolling_subtract(struct rolling *r, const struct statement *stmt);
/* A unit of work ended. */
void rolling_unit(struct rolling *r, uint64_t end_ns);

struct rolling_sum {
	uint64_t window_ns; /* what it covers: up to `now_ns`, 59 to 60 seconds, less where `begin_ns` is
			       later */
	uint64_t failed, control, units, db_ns;
	struct hist durations; /* hist_free() when done */
};

/* The window that ends at now_ns, of what began at begin_ns. 0 or -ENOMEM. */
int rolling_sum(const struct rolling *r, uint64_t begin_ns, uint64_t now_ns, struct rolling_sum *out);

#endif
