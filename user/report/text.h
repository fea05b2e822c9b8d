/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of the text report: for text*.c alone. */
#ifndef APM_REPORT_TEXT_H
#define APM_REPORT_TEXT_H

#include "base/str.h"
#include "report/format.h"
#include "report/model.h"

#define TEXT_WIDTH_MIN	   80
#define TEXT_WIDTH_DEFAULT 100

#define SGR_BOLD "1"
#define SGR_DIM	 "2"
#define SGR_GOOD "32"
#define SGR_BAD	 "31"
#define SGR_WARN "33"

struct text {
	const struct report *r;
	const struct report_style *style;
	struct strbuf *out;
	size_t width;
	size_t top;
	int cut; /* long statements are cut */
};

/* ---- text_format.c: pieces ---- */

/* The query id: eight digits, all sixteen when nothing is cut and there is room; "-" for 0.
 * Valid as format_id() says. */
const char *text_id(const struct text *t, uint64_t fingerprint);

/* Colour on and off, nothing without --color. */
void text_color(struct text *t, const char *sgr);
void text_plain(struct text *t);

/* "sqlite3 3.40.1" */
void text_add_library(struct strbuf *out, const struct report_library *l);
void text_title(struct text *t, const char *title, const char *detail);
/* Foreign text wrapped at the width; the cursor stands at column `at`, further lines are indented by
 * `indent`. Ends the line. */
void text_wrap(struct text *t, const char *s, size_t at, size_t indent);
/* "   Label     text…" wrapped; `lines` > 0 cuts the text so that it fills no more (never when nothing is
 * cut). NULL text prints nothing. */
void text_labelled(struct text *t, size_t indent, const char *label, const char *s, size_t lines);

/* ---- text_table.c: aligned columns with a text after or below each row ---- */

struct text_column {
	const char *title;
	int left;
};

struct text_table {
	const struct text_column *column;
	size_t columns;
	const char *note_title;
	struct strbuf cells; /* rows of `columns` cells and a note, each NUL-terminated */
	size_t rows;
};

/* Adds the next cell of a row, or, after `columns` of them, its note. */
void text_cell(struct text_table *table, const char *s);
void text_table_print(struct text *t, struct text_table *table); /* and frees */
/* "… and N more" below a list that was cut to --top. */
void text_more(struct text *t, size_t shown, size_t all);

/* How many of `count` rows are shown. */
size_t text_shown(const struct text *t, size_t count);
/* "top 10 of 34" when the list is cut, and what the order is. */
void text_detail(struct text *t, size_t count, const char *order, char *out, size_t len);

/* ---- sections ---- */
void text_headline(struct text *t);
void text_findings(struct text *t);
void text_summary(struct text *t);
void text_queries(struct text *t);
void text_n_plus_one(struct text *t);
void text_slow(struct text *t);
void text_errors(struct text *t);
void text_spans(struct text *t);
void text_units(struct text *t);
void text_transactions(struct text *t);
void text_functions(struct text *t);
void text_bottlenecks(struct text *t);
void text_losses(struct text *t);
void text_cost(struct text *t);
void text_coverage(struct text *t);

#endif
