/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many different hashes were seen, and how often the commonest. Exact up to `limit` hashes; beyond, an
 * estimate from a sample: only hashes whose lowest `shift` bits are zero are kept, and `shift` grows each
 * time the table is full (adaptive sampling, M. Wegman; Ph. Flajolet, Computing 43, 1990). With 4096 kept the
 * error is about 2 %.
 */
#ifndef APM_TXN_DISTINCT_H
#define APM_TXN_DISTINCT_H

#include <stdint.h>

struct distinct_slot {
	uint64_t hash; /* mixed; 0 = free */
	uint64_t count;
};

/* Zero-initialise before use. The first hash needs no memory. */
struct distinct {
	struct distinct_slot *slot;
	struct distinct_slot first;
	uint32_t cap; /* power of two */
	uint32_t used;
	uint32_t shift;	    /* 0 = exact */
	uint64_t commonest; /* executions with the commonest hash (of those kept) */
};

void distinct_free(struct distinct *d);
/* Forgets everything, keeps small memory for the next use. */
void distinct_reset(struct distinct *d);

/* `limit`: hashes to keep at most. Out of memory only makes the answer an estimate earlier. */
void distinct_add(struct distinct *d, uint64_t hash, uint32_t limit);

uint64_t distinct_count(const struct distinct *d);

#endif
