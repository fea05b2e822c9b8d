/* SPDX-License-Identifier: BSD-2-Clause */
/* Credentials that are written without quotes. */
#include "sql/internal.h"

/* Words behind PASSWORD that are none. */
static int is_password_option(const struct sql_token *t)
{
	static const char *const options[] = {"EXPIRE", "HISTORY",  "REUSE",	"REQUIRE",  "NULL",
					      "FOR",	"DEFAULT",  "OPTIONAL", "LIFETIME", "LOCK",
					      "UNLOCK", "INTERVAL", "NEVER",	NULL};

	for (const char *const *option = options; *option; option++)
		if (sql_token_is(t, *option))
			return 1;
	return 0;
}

/* IDENTIFIED BY x REPLACE x, PASSWORD x, PRAGMA key = x, ATTACH … KEY x. 1 when this word is one. */
int sql_reader_secret(struct sql_reader *rd, const struct sql_token *t, char next)
{
	int utility = !rd->verb || (!sql_is_query(rd->op) && rd->object != KW_TABLE &&
				    rd->object != KW_VIEW && rd->object != KW_INDEX && !rd->routine);

	if (rd->secret) {
		if (t->kind == TOK_OP || t->kind == TOK_LPAREN || t->id == KW_PASSWORD || t->id == KW_VALUES)
			return 0;
		rd->secret = 0;
		rd->in_secret = (t->kind == TOK_WORD || t->kind == TOK_QUOTED) &&
				(!t->flags || t->flags & WORD_OPERAND) && !is_password_option(t);
		return rd->in_secret;
	}
	if (t->kind != TOK_WORD || !utility)
		return 0;
	rd->secret = (t->id == KW_PASSWORD && !rd->depth && next != '(') ||
		     (t->id == KW_REPLACE && rd->identified) ||
		     (t->id == KW_BY && rd->last_id == KW_IDENTIFIED) || (t->id == KW_BY && rd->identified) ||
		     (t->id == KW_KEY && rd->verb && rd->verb->keyed);
	if (rd->verb && rd->verb->keyed)
		rd->secret |= sql_token_is(t, "REKEY") || sql_token_is(t, "HEXKEY") ||
			      sql_token_is(t, "HEXREKEY") || sql_token_is(t, "TEXTKEY");
	rd->identified |= t->id == KW_IDENTIFIED;
	return 0;
}
