/* SPDX-License-Identifier: BSD-2-Clause */
/* What analysis.c collects and analysis_report.c turns into a report. */
#ifndef APM_ANALYSIS_STATE_H
#define APM_ANALYSIS_STATE_H

#include "analysis.h"
#include "analysis_regroup.h"
#include "base/hist.h"
#include "base/table.h"
#include "detect/detect.h"
#include "txn/attribute.h"
#include "txn/order.h"
#include "txn/rolling.h"
#include "txn/samples.h"
#include "txn/session.h"
#include "txn/stats.h"
#include "txn/timeline.h"
#include "txn/transactions.h"
#include "txn/units.h"

/* Units that do the same. */
struct shape {
	uint64_t first; /* fingerprint that names it */
	enum unit_kind kind;
	char comm[16];
	uint64_t count, statements, errors, db_ns;
	struct hist durations;		    /* as far as they are known */
	uint64_t ok, failed, left, running; /* the rest is not known */
	uint64_t queries, cache_hits, cache_misses, cache_spans, queue_spans;
	uint64_t cpu_known_ns; /* durations of the units of which cpu_ns tells */
	uint64_t cpu_ns, rss_units;
	int64_t rss_growth, rss_most;
	/* Of spans */
	uint32_t span;
	uint64_t outer;				       /* calls that are in no other span */
	struct unit_wait wait[REC_WAIT_REASONS];       /* outside of statements */
	struct attribute attribute[APM_SPAN_ARGS + 1]; /* the last: the return value */
};

/* A function that the user named (REC_SPAN). */
struct span_info {
	struct rec_span rec; /* its strings are not valid */
	char *name, *binary, *ret_name, *args;
};

#define KEPT_MAX 256

/* Why a unit is told one by one; later ones matter more. */
enum kept_why { KEPT_SAMPLED, KEPT_FINDING, KEPT_SLOW, KEPT_ERROR };

struct kept_unit {
	uint64_t start, end, statements, errors, db_ns, first;
	uint32_t rule, tgid;
	enum unit_kind kind;
	enum kept_why why;
	char comm[16];
};

#define USAGE_POINTS 64

/* What a process used: at most USAGE_POINTS of the checks, the first and the last among them. */
struct process_usage {
	char comm[16];
	uint64_t peak_kb, seen;
	uint32_t count, stride; /* one check in `stride` is kept */
	struct detect_usage *point;
};

struct library {
	uint64_t statements;
	char *name, *version, *path, *build_id;
};

struct coverage {
	uint8_t kind;
	uint32_t tgid;
	char *subject, *text;
};

/* Copies of the strings of REC_META. */
struct meta_text {
	char *tool_version, *host, *kernel, *target, *service, *environment;
};

struct analysis {
	struct analysis_options opt;
	struct detect_options thresholds;
	struct rec_meta meta; /* its strings are not valid: see meta_text */
	struct meta_text meta_text;
	int started; /* thresholds are settled: the first record after REC_META has come */
	uint64_t unit_gap_ns;
	uint64_t begin_ns, now_ns; /* CLOCK_MONOTONIC of the window */
	struct regroup regroup;
	int regrouped;
	struct session *session;
	struct stats *stats;
	struct timeline timeline;
	struct samples *samples;
	struct order *order;
	struct statement was; /* the last MARK_WAS, until what follows it; seq 0 = none */
	struct units *units;
	struct detect *detect;
	struct table *shapes;	 /* shape -> struct shape */
	struct table *libraries; /* lib_id -> struct library */
	struct table *spans;	 /* number -> struct span_info */
	struct table *span_ends; /* seq -> struct apm_ev_span, until its place in the order has come */
	struct table *processes; /* tgid -> struct process_usage */
	struct kept_unit kept[KEPT_MAX];
	size_t kept_count;
	double sample_rate;
	int looks_taken;			 /* what threads wait for was looked for */
	struct unit_wait wait[REC_WAIT_REASONS]; /* outside of database calls; for the network: in units */
	struct table *coverage;			 /* hash of all of it -> struct coverage */
	struct rolling recent;
	struct table *recent_queries; /* fingerprint -> struct rolling: those with the latest executions */
	struct table *names;	      /* session_name_hash() -> char *: names of prepared statements */
	uint64_t unit_count, links_exact, links_likely, text_unknown;
	struct rec_loss loss;
	struct rec_overhead overhead;
	int err; /* of a callback that could not return it */

	/* The report and the memory that only it uses. */
	struct report report;
	void **owned;
	size_t owned_count, owned_cap;
};

/* The last minute, and names of prepared statements. 0 or -ENOMEM. */
int analysis_recent_open(struct analysis *a);
void analysis_recent_close(struct analysis *a);
int analysis_recent_statement(struct analysis *a, const struct statement *was,
			      const struct statement *now); /* `was`: NULL or what it was counted as */
int analysis_recent_name(struct analysis *a, struct str name);
void analysis_fill_recent(struct analysis *a); /* after the queries have their rows */
/* analysis_units.c: units of work, spans and transactions. */
void analysis_shape_release(struct table_key key, void *value, void *arg);
void analysis_span_release(struct table_key key, void *value, void *arg);
int analysis_unit(const struct unit *unit, void *arg); /* a unit_fn */
/* What stands in the order and is no statement. 0, -ENOMEM or what a callback returned. */
int analysis_mark(struct analysis *a, struct statement *mark);
int analysis_feed_span(struct analysis *a, const struct record *rec);
int analysis_feed_span_begin(struct analysis *a, const struct record *rec);
int analysis_feed_span_end(struct analysis *a, const struct record *rec);
/* A CPU sample, or a closed connection, in its place between the statements. */
void analysis_mark_sample(struct analysis *a, const struct record *rec);
void analysis_mark_close(struct analysis *a, const struct record *rec);
void analysis_mark_wait(struct analysis *a, const struct record *rec);	 /* of a thread in a span */
const char *analysis_span_name(const struct analysis *a, uint32_t span); /* "a span" when not known */
void analysis_fill_units(struct analysis *a);
void analysis_fill_transactions(struct analysis *a);

/* The words of a finding; analysis_words_free() when done. */
struct analysis_words {
	struct strbuf title, evidence, advice, site, unit;
};
int analysis_words(const struct analysis *a, const struct finding *f, struct analysis_words *words,
		   struct report_finding *out); /* 0 or -ENOMEM; *out points into *words */
void analysis_words_free(struct analysis_words *words);

/* Fills a->report. 0 or -ENOMEM. */
int analysis_fill(struct analysis *a, int truncated);
void analysis_fill_findings(struct analysis *a);
void analysis_fill_coverage(struct analysis *a);
void analysis_fill_cost(struct analysis *a);

/* analysis_kept.c */
void analysis_keep_unit(struct analysis *a, const struct unit *unit, int has_finding);
void analysis_fill_kept(struct analysis *a);

/* analysis_resources.c */
int analysis_feed_usage(struct analysis *a, const struct record *rec);
void analysis_usage_release(struct table_key key, void *value, void *arg);
void analysis_judge_resources(struct analysis *a); /* before detect_end() */
void analysis_fill_memory(struct analysis *a);
uint64_t
analysis_cpu_used(struct analysis *a); /* by all processes, between their first check and their last */

/* analysis_bottlenecks.c: where the time went */
int analysis_feed_wait(struct analysis *a, const struct record *rec);
void analysis_wait_of_call(struct analysis *a,
			   const struct unit *unit); /* of an outermost span that has ended */
void analysis_fill_bottlenecks(struct analysis *a);  /* after the summary and the memory warnings */

/* Memory that lives as long as the report: takes it over. NULL (and a->err) when it is
 * NULL or there is no room. */
void *analysis_own(struct analysis *a, void *memory);
/* The text of a strbuf, NULL when it is empty. Empties it. */
const char *analysis_own_text(struct analysis *a, struct strbuf *buf);
const char *analysis_query_text(const struct analysis *a, uint64_t fingerprint); /* NULL = not known */

/* A growing array of pointers to what will be sorted. */
struct sorted {
	struct analysis *a;
	const void **item;
	size_t count, cap;
};

void sorted_add(struct sorted *s, const void *item);
int sorted_add_value(struct table_key key, void *value, void *arg); /* for table_visit() */
/* Sorts (the items are pointers) and says how many of them the report's lists take. */
size_t sorted_take(struct sorted *s, int (*compare)(const void *, const void *));
/* Bigger first; then by `tie`, so that a replay gives the same order. */
int sorted_descending(uint64_t a, uint64_t b, uint64_t tie_a, uint64_t tie_b);

enum sql_dialect analysis_dialect(uint8_t system); /* what is spoken to a system (enum apm_system) */

#endif
