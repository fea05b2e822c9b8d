/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leaves calls of SQLite that never return, over and over and without a leak: SQLite's memory is an arena that
 * is emptied after each round, with whatever the calls held.
 *
 *   leave_client longjmp|cancel    N=… rounds
 */
/* LIBS: -lsqlite3 -lpthread */
#include <semaphore.h>
#include <setjmp.h>

#include "lite.h"

#define ENDLESS "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
#define NAMES	"SELECT name FROM item"
#define SLEEPY	"SELECT sleepy()"

/* ---- SQLite's memory ---- */

#define ALIGN 16 /* and room for a block's size before it */

static char arena[16 << 20] __attribute__((aligned(ALIGN)));
static size_t arena_used;

static void *arena_alloc(int size)
{
	char *block = arena + arena_used + ALIGN;

	arena_used += ALIGN + (size_t)size;
	if (arena_used > sizeof(arena))
		die("the arena is full");
	*(int *)(block - ALIGN) = size;
	return block;
}

static void arena_free(void *block)
{
}

static int arena_size(void *block)
{
	return block ? *(int *)((char *)block - ALIGN) : 0;
}

static void *arena_realloc(void *old, int size)
{
	void *block;

	if (size <= arena_size(old))
		return old;
	block = arena_alloc(size);
	return memcpy(block, old, arena_size(old));
}

static int arena_round(int size)
{
	return (size + ALIGN - 1) & -ALIGN;
}

static int arena_init(void *arg)
{
	arena_used = 0;
	return SQLITE_OK;
}

static void arena_end(void *arg)
{
}

/* One thread at a time works with SQLite: without mutexes none is left locked. */
static void use_arena(void)
{
	static const sqlite3_mem_methods methods = {arena_alloc, arena_free, arena_realloc, arena_size,
						    arena_round, arena_init, arena_end,	    NULL};

	if (sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) || sqlite3_config(SQLITE_CONFIG_MALLOC, &methods))
		die("sqlite3_config");
}

/* ---- the ways to leave ---- */

static jmp_buf jump;

static int leap(void *arg)
{
	longjmp(jump, 1);
}

static int leap_row(void *arg, int columns, char **values, char **names)
{
	longjmp(jump, 1);
}

static void mode_longjmp(void)
{
	use_arena();
	truth_barrier();
	for (volatile int i = 0; i < repeat(); i++) {
		sqlite3 *volatile db = open_db();

		fill_db(db);
		if (!setjmp(jump)) /* left from inside exec, between two steps */
			sqlite3_exec(db, NAMES, leap_row, NULL, NULL);
		truth_ok(NAMES, 1);
		once(db, SELECT_ALL, 0);
		sqlite3_progress_handler(db, 1000, leap, NULL);
		if (!setjmp(jump)) /* left from inside step */
			sqlite3_exec(db, ENDLESS, NULL, NULL, NULL);
		truth_ok(ENDLESS, 0);
		sqlite3_shutdown();
	}
}

static sem_t asleep;

static void sleepy(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	sem_post(&asleep);
	sqlite3_result_int(ctx, (int)sleep(60));
}

static void *sleeper(void *db)
{
	sqlite3_exec(db, SLEEPY, NULL, NULL, NULL);
	return NULL;
}

static void mode_cancel(void)
{
	use_arena();
	sem_init(&asleep, 0, 0);
	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		sqlite3 *db = open_db();
		pthread_t thread;

		fill_db(db);
		once(db, SELECT_ALL, 0);
		sqlite3_create_function(db, "sleepy", 0, SQLITE_UTF8, NULL, sleepy, NULL, NULL);
		if (pthread_create(&thread, NULL, sleeper, db))
			die("cannot make a thread");
		while (sem_wait(&asleep))
			;
		pthread_cancel(thread);
		pthread_join(thread, NULL);
		truth_ok(SLEEPY, 0);
		sqlite3_shutdown();
	}
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {{"longjmp", mode_longjmp}, {"cancel", mode_cancel}, {NULL, NULL}};

	return truth_main("sqlite", modes, argc, argv);
}
