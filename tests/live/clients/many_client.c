/* SPDX-License-Identifier: BSD-2-Clause */
/* One of many: THREADS of them sleep, and after the barrier the first executes N statements. */
/* LIBS: -lsqlite3 -lpthread */
#include "lite.h"

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void mode_many(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (int i = env_int("THREADS", 4); i > 1; i--)
		if (pthread_create(&thread, &attr, sleeper, NULL))
			die("cannot make a thread");
	sqlite3 *db = ready_db();

	for (int i = 0; i < repeat(); i++)
		once(db, "SELECT count(*) FROM item", 0);
	sqlite3_close(db);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {{"many", mode_many}, {NULL, NULL}};

	return truth_main("sqlite", modes, argc, argv);
}
