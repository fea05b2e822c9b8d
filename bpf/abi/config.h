/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What user space tells the BPF programs before they load (constant afterwards), and shared capacities. */
#ifndef APM_ABI_CONFIG_H
#define APM_ABI_CONFIG_H

#if !defined(__bpf__) && !defined(__VMLINUX_H__)
#include <linux/types.h>
#endif

#include "abi/place.h"

#define APM_MAX_LIBS	 256   /* distinct library files traced at once */
#define APM_MAX_SCOPE	 16384 /* processes in scope at once */
#define APM_MAX_THREADS	 65536 /* threads inside a call at once (kernels without task storage) */
#define APM_MAX_CONNS	 32768
#define APM_MAX_HANDLES	 65536 /* prepared statement handles known at once */
#define APM_NEST_MAX	 4     /* calls of a client library nested in one thread */
#define APM_MAX_PARKED	 8192  /* calls on stacks that were switched away from */
#define APM_MAX_PARAMS	 32    /* bound parameters hashed */
#define APM_PARAM_BYTES	 256   /* of each */
#define APM_MAX_WRAPPERS 16
#define APM_WRAP_LEVELS	 4  /* functions of a library between a probed one and the program */
#define APM_MAX_SELECTED 64 /* names, and cgroups, that choose processes */

struct apm_config {
	__u64 hash_key[2];   /* keys param_hash; fresh per trace */
	__u32 max_sql;	     /* bytes of text kept */
	__u32 sample_freq;   /* Hz; 0 = off */
	__u32 wake_bytes;    /* wake the reader when this much is waiting in the ring */
	__u8 task_storage;   /* per-thread state: 1 task storage, 0 preallocated hash */
	__u8 attach_cookies; /* a probe knows its cookie; 0: it looks itself up in the map `sites` */
	__u8 never;	     /* always 0 */
	__u8 task_regs; /* there is a helper for the registers that another task came into the kernel with */
	__u32 page_bytes;
	__u8 spans; /* some are wanted */
	__u8 reserved[3];
};

/* What user space turns off and on while the programs run, to keep the price down:
 * all 0 = everything is read. */
struct apm_detail {
	__u8 no_sites;	/* call sites only where statements cannot be told apart without */
	__u8 no_params; /* bound parameters */
	__u8 reserved[6];
};

/*
 * Facts about one copy of one library, proven at attach time by decoding its accessors. Offsets are
 * bytes into the object named; -1 = not known, and what needs it is left out of the events.
 */
enum apm_off {
	/* libpq: PGconn */
	APM_OFF_PG_CONN_SOCKET = 0,
	APM_OFF_PG_CONN_DB = 1,
	APM_OFF_PG_CONN_USER = 2,
	/* libpq: PGresult */
	APM_OFF_PG_RES_NTUPLES = 3,
	APM_OFF_PG_RES_STATUS = 4,
	APM_OFF_PG_RES_CMD = 5,
	APM_OFF_PG_RES_ERRMSG = 6,
	APM_OFF_PG_RES_ERRFIELDS = 7,
	/* libpq: PGMessageField */
	APM_OFF_PG_FIELD_CODE = 8,
	APM_OFF_PG_FIELD_TEXT = 9,
	/* PGconn again */
	APM_OFF_PG_CONN_PIPELINE = 10, /* PGpipelineStatus, not 0 while in pipeline mode (14 and later) */
	/* sqlite3_stmt (struct Vdbe) */
	APM_OFF_LITE_STMT_DB = 0,
	APM_OFF_LITE_STMT_SQL = 1,
	APM_OFF_LITE_STMT_STATE = 2, /* 3.38 and later: u8, equal to STATE_RUN while rows remain */
	APM_OFF_LITE_STMT_NVAR = 3,
	APM_OFF_LITE_STMT_AVAR = 4,
	/* struct sqlite3_value (Mem) */
	APM_OFF_LITE_MEM_SIZE = 5, /* sizeof */
	APM_OFF_LITE_MEM_FLAGS = 6,
	/* sqlite3 */
	APM_OFF_LITE_DB_ERRCODE = 7,
	APM_OFF_LITE_DB_ERRVALUE = 8, /* pErr, a sqlite3_value whose text is the message */
	APM_OFF_LITE_DB_CHANGES = 9,
	APM_OFF_LITE_DB_TOTAL_CHANGES = 10,
	APM_OFF_LITE_STATE_RUN = 11, /* not an offset: the value of STATE that means "rows remain" */
	APM_OFF_LITE_STMT_PC = 12,   /* before 3.38: s32, >= 0 while rows remain */
	APM_OFF_LITE_MEM_Z = 13,     /* text or blob pointer */
	APM_OFF_LITE_MEM_N = 14,     /* its length, s32 */
	APM_OFF_LITE_STMT_RO = 15,   /* the byte with the bit that says "reads only" */
	APM_OFF_LITE_RO_MASK = 16,   /* not an offset: that bit */
	APM_OFF_LITE_STMT_RUNS =
		17, /* 3.20 and later: u32, how often it was run; else sqlite3_finalize is probed */
	/* what the probes of whole executions need (lib/sqlite.h); all are known, or none is */
	APM_OFF_LITE_STMT_ROWS = 18,	/* u32, one more than twice the rows that this execution returned */
	APM_OFF_LITE_STMT_CODE = 19,	/* s32, its result code */
	APM_OFF_LITE_STMT_MESSAGE = 20, /* char *, what goes with it */
	APM_OFF_LITE_STMT_REPREPARED = 21, /* u32, how often it was compiled again */
	APM_OFF_LITE_STMT_EXPLAIN = 22,	   /* the byte with the bits that say EXPLAIN */
	APM_OFF_LITE_EXPLAIN_MASK = 23,	   /* not an offset: those bits */
	APM_OFF_LITE_DB_EXECUTING = 24,	   /* s32, statements that execute now, one inside the other */
	APM_OFF_LITE_BEGUN_CALLER =
		25, /* not an offset: what has to be added to the stack pointer, or, if the next
					   is set, the frame pointer, for sqlite3_step's return address */
	APM_OFF_LITE_BEGUN_FP = 26,
	APM_OFF_LITE_BEGUN_SAVED_FP =
		27, /* from there to the frame pointer of the caller; 0 = it is in its register */
	/* libmariadb, libmysqlclient: MYSQL */
	APM_OFF_MY_ERRNO = 0,
	APM_OFF_MY_MESSAGE = 1,
	APM_OFF_MY_SQLSTATE = 2,
	APM_OFF_MY_AFFECTED = 3,
	APM_OFF_MY_STATUS = 4, /* server_status */
	APM_OFF_MY_USER = 5,
	APM_OFF_MY_DB = 6,
	APM_OFF_MY_RES_ROWS = 7, /* MYSQL_RES */
	/* MYSQL_STMT; the first three in the order of those of MYSQL */
	APM_OFF_MY_STMT_ERRNO = 8,
	APM_OFF_MY_STMT_MESSAGE = 9,
	APM_OFF_MY_STMT_SQLSTATE = 10,
	APM_OFF_MY_STMT_AFFECTED = 11,
	APM_OFF_MY_STMT_ROWS = 12,
	APM_OFF_MY_STMT_CONN = 13,
	APM_OFF_MY_STMT_PARAM_COUNT = 14,
	APM_OFF_MY_STMT_PARAMS = 15, /* array of MYSQL_BIND */
	APM_OFF_MY_SEND_MOVED = 16,  /* not an offset: at the probe in mysql_send_query, text and length are
					the  third and fourth argument */
	APM_OFF_MY_FIELDS = 17,	     /* columns of the result; 0 = there is none */
	APM_OFF_MY_STMT_FIELDS = 18,
	APM_OFF_MY_USE_STATUS =
		19, /* MYSQL: equal to 2 while rows of an unbuffered result are on their way */
	/* hiredis: redisContext, redisReply */
	APM_OFF_RE_CONTEXT_ERRSTR = 0, /* an array */
	APM_OFF_RE_CONTEXT_FD = 1,
	APM_OFF_RE_REPLY_LEN = 2, /* the text's pointer follows */
	APM_OFF_RE_REPLY_ELEMENTS = 3,
	APM_OFF_MAX = 28,
};

enum apm_wrapper_base {
	APM_BASE_SLOT = 0, /* the stack slot that holds the return address into the wrapper */
	APM_BASE_FP = 1,   /* the frame pointer register at entry of the probed function */
};

/*
 * A function of the library that calls a probed one: its own caller is the call site. The wrapper's own
 * return address is read at base + off; from the .eh_frame row at ret_off.
 */
struct apm_wrapper {
	__u32 ret_off; /* the return address inside the wrapper, st_value space */
	__s16 off;
	__u8 base; /* enum apm_wrapper_base */
	__u8 reserved;
};

/* Where values stand at probes that are inside functions; nowhere = there is no such probe in this copy. */
enum apm_place_of {
	/* SQLite: where only texts come that did not compile */
	APM_PLACE_LITE_DB = 0,
	APM_PLACE_LITE_SQL = 1,
	APM_PLACE_LITE_BYTES = 2, /* of the text; negative = ends at its NUL */
	APM_PLACE_LITE_CODE = 3,
	APM_PLACE_LITE_OLD = 4, /* the statement that is compiled again; may be nowhere */
	/* where an execution has begun, and where one has ended: the statement */
	APM_PLACE_LITE_BEGUN = 5,
	APM_PLACE_LITE_ENDED = 6,
	/* libmariadb: in mysql_free_result */
	APM_PLACE_MY_RESULT = 0,
	APM_PLACE_MAX = 7,
};

struct apm_lib {
	__u64 text_start; /* executable segment, st_value space */
	__u64 text_end;
	__s32 off[APM_OFF_MAX];
	__u16 wrapper_count;
	__u8 exits; /* returns are seen at the return instructions: stacks may be switched inside calls */
	__u8 reserved;
	__u16 lib_id;
	__u8 system; /* enum apm_system */
	__u8 set; /* of several sets of probes, the one that begins statements: lib/libpq.h, lib/sqlite.h */
	struct apm_wrapper wrapper[APM_MAX_WRAPPERS];
	struct apm_place place[APM_PLACE_MAX];
};

/*
 * What a probe learns from its attach cookie: the address of the site (st_value space, 32 bits: the load bias
 * follows from it), the library copy and the function.
 */
#define APM_COOKIE(addr, lib_id, symbol) ((__u64)(addr) << 32 | (__u64)(lib_id) << 16 | (__u64)(symbol))
#define APM_COOKIE_ADDR(cookie)		 ((__u64)(cookie) >> 32)
#define APM_COOKIE_LIB(cookie)		 ((__u32)((cookie) >> 16) & 0xffff)
#define APM_COOKIE_SYMBOL(cookie)	 ((__u32)(cookie)&0xffff)

/*
 * A site as a probe recognises it on kernels without attach cookies (before 5.15): its place in its page,
 * which no load address changes, and the code behind the breakpoint; 0 when that crosses into the next page.
 */
struct apm_site_key {
	__u64 code;
	__u32 page_off;
	__u32 reserved;
};

#define APM_MAX_SITES 8192
#define APM_SITE_PAGE 4096

#endif
