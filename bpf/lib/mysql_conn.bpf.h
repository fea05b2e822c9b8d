/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* libmariadb and libmysqlclient: calls, connections and errors. */
#ifndef APM_LIB_MYSQL_CONN_BPF_H
#define APM_LIB_MYSQL_CONN_BPF_H

#include "peer.bpf.h"
#include "place.bpf.h"
#include "probe.bpf.h"
#include "lib/mysql.h"

enum { APM_MYSQL_SYMBOLS(APM_SYMBOL_NUMBER) };

/* struct st_net, first in MYSQL, is public (mysql_com.h) and the same in MariaDB and MySQL since 4.1 ... */
#define NET_FD 0x28
/* ... and these in MariaDB's: so is struct st_ma_pvio (ma_pvio.h), which the first leads to. */
#define NET_PVIO     0
#define NET_COMPRESS 0x84
#define PVIO_CACHE \
	8 /* three words: where the bytes are that have come, the next of them, how many there are */

/* ---- connections ---- */

static __noinline int conn_announce(u64 conn, const struct apm_lib *lib, u32 gen)
{
	struct apm_ev_conn *e = conn_event(conn, lib, gen);
	u64 off, name;

	if (!e)
		return 0;
	e->fd = read_u32(conn + NET_FD);
	conn_peer(e, e->fd);
	if (lib_off(lib, APM_OFF_MY_DB, &off)) {
		name = read_u64(conn + off);
		if (name)
			bpf_probe_read_user_str(e->database, sizeof(e->database), (void *)name);
	}
	if (lib_off(lib, APM_OFF_MY_USER, &off)) {
		name = read_u64(conn + off);
		if (name)
			bpf_probe_read_user_str(e->user, sizeof(e->user), (void *)name);
	}
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

/* ---- several results ---- */

/* mysql_com.h: a bit of server_status */
#define SERVER_MORE_RESULTS_EXISTS 8

static __always_inline bool more_results(u64 conn, const struct apm_lib *lib)
{
	u64 off;

	return lib_off(lib, APM_OFF_MY_STATUS, &off) && read_u32(conn + off) & SERVER_MORE_RESULTS_EXISTS;
}

/* Sends what is known of the result that is complete; the statement goes on. */
static __always_inline void next_result(struct apm_exec *x, u64 conn, u64 handle, u64 now)
{
	statement_send(x, conn, handle, APM_STMT_MORE, now);
	x->result_index++;
	x->flags &= ~APM_STMT_UNFETCHED;
	x->rows = 0;
	x->duration_ns = 0;
	x->t_start = now;
	x->t_first = 0;
}

/* ---- unbuffered results ---- */

#define STATUS_USE_RESULT 2 /* enum mysql_status (mysql.h) */

#define PACKET_EOF   0xfe
#define PACKET_ERROR 0xff
#define EOF_LENGTH   8 /* one that is longer is a row */

/* Whether the packet that libmariadb would read next is here already, and is a row. */
static __noinline bool row_waits(u64 conn)
{
	u64 pvio = read_u64(conn + NET_PVIO), cache[3] = {};
	u8 packet[5] = {};
	u32 length;

	if (!pvio || read_u8(conn + NET_COMPRESS) ||
	    bpf_probe_read_user(cache, sizeof(cache), (void *)(pvio + PVIO_CACHE)) || cache[1] < cache[0] ||
	    cache[1] + sizeof(packet) > cache[0] + cache[2] ||
	    bpf_probe_read_user(packet, sizeof(packet), (void *)cache[1]))
		return false;
	length = packet[0] | packet[1] << 8 | packet[2] << 16;
	return length && packet[4] != PACKET_ERROR && (packet[4] != PACKET_EOF || length > EOF_LENGTH);
}

/* The MYSQL_RES, at a probe in mysql_free_result or at its entry. */
static __always_inline u64 result_here(const struct probe *p)
{
	s64 result = PT_REGS_PARM1(p->ctx);

	place_read(p->ctx, &p->lib->place[APM_PLACE_MY_RESULT], &result);
	return result;
}

/* ---- errors ---- */

/* Number, message and SQLSTATE stand in MYSQL and in MYSQL_STMT; `first` is APM_OFF_MY_ERRNO or
 * APM_OFF_MY_STMT_ERRNO. */
static __noinline int error_send(u64 object, const struct apm_lib *lib, u32 first, u64 seq)
{
	struct apm_ev_error *e = error_event(seq, 0, lib);
	u64 off;

	if (!e)
		return 0;
	if (first != APM_OFF_MY_ERRNO)
		first = APM_OFF_MY_STMT_ERRNO;
	if (lib_off(lib, first, &off))
		e->number = read_u32(object + off);
	if (lib_off(lib, first + 1, &off))
		error_message(e, object + off);
	if (lib_off(lib, first + 2, &off))
		bpf_probe_read_user_str(e->sqlstate, sizeof(e->sqlstate), (void *)(object + off));
	event_submit(e);
	return 0;
}

/* Begins a call that works on `obj`; NULL when it is made by the library inside such a call. */
static __always_inline struct apm_call *call_begin_on(const struct probe *p, u64 obj)
{
	struct apm_call *top = call_top(p->t);

	return top && top->obj == obj ? NULL : call_begin(p, obj, 0);
}

#endif
