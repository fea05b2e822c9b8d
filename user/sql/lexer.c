/* SPDX-License-Identifier: BSD-2-Clause */
/* Text to tokens, by the rules of one dialect (dialect.c). Any bytes are accepted; a token never reaches
 * behind the end. */
#include "sql/internal.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What starts with a byte decides which function reads it; what is missing here is white space, word, digit
 * or operator. */

const char *sql_scan_two(const char *p, const char *end, char a, char b)
{
#ifdef __SSE2__
	const __m128i va = _mm_set1_epi8(a), vb = _mm_set1_epi8(b);

	for (; end - p >= 16; p += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)p);
		int found =
			_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, va), _mm_cmpeq_epi8(bytes, vb)));

		if (found)
			return p + __builtin_ctz((unsigned int)found);
	}
#endif
	while (p < end && *p != a && *p != b)
		p++;
	return p;
}

const char *sql_scan_string(const char *p, const char *end, char quote, int backslash, int *closed)
{
	*closed = 0;
	for (;;) {
		p = sql_scan_two(p, end, quote, backslash ? '\\' : quote);
		if (p == end)
			return end;
		if (*p != quote) {
			if (end - p < 2)
				return end;
			p += 2;
		} else if (end - p > 1 && p[1] == quote) {
			p += 2;
		} else {
			*closed = 1;
			return p + 1;
		}
	}
}

/* The end of the block comment whose text begins at p. */
static const char *scan_comment(const char *p, const char *end, int nested)
{
	unsigned long depth = 1;

	while (end - p >= 2) {
		p = nested ? sql_scan_two(p, end, '*', '/') : memchr(p, '*', (size_t)(end - p));
		if (!p || end - p < 2)
			break;
		if (p[0] == '*' && p[1] == '/') {
			p += 2;
			if (!--depth)
				return p;
		} else if (nested && p[0] == '/' && p[1] == '*') {
			p += 2;
			depth++;
		} else {
			p++;
		}
	}
	return end;
}

static const char *scan_line(const char *p, const char *end, int cr)
{
	const char *newline;

	if (cr)
		return sql_scan_two(p, end, '\n', '\r');
	newline = memchr(p, '\n', (size_t)(end - p));
	return newline ? newline : end;
}

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

	if (lx->rules->hints && text < lx->end && *text == '+' && lx->verb && lx->end == lx->text_end)
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
	lx->p = scan_comment(text, lx->end, lx->rules->nested_comments);
	if (lx->p - text > 2)
		sql_comment_tags(lx->tags, text, (size_t)(lx->p - text) - 2);
	return 1;
}

/* White space and comments. */
static void skip_blank(struct sql_lexer *lx)
{
	while (lx->p < lx->end) {
		char c = *lx->p;

		if (sql_byte_is(c, BYTE_SPACE)) {
			lx->p++;
		} else if ((c == '-' || c == '#') && at_line_comment(lx)) {
			lx->p = scan_line(lx->p, lx->end, lx->rules->cr_ends_line);
		} else if (c == '/' && lx->end - lx->p > 1 && lx->p[1] == '*') {
			if (!skip_block(lx))
				return;
		} else if (c == '*' && lx->in_version && lx->end - lx->p > 1 && lx->p[1] == '/') {
			lx->in_version = 0;
			lx->p += 2;
		} else {
			return;
		}
	}
}

static const char *skip_space(const char *p, const char *end, int *newline)
{
	for (; p < end && sql_byte_is(*p, BYTE_SPACE); p++)
		*newline |= *p == '\n' || *p == '\r';
	return p;
}

/*
 * Behind a closed string: the end of the literal when it goes on in another string (standard SQL: after a
 * newline; MySQL: after any white space).
 */
static const char *scan_continued(const struct sql_lexer *lx, const char *p, int backslash)
{
	int closed = 1;

	while (closed && lx->rules->concat != CONCAT_NONE) {
		int newline = lx->rules->concat == CONCAT_SPACE;
		const char *next = skip_space(p, lx->end, &newline);

		if (!newline || next == lx->end ||
		    (*next != '\'' && !(*next == '"' && lx->rules->double_quote == ALWAYS)))
			break;
		p = sql_scan_string(next + 1, lx->end, *next, backslash, &closed);
	}
	return p;
}

/* UESCAPE 'c' behind a U& literal belongs to it. */
static const char *scan_uescape(const struct sql_lexer *lx, const char *p)
{
	int ignored = 0, closed;
	const char *word = skip_space(p, lx->end, &ignored);
	size_t left = (size_t)(lx->end - word);
	const struct sql_word *kw = left >= 7 ? sql_word_find(word, 7, left) : NULL;
	const char *quote;

	if (!kw || kw->id != KW_UESCAPE)
		return p;
	quote = skip_space(word + 7, lx->end, &ignored);
	if (quote == lx->end || *quote != '\'')
		return quote == lx->end ? quote : p;
	return sql_scan_string(quote + 1, lx->end, '\'', 0, &closed);
}

/*
 * Whether \' escapes the quote where the dialect does not say: the reading after which the rest of the text
 * has all its quotes closed wins, the standard one (it does not escape) when both or none do. Asked once for
 * a text.
 */
static int guess_backslash(const struct sql_lexer *lx, const char *p)
{
	int closed[2];

	for (int mode = 0; mode < 2; mode++) {
		const char *at = p;

		do {
			at = sql_scan_string(at, lx->end, '\'', mode, &closed[mode]);
			at = closed[mode] ? memchr(at, '\'', (size_t)(lx->end - at)) : NULL;
			at = at ? at + 1 : NULL;
		} while (at);
	}
	return closed[1] && !closed[0];
}

static void lex_string(struct sql_lexer *lx, struct sql_token *t, const char *quote, int backslash)
{
	int closed;

	if (backslash == MAYBE) {
		const char *end = sql_scan_string(quote + 1, lx->end, *quote, 0, &closed);
		const char *slash = memchr(quote + 1, '\\', (size_t)(end - quote) - 1);

		/* Only \' reads differently. */
		if (slash)
			lx->backslash = (uint8_t)guess_backslash(lx, quote + 1);
		backslash = slash ? lx->backslash : 0;
	}
	t->kind = TOK_STRING;
	lx->p = sql_scan_string(quote + 1, lx->end, *quote, backslash, &closed);
	if (closed)
		lx->p = scan_continued(lx, lx->p, backslash);
}

static void lex_quoted(struct sql_lexer *lx, struct sql_token *t, char close)
{
	int closed;

	t->kind = TOK_QUOTED;
	lx->p = sql_scan_string(lx->p + 1, lx->end, close, 0, &closed);
}

static void lex_double_quote(struct sql_lexer *lx, struct sql_token *t)
{
	int closed, ignored = 0;
	const char *end, *next;

	if (lx->rules->double_quote == ALWAYS) {
		lex_string(lx, t, lx->p, lx->backslash);
		return;
	}
	if (lx->rules->double_quote == MAYBE && (lx->value_place || lx->in_list)) {
		end = sql_scan_string(lx->p + 1, lx->end, '"', 0, &closed);
		next = skip_space(end, lx->end, &ignored);
		if (next == lx->end || *next != '.') {
			lx->p = end;
			t->kind = TOK_STRING;
			return;
		}
	}
	lex_quoted(lx, t, '"');
}

static const char *scan_word(const struct sql_lexer *lx, const char *p)
{
	uint8_t bytes = lx->rules->word_bytes;

	while (p < lx->end && sql_byte_is(*p, bytes))
		p++;
	return p;
}

static const char *scan_class(const char *p, const char *end, uint8_t bits)
{
	while (p < end && sql_byte_is(*p, bits))
		p++;
	return p;
}

static int is_hex(char c)
{
	return sql_byte_is(c, BYTE_DIGIT) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* 0x1f, 0b01, 0o17 at p: the end, or NULL when it is none. */
static const char *scan_based(const char *p, const char *end)
{
	char base = end - p > 1 ? p[1] | 0x20 : 0;

	if (*p != '0' || (base != 'x' && base != 'b' && base != 'o'))
		return NULL;
	for (p += 2; p < end && (*p == '_' || (base == 'x' ? is_hex(*p) : sql_byte_is(*p, BYTE_DIGIT)));)
		p++;
	return p;
}

static const char *scan_digits(const char *p, const char *end)
{
	while (p < end && (sql_byte_is(*p, BYTE_DIGIT) || *p == '_'))
		p++;
	return p;
}

static const char *scan_exponent(const char *p, const char *end)
{
	const char *digits = p + 1;

	if (p == end || (*p | 0x20) != 'e')
		return p;
	if (digits < end && (*digits == '+' || *digits == '-'))
		digits++;
	/* At the end of the text the digits may have been cut off. */
	return digits == end || sql_byte_is(*digits, BYTE_DIGIT) ? scan_digits(digits, end) : p;
}

/* A number, or where words may start with a digit such a word. lx->p is at a digit, or at a dot before one.
 */
static void lex_number(struct sql_lexer *lx, struct sql_token *t)
{
	const char *start = lx->p, *p = scan_based(start, lx->end), *word;

	t->kind = TOK_NUMBER;
	if (!p) {
		p = scan_digits(start, lx->end);
		if (p < lx->end && *p == '.' && !(lx->end - p > 1 && p[1] == '.'))
			p = scan_digits(p + 1, lx->end);
		p = scan_exponent(p, lx->end);
	}
	word = scan_word(lx, p);
	if (word > p && !lx->rules->digit_words) {
		/* What sticks to a number is an error, and best kept out of sight. */
		p = word;
	} else if (word > p && scan_word(lx, start) == word) {
		t->kind = TOK_WORD;
		p = word;
	}
	lx->p = p;
}

/* $1, $name, $tag$…$tag$. lx->p is at the dollar. */
static int lex_dollar(struct sql_lexer *lx, struct sql_token *t)
{
	const char *p = lx->p + 1, *tag_end, *close;
	size_t tag_len;

	if (!lx->rules->dollar_param)
		return 0;
	if (p < lx->end && sql_byte_is(*p, BYTE_DIGIT)) {
		t->kind = TOK_PARAM;
		lx->p = scan_class(p, lx->end, BYTE_DIGIT);
		return 1;
	}
	tag_end = scan_class(p, lx->end, BYTE_CONT);
	if (lx->rules->dollar_quote && (tag_end == lx->end || *tag_end == '$')) {
		t->kind = TOK_STRING;
		lx->p = lx->end;
		if (tag_end == lx->end)
			return 1;
		tag_len = (size_t)(tag_end + 1 - t->ptr);
		close = memmem(tag_end + 1, (size_t)(lx->end - tag_end) - 1, t->ptr, tag_len);
		if (close)
			lx->p = close + tag_len;
		return 1;
	}
	if (tag_end == p)
		return 0;
	t->kind = TOK_PARAM;
	lx->p = scan_word(lx, p);
	return 1;
}

/* ?, ?1, ?| … lx->p is at the question mark. 0: it is (part of) an operator. */
static int lex_question(struct sql_lexer *lx, struct sql_token *t)
{
	if (lx->rules->question_param == MAYBE && lx->operand)
		return 0;
	t->kind = TOK_PARAM;
	lx->p = scan_class(lx->p + 1, lx->end, BYTE_DIGIT);
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
		lx->p = scan_word(lx, p);
	} else if (p < lx->end && *p == '"' && lx->rules->bracket == MAYBE && !lx->operand) {
		lx->p = p;
		lex_quoted(lx, t, '"');
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
	lx->p = scan_word(lx, p);
	return 1;
}

/* [: an identifier where the dialect has such, or a subscript. */
static void lex_bracket(struct sql_lexer *lx, struct sql_token *t)
{
	const char *p = lx->p + 1;

	if (lx->rules->bracket == MAYBE && (!lx->operand || lx->last == TOK_DOT) && p < lx->end &&
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
		p = memchr(p, ']', (size_t)(lx->end - p));
		t->kind = TOK_QUOTED;
		lx->p = p ? p + 1 : lx->end;
		return;
	}
	t->kind = TOK_LBRACKET;
	lx->p++;
}

/* The operator at p where operators are those of a list. */
static const char *scan_listed(const struct sql_lexer *lx, const char *p)
{
	size_t left = (size_t)(lx->end - p);

	if (left > 1 && !sql_byte_is(p[1], BYTE_OP))
		return p + 1;
	/* 'user'@? */
	if (*p == '@' && p == lx->token_end && (lx->last == TOK_STRING || lx->last == TOK_PARAM))
		return p + 1;
	for (const char *const *op = lx->rules->operators; *op; op++) {
		size_t len = strlen(*op);

		if (**op == *p && len <= left && !memcmp(*op, p, len))
			return p + len;
	}
	return p + 1;
}

/*
 * PostgreSQL: the longest run of operator characters, but it ends before a comment, and does not end in + or
 * - unless it holds one of ~ ! @ # % ^ & | ` ?
 */
static const char *scan_operator(const struct sql_lexer *lx, const char *start)
{
	const char *p = start;
	int special = 0;

	for (; p < lx->end && sql_byte_is(*p, BYTE_OP); p++) {
		if (strchr("\\{}", *p))
			return p == start ? p + 1 : p;
		if (lx->end - p > 1 && ((p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '*')))
			break;
		/* Drivers write =? for a parameter: only ? itself and jsonpath's @? begin or hold one. */
		if (*p == '?' && p > start && *start != '?' && p[-1] != '@')
			break;
		special |= strchr("~!@#%^&|`?", *p) != NULL;
	}
	while (p - start > 1 && !special && (p[-1] == '+' || p[-1] == '-'))
		p--;
	return p == start ? p + 1 : p;
}

static void lex_operator(struct sql_lexer *lx, struct sql_token *t)
{
	t->kind = TOK_OP;
	lx->p = lx->rules->operators ? scan_listed(lx, lx->p) : scan_operator(lx, lx->p);
}

/* q'[…]' */
static void lex_q_string(struct sql_lexer *lx, struct sql_token *t)
{
	static const char pairs[] = "[](){}<>";
	const char *p = lx->p + 2, *pair;
	char close[2] = {0, '\''};

	t->kind = TOK_STRING;
	lx->p = lx->end;
	if (p == lx->end)
		return;
	pair = *p ? strchr(pairs, *p) : NULL;
	close[0] = pair && !((pair - pairs) & 1) ? pair[1] : *p;
	p = memmem(p + 1, (size_t)(lx->end - p) - 1, close, 2);
	if (p)
		lx->p = p + 2;
}

/* A literal with a prefix (E'…', X'…', N'…', U&'…', _latin1'…') at lx->p. */
static int lex_prefixed(struct sql_lexer *lx, struct sql_token *t)
{
	const char *p = lx->p + 1;
	char c = *lx->p | 0x20;
	uint8_t prefixes = lx->rules->prefixes;

	if (lx->end - lx->p < 2)
		return 0;
	if (*lx->p == '_') {
		int ignored = 0;

		p = skip_space(scan_word(lx, p), lx->end, &ignored);
		if (!(prefixes & PREFIX_INTRODUCER) || p == lx->end || (*p != '\'' && *p != '"'))
			return 0;
		lex_string(lx, t, p, lx->backslash);
		return 1;
	}
	if (c == 'u' && (prefixes & PREFIX_U) && *p == '&' && lx->end - p > 1 &&
	    (p[1] == '\'' || p[1] == '"')) {
		if (p[1] == '\'') {
			lex_string(lx, t, p + 1, 0);
		} else {
			lx->p = p + 1;
			lex_quoted(lx, t, '"');
		}
		lx->p = scan_uescape(lx, lx->p);
		return 1;
	}
	if (*p != '\'')
		return 0;
	if (c == 'e' && (prefixes & PREFIX_E))
		lex_string(lx, t, p, 1);
	else if (c == 'n' && (prefixes & PREFIX_N))
		lex_string(lx, t, p, lx->backslash);
	else if ((c == 'x' || c == 'b') && (prefixes & PREFIX_XB))
		lex_string(lx, t, p, 0);
	else if (c == 'q' && (prefixes & PREFIX_Q))
		lex_q_string(lx, t);
	else
		return 0;
	return 1;
}

static void lex_word(struct sql_lexer *lx, struct sql_token *t)
{
	const struct sql_word *kw;

	t->kind = TOK_WORD;
	lx->p = scan_word(lx, lx->p + 1);
	if (lx->last == TOK_DOT)
		return;
	kw = sql_word_find(t->ptr, (size_t)(lx->p - t->ptr), (size_t)(lx->text_end - t->ptr));
	if (!kw)
		return;
	t->id = kw->id;
	t->flags = kw->flags;
}

/* Punctuation and everything else that is neither word nor number. */
static void lex_mark(struct sql_lexer *lx, struct sql_token *t)
{
	static const struct {
		char c;
		uint8_t kind;
	} marks[] = {
		{'(', TOK_LPAREN},    {')', TOK_RPAREN},   {',', TOK_COMMA},
		{';', TOK_SEMICOLON}, {']', TOK_RBRACKET},
	};

	switch (*lx->p) {
	case '\'':
		lex_string(lx, t, lx->p, lx->backslash);
		return;
	case '"':
		lex_double_quote(lx, t);
		return;
	case '[':
		lex_bracket(lx, t);
		return;
	case ':':
		lex_colon(lx, t);
		return;
	case '$':
		if (lex_dollar(lx, t))
			return;
		break;
	}
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (marks[i].c == *lx->p) {
			t->kind = marks[i].kind;
			lx->p++;
			return;
		}
	}
	if (*lx->p == '$' && sql_byte_is('$', lx->rules->word_bytes)) {
		lex_word(lx, t);
		return;
	}
	t->kind = TOK_OP;
	lx->p++;
}

static void lex_symbol(struct sql_lexer *lx, struct sql_token *t)
{
	const char *p = lx->p;

	switch (*p) {
	case '`':
		if (lx->rules->backtick) {
			lex_quoted(lx, t, '`');
			return;
		}
		break;
	case '?':
		if (lex_question(lx, t))
			return;
		break;
	case '@':
		if (lex_at(lx, t))
			return;
		break;
	case '#':
		if ((lx->rules->word_bytes & BYTE_EXTRA) && !lx->operand && lx->end - p > 1 &&
		    sql_byte_is(p[1], BYTE_START)) {
			lex_word(lx, t);
			return;
		}
		break;
	case '/':
		if (lx->end - p > 2 && p[1] == '*') {
			const char *close = memmem(p + 3, (size_t)(lx->end - p) - 3, "*/", 2);

			t->kind = TOK_HINT;
			lx->p = p + 3;
			lx->end = close ? close : lx->end;
			return;
		}
		break;
	}
	lex_operator(lx, t);
}

static void lex_dot(struct sql_lexer *lx, struct sql_token *t)
{
	int digit = lx->end - lx->p > 1 && sql_byte_is(lx->p[1], BYTE_DIGIT);

	/* After a name it separates, even before a digit. */
	if (digit && !(t->glued && lx->operand && (lx->last == TOK_WORD || lx->last == TOK_QUOTED) &&
		       lx->rules->digit_words)) {
		lex_number(lx, t);
		return;
	}
	t->kind = TOK_DOT;
	lx->p++;
}

/* What the next token may rely on. */
static void note_token(struct sql_lexer *lx, const struct sql_token *t)
{
	static const uint8_t operand[] = {
		[TOK_WORD] = 1,	    [TOK_QUOTED] = 1, [TOK_NUMBER] = 1,	  [TOK_STRING] = 1,   [TOK_PARAM] = 1,
		[TOK_VARIABLE] = 1, [TOK_RPAREN] = 1, [TOK_RBRACKET] = 1, [TOK_HINT_END] = 0,
	};

	lx->operand = operand[t->kind];
	lx->value_place = 0;
	lx->verb = 0;
	if (t->kind == TOK_WORD && t->id) {
		lx->operand = !!(t->flags & WORD_OPERAND);
		lx->verb = !!(t->flags & WORD_VERB);
		lx->value_place = t->id == KW_LIKE;
	} else if (t->kind == TOK_OP) {
		lx->value_place = strchr("=<>!~", *t->ptr) && *t->ptr;
	}
	lx->last = t->kind;
}

/* A dot that separates names is next. */
static int at_dot(const struct sql_lexer *lx)
{
	return lx->end - lx->p > 1 && *lx->p == '.' && lx->p[1] != '.' && !sql_byte_is(lx->p[1], BYTE_DIGIT);
}

void sql_lexer_next(struct sql_lexer *lx, struct sql_token *t)
{
	uint8_t bits;

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
		if (!(bits & BYTE_PREFIX) || !lex_prefixed(lx, t))
			lex_word(lx, t);
	} else if (bits & BYTE_DIGIT) {
		if (lx->rules->digit_words && lx->last == TOK_DOT && t->glued)
			lex_word(lx, t);
		else
			lex_number(lx, t);
	} else if (*lx->p == '.') {
		lex_dot(lx, t);
	} else if (bits & BYTE_OP) {
		lex_symbol(lx, t);
	} else {
		lex_mark(lx, t);
	}
	t->len = (size_t)(lx->p - t->ptr);
	lx->token_end = lx->p;
	note_token(lx, t);
	/* What is behind a `;` may belong to the next statement. */
	if (t->kind == TOK_SEMICOLON)
		return;
	skip_blank(lx);
	if (t->id && at_dot(lx)) {
		/* user.name: no keyword */
		t->id = KW_NONE;
		t->flags = 0;
		note_token(lx, t);
	}
}

char sql_lexer_peek(const struct sql_lexer *lx)
{
	return lx->p < lx->end ? *lx->p : 0;
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
		p = scan_class(digits, lx->end, BYTE_DIGIT);
		return p > digits ? p : NULL;
	}
	if (*p == '-')
		p++;
	digits = p;
	p = scan_class(p, lx->end, BYTE_DIGIT);
	return p > digits ? p : NULL;
}

void sql_lexer_skip_elements(struct sql_lexer *lx, struct sql_literals *lit)
{
	int ignored = 0;

	for (;;) {
		const char *start = skip_space(lx->p, lx->end, &ignored);
		const char *end = scan_element(lx, start);
		const char *comma = end ? skip_space(end, lx->end, &ignored) : NULL;

		if (!comma || comma == lx->end || *comma != ',')
			return;
		if (*start != '?' && *start != '$')
			sql_literals_add(lit, start, (size_t)(end - start));
		lx->p = comma + 1;
	}
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
}
