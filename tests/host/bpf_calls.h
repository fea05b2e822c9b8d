/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of a made-up library whose functions are probed by entry and return programs. */
#ifndef APM_BPF_CALLS_H
#define APM_BPF_CALLS_H

#include "bpf_host.h"

#define SITE	   0x1000 /* of every probe, st_value space */
#define BIAS	   0x500000000ULL
#define CALLER	   (BIAS + 0x900000) /* outside the library */
#define IN_LIBRARY (BIAS + 0x1800)
#define LIB_ID	   7

typedef int (*bpf_program_fn)(struct pt_regs *ctx);

static u64 call_stack[64];

static u64 *call_slot(unsigned int depth)
{
	return &call_stack[60 - depth * 4];
}

/* A library copy of which nothing is known yet. */
static struct apm_lib library_unknown(u8 system)
{
	struct apm_lib lib = {.text_start = 0x1000, .text_end = 0x2000, .lib_id = LIB_ID, .system = system};
	unsigned int i;

	for (i = 0; i < APM_OFF_MAX; i++)
		lib.off[i] = -1;
	return lib;
}

static void library_set(const struct apm_lib *lib)
{
	u32 key = LIB_ID;

	bpf_map_update_elem(&libs, &key, lib, BPF_ANY);
}

/* Entry of `symbol` at stack slot `depth` (0 = outermost), called from `from`. */
static void call_enter(bpf_program_fn program, u16 symbol, unsigned int depth, u64 from, u64 a, u64 b, u64 c)
{
	u64 *slot = call_slot(depth);
	struct pt_regs regs = {.di = a, .si = b, .dx = c, .ip = BIAS + SITE, .sp = (u64)slot};

	*slot = from;
	host_cookie(APM_COOKIE(SITE, LIB_ID, symbol));
	program(&regs);
}

static void call_leave(bpf_program_fn program, unsigned int depth, u64 value)
{
	struct pt_regs regs = {.ax = value, .sp = (u64)(call_slot(depth) + 1)};

	program(&regs);
}

static const struct apm_ev_stmt *statement(unsigned int i)
{
	return host_event_of(APM_EV_STMT, i);
}

static const struct apm_ev_text *text(unsigned int i)
{
	return host_event_of(APM_EV_TEXT, i);
}

static const struct apm_ev_error *error(unsigned int i)
{
	return host_event_of(APM_EV_ERROR, i);
}

#endif
