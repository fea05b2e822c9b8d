// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * SQLite. sqlite3_step does the work of an execution in one or many calls; the statement handle holds the
 * text, the bound values and whether rows remain, so nothing but step has to be probed while a statement
 * runs. An execution that is given up between rows (sqlite3_reset) is noticed at the next step of that
 * handle, whose state is then "ready", not "run". Struct offsets come from the library's own accessors,
 * decoded when it is attached (user/collect/lib_sqlite.c).
 */
#include "place.bpf.h"
#include "probe.bpf.h"
#include "lib/sqlite.h"

enum { APM_SQLITE_SYMBOLS(APM_SYMBOL_NUMBER) };

/* Result codes, sqlite3.h (stable ABI) */
#define SQLITE_OK	   0
#define SQLITE_SCHEMA	   17
#define SQLITE_ERROR_RETRY 513
#define SQLITE_ROW	   100
#define SQLITE_DONE	   101

/* Mem.flags, vdbeInt.h: the same in every release since 3.8 */
#define MEM_Null 0x0001
#define MEM_Str	 0x0002
#define MEM_Int	 0x0004
#define MEM_Real 0x0008

/* ---- connections ---- */

static __noinline int db_announce(u64 db, const struct apm_lib *lib, u64 filename)
{
	struct apm_ev_conn *e = conn_event(db, lib, 0);

	if (!e)
		return 0;
	if (filename)
		bpf_probe_read_user_str(e->database, sizeof(e->database), (void *)filename);
	event_submit(e);
	return 0;
}

/* First statement of a connection whose opening was not seen: user space finds out which file it is. */
static __always_inline void db_seen(u64 db, const struct apm_lib *lib)
{
	if (!db || conn_find(db))
		return;
	conn_add(db);
	db_announce(db, lib, 0);
}

/* Whether an sqlite3_value holds a text now; its pointer may still lead to an earlier one. */
static __always_inline bool is_text(u64 value, const struct apm_lib *lib)
{
	u64 off;

	return value && (!lib_off(lib, APM_OFF_LITE_MEM_FLAGS, &off) || read_u32(value + off) & MEM_Str);
}

/* Extended code and message, as sqlite3_extended_errcode() and sqlite3_errmsg() would give them now. */
static __noinline int db_error(u64 db, const struct apm_lib *lib, u64 seq, s32 rc)
{
	struct apm_ev_error *e = error_event(seq, rc, lib);
	u64 off, z_off, value;
	u32 code;

	if (!e)
		return 0;
	if (db && lib_off(lib, APM_OFF_LITE_DB_ERRCODE, &off)) {
		code = read_u32(db + off);
		if ((code & 0xff) == ((u32)rc & 0xff))
			e->number = code;
	}
	if (db && lib_off(lib, APM_OFF_LITE_DB_ERRVALUE, &off) && lib_off(lib, APM_OFF_LITE_MEM_Z, &z_off)) {
		value = read_u64(db + off);
		error_message(e, is_text(value, lib) ? read_u64(value + z_off) : 0);
	}
	event_submit(e);
	return 0;
}

/* ---- reading a statement ---- */

/* The part of an sqlite3_stmt that is of interest, read at once: every copy from user space has its price. */
struct stmt_view {
	u64 db;
	u64 text;
	u64 values;
	s16 vars;
	u32 runs;
	bool rows_remain;
	bool readonly;
};

/* The first bytes of an sqlite3_stmt. On the BPF stack: the kernel checks a copy
 * to anywhere else at length. */
struct stmt_head {
	u64 word[32];
};

/* A field of the statement, aligned to its size as the compiler laid it out; 0
 * when its offset is not known. */
static __always_inline u64 stmt_field(const struct stmt_head *head, u64 stmt, s32 off)
{
	u32 word = (u32)off >> 3;

	if (off < 0)
		return 0;
	if (word >= sizeof(head->word) / sizeof(head->word[0]))
		return read_u64(stmt + off);
	barrier_var(word); /* or the compiler adds up the offset before its bounds are known */
	return head->word[word & 31] >> (off & 7) * 8;
}

static __noinline bool stmt_read(u64 stmt, const struct apm_lib *lib, struct stmt_view *v)
{
	s32 state = lib->off[APM_OFF_LITE_STMT_STATE], pc = lib->off[APM_OFF_LITE_STMT_PC];
	s32 readonly = lib->off[APM_OFF_LITE_STMT_RO];
	struct stmt_head head;

	if (bpf_probe_read_user(&head, sizeof(head), (void *)stmt))
		return false;
	v->db = stmt_field(&head, stmt, lib->off[APM_OFF_LITE_STMT_DB]);
	v->text = stmt_field(&head, stmt, lib->off[APM_OFF_LITE_STMT_SQL]);
	v->vars = (s16)stmt_field(&head, stmt, lib->off[APM_OFF_LITE_STMT_NVAR]);
	v->values = stmt_field(&head, stmt, lib->off[APM_OFF_LITE_STMT_AVAR]);
	v->readonly =
		readonly >= 0 && (stmt_field(&head, stmt, readonly) & (u8)lib->off[APM_OFF_LITE_RO_MASK]);
	v->runs = stmt_field(&head, stmt, lib->off[APM_OFF_LITE_STMT_RUNS]);
	if (state >= 0)
		v->rows_remain = (u8)stmt_field(&head, stmt, state) == (u8)lib->off[APM_OFF_LITE_STATE_RUN];
	else if (pc >= 0)
		v->rows_remain = (s32)stmt_field(&head, stmt, pc) >= 0;
	else
		v->rows_remain = true; /* then sqlite3_reset is probed */
	return true;
}

/* The first bytes of a bound value (struct Mem): u, z, n and flags stand there in every release since 3.8. */
struct mem {
	u64 word[4];
};

static __always_inline u64 mem_field(const struct mem *m, s32 off)
{
	u64 word = off < 8 ? m->word[0] : off < 16 ? m->word[1] : off < 24 ? m->word[2] : m->word[3];

	return off & 4 ? word >> 32 : word;
}

static __always_inline u64 value_hash(const struct apm_lib *lib, u64 addr, u64 h)
{
	struct mem m;
	u16 flags;

	if (bpf_probe_read_user(&m, sizeof(m), (void *)addr))
		return h;
	flags = mem_field(&m, lib->off[APM_OFF_LITE_MEM_FLAGS]);
	if (flags & MEM_Null)
		return hash_step(h, 1);
	if (flags & (MEM_Int | MEM_Real))
		return hash_step(h, m.word[0]); /* the union of both is first in Mem */
	return param_hash_bytes(h, mem_field(&m, lib->off[APM_OFF_LITE_MEM_Z]),
				(u32)mem_field(&m, lib->off[APM_OFF_LITE_MEM_N]));
}

static __noinline int bound_values(struct apm_thread *t, struct apm_exec *x, const struct stmt_view *v,
				   const struct apm_lib *lib)
{
	s32 size = lib->off[APM_OFF_LITE_MEM_SIZE], i;
	u64 h = hash_start();

	if (params_skipped(x, v->vars))
		return 0;
	t->partial = v->vars > APM_MAX_PARAMS;
	if (!v->values || size <= 0 || lib->off[APM_OFF_LITE_MEM_FLAGS] < 0 ||
	    lib->off[APM_OFF_LITE_MEM_Z] < 0 || lib->off[APM_OFF_LITE_MEM_N] < 0) {
		t->partial = 1;
		h = 0;
	} else {
		for (i = 0; i < APM_MAX_PARAMS && i < v->vars; i++)
			h = value_hash(lib, v->values + (u64)i * size, h);
	}
	params_hashed(t, x, h, v->vars);
	return 0;
}

/* ---- executions ---- */

/* The text goes out once per handle; its address tells when another statement has
 * taken the handle's place. */
static __noinline int handle_text(struct apm_handle *h, u64 text)
{
	struct text_source src = {
		.text_id = h->exec.seq,
		.conn = h->db,
		.ptr = text,
		.len = TEXT_LEN_UNKNOWN,
		.system = APM_SYSTEM_SQLITE,
	};

	h->text_ptr = text;
	h->text_known = text_send(&src) >= 0;
	h->exec.text_id = src.text_id;
	return 0;
}

static __always_inline u64 handle_changes(const struct apm_handle *h, const struct apm_lib *lib)
{
	u64 off;

	return h->db && lib_off(lib, APM_OFF_LITE_DB_TOTAL_CHANGES, &off) ? read_u64(h->db + off) : 0;
}

static __always_inline void execution_start(struct apm_thread *t, struct apm_handle *h,
					    const struct stmt_view *v, const struct apm_lib *lib, u64 site,
					    u64 now)
{
	u64 text_id = h->exec.text_id;

	exec_start(t, &h->exec, now, APM_SYSTEM_SQLITE, lib->lib_id);
	t->slept_ns = 0;
	h->exec.call_site = site;
	h->exec.text_id = text_id;
	h->runs++;
	h->begun = v->runs;
	if (h->inside || !h->text_known || h->text_ptr != v->text) {
		h->db = v->db;
		h->readonly = v->readonly;
		db_seen(h->db, lib);
		if (v->text)
			handle_text(h, v->text);
	}
	if (!h->readonly)
		h->mark = handle_changes(h, lib);
	if (v->vars > 0)
		bound_values(t, &h->exec, v, lib);
}

static __always_inline void execution_end(struct apm_handle *h, u64 stmt, u16 flags, u64 now)
{
	statement_send(&h->exec, h->db, stmt, flags, now);
	h->exec.seq = 0;
}

/* ---- sqlite3_step ---- */

/*
 * Whether the statement at the address of *h may be another one than before. A statement counts its runs: one
 * that has not been run more often than *h had when its last execution began is new, whatever its address.
 * That saves the probe of sqlite3_finalize; where the count is not known, that is probed and takes *h away.
 */
static __always_inline bool is_new(const struct apm_handle *h, const struct stmt_view *v,
				   const struct apm_lib *lib)
{
	if (h->exec.seq && v->rows_remain)
		return false;
	return h->inside || (lib->off[APM_OFF_LITE_STMT_RUNS] >= 0 && v->runs <= h->begun);
}

/*
 * Reading the return address costs as much as sending the event. A handle that the program steps itself tells
 * its call site for its first executions and for one in eight of the rest; the others say "not known".
 */
#define SITE_RUNS     16
#define SITE_RUN_MASK 7

static __always_inline bool site_wanted(const struct apm_thread *t, const struct apm_handle *h)
{
	if (t->depth || !h || !h->text_known || h->inside)
		return true; /* who calls tells whether it is a statement of the program */
	return !detail.no_sites && (h->runs < SITE_RUNS || !(h->runs & SITE_RUN_MASK));
}

static __always_inline enum hit step_enter(const struct probe *p)
{
	u64 stmt = PT_REGS_PARM1(p->ctx), site = 0, now;
	bool inside = false, site_read;
	struct apm_thread *t = p->t;
	struct apm_handle *h = handle_find(stmt);
	struct stmt_view v;
	struct apm_call *call;

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

/* A text whose page was not present at the entry is there now. */
static __noinline int text_again(struct apm_handle *h)
{
	struct text_source src = {
		.text_id = h->exec.text_id,
		.conn = h->db,
		.ptr = h->text_ptr,
		.len = TEXT_LEN_UNKNOWN,
		.system = APM_SYSTEM_SQLITE,
	};

	h->text_known = text_send(&src) >= 0;
	if (!h->text_known)
		count(APM_CNT_UNREADABLE_TEXT);
	return 0;
}

static __always_inline void step_return(const struct apm_call *call, s32 rc, const struct apm_lib *lib)
{
	struct apm_handle *h = handle_find(call->obj);
	struct apm_exec *x;
	u64 now, off;

	if (!h || h->exec.seq != call->seq)
		return;
	x = &h->exec;
	now = bpf_ktime_get_ns();
	exec_leave(x, now);
	if (!h->text_known && h->text_ptr)
		text_again(h);
	if (!x->t_first)
		x->t_first = now;
	if (rc == SQLITE_ROW) {
		x->rows++;
		return;
	}
	if (rc != SQLITE_DONE) {
		x->flags |= APM_STMT_ERROR;
		db_error(h->db, lib, x->seq, rc);
	} else if (!x->rows && !h->readonly && h->db) {
		if (!lib_off(lib, APM_OFF_LITE_DB_CHANGES, &off))
			x->flags |= APM_STMT_ROWS_UNKNOWN;
		else if (handle_changes(h, lib) != h->mark)
			x->rows = read_u64(h->db + off);
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
}

static __noinline int prepare_report(struct apm_thread *t, const struct apm_lib *lib, struct text_source *src,
				     s32 rc, u64 start)
{
	struct apm_exec x;

	db_seen(src->conn, lib);
	exec_start(t, &x, start, APM_SYSTEM_SQLITE, lib->lib_id);
	x.seq = src->text_id;
	x.text_id = src->text_id;
	x.wait_ns = t->slept_ns;
	exec_leave(&x, bpf_ktime_get_ns());
	if (text_send(src) < 0)
		count(APM_CNT_UNREADABLE_TEXT);
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
	s64 db, sql, bytes, code;
	struct text_source src = {.text_id = seq_make(now), .system = APM_SYSTEM_SQLITE};

	if (p->t->depth || place_read(p->ctx, &place[APM_PLACE_LITE_DB], &db) ||
	    place_read(p->ctx, &place[APM_PLACE_LITE_SQL], &sql) ||
	    place_read(p->ctx, &place[APM_PLACE_LITE_BYTES], &bytes) ||
	    place_read(p->ctx, &place[APM_PLACE_LITE_CODE], &code))
		return;
	if (code == SQLITE_SCHEMA || code == SQLITE_ERROR_RETRY)
		return;
	src.conn = db;
	src.ptr = sql;
	src.len = bytes < 0 ? TEXT_LEN_UNKNOWN : (s32)bytes;
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
	struct apm_handle *h;

	if (!call || call->symbol == SYM_sqlite3InitOne)
		p->t->slept_ns += ns; /* sqlite3_prepare reads the schema */
	if (!call || call->symbol != SYM_sqlite3_step)
		return;
	h = handle_find(call->obj);
	if (h && h->exec.seq == call->seq)
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
