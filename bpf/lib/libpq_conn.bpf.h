/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections of libpq: what is being collected on each, and what a pipeline has queued behind it. */
#ifndef APM_LIBPQ_CONN_BPF_H
#define APM_LIBPQ_CONN_BPF_H

#include "object.bpf.h"
#include "peer.bpf.h"
#include "statement.bpf.h"

/* ---- connections ---- */

static __always_inline void read_string_at(char *to, u32 size, u64 addr)
{
	u64 ptr = read_u64(addr);

	to[0] = 0;
	if (ptr)
		bpf_probe_read_user_str(to, size, (void *)ptr);
}

static __noinline int conn_announce(u64 conn, const struct apm_lib *lib, u32 gen)
{
	struct apm_ev_conn *e = conn_event(conn, lib, gen);
	u64 off;

	if (!e)
		return 0;
	if (lib_off(lib, APM_OFF_PG_CONN_SOCKET, &off)) {
		e->fd = read_u32(conn + off);
		conn_peer(e, e->fd);
	}
	if (lib_off(lib, APM_OFF_PG_CONN_DB, &off))
		read_string_at(e->database, sizeof(e->database), conn + off);
	if (lib_off(lib, APM_OFF_PG_CONN_USER, &off))
		read_string_at(e->user, sizeof(e->user), conn + off);
	event_submit(e);
	return 0;
}

static __always_inline struct apm_conn *conn_get(u64 ptr, const struct apm_lib *lib)
{
	struct apm_conn *c = conn_find(ptr);

	if (c)
		return c;
	c = conn_add(ptr);
	if (c)
		conn_announce(ptr, lib, c->gen);
	return c;
}

/* ---- waiting for the server ---- */

/* How often the calling thread has gone to sleep (voluntary context switches). */
static __always_inline u32 thread_sleeps(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return (u32)BPF_CORE_READ(task, nvcsw);
}

/* From `now` on the server is at work on the asynchronous statement of `c`. */
static __always_inline void wait_begin(struct apm_conn *c, u64 now)
{
	c->exec.enter = now;
	c->wait_tid = (u32)bpf_get_current_pid_tgid();
	c->sleeps = thread_sleeps();
}

/*
 * The program comes for the first result at `now`. The time since the wait began was spent waiting, unless
 * the thread that sent has not slept since: then it was the program's own.
 */
static __always_inline void wait_end(struct apm_conn *c, u64 now)
{
	bool own = c->wait_tid == (u32)bpf_get_current_pid_tgid() && c->sleeps == thread_sleeps();

	if (!c->exec.enter || own)
		c->exec.enter = now;
}

/* ---- end of a statement, and what a pipeline has queued behind it ---- */

static __always_inline bool pipeline_mode(u64 conn, const struct apm_lib *lib)
{
	u64 off;

	return lib_off(lib, APM_OFF_PG_CONN_PIPELINE, &off) && read_u32(conn + off);
}

/* A place behind the statement that is being collected; NULL (counted) when the map is full. */
static __noinline struct apm_conn *queue_append(struct apm_conn *c, u64 conn)
{
	struct apm_key key = queue_key(conn, c->queue_tail + 1);
	struct apm_conn *q;

	if (bpf_map_update_elem(&conns, &key, &conn_zero, BPF_ANY)) {
		count(APM_CNT_MAP_FULL);
		return NULL;
	}
	c->queue_tail++;
	q = bpf_map_lookup_elem(&conns, &key);
	if (q)
		q->gen = c->gen;
	return q;
}

/* What was sent next is collected next: the server turns to it `now`, for it works in order. */
static __always_inline void queue_advance(struct apm_conn *c, u64 conn, u64 now)
{
	struct apm_key key = queue_key(conn, c->queue_head + 1);
	struct apm_conn *q;

	if (c->queue_head == c->queue_tail)
		return;
	c->queue_head++;
	q = bpf_map_lookup_elem(&conns, &key);
	if (!q)
		return;
	c->exec = q->exec;
	c->name_id = q->name_id;
	c->text_ptr = q->text_ptr;
	c->op = q->op;
	wait_begin(c, now);
	bpf_map_delete_elem(&conns, &key);
}

static __always_inline void prepare_succeeded(const struct apm_conn *c, u64 conn)
{
	struct apm_ev_prepare *e = event_reserve(struct apm_ev_prepare, 0);

	if (!e)
		return;
	event_header(&e->hdr, APM_EV_PREPARE, sizeof(*e), c->exec.seq);
	e->conn = conn;
	e->name_id = c->name_id;
	e->text_id = c->exec.text_id;
	e->conn_gen = c->gen;
	e->reserved = 0;
	event_submit(e);
}

static __noinline int conn_end(struct apm_conn *c, u64 conn, u16 flags, u64 now)
{
	struct apm_exec *x = &c->exec;

	if (c->op == APM_OP_STATEMENT)
		statement_send(x, conn, 0, flags, now);
	else if (c->op == APM_OP_PREPARE && ((x->flags | flags) & APM_STMT_ERROR))
		statement_send(x, conn, 0, flags | APM_STMT_PREPARE_FAILED, now);
	else
		count_add(APM_CNT_OTHER_CALLS, x->calls);
	if (c->op == APM_OP_PREPARE && x->has_result && !((x->flags | flags) & APM_STMT_ERROR))
		prepare_succeeded(c, conn);
	x->seq = 0;
	x->enter = 0;
	c->text_ptr = 0;
	queue_advance(c, conn, now);
	return 0;
}

#endif
