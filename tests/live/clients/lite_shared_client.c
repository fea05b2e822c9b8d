/* SPDX-License-Identifier: BSD-2-Clause */
/* Several SQLite connections to one database: a shared cache and a backup, a write-ahead log, a lock. */
/* LIBS: -lsqlite3 -lpthread */
#include <pthread.h>

#include "lite.h"

/* Two connections on one cache, and one that copies their database while they write to it. */
static void mode_shared(void)
{
	sqlite3 *first, *second, *copy;
	sqlite3_backup *backup;

	if (sqlite3_open_v2("file:shop?mode=memory&cache=shared", &first,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, NULL) ||
	    sqlite3_open_v2("file:shop?mode=memory&cache=shared", &second,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL) ||
	    sqlite3_open(":memory:", &copy))
		die("cannot open");
	truth_barrier();
	once(first, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", 0);
	backup = sqlite3_backup_init(copy, "main", first, "main");
	for (int i = 0; i < repeat(); i++) {
		once(second, "INSERT INTO t (v) VALUES ('x')", 0);
		once(first, "SELECT * FROM t", 0);
		if (sqlite3_backup_step(backup, 1) == SQLITE_DONE) {
			sqlite3_backup_finish(backup);
			backup = sqlite3_backup_init(copy, "main", first, "main");
		}
	}
	while (sqlite3_backup_step(backup, -1) == SQLITE_OK)
		;
	sqlite3_backup_finish(backup);
	once(copy, "SELECT count(*) FROM t", 0);
	sqlite3_close(copy);
	sqlite3_close(second);
	sqlite3_close(first);
}

/* A write-ahead log that is checkpointed by itself, by statement and by call. */
static void mode_wal(void)
{
	sqlite3 *db = open_db();
	sqlite3_stmt *stmt;

	truth_barrier();
	stmt = prepare(db, "PRAGMA journal_mode = WAL");
	run(stmt, "PRAGMA journal_mode = WAL", 1);
	sqlite3_finalize(stmt);
	sqlite3_wal_autocheckpoint(db, 2);
	once(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", 0);
	for (int i = 0; i < repeat(); i++)
		once(db, "INSERT INTO t (v) VALUES ('x')", 0);
	stmt = prepare(db, "PRAGMA wal_checkpoint");
	run(stmt, "PRAGMA wal_checkpoint", 0);
	sqlite3_finalize(stmt);
	sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	once(db, "SELECT * FROM t", 0);
	sqlite3_close(db);
}

static void *waiter(void *db)
{
	once(db, "INSERT INTO t (v) VALUES ('waits')", 0);
	return NULL;
}

/* A connection holds the lock for 300 ms while another wants it. */
static void mode_wait(void)
{
	sqlite3 *holder = open_db(), *other = open_db();
	pthread_t thread;

	truth_barrier();
	once(holder, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", 0);
	once(holder, "BEGIN IMMEDIATE", 1);
	pthread_create(&thread, NULL, waiter, other);
	nap_ms(300);
	once(holder, "COMMIT", 1);
	pthread_join(thread, NULL);
	sqlite3_close(other);
	sqlite3_close(holder);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {
		{"shared", mode_shared}, {"wal", mode_wal}, {"wait", mode_wait}, {NULL, NULL}};

	return truth_main("sqlite", modes, argc, argv);
}
