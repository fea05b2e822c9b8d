/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs of every library have in common: finding out where the probe stands and for whom it runs,
 * pushing a call at its entry and finding it at its return, and the events that all of them send. A library's
 * file defines
 *
 *   static enum hit NAME_enter(const struct probe *p)         at an entry, by probe_symbol(p)
 *   static void NAME_leave(const struct probe *p, u64 value)  at the return of p->call, which is popped then
 *
 * and gets its programs by LIBRARY_PROGRAMS(NAME).
 */
#ifndef APM_PROBE_BPF_H
#define APM_PROBE_BPF_H

#include "object.bpf.h"
#include "statement.bpf.h"
#include "text.bpf.h"

struct probe {
	struct pt_regs *ctx;
	struct apm_thread *t;
	const struct apm_lib *lib;
	struct apm_call *call; /* at a return: the call that returns */
	u64 cookie;	       /* at an entry */
};

/* Who tells that a probe was hit, for the tool's own cost. */
enum hit {
	HIT_STATEMENT, /* the event of the statement that it worked on (apm_exec.calls) */
	HIT_CALL,      /* nobody: it is counted */
	HIT_ENTRY,     /* the same, and the function's return is not probed */
};

/* ---- entry and return ---- */

static __always_inline void hit_count(enum hit hit)
{
	if (hit != HIT_STATEMENT)
		count(hit == HIT_CALL ? APM_CNT_OTHER_CALLS : APM_CNT_OTHER_ENTRIES);
}

/* At an entry: whether it is of interest. Calls that were left without returning are dropped. */
static __always_inline bool probe_enter(struct probe *p, struct pt_regs *ctx)
{
	u32 lib_id;

	p->ctx = ctx;
	p->t = thread_enter();
	if (!p->t)
		return false;
	p->cookie = attach_cookie(ctx);
	lib_id = APM_COOKIE_LIB(p->cookie);
	p->lib = bpf_map_lookup_elem(&libs, &lib_id);
	if (!p->lib)
		return false;
	calls_unwind_entry(p->t, p->lib, PT_REGS_SP(ctx));
	return true;
}

/* At a return, or at the instruction that returns: whether it is that of a call which is followed. */
static __always_inline bool probe_leave(struct probe *p, struct pt_regs *ctx, bool exit)
{
	u32 lib_id;

	p->ctx = ctx;
	p->t = exit ? thread_enter() : thread_find();
	if (!p->t)
		return false;
	p->call = call_left(ctx, p->t, exit);
	if (!p->call)
		return false; /* an inner call that is not followed */
	lib_id = p->call->lib_id;
	p->lib = bpf_map_lookup_elem(&libs, &lib_id);
	return p->lib != NULL;
}

/* Returns true when a return probe is wanted. `missed`: how a hit of no interest is counted. */
#define LIBRARY_ENTER(name, p, ctx, missed)                             \
	({                                                              \
		bool __wanted = false;                                  \
		enum hit __hit = missed;                                \
                                                                        \
		if (probe_enter(p, ctx)) {                              \
			__hit = name##_enter(p);                        \
			__wanted = call_entered(ctx, (p)->t, (p)->lib); \
		}                                                       \
		hit_count(__hit);                                       \
		__wanted;                                               \
	})

#define LIBRARY_LEAVE(name, p, ctx, exit)                 \
	do {                                              \
		if (probe_leave(p, ctx, exit)) {          \
			name##_leave(p, PT_REGS_RC(ctx)); \
			call_pop((p)->t);                 \
		}                                         \
	} while (0)

/*
 * At entries, at returns, at both in a session, and at the instructions that return. What a session does at a
 * return is a function of its own, or the stack would have to hold what both need.
 */
#define LIBRARY_PROGRAMS(name)                                           \
	SEC("uprobe.multi")                                              \
	int name##_entry(struct pt_regs *ctx)                            \
	{                                                                \
		struct probe p;                                          \
                                                                         \
		stay_on_task_stack(ctx);                                 \
		LIBRARY_ENTER(name, &p, ctx, HIT_CALL);                  \
		return 0;                                                \
	}                                                                \
                                                                         \
	SEC("uprobe.multi")                                              \
	int name##_return(struct pt_regs *ctx)                           \
	{                                                                \
		struct probe p;                                          \
                                                                         \
		stay_on_task_stack(ctx);                                 \
		LIBRARY_LEAVE(name, &p, ctx, false);                     \
		return 0;                                                \
	}                                                                \
                                                                         \
	static __noinline int name##_session_return(struct pt_regs *ctx) \
	{                                                                \
		struct probe p;                                          \
                                                                         \
		LIBRARY_LEAVE(name, &p, ctx, false);                     \
		return 0;                                                \
	}                                                                \
                                                                         \
	SEC("uprobe.multi")                                              \
	int name##_session(struct pt_regs *ctx)                          \
	{                                                                \
		struct probe p;                                          \
                                                                         \
		stay_on_task_stack(ctx);                                 \
		if (session_phase(ctx))                                  \
			return name##_session_return(ctx);               \
		return LIBRARY_ENTER(name, &p, ctx, HIT_ENTRY) ? 0 : 1;  \
	}                                                                \
                                                                         \
	SEC("uprobe.multi")                                              \
	int name##_exit(struct pt_regs *ctx)                             \
	{                                                                \
		struct probe p;                                          \
                                                                         \
		stay_on_task_stack(ctx);                                 \
		LIBRARY_LEAVE(name, &p, ctx, true);                      \
		return 0;                                                \
	}

static __always_inline u32 probe_symbol(const struct probe *p)
{
	return APM_COOKIE_SYMBOL(p->cookie);
}

/* The call site of the function that is entered; *inside: it was called by the library itself. */
static __always_inline u64 probe_call_site(const struct probe *p, bool *inside)
{
	return call_site(p->ctx, p->lib, APM_COOKIE_ADDR(p->cookie), inside);
}

/* The call that is entered, for its return to find. NULL (counted) when nested too deep. */
static __always_inline struct apm_call *call_begin(const struct probe *p, u64 obj, u64 seq)
{
	struct apm_call *call = call_push(p->t);

	if (!call)
		return NULL;
	call->sp = PT_REGS_SP(p->ctx);
	call->obj = obj;
	call->seq = seq;
	call->symbol = probe_symbol(p);
	call->lib_id = APM_COOKIE_LIB(p->cookie);
	return call;
}

/* ---- what is sent ---- */

/* An error without a message; the caller fills it in and submits. NULL: the ring is full. */
static __always_inline struct apm_ev_error *error_event(u64 seq, s32 number, const struct apm_lib *lib)
{
	struct apm_ev_error *e = event_reserve(struct apm_ev_error, 0);

	if (!e)
		return NULL;
	event_header(&e->hdr, APM_EV_ERROR, sizeof(*e), seq);
	e->number = number;
	e->system = lib->system;
	e->reserved = 0;
	e->size = 0;
	__builtin_memset(e->sqlstate, 0, sizeof(e->sqlstate));
	__builtin_memset(e->message, 0, sizeof(e->message));
	return e;
}

/* The message of an error: a text of the target that ends at its NUL. */
static __always_inline void error_message(struct apm_ev_error *e, u64 text)
{
	s64 n = text ? bpf_probe_read_user_str(e->message, sizeof(e->message), (void *)text) : 0;

	e->size = n > 0 ? n - 1 : 0;
}

/* Rows, 64 bits, as the library keeps them in `object`; not known where it does not show them. */
static __always_inline void exec_rows(struct apm_exec *x, const struct apm_lib *lib, u32 which, u64 object)
{
	u64 off;

	x->rows = 0;
	if (lib_off(lib, which, &off))
		x->rows = read_u64(object + off);
	else
		x->flags |= APM_STMT_ROWS_UNKNOWN;
}

/* A length as libraries pass it: unsigned, or -1 for "ends at its NUL". */
static __always_inline s32 text_length(u64 len)
{
	return len >> 31 ? TEXT_LEN_UNKNOWN : (s32)len;
}

#endif
