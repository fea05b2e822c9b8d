/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report as Markdown (CommonMark with the tables of GitHub Flavored Markdown), for issues, wikis and pull
 * requests. Foreign text can neither end a cell or a code span nor become markup.
 */
#include <errno.h>
#include <string.h>

#include "report/format.h"
#include "report/report.h"
#include "report/tables.h"

#define ID_DIGITS 8

/* The longest run of backticks in s[0..len). */
static size_t longest_run(const char *s, size_t len)
{
	size_t longest = 0, run = 0, i;

	for (i = 0; i < len; i++) {
		run = s[i] == '`' ? run + 1 : 0;
		if (run > longest)
			longest = run;
	}
	return longest;
}

static void repeat(struct strbuf *out, char c, size_t count)
{
	while (count--)
		strbuf_addc(out, c);
}

/* A code span, CommonMark 6.1: its fence is longer than any run of backticks inside, and blanks inside it
 * keep them apart. In a table a pipe is escaped even here (GFM 4.10). */
static void add_code(struct strbuf *out, const char *s, int in_table)
{
	struct strbuf line = {0};
	size_t fence, i;

	format_line(&line, s);
	fence = longest_run(line.ptr, line.len) + 1;
	if (line.len) {
		repeat(out, '`', fence);
		strbuf_adds(out, fence > 1 ? " " : "");
		for (i = 0; i < line.len; i++) {
			if (line.ptr[i] == '|' && in_table)
				strbuf_addc(out, '\\');
			strbuf_addc(out, line.ptr[i]);
		}
		strbuf_adds(out, fence > 1 ? " " : "");
		repeat(out, '`', fence);
	}
	out->failed |= line.failed;
	strbuf_free(&line);
}

/* Plain words: what could be markup is escaped (CommonMark 2.4). */
static void add_words(struct strbuf *out, const char *s)
{
	struct strbuf line = {0};
	size_t i;

	format_line(&line, s);
	for (i = 0; i < line.len; i++) {
		if (strchr("\\`*_[]<>|~&#", line.ptr[i]))
			strbuf_addc(out, '\\');
		strbuf_addc(out, line.ptr[i]);
	}
	out->failed |= line.failed;
	strbuf_free(&line);
}

static void add_block(struct strbuf *out, const char *indent, const char *s)
{
	struct strbuf line = {0};
	size_t fence;

	format_line(&line, s);
	fence = longest_run(line.ptr, line.len) + 1;
	if (fence < 3)
		fence = 3;
	strbuf_adds(out, indent);
	repeat(out, '`', fence);
	strbuf_addf(out, "sql\n%s%s\n%s", indent, line.len ? line.ptr : "", indent);
	repeat(out, '`', fence);
	strbuf_addc(out, '\n');
	out->failed |= line.failed;
	strbuf_free(&line);
}

/* ---- sections ---- */

static void add_item(struct strbuf *out, const char *label, const char *s)
{
	if (!s || !*s)
		return;
	strbuf_addf(out, "   - %s: ", label);
	add_words(out, s);
	strbuf_addc(out, '\n');
}

static void add_finding(struct strbuf *out, const struct report *r, const struct report_finding *f,
			size_t number)
{
	const char *name = severity_name(f->severity);

	strbuf_addf(out, "%zu. **%c%s**: ", number, name[0] - 32, name + 1);
	add_words(out, f->title);
	strbuf_addf(out, " (`%s`)\n", f->detector);
	add_item(out, "Evidence", f->evidence);
	if (f->total_ns) {
		strbuf_adds(out, "   - Cost: ");
		report_add_cost(r, f, out);
		strbuf_addc(out, '\n');
	}
	if (f->call_site) {
		strbuf_adds(out, "   - Called by: ");
		add_code(out, f->call_site, 0);
		strbuf_addc(out, '\n');
	}
	add_item(out, "Unit", f->unit);
	if (f->confidence != CONFIDENCE_EXACT)
		add_item(out, "Certainty", confidence_name(f->confidence));
	add_item(out, "Fix", f->recommendation);
	if (f->query) {
		strbuf_adds(out, "\n");
		add_block(out, "   ", f->query);
	}
	strbuf_addc(out, '\n');
}

static void add_more(struct strbuf *out, size_t shown, size_t all)
{
	if (shown < all)
		strbuf_addf(out, "\n… and %zu more\n", all - shown);
}

static void add_cell(struct strbuf *out, const struct table_column *column, const struct strbuf *text)
{
	char id[ID_DIGITS + 1] = "";

	switch (column->kind) {
	case CELL_ID:
	case CELL_LINK:
		strncat(id, text->ptr ? text->ptr : "-", ID_DIGITS);
		add_code(out, id, 1);
		break;
	case CELL_CODE:
		add_code(out, text->ptr, 1);
		break;
	case CELL_TEXT:
	case CELL_NUMBER:
		add_words(out, text->ptr);
		break;
	}
}

static void add_table(struct strbuf *out, const struct report *r, const struct report_table *table,
		      size_t top)
{
	size_t rows = table->rows(r), shown = rows < top ? rows : top, row, i;
	struct strbuf text = {0};

	if (!rows)
		return;
	strbuf_addf(out, "\n## %s\n\n", table->title);
	if (table->note)
		strbuf_addf(out, "%c%s.\n\n", table->note[0] - 32, table->note + 1);
	for (i = 0; i < table->columns; i++)
		strbuf_addf(out, "| %s ", table->column[i].title);
	strbuf_adds(out, "|\n");
	for (i = 0; i < table->columns; i++)
		strbuf_adds(out, table->column[i].kind == CELL_NUMBER ? "| --: " : "| --- ");
	strbuf_adds(out, "|\n");
	for (row = 0; row < shown; row++) {
		for (i = 0; i < table->columns; i++) {
			strbuf_reset(&text);
			table->column[i].cell(r, row, &text);
			strbuf_adds(out, "| ");
			add_cell(out, &table->column[i], &text);
			strbuf_addc(out, ' ');
		}
		strbuf_adds(out, "|\n");
	}
	add_more(out, shown, rows);
	out->failed |= text.failed;
	strbuf_free(&text);
}

static void add_head(struct strbuf *out, const struct report *r)
{
	struct strbuf text = {0};
	char *line, *save = NULL;
	size_t i;

	strbuf_adds(out, "# ");
	report_add_headline(r, out);
	strbuf_adds(out, "\n\n");
	report_add_warnings(r, &text);
	for (line = text.len ? strtok_r(text.ptr, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		strbuf_adds(out, "> **Note:** ");
		add_words(out, line);
		strbuf_adds(out, "\n\n");
	}
	for (i = 0; i < report_fact_count; i++) {
		strbuf_reset(&text);
		report_facts[i].text(r, &text);
		if (!text.len)
			continue;
		strbuf_addf(out, "- **%s:** ", report_facts[i].label);
		add_words(out, text.ptr);
		strbuf_addc(out, '\n');
	}
	out->failed |= text.failed;
	strbuf_free(&text);
}

int report_markdown(const struct report *r, const struct report_style *style, struct strbuf *out)
{
	size_t top = style->top ? style->top : SIZE_MAX;
	size_t shown = r->findings.count < top ? r->findings.count : top, i;

	add_head(out, r);
	if (shown)
		strbuf_adds(out, "\n## Findings\n\n");
	for (i = 0; i < shown; i++)
		add_finding(out, r, &r->findings.item[i], i + 1);
	add_more(out, shown, r->findings.count);
	for (i = 0; i < report_table_count; i++)
		add_table(out, r, &report_tables[i], top);
	return out->failed ? -ENOMEM : 0;
}
