/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* libmariadb and libmysqlclient: prepared statements. */
#ifndef APM_LIB_MYSQL_STMT_BPF_H
#define APM_LIB_MYSQL_STMT_BPF_H

#include "lib/mysql_conn.bpf.h"

/* ---- bound parameters ---- */

/* MYSQL_BIND (mysql.h) is filled in by the program: public, and the same in MariaDB and MySQL. */
struct bind {
	u64 length; /* points to an unsigned long; 0 = buffer_length */
	u64 is_null;
	u64 buffer;
	u64 unused0[5];
	u64 buffer_length;
	u64 unused1[3];
	u32 type;
	u8 unused2[2];
	u8 long_data;
	u8 unused3;
};
#define BIND_SIZE 112

#define MYSQL_TYPE_NULL 6

/* Bytes of a value by its enum_field_types (mysql_com.h), four bits each, and of the times, which are
 * MYSQL_TIMEs: without the padding at their end. 0 = a string, whose length the bind tells. */
#define NUMBER_SIZES \
	0x0020004800844210ULL /* 1 tiny, 2 short, 3 long, 4 float, 5 double, 8 longlong, 9 int24, 13 year */
#define TIME_TYPES 0x1c80     /* 7 timestamp, 10 date, 11 time, 12 datetime */
#define TIME_SIZE  33

static __always_inline u32 type_size(u32 type)
{
	if (type > 15)
		return 0;
	return TIME_TYPES >> type & 1 ? TIME_SIZE : NUMBER_SIZES >> type * 4 & 15;
}

static __noinline u64 bind_hash(struct apm_thread *t, u64 addr, u64 h)
{
	struct bind b;
	u32 size;

	if (bpf_probe_read_user(&b, sizeof(b), (void *)addr) || b.long_data) {
		t->partial = 1;
		return h;
	}
	if (b.type == MYSQL_TYPE_NULL || (b.is_null && read_u8(b.is_null)))
		return hash_step(h, 1);
	size = type_size(b.type);
	if (!size)
		size = b.length ? read_u64(b.length) : b.buffer_length;
	return param_hash_bytes(h, b.buffer, size);
}

static __noinline int bound_values(struct apm_thread *t, struct apm_exec *x, u64 stmt,
				   const struct apm_lib *lib)
{
	u64 count_off, params_off, params = 0, h;
	u32 n, i;

	if (!lib_off(lib, APM_OFF_MY_STMT_PARAM_COUNT, &count_off))
		return 0;
	n = read_u32(stmt + count_off);
	if (!n || params_skipped(x, n))
		return 0;
	if (lib_off(lib, APM_OFF_MY_STMT_PARAMS, &params_off))
		params = read_u64(stmt + params_off);
	t->partial = n > APM_MAX_PARAMS || !params;
	h = hash_start();
	for (i = 0; i < APM_MAX_PARAMS && params; i++) {
		if (i >= n)
			break;
		h = bind_hash(t, params + i * BIND_SIZE, h);
	}
	params_hashed(t, x, h, n);
	return 0;
}

/* ---- prepared statements ---- */

static __always_inline void stmt_end(struct apm_handle *h, u64 stmt, u16 flags, u64 now)
{
	statement_send(&h->exec, h->db, stmt, flags, now);
	h->exec.seq = 0;
	h->exec.enter = 0;
}

static __always_inline void stmt_failed(struct apm_handle *h, u64 stmt, const struct apm_lib *lib, u64 now)
{
	error_send(stmt, lib, APM_OFF_MY_STMT_ERRNO, h->exec.seq);
	stmt_end(h, stmt, APM_STMT_ERROR, now);
}

/* Rows that were not stored are counted in the handle as they are fetched. */
static __noinline int stmt_leave(struct apm_handle *h, u64 stmt, const struct apm_lib *lib)
{
	if (!h->exec.seq)
		return 0;
	exec_rows(&h->exec, lib, APM_OFF_MY_STMT_ROWS, stmt);
	stmt_end(h, stmt, h->exec.t_first ? 0 : APM_STMT_NO_RETURN, bpf_ktime_get_ns());
	return 0;
}

static __noinline int stmt_text(struct apm_handle *h, u64 text_id, u64 text, u64 len)
{
	struct text_source src = {
		.text_id = text_id,
		.conn = h->db,
		.ptr = text,
		.len = text_length(len),
		.system = APM_SYSTEM_MYSQL,
	};

	h->exec.text_id = text_id;
	h->text_known = text_send(&src) >= 0;
	return 0;
}

static __always_inline void stmt_conn(struct apm_handle *h, u64 stmt, const struct apm_lib *lib)
{
	struct apm_conn *c = NULL;
	u64 off;

	if (lib_off(lib, APM_OFF_MY_STMT_CONN, &off))
		h->db = read_u64(stmt + off);
	if (h->db)
		c = conn_get(h->db, lib);
	h->exec.conn_gen = c ? c->gen : 0;
}

static __always_inline void prepare_enter(const struct probe *p)
{
	u64 stmt = PT_REGS_PARM1(p->ctx);
	struct apm_call *call = call_begin_on(p, stmt);
	struct apm_handle *h;

	if (!call)
		return;
	call->enter = bpf_ktime_get_ns();
	call->seq = seq_make(call->enter);
	call->arg[0] = PT_REGS_PARM2(p->ctx);
	call->arg[1] = PT_REGS_PARM3(p->ctx);
	h = handle_get(stmt);
	if (!h)
		return;
	stmt_leave(h, stmt, p->lib);
	stmt_conn(h, stmt, p->lib);
	stmt_text(h, call->seq, call->arg[0], call->arg[1]);
}

static __always_inline void prepare_returned(const struct probe *p, struct apm_handle *h, s32 rc)
{
	const struct apm_call *call = p->call;
	u32 gen = h->exec.conn_gen;
	u64 now;

	if (!h->text_known) {
		stmt_text(h, call->seq, call->arg[0], call->arg[1]);
		if (!h->text_known)
			count(APM_CNT_UNREADABLE_TEXT);
	}
	if (!rc)
		return;
	now = bpf_ktime_get_ns();
	exec_start(p->t, &h->exec, call->enter, APM_SYSTEM_MYSQL, p->lib->lib_id);
	h->exec.seq = h->exec.text_id = call->seq;
	h->exec.conn_gen = gen;
	exec_leave(&h->exec, now);
	error_send(call->obj, p->lib, APM_OFF_MY_STMT_ERRNO, call->seq);
	stmt_end(h, call->obj, APM_STMT_ERROR | APM_STMT_PREPARE_FAILED, now);
}

/* mysql_stmt_execute(stmt), mariadb_stmt_execute_direct(stmt, sql, len) */
static __always_inline enum hit execute_enter(const struct probe *p)
{
	u64 stmt = PT_REGS_PARM1(p->ctx), text_id;
	struct apm_call *call = call_begin_on(p, stmt);
	struct apm_handle *h;
	bool inside;

	if (!call)
		return HIT_CALL;
	h = handle_get(stmt);
	if (!h)
		return HIT_CALL;
	stmt_leave(h, stmt, p->lib);
	text_id = h->exec.text_id;
	exec_start(p->t, &h->exec, bpf_ktime_get_ns(), APM_SYSTEM_MYSQL, p->lib->lib_id);
	call->seq = h->exec.seq;
	h->exec.text_id = text_id;
	h->exec.flags = APM_STMT_PREPARED;
	if (!detail.no_sites)
		h->exec.call_site = probe_call_site(p, &inside);
	stmt_conn(h, stmt, p->lib);
	if (probe_symbol(p) == SYM_mariadb_stmt_execute_direct)
		stmt_text(h, h->exec.seq, PT_REGS_PARM2(p->ctx), PT_REGS_PARM3(p->ctx));
	else if (!text_id)
		h->exec.flags |= APM_STMT_TEXT_UNKNOWN;
	bound_values(p->t, &h->exec, stmt, p->lib);
	return HIT_STATEMENT;
}

/* One result is complete. A procedure may have more: mysql_stmt_next_result asks for them. */
static __always_inline void stmt_result_done(struct apm_handle *h, u64 stmt, const struct apm_lib *lib,
					     u64 now)
{
	if (h->db && more_results(h->db, lib))
		next_result(&h->exec, h->db, stmt, now);
	else
		stmt_end(h, stmt, 0, now);
}

/* What has come is known: of mysql_stmt_execute, and of mysql_stmt_next_result. */
static __always_inline void execute_returned(struct apm_handle *h, u64 stmt, const struct apm_lib *lib,
					     s32 rc)
{
	u64 now = bpf_ktime_get_ns(), off;

	exec_leave(&h->exec, now);
	h->exec.t_first = now;
	if (rc) {
		stmt_failed(h, stmt, lib, now);
		return;
	}
	if (!lib_off(lib, APM_OFF_MY_STMT_FIELDS, &off))
		h->exec.flags |= APM_STMT_ROWS_UNKNOWN;
	else if (read_u32(stmt + off))
		return; /* rows are to be fetched */
	else
		exec_rows(&h->exec, lib, APM_OFF_MY_STMT_AFFECTED, stmt);
	stmt_result_done(h, stmt, lib, now);
}

/* mysql_stmt_store_result(stmt), mysql_stmt_next_result(stmt) */
static __always_inline enum hit stmt_later_enter(const struct probe *p)
{
	u64 stmt = PT_REGS_PARM1(p->ctx);
	struct apm_handle *h = handle_find(stmt);
	struct apm_call *call;

	if (!h || !h->exec.seq)
		return HIT_CALL;
	call = call_begin_on(p, stmt);
	if (!call)
		return HIT_CALL;
	call->seq = h->exec.seq;
	if (call->symbol == SYM_mysql_stmt_next_result && h->exec.t_first) { /* its rows were not stored */
		exec_rows(&h->exec, p->lib, APM_OFF_MY_STMT_ROWS, stmt);
		next_result(&h->exec, h->db, stmt, bpf_ktime_get_ns());
	}
	h->exec.calls++;
	h->exec.enter = bpf_ktime_get_ns();
	return HIT_STATEMENT;
}

static __always_inline void stmt_store_returned(struct apm_handle *h, u64 stmt, const struct apm_lib *lib,
						s32 rc)
{
	u64 now = bpf_ktime_get_ns();

	exec_leave(&h->exec, now);
	if (rc) {
		stmt_failed(h, stmt, lib, now);
		return;
	}
	exec_rows(&h->exec, lib, APM_OFF_MY_STMT_ROWS, stmt);
	stmt_result_done(h, stmt, lib, now);
}

static __always_inline void stmt_close_enter(u64 stmt, const struct apm_lib *lib)
{
	struct apm_handle *h = handle_find(stmt);

	if (!h)
		return;
	stmt_leave(h, stmt, lib);
	handle_forget(stmt);
}

#endif
