/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Detectors: statements and units of work in, findings out. Each detector is a file and a row in registry.c;
 * it sees statements in order of start and units when they end, and collects what it finds in a struct
 * finding per place to fix. Pure: no clock, file or global state; texts come through a callback.
 */
#ifndef APM_DETECT_DETECT_H
#define APM_DETECT_DETECT_H

#include <stddef.h>

#include "base/hist.h"
#include "base/str.h"
#include "report/model.h"
#include "txn/units.h"

/* Thresholds. detect_defaults() gives the values meant for live use. */
struct detect_options {
	uint64_t slow_ns;
	uint64_t lock_wait_ns; /* of all executions of a statement */
	uint32_t n_plus_one;   /* repeats in one unit */
	uint64_t min_total_ns; /* time that the repeats take together at least */
	uint64_t http_min_count, http_min_total_ns;
	uint64_t consecutive_min_count, consecutive_min_span_ns, consecutive_min_saved_ns;
	double consecutive_min_ratio;
	uint64_t missing_limit_rows, large_rows;
	uint64_t idle_tx_ns;
	uint64_t chatty_count;
	uint64_t connects, pool_waits, pool_wait_ns;
	uint64_t failures;
	uint64_t slow_request_ns; /* a database transaction this long is long */
	uint64_t memory_kb;	  /* resident memory beyond this is too much; 0 = any is fine */
};
void detect_defaults(struct detect_options *opt);

/* What is known of a fingerprint. Empty strings where nothing is. */
struct detect_query {
	struct str normalized, summary;
	const struct hist *durations; /* so far; NULL where they are not kept */
	uint8_t system;		      /* enum apm_system */
	uint8_t kind;		      /* enum sql_kind */
};
typedef void (*detect_query_fn)(uint64_t fingerprint, struct detect_query *out, void *arg);

struct detect;
struct detector;

#define FINDING_RELATED 8

/* One thing to fix: what a detector found at one fingerprint (or place), over all units. Zeroed when new. */
struct finding {
	const struct detector *detector;
	uint64_t fingerprint; /* 0 = none */
	int certain;	      /* to be reported; else evidence is still being collected */
	enum confidence confidence;
	uint64_t count, units;
	uint64_t total_ns;    /* time at stake */
	uint64_t saved_ns;    /* what fixing would save, estimated */
	uint64_t units_db_ns; /* database time of those units */
	uint64_t max_ns, rows;
	int rows_known; /* slow_query: those of the longest execution */
	/* The worst case */
	uint64_t worst_count, worst_distinct, worst_ns;
	uint64_t worst_unknown; /* executions whose parameters were not readable */
	int distinct_estimated;
	enum unit_kind unit_kind;
	char comm[16];
	uint32_t rule;	     /* of UNIT_SPAN: the number of its rule */
	uint64_t unit_first; /* fingerprint that names the unit's shape; 0 = no unit */
	uint64_t parent;     /* the query that gave the ids; 0 = none found */
	uint64_t parent_rows;
	uint64_t call_site;
	uint32_t tgid, tid;
	/* Equal bursts in many units (see detect/repeats.h) */
	uint64_t bursts, burst_min, burst_max;
	uint64_t related[FINDING_RELATED]; /* other queries that matter; 0 = none */
	char code[96];			   /* of the error; the name of a function */
	uint8_t system, kind;		   /* kind: enum sql_kind of the repeats */
	uint64_t number;		   /* what a detector wants to remember of its own */
	int announced;
};

/* What a failed statement said. */
struct detect_error {
	struct str code, message;
	uint64_t count; /* how often so far */
};

/* What a process had used at moments, in order of time. */
struct detect_usage {
	uint64_t ts;	 /* CLOCK_MONOTONIC ns */
	uint64_t age_ns; /* of the process then */
	uint64_t rss_kb;
	uint64_t cpu_ns; /* since it began */
};

struct detect_process {
	uint32_t tgid;
	const char *comm;
	const struct detect_usage *usage;
	size_t count;
};

/* What memory_growth says of a process: `number` of its findings. */
enum detect_memory { DETECT_MEMORY_LIMIT, DETECT_MEMORY_JUMP, DETECT_MEMORY_SLOPE };

/* A function and the CPU samples taken in it. */
struct detect_function {
	const char *name, *module;
	uint64_t self, samples; /* samples: in all functions together */
	uint64_t weight_ns;	/* that `samples` stand for */
};

struct detector {
	const char *name;
	int on_request; /* off unless enabled by name */
	/* `was`: what the statement was when it was counted before, NULL = it is new. */
	void (*on_statement)(struct detect *d, const struct detector *self, const struct statement *stmt,
			     const struct statement *was);
	void (*on_error)(struct detect *d, const struct detector *self, const struct statement *stmt,
			 const struct detect_error *error);
	void (*on_unit)(struct detect *d, const struct detector *self, const struct unit *unit);
	/* At the end: each process, each function. */
	void (*on_process)(struct detect *d, const struct detector *self,
			   const struct detect_process *process);
	void (*on_function)(struct detect *d, const struct detector *self,
			    const struct detect_function *function);
	/* Last chance to make a finding certain. */
	void (*on_end)(struct detect *d, const struct detector *self, struct finding *f);
	enum severity (*severity)(const struct finding *f);
	/* One sentence each; nothing appended to `advice` = none applies. */
	void (*describe)(const struct detect *d, const struct finding *f, struct strbuf *title,
			 struct strbuf *evidence, struct strbuf *advice);
};

/* All of them, in the order in which they see things; ends with a row without a name. */
extern const struct detector detectors[];

struct detect *detect_new(const struct detect_options *opt, detect_query_fn query,
			  void (*on_certain)(const struct finding *f, void *arg),
			  void *arg); /* NULL with errno */
void detect_free(struct detect *d);   /* accepts NULL */
/* Thresholds may change before the first statement (a replay learns them from the stream). */
void detect_set(struct detect *d, const struct detect_options *opt);
/* 0, or -ENOENT for a name that is not in the table. */
int detect_enable(struct detect *d, const char *name);

void detect_statement(struct detect *d, const struct statement *stmt, const struct statement *was);
void detect_failure(struct detect *d, const struct statement *stmt, const struct detect_error *error);
void detect_unit(struct detect *d, const struct unit *unit);
void detect_process(struct detect *d, const struct detect_process *process);
void detect_profile(struct detect *d, const struct detect_function *function);
/* Announces what the unit shows, as detect_unit() would, and counts nothing. */
void detect_preview(struct detect *d, const struct unit *unit);
void detect_end(struct detect *d);

/* Certain findings, unordered. */
void detect_each(struct detect *d, void (*fn)(const struct finding *f, void *arg), void *arg);
uint64_t detect_count(const struct detect *d);
uint64_t detect_evicted(const struct detect *d);

/* ---- for detectors ---- */

const struct detect_options *detect_options(const struct detect *d);
void detect_text(const struct detect *d, uint64_t fingerprint, struct detect_query *out);
/* The finding of this detector at (fingerprint, place), new or not. NULL = out of memory. */
struct finding *detect_finding(struct detect *d, const struct detector *self, uint64_t fingerprint,
			       uint64_t place);
/* How often a detector has reported something certain so far. */
uint64_t detect_reports(const struct detect *d);
/* Units of work counted so far. */
uint64_t detect_units(const struct detect *d);
/*
 * What a detector remembers under (a, b) beside its findings: zeroed when new. Bounded: what has not been
 * asked for longest is forgotten. NULL = out of memory.
 */
struct detect_note {
	uint64_t v[6];
	struct hist hist;
};
struct detect_note *detect_note(struct detect *d, const struct detector *self, uint64_t a, uint64_t b);
/* From now on it is reported; announces it once. */
void detect_certain(struct detect *d, struct finding *f);
/* Severity by time that can be saved and by the count in one unit: one table for all (registry.c). */
enum severity detect_severity(uint64_t saved_ns, uint64_t count);
/* "12.3 ms" */
void detect_add_ms(struct strbuf *out, uint64_t ns);
/* The summary of a fingerprint, or its normalised text, or "a statement". */
void detect_add_name(const struct detect *d, struct strbuf *out, uint64_t fingerprint);

#endif
