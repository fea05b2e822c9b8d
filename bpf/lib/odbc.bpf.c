// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * unixODBC. A statement begins in SQLExecDirect or SQLExecute and ends when its handle is used for another,
 * closed or freed: only then is it known that no further rows or results are asked for. A driver that itself
 * calls a library that is probed has its statements counted there: once a statement has begun inside a call
 * on a handle, that handle counts nothing of its own. Rows are those that SQLFetch returned one by one, or
 * what SQLRowCount said; else they are not known.
 */
#include "probe.bpf.h"
#include "lib/odbc.h"

enum { APM_ODBC_SYMBOLS(APM_SYMBOL_NUMBER) };

/* sql.h, sqlext.h (the standard's) */
#define SQL_NTS			(-3)
#define SQL_ERROR		(-1)
#define SQL_SUCCESS_WITH_INFO	1
#define SQL_NO_DATA		100
#define SQL_HANDLE_DBC		2
#define SQL_HANDLE_STMT		3
#define SQL_DROP		1
#define SQL_CLOSE		0
#define SQL_ATTR_ROW_ARRAY_SIZE 27
#define SQL_FETCH_NEXT		1

/* struct apm_handle.mark: what is known of the rows of a statement handle */
#define ROWS_SINGLE  1 /* its allocation was seen, and it fetches one row at a time */
#define ROWS_FETCHED 2 /* this execution has fetched */

/* Handles are kept apart from objects of the driver's client library, which may get their addresses. */
#define HANDLE_TAG 1

#define WIDE_UNITS  (APM_PARAM_BYTES / 2)
#define WIDE_CHUNKS 512 /* 64 Ki characters */
#define WIDE_ENDS   0x1000

/* ---- texts of two-byte characters ---- */

/*
 * How many of the characters at `ptr` come before a NUL, at most WIDE_UNITS and not past the page, with WIDE_ENDS
 * when the NUL was seen; -1 when they cannot be read. A global function, so that the verifier sees its loop once.
 */
__noinline int odbc_wide_chunk(u64 ptr)
{
	struct apm_thread *t = thread_find();
	u32 left = (4096 - (ptr & 4095)) / 2, n = WIDE_UNITS, i;

	if (!t)
		return -1;
	if (n > left)
		n = left;
	barrier_var(n); /* or older verifiers see the bound of a copy only */
	if (n > WIDE_UNITS)
		n = WIDE_UNITS;
	if (bpf_probe_read_user(t->scratch, n * 2, (void *)ptr))
		return -1;
	for (i = 0; i < WIDE_UNITS; i++) {
		if (i >= n || !((u16 *)t->scratch)[i])
			break;
	}
	return i < n ? i | WIDE_ENDS : i;
}

/* Bytes of a text that ends at its NUL; 0 when it cannot be read. */
__noinline u32 odbc_wide_length(u64 ptr)
{
	u32 len = 0, i;

	for (i = 0; i < WIDE_CHUNKS; i++) {
		int n = odbc_wide_chunk(ptr + len);

		if (n < 0)
			return 0;
		len += (n & (WIDE_ENDS - 1)) * 2;
		if (n & WIDE_ENDS)
			break;
	}
	return len;
}

static __noinline bool text_read_now(u64 text_id, u64 db, u64 ptr, s32 len, bool wide)
{
	struct text_source src = {
		.text_id = text_id,
		.conn = db,
		.ptr = ptr,
		.len = len < 0 ? TEXT_LEN_UNKNOWN : len,
		.system = APM_SYSTEM_UNKNOWN,
	};

	if (wide) {
		src.flags = APM_TEXT_UTF16;
		src.len = len < 0 ? (s32)odbc_wide_length(ptr) : len * 2;
		if (!src.len)
			return false;
	}
	return text_send(&src) >= 0;
}

/* ---- statements ---- */

/* The handle is used for something else. */
static __noinline int stmt_leave(struct apm_handle *h, u64 stmt)
{
	if (!h->exec.seq)
		return 0;
	statement_send(&h->exec, h->db, stmt, h->exec.t_first ? 0 : APM_STMT_NO_RETURN, bpf_ktime_get_ns());
	h->mark &= ROWS_SINGLE;
	h->exec.seq = 0;
	h->exec.enter = 0;
	return 0;
}

static __always_inline void stmt_forget(u64 stmt)
{
	struct apm_handle *h = handle_find(stmt);

	if (!h)
		return;
	stmt_leave(h, stmt);
	handle_forget(stmt);
}

/* Remembers the call; NULL when it is made by the manager, or by a driver, inside another one. */
static __always_inline struct apm_call *outer_begin(const struct probe *p, u64 obj)
{
	struct apm_call *call = &p->t->outer;
	u64 sp = PT_REGS_SP(p->ctx);

	if (call->sp > sp)
		return NULL;
	if (call->sp)
		count(APM_CNT_NO_RETURN); /* left by longjmp */
	call->sp = sp;
	call->obj = obj;
	call->seq = 0;
	call->symbol = probe_symbol(p);
	call->lib_id = APM_COOKIE_LIB(p->cookie);
	return call;
}

/* SQLExecDirect(stmt, text, length), SQLExecute(stmt) */
static __always_inline void execute_enter(const struct probe *p)
{
	u64 stmt = PT_REGS_PARM1(p->ctx) | HANDLE_TAG, text = PT_REGS_PARM2(p->ctx), prepared;
	struct apm_handle *h = handle_get(stmt);
	s32 len = (s32)PT_REGS_PARM3(p->ctx);
	u32 symbol = probe_symbol(p), gen;
	struct apm_call *call;
	bool inside;

	if (!h || h->inside)
		return;
	call = outer_begin(p, stmt);
	if (!call)
		return;
	stmt_leave(h, stmt);
	prepared = h->exec.text_id;
	gen = h->exec.conn_gen;
	exec_start(p->t, &h->exec, bpf_ktime_get_ns(), APM_SYSTEM_UNKNOWN, p->lib->lib_id);
	h->exec.conn_gen = gen;
	h->exec.flags = APM_STMT_ROWS_UNKNOWN;
	h->exec.call_site = probe_call_site(p, &inside);
	call->seq = h->exec.seq;
	p->t->outer_started = p->t->started;
	if (symbol == SYM_SQLExecute) {
		h->exec.text_id = prepared;
		h->exec.flags |= prepared ? APM_STMT_PREPARED : APM_STMT_PREPARED | APM_STMT_TEXT_UNKNOWN;
		return;
	}
	h->exec.text_id = h->exec.seq;
	call->arg[0] = text;
	call->arg[1] = (u32)len;
	h->text_known = text_read_now(h->exec.seq, h->db, text, len, symbol == SYM_SQLExecDirectW);
}

static __always_inline void prepare_enter(const struct probe *p)
{
	u64 stmt = PT_REGS_PARM1(p->ctx) | HANDLE_TAG, text = PT_REGS_PARM2(p->ctx);
	struct apm_handle *h = handle_get(stmt);
	s32 len = (s32)PT_REGS_PARM3(p->ctx);
	struct apm_call *call;

	if (!h || h->inside)
		return;
	call = outer_begin(p, stmt);
	if (!call)
		return;
	stmt_leave(h, stmt);
	call->enter = bpf_ktime_get_ns();
	call->seq = seq_make(call->enter);
	p->t->outer_started = p->t->started;
	h->exec.text_id = call->seq;
	call->arg[0] = text;
	call->arg[1] = (u32)len;
	h->text_known = text_read_now(call->seq, h->db, text, len, probe_symbol(p) == SYM_SQLPrepareW);
}

/* A call for the execution that is open on a handle. */
static __always_inline void open_enter(const struct probe *p)
{
	u64 stmt = PT_REGS_PARM1(p->ctx) | HANDLE_TAG, arg = PT_REGS_PARM2(p->ctx);
	struct apm_handle *h = handle_find(stmt);
	struct apm_call *call;

	if (!h || h->inside || !h->exec.seq)
		return;
	call = outer_begin(p, stmt);
	if (!call)
		return;
	call->seq = h->exec.seq;
	call->arg[0] = arg;
	p->t->outer_started = p->t->started;
	h->exec.enter = bpf_ktime_get_ns();
	h->exec.calls++;
	if (call->symbol == SYM_SQLFetchScroll && (s16)arg != SQL_FETCH_NEXT)
		h->mark &= ~ROWS_SINGLE; /* a row may be fetched again */
}

/* SQLSetStmtAttr(stmt, attribute, value, length), SQLExtendedFetch(stmt, …): several rows at once. */
static __always_inline void attribute_enter(const struct probe *p)
{
	u64 stmt = PT_REGS_PARM1(p->ctx) | HANDLE_TAG, value = PT_REGS_PARM3(p->ctx);
	struct apm_handle *h = handle_find(stmt);

	if (h && (probe_symbol(p) == SYM_SQLExtendedFetch ||
		  ((s32)PT_REGS_PARM2(p->ctx) == SQL_ATTR_ROW_ARRAY_SIZE && value != 1)))
		h->mark &= ~ROWS_SINGLE;
}

/* SQLAllocHandle(type, object, &handle), SQLAllocStmt(connection, &stmt) */
static __always_inline void alloc_enter(const struct probe *p)
{
	u64 first = PT_REGS_PARM1(p->ctx), second = PT_REGS_PARM2(p->ctx), third = PT_REGS_PARM3(p->ctx);
	bool any = probe_symbol(p) == SYM_SQLAllocHandle;
	struct apm_call *call;

	barrier_var(second); /* or the compiler picks a register's address in the context first */
	barrier_var(third);
	if (any && (s16)first != SQL_HANDLE_STMT)
		return;
	call = outer_begin(p, 0);
	if (!call)
		return;
	call->arg[0] = any ? third : second;
	call->arg[1] = any ? second : first;
}

/* SQLGetDiagRec(type, handle, record, state, &native, message, …), SQLError(env, conn, stmt, the same …): of
 * a statement that has failed. */
static __always_inline void diagnosis_enter(const struct probe *p)
{
	u32 symbol = probe_symbol(p);
	bool old = symbol == SYM_SQLError || symbol == SYM_SQLErrorW;
	u64 second = PT_REGS_PARM2(p->ctx), third = PT_REGS_PARM3(p->ctx), stmt;
	struct apm_handle *h;
	struct apm_call *call;

	barrier_var(second); /* or the compiler picks a register's address in the context first */
	barrier_var(third);
	stmt = (old ? third : second) | HANDLE_TAG;
	h = handle_find(stmt);
	if (!h || !h->exec.seq || !(h->exec.flags & APM_STMT_ERROR) ||
	    (!old && (s16)PT_REGS_PARM1(p->ctx) != SQL_HANDLE_STMT))
		return;
	call = outer_begin(p, stmt);
	if (!call)
		return;
	call->seq = h->exec.seq;
	call->arg[0] = PT_REGS_PARM4(p->ctx);
	call->arg[1] = PT_REGS_PARM6(p->ctx);
}

/* ---- returns ---- */

/* Characters below 128 of a text of two-byte characters, which are all of a
 * SQLSTATE and most of a message. */
static __always_inline u32 narrow(struct apm_thread *t, char *to, u64 ptr, u32 room)
{
	int n = odbc_wide_chunk(ptr);
	u32 count = n < 0 ? 0 : n & (WIDE_ENDS - 1), i;

	for (i = 0; i < WIDE_UNITS; i++) {
		u16 unit = ((u16 *)t->scratch)[i];

		if (i >= count || i >= room)
			break;
		to[i] = unit < 128 ? unit : '?';
	}
	return i;
}

static __always_inline int diagnosis_returned(struct apm_thread *t, const struct apm_call *call,
					      const struct apm_lib *lib, struct apm_handle *h)
{
	bool wide = call->symbol == SYM_SQLGetDiagRecW || call->symbol == SYM_SQLErrorW;
	struct apm_ev_error *e = error_event(call->seq, 0, lib);

	if (!e)
		return 0;
	if (wide) {
		narrow(t, e->sqlstate, call->arg[0], sizeof(e->sqlstate) - 1);
		e->size = narrow(t, e->message, call->arg[1], WIDE_UNITS);
	} else {
		bpf_probe_read_user_str(e->sqlstate, sizeof(e->sqlstate), (void *)call->arg[0]);
		error_message(e, call->arg[1]);
	}
	event_submit(e);
	stmt_leave(h, call->obj);
	return 0;
}

static __always_inline void prepare_failed(struct apm_thread *t, const struct apm_call *call,
					   struct apm_handle *h)
{
	u32 gen = h->exec.conn_gen;

	exec_start(t, &h->exec, call->enter, APM_SYSTEM_UNKNOWN, call->lib_id);
	h->exec.conn_gen = gen;
	h->exec.seq = h->exec.text_id = call->seq;
	h->exec.flags = APM_STMT_ERROR | APM_STMT_PREPARE_FAILED;
	h->exec.enter = call->enter;
	exec_leave(&h->exec, bpf_ktime_get_ns());
	h->exec.t_first = h->exec.t_last;
}

/* One result is over, and another one begins. */
static __always_inline void next_result(struct apm_handle *h, u64 stmt, u64 now)
{
	struct apm_exec *x = &h->exec;
	u64 entered = x->enter;

	statement_send(x, h->db, stmt, APM_STMT_MORE, now);
	h->mark &= ROWS_SINGLE;
	x->flags |= APM_STMT_ROWS_UNKNOWN;
	x->result_index++;
	x->rows = 0;
	x->duration_ns = 0;
	x->t_start = entered;
	x->t_first = now;
}

/* SQLFetch has returned a row or none, or SQLRowCount a number of them (-1: not known). */
static __noinline int rows_returned(const struct apm_call *call, struct apm_handle *h, s32 rc)
{
	bool fetch = call->symbol != SYM_SQLRowCount, ok = rc == 0 || rc == SQL_SUCCESS_WITH_INFO;
	s64 rows = ok && !fetch ? read_u64(call->arg[0]) : -1;

	if (fetch && h->mark & ROWS_SINGLE && (ok || rc == SQL_NO_DATA))
		rows = (h->mark & ROWS_FETCHED ? h->exec.rows : 0) + ok;
	else if (h->mark & ROWS_FETCHED)
		return 0;
	if (fetch)
		h->mark |= ROWS_FETCHED;
	if (rows < 0)
		return 0;
	h->exec.rows = rows;
	h->exec.flags &= ~APM_STMT_ROWS_UNKNOWN;
	return 0;
}

static __always_inline void open_returned(const struct apm_call *call, struct apm_handle *h, s32 rc)
{
	u64 now = bpf_ktime_get_ns(), stmt = call->obj;

	if (call->symbol == SYM_SQLMoreResults && rc != SQL_NO_DATA)
		next_result(h, stmt, now);
	exec_leave(&h->exec, now);
	if (!h->exec.t_first)
		h->exec.t_first = now;
	if (call->symbol == SYM_SQLFetch || call->symbol == SYM_SQLFetchScroll ||
	    call->symbol == SYM_SQLRowCount)
		rows_returned(call, h, rc);
	else if (rc == SQL_ERROR || rc == SQL_NO_DATA)
		h->exec.flags &= ~APM_STMT_ROWS_UNKNOWN;
	if (rc == SQL_ERROR && call->symbol != SYM_SQLRowCount)
		h->exec.flags |= APM_STMT_ERROR; /* sent when its diagnosis has been asked for */
	if (call->symbol == SYM_SQLMoreResults && rc == SQL_NO_DATA)
		stmt_leave(h, stmt);
}

static __always_inline void text_again(const struct apm_call *call, struct apm_handle *h)
{
	bool wide = call->symbol == SYM_SQLExecDirectW || call->symbol == SYM_SQLPrepareW;

	if (h->text_known || call->symbol > SYM_SQLPrepareW)
		return;
	h->text_known = text_read_now(call->seq, h->db, call->arg[0], (s32)call->arg[1], wide);
	if (!h->text_known)
		count(APM_CNT_UNREADABLE_TEXT);
}

static __noinline int stmt_returned(struct apm_thread *t, const struct apm_call *call,
				    const struct apm_lib *lib, s32 rc)
{
	struct apm_handle *h = handle_find(call->obj);
	struct apm_conn *c;

	if (!h)
		return 0;
	if (call->symbol >= SYM_SQLGetDiagRec) {
		if (h->exec.seq == call->seq && (rc == 0 || rc == SQL_SUCCESS_WITH_INFO))
			diagnosis_returned(t, call, lib, h);
		return 0;
	}
	if (t->started != t->outer_started) {
		h->inside = 1;
		h->exec.seq = 0;
		c = conn_find(h->db);
		if (c)
			c->op = APM_OP_ELSEWHERE;
		return 0;
	}
	text_again(call, h);
	if (call->symbol == SYM_SQLPrepare || call->symbol == SYM_SQLPrepareW) {
		if (rc == SQL_ERROR)
			prepare_failed(t, call, h);
	} else if (h->exec.seq == call->seq) {
		open_returned(call, h, rc);
	}
	return 0;
}

static __always_inline void alloc_returned(const struct apm_call *call, const struct apm_lib *lib, s32 rc)
{
	u64 stmt = read_u64(call->arg[0]), db = call->arg[1] | HANDLE_TAG;
	struct apm_ev_conn *e;
	struct apm_handle *h;
	struct apm_conn *c;

	if (rc < 0 || rc > SQL_SUCCESS_WITH_INFO || !stmt)
		return;
	stmt |= HANDLE_TAG;
	stmt_forget(stmt);
	h = handle_get(stmt);
	if (!h)
		return;
	h->db = db;
	h->mark = ROWS_SINGLE;
	c = conn_find(db);
	if (!c) {
		c = conn_add(db);
		e = c ? conn_event(db, lib, c->gen) : NULL;
		if (e)
			event_submit(e);
	}
	if (!c)
		return;
	h->exec.conn_gen = c->gen;
	h->inside = c->op == APM_OP_ELSEWHERE;
}

/* ---- programs ---- */

static __always_inline void free_enter(const struct probe *p)
{
	u64 first = PT_REGS_PARM1(p->ctx), second = PT_REGS_PARM2(p->ctx);
	u32 symbol = probe_symbol(p);
	u64 stmt = first | HANDLE_TAG, object = second | HANDLE_TAG;
	struct apm_handle *h;
	struct apm_conn *c;

	if (symbol == SYM_SQLFreeHandle) {
		if ((s16)first == SQL_HANDLE_STMT)
			stmt_forget(object);
		c = (s16)first == SQL_HANDLE_DBC ? conn_find(object) : NULL;
		if (c)
			conn_retire(object, c->gen);
		return;
	}
	if (symbol == SYM_SQLFreeStmt && (u16)second == SQL_DROP) {
		stmt_forget(stmt);
		return;
	}
	h = symbol == SYM_SQLCloseCursor || (u16)second == SQL_CLOSE ? handle_find(stmt) : NULL;
	if (h)
		stmt_leave(h, stmt);
}

/* Returns true when the return of this call is wanted. */
static __always_inline bool odbc_enter(struct pt_regs *ctx)
{
	struct probe p;

	if (!probe_enter(&p, ctx))
		return false;
	switch (probe_symbol(&p)) {
	case SYM_SQLExecDirect:
	case SYM_SQLExecDirectW:
	case SYM_SQLExecute:
		execute_enter(&p);
		break;
	case SYM_SQLPrepare:
	case SYM_SQLPrepareW:
		prepare_enter(&p);
		break;
	case SYM_SQLParamData:
	case SYM_SQLFetch:
	case SYM_SQLFetchScroll:
	case SYM_SQLMoreResults:
	case SYM_SQLRowCount:
		open_enter(&p);
		break;
	case SYM_SQLExtendedFetch:
	case SYM_SQLSetStmtAttr:
	case SYM_SQLSetStmtAttrW:
		attribute_enter(&p);
		break;
	case SYM_SQLAllocHandle:
	case SYM_SQLAllocStmt:
		alloc_enter(&p);
		break;
	case SYM_SQLFreeHandle:
	case SYM_SQLFreeStmt:
	case SYM_SQLCloseCursor:
		free_enter(&p);
		break;
	default:
		diagnosis_enter(&p);
	}
	return p.t->outer.sp == PT_REGS_SP(ctx);
}

static __noinline int odbc_leave(struct pt_regs *ctx)
{
	struct apm_thread *t = thread_find();
	s32 rc = (s16)PT_REGS_RC(ctx);
	struct apm_call *call;
	struct apm_lib *lib;
	u32 lib_id;

	if (!t || !t->outer.sp || t->outer.sp + APM_RETURN_SLOT != PT_REGS_SP(ctx))
		return 0;
	call = &t->outer;
	call->sp = 0;
	lib_id = call->lib_id;
	lib = bpf_map_lookup_elem(&libs, &lib_id);
	if (!lib)
		return 0;
	if (call->symbol == SYM_SQLAllocHandle || call->symbol == SYM_SQLAllocStmt)
		alloc_returned(call, lib, rc);
	else
		stmt_returned(t, call, lib, rc);
	return 0;
}

SEC("uprobe.multi")
int odbc_entry(struct pt_regs *ctx)
{
	stay_on_task_stack(ctx);
	odbc_enter(ctx);
	return 0;
}

SEC("uprobe.multi")
int odbc_return(struct pt_regs *ctx)
{
	stay_on_task_stack(ctx);
	return odbc_leave(ctx);
}

SEC("uprobe.multi")
int odbc_session(struct pt_regs *ctx)
{
	stay_on_task_stack(ctx);
	if (session_phase(ctx))
		return odbc_leave(ctx);
	return odbc_enter(ctx) ? 0 : 1;
}
