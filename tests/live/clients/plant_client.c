/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An SQLite program that serves REQUESTS requests with pauses between them, each with what its mode plants
 * (or with what only looks like it). The tests know from the name what must be found. Modes: n_plus_one     a
 * list, then one query per row with another parameter each literals       the same with literals in the text
 *   writes         one INSERT per row of a list
 *   duplicate      one query repeated with the same parameter
 *   join           a list with a JOIN, one query per request: nothing to find
 *   few            a list and two look-ups: below the threshold
 *   saturated      one query per request, no pauses, other parameter each: nothing to find
 *   chunks         one statement with an IN list per chunk: nothing to find
 *   burst          many failing statements
 */
/* LIBS: -lsqlite3 -lpthread */
#include <sqlite3.h>

#include "truth.h"

static sqlite3 *db;

static int requests(void)
{
	return env_int("REQUESTS", 5);
}

static void each(const char *sql, void (*row)(int id))
{
	sqlite3_stmt *stmt;
	int ids[64], n = 0, rc;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL)) {
		truth_error(sql, 0);
		return;
	}
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		if (n < 64)
			ids[n++] = sqlite3_column_int(stmt, 0);
	truth_add(sql, 0, 1, rc != SQLITE_DONE, n);
	sqlite3_finalize(stmt);
	for (int i = 0; row && i < n; i++)
		row(ids[i]);
}

static void bound(const char *sql, int value, int writes)
{
	sqlite3_stmt *stmt;
	long rows = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL))
		die(sqlite3_errmsg(db));
	sqlite3_bind_int(stmt, 1, value);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		rows++;
	truth_ok(sql, writes ? sqlite3_changes(db) : rows);
	sqlite3_finalize(stmt);
}

__attribute__((noinline, noclone)) static void load_author(int id)
{
	bound("SELECT name FROM author WHERE id = ?", id, 0);
}

__attribute__((noinline, noclone)) static void load_literal(int id)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT name FROM author WHERE id = %d AND name <> 'x%d'", id, id);
	sqlite3_exec(db, sql, NULL, NULL, NULL);
	truth_ok("SELECT name FROM author WHERE id = 1 AND name <> 'x'", 1);
}

__attribute__((noinline, noclone)) static void save_view(int id)
{
	bound("INSERT INTO view (author) VALUES (?)", id, 1);
}

static void n_plus_one(int request)
{
	each("SELECT id FROM author WHERE id <= 10", load_author);
}

static void literals(int request)
{
	each("SELECT id FROM author WHERE id <= 10", load_literal);
}

static void writes(int request)
{
	each("SELECT id FROM author WHERE id <= 10", save_view);
}

static void duplicate(int request)
{
	for (int i = 0; i < 8; i++)
		bound("SELECT value FROM setting WHERE id = ?", 1, 0);
}

static void join(int request)
{
	each("SELECT b.id, a.name FROM book b JOIN author a ON a.id = b.author_id WHERE b.id <= 20", NULL);
}

static void few(int request)
{
	each("SELECT id FROM author WHERE id <= 2", load_author);
}

static void saturated(int request)
{
	for (int i = 0; i < 200; i++) /* as many requests as one unit of time holds */
		bound("SELECT title FROM book WHERE id = ?", (request * 200 + i) % 30, 0);
}

static void chunks(int request)
{
	char sql[256];

	for (int i = 0; i < 3; i++) {
		snprintf(sql, sizeof(sql), "SELECT name FROM author WHERE id IN (%d, %d, %d, %d)", i * 4,
			 i * 4 + 1, i * 4 + 2, i * 4 + 3);
		sqlite3_exec(db, sql, NULL, NULL, NULL);
		truth_ok("SELECT name FROM author WHERE id IN (1, 2, 3, 4)", i ? 4 : 3);
	}
}

static void burst(int request)
{
	for (int i = 0; i < 12; i++)
		each("SELECT id FROM gone", NULL);
}

static void (*request_of)(int request);

static void serve(void)
{
	truth_barrier();
	for (int i = 0; i < requests(); i++) {
		request_of(i);
		if (request_of != saturated)
			nap_ms(160);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(int request);
	} plants[] = {{"n_plus_one", n_plus_one},
		      {"literals", literals},
		      {"writes", writes},
		      {"duplicate", duplicate},
		      {"join", join},
		      {"few", few},
		      {"saturated", saturated},
		      {"chunks", chunks},
		      {"burst", burst},
		      {NULL, NULL}};
	const struct mode modes[] = {{argc > 1 ? argv[1] : "", serve}, {NULL, NULL}};

	if (sqlite3_open(":memory:", &db))
		die("cannot open");
	sqlite3_exec(
		db,
		"CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);"
		"CREATE TABLE book (id INTEGER PRIMARY KEY, author_id INT, title TEXT);"
		"CREATE TABLE view (author INT); CREATE TABLE setting (id INTEGER PRIMARY KEY, value TEXT);"
		"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 40)"
		" INSERT INTO author SELECT x, 'author ' || x FROM c;"
		"INSERT INTO book SELECT id, id, 'title' FROM author; INSERT INTO setting VALUES (1, 'on');",
		NULL, NULL, NULL);
	for (int i = 0; plants[i].name; i++)
		if (argc > 1 && !strcmp(plants[i].name, argv[1]))
			request_of = plants[i].run;
	if (!request_of)
		die("unknown mode");
	return truth_main("sqlite", modes, argc, argv);
}
