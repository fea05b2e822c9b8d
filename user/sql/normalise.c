/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tokens to the normalised text: literals and placeholders become ?, lists of them one element, rows of
 * VALUES one row, words get one case and everything one spacing. What is written reads back as the same
 * tokens: normalising twice is normalising once.
 */
#include "sql/internal.h"

#include <string.h>

enum norm_last {
	LAST_NONE, /* start of the text */
	LAST_OPEN, /* ( [ . and nothing between it and what follows */
	LAST_NAME, /* identifier: no space before ( and [ */
	LAST_KEYWORD,
	LAST_ARRAY, /* the word before [ */
	LAST_VALUE, /* ? */
	LAST_CLOSE, /* ) ] */
	LAST_COMMA,
	LAST_OP,
	LAST_CAST,
	LAST_SIGN, /* a unary + or - */
	LAST_AT,
	LAST_PREFIX_NAME, /* identifier followed by its column list: a space before ( */
};

#define NO_ELEM ((size_t)-1)

void sql_norm_init(struct sql_norm *n, char *out, const struct sql_rules *rules, struct sql_literals *lit,
		   struct sql_lexer *lx)
{
	n->out = out;
	n->len = 0;
	n->rules = rules;
	n->literals = lit;
	n->lexer = lx;
	n->depth = 0;
	n->lists = 0;
	n->query_depth = 0;
	n->signs = 0;
	n->last = LAST_NONE;
	n->last_id = KW_NONE;
	n->rows = 0;
	n->params = 0;
}

static struct norm_list *top_list(struct sql_norm *n)
{
	return n->lists ? &n->list[n->lists - 1] : NULL;
}

/* The lexer may rely on a list of values: not in a query that is one of its elements. */
static void note_list(struct sql_norm *n)
{
	const struct norm_list *list = top_list(n);

	n->lexer->in_list = list && list->depth >= n->query_depth;
}

static void push_list(struct sql_norm *n, enum norm_list_kind kind, uint32_t depth)
{
	struct norm_list *list;

	if (n->lists == NORM_DEPTH)
		return;
	list = &n->list[n->lists++];
	list->kind = (uint8_t)kind;
	list->depth = depth;
	list->elem = NO_ELEM;
	list->kept = 0;
	list->kept_len = 0;
	list->mark = NO_ELEM;
	list->count = 0;
	list->distinct = 0;
	note_list(n);
}

static void pop_list(struct sql_norm *n)
{
	n->lists--;
	note_list(n);
}

/* Rows are alike when they differ only in DEFAULT against a value. `part`: b may end early. */
static int same_row(const char *a, size_t a_len, const char *b, size_t b_len, int part)
{
	size_t i = 0, j = 0;

	while (i < a_len && j < b_len) {
		size_t a_step = a_len - i >= 7 && !memcmp(a + i, "DEFAULT", 7) ? 7 : 1;
		size_t b_step = b_len - j >= 7 && !memcmp(b + j, "DEFAULT", 7) ? 7 : 1;

		if (a_step == b_step ? a[i] != b[j] : (a_step == 1 ? a[i] : b[j]) != '?')
			return 0;
		i += a_step;
		j += b_step;
	}
	return j == b_len && (part || i == a_len);
}

/* The current element of `list` is complete: it goes when it is like the one before it. */
static void end_element(struct sql_norm *n, struct norm_list *list, int cut)
{
	const char *kept = n->out + list->kept;
	size_t len;

	if (list->elem == NO_ELEM) {
		if (cut && list->mark != NO_ELEM && list->distinct == 1)
			n->len = list->mark;
		return;
	}
	/* The start of a row like the others, cut inside its brackets. */
	cut = cut && list->distinct == 1 && n->depth > list->depth;
	len = n->len - list->elem;
	list->count++;
	if (list->kept_len && list->mark != NO_ELEM &&
	    same_row(kept, list->kept_len, n->out + list->elem, len, cut)) {
		n->len = list->mark;
		n->last = list->mark_last;
	} else {
		list->kept = list->elem;
		list->kept_len = len;
		list->distinct++;
	}
	list->elem = NO_ELEM;
	list->mark = NO_ELEM;
}

#define BIT(kind) (1U << (kind))
#define NEVER_SPACED                                                                           \
	(BIT(TOK_COMMA) | BIT(TOK_RPAREN) | BIT(TOK_RBRACKET) | BIT(TOK_DOT) | BIT(TOK_CAST) | \
	 BIT(TOK_SEMICOLON))

/* Kinds of token that stand without a space behind what was written last. */
static const uint32_t unspaced[] = {
	[LAST_NONE] = ~0U,
	[LAST_OPEN] = ~0U,
	[LAST_AT] = ~0U,
	[LAST_SIGN] = ~(BIT(TOK_OP) | BIT(TOK_LBRACKET)),
	[LAST_NAME] = NEVER_SPACED | BIT(TOK_LPAREN) | BIT(TOK_LBRACKET),
	[LAST_PREFIX_NAME] = NEVER_SPACED | BIT(TOK_LBRACKET),
	[LAST_KEYWORD] = NEVER_SPACED & ~BIT(TOK_DOT),
	[LAST_ARRAY] = NEVER_SPACED | BIT(TOK_LBRACKET),
	[LAST_VALUE] = NEVER_SPACED | BIT(TOK_LBRACKET),
	[LAST_CLOSE] = NEVER_SPACED | BIT(TOK_LBRACKET),
	[LAST_COMMA] = NEVER_SPACED,
	[LAST_OP] = NEVER_SPACED & ~BIT(TOK_CAST),
	[LAST_CAST] = ~BIT(TOK_OP),
};

/* Room for the token: a space where one belongs, and the start of a list element noted. */
static char *open_token(struct sql_norm *n, const struct sql_token *t, size_t len)
{
	struct norm_list *list = top_list(n);
	char *at;

	n->out[n->len] = ' ';
	n->len += !(unspaced[n->last] >> t->kind & 1);
	if (list && list->elem == NO_ELEM && t->kind != TOK_COMMA && t->kind != TOK_RPAREN &&
	    t->kind != TOK_RBRACKET)
		list->elem = n->len;
	at = n->out + n->len;
	n->len += len;
	return at;
}

static void put_value(struct sql_norm *n, const struct sql_token *t, int literal)
{
	if (n->signs) {
		/* The sign belongs to the value; it must tell -1 from 1 in the hash though. */
		n->len = n->sign_mark;
		n->last = n->sign_last;
		if (literal && n->sign == '-')
			sql_literals_add(n->literals, "-", 1);
		/* The element that began with the sign begins with the value. */
		if (top_list(n) && top_list(n)->elem != NO_ELEM && top_list(n)->elem >= n->len)
			top_list(n)->elem = NO_ELEM;
	}
	if (literal)
		sql_literals_add(n->literals, t->ptr, t->len);
	*open_token(n, t, 1) = '?';
	n->last = LAST_VALUE;
}

#define EACH_BYTE 0x0101010101010101ULL

/* Flips the case of the letters from..from+25 in eight bytes. */
static uint64_t flip_case(uint64_t bytes, char from)
{
	uint64_t low = bytes & 0x7f * EACH_BYTE;
	uint64_t above = low + (0x80 - (uint64_t)from) * EACH_BYTE,
		 beyond = low + (0x80 - (uint64_t)from - 26) * EACH_BYTE;

	return bytes ^ (above & ~beyond & ~bytes & 0x80 * EACH_BYTE) >> 2;
}

/* Copies a word with its letters flipped that are of the case that begins with `from`; 0: as it is. */
static void put_cased(struct sql_norm *n, char *at, const char *text, size_t len, char from)
{
	uint64_t bytes;

	/* Eight at a time; what is written behind the word's end is written over by the next token. */
	for (; len && n->lexer->text_end - text >= 8; len -= len < 8 ? len : 8, at += 8, text += 8) {
		memcpy(&bytes, text, 8);
		bytes = from ? flip_case(bytes, from) : bytes;
		memcpy(at, &bytes, 8);
	}
	for (; len; len--, at++, text++)
		*at = from && *text >= from && *text <= from + 25 ? (char)(*text ^ 32) : *text;
}

/* NULL, TRUE and FALSE are values where only a value can stand; elsewhere (IS NULL, NOT NULL,
 * ON TRUE) they are syntax. */
static int is_value_word(const struct sql_norm *n, const struct sql_token *t)
{
	if (t->id != KW_NULL && t->id != KW_TRUE && t->id != KW_FALSE)
		return 0;
	switch (n->last) {
	case LAST_OP:
	case LAST_SIGN:
	case LAST_COMMA:
		return 1;
	case LAST_OPEN:
		return n->len && (n->out[n->len - 1] == '(' || n->out[n->len - 1] == '[');
	default:
		return n->last_id == KW_THEN || n->last_id == KW_ELSE || n->last_id == KW_SELECT;
	}
}

static void put_word(struct sql_norm *n, const struct sql_token *t, int read, char next)
{
	int keyword = t->flags & WORD_RESERVED || read & READ_VERB, name = read & READ_TABLE && !keyword;
	char *at;

	/* a. 5x is not a.5x, where that would be a number. */
	if (n->last == LAST_OPEN && !t->glued && sql_byte_is(*t->ptr, BYTE_DIGIT))
		n->last = LAST_OP;
	at = open_token(n, t, t->len);

	if (keyword)
		put_cased(n, at, t->ptr, t->len, 'a');
	else if (n->rules->fold || (!name && (t->flags & WORD_SOFT || next == '(')))
		put_cased(n, at, t->ptr, t->len, 'A');
	else
		put_cased(n, at, t->ptr, t->len, 0);
	if (keyword)
		n->last = t->id == KW_ARRAY ? LAST_ARRAY : LAST_KEYWORD;
	else
		n->last = name ? LAST_PREFIX_NAME : LAST_NAME;
}

static void put_quoted(struct sql_norm *n, const struct sql_token *t, int read)
{
	char *at = open_token(n, t, t->len);
	size_t len = 0;

	/* Where [ is not always a quote, white space in it is as good as one space. */
	for (size_t i = 0; i < t->len; i++) {
		char c = t->ptr[i];

		if (*t->ptr == '[' && n->rules->bracket == MAYBE && sql_byte_is(c, BYTE_SPACE)) {
			if (at[len - 1] == ' ')
				continue;
			c = ' ';
		}
		at[len++] = c;
	}
	n->len -= t->len - len;
	n->last = read & READ_TABLE ? LAST_PREFIX_NAME : LAST_NAME;
}

static void put_op(struct sql_norm *n, const struct sql_token *t, char next)
{
	int unary = t->len == 1 && (*t->ptr == '-' || *t->ptr == '+') && !t->after_operand;

	if (unary) {
		if (!n->signs) {
			n->sign_mark = n->len;
			n->sign_last = n->last;
			n->sign = '+';
		}
		n->sign = *t->ptr == '-' ? (n->sign == '-' ? '+' : '-') : n->sign;
		n->signs = 1;
		*open_token(n, t, 1) = *t->ptr;
		n->last = LAST_SIGN;
		return;
	}
	if (t->len == 1 && *t->ptr == '@' && t->after_operand && t->glued && n->last == LAST_VALUE &&
	    (next == '\'' || next == '"' || next == '?')) {
		n->out[n->len++] = '@';
		n->last = LAST_AT;
		return;
	}
	memcpy(open_token(n, t, t->len), t->ptr, t->len);
	n->last = LAST_OP;
}

static void put_dot(struct sql_norm *n, const struct sql_token *t)
{
	int name = n->last == LAST_NAME || n->last == LAST_PREFIX_NAME;

	*open_token(n, t, 1) = '.';
	/* Behind anything but a name .5 would be read back as a number. */
	n->last = name || !n->rules->digit_words ? LAST_OPEN : LAST_OP;
}

static void put_open(struct sql_norm *n, const struct sql_token *t)
{
	int in = t->kind == TOK_LPAREN && n->last_id == KW_IN;
	int array = t->kind == TOK_LBRACKET && n->last_id == KW_ARRAY;

	*open_token(n, t, 1) = *t->ptr;
	n->depth++;
	/* Not [x], which would read back as a quoted name. */
	n->last = t->kind == TOK_LBRACKET && n->rules->bracket == MAYBE && !t->after_operand && !array
			  ? LAST_OP
			  : LAST_OPEN;
	if (in || array)
		push_list(n, LIST_ELEMENTS, n->depth);
}

static void put_close(struct sql_norm *n, const struct sql_token *t)
{
	struct norm_list *list;

	while ((list = top_list(n)) && list->depth >= n->depth &&
	       (list->kind == LIST_ROWS ? list->depth >= n->depth : 1)) {
		end_element(n, list, 0);
		pop_list(n);
	}
	if (n->depth)
		n->depth--;
	if (n->depth < n->query_depth) {
		n->query_depth = 0;
		note_list(n);
	}
	*open_token(n, t, 1) = *t->ptr;
	n->last = LAST_CLOSE;
}

static void put_comma(struct sql_norm *n, const struct sql_token *t)
{
	struct norm_list *list = top_list(n);
	int element = list && list->depth == n->depth;
	size_t mark;
	uint8_t last;

	if (element)
		end_element(n, list, 0);
	/* Nothing between two commas is as good as one comma. */
	if (element && list->mark != NO_ELEM && n->last == LAST_COMMA) {
		n->len = list->mark;
		n->last = list->mark_last;
	}
	mark = n->len;
	last = n->last;
	*open_token(n, t, 1) = ',';
	n->last = LAST_COMMA;
	if (!element)
		return;
	list->elem = NO_ELEM;
	list->mark = mark;
	list->mark_last = last;
	if (list->kind == LIST_ELEMENTS && list->kept_len == 1 && n->out[list->kept] == '?')
		sql_lexer_skip_elements(n->lexer, n->literals);
}

/* Anything but brackets and commas at the level of VALUES' rows ends them. */
static void end_rows(struct sql_norm *n, const struct sql_token *t)
{
	struct norm_list *list = top_list(n);

	if (!list || list->kind != LIST_ROWS || list->depth != n->depth || t->kind == TOK_LPAREN ||
	    t->kind == TOK_COMMA || t->kind == TOK_RPAREN || t->id == KW_ROW)
		return;
	end_element(n, list, 0);
	if (!n->depth && list->count > n->rows)
		n->rows = list->count;
	pop_list(n);
}

/* What this token ends besides itself. */
static void before_token(struct sql_norm *n, const struct sql_token *t)
{
	struct norm_list *list;

	end_rows(n, t);
	list = top_list(n);
	if (t->id != KW_SELECT || !list)
		return;
	/* IN (SELECT … is no list. */
	if (list->kind == LIST_ELEMENTS && list->depth == n->depth && list->elem == NO_ELEM &&
	    !list->kept_len)
		pop_list(n);
	if (!n->query_depth) {
		n->query_depth = n->depth;
		note_list(n);
	}
}

void sql_norm_token(struct sql_norm *n, const struct sql_token *t, int read, char next)
{
	if (read & READ_MORE) {
		sql_literals_add(n->literals, t->ptr, t->len);
		/* To what follows it is a value, as the ? will be. */
		n->lexer->last = TOK_STRING;
		n->lexer->last_id = KW_NONE;
		n->lexer->operand = 1;
		return;
	}
	if (n->lists)
		before_token(n, t);
	switch (t->kind) {
	case TOK_NUMBER:
	case TOK_STRING:
	case TOK_PARAM:
		n->params += t->kind == TOK_PARAM;
		put_value(n, t, t->kind != TOK_PARAM);
		break;
	case TOK_WORD:
		if (read & READ_SECRET || is_value_word(n, t))
			put_value(n, t, 1);
		else
			put_word(n, t, read, next);
		break;
	case TOK_QUOTED:
	case TOK_VARIABLE:
		if (read & READ_SECRET) {
			put_value(n, t, 1);
			break;
		}
		put_quoted(n, t, read);
		break;
	case TOK_OP:
		put_op(n, t, next);
		break;
	case TOK_LPAREN:
	case TOK_LBRACKET:
		put_open(n, t);
		break;
	case TOK_RPAREN:
	case TOK_RBRACKET:
		put_close(n, t);
		break;
	case TOK_COMMA:
		put_comma(n, t);
		break;
	case TOK_DOT:
		put_dot(n, t);
		break;
	case TOK_CAST:
		memcpy(open_token(n, t, t->len), t->ptr, t->len);
		n->last = LAST_CAST;
		break;
	case TOK_HINT:
	case TOK_HINT_END:
		memcpy(open_token(n, t, t->len), t->ptr, t->len);
		n->last = LAST_KEYWORD;
		break;
	case TOK_SEMICOLON:
		*open_token(n, t, 1) = ';';
		n->last = LAST_OP;
		break;
	}
	if (n->last != LAST_SIGN)
		n->signs = 0;
	n->last_id = t->id;
	/* VALUES (…) or VALUES ROW(…) */
	if (t->id == KW_VALUES && (next == '(' || (next | 0x20) == 'r'))
		push_list(n, LIST_ROWS, n->depth);
}

void sql_norm_finish(struct sql_norm *n)
{
	struct norm_list *list;

	for (; (list = top_list(n)); pop_list(n)) {
		end_element(n, list, 1);
		if (list->kind == LIST_ROWS && !list->depth && list->count > n->rows)
			n->rows = list->count;
	}
}
