/* SPDX-License-Identifier: BSD-2-Clause */
/* libpq: PQexec of a text with its value in it. PGHOST … say where. */
/* LIBS: -lpq */
#include <libpq-fe.h>

#include "load.h"

static PGconn *pg;

static void pg_do(const char *sql)
{
	PGresult *res = PQexec(pg, sql);

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		stop(PQerrorMessage(pg));
	PQclear(res);
}

static void load_open(void)
{
	pg = PQconnectdb("");
	if (PQstatus(pg) != CONNECTION_OK)
		stop(PQerrorMessage(pg));
	for (size_t i = 0; i < TABLES; i++) {
		char sql[160];

		snprintf(sql, sizeof(sql), "CREATE TEMP TABLE %s (id int PRIMARY KEY, name text)", tables[i]);
		pg_do(sql);
		snprintf(sql, sizeof(sql),
			 "INSERT INTO %s SELECT i, 'item ' || i FROM generate_series(0, 999) i", tables[i]);
		pg_do(sql);
	}
}

static void load_operation(size_t table, unsigned int i)
{
	char sql[64];
	PGresult *res;

	snprintf(sql, sizeof(sql), "SELECT name FROM %s WHERE id = %u", tables[table], i % TEXTS);
	res = PQexec(pg, sql);
	if (PQntuples(res) != 1)
		stop(PQerrorMessage(pg));
	PQclear(res);
}

static int load_server(void)
{
	return PQbackendPID(pg);
}

static int load_text_offset(void)
{
	return 0;
}
