/* SPDX-License-Identifier: BSD-2-Clause */
/* Sections about units of work: functions that the user named, units found otherwise, transactions. */
#include "report/text.h"

#include "report/report.h"

#define VALUES_PRINTED 5

static size_t spans_of(const struct report *r)
{
	size_t n = 0, i;

	for (i = 0; i < r->unit_shapes.count; i++)
		n += r->unit_shapes.item[i].is_span != 0;
	return n;
}

static const char *count_or_dash(uint64_t n)
{
	return n ? format_count(n) : "-";
}

/* "12.5", or a whole number as it is. */
static void add_figure(struct strbuf *out, double value)
{
	if (value == (double)(int64_t)value && value < 1e15 && value > -1e15)
		strbuf_addf(out, "%lld", (long long)value);
	else
		strbuf_addf(out, "%.2f", value);
}

static void print_number(struct text *t, const struct report_attribute *a)
{
	struct strbuf line = {0};

	strbuf_addf(&line, "%s: sum ", a->name);
	add_figure(&line, a->sum);
	strbuf_adds(&line, ", average ");
	add_figure(&line, a->sum / (double)a->count);
	strbuf_addf(&line, ", %lld to %lld", (long long)a->min, (long long)a->max);
	text_labelled(t, 6, "number", line.failed ? NULL : line.ptr, 1);
	strbuf_free(&line);
}

static void print_texts(struct text *t, const struct report_attribute *a)
{
	struct strbuf line = {0};
	uint64_t other = a->other;
	size_t i;

	strbuf_addf(&line, "%s: ", a->name);
	for (i = 0; i < a->values.count; i++) {
		const struct report_value *v = &a->values.item[i];

		if (i >= VALUES_PRINTED) {
			other += v->count;
			continue;
		}
		strbuf_addf(&line, "%s%s %s", i ? ", " : "", v->text, format_count(v->count));
		strbuf_addf(&line, " (%s", format_time(v->count ? v->total_ns / v->count : 0));
		if (v->errors)
			strbuf_addf(&line, ", %s failed", format_count(v->errors));
		strbuf_adds(&line, ")");
	}
	if (other)
		strbuf_addf(&line, ", others %s", format_count(other));
	text_labelled(t, 6, "text", line.failed ? NULL : line.ptr, 3);
	strbuf_free(&line);
}

static void print_attributes(struct text *t, const struct report_unit *u)
{
	size_t i;

	for (i = 0; i < u->attributes.count; i++) {
		const struct report_attribute *a = &u->attributes.item[i];

		if (!a->count)
			continue;
		if (a->is_text)
			print_texts(t, a);
		else
			print_number(t, a);
	}
}

static void add_wait(struct strbuf *out, uint64_t ns, const char *what)
{
	if (ns)
		strbuf_addf(out, "%sabout %s %s", out->len ? "; " : "", format_time(ns), what);
}

/* What a call used, on average, as far as it is known. */
static void add_use(struct strbuf *out, const struct report_unit *u)
{
	uint64_t n = u->count ? u->count : 1;

	if (u->cpu_known)
		strbuf_addf(out, "CPU %s, off CPU %s a call", format_time(u->cpu_ns / n),
			    format_time(u->off_cpu_ns / n));
	if (u->waits_known) {
		add_wait(out, u->io_wait_ns / n, "waiting for disks");
		add_wait(out, u->lock_wait_ns / n, "waiting for locks");
		add_wait(out, u->network_wait_ns / n, "waiting for the network");
	}
	if (u->cache_hits + u->cache_misses)
		strbuf_addf(out, "%scache %s of %s reads hit", out->len ? "; " : "",
			    format_count(u->cache_hits), format_count(u->cache_hits + u->cache_misses));
	if (u->queue_spans)
		strbuf_addf(out, "%s%s queue command%s", out->len ? "; " : "", format_count(u->queue_spans),
			    u->queue_spans == 1 ? "" : "s");
	if (u->rss_known && u->rss_growth)
		strbuf_addf(out, "%smemory %+.1f MB in all", out->len ? "; " : "",
			    (double)u->rss_growth / (1 << 20));
	if (u->left)
		strbuf_addf(out, "%s%s never returned (exception, longjmp)", out->len ? "; " : "",
			    format_count(u->left));
	if (u->running)
		strbuf_addf(out, "%s%s still running", out->len ? "; " : "", format_count(u->running));
}

static void print_details(struct text *t)
{
	struct strbuf line = {0};
	size_t i, n = 0, use;

	for (i = 0; i < t->r->unit_shapes.count && n < t->top; i++) {
		const struct report_unit *u = &t->r->unit_shapes.item[i];

		if (!u->is_span || u->never_called)
			continue;
		n++;
		strbuf_reset(&line);
		add_use(&line, u);
		use = line.len;
		if (!use && !u->attributes.count)
			continue;
		strbuf_addf(&line, "%s%s", use ? " in " : "", u->shape);
		text_labelled(t, 2, use ? "used" : "asked", line.failed ? NULL : line.ptr, 2);
		print_attributes(t, u);
	}
	t->out->failed |= line.failed;
	strbuf_free(&line);
}

/* The functions that the user named as units of work. */
void text_spans(struct text *t)
{
	static const struct text_column columns[] = {
		{"type", 1},  {"calls", 0}, {"failed", 0}, {"stmts/call", 0}, {"total", 0},
		{"in db", 0}, {"p50", 0},   {"p95", 0},	   {"max", 0},
	};
	struct text_table table = {columns, sizeof(columns) / sizeof(columns[0]), "function", {0}, 0};
	struct strbuf note = {0};
	char detail[80];
	size_t i;

	if (!spans_of(t->r))
		return;
	text_detail(t, spans_of(t->r), "by total time", detail, sizeof(detail));
	text_title(t, "SPANS", detail);
	for (i = 0; i < t->r->unit_shapes.count && table.rows < t->top; i++) {
		const struct report_unit *u = &t->r->unit_shapes.item[i];

		if (!u->is_span)
			continue;
		text_cell(&table, u->type ? u->type : "-");
		text_cell(&table, format_count(u->count));
		text_cell(&table, count_or_dash(u->failed));
		strbuf_reset(&note);
		strbuf_addf(&note, "%.1f", u->statements_per_unit);
		text_cell(&table, note.ptr);
		text_cell(&table, format_time(u->total_ns));
		text_cell(&table, u->total_ns ? format_percent((double)u->db_ns / (double)u->total_ns) : "-");
		text_cell(&table, u->total_ns ? format_time(u->p50_ns) : "-");
		text_cell(&table, u->total_ns ? format_time(u->p95_ns) : "-");
		text_cell(&table, u->total_ns ? format_time(u->max_ns) : "-");
		strbuf_reset(&note);
		strbuf_addf(&note, "%s%s%s%s", u->process ? u->process : "", u->process ? ": " : "", u->shape,
			    u->never_called ? " was never called" : "");
		text_cell(&table, note.ptr);
		table.rows++;
	}
	i = table.rows;
	table.cells.failed |= note.failed;
	strbuf_free(&note);
	text_table_print(t, &table);
	print_details(t);
	text_more(t, i, spans_of(t->r));
}

void text_units(struct text *t)
{
	static const struct text_column columns[] = {
		{"kind", 1}, {"count", 0}, {"stmts/unit", 0}, {"total", 0}, {"in db", 0},
		{"p50", 0},  {"p95", 0},   {"max", 0},	      {"err", 0},
	};
	struct text_table table = {columns, sizeof(columns) / sizeof(columns[0]), "unit of work", {0}, 0};
	struct strbuf note = {0};
	char detail[80];
	size_t spans = spans_of(t->r), i;

	if (t->r->unit_shapes.count == spans)
		return;
	text_detail(t, t->r->unit_shapes.count - spans, "by total time", detail, sizeof(detail));
	text_title(t, "UNITS OF WORK", detail);
	for (i = 0; i < t->r->unit_shapes.count && table.rows < t->top; i++) {
		const struct report_unit *u = &t->r->unit_shapes.item[i];

		if (u->is_span)
			continue;
		table.rows++;
		text_cell(&table, u->kind && *u->kind ? u->kind : "-");
		text_cell(&table, format_count(u->count));
		strbuf_reset(&note);
		strbuf_addf(&note, "%.1f", u->statements_per_unit);
		text_cell(&table, note.ptr);
		text_cell(&table, format_time(u->total_ns));
		text_cell(&table, u->total_ns ? format_percent((double)u->db_ns / (double)u->total_ns) : "-");
		text_cell(&table, format_time(u->p50_ns));
		text_cell(&table, format_time(u->p95_ns));
		text_cell(&table, format_time(u->max_ns));
		text_cell(&table, count_or_dash(u->errors));
		strbuf_reset(&note);
		strbuf_addf(&note, "%s%s%s%s", u->process ? u->process : "", u->process ? ": " : "",
			    u->shape && *u->shape ? u->shape : "-",
			    u->confidence == CONFIDENCE_EXACT ? "" : " (likely: found by gaps)");
		text_cell(&table, note.ptr);
	}
	table.cells.failed |= note.failed;
	strbuf_free(&note);
	i = table.rows;
	text_table_print(t, &table);
	text_more(t, i, t->r->unit_shapes.count - spans);
}

/* How they ended when not well, and what the thread did while the connection waited for it. */
static void transaction_note(struct strbuf *out, const struct report_transaction *x)
{
	static const char *const after = ", ";

	strbuf_addf(out, "%s: %s", x->system, x->query ? x->query : x->count ? "(empty)" : "second phases");
	if (x->failed)
		strbuf_addf(out, "%s%s rolled back after an error", after, format_count(x->failed));
	if (x->refused)
		strbuf_addf(out, "%s%s statement%s refused in them", after, format_count(x->refused),
			    x->refused == 1 ? "" : "s");
	if (x->dropped)
		strbuf_addf(out, "%s%s dropped with the connection", after, format_count(x->dropped));
	if (x->open)
		strbuf_addf(out, "%s%s still open", after, format_count(x->open));
	if (x->prepared)
		strbuf_addf(out, "%s%s prepared", after, format_count(x->prepared));
	if (x->second_phases)
		strbuf_addf(out, "%s%s second phase%s", after, format_count(x->second_phases),
			    x->second_phases == 1 ? "" : "s");
	if (x->implicit)
		strbuf_addf(out, "%s%s implicit", after, format_count(x->implicit));
	if (x->nested)
		strbuf_addf(out, "%s%s BEGIN inside", after, format_count(x->nested));
	if (x->savepoints)
		strbuf_addf(out, "%s%s savepoint%s (%s rolled back to)", after, format_count(x->savepoints),
			    x->savepoints == 1 ? "" : "s", format_count(x->savepoint_rollbacks));
	if (x->idle_ns && x->idle_cpu_known)
		strbuf_addf(out, "%sidle: on CPU about %s, waiting %s", after, format_time(x->idle_cpu_ns),
			    format_time(x->idle_wait_ns));
}

void text_transactions(struct text *t)
{
	static const struct text_column columns[] = {
		{"count", 0}, {"commit", 0}, {"rollback", 0}, {"stmts/tx", 0}, {"p50", 0},
		{"p95", 0},   {"max", 0},    {"in db", 0},    {"idle", 0},
	};
	struct text_table table = {columns, sizeof(columns) / sizeof(columns[0]), "begins with", {0}, 0};
	const struct report *r = t->r;
	struct strbuf note = {0};
	char detail[80];
	size_t i;

	if (!r->transaction_shapes.count)
		return;
	text_detail(t, r->transaction_shapes.count, "by total time", detail, sizeof(detail));
	text_title(t, "TRANSACTIONS", detail);
	for (i = 0; i < text_shown(t, r->transaction_shapes.count); i++, table.rows++) {
		const struct report_transaction *x = &r->transaction_shapes.item[i];

		text_cell(&table, format_count(x->count));
		text_cell(&table, count_or_dash(x->committed));
		text_cell(&table, count_or_dash(x->rolled_back + x->failed));
		strbuf_reset(&note);
		strbuf_addf(&note, "%.1f", x->count ? (double)x->statements / (double)x->count : 0.0);
		text_cell(&table, note.ptr);
		text_cell(&table, format_time(x->p50_ns));
		text_cell(&table, format_time(x->p95_ns));
		text_cell(&table, format_time(x->max_ns));
		text_cell(&table, x->total_ns ? format_percent((double)x->db_ns / (double)x->total_ns) : "-");
		text_cell(&table,
			  x->total_ns ? format_percent((double)x->idle_ns / (double)x->total_ns) : "-");
		strbuf_reset(&note);
		transaction_note(&note, x);
		text_cell(&table, note.ptr);
	}
	table.cells.failed |= note.failed;
	strbuf_free(&note);
	i = table.rows;
	text_table_print(t, &table);
	text_more(t, i, r->transaction_shapes.count);
}
