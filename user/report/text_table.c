/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/text.h"

#include <stdlib.h>
#include <string.h>

#define INDENT	   2
#define NOTE_SIDE  40 /* columns that a note needs to stand beside its row rather than below it */
#define NOTE_BELOW 6
#define TOP_MAX	   1000 /* of --top */

void text_cell(struct text_table *table, const char *s)
{
	format_line(&table->cells, s);
	strbuf_add(&table->cells, "", 1);
}

static const char *next_cell(const char *cell)
{
	return cell + strlen(cell) + 1;
}

static void pad(struct strbuf *out, size_t n)
{
	while (n--)
		strbuf_addc(out, ' ');
}

static void print_cell(struct strbuf *out, const char *s, size_t width, int left)
{
	size_t columns = format_columns(s, strlen(s)), fill = columns < width ? width - columns : 0;

	if (!left)
		pad(out, fill);
	strbuf_adds(out, s);
	if (left)
		pad(out, fill);
}

static void end_line(struct strbuf *out)
{
	while (!out->failed && out->len && out->ptr[out->len - 1] == ' ')
		out->ptr[--out->len] = '\0';
	strbuf_addc(out, '\n');
}

static void print_note(struct text *t, const char *note, size_t fixed, int beside)
{
	size_t at = beside ? fixed + 2 : NOTE_BELOW;

	if (!*note || !beside)
		end_line(t->out);
	if (!*note)
		return;
	pad(t->out, beside ? 2 : NOTE_BELOW);
	if (t->cut) {
		format_line_cut(t->out, note, t->width - at);
		strbuf_addc(t->out, '\n');
	} else {
		text_wrap(t, note, at, at);
	}
}

void text_table_print(struct text *t, struct text_table *table)
{
	size_t *width = calloc(table->columns, sizeof(*width));
	size_t fixed = INDENT, gap, row, i;
	const char *cell;
	int beside;

	if (!width || table->cells.failed) {
		t->out->failed = 1;
		goto out;
	}
	for (i = 0; i < table->columns; i++)
		width[i] = format_columns(table->column[i].title, strlen(table->column[i].title));
	cell = table->cells.ptr;
	for (row = 0; row < table->rows; row++, cell = next_cell(cell)) {
		for (i = 0; i < table->columns; i++, cell = next_cell(cell)) {
			size_t columns = format_columns(cell, strlen(cell));

			if (columns > width[i])
				width[i] = columns;
		}
	}
	for (i = 0; i < table->columns; i++)
		fixed += width[i];
	/* A table that is too wide moves closer together. */
	gap = fixed + 2 * (table->columns - 1) <= t->width ? 2 : 1;
	fixed += gap * (table->columns - 1);
	beside = fixed + 2 + NOTE_SIDE <= t->width;

	text_color(t, SGR_DIM);
	pad(t->out, INDENT);
	for (i = 0; i < table->columns; i++) {
		pad(t->out, i ? gap : 0);
		print_cell(t->out, table->column[i].title, width[i], table->column[i].left);
	}
	if (beside)
		strbuf_addf(t->out, "%*s%s", 2, "", table->note_title);
	end_line(t->out);
	text_plain(t);

	cell = table->cells.ptr;
	for (row = 0; row < table->rows; row++, cell = next_cell(cell)) {
		pad(t->out, INDENT);
		for (i = 0; i < table->columns; i++, cell = next_cell(cell)) {
			pad(t->out, i ? gap : 0);
			print_cell(t->out, cell, width[i], table->column[i].left);
		}
		print_note(t, cell, fixed, beside);
	}
out:
	free(width);
	strbuf_free(&table->cells);
}

void text_more(struct text *t, size_t shown, size_t all)
{
	if (shown < all)
		strbuf_addf(t->out, "  … and %zu more: --top %zu shows them\n", all - shown,
			    all < TOP_MAX ? all : (size_t)TOP_MAX);
}
