/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An SQLite program that knows nothing of stacks that are switched, until it loads a module that switches
 * them: MODULE is fiber_client built as a shared object, and its main() is called with this program's
 * arguments. Both wait at a barrier of their own.
 */
/* LIBS: -lsqlite3 -ldl */
#include <dlfcn.h>

#include "lite.h"

int main(int argc, char **argv)
{
	int (*run_module)(int argc, char **argv);
	sqlite3 *db;
	void *module;

	truth_start("sqlite");
	db = ready_db();
	for (int i = 0; i < repeat(); i++)
		once(db, SELECT_ALL, 0);
	sqlite3_close(db);
	truth_write();
	module = dlopen(getenv("MODULE"), RTLD_NOW);
	run_module = module ? (__typeof__(run_module))dlsym(module, "main") : NULL;
	if (!run_module)
		die(dlerror());
	truth_barrier();
	unsetenv("BARRIER"); /* what the module does to begin with counts */
	return run_module(argc, argv);
}
