/* SPDX-License-Identifier: BSD-2-Clause */
/* The binary format of the loader's cache, apart from what is looked for in it. */
#ifndef APM_COLLECT_LDCACHE_H
#define APM_COLLECT_LDCACHE_H

#include <stddef.h>

/*
 * Calls fn for each entry of a cache in memory until it returns non-zero, which is returned. -EINVAL when
 * this is no cache. Entries whose strings leave the buffer are passed over.
 */
int ldcache_parse(const void *bytes, size_t size, int (*fn)(const char *name, const char *path, void *arg),
		  void *arg);

#endif
