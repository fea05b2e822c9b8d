/* SPDX-License-Identifier: BSD-2-Clause */
#include "txn/transactions.h"
#include "base/str.h"
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONNS_MAX  16384
#define SHAPES_MAX 1024

/* The transaction of a connection. */
struct conn {
	uint64_t start, last_end, last_fingerprint, last_ctx, last_outside;
	uint64_t first;
	uint64_t statements, errors, refused, savepoints, savepoint_rollbacks, nested;
	uint64_t db_ns, idle_ns, max_idle_ns, sampled_idle_ns, idle_cpu_ns;
	uint8_t open, implicit, failed;
	uint8_t manual; /* autocommit is off */
	uint8_t system;
	uint32_t tgid;
};

struct transactions {
	struct table *conns;  /* (tgid and generation, connection) -> struct conn */
	struct table *shapes; /* (system, first statement) -> struct tx_shape */
	uint64_t count;
	int err;
};

/* ---- what a statement means ---- */

struct words {
	struct str word[4];
};

static int is_space(char ch)
{
	return ch == ' ' || ch == '\n' || ch == '\t' || ch == ';' || ch == '(';
}

static void split(struct str text, struct words *out)
{
	size_t at = 0, i;

	*out = (struct words){0};
	for (i = 0; i < 4; i++) {
		size_t start;

		while (at < text.len && is_space(text.ptr[at]))
			at++;
		start = at;
		while (at < text.len && !is_space(text.ptr[at]))
			at++;
		out->word[i] = (struct str){text.ptr + start, at - start};
	}
}

static int is(struct str word, const char *upper)
{
	size_t i;

	for (i = 0; i < word.len && upper[i]; i++)
		if ((word.ptr[i] >= 'a' && word.ptr[i] <= 'z' ? word.ptr[i] - 32 : word.ptr[i]) != upper[i])
			return 0;
	return i == word.len && !upper[i];
}

static int has(const struct words *w, const char *upper)
{
	return is(w->word[1], upper) || is(w->word[2], upper) || is(w->word[3], upper);
}

static enum tx_verb xa_verb(struct str normalized, const struct words *w)
{
	if (is(w->word[1], "START") || is(w->word[1], "BEGIN"))
		return TX_BEGIN;
	if (is(w->word[1], "PREPARE"))
		return TX_PREPARE;
	if (is(w->word[1], "COMMIT"))
		return memmem(normalized.ptr, normalized.len, "PHASE", 5) ||
				       memmem(normalized.ptr, normalized.len, "phase", 5)
			       ? TX_COMMIT
			       : TX_FINISH;
	return is(w->word[1], "ROLLBACK") ? TX_FINISH : TX_NONE;
}

enum tx_verb tx_verb_of(struct str normalized, uint8_t kind)
{
	struct words w;

	split(normalized, &w);
	if (kind == SQL_KIND_AUTOCOMMIT_OFF)
		return TX_AUTOCOMMIT_OFF;
	if (kind == SQL_KIND_AUTOCOMMIT_ON)
		return TX_AUTOCOMMIT_ON;
	if (is(w.word[0], "XA"))
		return xa_verb(normalized, &w);
	if (is(w.word[0], "PREPARE") && is(w.word[1], "TRANSACTION"))
		return TX_PREPARE;
	switch (kind) {
	case SQL_KIND_BEGIN:
		return TX_BEGIN;
	case SQL_KIND_COMMIT:
		if (is(w.word[1], "PREPARED"))
			return TX_FINISH;
		return has(&w, "CHAIN") && !has(&w, "NO") ? TX_COMMIT_CHAIN : TX_COMMIT;
	case SQL_KIND_ROLLBACK:
		if (is(w.word[1], "PREPARED"))
			return TX_FINISH;
		return has(&w, "CHAIN") && !has(&w, "NO") ? TX_ROLLBACK_CHAIN : TX_ROLLBACK;
	case SQL_KIND_SAVEPOINT:
		if (is(w.word[0], "ROLLBACK") || is(w.word[0], "ABORT"))
			return TX_ROLLBACK_TO;
		return is(w.word[0], "RELEASE") ? TX_RELEASE : TX_SAVEPOINT;
	}
	return TX_NONE;
}

int transactions_is_lost(uint8_t system, const struct rec_error *error)
{
	return system == APM_SYSTEM_MYSQL && (error->number == 1213 || str_eq(error->code, STR("40001")));
}

/* ---- life ---- */

static void shape_release(struct table_key key, void *value, void *arg)
{
	hist_free(&((struct tx_shape *)value)->durations);
}

struct transactions *transactions_new(void)
{
	struct transactions *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->conns = table_new(CONNS_MAX, sizeof(struct conn), NULL, NULL);
	t->shapes = table_new(SHAPES_MAX, sizeof(struct tx_shape), shape_release, NULL);
	if (!t->conns || !t->shapes) {
		transactions_free(t);
		errno = ENOMEM;
		return NULL;
	}
	return t;
}

void transactions_free(struct transactions *t)
{
	if (!t)
		return;
	table_free(t->conns);
	table_free(t->shapes);
	free(t);
}

/* ---- one transaction ---- */

static struct tx_shape *shape_of(struct transactions *t, uint8_t system, uint64_t first)
{
	struct tx_shape *s = table_put(t->shapes, (struct table_key){system, first}, NULL);

	if (!s) {
		t->err = -ENOMEM;
		return NULL;
	}
	s->system = system;
	s->first = first;
	return s;
}

static void begin(struct transactions *t, struct conn *c, const struct statement *stmt, int implicit)
{
	*c = (struct conn){.start = stmt->t_start,
			   .open = 1,
			   .implicit = (uint8_t)implicit,
			   .manual = c->manual,
			   .system = stmt->system,
			   .tgid = stmt->tgid};
	t->count++;
}

static void end(struct transactions *t, struct conn *c, enum tx_outcome outcome, uint64_t ts)
{
	struct tx_shape *s = shape_of(t, c->system, c->first);

	c->open = 0;
	if (!s)
		return;
	s->count++;
	s->outcome[outcome]++;
	s->implicit += c->implicit;
	s->nested += c->nested;
	s->savepoints += c->savepoints;
	s->savepoint_rollbacks += c->savepoint_rollbacks;
	s->statements += c->statements;
	s->errors += c->errors;
	s->refused += c->refused;
	s->db_ns += c->db_ns;
	s->idle_ns += c->idle_ns;
	s->sampled_idle_ns += c->sampled_idle_ns;
	s->idle_cpu_ns += c->idle_cpu_ns;
	if (c->max_idle_ns > s->max_idle_ns)
		s->max_idle_ns = c->max_idle_ns;
	if (outcome != TX_OPEN && ts > c->start && hist_add(&s->durations, ts - c->start))
		t->err = -ENOMEM;
}

/* The time that the connection waited for its program. */
static void note_idle(struct conn *c, struct statement *stmt, uint64_t outside_ns)
{
	uint64_t idle, cpu;

	if (stmt->t_start <= c->last_end || !c->last_end)
		return;
	idle = stmt->t_start - c->last_end;
	stmt->tx_idle_ns = idle;
	stmt->tx_idle_fingerprint = c->last_fingerprint;
	c->idle_ns += idle;
	if (idle > c->max_idle_ns)
		c->max_idle_ns = idle;
	if (c->last_ctx != stmt->ctx_id || outside_ns < c->last_outside)
		return;
	cpu = outside_ns - c->last_outside;
	c->sampled_idle_ns += idle;
	c->idle_cpu_ns += cpu < idle ? cpu : idle; /* a sample stands for more time than it saw */
}

/* A statement of the connection's transaction, whatever it means. */
static void note_statement(struct conn *c, const struct statement *stmt)
{
	c->db_ns += statement_db_ns(stmt);
	c->errors += stmt->error;
	if (stmt->stmt_class == SQL_CLASS_CONTROL)
		return;
	c->statements++;
	c->refused += stmt->error && c->failed;
	if (!c->first)
		c->first = stmt->fingerprint;
}

static void fail(struct transactions *t, struct conn *c, const struct statement *stmt)
{
	if (stmt->tx_lost)
		end(t, c, TX_FAILED, stmt->t_end);
	else if (stmt->system == APM_SYSTEM_POSTGRESQL)
		c->failed = 1;
}

static void commit(struct transactions *t, struct conn *c, const struct statement *stmt)
{
	if (!stmt->error)
		end(t, c, c->failed ? TX_FAILED : TX_COMMITTED, stmt->t_end);
	else if (stmt->system != APM_SYSTEM_SQLITE)
		end(t, c, TX_FAILED, stmt->t_end);
}

static void begin_again(struct transactions *t, struct conn *c, const struct statement *stmt)
{
	if (stmt->error)
		return;
	if (c->open && stmt->system == APM_SYSTEM_MYSQL)
		end(t, c, TX_COMMITTED, stmt->t_start);
	if (c->open)
		c->nested++;
	else
		begin(t, c, stmt, 0);
}

static void apply(struct transactions *t, struct conn *c, const struct statement *stmt)
{
	switch (stmt->tx_verb) {
	case TX_COMMIT:
	case TX_COMMIT_CHAIN:
		commit(t, c, stmt);
		break;
	case TX_ROLLBACK:
	case TX_ROLLBACK_CHAIN:
		end(t, c, c->failed ? TX_FAILED : TX_ROLLED_BACK, stmt->t_end);
		break;
	case TX_SAVEPOINT:
		c->savepoints += !stmt->error;
		break;
	case TX_ROLLBACK_TO:
		c->savepoint_rollbacks += !stmt->error;
		if (!stmt->error)
			c->failed = 0;
		break;
	case TX_PREPARE:
		if (!stmt->error)
			end(t, c, c->failed ? TX_FAILED : TX_PREPARED, stmt->t_end);
		break;
	case TX_AUTOCOMMIT_ON: /* commits what is open */
		commit(t, c, stmt);
		break;
	case TX_FINISH: /* XA ROLLBACK of one that was never prepared */
		end(t, c, TX_ROLLED_BACK, stmt->t_end);
		break;
	default:
		if (stmt->error)
			fail(t, c, stmt);
		else if (stmt->system == APM_SYSTEM_MYSQL && stmt->kind == SQL_KIND_DDL)
			end(t, c, TX_COMMITTED, stmt->t_end);
	}
	if (!c->open && (stmt->tx_verb == TX_COMMIT_CHAIN || stmt->tx_verb == TX_ROLLBACK_CHAIN))
		begin(t, c, stmt, 0);
}

/* A statement while none is open. */
static void outside(struct transactions *t, struct conn *c, const struct statement *stmt)
{
	struct tx_shape *s;

	if (stmt->tx_verb == TX_FINISH && !stmt->error) {
		s = shape_of(t, stmt->system, 0);
		if (s)
			s->second_phases++;
	}
	/* SQLite: a savepoint outside begins one, which its release ends. */
	if (stmt->tx_verb == TX_SAVEPOINT && stmt->system == APM_SYSTEM_SQLITE && !stmt->error) {
		begin(t, c, stmt, 1);
		c->savepoints = 1;
		note_statement(c, stmt);
	} else if (c->manual && stmt->stmt_class == SQL_CLASS_QUERY && stmt->kind != SQL_KIND_DDL &&
		   !stmt->tx_lost) {
		begin(t, c, stmt, 1);
		note_statement(c, stmt);
	}
}

/* Tells the statement what it ended. */
static void note_end(const struct conn *was, struct statement *stmt)
{
	stmt->tx_ns = stmt->t_end > was->start ? stmt->t_end - was->start : 0;
	stmt->tx_idle_max_ns = was->max_idle_ns;
	stmt->tx_statements = was->statements;
	stmt->tx_first = was->first;
}

int transactions_feed(struct transactions *t, struct statement *stmt, uint64_t outside_ns)
{
	struct table_key key = {(uint64_t)stmt->conn_gen << 32 | stmt->tgid, stmt->conn};
	struct conn *c = table_put(t->conns, key, NULL);
	struct conn was;

	if (!c)
		return -ENOMEM;
	stmt->in_tx = c->open;
	if (c->open)
		note_idle(c, stmt, outside_ns);
	if (stmt->tx_verb == TX_BEGIN) {
		if (c->open)
			note_statement(c, stmt);
		begin_again(t, c, stmt);
		if (c->open && c->start == stmt->t_start)
			note_statement(c, stmt);
	} else if (c->open) {
		note_statement(c, stmt);
		was = *c;
		apply(t, c, stmt);
		if (!c->open || c->start != was.start)
			note_end(&was, stmt);
	} else {
		outside(t, c, stmt);
	}
	if (!stmt->error && (stmt->tx_verb == TX_AUTOCOMMIT_OFF || stmt->tx_verb == TX_AUTOCOMMIT_ON))
		c->manual = stmt->tx_verb == TX_AUTOCOMMIT_OFF;
	if (stmt->t_end > c->last_end)
		c->last_end = stmt->t_end;
	c->last_ctx = stmt->ctx_id;
	c->last_outside = outside_ns;
	c->last_fingerprint = stmt->fingerprint;
	return t->err;
}

int transactions_close(struct transactions *t, const struct statement *mark)
{
	struct table_key key = {(uint64_t)mark->conn_gen << 32 | mark->tgid, mark->conn};
	struct conn *c = table_peek(t->conns, key);

	if (c && c->open)
		end(t, c, TX_DROPPED, mark->t_start);
	table_remove(t->conns, key);
	return t->err;
}

struct ending {
	struct transactions *t;
	uint32_t tgid; /* 0 = all */
	enum tx_outcome outcome;
};

static int end_conn(struct table_key key, void *value, void *arg)
{
	struct ending *e = arg;
	struct conn *c = value;

	if (e->tgid && (uint32_t)key.a != e->tgid)
		return 0;
	if (c->open)
		end(e->t, c, e->outcome, c->last_end);
	return 1;
}

void transactions_process_end(struct transactions *t, uint32_t tgid)
{
	struct ending e = {t, tgid, TX_DROPPED};

	table_visit(t->conns, end_conn, &e);
}

void transactions_finish(struct transactions *t)
{
	struct ending e = {t, 0, TX_OPEN};

	table_visit(t->conns, end_conn, &e);
}

uint64_t transactions_count(const struct transactions *t)
{
	return t->count;
}

uint64_t transactions_evicted(const struct transactions *t)
{
	return table_evicted(t->conns) + table_evicted(t->shapes);
}

struct each {
	void (*fn)(const struct tx_shape *shape, void *arg);
	void *arg;
};

static int call_each(struct table_key key, void *value, void *arg)
{
	const struct each *each = arg;

	each->fn(value, each->arg);
	return 0;
}

void transactions_each(struct transactions *t, void (*fn)(const struct tx_shape *shape, void *arg), void *arg)
{
	struct each each = {fn, arg};

	table_visit(t->shapes, call_each, &each);
}
