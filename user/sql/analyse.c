/* SPDX-License-Identifier: BSD-2-Clause */
/* The one pass: every token goes to the reader, then to the normaliser. */
#include "sql/internal.h"

#include <errno.h>
#include <string.h>

/* Table names kept take at most this much. */
#define NAMES_CAP 8192

static size_t names_cap(size_t len)
{
	/* One byte before the first name is scratch. */
	return (len < NAMES_CAP ? len : NAMES_CAP) + 2;
}

size_t sql_buffer_size(size_t len)
{
	/* A token of n bytes is written as at most n bytes and a space; words are
	 * copied eight bytes at a time. */
	return 2 * len + 10 + SQL_SUMMARY_MAX + SQL_TAGS_MAX + names_cap(len);
}

int sql_analyse(const char *text, size_t len, const struct sql_options *opt, char *buf, size_t cap,
		struct sql_info *out)
{
	struct sql_tags tags = {.buf = buf};
	char *summary = buf + SQL_TAGS_MAX, *names = summary + SQL_SUMMARY_MAX,
	     *text_out = names + names_cap(len);
	struct sql_literals literals;
	struct sql_reader reader;
	struct sql_norm norm;
	struct sql_lexer lexer;
	struct sql_token token;

	if (cap < sql_buffer_size(len))
		return -ENOBUFS;
	sql_lexer_init(&lexer, text, len, opt, &tags);
	sql_literals_init(&literals, opt->hash_key);
	sql_reader_init(&reader, lexer.rules, summary, names, names_cap(len));
	sql_norm_init(&norm, text_out, lexer.rules, &literals, &lexer);
	for (;;) {
		char next;
		int read;

		sql_lexer_next(&lexer, &token);
		if (token.kind == TOK_END)
			break;
		next = sql_lexer_peek(&lexer);
		if (token.kind == TOK_SEMICOLON && !reader.block && !reader.in_hint) {
			lexer.p = sql_lexer_trailer(&lexer);
			break;
		}
		read = sql_reader_token(&reader, &token, next);
		sql_norm_token(&norm, &token, read, next);
	}
	sql_reader_finish(&reader);
	sql_norm_finish(&norm);
	if (reader.stmt_class == SQL_CLASS_EMPTY)
		norm.len = 0; /* a hint for nothing */

	memset(out, 0, sizeof(*out));
	out->consumed = (size_t)(lexer.p - text);
	out->stmt_class = reader.stmt_class;
	out->kind = reader.kind;
	if (reader.kind == SQL_KIND_INSERT && norm.rows > 1)
		out->kind = SQL_KIND_INSERT_MANY;
	out->normalized = (struct str){text_out, norm.len};
	out->operation = reader.op_text;
	out->summary = (struct str){summary, reader.summary_len};
	out->collections = (struct str){names, reader.names_len};
	out->tags = (struct str){buf, tags.len};
	out->fingerprint = sql_fingerprint_of(text_out, norm.len);
	out->literal_hash = sql_literals_hash(&literals);
	out->literal_count = literals.count;
	out->param_count = norm.params;
	return 0;
}
