/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Results of libpq: status, rows, command tag, error fields of a PGresult. */
#ifndef APM_LIBPQ_RESULT_BPF_H
#define APM_LIBPQ_RESULT_BPF_H

#include "statement.bpf.h"

/* ExecStatusType, libpq-fe.h (stable ABI) */
enum {
	PGRES_COPY_OUT = 3,
	PGRES_COPY_IN = 4,
	PGRES_BAD_RESPONSE = 5,
	PGRES_FATAL_ERROR = 7,
	PGRES_COPY_BOTH = 8,
	PGRES_SINGLE_TUPLE = 9,
	PGRES_PIPELINE_SYNC = 10,
	PGRES_PIPELINE_ABORTED = 11,
	PGRES_TUPLES_CHUNK = 12,
};

/* Field codes of PQresultErrorField, postgres_ext.h */
#define PG_DIAG_SQLSTATE	'C'
#define PG_DIAG_MESSAGE_PRIMARY 'M'
#define ERROR_FIELDS_MAX	12

#define CMD_STATUS_LEN 32 /* "INSERT 0 1234": the count is at the end of PGresult.cmdStatus[64] */

/* The number at the end of a command tag ("UPDATE 12", "INSERT 0 3"); 0 when there is none. */
static __always_inline u64 command_rows(struct apm_thread *t, u64 addr)
{
	u64 n = 0;
	u32 i;

	t->scratch[0] = 0;
	bpf_probe_read_user_str(t->scratch, CMD_STATUS_LEN, (void *)addr);
	for (i = 0; i < CMD_STATUS_LEN; i++) {
		u8 ch = t->scratch[i];

		if (ch == 0)
			break;
		if (ch >= '0' && ch <= '9')
			n = n * 10 + ch - '0';
		else
			n = 0;
	}
	return n;
}

static __always_inline void error_field(struct apm_ev_error *e, u64 text, u8 code)
{
	if (code == PG_DIAG_SQLSTATE) {
		bpf_probe_read_user_str(e->sqlstate, sizeof(e->sqlstate), (void *)text);
	} else if (code == PG_DIAG_MESSAGE_PRIMARY) {
		s64 n = bpf_probe_read_user_str(e->message, sizeof(e->message), (void *)text);

		e->size = n > 0 ? n - 1 : 0;
	}
}

/* SQLSTATE and primary message from the list of PGMessageFields; else, for errors
 * made by libpq itself, errMsg. */
static __noinline int result_error(u64 result, const struct apm_lib *lib, u64 seq)
{
	struct apm_ev_error *e = event_reserve(struct apm_ev_error, 0);
	u64 off, code_off, text_off, field = 0;
	u32 i;

	if (!e)
		return 0;
	event_header(&e->hdr, APM_EV_ERROR, sizeof(*e), seq);
	e->number = 0;
	e->system = APM_SYSTEM_POSTGRESQL;
	e->reserved = 0;
	__builtin_memset(e->sqlstate, 0, sizeof(e->sqlstate));
	__builtin_memset(e->message, 0, sizeof(e->message));
	e->size = 0;
	if (lib_off(lib, APM_OFF_PG_RES_ERRFIELDS, &off) && lib_off(lib, APM_OFF_PG_FIELD_CODE, &code_off) &&
	    lib_off(lib, APM_OFF_PG_FIELD_TEXT, &text_off)) {
		field = read_u64(result + off);
		for (i = 0; i < ERROR_FIELDS_MAX && field; i++) {
			error_field(e, field + text_off, read_u8(field + code_off));
			field = read_u64(field); /* next is first in PGMessageField */
		}
	}
	if (!e->size && lib_off(lib, APM_OFF_PG_RES_ERRMSG, &off)) {
		u64 msg = read_u64(result + off);
		s64 n = msg ? bpf_probe_read_user_str(e->message, sizeof(e->message), (void *)msg) : 0;

		e->size = n > 0 ? n - 1 : 0;
	}
	event_submit(e);
	return 0;
}

/* What is read of a PGresult at once: every copy from user space has its price (70 ns and more). */
struct result {
	u64 addr;
	u32 status;
	u32 rows;
};

#define RESULT_WORDS 16 /* the first bytes of a PGresult: ntups and resultStatus stand there */

static __always_inline u32 result_word(const u32 *head, u64 addr, s32 off)
{
	u32 word = (u32)off >> 2;

	if (word >= RESULT_WORDS)
		return read_u32(addr + off);
	barrier_var(word); /* or the compiler adds up the offset before its bounds are known */
	return head[word & (RESULT_WORDS - 1)];
}

/* Without its status a result counts as one that ends a command. */
static __always_inline struct result result_read(u64 addr, const struct apm_lib *lib)
{
	s32 status = lib->off[APM_OFF_PG_RES_STATUS], rows = lib->off[APM_OFF_PG_RES_NTUPLES];
	struct result r = {.addr = addr, .status = PGRES_FATAL_ERROR};
	u32 head[RESULT_WORDS] = {};

	if (bpf_probe_read_user(head, sizeof(head), (void *)addr))
		return r;
	if (status >= 0)
		r.status = result_word(head, addr, status);
	if (rows >= 0)
		r.rows = result_word(head, addr, rows);
	return r;
}

/* A result that ends a command: the one before it, if any, is now known not to be the last. */
static __always_inline void result_final(struct apm_thread *t, struct apm_conn *c, u64 conn,
					 const struct result *r, const struct apm_lib *lib)
{
	struct apm_exec *x = &c->exec;
	u64 off, rows = r->rows;
	u32 status = r->status;

	if (x->has_result) {
		statement_send(x, conn, 0, APM_STMT_MORE, x->t_last);
		x->result_index++;
		x->rows = 0;
		x->duration_ns = 0;
		x->t_start = x->t_last;
		x->t_first = 0;
		x->flags &= ~(APM_STMT_ERROR | APM_STMT_COPY);
	}
	x->has_result = 1;
	if (!rows && !x->rows && status == 1 && lib_off(lib, APM_OFF_PG_RES_CMD, &off))
		rows = command_rows(t, r->addr + off);
	x->rows += rows;
	if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE || status == PGRES_PIPELINE_ABORTED) {
		x->flags |= APM_STMT_ERROR;
		result_error(r->addr, lib, x->seq);
	}
}

static __always_inline void result_of_status(struct apm_thread *t, struct apm_conn *c, u64 conn,
					     const struct result *r, const struct apm_lib *lib)
{
	switch (r->status) {
	case PGRES_SINGLE_TUPLE:
	case PGRES_TUPLES_CHUNK:
		c->exec.rows += r->rows;
		break;
	case PGRES_COPY_OUT:
	case PGRES_COPY_IN:
	case PGRES_COPY_BOTH:
		c->exec.flags |= APM_STMT_COPY;
		break;
	default:
		result_final(t, c, conn, r, lib);
	}
}

#endif
