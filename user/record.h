/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The redacted record stream: what a capture file holds and what the analysis consumes, live and replayed.
 *
 *   ring buffer -> collect -> enrich (redacts, resolves) -> records -+-> capture file
 *                                                                     +-> analysis
 *
 * A record is a struct apm_hdr followed by a body. Kinds 1..63 that need no redaction (APM_EV_STMT, PREPARE,
 * CLOSE, FORK, EXEC, EXIT, SPAN_*) pass through unchanged; raw text, error messages, connections and stacks
 * never do: they become REC_TEXT, REC_ERROR, REC_CONN, REC_SAMPLE. Little-endian, fixed-width; strings are a
 * u32 length and the bytes. Kinds are append-only, and a body may grow at its end: decoders read what they
 * know.
 */
#ifndef APM_RECORD_H
#define APM_RECORD_H

#include <stdint.h>

#include "abi/counters.h"
#include "abi/event.h"
#include "base/str.h"

enum rec_kind {
	REC_META = 64, /* first record of every stream */
	REC_TEXT = 65, /* a statement text, normalised; one record per statement of a multi-statement text */
	REC_PROCESS = 66,   /* a process in scope: name, command line */
	REC_FRAME = 67,	    /* gives a stack frame's name a number */
	REC_SAMPLE = 68,    /* a CPU sample as frame numbers */
	REC_CONN = 69,	    /* a database connection */
	REC_ERROR = 70,	    /* code and redacted message of a failed statement */
	REC_LOSS = 71,	    /* all counters so far (cumulative) */
	REC_COVERAGE = 72,  /* something that was watched, or seen and not watched */
	REC_WATERMARK = 73, /* header only: time has reached hdr.ts; drives timers when nothing else does */
	REC_END = 74,	    /* the trace ended in good order; its absence means "truncated" */
	REC_OVERHEAD = 75,  /* the tool's own cost */
	REC_SITE = 76,	    /* resolves a call-site address of one process */
	REC_LIBRARY = 77,   /* resolves a lib_id */
	REC_SPAN = 78,	/* a function or static probe that the user named: resolves `span` of its events */
	REC_USAGE = 79, /* what a process uses at a moment */
	REC_WAIT = 80,	/* what threads were seen to wait for outside of database calls */
};

#define REC_META_SHOW_LITERALS 0x1 /* REC_TEXT carries raw text */

struct rec_meta {
	uint32_t flags;
	uint32_t normaliser_version; /* sql_version() that made the fingerprints */
	uint64_t mono_ns;	     /* CLOCK_MONOTONIC at start: event time zero */
	uint64_t realtime_ns;	     /* CLOCK_REALTIME at the same moment */
	uint64_t slow_ns;	     /* thresholds in force when recording; a replay may override them */
	uint64_t unit_gap_ns;
	uint32_t n_plus_one;
	uint32_t sample_freq;
	struct str tool_version;
	struct str host;
	struct str kernel;
	struct str target; /* as typed: "--pid 1234", "-- ./app" */
	struct str service;
	struct str environment;
	uint64_t slow_request_ns; /* 0 in captures of before, as the next */
	uint64_t memory_kb;	  /* 0 = no threshold */
	uint32_t sample_rate_set; /* 0 in captures of before: all units are kept */
	uint32_t sample_ppm;	  /* of units without anything special, in millionths */
};

/* One statement of a text. All strings are redacted but `raw`, which is empty without --show-literals. */
struct rec_text {
	uint64_t text_id;
	uint64_t conn; /* where it was first seen */
	uint64_t fingerprint;
	uint64_t literal_hash; /* keyed hash of the literals in the text */
	uint32_t literal_count;
	uint32_t flags;	   /* APM_TEXT_TRUNCATED, UNREADABLE, NAME, MIN_LEN */
	uint32_t true_len; /* bytes of the whole text before any cut */
	uint16_t part;	   /* 0-based statement in a multi-statement text */
	uint16_t parts;
	uint8_t system;	    /* enum apm_system */
	uint8_t stmt_class; /* enum sql_class */
	uint8_t kind;	    /* enum sql_kind */
	struct str normalized;
	struct str summary;
	struct str operation;
	struct str collections; /* separated by \n */
	struct str tags;	/* key=value separated by \n, from sqlcommenter and the like */
	struct str raw;
	uint32_t param_count; /* placeholders in the text; 0 in captures of before */
};

struct rec_process {
	uint64_t start_ns; /* CLOCK_BOOTTIME ns, 0 = unknown */
	uint32_t ns_pid;   /* pid in its own namespace, 0 = the same */
	uint32_t uid;
	struct str comm;
	struct str cmdline;   /* program and script only: arguments may hold secrets */
	struct str container; /* empty = none */
};

enum rec_frame_kind {
	REC_FRAME_NATIVE = 0,
	REC_FRAME_KERNEL = 1,
	REC_FRAME_JIT = 2,
	REC_FRAME_INTERPRETED = 3,
	REC_FRAME_UNKNOWN = 4,
};

struct rec_frame {
	uint32_t frame_id;   /* unique in the stream, from 1 */
	uint8_t kind;	     /* enum rec_frame_kind */
	uint64_t file_off;   /* of the address in module, 0 = not known */
	struct str name;     /* demangled; empty = not resolved */
	struct str module;   /* file name of the mapping, "[kernel]", "[jit]" */
	struct str build_id; /* hex */
};

enum rec_stack_end {
	REC_STACK_COMPLETE = 0, /* reached a root frame */
	REC_STACK_LIMIT = 1,	/* cut at the frame limit */
	REC_STACK_BROKEN = 2,	/* no frame pointer, unreadable memory */
	REC_STACK_ERROR = 3,	/* not taken at all */
};

#define REC_FRAMES_MAX 1024 /* kernel and user frames of one sample: record_decode() refuses more */

struct rec_sample {
	uint64_t weight_ns;
	uint8_t user_end; /* enum rec_stack_end */
	uint16_t kernel_count;
	uint16_t user_count;
	const uint32_t *frames; /* kernel frames first, leaf first: kernel_count + user_count of them */
	struct str comm;
};

struct rec_conn {
	uint64_t conn;
	uint32_t conn_gen;
	int32_t fd;
	uint16_t lib_id;
	uint8_t system;
	struct str database;
	struct str user;
	/* "127.0.0.1:5432", "[::1]:5432", "/run/postgresql/.s.PGSQL.5432", a database file */
	struct str peer;
};

struct rec_error {
	int32_t number;
	uint8_t system;
	struct str code;    /* SQLSTATE, or the SQLite extended code's name ("SQLITE_CONSTRAINT_UNIQUE") */
	struct str message; /* redacted */
};

struct rec_loss {
	uint32_t count; /* how many of values[] the stream has, at most APM_CNT_MAX */
	uint64_t values[APM_CNT_MAX];
	uint64_t late_attach_ns; /* longest time a library ran before its probes */
};

enum rec_coverage_kind {
	REC_COVERED_PROCESS = 0,
	REC_COVERED_LIBRARY = 1,
	REC_NOT_COVERED = 2, /* seen and not watched: text says why */
	REC_KERNEL_LACKS = 3,
	REC_COVERED_SPAN = 4, /* a span's probes were put on a file */
};

struct rec_coverage {
	uint8_t kind;	    /* enum rec_coverage_kind */
	uint32_t tgid;	    /* 0 = the host */
	struct str subject; /* "libpq.so.5.15 (/usr/lib/…)" */
	struct str text;    /* "exact", "entry only: …", "stripped: no symbol sqlite3_step" */
};

/* What is collected, from all to nothing: each level leaves out what those before it leave out too. */
enum detail_level {
	DETAIL_FULL = 0,
	DETAIL_NO_STACKS, /* no CPU samples, call sites only where statements cannot be told apart without */
	DETAIL_NO_PARAMS, /* bound parameters are not read */
	DETAIL_NO_PROBES, /* the probes are off: nothing more is seen */
	DETAIL_LEVELS,
};

struct rec_overhead {
	uint64_t probe_hits;
	uint64_t probe_ns;   /* hits x calibrated price */
	uint64_t program_ns; /* runs x measured price, 0 = not measured */
	uint64_t agent_cpu_ns;
	uint64_t agent_rss_kb;	 /* anonymous */
	uint32_t probes;	 /* sites attached */
	uint32_t price_entry_ns; /* calibrated, 0 = not calibrated */
	uint32_t price_return_ns;
	uint32_t
		limit_ppm; /* --max-overhead, of one core or of what the targets use if that is more; 0 = none */
	uint32_t peak_ppm;    /* largest such share within a second */
	uint32_t changes;     /* how often more or less was collected to stay below the limit */
	uint64_t events_read; /* of those that the probes sent */
	uint8_t level;	      /* what is collected at the end: enum detail_level */
	/* Of the machine while the trace ran: somebody waited for a CPU this long
	 * (pressure stall information), of … */
	uint64_t cpu_wait_ns;
	uint64_t cpu_window_ns; /* … 0 = not known */
};

struct rec_site {
	uint64_t address; /* with hdr.tgid */
	uint32_t frame_id;
};

struct rec_library {
	uint16_t lib_id;
	uint8_t system;
	struct str name; /* "libpq", "sqlite3" */
	struct str version;
	struct str path;
	struct str build_id;
};

enum rec_span_work {
	REC_SPAN_REQUEST = 0,
	REC_SPAN_BACKGROUND = 1,
	REC_SPAN_SCHEDULED = 2,
};

/* A call whose return value compares so with error_value failed. */
enum rec_span_test {
	REC_SPAN_TEST_NONE = 0,
	REC_SPAN_TEST_EQ = 1,
	REC_SPAN_TEST_NE = 2,
	REC_SPAN_TEST_LT = 3,
	REC_SPAN_TEST_LE = 4,
	REC_SPAN_TEST_GT = 5,
	REC_SPAN_TEST_GE = 6,
};

struct rec_span {
	uint32_t span;	      /* number in its events */
	uint8_t work;	      /* enum rec_span_work */
	uint8_t error_test;   /* enum rec_span_test */
	uint64_t error_value; /* signed */
	struct str name;      /* "handle_request" */
	struct str binary;    /* as given */
	struct str args;      /* names of the arguments kept, in order, each followed by \n */
	struct str ret_name;  /* of the return value as a figure; empty = none */
};

struct rec_usage {
	uint64_t age_ns; /* of the process */
	uint64_t rss_kb; /* resident memory */
	uint64_t cpu_ns; /* CPU time since it began */
	struct str comm;
};

enum rec_wait_reason {
	REC_WAIT_NONE = 0, /* told once: from now on waits are looked for */
	REC_WAIT_IO = 1,
	REC_WAIT_LOCK = 2,
	REC_WAIT_NETWORK = 3, /* only of threads in a span */
	REC_WAIT_REASONS
};

/* hdr.tid: a thread in a span; 0 = so many threads of the process, which are in none. */
struct rec_wait {
	uint64_t weight_ns; /* time that this stands for, of all of them */
	uint32_t threads;
	uint8_t reason; /* enum rec_wait_reason */
};

/* A decoded record. Strings and pointers point into the bytes given to record_decode(). */
struct record {
	const struct apm_hdr *hdr; /* hdr->kind says which member is valid */
	union {
		const struct apm_ev_stmt *stmt;
		const struct apm_ev_prepare *prepare;
		const struct apm_ev_close *close;
		const struct apm_ev_proc *proc;
		const struct apm_ev_span_begin *span_begin;
		const struct apm_ev_span *span_end;
		struct rec_meta meta;
		struct rec_text text;
		struct rec_process process;
		struct rec_frame frame;
		struct rec_sample sample;
		struct rec_conn conn;
		struct rec_error error;
		struct rec_loss loss;
		struct rec_coverage coverage;
		struct rec_overhead overhead;
		struct rec_site site;
		struct rec_library library;
		struct rec_span span;
		struct rec_usage usage;
		struct rec_wait wait;
	};
};

/*
 * Reads one record from `bytes`. Returns the record's length (a multiple of 8, at most 64 MiB); -EAGAIN when
 * `len` ends before the record does; -EBADMSG when it is malformed; -ENOTSUP for a kind that no stream
 * carries or this version does not know (out->hdr is set, so that the caller can skip hdr->len bytes);
 * -EINVAL when `bytes` is not 8-byte aligned. Never reads beyond len. Checked: lengths and counts. Not
 * checked: enumerators, which newer versions may have more of.
 */
int record_decode(const void *bytes, size_t len, struct record *out);

/*
 * Appends the encoded record to `out` (padded to 8 bytes; hdr.len is set, hdr.check 0). rec->hdr gives kind, ts, tgid …
 * Returns 0, -EINVAL for a kind that is not encodable or what record_decode() would refuse, -ENOMEM. After an
 * error out->len is what it was.
 */
int record_encode(struct strbuf *out, const struct record *rec);

/* OpenTelemetry's db.system.name for an enum apm_system, "other_sql" for what is not known. */
const char *record_system_name(uint8_t system);
/* "full", "no_stacks" …; "unknown" for a level of a later version. */
const char *record_detail_name(uint8_t level);

/* The names and texts of the counters (bpf/abi/counters.h). NULL when out of range. */
const char *counter_name(enum apm_counter counter);
const char *counter_text(enum apm_counter counter);
int counter_lossy(enum apm_counter counter);

/* A consumer of records. Returns 0, or -errno to stop the producer. */
typedef int (*record_fn)(const struct record *rec, void *arg);

#endif
