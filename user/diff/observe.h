/* SPDX-License-Identifier: BSD-2-Clause */
/* What a comparison needs of a run beyond its report: how each figure varied while it ran. */
#ifndef APM_DIFF_OBSERVE_H
#define APM_DIFF_OBSERVE_H

#include "base/hist.h"
#include "diff/series.h"
#include "txn/unit.h"

struct observed_query {
	struct series duration_ns, failed;
	struct hist durations;
};

/* Units of one program that begin with the same statement. */
struct observed_unit {
	uint64_t key;	/* the same in every capture */
	uint64_t first; /* fingerprint of its first statement */
	char comm[16];
	struct series duration_ns, statements, db_ns;
	struct hist durations, db_times;
};

/* How often a unit executes a statement. */
struct observed_calls {
	uint64_t unit, fingerprint;
	uint64_t units; /* units of that key counted so far */
	struct series calls;
};

struct observation;

struct observation *observation_new(void);    /* NULL with errno */
void observation_free(struct observation *o); /* accepts NULL */

/* Callbacks of analysis_options: `arg` is the observation. 0 or -ENOMEM. */
int observation_statement(struct observation *o, const struct statement *stmt);
int observation_unit(struct observation *o, const struct unit *unit);
/* No more will come. */
void observation_end(struct observation *o);

const struct observed_query *observation_query(const struct observation *o, uint64_t fingerprint);
const struct observed_unit *observation_of_unit(const struct observation *o, uint64_t key);
const struct observed_calls *observation_calls(const struct observation *o, uint64_t unit,
					       uint64_t fingerprint);
void observation_each_unit(struct observation *o, void (*fn)(const struct observed_unit *u, void *arg),
			   void *arg);
void observation_each_calls(struct observation *o, void (*fn)(const struct observed_calls *c, void *arg),
			    void *arg);

#endif
