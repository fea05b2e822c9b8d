/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SQLite: reading statements and connections, and what begins and ends with an execution, whichever probes tell of it. */
#ifndef APM_SQLITE_STMT_BPF_H
#define APM_SQLITE_STMT_BPF_H

#include "probe.bpf.h"
#include "lib/sqlite.h"

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

/* To be called when a call that worked on it ends: a text whose page was not present at the beginning. */
static __always_inline void text_late(struct apm_handle *h)
{
	if (!h->text_known && h->text_ptr)
		text_again(h);
}

/* Rows that an execution changed that returned none. */
static __always_inline void changed_rows(struct apm_handle *h, const struct apm_lib *lib)
{
	u64 off;

	if (h->readonly || !h->db)
		return;
	if (!lib_off(lib, APM_OFF_LITE_DB_CHANGES, &off))
		h->exec.flags |= APM_STMT_ROWS_UNKNOWN;
	else if (handle_changes(h, lib) != h->mark)
		h->exec.rows = read_u64(h->db + off);
}

#endif
