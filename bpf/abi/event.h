/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel side sends through the ring buffer: one header, one struct per kind.
 *
 * Shared by bpf/ and user/. Fixed-width fields, explicit padding, no pointers, no bitfields. Sizes are
 * asserted below and the layout is checked against the BPF object's BTF in tests/abi. Kinds are
 * append-only: a number, once used, keeps its meaning for ever, because captures carry some of them.
 */
#ifndef APM_ABI_EVENT_H
#define APM_ABI_EVENT_H

#if !defined(__bpf__) && !defined(__VMLINUX_H__)
#include <linux/types.h>
#endif

#include "abi/span.h"

/* Kinds below 64 come from the kernel; 64 and above are records made in user space (user/record.h). */
enum apm_ev_kind {
	APM_EV_STMT = 1,	/* one execution of a statement: complete, or still open (flags) */
	APM_EV_TEXT = 2,	/* a chunk of statement text */
	APM_EV_PREPARE = 3,	/* a name was given to a text on a connection */
	APM_EV_CLOSE = 4,	/* a connection or statement handle was retired */
	APM_EV_CONN = 5,	/* a connection was seen for the first time */
	APM_EV_ERROR = 6,	/* code and message of a failed statement */
	APM_EV_SAMPLE = 7,	/* a CPU sample with raw stacks */
	APM_EV_FORK = 8,	/* a process in scope made a child */
	APM_EV_EXEC = 9,	/* a process in scope runs another program */
	APM_EV_EXIT = 10,	/* a process in scope ended */
	APM_EV_SPAN_BEGIN = 11, /* a function or static probe that the user named as a unit of work */
	APM_EV_SPAN_END = 12,
};

enum apm_ctx_kind {
	APM_CTX_THREAD = 0,    /* ctx_id is the thread id */
	APM_CTX_GOROUTINE = 1, /* the address of its descriptor */
};

/* Database systems; the numbers are part of the capture format. */
enum apm_system {
	APM_SYSTEM_UNKNOWN = 0,
	APM_SYSTEM_POSTGRESQL = 1,
	APM_SYSTEM_SQLITE = 2,
	APM_SYSTEM_MYSQL = 3,
	APM_SYSTEM_REDIS = 4,
};

/* Every event begins with this. len counts the whole event, header included; ts is CLOCK_MONOTONIC ns. */
struct apm_hdr {
	__u16 kind;
	__u16 flags; /* meaning depends on kind */
	__u32 len;
	__u64 ts;
	__u32 tgid; /* initial pid namespace */
	__u32 tid;
	__u32 ctx_kind; /* enum apm_ctx_kind: what ctx_id counts; units of work key on it */
	__u32 check;	/* 0, and in a capture file a checksum (user/capture.h) */
	__u64 ctx_id;
	__u64 stmt_seq; /* the statement it belongs to, 0 = none; unique within a trace */
};

/* hdr.flags of APM_EV_STMT */
#define APM_STMT_OPEN		0x0001 /* not ended: rows still to come; a later event has the same stmt_seq */
#define APM_STMT_IN_FLIGHT	0x0002 /* dumped at stop: the call was still running */
#define APM_STMT_TEXT_UNKNOWN	0x0004 /* prepared before attach, and the handle does not hold the text */
#define APM_STMT_ERROR		0x0008 /* failed; an APM_EV_ERROR with the same stmt_seq came before */
#define APM_STMT_PARAMS_PARTIAL 0x0010 /* param_hash covers only part of the parameters */
#define APM_STMT_ASYNC		0x0020 /* sent by one call, collected by another */
#define APM_STMT_PREPARED	0x0040 /* executed through a prepared statement; text_id names its text or name */
#define APM_STMT_MORE		0x0080 /* one result of several of the same text; result_index counts them */
#define APM_STMT_COPY		0x0100 /* COPY in or out */
#define APM_STMT_PREPARE_FAILED 0x0200 /* the failure was in prepare: the statement never ran */
#define APM_STMT_NO_RETURN	0x0400 /* the call was entered and never returned; duration is a lower bound */
#define APM_STMT_NESTED		0x0800 /* called from inside another statement (an SQL function of the program) */
#define APM_STMT_ROWS_UNKNOWN	0x1000 /* rows is 0 because the library does not show them */
#define APM_STMT_UNFETCHED	0x2000 /* given up while rows had come that the program never fetched */
#define APM_STMT_ELAPSED \
	0x4000 /* duration_ns is the time from start to end: what the program did between rows is in it */

/* APM_EV_STMT */
struct apm_ev_stmt {
	struct apm_hdr hdr;
	__u64 t_start;	   /* entry of the first call, CLOCK_MONOTONIC ns */
	__u64 t_first;	   /* first result or row; 0 = none yet */
	__u64 t_end;	   /* last row or end */
	__u64 duration_ns; /* see "duration" in ARCHITECTURE.md */
	__u64 rows;	   /* returned, or affected */
	__u64 text_id;	   /* names an APM_EV_TEXT; 0 = unknown */
	__u64 conn;	   /* connection handle (address in the target) */
	__u64 handle;	   /* prepared statement handle, 0 = none */
	__u64 param_hash;  /* keyed hash of the bound parameters; 0 with param_count 0 */
	__u64 call_site;   /* return address outside the client library; 0 = unknown */
	__u64 wait_ns;	   /* of duration_ns: asleep in the library because something was locked */
	__u64 bytes;	   /* moved by COPY */
	__u32 conn_gen;	   /* generation of conn: pointers are re-used */
	__u16 lib_id;	   /* which copy of which library; see struct rec_library */
	__u8 system;	   /* enum apm_system */
	__u8 param_count;  /* bound parameters hashed, 255 = 255 or more */
	__u32 result_index;
	__u32 calls; /* probed calls that worked on it, for the tool's own cost */
};

/* hdr.flags of APM_EV_TEXT */
#define APM_TEXT_LAST	    0x0001 /* the last chunk of this text */
#define APM_TEXT_TRUNCATED  0x0002 /* longer than --max-sql: total_len says how long it was */
#define APM_TEXT_UNREADABLE 0x0004 /* could not be read (page not present); bytes are missing */
#define APM_TEXT_NAME	    0x0008 /* the bytes are a prepared statement's name, not SQL */
#define APM_TEXT_MIN_LEN    0x0010 /* total_len is a lower bound */
#define APM_TEXT_UTF16	    0x0020 /* UTF-16 in host byte order; lengths and offsets in bytes */

#define APM_TEXT_SMALL 256
#define APM_TEXT_LARGE 4096

/* APM_EV_TEXT: data[] holds `size` bytes that stand at `offset` of the text named text_id. */
struct apm_ev_text {
	struct apm_hdr hdr;
	__u64 text_id;
	__u64 conn;
	__u32 total_len; /* known with APM_TEXT_LAST */
	__u32 offset;
	__u32 size;
	__u8 system;
	__u8 reserved[3];
	__u8 data[];
};

/* APM_EV_PREPARE: on connection conn, the name in text name_id now stands for the SQL in text_id. */
struct apm_ev_prepare {
	struct apm_hdr hdr;
	__u64 conn;
	__u64 name_id;
	__u64 text_id;
	__u32 conn_gen;
	__u32 reserved;
};

enum apm_handle_kind {
	APM_HANDLE_CONN = 1,
	APM_HANDLE_STMT = 2,
};

struct apm_ev_close {
	struct apm_hdr hdr;
	__u64 handle;
	__u32 handle_kind; /* enum apm_handle_kind */
	__u32 conn_gen;
};

#define APM_NAME_LEN	  64
#define APM_UNIX_PATH_LEN 108

/* APM_EV_CONN: strings are NUL-terminated, empty when not known. */
struct apm_ev_conn {
	struct apm_hdr hdr;
	__u64 conn;
	__u32 conn_gen;
	__s32 fd;     /* -1 = none */
	__u16 family; /* AF_INET, AF_INET6, AF_UNIX, 0 = none or unknown */
	__u16 port;   /* host byte order */
	__u8 system;
	__u8 reserved0;
	__u16 lib_id;
	__u8 addr[16]; /* network byte order; IPv4 in the first four */
	char database[256];
	char user[APM_NAME_LEN];
	char path[APM_UNIX_PATH_LEN];
	__u32 reserved1;
};

#define APM_ERROR_MSG_LEN 256

/* APM_EV_ERROR */
struct apm_ev_error {
	struct apm_hdr hdr;
	__s32 number; /* SQLite extended result code, MySQL errno; 0 for PostgreSQL */
	__u8 system;
	__u8 reserved;
	char sqlstate[6]; /* NUL-terminated; empty = none */
	__u32 size;	  /* bytes of message, without a NUL */
	char message[APM_ERROR_MSG_LEN];
};

#define APM_STACK_KERNEL 64
#define APM_STACK_USER	 127

/* APM_EV_SAMPLE: addresses from the leaf up. hdr.stmt_seq is the running statement. */
struct apm_ev_sample {
	struct apm_hdr hdr;
	__u64 weight_ns;    /* time this sample stands for */
	__s32 kernel_count; /* frames, or -errno */
	__s32 user_count;
	char comm[16];
	__u64 user[APM_STACK_USER];
	__u64 kernel[APM_STACK_KERNEL];
};

/* APM_EV_FORK (child in `other`), APM_EV_EXEC, APM_EV_EXIT (exit code in `other`) */
struct apm_ev_proc {
	struct apm_hdr hdr;
	__u32 other;
	__u32 reserved;
	__u64 start_ns; /* CLOCK_BOOTTIME ns at which hdr.tgid (for FORK: the child) started */
	char comm[16];
};

/* APM_EV_SPAN_BEGIN: hdr.stmt_seq is the span's number, as in its end. */
struct apm_ev_span_begin {
	struct apm_hdr hdr;
	__u32 span; /* number of the option, from 0 */
	__u32 reserved;
};

/* hdr.flags of APM_EV_SPAN_END */
#define APM_SPAN_LEFT	   0x0001 /* never returned (exception, longjmp): hdr.ts is when that was noticed */
#define APM_SPAN_IN_FLIGHT 0x0002 /* told at stop: still running */
#define APM_SPAN_EXITED	   0x0004 /* the thread ended in it */
#define APM_SPAN_HAS_RET   0x0008
#define APM_SPAN_HAS_CPU   0x0010
#define APM_SPAN_HAS_RSS   0x0020

/* APM_EV_SPAN_END */
struct apm_ev_span {
	struct apm_hdr hdr;
	__u64 t_start;
	__s64 ret;
	__u64 cpu_ns;	  /* CPU time of the thread in it */
	__s64 rss_growth; /* bytes that the process's resident memory grew meanwhile */
	__s64 arg[APM_SPAN_ARGS];
	char text[APM_SPAN_ARGS][APM_SPAN_TEXT]; /* NUL-terminated */
	__u32 span;
	__u8 known;	/* bit per argument: it could be read */
	__u8 text_args; /* bit per argument: it is in text[] */
	__u8 reserved[2];
};

#define APM_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), "ABI: size of " #type)
APM_ASSERT_SIZE(struct apm_hdr, 48);
APM_ASSERT_SIZE(struct apm_ev_stmt, 160);
APM_ASSERT_SIZE(struct apm_ev_text, 80);
APM_ASSERT_SIZE(struct apm_ev_prepare, 80);
APM_ASSERT_SIZE(struct apm_ev_close, 64);
APM_ASSERT_SIZE(struct apm_ev_conn, 520);
APM_ASSERT_SIZE(struct apm_ev_error, 320);
APM_ASSERT_SIZE(struct apm_ev_sample, 48 + 8 + 8 + 16 + 127 * 8 + 64 * 8);
APM_ASSERT_SIZE(struct apm_ev_proc, 80);
APM_ASSERT_SIZE(struct apm_ev_span_begin, 56);
APM_ASSERT_SIZE(struct apm_ev_span, 376);

#endif
