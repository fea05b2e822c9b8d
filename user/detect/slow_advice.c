/* SPDX-License-Identifier: BSD-2-Clause */
#include "detect/slow_advice.h"
#include "detect/words.h"

/* What a statement does, as far as it decides where its time can have gone. */
enum slow_act { ACT_OTHER, ACT_PLAN, ACT_INSERT, ACT_COPY, ACT_DDL, ACT_BEGIN, ACT_COMMIT, ACT_WAIT, ACTS };

/*
 * The first that fits. Columns by dialect; a dialect without a sentence of its own takes the first column's.
 * Sources: PostgreSQL, "WAL Configuration", "The Cumulative Statistics System", "Explicit Locking"; MySQL,
 * "InnoDB Startup Options" and "sys.innodb_lock_waits"; SQLite, lang_transaction.html, wal.html, pragma.html,
 * eqp.html.
 */
static const char *const advice_of[ACTS][SQL_SQLITE + 1] = {
	[ACT_PLAN] =
		{
			"Look at its plan: a full scan of a large table wants an index on what WHERE and "
			"JOIN compare.",
			"Look at its plan with EXPLAIN (ANALYZE, BUFFERS): a sequential scan that drops most "
			"rows wants an index on what WHERE and JOIN compare.",
			"Look at its plan with EXPLAIN: type ALL on a large table wants an index on what "
			"WHERE and JOIN compare.",
			"Look at its plan with EXPLAIN QUERY PLAN: SCAN of a large table wants an index on "
			"what WHERE and JOIN compare.",
		},
	[ACT_INSERT] =
		{
			"Write many rows with one statement and many statements in one transaction; every "
			"index and trigger of the table adds to each row: drop those that nothing uses.",
			[SQL_SQLITE] = "Put many rows into one transaction: outside of one each INSERT waits "
				       "for the disk. Every index and trigger of the table adds to each row: "
				       "drop those that nothing uses.",
		},
	[ACT_COPY] =
		{"It moves many rows at once, which takes its time: see whether the program keeps up with "
		 "the server, and split it if others wait for it."},
	[ACT_DDL] = {"It waits until nobody uses the table, and others wait behind it: set a lock timeout, "
		     "and take a form that does not rewrite or block the table.",
		     [SQL_POSTGRESQL] =
			     "It waits until nobody uses the table, and others wait behind it: set "
			     "lock_timeout, and take a form that does not rewrite or block the table (CREATE "
			     "INDEX CONCURRENTLY, NOT VALID and then VALIDATE)."},
	[ACT_BEGIN] =
		{
			"To begin costs the server next to nothing: it waited for the network, for a pooler "
			"without a free connection, or for a server that is overloaded.",
			[SQL_SQLITE] = "BEGIN IMMEDIATE and BEGIN EXCLUSIVE wait until no other connection "
				       "writes: keep the transactions that write short and free of other "
				       "work.",
		},
	[ACT_COMMIT] =
		{
			"It waits until what was written is on the disk: put more into one transaction, or "
			"use a faster disk for the log.",
			"It waits until the WAL is on the disk (and at a synchronous standby): put more into "
			"one transaction, use a faster disk for the WAL, or synchronous_commit = off where "
			"the last moments before a crash may be lost.",
			"It waits until the logs are on the disk: put more into one transaction, use a "
			"faster disk for them, or look at innodb_flush_log_at_trx_commit and sync_binlog.",
			"It waits until the file is on the disk, and without WAL for readers to leave: put "
			"more into one transaction; PRAGMA journal_mode = WAL with synchronous = NORMAL "
			"waits for the disk at checkpoints only.",
		},
	[ACT_WAIT] =
		{
			"It waited for a lock: look for the transaction that holds it, and keep that one "
			"short.",
			"It waited for a lock: pg_blocking_pids(pid) and pg_stat_activity say who holds it, "
			"log_lock_waits = on writes it down. Keep that transaction short.",
			"It waited for a lock: sys.innodb_lock_waits and SHOW ENGINE INNODB STATUS say who "
			"holds it. Keep that transaction short.",
			"It waited for another connection that holds the database: look for the longest "
			"transaction on the file, and keep those that write short and free of other work.",
		},
	[ACT_OTHER] =
		{
			"See what it waits for while it runs: the server's list of sessions says so.",
			"See what it waits for while it runs: wait_event in pg_stat_activity says so.",
			"See what it waits for while it runs: SHOW PROCESSLIST says so.",
			"Run it by hand: when it is fast then, it waited for another connection or the disk.",
		},
};

static enum sql_dialect dialect_of(uint8_t system)
{
	switch (system) {
	case APM_SYSTEM_POSTGRESQL:
		return SQL_POSTGRESQL;
	case APM_SYSTEM_MYSQL:
		return SQL_MYSQL;
	case APM_SYSTEM_SQLITE:
		return SQL_SQLITE;
	default:
		return SQL_GENERIC;
	}
}

/* A read, wherever it stands, and a write that looks for its rows have a plan. */
static enum slow_act act_of(const struct detect_query *q)
{
	static const char *const select[] = {"SELECT", NULL}, *const where[] = {"WHERE", NULL},
				 *const bulk[] = {"COPY", "LOAD", NULL};

	switch (q->kind) {
	case SQL_KIND_READ:
	case SQL_KIND_COUNT:
		return ACT_PLAN;
	case SQL_KIND_UPDATE:
	case SQL_KIND_DELETE:
		return words_any(q->normalized, where) ? ACT_PLAN : ACT_OTHER;
	case SQL_KIND_INSERT:
		return words_any(q->normalized, select) ? ACT_PLAN : ACT_INSERT;
	case SQL_KIND_INSERT_MANY:
		return words_any(q->normalized, bulk) ? ACT_COPY : ACT_INSERT;
	case SQL_KIND_DDL:
		return ACT_DDL;
	case SQL_KIND_BEGIN:
		return ACT_BEGIN;
	case SQL_KIND_COMMIT:
		return ACT_COMMIT;
	default:
		return ACT_OTHER;
	}
}

void slow_advice(const struct detect *d, const struct finding *f, enum slow_state state, struct strbuf *out)
{
	struct sql_advice_input in = {.calls = f->count, .rows = f->rows, .duration_ns = f->max_ns};
	const char *const *advice;
	struct detect_query q;

	detect_text(d, f->fingerprint, &q);
	in.normalized = q.normalized;
	in.dialect = dialect_of(q.system);
	if (state != SLOW_WAITED && sql_advise(&in, out))
		return;
	advice = advice_of[state == SLOW_WAITED ? ACT_WAIT : act_of(&q)];
	strbuf_adds(out, advice[in.dialect] ? advice[in.dialect] : advice[0]);
	if (state == SLOW_RUNNING && q.kind < SQL_KIND_BEGIN)
		strbuf_adds(out, " It may also wait for a lock: set a lock and a statement timeout.");
}
