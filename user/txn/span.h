/* SPDX-License-Identifier: BSD-2-Clause */
/* One timed operation, as everything behind txn/session sees it. Data only. */
#ifndef APM_TXN_SPAN_H
#define APM_TXN_SPAN_H

#include <stdint.h>

#include "abi/event.h"
#include "sql/sql.h"

enum span_type {
	SPAN_DB = 0,
	SPAN_CACHE = 1,
	SPAN_HTTP = 2,
	SPAN_CONNECT = 3, /* a connection was opened */
	SPAN_POOL = 4,	  /* waited for a connection of a pool */
	SPAN_OTHER = 5,
	SPAN_QUEUE = 6, /* a message was sent or taken */
};

/* How far `param_hash` can be trusted. */
enum span_params {
	SPAN_PARAMS_UNKNOWN = 0, /* not readable: neither equal nor different */
	SPAN_PARAMS_PARTIAL = 1, /* different hashes are different parameters; equal ones may differ */
	SPAN_PARAMS_KNOWN = 2,
};

/* What stands in the order of statements and is none: see units_feed(). */
enum statement_mark {
	MARK_NONE = 0,
	MARK_SPAN_BEGIN = 1,
	MARK_SPAN_END = 2,
	MARK_SAMPLE = 3, /* a CPU sample of duration_ns, in statement seq (0 = in none) */
	MARK_CLOSE = 4,	 /* the connection was closed */
	MARK_WAS = 5,	 /* the statement that follows was counted already: it was this */
	MARK_WAIT = 6,	 /* the thread, in a span, was seen to wait, for duration_ns */
};

struct statement {
	uint64_t fingerprint;
	uint64_t seq;	      /* unique within a trace */
	uint64_t t_start;     /* CLOCK_MONOTONIC ns, as all times here */
	uint64_t t_end;	      /* last row or end; wall time is t_end - t_start */
	uint64_t duration_ns; /* see "duration" in ARCHITECTURE.md */
	uint64_t rows;
	uint64_t bytes;	  /* moved by COPY */
	uint64_t wait_ns; /* of duration_ns: for locks, as far as the library shows it */
	uint64_t rest_ns; /* of duration_ns: rows that the program never fetched were read and thrown away */
	uint64_t param_hash; /* literals and bound parameters together */
	uint64_t conn;
	uint64_t handle;   /* prepared statement, 0 = none */
	uint64_t prepared; /* hash of the name it was prepared under, 0 = none: session_name_hash() */
	uint64_t ctx_id;
	uint64_t call_site;  /* address in tgid, 0 = unknown */
	uint64_t tx_idle_ns; /* filled by units_feed(): the connection sat in a transaction this long before
				it */
	uint64_t tx_idle_fingerprint; /* after which statement */
	/* Filled by units_feed() in what ends a transaction: since BEGIN, longest
	 * pause, statements, the first. */
	uint64_t tx_ns, tx_idle_max_ns, tx_statements, tx_first;
	uint32_t tgid, tid;
	uint32_t ctx_kind;
	uint32_t conn_gen;
	uint32_t literals; /* in the text */
	uint32_t span;	   /* MARK_SPAN_BEGIN: the number of its rule; MARK_WAIT: enum rec_wait_reason */
	uint16_t flags;	   /* APM_STMT_* */
	uint16_t lib_id;
	uint8_t system;
	uint8_t type;	    /* enum span_type */
	uint8_t stmt_class; /* enum sql_class */
	uint8_t kind;	    /* enum sql_kind */
	uint8_t params;	    /* enum span_params */
	uint8_t error;	    /* 1 = failed */
	uint8_t running;    /* 1 = still running at the end of the trace */
	uint8_t opening;    /* 1 = not to be counted: a cursor was opened and its rows are still being read */
	uint8_t in_tx;	    /* filled by units_feed(): inside BEGIN … COMMIT */
	uint8_t mark;	    /* enum statement_mark */
	uint8_t tx_verb;    /* enum tx_verb */
	uint8_t tx_lost;    /* failed, and the server rolled the whole transaction back for it */
	uint8_t lookup;	    /* reads one key of a cache: rows says whether it was there */
};

/* 0 where the library did not show how many rows there were. */
static inline int statement_rows_known(const struct statement *stmt)
{
	return !(stmt->flags & APM_STMT_ROWS_UNKNOWN);
}

/*
 * A result that is given up (APM_STMT_UNFETCHED) was being read row by row, which is not in the duration: what
 * is in it beyond the first result is the time that reading the rest took.
 */
static inline uint64_t unfetched_ns(const struct apm_ev_stmt *ev)
{
	uint64_t first = ev->t_first > ev->t_start ? ev->t_first - ev->t_start : 0;

	return ev->hdr.flags & APM_STMT_UNFETCHED && ev->duration_ns > first ? ev->duration_ns - first : 0;
}

/* What a statement adds to database time: one that ran inside another (an SQL function of the program) is in
 * that one's time already. */
static inline uint64_t statement_db_ns(const struct statement *stmt)
{
	return stmt->flags & APM_STMT_NESTED ? 0 : stmt->duration_ns;
}

#endif
