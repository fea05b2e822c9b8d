/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words that are written as keywords or that the reader knows: one sorted array per length, `_` written
 * as \177. Reserved words are those that PostgreSQL, MySQL or SQLite reserve; soft ones can be columns as
 * well.
 */
#include "sql/internal.h"

#include <endian.h>
#include <string.h>

#define R WORD_RESERVED
#define F WORD_SOFT | WORD_OPERAND
#define T WORD_SOFT
#define V WORD_RESERVED | WORD_VERB
#define O WORD_RESERVED | WORD_OPERAND

static const struct sql_word words_2[] = {
	{"as", KW_AS, R}, {"by", KW_BY, R}, {"do", KW_DO, R},	 {"if", KW_IF, R},
	{"in", KW_IN, R}, {"is", KW_IS, R}, {"of", KW_OTHER, F}, {"on", KW_ON, R},
	{"or", KW_OR, R}, {"to", KW_TO, R}, {"xa", KW_OTHER, F},
};

static const struct sql_word words_3[] = {
	{"add", KW_OTHER, R}, {"all", KW_ALL, R},   {"and", KW_AND, R},	     {"any", KW_OTHER, R},
	{"asc", KW_OTHER, R}, {"div", KW_OTHER, R}, {"end", KW_END, O},	     {"for", KW_FOR, R},
	{"get", KW_OTHER, F}, {"int", KW_OTHER, F}, {"key", KW_KEY, F},	     {"not", KW_NOT, R},
	{"row", KW_ROW, F},   {"set", KW_SET, R},   {"sql", KW_MODIFIER, F}, {"top", KW_OTHER, T},
	{"use", KW_USE, F},   {"xor", KW_OTHER, R},
};

static const struct sql_word words_4[] = {
	{"blob", KW_OTHER, F},	{"bool", KW_OTHER, F}, {"call", KW_CALL, R},	 {"case", KW_CASE, R},
	{"cast", KW_OTHER, R},	{"char", KW_OTHER, F}, {"copy", KW_COPY, F},	 {"cube", KW_OTHER, F},
	{"data", KW_OTHER, F},	{"date", KW_OTHER, F}, {"desc", KW_OTHER, R},	 {"drop", KW_DROP, R},
	{"each", KW_OTHER, F},	{"else", KW_ELSE, R},  {"exec", KW_EXECUTE, T},	 {"from", KW_FROM, R},
	{"full", KW_FULL, R},	{"glob", KW_OTHER, R}, {"help", KW_OTHER, F},	 {"into", KW_INTO, R},
	{"join", KW_JOIN, R},	{"json", KW_OTHER, F}, {"kill", KW_OTHER, F},	 {"last", KW_OTHER, F},
	{"left", KW_OTHER, R},	{"like", KW_LIKE, R},  {"load", KW_LOAD, R},	 {"lock", KW_LOCK, R},
	{"loop", KW_LOOP, T},	{"mode", KW_OTHER, F}, {"move", KW_OTHER, F},	 {"next", KW_OTHER, F},
	{"null", KW_NULL, O},	{"oids", KW_OTHER, F}, {"only", KW_ONLY, R},	 {"over", KW_OTHER, R},
	{"read", KW_OTHER, F},	{"real", KW_OTHER, F}, {"role", KW_OBJECT, F},	 {"rows", KW_ROWS, F},
	{"rule", KW_OBJECT, F}, {"sets", KW_OTHER, F}, {"show", KW_SHOW, F},	 {"skip", KW_OTHER, F},
	{"some", KW_OTHER, R},	{"stop", KW_OTHER, F}, {"temp", KW_MODIFIER, F}, {"text", KW_OTHER, F},
	{"then", KW_THEN, R},	{"time", KW_OTHER, F}, {"true", KW_TRUE, O},	 {"type", KW_OBJECT, F},
	{"user", KW_USER, F},	{"uuid", KW_OTHER, F}, {"view", KW_VIEW, R},	 {"when", KW_WHEN, R},
	{"with", KW_WITH, V},	{"work", KW_OTHER, F}, {"year", KW_OTHER, F},	 {"zone", KW_OTHER, F},
};

static const struct sql_word words_5[] = {
	{"abort", KW_ABORT, F},	 {"admin", KW_OTHER, F},  {"after", KW_OTHER, F}, {"alter", KW_ALTER, R},
	{"array", KW_ARRAY, R},	 {"begin", KW_BEGIN, R},  {"bytea", KW_OTHER, F}, {"cache", KW_OTHER, F},
	{"chain", KW_OTHER, F},	 {"check", KW_OTHER, R},  {"close", KW_OTHER, F}, {"count", KW_COUNT, F},
	{"cross", KW_OTHER, R},	 {"event", KW_EVENT, F},  {"false", KW_FALSE, O}, {"fetch", KW_OTHER, R},
	{"first", KW_OTHER, R},	 {"float", KW_OTHER, F},  {"flush", KW_OTHER, F}, {"grant", KW_GRANT, R},
	{"group", KW_GROUP, R},	 {"ilike", KW_OTHER, R},  {"index", KW_INDEX, R}, {"inner", KW_OTHER, R},
	{"jsonb", KW_OTHER, F},	 {"level", KW_OTHER, F},  {"limit", KW_LIMIT, R}, {"local", KW_MODIFIER, F},
	{"login", KW_OTHER, F},	 {"merge", KW_MERGE, V},  {"minus", KW_MINUS, T}, {"names", KW_OTHER, F},
	{"nulls", KW_OTHER, F},	 {"order", KW_ORDER, R},  {"outer", KW_OTHER, R}, {"owner", KW_OTHER, F},
	{"purge", KW_OTHER, F},	 {"quick", KW_MANNER, F}, {"reset", KW_OTHER, F}, {"right", KW_OTHER, R},
	{"rlike", KW_OTHER, R},	 {"share", KW_OTHER, F},  {"start", KW_START, R}, {"table", KW_TABLE, R},
	{"union", KW_UNION, R},	 {"until", KW_OTHER, F},  {"using", KW_USING, R}, {"valid", KW_OTHER, F},
	{"value", KW_VALUES, F}, {"where", KW_WHERE, R},  {"while", KW_WHILE, T}, {"write", KW_OTHER, F},
};

static const struct sql_word words_6[] = {
	{"action", KW_OTHER, F},    {"always", KW_OTHER, F},	{"attach", KW_OTHER, F},
	{"before", KW_OTHER, F},    {"bigint", KW_OTHER, F},	{"binary", KW_OTHER, R},
	{"bitmap", KW_MODIFIER, F}, {"change", KW_OTHER, F},	{"column", KW_COLUMN, R},
	{"commit", KW_COMMIT, R},   {"create", KW_CREATE, R},	{"cursor", KW_CURSOR, F},
	{"delete", KW_DELETE, V},   {"detach", KW_OTHER, F},	{"domain", KW_OBJECT, F},
	{"double", KW_OTHER, F},    {"elseif", KW_ELSE, T},	{"enable", KW_OTHER, F},
	{"engine", KW_OTHER, F},    {"escape", KW_OTHER, R},	{"except", KW_EXCEPT, R},
	{"exists", KW_EXISTS, R},   {"filter", KW_OTHER, F},	{"format", KW_MODIFIER, F},
	{"freeze", KW_MODIFIER, F}, {"global", KW_MODIFIER, F}, {"having", KW_HAVING, R},
	{"ignore", KW_MANNER, F},   {"import", KW_OTHER, F},	{"infile", KW_OTHER, F},
	{"insert", KW_INSERT, V},   {"listen", KW_OTHER, F},	{"locked", KW_OTHER, F},
	{"modify", KW_OTHER, F},    {"notify", KW_OTHER, F},	{"nowait", KW_OTHER, F},
	{"offset", KW_OFFSET, R},   {"option", KW_OTHER, F},	{"policy", KW_OBJECT, F},
	{"pragma", KW_OTHER, F},    {"public", KW_OTHER, F},	{"regexp", KW_OTHER, R},
	{"rename", KW_OTHER, F},    {"repair", KW_OTHER, F},	{"repeat", KW_LOOP, T},
	{"return", KW_RETURN, T},   {"revoke", KW_GRANT, R},	{"rollup", KW_OTHER, F},
	{"schema", KW_OBJECT, F},   {"select", KW_SELECT, V},	{"serial", KW_OTHER, F},
	{"server", KW_OBJECT, F},   {"signal", KW_OTHER, F},	{"signed", KW_OTHER, F},
	{"stable", KW_OTHER, F},    {"status", KW_OTHER, F},	{"stored", KW_OTHER, F},
	{"tables", KW_OBJECT, F},   {"unique", KW_MODIFIER, R}, {"unlock", KW_OTHER, F},
	{"update", KW_UPDATE, V},   {"vacuum", KW_OTHER, F},	{"values", KW_VALUES, R},
	{"window", KW_OTHER, R},    {"within", KW_OTHER, F},
};

static const struct sql_word words_7[] = {
	{"analyse", KW_ANALYZE, F},  {"analyze", KW_ANALYZE, R},  {"between", KW_OTHER, R},
	{"boolean", KW_OTHER, F},    {"cascade", KW_OTHER, R},	  {"charset", KW_OTHER, F},
	{"cluster", KW_OTHER, F},    {"collate", KW_OTHER, R},	  {"columns", KW_OTHER, F},
	{"comment", KW_COMMENT, F},  {"current", KW_OTHER, F},	  {"decimal", KW_OTHER, F},
	{"declare", KW_DECLARE, F},  {"default", KW_DEFAULT, R},  {"definer", KW_MODIFIER, F},
	{"delayed", KW_MANNER, F},   {"disable", KW_OTHER, F},	  {"discard", KW_OTHER, F},
	{"execute", KW_EXECUTE, T},  {"explain", KW_EXPLAIN, R},  {"foreign", KW_MODIFIER, R},
	{"handler", KW_OTHER, F},    {"install", KW_OTHER, F},	  {"instead", KW_OTHER, F},
	{"integer", KW_OTHER, F},    {"invoker", KW_MODIFIER, F}, {"lateral", KW_LATERAL, R},
	{"mapping", KW_OBJECT, F},   {"matched", KW_OTHER, F},	  {"natural", KW_OTHER, R},
	{"nothing", KW_OTHER, R},    {"numeric", KW_OTHER, F},	  {"outfile", KW_OUTFILE, R},
	{"package", KW_OBJECT, F},   {"plpgsql", KW_OTHER, F},	  {"prepare", KW_PREPARE, T},
	{"primary", KW_OTHER, R},    {"refresh", KW_OTHER, F},	  {"reindex", KW_OTHER, F},
	{"release", KW_OTHER, F},    {"replace", KW_REPLACE, V},  {"returns", KW_OTHER, F},
	{"session", KW_MODIFIER, F}, {"similar", KW_OTHER, R},	  {"spatial", KW_MODIFIER, F},
	{"storage", KW_OTHER, F},    {"synonym", KW_OBJECT, F},	  {"tinyint", KW_OTHER, F},
	{"trigger", KW_TRIGGER, R},  {"uescape", KW_UESCAPE, R},  {"varchar", KW_OTHER, F},
	{"varying", KW_OTHER, F},    {"verbose", KW_MODIFIER, F}, {"virtual", KW_MODIFIER, F},
	{"without", KW_OTHER, F},
};

static const struct sql_word words_8[] = {
	{"cascaded", KW_OTHER, F},    {"conflict", KW_OTHER, R},    {"database", KW_DATABASE, F},
	{"datetime", KW_OTHER, F},    {"deferred", KW_OTHER, F},    {"describe", KW_DESCRIBE, F},
	{"distinct", KW_DISTINCT, R}, {"dumpfile", KW_OUTFILE, F},  {"extended", KW_MODIFIER, F},
	{"external", KW_MODIFIER, F}, {"fulltext", KW_MODIFIER, F}, {"function", KW_FUNCTION, R},
	{"grouping", KW_OTHER, F},    {"identity", KW_OTHER, F},    {"inherits", KW_OTHER, F},
	{"interval", KW_OTHER, R},    {"language", KW_OBJECT, F},   {"operator", KW_OBJECT, F},
	{"optimize", KW_OTHER, F},    {"overlaps", KW_OVERLAPS, F}, {"password", KW_PASSWORD, T},
	{"prepared", KW_OTHER, F},    {"reassign", KW_OTHER, F},    {"resignal", KW_OTHER, F},
	{"restrict", KW_OTHER, R},    {"rollback", KW_ROLLBACK, R}, {"security", KW_MODIFIER, F},
	{"sequence", KW_OBJECT, F},   {"shutdown", KW_OTHER, F},    {"smallint", KW_OTHER, F},
	{"truncate", KW_TRUNCATE, R}, {"unlisten", KW_OTHER, F},    {"unlogged", KW_MODIFIER, F},
	{"unsigned", KW_OTHER, F},    {"volatile", KW_MODIFIER, F},
};

static const struct sql_word words_9[] = {
	{"aggregate", KW_OBJECT, F},	{"bigserial", KW_OTHER, F},	{"character", KW_OTHER, F},
	{"collation", KW_OBJECT, F},	{"committed", KW_OTHER, F},	{"databases", KW_OTHER, F},
	{"duplicate", KW_OTHER, R},	{"excluding", KW_OTHER, F},	{"exclusive", KW_OTHER, F},
	{"extension", KW_OBJECT, F},	{"following", KW_OTHER, F},	{"generated", KW_OTHER, F},
	{"immediate", KW_OTHER, F},	{"immutable", KW_OTHER, F},	{"including", KW_OTHER, F},
	{"initially", KW_OTHER, F},	{"intersect", KW_INTERSECT, R}, {"isolation", KW_OTHER, F},
	{"mediumint", KW_OTHER, F},	{"overwrite", KW_MANNER, F},	{"partition", KW_OTHER, R},
	{"preceding", KW_OTHER, F},	{"precision", KW_OTHER, F},	{"procedure", KW_PROCEDURE, R},
	{"recursive", KW_RECURSIVE, R}, {"returning", KW_RETURNING, R}, {"savepoint", KW_OTHER, F},
	{"separator", KW_OTHER, F},	{"statement", KW_OTHER, F},	{"temporary", KW_MODIFIER, F},
	{"timestamp", KW_OTHER, F},	{"transient", KW_MODIFIER, F},	{"unbounded", KW_OTHER, F},
	{"variables", KW_OTHER, F},
};

static const struct sql_word words_10[] = {
	{"checkpoint", KW_OTHER, F},	  {"connection", KW_OTHER, F},	    {"constraint", KW_OBJECT, R},
	{"conversion", KW_OBJECT, F},	  {"deallocate", KW_OTHER, F},	    {"deferrable", KW_OTHER, F},
	{"identified", KW_IDENTIFIED, T}, {"ordinality", KW_OTHER, F},	    {"partitions", KW_MODIFIER, F},
	{"privileges", KW_OTHER, F},	  {"references", KW_REFERENCES, R}, {"repeatable", KW_OTHER, F},
	{"tablespace", KW_OBJECT, F},
};

static const struct sql_word words_11[] = {
	{"editionable", KW_MODIFIER, F}, {"publication", KW_OBJECT, F}, {"replication", KW_OTHER, F},
	{"tablesample", KW_OTHER, F},	 {"timestamptz", KW_OTHER, F},	{"transaction", KW_TRANSACTION, F},
	{"uncommitted", KW_OTHER, F},
};

static const struct sql_word words_12[] = {
	{"concurrently", KW_MANNER, F}, {"low\177priority", KW_MANNER, F}, {"materialized", KW_MODIFIER, F},
	{"serializable", KW_OTHER, F},	{"subscription", KW_OBJECT, F},
};

static const struct sql_word words_13[] = {
	{"authorization", KW_OTHER, F},
	{"autoincrement", KW_OTHER, F},
	{"high\177priority", KW_MANNER, F},
	{"straight\177join", KW_STRAIGHT_JOIN, R},
};

static const struct sql_word words_14[] = {
	{"auto\177increment", KW_OTHER, F},
};

#define ROW(n)                                                      \
	{                                                           \
		words_##n, sizeof(words_##n) / sizeof(words_##n[0]) \
	}

static const struct {
	const struct sql_word *word;
	size_t count;
} words_by_length[] = {
	{NULL, 0}, {NULL, 0}, ROW(2),  ROW(3),	ROW(4),	 ROW(5),  ROW(6),  ROW(7),
	ROW(8),	   ROW(9),    ROW(10), ROW(11), ROW(12), ROW(13), ROW(14),
};

/* Eight bytes as a number that sorts as they do. */
static uint64_t sort_key(const char *text)
{
	uint64_t word;

	memcpy(&word, text, sizeof(word));
	return be64toh(word);
}

/* The same with letters in lower case; `_` becomes 0x7f, as in the table. */
static uint64_t folded_key(const char *text)
{
	uint64_t word = sort_key(text);

	return word | (word & 0x4040404040404040ULL) >> 1;
}

const struct sql_word *sql_word_find(const char *text, size_t len, size_t avail)
{
	char padded[16] = {0};
	uint64_t head, tail = 0;
	const struct sql_word *word;
	size_t count;

	if (len >= sizeof(words_by_length) / sizeof(words_by_length[0]) || len < 2)
		return NULL;
	if (len <= 8 && avail >= 8) {
		head = folded_key(text);
		head &= ~0ULL << (64 - 8 * len);
	} else {
		memcpy(padded, text, len);
		head = folded_key(padded);
		tail = folded_key(padded + 8);
	}
	word = words_by_length[len].word;
	count = words_by_length[len].count;
	while (count > 1) {
		size_t half = count / 2;

		word = sort_key(word[half].text) <= head ? word + half : word;
		count -= half;
	}
	for (; sort_key(word->text) == head; word--) {
		if (sort_key(word->text + 8) == tail)
			return word;
		if (word == words_by_length[len].word)
			break;
	}
	return NULL;
}
