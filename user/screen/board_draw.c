/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines of the screen: what all pages share, and the table of queries. */
#include "screen/board_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "report/format.h"

#define SEVERITIES (SEVERITY_CRITICAL + 1)

/* ---- lines ---- */

struct strbuf *board_line(struct board *b, int style)
{
	static struct strbuf nowhere = {.failed = 1}; /* takes nothing */
	struct board_line *line;

	if (b->line_count == b->line_cap) {
		size_t cap = b->line_cap ? b->line_cap * 2 : 64;
		struct board_line *grown = realloc(b->line, cap * sizeof(*grown));

		if (!grown) {
			b->failed = 1;
			return &nowhere;
		}
		memset(grown + b->line_cap, 0, (cap - b->line_cap) * sizeof(*grown));
		b->line = grown;
		b->line_cap = cap;
	}
	line = &b->line[b->line_count++];
	line->style = style;
	strbuf_reset(&line->text);
	return &line->text;
}

void board_wrap(struct board *b, int style, const char *label, size_t indent, const char *text)
{
	size_t width = (size_t)b->columns > indent + 10 ? (size_t)b->columns - indent : 10, at = 0;
	struct strbuf clean = {0};
	int first = 1;

	if (!text || !*text)
		return;
	format_line(&clean, text);
	while (at < clean.len) {
		size_t n = format_fitting(clean.ptr + at, clean.len - at, width);
		struct strbuf *out = board_line(b, style);

		n = n ? n : 1;
		strbuf_addf(out, "%-*s", (int)indent, first ? label : "");
		strbuf_add(out, clean.ptr + at, n);
		at += n;
		while (at < clean.len && clean.ptr[at] == ' ')
			at++;
		first = 0;
	}
	b->failed |= clean.failed;
	strbuf_free(&clean);
}

/* Cuts to the screen's width, and not within a figure; the text is clean. */
static void clip(struct strbuf *text, size_t columns)
{
	if (!text->len || format_columns(text->ptr, text->len) <= columns)
		return;
	text->len = format_fitting(text->ptr, text->len, columns > 2 ? columns - 2 : 0);
	text->ptr[text->len] = '\0';
	if (columns > 2)
		strbuf_adds(text, " …");
}

/* `text` right in `width` columns, and at least one blank before it. */
static void add_right(struct strbuf *out, int width, const char *text)
{
	int columns = (int)format_columns(text, strlen(text));

	strbuf_addf(out, "%*s%s", width - columns > 1 ? width - columns : 1, "", text);
}

/* ---- the head of every page ---- */

static void first_line(struct board *b)
{
	struct strbuf *out = board_line(b, BOARD_TITLE), right = {0};
	size_t left;

	if (b->paused)
		strbuf_adds(&right, "PAUSED at ");
	strbuf_addf(&right, "%s", b->has_data ? format_time(b->data.side[SIDE_RUN].window_ns) : "");
	strbuf_adds(out, "apm-bpf top  ");
	left = (size_t)b->columns > right.len + 20 ? (size_t)b->columns - right.len - 15 : 5;
	format_line_cut(out, b->target, left);
	if (out->ptr)
		add_right(out, b->columns - (int)format_columns(out->ptr, out->len),
			  right.len ? right.ptr : "");
	b->failed |= right.failed;
	strbuf_free(&right);
}

static void totals_line(struct board *b, enum board_side side)
{
	const struct board_totals *t = &b->data.side[side];
	const struct board_figures *f = &t->figures;
	double seconds = (double)t->window_ns / 1e9;
	struct strbuf *out = board_line(b, BOARD_PLAIN), label = {0};

	if (side == SIDE_MINUTE)
		strbuf_addf(&label, "last %.0f s", seconds);
	else
		strbuf_adds(&label, "whole run");
	strbuf_addf(out, "%-9s", label.ptr ? label.ptr : "");
	add_right(out, 7, format_count(seconds > 0 ? (uint64_t)((double)f->calls / seconds + 0.5) : 0));
	strbuf_addf(out, "/s  failed %s  units %s", format_count(f->errors), format_count(t->units));
	if (f->calls)
		strbuf_addf(out, "  p50 %s  p95 %s  p99 %s", format_time(f->p50_ns), format_time(f->p95_ns),
			    format_time(f->p99_ns));
	if (b->columns >= 100)
		strbuf_addf(out, "  database time %s", format_time(t->db_ns));
	b->failed |= label.failed;
	strbuf_free(&label);
}

static void findings_line(struct board *b)
{
	const struct board_data *d = &b->data;
	size_t per[SEVERITIES] = {0}, i;
	int s, listed = 0;
	enum severity worst = SEVERITY_INFO;
	struct strbuf *out;

	for (i = 0; i < d->finding_count; i++) {
		per[d->finding[i].severity]++;
		if (d->finding[i].severity > worst)
			worst = d->finding[i].severity;
	}
	out = board_line(b, d->finding_count ? BOARD_SEVERITY + (int)worst : BOARD_DIM);
	if (!d->finding_count) {
		strbuf_adds(out, "no findings yet");
		return;
	}
	strbuf_adds(out, "findings  ");
	for (s = SEVERITIES - 1; s >= 0; s--) {
		if (per[s])
			strbuf_addf(out, "%s%zu %s", listed++ ? ", " : "", per[s],
				    severity_name((enum severity)s));
	}
	strbuf_adds(out, "; first: ");
	format_line(out, d->finding[0].title);
}

/* The last line that has something in it. */
static void add_last_output(struct board *b, struct strbuf *out)
{
	size_t end = b->output.len, start;
	struct strbuf line = {0};

	while (end && (b->output.ptr[end - 1] == '\n' || b->output.ptr[end - 1] == '\r'))
		end--;
	for (start = end; start && b->output.ptr[start - 1] != '\n'; start--)
		;
	strbuf_add(&line, b->output.ptr + start, end - start);
	if (line.len)
		format_line(out, line.ptr);
	b->failed |= line.failed;
	strbuf_free(&line);
}

/* Returns 0 when nothing was lost: then there is no line. */
static int losses_line(struct board *b)
{
	struct strbuf *out = NULL;
	int c;

	for (c = 0; c < APM_CNT_MAX; c++) {
		if (!b->data.losses[c] || !counter_lossy((enum apm_counter)c))
			continue;
		if (!out)
			strbuf_adds(out = board_line(b, BOARD_WARNING), "counts are lower bounds:");
		strbuf_addf(out, " %s %s", counter_name((enum apm_counter)c),
			    format_count(b->data.losses[c]));
	}
	return out != NULL;
}

static void state_line(struct board *b)
{
	if (b->typing || b->filter[0])
		strbuf_addf(board_line(b, BOARD_WARNING), "filter: %s%s  %zu of %zu queries%s", b->filter,
			    b->typing ? "_" : "", b->shown_count, b->data.query_count,
			    b->typing ? "; Enter keeps it, Esc drops it" : "; Esc drops it");
	else if (!losses_line(b))
		add_last_output(b, board_line(b, BOARD_DIM));
}

static void last_line(struct board *b)
{
	strbuf_adds(
		board_line(b, BOARD_HEAD),
		b->page == PAGE_QUERIES
			? "Enter open  s sort  w window  / filter  f findings  Space pause  ? help  q quit"
			: "Esc back  Up, Down, PgUp, PgDn move  f findings  o output  Space pause  ? help");
}

/* ---- queries ---- */

/* Columns before the query's text; shown from this width of the screen on. */
static const struct column {
	const char *title;
	int width, from;
	enum board_side side;
	enum board_sort figure;
} columns[] = {
	{"calls", 8, 0, SIDE_MINUTE, SORT_CALLS}, {"fail", 7, 0, SIDE_MINUTE, SORT_ERRORS},
	{"p50", 8, 80, SIDE_MINUTE, SORT_P50},	  {"p95", 8, 50, SIDE_MINUTE, SORT_P95},
	{"p99", 8, 70, SIDE_MINUTE, SORT_P99},	  {"time", 7, 0, SIDE_MINUTE, SORT_TIME},
	{"calls", 9, 60, SIDE_RUN, SORT_CALLS},	  {"fail", 7, 130, SIDE_RUN, SORT_ERRORS},
	{"p50", 8, 130, SIDE_RUN, SORT_P50},	  {"p95", 8, 80, SIDE_RUN, SORT_P95},
	{"p99", 8, 130, SIDE_RUN, SORT_P99},	  {"time", 7, 110, SIDE_RUN, SORT_TIME},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* Failures have a column where there are any. */
static int is_shown(const struct board *b, const struct column *c)
{
	return b->columns >= c->from && (c->figure != SORT_ERRORS || b->data.side[c->side].figures.errors);
}

static void table_head(struct board *b)
{
	int width[SIDES] = {0};
	struct strbuf *out;
	size_t i;

	for (i = 0; i < COLUMNS; i++)
		if (is_shown(b, &columns[i]))
			width[columns[i].side] += columns[i].width;
	out = board_line(b, BOARD_DIM);
	add_right(out, width[SIDE_MINUTE], "last 60 s");
	if (width[SIDE_RUN])
		add_right(out, width[SIDE_RUN], "whole run");
	out = board_line(b, BOARD_HEAD);
	for (i = 0; i < COLUMNS; i++) {
		const struct column *c = &columns[i];
		int sorted = c->figure == b->sort && c->side == b->sort_side;

		if (is_shown(b, c))
			strbuf_addf(out, "%*s%s%s", c->width - (int)strlen(c->title) - sorted, "",
				    sorted ? "*" : "", c->title);
	}
	strbuf_adds(out, "  query");
}

static const char *cell(const struct board *b, const struct board_query *q, const struct column *c)
{
	const struct board_figures *f = &q->side[c->side];
	uint64_t value = board_figure(f, c->figure), all = b->data.side[c->side].db_ns;

	if (!f->known)
		return "?";
	if (c->figure == SORT_CALLS || c->figure == SORT_ERRORS)
		return value ? format_count(value) : "-";
	if (!f->calls)
		return "-";
	return c->figure == SORT_TIME ? format_percent(all ? (double)value / (double)all : 0)
				      : format_time(value);
}

static void table_row(struct board *b, const struct board_query *q)
{
	struct strbuf *out = board_line(b, q->fingerprint == b->selected ? BOARD_SELECTED : BOARD_PLAIN);
	size_t i, used;

	for (i = 0; i < COLUMNS; i++)
		if (is_shown(b, &columns[i]))
			add_right(out, columns[i].width, cell(b, q, &columns[i]));
	strbuf_adds(out, "  ");
	used = out->failed ? 0 : format_columns(out->ptr, out->len);
	format_line_cut(out, q->text ? q->text : "",
			(size_t)b->columns > used + 1 ? (size_t)b->columns - used : 1);
	/* The whole row is marked. */
	used = out->failed ? 0 : format_columns(out->ptr, out->len);
	if ((size_t)b->columns > used)
		strbuf_addf(out, "%*s", b->columns - (int)used, "");
}

static void queries(struct board *b, size_t room)
{
	size_t at = 0, i;

	board_selected(b, &at);
	if (at < b->scroll)
		b->scroll = at;
	if (at >= b->scroll + room)
		b->scroll = at - room + 1;
	if (b->scroll + room > b->shown_count)
		b->scroll = b->shown_count > room ? b->shown_count - room : 0;
	for (i = b->scroll; i < b->shown_count && i < b->scroll + room; i++)
		table_row(b, b->shown[i]);
	if (!b->shown_count)
		strbuf_adds(board_line(b, BOARD_DIM),
			    b->data.query_count ? "no query has this in it; Esc drops the filter"
			    : b->has_data	? "no statement yet"
						: "attaching …");
}

/* ---- all ---- */

/* Of the lines from `first` on, those that fit below the first `scroll` stay. */
static void window(struct board *b, size_t first, size_t room)
{
	size_t body = b->line_count - first, i;

	if (b->scroll > body || body - b->scroll < room)
		b->scroll = body > room ? body - room : 0;
	for (i = 0; b->scroll && i < room && first + b->scroll + i < b->line_count; i++) {
		struct board_line was = b->line[first + i];

		b->line[first + i] = b->line[first + b->scroll + i];
		b->line[first + b->scroll + i] = was;
	}
	if (body > room)
		b->line_count = first + room;
}

const struct board_line *board_draw(struct board *b, int rows, int columns_, size_t *count)
{
	static void (*const pages[])(struct board * b) = {
		[PAGE_QUERY] = board_page_query,
		[PAGE_FINDINGS] = board_page_findings,
		[PAGE_OUTPUT] = board_page_output,
		[PAGE_HELP] = board_page_help,
	};
	size_t room, i;

	b->rows = rows;
	b->columns = columns_;
	b->line_count = 0;
	b->failed = 0;
	first_line(b);
	totals_line(b, SIDE_MINUTE);
	totals_line(b, SIDE_RUN);
	findings_line(b);
	state_line(b);
	if (b->page == PAGE_QUERIES)
		table_head(b);
	room = (size_t)rows > b->line_count + 1 ? (size_t)rows - b->line_count - 1 : 0;
	if (b->page == PAGE_QUERIES && room) {
		queries(b, room);
	} else if (room) {
		size_t first = b->line_count;

		pages[b->page](b);
		window(b, first, room);
	}
	while (b->line_count + 1 < (size_t)rows && !b->failed)
		board_line(b, BOARD_PLAIN);
	last_line(b);
	if (b->line_count > (size_t)rows)
		b->line_count = (size_t)rows;
	for (i = 0; i < b->line_count; i++) {
		b->failed |= b->line[i].text.failed;
		clip(&b->line[i].text, (size_t)columns_);
	}
	*count = b->line_count;
	return b->failed ? NULL : b->line;
}
