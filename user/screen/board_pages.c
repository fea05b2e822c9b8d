/* SPDX-License-Identifier: BSD-2-Clause */
/* The bodies of the pages behind the table of queries. */
#include "screen/board_state.h"

#include <stdlib.h>
#include <string.h>

#include "report/format.h"

#define LABEL 11

static void empty_line(struct board *b)
{
	board_line(b, BOARD_PLAIN);
}

static void figures_line(struct board *b, const char *label, const struct board_figures *f, uint64_t all_ns)
{
	struct strbuf line = {0};

	if (!f->known)
		strbuf_adds(&line, "not known: too many queries at once");
	else
		strbuf_addf(&line, "calls %s, failed %s", format_count(f->calls), format_count(f->errors));
	if (f->known && f->calls)
		strbuf_addf(&line, ", time %s (%s), p50 %s, p95 %s, p99 %s", format_time(f->total_ns),
			    format_percent(all_ns ? (double)f->total_ns / (double)all_ns : 0),
			    format_time(f->p50_ns), format_time(f->p95_ns), format_time(f->p99_ns));
	board_wrap(b, BOARD_PLAIN, label, LABEL, line.ptr);
	b->failed |= line.failed;
	strbuf_free(&line);
}

static void finding(struct board *b, const struct board_finding *f)
{
	struct strbuf title = {0};

	strbuf_addf(&title, "%s: ", severity_name(f->severity));
	strbuf_adds(&title, f->title ? f->title : "");
	board_wrap(b, BOARD_SEVERITY + (int)f->severity, "", 0, title.ptr);
	board_wrap(b, BOARD_PLAIN, "evidence", LABEL, f->evidence);
	if (b->page == PAGE_FINDINGS)
		board_wrap(b, BOARD_PLAIN, "query", LABEL, f->query);
	board_wrap(b, BOARD_PLAIN, "called by", LABEL, f->call_site);
	board_wrap(b, BOARD_PLAIN, "fix", LABEL, f->advice);
	b->failed |= title.failed;
	strbuf_free(&title);
}

void board_page_query(struct board *b)
{
	const struct board_query *q = board_selected(b, NULL);
	const struct board_data *d = &b->data;
	struct strbuf line = {0}, *title;
	size_t i;

	if (!q) {
		strbuf_adds(board_line(b, BOARD_DIM), "this query is no longer among those kept");
		return;
	}
	title = board_line(b, BOARD_HEAD);
	strbuf_addf(title, "query %s  ", format_id(q->fingerprint, 16));
	format_line(title, q->system);
	board_wrap(b, BOARD_PLAIN, "", 0, q->text);
	empty_line(b);
	figures_line(b, "last 60 s", &q->side[SIDE_MINUTE], d->side[SIDE_MINUTE].db_ns);
	figures_line(b, "whole run", &q->side[SIDE_RUN], d->side[SIDE_RUN].db_ns);
	strbuf_addf(&line, "%s in all, at most %s", format_count(q->rows), format_count(q->max_rows));
	board_wrap(b, BOARD_PLAIN, "rows", LABEL, line.ptr);
	strbuf_reset(&line);
	strbuf_addf(&line, "%s samples inside it", format_count(q->cpu_samples));
	board_wrap(b, BOARD_PLAIN, "CPU", LABEL, line.ptr);
	if (q->running) {
		strbuf_reset(&line);
		strbuf_addf(&line, "%s now", format_count(q->running));
		board_wrap(b, BOARD_PLAIN, "running", LABEL, line.ptr);
	}
	board_wrap(b, BOARD_PLAIN, "prepared", LABEL, q->prepared);
	board_wrap(b, BOARD_PLAIN, "called by", LABEL, q->call_site ? q->call_site : "not known");
	for (i = 0; i < d->finding_count; i++) {
		if (d->finding[i].fingerprint != q->fingerprint)
			continue;
		empty_line(b);
		finding(b, &d->finding[i]);
	}
	b->failed |= line.failed;
	strbuf_free(&line);
}

void board_page_findings(struct board *b)
{
	size_t i;

	strbuf_adds(board_line(b, BOARD_HEAD), "findings, the most worthwhile first");
	if (!b->data.finding_count)
		strbuf_adds(board_line(b, BOARD_DIM), "none yet: a finding shows as soon as it is certain");
	for (i = 0; i < b->data.finding_count; i++) {
		if (i)
			empty_line(b);
		finding(b, &b->data.finding[i]);
	}
}

/* Line by line; tabs and escapes are cleaned away. */
void board_page_output(struct board *b)
{
	const char *at = b->output.ptr, *end = at ? at + b->output.len : NULL;

	strbuf_adds(board_line(b, BOARD_HEAD), "what the program and apm-bpf have written of late");
	if (at == end)
		strbuf_adds(board_line(b, BOARD_DIM), "nothing");
	while (at < end) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t len = eol ? (size_t)(eol - at) : (size_t)(end - at);
		char *line = strndup(at, len);

		if (line && *line)
			board_wrap(b, BOARD_PLAIN, "", 0, line);
		else
			empty_line(b);
		b->failed |= !line;
		free(line);
		at += len + 1;
	}
}

void board_page_help(struct board *b)
{
	static const char *const lines[] = {
		"Up Down PgUp PgDn Home End    choose a query (also j, k, g, G)",
		"Enter        the chosen query: its whole text, figures, caller, findings",
		"Esc          back; drops the filter",
		"f            findings",
		"o            what the program and apm-bpf have written",
		"Space        pause: figures stand still, tracing goes on",
		"/            filter: part of a query's text, its id, or its system",
		"s            sort by the next figure; or by name:",
		"  t time   c calls   e failures   5 p50   p p95   9 p99",
		"w            sort by the last 60 s or by the whole run",
		"q, Ctrl-C    leave: the report follows",
		"",
		"calls, fail, p50 … are those of the last 60 seconds, and beside them of the",
		"whole run; time is the query's share of all database time. A wider terminal",
		"shows more columns. * marks the figure that sorts. - is none, ? is not known.",
	};
	size_t i;

	strbuf_adds(board_line(b, BOARD_HEAD), "help");
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		strbuf_adds(board_line(b, BOARD_PLAIN), lines[i]);
}
