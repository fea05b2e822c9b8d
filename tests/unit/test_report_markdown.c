/* SPDX-License-Identifier: BSD-2-Clause */
/* The report as Markdown: its sections, tables whose rows have as many cells as their head,
 * foreign text that stays text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "report/report.h"
#include "report_fixture.h"

static struct strbuf written(const struct report *r, uint32_t top)
{
	const struct report_style style = {.top = top};
	struct strbuf out = {0};

	assert_int_equal(report_writer_find("markdown")->write(r, &style, &out), 0);
	return out;
}

static void has(const struct strbuf *out, const char *part)
{
	if (!strstr(out->ptr, part))
		fail_msg("'%s' is not in:\n%s", part, out->ptr);
}

static void says(void **state)
{
	struct report r = fixture_report();
	struct strbuf out = written(&r, 10);

	has(&out, "# 3 findings in at least 1246 statements over 10.0 s\n");
	has(&out, "> **Note:** Counts are lower bounds: events lost because the ring buffer was full (12)");
	has(&out,
	    "1. **Critical**: N+1: users is read once per row of orders, 100 times in each unit of work "
	    "(`n_plus_one`)\n");
	has(&out, "   - Called by: `load_user+0x42 (shop)`\n");
	has(&out, "   - Cost: 2.30 s, 46 % of all database time; would save about 2.07 s\n");
	has(&out, "   ```sql\n   SELECT * FROM users WHERE id = ?\n   ```\n");
	has(&out,
	    "- **Target:** --pid 1234 on web-1, Linux 6.1.0-28-amd64, service shop, environment staging");
	has(&out, "| `5f3a0c11` | 45 % | 1200 | 2.30 s | 1.92 ms | 3.10 ms | 12.3 ms | 1200 | - | - | "
		  "`SELECT * FROM users WHERE id = ?` |\n");
	strbuf_free(&out);
}

static void cuts_to_top(void **state)
{
	struct report r = fixture_report();
	struct strbuf out = written(&r, 1);

	has(&out, "\n… and 2 more\n");
	assert_null(strstr(out.ptr, "| `77777777` | 0.1 % |"));
	strbuf_free(&out);
	r = fixture_empty(1);
	out = written(&r, 10);
	has(&out, "# No SQL statement was seen in 5.00 s\n");
	assert_null(strstr(out.ptr, "## Top queries"));
	strbuf_free(&out);
}

/* Cells of a row: pipes that no backslash escapes. */
static size_t pipes(const char *line, size_t len)
{
	size_t n = 0, i;

	for (i = 0; i < len; i++)
		n += line[i] == '|' && (!i || line[i - 1] != '\\');
	return n;
}

static void assert_tables_even(const char *text)
{
	size_t want = 0, rows = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");

		if (*text == '|') {
			if (!want)
				want = pipes(text, len);
			if (pipes(text, len) != want)
				fail_msg("not %zu pipes: %.*s", want, (int)len, text);
			rows++;
		} else {
			want = 0;
		}
		text += len + (text[len] == '\n');
	}
	assert_true(rows > 20);
}

static void hostile_text_stays_text(void **state)
{
	static const char fences[] =
		"a|b `` c ``` d **e** <img src=x> [f](javascript:g) _h_ # ~~~\n# i\n| j |";
	struct report r = fixture_hostile();
	struct strbuf out;

	r.queries.item[0].query = r.queries.item[0].example = fences;
	r.findings.item[0].query = r.findings.item[0].title = fences;
	r.n_plus_one.item[0].call_site = "only `";
	out = written(&r, 10);
	assert_tables_even(out.ptr);
	has(&out,
	    "| ```` a\\|b `` c ``` d **e** <img src=x> [f](javascript:g) _h_ # ~~~ # i \\| j \\| ```` |");
	has(&out, "   ````sql\n   a|b `` c ``` d");
	has(&out,
	    "a\\|b \\`\\` c \\`\\`\\` d \\*\\*e\\*\\* \\<img src=x\\> \\[f\\](javascript:g) \\_h\\_ \\# "
	    "\\~\\~\\~ \\# i \\| j \\|");
	has(&out, "| `` only ` `` |");
	assert_null(strchr(out.ptr, '\033'));
	assert_null(strchr(out.ptr, '\007'));
	assert_null(strstr(out.ptr, "\xc2\x9b"));
	assert_null(strstr(out.ptr, "\xe2\x80\xae"));
	strbuf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says),
		cmocka_unit_test(cuts_to_top),
		cmocka_unit_test(hostile_text_stays_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
