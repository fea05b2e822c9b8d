/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/tables.h"

#include "record.h"
#include "report/format.h"
#include "report/report.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- cells ---- */

static void add_text(struct strbuf *out, const char *s)
{
	strbuf_adds(out, s && *s ? s : "-");
}

static void add_id(struct strbuf *out, uint64_t fingerprint)
{
	strbuf_adds(out, fingerprint ? format_id(fingerprint, 16) : "-");
}

static void add_count(struct strbuf *out, uint64_t n)
{
	strbuf_adds(out, n ? format_count(n) : "-");
}

static void add_ratio(struct strbuf *out, double part, double whole)
{
	strbuf_adds(out, whole > 0 ? format_percent(part / whole) : "-");
}

/* One function per cell: CELL(name, list, expression with `item`). */
#define CELL(name, list, what)                                                   \
	static void name(const struct report *r, size_t row, struct strbuf *out) \
	{                                                                        \
		const __typeof__(*r->list.item) *item = &r->list.item[row];      \
                                                                                 \
		what;                                                            \
	}
#define ROWS(name, list)                           \
	static size_t name(const struct report *r) \
	{                                          \
		return r->list.count;              \
	}

/* clang-format off */
ROWS(query_rows, queries)
CELL(query_id, queries, add_id(out, item->fingerprint))
CELL(query_share, queries, strbuf_adds(out, format_percent(item->share)))
CELL(query_calls, queries, strbuf_adds(out, format_count(item->calls)))
CELL(query_total, queries, strbuf_adds(out, format_time(item->total_ns)))
CELL(query_average, queries, strbuf_adds(out, item->calls ? format_time(item->total_ns / item->calls) : "-"))
CELL(query_p95, queries, strbuf_adds(out, format_time(item->p95_ns)))
CELL(query_max, queries, strbuf_adds(out, format_time(item->max_ns)))
CELL(query_rows_read, queries, strbuf_adds(out, item->rows_known ? format_count(item->rows) : "-"))
CELL(query_errors, queries, add_count(out, item->errors))
CELL(query_running, queries, add_count(out, item->running))
CELL(query_text, queries, add_text(out, item->example ? item->example : item->query))

ROWS(repeat_rows, n_plus_one)
CELL(repeat_id, n_plus_one, add_id(out, item->fingerprint))
CELL(repeat_count, n_plus_one, strbuf_adds(out, format_count(item->count)))
CELL(repeat_units, n_plus_one, strbuf_adds(out, format_count(item->units)))
CELL(repeat_distinct, n_plus_one, add_count(out, item->distinct_parameters))
CELL(repeat_total, n_plus_one, strbuf_adds(out, format_time(item->total_ns)))
CELL(repeat_share, n_plus_one, strbuf_adds(out, format_percent(item->share)))
CELL(repeat_parent, n_plus_one, add_id(out, item->parent_fingerprint))
CELL(repeat_site, n_plus_one, add_text(out, item->call_site))
CELL(repeat_text, n_plus_one, add_text(out, item->query))

ROWS(slow_rows, slow)
CELL(slow_id, slow, add_id(out, item->fingerprint))
CELL(slow_duration, slow, strbuf_addf(out, "%s%s", item->running ? "> " : "", format_time(item->duration_ns)))
CELL(slow_start, slow, report_add_timestamp(out, item->ts_realtime_ns, 0))
CELL(slow_read, slow, strbuf_adds(out, item->rows_known ? format_count(item->rows) : "-"))
CELL(slow_thread, slow, strbuf_addf(out, "%u/%u%s", item->tgid, item->tid, item->running ? ", running" : ""))
CELL(slow_text, slow, add_text(out, item->query))

ROWS(error_rows, error_groups)
CELL(error_id, error_groups, add_id(out, item->fingerprint))
CELL(error_count, error_groups, strbuf_adds(out, format_count(item->count)))
CELL(error_system, error_groups, add_text(out, item->system))
CELL(error_code, error_groups, add_text(out, item->code))
CELL(error_message, error_groups, add_text(out, item->message))
CELL(error_last, error_groups, report_add_timestamp(out, item->last_realtime_ns, 0))

ROWS(unit_rows, unit_shapes)
CELL(unit_kind, unit_shapes, add_text(out, item->kind))
CELL(unit_process, unit_shapes, add_text(out, item->process))
CELL(unit_shape, unit_shapes, add_text(out, item->shape))
CELL(unit_count, unit_shapes, strbuf_adds(out, format_count(item->count)))
CELL(unit_statements, unit_shapes, strbuf_addf(out, "%.1f", item->statements_per_unit))
CELL(unit_total, unit_shapes, strbuf_adds(out, format_time(item->total_ns)))
CELL(unit_db, unit_shapes, add_ratio(out, (double)item->db_ns, (double)item->total_ns))
CELL(unit_p50, unit_shapes, strbuf_adds(out, format_time(item->p50_ns)))
CELL(unit_p95, unit_shapes, strbuf_adds(out, format_time(item->p95_ns)))
CELL(unit_errors, unit_shapes, add_count(out, item->errors))

ROWS(function_rows, functions)
CELL(function_self, functions, strbuf_adds(out, format_percent(item->share)))
CELL(function_total, functions, add_ratio(out, (double)item->total, (double)r->samples))
CELL(function_samples, functions, strbuf_adds(out, format_count(item->self)))
CELL(function_name, functions, add_text(out, item->name))
CELL(function_module, functions, add_text(out, item->module))

ROWS(bottleneck_rows, bottlenecks)
CELL(bottleneck_kind, bottlenecks, add_text(out, item->kind))
CELL(bottleneck_impact, bottlenecks, add_text(out, item->impact))
CELL(bottleneck_share, bottlenecks, strbuf_adds(out, format_percent(item->share)))
CELL(bottleneck_evidence, bottlenecks, add_text(out, item->evidence))
CELL(bottleneck_advice, bottlenecks, add_text(out, item->recommendation))

ROWS(library_rows, libraries)
CELL(library_name, libraries, add_text(out, item->name))
CELL(library_version, libraries, add_text(out, item->version))
CELL(library_statements, libraries, strbuf_adds(out, format_count(item->statements)))
CELL(library_path, libraries, add_text(out, item->path))

ROWS(coverage_rows, coverage)
CELL(coverage_kind, coverage, add_text(out, item->kind))
CELL(coverage_process, coverage, item->tgid ? strbuf_addf(out, "%u", item->tgid) : strbuf_adds(out, "-"))
CELL(coverage_subject, coverage, add_text(out, item->subject))
CELL(coverage_text, coverage, add_text(out, item->text))
/* clang-format on */

static void query_spread(const struct report *r, size_t row, uint64_t points[SPREAD_POINTS])
{
	const struct report_query *q = &r->queries.item[row];

	points[0] = q->min_ns;
	points[1] = q->p50_ns;
	points[2] = q->p95_ns;
	points[3] = q->p99_ns;
	points[4] = q->max_ns;
}

/* ---- losses: the counters that are not zero ---- */

static int is_lost(const struct report *r, int counter)
{
	return r->losses[counter] && report_is_loss((enum apm_counter)counter);
}

static size_t loss_rows(const struct report *r)
{
	size_t n = 0;
	int c;

	for (c = 0; c < APM_CNT_MAX; c++)
		n += is_lost(r, c);
	return n;
}

static enum apm_counter loss_at(const struct report *r, size_t row)
{
	int c = 0;

	while (!is_lost(r, c) || row--)
		c++;
	return (enum apm_counter)c;
}

static void loss_count(const struct report *r, size_t row, struct strbuf *out)
{
	strbuf_adds(out, format_count(r->losses[loss_at(r, row)]));
}

static void loss_name(const struct report *r, size_t row, struct strbuf *out)
{
	strbuf_adds(out, counter_name(loss_at(r, row)));
}

static void loss_text(const struct report *r, size_t row, struct strbuf *out)
{
	enum apm_counter c = loss_at(r, row);

	strbuf_adds(out, counter_text(c));
	if (counter_lossy(c))
		strbuf_adds(out, "; counts are lower bounds");
}

/* ---- the tables ---- */

static const struct table_column query_columns[] = {
	{"query", CELL_ID, query_id},
	{"share", CELL_NUMBER, query_share},
	{"calls", CELL_NUMBER, query_calls},
	{"total", CELL_NUMBER, query_total},
	{"average", CELL_NUMBER, query_average},
	{"p95", CELL_NUMBER, query_p95},
	{"max", CELL_NUMBER, query_max},
	{"rows", CELL_NUMBER, query_rows_read},
	{"errors", CELL_NUMBER, query_errors},
	{"running", CELL_NUMBER, query_running},
	{"statement", CELL_CODE, query_text},
};

static const struct table_column repeat_columns[] = {
	{"query", CELL_LINK, repeat_id},	   {"executions", CELL_NUMBER, repeat_count},
	{"units", CELL_NUMBER, repeat_units},	   {"parameters", CELL_NUMBER, repeat_distinct},
	{"total", CELL_NUMBER, repeat_total},	   {"of the units", CELL_NUMBER, repeat_share},
	{"after query", CELL_LINK, repeat_parent}, {"called by", CELL_CODE, repeat_site},
	{"statement", CELL_CODE, repeat_text},
};

static const struct table_column slow_columns[] = {
	{"query", CELL_LINK, slow_id},
	{"duration", CELL_NUMBER, slow_duration},
	{"at", CELL_NUMBER, slow_start},
	{"rows", CELL_NUMBER, slow_read},
	{"process/thread", CELL_TEXT, slow_thread},
	{"statement", CELL_CODE, slow_text},
};

static const struct table_column error_columns[] = {
	{"query", CELL_LINK, error_id},	       {"count", CELL_NUMBER, error_count},
	{"system", CELL_TEXT, error_system},   {"code", CELL_CODE, error_code},
	{"message", CELL_TEXT, error_message}, {"last", CELL_NUMBER, error_last},
};

static const struct table_column unit_columns[] = {
	{"process", CELL_TEXT, unit_process},
	{"begins with", CELL_CODE, unit_shape},
	{"found by", CELL_TEXT, unit_kind},
	{"count", CELL_NUMBER, unit_count},
	{"statements each", CELL_NUMBER, unit_statements},
	{"total", CELL_NUMBER, unit_total},
	{"in database", CELL_NUMBER, unit_db},
	{"p50", CELL_NUMBER, unit_p50},
	{"p95", CELL_NUMBER, unit_p95},
	{"errors", CELL_NUMBER, unit_errors},
};

static const struct table_column function_columns[] = {
	{"self", CELL_NUMBER, function_self},	    {"total", CELL_NUMBER, function_total},
	{"samples", CELL_NUMBER, function_samples}, {"function", CELL_CODE, function_name},
	{"module", CELL_CODE, function_module},
};

static const struct table_column bottleneck_columns[] = {
	{"kind", CELL_TEXT, bottleneck_kind},	      {"impact", CELL_TEXT, bottleneck_impact},
	{"share", CELL_NUMBER, bottleneck_share},     {"evidence", CELL_TEXT, bottleneck_evidence},
	{"what to do", CELL_TEXT, bottleneck_advice},
};

static const struct table_column loss_columns[] = {
	{"count", CELL_NUMBER, loss_count},
	{"counter", CELL_CODE, loss_name},
	{"what", CELL_TEXT, loss_text},
};

static const struct table_column library_columns[] = {
	{"library", CELL_TEXT, library_name},
	{"version", CELL_TEXT, library_version},
	{"statements", CELL_NUMBER, library_statements},
	{"file", CELL_CODE, library_path},
};

static const struct table_column coverage_columns[] = {
	{"kind", CELL_TEXT, coverage_kind},
	{"process", CELL_TEXT, coverage_process},
	{"subject", CELL_CODE, coverage_subject},
	{"state", CELL_TEXT, coverage_text},
};

#define TABLE(id, title, note, rows, columns, spread)                  \
	{                                                              \
		id, title, note, rows, columns, COUNT(columns), spread \
	}

const struct report_table report_tables[] = {
	TABLE("queries", "Top queries", "by total time", query_rows, query_columns, query_spread),
	TABLE("n-plus-one", "N+1 queries", "one query per row of another", repeat_rows, repeat_columns, NULL),
	TABLE("slow", "Slow statements", "slowest first", slow_rows, slow_columns, NULL),
	TABLE("errors", "Errors", "most frequent first", error_rows, error_columns, NULL),
	TABLE("units", "Units of work", "by total time", unit_rows, unit_columns, NULL),
	TABLE("functions", "Hot functions", "by their own CPU time", function_rows, function_columns, NULL),
	TABLE("bottlenecks", "Bottlenecks", NULL, bottleneck_rows, bottleneck_columns, NULL),
	TABLE("losses", "Losses", "what is not in the figures", loss_rows, loss_columns, NULL),
	TABLE("libraries", "Libraries", NULL, library_rows, library_columns, NULL),
	TABLE("coverage", "Coverage", "what was watched, and what was not", coverage_rows, coverage_columns,
	      NULL),
};

const size_t report_table_count = COUNT(report_tables);

/* ---- the summary ---- */

static void add_value(struct strbuf *out, const char *label, const char *value)
{
	if (value && *value)
		strbuf_addf(out, "%s%s", label, value);
}

static void fact_target(const struct report *r, struct strbuf *out)
{
	add_value(out, "", r->target);
	add_value(out, " on ", r->host);
	add_value(out, ", Linux ", r->kernel);
	add_value(out, ", service ", r->service);
	add_value(out, ", environment ", r->environment);
	add_value(out, ", apm-bpf ", r->tool_version);
}

static void fact_window(const struct report *r, struct strbuf *out)
{
	report_add_timestamp(out, r->start_realtime_ns, 0);
	strbuf_addf(out, " for %s", format_time(r->duration_ns));
}

static void fact_statements(const struct report *r, struct strbuf *out)
{
	strbuf_addf(out, "%s%s, %s/s; control statements %s; failed %s", r->lower_bounds ? "at least " : "",
		    format_count(r->statements), format_count((uint64_t)(r->throughput_per_s + 0.5)),
		    format_count(r->control_statements), format_count(r->errors));
	if (r->errors)
		strbuf_addf(out, " (%s)", format_percent(r->error_rate));
	if (r->running)
		strbuf_addf(out, "; still running at the end %s", format_count(r->running));
}

static void fact_time(const struct report *r, struct strbuf *out)
{
	if (r->statements)
		strbuf_addf(out, "%s in all; average %s, p50 %s, p95 %s, p99 %s", format_time(r->db_ns),
			    format_time(r->average_ns), format_time(r->p50_ns), format_time(r->p95_ns),
			    format_time(r->p99_ns));
}

void report_add_recent(const struct report *r, struct strbuf *out)
{
	const struct report_recent *m = &r->recent;

	if (!m->window_ns || m->window_ns >= r->duration_ns)
		return;
	strbuf_addf(out, "statements %s, %s/s; failed %s", format_count(m->calls),
		    format_count((uint64_t)((double)m->calls * 1e9 / (double)m->window_ns + 0.5)),
		    format_count(m->errors));
	if (m->calls)
		strbuf_addf(out, "; p50 %s, p95 %s, p99 %s", format_time(m->p50_ns), format_time(m->p95_ns),
			    format_time(m->p99_ns));
}

static void fact_units(const struct report *r, struct strbuf *out)
{
	if (!r->units && !r->transactions)
		return;
	strbuf_addf(out, "%s; transactions %s; statements linked exactly %s, likely %s, not %s",
		    format_count(r->units), format_count(r->transactions), format_count(r->links_exact),
		    format_count(r->links_likely), format_count(r->links_none));
}

static void fact_profile(const struct report *r, struct strbuf *out)
{
	if (!r->samples)
		return;
	strbuf_addf(out, "%s CPU samples at %u Hz; %s in statements; %s of stacks complete",
		    format_count(r->samples), r->sample_freq,
		    format_percent((double)r->samples_attributed / (double)r->samples),
		    format_percent((double)r->samples_complete / (double)r->samples));
}

static void fact_cost(const struct report *r, struct strbuf *out)
{
	double window = (double)r->duration_ns;

	if (!r->probes && !r->probe_hits && !r->agent_cpu_ns)
		return;
	strbuf_addf(out, "%s hits of %u probes, about %s", format_count(r->probe_hits), r->probes,
		    format_time(r->probe_ns));
	if (window > 0)
		strbuf_addf(out, " (%s of one CPU)", format_percent((double)r->probe_ns / window));
	strbuf_addf(out, "; apm-bpf itself %s of CPU, %.1f MB", format_time(r->agent_cpu_ns),
		    (double)r->agent_rss_kb / 1024);
}

const struct report_fact report_facts[] = {
	{"Target", fact_target},      {"Window", fact_window},		{"Statements", fact_statements},
	{"Database time", fact_time}, {"Last 60 s", report_add_recent}, {"Units of work", fact_units},
	{"Profile", fact_profile},    {"Cost of tracing", fact_cost},
};

const size_t report_fact_count = COUNT(report_facts);

void report_add_warnings(const struct report *r, struct strbuf *out)
{
	const char *gap = "Counts are lower bounds: ";
	int c;

	for (c = 0; c < APM_CNT_MAX; c++) {
		if (!r->losses[c] || !counter_lossy((enum apm_counter)c))
			continue;
		strbuf_addf(out, "%s%s (%s)", gap, counter_text((enum apm_counter)c),
			    format_count(r->losses[c]));
		gap = "; ";
	}
	if (r->lower_bounds)
		strbuf_adds(out, out->len ? "\n" : "Counts are lower bounds: events were lost\n");
	if (r->truncated)
		strbuf_adds(out, "The capture was cut short: the report covers what was written before\n");
	if (report_add_grouping(r, out))
		strbuf_addc(out, '\n');
}

void report_add_cost(const struct report *r, const struct report_finding *f, struct strbuf *out)
{
	if (!f->total_ns)
		return;
	strbuf_adds(out, format_time(f->total_ns));
	/* Time that is not about a query is no time in the database. */
	if (f->fingerprint && f->total_ns <= r->db_ns)
		strbuf_addf(out, ", %s of all database time",
			    format_percent((double)f->total_ns / (double)r->db_ns));
	if (f->saved_ns)
		strbuf_addf(out, "; would save about %s", format_time(f->saved_ns));
}

void report_add_headline(const struct report *r, struct strbuf *out)
{
	if (!r->statements && !r->running) {
		strbuf_addf(out, "No SQL statement was seen in %s", format_time(r->duration_ns));
		return;
	}
	if (r->findings.count)
		strbuf_addf(out, "%zu finding%s", r->findings.count, r->findings.count == 1 ? "" : "s");
	else
		strbuf_adds(out, "No findings");
	strbuf_addf(out, " in %s%s statement%s over %s", r->lower_bounds ? "at least " : "",
		    format_count(r->statements), r->statements == 1 ? "" : "s", format_time(r->duration_ns));
}
