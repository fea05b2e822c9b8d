/* SPDX-License-Identifier: BSD-2-Clause */
/* Tokens in quotes: strings with what may stand before and behind them, quoted names, dollar quotes. */
#include "sql/internal.h"

#include <string.h>

/*
 * Behind a closed string: the end of the literal when it goes on in another string (standard SQL: after a
 * newline; MySQL: after any white space).
 */
static const char *scan_continued(const struct sql_lexer *lx, const char *p, int backslash)
{
	int closed = 1;

	while (closed && lx->rules->concat != CONCAT_NONE) {
		int newline = lx->rules->concat == CONCAT_SPACE;
		const char *next = sql_scan_space(p, lx->end, &newline);

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
	const char *word = sql_scan_space(p, lx->end, &ignored);
	size_t left = (size_t)(lx->end - word);
	const struct sql_word *kw = left >= 7 ? sql_word_find(word, 7, left) : NULL;
	const char *quote;

	if (!kw || kw->id != KW_UESCAPE)
		return p;
	quote = sql_scan_space(word + 7, lx->end, &ignored);
	if (quote == lx->end || *quote != '\'')
		return quote == lx->end ? quote : p;
	return sql_scan_string(quote + 1, lx->end, '\'', 0, &closed);
}

void sql_lex_string(struct sql_lexer *lx, struct sql_token *t, const char *quote, int backslash)
{
	int closed;

	if (backslash == MAYBE) {
		const char *end = sql_scan_string(quote + 1, lx->end, *quote, 0, &closed);
		const char *slash = memchr(quote + 1, '\\', (size_t)(end - quote) - 1);

		/* Only \' reads differently. */
		if (slash)
			lx->backslash = (uint8_t)sql_guess_backslash(quote + 1, lx->end);
		backslash = slash ? lx->backslash : 0;
	}
	t->kind = TOK_STRING;
	lx->p = sql_scan_string(quote + 1, lx->end, *quote, backslash, &closed);
	if (closed)
		lx->p = scan_continued(lx, lx->p, backslash);
}

void sql_lex_quoted(struct sql_lexer *lx, struct sql_token *t, char close)
{
	int closed = 1;

	t->kind = TOK_QUOTED;
	if (close != ']') {
		lx->p = sql_scan_string(lx->p + 1, lx->end, close, 0, &closed);
	} else {
		const char *p = memchr(lx->p, ']', (size_t)(lx->end - lx->p));

		closed = p != NULL;
		lx->p = p ? p + 1 : lx->end;
	}
	/* White space at the end of a name that was cut says nothing. */
	while (!closed && sql_byte_is(lx->p[-1], BYTE_SPACE))
		lx->p--;
}

/* $1, $name, $tag$…$tag$. lx->p is at the dollar. */
int sql_lex_dollar(struct sql_lexer *lx, struct sql_token *t)
{
	const char *p = lx->p + 1, *end;

	if (!lx->rules->dollar_param)
		return 0;
	if (p < lx->end && sql_byte_is(*p, BYTE_DIGIT)) {
		t->kind = TOK_PARAM;
		lx->p = sql_scan_class(p, lx->end, BYTE_DIGIT);
		return 1;
	}
	end = lx->rules->dollar_quote ? sql_scan_dollar(lx->p, lx->end) : NULL;
	if (end) {
		t->kind = TOK_STRING;
		lx->p = end;
		return 1;
	}
	end = sql_scan_word(lx, p);
	if (end == p && !lx->rules->dollar_quote)
		return 0;
	/* A lone $ too: it may be where a dollar quote was cut. */
	t->kind = TOK_PARAM;
	lx->p = end;
	return 1;
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
int sql_lex_prefixed(struct sql_lexer *lx, struct sql_token *t)
{
	const char *p = lx->p + 1;
	char c = *lx->p | 0x20;
	uint8_t prefixes = lx->rules->prefixes;

	if (lx->end - lx->p < 2)
		return 0;
	if (*lx->p == '_') {
		int ignored = 0;

		p = sql_scan_space(sql_scan_word(lx, p), lx->end, &ignored);
		if (!(prefixes & PREFIX_INTRODUCER) || p == lx->end || (*p != '\'' && *p != '"'))
			return 0;
		sql_lex_string(lx, t, p, lx->backslash);
		return 1;
	}
	if (c == 'u' && (prefixes & PREFIX_U) && *p == '&' && lx->end - p > 1 &&
	    (p[1] == '\'' || p[1] == '"')) {
		if (p[1] == '\'') {
			sql_lex_string(lx, t, p + 1, 0);
		} else {
			lx->p = p + 1;
			sql_lex_quoted(lx, t, '"');
		}
		lx->p = scan_uescape(lx, lx->p);
		return 1;
	}
	if (*p != '\'')
		return 0;
	if (c == 'e' && (prefixes & PREFIX_E))
		sql_lex_string(lx, t, p, 1);
	else if (c == 'n' && (prefixes & PREFIX_N))
		sql_lex_string(lx, t, p, lx->backslash);
	else if ((c == 'x' || c == 'b') && (prefixes & PREFIX_XB))
		sql_lex_string(lx, t, p, 0);
	else if (c == 'q' && (prefixes & PREFIX_Q))
		lex_q_string(lx, t);
	else
		return 0;
	return 1;
}
