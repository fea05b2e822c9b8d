/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this folder share: dialect rules, tokens, the normaliser's and the reader's state. */
#ifndef APM_SQL_INTERNAL_H
#define APM_SQL_INTERNAL_H

#include "sql/sql.h"

/* ---- dialect.c: how the dialects differ, as data ---- */

enum sql_rule_choice {
	NEVER = 0,
	ALWAYS = 1,
	MAYBE = 2, /* the grammar leaves it open: decided by what stands around it */
};

enum sql_concat {
	CONCAT_NONE,
	CONCAT_NEWLINE, /* 'a' <white space with a newline> 'b' is one literal */
	CONCAT_SPACE,	/* 'a' 'b' is one literal */
};

enum sql_at {
	AT_OPERATOR, /* @ is an operator character */
	AT_VARIABLE, /* @user, @@system */
	AT_PARAMETER,
};

/* Bits of sql_rules.prefixes. */
#define PREFIX_E	  1 /* E'…' with backslash escapes */
#define PREFIX_U	  2 /* U&'…' and U&"…", with UESCAPE */
#define PREFIX_N	  4
#define PREFIX_XB	  8  /* X'…' B'…' */
#define PREFIX_INTRODUCER 16 /* _utf8mb4'…' */
#define PREFIX_Q	  32 /* q'[…]' */

/* Bits of sql_byte_class[]. */
#define BYTE_SPACE  1	/* white space and other control characters */
#define BYTE_START  2	/* starts an identifier */
#define BYTE_DIGIT  4	/* 0-9 */
#define BYTE_CONT   8	/* continues an identifier in every dialect */
#define BYTE_DOLLAR 16	/* continues an identifier where `word_bytes` says so */
#define BYTE_EXTRA  32	/* @ and #: the same */
#define BYTE_OP	    64	/* operator character */
#define BYTE_PREFIX 128 /* may start a prefixed literal */

struct sql_rules {
	uint8_t nested_comments;
	uint8_t hash_comments;
	uint8_t dash_needs_space; /* `--` starts a comment only before white space */
	uint8_t cr_ends_line;
	uint8_t version_comments; /* the inside of a comment that begins with ! is SQL */
	uint8_t hints;		  /* a comment that begins with + after a verb carries meaning */
	uint8_t backslash;	  /* sql_rule_choice: in '…' */
	uint8_t double_quote;	  /* sql_rule_choice: "…" is a string */
	uint8_t backtick;	  /* `…` is an identifier */
	uint8_t bracket;	  /* sql_rule_choice: […] is an identifier */
	uint8_t dollar_quote;	  /* $tag$…$tag$ */
	uint8_t dollar_param;	  /* $1, $name */
	uint8_t colon_param;	  /* sql_rule_choice: :name */
	uint8_t question_param;	  /* sql_rule_choice: ? */
	uint8_t at;		  /* sql_at */
	uint8_t concat;		  /* sql_concat */
	uint8_t prefixes;
	uint8_t word_bytes;  /* sql_byte_class bits that continue an identifier */
	uint8_t digit_words; /* identifiers may start with a digit */
	uint8_t fold;	     /* unquoted identifiers are folded to lower case */
	uint8_t select_into; /* SELECT … INTO names a table */
	const char *const
		*operators; /* longest first; NULL: any run of operator characters, by PostgreSQL's rule */
};

extern const struct sql_rules sql_rules_of[4]; /* by enum sql_dialect */
extern const uint8_t sql_byte_class[256];

static inline int sql_byte_is(char c, uint8_t bits)
{
	return sql_byte_class[(uint8_t)c] & bits;
}

/* ---- keyword.c ---- */

/* Only words that some code names have a number of their own. */
enum sql_keyword {
	KW_NONE = 0, /* an identifier */
	KW_OTHER,    /* a keyword without a part of its own */
	KW_ABORT,
	KW_ALL,
	KW_ALTER,
	KW_ANALYZE,
	KW_AND,
	KW_ARRAY,
	KW_AS,
	KW_BEGIN,
	KW_BY,
	KW_CALL,
	KW_CASE,
	KW_COLUMN,
	KW_COMMENT,
	KW_COMMIT,
	KW_COPY,
	KW_COUNT,
	KW_CREATE,
	KW_CURSOR,
	KW_DATABASE,
	KW_DECLARE,
	KW_DEFAULT,
	KW_DELETE,
	KW_DESCRIBE,
	KW_DISTINCT,
	KW_DO,
	KW_DROP,
	KW_ELSE,
	KW_END,
	KW_EVENT,
	KW_EXCEPT,
	KW_EXECUTE,
	KW_EXISTS,
	KW_EXPLAIN,
	KW_FALSE,
	KW_FOR,
	KW_FROM,
	KW_FULL,
	KW_FUNCTION,
	KW_GRANT,
	KW_GROUP,
	KW_HAVING,
	KW_IDENTIFIED,
	KW_IF,
	KW_IN,
	KW_INDEX,
	KW_INSERT,
	KW_INTERSECT,
	KW_INTO,
	KW_IS,
	KW_JOIN,
	KW_KEY,
	KW_LATERAL,
	KW_LIKE,
	KW_LIMIT,
	KW_LOAD,
	KW_LOCK,
	KW_LOOP,
	KW_MANNER, /* LOW_PRIORITY, IGNORE, CONCURRENTLY …: how it is done, and no table's name */
	KW_MERGE,
	KW_MINUS,
	KW_MODIFIER,
	KW_NOT,
	KW_NULL,
	KW_OBJECT,
	KW_OFFSET,
	KW_ON,
	KW_ONLY,
	KW_OR,
	KW_ORDER,
	KW_OUTFILE,
	KW_OVERLAPS,
	KW_PASSWORD,
	KW_PREPARE,
	KW_PROCEDURE,
	KW_RECURSIVE,
	KW_REFERENCES,
	KW_REPLACE,
	KW_RETURN,
	KW_RETURNING,
	KW_ROLLBACK,
	KW_ROW,
	KW_ROWS,
	KW_SELECT,
	KW_SET,
	KW_SHOW,
	KW_START,
	KW_STRAIGHT_JOIN,
	KW_TABLE,
	KW_THEN,
	KW_TO,
	KW_TRANSACTION,
	KW_TRIGGER,
	KW_TRUE,
	KW_TRUNCATE,
	KW_UESCAPE,
	KW_UNION,
	KW_UPDATE,
	KW_USE,
	KW_USER,
	KW_USING,
	KW_VALUES,
	KW_VIEW,
	KW_WHEN,
	KW_WHERE,
	KW_WITH,
	KW_WHILE,
};

#define WORD_RESERVED 1 /* written in upper case everywhere */
#define WORD_SOFT     2 /* a keyword that is often a column too: written in lower case */
#define WORD_OPERAND  4 /* ends an operand, as an identifier does */
#define WORD_VERB     8 /* may start a statement */

struct sql_word {
	char text[16]; /* lower case, `_` as 0x7f, padded with NUL */
	uint8_t id;    /* enum sql_keyword */
	uint8_t flags;
};

/* The keyword text[0..len), in any case; NULL when it is none. `avail` is how many
 * bytes may be read at text. */
const struct sql_word *sql_word_find(const char *text, size_t len, size_t avail);

/* ---- comment.c ---- */

struct sql_tags {
	char *buf; /* SQL_TAGS_MAX bytes */
	size_t len;
};

/* Takes the tags of the comment text[0..len) (without its delimiters) if it is one of the known formats. */
void sql_comment_tags(struct sql_tags *tags, const char *text, size_t len);

/* ---- scan.c: all return where the thing at p ends ---- */

/* The first a or b in p[0..end), or end. */
const char *sql_scan_two(const char *p, const char *end, char a, char b);
/* A string whose first inner byte is p; *closed tells whether its quote was there.
 * Doubled quotes belong to it. */
const char *sql_scan_string(const char *p, const char *end, char quote, int backslash, int *closed);
/* The dollar quote $tag$…$tag$ whose first byte is p; NULL when it is none. */
const char *sql_scan_dollar(const char *p, const char *end);
/* A block comment whose text begins at p. */
const char *sql_scan_comment(const char *p, const char *end, int nested);
const char *sql_scan_line(const char *p, const char *end, int cr);
/* White space; *newline is set when a line ends in it. */
const char *sql_scan_space(const char *p, const char *end, int *newline);
/* Bytes of a class (BYTE_* bits). */
const char *sql_scan_class(const char *p, const char *end, uint8_t bits);
/* A number; p is at a digit or at a dot before one. */
const char *sql_scan_number(const char *p, const char *end);
const char *sql_scan_operator(const char *p, const char *end, const struct sql_rules *rules);
/* 1 when \\' seems to escape the quote; p is the first inner byte of a string. */
int sql_guess_backslash(const char *p, const char *end);

/* ---- lexer.c ---- */

enum sql_token_kind {
	TOK_END = 0,
	TOK_WORD,   /* unquoted identifier or keyword */
	TOK_QUOTED, /* quoted identifier */
	TOK_NUMBER,
	TOK_STRING,
	TOK_PARAM,
	TOK_VARIABLE, /* @x, @@x */
	TOK_OP,
	TOK_COMMA,
	TOK_DOT,
	TOK_LPAREN,
	TOK_RPAREN,
	TOK_LBRACKET,
	TOK_RBRACKET,
	TOK_CAST, /* :: */
	TOK_SEMICOLON,
	TOK_HINT, /* opens an optimiser hint */
	TOK_HINT_END,
};

struct sql_token {
	const char *ptr;
	size_t len;
	uint8_t kind;
	uint8_t id;    /* enum sql_keyword, of a TOK_WORD */
	uint8_t flags; /* WORD_* */
	uint8_t after_operand;
	uint8_t glued; /* no white space before it */
};

struct sql_lexer {
	const char *p;
	const char *end;
	const struct sql_rules *rules;
	struct sql_tags *tags;
	const char *text_end; /* the real end while inside a hint */
	const char *token_end;
	uint8_t backslash;
	uint8_t in_version;
	uint8_t operand; /* the token before ends an operand */
	uint8_t in_list; /* set by the normaliser: inside an IN list or a VALUES row */
	uint8_t last;	 /* the token before: its kind, keyword and first byte */
	uint8_t last_id;
	char last_byte;
	uint8_t verb; /* the token before is a verb: a hint may follow */
};

void sql_lexer_init(struct sql_lexer *lx, const char *text, size_t len, const struct sql_options *opt,
		    struct sql_tags *tags);
void sql_lexer_next(struct sql_lexer *lx, struct sql_token *t);
/* The first byte of the next token, 0 at the end. */
static inline char sql_lexer_peek(const struct sql_lexer *lx)
{
	return lx->p < lx->end ? *lx->p : 0;
}
/*
 * Skips over elements of a list that are plain literals or placeholders and are followed by a comma; lx->p is
 * behind a comma before and after. Calls hash for each literal.
 */
struct sql_literals;
void sql_lexer_skip_elements(struct sql_lexer *lx, struct sql_literals *lit);
static inline const char *sql_scan_word(const struct sql_lexer *lx, const char *p)
{
	const char *end = lx->end;
	uint8_t bytes = lx->rules->word_bytes;

	while (p < end && sql_byte_is(*p, bytes))
		p++;
	return p;
}

/* lexer_literal.c: these read a token that starts at lx->p (the string: whose quote is at `quote`). */
void sql_lex_string(struct sql_lexer *lx, struct sql_token *t, const char *quote, int backslash);
void sql_lex_quoted(struct sql_lexer *lx, struct sql_token *t, char close);
/* $1, $name, $tag$…$tag$; 0 when the $ is none of them. */
int sql_lex_dollar(struct sql_lexer *lx, struct sql_token *t);
/* E'…', X'…', N'…', U&'…', _latin1'…'; 0 when it is a word. */
int sql_lex_prefixed(struct sql_lexer *lx, struct sql_token *t);
/* After the `;`: end of the text when only white space and comments follow (and
 * their tags are taken), else p. */
const char *sql_lexer_trailer(struct sql_lexer *lx);

/* ---- fingerprint.c ---- */

struct sql_literals {
	uint64_t state;
	uint64_t key;
	uint32_t count;
};

void sql_literals_init(struct sql_literals *lit, const uint64_t key[2]);
void sql_literals_add(struct sql_literals *lit, const char *text, size_t len);
uint64_t sql_literals_hash(const struct sql_literals *lit);
uint64_t sql_fingerprint_of(const char *text, size_t len);

/* ---- reader.c ---- */

#define READER_DEPTH 48

struct reader_frame {
	uint8_t stmt;	     /* keyword of the statement this level belongs to, or KW_NONE */
	uint8_t expect;	     /* enum reader_expect */
	uint8_t use;	     /* enum reader_use: what becomes of the name that is expected */
	uint8_t from_list;   /* enum reader_tables */
	uint8_t start;	     /* a statement may start here */
	uint8_t with;	     /* inside WITH's list */
	uint8_t cte_pending; /* a CTE's name was read, its body was not */
	uint8_t body;	     /* this bracket is the body of a CTE */
	uint64_t cte_hash;
};

enum reader_tables { /* what a comma separates */
		     TABLES_NONE,
		     TABLES_LIST,   /* tables */
		     TABLES_JOINED, /* tables, and a JOIN came before it */
};

enum reader_count { /* is the select list one COUNT(…)? */
		    COUNT_NONE,
		    COUNT_FIRST,
		    COUNT_OPEN,
		    COUNT_CLOSED,
};

enum reader_expect {
	EXPECT_NOTHING,
	EXPECT_TABLE,  /* a table's name */
	EXPECT_ALIAS,  /* a name was read: an alias may follow */
	EXPECT_WORD,   /* any one word, not looked at (behind AS) */
	EXPECT_CTE,    /* the name of a CTE */
	EXPECT_OBJECT, /* DDL: modifiers and the kind of object */
	EXPECT_OPTION, /* DDL: the value of a modifier, the kind of object comes later */
	EXPECT_TARGET, /* a name that is no table */
};

enum reader_use {
	USE_NONE,
	USE_TABLE,
	USE_FROM,   /* followed by ( it is a function */
	USE_DELETE, /* followed by FROM it is an alias */
	USE_QUIET,  /* not in the summary */
	USE_TARGET, /* in the summary only */
	USE_NOWHERE,
};

/* What a verb does first. */
enum verb_mode {
	MODE_NOTHING,
	MODE_QUERY,
	MODE_TABLE,  /* a table's name follows */
	MODE_LIST,   /* several may */
	MODE_OBJECT, /* the kind of object follows */
	MODE_TARGET, /* a name follows that is no table */
	MODE_PREFIX, /* another statement follows */
	MODE_WITH,
};

struct reader_verb {
	const char *word;
	uint8_t mode;
	uint8_t stmt_class;
	uint8_t kind;
	uint8_t inner; /* the word may also start a statement inside another */
	uint8_t keyed; /* KEY may name a secret; with = it only sets something */
};

struct sql_reader {
	const struct sql_rules *rules;
	const struct reader_verb *verb; /* the main verb, NULL until it came */
	char *summary;
	size_t summary_len;
	char *names;
	size_t names_len;
	size_t names_cap;
	struct str op_text;
	enum sql_class stmt_class;
	enum sql_kind kind;
	uint32_t depth;
	uint32_t verb_depth;
	int with_depth; /* of the first WITH: the main verb is on its level; -1: none */
	uint32_t name_count;
	uint32_t cte_count;
	struct str part[4]; /* the name being read */
	uint8_t part_quoted[4];
	uint8_t parts;
	uint8_t part_open; /* the last token was the dot in a name */
	uint8_t name_use;  /* enum reader_use: of the name being read */
	uint8_t summary_full;
	uint8_t recursive;
	uint8_t op;	 /* keyword of the main verb */
	uint8_t object;	 /* DDL: keyword of the kind of object */
	uint8_t second;	 /* the token after the main verb was seen */
	uint8_t routine; /* CREATE of something whose body holds statements */
	uint8_t block;	 /* depth of BEGIN … END in such a body */
	uint8_t last_id; /* keyword of the token before */
	uint8_t idle;	 /* plain tokens change nothing now */
	uint8_t count_state;
	uint8_t in_hint;    /* hints are not read */
	uint8_t top;	    /* the bracket of TOP (n) follows */
	uint8_t secret;	    /* a password follows */
	uint8_t in_secret;  /* the token before was one */
	uint8_t identified; /* IDENTIFIED was seen */
	uint8_t autocommit; /* SET: 1 = may come, 2 = its value follows */
	uint64_t name_hash[SQL_NAMES_MAX];
	uint64_t cte_hash[SQL_NAMES_MAX];
	struct reader_frame frame[READER_DEPTH];
};

/* verb.c */
const struct reader_verb *sql_verb_find(const struct sql_token *t);
/* A token of SET: autocommit is a kind of its own. */
void sql_read_autocommit(struct sql_reader *rd, const struct sql_token *t);
/* The token is this word (given in upper case). */
int sql_token_is(const struct sql_token *t, const char *word);

static inline char sql_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

/* name.c */
void sql_summary_add(struct sql_reader *rd, const char *text, size_t len, int space);
void sql_summary_add_word(struct sql_reader *rd, const struct sql_token *t);
size_t sql_name_write(struct sql_reader *rd);
void sql_name_begin(struct sql_reader *rd, const struct sql_token *t, uint8_t use);
int sql_name_continue(struct sql_reader *rd, const struct sql_token *t);
void sql_name_end(struct sql_reader *rd, const struct sql_token *next);
int sql_token_is_name(const struct sql_token *t);
void sql_cte_add(struct sql_reader *rd, uint64_t hash);

/* A statement that reads or changes rows. */
static inline int sql_is_query(uint8_t stmt)
{
	return stmt == KW_SELECT || stmt == KW_UPDATE || stmt == KW_DELETE || stmt == KW_INSERT ||
	       stmt == KW_MERGE || stmt == KW_REPLACE;
}

static inline void sql_expect_table(struct reader_frame *f, enum reader_use use, enum reader_tables list)
{
	f->expect = EXPECT_TABLE;
	f->use = (uint8_t)use;
	f->from_list = (uint8_t)list;
}

/* table.c */
/* A word where a table is expected. Returns READ_TABLE when it is (part of) a name. */
int sql_read_table(struct sql_reader *rd, struct reader_frame *f, const struct sql_token *t, char next);
/* A word between a DDL verb and the name of its object: as good as a part of the verb, if known. */
int sql_read_object(struct sql_reader *rd, struct reader_frame *f, const struct sql_token *t, char next);

/* A byte that may begin a name. */
static inline int sql_starts_name(char c)
{
	return sql_byte_is(c, BYTE_START | BYTE_DIGIT) || c == '"' || c == '`' || c == '[';
}

/* secret.c: 1 when the token is a password. */
int sql_reader_secret(struct sql_reader *rd, const struct sql_token *t, char next);

void sql_reader_init(struct sql_reader *rd, const struct sql_rules *rules, char *summary, char *names,
		     size_t names_cap);
/*
 * One token. Returns READ_* bits. `next` is the byte after it (white space skipped), 0 at the end.
 */
#define READ_TABLE  1 /* the word names a table (or other object) */
#define READ_SECRET 2 /* the word is a password */
#define READ_MORE   8 /* with READ_SECRET: the token belongs to the one before */
#define READ_VERB   4 /* the word begins a statement */
int sql_reader_read(struct sql_reader *rd, const struct sql_token *t, char next);

static inline int sql_reader_token(struct sql_reader *rd, const struct sql_token *t, char next)
{
	const uint32_t kinds = 1U << TOK_LPAREN | 1U << TOK_RPAREN | 1U << TOK_COMMA | 1U << TOK_SEMICOLON |
			       1U << TOK_HINT | 1U << TOK_HINT_END;

	/* Most tokens are of no interest. */
	if (rd->idle && !t->id && !(kinds >> t->kind & 1)) {
		rd->last_id = KW_NONE;
		return 0;
	}
	return sql_reader_read(rd, t, next);
}
void sql_reader_finish(struct sql_reader *rd);

/* ---- normalise.c ---- */

#define NORM_DEPTH 32

enum norm_list_kind {
	LIST_NONE,
	LIST_ELEMENTS, /* IN (…), ARRAY[…] */
	LIST_ROWS,     /* VALUES (…), (…) */
};

struct norm_list {
	uint8_t kind;
	uint32_t depth;	   /* bracket depth of its elements */
	size_t elem;	   /* where the current element starts; NORM_NO_ELEM: nothing of it written yet */
	size_t kept;	   /* the last element that was kept … */
	size_t kept_len;   /* … 0: none yet */
	size_t mark;	   /* where the output goes back to when the current element is dropped */
	uint8_t mark_last; /* spacing state at mark */
	uint32_t count;	   /* elements seen … */
	uint32_t distinct; /* … and kept */
};

struct sql_norm {
	char *out;
	size_t len;
	const struct sql_rules *rules;
	struct sql_literals *literals;
	struct sql_lexer *lexer;
	uint32_t depth;
	uint32_t lists;
	uint32_t query_depth; /* of the outermost query that is an element of a list; 0: none */
	struct norm_list list[NORM_DEPTH];
	size_t sign_mark; /* where a pending unary sign begins */
	uint8_t sign_last;
	uint8_t signs; /* pending unary signs; their text is hashed with the literal */
	char sign;
	uint8_t last;	 /* enum norm_last: what was written last */
	uint8_t last_id; /* keyword of the last token */
	uint32_t rows;	 /* rows of the longest VALUES list at the outermost level */
	uint32_t params;
};

void sql_norm_init(struct sql_norm *n, char *out, const struct sql_rules *rules, struct sql_literals *lit,
		   struct sql_lexer *lx);
/* Writes one token; `read` is what sql_reader_token() said of it, `next` the byte after it. */
void sql_norm_token(struct sql_norm *n, const struct sql_token *t, int read, char next);
void sql_norm_finish(struct sql_norm *n);

#endif
