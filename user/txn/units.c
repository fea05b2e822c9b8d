/* SPDX-License-Identifier: BSD-2-Clause */
#include "txn/units_state.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINGER_NS \
	(5 * 1000000000ULL) /* an idle run is closed by time only after this: a long statement may follow */
#define RUNS_MAX      4096
#define PROCESSES_MAX 16384
#define CONNS_MAX     16384
#define CALLS_MAX     16384
#define THREADS_MAX   65536
#define REPEATS_MAX   1024
#define REPEATS_TOTAL 24576 /* in all open units */
#define SPARE_MAX     64
#define MOVED_MIN     8
#define SHOW_EVERY    512 /* statements of a run that goes on */

void units_put(struct units *u, struct unit *unit)
{
	u->repeats -= unit->repeat_count;
	u->totals.evicted += unit->repeats_dropped;
	if (u->spare_count >= SPARE_MAX) {
		unit_free(unit);
		return;
	}
	unit_reset(unit);
	unit->next = u->spare;
	u->spare = unit;
	u->spare_count++;
}

static void run_release(struct table_key key, void *value, void *arg)
{
	struct run *run = value;

	if (run->unit)
		units_put(arg, run->unit);
}

static void process_release(struct table_key key, void *value, void *arg)
{
	struct process *p = value;

	if (p->unit)
		units_put(arg, p->unit);
	units_drop_held(arg, p);
}

struct units *units_new(const struct units_options *opt, unit_fn fn, void *arg)
{
	struct units *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->opt = *opt;
	u->fn = fn;
	u->arg = arg;
	u->runs = table_new(0, sizeof(struct run), run_release, u);
	u->processes = table_new(PROCESSES_MAX, sizeof(struct process), process_release, u);
	u->conns = table_new(CONNS_MAX, sizeof(struct conn), NULL, NULL);
	u->calls = table_new(CALLS_MAX, sizeof(struct calls), units_calls_release, u);
	u->threads = table_new(THREADS_MAX, sizeof(struct thread), NULL, NULL);
	u->transactions = transactions_new();
	if (!u->runs || !u->processes || !u->conns || !u->calls || !u->threads || !u->transactions) {
		units_free(u);
		errno = ENOMEM;
		return NULL;
	}
	return u;
}

struct unit *units_get(struct units *u, enum unit_kind kind, const char *comm)
{
	struct unit *unit = u->spare;

	if (unit) {
		u->spare = unit->next;
		u->spare_count--;
		unit->next = NULL;
	} else {
		unit = calloc(1, sizeof(*unit));
	}
	if (unit) {
		unit->kind = kind;
		memcpy(unit->comm, comm, sizeof(unit->comm));
	}
	return unit;
}

int units_show(struct units *u, struct unit *unit)
{
	int err;

	unit->held = 1;
	err = u->fn(unit, u->arg);
	unit->held = 0;
	return err;
}

int units_deliver(struct units *u, struct unit *unit)
{
	int err = unit->statements + unit->control || unit->kind == UNIT_SPAN ? u->fn(unit, u->arg) : 0;

	units_put(u, unit);
	return err;
}

static struct unit_limits limits_of(const struct units *u)
{
	/* What many units with many fingerprints may take together is bounded by keeping less of each. */
	uint32_t distinct = u->repeats < 256 ? 4096 : u->repeats < 2048 ? 512 : 32;

	return (struct unit_limits){.gap_ns = u->opt.given ? UINT64_MAX / 2 : u->opt.gap_ns,
				    .threshold = u->opt.threshold,
				    .span_max = u->opt.span_max,
				    .repeats_max = u->opt.given ? SIZE_MAX : REPEATS_MAX,
				    .distinct_max = distinct};
}

int units_add(struct units *u, struct unit *unit, const struct statement *stmt)
{
	struct unit_limits limits = limits_of(u);
	size_t before = unit->repeat_count;
	int err = 0;

	if (stmt->opening)
		unit_opening(unit, stmt, limits.threshold);
	else
		err = unit_add(unit, stmt, &limits);
	u->repeats += unit->repeat_count - before;
	return err;
}

/* ---- runs ---- */

static int end_matching(struct table_key key, void *value, void *arg)
{
	struct run *run = value;
	struct ending *e = arg;
	struct unit *unit;

	if (!run->unit)
		return 1;
	if (e->most == 0 || (e->tgid && run->unit->tgid != e->tgid) || run->unit->end >= e->idle_since)
		return 0;
	e->most--;
	run->unit->cut = e->cut && run->unit->end + e->u->opt.gap_ns >= e->u->now;
	unit = run->unit;
	run->unit = NULL;
	if (!e->err)
		e->err = units_end_run(e->u, unit);
	else
		units_put(e->u, unit);
	return 1;
}

int units_end_runs(struct units *u, struct ending e)
{
	e.u = u;
	table_visit(u->runs, end_matching, &e);
	return e.err;
}

/* ---- connections ---- */

static struct conn *note_conn(struct units *u, const struct statement *stmt)
{
	struct conn *c = table_put(
		u->conns, (struct table_key){(uint64_t)stmt->conn_gen << 32 | stmt->tgid, stmt->conn}, NULL);
	int soon;

	if (!c)
		return NULL;
	soon = c->last_end && stmt->t_start < c->last_end + u->opt.gap_ns;
	if (soon && c->last_ctx != stmt->ctx_id)
		c->moves++;
	else if (soon)
		c->stays++;
	if (stmt->t_end > c->last_end)
		c->last_end = stmt->t_end;
	c->last_ctx = stmt->ctx_id;
	return c;
}

static int is_moving(const struct conn *c)
{
	return c->moves >= MOVED_MIN && c->moves >= 3 * (uint64_t)c->stays;
}

/* ---- statements ---- */

/* CPU time that the statement's thread has spent outside of statements so far, by samples. */
static uint64_t outside_of(const struct units *u, const struct statement *stmt)
{
	const struct thread *t = table_peek(u->threads, (struct table_key){stmt->tgid, stmt->tid});

	return t ? t->outside_ns : 0;
}

/* What the thread did since the last statement is the unit's as soon as another one follows. */
static void note_outside(struct unit *unit, uint64_t outside_ns)
{
	if (outside_ns > unit->outside_seen)
		unit->cpu_ns += outside_ns - unit->outside_seen;
	unit->outside_seen = outside_ns;
}

/* Adds to the run of that key; *out is valid until the next run is added. */
static int feed_run(struct units *u, const struct statement *stmt, struct table_key key, enum unit_kind kind,
		    struct run **out)
{
	struct run *run = table_put(u->runs, key, NULL);
	struct unit *ended = NULL;
	int err;

	if (!run)
		return -ENOMEM;
	*out = run;
	if (run->unit && stmt->t_start > run->unit->end + u->opt.gap_ns) {
		ended = run->unit;
		run->unit = NULL;
		run->shown = 0;
	}
	if (!run->unit) {
		run->unit = units_get(u, kind, units_comm(u, stmt->tgid));
		if (run->unit) {
			run->unit->tgid = stmt->tgid;
			run->unit->outside_seen = outside_of(u, stmt);
		}
	}
	err = ended ? units_end_run(u, ended) : 0;
	if (!err)
		err = run->unit ? units_add(u, run->unit, stmt) : -ENOMEM;
	if (!err)
		note_outside(run->unit, outside_of(u, stmt));
	if (!err && run->unit->statements >= run->shown + SHOW_EVERY) {
		run->shown = run->unit->statements;
		unit_name(run->unit);
		err = units_show(u, run->unit);
	}
	return err;
}

static int feed_runs(struct units *u, const struct statement *stmt, int moving)
{
	struct table_key by_ctx = {(uint64_t)stmt->ctx_kind << 32 | stmt->tgid, stmt->ctx_id};
	struct table_key by_conn = {1ULL << 63 | stmt->tgid, hash_mix(stmt->conn, stmt->conn_gen)};
	struct run *run = table_peek(u->runs, by_ctx);
	int err;

	if (moving || (run && run->many_conns))
		return feed_run(u, stmt, by_conn, UNIT_CONNECTION, &run);
	err = feed_run(u, stmt, by_ctx, UNIT_RUN, &run);
	if (!err)
		run->many_conns = run->unit->overlaps;
	return err;
}

static int stay_within_bounds(struct units *u)
{
	if (table_count(u->runs) <= RUNS_MAX && u->repeats <= REPEATS_TOTAL)
		return 0;
	return units_end_runs(
		u, (struct ending){.idle_since = UINT64_MAX, .most = 1 + table_count(u->runs) / 8});
}

/* A CPU sample: in a statement, or between two. */
static int feed_sample(struct units *u, const struct statement *sample)
{
	struct thread *t;
	struct run *run;

	if (sample->seq) {
		run = table_peek(u->runs, units_context(sample->ctx_kind, sample->tgid, sample->ctx_id));
		if (run && run->unit)
			run->unit->cpu_ns += sample->duration_ns;
		return 0;
	}
	t = table_put(u->threads, (struct table_key){sample->tgid, sample->tid}, NULL);
	if (!t)
		return -ENOMEM;
	t->outside_ns += sample->duration_ns;
	return 0;
}

int units_feed(struct units *u, struct statement *stmt)
{
	struct conn *c = NULL;
	int err;

	if (stmt->t_start > u->now)
		u->now = stmt->t_start;
	if (stmt->mark == MARK_SAMPLE)
		return feed_sample(u, stmt);
	if (stmt->mark == MARK_WAIT) {
		units_wait_in_span(u, stmt);
		return 0;
	}
	if (stmt->mark == MARK_CLOSE)
		return transactions_close(u->transactions, stmt);
	if (!stmt->opening && stmt->type == SPAN_DB) {
		c = note_conn(u, stmt);
		err = c ? transactions_feed(u->transactions, stmt, outside_of(u, stmt)) : -ENOMEM;
		if (err)
			return err;
	}
	if (u->opt.given) {
		if (!u->given)
			u->given = units_get(u, UNIT_GIVEN, (char[16]){0});
		return u->given ? units_add(u, u->given, stmt) : -ENOMEM;
	}
	err = units_add_to_span(u, stmt);
	if (err)
		return err < 0 ? err : stay_within_bounds(u);
	err = units_add_to_process(u, stmt);
	if (!err)
		err = feed_runs(u, stmt, c && is_moving(c));
	return err ? err : stay_within_bounds(u);
}

int units_time(struct units *u, uint64_t now_ns)
{
	int err;

	if (now_ns > u->now)
		u->now = now_ns;
	if (now_ns < u->next_sweep || now_ns < LINGER_NS + u->opt.gap_ns)
		return 0;
	u->next_sweep = now_ns + LINGER_NS / 10;
	err = units_end_runs(
		u, (struct ending){.idle_since = now_ns - LINGER_NS - u->opt.gap_ns, .most = SIZE_MAX});
	return err ? err : units_age_processes(u, 0);
}

int units_finish(struct units *u)
{
	struct unit *given = u->given;
	int err = units_cut_spans(u, 0);

	if (!err)
		err = units_end_runs(u,
				     (struct ending){.idle_since = UINT64_MAX, .cut = 1, .most = SIZE_MAX});
	if (!err)
		err = units_age_processes(u, 1);
	transactions_finish(u->transactions);
	u->given = NULL;
	if (!given || err)
		return err;
	unit_end(given, u->opt.threshold);
	return units_deliver(u, given);
}

void units_free(struct units *u)
{
	struct unit *next;

	if (!u)
		return;
	table_free(u->runs);
	table_free(u->processes);
	table_free(u->conns);
	table_free(u->calls);
	table_free(u->threads);
	transactions_free(u->transactions);
	unit_free(u->given);
	for (; u->spare; u->spare = next) {
		next = u->spare->next;
		unit_free(u->spare);
	}
	free(u);
}

void units_totals(const struct units *u, struct units_totals *out)
{
	*out = u->totals;
	out->transactions = transactions_count(u->transactions);
	out->evicted += table_evicted(u->processes) + table_evicted(u->conns) + table_evicted(u->calls) +
			transactions_evicted(u->transactions);
}

struct transactions *units_transactions(struct units *u)
{
	return u->transactions;
}
