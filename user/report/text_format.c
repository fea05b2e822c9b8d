/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the text report: colour, titles, wrapped and labelled text. */
#include "report/text.h"

#include <stdio.h>
#include <string.h>

const char *text_id(const struct text *t, uint64_t fingerprint)
{
	/* Tables of whole ids need more than 80 columns. */
	return fingerprint ? format_id(fingerprint, t->cut || t->width < TEXT_WIDTH_DEFAULT ? 8 : 16) : "-";
}

void text_color(struct text *t, const char *sgr)
{
	if (t->style->color && sgr)
		strbuf_addf(t->out, "\033[%sm", sgr);
}

void text_plain(struct text *t)
{
	if (t->style->color)
		strbuf_adds(t->out, "\033[0m");
}

void text_title(struct text *t, const char *title, const char *detail)
{
	strbuf_addc(t->out, '\n');
	text_color(t, SGR_BOLD);
	strbuf_adds(t->out, title);
	text_plain(t);
	if (detail && *detail)
		strbuf_addf(t->out, "  %s", detail);
	strbuf_addc(t->out, '\n');
}

void text_wrap(struct text *t, const char *s, size_t at, size_t indent)
{
	struct strbuf line = {0};
	size_t done = 0;

	format_line(&line, s);
	while (!line.failed && done < line.len) {
		size_t room = t->width > at + 20 ? t->width - at : 20;
		size_t n = format_fitting(line.ptr + done, line.len - done, room);

		strbuf_add(t->out, line.ptr + done, n);
		done += n;
		while (done < line.len && line.ptr[done] == ' ')
			done++;
		if (done < line.len)
			strbuf_addf(t->out, "\n%*s", (int)indent, "");
		at = indent;
	}
	strbuf_addc(t->out, '\n');
	t->out->failed |= line.failed;
	strbuf_free(&line);
}

#define LABEL_WIDTH 12

void text_labelled(struct text *t, size_t indent, const char *label, const char *s, size_t lines)
{
	size_t at = indent + LABEL_WIDTH;
	struct strbuf cut = {0};

	if (!s || !*s)
		return;
	strbuf_addf(t->out, "%*s", (int)indent, "");
	text_color(t, SGR_DIM);
	strbuf_addf(t->out, "%-*s", LABEL_WIDTH, label);
	text_plain(t);
	if (lines && t->cut) {
		/* A line of wrapped text stays a little short of the width: leave that out of the sum. */
		format_line_cut(&cut, s, (t->width - at) * lines - (lines - 1) * 8);
		s = cut.failed || !cut.ptr ? "" : cut.ptr;
	}
	text_wrap(t, s, at, at);
	t->out->failed |= cut.failed;
	strbuf_free(&cut);
}
