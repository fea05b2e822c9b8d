/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fibers, each on a stack of its own, that leave one another in the middle of a library's call: SQLite's
 * while it evaluates an SQL function, libpq's while it waits for the server (this program's poll takes the
 * place of libc's). A return probe would crash it.
 *
 *   fiber_client lite|threads|pq    FIBERS=… N=… statements of each
 */
/* LIBS: -lsqlite3 -lpq -lpthread */
#include <libpq-fe.h>
#include <poll.h>
#include <ucontext.h>

#include "lite.h"

#define FIBERS_MAX 64
#define STACK	   (256 << 10)

#define SELECT_PAUSE "SELECT pause(id) FROM item WHERE id < 7"
#define SELECT_ONE   "SELECT name FROM author WHERE id = 1"
#define BROKEN	     "SELECT nonsense"

static struct fiber {
	ucontext_t context;
	void (*work)(struct fiber *self);
	sqlite3 *db;
	PGconn *conn;
	int done;
} fibers[FIBERS_MAX];

static int fiber_count;
static ucontext_t scheduler;
static struct fiber *current;

/* Lets another fiber run. */
static void pause_fiber(void)
{
	struct fiber *self = current;

	if (self)
		swapcontext(&self->context, &scheduler);
}

static void fiber_main(void)
{
	current->work(current);
	current->done = 1;
}

static void fiber_make(struct fiber *f, void (*work)(struct fiber *self))
{
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = malloc(STACK);
	f->context.uc_stack.ss_size = STACK;
	f->context.uc_link = &scheduler;
	f->work = work;
	makecontext(&f->context, fiber_main, 0);
}

/* One turn of each fiber that has work left. Backwards every other time: calls end in
 * another order than they began. */
static int one_round(int turn)
{
	int busy = 0;

	for (int i = 0; i < fiber_count; i++) {
		struct fiber *f = &fibers[turn & 1 ? fiber_count - 1 - i : i];

		if (f->done)
			continue;
		busy = 1;
		current = f;
		swapcontext(&scheduler, &f->context);
		current = NULL;
	}
	return busy;
}

static void *two_rounds(void *arg)
{
	int *turn = arg;

	one_round((*turn)++);
	one_round((*turn)++);
	return NULL;
}

/* ---- SQLite ---- */

static void sql_pause(sqlite3_context *c, int argc, sqlite3_value **argv)
{
	pause_fiber();
	sqlite3_result_int(c, sqlite3_value_int(argv[0]));
}

static void lite_work(struct fiber *self)
{
	for (int i = 0; i < repeat(); i++) {
		once(self->db, SELECT_PAUSE, 0);
		once(self->db, "UPDATE item SET price = pause(price) WHERE id < 3", 0);
		once(self->db, SELECT_ALL, 0);
	}
}

static void lite_fibers(void)
{
	for (int i = 0; i < fiber_count; i++) {
		fibers[i].db = open_db();
		sqlite3_create_function(fibers[i].db, "pause", 1, SQLITE_UTF8, NULL, sql_pause, NULL, NULL);
		fill_db(fibers[i].db);
		fiber_make(&fibers[i], lite_work);
	}
	truth_barrier();
}

static void mode_lite(void)
{
	lite_fibers();
	for (int turn = 0; one_round(turn); turn++)
		;
}

/* Fibers go on in a thread other than the one that they stopped in. */
static void mode_threads(void)
{
	int turn = 0, busy = 1;

	sqlite3_config(SQLITE_CONFIG_MULTITHREAD); /* a mutex would belong to the thread that took it */
	lite_fibers();
	while (busy) {
		pthread_t thread;

		pthread_create(&thread, NULL, two_rounds, &turn);
		pthread_join(thread, NULL);
		busy = 0;
		for (int i = 0; i < fiber_count; i++)
			busy |= !fibers[i].done;
	}
}

/* ---- libpq ---- */

/* Comes first in the order of symbols, as a coroutine library's would. */
int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct timespec none = {0, 0};
	int ready;

	if (!current)
		return ppoll(fds, n, NULL, NULL);
	while (!(ready = ppoll(fds, n, &none, NULL)))
		pause_fiber();
	return ready;
}

static void pq_work(struct fiber *self)
{
	for (int i = 0; i < repeat(); i++) {
		PGresult *res = PQexec(self->conn, i % 5 ? SELECT_ONE : BROKEN);
		int failed = PQresultStatus(res) == PGRES_FATAL_ERROR;

		truth_add(i % 5 ? SELECT_ONE : BROKEN, 0, 1, failed, failed ? 0 : PQntuples(res));
		PQclear(res);
	}
}

static void mode_pq(void)
{
	for (int i = 0; i < fiber_count; i++) {
		fibers[i].conn = PQconnectdb("");
		if (PQstatus(fibers[i].conn) != CONNECTION_OK)
			die(PQerrorMessage(fibers[i].conn));
		fiber_make(&fibers[i], pq_work);
	}
	truth_barrier();
	for (int turn = 0; one_round(turn); turn++)
		;
	for (int i = 0; i < fiber_count; i++)
		PQfinish(fibers[i].conn);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {
		{"lite", mode_lite}, {"threads", mode_threads}, {"pq", mode_pq}, {NULL, NULL}};

	fiber_count = env_int("FIBERS", 12);
	return truth_main(argc > 1 && !strcmp(argv[1], "pq") ? "postgresql" : "sqlite", modes, argc, argv);
}
