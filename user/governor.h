/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps the price of tracing below a limit: from one check to the next it decides how much is collected.
 * Pure: what is spent, and the time between checks, come from the caller.
 */
#ifndef APM_GOVERNOR_H
#define APM_GOVERNOR_H

#include "record.h"

struct governor {
	double limit; /* share of one core; 0 = no limit */
	enum detail_level level;
	unsigned int over, under; /* checks in a row above the limit; well below it */
	unsigned int patience;	  /* checks well below the limit before more is collected again */
};

/* limit: share of one core (0.05 = 5 %); 0 = none. */
void governor_init(struct governor *g, double limit);

/*
 * One check: `share` of one core was spent since the last one. Returns 1 when g->level has changed. One level
 * less after GOVERNOR_OVER checks in a row above the limit (the last level only after GOVERNOR_LAST, because
 * there is no way back from it); one level more after g->patience checks in a row below half the limit. Each
 * level less doubles the patience, so that a load at the limit does not make it swing.
 */
int governor_check(struct governor *g, double share);

/* Whether such a check would be the first ever to leave something out: a cheaper way to collect all may be tried. */
int governor_is_about(const struct governor *g, double share);

/* What a level leaves out beyond the one before it, as a reader is told; NULL for DETAIL_FULL. */
const char *governor_subject(enum detail_level level);

#define GOVERNOR_OVER	      3
#define GOVERNOR_LAST	      8
#define GOVERNOR_PATIENCE     10
#define GOVERNOR_PATIENCE_MAX 640

#endif
