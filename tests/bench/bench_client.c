/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is measured: for each line "LOOP N" on standard input it runs N statements and prints the CPU time
 * they took, in ns for each (getrusage, user and system), and for the *_rows loops in ns for each row. step
 * sqlite3, one handle: bind, step (no row), reset step_row    the same with one row (two steps) prepare
 * sqlite3, a new handle each time: prepare, bind, step, finalize lite_rows   sqlite3, one SELECT of N rows
 *   exec        libpq, PQexec("SELECT 1")
 *   execprep    libpq, PQexecPrepared with one parameter
 *   pq_rows     libpq, one SELECT of N rows
 */
/* LIBS: -lpq -lsqlite3 */
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static sqlite3 *db;
static PGconn *conn;

static void stop(const char *what)
{
	fprintf(stderr, "bench_client: %s\n", what);
	exit(1);
}

static sqlite3_stmt *prepare(const char *sql)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL))
		stop(sqlite3_errmsg(db));
	return stmt;
}

static void run_steps(const char *sql, long n)
{
	sqlite3_stmt *stmt = prepare(sql);

	for (long i = 0; i < n; i++) {
		sqlite3_bind_int64(stmt, 1, i);
		while (sqlite3_step(stmt) == SQLITE_ROW)
			;
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
}

static void loop_step(long n)
{
	run_steps("SELECT name FROM item WHERE id = ? AND 0", n);
}

static void loop_step_row(long n)
{
	run_steps("SELECT ?", n);
}

static void loop_prepare(long n)
{
	for (long i = 0; i < n; i++)
		run_steps("SELECT name FROM item WHERE id = ? AND 0", 1);
}

static void loop_lite_rows(long n)
{
	sqlite3_stmt *stmt = prepare("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x "
				     "< ?) SELECT x FROM c");
	long rows = 0;

	sqlite3_bind_int64(stmt, 1, n);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		rows++;
	if (rows != n)
		stop("rows");
	sqlite3_finalize(stmt);
}

static void take(PGresult *res)
{
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		stop(PQerrorMessage(conn));
	PQclear(res);
}

static void loop_exec(long n)
{
	for (long i = 0; i < n; i++)
		take(PQexec(conn, "SELECT 1"));
}

static void loop_execprep(long n)
{
	const char *value = "7";

	PQclear(PQprepare(conn, "", "SELECT $1::int", 1, NULL));
	for (long i = 0; i < n; i++)
		take(PQexecPrepared(conn, "", 1, &value, NULL, NULL, 0));
}

static void loop_pq_rows(long n)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "SELECT generate_series(1, %ld)", n);
	take(PQexec(conn, sql));
}

static int64_t cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000LL +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000LL;
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(long n);
	} loops[] = {{"step", loop_step},	    {"step_row", loop_step_row}, {"prepare", loop_prepare},
		     {"lite_rows", loop_lite_rows}, {"exec", loop_exec},	 {"execprep", loop_execprep},
		     {"pq_rows", loop_pq_rows}};
	char name[32];
	long n;

	if (sqlite3_open(":memory:", &db) ||
	    sqlite3_exec(db, "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)", NULL, NULL, NULL))
		stop("cannot open a database");
	if (getenv("PGHOST")) {
		conn = PQconnectdb("");
		if (PQstatus(conn) != CONNECTION_OK)
			stop(PQerrorMessage(conn));
	}
	puts("ready");
	fflush(stdout);
	while (scanf("%31s %ld", name, &n) == 2)
		for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++)
			if (!strcmp(loops[i].name, name)) {
				int64_t begin = cpu_ns();

				loops[i].run(n);
				printf("%.1f\n", (double)(cpu_ns() - begin) / n);
				fflush(stdout);
			}
	return 0;
}
