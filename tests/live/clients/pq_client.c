/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PostgreSQL client with one mode per way of calling libpq. It counts what it executes (truth.h).
 * Tables author(id, name), book(id, author_id, title, price) and log(id primary key, note) exist already.
 *
 *   pq_client MODE    N=… repetitions, THREADS=…; the connection comes from PGHOST and friends
 */
/* LIBS: -lpq -lpthread */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>

#include "truth.h"

#define SELECT_ONE   "SELECT name FROM author WHERE id = 1"
#define SELECT_PARAM "SELECT id, title FROM book WHERE author_id = $1"
#define INSERT_LOG   "INSERT INTO log (id, note) VALUES (1, 'x')"

static PGconn *dial(void)
{
	PGconn *conn = PQconnectdb("");

	if (PQstatus(conn) != CONNECTION_OK) {
		fputs(PQerrorMessage(conn), stderr);
		die("no connection");
	}
	return conn;
}

/* Counts one result of the template `label` and frees it. */
static void account(PGresult *res, const char *label, int control)
{
	ExecStatusType status = PQresultStatus(res);
	long rows = status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE ? PQntuples(res)
									      : atol(PQcmdTuples(res));

	truth_add(label, control, 1, status == PGRES_FATAL_ERROR, rows);
	PQclear(res);
}

static void query(PGconn *conn, const char *sql, const char *label)
{
	account(PQexec(conn, sql), label, 0);
}

static void control(PGconn *conn, const char *sql)
{
	account(PQexec(conn, sql), sql, 1);
}

static int repeat(void)
{
	return env_int("N", 50);
}

/* ---- synchronous ---- */

static void mode_exec(void)
{
	PGconn *conn = dial();
	char sql[256];

	truth_barrier();
	control(conn, "BEGIN");
	for (int i = 0; i < repeat(); i++) {
		snprintf(sql, sizeof(sql), "SELECT name FROM author WHERE id = %d", i);
		query(conn, sql, SELECT_ONE);
		snprintf(sql, sizeof(sql), "INSERT INTO log (id, note) VALUES (%d, 'n%d')", i, i);
		query(conn, sql, INSERT_LOG);
	}
	query(conn, "UPDATE log SET note = 'all'", "UPDATE log SET note = 'all'");
	query(conn, "SELECT * FROM book ORDER BY id", "SELECT * FROM book ORDER BY id");
	query(conn, "CREATE TEMP TABLE copy AS SELECT * FROM author",
	      "CREATE TEMP TABLE copy AS SELECT * FROM author");
	query(conn, "DELETE FROM log", "DELETE FROM log");
	control(conn, "SAVEPOINT here");
	control(conn, "ROLLBACK TO here");
	control(conn, "COMMIT");
	query(conn, "SELECT 1 WHERE false", "SELECT 1 WHERE false");
	PQfinish(conn);
}

static void mode_params(void)
{
	static const char update[] = "UPDATE book SET price = $1 WHERE id = $2 OR id = $3";
	PGconn *conn = dial();

	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		char id[16], price[16];
		const char *one[] = {id}, *three[] = {price, id, NULL};

		snprintf(id, sizeof(id), "%d", i % 20);
		snprintf(price, sizeof(price), "%d.5", i);
		account(PQexecParams(conn, SELECT_PARAM, 1, NULL, one, NULL, NULL, i & 1), SELECT_PARAM, 0);
		account(PQexecParams(conn, update, 3, NULL, three, NULL, NULL, 0), update, 0);
	}
	/* A binary parameter: eight bytes, network order, value 3. */
	const char bin[8] = {0, 0, 0, 0, 0, 0, 0, 3}, *values[] = {bin};
	const int lengths[] = {8}, formats[] = {1};
	const Oid types[] = {20};

	account(PQexecParams(conn, "SELECT title FROM book WHERE id = $1", 1, types, values, lengths, formats,
			     1),
		"SELECT title FROM book WHERE id = $1", 0);
	PQfinish(conn);
}

static void prepare(PGconn *conn, const char *name, const char *sql)
{
	PGresult *res = PQprepare(conn, name, sql, 0, NULL);

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		die(PQerrorMessage(conn));
	PQclear(res);
}

static void execute(PGconn *conn, const char *name, int value, const char *label)
{
	char text[16];
	const char *values[] = {text};

	snprintf(text, sizeof(text), "%d", value);
	account(PQexecPrepared(conn, name, 1, values, NULL, NULL, 0), label, 0);
}

static void mode_prepared(void)
{
	static const char title[] = "SELECT title FROM book WHERE id = $1";
	PGconn *conn = dial();

	truth_barrier();
	prepare(conn, "by_author", SELECT_PARAM);
	prepare(conn, "", title);
	PQclear(PQdescribePrepared(conn, "by_author"));
	for (int i = 0; i < repeat(); i++) {
		execute(conn, "by_author", i % 20, SELECT_PARAM);
		execute(conn, "", i, title);
	}
	control(conn, "DEALLOCATE by_author");
	prepare(conn, "by_author",
		"SELECT count(*) FROM book WHERE author_id < $1"); /* the name means another text now */
	execute(conn, "by_author", 7, "SELECT count(*) FROM book WHERE author_id < $1");
	PQfinish(conn);
}

static void mode_before(void)
{
	PGconn *conn = dial();

	prepare(conn, "early", SELECT_PARAM);
	truth_barrier();
	for (int i = 0; i < repeat(); i++)
		execute(conn, "early", i % 20, "early");
	query(conn, SELECT_ONE, SELECT_ONE);
	PQfinish(conn);
}

static void mode_multi(void)
{
	static const char *const part[] = {"SELECT 1", "SELECT name FROM author WHERE id < 4",
					   "UPDATE book SET price = 7 WHERE id < 6"};
	PGconn *conn = dial();
	PGresult *res;

	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		int n = 0;

		if (!PQsendQuery(conn, "SELECT 1; SELECT name FROM author WHERE id < 4; UPDATE book SET "
				       "price = 7 WHERE id < 6"))
			die("send");
		while ((res = PQgetResult(conn)))
			account(res, part[n++], 0);
		/* PQexec hands out only the last result: count the others by what they must give. */
		truth_ok("SELECT 1", 1);
		account(PQexec(conn, "SELECT 1; DELETE FROM log WHERE id = -1"),
			"DELETE FROM log WHERE id = -1", 0);
	}
	/* The second part fails, the third is never executed. */
	truth_ok("SELECT 1", 1);
	account(PQexec(conn, "SELECT 1; SELECT 1/0; SELECT 3, 4"), "SELECT 1/0", 0);
	PQfinish(conn);
}

static void mode_errors(void)
{
	static const char *const bad[] = {"SELEC 1", "SELECT 10 / 0", "SELECT * FROM no_such_table",
					  "INSERT INTO author VALUES (1, 'again')"};
	PGconn *conn = dial();

	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		for (int b = 0; b < 4; b++)
			query(conn, bad[b], bad[b]);
		PQclear(PQexec(conn, ""));		      /* not a statement */
		PQclear(PQexec(conn, " -- nothing\n/* */ ")); /* neither */
		query(conn, SELECT_ONE, SELECT_ONE);
	}
	/* Parsing fails: the statement was asked for and never ran. */
	PQclear(PQprepare(conn, "bad", "SELECT * FROM never_there WHERE id = $1", 1, NULL));
	truth_error("SELECT * FROM never_there WHERE id = $1", 0);
	account(PQexecParams(conn, "SELECT 5 / $1::int", 1, NULL, (const char *[]){"0"}, NULL, NULL, 0),
		"SELECT 5 / $1::int", 0);
	PQfinish(conn);
}

static void mode_copy(void)
{
	PGconn *conn = dial();
	PGresult *res;
	char *line;

	truth_barrier();
	PQclear(PQexec(conn, "COPY author TO STDOUT"));
	while (PQgetCopyData(conn, &line, 0) > 0)
		PQfreemem(line);
	account(PQgetResult(conn), "COPY author TO STDOUT", 0);
	PQclear(PQgetResult(conn));
	PQclear(PQexec(conn, "COPY log FROM STDIN"));
	for (int i = 0; i < 30; i++) {
		char row[64];

		PQputCopyData(conn, row, snprintf(row, sizeof(row), "%d\tcopied\n", 5000 + i));
	}
	PQputCopyEnd(conn, NULL);
	while ((res = PQgetResult(conn)))
		account(res, "COPY log FROM STDIN", 0);
	query(conn, "DELETE FROM log WHERE id >= 5000", "DELETE FROM log WHERE id >= 5000");
	PQfinish(conn);
}

/* ---- asynchronous ---- */

static void settle(PGconn *conn)
{
	struct pollfd fd = {PQsocket(conn), POLLIN, 0};

	while (PQflush(conn) == 1)
		;
	while (PQisBusy(conn)) {
		if (poll(&fd, 1, 20000) <= 0)
			die("no answer");
		if (!PQconsumeInput(conn))
			die(PQerrorMessage(conn));
	}
}

static void collect(PGconn *conn, const char *label)
{
	PGresult *res;

	settle(conn);
	while ((res = PQgetResult(conn))) {
		account(res, label, 0);
		settle(conn);
	}
}

static void mode_async(void)
{
	static const char prepared[] = "SELECT price FROM book WHERE id = $1";
	PGconn *conn = dial();

	truth_barrier();
	PQsetnonblocking(conn, 1);
	for (int i = 0; i < repeat(); i++) {
		char text[16], sql[128];
		const char *values[] = {text};

		snprintf(text, sizeof(text), "%d", i % 20);
		snprintf(sql, sizeof(sql), "SELECT name FROM author WHERE id = %d", i);
		PQsendQuery(conn, sql);
		collect(conn, SELECT_ONE);
		PQsendQueryParams(conn, SELECT_PARAM, 1, NULL, values, NULL, NULL, 0);
		collect(conn, SELECT_PARAM);
		if (!i) {
			PQsendPrepare(conn, "p", prepared, 0, NULL);
			settle(conn);
			PQclear(PQgetResult(conn));
			PQclear(PQgetResult(conn));
		}
		PQsendQueryPrepared(conn, "p", 1, values, NULL, NULL, 0);
		collect(conn, prepared);
	}
	PQsendQuery(conn, "SELECT 1/0");
	collect(conn, "SELECT 1/0");
	PQfinish(conn);
}

/* Two connections with a query each under way at the same time, collected in the opposite order. */
static void mode_two(void)
{
	PGconn *a = dial(), *b = dial();

	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		PQsendQuery(a, "SELECT name FROM author WHERE id < 10");
		PQsendQuery(b, "SELECT title FROM book WHERE id < 30");
		collect(b, "SELECT title FROM book WHERE id < 30");
		collect(a, "SELECT name FROM author WHERE id < 10");
	}
	PQfinish(a);
	PQfinish(b);
}

static void mode_single(void)
{
	static const char sql[] = "SELECT id FROM generate_series(1, 300) AS t(id)";
	PGconn *conn = dial();
	PGresult *res;

	truth_barrier();
	for (int i = 0; i < 5; i++) {
		long rows = 0;

		PQsendQuery(conn, sql);
		PQsetSingleRowMode(conn);
		while ((res = PQgetResult(conn))) {
			rows += PQntuples(res);
			PQclear(res);
		}
		truth_ok(sql, rows);
	}
	/* Rows, then an error. */
	static const char fails[] = "SELECT 100 / (50 - id) FROM generate_series(1, 60) AS t(id)";
	long rows = 0;

	PQsendQuery(conn, fails);
	PQsetSingleRowMode(conn);
	while ((res = PQgetResult(conn))) {
		rows += PQresultStatus(res) == PGRES_SINGLE_TUPLE;
		PQclear(res);
	}
	truth_error(fails, rows);
	PQfinish(conn);
}

/* The program takes 300 ms of its own: between send and collect, and between rows. The server
 * takes 200 ms in the last. */
static void mode_pause(void)
{
	static const char rows[] = "SELECT id FROM generate_series(1, 3) AS t(id)";
	PGconn *conn = dial();
	PGresult *res;

	truth_barrier();
	PQsendQuery(conn, rows);
	PQsetSingleRowMode(conn);
	while ((res = PQgetResult(conn))) {
		if (PQresultStatus(res) == PGRES_SINGLE_TUPLE)
			nap_ms(100);
		PQclear(res);
	}
	truth_ok(rows, 3);
	query(conn, "SELECT pg_sleep(0.2)", "SELECT pg_sleep(0.2)");
	PQsendQuery(conn, "SELECT 2, pg_sleep(0.2)");
	collect(conn, "SELECT 2, pg_sleep(0.2)");
	PQfinish(conn);
}

static void work_ms(double ms)
{
	double end = now_s() + ms / 1000;

	while (now_s() < end)
		;
}

/* The program computes for 200 ms between send and collect; the server needs next to nothing. */
static void mode_own(void)
{
	PGconn *conn = dial();

	truth_barrier();
	for (int i = 0; i < 10; i++) {
		PQsendQuery(conn, SELECT_ONE);
		work_ms(20);
		collect(conn, SELECT_ONE);
	}
	PQfinish(conn);
}

/* The server works in order on what stands in a pipeline: five times 50 ms, of
 * which each waits for its own. */
static void mode_queue(void)
{
	static const char sql[] = "SELECT pg_sleep(0.05)";
	PGconn *conn = dial();
	PGresult *res;

	truth_barrier();
	PQenterPipelineMode(conn);
	for (int i = 0; i < 5; i++)
		PQsendQueryParams(conn, sql, 0, NULL, NULL, NULL, NULL, 0);
	PQpipelineSync(conn);
	for (int i = 0; i < 5; i++)
		collect(conn, sql);
	res = PQgetResult(conn);
	if (PQresultStatus(res) != PGRES_PIPELINE_SYNC)
		die("no sync");
	PQclear(res);
	PQfinish(conn);
}

static void mode_pipeline(void)
{
	PGconn *conn = dial();
	PGresult *res;
	int n = repeat();

	truth_barrier();
	PQenterPipelineMode(conn);
	for (int i = 0; i < n; i++) {
		char text[16];
		const char *values[] = {text};

		snprintf(text, sizeof(text), "%d", i);
		PQsendQueryParams(conn, SELECT_PARAM, 1, NULL, values, NULL, NULL, 0);
		PQsendQueryParams(conn, "SELECT $1::int + 1", 1, NULL, values, NULL, NULL, 0);
	}
	PQpipelineSync(conn);
	for (int i = 0; i < 2 * n; i++) {
		account(PQgetResult(conn), i & 1 ? "SELECT $1::int + 1" : SELECT_PARAM, 0);
		if (PQgetResult(conn))
			die("more results than queries");
	}
	res = PQgetResult(conn);
	if (PQresultStatus(res) != PGRES_PIPELINE_SYNC)
		die("no sync");
	PQclear(res);
	PQexitPipelineMode(conn);
	query(conn, SELECT_ONE, SELECT_ONE);
	PQfinish(conn);
}

static void mode_cancel(void)
{
	char err[256];
	PGconn *conn = dial();
	PGcancel *cancel = PQgetCancel(conn);

	truth_barrier();
	for (int i = 0; i < 3; i++) {
		PQsendQuery(conn, "SELECT pg_sleep(600)");
		nap_ms(60);
		if (!PQcancel(cancel, err, sizeof(err)))
			die(err);
		collect(conn, "SELECT pg_sleep(600)");
	}
	PQfreeCancel(cancel);
	PQfinish(conn);
}

/* ---- connections and threads ---- */

/* The allocator hands the same PGconn address out again; the same name is another text each time. */
static void mode_reconnect(void)
{
	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		const char *sql = i & 1 ? SELECT_PARAM : "SELECT title FROM book WHERE id = $1";
		PGconn *conn = dial();

		prepare(conn, "s", sql);
		execute(conn, "s", i, sql);
		PQfinish(conn);
	}
}

/* A query is sent and the connection closed before its result came. */
static void mode_abandon(void)
{
	truth_barrier();
	for (int i = 0; i < 5; i++) {
		PGconn *conn = dial();

		query(conn, SELECT_ONE, SELECT_ONE);
		PQsendQuery(conn, "SELECT pg_sleep(0)");
		truth_ok("SELECT pg_sleep(0)", 0);
		PQfinish(conn);
	}
}

static void *worker(void *arg)
{
	PGconn *conn = arg;

	for (int i = 0; i < repeat(); i++) {
		char sql[128];

		snprintf(sql, sizeof(sql), "SELECT name FROM author WHERE id = %d", i);
		query(conn, sql, SELECT_ONE);
		query(conn, "SELECT count(*) FROM book", "SELECT count(*) FROM book");
	}
	PQfinish(conn);
	return NULL;
}

static void mode_threads(void)
{
	int count = env_int("THREADS", 8);
	pthread_t thread[64];
	PGconn *conn[64];

	for (int i = 0; i < count; i++)
		conn[i] = dial();
	truth_barrier();
	for (int i = 0; i < count; i++)
		pthread_create(&thread[i], NULL, worker, conn[i]);
	for (int i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
}

/* ---- long-lived ---- */

static void mode_hang(void)
{
	PGconn *conn = dial();

	truth_barrier();
	query(conn, SELECT_ONE, SELECT_ONE);
	truth_write();
	puts("hanging");
	fflush(stdout);
	PQclear(PQexec(conn, "SELECT pg_sleep(3600)"));
}

/* RATE statements a second for SECONDS. */
static void mode_steady(void)
{
	int rate = env_int("RATE", 200);
	PGconn *conn = dial();

	truth_barrier();
	double begin = now_s(), end = begin + env_int("SECONDS_LONG", 3);

	for (long i = 0; now_s() < end; i++) {
		double ahead = begin + (double)i / rate - now_s();

		query(conn, SELECT_ONE, SELECT_ONE);
		if (ahead > 0.001)
			usleep(ahead * 1e6);
	}
	PQfinish(conn);
}

/* Statements with no tables and no row to come: an empty loop of libpq, for the bench. */
static void mode_loop(void)
{
	PGconn *conn = dial();

	truth_barrier();
	for (int i = 0; i < repeat(); i++)
		query(conn, "SELECT 1", "SELECT 1");
	PQfinish(conn);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {
		{"exec", mode_exec},	     {"params", mode_params},
		{"prepared", mode_prepared}, {"before", mode_before},
		{"multi", mode_multi},	     {"errors", mode_errors},
		{"copy", mode_copy},	     {"async", mode_async},
		{"two", mode_two},	     {"single", mode_single},
		{"pipeline", mode_pipeline}, {"cancel", mode_cancel},
		{"threads", mode_threads},   {"reconnect", mode_reconnect},
		{"hang", mode_hang},	     {"steady", mode_steady},
		{"loop", mode_loop},	     {"pause", mode_pause},
		{"abandon", mode_abandon},   {"own", mode_own},
		{"queue", mode_queue},	     {NULL, NULL},
	};

	return truth_main("postgresql", modes, argc, argv);
}
