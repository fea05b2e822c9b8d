/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PostgreSQL client that names nothing but libpq's synchronous functions. It counts what it executes
 * (truth.h). Tables as for pq_client.
 *
 *   pq_sync_client MODE    N=… repetitions, THREADS=…, MS=… of work, MODULE=… a file that names others
 */
/* LIBS: -lpq -lpthread -ldl */
#include <dlfcn.h>
#include <fcntl.h>
#include <libpq-fe.h>

#include "truth.h"

#define SELECT_ONE   "SELECT name FROM author WHERE id = 1"
#define SELECT_PARAM "SELECT id, title FROM book WHERE author_id = $1"
#define UPDATE_BOOK  "UPDATE book SET price = 7 WHERE id < 6"
#define THREADS_MAX  16

static PGconn *dial(void)
{
	PGconn *conn = PQconnectdb("");

	if (PQstatus(conn) != CONNECTION_OK)
		die(PQerrorMessage(conn));
	return conn;
}

static void account(PGresult *res, const char *label)
{
	ExecStatusType status = PQresultStatus(res);
	long rows = status == PGRES_TUPLES_OK ? PQntuples(res) : atol(PQcmdTuples(res));

	truth_add(label, 0, 1, status == PGRES_FATAL_ERROR, rows);
	PQclear(res);
}

/* One of each way, results and errors. */
static void round_of(PGconn *conn, int i)
{
	char text[128], number[16];
	const char *value = number;

	snprintf(number, sizeof(number), "%d", i % 3);
	snprintf(text, sizeof(text), "SELECT name FROM author WHERE id = %d", i);
	account(PQexec(conn, text), SELECT_ONE);
	account(PQexecParams(conn, SELECT_PARAM, 1, NULL, &value, NULL, NULL, 0), SELECT_PARAM);
	account(PQexecPrepared(conn, "by_author", 1, &value, NULL, NULL, 0), SELECT_PARAM);
	account(PQexec(conn, "SELECT 10 / 0"), "SELECT 10 / 0");
	PQclear(PQexec(conn, ""));
	account(PQexecParams(conn, "SELECT 5 / $1::int", 1, NULL, (const char *[]){"0"}, NULL, NULL, 0),
		"SELECT 5 / $1::int");
	/* Only the last result is handed out: the others are counted by what they must give. */
	truth_ok("SELECT 1, 2", 1);
	truth_ok("SELECT id FROM author WHERE id < 4", 4);
	account(PQexec(conn, "SELECT 1, 2; SELECT id FROM author WHERE id < 4; " UPDATE_BOOK), UPDATE_BOOK);
	/* The second part fails, the third is never executed. */
	truth_ok("SELECT 1, 2", 1);
	account(PQexec(conn, "SELECT 1, 2; SELECT 1/0, 1; SELECT 3, 4, 5"), "SELECT 1/0, 1");
}

static PGconn *ready_connection(void)
{
	PGconn *conn = dial();

	PQclear(PQprepare(conn, "by_author", SELECT_PARAM, 1, NULL));
	return conn;
}

static void mode_all(void)
{
	PGconn *conn = dial();

	truth_barrier();
	PQclear(PQprepare(conn, "by_author", SELECT_PARAM, 1, NULL));
	PQclear(PQprepare(conn, "bad", "SELECT * FROM never_there WHERE id = $1", 1, NULL));
	truth_error("SELECT * FROM never_there WHERE id = $1", 0);
	for (int i = 0; i < env_int("N", 20); i++)
		round_of(conn, i);
	PQfinish(conn);
}

/* ---- at work while the tracer changes its probes ---- */

static double end_s;

static void *work(void *arg)
{
	for (int i = 0; now_s() < end_s; i++)
		round_of(arg, i);
	return NULL;
}

/* Maps a file that names other functions, as a library that is loaded late would. */
static void map_module(void)
{
	int fd = open(getenv("MODULE"), O_RDONLY);

	if (fd < 0 || mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
		die("MODULE");
}

/* Sends and collects itself, by functions that no file of this program names. */
static void asynchronous(PGconn *conn)
{
	static const char *const suffix[] = {"sendQuery", "getResult"};
	int (*send)(PGconn *, const char *);
	PGresult *(*get)(PGconn *), *res;
	char name[2][32];

	for (int i = 0; i < 2; i++)
		snprintf(name[i], sizeof(name[i]), "%s%s", "PQ", suffix[i]);
	*(void **)&send = dlsym(RTLD_DEFAULT, name[0]);
	*(void **)&get = dlsym(RTLD_DEFAULT, name[1]);
	if (!send || !get)
		die("dlsym");
	for (int i = 0; i < 20; i++) {
		if (!send(conn, "SELECT id FROM book WHERE id < 3"))
			die("send");
		while ((res = get(conn)))
			account(res, "SELECT id FROM book WHERE id < 3");
	}
}

static void mode_busy(void)
{
	int count = env_int("THREADS", 3);
	pthread_t thread[THREADS_MAX];
	PGconn *conn[THREADS_MAX];

	truth_barrier();
	for (int i = 0; i < count && i < THREADS_MAX; i++) {
		conn[i] = ready_connection();
		end_s = now_s() + env_int("MS", 1500) / 1e3;
		pthread_create(&thread[i], NULL, work, conn[i]);
	}
	if (getenv("MODULE")) {
		nap_ms(env_int("MS", 1500) / 2);
		map_module();
	}
	for (int i = 0; i < count && i < THREADS_MAX; i++)
		pthread_join(thread[i], NULL);
	if (getenv("MODULE"))
		asynchronous(conn[0]);
	for (int i = 0; i < count && i < THREADS_MAX; i++)
		PQfinish(conn[i]);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {{"all", mode_all}, {"busy", mode_busy}, {NULL, NULL}};

	return truth_main("postgresql", modes, argc, argv);
}
