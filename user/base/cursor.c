/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/cursor.h"

#include <string.h>

struct cursor cursor_of(const void *bytes, size_t len)
{
	const uint8_t *start = bytes;

	return (struct cursor){start, start, start + len};
}

size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->pos);
}

const void *cursor_take(struct cursor *c, uint64_t len)
{
	const uint8_t *taken = c->pos;

	if (len > cursor_left(c))
		return NULL;
	c->pos += len;
	return taken;
}

int cursor_copy(struct cursor *c, void *to, size_t len)
{
	const void *from = cursor_take(c, len);

	if (!from)
		return 0;
	memcpy(to, from, len);
	return 1;
}

int cursor_str(struct cursor *c, struct str *out)
{
	struct cursor after = *c;
	const void *bytes;
	uint32_t len;

	if (!cursor_copy(&after, &len, sizeof(len)))
		return 0;
	bytes = cursor_take(&after, len);
	if (!bytes)
		return 0;
	*out = (struct str){bytes, len};
	*c = after;
	return 1;
}

int cursor_align(struct cursor *c, size_t align)
{
	size_t off = (size_t)(c->pos - c->start);

	return cursor_take(c, -off & (align - 1)) != NULL;
}
