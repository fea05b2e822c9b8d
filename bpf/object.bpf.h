/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Objects of the target that live longer than a call, by their address: connections and statement handles. */
#ifndef APM_OBJECT_BPF_H
#define APM_OBJECT_BPF_H

#include "apm.bpf.h"

static const struct apm_conn conn_zero;
static const struct apm_handle handle_zero;

static __always_inline struct apm_key object_key(u64 ptr)
{
	return (struct apm_key){.tgid = bpf_get_current_pid_tgid() >> 32, .ptr = ptr};
}

/* What stands as number `queued` (1, 2, 3 …) behind what is being collected on a connection. */
static __always_inline struct apm_key queue_key(u64 ptr, u32 queued)
{
	struct apm_key key = object_key(ptr);

	key.queued = queued;
	return key;
}

static __always_inline struct apm_conn *conn_find(u64 ptr)
{
	struct apm_key key = object_key(ptr);

	return bpf_map_lookup_elem(&conns, &key);
}

/* A connection that is new, whatever was known at its address; NULL (counted) when the map is full. */
static __always_inline struct apm_conn *conn_add(u64 ptr)
{
	struct apm_key key = object_key(ptr);
	struct apm_conn *c;

	bpf_map_update_elem(&conns, &key, &conn_zero, BPF_ANY);
	c = bpf_map_lookup_elem(&conns, &key);
	if (c)
		c->gen = bpf_ktime_get_ns() >> 10; /* differs from the last object at this address */
	else
		count(APM_CNT_MAP_FULL);
	return c;
}

/* The announcement of a connection, to be completed and submitted; NULL (counted) when the ring is full. */
static __always_inline struct apm_ev_conn *conn_event(u64 ptr, const struct apm_lib *lib, u32 gen)
{
	struct apm_ev_conn *e = event_reserve(struct apm_ev_conn, 0);

	if (!e)
		return NULL;
	__builtin_memset(e, 0, sizeof(*e));
	event_header(&e->hdr, APM_EV_CONN, sizeof(*e), 0);
	e->conn = ptr;
	e->conn_gen = gen;
	e->system = lib->system;
	e->lib_id = lib->lib_id;
	e->fd = -1;
	return e;
}

static __always_inline void conn_retire(u64 ptr, u32 gen)
{
	struct apm_key key = object_key(ptr);
	struct apm_ev_close *e = event_reserve(struct apm_ev_close, 0);

	bpf_map_delete_elem(&conns, &key);
	if (!e)
		return;
	event_header(&e->hdr, APM_EV_CLOSE, sizeof(*e), 0);
	e->handle = ptr;
	e->handle_kind = APM_HANDLE_CONN;
	e->conn_gen = gen;
	event_submit(e);
}

static __always_inline struct apm_handle *handle_find(u64 ptr)
{
	struct apm_key key = object_key(ptr);

	return bpf_map_lookup_elem(&handles, &key);
}

/* A handle that is new, whatever was known at its address; NULL (counted) when the map is full. */
static __always_inline struct apm_handle *handle_add(u64 ptr)
{
	struct apm_key key = object_key(ptr);
	struct apm_handle *h;

	bpf_map_update_elem(&handles, &key, &handle_zero, BPF_ANY);
	h = bpf_map_lookup_elem(&handles, &key);
	if (!h)
		count(APM_CNT_MAP_FULL);
	return h;
}

/* Known, or made now. */
static __always_inline struct apm_handle *handle_get(u64 ptr)
{
	struct apm_handle *h = handle_find(ptr);

	return h ? h : handle_add(ptr);
}

static __always_inline void handle_forget(u64 ptr)
{
	struct apm_key key = object_key(ptr);

	bpf_map_delete_elem(&handles, &key);
}

#endif
