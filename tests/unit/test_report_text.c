/* SPDX-License-Identifier: BSD-2-Clause */
/* The report for people: what it says first, what it never leaves out, and that no line hurts a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "record.h"
#include "report/format.h"
#include "report/report.h"
#include "report_fixture.h"

/* The report as text; the caller frees. */
static char *text_with(const struct report *r, struct report_style style)
{
	struct strbuf out = {0};

	assert_int_equal(report_writer_find("text")->write(r, &style, &out), 0);
	assert_non_null(out.ptr);
	assert_int_equal(strlen(out.ptr), out.len);
	return out.ptr;
}

static char *text_of(const struct report *r, int width, int color, uint32_t top)
{
	return text_with(r, (struct report_style){.top = top, .color = color, .width = width});
}

static void has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("'%s' is missing in:\n%s", what, text);
}

static void has_not(const char *text, const char *what)
{
	if (strstr(text, what))
		fail_msg("'%s' is in:\n%s", what, text);
}

/* Each of the words comes after the one before it. */
static void in_order(const char *text, const char *const *words)
{
	for (; *words; words++) {
		const char *at = strstr(text, *words);

		if (!at)
			fail_msg("'%s' is missing or too early", *words);
		text = at + strlen(*words);
	}
}

static void test_order(void **state)
{
	static const char *const order[] = {
		"3 findings (1 critical, 1 high, 1 medium)",
		"in at least 1246 statements over 10.0 s",
		"Fix first: N+1: users is read once per row of orders",
		"Counts are lower bounds: events lost because the ring buffer was full (12)",
		"FINDINGS",
		"1 CRITICAL  N+1",
		"cost        2.30 s, 46 % of all database time; would save about 2.07 s",
		"query       [5f3a0c11] SELECT * FROM users WHERE id = ?",
		"called by   load_user+0x42 (shop)",
		"fix         Load the users of all orders with one query",
		"2 HIGH",
		"3 MEDIUM",
		"certainty   likely",
		"SUMMARY",
		"--pid 1234 on web-1",
		"2026-11-21T21:17:00Z for 10.0 s",
		"libpq 5.15, sqlite3 3.40.1",
		"still running at the end 1",
		"TOP QUERIES",
		"5f3a0c11",
		"00ab00cd",
		"(1 still running)",
		"N+1 QUERIES",
		"after       [00ab00cd]",
		"repeats     [5f3a0c11]",
		"SLOW STATEMENTS",
		"432 ms  21:17:03.120",
		">220 ms",
		"ERRORS",
		"SQLITE_CONSTRAINT_UNIQUE  21:17:09.250",
		"UNIQUE constraint failed: carts.id",
		"UNITS OF WORK",
		"shop: SELECT orders order_items (likely: found by gaps)",
		"HOT FUNCTIONS",
		"std::vector<Price>::push_back(Price const&) (shop)",
		"BOTTLENECKS",
		"LOSSES",
		"COST OF TRACING",
		"memory 11.2 MB",
		"COVERAGE",
		"stripped: no symbol sqlite3_step",
		NULL,
	};
	struct report r = fixture_report();
	char *text = text_of(&r, 80, 0, 10);

	in_order(text, order);
	free(text);
}

static void check_lines(const char *text, size_t width)
{
	while (*text) {
		const char *end = strchr(text, '\n');
		size_t len;

		assert_non_null(end);
		len = (size_t)(end - text);
		if (format_columns(text, len) > width)
			fail_msg("wider than %zu: %.*s", width, (int)len, text);
		if (len && text[len - 1] == ' ')
			fail_msg("ends with a blank: %.*s", (int)len, text);
		text = end + 1;
	}
}

static void test_widths(void **state)
{
	static const int widths[] = {80, 100, 132, 200};
	struct report reports[] = {fixture_report(), fixture_empty(0), fixture_empty(1)};
	size_t i, j;

	for (i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		for (j = 0; j < sizeof(reports) / sizeof(reports[0]); j++) {
			char *text = text_of(&reports[j], widths[i], 0, 10);

			check_lines(text, (size_t)widths[i]);
			free(text);
		}
	}
}

/* A terminal of 40 columns gets lines of 80: half a table helps nobody. */
static void test_narrow(void **state)
{
	struct report r = fixture_report();
	char *narrow = text_of(&r, 40, 0, 10), *normal = text_of(&r, 80, 0, 10);

	assert_string_equal(narrow, normal);
	free(narrow);
	free(normal);
}

static void test_wide_uses_space(void **state)
{
	struct report r = fixture_report();
	char *text = text_of(&r, 200, 0, 10);

	/* The statement stands beside its figures. */
	has(text, "12.3 ms    1200    -  SELECT * FROM users WHERE id = ?\n");
	free(text);
}

static void test_color(void **state)
{
	struct report r = fixture_report();
	char *plain = text_of(&r, 80, 0, 10), *colored = text_of(&r, 80, 1, 10), *from, *to;

	has_not(plain, "\033");
	has(colored, "\033[1;31mCRITICAL\033[0m");
	for (from = to = colored; *from;) {
		if (*from == '\033') {
			from += strcspn(from, "m") + 1;
			continue;
		}
		*to++ = *from++;
	}
	*to = '\0';
	assert_string_equal(plain, colored);
	free(plain);
	free(colored);
}

/* Line breaks and indents as single blanks: what a wrapped text says. */
static void unwrap(char *text)
{
	char *to = text;

	for (; *text; text++)
		if (*text != '\n' && (*text != ' ' || (to[-1] != ' ')))
			*to++ = *text;
		else if (*text == '\n' && to[-1] != ' ')
			*to++ = ' ';
	*to = '\0';
}

static void test_long_statements(void **state)
{
	struct report r = fixture_report();
	char *cut = text_of(&r, 80, 0, 10), *whole;

	whole = text_with(&r, (struct report_style){.top = 10, .width = 80, .whole = 1});
	check_lines(whole, 80);
	unwrap(cut);
	unwrap(whole);
	has(cut, "…");
	has_not(cut, r.queries.item[1].query);
	has(whole, r.queries.item[1].query);
	has_not(cut, "5f3a0c1122334455");
	free(cut);
	free(whole);
	/* Query ids are whole too where there is room. */
	whole = text_with(&r, (struct report_style){.top = 10, .width = 100, .whole = 1});
	check_lines(whole, 100);
	has(whole, "5f3a0c1122334455");
	free(whole);
}

static void test_top(void **state)
{
	struct report r = fixture_report();
	char *text = text_of(&r, 80, 0, 2);

	has(text, "TOP QUERIES  2 of 3, by total time");
	has(text, "… and 1 more: --top 3 shows them");
	has_not(text, "3 MEDIUM");
	/* The headline still counts all. */
	has(text, "3 findings");
	free(text);

	/* More than the list keeps. */
	r.queries_seen = 250;
	text = text_of(&r, 80, 0, 2);
	has(text, "TOP QUERIES  2 of 250, by total time");
	has(text, "… and 248 more: --top 250 shows them");
	free(text);
}

static void test_no_findings(void **state)
{
	struct report r = fixture_report();
	char *text;

	r.findings.count = 0;
	text = text_of(&r, 80, 0, 10);
	has(text, "No findings in at least 1246 statements over 10.0 s: none took 100 ms or longer");
	has_not(text, "\nFINDINGS");
	has_not(text, "Fix first");
	free(text);
}

static void test_no_statements(void **state)
{
	struct report r = fixture_empty(0);
	char *text = text_of(&r, 80, 0, 10);

	has(text, "No SQL statement was seen in 5.00 s.");
	has(text, "No supported client library was found");
	has(text, "no library");
	has(text, "LOSSES  no losses");
	has_not(text, "TOP QUERIES");
	has_not(text, "lower bounds");
	free(text);
	r = fixture_empty(1);
	text = text_of(&r, 80, 0, 10);
	has(text, "No SQL statement was seen");
	has(text, "the target made no call");
	has_not(text, "No supported client library");
	free(text);
	/* A statement that hangs is something seen. */
	r.running = 1;
	text = text_of(&r, 80, 0, 10);
	has_not(text, "No SQL statement was seen");
	free(text);
}

static void test_warnings(void **state)
{
	struct report r = fixture_report();
	char *text;

	r.truncated = 1;
	r.regrouped = 1;
	text = text_of(&r, 80, 0, 10);
	has(text, "! The capture was cut short");
	has(text, "! Queries were grouped anew");
	free(text);
	r = fixture_report();
	r.lower_bounds = 0;
	memset(r.losses, 0, sizeof(r.losses));
	r.late_attach_ns = 0;
	text = text_of(&r, 80, 0, 10);
	has_not(text, "!");
	has_not(text, "at least");
	has(text, "LOSSES  no losses");
	free(text);
}

static void test_every_loss(void **state)
{
	int c;

	for (c = 0; c < APM_CNT_MAX; c++) {
		struct report r = fixture_empty(1);
		char name[64], *text;

		r.losses[c] = 7;
		text = text_of(&r, 200, 0, 10);
		snprintf(name, sizeof(name), "(%s)", counter_name((enum apm_counter)c));
		if (report_is_loss((enum apm_counter)c)) {
			has(text, name);
			has(text, counter_text((enum apm_counter)c));
			has_not(text, "no losses");
		} else {
			has(text, "no losses");
		}
		if (counter_lossy((enum apm_counter)c))
			has(text, "lower bounds");
		free(text);
	}
}

static void test_hostile(void **state)
{
	static const int widths[] = {0, 80, 200};
	struct report r = fixture_hostile();
	size_t i;

	for (i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		char *text = text_of(&r, widths[i], 0, 10);
		struct strbuf clean = {0};
		const char *p;

		for (p = text; *p; p++)
			if (((unsigned char)*p < 0x20 && *p != '\n') || *p == 0x7f)
				fail_msg("control character %02x", *p);
		/* Cleaning what is clean changes nothing: valid UTF-8 without C1. */
		strbuf_add_clean(&clean, str_from(text), 1);
		assert_string_equal(clean.ptr, text);
		has_not(text, "\xe2\x80\xae");
		strbuf_free(&clean);
		free(text);
	}
}

/* All that may be missing is missing. */
static void test_bare(void **state)
{
	static struct report_query query;
	static struct report_slow slow;
	static struct report_n_plus_one n;
	static struct report_unit unit;
	static struct report_error error;
	static struct report_finding finding;
	static struct report_function function;
	static struct report_coverage coverage = {.kind = "library"};
	static struct report_library library = {.name = "libpq"};
	struct report r = {
		.queries = {1, &query},
		.slow = {1, &slow},
		.n_plus_one = {1, &n},
		.unit_shapes = {1, &unit},
		.error_groups = {1, &error},
		.findings = {1, &finding},
		.functions = {1, &function},
		.coverage = {1, &coverage},
		.libraries = {1, &library},
	};
	char *text = text_of(&r, 80, 0, 10);

	has(text, "1 finding (1 info)");
	has_not(text, "(null)");
	free(text);
}

static void test_figures(void **state)
{
	static const struct {
		uint64_t n;
		const char *count, *time;
	} cases[] = {
		{0, "0", "0 ns"},
		{999, "999", "999 ns"},
		{1000, "1000", "1.00 µs"},
		{9999, "9999", "10.0 µs"},
		{10000, "10.0 k", "10.0 µs"},
		{12345, "12.3 k", "12.3 µs"},
		{999499, "999 k", "999 µs"},
		{999500, "1.00 M", "1.00 ms"},
		{1230000, "1.23 M", "1.23 ms"},
		{999499999, "999 M", "999 ms"},
		{999500000, "1.00 G", "1.00 s"},
		{12345678901, "12.3 G", "12.3 s"},
		{99499999999, "99.5 G", "99.5 s"},
		{99500000000, "99.5 G", "1 m 40 s"},
		{123000000000, "123 G", "2 m 03 s"},
		{3720000000000, "3.72 T", "1 h 02 m"},
		{UINT64_MAX, "18.4 E", NULL},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(format_count(cases[i].n), cases[i].count);
		if (cases[i].time)
			assert_string_equal(format_time(cases[i].n), cases[i].time);
	}
	assert_string_equal(format_percent(0), "0 %");
	assert_string_equal(format_percent(0.0004), "<0.1 %");
	assert_string_equal(format_percent(0.0123), "1.2 %");
	assert_string_equal(format_percent(0.454), "45 %");
	assert_string_equal(format_percent(1), "100 %");
	assert_string_equal(format_percent(0.0 / 0.0), "0 %");
	assert_string_equal(format_id(0x00ab00cd00ef0012, 8), "00ab00cd");
	assert_string_equal(format_id(0x00ab00cd00ef0012, 16), "00ab00cd00ef0012");
}

static void test_cut(void **state)
{
	static const struct {
		const char *in;
		size_t columns;
		const char *out;
	} cases[] = {
		{"SELECT id FROM users", 20, "SELECT id FROM users"},
		{"SELECT id FROM users", 19, "SELECT id FROM …"},
		{"SELECT  id\n\tFROM users", 20, "SELECT id FROM users"},
		{"  a  ", 5, "a"},
		{"", 5, ""},
		{NULL, 5, ""},
		{"abcdefghijklmnop", 10, "abcdefgh …"},
		/* Wide characters take two columns. */
		{"表表表表表表", 12, "表表表表表表"},
		{"表表表表表表", 11, "表表表表 …"},
		/* No break between a number and its unit. */
		{"it took 12 ms there", 12, "it took …"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct strbuf out = {0};

		format_line_cut(&out, cases[i].in, cases[i].columns);
		assert_string_equal(out.ptr ? out.ptr : "", cases[i].out);
		assert_true(format_columns(out.ptr ? out.ptr : "", out.len) <= cases[i].columns);
		strbuf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),	      cmocka_unit_test(test_widths),
		cmocka_unit_test(test_narrow),	      cmocka_unit_test(test_wide_uses_space),
		cmocka_unit_test(test_color),	      cmocka_unit_test(test_long_statements),
		cmocka_unit_test(test_top),	      cmocka_unit_test(test_no_findings),
		cmocka_unit_test(test_no_statements), cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_every_loss),    cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_bare),	      cmocka_unit_test(test_figures),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
