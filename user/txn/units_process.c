/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole processes as units: what their threads did is held until it is known
 * whether the process is the unit. */
#include "txn/units_state.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

#define PROCESS_SHORT_NS (60 * 1000000000ULL) /* a process shorter than this is one unit */
#define HELD_MAX	 512 /* ended runs kept per process until it is known whether the process is the unit */

void units_drop_held(struct units *u, struct process *p)
{
	struct unit *unit = p->held, *next;

	p->held = NULL;
	p->held_count = 0;
	for (; unit; unit = next) {
		next = unit->next;
		units_put(u, unit);
	}
}

static struct process *process_of(struct units *u, uint32_t tgid)
{
	return table_get(u->processes, (struct table_key){tgid, 0});
}

int units_process_known(struct units *u, uint32_t tgid)
{
	return process_of(u, tgid) != NULL;
}

const char *units_comm(struct units *u, uint32_t tgid)
{
	static const char none[16];
	const struct process *p = process_of(u, tgid);

	return p ? p->comm : none;
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
			err = units_deliver(u, unit);
		else
			units_put(u, unit);
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
		units_put(u, p->unit);
	p->unit = NULL;
	return release_held(u, p, 0);
}

int units_end_run(struct units *u, struct unit *unit)
{
	struct process *p = process_of(u, unit->tgid);
	size_t before = unit->repeat_count;
	struct unit **last;
	int err;

	unit_end(unit, u->opt.threshold);
	if (!p || !p->whole)
		return units_deliver(u, unit);
	if (p->held_count == HELD_MAX) {
		err = give_up(u, p);
		return err ? err : units_deliver(u, unit);
	}
	unit_trim(unit, u->opt.threshold);
	u->repeats -= before - unit->repeat_count;
	for (last = &p->held; *last; last = &(*last)->next)
		;
	*last = unit;
	p->held_count++;
	return units_show(u, unit);
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
	int err = units_cut_spans(u, tgid);

	if (!err)
		err = units_end_runs(
			u, (struct ending){.tgid = tgid, .idle_since = UINT64_MAX, .most = SIZE_MAX});
	transactions_process_end(u->transactions, tgid);
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

int units_process_exit(struct units *u, uint32_t tgid, uint64_t ts, uint32_t status)
{
	struct ending e = {.tgid = tgid, .idle_since = UINT64_MAX, .cut = 1, .most = SIZE_MAX};
	struct process *p;
	struct unit *unit;
	int err;

	if (ts > u->now)
		u->now = ts;
	err = units_cut_spans(u, tgid);
	if (!err)
		err = units_end_runs(u, e);
	transactions_process_end(u->transactions, tgid);
	p = process_of(u, tgid);
	if (!p || err)
		return err;
	if (p->whole && p->unit && ts - p->start < PROCESS_SHORT_NS) {
		unit = p->unit;
		p->unit = NULL;
		unit->status = status ? UNIT_STATUS_ERROR : UNIT_STATUS_OK;
		unit_end(unit, u->opt.threshold);
		if (unit->concurrent)
			err = release_held(u, p, 1);
		if (err)
			units_put(u, unit);
		else
			err = units_deliver(u, unit);
		units_drop_held(u, p);
	} else {
		err = give_up(u, p);
	}
	table_remove(u->processes, (struct table_key){tgid, 0});
	return err;
}

int units_add_to_process(struct units *u, const struct statement *stmt)
{
	struct process *p = process_of(u, stmt->tgid);

	if (!p || !p->whole)
		return 0;
	if (stmt->t_start > p->start + PROCESS_SHORT_NS)
		return give_up(u, p);
	if (!p->unit)
		p->unit = units_get(u, UNIT_PROCESS, p->comm);
	return p->unit ? units_add(u, p->unit, stmt) : -ENOMEM;
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

int units_age_processes(struct units *u, int all)
{
	struct aging a = {.u = u, .all = all};

	table_visit(u->processes, age_process, &a);
	return a.err;
}
