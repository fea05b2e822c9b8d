/* SPDX-License-Identifier: BSD-2-Clause */
#include "redis_command.h"

#include <errno.h>
#include <string.h>

#define SEED	     0x7265646973ULL /* "redis": a command never has the fingerprint of a statement */
#define NAME_MAX_LEN 32
#define PART_MAX     40 /* a longer part of a key says too much */
#define HEX_MIN	     8
#define UUID_LEN     36

/* Commands that only read, and those that are no work of their own
 * (https://redis.io/docs/latest/commands/). */
static const char reads[] = " GET MGET GETRANGE SUBSTR STRLEN GETBIT BITCOUNT BITPOS EXISTS TTL PTTL "
			    "EXPIRETIME PEXPIRETIME TYPE KEYS SCAN "
			    "RANDOMKEY DUMP OBJECT DBSIZE HGET HMGET HGETALL HKEYS HVALS HLEN HEXISTS "
			    "HSTRLEN HSCAN HRANDFIELD LRANGE LINDEX LLEN "
			    "LPOS SMEMBERS SISMEMBER SMISMEMBER SCARD SRANDMEMBER SINTER SINTERCARD SUNION "
			    "SDIFF SSCAN ZRANGE ZRANGEBYSCORE "
			    "ZRANGEBYLEX ZREVRANGE ZREVRANGEBYSCORE ZREVRANGEBYLEX ZSCORE ZMSCORE ZCARD "
			    "ZRANK ZREVRANK ZCOUNT ZLEXCOUNT ZSCAN "
			    "ZRANDMEMBER ZINTER ZUNION ZDIFF XRANGE XREVRANGE XREAD XLEN XINFO XPENDING "
			    "PFCOUNT GEOPOS GEODIST GEOHASH GEOSEARCH "
			    "GEORADIUS_RO GEORADIUSBYMEMBER_RO SORT_RO EVAL_RO EVALSHA_RO FCALL_RO LCS ";
static const char controls[] =
	" AUTH HELLO SELECT QUIT RESET CLIENT PING ECHO MULTI EXEC DISCARD WATCH UNWATCH ";

static int is_one_of(const char *list, const char *name, size_t len)
{
	char word[NAME_MAX_LEN + 3];

	if (!len || len > NAME_MAX_LEN)
		return 0;
	word[0] = ' ';
	memcpy(word + 1, name, len);
	word[len + 1] = ' ';
	word[len + 2] = '\0';
	return strstr(list, word) != NULL;
}

static int is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static int is_letter(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
}

static int is_hex(char ch)
{
	return is_digit(ch) || (ch >= 'a' && ch <= 'f') || (ch >= 'A' && ch <= 'F');
}

static int is_separator(char ch)
{
	return ch && strchr(":/|{} ", ch);
}

struct pattern {
	const struct sql_options *opt;
	struct sql_info *out;
	char *buf;
	size_t len;
};

static void add_value(struct pattern *p, const char *value, size_t len)
{
	struct sql_info *out = p->out;

	p->buf[p->len++] = '?';
	if (!out->literal_count++)
		out->literal_hash = hash_mix(p->opt->hash_key[0], p->opt->hash_key[1]);
	out->literal_hash = hash_mix(out->literal_hash, hash_bytes(p->opt->hash_key[0], value, len));
}

static size_t uuid_length(const char *s, size_t len)
{
	size_t i;

	if (len < UUID_LEN)
		return 0;
	for (i = 0; i < UUID_LEN; i++) {
		int dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !is_hex(s[i]))
			return 0;
	}
	return UUID_LEN;
}

/* Bytes at the start of s that are a value: a UUID, a long run of hex digits with a digit in it, a number. */
static size_t value_length(const char *s, size_t len)
{
	size_t n = uuid_length(s, len), digits = 0;

	if (n)
		return n;
	while (n < len && is_hex(s[n]))
		digits += (size_t)is_digit(s[n++]);
	if (n >= HEX_MIN && digits)
		return n;
	for (n = 0; n < len && is_digit(s[n]); n++)
		;
	return n;
}

/* One part of a key, without separators. */
static void add_part(struct pattern *p, const char *part, size_t len)
{
	size_t i;

	for (i = 0; i < len && (is_letter(part[i]) || is_digit(part[i]) || strchr("-_.*", part[i])); i++)
		;
	if (i < len || (len > PART_MAX)) {
		add_value(p, part, len);
		return;
	}
	for (i = 0; i < len;) {
		size_t n = value_length(part + i, len - i);

		if (n)
			add_value(p, part + i, n);
		else
			p->buf[p->len++] = part[i];
		i += n ? n : 1;
	}
}

static void add_key(struct pattern *p, const char *key, size_t len)
{
	size_t at = 0, i;

	for (i = 0; i <= len; i++) {
		if (i < len && !is_separator(key[i]))
			continue;
		if (i > at)
			add_part(p, key + at, i - at);
		if (i < len)
			p->buf[p->len++] = key[i];
		at = i + 1;
	}
}

/* The name, in upper case; what is no name is "?". Returns its length in the text. */
static size_t add_name(struct pattern *p, const char *text, size_t len)
{
	const char *end = memchr(text, '\r', len);
	size_t n = end ? (size_t)(end - text) : len, i;

	for (i = 0; i < n && n <= NAME_MAX_LEN; i++) {
		char ch = text[i];

		if (!is_letter(ch) && !is_digit(ch) && !strchr("-_.", ch))
			break;
		p->buf[i] = ch >= 'a' && ch <= 'z' ? (char)(ch - 32) : ch;
	}
	p->len = i;
	if (!i || i < n) {
		p->buf[0] = '?';
		p->len = 1;
	}
	return n;
}

int redis_command_analyse(const char *text, size_t len, const struct sql_options *opt, char *buf, size_t cap,
			  struct sql_info *out)
{
	struct pattern p = {.opt = opt, .out = out, .buf = buf};
	const char *key;
	size_t name;

	if (cap < len + 3)
		return -ENOBUFS;
	memset(out, 0, sizeof(*out));
	out->consumed = len;
	name = len ? add_name(&p, text, len) : 0;
	out->stmt_class = !len				    ? SQL_CLASS_EMPTY
			  : is_one_of(controls, buf, p.len) ? SQL_CLASS_CONTROL
							    : SQL_CLASS_QUERY;
	out->kind = is_one_of(reads, buf, p.len) ? SQL_KIND_READ : SQL_KIND_OTHER;
	out->operation = (struct str){buf, p.len};
	/* "\r\n$6\r\n" stands between name and key */
	key = len > name + 2 ? memchr(text + name + 2, '\n', len - name - 2) : NULL;
	if (key) {
		buf[p.len++] = ' ';
		add_key(&p, key + 1, len - (size_t)(key + 1 - text));
	}
	out->normalized = out->summary = (struct str){buf, p.len};
	if (out->summary.len > SQL_SUMMARY_MAX)
		out->summary.len = SQL_SUMMARY_MAX;
	out->fingerprint = hash_bytes(hash_mix(HASH_SEED, SEED), buf, p.len);
	return 0;
}

struct str redis_error_code(struct str message)
{
	size_t n = 0;

	while (n < message.len && message.ptr[n] >= 'A' && message.ptr[n] <= 'Z')
		n++;
	return n && n < message.len && message.ptr[n] == ' ' ? (struct str){message.ptr, n} : STR("");
}
