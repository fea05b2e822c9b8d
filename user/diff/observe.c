/* SPDX-License-Identifier: BSD-2-Clause */
#include "diff/observe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/table.h"

#define QUERIES_MAX 24576
#define UNITS_MAX   2048
#define CALLS_MAX   16384

struct observation {
	struct table *queries; /* fingerprint -> struct observed_query */
	struct table *units;   /* key -> struct observed_unit */
	struct table *calls;   /* (unit, fingerprint) -> struct observed_calls */
};

static void release_query(struct table_key key, void *value, void *arg)
{
	hist_free(&((struct observed_query *)value)->durations);
}

static void release_unit(struct table_key key, void *value, void *arg)
{
	struct observed_unit *u = value;

	hist_free(&u->durations);
	hist_free(&u->db_times);
}

struct observation *observation_new(void)
{
	struct observation *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->queries = table_new(QUERIES_MAX, sizeof(struct observed_query), release_query, NULL);
	o->units = table_new(UNITS_MAX, sizeof(struct observed_unit), release_unit, NULL);
	o->calls = table_new(CALLS_MAX, sizeof(struct observed_calls), NULL, NULL);
	if (!o->queries || !o->units || !o->calls) {
		observation_free(o);
		errno = ENOMEM;
		return NULL;
	}
	return o;
}

void observation_free(struct observation *o)
{
	if (!o)
		return;
	table_free(o->queries);
	table_free(o->units);
	table_free(o->calls);
	free(o);
}

int observation_statement(struct observation *o, const struct statement *stmt)
{
	struct observed_query *q = table_put(o->queries, (struct table_key){stmt->fingerprint, 0}, NULL);

	if (!q)
		return -ENOMEM;
	series_add(&q->duration_ns, (double)stmt->duration_ns);
	series_add(&q->failed, stmt->error != 0);
	return hist_add(&q->durations, stmt->duration_ns);
}

/* Units in which the statement did not occur count as well. */
static void catch_up(struct observed_calls *c, uint64_t units)
{
	for (; c->units < units; c->units++)
		series_add(&c->calls, 0);
}

int observation_unit(struct observation *o, const struct unit *unit)
{
	uint64_t key =
		hash_bytes(hash_mix(unit->first, 0), unit->comm, strnlen(unit->comm, sizeof(unit->comm)));
	struct observed_unit *u = table_put(o->units, (struct table_key){key, 0}, NULL);
	size_t i;

	if (!u)
		return -ENOMEM;
	u->key = key;
	u->first = unit->first;
	memcpy(u->comm, unit->comm, sizeof(u->comm));
	u->comm[sizeof(u->comm) - 1] = '\0';
	for (i = 0; i < unit->repeat_count; i++) {
		const struct repeat *r = &unit->repeat[i];
		struct observed_calls *c = table_put(o->calls, (struct table_key){key, r->fingerprint}, NULL);

		if (!c)
			return -ENOMEM;
		c->unit = key;
		c->fingerprint = r->fingerprint;
		catch_up(c, u->duration_ns.count);
		series_add(&c->calls, (double)r->count);
		c->units++;
	}
	series_add(&u->duration_ns, (double)(unit->end - unit->start));
	series_add(&u->statements, (double)(unit->statements + unit->control));
	series_add(&u->db_ns, (double)unit->db_ns);
	return hist_add(&u->durations, unit->end - unit->start) || hist_add(&u->db_times, unit->db_ns)
		       ? -ENOMEM
		       : 0;
}

static int end_calls(struct table_key key, void *value, void *arg)
{
	const struct observation *o = arg;
	const struct observed_unit *u = table_peek(o->units, (struct table_key){key.a, 0});

	catch_up(value, u ? u->duration_ns.count : 0);
	return 0;
}

void observation_end(struct observation *o)
{
	table_visit(o->calls, end_calls, o);
}

const struct observed_query *observation_query(const struct observation *o, uint64_t fingerprint)
{
	return table_peek(o->queries, (struct table_key){fingerprint, 0});
}

const struct observed_unit *observation_of_unit(const struct observation *o, uint64_t key)
{
	return table_peek(o->units, (struct table_key){key, 0});
}

const struct observed_calls *observation_calls(const struct observation *o, uint64_t unit,
					       uint64_t fingerprint)
{
	return table_peek(o->calls, (struct table_key){unit, fingerprint});
}

struct visit {
	void (*on_unit)(const struct observed_unit *u, void *arg);
	void (*on_calls)(const struct observed_calls *c, void *arg);
	void *arg;
};

static int visit_unit(struct table_key key, void *value, void *arg)
{
	struct visit *v = arg;

	v->on_unit(value, v->arg);
	return 0;
}

static int visit_calls(struct table_key key, void *value, void *arg)
{
	struct visit *v = arg;

	v->on_calls(value, v->arg);
	return 0;
}

void observation_each_unit(struct observation *o, void (*fn)(const struct observed_unit *u, void *arg),
			   void *arg)
{
	table_visit(o->units, visit_unit, &(struct visit){.on_unit = fn, .arg = arg});
}

void observation_each_calls(struct observation *o, void (*fn)(const struct observed_calls *c, void *arg),
			    void *arg)
{
	table_visit(o->calls, visit_calls, &(struct visit){.on_calls = fn, .arg = arg});
}
