/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Database transactions, by what their connection was told: BEGIN to COMMIT or ROLLBACK, savepoints, two
 * phases, and what a server does by itself:
 *  - PostgreSQL: a statement that fails ends nothing, but all is refused until ROLLBACK or ROLLBACK TO, and a
 *    COMMIT then rolls back (https://www.postgresql.org/docs/current/tutorial-transactions.html);
 *  - MySQL: BEGIN and DDL commit what is open, a deadlock rolls it back, and with autocommit off every
 *    statement begins one (https://dev.mysql.com/doc/refman/8.0/en/implicit-commit.html);
 *  - SQLite: a COMMIT that fails leaves it open (https://sqlite.org/lang_transaction.html).
 */
#ifndef APM_TXN_TRANSACTIONS_H
#define APM_TXN_TRANSACTIONS_H

#include "base/hist.h"
#include "record.h"
#include "txn/span.h"

/* What a statement means to its transaction. */
enum tx_verb {
	TX_NONE = 0,
	TX_BEGIN = 1,
	TX_COMMIT = 2,
	TX_ROLLBACK = 3,
	TX_COMMIT_CHAIN = 4, /* and the next one begins */
	TX_ROLLBACK_CHAIN = 5,
	TX_SAVEPOINT = 6,
	TX_RELEASE = 7,
	TX_ROLLBACK_TO = 8,
	TX_PREPARE = 9, /* first of two phases: it leaves the connection */
	TX_FINISH = 10, /* second phase, of a transaction that belongs to no connection */
	TX_AUTOCOMMIT_OFF = 11,
	TX_AUTOCOMMIT_ON = 12,
};

/* By the normalised text (of autocommit the kind tells the value). */
enum tx_verb tx_verb_of(struct str normalized, uint8_t kind);

/* Whether an error makes the server roll the whole transaction back: MySQL's deadlock (ER_LOCK_DEADLOCK). */
int transactions_is_lost(uint8_t system, const struct rec_error *error);

enum tx_outcome {
	TX_COMMITTED = 0,
	TX_ROLLED_BACK = 1,
	TX_FAILED = 2,	 /* rolled back because a statement had failed */
	TX_PREPARED = 3, /* waits for its second phase */
	TX_DROPPED = 4,	 /* the connection or the process ended first */
	TX_OPEN = 5,	 /* still open at the end */
	TX_OUTCOMES
};

/* Transactions of one system that begin with the same statement. */
struct tx_shape {
	uint8_t system;
	uint64_t first; /* fingerprint of the first statement that is not control; 0 = they were empty */
	uint64_t count, outcome[TX_OUTCOMES];
	uint64_t implicit; /* begun by a statement with autocommit off */
	uint64_t nested;   /* BEGIN inside, which did nothing */
	uint64_t savepoints, savepoint_rollbacks, statements, errors, refused;
	uint64_t db_ns, idle_ns, max_idle_ns;
	uint64_t sampled_idle_ns; /* of idle_ns: the thread stayed the same, so that samples tell of it */
	uint64_t idle_cpu_ns;	  /* CPU time in that */
	uint64_t second_phases;	  /* COMMIT PREPARED and the like; in no count above */
	struct hist durations;	  /* of those that have ended */
};

struct transactions;

struct transactions *transactions_new(void);	/* NULL with errno */
void transactions_free(struct transactions *t); /* accepts NULL */

/*
 * A statement in order of start. `outside_ns`: CPU time of its thread outside of statements so far, by
 * samples. Fills its in_tx, tx_idle_ns and tx_idle_fingerprint, and in what ends a transaction tx_ns and what
 * goes with it. 0 or -ENOMEM.
 */
int transactions_feed(struct transactions *t, struct statement *stmt, uint64_t outside_ns);
/* The statement's connection was closed. 0. */
int transactions_close(struct transactions *t, const struct statement *mark);
void transactions_process_end(struct transactions *t, uint32_t tgid);
void transactions_finish(struct transactions *t);

/* Transactions begun. */
uint64_t transactions_count(const struct transactions *t);
uint64_t transactions_evicted(const struct transactions *t);
void transactions_each(struct transactions *t, void (*fn)(const struct tx_shape *shape, void *arg),
		       void *arg);

#endif
