/* SPDX-License-Identifier: BSD-2-Clause */
/* The flame graph: well-formed whatever frames are called, and alive in a browser. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "profile/profile.h"
#include "report/svg.h"
#include "skip.h"

static const struct flame_options options = {
	.title = "a <title> & \"more\"", .subtitle = "sub]]>title\x01", .unit = "samples"};

static char dir[] = "/tmp/apm-svg-XXXXXX";

static void write_svg(const struct stacks *st, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(stacks_write_svg(st, &options, fd), 0);
	close(fd);
}

static char *read_file(const char *name)
{
	static char text[1 << 20];
	char path[64];
	size_t len;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	in = fopen(path, "r");
	assert_non_null(in);
	len = fread(text, 1, sizeof(text) - 1, in);
	text[len] = '\0';
	fclose(in);
	return text;
}

static int has_program(const char *name)
{
	char command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", name);
	return system(command) == 0;
}

static void assert_well_formed(const char *name)
{
	char command[128];

	if (!has_program("xmllint"))
		skip_because("xmllint is not installed");
	snprintf(command, sizeof(command), "xmllint --noout %s/%s", dir, name);
	assert_int_equal(system(command), 0);
}

static void add(struct stacks *st, uint64_t weight, size_t count, ...)
{
	const char *frames[16];
	va_list ap;
	size_t i;

	va_start(ap, count);
	for (i = 0; i < count; i++)
		frames[i] = va_arg(ap, const char *);
	va_end(ap);
	assert_int_equal(stacks_add(st, frames, count, weight), 0);
}

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;

	while ((text = strstr(text, part))) {
		text++;
		n++;
	}
	return n;
}

static const char *const hostile[] = {
	"<script>alert(1)</script>",
	"]]>",
	"<![CDATA[",
	"</title></g></svg>",
	"a&amp;b & c",
	"\"onload=\"x",
	"' onclick='x",
	"--> <!--",
	"<?xml?>",
	"\xff\xfe\x80 broken",
	"\xc0\xaf",
	"\xed\xa0\x80",
	"\xef\xbf\xbe",
	"\xef\xbf\xbf",
	"\x01\x02\x1b[31m",
	"line\nbreak\r\ttab",
	"del\x7f",
	"a;b;c",
	"&#0;",
	"\xf0\x9f\x94\xa5 fire",
	"\xe5\xad\x97\xe5\xad\x97\xe5\xad\x97\xe5\xad\x97",
	"",
	"%s%n",
	"\\u003cb\\u003e",
};

static void hostile_names(void **state)
{
	struct stacks *st = stacks_new(1000);
	char *text, *script;
	size_t i;

	for (i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
		add(st, 1 + i, 3, "root", hostile[i], hostile[(i + 1) % 24]);
	write_svg(st, "hostile.svg");
	text = read_file("hostile.svg");
	/* The one script is the last thing in the file, and nothing in front of it is
	 * another element than expected. */
	assert_int_equal(count_of(text, "<script"), 1);
	script = strstr(text, "<script");
	*script = '\0';
	assert_int_equal(count_of(text, "onload=\""), 0);
	assert_int_equal(count_of(text, "onclick='"), 0);
	assert_int_equal(count_of(text, "<![CDATA["), 1);
	assert_int_equal(count_of(text, "]]>"), 1);
	assert_int_equal(count_of(text, "\x1b"), 0);
	assert_int_equal(count_of(text, "\xef\xbf\xbe"), 0);
	assert_int_equal(count_of(text, "\xef\xbf\xbf"), 0);
	assert_true(count_of(text, "&#60;script&#62;alert(1)") >= 1);
	assert_well_formed("hostile.svg");
	stacks_free(st);
}

static void random_names(void **state)
{
	struct stacks *st = stacks_new(1000);
	unsigned int seed = 7;
	int i, k;

	for (i = 0; i < 500; i++) {
		char name[24];

		for (k = 0; k < 23; k++)
			name[k] = (char)(1 + rand_r(&seed) % 255);
		name[23] = '\0';
		add(st, 1, 2, "root", name);
	}
	write_svg(st, "random.svg");
	assert_well_formed("random.svg");
	stacks_free(st);
}

static void no_samples(void **state)
{
	struct stacks *st = stacks_new(10);
	char *text;

	write_svg(st, "empty.svg");
	text = read_file("empty.svg");
	assert_non_null(strstr(text, ">no samples</text>"));
	assert_null(strstr(text, "<g data-v="));
	assert_well_formed("empty.svg");
	stacks_free(st);
}

static void boxes(void **state)
{
	struct stacks *st = stacks_new(1000);
	char *text, *again;

	add(st, 75000, 2, "a", "b");
	add(st, 24999, 2, "a", "c");
	add(st, 1, 1, "too_narrow_to_see");
	write_svg(st, "boxes.svg");
	text = read_file("boxes.svg");
	assert_int_equal(count_of(text, "<g data-v="), 4);
	assert_non_null(strstr(text, "<g data-v=\"0 100000 0\"><title>all\n100000 samples, 100.00 %</title>"
				     "<rect x=\"10.00\" y=\"92\" width=\"1179.50\""));
	assert_non_null(
		strstr(text, "<g data-v=\"0 99999 1\"><title>a\n99999 samples, 100.00 %, native</title>"));
	assert_non_null(strstr(text,
			       "<g data-v=\"0 75000 2\"><title>b\n75000 samples, 75.00 %, native</title>"
			       "<rect x=\"10.00\" y=\"128\" width=\"884.50\""));
	assert_non_null(strstr(text, "<g data-v=\"75000 24999 2\"><title>c\n"));
	assert_null(strstr(text, "too_narrow"));
	/* The same samples give the same bytes. */
	again = strdup(text);
	write_svg(st, "boxes.svg");
	assert_string_equal(read_file("boxes.svg"), again);
	free(again);
	stacks_free(st);
}

static void deep_graph_is_tall(void **state)
{
	const char *frames[600];
	struct stacks *st = stacks_new(10);
	size_t i;

	for (i = 0; i < 600; i++)
		frames[i] = "recursion";
	assert_int_equal(stacks_add(st, frames, 600, 1), 0);
	write_svg(st, "deep.svg");
	assert_non_null(strstr(read_file("deep.svg"), "height=\"10920\""));
	stacks_free(st);
}

static void kinds_and_colors(void **state)
{
	static const struct {
		const char *name, *word, *plain;
	} cases[] = {
		{"malloc", "native", "malloc"},
		{"do_syscall_64_[k]", "kernel", "do_syscall_64"},
		{"JS:~f a.js:1_[j]", "JIT", "JS:~f a.js:1"},
		{"handler_[i]", "interpreted", "handler"},
		{"SELECT ?::int_[q]", "query", "SELECT ?::int"},
		{"std::sort", "C++, Rust", "std::sort"},
		{"libz.so.1+0x12ab", "no name", "libz.so.1+0x12ab"},
		{"[unknown]", "no name", "[unknown]"},
		{"_[k]", "native", "_[k]"},
	};
	uint32_t colors[sizeof(cases) / sizeof(cases[0])];
	struct str plain;
	size_t i, k;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t kind = frame_kind_of(cases[i].name, &plain);

		assert_string_equal(frame_kinds[kind].word, cases[i].word);
		assert_true(str_eq(plain, str_from(cases[i].plain)));
		colors[i] = frame_color(kind, plain);
		assert_int_equal(colors[i], frame_color(kind, plain));
		/* Dark text is readable on it: relative luminance well above one half of white's. */
		assert_true((colors[i] >> 16) * 2126 + (colors[i] >> 8 & 0xff) * 7152 +
				    (colors[i] & 0xff) * 722 >
			    1100000);
		for (k = 0; k < i; k++)
			assert_true(colors[k] != colors[i]);
	}
}

static void full_disk(void **state)
{
	struct stacks *st = stacks_new(10);
	int fd = open("/dev/full", O_WRONLY);

	add(st, 1, 1, "a");
	assert_true(fd >= 0);
	assert_int_equal(stacks_write_svg(st, &options, fd), -ENOSPC);
	assert_int_equal(stacks_write_folded(st, fd), -ENOSPC);
	close(fd);
	stacks_free(st);
}

/* ---- in a browser ---- */

/* Puts a second script behind the graph's own, which acts as a user would and writes what
 * it sees into an attribute. */
static void add_driver(const char *from, const char *to, const char *script)
{
	char *text = read_file(from), *end = strstr(text, "</svg>"), path[64];
	FILE *out;

	assert_non_null(end);
	*end = '\0';
	snprintf(path, sizeof(path), "%s/%s", dir, to);
	out = fopen(path, "w");
	assert_non_null(out);
	fprintf(out, "%s<script><![CDATA[%s]]></script>\n</svg>\n", text, script);
	fclose(out);
}

/* The value of attribute data-seen after the page ran; NULL without a browser. */
static char *seen_in_browser(const char *name, const char *fragment)
{
	char command[1024], *text, *seen, *end;

	snprintf(command, sizeof(command),
		 "timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
		 "--disable-background-networking --disable-component-update --disable-sync "
		 "--user-data-dir=%s/chromium "
		 "--window-size=1220,600 --dump-dom 'file://%s/%s%s' >%s/dom 2>/dev/null",
		 dir, dir, name, fragment, dir);
	assert_int_equal(system(command), 0);
	text = read_file("dom");
	seen = strstr(text, " data-seen=\"");
	assert_non_null(seen);
	seen += strlen(" data-seen=\"");
	end = strchr(seen, '"');
	assert_non_null(end);
	*end = '\0';
	return seen;
}

static const char observe[] =
	"function frame(n) { return Array.from(document.querySelectorAll('#frames > g')).find(function (g) {"
	" return g.firstChild.textContent.indexOf(n + '\\n') === 0; }); }\n"
	"function width(n) { var g = frame(n); return g.style.display === 'none' ? 'hidden' :"
	" Math.round(g.querySelector('rect').getAttribute('width')); }\n"
	"function key(k, ctrl) { window.dispatchEvent(new KeyboardEvent('keydown', {key: k, ctrlKey: "
	"!!ctrl})); }\n"
	"function type(t) { var i = document.querySelector('input'); i.value = t; i.dispatchEvent(new "
	"Event('input')); }\n"
	"function note() { seen.push([].join.call(arguments, ' ')); }\n"
	"function text(id) { return document.getElementById(id).textContent; }\n"
	"var seen = [];\n";

static void browse(const char *actions, const char *fragment, const char *expected)
{
	struct stacks *st = stacks_new(1000);
	char script[4096];

	if (!has_program("chromium")) {
		stacks_free(st);
		skip_because("chromium is not installed");
	}
	add(st, 60, 3, "main", "query <b>", "memcpy");
	add(st, 20, 3, "main", "query <b>", "strlen");
	add(st, 10, 3, "main", "render", "memcpy");
	add(st, 10, 2, "other", "render");
	write_svg(st, "page.svg");
	stacks_free(st);
	snprintf(script, sizeof(script),
		 "%s%s;document.documentElement.setAttribute('data-seen', seen.join('|'));", observe,
		 actions);
	add_driver("page.svg", "driven.svg", script);
	assert_string_equal(seen_in_browser("driven.svg", fragment), expected);
}

static void browser_zooms(void **state)
{
	browse("note(width('main'), width('other'));"
	       "frame('query <b>').dispatchEvent(new MouseEvent('click'));"
	       "note(width('main'), width('query <b>'), width('memcpy'), width('strlen'), width('other'), "
	       "location.hash,"
	       "     text('details'));"
	       "key('Escape'); note(width('main'), width('other'), '[' + location.hash + ']')",
	       "",
	       "1080 120|1200 1200 900 300 hidden #x=main;query%20%3Cb%3E "
	       "query &lt;b&gt; \xe2\x80\x94 80 samples, 80.00 %, native|1080 120 []");
}

static void browser_searches(void **state)
{
	browse("type('MEMCPY|x'); note(text('matched'));"
	       "type('^mem'); note(text('matched'), frame('memcpy').classList.contains('hit'), "
	       "location.hash);"
	       "type('render|main'); note(text('matched'));"
	       "type('<b'); note(text('matched')); type('('); note(text('matched'));"
	       "key('f', true); note(document.activeElement.localName);"
	       "key('Escape'); note('[' + text('matched') + ']', '[' + location.hash + ']')",
	       "",
	       "matched 0.00 % (0 samples)|matched 70.00 % (70 samples) true #q=%5Emem|matched 100.00 % (100 "
	       "samples)|"
	       "matched 80.00 % (80 samples)|matched 0.00 % (0 samples)|input|[] []");
}

static void browser_follows_links(void **state)
{
	browse("note(text('matched'), width('query <b>'), width('main'), "
	       "document.querySelector('input').value)",
	       "#q=strlen&x=main;query%20%3Cb%3E", "matched 25.00 % (20 samples) 1200 1200 strlen");
}

static void browser_survives_odd_links(void **state)
{
	browse("note(width('main'), text('matched'))", "#x=nothing;here&q=%E0%A4%A&<script>",
	       "1080 matched 0.00 % (0 samples)");
}

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(random_names),
		cmocka_unit_test(no_samples),
		cmocka_unit_test(boxes),
		cmocka_unit_test(deep_graph_is_tall),
		cmocka_unit_test(kinds_and_colors),
		cmocka_unit_test(full_disk),
		cmocka_unit_test(browser_zooms),
		cmocka_unit_test(browser_searches),
		cmocka_unit_test(browser_follows_links),
		cmocka_unit_test(browser_survives_odd_links),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
