/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Spans: functions and static probes (USDT) of the program that the user named as its units of work. User
 * space fills the map `span_sites`, one entry per place where a probe stands; `span_threads` holds what is
 * under way, and user space walks it at the end.
 */
#ifndef APM_ABI_SPAN_H
#define APM_ABI_SPAN_H

#if !defined(__bpf__) && !defined(__VMLINUX_H__)
#include <linux/types.h>
#endif

#include "abi/place.h"

#define APM_MAX_SPANS	     32	  /* --span options */
#define APM_MAX_SPAN_SITES   2048 /* places where probes stand for them */
#define APM_MAX_SPAN_THREADS 8192 /* threads inside a span at once */
#define APM_SPAN_ARGS	     4	  /* arguments kept of a span */
#define APM_SPAN_TEXT	     64	  /* bytes of a text argument, with its NUL */
#define APM_SPAN_DEPTH	     4	  /* spans of different names inside each other */

enum apm_span_role {
	APM_SPAN_BEGIN = 1,
	APM_SPAN_END = 2,
};

enum apm_span_pairing {
	APM_PAIR_STACK = 0,   /* a function: its end has the stack pointer of its beginning */
	APM_PAIR_ORDER = 1,   /* static probes: the last begun of a thread ends first */
	APM_PAIR_ROUTINE = 2, /* as STACK, in a goroutine */
};

struct apm_span_site {
	struct apm_place arg[APM_SPAN_ARGS];
	struct apm_place match_place; /* what must equal match_text or match_number, else the hit is none */
	struct apm_place ret;	      /* of the function; at its beginning also for its end */
	char match_text[APM_SPAN_TEXT];
	__s64 match_number;
	__u32 span;   /* number of the option, from 0 */
	__u8 role;    /* enum apm_span_role */
	__u8 pairing; /* enum apm_span_pairing */
	__u8 arg_count;
	__u8 text_args; /* bit per argument: it is the address of a text */
	__u8 match;	/* 0 = every hit counts, 1 = a number decides, 2 = a text */
	__u8 loops; /* the function jumps to the probe: a hit at the same stack pointer is the same call */
	__u8 reserved[6];
};

/* One that is under way. */
struct apm_span_frame {
	__u64 seq;
	__u64 sp;
	__u64 caller; /* PAIR_STACK: the return address */
	__u64 t_start;
	__u64 cpu_start_ns;
	__s64 rss_start;
	__s64 arg[APM_SPAN_ARGS];
	char text[APM_SPAN_ARGS][APM_SPAN_TEXT];
	__u32 site; /* where it began */
	__u32 span;
	__u32 depth; /* PAIR_ORDER: began again inside itself so often */
	__u8 known;  /* bit per argument */
	__u8 pairing;
	__u8 reserved[2];
};

struct apm_span_thread {
	__u32 depth;
	__u32 switches;	   /* times the thread was taken off its CPU or put on one */
	__u64 cpu_ns;	   /* its CPU time since this entry was made, without the stretch under way */
	__u64 on_since_ns; /* when that began; 0 = off the CPU */
	__u32 tgid;
	__u32 tid;
	struct apm_span_frame frame[APM_SPAN_DEPTH];
};

_Static_assert(sizeof(struct apm_span_site) == 184, "ABI: size of struct apm_span_site");
_Static_assert(sizeof(struct apm_span_frame) == 352, "ABI: size of struct apm_span_frame");
_Static_assert(sizeof(struct apm_span_thread) == 32 + 4 * 352, "ABI: size of struct apm_span_thread");

#endif
