/* SPDX-License-Identifier: BSD-2-Clause */
/* Text to tokens, by the rules of one dialect (dialect.c). Any bytes are accepted; a token
 * never reaches behind the end. */
#include "sql/internal.h"

#include <string.h>

/* What starts with a byte decides which function reads it; what is missing here is white
 * space, word, digit or operator. */

/* A line comment starts at lx->p. */
static int at_line_comment(const struct sql_lexer *lx)
{
	const char *p = lx->p;

	if (*p == '#')
		return lx->rules->hash_comments;
	if (*p != '-' || lx->end - p < 2 || p[1] != '-')
		return 0;
	return !lx->rules->dash_needs_space || lx->end - p == 2 || sql_byte_is(p[2], BYTE_SPACE);
}

/* A block comment starts at lx->p: 1 when it was skipped, 0 when it is an optimiser hint (a token). */
static int skip_block(struct sql_lexer *lx)
{
	const char *text = lx->p + 2;

	/* One that does not end is a comment: it is looked for once then. */
	if (lx->rules->hints && text < lx->end && *text == '+' && lx->verb && lx->end == lx->text_end &&
	    memmem(text, (size_t)(lx->end - text), "*/", 2))
		return 0;
	if (lx->rules->version_comments && text < lx->end &&
	    (*text == '!' || (lx->end - text > 1 && text[0] == 'M' && text[1] == '!'))) {
		text += *text == '!' ? 1 : 2;
		while (text < lx->end && sql_byte_is(*text, BYTE_DIGIT))
			text++;
		lx->in_version = 1;
		lx->p = text;
		return 1;
	}
	lx->p = sql_scan_comment(text, lx->end, lx->rules->nested_comments);
	if (lx->p - text > 2)
		sql_comment_tags(lx->tags, text, (size_t)(lx->p - text) - 2);
	return 1;
}

/* A comment at lx->p, or the end of a version comment's inside. 0: neither, a token starts here. */
static int skip_comment(struct sql_lexer *lx)
{
	char c = *lx->p, after = lx->end - lx->p > 1 ? lx->p[1] : 0;

	if (c == '/' && after == '*')
		return skip_block(lx);
	if (c == '*' && lx->in_version && after == '/') {
		lx->in_version = 0;
		lx->p += 2;
		return 1;
	}
	if ((c != '-' && c != '#') || !at_line_comment(lx))
		return 0;
	lx->p = sql_scan_line(lx->p, lx->end, lx->rules->cr_ends_line);
	return 1;
}

/* White space and comments. */
static __attribute__((noinline)) void skip_comments(struct sql_lexer *lx)
{
	const char *end = lx->end;

	while (lx->p < end && (*lx->p == '-' || *lx->p == '/' || *lx->p == '#' || *lx->p == '*') &&
	       skip_comment(lx))
		while (lx->p < end && sql_byte_is(*lx->p, BYTE_SPACE))
			lx->p++;
}

static inline void skip_blank(struct sql_lexer *lx)
{
	const char *p = lx->p, *end = lx->end;

	while (p < end && sql_byte_is(*p, BYTE_SPACE))
		p++;
	lx->p = p;
	if (p < end && sql_byte_is(*p, BYTE_OP))
		skip_comments(lx);
}

/* Where the token behind the blanks at p begins; nothing is consumed. */
static const char *look_past(struct sql_lexer *lx, const char *p)
{
	const char *here = lx->p;
	size_t tags = lx->tags->len;
	uint8_t in_version = lx->in_version;

	lx->p = p;
	skip_blank(lx);
	p = lx->p;
	lx->p = here;
	lx->tags->len = tags;
	lx->in_version = in_version;
	return p;
}

/* At p is a dot that separates names. */
static int at_dot(const char *p, const char *end)
{
	return p < end && *p == '.' && (end - p == 1 || !sql_byte_is(p[1], BYTE_DIGIT));
}

/* Behind a name only: a further part of it, arguments, a subscript. */
static int at_name_end(const char *p, const char *end)
{
	return at_dot(p, end) || (p < end && (*p == '(' || *p == '['));
}

/* Only a value can stand here: behind a comparison, an element of a list of values. */
static int at_value(const struct sql_lexer *lx)
{
	switch (lx->last) {
	case TOK_OP:
		/* Not behind ?, which was a value itself maybe. */
		return (lx->in_list && lx->last_byte != '?') || strchr("=<>!~", lx->last_byte);
	case TOK_COMMA:
	case TOK_LPAREN:
	case TOK_LBRACKET:
		return lx->in_list;
	default:
		return lx->last_id == KW_LIKE;
	}
}

static void lex_double_quote(struct sql_lexer *lx, struct sql_token *t)
{
	const char *end;
	int closed;

	if (lx->rules->double_quote == ALWAYS) {
		sql_lex_string(lx, t, lx->p, lx->backslash);
		return;
	}
	if (lx->rules->double_quote == MAYBE && at_value(lx)) {
		end = sql_scan_string(lx->p + 1, lx->end, '"', 0, &closed);
		if (!at_name_end(look_past(lx, end), lx->end)) {
			lx->p = end;
			t->kind = TOK_STRING;
			return;
		}
	}
	sql_lex_quoted(lx, t, '"');
}

static void lex_number(struct sql_lexer *lx, struct sql_token *t)
{
	const char *start = lx->p, *p = sql_scan_number(start, lx->end), *word;

	t->kind = TOK_NUMBER;
	word = sql_scan_word(lx, p);
	if (word > p && !lx->rules->digit_words) {
		/* What sticks to a number is an error, and best kept out of sight. */
		p = word;
	} else if (word > p && sql_scan_word(lx, start) == word) {
		/* 12e can be a name too, but more likely 12e5 was cut. */
		t->kind = word - p == 1 && (*p | 0x20) == 'e' ? TOK_NUMBER : TOK_WORD;
		p = word;
	}
	lx->p = p;
}

/* ?| ?& */
static int at_jsonb_operator(const char *p, const char *end)
{
	return end - p > 1 && *p == '?' && (p[1] == '|' || p[1] == '&');
}

/*
 * Whether the ? at p, behind an operand, is jsonb's operator and not the placeholder of a typed literal (date
 * ?): an operator has an operand behind it too.
 */
static int is_question_operator(struct sql_lexer *lx, const char *p)
{
	const char *next;
	const struct sql_word *kw;

	if (at_jsonb_operator(p, lx->end))
		return 1;
	next = look_past(lx, p + 1);
	if (next == lx->end)
		return 0;
	if (*next == ':')
		return lx->end - next > 1 && sql_byte_is(next[1], BYTE_START);
	if (!sql_byte_is(*next, BYTE_START))
		return strchr("'\"$(?", *next) && !at_jsonb_operator(next, lx->end);
	kw = sql_word_find(next, (size_t)(sql_scan_word(lx, next) - next), (size_t)(lx->end - next));
	return !kw || !(kw->flags & WORD_RESERVED);
}

/* ?, ?1, ?| … lx->p is at the question mark. 0: it is (part of) an operator. */
static int lex_question(struct sql_lexer *lx, struct sql_token *t)
{
	if (lx->rules->question_param == MAYBE && lx->operand && is_question_operator(lx, lx->p))
		return 0;
	t->kind = TOK_PARAM;
	lx->p = sql_scan_class(lx->p + 1, lx->end, BYTE_DIGIT);
	return 1;
}

static void lex_colon(struct sql_lexer *lx, struct sql_token *t)
{
	const char *p = lx->p + 1;

	if (p < lx->end && *p == ':') {
		t->kind = TOK_CAST;
		lx->p = p + 1;
	} else if (p < lx->end && *p == '=') {
		t->kind = TOK_OP;
		lx->p = p + 1;
	} else if (p < lx->end && sql_byte_is(*p, BYTE_START | BYTE_DIGIT) &&
		   (lx->rules->colon_param == ALWAYS || !lx->operand)) {
		t->kind = TOK_PARAM;
		lx->p = sql_scan_word(lx, p);
	} else if (p < lx->end && *p == '"' && lx->rules->bracket == MAYBE && !lx->operand) {
		lx->p = p;
		sql_lex_quoted(lx, t, '"');
		t->kind = TOK_PARAM;
	} else {
		t->kind = TOK_OP;
		lx->p = p;
	}
}

/* @ where it starts a variable or a parameter. */
static int lex_at(struct sql_lexer *lx, struct sql_token *t)
{
	const char *p = lx->p + 1;

	if (lx->rules->at == AT_OPERATOR)
		return 0;
	if (p < lx->end && *p == '@')
		p++;
	if (p == lx->end || !sql_byte_is(*p, BYTE_START | BYTE_DIGIT))
		return 0;
	t->kind = lx->rules->at == AT_PARAMETER ? TOK_PARAM : TOK_VARIABLE;
	lx->p = sql_scan_word(lx, p);
	return 1;
}

/* [: an identifier where the dialect has such, or a subscript. */
static void lex_bracket(struct sql_lexer *lx, struct sql_token *t)
{
	const char *p = lx->p + 1;

	if (lx->rules->bracket == MAYBE && !lx->operand && lx->last_id != KW_ARRAY && p < lx->end &&
	    sql_byte_is(*p, BYTE_START)) {
		while (p < lx->end && (sql_byte_is(*p, lx->rules->word_bytes | BYTE_SPACE) || *p == '-'))
			p++;
		if (p < lx->end && *p == ']') {
			t->kind = TOK_QUOTED;
			lx->p = p + 1;
			return;
		}
	}
	if (lx->rules->bracket == ALWAYS) {
		sql_lex_quoted(lx, t, ']');
		return;
	}
	t->kind = TOK_LBRACKET;
	lx->p++;
}

static void lex_operator(struct sql_lexer *lx, struct sql_token *t)
{
	t->kind = TOK_OP;
	/* 'user'@? is no operator @? */
	if (*lx->p == '@' && t->glued && (lx->last == TOK_STRING || lx->last == TOK_PARAM))
		lx->p++;
	else
		lx->p = sql_scan_operator(lx->p, lx->end, lx->rules);
}

static void lex_word(struct sql_lexer *lx, struct sql_token *t)
{
	const struct sql_word *kw;

	t->kind = TOK_WORD;
	lx->p = sql_scan_word(lx, lx->p + 1);
	/* a#>'x', a@>b, where # and @ may stand in names */
	if (lx->p < lx->end && *lx->p == '>' && sql_byte_is(lx->p[-1], BYTE_EXTRA))
		lx->p--;
	if (lx->last == TOK_DOT)
		return;
	kw = sql_word_find(t->ptr, (size_t)(lx->p - t->ptr), (size_t)(lx->text_end - t->ptr));
	if (!kw)
		return;
	t->id = kw->id;
	t->flags = kw->flags;
}

static void lex_dot(struct sql_lexer *lx, struct sql_token *t)
{
	int digit = lx->end - lx->p > 1 && sql_byte_is(lx->p[1], BYTE_DIGIT);
	int after_name = t->glued && lx->operand &&
			 (lx->last == TOK_WORD || lx->last == TOK_QUOTED || lx->last == TOK_VARIABLE);

	/* After a name it separates where names may begin with a digit. */
	if (digit && !(after_name && lx->rules->digit_words)) {
		lex_number(lx, t);
		return;
	}
	t->kind = TOK_DOT;
	lx->p++;
}

/* A hint: from here to its end the text ends where the comment ends. */
static void lex_hint(struct sql_lexer *lx, struct sql_token *t)
{
	const char *close = memmem(lx->p + 3, (size_t)(lx->end - lx->p) - 3, "*/", 2);

	t->kind = TOK_HINT;
	lx->p += 3;
	lx->end = close ? close : lx->end;
}

static void lex_single(struct sql_lexer *lx, struct sql_token *t, enum sql_token_kind kind)
{
	t->kind = (uint8_t)kind;
	lx->p++;
}

static int at_temporary_table(const struct sql_lexer *lx)
{
	return (lx->rules->word_bytes & BYTE_EXTRA) && !lx->operand && lx->end - lx->p > 1 &&
	       sql_byte_is(lx->p[1], BYTE_START);
}

/* Everything that starts with neither a letter nor a digit. */
static void lex_mark(struct sql_lexer *lx, struct sql_token *t)
{
	const char *p = lx->p;

	switch (*p) {
	case ',':
		lex_single(lx, t, TOK_COMMA);
		return;
	case '.':
		lex_dot(lx, t);
		return;
	case '(':
		lex_single(lx, t, TOK_LPAREN);
		return;
	case ')':
		lex_single(lx, t, TOK_RPAREN);
		return;
	case ';':
		lex_single(lx, t, TOK_SEMICOLON);
		return;
	case ']':
		lex_single(lx, t, TOK_RBRACKET);
		return;
	case '[':
		lex_bracket(lx, t);
		return;
	case '\'':
		sql_lex_string(lx, t, p, lx->backslash);
		return;
	case '"':
		lex_double_quote(lx, t);
		return;
	case ':':
		lex_colon(lx, t);
		return;
	case '$':
		if (sql_lex_dollar(lx, t))
			return;
		if (sql_byte_is('$', lx->rules->word_bytes))
			lex_word(lx, t);
		else
			lex_single(lx, t, TOK_OP);
		return;
	case '`':
		if (!lx->rules->backtick)
			break;
		sql_lex_quoted(lx, t, '`');
		return;
	case '?':
		if (lex_question(lx, t))
			return;
		break;
	case '@':
		if (lex_at(lx, t))
			return;
		break;
	case '#':
		if (!at_temporary_table(lx))
			break;
		lex_word(lx, t);
		return;
	case '/':
		if (lx->end - p < 3 || p[1] != '*')
			break;
		lex_hint(lx, t);
		return;
	default:
		break;
	}
	lex_operator(lx, t);
}

#define OPERANDS                                                                                     \
	(1U << TOK_WORD | 1U << TOK_QUOTED | 1U << TOK_NUMBER | 1U << TOK_STRING | 1U << TOK_PARAM | \
	 1U << TOK_VARIABLE | 1U << TOK_RPAREN | 1U << TOK_RBRACKET)

/* What the next token may rely on. */
static inline void note_token(struct sql_lexer *lx, const struct sql_token *t)
{
	lx->operand = t->flags ? !!(t->flags & WORD_OPERAND) : OPERANDS >> t->kind & 1;
	lx->last = t->kind;
	lx->last_id = t->id;
	lx->last_byte = *t->ptr;
	lx->verb = t->flags & WORD_VERB;
}

/* word.5x, where names may begin with a digit. */
static int at_digit_name(const struct sql_lexer *lx)
{
	return lx->rules->digit_words && lx->p == lx->token_end && lx->end - lx->p > 1 && *lx->p == '.' &&
	       sql_byte_is(lx->p[1], BYTE_DIGIT);
}

void sql_lexer_next(struct sql_lexer *lx, struct sql_token *t)
{
	uint8_t bits;

	if (lx->last == TOK_SEMICOLON)
		skip_blank(lx);
	t->ptr = lx->p;
	t->len = 0;
	t->id = KW_NONE;
	t->flags = 0;
	t->after_operand = lx->operand;
	t->glued = lx->p == lx->token_end;
	if (lx->p == lx->end) {
		t->kind = TOK_END;
		if (lx->end != lx->text_end) {
			t->kind = TOK_HINT_END;
			lx->p += 2;
			t->len = 2;
			lx->end = lx->text_end;
			note_token(lx, t);
			skip_blank(lx);
		}
		return;
	}
	bits = sql_byte_class[(uint8_t)*lx->p];
	if (bits & BYTE_START) {
		if (!(bits & BYTE_PREFIX) || !sql_lex_prefixed(lx, t))
			lex_word(lx, t);
	} else if (!(bits & BYTE_DIGIT)) {
		lex_mark(lx, t);
	} else if (lx->rules->digit_words && lx->last == TOK_DOT && t->glued) {
		lex_word(lx, t);
	} else {
		lex_number(lx, t);
	}
	t->len = (size_t)(lx->p - t->ptr);
	lx->token_end = lx->p;
	note_token(lx, t);
	/* What is behind a `;` may belong to the next statement. */
	if (t->kind == TOK_SEMICOLON)
		return;
	skip_blank(lx);
	if (t->id && (at_dot(lx->p, lx->end) || at_digit_name(lx))) {
		/* user.name: no keyword */
		t->id = KW_NONE;
		t->flags = 0;
		note_token(lx, t);
	}
}

/* A plain literal or placeholder at p (its end), or NULL. */
static const char *scan_element(const struct sql_lexer *lx, const char *p)
{
	int closed;
	const char *digits;

	if (p == lx->end)
		return NULL;
	if (*p == '\'' && lx->backslash != MAYBE) {
		p = sql_scan_string(p + 1, lx->end, '\'', lx->backslash, &closed);
		return closed ? p : NULL;
	}
	if (*p == '?' && lx->rules->question_param)
		return p + 1;
	if (*p == '$' && lx->rules->dollar_param) {
		digits = p + 1;
		p = sql_scan_class(digits, lx->end, BYTE_DIGIT);
		return p > digits ? p : NULL;
	}
	if (*p == '-')
		p++;
	digits = p;
	p = sql_scan_class(p, lx->end, BYTE_DIGIT);
	return p > digits ? p : NULL;
}

void sql_lexer_skip_elements(struct sql_lexer *lx, struct sql_literals *lit)
{
	int ignored = 0;

	for (;;) {
		const char *start = sql_scan_space(lx->p, lx->end, &ignored);
		const char *end = scan_element(lx, start);
		const char *comma = end ? sql_scan_space(end, lx->end, &ignored) : NULL;

		if (!comma || comma == lx->end || *comma != ',')
			break;
		if (*start != '?' && *start != '$')
			sql_literals_add(lit, start, (size_t)(end - start));
		lx->p = comma + 1;
	}
	skip_blank(lx);
}

const char *sql_lexer_trailer(struct sql_lexer *lx)
{
	const char *p = lx->p;
	size_t tags = lx->tags->len;

	lx->verb = 0;
	skip_blank(lx);
	if (lx->p == lx->end)
		return lx->end;
	lx->tags->len = tags;
	return p;
}

void sql_lexer_init(struct sql_lexer *lx, const char *text, size_t len, const struct sql_options *opt,
		    struct sql_tags *tags)
{
	unsigned int dialect = (unsigned int)opt->dialect < 4 ? opt->dialect : SQL_GENERIC;

	memset(lx, 0, sizeof(*lx));
	lx->rules = &sql_rules_of[dialect];
	lx->p = text;
	lx->end = text + len;
	lx->text_end = lx->end;
	lx->tags = tags;
	lx->backslash = lx->rules->backslash;
	if (opt->no_backslash_escapes)
		lx->backslash = dialect == SQL_POSTGRESQL ? ALWAYS : NEVER;
	/* A hint may open a statement too (pg_hint_plan). */
	lx->verb = dialect == SQL_POSTGRESQL;
	skip_blank(lx);
}
