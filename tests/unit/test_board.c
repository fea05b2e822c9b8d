/* SPDX-License-Identifier: BSD-2-Clause */
/* screen/board: what top shows for a report, what keys do, and that nothing foreign reaches the terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/format.h"
#include "screen/board.h"

#define MS 1000000ULL

static struct report_recent minute_a = {.window_ns = 60000 * MS,
					.calls = 10,
					.errors = 2,
					.db_ns = 900 * MS,
					.p50_ns = 80 * MS,
					.p95_ns = 95 * MS,
					.p99_ns = 99 * MS};
static struct report_recent minute_b = {.window_ns = 60000 * MS,
					.calls = 600,
					.db_ns = 100 * MS,
					.p50_ns = MS / 6,
					.p95_ns = 2 * MS,
					.p99_ns = 3 * MS};
static struct report_recent minute_c = {.window_ns = 60000 * MS};
static const char *const names[] = {"by_author", NULL};

static struct report_query queries[] = {
	{.fingerprint = 0xb000000000000000,
	 .query = "SELECT b FROM book WHERE id = ?",
	 .system = "postgresql",
	 .calls = 9000,
	 .total_ns = 9000 * MS,
	 .p50_ns = MS,
	 .p95_ns = 4 * MS,
	 .p99_ns = 5 * MS,
	 .recent = &minute_b,
	 .prepared = names,
	 .call_site = "load_book (shop)",
	 .rows = 9000,
	 .max_rows = 1},
	{.fingerprint = 0xa000000000000000,
	 .query = "UPDATE author SET name = ?",
	 .system = "postgresql",
	 .calls = 20,
	 .errors = 7,
	 .total_ns = 1800 * MS,
	 .p50_ns = 70 * MS,
	 .p95_ns = 90 * MS,
	 .p99_ns = 91 * MS,
	 .recent = &minute_a},
	{.fingerprint = 0xc000000000000000,
	 .query = "DELETE FROM log",
	 .system = "sqlite",
	 .calls = 1,
	 .total_ns = MS,
	 .p50_ns = MS,
	 .p95_ns = MS,
	 .p99_ns = MS,
	 .recent = &minute_c},
	{.fingerprint = 0xd000000000000000,
	 .query = "SELECT 1",
	 .p95_ns = 10,
	 .system = "sqlite",
	 .calls = 2,
	 .total_ns = 10},
};
static struct report_finding findings[] = {
	{.detector = "slow_query",
	 .severity = SEVERITY_HIGH,
	 .fingerprint = 0xa000000000000000,
	 .title = "Slow query: 99 ms: UPDATE author",
	 .evidence = "20 executions.",
	 .query = "UPDATE author SET name = ?",
	 .recommendation = "Index it."},
	{.detector = "n_plus_one",
	 .severity = SEVERITY_LOW,
	 .fingerprint = 0xb000000000000000,
	 .title = "N+1"},
};

static struct report make_report(void)
{
	struct report r = {.duration_ns = 123000 * MS,
			   .statements = 9023,
			   .errors = 7,
			   .units = 12,
			   .db_ns = 10801 * MS,
			   .p50_ns = MS,
			   .p95_ns = 4 * MS,
			   .p99_ns = 90 * MS};

	r.recent = (struct report_recent){.window_ns = 60000 * MS,
					  .calls = 610,
					  .errors = 2,
					  .units = 4,
					  .db_ns = 1000 * MS,
					  .p50_ns = MS,
					  .p95_ns = 2 * MS,
					  .p99_ns = 95 * MS};
	r.queries.item = queries;
	r.queries.count = sizeof(queries) / sizeof(queries[0]);
	r.findings.item = findings;
	r.findings.count = 2;
	return r;
}

struct fixture {
	struct board *board;
	const struct board_line *line;
	size_t count;
	int rows, columns;
};

static void draw(struct fixture *f)
{
	size_t i;

	f->line = board_draw(f->board, f->rows, f->columns, &f->count);
	assert_non_null(f->line);
	assert_true(f->count <= (size_t)f->rows);
	for (i = 0; i < f->count; i++)
		if (f->line[i].text.len)
			assert_true(format_columns(f->line[i].text.ptr, f->line[i].text.len) <=
				    (size_t)f->columns);
}

static void press(struct fixture *f, int key)
{
	assert_int_equal(board_key(f->board, key), 0);
	draw(f);
}

/* The number of the first line with these words, -1 = none. */
static int find(const struct fixture *f, const char *words)
{
	size_t i;

	for (i = 0; i < f->count; i++)
		if (f->line[i].text.len && strstr(f->line[i].text.ptr, words))
			return (int)i;
	return -1;
}

/* The same among the rows of the table. */
static int row(const struct fixture *f, const char *words)
{
	struct fixture below = {.line = f->line + 7, .count = f->count - 7};

	return find(&below, words);
}

static void shows(const struct fixture *f, const char *words)
{
	size_t i;

	if (find(f, words) >= 0)
		return;
	for (i = 0; i < f->count; i++)
		print_message("|%s\n", f->line[i].text.len ? f->line[i].text.ptr : "");
	fail_msg("not on the screen: %s", words);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct report r = make_report();

	f->board = board_new("--pid 7");
	f->rows = 24;
	f->columns = 80;
	assert_int_equal(board_take(f->board, &r), 0);
	draw(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	board_free(f->board);
	free(f);
	return 0;
}

static void test_table(void **state)
{
	struct fixture *f = *state;

	shows(f, "--pid 7");
	shows(f, "2 m 03 s");
	shows(f, "last 60 s     10/s  failed 2  units 4  p50 1.00 ms");
	shows(f, "whole run     73/s  failed 7  units 12");
	shows(f, "findings  1 high, 1 low; first: Slow query: 99 ms: UPDATE author");
	shows(f, "*time"); /* sorted by the time of the last minute */
	assert_in_range(row(f, "UPDATE author"), 0, row(f, "SELECT b") - 1);
	shows(f, "     10      2 80.0 ms 95.0 ms 99.0 ms   90 %       20");
	shows(f, "      -      -       -       -       -      -        1 1.00 ms");
	/* What is not known is not nothing. */
	shows(f, "      ?      ?       ?       ?       ?      ?        2   10 ns");
}

static void test_sort(void **state)
{
	struct fixture *f = *state;

	press(f, 'w');
	assert_in_range(row(f, "SELECT b"), 0, row(f, "UPDATE author") - 1);
	press(f, 'p');
	assert_in_range(row(f, "UPDATE author"), 0, row(f, "SELECT b") - 1);
	shows(f, "*p95");
	press(f, 'c');
	assert_in_range(row(f, "SELECT b"), 0, row(f, "UPDATE author") - 1);
	press(f, 'e');
	assert_in_range(row(f, "UPDATE author"), 0, row(f, "SELECT b") - 1);
	press(f, 's');
	shows(f, "time");
	assert_in_range(row(f, "SELECT b"), 0, row(f, "UPDATE author") - 1);
}

static void type(struct fixture *f, const char *text)
{
	for (; *text; text++)
		press(f, *text);
}

static void test_filter(void **state)
{
	struct fixture *f = *state;

	press(f, '/');
	type(f, "AUTHORq");
	shows(f, "filter: AUTHORq_  0 of 4 queries");
	shows(f, "no query has this in it");
	press(f, BOARD_KEY_BACKSPACE);
	press(f, BOARD_KEY_ENTER);
	shows(f, "filter: AUTHOR  1 of 4 queries");
	assert_int_equal(find(f, "DELETE FROM"), -1);
	press(f, BOARD_KEY_ESCAPE);
	shows(f, "DELETE FROM");
	press(f, '/');
	type(f, "c0000000");
	shows(f, "1 of 4");
	press(f, BOARD_KEY_ESCAPE);
	press(f, '/');
	type(f, "sqlite");
	shows(f, "2 of 4");
	press(f, BOARD_KEY_ESCAPE);
	assert_int_equal(find(f, "filter"), 23); /* only the last line offers it */
}

static void test_query_page(void **state)
{
	struct fixture *f = *state;

	press(f, 'w');
	press(f, 'c');
	press(f, 'x');
	press(f, BOARD_KEY_DOWN);
	assert_int_equal(f->line[find(f, "SELECT b")].style, BOARD_SELECTED);
	press(f, BOARD_KEY_ENTER);
	shows(f, "query b000000000000000  postgresql");
	shows(f, "SELECT b FROM book WHERE id = ?");
	shows(f, "last 60 s  calls 600, failed 0, time 100 ms (10 %), p50 167 µs, p95 2.00 ms,");
	shows(f, "whole run  calls 9000, failed 0, time 9.00 s (83 %)");
	shows(f, "prepared   by_author");
	shows(f, "called by  load_book (shop)");
	shows(f, "low: N+1");
	assert_int_equal(find(f, "high:"), -1);
	press(f, BOARD_KEY_ESCAPE);
	press(f, BOARD_KEY_DOWN);
	press(f, BOARD_KEY_ENTER);
	shows(f, "called by  not known");
	shows(f, "fix        Index it.");
	press(f, 'q');
	shows(f, "DELETE FROM");
}

static void test_pages(void **state)
{
	struct fixture *f = *state;
	struct str text = STR("one\n\n\033[1;31mtwo\033[0m three\n\033[");

	assert_int_equal(board_output(f->board, text), 0);
	draw(f);
	press(f, 'o');
	shows(f, "two three");
	press(f, 'q');
	assert_int_equal(find(f, "one"), -1);
	press(f, 'o');
	shows(f, "one");
	press(f, 'f');
	shows(f, "evidence   20 executions.");
	press(f, '?');
	shows(f, "q, Ctrl-C    leave");
	f->rows = 12;
	press(f, 'G');
	assert_int_equal(find(f, "Up Down PgUp"), -1);
	shows(f, "shows more columns");
	press(f, 'g');
	shows(f, "Up Down PgUp");
	press(f, BOARD_KEY_ESCAPE);
	assert_int_equal(board_key(f->board, 'q'), 1);
}

static void test_pause(void **state)
{
	struct fixture *f = *state;
	struct report r = make_report();

	press(f, ' ');
	r.queries.count = 1;
	r.duration_ns = 200000 * MS;
	assert_int_equal(board_take(f->board, &r), 0);
	draw(f);
	shows(f, "PAUSED at 2 m 03 s");
	shows(f, "DELETE FROM");
	press(f, ' ');
	assert_int_equal(board_take(f->board, &r), 0);
	draw(f);
	assert_int_equal(find(f, "DELETE FROM"), -1);
	shows(f, "3 m 20 s");
	/* The selected one has gone. */
	press(f, BOARD_KEY_END);
	press(f, BOARD_KEY_ENTER);
	r.queries.count = 0;
	assert_int_equal(board_take(f->board, &r), 0);
	draw(f);
	shows(f, "no longer among those kept");
}

static void test_losses(void **state)
{
	struct fixture *f = *state;
	struct report r = make_report();

	assert_int_equal(find(f, "lower bounds"), -1);
	r.losses[APM_CNT_RING_FULL] = 3;
	assert_int_equal(board_take(f->board, &r), 0);
	draw(f);
	shows(f, "counts are lower bounds: ring_full 3");
}

/* Every key on every page at every size, with texts that would break out: no
 * control character, no wide line. */
static void test_hostile(void **state)
{
	static const char *const evil[] = {
		"SELECT '\033[2J\033]0;pwned\007' -- \r\n\033[31m",
		"\xff\xfe\xc3(",
		"\xe2\x80\xae\xe2\x81\xa6gnp.exe",
		"SELECT \xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97\xe6\xae\xb5 \xf0\x9f\x98\x80\xf0\x9f\x98\x80",
		"",
		"\x9b"
		"31m\xc2\x9b"
		"31m",
		"%n%s%x",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaa",
	};
	static const int keys[] = {'f',
				   'G',
				   'o',
				   BOARD_KEY_PAGE_DOWN,
				   '?',
				   BOARD_KEY_END,
				   BOARD_KEY_ESCAPE,
				   BOARD_KEY_DOWN,
				   BOARD_KEY_ENTER,
				   BOARD_KEY_DOWN,
				   BOARD_KEY_PAGE_UP,
				   BOARD_KEY_ESCAPE,
				   '/',
				   '%',
				   'n',
				   BOARD_KEY_ENTER,
				   BOARD_KEY_ESCAPE,
				   BOARD_KEY_END,
				   's',
				   'w',
				   5,
				   127 + 900};
	enum { EVIL = sizeof(evil) / sizeof(evil[0]) };
	struct report_query q[EVIL];
	struct report_finding g[EVIL];
	struct fixture f = {0};
	struct report r = make_report();
	size_t i, k;

	for (i = 0; i < EVIL; i++) {
		q[i] = queries[0];
		q[i].fingerprint = i + 1;
		q[i].query = evil[i];
		q[i].call_site = evil[(i + 1) % EVIL];
		g[i] = findings[0];
		g[i].fingerprint = i + 1;
		g[i].title = evil[i];
		g[i].evidence = evil[(i + 2) % EVIL];
	}
	r.queries.item = q;
	r.findings.item = g;
	r.queries.count = r.findings.count = EVIL;
	f.board = board_new(evil[0]);
	assert_int_equal(board_take(f.board, &r), 0);
	assert_int_equal(board_output(f.board, (struct str){"\033c\033[5n\n\x90q\n\tx\r\n", 14}), 0);
	for (f.columns = 1; f.columns < 200; f.columns += 13) {
		for (f.rows = 1; f.rows < 40; f.rows += 5) {
			for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
				press(&f, keys[k]);
				for (i = 0; i < f.count; i++) {
					const char *c = f.line[i].text.len ? f.line[i].text.ptr : "";

					assert_int_equal(strlen(c), f.line[i].text.len);
					assert_null(strstr(c, "\xc2\x9b"));
					assert_null(strstr(c, "\xe2\x80\xae"));
					for (; *c; c++)
						assert_true((unsigned char)*c >= ' ' && *c != 127);
				}
			}
		}
	}
	board_free(f.board);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sort, setup, teardown),
		cmocka_unit_test_setup_teardown(test_filter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_query_page, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pause, setup, teardown),
		cmocka_unit_test_setup_teardown(test_losses, setup, teardown),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
