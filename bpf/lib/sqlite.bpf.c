// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * SQLite, by the steps; whole executions are in sqlite_exec.bpf.h. sqlite3_step does the work of an execution in one or many calls; the statement handle holds the
 * text, the bound values and whether rows remain, so nothing but step has to be probed while a statement
 * runs. An execution that is given up between rows (sqlite3_reset) is noticed at the next step of that
 * handle, whose state is then "ready", not "run". Struct offsets come from the library's own accessors,
 * decoded when it is attached (user/collect/lib_sqlite.c).
 */
#include "lib/sqlite_exec.bpf.h"

/* ---- sqlite3_step ---- */

static __always_inline enum hit step_enter(const struct probe *p)
{
	u64 stmt = PT_REGS_PARM1(p->ctx), site = 0, now;
	bool inside = false, site_read;
	struct apm_thread *t = p->t;
	struct apm_handle *h = handle_find(stmt);
	struct stmt_view v;
	struct apm_call *call;

	if (p->lib->set == APM_LITE_EXECUTIONS)
		return HIT_ENTRY; /* those probes begin statements now, and end what this one began */
	if (!stmt_read(stmt, p->lib, &v))
		return HIT_CALL;
	if (h && is_new(h, &v, p->lib)) {
		h->text_known = 0;
		h->runs = 0;
	}
	site_read = site_wanted(t, h);
	if (site_read)
		site = probe_call_site(p, &inside);
	if (t->depth && inside)
		return HIT_CALL; /* SQLite's own: schema reading, virtual tables, foreign keys */
	if (!h)
		h = handle_add(stmt);
	if (!h)
		return HIT_CALL;
	call = call_begin(p, stmt, 0);
	if (!call)
		return HIT_CALL;
	now = bpf_ktime_get_ns();
	if (h->exec.seq && !v.rows_remain)
		execution_end(h, stmt, 0, now);
	if (h->exec.seq) {
		h->exec.enter = now;
		h->exec.calls++;
	} else {
		if (site_read)
			h->inside = inside;
		execution_start(t, h, &v, p->lib, site, now);
		if (t->depth > 1)
			h->exec.flags |= APM_STMT_NESTED;
	}
	call->seq = h->exec.seq;
	return HIT_STATEMENT;
}

static __always_inline void step_return(const struct apm_call *call, s32 rc, const struct apm_lib *lib)
{
	struct apm_handle *h = handle_find(call->obj);
	struct apm_exec *x;
	u64 now;

	if (!h || h->exec.seq != call->seq)
		return;
	x = &h->exec;
	now = bpf_ktime_get_ns();
	exec_leave(x, now);
	text_late(h);
	if (!x->t_first)
		x->t_first = now;
	if (rc == SQLITE_ROW) {
		x->rows++;
		return;
	}
	if (rc != SQLITE_DONE) {
		x->flags |= APM_STMT_ERROR;
		db_error(h->db, lib, x->seq, rc);
	} else if (!x->rows) {
		changed_rows(h, lib);
	}
	execution_end(h, call->obj, 0, now);
}

/* ---- sqlite3_prepare*: only a failure is of interest, the text of a success is in the handle ---- */

static __always_inline void prepare_enter(const struct probe *p)
{
	u64 now = bpf_ktime_get_ns();
	struct apm_call *call;

	if (p->t->depth)
		return;
	call = call_begin(p, PT_REGS_PARM1(p->ctx), 0); /* no statement yet: CPU samples are not of one */
	if (!call)
		return;
	call->arg[0] = PT_REGS_PARM2(p->ctx);
	call->arg[1] = PT_REGS_PARM3(p->ctx);
	call->enter = now;
	if (probe_symbol(p) == SYM_sqlite3LockAndPrepare && PT_REGS_PARM5(p->ctx)) {
		call->arg[0] = 0; /* compiled again, inside sqlite3_step */
		call->arg[1] = PT_REGS_PARM5(p->ctx);
	}
}

/* By itself: with what sends the rest there would be too much on the stack. */
static __always_inline void prepare_text(struct text_source *src)
{
	if (text_send(src) < 0)
		count(APM_CNT_UNREADABLE_TEXT);
}

static __noinline int prepare_report(struct apm_thread *t, const struct apm_lib *lib,
				     const struct text_source *src, s32 rc, u64 start)
{
	struct apm_exec x;

	db_seen(src->conn, lib);
	exec_start(t, &x, start, APM_SYSTEM_SQLITE, lib->lib_id);
	x.seq = src->text_id;
	x.text_id = src->text_id;
	x.wait_ns = t->slept_ns;
	exec_leave(&x, bpf_ktime_get_ns());
	db_error(src->conn, lib, x.seq, rc);
	statement_send(&x, src->conn, 0, APM_STMT_ERROR | APM_STMT_PREPARE_FAILED, x.t_last);
	t->slept_ns = 0;
	return 0;
}

static __always_inline void prepare_failed(const struct probe *p, s32 rc)
{
	const struct apm_call *call = p->call;
	struct text_source src = {
		.text_id = seq_make(call->enter),
		.conn = call->obj,
		.ptr = call->arg[0],
		.len = (s32)call->arg[1] < 0 ? TEXT_LEN_UNKNOWN : (s32)call->arg[1],
		.system = APM_SYSTEM_SQLITE,
	};

	if (!call->arg[0] && call->arg[1]) {
		recompilation_failed(call->arg[1], p->lib, rc);
		return;
	}
	if (db_executing(call->obj, p->lib))
		return; /* a virtual table's own */
	prepare_text(&src);
	prepare_report(p->t, p->lib, &src, rc, call->enter);
}

/*
 * At the instruction that only failures reach. When the call began is not known there: what it slept for a
 * lock is all that is known of its duration. Two codes make SQLite try again; if that fails in the same way
 * (the schema changed twice meanwhile) nobody tells.
 */
static __always_inline void prepare_failed_place(const struct probe *p)
{
	const struct apm_place *place = p->lib->place;
	u64 now = bpf_ktime_get_ns();
	s64 db, sql, bytes, code, old = 0;
	struct text_source src = {.text_id = seq_make(now), .system = APM_SYSTEM_SQLITE};

	if (p->t->depth || place_read(p->ctx, &place[APM_PLACE_LITE_DB], &db) ||
	    place_read(p->ctx, &place[APM_PLACE_LITE_SQL], &sql) ||
	    place_read(p->ctx, &place[APM_PLACE_LITE_BYTES], &bytes) ||
	    place_read(p->ctx, &place[APM_PLACE_LITE_CODE], &code))
		return;
	if (code == SQLITE_SCHEMA || code == SQLITE_ERROR_RETRY)
		return;
	place_read(p->ctx, &place[APM_PLACE_LITE_OLD], &old);
	if (old) {
		recompilation_failed(old, p->lib, (s32)code);
		return;
	}
	if (db_executing(db, p->lib))
		return; /* a virtual table's own */
	src.conn = db;
	src.ptr = sql;
	src.len = bytes < 0 ? TEXT_LEN_UNKNOWN : (s32)bytes;
	prepare_text(&src);
	prepare_report(p->t, p->lib, &src, (s32)code, now - p->t->slept_ns);
}

/* ---- connections that come ---- */

/* sqlite3_open(filename, ppDb), sqlite3_open_v2(filename, ppDb, flags, zVfs): the same where it matters. */
static __always_inline void open_enter(const struct probe *p)
{
	struct apm_call *call;

	if (p->t->depth)
		return;
	call = call_begin(p, 0, 0);
	if (!call)
		return;
	call->arg[0] = PT_REGS_PARM1(p->ctx);
	call->arg[1] = PT_REGS_PARM2(p->ctx);
}

static __always_inline void open_return(const struct apm_call *call, s32 rc, const struct apm_lib *lib)
{
	u64 db = read_u64(call->arg[1]);

	if (rc != SQLITE_OK || !db)
		return;
	conn_add(db);
	db_announce(db, lib, call->arg[0]);
}

/* ---- waiting for a lock ---- */

/* The library lays itself to sleep; how long it means to is what it will sleep at least. */
static __always_inline void busy_wait(const struct probe *p, u64 ns)
{
	const struct apm_call *call = call_top(p->t);
	s32 open = call ? -1 : open_running(p->t);
	struct apm_handle *h;
	u64 stmt = 0, seq = 0;

	if (call && call->symbol == SYM_sqlite3_step) {
		stmt = call->obj;
		seq = call->seq;
	} else if (open >= 0) {
		stmt = p->t->open[open & (APM_OPEN_MAX - 1)].stmt;
		seq = p->t->open[open & (APM_OPEN_MAX - 1)].seq;
	} else if (!call || call->symbol == SYM_sqlite3InitOne) {
		p->t->slept_ns += ns; /* sqlite3_prepare reads the schema */
	}
	h = seq ? handle_find(stmt) : NULL;
	if (h && h->exec.seq == seq)
		h->exec.wait_ns += ns;
}

/* struct timespec of nanosleep() */
static __always_inline u64 timespec_ns(u64 addr)
{
	return read_u64(addr) * 1000000000 + read_u64(addr + 8);
}

/* ---- handles and connections that go ---- */

static __always_inline void handle_gone(u64 stmt, bool finalized)
{
	struct apm_handle *h = handle_find(stmt);

	if (!h)
		return;
	if (h->exec.seq)
		execution_end(h, stmt, 0, bpf_ktime_get_ns());
	if (finalized)
		handle_forget(stmt);
}

static __always_inline void db_closed(u64 db)
{
	if (db && conn_find(db))
		conn_retire(db, 0);
}

/* ---- programs ---- */

static __always_inline enum hit sqlite_enter(const struct probe *p)
{
	switch (probe_symbol(p)) {
	case SYM_sqlite3_step:
		return step_enter(p);
	case SYM_sqlite3LockAndPrepare:
	case SYM_sqlite3_prepare:
	case SYM_sqlite3_prepare_v2:
	case SYM_sqlite3_prepare_v3:
		prepare_enter(p);
		return HIT_CALL;
	case SYM_sqlite3InitOne:
	case SYM_sqlite3VtabCallConnect:
		call_begin(p, 0, 0); /* what is called from inside the library now is its own */
		return HIT_CALL;
	case SYM_sqlite3Prepare:
		prepare_failed_place(p);
		break;
	case SYM_sqlite3_open:
	case SYM_sqlite3_open_v2:
		open_enter(p);
		return HIT_CALL;
	case SYM_sqlite3_finalize:
		handle_gone(PT_REGS_PARM1(p->ctx), true);
		break;
	case SYM_sqlite3_reset:
		handle_gone(PT_REGS_PARM1(p->ctx), false);
		break;
	case SYM_sqlite3_close:
	case SYM_sqlite3_close_v2:
		db_closed(PT_REGS_PARM1(p->ctx));
		break;
	case SYM_sqlite3Step:
		execution_begun(p);
		break;
	case SYM_sqlite3VdbeHalt:
	case SYM_sqlite3VdbeHalt_2:
	case SYM_sqlite3VdbeHalt_3:
		execution_ended(p);
		break;
	case SYM_sqlite3VdbeTransferError:
	case SYM_sqlite3VdbeTransferError_2:
	case SYM_sqlite3VdbeTransferError_3:
		execution_failed(p->t, p->lib, PT_REGS_PARM1(p->ctx));
		break;
	case SYM_usleep:
		busy_wait(p, (u32)PT_REGS_PARM1(p->ctx) * 1000ULL);
		break;
	case SYM_nanosleep:
		busy_wait(p, timespec_ns(PT_REGS_PARM1(p->ctx)));
		break;
	}
	return HIT_ENTRY;
}

static __always_inline void sqlite_leave(const struct probe *p, u64 value)
{
	s32 rc = (s32)value;

	switch (p->call->symbol) {
	case SYM_sqlite3_step:
		step_return(p->call, rc, p->lib);
		break;
	case SYM_sqlite3LockAndPrepare:
	case SYM_sqlite3_prepare:
	case SYM_sqlite3_prepare_v2:
	case SYM_sqlite3_prepare_v3:
		if (rc != SQLITE_OK)
			prepare_failed(p, rc);
		break;
	case SYM_sqlite3_open:
	case SYM_sqlite3_open_v2:
		open_return(p->call, rc, p->lib);
		break;
	}
}

LIBRARY_PROGRAMS(sqlite)
