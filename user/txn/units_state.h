/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files behind units.h share. */
#ifndef APM_TXN_UNITS_STATE_H
#define APM_TXN_UNITS_STATE_H

#include "base/table.h"
#include "txn/transactions.h"
#include "txn/units.h"

struct run {
	struct unit *unit;
	uint64_t shown; /* statements it had when it was last shown */
	int many_conns; /* the thread serves several connections at the same time: runs are theirs */
};

struct process {
	uint64_t start;
	char comm[16];
	int whole;	   /* seen from its start and still shorter than a minute */
	struct unit *unit; /* of a whole one */
	struct unit *held; /* its ended runs */
	size_t held_count;
};

struct conn {
	uint64_t last_end;
	uint64_t last_ctx;
	uint32_t moves, stays;
};

/* Spans under way in one context, outermost first. */
struct calls {
	uint32_t depth;
	struct unit *unit[APM_SPAN_DEPTH];
};

/* What CPU samples tell of a thread. */
struct thread {
	uint64_t outside_ns; /* outside of statements */
};

struct units {
	struct units_options opt;
	unit_fn fn;
	void *arg;
	struct table *runs;	 /* (process and kind, context or connection) -> struct run */
	struct table *processes; /* tgid -> struct process */
	struct table *conns;	 /* (tgid, connection) -> struct conn */
	struct table *calls;	 /* (process and kind, context) -> struct calls */
	struct table *threads;	 /* (tgid, tid) -> struct thread */
	struct transactions *transactions;
	struct unit *given;
	struct unit *spare;
	size_t spare_count;
	size_t repeats; /* in open units */
	uint64_t next_sweep, now;
	struct units_totals totals;
};

/* Which runs are to end. */
struct ending {
	struct units *u;
	uint32_t tgid;	     /* 0 = all */
	uint64_t idle_since; /* last statement ended before this */
	int cut;
	size_t most; /* runs to end */
	int err;
};

struct unit *units_get(struct units *u, enum unit_kind kind, const char *comm); /* NULL = out of memory */
void units_put(struct units *u, struct unit *unit);
int units_add(struct units *u, struct unit *unit, const struct statement *stmt);
/* Hands a unit that has ended over, and takes it back. */
int units_deliver(struct units *u, struct unit *unit);
int units_show(struct units *u, struct unit *unit);
int units_end_runs(struct units *u, struct ending e);

static inline struct table_key units_context(uint32_t ctx_kind, uint32_t tgid, uint64_t ctx_id)
{
	return (struct table_key){(uint64_t)ctx_kind << 32 | tgid, ctx_id};
}

/* units_process.c */
int units_process_known(struct units *u, uint32_t tgid); /* 0 when it has gone */
const char *units_comm(struct units *u, uint32_t tgid);	 /* 16 bytes; empty when not known */
int units_end_run(struct units *u, struct unit *unit);
int units_add_to_process(struct units *u, const struct statement *stmt);
void units_drop_held(struct units *u, struct process *p);
/* Processes that have become too old to be one unit, or all. */
int units_age_processes(struct units *u, int all);

/* units_span.c */
/* Adds the statement to the span that its context is in. 1 when there is one, 0, -errno. */
int units_add_to_span(struct units *u, const struct statement *stmt);
/* Adds what the thread was seen to wait for to the spans that it is in. */
void units_wait_in_span(struct units *u, const struct statement *mark);
/* Ends spans whose end will not come: of a process, or (0) all. */
int units_cut_spans(struct units *u, uint32_t tgid);
void units_calls_release(struct table_key key, void *value, void *arg);

#endif
