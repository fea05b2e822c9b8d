/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was executed, counted: per fingerprint, per error and in total. Bounded: when there are too many
 * fingerprints the old and cheap ones are merged into the row "[other]" and counted as evicted.
 */
#ifndef APM_TXN_STATS_H
#define APM_TXN_STATS_H

#include <stddef.h>

#include "base/hist.h"
#include "base/str.h"
#include "record.h"
#include "txn/span.h"

#define STATS_EXAMPLES 3
#define STATS_NAMES    3

/* One fingerprint. Strings are NUL-terminated and never NULL (examples: only with --show-literals). */
struct stats_query {
	uint64_t fingerprint; /* 0 = the row "[other]" */
	const char *normalized;
	const char *summary;
	const char *operation;
	const char *collections; /* separated by \n */
	char *example[STATS_EXAMPLES];
	char *text; /* the memory behind the strings */
	size_t text_size;
	uint8_t system; /* enum apm_system */
	uint8_t stmt_class;
	uint8_t kind;
	uint64_t calls, errors, rows, max_rows;
	uint64_t rows_unknown; /* executions whose rows are not known: they are not in `rows` */
	uint64_t bytes;	       /* moved by COPY */
	uint64_t wait_ns;      /* for locks */
	uint64_t elapsed_ns;
	uint64_t running;
	uint64_t cpu_samples;
	struct hist durations;
	uint64_t worst_rows; /* of the longest execution */
	/* Who called the first execution whose caller is known; 0 = none */
	uint64_t call_site;
	uint32_t call_site_tgid;
	uint64_t prepared[STATS_NAMES]; /* names it was prepared under (session_name_hash()), 0 = no more */
};

struct stats_error {
	uint64_t fingerprint;
	uint64_t count;
	uint64_t first_ns, last_ns;
	uint8_t system;
	char code[48];
	char *message; /* of the first; NULL = none */
};

struct stats_slow {
	uint64_t fingerprint;
	uint64_t t_start, duration_ns, rows;
	uint32_t tgid, tid;
	int running, rows_known;
};

struct stats_totals {
	uint64_t statements; /* of class query */
	uint64_t control;
	uint64_t errors;
	uint64_t running;
	uint64_t db_ns;	       /* of all */
	struct hist durations; /* of class query */
};

struct stats;

/* max_queries bounds the fingerprints, max_slow the list of slowest executions. NULL with errno. */
struct stats *stats_new(size_t max_queries, size_t max_slow);
void stats_free(struct stats *st); /* accepts NULL */

/* Makes a fingerprint known. Cheap when it is already. 0 or -ENOMEM. */
int stats_describe(struct stats *st, const struct rec_text *text);

/* NULL when not known (or evicted). Valid until the next stats_describe(). */
const struct stats_query *stats_find(const struct stats *st, uint64_t fingerprint);

/* Counts one statement. Executions of at least slow_ns may enter the list of the slowest. 0 or -ENOMEM. */
int stats_add(struct stats *st, const struct statement *stmt, uint64_t slow_ns);
/* `now` is what `was` (counted before, same seq) has become. */
int stats_amend(struct stats *st, const struct statement *was, const struct statement *now, uint64_t slow_ns);
/* Counts the error of a statement at ts. Returns how often it has failed so, 0 = out of memory. */
uint64_t stats_error(struct stats *st, const struct statement *stmt, uint64_t ts,
		     const struct rec_error *error);
void stats_sample(struct stats *st, uint64_t fingerprint, uint64_t samples);

const struct stats_totals *stats_totals(const struct stats *st);
uint64_t stats_evicted(const struct stats *st);

/* Unordered; "[other]" is among them when it has calls. */
void stats_each_query(struct stats *st, void (*fn)(const struct stats_query *q, void *arg), void *arg);
void stats_each_error(struct stats *st, void (*fn)(const struct stats_error *e, void *arg), void *arg);
/* Slowest first. */
const struct stats_slow *stats_slowest(const struct stats *st, size_t *count);

#endif
