/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Error messages of databases without the data in them. PostgreSQL quotes names with "…" but also values
 * (`invalid input syntax for type integer: "x"`), and shows values in (…)=(…); MySQL quotes names and values
 * with '…' and does not escape a quote inside; SQLite writes names without quotes. So the word before a quote
 * decides: behind "column", "key", "relation" … stands a name, and all else in quotes goes.
 */
#include "sql/internal.h"

#include <string.h>
#include <strings.h>

static const char *const name_words[] = {
	"key",	     "column",	  "table",     "relation",  "constraint", "index",	"schema",
	"database",  "function",  "procedure", "view",	    "type",	  "sequence",	"trigger",
	"extension", "collation", "domain",    "savepoint", "field",	  "engine",	"variable",
	"encoding",  "language",  "name",      "attribute", "partition",  "tablespace", NULL,
};

/* MySQL's names for parts of a statement: Unknown column 'x' in 'where clause'. */
static const char *const clause_names[] = {"clause'", "list'", "statement'", "SELECT'", NULL};

/* What follows a value whose own quotes are not escaped: it reaches to the last place of
 * the first of these found. */
static const char *const value_ends[] = {"' for key",	   "' at line", "' for column",
					 "' for function", "' at row",	NULL};

struct redaction {
	struct strbuf *out;
	size_t left; /* bytes that may still be added */
	const char *start;
	const char *p;
	const char *end;
};

static void put(struct redaction *r, const char *text, size_t len)
{
	if (len > r->left)
		len = r->left;
	strbuf_add(r->out, text, len);
	r->left -= len;
}

static int starts_with(const char *p, const char *end, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(end - p) >= len && !memcmp(p, text, len);
}

static int after_name_word(const struct redaction *r)
{
	const char *end = r->p;

	while (end > r->start && end[-1] == ' ')
		end--;
	for (const char *const *word = name_words; *word; word++) {
		size_t len = strlen(*word);

		if ((size_t)(end - r->start) >= len && !strncasecmp(end - len, *word, len) &&
		    ((size_t)(end - r->start) == len || !sql_byte_is(end[-(ptrdiff_t)len - 1], BYTE_CONT)))
			return 1;
	}
	return 0;
}

/* Behind the quote that closes the one at r->p. */
static const char *quoted_end(const struct redaction *r)
{
	char quote = *r->p;
	const char *last = NULL, *p = r->p + 1;

	for (const char *const *stop = value_ends; quote == '\'' && *stop && !last; stop++) {
		const char *at = p;

		while ((at = memmem(at, (size_t)(r->end - at), *stop, strlen(*stop))) != NULL) {
			last = at++;
		}
	}
	if (last)
		return last + 1;
	/* A quote inside a word (O'Brien) closes nothing. */
	while ((p = memchr(p, quote, (size_t)(r->end - p))) != NULL) {
		p++;
		if (p == r->end || !sql_byte_is(*p, BYTE_CONT))
			return p;
	}
	return r->end;
}

static int is_clause_name(const char *p, const char *end)
{
	for (const char *const *name = clause_names; *name; name++) {
		size_t len = strlen(*name);

		if ((size_t)(end - p) > len && !memcmp(end - len, *name, len) && end - p < 24)
			return 1;
	}
	return 0;
}

static void redact_quoted(struct redaction *r)
{
	const char *close;
	char quoted[3] = {*r->p, '?', *r->p};

	if (after_name_word(r)) {
		/* A name: up to the next quote, whatever follows. */
		close = memchr(r->p + 1, *r->p, (size_t)(r->end - r->p) - 1);
		close = close ? close + 1 : r->end;
		put(r, r->p, (size_t)(close - r->p));
	} else {
		close = quoted_end(r);
		if (*r->p == '\'' && is_clause_name(r->p, close))
			put(r, r->p, (size_t)(close - r->p));
		else
			put(r, quoted, 3);
	}
	r->p = close;
}

static const char *line_end(const struct redaction *r)
{
	const char *newline = memchr(r->p, '\n', (size_t)(r->end - r->p));

	return newline ? newline : r->end;
}

/* Up to the last `)` of the line. */
static void redact_bracket(struct redaction *r, const char *open)
{
	const char *close = memrchr(r->p, ')', (size_t)(line_end(r) - r->p));

	put(r, open, strlen(open));
	put(r, "?", 1);
	r->p = close ? close : line_end(r);
}

static void redact_next(struct redaction *r)
{
	int in_word = r->p > r->start && sql_byte_is(r->p[-1], BYTE_CONT);

	if (*r->p == '"' || (*r->p == '\'' && !in_word)) {
		redact_quoted(r);
	} else if (*r->p == '`') {
		const char *close = memchr(r->p + 1, '`', (size_t)(r->end - r->p) - 1);

		close = close ? close + 1 : r->end;
		put(r, r->p, (size_t)(close - r->p));
		r->p = close;
	} else if (starts_with(r->p, r->end, ")=(")) {
		r->p += 3;
		redact_bracket(r, ")=(");
	} else if (starts_with(r->p, r->end, "row contains (")) {
		r->p += 14;
		redact_bracket(r, "row contains (");
	} else if (!in_word && starts_with(r->p, r->end, "LINE ")) {
		/* The statement's own text. */
		put(r, "LINE ?", 6);
		r->p = line_end(r);
	} else if (!in_word && starts_with(r->p, r->end, "0x")) {
		put(r, "?", 1);
		while (r->p < r->end && sql_byte_is(*r->p, BYTE_CONT))
			r->p++;
	} else {
		put(r, r->p++, 1);
	}
}

void sql_redact_message(struct strbuf *out, struct str message, size_t max)
{
	struct redaction r = {
		.out = out,
		.left = max,
		.start = message.ptr,
		.p = message.ptr,
		.end = message.ptr + message.len,
	};

	while (r.p < r.end && r.left)
		redact_next(&r);
}
