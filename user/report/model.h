/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a report says, as data: filled by analysis.c, printed by the writers in this folder. Strings are
 * redacted, NUL-terminated, owned by the report; they may still hold any bytes a hostile program put there,
 * so writers clean them for their output (strbuf_add_clean, JSON and XML escaping). Times are nanoseconds.
 */
#ifndef APM_REPORT_MODEL_H
#define APM_REPORT_MODEL_H

#include <stdint.h>
#include <stddef.h>

#include "abi/counters.h"

enum severity {
	SEVERITY_INFO = 0,
	SEVERITY_LOW = 1,
	SEVERITY_MEDIUM = 2,
	SEVERITY_HIGH = 3,
	SEVERITY_CRITICAL = 4,
};

enum confidence {
	CONFIDENCE_NONE = 0,
	CONFIDENCE_LIKELY = 1,
	CONFIDENCE_EXACT = 2,
};

const char *severity_name(enum severity severity);	  /* "info" … "critical" */
int severity_parse(const char *name, enum severity *out); /* 0 or -EINVAL */
const char *confidence_name(enum confidence confidence);  /* "none", "likely", "exact" */

/* The last minute before the end: a rolling window. */
struct report_recent {
	uint64_t window_ns;			/* its length: 59 to 60 s, less in a shorter run */
	uint64_t calls, control, errors, units; /* those of a query: control and units are 0 */
	uint64_t db_ns, p50_ns, p95_ns, p99_ns;
};

struct report_query {
	uint64_t fingerprint;
	const char *query;   /* normalised; raw of one execution with --show-literals in `example` */
	const char *example; /* NULL without --show-literals */
	const char *summary;
	const char *system; /* OpenTelemetry db.system.name: "postgresql", "sqlite" … */
	const char *operation;
	const char *const *collections; /* NULL-terminated */
	const char *stmt_class;		/* "query", "control" */
	uint64_t calls, errors, rows;
	uint64_t total_ns, min_ns, p50_ns, p95_ns, p99_ns, max_ns;
	uint64_t elapsed_ns; /* sum of wall times, first call to last row */
	uint64_t max_rows;
	int rows_known;	  /* 0: the library did not show those of every execution */
	uint64_t bytes;	  /* moved by COPY */
	uint64_t wait_ns; /* for locks */
	uint64_t cpu_samples;
	double share;		      /* of all db time, 0..1 */
	uint64_t running;	      /* still running at the end */
	const char *call_site;	      /* who called one of its executions; NULL = not known */
	const char *const *prepared;  /* names it was prepared under, some of them; NULL-terminated */
	struct report_recent *recent; /* the last minute; NULL = not known: too many queries at once */
};

struct report_slow {
	uint64_t fingerprint;
	const char *query;
	uint64_t duration_ns;
	uint64_t ts_realtime_ns; /* start */
	uint64_t rows;
	const char *operation;
	const char *const *collections;
	const char *recommendation; /* NULL = no rule applies */
	uint32_t tgid, tid;
	int running; /* still running at the end: duration is a lower bound */
	int rows_known;
};

struct report_n_plus_one {
	uint64_t fingerprint;
	const char *query;
	uint64_t count; /* repeats in all units */
	uint64_t units;
	uint64_t distinct_parameters; /* in the worst unit; 0 = not readable */
	uint64_t total_ns;
	double share;		     /* of those units' time */
	uint64_t parent_fingerprint; /* the query that gave the ids; 0 = none found */
	const char *parent_query;
	const char *call_site;	     /* NULL = not known */
	const char *const *examples; /* up to three, NULL-terminated; raw only with --show-literals */
	const char *recommendation;
	enum severity severity;
	enum confidence confidence;
};

struct report_value {
	const char *text;
	uint64_t count, errors, total_ns;
};

/* A value that came with every call of a span. */
struct report_attribute {
	const char *name;
	int is_text;
	uint64_t count, unknown; /* calls of which it is known, and is not */
	double sum;
	int64_t min, max;
	struct {
		size_t count;
		struct report_value *item;
	} values;	/* of texts: the commonest first */
	uint64_t other; /* calls with texts that are not among them */
};

struct report_unit {
	const char *kind;  /* "process", "run", later "request" … */
	const char *shape; /* a name for units that do the same: first statement's summary, or the function */
	const char *process;
	uint64_t count, statements, errors;
	uint64_t total_ns, db_ns, p50_ns, p95_ns, max_ns;
	double statements_per_unit;
	enum confidence confidence;
	const char *type;		    /* "request", "background", "scheduled"; NULL = not known */
	uint64_t ok, failed, left, running; /* how they ended; the rest is not known */
	uint64_t queries, cache_spans, cache_hits, cache_misses, queue_spans;
	int cpu_known, cpu_sampled; /* by samples: an estimate */
	uint64_t cpu_ns, off_cpu_ns;
	int waits_known; /* what was waited for outside of statements: an estimate by looks at the threads */
	uint64_t io_wait_ns, lock_wait_ns, network_wait_ns;
	int rss_known;
	int64_t rss_growth, rss_most; /* bytes: in all of them, and in one */
	int is_span, never_called;
	struct {
		size_t count;
		struct report_attribute *item;
	} attributes;
};

/* Database transactions of one system that begin with the same statement. */
struct report_transaction {
	const char *system;
	uint64_t fingerprint; /* 0 = nothing was executed in them */
	const char *query;
	uint64_t count, committed, rolled_back, failed, prepared, dropped, open;
	uint64_t implicit, nested, savepoints, savepoint_rollbacks, second_phases;
	uint64_t statements, errors, refused;
	uint64_t total_ns, p50_ns, p95_ns, max_ns;
	uint64_t db_ns, idle_ns, max_idle_ns;
	int idle_cpu_known;
	uint64_t idle_cpu_ns, idle_wait_ns; /* what the thread did meanwhile, by samples */
};

struct report_error {
	const char *system;
	const char *code;
	const char *message;
	uint64_t count;
	uint64_t fingerprint;
	const char *query;
	uint64_t first_realtime_ns, last_realtime_ns;
};

struct report_finding {
	const char *detector; /* "n_plus_one", "slow_query", "duplicate_query" … */
	enum severity severity;
	enum confidence confidence;
	uint64_t fingerprint; /* 0 = none */
	uint64_t part_of;     /* the m_n_plus_one finding at this fingerprint has it in; 0 = none */
	const char *query;    /* NULL = none */
	const char *unit;     /* shape of the unit, NULL = none */
	const char *title;    /* one line */
	const char *evidence; /* one sentence with numbers */
	const char *recommendation;
	const char *call_site; /* NULL = not known */
	uint64_t total_ns;     /* time at stake */
	uint64_t saved_ns;     /* of it, what fixing would save: estimated; 0 = nobody can tell */
	uint64_t count;
};

/* total_ns as it would be after the fix. */
uint64_t report_time_after(const struct report_finding *f);

struct report_function {
	const char *name;
	const char *module;
	uint64_t self, total; /* samples */
	double share;	      /* self / all samples */
};

struct report_coverage {
	const char *kind; /* "process", "library", "span", "missing", "kernel" */
	uint32_t tgid;
	const char *subject;
	const char *text;
};

struct report_library {
	const char *name, *version, *path, *build_id;
	uint64_t statements;
};

/* One unit of work. */
struct report_kept_unit {
	const char *kind, *shape, *process;
	const char *why; /* it is told: "error", "slow", "finding", "sampled" */
	uint32_t tgid;
	uint64_t start_realtime_ns, duration_ns, db_ns;
	uint64_t statements, errors;
};

struct report_memory {
	uint32_t tgid;
	const char *process;
	const char *kind; /* "threshold", "jump", "growth" */
	enum severity severity;
	uint64_t rss_kb;   /* at the last check */
	uint64_t grown_kb; /* of a threshold: the most there was */
	const char *evidence;
};

struct report_bottleneck {
	const char *kind;   /* cpu, memory, io, database, external, lock */
	const char *impact; /* low, medium, high */
	double share;
	const char *evidence;
	const char *recommendation;
};

/* One slot of the window. */
struct report_interval {
	uint64_t start_realtime_ns;
	uint64_t statements, errors; /* that ended in it */
	uint64_t db_ns, p50_ns, p95_ns;
};

#define REPORT_LIST(type)          \
	struct {                   \
		size_t count;      \
		struct type *item; \
	}

struct report {
	/* target and window */
	const char *target;
	const char *host, *kernel, *tool_version, *service, *environment;
	uint64_t start_realtime_ns, duration_ns;
	int truncated;	  /* the capture was cut short */
	int lower_bounds; /* a lossy counter is not zero: counts are lower bounds */
	uint32_t normaliser_version;
	int regrouped; /* fingerprints were made anew by this version's normaliser */

	/* summary */
	uint64_t units, transactions, statements, control_statements, errors;
	uint64_t db_ns, average_ns, p50_ns, p95_ns, p99_ns;
	double error_rate, throughput_per_s;
	uint64_t links_exact, links_likely, links_none;
	uint64_t running;
	struct report_recent recent;
	uint64_t slow_threshold_ns;
	uint32_t n_plus_one_threshold;

	REPORT_LIST(report_query) queries; /* by total time, bounded */
	size_t queries_seen;		   /* all that there were, those left out of the list too */
	REPORT_LIST(report_slow) slow;	   /* slowest first, bounded */
	REPORT_LIST(report_n_plus_one) n_plus_one;
	REPORT_LIST(report_unit) unit_shapes;
	REPORT_LIST(report_transaction) transaction_shapes;
	REPORT_LIST(report_error) error_groups;
	REPORT_LIST(report_finding) findings; /* most worthwhile first */
	REPORT_LIST(report_function) functions;
	REPORT_LIST(report_coverage) coverage;
	REPORT_LIST(report_library) libraries;
	REPORT_LIST(report_bottleneck) bottlenecks;
	REPORT_LIST(report_memory) memory_warnings;
	REPORT_LIST(report_kept_unit) kept_units;
	double sample_rate;

	REPORT_LIST(report_interval) timeline; /* of the whole window, in time order */
	uint64_t timeline_width_ns;

	/* profile */
	uint64_t samples, samples_attributed, samples_unattributed, samples_complete;
	uint32_t sample_freq;

	/* losses by enum apm_counter, and the tool's own cost */
	uint64_t losses[APM_CNT_MAX];
	uint64_t late_attach_ns;
	uint64_t probe_hits, probe_ns, program_ns, agent_cpu_ns, agent_rss_kb;
	uint32_t probes, price_entry_ns, price_return_ns;
	double overhead_limit, overhead_peak; /* shares of one core; limit 0 = none */
	uint32_t overhead_changes;
	uint64_t events_read;
	const char *overhead_level;	     /* what was collected at the end: "full" … */
	uint64_t cpu_wait_ns, cpu_window_ns; /* somebody on the machine waited for a CPU so long of that; 0 of
						0 = not known */
};

struct stacks;

/* How a writer should print. */
struct report_style {
	uint32_t top;		     /* rows per table */
	int color;		     /* ANSI colours */
	int width;		     /* columns; 0 = not a terminal */
	int whole;		     /* statements in full length */
	const struct stacks *stacks; /* CPU samples for writers that draw them; NULL = none */
};

#endif
