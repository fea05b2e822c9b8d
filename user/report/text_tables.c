/* SPDX-License-Identifier: BSD-2-Clause */
/* The report's tables: queries, N+1, slow executions, errors, units, functions. */
#include "report/text.h"

#include <string.h>

#include "report/report.h"

size_t text_shown(const struct text *t, size_t count)
{
	return count < t->top ? count : t->top;
}

/* "top 10 of 34" when the list is cut. */
void text_detail(struct text *t, size_t count, const char *order, char *out, size_t len)
{
	struct strbuf s = {0};

	if (text_shown(t, count) < count)
		strbuf_addf(&s, "%zu of %zu, ", text_shown(t, count), count);
	strbuf_adds(&s, order);
	t->out->failed |= s.failed;
	if (!s.failed && s.len < len)
		memcpy(out, s.ptr, s.len + 1);
	else
		out[0] = '\0';
	strbuf_free(&s);
}

/* "21:17:03.120": the date stands in the summary. */
static void add_time_of_day(struct strbuf *out, uint64_t realtime_ns)
{
	uint64_t ms = realtime_ns / 1000000, seconds = ms / 1000 % 86400;

	strbuf_addf(out, "%02u:%02u:%02u.%03u", (unsigned int)(seconds / 3600),
		    (unsigned int)(seconds / 60 % 60), (unsigned int)(seconds % 60),
		    (unsigned int)(ms % 1000));
}

static const char *or_dash(const char *s)
{
	return s && *s ? s : "-";
}

static const char *count_or_dash(uint64_t n)
{
	return n ? format_count(n) : "-";
}

/* What one reads under a query: its text, and what is special about it. */
static void query_note(struct text_table *table, const struct report_query *q)
{
	struct strbuf note = {0};

	if (q->running)
		strbuf_addf(&note, "(%s still running) ", format_count(q->running));
	strbuf_adds(&note, q->example ? q->example : q->query ? q->query : "unknown");
	text_cell(table, note.ptr);
	table->cells.failed |= note.failed;
	strbuf_free(&note);
}

void text_queries(struct text *t)
{
	static const struct text_column columns[] = {
		{"query", 1}, {"share", 0}, {"calls", 0}, {"total", 0}, {"avg", 0},
		{"p95", 0},   {"p99", 0},   {"max", 0},	  {"rows", 0},	{"err", 0},
	};
	struct text_table table = {columns, sizeof(columns) / sizeof(columns[0]), "statement", {0}, 0};
	char detail[80];
	size_t i;

	if (!t->r->queries.count)
		return;
	text_detail(t, t->r->queries_seen, "by total time", detail, sizeof(detail));
	text_title(t, "TOP QUERIES", detail);
	for (i = 0; i < text_shown(t, t->r->queries.count); i++, table.rows++) {
		const struct report_query *q = &t->r->queries.item[i];

		text_cell(&table, text_id(t, q->fingerprint));
		text_cell(&table, format_percent(q->share));
		text_cell(&table, format_count(q->calls));
		text_cell(&table, format_time(q->total_ns));
		text_cell(&table, q->calls ? format_time(q->total_ns / q->calls) : "-");
		text_cell(&table, format_time(q->p95_ns));
		text_cell(&table, format_time(q->p99_ns));
		text_cell(&table, format_time(q->max_ns));
		text_cell(&table, q->rows_known ? format_count(q->rows) : "-");
		text_cell(&table, count_or_dash(q->errors));
		query_note(&table, q);
	}
	text_table_print(t, &table);
	text_more(t, table.rows, t->r->queries_seen);
}

static void print_n_plus_one(struct text *t, const struct report_n_plus_one *n, size_t number)
{
	struct strbuf line = {0};
	size_t i;

	strbuf_addf(&line, "%s executions in %s unit%s", format_count(n->count), format_count(n->units),
		    n->units == 1 ? "" : "s");
	if (n->units > 1)
		strbuf_addf(&line, " (%s each)", format_count(n->count / n->units));
	if (n->distinct_parameters)
		strbuf_addf(&line, ", %s different parameters", format_count(n->distinct_parameters));
	else
		strbuf_adds(&line, ", parameters not readable");
	strbuf_addf(&line, "; %s, %s of the units' time", format_time(n->total_ns), format_percent(n->share));
	strbuf_addf(t->out, "%2zu ", number);
	text_wrap(t, line.ptr, 3, 3);
	strbuf_reset(&line);

	if (n->parent_query) {
		strbuf_addf(&line, "[%s] %s", text_id(t, n->parent_fingerprint), n->parent_query);
		text_labelled(t, 3, "after", line.ptr, 1);
		strbuf_reset(&line);
	}
	strbuf_addf(&line, "[%s] %s", text_id(t, n->fingerprint), n->query ? n->query : "unknown");
	text_labelled(t, 3, "repeats", line.ptr, 1);
	for (i = 0; n->examples && n->examples[i]; i++)
		if (!n->query || strcmp(n->examples[i], n->query) != 0)
			text_labelled(t, 3, "such as", n->examples[i], 1);
	text_labelled(t, 3, "called by", n->call_site, 1);
	t->out->failed |= line.failed;
	strbuf_free(&line);
}

void text_n_plus_one(struct text *t)
{
	size_t count = t->r->n_plus_one.count, i;

	if (!count)
		return;
	text_title(t, "N+1 QUERIES", NULL);
	for (i = 0; i < text_shown(t, count); i++)
		print_n_plus_one(t, &t->r->n_plus_one.item[i], i + 1);
	text_more(t, text_shown(t, count), count);
}

void text_slow(struct text *t)
{
	static const struct text_column columns[] = {
		{"query", 1}, {"duration", 0}, {"at (UTC)", 1}, {"rows", 0}, {"process/thread", 1},
	};
	struct text_table table = {columns, sizeof(columns) / sizeof(columns[0]), "statement", {0}, 0};
	struct strbuf cell = {0};
	char detail[80];
	size_t i;

	if (!t->r->slow.count)
		return;
	strbuf_addf(&cell, "over %s, slowest first", format_time(t->r->slow_threshold_ns));
	text_detail(t, t->r->slow.count, cell.failed ? "" : cell.ptr, detail, sizeof(detail));
	text_title(t, "SLOW STATEMENTS", detail);
	for (i = 0; i < text_shown(t, t->r->slow.count); i++, table.rows++) {
		const struct report_slow *s = &t->r->slow.item[i];

		text_cell(&table, text_id(t, s->fingerprint));
		strbuf_reset(&cell);
		strbuf_addf(&cell, "%s%s", s->running ? ">" : "", format_time(s->duration_ns));
		text_cell(&table, cell.ptr);
		strbuf_reset(&cell);
		add_time_of_day(&cell, s->ts_realtime_ns);
		text_cell(&table, cell.ptr);
		text_cell(&table, s->rows_known ? format_count(s->rows) : "-");
		strbuf_reset(&cell);
		strbuf_addf(&cell, "%u/%u%s", s->tgid, s->tid, s->running ? " running" : "");
		text_cell(&table, cell.ptr);
		text_cell(&table, s->query);
	}
	table.cells.failed |= cell.failed;
	strbuf_free(&cell);
	text_table_print(t, &table);
	text_more(t, table.rows, t->r->slow.count);
}

void text_errors(struct text *t)
{
	static const struct text_column columns[] = {
		{"query", 1}, {"count", 0}, {"system", 1}, {"code", 1}, {"last (UTC)", 1},
	};
	struct text_table table = {columns, sizeof(columns) / sizeof(columns[0]), "message", {0}, 0};
	struct strbuf cell = {0};
	char detail[80];
	size_t i;

	if (!t->r->error_groups.count)
		return;
	text_detail(t, t->r->error_groups.count, "most frequent first", detail, sizeof(detail));
	text_title(t, "ERRORS", detail);
	for (i = 0; i < text_shown(t, t->r->error_groups.count); i++, table.rows++) {
		const struct report_error *e = &t->r->error_groups.item[i];

		text_cell(&table, text_id(t, e->fingerprint));
		text_cell(&table, format_count(e->count));
		text_cell(&table, or_dash(e->system));
		text_cell(&table, or_dash(e->code));
		strbuf_reset(&cell);
		add_time_of_day(&cell, e->last_realtime_ns);
		text_cell(&table, cell.ptr);
		text_cell(&table, e->message && *e->message ? e->message : e->query);
	}
	table.cells.failed |= cell.failed;
	strbuf_free(&cell);
	text_table_print(t, &table);
	text_more(t, table.rows, t->r->error_groups.count);
}

void text_functions(struct text *t)
{
	static const struct text_column columns[] = {{"self", 0}, {"total", 0}, {"samples", 0}};
	struct text_table table = {columns, sizeof(columns) / sizeof(columns[0]), "function", {0}, 0};
	const struct report *r = t->r;
	struct strbuf line = {0};
	size_t i;

	if (!r->functions.count)
		return;
	strbuf_addf(&line, "%s CPU samples at %u Hz; %s in statements", format_count(r->samples),
		    r->sample_freq,
		    format_percent(r->samples ? (double)r->samples_attributed / (double)r->samples : 0));
	if (r->samples_unattributed)
		strbuf_addf(&line, ", %s not attributed", format_count(r->samples_unattributed));
	strbuf_addf(&line, "; %s of stacks complete",
		    format_percent(r->samples ? (double)r->samples_complete / (double)r->samples : 0));
	text_title(t, "HOT FUNCTIONS", "by their own CPU time");
	strbuf_adds(t->out, "  ");
	text_wrap(t, line.ptr, 2, 2);
	for (i = 0; i < text_shown(t, r->functions.count); i++, table.rows++) {
		const struct report_function *f = &r->functions.item[i];

		text_cell(&table, format_percent(f->share));
		text_cell(&table, r->samples ? format_percent((double)f->total / (double)r->samples) : "-");
		text_cell(&table, format_count(f->self));
		strbuf_reset(&line);
		strbuf_addf(&line, "%s%s%s%s", or_dash(f->name), f->module ? " (" : "",
			    f->module ? f->module : "", f->module ? ")" : "");
		text_cell(&table, line.ptr);
	}
	table.cells.failed |= line.failed;
	strbuf_free(&line);
	text_table_print(t, &table);
	text_more(t, table.rows, r->functions.count);
}
