/* SPDX-License-Identifier: BSD-2-Clause */
/* What tracing costs, kept below --max-overhead while it runs (governor.h decides, collect/ obeys). */
#ifndef APM_OVERHEAD_H
#define APM_OVERHEAD_H

#include <stdint.h>

#include "governor.h"
#include "record.h"

struct collect;
struct usage;

/* Hits of probes: of functions whose return is probed too, and of others. */
struct overhead_hits {
	uint64_t both, entries;
};

struct overhead {
	struct governor governor;
	uint64_t begin_ns, last_ns, last_cpu_ns;
	uint64_t waited_at_begin; /* for a CPU, by anybody; 0 = not known */
	struct overhead_hits last_hits;
	double peak; /* largest share between two checks */
	uint64_t
		targets_ns; /* CPU time of the targets at the last check above the limit; 0 = that was below */
	int of_targets;	    /* the last share is one of the targets' CPU time, which is more than one core */
	uint32_t changes;
};

/* What a reader is told of a change: the subject, and a sentence about it. Valid during the call. */
typedef void (*overhead_tell_fn)(const char *subject, const char *text, void *arg);

/*
 * limit: share of one core, or of the CPU time that the targets use where that is more; 0 = none. now_ns:
 * CLOCK_MONOTONIC, as below.
 */
void overhead_init(struct overhead *o, double limit, uint64_t now_ns);

/*
 * To be called often; checks once a second. `calls` are the probed calls that statements told of so far. When
 * more or less is collected from now on, tell() hears of it.
 */
void overhead_review(struct overhead *o, struct collect *c, struct usage *targets, uint64_t calls,
		     uint64_t now_ns, overhead_tell_fn tell, void *arg);

/* All that was spent so far, and how busy the machine was. */
void overhead_total(const struct overhead *o, const struct collect *c, uint64_t calls, uint64_t now_ns,
		    struct rec_overhead *out);

#endif
