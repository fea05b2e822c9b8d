/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loader's cache, /etc/ld.so.cache. Layout of the "new" format from glibc's sysdeps/generic/dl-cache.h: a
 * header of 48 bytes beginning with the magic, entries of 24 bytes, then strings; offsets count from the
 * header. An old-format header may come before it, padded to 4 or 8 bytes.
 */
#include "collect/ldcache.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define MAGIC_NEW  "glibc-ld.so.cache1.1"
#define MAGIC_OLD  "ld.so-1.7.0"
#define HEADER_LEN 48
#define ENTRY_LEN  24
#define OLD_HEADER 16 /* magic[11], padding, nlibs */
#define OLD_ENTRY  12

static uint32_t u32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Where the new-format header stands; len when there is none. */
static size_t find_header(const uint8_t *data, size_t len)
{
	size_t at = 0;

	if (len >= OLD_HEADER && !memcmp(data, MAGIC_OLD, strlen(MAGIC_OLD))) {
		uint64_t end = OLD_HEADER + (uint64_t)u32_at(data + 12) * OLD_ENTRY;

		if (end > len)
			return len;
		at = ((size_t)end + 7) & ~(size_t)7;
	}
	if (at > len || len - at < HEADER_LEN || memcmp(data + at, MAGIC_NEW, strlen(MAGIC_NEW)))
		return len;
	return at;
}

/* The string at `off` of the cache, or NULL when it does not end inside it. */
static const char *string_at(const uint8_t *data, size_t len, uint32_t off)
{
	return off < len && memchr(data + off, 0, len - off) ? (const char *)data + off : NULL;
}

int ldcache_parse(const void *bytes, size_t size, int (*fn)(const char *name, const char *path, void *arg),
		  void *arg)
{
	const uint8_t *data = bytes;
	size_t at = find_header(data, size);
	uint32_t count;

	if (at == size)
		return -EINVAL;
	data += at;
	size -= at;
	count = u32_at(data + 20);
	for (uint32_t i = 0; i < count && size - HEADER_LEN >= ((uint64_t)i + 1) * ENTRY_LEN; i++) {
		const uint8_t *entry = data + HEADER_LEN + (size_t)i * ENTRY_LEN;
		const char *name = string_at(data, size, u32_at(entry + 4));
		const char *path = string_at(data, size, u32_at(entry + 8));
		int err = name && path ? fn(name, path, arg) : 0;

		if (err)
			return err;
	}
	return 0;
}
