/* SPDX-License-Identifier: BSD-2-Clause */
/* Spans as units: calls of functions that the user named, and what their contexts execute in them. */
#include "txn/units_state.h"

#include <errno.h>
#include <string.h>

void units_calls_release(struct table_key key, void *value, void *arg)
{
	struct calls *c = value;

	while (c->depth)
		units_put(arg, c->unit[--c->depth]);
}

static struct unit *new_call(struct units *u, uint32_t tgid, uint32_t span, uint64_t seq, uint64_t start)
{
	struct unit *unit = units_get(u, UNIT_SPAN, units_comm(u, tgid));

	if (!unit)
		return NULL;
	unit->tgid = tgid;
	unit->rule = span;
	unit->seq = seq;
	unit->start = start;
	return unit;
}

/* `call` NULL: how it ended is not known. */
static int end_call(struct units *u, struct unit *unit, const struct apm_ev_span *call)
{
	if (call) {
		unit->start = call->t_start;
		unit->end = call->hdr.ts;
	}
	if (unit->end < unit->start)
		unit->end = unit->start;
	unit->cut = !call || call->hdr.flags & APM_SPAN_IN_FLIGHT;
	unit->call = call;
	unit_end(unit, u->opt.threshold);
	return units_deliver(u, unit);
}

int units_span_begin(struct units *u, const struct statement *mark)
{
	struct calls *c = table_put(u->calls, units_context(mark->ctx_kind, mark->tgid, mark->ctx_id), NULL);
	struct unit *unit;

	if (!c)
		return -ENOMEM;
	/* The kernel side nests no deeper: ends were lost. */
	if (c->depth == APM_SPAN_DEPTH) {
		int err = end_call(u, c->unit[--c->depth], NULL);

		if (err)
			return err;
	}
	unit = new_call(u, mark->tgid, mark->span, mark->seq, mark->t_start);
	if (!unit)
		return -ENOMEM;
	unit->nested = c->depth > 0;
	c->unit[c->depth++] = unit;
	return 0;
}

/* One whose beginning was lost: what ran in it was not put together. */
static int end_unknown(struct units *u, const struct apm_ev_span *call)
{
	struct unit *unit = new_call(u, call->hdr.tgid, call->span, call->hdr.stmt_seq, call->t_start);

	return unit ? end_call(u, unit, call) : -ENOMEM;
}

int units_span_end(struct units *u, const struct apm_ev_span *call)
{
	struct table_key key = units_context(call->hdr.ctx_kind, call->hdr.tgid, call->hdr.ctx_id);
	struct calls *c = table_get(u->calls, key);
	uint32_t at = c ? c->depth : 0;
	int err = 0;

	while (at > 0 && c->unit[at - 1]->seq != call->hdr.stmt_seq)
		at--;
	/* Threads may go after their process is said to be gone: what was under way was cut then. */
	if (!at && call->hdr.flags & APM_SPAN_EXITED && !units_process_known(u, call->hdr.tgid))
		return 0;
	if (!at)
		return end_unknown(u, call);
	while (c->depth > at && !err)
		err = end_call(u, c->unit[--c->depth], NULL);
	if (!err)
		err = end_call(u, c->unit[--c->depth], call);
	if (!c->depth)
		table_remove(u->calls, key);
	return err;
}

int units_add_to_span(struct units *u, const struct statement *stmt)
{
	struct table_key key = units_context(stmt->ctx_kind, stmt->tgid, stmt->ctx_id);
	struct calls *c = table_count(u->calls) ? table_get(u->calls, key) : NULL;
	uint32_t i;
	int err;

	if (!c || !c->depth || stmt->t_start < c->unit[0]->start)
		return 0;
	err = units_add(u, c->unit[0], stmt);
	for (i = 1; i < c->depth && !stmt->opening; i++)
		unit_tally(c->unit[i], stmt);
	return err ? err : 1;
}

void units_wait_in_span(struct units *u, const struct statement *mark)
{
	struct table_key key = units_context(mark->ctx_kind, mark->tgid, mark->ctx_id);
	struct calls *c = table_count(u->calls) ? table_get(u->calls, key) : NULL;
	uint32_t i;

	for (i = 0; c && i < c->depth && mark->span < REC_WAIT_REASONS; i++) {
		c->unit[i]->wait[mark->span].ns += mark->duration_ns;
		c->unit[i]->wait[mark->span].seen++;
	}
}

struct cutting {
	struct units *u;
	uint32_t tgid;
	int err;
};

static int cut_calls(struct table_key key, void *value, void *arg)
{
	struct cutting *cut = arg;
	struct calls *c = value;

	if (cut->tgid && (uint32_t)key.a != cut->tgid)
		return 0;
	while (c->depth && !cut->err)
		cut->err = end_call(cut->u, c->unit[--c->depth], NULL);
	return 1;
}

int units_cut_spans(struct units *u, uint32_t tgid)
{
	struct cutting cut = {.u = u, .tgid = tgid};

	if (table_count(u->calls))
		table_visit(u->calls, cut_calls, &cut);
	return cut.err;
}
