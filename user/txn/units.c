/* SPDX-License-Identifier: BSD-2-Clause */
#include "txn/units.h"
#include "base/str.h"
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PROCESS_SHORT_NS (60 * 1000000000ULL) /* a process shorter than this is one unit */
#define LINGER_NS \
	(5 * 1000000000ULL) /* an idle run is closed by time only after this: a long statement may follow */
#define RUNS_MAX      4096
#define PROCESSES_MAX 16384
#define CONNS_MAX     16384
#define HELD_MAX      512 /* ended runs kept per process until it is known whether the process is the unit */
#define REPEATS_MAX   1024
#define REPEATS_TOTAL 24576 /* in all open units */
#define SPARE_MAX     64
#define MOVED_MIN     8
#define SHOW_EVERY    512 /* statements of a run that goes on */

struct run {
	struct unit *unit;
	uint64_t shown; /* statements it had when it was last shown */
	int many_conns; /* the thread serves several connections at the same time: runs are theirs */
};

struct process {
	uint64_t start;
	char comm[16];
	int whole;	   /* seen from its start and still shorter than a minute */
	struct unit *unit; /* of a whole one */
	struct unit *held; /* its ended runs */
	size_t held_count;
};

struct conn {
	uint64_t last_end, last_fingerprint;
	uint64_t last_ctx;
	uint32_t moves, stays;
	uint8_t in_tx;
};

struct units {
	struct units_options opt;
	unit_fn fn;
	void *arg;
	struct table *runs;	 /* (process and kind, context or connection) -> struct run */
	struct table *processes; /* tgid -> struct process */
	struct table *conns;	 /* (tgid, connection) -> struct conn */
	struct unit *given;
	struct unit *spare;
	size_t spare_count;
	size_t repeats; /* in open units */
	uint64_t next_sweep, now;
	struct units_totals totals;
};

static void unit_put(struct units *u, struct unit *unit)
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
		unit_put(arg, run->unit);
}

static void drop_held(struct units *u, struct process *p)
{
	struct unit *unit = p->held, *next;

	p->held = NULL;
	p->held_count = 0;
	for (; unit; unit = next) {
		next = unit->next;
		unit_put(u, unit);
	}
}

static void process_release(struct table_key key, void *value, void *arg)
{
	struct process *p = value;

	if (p->unit)
		unit_put(arg, p->unit);
	drop_held(arg, p);
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
	if (!u->runs || !u->processes || !u->conns) {
		units_free(u);
		errno = ENOMEM;
		return NULL;
	}
	return u;
}

static struct unit *unit_get(struct units *u, enum unit_kind kind, const char *comm)
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

static int show(struct units *u, struct unit *unit)
{
	int err;

	unit->held = 1;
	err = u->fn(unit, u->arg);
	unit->held = 0;
	return err;
}

static int deliver(struct units *u, struct unit *unit)
{
	int err = unit->statements + unit->control ? u->fn(unit, u->arg) : 0;

	unit_put(u, unit);
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

static int add(struct units *u, struct unit *unit, const struct statement *stmt)
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

/* ---- processes ---- */

static struct process *process_of(struct units *u, uint32_t tgid)
{
	return table_get(u->processes, (struct table_key){tgid, 0});
}

/*
 * The process is no unit, or one whose statements have no order: its runs are judged by themselves. `inner`:
 * they are not counted as units.
 */
static int release_held(struct units *u, struct process *p, int inner)
{
	struct unit *unit = p->held, *next;
	int err = 0;

	p->held = NULL;
	p->held_count = 0;
	for (; unit; unit = next) {
		next = unit->next;
		unit->inner = inner;
		if (!err)
			err = deliver(u, unit);
		else
			unit_put(u, unit);
	}
	return err;
}

/* It lasts too long, or there is too much to keep: what it did is told by its runs. */
static int give_up(struct units *u, struct process *p)
{
	if (!p->whole)
		return 0;
	p->whole = 0;
	if (p->unit)
		unit_put(u, p->unit);
	p->unit = NULL;
	return release_held(u, p, 0);
}

static int end_run(struct units *u, struct unit *unit)
{
	struct process *p = process_of(u, unit->tgid);
	size_t before = unit->repeat_count;
	struct unit **last;
	int err;

	unit_end(unit, u->opt.threshold);
	if (!p || !p->whole)
		return deliver(u, unit);
	if (p->held_count == HELD_MAX) {
		err = give_up(u, p);
		return err ? err : deliver(u, unit);
	}
	unit_trim(unit, u->opt.threshold);
	u->repeats -= before - unit->repeat_count;
	for (last = &p->held; *last; last = &(*last)->next)
		;
	*last = unit;
	p->held_count++;
	return show(u, unit);
}

struct ending {
	struct units *u;
	uint32_t tgid;	     /* 0 = all */
	uint64_t idle_since; /* last statement ended before this */
	int cut;
	size_t most; /* runs to end */
	int err;
};

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
		e->err = end_run(e->u, unit);
	else
		unit_put(e->u, unit);
	return 1;
}

static int end_runs(struct units *u, struct ending e)
{
	e.u = u;
	table_visit(u->runs, end_matching, &e);
	return e.err;
}

int units_process_name(struct units *u, uint32_t tgid, const char *comm)
{
	struct process *p = table_put(u->processes, (struct table_key){tgid, 0}, NULL);

	if (!p)
		return -ENOMEM;
	memset(p->comm, 0, sizeof(p->comm));
	if (comm)
		memcpy(p->comm, comm, strnlen(comm, sizeof(p->comm) - 1));
	return 0;
}

int units_process_start(struct units *u, uint32_t tgid, uint64_t ts, const char *comm, int forked)
{
	struct process *p;
	int err = end_runs(u, (struct ending){.tgid = tgid, .idle_since = UINT64_MAX, .most = SIZE_MAX});

	if (!err && comm && *comm)
		err = units_process_name(u, tgid, comm);
	if (err)
		return err;
	p = table_put(u->processes, (struct table_key){tgid, 0}, NULL);
	if (!p)
		return -ENOMEM;
	/* A number used again, and the exit was lost. */
	if (forked)
		err = give_up(u, p);
	/* fork and then exec is one start */
	if (!p->whole)
		p->start = ts;
	p->whole = 1;
	if (p->unit)
		memcpy(p->unit->comm, p->comm, sizeof(p->unit->comm));
	return err;
}

int units_process_exit(struct units *u, uint32_t tgid, uint64_t ts)
{
	struct ending e = {.tgid = tgid, .idle_since = UINT64_MAX, .cut = 1, .most = SIZE_MAX};
	struct process *p;
	struct unit *unit;
	int err;

	if (ts > u->now)
		u->now = ts;
	err = end_runs(u, e);
	p = process_of(u, tgid);
	if (!p || err)
		return err;
	if (p->whole && p->unit && ts - p->start < PROCESS_SHORT_NS) {
		unit = p->unit;
		p->unit = NULL;
		unit_end(unit, u->opt.threshold);
		if (unit->concurrent)
			err = release_held(u, p, 1);
		if (err)
			unit_put(u, unit);
		else
			err = deliver(u, unit);
		drop_held(u, p);
	} else {
		err = give_up(u, p);
	}
	table_remove(u->processes, (struct table_key){tgid, 0});
	return err;
}

static int add_to_process(struct units *u, const struct statement *stmt)
{
	struct process *p = process_of(u, stmt->tgid);

	if (!p || !p->whole)
		return 0;
	if (stmt->t_start > p->start + PROCESS_SHORT_NS)
		return give_up(u, p);
	if (!p->unit)
		p->unit = unit_get(u, UNIT_PROCESS, p->comm);
	return p->unit ? add(u, p->unit, stmt) : -ENOMEM;
}

/* ---- connections ---- */

static struct conn *note_conn(struct units *u, struct statement *stmt)
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
	if (c->in_tx && stmt->t_start > c->last_end) {
		stmt->tx_idle_ns = stmt->t_start - c->last_end;
		stmt->tx_idle_fingerprint = c->last_fingerprint;
	}
	stmt->in_tx = c->in_tx;
	if (stmt->kind == SQL_KIND_BEGIN && !stmt->error) {
		u->totals.transactions += !c->in_tx;
		c->in_tx = 1;
	} else if (stmt->kind == SQL_KIND_COMMIT || stmt->kind == SQL_KIND_ROLLBACK) {
		c->in_tx = 0;
	}
	if (stmt->t_end > c->last_end)
		c->last_end = stmt->t_end;
	c->last_ctx = stmt->ctx_id;
	c->last_fingerprint = stmt->fingerprint;
	return c;
}

static int is_moving(const struct conn *c)
{
	return c->moves >= MOVED_MIN && c->moves >= 3 * (uint64_t)c->stays;
}

/* ---- statements ---- */

/* Adds to the run of that key; *out is valid until the next run is added. */
static int feed_run(struct units *u, const struct statement *stmt, struct table_key key, enum unit_kind kind,
		    struct run **out)
{
	struct run *run = table_put(u->runs, key, NULL);
	struct unit *ended = NULL;
	struct process *p;
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
		p = process_of(u, stmt->tgid);
		run->unit = unit_get(u, kind, p ? p->comm : (char[16]){0});
		if (run->unit)
			run->unit->tgid = stmt->tgid;
	}
	err = ended ? end_run(u, ended) : 0;
	if (!err)
		err = run->unit ? add(u, run->unit, stmt) : -ENOMEM;
	if (!err && run->unit->statements >= run->shown + SHOW_EVERY) {
		run->shown = run->unit->statements;
		unit_name(run->unit);
		err = show(u, run->unit);
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
	return end_runs(u, (struct ending){.idle_since = UINT64_MAX, .most = 1 + table_count(u->runs) / 8});
}

int units_feed(struct units *u, struct statement *stmt)
{
	struct conn *c = NULL;
	int err;

	if (stmt->t_start > u->now)
		u->now = stmt->t_start;
	if (!stmt->opening && stmt->type == SPAN_DB) {
		c = note_conn(u, stmt);
		if (!c)
			return -ENOMEM;
	}
	if (u->opt.given) {
		if (!u->given)
			u->given = unit_get(u, UNIT_GIVEN, (char[16]){0});
		return u->given ? add(u, u->given, stmt) : -ENOMEM;
	}
	err = add_to_process(u, stmt);
	if (!err)
		err = feed_runs(u, stmt, c && is_moving(c));
	return err ? err : stay_within_bounds(u);
}

struct aging {
	struct units *u;
	int all;
	int err;
};

static int age_process(struct table_key key, void *value, void *arg)
{
	struct process *p = value;
	struct aging *a = arg;

	if (p->whole && !a->err && (a->all || a->u->now > p->start + PROCESS_SHORT_NS))
		a->err = give_up(a->u, p);
	return 0;
}

int units_time(struct units *u, uint64_t now_ns)
{
	struct aging a = {.u = u};
	int err;

	if (now_ns > u->now)
		u->now = now_ns;
	if (now_ns < u->next_sweep || now_ns < LINGER_NS + u->opt.gap_ns)
		return 0;
	u->next_sweep = now_ns + LINGER_NS / 10;
	err = end_runs(u,
		       (struct ending){.idle_since = now_ns - LINGER_NS - u->opt.gap_ns, .most = SIZE_MAX});
	if (err)
		return err;
	table_visit(u->processes, age_process, &a);
	return a.err;
}

int units_finish(struct units *u)
{
	struct aging a = {.u = u, .all = 1};
	struct unit *given = u->given;
	int err;

	err = end_runs(u, (struct ending){.idle_since = UINT64_MAX, .cut = 1, .most = SIZE_MAX});
	if (!err) {
		table_visit(u->processes, age_process, &a);
		err = a.err;
	}
	u->given = NULL;
	if (!given || err)
		return err;
	unit_end(given, u->opt.threshold);
	return deliver(u, given);
}

void units_free(struct units *u)
{
	struct unit *next;

	if (!u)
		return;
	table_free(u->runs);
	table_free(u->processes);
	table_free(u->conns);
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
	out->evicted += table_evicted(u->processes) + table_evicted(u->conns);
}
