// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * libmariadb and libmysqlclient. A statement in text begins in mysql_real_query or mysql_send_query; what
 * came back is known when mysql_real_query, mysql_read_query_result or mysql_next_result returns: rows
 * affected, or that a result set follows, which mysql_store_result fetches at once and mysql_use_result row
 * by row, until mysql_free_result. A prepared statement runs in mysql_stmt_execute. State is kept per MYSQL
 * and per MYSQL_STMT. Struct offsets come from the library's own accessors, decoded when it is attached
 * (user/collect/lib_mysql.c).
 */
#include "lib/mysql_conn.bpf.h"
#include "lib/mysql_stmt.bpf.h"

/* ---- statements in text ---- */

static __noinline int conn_end(struct apm_conn *c, u64 conn, u16 flags, u64 now)
{
	statement_send(&c->exec, conn, 0, flags, now);
	c->exec.seq = 0;
	c->exec.enter = 0;
	c->text_ptr = 0;
	c->name_id = 0;
	return 0;
}

static __always_inline void conn_failed(struct apm_conn *c, u64 conn, const struct apm_lib *lib, u64 now)
{
	error_send(conn, lib, APM_OFF_MY_ERRNO, c->exec.seq);
	conn_end(c, conn, APM_STMT_ERROR, now);
}

/* One result is complete. When the server has announced another one the statement goes on. */
static __always_inline void result_done(struct apm_conn *c, u64 conn, const struct apm_lib *lib, u64 now)
{
	if (more_results(conn, lib))
		next_result(&c->exec, conn, 0, now);
	else
		conn_end(c, conn, 0, now);
}

/* All that the program wants of an unbuffered result has been fetched. */
static __noinline int use_done(struct apm_conn *c, u64 conn, const struct apm_lib *lib)
{
	u64 now = bpf_ktime_get_ns(), off;

	exec_rows(&c->exec, lib, APM_OFF_MY_RES_ROWS, c->name_id);
	c->name_id = 0;
	exec_leave(&c->exec, now);
	if (lib_off(lib, APM_OFF_MY_ERRNO, &off) && read_u32(conn + off))
		conn_failed(c, conn, lib, now);
	else
		result_done(c, conn, lib, now);
	return 0;
}

/* A statement that is still open when the connection is used for something else: not fetched, or given up. */
static __always_inline void conn_leave(struct apm_conn *c, u64 conn, const struct apm_lib *lib)
{
	if (c->exec.seq && c->name_id && !c->text_ptr)
		use_done(c, conn, lib);
	if (c->exec.seq)
		conn_end(c, conn, c->exec.t_first ? 0 : APM_STMT_NO_RETURN, bpf_ktime_get_ns());
}

static __always_inline bool text_read_now(struct apm_conn *c, u64 conn, u64 ptr, u64 len)
{
	struct text_source src = {
		.text_id = c->exec.text_id,
		.conn = conn,
		.ptr = ptr,
		.now = c->exec.t_start,
		.len = text_length(len),
		.system = APM_SYSTEM_MYSQL,
	};

	return text_send(&src) >= 0;
}

static __always_inline void query_start(const struct probe *p, struct apm_conn *c, u64 conn, u64 text,
					u64 len)
{
	bool inside;

	conn_leave(c, conn, p->lib);
	exec_start(p->t, &c->exec, bpf_ktime_get_ns(), APM_SYSTEM_MYSQL, p->lib->lib_id);
	c->exec.conn_gen = c->gen;
	c->exec.text_id = c->exec.seq;
	if (!detail.no_sites)
		c->exec.call_site = probe_call_site(p, &inside);
	c->op = APM_OP_STATEMENT;
	c->text_ptr = 0;
	if (!text_read_now(c, conn, text, len)) {
		c->text_ptr = text;
		c->name_id = len;
	}
}

static __always_inline enum hit real_query_enter(const struct probe *p)
{
	u64 conn = PT_REGS_PARM1(p->ctx);
	struct apm_call *call = call_begin_on(p, conn);
	struct apm_conn *c;

	if (!call)
		return HIT_CALL;
	c = conn_get(conn, p->lib);
	if (!c)
		return HIT_CALL;
	query_start(p, c, conn, PT_REGS_PARM2(p->ctx), PT_REGS_PARM3(p->ctx));
	call->seq = c->exec.seq;
	return HIT_STATEMENT;
}

/* mysql_send_query(mysql, sql, len), or the jump at its end, where sql and len are other arguments. */
static __always_inline enum hit send_query_enter(const struct probe *p)
{
	u64 text = PT_REGS_PARM2(p->ctx), len = PT_REGS_PARM3(p->ctx), last = PT_REGS_PARM4(p->ctx);
	u64 conn = PT_REGS_PARM1(p->ctx);
	struct apm_call *call = call_top(p->t);
	struct apm_conn *c;

	barrier_var(text); /* or the compiler picks a register's address in the context first */
	barrier_var(len);
	barrier_var(last);
	if (p->lib->off[APM_OFF_MY_SEND_MOVED] > 0) {
		text = len;
		len = last;
	}
	if (call && call->obj == conn)
		return HIT_ENTRY; /* mysql_real_query of libmysqlclient */
	c = conn_get(conn, p->lib);
	if (!c)
		return HIT_ENTRY;
	query_start(p, c, conn, text, len);
	c->exec.flags |= APM_STMT_ASYNC;
	return HIT_STATEMENT;
}

/*
 * A later call for the statement that is open on a connection: mysql_store_result and mysql_use_result when a
 * result is there, the others when the next is waited for.
 */
static __always_inline enum hit conn_enter(const struct probe *p)
{
	u64 conn = PT_REGS_PARM1(p->ctx), now;
	struct apm_conn *c = conn_find(conn);
	u32 symbol = probe_symbol(p);
	bool fetches = symbol == SYM_mysql_store_result || symbol == SYM_mysql_use_result;
	struct apm_call *call;

	if (!c)
		return HIT_CALL;
	if (symbol == SYM_mysql_next_result && c->exec.seq && c->exec.t_first && c->name_id)
		use_done(c, conn, p->lib); /* it is freed later */
	if (!c->exec.seq || fetches != (c->exec.t_first != 0))
		return HIT_CALL;
	call = call_begin_on(p, conn);
	if (!call)
		return HIT_CALL;
	now = bpf_ktime_get_ns();
	call->seq = c->exec.seq;
	c->exec.calls++;
	/* Until the first result the time since the start counts as waiting for the server. */
	if (!c->exec.enter)
		c->exec.enter = now;
	if (c->exec.result_index && !c->exec.t_first)
		c->exec.t_start = now;
	return HIT_STATEMENT;
}

/* mysql_real_query, mysql_read_query_result and mysql_next_result: what came back is known. */
static __always_inline void header_returned(struct apm_conn *c, u64 conn, const struct apm_lib *lib, s32 rc)
{
	struct apm_exec *x = &c->exec;
	u64 now = bpf_ktime_get_ns(), off;

	exec_leave(x, now);
	x->t_first = now;
	if (c->text_ptr) {
		if (!text_read_now(c, conn, c->text_ptr, c->name_id))
			count(APM_CNT_UNREADABLE_TEXT);
		c->text_ptr = 0;
	}
	c->name_id = 0;
	if (rc) {
		conn_failed(c, conn, lib, now);
		return;
	}
	if (!lib_off(lib, APM_OFF_MY_FIELDS, &off))
		x->flags |= APM_STMT_ROWS_UNKNOWN;
	else if (read_u32(conn + off))
		return; /* rows are to be fetched */
	else
		exec_rows(x, lib, APM_OFF_MY_AFFECTED, conn);
	result_done(c, conn, lib, now);
}

static __always_inline void store_returned(struct apm_conn *c, u64 conn, const struct apm_lib *lib,
					   u64 result)
{
	u64 now = bpf_ktime_get_ns();

	exec_leave(&c->exec, now);
	if (!result) {
		conn_failed(c, conn, lib, now);
		return;
	}
	exec_rows(&c->exec, lib, APM_OFF_MY_RES_ROWS, result);
	result_done(c, conn, lib, now);
}

/* Rows of an unbuffered result are counted in it as they are fetched. Which statement it belongs to is kept
 * until mysql_free_result. */
static __always_inline void use_returned(struct apm_conn *c, u64 conn, const struct apm_lib *lib, u64 result)
{
	struct apm_handle *h;
	u64 now = bpf_ktime_get_ns();

	exec_leave(&c->exec, now);
	if (!result) {
		conn_failed(c, conn, lib, now);
		return;
	}
	h = handle_add(result);
	if (!h)
		return;
	h->db = conn;
	h->mark = c->exec.seq;
	c->name_id = result;
}

/* The statement that fetches row by row from the MYSQL_RES *h, NULL when it is over. */
static __always_inline struct apm_conn *use_conn(const struct apm_handle *h, u64 result)
{
	struct apm_conn *c = conn_find(h->db);

	return c && h->mark && c->exec.seq == h->mark && c->name_id == result ? c : NULL;
}

static __always_inline void free_result_enter(u64 result, const struct apm_lib *lib)
{
	struct apm_handle *h = handle_find(result);
	struct apm_conn *c;
	u64 conn;

	if (!h)
		return;
	conn = h->db;
	c = use_conn(h, result);
	handle_forget(result);
	if (c)
		use_done(c, conn, lib);
}

/* mysql_free_result, of a result that was not read to its end: from here on it reads the rest and throws it
 * away, which takes its time. */
static __always_inline void rest_enter(u64 result, const struct apm_lib *lib)
{
	struct apm_handle *h = handle_find(result);
	struct apm_conn *c = h ? use_conn(h, result) : NULL;
	u64 off;

	if (!c || !lib_off(lib, APM_OFF_MY_USE_STATUS, &off) || read_u32(h->db + off) != STATUS_USE_RESULT)
		return;
	if (row_waits(h->db))
		c->exec.flags |= APM_STMT_UNFETCHED;
	c->exec.enter = bpf_ktime_get_ns();
}

static __always_inline void close_enter(u64 conn, const struct apm_lib *lib)
{
	struct apm_conn *c = conn_find(conn);

	if (!c)
		return;
	conn_leave(c, conn, lib);
	conn_retire(conn, c->gen);
}

/* ---- programs ---- */

static __always_inline enum hit mysql_enter(const struct probe *p)
{
	switch (probe_symbol(p)) {
	case SYM_mysql_real_query:
		return real_query_enter(p);
	case SYM_mysql_send_query:
		return send_query_enter(p);
	case SYM_mysql_read_query_result:
	case SYM_mysql_next_result:
	case SYM_mysql_store_result:
	case SYM_mysql_use_result:
		return conn_enter(p);
	case SYM_mysql_stmt_prepare:
		prepare_enter(p);
		return HIT_CALL;
	case SYM_mysql_stmt_execute:
	case SYM_mariadb_stmt_execute_direct:
		return execute_enter(p);
	case SYM_mysql_stmt_store_result:
	case SYM_mysql_stmt_next_result:
		return stmt_later_enter(p);
	case SYM_mysql_free_result:
		free_result_enter(result_here(p), p->lib);
		break;
	case SYM_mysql_eof:
		rest_enter(result_here(p), p->lib);
		break;
	case SYM_mysql_close:
		close_enter(PT_REGS_PARM1(p->ctx), p->lib);
		break;
	case SYM_mysql_stmt_close:
		stmt_close_enter(PT_REGS_PARM1(p->ctx), p->lib);
		break;
	}
	return HIT_ENTRY;
}

/* A call on a connection has returned. */
static __noinline int conn_return(const struct apm_call *call, const struct apm_lib *lib, u64 rc)
{
	u64 conn = call->obj;
	struct apm_conn *c = conn_find(conn);

	if (!c || !call->seq || c->exec.seq != call->seq)
		return 0;
	if (call->symbol == SYM_mysql_store_result)
		store_returned(c, conn, lib, rc);
	else if (call->symbol == SYM_mysql_use_result)
		use_returned(c, conn, lib, rc);
	else
		header_returned(c, conn, lib, (s32)rc);
	return 0;
}

/* A call on a prepared statement has returned. */
static __always_inline void stmt_return(const struct probe *p, s32 rc)
{
	const struct apm_call *call = p->call;
	struct apm_handle *h = handle_find(call->obj);

	if (!h)
		return;
	if (call->symbol == SYM_mysql_stmt_prepare)
		prepare_returned(p, h, rc);
	else if (!call->seq || h->exec.seq != call->seq)
		return;
	else if (call->symbol == SYM_mysql_stmt_store_result)
		stmt_store_returned(h, call->obj, p->lib, rc);
	else
		execute_returned(h, call->obj, p->lib, rc);
}

static __always_inline void mysql_leave(const struct probe *p, u64 value)
{
	if (p->call->symbol < SYM_mysql_stmt_prepare)
		conn_return(p->call, p->lib, value);
	else
		stmt_return(p, (s32)value);
}

LIBRARY_PROGRAMS(mysql)
