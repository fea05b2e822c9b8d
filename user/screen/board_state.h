/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a board: for board*.c only. */
#ifndef APM_SCREEN_BOARD_STATE_H
#define APM_SCREEN_BOARD_STATE_H

#include "screen/board.h"

/* Every figure is there twice. */
enum board_side { SIDE_MINUTE = 0, SIDE_RUN, SIDES };

struct board_figures {
	int known;
	uint64_t calls, errors, total_ns, p50_ns, p95_ns, p99_ns;
};

struct board_query {
	uint64_t fingerprint;
	char *text, *system, *call_site, *prepared; /* NULL = none */
	struct board_figures side[SIDES];
	uint64_t rows, max_rows, running, cpu_samples;
};

struct board_finding {
	enum severity severity;
	uint64_t fingerprint;				     /* 0 = none */
	char *title, *evidence, *query, *call_site, *advice; /* NULL = none */
};

struct board_totals {
	uint64_t window_ns, control, units, db_ns;
	struct board_figures figures;
};

/* What was copied. */
struct board_data {
	struct board_query *query;
	struct board_finding *finding;
	size_t query_count, finding_count;
	struct board_totals side[SIDES];
	uint64_t losses[APM_CNT_MAX];
};

enum board_page { PAGE_QUERIES = 0, PAGE_QUERY, PAGE_FINDINGS, PAGE_OUTPUT, PAGE_HELP };
enum board_sort { SORT_TIME = 0, SORT_CALLS, SORT_P50, SORT_P95, SORT_P99, SORT_ERRORS, SORTS };

struct board {
	char *target;
	struct board_data data;
	int has_data;
	struct strbuf output;

	enum board_page page;
	enum board_sort sort;
	enum board_side sort_side;
	int paused;
	int typing; /* the filter */
	char filter[64];
	uint64_t selected; /* fingerprint */
	size_t scroll;	   /* first line shown of a page's body; of PAGE_QUERIES its first row */

	/* queries that pass the filter, sorted */
	const struct board_query **shown;
	size_t shown_count;

	int rows, columns;
	struct board_line *line;
	size_t line_count, line_cap;
	int failed;
};

/* Fills b->shown. */
void board_order(struct board *b);
/* The query that is selected, or NULL when there is none; *at (may be NULL) its place among those shown. */
const struct board_query *board_selected(const struct board *b, size_t *at);
/* The figure that a sort goes by. */
uint64_t board_figure(const struct board_figures *f, enum board_sort sort);

/* The next line of the screen: add text to it. */
struct strbuf *board_line(struct board *b, int style);
/* Lines of text, cleaned, broken at blanks, the first after `label`, all indented by
 * `indent`. NULL adds nothing. */
void board_wrap(struct board *b, int style, const char *label, size_t indent, const char *text);

/* The bodies of the pages but the first's. */
void board_page_query(struct board *b);
void board_page_findings(struct board *b);
void board_page_output(struct board *b);
void board_page_help(struct board *b);

#endif
