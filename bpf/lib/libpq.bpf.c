// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * libpq. A statement begins in one of the four senders and ends when PQgetResult returns NULL; in between it
 * returns each result. Or, in a program that uses nothing but the synchronous functions, it begins and ends
 * with one of those (lib/libpq.h: two sets of probes). State is kept per PGconn, because an asynchronous
 * program may send in one thread and collect in another. Struct offsets come from the library's own
 * accessors, decoded when it is attached (user/collect/lib_libpq.c).
 */
#include "statement.bpf.h"
#include "text.bpf.h"
#include "lib/libpq_conn.bpf.h"
#include "lib/libpq_result.bpf.h"
#include "lib/libpq.h"

enum { APM_LIBPQ_SYMBOLS(APM_SYMBOL_NUMBER) };

#define QUEUE_DRAIN_MAX 64 /* of a pipeline that is given up with its connection */

#define AF_INET 2

/* ---- the two sets of probes ---- */

static __always_inline bool is_sync(u32 symbol)
{
	return symbol >= SYM_PQexec && symbol <= SYM_PQexecPrepared;
}

/* Whether the thread is inside a synchronous function that began a statement on `conn`: what the library
 * calls in there belongs to it. */
static __always_inline bool inside_sync(const struct apm_thread *t, u64 conn)
{
	u32 depth = t->depth;
	const struct apm_call *c = &t->call[(depth - 1) & (APM_NEST_MAX - 1)];

	return depth && c->obj == conn && is_sync(c->symbol);
}

/*
 * Whether this function begins a statement. While user space changes from one set to the other both are
 * attached; lib->set says which of them begins statements, and each ends those that it began.
 */
static __always_inline bool begins_statement(const struct apm_thread *t, u64 conn, u32 symbol,
					     const struct apm_lib *lib)
{
	return lib->set == (is_sync(symbol) ? APM_PQ_SYNC : APM_PQ_ASYNC) && !inside_sync(t, conn);
}

/* ---- the senders ---- */

/*
 * Begins a statement on `conn`. One that is still open there was given up (PQreset, a lost connection): it
 * ends as it stands. The thread counts as working on it until the end if a synchronous function of the
 * library sent it.
 */
static __always_inline struct apm_conn *send_begin(struct pt_regs *ctx, struct apm_thread *t, u64 conn,
						   u64 cookie, const struct apm_lib *lib)
{
	struct apm_conn *c = conn_get(conn, lib);
	u64 now = bpf_ktime_get_ns();
	bool inside = false;

	if (!c)
		return NULL;
	if (c->exec.seq && pipeline_mode(conn, lib))
		c = queue_append(c, conn);
	else if (c->exec.seq)
		conn_end(c, conn, APM_STMT_NO_RETURN, now);
	if (!c)
		return NULL;
	exec_start(t, &c->exec, now, APM_SYSTEM_POSTGRESQL, lib->lib_id);
	c->exec.conn_gen = c->gen;
	c->op = APM_OP_STATEMENT;
	c->exec.text_id = c->exec.seq;
	c->exec.call_site = call_site(ctx, lib, APM_COOKIE_ADDR(cookie), &inside);
	c->exec.set = is_sync(APM_COOKIE_SYMBOL(cookie)) ? APM_PQ_SYNC : APM_PQ_ASYNC;
	if (c->exec.set == APM_PQ_SYNC)
		return c;
	if (inside)
		t->sync_seq = c->exec.seq;
	else
		c->exec.flags = APM_STMT_ASYNC;
	wait_begin(c, now);
	return c;
}

static __always_inline void send_text(struct apm_conn *c, u64 conn, u64 ptr)
{
	struct text_source src = {
		.text_id = c->exec.text_id,
		.conn = conn,
		.ptr = ptr,
		.len = TEXT_LEN_UNKNOWN,
		.system = APM_SYSTEM_POSTGRESQL,
	};

	if (text_send(&src) < 0)
		c->text_ptr = ptr;
}

/* Sends the name of a prepared statement once per connection and name. Returns its id. */
static __noinline u64 send_name(u64 conn, u32 gen, u64 ptr)
{
	struct apm_key key = object_key(conn);
	struct text_source src = {
		.text_id = param_hash_text(hash_step(hash_start(), conn ^ gen), ptr),
		.conn = conn,
		.ptr = ptr,
		.len = TEXT_LEN_UNKNOWN,
		.flags = APM_TEXT_NAME,
		.system = APM_SYSTEM_POSTGRESQL,
	};

	key.ptr = src.text_id;
	if (!bpf_map_lookup_elem(&handles, &key)) {
		/* A full map only means that the name is sent again. */
		bpf_map_update_elem(&handles, &key, &handle_zero, BPF_NOEXIST);
		text_send(&src);
	}
	return src.text_id;
}

struct params {
	u64 values;
	u64 lengths;
	u64 formats;
	s32 count;
};

/* One bound parameter: text ends at its NUL, binary has a length. */
static __always_inline u64 param_hash(const struct params *p, u32 i, u64 h)
{
	u64 value = read_u64(p->values + i * 8);

	if (!value)
		return hash_step(h, 1);
	if (p->formats && p->lengths && read_u32(p->formats + i * 4))
		return param_hash_bytes(h, value, read_u32(p->lengths + i * 4));
	return param_hash_text(h, value);
}

static __noinline int send_params(struct apm_thread *t, struct apm_exec *x, const struct params *p)
{
	u64 h = hash_start();
	s32 i;

	if (p->count <= 0 || !p->values || params_skipped(x, p->count))
		return 0;
	t->partial = p->count > APM_MAX_PARAMS;
	for (i = 0; i < APM_MAX_PARAMS && i < p->count; i++)
		h = param_hash(p, i, h);
	params_hashed(t, x, h, p->count);
	return 0;
}

/* The seventh argument: the first on the stack, above the return address. */
static __always_inline u64 stack_argument(struct pt_regs *ctx)
{
	return read_u64(PT_REGS_SP(ctx) + APM_RETURN_SLOT);
}

static __always_inline struct apm_conn *libpq_PQsendQuery(struct pt_regs *ctx, struct apm_thread *t,
							  u64 cookie, const struct apm_lib *lib)
{
	u64 conn = PT_REGS_PARM1(ctx);
	struct apm_conn *c = send_begin(ctx, t, conn, cookie, lib);

	if (c)
		send_text(c, conn, PT_REGS_PARM2(ctx));
	return c;
}

static __always_inline struct apm_conn *libpq_PQsendQueryParams(struct pt_regs *ctx, struct apm_thread *t,
								u64 cookie, const struct apm_lib *lib)
{
	struct params p = {
		.count = (s32)PT_REGS_PARM3(ctx),
		.values = PT_REGS_PARM5(ctx),
		.lengths = PT_REGS_PARM6(ctx),
		.formats = stack_argument(ctx),
	};
	u64 conn = PT_REGS_PARM1(ctx);
	struct apm_conn *c = send_begin(ctx, t, conn, cookie, lib);

	if (!c)
		return NULL;
	send_text(c, conn, PT_REGS_PARM2(ctx));
	send_params(t, &c->exec, &p);
	return c;
}

static __always_inline struct apm_conn *libpq_PQsendPrepare(struct pt_regs *ctx, struct apm_thread *t,
							    u64 cookie, const struct apm_lib *lib)
{
	u64 conn = PT_REGS_PARM1(ctx);
	struct apm_conn *c = send_begin(ctx, t, conn, cookie, lib);

	if (!c)
		return NULL;
	c->op = APM_OP_PREPARE;
	c->name_id = send_name(conn, c->gen, PT_REGS_PARM2(ctx));
	send_text(c, conn, PT_REGS_PARM3(ctx));
	return c;
}

static __always_inline struct apm_conn *libpq_PQsendDescribe(struct pt_regs *ctx, struct apm_thread *t,
							     u64 cookie, const struct apm_lib *lib)
{
	struct apm_conn *c = send_begin(ctx, t, PT_REGS_PARM1(ctx), cookie, lib);

	if (c)
		c->op = APM_OP_DESCRIBE;
	return c;
}

static __always_inline struct apm_conn *libpq_PQsendQueryPrepared(struct pt_regs *ctx, struct apm_thread *t,
								  u64 cookie, const struct apm_lib *lib)
{
	struct params p = {
		.count = (s32)PT_REGS_PARM3(ctx),
		.values = PT_REGS_PARM4(ctx),
		.lengths = PT_REGS_PARM5(ctx),
		.formats = PT_REGS_PARM6(ctx),
	};
	u64 conn = PT_REGS_PARM1(ctx);
	struct apm_conn *c = send_begin(ctx, t, conn, cookie, lib);

	if (!c)
		return NULL;
	c->exec.flags |= APM_STMT_PREPARED;
	c->exec.text_id = send_name(conn, c->gen, PT_REGS_PARM2(ctx));
	send_params(t, &c->exec, &p);
	return c;
}

/* ---- calls that work on a statement ---- */

static __always_inline struct apm_call *call_begin(struct pt_regs *ctx, struct apm_thread *t, u64 conn,
						   u64 seq, u64 cookie)
{
	struct apm_call *call = call_push(t);

	if (!call)
		return NULL;
	call->sp = PT_REGS_SP(ctx);
	call->obj = conn;
	call->seq = seq;
	call->symbol = APM_COOKIE_SYMBOL(cookie);
	call->lib_id = APM_COOKIE_LIB(cookie);
	return call;
}

/* The data of COPY. Returns false when the call's return is of no interest: nothing is copied here. */
static __always_inline bool copy_begin(struct pt_regs *ctx, struct apm_thread *t, u64 cookie)
{
	u64 conn = PT_REGS_PARM1(ctx), now = bpf_ktime_get_ns();
	struct apm_conn *c = conn_find(conn);
	struct apm_call *call;

	if (!c || !c->exec.seq || !(c->exec.flags & APM_STMT_COPY))
		return false;
	call = call_begin(ctx, t, conn, c->exec.seq, cookie);
	if (!call)
		return false;
	call->arg[0] = APM_COOKIE_SYMBOL(cookie) == SYM_PQputCopyData ? (u32)PT_REGS_PARM3(ctx) : 0;
	wait_end(c, now);
	c->exec.calls++;
	return true;
}

/* `result`: 1 = sent, or how many bytes were received; 0 = would block; less: no more, or failed. */
static __always_inline void copy_end(struct apm_conn *c, u32 symbol, u32 sent, s32 result)
{
	u64 now = bpf_ktime_get_ns();

	exec_leave(&c->exec, now);
	if (result > 0)
		c->exec.bytes += symbol == SYM_PQgetCopyData ? (u32)result : sent;
	else if (!result)
		wait_begin(c, now);
}

/* ---- results ---- */

/* A text whose page was not present when it was sent is there now. */
static __always_inline void text_again(struct apm_conn *c, u64 conn)
{
	u64 ptr = c->text_ptr;

	if (!ptr)
		return;
	c->text_ptr = 0;
	send_text(c, conn, ptr);
	if (c->text_ptr)
		count(APM_CNT_UNREADABLE_TEXT);
	c->text_ptr = 0;
}

/* A result has come at `now`. */
static __always_inline void result_arrived(struct apm_thread *t, struct apm_conn *c, u64 conn,
					   const struct result *r, u64 now, const struct apm_lib *lib)
{
	if (!c->exec.t_first)
		c->exec.t_first = now;
	text_again(c, conn);
	result_of_status(t, c, conn, r, lib);
}

static __always_inline void result_returned(struct apm_thread *t, struct apm_conn *c, u64 conn, u64 result,
					    const struct apm_lib *lib)
{
	struct apm_exec *x = &c->exec;
	struct result r = {};
	u64 now = bpf_ktime_get_ns();

	if (result)
		r = result_read(result, lib);
	if (r.status == PGRES_PIPELINE_SYNC) { /* stands between two statements */
		wait_begin(c, now);
		return;
	}
	exec_leave(x, now);
	if (!result) {
		if (t->sync_seq == x->seq)
			t->sync_seq = 0;
		conn_end(c, conn, 0, now);
		return;
	}
	result_arrived(t, c, conn, &r, now, lib);
}

/* A synchronous function returns its last result; NULL: it could not send. */
static __always_inline void sync_returned(struct apm_thread *t, struct apm_conn *c, u64 conn, u64 result,
					  const struct apm_lib *lib)
{
	u64 now = bpf_ktime_get_ns();
	struct result r;

	exec_leave(&c->exec, now);
	if (result) {
		r = result_read(result, lib);
		result_arrived(t, c, conn, &r, now, lib);
	}
	conn_end(c, conn, result ? 0 : APM_STMT_NO_RETURN, now);
}

/* PQexec is about to clear a result, because it has the next one of a text of several statements. Or (since 17)
 * none, because it has the first. */
static __always_inline int libpq_PQclear(struct pt_regs *ctx, struct apm_thread *t, const struct apm_lib *lib)
{
	struct apm_call *call = call_top(t);
	struct apm_conn *c;
	struct apm_key key;
	struct result r;
	u64 now;

	if (!PT_REGS_PARM1(ctx) || !call || !is_sync(call->symbol))
		return 0;
	key = object_key(call->obj);
	c = bpf_map_lookup_elem(&conns, &key);
	if (!c || c->exec.seq != call->seq)
		return 0;
	now = bpf_ktime_get_ns();
	exec_leave(&c->exec, now);
	r = result_read(PT_REGS_PARM1(ctx), lib);
	result_arrived(t, c, key.ptr, &r, now, lib);
	c->exec.enter = now;
	return 0;
}

/* Entry of PQgetResult. Returns false when its return is of no interest: nothing
 * was sent on this connection. */
static __always_inline bool libpq_PQgetResult(struct pt_regs *ctx, struct apm_thread *t, u64 cookie)
{
	u64 conn = PT_REGS_PARM1(ctx);
	struct apm_key key = object_key(conn);
	struct apm_conn *c = bpf_map_lookup_elem(&conns, &key);
	u64 now;

	if (!c || !c->exec.seq || c->exec.set != APM_PQ_ASYNC || inside_sync(t, conn))
		return false;
	if (!call_begin(ctx, t, conn, c->exec.seq, cookie))
		return false;
	/* Until the first result waiting for the server counts, then only time inside calls. */
	now = bpf_ktime_get_ns();
	if (c->exec.t_first || c->exec.result_index)
		c->exec.enter = now;
	else if (c->exec.flags & APM_STMT_ASYNC)
		wait_end(c, now);
	c->exec.calls++;
	return true;
}

static __always_inline int libpq_leave(struct pt_regs *ctx, bool exit)
{
	struct apm_thread *t = exit ? thread_enter() : thread_find();
	struct apm_call *call;
	struct apm_lib *lib;
	struct apm_conn *c;
	struct apm_key key;
	u32 lib_id, symbol, sent;
	u64 seq;

	if (!t)
		return 0;
	call = call_left(ctx, t, exit);
	if (!call)
		return 0;
	symbol = call->symbol;
	lib_id = call->lib_id;
	key = object_key(call->obj);
	seq = call->seq;
	sent = call->arg[0];
	call_pop(t);
	lib = bpf_map_lookup_elem(&libs, &lib_id);
	c = bpf_map_lookup_elem(&conns, &key);
	if (!lib || !c || c->exec.seq != seq)
		return 0;
	if (symbol == SYM_PQgetResult)
		result_returned(t, c, key.ptr, PT_REGS_RC(ctx), lib);
	else if (is_sync(symbol))
		sync_returned(t, c, key.ptr, PT_REGS_RC(ctx), lib);
	else
		copy_end(c, symbol, sent, (s32)PT_REGS_RC(ctx));
	return 0;
}

/* Ends the statement that is under way on a connection: 1, or 0 when none is. A global function, so that the verifier
 * sees it once and not in each turn of the loop below. */
__noinline int libpq_give_up(u64 conn)
{
	struct apm_conn *c = conn_find(conn);

	if (!c || !c->exec.seq)
		return 0;
	conn_end(c, conn, APM_STMT_NO_RETURN, bpf_ktime_get_ns());
	return 1;
}

static __always_inline int libpq_PQfinish(struct pt_regs *ctx)
{
	u64 conn = PT_REGS_PARM1(ctx);
	struct apm_conn *c = conn_find(conn);
	u32 i;

	if (!c)
		return 0;
	for (i = 0; i < QUEUE_DRAIN_MAX; i++)
		if (!libpq_give_up(conn))
			break;
	conn_retire(conn, c->gen);
	return 0;
}

/* The statement that one of the senders, or of the functions that call them, begins. */
static __always_inline struct apm_conn *statement_begin(struct pt_regs *ctx, struct apm_thread *t, u64 cookie,
							const struct apm_lib *lib)
{
	switch (APM_COOKIE_SYMBOL(cookie)) {
	case SYM_PQsendQuery:
	case SYM_PQexec:
		return libpq_PQsendQuery(ctx, t, cookie, lib);
	case SYM_PQsendQueryParams:
	case SYM_PQexecParams:
		return libpq_PQsendQueryParams(ctx, t, cookie, lib);
	case SYM_PQsendPrepare:
	case SYM_PQprepare:
		return libpq_PQsendPrepare(ctx, t, cookie, lib);
	case SYM_PQsendQueryPrepared:
	case SYM_PQexecPrepared:
		return libpq_PQsendQueryPrepared(ctx, t, cookie, lib);
	case SYM_PQsendDescribePrepared:
	case SYM_PQsendDescribePortal:
		return libpq_PQsendDescribe(ctx, t, cookie, lib);
	}
	return NULL;
}

/* A hit that belongs to no statement, and whose return is not wanted. */
static __always_inline bool other_hit(void)
{
	count(APM_CNT_OTHER_ENTRIES);
	return false;
}

/* Returns true when the return of this call is wanted. */
static __always_inline bool libpq_enter(struct pt_regs *ctx, u64 cookie)
{
	u32 lib_id = APM_COOKIE_LIB(cookie), symbol = APM_COOKIE_SYMBOL(cookie);
	struct apm_thread *t = thread_enter();
	u64 conn = PT_REGS_PARM1(ctx);
	struct apm_lib *lib;
	struct apm_conn *c;

	if (!t)
		return other_hit();
	lib = bpf_map_lookup_elem(&libs, &lib_id);
	if (!lib)
		return other_hit();
	calls_unwind_entry(t, lib, PT_REGS_SP(ctx));
	switch (symbol) {
	case SYM_PQgetResult:
		return libpq_PQgetResult(ctx, t, cookie) ? call_entered(ctx, t, lib) : other_hit();
	case SYM_PQputCopyData:
	case SYM_PQputCopyEnd:
	case SYM_PQgetCopyData:
		return copy_begin(ctx, t, cookie) ? call_entered(ctx, t, lib) : other_hit();
	case SYM_PQclear:
	case SYM_PQclear_in_PQexecParams:
	case SYM_PQclear_in_PQprepare:
	case SYM_PQclear_in_PQexecPrepared:
		libpq_PQclear(ctx, t, lib);
		return other_hit();
	case SYM_PQfinish:
		libpq_PQfinish(ctx);
		return other_hit();
	}
	if (!begins_statement(t, conn, symbol, lib))
		return other_hit();
	c = statement_begin(ctx, t, cookie, lib);
	return c && is_sync(symbol) && call_begin(ctx, t, conn, c->exec.seq, cookie) &&
	       call_entered(ctx, t, lib);
}

SEC("uprobe.multi")
int libpq_entry(struct pt_regs *ctx)
{
	stay_on_task_stack(ctx);
	libpq_enter(ctx, attach_cookie(ctx));
	return 0;
}

SEC("uprobe.multi")
int libpq_return(struct pt_regs *ctx)
{
	stay_on_task_stack(ctx);
	return libpq_leave(ctx, false);
}

SEC("uprobe.multi")
int libpq_exit(struct pt_regs *ctx)
{
	stay_on_task_stack(ctx);
	return libpq_leave(ctx, true);
}

SEC("uprobe.multi")
int libpq_session(struct pt_regs *ctx)
{
	stay_on_task_stack(ctx);
	if (session_phase(ctx))
		return libpq_leave(ctx, false);
	return libpq_enter(ctx, attach_cookie(ctx)) ? 0 : 1;
}
