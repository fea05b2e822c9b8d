/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the probes of every client library share: executions, calls that never return, call sites. */
#ifndef APM_STATEMENT_BPF_H
#define APM_STATEMENT_BPF_H

#include "apm.bpf.h"

/* ---- statements ---- */

/* A new execution of thread *t in *x: everything of the last one is forgotten. */
static __always_inline void exec_start(struct apm_thread *t, struct apm_exec *x, u64 now, u8 system,
				       u16 lib_id)
{
	*x = (struct apm_exec){
		.seq = seq_make(now),
		.t_start = now,
		.t_last = now,
		.enter = now,
		.calls = 1,
		.tid = (u32)bpf_get_current_pid_tgid(),
		.system = system,
		.lib_id = lib_id,
	};
	t->started = x->seq;
}

/* A call that works on *x ends now. */
static __always_inline void exec_leave(struct apm_exec *x, u64 now)
{
	if (x->enter && now > x->enter)
		x->duration_ns += now - x->enter;
	x->enter = 0;
	x->t_last = now;
}

/* Sends an execution as it stands at `now`; `flags` (APM_STMT_*) are added to its own. */
static __noinline int statement_send(const struct apm_exec *x, u64 conn, u64 handle, u16 flags, u64 now)
{
	struct apm_ev_stmt *e = event_reserve(struct apm_ev_stmt, 0);

	if (!e) {
		if (!((x->flags | flags) & APM_STMT_MORE))
			count_add(APM_CNT_OTHER_CALLS, x->calls);
		return 0;
	}
	event_header_at(&e->hdr, APM_EV_STMT, sizeof(*e), x->seq, now);
	e->hdr.flags = x->flags | flags;
	e->hdr.tid = x->tid;
	e->hdr.ctx_id = x->tid;
	e->t_start = x->t_start;
	e->t_first = x->t_first;
	e->t_end = x->t_last;
	e->duration_ns = x->duration_ns;
	e->rows = x->rows;
	e->text_id = x->text_id;
	e->conn = conn;
	e->handle = handle;
	e->param_hash = x->param_hash;
	e->call_site = x->call_site;
	e->wait_ns = x->wait_ns;
	e->bytes = x->bytes;
	e->conn_gen = x->conn_gen;
	e->lib_id = x->lib_id;
	e->system = x->system;
	e->param_count = x->param_count;
	e->result_index = x->result_index;
	e->calls = x->calls;
	event_submit_at(e, now);
	return 0;
}

/* Ends what a call left behind that was abandoned: its statement is reported with what is known of it. */
static __noinline int call_abandoned(const struct apm_call *c)
{
	struct apm_key key = {.tgid = bpf_get_current_pid_tgid() >> 32, .ptr = c->obj};
	struct apm_handle *h = bpf_map_lookup_elem(&handles, &key);

	count(APM_CNT_NO_RETURN);
	if (!h || !c->seq || h->exec.seq != c->seq)
		return 0;
	h->exec.enter = 0;
	statement_send(&h->exec, h->db, key.ptr, APM_STMT_NO_RETURN, bpf_ktime_get_ns());
	h->exec.seq = 0;
	return 0;
}

/* ---- stacks that are switched ---- */

/*
 * Where a library's exits are probed (struct apm_lib: exits), a thread may leave the stack that a call stands
 * on and use another, and it or another thread may come back to the first. So each call is parked when it is
 * entered, to be found at its exit; the thread's own calls only tell which one the next is nested in, and
 * those are of one stack. Calls that are nested in one another stand near each other.
 */
#define STACK_NEAR 16384

#define PARKED_TWICE 0xffffffff /* symbol: see calls_switch() */

/*
 * At an entry: forgets the thread's calls that are on other stacks. If a call was parked at this very place
 * it was abandoned, or its stack was copied away and will be copied back: which of the two calls returns
 * first cannot be told, so neither's return counts.
 */
static __noinline int calls_switch(struct apm_thread *t, u64 sp)
{
	struct apm_key key = {.tgid = bpf_get_current_pid_tgid() >> 32, .ptr = sp};
	struct apm_call *c;
	u32 i;

	t->switches = 1;
	for (i = 0; i < APM_NEST_MAX; i++) {
		c = call_top(t);
		if (!c || (c->sp > sp && c->sp - sp < STACK_NEAR))
			break;
		call_pop(t);
	}
	c = bpf_map_lookup_elem(&parked, &key);
	if (c && c->symbol != PARKED_TWICE) {
		call_abandoned(c);
		c->symbol = PARKED_TWICE;
	}
	return 0;
}

static __noinline int call_park(const struct apm_call *c)
{
	struct apm_key key = {.tgid = bpf_get_current_pid_tgid() >> 32, .ptr = c->sp};

	if (bpf_map_update_elem(&parked, &key, c, BPF_NOEXIST) && !bpf_map_lookup_elem(&parked, &key))
		count(APM_CNT_MAP_FULL);
	return 0;
}

/*
 * At an exit: makes the call that was entered with this stack pointer the thread's last one. 0 when there is
 * none. One that is not parked was entered before exits were probed.
 */
static __noinline int calls_resume(struct apm_thread *t, u64 sp)
{
	struct apm_key key = {.tgid = bpf_get_current_pid_tgid() >> 32, .ptr = sp};
	struct apm_call *p = bpf_map_lookup_elem(&parked, &key), *c;
	u32 i, depth = 0;
	bool found;

	t->switches = 1;
	for (i = 0; i < APM_NEST_MAX; i++)
		if (i < t->depth && t->call[i].sp == sp)
			depth = i + 1;
	if (!depth && !p)
		return 0; /* an inner call that is not followed */
	found = !p || p->symbol != PARKED_TWICE;
	t->depth = depth ? depth - 1 : 0;
	c = found ? call_push(t) : NULL;
	if (c && p)
		*c = *p;
	if (p)
		bpf_map_delete_elem(&parked, &key);
	return c != NULL;
}

/* ---- entries and returns ---- */

/* Drops calls that were left without returning, found at an entry of `lib`. */
static __always_inline void calls_unwind_entry(struct apm_thread *t, const struct apm_lib *lib, u64 sp)
{
	struct apm_call *c;
	u32 i;

	if (lib->exits) {
		calls_switch(t, sp);
		return;
	}
	for (i = 0; i < APM_NEST_MAX; i++) {
		c = call_stale_at_entry(t, sp);
		if (!c)
			return;
		call_abandoned(c);
		call_pop(t);
	}
}

/* The same at a return. */
static __always_inline void calls_unwind_return(struct apm_thread *t, u64 sp)
{
	struct apm_call *c;
	u32 i;

	for (i = 0; i < APM_NEST_MAX; i++) {
		c = call_stale_at_return(t, sp);
		if (!c)
			return;
		call_abandoned(c);
		call_pop(t);
	}
}

/* ---- bound parameters ---- */

/* Bound parameters are not to be read: that there are some is all that is known of them. */
static __always_inline bool params_skipped(struct apm_exec *x, u32 number)
{
	if (!detail.no_params)
		return false;
	x->param_count = number > 255 ? 255 : number;
	x->flags |= APM_STMT_PARAMS_PARTIAL;
	return true;
}

/* The bound parameters were hashed into h, in part or in whole. */
static __always_inline void params_hashed(const struct apm_thread *t, struct apm_exec *x, u64 h, u32 number)
{
	x->param_hash = h;
	x->param_count = number > 255 ? 255 : number;
	if (t->partial) {
		x->flags |= APM_STMT_PARAMS_PARTIAL;
		count(APM_CNT_PARAMS_PARTIAL);
	}
}

/*
 * The call that is left now, NULL when it is not followed: at a return probe (the stack pointer is
 * past the return address), or at the probe on a return instruction.
 */
static __always_inline struct apm_call *call_left(struct pt_regs *ctx, struct apm_thread *t, bool exit)
{
	if (exit)
		return calls_resume(t, PT_REGS_SP(ctx)) ? call_top(t) : NULL;
	calls_unwind_return(t, PT_REGS_SP(ctx));
	return call_returning(t, PT_REGS_SP(ctx));
}

/* The last act of an entry. True when a return probe is wanted: the function is
 * followed, and can stand one. */
static __always_inline bool call_entered(struct pt_regs *ctx, struct apm_thread *t, const struct apm_lib *lib)
{
	struct apm_call *c = call_top(t);

	if (!c || c->sp != PT_REGS_SP(ctx))
		return false;
	if (lib->exits)
		call_park(c);
	return !lib->exits;
}

/* ---- call sites ---- */

/*
 * Who called the function of the library that the call at stack slot `slot` returns to, at `off`; 0 when it
 * cannot be told. That may be another function of the library (redisCommand over redisvCommand). Nothing but
 * numbers is carried from one step of a loop to the next, or the verifier would follow each way through both.
 */
static __noinline u64 wrapper_caller(const struct apm_lib *lib, u64 slot, u64 fp, u64 bias, u64 off)
{
	u32 level, i;

	for (level = 0; level < APM_WRAP_LEVELS; level++) {
		s64 at = 0;
		u32 base = 0;
		u64 ret;

		for (i = 0; i < APM_MAX_WRAPPERS; i++) {
			const struct apm_wrapper *w = &lib->wrapper[i];

			if (i >= lib->wrapper_count)
				break;
			if (w->ret_off == off) {
				at = w->off;
				base = w->base;
			}
		}
		if (!at || (level && base == APM_BASE_FP))
			return 0; /* the frame pointer is that of the innermost one */
		slot = (base == APM_BASE_FP ? fp : slot) + at;
		ret = read_u64(slot);
		off = ret - bias;
		if (off < lib->text_start || off >= lib->text_end)
			return ret;
	}
	return 0;
}

/*
 * The return address outside the library, 0 when it cannot be told. A probed function that was called
 * from inside the library has a wrapper (PQexec over PQsendQuery): then the wrapper's own return
 * address is meant. *inside tells that the immediate caller is in the library.
 */
static __always_inline u64 call_site(struct pt_regs *ctx, const struct apm_lib *lib, u64 site_addr,
				     bool *inside)
{
	u64 bias = PT_REGS_IP(ctx) - site_addr;
	u64 slot = PT_REGS_SP(ctx);
	u64 ret = APM_RETURN_SLOT ? read_u64(slot) : PT_REGS_RET(ctx);
	u64 off = ret - bias;

	*inside = off >= lib->text_start && off < lib->text_end;
	return *inside ? wrapper_caller(lib, slot, PT_REGS_FP(ctx), bias, off) : ret;
}

#endif
