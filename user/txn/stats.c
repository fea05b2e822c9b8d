/* SPDX-License-Identifier: BSD-2-Clause */
#include "txn/stats.h"
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX       4352 /* bytes kept of one normalised text: --max-sql and room for `...` lists */
#define TEXT_BYTES_MAX (12u << 20)
#define ERRORS_MAX     1024
#define ERROR_TEXT_MAX 1024

struct stats {
	struct table *queries; /* fingerprint -> struct stats_query */
	struct table *errors;  /* (fingerprint, code) -> struct stats_error */
	struct stats_query other;
	struct stats_totals totals;
	struct stats_slow *slow; /* slowest first */
	size_t slow_count, max_slow;
	size_t max_queries, text_bytes;
	uint64_t evicted;
	struct stats_query *last; /* the previous statement's: often the next one's too */
};

static void query_release(struct table_key key, void *value, void *arg)
{
	struct stats_query *q = value;
	struct stats *st = arg;
	size_t i;

	st->text_bytes -= q->text_size;
	st->last = NULL;
	for (i = 0; i < STATS_EXAMPLES; i++)
		free(q->example[i]);
	free(q->text);
	hist_free(&q->durations);
}

static void error_release(struct table_key key, void *value, void *arg)
{
	struct stats_error *e = value;

	free(e->message);
}

struct stats *stats_new(size_t max_queries, size_t max_slow)
{
	struct stats *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->queries = table_new(0, sizeof(struct stats_query), query_release, st);
	st->errors = table_new(ERRORS_MAX, sizeof(struct stats_error), error_release, NULL);
	st->slow = calloc(max_slow, sizeof(*st->slow));
	if (!st->queries || !st->errors || (max_slow && !st->slow)) {
		stats_free(st);
		errno = ENOMEM;
		return NULL;
	}
	st->max_queries = max_queries;
	st->max_slow = max_slow;
	st->other = (struct stats_query){
		.normalized = "[other]", .summary = "[other]", .operation = "", .collections = ""};
	return st;
}

void stats_free(struct stats *st)
{
	if (!st)
		return;
	table_free(st->queries);
	table_free(st->errors);
	free(st->slow);
	hist_free(&st->other.durations);
	hist_free(&st->totals.durations);
	free(st);
}

/* ---- making room ---- */

struct purge {
	struct stats *st;
	size_t visited, oldest; /* only the `oldest` least recently used may go */
	uint64_t limit_ns;	/* and only those not above this total */
	uint64_t sum_ns;
};

static int sum_total(struct table_key key, void *value, void *arg)
{
	struct purge *p = arg;

	if (p->visited++ < p->oldest)
		p->sum_ns += ((struct stats_query *)value)->durations.sum;
	return 0;
}

static void merge_into_other(struct stats *st, const struct stats_query *q)
{
	struct stats_query *o = &st->other;

	o->calls += q->calls;
	o->errors += q->errors;
	o->rows += q->rows;
	o->rows_unknown += q->rows_unknown;
	o->bytes += q->bytes;
	o->wait_ns += q->wait_ns;
	o->elapsed_ns += q->elapsed_ns;
	o->running += q->running;
	o->cpu_samples += q->cpu_samples;
	if (q->max_rows > o->max_rows)
		o->max_rows = q->max_rows;
	hist_merge(&o->durations, &q->durations);
}

static int purge_one(struct table_key key, void *value, void *arg)
{
	struct stats_query *q = value;
	struct purge *p = arg;

	if (p->visited++ >= p->oldest || q->durations.sum > p->limit_ns)
		return 0;
	merge_into_other(p->st, q);
	p->st->evicted += q->calls > 0;
	return 1;
}

/*
 * Of the half that was used longest ago, all that took no more than twice the average go: at least half of
 * them, so a quarter of the table becomes free, and what costs much stays.
 */
static void purge(struct stats *st)
{
	struct purge p = {.st = st, .oldest = table_count(st->queries) / 2};

	table_visit(st->queries, sum_total, &p);
	p.limit_ns = p.oldest ? p.sum_ns / p.oldest * 2 + 1 : 0;
	p.visited = 0;
	table_visit(st->queries, purge_one, &p);
}

/* ---- texts ---- */

static const char *copy(char **at, struct str s, size_t max)
{
	const char *begin = *at;
	size_t len = s.len < max ? s.len : max;

	if (len)
		memcpy(*at, s.ptr, len);
	(*at)[len] = '\0';
	*at += len + 1;
	return begin;
}

static int add_example(struct stats *st, struct stats_query *q, struct str raw)
{
	size_t i;

	if (raw.len == 0)
		return 0;
	for (i = 0; i < STATS_EXAMPLES && q->example[i]; i++) {
		if (strlen(q->example[i]) == raw.len && memcmp(q->example[i], raw.ptr, raw.len) == 0)
			return 0;
	}
	if (i == STATS_EXAMPLES)
		return 0;
	q->example[i] = strndup(raw.ptr, raw.len);
	if (!q->example[i])
		return -ENOMEM;
	q->text_size += raw.len;
	st->text_bytes += raw.len;
	return 0;
}

static int fill_query(struct stats *st, struct stats_query *q, const struct rec_text *text)
{
	const struct str s[] = {text->normalized, text->summary, text->operation, text->collections};
	const char *out[4];
	size_t size = 0, i;
	char *at;

	for (i = 0; i < 4; i++)
		size += (s[i].len < TEXT_MAX ? s[i].len : TEXT_MAX) + 1;
	q->text = malloc(size);
	if (!q->text)
		return -ENOMEM;
	at = q->text;
	for (i = 0; i < 4; i++)
		out[i] = copy(&at, s[i], TEXT_MAX);
	q->normalized = out[0];
	q->summary = out[1];
	q->operation = out[2];
	q->collections = out[3];
	q->text_size = size;
	st->text_bytes += size;
	q->system = text->system;
	q->stmt_class = text->stmt_class;
	q->kind = text->kind;
	q->fingerprint = text->fingerprint;
	return 0;
}

int stats_describe(struct stats *st, const struct rec_text *text)
{
	struct table_key key = {text->fingerprint, 0};
	struct stats_query *q = table_get(st->queries, key);

	if (!q) {
		if (table_count(st->queries) >= st->max_queries || st->text_bytes > TEXT_BYTES_MAX)
			purge(st);
		q = table_put(st->queries, key, NULL);
		if (!q)
			return -ENOMEM;
		if (fill_query(st, q, text)) {
			table_remove(st->queries, key);
			return -ENOMEM;
		}
	}
	return add_example(st, q, text->raw);
}

const struct stats_query *stats_find(const struct stats *st, uint64_t fingerprint)
{
	return table_peek(st->queries, (struct table_key){fingerprint, 0});
}

static struct stats_query *query_of(struct stats *st, uint64_t fingerprint)
{
	struct stats_query *q;

	if (st->last && st->last->fingerprint == fingerprint)
		return st->last;
	q = table_get(st->queries, (struct table_key){fingerprint, 0});
	if (!q)
		return &st->other;
	st->last = q;
	return q;
}

/* ---- counting ---- */

static void slow_insert(struct stats *st, const struct statement *stmt)
{
	size_t at = st->slow_count;

	if (st->max_slow == 0 || (at == st->max_slow && st->slow[at - 1].duration_ns >= stmt->duration_ns))
		return;
	if (at == st->max_slow)
		at--;
	else
		st->slow_count++;
	for (; at > 0 && st->slow[at - 1].duration_ns < stmt->duration_ns; at--)
		st->slow[at] = st->slow[at - 1];
	st->slow[at] = (struct stats_slow){.fingerprint = stmt->fingerprint,
					   .t_start = stmt->t_start,
					   .duration_ns = stmt->duration_ns,
					   .rows = stmt->rows,
					   .rows_known = statement_rows_known(stmt),
					   .tgid = stmt->tgid,
					   .tid = stmt->tid,
					   .running = stmt->running};
}

static void slow_remove(struct stats *st, const struct statement *stmt)
{
	size_t i;

	for (i = 0; i < st->slow_count; i++) {
		if (st->slow[i].t_start == stmt->t_start && st->slow[i].tid == stmt->tid &&
		    st->slow[i].fingerprint == stmt->fingerprint) {
			st->slow_count--;
			memmove(st->slow + i, st->slow + i + 1, (st->slow_count - i) * sizeof(*st->slow));
			return;
		}
	}
}

static uint64_t wall_ns(const struct statement *stmt)
{
	return stmt->t_end > stmt->t_start ? stmt->t_end - stmt->t_start : 0;
}

static void add_name(struct stats_query *q, uint64_t name)
{
	size_t i;

	for (i = 0; name && i < STATS_NAMES; i++) {
		if (!q->prepared[i])
			q->prepared[i] = name;
		if (q->prepared[i] == name)
			return;
	}
}

int stats_add(struct stats *st, const struct statement *stmt, uint64_t slow_ns)
{
	struct stats_query *q = query_of(st, stmt->fingerprint);
	struct stats_totals *t = &st->totals;

	if (hist_add(&q->durations, stmt->duration_ns))
		return -ENOMEM;
	if (q->durations.max == stmt->duration_ns)
		q->worst_rows = stmt->rows;
	if (stmt->call_site && !q->call_site) {
		q->call_site = stmt->call_site;
		q->call_site_tgid = stmt->tgid;
	}
	add_name(q, stmt->prepared);
	if (!q->calls++)
		q->system = stmt->system; /* its text may have been told by another library, above this one */
	q->errors += stmt->error;
	q->rows += stmt->rows;
	q->rows_unknown += !statement_rows_known(stmt);
	q->bytes += stmt->bytes;
	q->wait_ns += stmt->wait_ns;
	q->running += stmt->running;
	q->elapsed_ns += wall_ns(stmt);
	if (stmt->rows > q->max_rows)
		q->max_rows = stmt->rows;
	t->errors += stmt->error;
	t->running += stmt->running;
	t->db_ns += statement_db_ns(stmt);
	if (stmt->duration_ns >= slow_ns)
		slow_insert(st, stmt);
	if (stmt->stmt_class == SQL_CLASS_CONTROL) {
		t->control++;
		return 0;
	}
	t->statements++;
	return hist_add(&t->durations, stmt->duration_ns);
}

int stats_amend(struct stats *st, const struct statement *was, const struct statement *now, uint64_t slow_ns)
{
	struct stats_query *q = query_of(st, was->fingerprint);
	struct stats_totals *t = &st->totals;

	/* Merged into "[other]" since, and then described anew. */
	if (q->calls == 0)
		q = &st->other;
	if (was->duration_ns >= slow_ns)
		slow_remove(st, was);
	hist_subtract(&q->durations, was->duration_ns);
	q->calls--;
	q->errors -= was->error;
	q->rows -= was->rows;
	q->rows_unknown -= !statement_rows_known(was);
	q->bytes -= was->bytes;
	q->wait_ns -= was->wait_ns;
	q->running -= was->running;
	q->elapsed_ns -= wall_ns(was);
	t->errors -= was->error;
	t->running -= was->running;
	t->db_ns -= statement_db_ns(was);
	if (was->stmt_class == SQL_CLASS_CONTROL) {
		t->control--;
	} else {
		t->statements--;
		hist_subtract(&t->durations, was->duration_ns);
	}
	return stats_add(st, now, slow_ns);
}

uint64_t stats_error(struct stats *st, const struct statement *stmt, uint64_t ts,
		     const struct rec_error *error)
{
	uint64_t code = hash_bytes(HASH_SEED, error->code.ptr, error->code.len);
	int is_new;
	struct stats_error *e = table_put(
		st->errors,
		(struct table_key){stmt->fingerprint,
				   hash_mix(code, ((uint64_t)stmt->system << 32) ^ (uint32_t)error->number)},
		&is_new);
	size_t len = error->code.len < sizeof(e->code) - 1 ? error->code.len : sizeof(e->code) - 1;

	if (!e)
		return 0;
	if (is_new) {
		e->fingerprint = stmt->fingerprint;
		e->system = stmt->system;
		e->first_ns = ts;
		if (len)
			memcpy(e->code, error->code.ptr, len);
		if (error->message.len)
			e->message = strndup(error->message.ptr, error->message.len < ERROR_TEXT_MAX
									 ? error->message.len
									 : ERROR_TEXT_MAX);
	}
	if (ts > e->last_ns)
		e->last_ns = ts;
	return ++e->count;
}

void stats_sample(struct stats *st, uint64_t fingerprint, uint64_t samples)
{
	query_of(st, fingerprint)->cpu_samples += samples;
}

const struct stats_totals *stats_totals(const struct stats *st)
{
	return &st->totals;
}

uint64_t stats_evicted(const struct stats *st)
{
	return st->evicted + table_evicted(st->errors);
}

struct each {
	void (*query)(const struct stats_query *q, void *arg);
	void (*error)(const struct stats_error *e, void *arg);
	void *arg;
};

static int each_query(struct table_key key, void *value, void *arg)
{
	struct each *each = arg;

	each->query(value, each->arg);
	return 0;
}

static int each_error(struct table_key key, void *value, void *arg)
{
	struct each *each = arg;

	each->error(value, each->arg);
	return 0;
}

void stats_each_query(struct stats *st, void (*fn)(const struct stats_query *q, void *arg), void *arg)
{
	struct each each = {.query = fn, .arg = arg};

	table_visit(st->queries, each_query, &each);
	if (st->other.calls)
		fn(&st->other, arg);
}

void stats_each_error(struct stats *st, void (*fn)(const struct stats_error *e, void *arg), void *arg)
{
	struct each each = {.error = fn, .arg = arg};

	table_visit(st->errors, each_error, &each);
}

const struct stats_slow *stats_slowest(const struct stats *st, size_t *count)
{
	*count = st->slow_count;
	return st->slow;
}
