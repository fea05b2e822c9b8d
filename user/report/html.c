/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report as one HTML page that needs nothing else: no network, no files beside it, no script but the
 * flame graph's, which runs in a frame of its own. Foreign text appears as text only: it is cleaned and
 * escaped, and the page's Content-Security-Policy would refuse what slipped through.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "profile/profile.h"
#include "report/format.h"
#include "report/html.h"
#include "report/report.h"
#include "report/tables.h"

#define ID_DIGITS 8

/* ---- text ---- */

static void add_escaped(struct strbuf *out, const char *s)
{
	struct strbuf line = {0};
	size_t i;

	format_line(&line, s);
	for (i = 0; i < line.len; i++) {
		if (strchr("&<>\"'", line.ptr[i]))
			strbuf_addf(out, "&#%d;", line.ptr[i]);
		else
			strbuf_addc(out, line.ptr[i]);
	}
	out->failed |= line.failed;
	strbuf_free(&line);
}

static void add_element(struct strbuf *out, const char *name, const char *s)
{
	strbuf_addf(out, "<%s>", name);
	add_escaped(out, s);
	strbuf_addf(out, "</%s>", name);
}

/* Base 64, RFC 4648, 4. */
static void add_base64(struct strbuf *out, const struct strbuf *in)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i, k;

	for (i = 0; i < in->len; i += 3) {
		size_t left = in->len - i < 3 ? in->len - i : 3;
		uint32_t bits = 0;

		for (k = 0; k < 3; k++)
			bits = bits << 8 | (k < left ? (unsigned char)in->ptr[i + k] : 0);
		for (k = 0; k < 4; k++)
			strbuf_addc(out, k <= left ? digits[bits >> (18 - 6 * k) & 63] : '=');
	}
}

/* ---- tables ---- */

struct page {
	const struct report *r;
	struct strbuf *out;
	size_t top;
};

static size_t shown(const struct page *p, size_t rows)
{
	return rows < p->top ? rows : p->top;
}

static int has_query_row(const struct page *p, const char *id)
{
	size_t i;

	for (i = 0; i < shown(p, p->r->queries.count); i++)
		if (!strcmp(format_id(p->r->queries.item[i].fingerprint, 16), id))
			return 1;
	return 0;
}

static void add_link(const struct page *p, const char *id)
{
	if (has_query_row(p, id))
		strbuf_addf(p->out, "<a href=\"#q-%s\"><code>%.*s</code></a>", id, ID_DIGITS, id);
	else
		strbuf_addf(p->out, "<code>%.*s</code>", ID_DIGITS, id);
}

static void add_cell(const struct page *p, const struct table_column *column, const struct strbuf *text)
{
	const char *s = text->ptr ? text->ptr : "";

	switch (column->kind) {
	case CELL_ID:
		strbuf_addf(p->out, "<td class=\"id\"><code>%.*s</code></td>", ID_DIGITS, s);
		break;
	case CELL_LINK:
		strbuf_adds(p->out, "<td class=\"id\">");
		add_link(p, s);
		strbuf_adds(p->out, "</td>");
		break;
	case CELL_CODE:
		strbuf_adds(p->out, "<td class=\"code\">");
		add_element(p->out, "code", s);
		strbuf_adds(p->out, "</td>");
		break;
	case CELL_NUMBER:
		strbuf_adds(p->out, "<td class=\"n\">");
		add_escaped(p->out, s);
		strbuf_adds(p->out, "</td>");
		break;
	case CELL_TEXT:
		add_element(p->out, "td", s);
		break;
	}
}

/* ---- where a row's times lie: a strip per row, all of a table on the same logarithmic scale ---- */

#define STRIP_WIDTH  120
#define STRIP_HEIGHT 14

struct scale {
	double low, high; /* log10 of ns */
};

static struct scale scale_of(const struct page *p, const struct report_table *table)
{
	struct scale s = {INFINITY, -INFINITY};
	uint64_t points[SPREAD_POINTS];
	size_t row;

	for (row = 0; row < shown(p, table->rows(p->r)); row++) {
		table->spread(p->r, row, points);
		s.low = fmin(s.low, log10((double)points[0] + 1));
		s.high = fmax(s.high, log10((double)points[SPREAD_POINTS - 1] + 1));
	}
	if (s.high - s.low < 1)
		s.high = s.low + 1;
	return s;
}

static double place(const struct scale *s, uint64_t ns)
{
	return 2 + (log10((double)ns + 1) - s->low) / (s->high - s->low) * (STRIP_WIDTH - 4);
}

static void add_strip(const struct page *p, const struct scale *s, const uint64_t points[SPREAD_POINTS])
{
	double middle = STRIP_HEIGHT / 2.0, from = place(s, points[1]), to = place(s, points[2]);

	strbuf_addf(
		p->out,
		"<td><svg class=\"strip\" width=\"%d\" height=\"%d\" role=\"img\"><title>minimum %s, p50 %s, "
		"p95 %s, p99 %s, maximum %s</title>",
		STRIP_WIDTH, STRIP_HEIGHT, format_time(points[0]), format_time(points[1]),
		format_time(points[2]), format_time(points[3]), format_time(points[4]));
	strbuf_addf(p->out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", place(s, points[0]),
		    place(s, points[4]), middle, middle);
	strbuf_addf(p->out, "<rect x=\"%.1f\" y=\"3\" width=\"%.1f\" height=\"%d\"/>", from,
		    fmax(to - from, 1.5), STRIP_HEIGHT - 6);
	strbuf_addf(p->out, "<line class=\"p99\" x1=\"%.1f\" x2=\"%.1f\" y1=\"2\" y2=\"%d\"/></svg></td>",
		    place(s, points[3]), place(s, points[3]), STRIP_HEIGHT - 2);
}

static void add_more(struct strbuf *out, size_t printed, size_t all)
{
	if (printed < all)
		strbuf_addf(out, "<p class=\"note\">… and %zu more (--top)</p>\n", all - printed);
}

static void add_header_row(const struct page *p, const struct report_table *table)
{
	size_t i;

	/* Wide tables scroll, by keys too. */
	strbuf_addf(p->out,
		    "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"%s\">"
		    "<table><thead><tr>",
		    table->title);
	for (i = 0; i < table->columns; i++)
		strbuf_addf(p->out, "<th scope=\"col\"%s>%s</th>",
			    table->column[i].kind == CELL_NUMBER ? " class=\"n\"" : "",
			    table->column[i].title);
	if (table->spread)
		strbuf_adds(p->out, "<th scope=\"col\">spread</th>");
	strbuf_adds(p->out, "</tr></thead><tbody>\n");
}

static void add_row(const struct page *p, const struct report_table *table, size_t row,
		    const struct scale *scale)
{
	uint64_t points[SPREAD_POINTS];
	struct strbuf text = {0};
	size_t i;

	strbuf_adds(p->out, "<tr");
	for (i = 0; i < table->columns; i++) {
		strbuf_reset(&text);
		table->column[i].cell(p->r, row, &text);
		if (table->column[i].kind == CELL_ID && text.len)
			strbuf_addf(p->out, " id=\"q-%s\"", text.ptr);
		if (!i)
			strbuf_addc(p->out, '>');
		add_cell(p, &table->column[i], &text);
	}
	if (table->spread) {
		table->spread(p->r, row, points);
		add_strip(p, scale, points);
	}
	strbuf_adds(p->out, "</tr>\n");
	p->out->failed |= text.failed;
	strbuf_free(&text);
}

static void add_table(const struct page *p, const struct report_table *table)
{
	struct scale scale = {0};
	size_t rows = table->rows(p->r), row;

	if (!rows)
		return;
	strbuf_addf(p->out, "<section id=\"%s\"><h2>%s</h2>\n", table->id, table->title);
	if (table->note)
		strbuf_addf(p->out, "<p class=\"note\">%s</p>\n", table->note);
	if (table->spread)
		scale = scale_of(p, table);
	add_header_row(p, table);
	for (row = 0; row < shown(p, rows); row++)
		add_row(p, table, row, &scale);
	strbuf_adds(p->out, "</tbody></table></div>\n");
	add_more(p->out, shown(p, rows), rows);
	strbuf_adds(p->out, "</section>\n");
}

/* ---- the other sections ---- */

static void add_labelled(struct strbuf *out, const char *label, const char *s, const char *element)
{
	if (!s || !*s)
		return;
	strbuf_addf(out, "<dt>%s</dt><dd>", label);
	if (element)
		add_element(out, element, s);
	else
		add_escaped(out, s);
	strbuf_adds(out, "</dd>\n");
}

static void add_finding(const struct page *p, const struct report_finding *f)
{
	const char *severity = severity_name(f->severity);
	struct strbuf cost = {0};

	strbuf_addf(p->out, "<li class=\"finding %s\"><h3><span class=\"badge\">%s</span> ", severity,
		    severity);
	add_escaped(p->out, f->title);
	strbuf_addf(p->out, " <small>%s</small></h3><dl>\n", f->detector);
	add_labelled(p->out, "evidence", f->evidence, NULL);
	report_add_cost(p->r, f, &cost);
	add_labelled(p->out, "cost", cost.ptr, NULL);
	add_labelled(p->out, "query", f->query, "code");
	add_labelled(p->out, "called by", f->call_site, "code");
	add_labelled(p->out, "unit", f->unit, NULL);
	if (f->confidence != CONFIDENCE_EXACT)
		add_labelled(p->out, "certainty", confidence_name(f->confidence), NULL);
	add_labelled(p->out, "fix", f->recommendation, NULL);
	if (f->fingerprint && has_query_row(p, format_id(f->fingerprint, 16))) {
		strbuf_adds(p->out, "<dt>figures</dt><dd>");
		add_link(p, format_id(f->fingerprint, 16));
		strbuf_adds(p->out, "</dd>\n");
	}
	strbuf_adds(p->out, "</dl></li>\n");
	p->out->failed |= cost.failed;
	strbuf_free(&cost);
}

static void add_findings(const struct page *p)
{
	size_t count = shown(p, p->r->findings.count), i;

	if (!count)
		return;
	strbuf_adds(p->out, "<section id=\"findings\"><h2>Findings</h2>\n<p class=\"note\">most worthwhile "
			    "first</p>\n<ol>\n");
	for (i = 0; i < count; i++)
		add_finding(p, &p->r->findings.item[i]);
	strbuf_adds(p->out, "</ol>\n");
	add_more(p->out, count, p->r->findings.count);
	strbuf_adds(p->out, "</section>\n");
}

static void add_summary(const struct page *p)
{
	struct strbuf text = {0};
	size_t i;

	strbuf_adds(p->out, "<section id=\"summary\"><h2>Summary</h2>\n<dl>\n");
	for (i = 0; i < report_fact_count; i++) {
		strbuf_reset(&text);
		report_facts[i].text(p->r, &text);
		add_labelled(p->out, report_facts[i].label, text.len ? text.ptr : NULL, NULL);
	}
	strbuf_adds(p->out, "</dl></section>\n");
	p->out->failed |= text.failed;
	strbuf_free(&text);
}

/* ---- figures over the window ---- */

#define LINE_WIDTH  280
#define LINE_HEIGHT 48

/* A figure of a slot; -1 = it has none. */
static double slot_statements(const struct report_interval *v)
{
	return (double)v->statements;
}

static double slot_p95(const struct report_interval *v)
{
	return v->statements ? (double)v->p95_ns : -1;
}

static double slot_errors(const struct report_interval *v)
{
	return (double)v->errors;
}

static double slot_db_time(const struct report_interval *v)
{
	return (double)v->db_ns;
}

static void add_points(const struct page *p, double (*figure)(const struct report_interval *v), double most)
{
	size_t count = p->r->timeline.count, i;
	int drawing = 0;

	for (i = 0; i < count; i++) {
		double y = figure(&p->r->timeline.item[i]);

		if (y >= 0)
			strbuf_addf(p->out, "%c%.1f %.1f", drawing ? 'L' : 'M',
				    2 + (double)i * (LINE_WIDTH - 4) / (double)(count - 1),
				    LINE_HEIGHT - 2 - y / most * (LINE_HEIGHT - 4));
		drawing = y >= 0;
	}
}

static void add_line(const struct page *p, const char *label,
		     double (*figure)(const struct report_interval *v), const char *(*format)(uint64_t))
{
	double most = 0;
	size_t i;

	for (i = 0; i < p->r->timeline.count; i++)
		most = fmax(most, figure(&p->r->timeline.item[i]));
	if (most <= 0)
		return;
	strbuf_addf(p->out,
		    "<figure><svg class=\"spark\" width=\"%d\" height=\"%d\" "
		    "role=\"img\"><title>%s</title><path d=\"",
		    LINE_WIDTH, LINE_HEIGHT, label);
	add_points(p, figure, most);
	strbuf_addf(p->out, "\"/></svg><figcaption>%s: at most %s in %s</figcaption></figure>\n", label,
		    format((uint64_t)most), format_time(p->r->timeline_width_ns));
}

static void add_timeline(const struct page *p)
{
	if (p->r->timeline.count < 2)
		return;
	strbuf_adds(p->out, "<section id=\"timeline\"><h2>Over the window</h2>\n<div class=\"sparks\">\n");
	add_line(p, "statements", slot_statements, format_count);
	add_line(p, "database time", slot_db_time, format_time);
	add_line(p, "p95", slot_p95, format_time);
	add_line(p, "failed", slot_errors, format_count);
	strbuf_adds(p->out, "</div></section>\n");
}

static void add_card(const struct page *p, const char *figure, const char *label)
{
	strbuf_addf(p->out, "<div class=\"card\"><b>%s</b>%s</div>\n", figure, label);
}

static void add_head(const struct page *p)
{
	struct strbuf text = {0};
	char *line, *save = NULL;

	strbuf_adds(p->out, "<header><h1>");
	report_add_headline(p->r, &text);
	add_escaped(p->out, text.ptr);
	strbuf_adds(p->out, "</h1>\n");
	strbuf_reset(&text);
	report_add_warnings(p->r, &text);
	for (line = text.len ? strtok_r(text.ptr, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		strbuf_adds(p->out, "<p class=\"warning\">");
		add_escaped(p->out, line);
		strbuf_adds(p->out, "</p>\n");
	}
	strbuf_adds(p->out, "<div class=\"cards\">\n");
	add_card(p, format_count(p->r->statements), "statements");
	add_card(p, format_time(p->r->db_ns), "database time");
	add_card(p, format_time(p->r->p50_ns), "p50");
	add_card(p, format_time(p->r->p95_ns), "p95");
	add_card(p, format_time(p->r->p99_ns), "p99");
	add_card(p, format_count(p->r->errors), "failed");
	strbuf_adds(p->out, "</div></header>\n");
	p->out->failed |= text.failed;
	strbuf_free(&text);
}

/* A data: URL has an origin of its own: what the graph's script does stays in its frame. */
static void add_flame(const struct page *p, const struct stacks *stacks)
{
	struct flame_options flame = {.title = p->r->target, .unit = "samples"};
	struct strbuf svg = {0};

	if (!stacks || !stacks_total(stacks))
		return;
	p->out->failed |= stacks_add_svg(stacks, &flame, &svg) != 0;
	strbuf_adds(p->out,
		    "<section id=\"flame\"><h2>CPU flame graph</h2>\n<p class=\"note\">click a frame to "
		    "zoom</p>\n<iframe title=\"CPU flame graph\" sandbox=\"allow-scripts\" "
		    "src=\"data:image/svg+xml;base64,");
	add_base64(p->out, &svg);
	strbuf_adds(p->out, "\"></iframe></section>\n");
	strbuf_free(&svg);
}

static void add_place(const struct page *p, const char *id, const char *title, int is_there)
{
	if (is_there)
		strbuf_addf(p->out, "<li><a href=\"#%s\">%s</a></li>\n", id, title);
}

/* Links to the sections that follow. */
static void add_contents(const struct page *p, const struct stacks *stacks)
{
	size_t i;

	strbuf_adds(p->out, "<nav aria-label=\"Contents\"><ul>\n");
	add_place(p, "findings", "Findings", p->r->findings.count > 0);
	add_place(p, "timeline", "Over the window", p->r->timeline.count > 1);
	add_place(p, "summary", "Summary", 1);
	for (i = 0; i < report_table_count; i++)
		add_place(p, report_tables[i].id, report_tables[i].title, report_tables[i].rows(p->r) > 0);
	add_place(p, "flame", "CPU flame graph", stacks && stacks_total(stacks));
	strbuf_adds(p->out, "</ul></nav>\n");
}

int report_html(const struct report *r, const struct report_style *style, struct strbuf *out)
{
	struct page p = {.r = r, .out = out, .top = style->top ? style->top : SIZE_MAX};
	size_t i;

	strbuf_adds(out,
		    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
		    "'unsafe-inline'; frame-src data:");
	/* Frames made of data: inherit the policy. */
	strbuf_adds(out, style->stacks ? "; script-src 'unsafe-inline'\">\n" : "\">\n");
	strbuf_adds(out, "<meta name=\"viewport\" content=\"width=device-width\">\n<title>apm-bpf: ");
	add_escaped(out, r->target);
	strbuf_adds(out, "</title>\n<style>\n");
	strbuf_adds(out, html_style);
	strbuf_adds(out, "</style></head><body>\n");
	add_head(&p);
	add_contents(&p, style->stacks);
	strbuf_adds(out, "<main>\n");
	add_findings(&p);
	add_timeline(&p);
	add_summary(&p);
	for (i = 0; i < report_table_count; i++)
		add_table(&p, &report_tables[i]);
	add_flame(&p, style->stacks);
	strbuf_adds(out, "</main></body></html>\n");
	return out->failed ? -ENOMEM : 0;
}
