// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * libpq. A statement begins in one of the four senders and ends when PQgetResult returns NULL; in between it
 * returns each result. State is kept per PGconn, because an asynchronous program may send in one thread and
 * collect in another. Struct offsets come from the library's own accessors, decoded when it is attached
 * (user/collect/lib_libpq.c).
 */
#include "statement.bpf.h"
#include "text.bpf.h"
#include "lib/libpq_conn.bpf.h"
#include "lib/libpq.h"

enum {
#define LIBPQ_SYMBOL(name, number, entry, ret, required) SYM_##name = number,
	APM_LIBPQ_SYMBOLS(LIBPQ_SYMBOL)
};

/* ExecStatusType, libpq-fe.h (stable ABI) */
enum {
	PGRES_COPY_OUT = 3,
	PGRES_COPY_IN = 4,
	PGRES_BAD_RESPONSE = 5,
	PGRES_FATAL_ERROR = 7,
	PGRES_COPY_BOTH = 8,
	PGRES_SINGLE_TUPLE = 9,
	PGRES_PIPELINE_SYNC = 10,
	PGRES_PIPELINE_ABORTED = 11,
	PGRES_TUPLES_CHUNK = 12,
};

/* Field codes of PQresultErrorField, postgres_ext.h */
#define PG_DIAG_SQLSTATE	'C'
#define PG_DIAG_MESSAGE_PRIMARY 'M'
#define ERROR_FIELDS_MAX	12

#define QUEUE_DRAIN_MAX 64 /* of a pipeline that is given up with its connection */
#define CMD_STATUS_LEN	32 /* "INSERT 0 1234": the count is at the end of PGresult.cmdStatus[64] */

#define AF_INET 2

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
		conn_end(c, conn, APM_STMT_NO_RETURN);
	if (!c)
		return NULL;
	exec_start(&c->exec, now, APM_SYSTEM_POSTGRESQL, lib->lib_id);
	c->exec.conn_gen = c->gen;
	c->op = APM_OP_STATEMENT;
	c->exec.text_id = c->exec.seq;
	c->exec.call_site = call_site(ctx, lib, APM_COOKIE_ADDR(cookie), &inside);
	if (inside)
		t->sync_seq = c->exec.seq;
	else
		c->exec.flags = APM_STMT_ASYNC;
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
	struct apm_key key = conn_key(conn);
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

	if (p->count <= 0 || !p->values)
		return 0;
	t->partial = p->count > APM_MAX_PARAMS;
	for (i = 0; i < APM_MAX_PARAMS && i < p->count; i++)
		h = param_hash(p, i, h);
	if (t->partial) {
		x->flags |= APM_STMT_PARAMS_PARTIAL;
		count(APM_CNT_PARAMS_PARTIAL);
	}
	x->param_hash = h;
	x->param_count = p->count > 255 ? 255 : p->count;
	return 0;
}

/* The seventh argument: the first on the stack, above the return address. */
static __always_inline u64 stack_argument(struct pt_regs *ctx)
{
	return read_u64(PT_REGS_SP(ctx) + APM_RETURN_SLOT);
}

static __always_inline int libpq_PQsendQuery(struct pt_regs *ctx, struct apm_thread *t, u64 cookie,
					     const struct apm_lib *lib)
{
	u64 conn = PT_REGS_PARM1(ctx);
	struct apm_conn *c = send_begin(ctx, t, conn, cookie, lib);

	if (c)
		send_text(c, conn, PT_REGS_PARM2(ctx));
	return 0;
}

static __always_inline int libpq_PQsendQueryParams(struct pt_regs *ctx, struct apm_thread *t, u64 cookie,
						   const struct apm_lib *lib)
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
		return 0;
	send_text(c, conn, PT_REGS_PARM2(ctx));
	return send_params(t, &c->exec, &p);
}

static __always_inline int libpq_PQsendPrepare(struct pt_regs *ctx, struct apm_thread *t, u64 cookie,
					       const struct apm_lib *lib)
{
	u64 conn = PT_REGS_PARM1(ctx);
	struct apm_conn *c = send_begin(ctx, t, conn, cookie, lib);

	if (!c)
		return 0;
	c->op = APM_OP_PREPARE;
	c->name_id = send_name(conn, c->gen, PT_REGS_PARM2(ctx));
	send_text(c, conn, PT_REGS_PARM3(ctx));
	return 0;
}

static __always_inline int libpq_PQsendDescribe(struct pt_regs *ctx, struct apm_thread *t, u64 cookie,
						const struct apm_lib *lib)
{
	struct apm_conn *c = send_begin(ctx, t, PT_REGS_PARM1(ctx), cookie, lib);

	if (c)
		c->op = APM_OP_DESCRIBE;
	return 0;
}

static __always_inline int libpq_PQsendQueryPrepared(struct pt_regs *ctx, struct apm_thread *t, u64 cookie,
						     const struct apm_lib *lib)
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
		return 0;
	c->exec.flags |= APM_STMT_PREPARED;
	c->exec.text_id = send_name(conn, c->gen, PT_REGS_PARM2(ctx));
	return send_params(t, &c->exec, &p);
}

/* ---- results ---- */

/* The number at the end of a command tag ("UPDATE 12", "INSERT 0 3"); 0 when there is none. */
static __always_inline u64 command_rows(struct apm_thread *t, u64 addr)
{
	u64 n = 0;
	u32 i;

	t->scratch[0] = 0;
	bpf_probe_read_user_str(t->scratch, CMD_STATUS_LEN, (void *)addr);
	for (i = 0; i < CMD_STATUS_LEN; i++) {
		u8 ch = t->scratch[i];

		if (ch == 0)
			break;
		if (ch >= '0' && ch <= '9')
			n = n * 10 + ch - '0';
		else
			n = 0;
	}
	return n;
}

static __always_inline void error_field(struct apm_ev_error *e, u64 text, u8 code)
{
	if (code == PG_DIAG_SQLSTATE) {
		bpf_probe_read_user_str(e->sqlstate, sizeof(e->sqlstate), (void *)text);
	} else if (code == PG_DIAG_MESSAGE_PRIMARY) {
		s64 n = bpf_probe_read_user_str(e->message, sizeof(e->message), (void *)text);

		e->size = n > 0 ? n - 1 : 0;
	}
}

/* SQLSTATE and primary message from the list of PGMessageFields; else, for errors made by libpq itself,
 * errMsg. */
static __noinline int result_error(u64 result, const struct apm_lib *lib, u64 seq)
{
	struct apm_ev_error *e = event_reserve(struct apm_ev_error, 0);
	u64 off, code_off, text_off, field = 0;
	u32 i;

	if (!e)
		return 0;
	event_header(&e->hdr, APM_EV_ERROR, sizeof(*e), seq);
	e->number = 0;
	e->system = APM_SYSTEM_POSTGRESQL;
	e->reserved = 0;
	__builtin_memset(e->sqlstate, 0, sizeof(e->sqlstate));
	__builtin_memset(e->message, 0, sizeof(e->message));
	e->size = 0;
	if (lib_off(lib, APM_OFF_PG_RES_ERRFIELDS, &off) && lib_off(lib, APM_OFF_PG_FIELD_CODE, &code_off) &&
	    lib_off(lib, APM_OFF_PG_FIELD_TEXT, &text_off)) {
		field = read_u64(result + off);
		for (i = 0; i < ERROR_FIELDS_MAX && field; i++) {
			error_field(e, field + text_off, read_u8(field + code_off));
			field = read_u64(field); /* next is first in PGMessageField */
		}
	}
	if (!e->size && lib_off(lib, APM_OFF_PG_RES_ERRMSG, &off)) {
		u64 msg = read_u64(result + off);
		s64 n = msg ? bpf_probe_read_user_str(e->message, sizeof(e->message), (void *)msg) : 0;

		e->size = n > 0 ? n - 1 : 0;
	}
	event_submit(e);
	return 0;
}

/* A result that ends a command: the one before it, if any, is now known not to be the last. */
static __always_inline void result_final(struct apm_thread *t, struct apm_conn *c, u64 conn, u64 result,
					 u32 status, const struct apm_lib *lib)
{
	struct apm_exec *x = &c->exec;
	u64 off, rows = 0;

	if (x->has_result) {
		statement_send(x, conn, 0, APM_STMT_MORE, x->t_last);
		x->result_index++;
		x->rows = 0;
		x->duration_ns = 0;
		x->t_start = x->t_last;
		x->t_first = 0;
		x->flags &= ~(APM_STMT_ERROR | APM_STMT_COPY);
	}
	x->has_result = 1;
	if (lib_off(lib, APM_OFF_PG_RES_NTUPLES, &off))
		rows = read_u32(result + off);
	if (!rows && !x->rows && status == 1 && lib_off(lib, APM_OFF_PG_RES_CMD, &off))
		rows = command_rows(t, result + off);
	x->rows += rows;
	if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE || status == PGRES_PIPELINE_ABORTED) {
		x->flags |= APM_STMT_ERROR;
		result_error(result, lib, x->seq);
	}
}

static __always_inline void result_of_status(struct apm_thread *t, struct apm_conn *c, u64 conn, u64 result,
					     u32 status, const struct apm_lib *lib)
{
	u64 off;

	switch (status) {
	case PGRES_SINGLE_TUPLE:
	case PGRES_TUPLES_CHUNK:
		if (lib_off(lib, APM_OFF_PG_RES_NTUPLES, &off))
			c->exec.rows += read_u32(result + off);
		break;
	case PGRES_COPY_OUT:
	case PGRES_COPY_IN:
	case PGRES_COPY_BOTH:
		c->exec.flags |= APM_STMT_COPY;
		break;
	default:
		result_final(t, c, conn, result, status, lib);
	}
}

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

static __always_inline void result_returned(struct apm_thread *t, struct apm_conn *c, u64 conn, u64 result,
					    const struct apm_lib *lib)
{
	struct apm_exec *x = &c->exec;
	u64 now = bpf_ktime_get_ns(), off;
	u32 status = PGRES_FATAL_ERROR;

	if (result && lib_off(lib, APM_OFF_PG_RES_STATUS, &off))
		status = read_u32(result + off);
	if (status == PGRES_PIPELINE_SYNC) { /* stands between two statements */
		x->enter = 0;
		return;
	}
	/* Until the first result the time since the start counts as waiting for the server; then only time
	 * inside calls. */
	if (result && !x->t_first && !x->result_index)
		x->enter = x->t_start;
	exec_leave(x, now);
	if (!result) {
		if (t->sync_seq == x->seq)
			t->sync_seq = 0;
		conn_end(c, conn, 0);
		return;
	}
	if (!x->t_first)
		x->t_first = now;
	text_again(c, conn);
	result_of_status(t, c, conn, result, status, lib);
}

/* Entry of PQgetResult. Returns false when its return is of no interest: nothing was sent on this connection.
 */
static __always_inline bool libpq_PQgetResult(struct pt_regs *ctx, struct apm_thread *t, u64 cookie)
{
	u64 conn = PT_REGS_PARM1(ctx), sp = PT_REGS_SP(ctx);
	struct apm_key key = conn_key(conn);
	struct apm_conn *c = bpf_map_lookup_elem(&conns, &key);
	struct apm_call *call;

	if (!c || !c->exec.seq)
		return false;
	calls_unwind_entry(t, sp);
	call = call_push(t);
	if (!call)
		return false;
	c->exec.enter = bpf_ktime_get_ns();
	c->exec.calls++;
	call->sp = sp;
	call->obj = conn;
	call->seq = c->exec.seq;
	call->symbol = SYM_PQgetResult;
	call->lib_id = APM_COOKIE_LIB(cookie);
	return true;
}

static __always_inline int libpq_PQgetResult_ret(struct pt_regs *ctx, u64 cookie)
{
	struct apm_thread *t = thread_find();
	struct apm_call *call;
	struct apm_lib *lib;
	struct apm_conn *c;
	struct apm_key key;
	u32 lib_id;
	u64 seq;

	if (!t)
		return 0;
	calls_unwind_return(t, PT_REGS_SP(ctx));
	call = call_returning(t, PT_REGS_SP(ctx));
	if (!call || call->symbol != SYM_PQgetResult)
		return 0;
	lib_id = call->lib_id;
	key = conn_key(call->obj);
	seq = call->seq;
	call_pop(t);
	lib = bpf_map_lookup_elem(&libs, &lib_id);
	c = bpf_map_lookup_elem(&conns, &key);
	if (lib && c && c->exec.seq == seq)
		result_returned(t, c, key.ptr, PT_REGS_RC(ctx), lib);
	return 0;
}

static __always_inline int libpq_PQfinish(struct pt_regs *ctx)
{
	struct apm_key key = conn_key(PT_REGS_PARM1(ctx));
	struct apm_conn *c = bpf_map_lookup_elem(&conns, &key);
	struct apm_ev_close *e;
	u32 i;

	if (!c)
		return 0;
	for (i = 0; i < QUEUE_DRAIN_MAX && c->exec.seq; i++)
		conn_end(c, key.ptr, APM_STMT_NO_RETURN);
	e = event_reserve(struct apm_ev_close, 0);
	if (e) {
		event_header(&e->hdr, APM_EV_CLOSE, sizeof(*e), 0);
		e->handle = key.ptr;
		e->handle_kind = APM_HANDLE_CONN;
		e->conn_gen = c->gen;
		event_submit(e);
	}
	bpf_map_delete_elem(&conns, &key);
	return 0;
}

/* Returns true when the return of this call is wanted. */
static __always_inline bool libpq_enter(struct pt_regs *ctx, u64 cookie)
{
	u32 lib_id = APM_COOKIE_LIB(cookie);
	struct apm_thread *t = thread_enter();
	struct apm_lib *lib;

	if (!t)
		return false;
	lib = bpf_map_lookup_elem(&libs, &lib_id);
	if (!lib)
		return false;
	switch (APM_COOKIE_SYMBOL(cookie)) {
	case SYM_PQsendQuery:
		libpq_PQsendQuery(ctx, t, cookie, lib);
		break;
	case SYM_PQsendQueryParams:
		libpq_PQsendQueryParams(ctx, t, cookie, lib);
		break;
	case SYM_PQsendPrepare:
		libpq_PQsendPrepare(ctx, t, cookie, lib);
		break;
	case SYM_PQsendQueryPrepared:
		libpq_PQsendQueryPrepared(ctx, t, cookie, lib);
		break;
	case SYM_PQsendDescribePrepared:
	case SYM_PQsendDescribePortal:
		libpq_PQsendDescribe(ctx, t, cookie, lib);
		break;
	case SYM_PQgetResult:
		return libpq_PQgetResult(ctx, t, cookie);
	case SYM_PQfinish:
		libpq_PQfinish(ctx);
		break;
	}
	return false;
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
	return libpq_PQgetResult_ret(ctx, attach_cookie(ctx));
}

SEC("uprobe.multi")
int libpq_session(struct pt_regs *ctx)
{
	u64 cookie = attach_cookie(ctx);

	stay_on_task_stack(ctx);
	if (session_phase(ctx))
		return libpq_PQgetResult_ret(ctx, cookie);
	return libpq_enter(ctx, cookie) ? 0 : 1;
}
