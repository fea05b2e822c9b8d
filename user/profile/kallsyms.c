/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/symtab.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES (32UL << 20)

/* Kernel symbols have no size; a function is not larger than this. */
#define FUNCTION_SIZE (64UL << 10)

/* The run of lines of one module, which /proc/kallsyms gives in a row. */
struct module_run {
	char name[80];
	uint64_t low, high;
};

static int end_run(struct module_run *run, struct symtab *modules)
{
	int ret = 0;

	if (run->name[0])
		ret = symtab_add(modules, run->low, run->high - run->low + FUNCTION_SIZE, 0, run->name);
	run->name[0] = '\0';
	return ret;
}

/* One line: "ffffffffc0123456 t name\t[module]". */
static int add_line(char *line, struct module_run *run, struct symtab *functions, struct symtab *modules)
{
	char *p, *name, *tab;
	uint64_t addr = strtoull(line, &p, 16);
	char type = p[0] == ' ' ? p[1] : '\0';
	int ret;

	if (!addr || !type || !strchr("tTwW", type) || p[2] != ' ')
		return 0;
	name = p + 3;
	name[strcspn(name, "\n")] = '\0';
	tab = strchr(name, '\t');
	if (tab) {
		*tab++ = '\0';
		if (strcmp(run->name, tab)) {
			ret = end_run(run, modules);
			if (ret)
				return ret;
			snprintf(run->name, sizeof(run->name), "%s", tab);
			run->low = run->high = addr;
		}
		run->low = addr < run->low ? addr : run->low;
		run->high = addr > run->high ? addr : run->high;
	}
	return symtab_add(functions, addr, 0, FUNCTION_SIZE, name);
}

int symtab_of_kernel(struct symtab **functions, struct symtab **modules)
{
	FILE *in = fopen("/proc/kallsyms", "re");
	struct module_run run = {0};
	char line[1024];
	int ret = 0;

	*functions = symtab_new(MAX_BYTES);
	*modules = symtab_new(MAX_BYTES);
	if (!in || !*functions || !*modules)
		ret = in ? -ENOMEM : -errno;
	while (!ret && fgets(line, sizeof(line), in))
		ret = add_line(line, &run, *functions, *modules);
	if (!ret)
		ret = end_run(&run, *modules);
	if (*functions)
		symtab_finish(*functions);
	if (*modules)
		symtab_finish(*modules);
	if (in)
		fclose(in);
	return ret == -ENOSPC ? 0 : ret;
}
