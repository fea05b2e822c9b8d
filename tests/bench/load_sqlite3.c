/* SPDX-License-Identifier: BSD-2-Clause */
/* SQLite in memory: bind, step (a row), step (done), reset of one handle for each table. */
/* LIBS: -lsqlite3 */
#include <sqlite3.h>

#include "load.h"

static sqlite3 *lite;
static sqlite3_stmt *look[TABLES];

static void load_open(void)
{
	char sql[256];

	if (sqlite3_open(":memory:", &lite))
		stop(sqlite3_errmsg(lite));
	for (size_t i = 0; i < TABLES; i++) {
		snprintf(sql, sizeof(sql),
			 "CREATE TABLE %s (id INTEGER PRIMARY KEY, name TEXT);"
			 "WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c WHERE x < 999)"
			 "INSERT INTO %s SELECT x, 'item ' || x FROM c",
			 tables[i], tables[i]);
		if (sqlite3_exec(lite, sql, NULL, NULL, NULL))
			stop(sqlite3_errmsg(lite));
		snprintf(sql, sizeof(sql), "SELECT name FROM %s WHERE id = ?", tables[i]);
		if (sqlite3_prepare_v2(lite, sql, -1, &look[i], NULL))
			stop(sqlite3_errmsg(lite));
	}
}

static void load_operation(size_t table, unsigned int i)
{
	sqlite3_bind_int(look[table], 1, i % ROWS);
	if (sqlite3_step(look[table]) != SQLITE_ROW || sqlite3_step(look[table]) != SQLITE_DONE)
		stop(sqlite3_errmsg(lite));
	sqlite3_reset(look[table]);
}

/* Where the handle keeps the pointer that sqlite3_sql() gives: tools without that knowledge are told. */
static int load_text_offset(void)
{
	const char *text = sqlite3_sql(look[0]), *found;

	for (int at = 0; at < 320; at += 8) {
		memcpy(&found, (const char *)look[0] + at, sizeof(found));
		if (found == text)
			return at;
	}
	return 0;
}

static int load_server(void)
{
	return 0;
}
