/* SPDX-License-Identifier: BSD-2-Clause */
/* The words that stand where a table's name may, or in front of it. */
#include "sql/internal.h"

/* TABLE, TABLES */
static int is_word_table(const struct sql_token *t)
{
	return t->id == KW_TABLE || (t->id == KW_OBJECT && sql_token_is(t, "TABLES"));
}

/*
 * Whether the word, behind which another one follows, belongs to the verb: most of these may be the names of
 * tables too.
 */
static int is_before_table(const struct sql_reader *rd, const struct reader_frame *f,
			   const struct sql_token *t)
{
	int query = sql_is_query(f->stmt), into = f->stmt == KW_SELECT;

	if (f->use == USE_FROM)
		return 0;
	switch (t->id) {
	case KW_MANNER:
	case KW_OR:
	case KW_TABLE:
		return 1;
	case KW_MODIFIER:
		return (!query || into) && rd->last_id != KW_NONE && rd->last_id != KW_TABLE &&
		       rd->last_id != KW_EXISTS;
	case KW_IF:
	case KW_NOT:
	case KW_EXISTS:
	case KW_VIEW:
	case KW_FULL:
	case KW_ANALYZE:
	case KW_INDEX:
		return !query;
	default:
		return !query && is_word_table(t);
	}
}

/* A word where a table is expected. Returns READ_TABLE when it is (part of) a name. */
int sql_read_table(struct sql_reader *rd, struct reader_frame *f, const struct sql_token *t, char next)
{
	int more = sql_starts_name(next);

	switch (t->id) {
	case KW_VALUES:
	case KW_OUTFILE:
	case KW_DEFAULT:
	case KW_SET:
		if (t->id == KW_SET && f->stmt == KW_SELECT)
			break;
		f->expect = EXPECT_NOTHING;
		f->from_list = 0;
		return 0;
	case KW_FROM:
		if (f->stmt != KW_DELETE)
			break;
		sql_expect_table(f, USE_TABLE, TABLES_LIST);
		return 0;
	case KW_INTO:
	case KW_ONLY:
	case KW_LATERAL:
		return 0;
	case KW_INSERT:
	case KW_UPDATE:
	case KW_DELETE:
	case KW_TO:
		/* CREATE RULE … ON UPDATE TO t */
		if (rd->op != KW_CREATE || f->stmt != KW_CREATE)
			break;
		return 0;
	default:
		if (more && is_before_table(rd, f, t)) {
			if (!sql_is_query(f->stmt) && is_word_table(t))
				sql_summary_add_word(rd, t);
			return 0;
		}
		rd->top = next == '(' && f->stmt != KW_SELECT && sql_token_is(t, "TOP");
		if (rd->top || (rd->last_id == KW_OR && more))
			return 0;
		break;
	}
	sql_name_begin(rd, t, f->use);
	f->expect = sql_is_query(f->stmt) ? EXPECT_ALIAS : EXPECT_NOTHING;
	return t->kind == TOK_STRING ? 0 : READ_TABLE;
}

/* A word between a DDL verb and the name of its object: as good as a part of the verb, if known. */
int sql_read_object(struct sql_reader *rd, struct reader_frame *f, const struct sql_token *t, char next)
{
	switch (t->id) {
	case KW_MODIFIER:
	case KW_MANNER:
	case KW_OR:
	case KW_REPLACE:
	case KW_ON:
	case KW_RECURSIVE:
		return READ_VERB;
	case KW_TABLE:
	case KW_VIEW:
		rd->object = t->id;
		sql_summary_add_word(rd, t);
		sql_expect_table(f, USE_TABLE,
				 rd->op == KW_DROP || rd->op == KW_OTHER ? TABLES_LIST : TABLES_NONE);
		return READ_VERB;
	case KW_NONE:
	case KW_OTHER:
		/* GRANT … ON t */
		if (rd->op == KW_GRANT && rd->last_id == KW_ON) {
			sql_name_begin(rd, t, USE_TABLE);
			f->expect = EXPECT_NOTHING;
			return READ_TABLE;
		}
		/* ALGORITHM = … VIEW */
		if (next != '=')
			f->expect = EXPECT_NOTHING;
		return 0;
	default:
		rd->object = t->id;
		rd->routine = rd->op == KW_CREATE && (t->id == KW_FUNCTION || t->id == KW_PROCEDURE ||
						      t->id == KW_TRIGGER || t->id == KW_EVENT);
		sql_summary_add_word(rd, t);
		f->expect = EXPECT_TARGET;
		return READ_VERB;
	}
}
