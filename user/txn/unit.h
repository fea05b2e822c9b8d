/* SPDX-License-Identifier: BSD-2-Clause */
/* One unit of work (txn/units.h says what that is) and how statements are added to it. */
#ifndef APM_TXN_UNIT_H
#define APM_TXN_UNIT_H

#include <stddef.h>

#include "record.h"
#include "txn/distinct.h"
#include "txn/span.h"

enum unit_kind {
	UNIT_RUN = 0,
	UNIT_CONNECTION = 1,
	UNIT_PROCESS = 2,
	UNIT_GIVEN = 3,
	UNIT_SPAN = 4,
};

enum unit_status {
	UNIT_STATUS_UNKNOWN = 0,
	UNIT_STATUS_OK = 1,
	UNIT_STATUS_ERROR = 2,
};

const char *unit_kind_name(enum unit_kind kind);

/* Slot 0 is the database transaction, the others are reads that returned at least `threshold` rows. */
#define UNIT_PARENTS 6
#define UNIT_LINK_TX 0

/*
 * How the executions of one fingerprint followed those of a possible parent. A group is what ran between two
 * executions of the parent. `good` groups have at least `threshold` executions and no more than the parent
 * returned rows, as a loop over these rows has; `bad` ones do not. For the transaction: between BEGIN and
 * COMMIT, and there are no bad ones.
 */
struct repeat_link {
	uint64_t parent;
	uint32_t epoch;
	uint32_t group;
	uint32_t rows; /* the parent's, as far as known */
	uint32_t good, bad;
	uint32_t best_group, best_rows;
};

struct repeat {
	uint64_t fingerprint;
	uint64_t count, errors, rows, max_rows;
	uint64_t total_ns, max_ns;
	uint64_t first_start, last_end;
	uint64_t first_position, last_position; /* in the unit's statements that are not control */
	uint64_t chain; /* executions none of which began before the one before it ended */
	uint64_t chain_end;
	uint64_t literals;	   /* in all their texts */
	uint64_t unknown, partial; /* executions whose parameters could not be read, or only in part */
	uint64_t gaps;		   /* idle gaps longer than the unit gap between repeats */
	uint64_t last_gap;
	uint64_t call_site; /* of those that are known; 0 = none is, or there are several */
	uint64_t handle;    /* the prepared statement of the last; 0 = none */
	uint64_t batched;   /* in the same transaction and with the same handle as the one before */
	uint8_t sites;	    /* a call site was known */
	uint32_t tgid;
	uint8_t system, kind, type;
	struct distinct params;
	/* Bursts: executions with no other statement in between. The open one is counted when it ends. */
	uint64_t burst, bursts, burst_min, burst_max;
	struct repeat_link link[UNIT_PARENTS];
};

/* One statement in order of start, for detectors that look at the sequence. */
struct unit_span {
	uint64_t fingerprint, conn;
	uint64_t t_start, t_end, duration_ns, rows;
	uint64_t tx_idle_ns;
	uint8_t type, kind, stmt_class, params;
};

struct unit_parent {
	uint64_t fingerprint, seq;
	uint64_t used;
	uint32_t epoch, rows;
	uint32_t last_rows; /* of the epoch before */
};

/* What a thread was seen to wait for. */
struct unit_wait {
	uint64_t ns;
	uint64_t seen; /* as often */
};

struct unit {
	enum unit_kind kind;
	uint32_t tgid;
	char comm[16];	/* of the process; may be empty */
	uint64_t shape; /* units with equal shapes do the same; 0 = nothing but control statements */
	uint64_t first; /* fingerprint of the first statement that is not control */
	uint64_t start, end;
	uint64_t statements, control, errors, db_ns, transactions;
	uint64_t gaps;	/* idle gaps longer than the unit gap */
	int cut;	/* ended by the end of the trace */
	int inner;	/* part of a process that is counted as the unit: not to be counted itself */
	int held;	/* kept until it is known whether its process is the unit: will come again or not */
	int concurrent; /* of a process: statements of several threads, so no order */
	uint8_t status; /* enum unit_status; of a span: filled by whoever knows its rule */
	uint32_t rule;	/* of a span: the number of its rule */
	int nested;	/* a span inside another one, whose statements they are: counted here as well */
	const struct apm_ev_span *call; /* of a span that has ended: valid while it is delivered */
	uint64_t queries;		/* statements to databases */
	uint64_t cache_hits, cache_misses, cache_spans, queue_spans;
	uint64_t cpu_ns;			 /* by CPU samples, of a run */
	struct unit_wait wait[REC_WAIT_REASONS]; /* of a span, outside of statements */
	size_t repeat_count;			 /* repeats in order of first appearance */
	struct repeat *repeat;
	uint64_t repeats_dropped; /* the table was full */
	/* The last `span_max` statements; the oldest is at span[span_total %
	 * span_max] when there were more. */
	struct unit_span *span;
	size_t span_max;
	uint64_t span_total;
	/* the inner workings of units.c */
	struct unit_parent parent[UNIT_PARENTS];
	uint64_t seq;	       /* of a span: what its end is known by */
	uint64_t outside_seen; /* CPU time between statements that is in cpu_ns already */
	uint32_t *index;       /* fingerprint hash -> 1 + position in repeat */
	size_t index_size, repeat_cap;
	uint64_t ctx_id, last_fingerprint, parent_clock;
	uint32_t tx_open;
	uint64_t busy_until, busy_conn; /* the statement that ended last */
	int overlaps;			/* statements of several connections at the same time */
	struct unit *next;
};

/* What bounds a unit. */
struct unit_limits {
	uint64_t gap_ns;
	uint32_t threshold; /* of N+1 */
	size_t span_max;    /* statements kept in order; 0 = none */
	size_t repeats_max;
	uint32_t distinct_max; /* parameter hashes kept per repeat */
};

/*
 * Counts a statement (in_tx is filled). 0 or -ENOMEM.
 */
int unit_add(struct unit *unit, const struct statement *stmt, const struct unit_limits *limits);
/* Counts it, and remembers nothing of it. */
void unit_tally(struct unit *unit, const struct statement *stmt);
/* A read whose rows are still being fetched: what follows may be executed once per row. */
void unit_opening(struct unit *unit, const struct statement *stmt, uint32_t threshold);
/* Fills `shape`, which is known from the first statement on. */
void unit_name(struct unit *unit);
/* Ends what is still open in it, and names its shape. */
void unit_end(struct unit *unit, uint32_t threshold);
/* Drops what is executed too seldom to be of interest, to keep the unit for a while. */
void unit_trim(struct unit *unit, uint32_t threshold);
/* Empties it for the next use; keeps at most some kilobytes. */
void unit_reset(struct unit *unit);
void unit_free(struct unit *unit); /* accepts NULL */

/* The repeat of a fingerprint (of inserts: those of one row), NULL when the unit has none. */
const struct repeat *unit_repeat(const struct unit *unit, uint64_t fingerprint);

#endif
