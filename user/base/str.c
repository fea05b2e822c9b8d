/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct str str_from(const char *cstr)
{
	return (struct str){cstr, cstr ? strlen(cstr) : 0};
}

int str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static int strbuf_grow(struct strbuf *buf, size_t extra)
{
	size_t need, cap;
	char *ptr;

	if (buf->failed)
		return 0;
	if (extra > SIZE_MAX - buf->len - 1) {
		buf->failed = 1;
		return 0;
	}
	need = buf->len + extra + 1;
	if (need <= buf->cap)
		return 1;
	cap = buf->cap ? buf->cap : 64;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	ptr = realloc(buf->ptr, cap);
	if (!ptr) {
		buf->failed = 1;
		return 0;
	}
	buf->ptr = ptr;
	buf->cap = cap;
	return 1;
}

void strbuf_add(struct strbuf *buf, const void *bytes, size_t len)
{
	if (!strbuf_grow(buf, len))
		return;
	if (len)
		memcpy(buf->ptr + buf->len, bytes, len);
	buf->len += len;
	buf->ptr[buf->len] = '\0';
}

void strbuf_adds(struct strbuf *buf, const char *cstr)
{
	strbuf_add(buf, cstr, strlen(cstr));
}

void strbuf_addc(struct strbuf *buf, char c)
{
	strbuf_add(buf, &c, 1);
}

void strbuf_addf(struct strbuf *buf, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0 || !strbuf_grow(buf, (size_t)len))
		return;
	va_start(ap, fmt);
	vsnprintf(buf->ptr + buf->len, (size_t)len + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)len;
}

void strbuf_reset(struct strbuf *buf)
{
	buf->len = 0;
	buf->failed = 0;
	if (buf->ptr)
		buf->ptr[0] = '\0';
}

void strbuf_free(struct strbuf *buf)
{
	free(buf->ptr);
	*buf = (struct strbuf){0};
}

/* Length of the valid UTF-8 sequence at p (Unicode 15, table 3-7), 0 if there is none. */
static size_t utf8_sequence(const unsigned char *p, size_t left, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n, i;
	uint32_t c;

	if (p[0] < 0x80) {
		*code = p[0];
		return 1;
	}
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
		return 0;
	c = p[0] & (0x7f >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code = c;
	return n;
}

void strbuf_add_clean(struct strbuf *buf, struct str s, int keep_space)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t i = 0;

	while (i < s.len) {
		uint32_t code = 0;
		size_t n = utf8_sequence(p + i, s.len - i, &code);
		int control = code < 0x20 || (code >= 0x7f && code < 0xa0);

		if (n && control && keep_space && (code == '\n' || code == '\t'))
			control = 0;
		if (n == 0 || control)
			strbuf_adds(buf, "\xef\xbf\xbd");
		else
			strbuf_add(buf, p + i, n);
		i += n ? n : 1;
	}
}

/* RFC 3629, one character. */
static void add_utf8(struct strbuf *buf, uint32_t c)
{
	if (c < 0x80) {
		strbuf_addc(buf, (char)c);
		return;
	}
	if (c < 0x800) {
		strbuf_addc(buf, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			strbuf_addc(buf, (char)(0xe0 | c >> 12));
		} else {
			strbuf_addc(buf, (char)(0xf0 | c >> 18));
			strbuf_addc(buf, (char)(0x80 | (c >> 12 & 63)));
		}
		strbuf_addc(buf, (char)(0x80 | (c >> 6 & 63)));
	}
	strbuf_addc(buf, (char)(0x80 | (c & 63)));
}

void strbuf_add_utf16(struct strbuf *buf, const void *utf16, size_t bytes)
{
	const char *at = utf16;
	uint16_t unit, next;

	for (; bytes >= sizeof(unit); at += sizeof(unit), bytes -= sizeof(unit)) {
		memcpy(&unit, at, sizeof(unit));
		if (unit < 0xd800 || unit > 0xdfff) {
			add_utf8(buf, unit);
			continue;
		}
		next = 0;
		if (unit < 0xdc00 && bytes >= 2 * sizeof(unit))
			memcpy(&next, at + sizeof(unit), sizeof(next));
		if (next < 0xdc00 || next > 0xdfff) {
			add_utf8(buf, 0xfffd);
			continue;
		}
		add_utf8(buf, 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (next - 0xdc00));
		at += sizeof(unit);
		bytes -= sizeof(unit);
	}
}

uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	size_t i;

	for (i = 0; i < len; i++)
		seed = (seed ^ p[i]) * 0x100000001b3ULL;
	return seed;
}

uint64_t hash_mix(uint64_t a, uint64_t b)
{
	a ^= b * 0x9e3779b97f4a7c15ULL;
	a = (a ^ a >> 32) * 0xd6e8feb86659fd93ULL;
	a = (a ^ a >> 32) * 0xd6e8feb86659fd93ULL;
	return a ^ a >> 32;
}
