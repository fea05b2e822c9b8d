/* SPDX-License-Identifier: BSD-2-Clause */
/* Names the reader meets: taken part by part, kept once without quotes, and written to
 * the summary as they stood. */
#include "sql/internal.h"

#include <string.h>

/* Appends one word to the summary, or closes it: cut between words only. */
void sql_summary_add(struct sql_reader *rd, const char *text, size_t len, int space)
{
	if (rd->summary_full || rd->summary_len + len + 1 > SQL_SUMMARY_MAX) {
		rd->summary_full = 1;
		return;
	}
	if (rd->summary_len && space)
		rd->summary[rd->summary_len++] = ' ';
	memcpy(rd->summary + rd->summary_len, text, len);
	rd->summary_len += len;
}

void sql_summary_add_word(struct sql_reader *rd, const struct sql_token *t)
{
	size_t before = rd->summary_len;

	sql_summary_add(rd, t->ptr, t->len, 1);
	for (size_t i = before; i < rd->summary_len; i++)
		rd->summary[i] = sql_upper(rd->summary[i]);
}

/* The part without its quotes, folded; returns its length. out has room for part.len bytes. */
static size_t unquote(const struct sql_reader *rd, struct str part, int quoted, char *out)
{
	size_t len = 0;
	char close;

	if (!quoted) {
		for (; len < part.len; len++) {
			char c = part.ptr[len];

			out[len] = rd->rules->fold && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
		}
		return len;
	}
	if ((*part.ptr | 0x20) == 'u' && part.len > 2) {
		part.ptr += 2;
		part.len -= 2;
	}
	close = *part.ptr == '[' ? ']' : *part.ptr;
	for (size_t i = 1; i < part.len; i++) {
		if (part.ptr[i] == close && (i + 1 == part.len || part.ptr[++i] != close))
			break;
		out[len++] = part.ptr[i] == '\n' ? ' ' : part.ptr[i];
	}
	return len;
}

static int known(const uint64_t *hashes, uint32_t count, uint64_t hash)
{
	for (uint32_t i = 0; i < count; i++)
		if (hashes[i] == hash)
			return 1;
	return 0;
}

/* Writes the pending name, unquoted and with dots, behind the names so far. Its
 * length, 0 when there is no room. */
size_t sql_name_write(struct sql_reader *rd)
{
	char *out = rd->names + rd->names_len + 1;
	size_t len = 0, need = 1;

	for (int i = 0; i < rd->parts; i++)
		need += rd->part[i].len + 1;
	if (rd->names_len + need > rd->names_cap)
		return 0;
	for (int i = 0; i < rd->parts; i++) {
		if (i)
			out[len++] = '.';
		len += unquote(rd, rd->part[i], rd->part_quoted[i], out + len);
	}
	return len;
}

static void add_name_summary(struct sql_reader *rd)
{
	size_t len = rd->summary_len;

	for (int i = 0; i < rd->parts; i++) {
		if (i)
			sql_summary_add(rd, ".", 1, 0);
		sql_summary_add(rd, rd->part[i].ptr, rd->part[i].len, !i);
	}
	if (rd->summary_full)
		rd->summary_len = len;
}

/* The pending name is complete; `next` is the token behind it. */
void sql_name_end(struct sql_reader *rd, const struct sql_token *next)
{
	uint8_t use = rd->name_use;
	size_t len;
	uint64_t hash;

	rd->name_use = USE_NONE;
	/* GRANT … ON db.*, ANALYZE FORMAT = …, ANALYZE NO_WRITE_TO_BINLOG TABLE … */
	if (use == USE_NOWHERE || (next->kind == TOK_OP && (rd->part_open || *next->ptr == '=')) ||
	    (use == USE_TABLE && next->id == KW_TABLE && rd->verb && rd->verb->mode == MODE_LIST))
		return;
	if (use == USE_FROM && (next->kind == TOK_LPAREN || next->id == KW_FROM))
		return;
	if (use == USE_DELETE && (next->id == KW_FROM || next->kind == TOK_COMMA))
		return;
	if (use == USE_TARGET) {
		add_name_summary(rd);
		return;
	}
	len = sql_name_write(rd);
	if (!len)
		return;
	hash = sql_fingerprint_of(rd->names + rd->names_len + 1, len);
	if (rd->parts == 1 && known(rd->cte_hash, rd->cte_count, hash))
		return;
	if (use != USE_QUIET)
		add_name_summary(rd);
	if (rd->name_count == SQL_NAMES_MAX || known(rd->name_hash, rd->name_count, hash))
		return;
	rd->name_hash[rd->name_count++] = hash;
	if (rd->names_len)
		rd->names[rd->names_len++] = '\n';
	else
		memmove(rd->names, rd->names + 1, len);
	rd->names_len += len;
}

void sql_name_begin(struct sql_reader *rd, const struct sql_token *t, uint8_t use)
{
	rd->name_use = use;
	rd->parts = 1;
	rd->part_open = 0;
	rd->part[0] = (struct str){t->ptr, t->len};
	rd->part_quoted[0] = t->kind != TOK_WORD;
}

/* "…" where strings are written so: in a table's place it can only be a name (ANSI_QUOTES). */
int sql_token_is_name(const struct sql_token *t)
{
	return t->kind == TOK_WORD || t->kind == TOK_QUOTED || (t->kind == TOK_STRING && *t->ptr == '"');
}

/* A dot or a further part of the pending name: 1 when taken. */
int sql_name_continue(struct sql_reader *rd, const struct sql_token *t)
{
	if (t->kind == TOK_DOT && !rd->part_open) {
		rd->part_open = 1;
		return 1;
	}
	if (!rd->part_open || !sql_token_is_name(t))
		return 0;
	rd->part_open = 0;
	if (rd->parts < 4) {
		rd->part[rd->parts] = (struct str){t->ptr, t->len};
		rd->part_quoted[rd->parts++] = t->kind != TOK_WORD;
	}
	return 1;
}

void sql_cte_add(struct sql_reader *rd, uint64_t hash)
{
	if (rd->cte_count < SQL_NAMES_MAX)
		rd->cte_hash[rd->cte_count++] = hash;
}
