/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * In-flight state that the probes keep and user space reads: the values of the maps `conns` and `handles`.
 * User space walks them to report statements that are still open, and at stop those that still run.
 */
#ifndef APM_ABI_STATE_H
#define APM_ABI_STATE_H

#if !defined(__bpf__) && !defined(__VMLINUX_H__)
#include <linux/types.h>
#endif

/* An object of a process: a connection or a statement handle. */
struct apm_key {
	__u32 tgid;
	__u32 queued; /* 0 = the object itself; see struct apm_conn */
	__u64 ptr;
};

/* One execution under way; seq 0 = none. */
struct apm_exec {
	__u64 seq;
	__u64 text_id;
	__u64 t_start;
	__u64 t_first;
	__u64 t_last;	   /* end of the last call that worked on it */
	__u64 duration_ns; /* so far, without the call under way */
	__u64 enter;	   /* entry of the call under way, 0 = none */
	__u64 rows;
	__u64 param_hash;
	__u64 call_site;
	__u64 bytes;   /* moved by COPY */
	__u64 wait_ns; /* asleep in the library, because something was locked */
	__u32 tid;
	__u32 result_index;
	__u32 calls; /* probed calls so far */
	__u32 conn_gen;
	__u16 flags; /* APM_STMT_* */
	__u16 lib_id;
	__u8 param_count;
	__u8 has_result; /* libpq: a result is held back until it is known whether more follow; hiredis: a push may be
			    the answer */
	__u8 system; /* enum apm_system */
	__u8 set;    /* of several sets of probes, the one that began it */
};

enum apm_conn_op {
	APM_OP_STATEMENT = 0,
	APM_OP_PREPARE = 1,
	APM_OP_DESCRIBE = 2,  /* has results, is no statement */
	APM_OP_POLLED = 3,    /* hiredis: a statement, on a context that does not block */
	APM_OP_ELSEWHERE = 4, /* ODBC: the driver's client library counts the statements */
};

/*
 * conns: a PGconn or an sqlite3. What a pipeline has sent and not yet collected stands in the same map, under
 * the connection's key with `queued` = 1, 2, 3 …
 */
struct apm_conn {
	struct apm_exec exec; /* libpq: being collected */
	__u64 name_id;	/* APM_OP_PREPARE: the name being prepared; MYSQL: length of the text at text_ptr,
			   later the unbuffered result that is being read; hiredis: commands so far */
	__u64 text_ptr; /* text that could not be read at the start: tried again at the first result */
	__u32 gen;
	__u32 op;	  /* enum apm_conn_op */
	__u32 queue_head; /* number of the last that was taken from the queue */
	__u32 queue_tail; /* of the last that was put there */
	__u32 wait_tid;	  /* libpq: the thread that sent, or last collected */
	__u32 sleeps;	  /* and how often it had slept by then */
};

/* What an execution that is probed as a whole has come to, beside having begun and ended. */
enum apm_course {
	APM_COURSE_PLAIN = 0,
	APM_COURSE_HELD = 1,  /* failed because the schema has changed: it is compiled again, and goes on */
	APM_COURSE_AGAIN = 2, /* failed, and the next call of sqlite3_step goes on with it: SQLITE_BUSY */
};

/* handles: an sqlite3_stmt, a MYSQL_STMT, or an unbuffered MYSQL_RES. */
struct apm_handle {
	struct apm_exec exec;
	__u64 text_ptr; /* the text that text_id stands for was at this address */
	__u64 db;
	__u64 mark; /* sqlite3_stmt: total_changes of the connection at the start; MYSQL_RES: its statement;
			   ODBC: what is known of its rows (lib/odbc.bpf.c) */
	__u32 runs;
	__u32 begun;	  /* sqlite3_stmt: its own count of runs when the last one began */
	__u32 reprepared; /* sqlite3_stmt: its own count of compilations when it failed */
	__u8 text_known;
	__u8 inside; /* prepared by sqlite3_exec: handle and text go without a sign; ODBC: its driver's client
			library counts its statements */
	__u8 readonly; /* the statement cannot change rows */
	__u8 course;   /* sqlite3_stmt: enum apm_course */
	/* sqlite3_stmt, where whole executions are probed: addresses of two numbers of the library (config.h) */
	__u64 executing;
	__u64 rows_at;
};

_Static_assert(sizeof(struct apm_key) == 16, "ABI: size of struct apm_key");
_Static_assert(sizeof(struct apm_exec) == 120, "ABI: size of struct apm_exec");
_Static_assert(sizeof(struct apm_conn) == 160, "ABI: size of struct apm_conn");
_Static_assert(sizeof(struct apm_handle) == 176, "ABI: size of struct apm_handle");

#endif
