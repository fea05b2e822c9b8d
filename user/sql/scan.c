/* SPDX-License-Identifier: BSD-2-Clause */
/* Where things end: strings, comments, numbers, operators. Nothing here reads behind `end`. */
#include "sql/internal.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

const char *sql_scan_dollar(const char *p, const char *end)
{
	const char *tag_end = sql_scan_class(p + 1, end, BYTE_CONT), *close;
	size_t len = (size_t)(tag_end + 1 - p);

	if (tag_end == end)
		return end;
	if (*tag_end != '$' || sql_byte_is(p[1], BYTE_DIGIT))
		return NULL;
	close = memmem(p + len, (size_t)(end - p) - len, p, len);
	return close ? close + len : end;
}

/* The end of the block comment whose text begins at p. */
const char *sql_scan_comment(const char *p, const char *end, int nested)
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

const char *sql_scan_line(const char *p, const char *end, int cr)
{
	const char *newline;

	if (cr)
		return sql_scan_two(p, end, '\n', '\r');
	newline = memchr(p, '\n', (size_t)(end - p));
	return newline ? newline : end;
}

const char *sql_scan_space(const char *p, const char *end, int *newline)
{
	for (; p < end && sql_byte_is(*p, BYTE_SPACE); p++)
		*newline |= *p == '\n' || *p == '\r';
	return p;
}

#define GUESS_MAX 4096

/* Behind the first \' of a string: a word that is no keyword goes on with the string's text. */
static int goes_on(const char *p, const char *end)
{
	const char *slash = memmem(p, (size_t)(end - p), "\\'", 2), *word, *stop;
	const struct sql_word *kw;
	int ignored = 0;

	if (!slash)
		return 0;
	word = sql_scan_space(slash + 2, end, &ignored);
	stop = sql_scan_class(word, end, BYTE_CONT);
	kw = sql_word_find(word, (size_t)(stop - word), (size_t)(end - word));
	return stop > word && !(kw && kw->flags & WORD_RESERVED);
}

/* Behind what stands at `at` outside of strings; a string has escapes in any case when it is an E'…'. */
static const char *scan_guessed(const char *at, const char *end, int mode, int *closed)
{
	char next = end - at > 1 ? at[1] : 0;
	int ignored;

	switch (*at) {
	case '\'':
		return sql_scan_string(at + 1, end, '\'', mode, closed);
	case '"':
	case '`':
		return sql_scan_string(at + 1, end, *at, 0, &ignored);
	case '-':
		return next == '-' ? sql_scan_line(at, end, 0) : at + 1;
	case '/':
		return next == '*' ? sql_scan_comment(at + 2, end, 1) : at + 1;
	case '$':
		return sql_scan_dollar(at, end) ?: at + 1;
	default:
		if (!sql_byte_is(*at, BYTE_START))
			return at + 1;
		if (next == '\'' && (*at | 0x20) == 'e')
			return sql_scan_string(at + 2, end, '\'', 1, closed);
		return sql_scan_class(at + 1, end, BYTE_CONT | BYTE_DOLLAR);
	}
}

/*
 * Whether \' escapes the quote where the dialect does not say: the reading after which the rest of the text
 * has all its quotes closed wins; when both or none do, what stands behind the \' decides. Asked once for a
 * text.
 */
int sql_guess_backslash(const char *p, const char *end)
{
	int closed[2];

	/* Bounded, since each statement of a long text asks. */
	end = end - p > GUESS_MAX ? p + GUESS_MAX : end;
	for (int mode = 0; mode < 2; mode++) {
		const char *at = sql_scan_string(p, end, '\'', mode, &closed[mode]);

		while (at < end)
			at = scan_guessed(at, end, mode, &closed[mode]);
	}
	return closed[1] != closed[0] ? closed[1] : goes_on(p, end);
}

const char *sql_scan_class(const char *p, const char *end, uint8_t bits)
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

const char *sql_scan_number(const char *p, const char *end)
{
	const char *based = scan_based(p, end);

	if (based)
		return based;
	p = scan_digits(p, end);
	if (p < end && *p == '.' && !(end - p > 1 && p[1] == '.'))
		p = scan_digits(p + 1, end);
	return scan_exponent(p, end);
}

/* The operator at p where operators are those of a list. */
static const char *scan_listed(const char *p, const char *end, const char *const *operators)
{
	size_t left = (size_t)(end - p);

	if (left > 1 && !sql_byte_is(p[1], BYTE_OP))
		return p + 1;
	for (const char *const *op = operators; *op; op++) {
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
static const char *scan_run(const char *start, const char *end)
{
	const char *p = start;
	int special = 0;

	for (; p < end && sql_byte_is(*p, BYTE_OP); p++) {
		if (strchr("\\{}", *p))
			break;
		if (end - p > 1 && ((p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '*')))
			break;
		/* Drivers write =? for a parameter: behind another character ? is an
		 * operator's in jsonpath's @? only. */
		if (*p == '?' && p > start && p[-1] != '@')
			break;
		special |= strchr("~!@#%^&|`?", *p) != NULL;
	}
	while (p - start > 1 && !special && (p[-1] == '+' || p[-1] == '-'))
		p--;
	return p == start ? p + 1 : p;
}

const char *sql_scan_operator(const char *p, const char *end, const struct sql_rules *rules)
{
	return rules->operators ? scan_listed(p, end, rules->operators) : scan_run(p, end);
}
