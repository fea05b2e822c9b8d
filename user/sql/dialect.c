/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lexical rules of the dialects. Sources: PostgreSQL 16 manual 4.1 and src/backend/parser/scan.l;
 * MySQL 8.0 manual 9.1-9.7 and MariaDB's "Identifier Names", "String Literals"; sqlite.org/lang_expr.html,
 * lang_keywords.html and src/tokenize.c. "Generic" is what most databases would agree on, and the union of
 * the ways to quote.
 */
#include "sql/internal.h"

static const char *const mysql_operators[] = {
	"<=>", "->>", "<<", ">>", "<>", "<=", ">=", "!=", ":=", "||", "&&", "->", NULL,
};

static const char *const sqlite_operators[] = {
	"->>", "||", "->", "<<", ">>", "<=", "<>", ">=", "==", "!=", NULL,
};

static const char *const generic_operators[] = {
	"!~~*", "<=>", "->>", "#>>", "!~~", "~~*", "!~*", "<->", "-|-", "<<|", "|>>", "&<|", "|&>",
	"||/",	"?||", "?-|", "<<=", ">>=", "<<",  ">>",  "<>",	 "<=",	">=",  "!=",  "==",  ":=",
	"=>",	"||",  "&&",  "->",  "#>",  "#-",  "@>",  "<@",	 "@?",	"@@",  "?|",  "?&",  "!~",
	"~*",	"~~",  "|/",  "!!",  "&<",  "&>",  "^@",  "**",	 "^=",	"!<",  "!>",  "..",  NULL,
};

const struct sql_rules sql_rules_of[4] = {
	[SQL_GENERIC] =
		{
			.nested_comments = 1,
			.hints = 1,
			.backslash = MAYBE,
			.double_quote = MAYBE,
			.backtick = 1,
			.bracket = MAYBE,
			.dollar_quote = 1,
			.dollar_param = 1,
			.colon_param = MAYBE,
			.question_param = MAYBE,
			.at = AT_VARIABLE,
			.concat = CONCAT_NEWLINE,
			.prefixes = PREFIX_E | PREFIX_U | PREFIX_N | PREFIX_XB | PREFIX_Q,
			.word_bytes = BYTE_CONT | BYTE_DOLLAR | BYTE_EXTRA,
			.select_into = 1,
			.operators = generic_operators,
		},
	[SQL_POSTGRESQL] =
		{
			.nested_comments = 1,
			.cr_ends_line = 1,
			.hints = 1,
			.backslash = NEVER,
			.double_quote = NEVER,
			.dollar_quote = 1,
			.dollar_param = 1,
			.colon_param = MAYBE,
			.question_param = MAYBE,
			.at = AT_OPERATOR,
			.concat = CONCAT_NEWLINE,
			.prefixes = PREFIX_E | PREFIX_U | PREFIX_N | PREFIX_XB,
			.word_bytes = BYTE_CONT | BYTE_DOLLAR,
			.fold = 1,
			.select_into = 1,
		},
	[SQL_MYSQL] =
		{
			.hash_comments = 1,
			.dash_needs_space = 1,
			.version_comments = 1,
			.hints = 1,
			.backslash = ALWAYS,
			.double_quote = ALWAYS,
			.backtick = 1,
			.colon_param = MAYBE,
			.question_param = ALWAYS,
			.at = AT_VARIABLE,
			.concat = CONCAT_SPACE,
			.prefixes = PREFIX_N | PREFIX_XB | PREFIX_INTRODUCER,
			.word_bytes = BYTE_CONT | BYTE_DOLLAR,
			.digit_words = 1,
			.operators = mysql_operators,
		},
	[SQL_SQLITE] =
		{
			.backslash = NEVER,
			.double_quote = MAYBE,
			.backtick = 1,
			.bracket = ALWAYS,
			.dollar_param = 1,
			.colon_param = ALWAYS,
			.question_param = ALWAYS,
			.at = AT_PARAMETER,
			.prefixes = PREFIX_XB,
			.word_bytes = BYTE_CONT | BYTE_DOLLAR,
			.fold = 1,
			.operators = sqlite_operators,
		},
};

#define S BYTE_SPACE
#define D (BYTE_DIGIT | BYTE_CONT)
#define L (BYTE_START | BYTE_CONT)
#define P (BYTE_START | BYTE_CONT | BYTE_PREFIX)
#define O BYTE_OP
#define X (BYTE_OP | BYTE_EXTRA)
#define T BYTE_DOLLAR

const uint8_t sql_byte_class[256] = {
	/* 00 */ S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S,
	/* 10 */ S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S,
	/* 20 */ S, O, 0, X, T, O, O, 0, 0, 0, O, O, 0, O, 0, O,
	/* 30 */ D, D, D, D, D, D, D, D, D, D, 0, 0, O, O, O, O,
	/* 40 */ X, L, P, L, L, P, L, L, L, L, L, L, L, L, P, L,
	/* 50 */ L, P, L, L, L, P, L, L, P, L, L, 0, O, 0, O, P,
	/* 60 */ O, L, P, L, L, P, L, L, L, L, L, L, L, L, P, L,
	/* 70 */ L, P, L, L, L, P, L, L, P, L, L, O, O, O, O, S,
	/* 80 */ L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	/* 90 */ L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	/* a0 */ L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	/* b0 */ L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	/* c0 */ L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	/* d0 */ L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	/* e0 */ L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	/* f0 */ L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
};

enum sql_dialect sql_dialect_from(struct str name)
{
	static const struct {
		struct str name;
		enum sql_dialect dialect;
	} names[] = {
		{{"postgresql", 10}, SQL_POSTGRESQL},
		{{"mysql", 5}, SQL_MYSQL},
		{{"mariadb", 7}, SQL_MYSQL},
		{{"sqlite", 6}, SQL_SQLITE},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(name, names[i].name))
			return names[i].dialect;
	return SQL_GENERIC;
}
