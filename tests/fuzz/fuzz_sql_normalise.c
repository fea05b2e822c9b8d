/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The normaliser: normalising twice is normalising once; a literal changed for another of its kind changes
 * nothing; the output is bounded; of a literal's text no eight bytes in a row come through.
 */
#include "fuzz_sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int same(struct str a, struct str b)
{
	return a.len == b.len && !memcmp(a.ptr, b.ptr, a.len);
}

static void show(const char *what, struct str s)
{
	fprintf(stderr, "%s [%.*s]\n", what, (int)s.len, s.ptr);
}

static void check_idempotent(const struct sql_info *info, const struct sql_options *opt)
{
	struct sql_info again;
	char *buf = fuzz_analyse(info->normalized.ptr, info->normalized.len, opt, &again);

	if (!same(info->normalized, again.normalized)) {
		show("once ", info->normalized);
		show("twice", again.normalized);
		abort();
	}
	REQUIRE(info->fingerprint == again.fingerprint);
	free(buf);
}

/* Writes another literal of the same kind and length over the inside of the one at text[from..to). */
static int replace_literal(char *text, size_t from, size_t to, uint8_t kind)
{
	int changed = 0;

	for (size_t i = from; i < to; i++) {
		if (kind == TOK_NUMBER && text[i] >= '1' && text[i] <= '9') {
			text[i] = text[i] == '9' ? '1' : (char)(text[i] + 1);
			changed = 1;
		} else if (kind == TOK_STRING && i > from + 3 && i + 3 < to && text[i] >= 'a' &&
			   text[i] <= 'z') {
			text[i] = text[i] == 'z' ? 'a' : (char)(text[i] + 1);
			changed = 1;
		}
	}
	return changed;
}

static void check_literals(const char *text, const struct sql_info *info, const struct sql_options *opt)
{
	char tag_buf[SQL_TAGS_MAX];
	struct sql_tags tags = {.buf = tag_buf};
	size_t len = info->consumed;
	char *changed = malloc(len + 1);
	struct sql_lexer lx;
	struct sql_token t;
	int any = 0;

	REQUIRE(changed);
	memcpy(changed, text, len);
	sql_lexer_init(&lx, text, len, opt, &tags);
	for (;;) {
		sql_lexer_next(&lx, &t);
		if (t.kind == TOK_END)
			break;
		/* 0x1f and 1e5 would need more care than the property is worth; a
		 * dollar quote's tag is no text. */
		if (t.kind == TOK_NUMBER && !memchr(t.ptr, '0', t.len) && !memchr(t.ptr, 'e', t.len) &&
		    !memchr(t.ptr, 'E', t.len))
			any |= replace_literal(changed, (size_t)(t.ptr - text),
					       (size_t)(t.ptr - text) + t.len, t.kind);
		else if (t.kind == TOK_STRING && (*t.ptr == '\'' || *t.ptr == '"') &&
			 !memchr(t.ptr, '\\', t.len))
			any |= replace_literal(changed, (size_t)(t.ptr - text),
					       (size_t)(t.ptr - text) + t.len, t.kind);
	}
	if (any) {
		struct sql_info other;
		char *buf = fuzz_analyse(changed, len, opt, &other);

		if (!same(info->normalized, other.normalized)) {
			show("one  ", info->normalized);
			show("other", other.normalized);
			abort();
		}
		free(buf);
	}
	free(changed);
}

/* What stands between tokens changes nothing. */
static void check_blanks(const char *text, const struct sql_info *info, const struct sql_options *opt)
{
	static const char blank[] = "\t /* it's */  ";
	char tag_buf[SQL_TAGS_MAX];
	struct sql_tags tags = {.buf = tag_buf};
	size_t len = 0;
	char *spread = malloc(info->consumed * sizeof(blank) + 2);
	struct sql_lexer lx;
	struct sql_token t;
	struct sql_info other;
	char *buf;
	uint8_t last = TOK_END;

	REQUIRE(spread);
	sql_lexer_init(&lx, text, info->consumed, opt, &tags);
	for (sql_lexer_next(&lx, &t); t.kind != TOK_END; sql_lexer_next(&lx, &t)) {
		/* Two strings may be one, and in MySQL a word in front of a string may belong to it. */
		if (!t.glued && (t.kind == TOK_STRING || (t.ptr > text && t.ptr[-1] == '.'))) {
			spread[len++] = ' ';
		} else if (!t.glued && last != TOK_END) {
			memcpy(spread + len, blank, sizeof(blank) - 1);
			len += sizeof(blank) - 1;
		}
		memcpy(spread + len, t.ptr, t.len);
		len += t.len;
		last = t.kind;
	}
	/* At the very end of a text 1e is a number that was cut. */
	spread[len++] = '\n';
	buf = fuzz_analyse(spread, len, opt, &other);
	if (!same(info->normalized, other.normalized)) {
		show("close ", info->normalized);
		show("spread", other.normalized);
		abort();
	}
	free(buf);
	free(spread);
}

/* A string made to measure in the middle of the input: none of it may come through. */
static void check_secret(const char *text, size_t len, const struct sql_options *opt)
{
	static const char secret[] = "= 'Zq7SecretK1wiFruit'";
	size_t secret_len = sizeof(secret) - 1, half = len / 2;
	char *whole = malloc(len + secret_len + 1);
	struct sql_info info;
	char *buf;
	char tag_buf[SQL_TAGS_MAX];
	struct sql_tags tags = {.buf = tag_buf};
	struct sql_lexer lx;
	struct sql_token t;
	int literal = 0;

	REQUIRE(whole);
	if (memmem(text, len, "Zq7Secre", 8) || memmem(text, len, "wiFruit", 7)) {
		free(whole);
		return;
	}
	memcpy(whole, text, half);
	memcpy(whole + half, secret, secret_len);
	memcpy(whole + half + secret_len, text + half, len - half);
	len += secret_len;
	buf = fuzz_analyse(whole, len, opt, &info);
	/* Where the text around it opens a quoted identifier it is no literal. */
	sql_lexer_init(&lx, whole, len, opt, &tags);
	do {
		sql_lexer_next(&lx, &t);
		if (t.kind == TOK_STRING && t.ptr <= whole + half + 2 &&
		    t.ptr + t.len >= whole + half + secret_len)
			literal = 1;
	} while (t.kind != TOK_END && t.kind != TOK_SEMICOLON);
	if (literal) {
		REQUIRE(!memmem(info.normalized.ptr, info.normalized.len, "Zq7Secre", 8));
		REQUIRE(!memmem(info.normalized.ptr, info.normalized.len, "wiFruit", 7));
	}
	free(buf);
	free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sql_options opt;
	const char *text = (const char *)data + 1;
	size_t at = 0;

	if (!size--)
		return 0;
	opt = fuzz_options(data[0]);
	check_secret(text, size, &opt);
	while (at < size) {
		struct sql_info info;
		char *buf = fuzz_analyse(text + at, size - at, &opt, &info);
		/* Generic: what \' means is guessed from all of the text. */
		int guessed = opt.dialect == SQL_GENERIC && memchr(text, '\\', size);

		check_idempotent(&info, &opt);
		if (!guessed)
			check_literals(text + at, &info, &opt);
		if (size && !guessed && sql_byte_is(text[at + info.consumed - 1], BYTE_SPACE) &&
		    !memchr(text, '/', size) && !memchr(text, '#', size) && !memmem(text, size, "--", 2))
			check_blanks(text + at, &info, &opt);
		at += info.consumed;
		free(buf);
	}
	return 0;
}
