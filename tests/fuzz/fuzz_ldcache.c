/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes are a cache or none; names and paths end inside the buffer. */
#include <stdint.h>
#include <string.h>

#include "collect/ldcache.c" /* collect/ is not among the objects built for fuzzing; this file of it needs nothing else */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int touch(const char *name, const char *path, void *arg)
{
	size_t *sum = arg;

	*sum += strlen(name) + strlen(path);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t sum = 0;

	ldcache_parse(data, size, touch, &sum);
	return 0;
}
