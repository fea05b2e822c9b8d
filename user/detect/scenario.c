/* SPDX-License-Identifier: BSD-2-Clause */
#include "detect/scenario.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The first row that the kind begins with, up to a dot or its end. */
static const struct {
	const char *kind;
	enum span_type type;
} types[] = {
	{"db.redis", SPAN_CACHE},  {"db.memcached", SPAN_CACHE}, {"db", SPAN_DB},
	{"sql", SPAN_DB},	   {"postgresql", SPAN_DB},	 {"mysql", SPAN_DB},
	{"mariadb", SPAN_DB},	   {"sqlite", SPAN_DB},		 {"mongodb", SPAN_DB},
	{"redis", SPAN_CACHE},	   {"memcached", SPAN_CACHE},	 {"memcache", SPAN_CACHE},
	{"cache", SPAN_CACHE},	   {"http", SPAN_HTTP},		 {"external", SPAN_HTTP},
	{"connect", SPAN_CONNECT}, {"connection", SPAN_CONNECT}, {"pool", SPAN_POOL},
	{"pool_wait", SPAN_POOL},  {"acquire", SPAN_POOL},	 {"checkout", SPAN_POOL},
};

enum span_type scenario_type(struct str kind)
{
	size_t i, len;

	if (kind.len == 0)
		return SPAN_DB;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		len = strlen(types[i].kind);
		if (kind.len >= len && strncasecmp(kind.ptr, types[i].kind, len) == 0 &&
		    (kind.len == len || kind.ptr[len] == '.'))
			return types[i].type;
	}
	return SPAN_OTHER;
}

uint64_t scenario_fingerprint(struct str shape)
{
	return hash_bytes(HASH_SEED, shape.ptr, shape.len);
}

/* A number, or something that only a machine would call a name: a UUID, a hash. */
static int is_identifier(const char *p, size_t len)
{
	size_t digits = 0, hex = 0, i;

	for (i = 0; i < len; i++) {
		digits += isdigit((unsigned char)p[i]) != 0;
		hex += isxdigit((unsigned char)p[i]) || p[i] == '-';
	}
	return digits == len || (digits && hex == len && len >= 8) || digits * 2 > len;
}

static int is_separator(char c)
{
	return strchr(" /:?&=,.#{}|", c) != NULL;
}

void scenario_shape(struct strbuf *out, struct str text)
{
	size_t begin = 0, end;
	int in_value = 0;

	while (begin < text.len) {
		for (end = begin; end < text.len && !is_separator(text.ptr[end]); end++)
			;
		if (end > begin && (in_value || is_identifier(text.ptr + begin, end - begin)))
			strbuf_addc(out, '*');
		else
			strbuf_add(out, text.ptr + begin, end - begin);
		if (end == text.len)
			break;
		in_value = text.ptr[end] == '=' || (in_value && text.ptr[end] != '&' && text.ptr[end] != ' ');
		strbuf_addc(out, text.ptr[end]);
		begin = end + 1;
	}
}

/* Commands that have a form for many keys, or gain from a pipeline. */
static const char *const single_reads[] = {"GET",     "HGET",  "EXISTS", "HEXISTS", "SISMEMBER", "TTL",
					   "HGETALL", "TYPE",  "STRLEN", "ZSCORE",  "LINDEX",	 "SMEMBERS",
					   "LLEN",    "SCARD", "ZRANK",	 NULL};

/* Files and prefetched pages, and one address for every query: equal paths do not mean the same request. */
static const char *const no_resource[] = {".js",  ".css",   ".png", ".jpg", ".jpeg",   ".svg",
					  ".gif", ".woff2", ".ico", ".map", "graphql", NULL};

static int is_file(struct str text)
{
	const char *end = memchr(text.ptr, '?', text.len);
	size_t len = end ? (size_t)(end - text.ptr) : text.len, word, i;

	if (memmem(text.ptr, len, "_next/data", 10))
		return 1;
	for (i = 0; no_resource[i]; i++) {
		word = strlen(no_resource[i]);
		if (len >= word && strncasecmp(text.ptr + len - word, no_resource[i], word) == 0)
			return 1;
	}
	return 0;
}

enum sql_kind scenario_kind(enum span_type type, struct str text)
{
	size_t len = 0, i;

	while (len < text.len && text.ptr[len] != ' ')
		len++;
	if (type == SPAN_HTTP)
		return len == 3 && strncasecmp(text.ptr, "GET", 3) == 0 && !is_file(text) ? SQL_KIND_READ
											  : SQL_KIND_OTHER;
	for (i = 0; type == SPAN_CACHE && single_reads[i]; i++) {
		if (strlen(single_reads[i]) == len && strncasecmp(text.ptr, single_reads[i], len) == 0)
			return SQL_KIND_READ;
	}
	return SQL_KIND_OTHER;
}
