/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/format.h"

#include <stdio.h>
#include <string.h>

/* Small results that callers put into one line. */
static char *next_result(void)
{
	static _Thread_local char results[8][32];
	static _Thread_local unsigned int next;

	return results[next++ % 8];
}

/* Three significant digits of a value below 1000. */
static const char *three_digits(double value, const char *unit)
{
	char *out = next_result();

	snprintf(out, 32, value < 9.995 ? "%.2f %s" : value < 99.95 ? "%.1f %s" : "%.0f %s", value, unit);
	return out;
}

const char *format_count(uint64_t n)
{
	static const char *const units[] = {"k", "M", "G", "T", "P", "E"};
	double value = (double)n;
	char *out;
	size_t i;

	if (n < 10000) {
		out = next_result();
		snprintf(out, 32, "%llu", (unsigned long long)n);
		return out;
	}
	value /= 1000;
	for (i = 0; value >= 999.5 && i + 1 < sizeof(units) / sizeof(units[0]); i++)
		value /= 1000;
	return three_digits(value, units[i]);
}

const char *format_time(uint64_t ns)
{
	uint64_t seconds = (ns + 500000000) / 1000000000;
	char *out;

	if (seconds >= 100) {
		out = next_result();
		if (seconds < 3600)
			snprintf(out, 32, "%llu m %02llu s", (unsigned long long)(seconds / 60),
				 (unsigned long long)(seconds % 60));
		else
			snprintf(out, 32, "%llu h %02llu m", (unsigned long long)(seconds / 3600),
				 (unsigned long long)(seconds % 3600 / 60));
		return out;
	}
	if (ns >= 999500000)
		return three_digits((double)ns / 1e9, "s");
	if (ns >= 999500)
		return three_digits((double)ns / 1e6, "ms");
	if (ns >= 1000)
		return three_digits((double)ns / 1e3, "µs");
	out = next_result();
	snprintf(out, 32, "%llu ns", (unsigned long long)ns);
	return out;
}

const char *format_percent(double fraction)
{
	double percent = fraction * 100;
	char *out = next_result();

	if (!(percent > 0))
		snprintf(out, 32, "0 %%");
	else if (percent < 0.1)
		snprintf(out, 32, "<0.1 %%");
	else
		snprintf(out, 32, percent < 9.95 ? "%.1f %%" : "%.0f %%", percent);
	return out;
}

const char *format_id(uint64_t fingerprint, int digits)
{
	char *out = next_result();

	snprintf(out, 32, "%016llx", (unsigned long long)fingerprint);
	out[digits] = '\0';
	return out;
}

/* Columns of one character, after Unicode's EastAsianWidth (wide and fullwidth
 * blocks) and combining marks. */
static size_t char_columns(uint32_t c)
{
	static const struct {
		uint32_t first, last;
		uint8_t columns;
	} blocks[] = {
		{0x300, 0x36f, 0},     {0x1100, 0x115f, 2}, {0x200b, 0x200f, 0}, {0x202a, 0x202e, 0},
		{0x2e80, 0xa4cf, 2},   {0xac00, 0xd7a3, 2}, {0xf900, 0xfaff, 2}, {0xfe00, 0xfe0f, 0},
		{0xfe30, 0xfe6f, 2},   {0xff00, 0xff60, 2}, {0xffe0, 0xffe6, 2}, {0x1f300, 0x1faff, 2},
		{0x20000, 0x3fffd, 2},
	};
	size_t i;

	for (i = 0; i < sizeof(blocks) / sizeof(blocks[0]) && c >= blocks[i].first; i++)
		if (c <= blocks[i].last)
			return blocks[i].columns;
	return 1;
}

/* Bytes of the character at s[0..len), which is valid UTF-8. */
static size_t next_char(const char *s, size_t len, uint32_t *c)
{
	unsigned char b = (unsigned char)s[0];
	size_t n = b < 0x80 ? 1 : b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : 2, i;

	*c = n == 1 ? b : b & (0x7fu >> n);
	for (i = 1; i < n && i < len; i++)
		*c = *c << 6 | ((unsigned char)s[i] & 0x3f);
	return i;
}

size_t format_columns(const char *s, size_t len)
{
	size_t sum = 0, i = 0;
	uint32_t c;

	while (i < len) {
		i += next_char(s + i, len - i, &c);
		sum += char_columns(c);
	}
	return sum;
}

/*
 * Characters that change the direction of what follows could make a line read as something else (Trojan
 * Source, CVE-2021-42574); they are as unwelcome on a terminal as escapes.
 */
static int reorders(const char *s, size_t len)
{
	uint32_t c;

	if (len < 3 || (unsigned char)s[0] != 0xe2)
		return 0;
	next_char(s, len, &c);
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void format_line(struct strbuf *out, const char *s)
{
	size_t start = out->len, from, to;
	int blank = 1;

	strbuf_add_clean(out, str_from(s), 1);
	if (out->failed || out->len == start)
		return;
	for (from = to = start; from < out->len; from++) {
		char c = out->ptr[from];

		if (c == '\n' || c == '\t')
			c = ' ';
		if (c == ' ' && blank)
			continue;
		blank = c == ' ';
		if (reorders(out->ptr + from, out->len - from)) {
			from += 2;
			c = '?';
		}
		out->ptr[to++] = c;
	}
	while (to > start && out->ptr[to - 1] == ' ')
		to--;
	out->len = to;
	out->ptr[to] = '\0';
}

/* Whether the blank at s[i] stands between a number and its unit: no place for a line break. */
static int joins_unit(const char *s, size_t len, size_t i)
{
	static const char *const units[] = {"%", "k", "M", "G", "ns", "µs", "ms", "s", "m", "h", "MB", "Hz"};
	size_t end = i + 1, u;

	if (!i || s[i - 1] < '0' || s[i - 1] > '9')
		return 0;
	while (end < len && !strchr(" ,;:.)", s[end]))
		end++;
	for (u = 0; u < sizeof(units) / sizeof(units[0]); u++)
		if (strlen(units[u]) == end - i - 1 && !memcmp(units[u], s + i + 1, end - i - 1))
			return 1;
	return 0;
}

size_t format_fitting(const char *s, size_t len, size_t columns)
{
	size_t i = 0, used = 0, blank = 0;
	uint32_t c;

	while (i < len) {
		size_t n = next_char(s + i, len - i, &c), w = char_columns(c);

		if (c == ' ' && used * 4 >= columns && !joins_unit(s, len, i))
			blank = i;
		if (used + w > columns)
			return blank ? blank : i;
		used += w;
		i += n;
	}
	return len;
}

void format_line_cut(struct strbuf *out, const char *s, size_t columns)
{
	size_t start = out->len, keep;

	format_line(out, s);
	if (out->failed || format_columns(out->ptr + start, out->len - start) <= columns)
		return;
	keep = format_fitting(out->ptr + start, out->len - start, columns > 2 ? columns - 2 : 0);
	out->len = start + keep;
	out->ptr[out->len] = '\0';
	strbuf_adds(out, keep && out->ptr[out->len - 1] != ' ' ? " …" : "…");
}

const char *format_severity_sgr(enum severity severity)
{
	static const char *const sgr[] = {
		[SEVERITY_INFO] = "2",	[SEVERITY_LOW] = "36",	      [SEVERITY_MEDIUM] = "33",
		[SEVERITY_HIGH] = "31", [SEVERITY_CRITICAL] = "1;31",
	};

	return (size_t)severity < sizeof(sgr) / sizeof(sgr[0]) ? sgr[severity] : "1";
}
