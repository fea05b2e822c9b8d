/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What n_plus_one and duplicate_query share: do the repeats of a fingerprint in a unit belong together?
 *
 * In a unit that is known (given, or a whole process of one thread) they do when they follow each other
 * closely. In a run between gaps that is not enough: a saturated server that runs one query per request looks
 * the same. There, one of these is needed, and the finding is `likely` at most:
 *  - a parent: a read that returned rows, and as many repeats after it as it had rows, most times that it
 * ran;
 *  - a database transaction that began and ended around them (nobody shares one between two requests);
 *  - equal bursts from one call site: at least three times the same number of repeats with nothing in
 * between, and never another number. Requests that come at random do not do that.
 */
#ifndef APM_DETECT_REPEATS_H
#define APM_DETECT_REPEATS_H

#include "detect/detect.h"

/* The most statements of other kinds between two repeats, on average, in a known unit. */
#define REPEATS_DISTANCE 8

struct repeats_verdict {
	int together; /* they belong together; else only their bursts may show it in the end */
	enum confidence confidence;
	const struct repeat_link *parent; /* NULL = none */
	int in_tx;
};

void repeats_judge(const struct unit *unit, const struct repeat *r, uint32_t threshold,
		   struct repeats_verdict *out);

/*
 * Whether enough executions, one after another, had different parameters (unreadable ones count as
 * different); whether enough had equal ones, in whatever order.
 */
int repeats_differ(const struct repeat *r, uint32_t threshold);
int repeats_equal(const struct repeat *r, uint32_t threshold);

/* Adds a unit's repeats to the finding of `self`; returns it, NULL = out of memory. */
struct finding *repeats_report(struct detect *d, const struct detector *self, const struct unit *unit,
			       const struct repeat *r, const struct repeats_verdict *verdict);

#endif
