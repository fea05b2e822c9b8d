/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tags in comments. sqlcommenter (google.github.io/sqlcommenter/spec): key='value', both URL-encoded, \' for
 * a quote, separated by commas. Marginalia and Rails' QueryLogs: key:value separated by commas.
 */
#include "sql/internal.h"

#include <string.h>

#define KEY_MAX 64

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int is_key_byte(char c)
{
	return sql_byte_is(c, BYTE_DIGIT | BYTE_CONT) || strchr("-.%", c) != NULL;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && sql_byte_is(*p, BYTE_SPACE))
		p++;
	return p;
}

struct pair {
	struct str key;
	struct str value;
	int quoted; /* sqlcommenter's form: URL-encoded */
};

/* One pair at p; NULL when there is none. Else where the next one may start, behind its comma. */
static const char *read_pair(const char *p, const char *end, struct pair *pair)
{
	const char *start = p = skip_space(p, end);

	while (p < end && *p && is_key_byte(*p))
		p++;
	pair->key = (struct str){start, (size_t)(p - start)};
	p = skip_space(p, end);
	if (!pair->key.len || pair->key.len > KEY_MAX || p == end || (*p != '=' && *p != ':'))
		return NULL;
	start = p = skip_space(p + 1, end);
	pair->quoted = p < end && *p == '\'';
	if (pair->quoted) {
		for (start = ++p; p < end && *p != '\''; p++)
			if (*p == '\\' && end - p > 1)
				p++;
		if (p >= end)
			return NULL;
		pair->value = (struct str){start, (size_t)(p - start)};
		p = skip_space(p + 1, end);
	} else {
		while (p < end && *p != ',')
			p++;
		pair->value = (struct str){start, (size_t)(p - start)};
		while (pair->value.len && sql_byte_is(pair->value.ptr[pair->value.len - 1], BYTE_SPACE))
			pair->value.len--;
	}
	if (p < end && *p != ',')
		return NULL;
	return p < end ? p + 1 : end;
}

static void add_raw(struct sql_tags *tags, const char *text, size_t len)
{
	for (; len && tags->len < SQL_TAGS_MAX; len--)
		tags->buf[tags->len++] = *text++;
}

/* Appends s decoded; a line end inside becomes a space, since lines separate the tags. */
static void add_decoded(struct sql_tags *tags, struct str s, int encoded)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (encoded && c == '%' && i + 2 < s.len && hex_value(s.ptr[i + 1]) >= 0 &&
		    hex_value(s.ptr[i + 2]) >= 0) {
			c = (char)(hex_value(s.ptr[i + 1]) << 4 | hex_value(s.ptr[i + 2]));
			i += 2;
		} else if (encoded && c == '\\' && i + 1 < s.len) {
			c = s.ptr[++i];
		}
		add_raw(tags, sql_byte_is(c, BYTE_SPACE) ? " " : &c, 1);
	}
}

void sql_comment_tags(struct sql_tags *tags, const char *text, size_t len)
{
	const char *end = text + len, *p;
	struct pair pair;
	size_t start = tags->len;

	/* All of it must be pairs: prose with a colon in it is no tag. */
	for (p = text; skip_space(p, end) < end;) {
		p = read_pair(p, end, &pair);
		if (!p || !pair.value.len || (!pair.quoted && memchr(pair.value.ptr, ' ', pair.value.len)))
			return;
	}
	for (p = text; skip_space(p, end) < end; start = tags->len) {
		p = read_pair(p, end, &pair);
		add_raw(tags, "\n", tags->len != 0);
		add_decoded(tags, pair.key, pair.quoted);
		add_raw(tags, "=", 1);
		add_decoded(tags, pair.value, pair.quoted);
		/* A tag that did not fit goes as a whole. */
		if (tags->len >= SQL_TAGS_MAX) {
			tags->len = start;
			return;
		}
	}
}
