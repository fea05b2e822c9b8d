/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/arm.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect/lib.h"
#include "collect/targets.h"

struct arm {
	void (*fn)(const char *path, const char *unsafe, void *arg);
	void *arg;
	const char *unsafe;
};

static int arm_cached(const char *path, void *arg)
{
	const struct arm *a = arg;

	a->fn(path, a->unsafe, a->arg);
	return 0;
}

static void arm_file(const struct arm *a, const char *path)
{
	a->fn(path, a->unsafe, a->arg);
}

static void arm_directory(const struct arm *a, const char *dir_path)
{
	DIR *dir = opendir(dir_path);
	struct dirent *entry;
	char path[4096];

	while (dir && (entry = readdir(dir))) {
		if (!lib_name_is_likely(entry->d_name))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir_path, entry->d_name) < (int)sizeof(path))
			a->fn(path, a->unsafe, a->arg);
	}
	if (dir)
		closedir(dir);
}

/* The elements of a list as the loader reads it: ':' or ' ' between them (ld.so(8)). */
static void each_element(const struct arm *a, const char *list,
			 void (*fn)(const struct arm *a, const char *element))
{
	char *copy = list ? strdup(list) : NULL, *save = NULL, *element;

	for (element = copy ? strtok_r(copy, ": ", &save) : NULL; element;
	     element = strtok_r(NULL, ": ", &save))
		fn(a, element);
	free(copy);
}

/* Why the program could not stand return probes; 0 = nothing is known against them. */
static int program_is_unsafe(const char *program, char *why, size_t why_len)
{
	int fd = open(program, O_RDONLY | O_CLOEXEC), safe;
	char reason[64];

	if (fd < 0)
		return 0;
	safe = target_fd_returns_safe(fd, reason, sizeof(reason));
	close(fd);
	snprintf(why, why_len, "%s %s", program, reason);
	return !safe;
}

void arm_each(const char *program, void (*fn)(const char *path, const char *unsafe, void *arg), void *arg)
{
	struct arm a = {.fn = fn, .arg = arg};
	char why[512];

	if (program && strchr(program, '/')) {
		/* It would run into return probes before its process can be judged. */
		a.unsafe = program_is_unsafe(program, why, sizeof(why)) ? why : NULL;
		arm_file(&a, program);
	}
	each_element(&a, getenv("LD_PRELOAD"), arm_file);
	each_element(&a, getenv("LD_LIBRARY_PATH"), arm_directory);
	target_cached_libraries(arm_cached, &a);
}
