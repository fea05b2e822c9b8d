/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happened when, in bounded memory: the window is cut into at most TIMELINE_SLOTS slots of equal length;
 * when it grows beyond them, neighbours are joined and slots are twice as long.
 */
#ifndef APM_TXN_TIMELINE_H
#define APM_TXN_TIMELINE_H

#include "base/hist.h"

#define TIMELINE_SLOTS 64 /* even */

struct timeline_slot {
	uint64_t failed;
	struct hist durations;
};

/* Zero-initialise before use. */
struct timeline {
	uint64_t begin_ns, width_ns;
	struct timeline_slot slot[TIMELINE_SLOTS];
};

void timeline_free(struct timeline *t);

/* Begins at begin_ns; what is older counts for the first slot. */
void timeline_begin(struct timeline *t, uint64_t begin_ns);
/* Counts an execution that ended at ts. 0 or -ENOMEM. */
int timeline_add(struct timeline *t, uint64_t ts, uint64_t duration_ns, int failed);
/* Slots up to the time end_ns; the last may be a part of one. */
uint32_t timeline_used(const struct timeline *t, uint64_t end_ns);

#endif
