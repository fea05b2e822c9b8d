/* SPDX-License-Identifier: BSD-2-Clause */
#include "txn/unit.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_MIN    16
#define REPEATS_KEEP 64

const char *unit_kind_name(enum unit_kind kind)
{
	static const char *const names[] = {"run", "connection run", "process", "unit", "call"};

	return names[kind];
}

/* ---- the table of repeats ---- */

/* Inserts of one row and of many have one fingerprint, and are repeats of two kinds. */
static int is_repeat_of(const struct repeat *r, uint64_t fingerprint, uint8_t kind)
{
	return r->fingerprint == fingerprint &&
	       (r->kind == SQL_KIND_INSERT_MANY) == (kind == SQL_KIND_INSERT_MANY);
}

static uint32_t *index_slot(struct unit *unit, uint64_t fingerprint, uint8_t kind)
{
	size_t i = hash_mix(fingerprint, 0) & (unit->index_size - 1);

	while (unit->index[i] && !is_repeat_of(&unit->repeat[unit->index[i] - 1], fingerprint, kind))
		i = (i + 1) & (unit->index_size - 1);
	return &unit->index[i];
}

static void reindex(struct unit *unit)
{
	size_t i;

	memset(unit->index, 0, unit->index_size * sizeof(*unit->index));
	for (i = 0; i < unit->repeat_count; i++)
		*index_slot(unit, unit->repeat[i].fingerprint, unit->repeat[i].kind) = (uint32_t)i + 1;
}

static int grow(struct unit *unit)
{
	size_t cap = unit->repeat_cap ? unit->repeat_cap * 2 : INDEX_MIN / 2;
	struct repeat *repeat = realloc(unit->repeat, cap * sizeof(*repeat));
	uint32_t *index;

	if (!repeat)
		return -ENOMEM;
	unit->repeat = repeat;
	index = realloc(unit->index, cap * 2 * sizeof(*index));
	if (!index)
		return -ENOMEM;
	memset(repeat + unit->repeat_cap, 0, (cap - unit->repeat_cap) * sizeof(*repeat));
	unit->repeat_cap = cap;
	unit->index = index;
	unit->index_size = cap * 2;
	reindex(unit);
	return 0;
}

/* Puts the memory of a repeat that goes where the next new one takes it from. */
static void forget(struct unit *unit, struct repeat *r)
{
	struct distinct params = r->params;

	distinct_reset(&params);
	*r = (struct repeat){.params = params};
}

static void keep_if(struct unit *unit, int (*keep)(const struct repeat *r, uint64_t limit), uint64_t limit)
{
	size_t from, to = 0;

	for (from = 0; from < unit->repeat_count; from++) {
		struct repeat moved = unit->repeat[from];

		if (!keep(&moved, limit)) {
			unit->repeats_dropped++;
			continue;
		}
		unit->repeat[from] = unit->repeat[to];
		unit->repeat[to++] = moved;
	}
	for (from = to; from < unit->repeat_count; from++)
		forget(unit, &unit->repeat[from]);
	unit->repeat_count = to;
	reindex(unit);
}

static int used_after(const struct repeat *r, uint64_t limit)
{
	return r->last_end > limit;
}

static int executed_at_least(const struct repeat *r, uint64_t limit)
{
	return r->count >= limit;
}

/* Too many fingerprints: those not executed in the later half of the unit go; if
 * that is not enough, all go. */
static void make_room(struct unit *unit)
{
	size_t before = unit->repeat_count;

	keep_if(unit, used_after, unit->start + (unit->end - unit->start) / 2);
	if (unit->repeat_count > before / 4 * 3)
		keep_if(unit, used_after, UINT64_MAX);
}

static struct repeat *repeat_of(struct unit *unit, const struct statement *stmt, size_t max)
{
	struct repeat *r;
	uint32_t *slot;

	if (unit->repeat_count == unit->repeat_cap && unit->repeat_cap < max && grow(unit))
		return NULL;
	slot = index_slot(unit, stmt->fingerprint, stmt->kind);
	if (*slot)
		return &unit->repeat[*slot - 1];
	if (unit->repeat_count == unit->repeat_cap) {
		make_room(unit);
		slot = index_slot(unit, stmt->fingerprint, stmt->kind);
	}
	r = &unit->repeat[unit->repeat_count++];
	*slot = (uint32_t)unit->repeat_count;
	r->fingerprint = stmt->fingerprint;
	r->first_start = stmt->t_start;
	r->tgid = stmt->tgid;
	r->system = stmt->system;
	r->kind = stmt->kind;
	r->type = stmt->type;
	return r;
}

const struct repeat *unit_repeat(const struct unit *unit, uint64_t fingerprint)
{
	uint32_t at = unit->index_size ? *index_slot((struct unit *)unit, fingerprint, SQL_KIND_OTHER) : 0;

	return at ? &unit->repeat[at - 1] : NULL;
}

/* ---- groups and bursts ---- */

/*
 * One statement more for every four rows is still taken for a loop over them: the same statement is often
 * executed once elsewhere in the unit, too.
 */
static void end_group(struct repeat_link *l, int is_tx, uint32_t threshold)
{
	uint64_t most = is_tx ? UINT64_MAX : (uint64_t)l->rows + l->rows / 4 + (l->rows > 0);

	if (l->group == 0)
		return;
	if (l->group >= threshold && l->group <= most) {
		l->good++;
		if (l->group > l->best_group) {
			l->best_group = l->group;
			l->best_rows = l->rows;
		}
	} else if (!is_tx && (l->group > most || l->rows >= threshold)) {
		l->bad++;
	}
	l->group = 0;
}

static void count_group(struct repeat_link *l, const struct unit_parent *p, int is_tx, uint32_t threshold)
{
	if (l->parent != p->fingerprint)
		*l = (struct repeat_link){.parent = p->fingerprint, .epoch = p->epoch};
	if (l->epoch != p->epoch) {
		if (l->epoch + 1 == p->epoch && !is_tx)
			l->rows = p->last_rows;
		end_group(l, is_tx, threshold);
		l->epoch = p->epoch;
	}
	l->rows = p->rows;
	l->group++;
}

static void count_groups(struct unit *unit, struct repeat *r, const struct statement *stmt,
			 uint32_t threshold)
{
	int i;

	if (stmt->in_tx)
		count_group(&r->link[UNIT_LINK_TX], &unit->parent[UNIT_LINK_TX], 1, threshold);
	for (i = UNIT_LINK_TX + 1; i < UNIT_PARENTS && unit->parent[i].fingerprint; i++) {
		if (unit->parent[i].fingerprint != r->fingerprint)
			count_group(&r->link[i], &unit->parent[i], 0, threshold);
	}
}

static void end_burst(struct repeat *r)
{
	if (r->burst == 0)
		return;
	if (r->bursts == 0 || r->burst < r->burst_min)
		r->burst_min = r->burst;
	if (r->burst > r->burst_max)
		r->burst_max = r->burst;
	r->bursts++;
	r->burst = 0;
}

/* The slot of a possible parent: its own, a free one, or the one not used for longest. */
static struct unit_parent *parent_slot(struct unit *unit, uint64_t fingerprint)
{
	struct unit_parent *oldest = &unit->parent[UNIT_LINK_TX + 1];
	int i;

	for (i = UNIT_LINK_TX + 1; i < UNIT_PARENTS; i++) {
		struct unit_parent *p = &unit->parent[i];

		if (p->fingerprint == fingerprint || !p->fingerprint)
			return p;
		if (p->used < oldest->used)
			oldest = p;
	}
	return oldest;
}

static uint32_t clamp_rows(uint64_t rows)
{
	return rows > UINT32_MAX ? UINT32_MAX : (uint32_t)rows;
}

static void note_parent(struct unit *unit, const struct statement *stmt, uint32_t threshold)
{
	struct unit_parent *p;

	if (stmt->type != SPAN_DB || stmt->stmt_class != SQL_CLASS_QUERY ||
	    (stmt->kind != SQL_KIND_READ && stmt->kind != SQL_KIND_OTHER))
		return;
	p = parent_slot(unit, stmt->fingerprint);
	if (p->fingerprint == stmt->fingerprint && p->seq == stmt->seq) {
		p->rows = clamp_rows(stmt->rows);
		return;
	}
	if (p->fingerprint != stmt->fingerprint) {
		if (stmt->rows < threshold && !stmt->opening)
			return;
		*p = (struct unit_parent){.fingerprint = stmt->fingerprint};
	}
	p->last_rows = p->rows;
	p->rows = clamp_rows(stmt->rows);
	p->seq = stmt->seq;
	p->epoch++;
	p->used = ++unit->parent_clock;
}

static void begin(struct unit *unit, const struct statement *stmt)
{
	if (unit->kind != UNIT_SPAN)
		unit->start = stmt->t_start;
	unit->end = stmt->t_end;
	unit->tgid = stmt->tgid;
	unit->ctx_id = stmt->ctx_id;
}

void unit_opening(struct unit *unit, const struct statement *stmt, uint32_t threshold)
{
	if (!unit->end)
		begin(unit, stmt);
	if (!unit->first)
		unit->first = stmt->fingerprint;
	note_parent(unit, stmt, threshold);
}

/* ---- adding ---- */

static int keep_span(struct unit *unit, const struct statement *stmt, size_t max)
{
	size_t cap = unit->span_max;

	if (max == 0)
		return 0;
	if (unit->span_total == cap && cap < max) {
		struct unit_span *span;

		cap = cap ? cap * 2 : 16;
		span = realloc(unit->span, cap * sizeof(*span));
		if (!span)
			return -ENOMEM;
		unit->span = span;
		unit->span_max = cap;
	}
	unit->span[unit->span_total++ % cap] = (struct unit_span){.fingerprint = stmt->fingerprint,
								  .conn = stmt->conn,
								  .t_start = stmt->t_start,
								  .t_end = stmt->t_end,
								  .duration_ns = stmt->duration_ns,
								  .rows = stmt->rows,
								  .tx_idle_ns = stmt->tx_idle_ns,
								  .type = stmt->type,
								  .kind = stmt->kind,
								  .stmt_class = stmt->stmt_class,
								  .params = stmt->params};
	return 0;
}

static void count_transaction(struct unit *unit, const struct statement *stmt)
{
	struct unit_parent *tx = &unit->parent[UNIT_LINK_TX];

	if (stmt->kind == SQL_KIND_BEGIN && !stmt->error) {
		unit->transactions++;
		unit->tx_open = 1;
		tx->epoch++;
	} else if (stmt->kind == SQL_KIND_COMMIT || stmt->kind == SQL_KIND_ROLLBACK) {
		unit->tx_open = 0;
	} else if (stmt->in_tx && !unit->tx_open) {
		unit->tx_open = 1;
		tx->epoch++;
	}
}

static void count_params(struct repeat *r, const struct statement *stmt, uint32_t distinct_max)
{
	if (stmt->params == SPAN_PARAMS_UNKNOWN) {
		r->unknown++;
		return;
	}
	r->partial += stmt->params == SPAN_PARAMS_PARTIAL;
	distinct_add(&r->params, stmt->param_hash, distinct_max);
}

/* One after another, as a loop does; not sent together or by several threads at the same time. */
static void count_chain(struct repeat *r, const struct statement *stmt)
{
	if (r->count && stmt->t_start < r->chain_end)
		return;
	r->chain++;
	/* Not t_end: a cursor may be open while its rows' children are read by the same statement. */
	r->chain_end = stmt->t_start + stmt->duration_ns;
}

static void count_repeat(struct unit *unit, struct repeat *r, const struct statement *stmt,
			 const struct unit_limits *limits)
{
	if (r->count == 0)
		r->first_position = unit->statements;
	else if (r->last_gap != unit->gaps)
		r->gaps++;
	count_chain(r, stmt);
	if (unit->last_fingerprint != r->fingerprint)
		end_burst(r);
	r->burst++;
	r->last_gap = unit->gaps;
	r->last_position = unit->statements;
	r->count++;
	r->errors += stmt->error;
	r->rows += stmt->rows;
	r->literals += stmt->literals;
	r->total_ns += stmt->duration_ns;
	if (stmt->rows > r->max_rows)
		r->max_rows = stmt->rows;
	if (stmt->duration_ns > r->max_ns)
		r->max_ns = stmt->duration_ns;
	if (stmt->t_end > r->last_end)
		r->last_end = stmt->t_end;
	if (stmt->call_site && r->call_site != stmt->call_site) {
		r->call_site = r->sites ? 0 : stmt->call_site;
		r->sites = 1;
	}
	count_params(r, stmt, limits->distinct_max);
	count_groups(unit, r, stmt, limits->threshold);
	r->batched +=
		stmt->in_tx && r->link[UNIT_LINK_TX].group > 1 && stmt->handle && stmt->handle == r->handle;
	r->handle = stmt->handle;
}

void unit_tally(struct unit *unit, const struct statement *stmt)
{
	unit->errors += stmt->error;
	unit->db_ns += statement_db_ns(stmt);
	unit->cache_spans += stmt->type == SPAN_CACHE;
	unit->queue_spans += stmt->type == SPAN_QUEUE;
	if (stmt->lookup && !stmt->error) {
		unit->cache_hits += stmt->rows > 0;
		unit->cache_misses += stmt->rows == 0;
	}
	if (stmt->stmt_class == SQL_CLASS_CONTROL) {
		unit->control++;
		return;
	}
	unit->statements++;
	unit->queries += stmt->type == SPAN_DB;
}

int unit_add(struct unit *unit, const struct statement *stmt, const struct unit_limits *limits)
{
	struct repeat *r;

	if (!unit->end)
		begin(unit, stmt);
	else if (stmt->t_start > unit->end + limits->gap_ns)
		unit->gaps++;
	if (stmt->t_start < unit->start)
		unit->start = stmt->t_start;
	if (stmt->t_end > unit->end)
		unit->end = stmt->t_end;
	if (stmt->flags & APM_STMT_ASYNC && stmt->t_start < unit->busy_until && stmt->conn != unit->busy_conn)
		unit->overlaps = 1;
	if (stmt->t_end > unit->busy_until) {
		unit->busy_until = stmt->t_end;
		unit->busy_conn = stmt->conn;
	}
	unit->concurrent |= unit->overlaps || stmt->ctx_id != unit->ctx_id;
	if (keep_span(unit, stmt, limits->span_max))
		return -ENOMEM;
	count_transaction(unit, stmt);
	unit_tally(unit, stmt);
	if (stmt->stmt_class == SQL_CLASS_CONTROL)
		return 0;
	if (!unit->first)
		unit->first = stmt->fingerprint;
	r = repeat_of(unit, stmt, limits->repeats_max);
	if (!r)
		return -ENOMEM;
	count_repeat(unit, r, stmt, limits);
	note_parent(unit, stmt, limits->threshold);
	unit->last_fingerprint = stmt->fingerprint;
	return 0;
}

void unit_name(struct unit *unit)
{
	uint64_t of = unit->kind == UNIT_SPAN ? unit->rule + 1ULL : unit->first;

	if (of)
		unit->shape =
			hash_mix(hash_bytes(HASH_SEED + unit->kind, unit->comm, strlen(unit->comm)), of);
}

void unit_end(struct unit *unit, uint32_t threshold)
{
	size_t i;
	int j;

	for (i = 0; i < unit->repeat_count; i++) {
		struct repeat *r = &unit->repeat[i];

		/* The last burst of a unit that the end of the trace cut has no known length. */
		if (!(unit->cut && unit->last_fingerprint == r->fingerprint))
			end_burst(r);
		if (!unit->tx_open || r->link[UNIT_LINK_TX].epoch != unit->parent[UNIT_LINK_TX].epoch)
			end_group(&r->link[UNIT_LINK_TX], 1, threshold);
		for (j = UNIT_LINK_TX + 1; j < UNIT_PARENTS; j++) {
			struct repeat_link *l = &r->link[j];
			const struct unit_parent *p = &unit->parent[j];

			if (l->parent == p->fingerprint && l->epoch == p->epoch)
				l->rows = p->rows;
			else if (l->parent == p->fingerprint && l->epoch + 1 == p->epoch)
				l->rows = p->last_rows;
			end_group(l, 0, threshold);
		}
	}
	unit_name(unit);
}

void unit_trim(struct unit *unit, uint32_t threshold)
{
	uint64_t dropped = unit->repeats_dropped;

	if (unit->index_size)
		keep_if(unit, executed_at_least, threshold);
	unit->repeats_dropped = dropped;
}

static void release(struct unit *unit)
{
	size_t i;

	for (i = 0; i < unit->repeat_cap; i++)
		distinct_free(&unit->repeat[i].params);
	free(unit->repeat);
	free(unit->index);
	free(unit->span);
}

void unit_reset(struct unit *unit)
{
	struct unit kept = {0};
	size_t i;

	if (unit->repeat_cap > REPEATS_KEEP || unit->span_max > REPEATS_KEEP) {
		release(unit);
	} else {
		for (i = 0; i < unit->repeat_count; i++)
			forget(unit, &unit->repeat[i]);
		kept = (struct unit){.repeat = unit->repeat,
				     .repeat_cap = unit->repeat_cap,
				     .index = unit->index,
				     .index_size = unit->index_size,
				     .span = unit->span,
				     .span_max = unit->span_max};
		if (kept.index)
			memset(kept.index, 0, kept.index_size * sizeof(*kept.index));
	}
	*unit = kept;
}

void unit_free(struct unit *unit)
{
	if (!unit)
		return;
	release(unit);
	free(unit);
}
