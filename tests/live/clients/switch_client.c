/* SPDX-License-Identifier: BSD-2-Clause */
/* An SQLite program that could switch stacks: return probes are not safe in it. */
/* LIBS: -lsqlite3 -lpthread */
#include <ucontext.h>

#include "lite.h"

static void mode_steps(void)
{
	sqlite3 *db = ready_db();
	ucontext_t here, there;

	if (repeat() < 0)
		swapcontext(&here, &there);
	for (int i = 0; i < repeat(); i++)
		once(db, SELECT_ALL, 0);
	sqlite3_close(db);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {{"steps", mode_steps}, {NULL, NULL}};

	return truth_main("sqlite", modes, argc, argv);
}
