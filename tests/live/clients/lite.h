/* SPDX-License-Identifier: BSD-2-Clause */
/* What the modes of lite_client share: statements that count themselves, and a database with forty items. */
#ifndef APM_TEST_LITE_H
#define APM_TEST_LITE_H

#include <signal.h>
#include <sqlite3.h>

#include "truth.h"

#define SELECT_ITEM "SELECT name, price FROM item WHERE id = ?"
#define SELECT_ALL  "SELECT * FROM item ORDER BY id"
#define INSERT_ITEM "INSERT INTO item (id, name, price) VALUES (?, ?, ?)"
#define ITEMS	    40

static volatile sig_atomic_t told_to_end;

static inline void tell_to_end(int sig)
{
	told_to_end = 1;
}

/* With UNTIL_TERM set SIGTERM ends the work in good order. */
static int repeat(void)
{
	return told_to_end ? 0 : env_int("N", 50);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL))
		die(sqlite3_errmsg(db));
	return stmt;
}

/* Steps to the end and counts it; the caller resets or finalizes. */
static int run(sqlite3_stmt *stmt, const char *label, int control)
{
	long rows = 0;
	int rc;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		rows++;
	if (rc == SQLITE_DONE && !sqlite3_column_count(stmt) && !control)
		rows = strncmp(label, "CREATE", 6) && strncmp(label, "DROP", 4)
			       ? sqlite3_changes(sqlite3_db_handle(stmt))
			       : 0;
	truth_add(label, control, 1, rc != SQLITE_DONE, rows);
	return rc;
}

static void once(sqlite3 *db, const char *sql, int control)
{
	sqlite3_stmt *stmt = prepare(db, sql);

	run(stmt, sql, control);
	sqlite3_finalize(stmt);
}

static sqlite3 *open_db(void)
{
	sqlite3 *db;

	if (getenv("UNTIL_TERM"))
		signal(SIGTERM, tell_to_end);
	if (sqlite3_open(getenv("DB") ? getenv("DB") : ":memory:", &db))
		die("cannot open");
	sqlite3_busy_timeout(db, 10000);
	return db;
}

static void fill_db(sqlite3 *db)
{
	static const char create[] =
		"CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, price REAL)";
	char sql[128];

	once(db, create, 0);
	once(db, "BEGIN", 1);
	once(db, "DELETE FROM item", 0);
	for (int i = 0; i < ITEMS; i++) {
		snprintf(sql, sizeof(sql), "INSERT INTO item VALUES (%d, 'item %d', %d.5)", i, i, i);
		sqlite3_exec(db, sql, NULL, NULL, NULL);
		truth_ok("INSERT INTO item VALUES (0, 'item 0', 0.5)", 1);
	}
	once(db, "COMMIT", 1);
}

/* An open database with the table, made before the tracer is there. */
static inline sqlite3 *ready_db(void)
{
	sqlite3 *db = open_db();

	fill_db(db);
	truth_barrier();
	return db;
}

#endif
