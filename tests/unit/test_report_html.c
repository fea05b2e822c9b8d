/* SPDX-License-Identifier: BSD-2-Clause */
/* The report as an HTML page: its parts, foreign text that stays text, and what a browser makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <math.h>
#include <cmocka.h>

#include "profile/profile.h"
#include "report/html.h"
#include "report/report.h"
#include "report_fixture.h"
#include "skip.h"

static char folder[] = "/tmp/apm-test-html-XXXXXX";

static int make_folder(void **state)
{
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static struct strbuf written(const struct report *r, uint32_t top, const struct stacks *stacks)
{
	const struct report_style style = {.top = top, .stacks = stacks};
	struct strbuf out = {0};

	assert_int_equal(report_writer_find("html")->write(r, &style, &out), 0);
	return out;
}

static void has(const struct strbuf *out, const char *part)
{
	if (!strstr(out->ptr, part))
		fail_msg("'%s' is not in:\n%s", part, out->ptr);
}

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)); text++)
		n++;
	return n;
}

static void says(void **state)
{
	struct report r = fixture_report();
	struct strbuf out = written(&r, 10, NULL);

	has(&out, "<h1>3 findings in at least 1246 statements over 10.0 s</h1>");
	has(&out, "<p class=\"warning\">Counts are lower bounds: events lost because the ring buffer was "
		  "full (12)");
	has(&out, "<li class=\"finding critical\"><h3><span class=\"badge\">critical</span> N+1: users");
	has(&out, "<dt>cost</dt><dd>2.30 s, 46 % of all database time; would save about 2.07 s</dd>");
	has(&out, "<tr id=\"q-5f3a0c1122334455\"><td class=\"id\"><code>5f3a0c11</code></td>");
	has(&out, "<td class=\"id\"><a href=\"#q-00ab00cd00ef0012\"><code>00ab00cd</code></a></td>");
	has(&out, "<title>minimum 1.10 ms, p50 1.80 ms, p95 3.10 ms, p99 8.02 ms, maximum 12.3 ms</title>");
	assert_int_equal(count_of(out.ptr, "class=\"strip\""), 3);
	/* A line of two pieces: nothing ran in the second slot. */
	has(&out,
	    "<path d=\"M2.0 6.9M278.0 2.0\"/></svg><figcaption>p95: at most 3.60 ms in 5.00 s</figcaption>");
	assert_int_equal(count_of(out.ptr, "class=\"spark\""), 4);
	/* No graph, no frame, and no right to run a script. */
	assert_null(strstr(out.ptr, "<iframe"));
	assert_null(strstr(out.ptr, "script-src"));
	strbuf_free(&out);
}

static void cuts_to_top(void **state)
{
	struct report r = fixture_report();
	struct strbuf out = written(&r, 1, NULL);

	has(&out, "<p class=\"note\">… and 2 more (--top)</p>");
	/* A link to a row that is not there would lead nowhere. */
	assert_null(strstr(out.ptr, "#q-00ab00cd00ef0012"));
	strbuf_free(&out);
	r = fixture_empty(0);
	out = written(&r, 10, NULL);
	has(&out, "<h1>No SQL statement was seen in 5.00 s</h1>");
	assert_null(strstr(out.ptr, "<table"));
	strbuf_free(&out);
}

static void hostile_text_stays_text(void **state)
{
	struct report r = fixture_hostile(), plain = fixture_report();
	struct strbuf out = written(&r, 10, NULL), one = written(&plain, 1, NULL);

	assert_null(strstr(out.ptr, "<b>\"'"));
	has(&out, "&#60;b&#62;&#34;&#39;&#38;");
	assert_null(strchr(out.ptr, '\033'));
	assert_null(strchr(out.ptr, '\007'));
	assert_null(strstr(out.ptr, "\xc2\x9b"));
	assert_null(strstr(out.ptr, "\xe2\x80\xae"));
	/* The same elements as a harmless report with as many rows, but for losses: 3, not 1. */
	assert_int_equal(count_of(out.ptr, "<tr"), count_of(one.ptr, "<tr") + 2);
	assert_int_equal(count_of(out.ptr, "<h2>"), count_of(one.ptr, "<h2>"));
	assert_int_equal(count_of(out.ptr, "<script"), 0);
	strbuf_free(&out);
	strbuf_free(&one);
}

static struct stacks *some_stacks(void)
{
	const char *const frames[] = {"main", "</iframe><script>alert(1)</script>", "memcpy"};
	struct stacks *st = stacks_new(100);

	assert_non_null(st);
	assert_int_equal(stacks_add(st, frames, 3, 60), 0);
	assert_int_equal(stacks_add(st, frames, 1, 40), 0);
	return st;
}

static void flame_graph_is_inside(void **state)
{
	struct stacks *st = some_stacks();
	struct report r = fixture_report();
	struct strbuf out = written(&r, 10, st), svg = {0};
	char *data;

	has(&out, "<iframe title=\"CPU flame graph\" sandbox=\"allow-scripts\" "
		  "src=\"data:image/svg+xml;base64,PD94");
	assert_int_equal(count_of(out.ptr, "<script"), 0);
	data = strstr(out.ptr, "base64,") + strlen("base64,");
	/* Base 64 of n bytes is 4 characters for 3 of them, rounded up. */
	assert_int_equal(
		stacks_add_svg(st, &(struct flame_options){.title = r.target, .unit = "samples"}, &svg), 0);
	assert_int_equal(strcspn(data, "\""), (svg.len + 2) / 3 * 4);
	strbuf_free(&svg);
	strbuf_free(&out);
	stacks_free(st);
}

/* Opens the page from disk. `dom` and what the browser had to complain about are left in the folder. */
static char *in_browser(const struct strbuf *page, const char *want)
{
	static char text[1 << 20];
	char command[1024], path[64];
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "%s/page.html", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(page->ptr, 1, page->len, file), page->len);
	fclose(file);
	snprintf(command, sizeof(command),
		 "timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
		 "--disable-background-networking --disable-component-update --disable-sync "
		 "--enable-logging=stderr --user-data-dir=%s/chromium --virtual-time-budget=3000 "
		 "--window-size=1220,900 --dump-dom 'file://%s' >%s/dom 2>%s/log",
		 folder, path, folder, folder);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/%s", folder, want);
	file = fopen(path, "r");
	assert_non_null(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

/* What a colour of the style's nth scheme is. */
static double luminance(const char *name, int scheme)
{
	const char *at = html_style;
	double sum = 0;
	unsigned int rgb;
	int i;

	for (i = 0; i <= scheme; i++) {
		at = strstr(at, name);
		assert_non_null(at);
		at += strlen(name);
	}
	at = strchr(at, '#') + 1;
	rgb = (unsigned int)strtoul(at, NULL, 16);
	if (strspn(at, "0123456789abcdef") == 3)
		rgb = (rgb >> 8) * 0x110000 + (rgb >> 4 & 15) * 0x1100 + (rgb & 15) * 0x11;
	/* WCAG 2.1, relative luminance */
	for (i = 0; i < 3; i++) {
		static const double weight[] = {0.2126, 0.7152, 0.0722};
		double c = (rgb >> (16 - 8 * i) & 255) / 255.0;

		sum += weight[i] * (c <= 0.03928 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4));
	}
	return sum;
}

/* WCAG 2.1, 1.4.3: at least 4.5 for text. */
static void is_readable(double one, double other, const char *what)
{
	double contrast = one > other ? (one + 0.05) / (other + 0.05) : (other + 0.05) / (one + 0.05);

	if (contrast < 4.5)
		fail_msg("%s: contrast %.2f", what, contrast);
}

static void contrast(void **state)
{
	static const char *const text[] = {"--text: ", "--faint: ", "--bar: ", "--accent: "};
	static const char *const badges[] = {
		".badge { color: #fff; background: ", ".critical .badge { background: ",
		".high .badge { background: ", ".medium .badge { background: ", ".low .badge { background: "};
	size_t i;
	int scheme;

	for (scheme = 0; scheme < 2; scheme++) {
		for (i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
			is_readable(luminance(text[i], scheme), luminance("--paper: ", scheme), text[i]);
			is_readable(luminance(text[i], scheme), luminance("--card: ", scheme), text[i]);
		}
	}
	for (i = 0; i < sizeof(badges) / sizeof(badges[0]); i++)
		is_readable(1, luminance(badges[i], 0), badges[i]);
}

/* Every place that is linked to is there, and what scrolls takes the keyboard. */
static void can_be_walked_through(void **state)
{
	struct report r = fixture_report();
	struct stacks *st = some_stacks();
	struct strbuf out = written(&r, 3, st);
	const char *at;
	int links = 0;

	for (at = out.ptr; (at = strstr(at, "href=\"#")); links++) {
		char want[64];

		at += strlen("href=\"#");
		snprintf(want, sizeof(want), " id=\"%.*s\"", (int)strcspn(at, "\""), at);
		has(&out, want);
	}
	assert_true(links > 8);
	assert_int_equal(count_of(out.ptr, "<table>"), count_of(out.ptr, "tabindex=\"0\" aria-label="));
	assert_int_equal(count_of(out.ptr, "<th>"), 0);
	has(&out, "<html lang=\"en\">");
	strbuf_free(&out);
	stacks_free(st);
}

static void opens_in_a_browser(void **state)
{
	struct stacks *st = some_stacks();
	struct report r = fixture_hostile();
	struct strbuf out = written(&r, 10, st);
	char *text;

	if (system("command -v chromium >/dev/null 2>&1") != 0) {
		strbuf_free(&out);
		stacks_free(st);
		skip_because("chromium is not installed");
	}
	text = in_browser(&out, "log");
	/* What the page's policy refuses, scripts' errors, and anything asked of the network. */
	assert_null(strstr(text, "Refused to"));
	assert_null(strstr(text, "Uncaught"));
	text = in_browser(&out, "dom");
	assert_non_null(strstr(text, "<section id=\"flame\">"));
	assert_non_null(strstr(text, "&lt;b&gt;"));
	assert_int_equal(count_of(text, "<b>"), 6); /* the cards */
	assert_null(strstr(text, "<script"));
	strbuf_free(&out);
	stacks_free(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says),
		cmocka_unit_test(cuts_to_top),
		cmocka_unit_test(hostile_text_stays_text),
		cmocka_unit_test(flame_graph_is_inside),
		cmocka_unit_test(contrast),
		cmocka_unit_test(can_be_walked_through),
		cmocka_unit_test(opens_in_a_browser),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
