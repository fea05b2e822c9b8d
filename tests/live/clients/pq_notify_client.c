/* SPDX-License-Identifier: BSD-2-Clause */
/* Notifications, notices and the conversation beside statements. The connection
 * comes from PGHOST and friends. */
/* LIBS: -lpq -lpthread */
#include <libpq-fe.h>

#include "truth.h"

static PGconn *dial(void)
{
	PGconn *conn = PQconnectdb("");

	if (PQstatus(conn) != CONNECTION_OK)
		die(PQerrorMessage(conn));
	return conn;
}

static int repeat(void)
{
	return env_int("N", 50);
}

static void query(PGconn *conn, const char *sql, const char *label)
{
	PGresult *res = PQexec(conn, sql);

	truth_add(label, 0, 1, PQresultStatus(res) == PGRES_FATAL_ERROR, atol(PQcmdTuples(res)));
	PQclear(res);
}

/* Notifications and notices come beside the results, and are no statements. */
static void quiet(void *arg, const char *message)
{
	++*(int *)arg;
}

static void mode_notify(void)
{
	static const char notice[] = "DO $$ BEGIN RAISE NOTICE 'seen'; END $$";
	PGconn *conn = dial(), *other = dial();
	int notices = 0, notified = 0;
	PGnotify *n;

	truth_barrier();
	PQsetNoticeProcessor(conn, quiet, &notices);
	query(conn, "LISTEN news", "LISTEN news");
	for (int i = 0; i < repeat(); i++) {
		query(other, "NOTIFY news, 'text'", "NOTIFY news, 'text'");
		query(conn, notice, notice);
		PQconsumeInput(conn);
		while ((n = PQnotifies(conn))) {
			notified++;
			PQfreemem(n);
		}
	}
	if (notices != repeat() || !notified)
		die("no notices or notifications");
	query(conn, "UNLISTEN *", "UNLISTEN *");
	PQfinish(other);
	PQfinish(conn);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {{"notify", mode_notify}, {NULL, NULL}};

	return truth_main("postgresql", modes, argc, argv);
}
