/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads bytes that nobody vouches for: a position and an end, and a verdict for every step. A step that would
 * go beyond the end takes nothing and says so; the cursor stays where it was.
 */
#ifndef APM_BASE_CURSOR_H
#define APM_BASE_CURSOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct cursor {
	const uint8_t *start; /* what cursor_align() counts from */
	const uint8_t *pos;
	const uint8_t *end;
};

struct cursor cursor_of(const void *bytes, size_t len);
size_t cursor_left(const struct cursor *c);

/* The next `len` bytes, which lie in the caller's buffer; NULL when fewer are left. */
const void *cursor_take(struct cursor *c, uint64_t len);
/* Copies the next `len` bytes. 1, or 0 when fewer are left. */
int cursor_copy(struct cursor *c, void *to, size_t len);
/* A u32 length in host byte order and that many bytes, not copied. 1, or 0 when they are not all there. */
int cursor_str(struct cursor *c, struct str *out);
/* Skips to a multiple of `align` (a power of two) from the start. 1, or 0 when that is beyond the end. */
int cursor_align(struct cursor *c, size_t align);

#endif
