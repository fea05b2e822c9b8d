/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SQLite, by whole executions: one probe where an execution has begun and one where it has ended, none for its rows. The
 * statement tells at its end how many rows it returned, and with what code. What is not known is the time that the program
 * took between rows: it is part of the duration then (APM_STMT_ELAPSED). No call is kept on the thread's stack of calls;
 * whether SQLite is executing on a connection, so that what is called now is its own, is a number in the connection.
 */
#ifndef APM_SQLITE_EXEC_BPF_H
#define APM_SQLITE_EXEC_BPF_H

#include "place.bpf.h"
#include "working.bpf.h"
#include "lib/sqlite_stmt.bpf.h"

enum { APM_SQLITE_SYMBOLS(APM_SYMBOL_NUMBER) };

/* vdbeInt.h since 3.38: the state before that of STATE_RUN, "ready to run but not yet started" */
#define BEFORE_RUN 1

/* How many statements of the connection execute, one inside the other; 0 also where that is not known. */
static __always_inline s32 db_executing(u64 db, const struct apm_lib *lib)
{
	u64 off;

	return lib_off(lib, APM_OFF_LITE_DB_EXECUTING, &off) ? (s32)read_u32(db + off) : 0;
}

/* ---- executions that have not ended ---- */

static __noinline int open_forget(struct apm_thread *t, u64 stmt)
{
	u32 i;

	for (i = 0; i < APM_OPEN_MAX; i++)
		if (t->open[i].stmt == stmt)
			t->open[i].seq = 0;
	return 0;
}

/* In place of the oldest, if there are many: samples of that one are not matched then. */
static __noinline int open_add(struct apm_thread *t, const struct apm_handle *h, u64 stmt, s32 level)
{
	u64 oldest = ~0ULL;
	u32 at = 0, i;

	open_forget(t, stmt);
	for (i = 0; i < APM_OPEN_MAX; i++) {
		if (t->open[i].seq >= oldest)
			continue;
		oldest = t->open[i].seq;
		at = i;
	}
	t->open[at & (APM_OPEN_MAX - 1)] = (struct apm_open){
		.seq = h->exec.seq,
		.stmt = stmt,
		.executing = h->executing,
		.rows_at = h->rows_at,
		.level = level,
	};
	return 0;
}

/* ---- what a statement says of itself at its end ---- */

struct stmt_end {
	u64 message;
	s32 code;
	u32 rows;
	u32 reprepared;
	u8 state;
	bool explain;
};

static __noinline bool end_read(u64 stmt, const struct apm_lib *lib, struct stmt_end *e)
{
	struct stmt_head head;

	if (bpf_probe_read_user(&head, sizeof(head), (void *)stmt))
		return false;
	e->message = stmt_field(&head, stmt, lib->off[APM_OFF_LITE_STMT_MESSAGE]);
	e->code = stmt_field(&head, stmt, lib->off[APM_OFF_LITE_STMT_CODE]);
	e->rows = stmt_field(&head, stmt, lib->off[APM_OFF_LITE_STMT_ROWS]);
	e->reprepared = stmt_field(&head, stmt, lib->off[APM_OFF_LITE_STMT_REPREPARED]);
	e->state = stmt_field(&head, stmt, lib->off[APM_OFF_LITE_STMT_STATE]);
	e->explain = stmt_field(&head, stmt, lib->off[APM_OFF_LITE_STMT_EXPLAIN]) &
		     (u8)lib->off[APM_OFF_LITE_EXPLAIN_MASK];
	return true;
}

/*
 * The time: steps that were probed each (the other set was in use) are added up already; if not all were, it is that
 * from start to end.
 */
static __always_inline void execution_time(struct apm_exec *x, const struct apm_lib *lib, bool rows, u64 now)
{
	bool whole = x->set == APM_LITE_EXECUTIONS;

	if (!whole && !x->enter && lib->set == APM_LITE_EXECUTIONS) {
		x->duration_ns = now - x->t_start;
		whole = true;
	}
	if (whole && rows)
		x->flags |= APM_STMT_ELAPSED;
	exec_leave(x, now);
	if (!x->t_first)
		x->t_first = now;
}

static __noinline int execution_finish(struct apm_handle *h, u64 stmt, const struct apm_lib *lib,
				       const struct stmt_end *end)
{
	u64 now = bpf_ktime_get_ns();
	struct apm_exec *x = &h->exec;
	struct apm_ev_error *e;

	x->rows = (end->rows - 1) >> 1;
	execution_time(x, lib, x->rows || end->explain, now);
	if (end->explain) {
		x->rows = 0; /* they are made elsewhere, and not counted */
		x->flags |= APM_STMT_ROWS_UNKNOWN;
	}
	if (end->code) {
		x->flags |= APM_STMT_ERROR;
		e = error_event(x->seq, end->code, lib);
		if (e) {
			error_message(e, end->message);
			event_submit(e);
		}
	} else if (!x->rows && !end->explain) {
		changed_rows(h, lib);
	}
	execution_end(h, stmt, 0, now);
	return 0;
}

/* ---- beginning ---- */

/* Who called sqlite3_step, seen from inside it. */
static __noinline u64 step_caller(struct pt_regs *ctx, const struct apm_lib *lib, u64 addr, bool *inside)
{
	s32 saved = lib->off[APM_OFF_LITE_BEGUN_SAVED_FP];
	u64 sp = PT_REGS_SP(ctx), fp = PT_REGS_FP(ctx), bias = PT_REGS_IP(ctx) - addr;
	u64 slot, ret, off;

	barrier_var(fp); /* or the compiler chooses between offsets in ctx */
	slot = (lib->off[APM_OFF_LITE_BEGUN_FP] ? fp : sp) + lib->off[APM_OFF_LITE_BEGUN_CALLER];
	ret = read_u64(slot);
	off = ret - bias;
	*inside = off >= lib->text_start && off < lib->text_end;
	if (!*inside)
		return ret;
	return wrapper_caller(lib, slot, saved ? read_u64(slot + saved) : fp, bias, off);
}

static __always_inline void execution_open(struct apm_thread *t, struct apm_handle *h,
					   const struct stmt_view *v, const struct apm_lib *lib, u64 stmt,
					   u64 site)
{
	u64 now = bpf_ktime_get_ns();

	if (h->exec.seq)
		execution_end(h, stmt, 0, now);
	h->course = APM_COURSE_PLAIN;
	execution_start(t, h, v, lib, site, now);
	h->exec.set = APM_LITE_EXECUTIONS;
	h->exec.calls = 0; /* hits here have no return: they are counted as such */
	h->executing = v->db + lib->off[APM_OFF_LITE_DB_EXECUTING];
	h->rows_at = stmt + lib->off[APM_OFF_LITE_STMT_ROWS];
}

/* That it goes on was to be expected, and did not happen: it has failed. */
static __noinline int held_failed(struct apm_handle *h, u64 stmt, const struct apm_lib *lib)
{
	struct apm_ev_error *e;

	if (!h->exec.seq)
		return 0;
	e = error_event(h->exec.seq, SQLITE_SCHEMA, lib);
	if (e)
		event_submit(e);
	exec_leave(&h->exec, bpf_ktime_get_ns());
	execution_end(h, stmt, APM_STMT_ERROR, h->exec.t_last);
	return 0;
}

/* An execution that failed because the schema has changed goes on when the statement has been compiled again. */
static __always_inline bool goes_on(struct apm_handle *h, u64 stmt, const struct apm_lib *lib)
{
	if (h->course != APM_COURSE_HELD)
		return false;
	h->course = APM_COURSE_PLAIN;
	if (h->exec.seq && read_u32(stmt + lib->off[APM_OFF_LITE_STMT_REPREPARED]) != h->reprepared)
		return true;
	held_failed(h, stmt, lib);
	return false;
}

/* Begun by the probe of sqlite3_step, in the call that is under way. */
static __always_inline bool begun_by_step(struct apm_thread *t, const struct apm_handle *h, u64 stmt)
{
	const struct apm_call *call = call_top(t);

	return call && call->symbol == SYM_sqlite3_step && call->obj == stmt && call->seq &&
	       call->seq == h->exec.seq;
}

static __always_inline void execution_begun(const struct probe *p)
{
	struct apm_thread *t = p->t;
	u64 stmt, site = 0;
	struct apm_handle *h;
	bool inside = false, site_read;
	struct stmt_view v;
	s64 place;
	s32 level;

	if (place_read(p->ctx, &p->lib->place[APM_PLACE_LITE_BEGUN], &place))
		return;
	stmt = place;
	h = handle_find(stmt);
	if ((h && begun_by_step(t, h, stmt)) || !stmt_read(stmt, p->lib, &v))
		return;
	level = db_executing(v.db, p->lib) + 1;
	if (h && goes_on(h, stmt, p->lib)) {
		open_add(t, h, stmt, level);
		return;
	}
	v.rows_remain = false; /* whatever the state says already */
	if (h && is_new(h, &v, p->lib)) {
		h->text_known = 0;
		h->runs = 0;
	}
	site_read = level > 1 || site_wanted(t, h);
	if (site_read)
		site = step_caller(p->ctx, p->lib, APM_COOKIE_ADDR(p->cookie), &inside);
	if ((level > 1 || t->depth) && inside)
		return; /* SQLite's own: schema reading, virtual tables, foreign keys */
	if (!h)
		h = handle_add(stmt);
	if (!h)
		return;
	if (site_read)
		h->inside = inside;
	execution_open(t, h, &v, p->lib, stmt, site);
	if (level > 1 || t->depth)
		h->exec.flags |= APM_STMT_NESTED;
	open_add(t, h, stmt, level);
}

/* ---- ending ---- */

/*
 * SQLITE_BUSY and the like left it as it was, it was told as failed, and the program has called sqlite3_step again. When
 * is not known: what it did since counts.
 */
static __always_inline void execution_again(struct apm_thread *t, struct apm_handle *h,
					    const struct apm_lib *lib)
{
	u64 text_id = h->exec.text_id, since = h->exec.t_last;

	exec_start(t, &h->exec, bpf_ktime_get_ns(), APM_SYSTEM_SQLITE, lib->lib_id);
	h->exec.t_start = h->exec.enter = since;
	h->exec.text_id = text_id;
	h->exec.set = APM_LITE_EXECUTIONS;
	h->exec.calls = 0;
	h->exec.flags |= APM_STMT_ELAPSED;
}

static __always_inline void execution_ended(const struct probe *p)
{
	struct apm_handle *h;
	struct stmt_end end;
	s64 stmt;
	u8 course;

	if (place_read(p->ctx, &p->lib->place[APM_PLACE_LITE_ENDED], &stmt))
		return;
	h = handle_find(stmt);
	if (!h || !end_read(stmt, p->lib, &end))
		return;
	open_forget(p->t, stmt);
	course = h->course;
	h->course = APM_COURSE_PLAIN;
	if (!h->exec.seq) {
		if (course != APM_COURSE_AGAIN || end.code)
			return; /* it began before it was probed, or has been told */
		execution_again(p->t, h, p->lib);
	}
	if (end.code == SQLITE_SCHEMA) {
		h->course = APM_COURSE_HELD;
		h->reprepared = end.reprepared;
		return;
	}
	text_late(h);
	execution_finish(h, stmt, p->lib, &end);
}

/*
 * sqlite3VdbeTransferError(stmt): the code and message of a failure go to the connection. One that has halted was told
 * of. One that is still to be run failed before it began, because the schema has changed: it is compiled again.
 */
static __always_inline void execution_failed(struct apm_thread *t, const struct apm_lib *lib, u64 stmt)
{
	struct apm_handle *h = handle_find(stmt);
	struct stmt_end end;
	struct stmt_view v;

	if (!end_read(stmt, lib, &end))
		return;
	if (end.state == (u8)lib->off[APM_OFF_LITE_STATE_RUN]) {
		if (!h || (!h->exec.seq && h->course != APM_COURSE_AGAIN))
			return;
		if (!h->exec.seq)
			execution_again(t, h, lib);
		open_forget(t, stmt);
		text_late(h);
		execution_finish(h, stmt, lib, &end);
		h->course = APM_COURSE_AGAIN;
		return;
	}
	if (end.state != BEFORE_RUN || end.code != SQLITE_SCHEMA || t->depth || !stmt_read(stmt, lib, &v) ||
	    db_executing(v.db, lib) || (h && h->course == APM_COURSE_HELD))
		return;
	if (!h)
		h = handle_add(stmt);
	if (!h)
		return;
	v.rows_remain = false;
	if (is_new(h, &v, lib))
		h->text_known = 0;
	execution_open(t, h, &v, lib, stmt, 0);
	h->course = APM_COURSE_HELD;
	h->reprepared = end.reprepared;
}

/* A statement whose schema has changed could not be compiled again: so its execution fails. */
static __noinline int recompilation_failed(u64 stmt, const struct apm_lib *lib, s32 rc)
{
	struct apm_handle *h = handle_find(stmt);
	u64 now = bpf_ktime_get_ns();

	if (!h || h->course != APM_COURSE_HELD || !h->exec.seq)
		return 0;
	h->course = APM_COURSE_PLAIN;
	exec_leave(&h->exec, now);
	db_error(h->db, lib, h->exec.seq, rc);
	execution_end(h, stmt, APM_STMT_ERROR, now);
	return 0;
}

#endif
