/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever a traced program puts into its texts, names and messages: no output has a control character, a
 * terminal's escape but the colours of its own, or broken UTF-8; what people read on a terminal has nothing
 * that reorders it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diff/compare.h"
#include "report/report.h"
#include "report_fixture.h"
#include "screen/board.h"

#define STRINGS 16

#define REQUIRE(condition, what, out)                                          \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "%s: %s\n%.2000s\n", what, #condition, \
				(out)->ptr ? (out)->ptr : "");                 \
			abort();                                               \
		}                                                              \
	} while (0)

/* Bytes of one character at p, 0 = no valid UTF-8 (RFC 3629, 4). */
static size_t character(const unsigned char *p, const unsigned char *end, uint32_t *c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2, i;

	if ((*p >= 0x80 && *p < 0xc2) || *p > 0xf4 || (size_t)(end - p) < n)
		return 0;
	*c = n == 1 ? *p : *p & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3f);
	}
	return *c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : n;
}

/* Length of a colour sequence, 0 = it is none. */
static size_t color(const unsigned char *p, const unsigned char *end)
{
	const unsigned char *at = p + 2;

	if (end - p < 3 || p[0] != 033 || p[1] != '[')
		return 0;
	while (at < end && ((*at >= '0' && *at <= '9') || *at == ';'))
		at++;
	return at < end && *at == 'm' ? (size_t)(at - p) + 1 : 0;
}

static void check(const char *what, const struct strbuf *out, int colored, int for_people)
{
	const unsigned char *p = (const unsigned char *)(out->len ? out->ptr : ""), *end = p + out->len;
	uint32_t c = 0;
	size_t n;

	REQUIRE(!out->failed, what, out);
	for (; p < end; p += n) {
		n = colored ? color(p, end) : 0;
		if (n)
			continue;
		n = character(p, end, &c);
		REQUIRE(n, what, out);
		REQUIRE(c >= ' ' || c == '\n' || (c == '\t' && !for_people), what, out);
		REQUIRE(c < 0x7f || c > 0x9f, what, out);
		REQUIRE(!for_people || ((c < 0x202a || c > 0x202e) && (c < 0x2066 || c > 0x2069)), what, out);
	}
}

static void writers(const struct report *r)
{
	static const char *const names[] = {"text", "json", "markdown", "html"};
	struct strbuf out = {0};
	size_t i;
	int colored;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (colored = 0; colored < 2; colored++) {
			struct report_style style = {
				.top = 10, .color = colored, .width = colored ? 61 : 0, .whole = colored};

			strbuf_reset(&out);
			if (!report_writer_find(names[i])->write(r, &style, &out))
				check(names[i], &out, colored && i == 0, i == 0);
		}
	}
	strbuf_free(&out);
}

static void comparison(const struct report *a, const struct report *b)
{
	struct observation *none = observation_new();
	struct diff_options how = {.min_effect = 0.05};
	struct diff *d = diff_new(&(struct diff_side){a, none}, &(struct diff_side){b, none}, &how);
	struct report_style style = {.top = 10, .color = 1};
	struct strbuf out = {0};

	if (d && !diff_text(d, &style, &out))
		check("diff", &out, 1, 1);
	strbuf_reset(&out);
	if (d && !diff_json(d, &out))
		check("diff json", &out, 0, 0);
	strbuf_free(&out);
	diff_free(d);
	observation_free(none);
}

static void screen(const struct report *r, const uint8_t *data, size_t size)
{
	struct board *b = board_new(r->target);
	size_t count, i, k;

	if (!b || board_take(b, r) || board_output(b, (struct str){(const char *)data, size}))
		abort();
	for (k = 0; k < size && k < 24; k++) {
		const struct board_line *line =
			board_draw(b, 1 + data[k] % 40, 1 + data[k] * 7 % 150, &count);

		for (i = 0; line && i < count; i++)
			check("top", &line[i].text, 0, 1);
		board_key(b, k % 3 ? "fo?\r w/ sq"[data[k] % 10] : BOARD_KEY_UP + data[k] % 9);
	}
	board_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *s[STRINGS], *at = text;
	struct report r, plain = fixture_report();
	size_t i;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	/* Strings end at zero bytes; when there are no more, the last is used again. */
	for (i = 0; i < STRINGS; i++) {
		s[i] = at;
		if (at + strlen(at) + 1 < text + size)
			at += strlen(at) + 1;
	}
	r = fixture_hostile();
	r.target = s[0];
	r.host = s[1];
	r.service = s[2];
	r.queries.item->query = s[3];
	r.queries.item->summary = s[4];
	r.queries.item->call_site = s[5];
	r.findings.item->title = s[6];
	r.findings.item->evidence = s[7];
	r.findings.item->call_site = s[8];
	r.unit_shapes.item->process = s[9];
	r.error_groups.item->message = s[10];
	r.error_groups.item->code = s[11];
	r.functions.item->name = s[12];
	r.functions.item->module = s[13];
	r.coverage.item->subject = s[14];
	r.libraries.item->path = s[15];
	writers(&r);
	comparison(&r, &plain);
	comparison(&plain, &r);
	screen(&r, data, size);
	free(text);
	return 0;
}
