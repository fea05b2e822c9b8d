/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program whose client libraries come with modules: opens each of them so that its symbols are seen by
 * nobody else and it prefers its own, and after the barrier has each run a mode.
 *
 *   loader_client MODULE MODE [MODULE MODE ...]
 */
/* LIBS: -ldl -lpthread */
#include <dlfcn.h>

#include "truth.h"

int main(int argc, char **argv)
{
	int (*run[8])(int, char **) = {0};

	truth_start("none");
	for (int i = 0; 2 * i + 2 < argc && i < 8; i++) {
		void *module = dlopen(argv[2 * i + 1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);

		if (!module)
			die(dlerror());
		run[i] = (int (*)(int, char **))dlsym(module, "module_main");
		if (!run[i])
			die(dlerror());
	}
	truth_barrier();
	unsetenv("BARRIER");
	for (int i = 0; i < 8 && run[i]; i++)
		run[i](2, (char *[]){argv[0], argv[2 * i + 2], NULL});
	return 0;
}
