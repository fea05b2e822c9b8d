/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report as one JSON document; docs/report.schema.json says what each field means. Names never change
 * their meaning; fields may be added. Unknown is null. Times are milliseconds, timestamps RFC 3339 in UTC,
 * fingerprints 16 hex digits.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "record.h"
#include "report/json_doc.h"
#include "report/report.h"

#define SCHEMA "apm-bpf/report/1"

/* ---- parts of the document ---- */

static json_t *target(struct doc *d, const struct report *r)
{
	json_t *o = json_object();

	put(d, o, "text", of_string(d, r->target));
	put(d, o, "host", of_string(d, r->host));
	put(d, o, "kernel", of_string(d, r->kernel));
	put(d, o, "service", of_string(d, r->service));
	put(d, o, "environment", of_string(d, r->environment));
	return o;
}

static json_t *window(struct doc *d, const struct report *r)
{
	json_t *o = json_object();

	put(d, o, "start", of_time(d, r->start_realtime_ns));
	put(d, o, "duration_s", json_real((double)r->duration_ns / 1e9));
	put(d, o, "truncated", json_boolean(r->truncated));
	return o;
}

static void put_recent(struct doc *d, json_t *o, const struct report_recent *m)
{
	put(d, o, "errors", of_int(m->errors));
	put(d, o, "db_time_ms", of_ms(m->db_ns));
	put(d, o, "p50_ms", m->calls ? of_ms(m->p50_ns) : json_null());
	put(d, o, "p95_ms", m->calls ? of_ms(m->p95_ns) : json_null());
	put(d, o, "p99_ms", m->calls ? of_ms(m->p99_ns) : json_null());
}

static json_t *last_minute(struct doc *d, const struct report_recent *m)
{
	json_t *o = json_object();
	double seconds = (double)m->window_ns / 1e9;

	put(d, o, "seconds", json_real(seconds));
	put(d, o, "statements", of_int(m->calls));
	put(d, o, "control_statements", of_int(m->control));
	put(d, o, "per_s", seconds > 0 ? json_real((double)m->calls / seconds) : json_null());
	put(d, o, "units", of_int(m->units));
	put_recent(d, o, m);
	return o;
}

static json_t *last_minute_of_query(struct doc *d, const struct report_recent *m)
{
	json_t *o;

	if (!m)
		return json_null();
	o = json_object();
	put(d, o, "calls", of_int(m->calls));
	put_recent(d, o, m);
	return o;
}

static json_t *summary(struct doc *d, const struct report *r)
{
	json_t *o = json_object(), *links = json_object();

	put(d, o, "units", of_int(r->units));
	put(d, o, "transactions", of_int(r->transactions));
	put(d, o, "statements", of_int(r->statements));
	put(d, o, "control_statements", of_int(r->control_statements));
	put(d, o, "running_statements", of_int(r->running));
	put(d, o, "errors", of_int(r->errors));
	put(d, o, "error_rate", of_real(r->error_rate));
	put(d, o, "average_ms", of_ms(r->average_ns));
	put(d, o, "p50_ms", of_ms(r->p50_ns));
	put(d, o, "p95_ms", of_ms(r->p95_ns));
	put(d, o, "p99_ms", of_ms(r->p99_ns));
	put(d, o, "throughput_per_s", of_real(r->throughput_per_s));
	put(d, o, "db_time_ms", of_ms(r->db_ns));
	put(d, o, "lower_bounds", json_boolean(r->lower_bounds));
	put(d, o, "slow_threshold_ms", of_ms(r->slow_threshold_ns));
	put(d, o, "n_plus_one_threshold", of_int(r->n_plus_one_threshold));
	put(d, links, "exact", of_int(r->links_exact));
	put(d, links, "likely", of_int(r->links_likely));
	put(d, links, "none", of_int(r->links_none));
	put(d, o, "links", links);
	put(d, o, "last_minute", last_minute(d, &r->recent));
	return o;
}

static json_t *query(struct doc *d, const struct report *r, size_t i)
{
	const struct report_query *q = &r->queries.item[i];
	json_t *o = json_object();

	put(d, o, "fingerprint", of_fingerprint(q->fingerprint));
	put(d, o, "query", of_string(d, q->query));
	put(d, o, "example", of_string(d, q->example));
	put(d, o, "summary", of_string(d, q->summary));
	put(d, o, "system", of_string(d, q->system));
	put(d, o, "operation", of_string(d, q->operation));
	put(d, o, "collections", of_strings(d, q->collections));
	put(d, o, "class", of_string(d, q->stmt_class));
	put(d, o, "calls", of_int(q->calls));
	put(d, o, "running", of_int(q->running));
	put(d, o, "errors", of_int(q->errors));
	put(d, o, "rows", q->rows_known ? of_int(q->rows) : json_null());
	put(d, o, "max_rows", q->rows_known ? of_int(q->max_rows) : json_null());
	put(d, o, "bytes", of_int(q->bytes));
	put(d, o, "total_ms", of_ms(q->total_ns));
	put(d, o, "average_ms", q->calls ? of_ms(q->total_ns / q->calls) : json_null());
	put(d, o, "min_ms", of_ms(q->min_ns));
	put(d, o, "p50_ms", of_ms(q->p50_ns));
	put(d, o, "p95_ms", of_ms(q->p95_ns));
	put(d, o, "p99_ms", of_ms(q->p99_ns));
	put(d, o, "max_ms", of_ms(q->max_ns));
	put(d, o, "elapsed_ms", of_ms(q->elapsed_ns));
	put(d, o, "lock_wait_ms", of_ms(q->wait_ns));
	put(d, o, "share", of_real(q->share));
	put(d, o, "cpu_samples", of_int(q->cpu_samples));
	put(d, o, "call_site", of_string(d, q->call_site));
	put(d, o, "prepared_as", of_strings(d, q->prepared));
	put(d, o, "last_minute", last_minute_of_query(d, q->recent));
	return o;
}

static json_t *slow_query(struct doc *d, const struct report *r, size_t i)
{
	const struct report_slow *s = &r->slow.item[i];
	json_t *o = json_object();

	put(d, o, "fingerprint", of_fingerprint(s->fingerprint));
	put(d, o, "query", of_string(d, s->query));
	put(d, o, "duration_ms", of_ms(s->duration_ns));
	put(d, o, "collections", of_strings(d, s->collections));
	put(d, o, "operation", of_string(d, s->operation));
	put(d, o, "timestamp", of_time(d, s->ts_realtime_ns));
	put(d, o, "recommendation", of_string(d, s->recommendation));
	put(d, o, "rows", s->rows_known ? of_int(s->rows) : json_null());
	put(d, o, "pid", of_known(s->tgid));
	put(d, o, "tid", of_known(s->tid));
	put(d, o, "running", json_boolean(s->running));
	return o;
}

static json_t *n_plus_one(struct doc *d, const struct report *r, size_t i)
{
	const struct report_n_plus_one *n = &r->n_plus_one.item[i];
	json_t *o = json_object();

	put(d, o, "fingerprint", of_fingerprint(n->fingerprint));
	put(d, o, "query", of_string(d, n->query));
	put(d, o, "count", of_int(n->count));
	put(d, o, "units", of_int(n->units));
	put(d, o, "distinct_parameters", of_known(n->distinct_parameters));
	put(d, o, "total_ms", of_ms(n->total_ns));
	put(d, o, "share", of_real(n->share));
	put(d, o, "parent_fingerprint", of_fingerprint(n->parent_fingerprint));
	put(d, o, "parent_query", of_string(d, n->parent_query));
	put(d, o, "call_site", of_string(d, n->call_site));
	put(d, o, "examples", of_strings(d, n->examples));
	put(d, o, "recommendation", of_string(d, n->recommendation));
	put(d, o, "severity", of_string(d, severity_name(n->severity)));
	put(d, o, "confidence", of_string(d, confidence_name(n->confidence)));
	return o;
}

static json_t *error_group(struct doc *d, const struct report *r, size_t i)
{
	const struct report_error *e = &r->error_groups.item[i];
	json_t *o = json_object();

	put(d, o, "system", of_string(d, e->system));
	put(d, o, "code", of_string(d, e->code));
	put(d, o, "message", of_string(d, e->message));
	put(d, o, "count", of_int(e->count));
	put(d, o, "fingerprint", of_fingerprint(e->fingerprint));
	put(d, o, "query", of_string(d, e->query));
	put(d, o, "first_ts", of_time(d, e->first_realtime_ns));
	put(d, o, "last_ts", of_time(d, e->last_realtime_ns));
	return o;
}

static json_t *finding(struct doc *d, const struct report *r, size_t i)
{
	const struct report_finding *f = &r->findings.item[i];
	json_t *o = json_object();

	put(d, o, "detector", of_string(d, f->detector));
	put(d, o, "severity", of_string(d, severity_name(f->severity)));
	put(d, o, "confidence", of_string(d, confidence_name(f->confidence)));
	put(d, o, "fingerprint", of_fingerprint(f->fingerprint));
	put(d, o, "part_of", of_fingerprint(f->part_of));
	put(d, o, "query", of_string(d, f->query));
	put(d, o, "unit", of_string(d, f->unit));
	put(d, o, "title", of_string(d, f->title));
	put(d, o, "evidence", of_string(d, f->evidence));
	put(d, o, "count", of_int(f->count));
	put(d, o, "total_ms", of_ms(f->total_ns));
	put(d, o, "saved_ms", f->saved_ns ? of_ms(f->saved_ns) : json_null());
	put(d, o, "estimated_after_ms", f->saved_ns ? of_ms(report_time_after(f)) : json_null());
	put(d, o, "call_site", of_string(d, f->call_site));
	put(d, o, "recommendation", of_string(d, f->recommendation));
	return o;
}

static json_t *memory_warning(struct doc *d, const struct report *r, size_t i)
{
	const struct report_memory *m = &r->memory_warnings.item[i];
	json_t *o = json_object();

	put(d, o, "pid", of_known(m->tgid));
	put(d, o, "process", of_string(d, m->process));
	put(d, o, "kind", of_string(d, m->kind));
	put(d, o, "severity", of_string(d, severity_name(m->severity)));
	put(d, o, "rss_mb", of_real((double)m->rss_kb / 1024));
	put(d, o, "grown_mb", of_real((double)m->grown_kb / 1024));
	put(d, o, "evidence", of_string(d, m->evidence));
	return o;
}

static json_t *bottleneck(struct doc *d, const struct report *r, size_t i)
{
	const struct report_bottleneck *b = &r->bottlenecks.item[i];
	json_t *o = json_object();

	put(d, o, "kind", of_string(d, b->kind));
	put(d, o, "impact", of_string(d, b->impact));
	put(d, o, "share", of_real(b->share));
	put(d, o, "evidence", of_string(d, b->evidence));
	put(d, o, "recommendation", of_string(d, b->recommendation));
	return o;
}

static json_t *function(struct doc *d, const struct report *r, size_t i)
{
	const struct report_function *f = &r->functions.item[i];
	json_t *o = json_object();

	put(d, o, "name", of_string(d, f->name));
	put(d, o, "module", of_string(d, f->module));
	put(d, o, "self", of_int(f->self));
	put(d, o, "total", of_int(f->total));
	put(d, o, "share", of_real(f->share));
	return o;
}

static json_t *interval(struct doc *d, const struct report *r, size_t i)
{
	const struct report_interval *v = &r->timeline.item[i];
	json_t *o = json_object();

	put(d, o, "start", of_time(d, v->start_realtime_ns));
	put(d, o, "statements", of_int(v->statements));
	put(d, o, "errors", of_int(v->errors));
	put(d, o, "db_time_ms", of_ms(v->db_ns));
	put(d, o, "p50_ms", v->statements ? of_ms(v->p50_ns) : json_null());
	put(d, o, "p95_ms", v->statements ? of_ms(v->p95_ns) : json_null());
	return o;
}

static json_t *library(struct doc *d, const struct report *r, size_t i)
{
	const struct report_library *l = &r->libraries.item[i];
	json_t *o = json_object();

	put(d, o, "name", of_string(d, l->name));
	put(d, o, "version", of_string(d, l->version));
	put(d, o, "path", of_string(d, l->path));
	put(d, o, "build_id", of_string(d, l->build_id));
	put(d, o, "statements", of_int(l->statements));
	return o;
}

static json_t *list(struct doc *d, const struct report *r, size_t count,
		    json_t *(*element)(struct doc *d, const struct report *r, size_t i))
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < count; i++)
		if (json_array_append_new(array, element(d, r, i)))
			d->failed = 1;
	return array;
}

static json_t *timeline(struct doc *d, const struct report *r)
{
	json_t *o = json_object();

	put(d, o, "width_ms", of_ms(r->timeline_width_ns));
	put(d, o, "intervals", list(d, r, r->timeline.count, interval));
	return o;
}

static json_t *profile(struct doc *d, const struct report *r)
{
	json_t *o = json_object();

	put(d, o, "frequency_hz", of_int(r->sample_freq));
	put(d, o, "samples", of_int(r->samples));
	put(d, o, "samples_attributed", of_int(r->samples_attributed));
	put(d, o, "samples_unattributed", of_int(r->samples_unattributed));
	put(d, o, "samples_complete", of_int(r->samples_complete));
	put(d, o, "functions", list(d, r, r->functions.count, function));
	return o;
}

static json_t *losses(struct doc *d, const struct report *r)
{
	json_t *o = json_object();
	int c;

	for (c = 0; c < APM_CNT_MAX; c++)
		if (report_is_loss((enum apm_counter)c))
			put(d, o, counter_name((enum apm_counter)c), of_int(r->losses[c]));
	put(d, o, "late_attach_ms", of_ms(r->late_attach_ns));
	return o;
}

static json_t *coverage_of(struct doc *d, const struct report *r, const char *kind)
{
	json_t *array = json_array(), *o;
	size_t i;

	for (i = 0; i < r->coverage.count; i++) {
		const struct report_coverage *c = &r->coverage.item[i];

		if (strcmp(c->kind, kind) != 0)
			continue;
		o = json_object();
		put(d, o, "pid", of_known(c->tgid));
		put(d, o, "subject", of_string(d, c->subject));
		put(d, o, "text", of_string(d, c->text));
		if (json_array_append_new(array, o))
			d->failed = 1;
	}
	return array;
}

static json_t *coverage(struct doc *d, const struct report *r)
{
	json_t *o = json_object();

	put(d, o, "processes", coverage_of(d, r, "process"));
	put(d, o, "libraries", coverage_of(d, r, "library"));
	put(d, o, "spans", coverage_of(d, r, "span"));
	put(d, o, "missing", coverage_of(d, r, "missing"));
	put(d, o, "kernel", coverage_of(d, r, "kernel"));
	return o;
}

static json_t *overhead(struct doc *d, const struct report *r)
{
	json_t *o = json_object();

	put(d, o, "probes", of_int(r->probes));
	put(d, o, "probe_hits", of_int(r->probe_hits));
	put(d, o, "events", of_int(r->losses[APM_CNT_EVENTS]));
	put(d, o, "events_read", of_int(r->events_read));
	put(d, o, "price_entry_ns", of_known(r->price_entry_ns));
	put(d, o, "price_return_ns", of_known(r->price_return_ns));
	put(d, o, "probe_ms", of_ms(r->probe_ns));
	put(d, o, "program_ms", r->program_ns ? of_ms(r->program_ns) : json_null());
	put(d, o, "agent_cpu_ms", of_ms(r->agent_cpu_ns));
	put(d, o, "agent_rss_kb", of_int(r->agent_rss_kb));
	put(d, o, "max_percent", r->overhead_limit > 0 ? of_real(r->overhead_limit * 100) : json_null());
	put(d, o, "peak_percent", of_real(r->overhead_peak * 100));
	put(d, o, "level", of_string(d, r->overhead_level));
	put(d, o, "changes", of_int(r->overhead_changes));
	put(d, o, "cpu_pressure",
	    r->cpu_window_ns ? json_real((double)r->cpu_wait_ns / (double)r->cpu_window_ns) : json_null());
	return o;
}

static json_t *tool(struct doc *d, const struct report *r)
{
	json_t *o = json_object();

	put(d, o, "version", of_string(d, r->tool_version));
	put(d, o, "normaliser_version", of_int(r->normaliser_version));
	put(d, o, "regrouped", json_boolean(r->regrouped));
	return o;
}

static int add_bytes(const char *bytes, size_t len, void *out)
{
	strbuf_add(out, bytes, len);
	return 0;
}

int report_json(const struct report *r, const struct report_style *style, struct strbuf *out)
{
	struct doc d = {0};
	json_t *o = json_object();

	put(&d, o, "schema", json_string(SCHEMA));
	put(&d, o, "tool", tool(&d, r));
	put(&d, o, "target", target(&d, r));
	put(&d, o, "window", window(&d, r));
	put(&d, o, "summary", summary(&d, r));
	put(&d, o, "findings", list(&d, r, r->findings.count, finding));
	put(&d, o, "queries", list(&d, r, r->queries.count, query));
	put(&d, o, "slow_queries", list(&d, r, r->slow.count, slow_query));
	put(&d, o, "n_plus_one", list(&d, r, r->n_plus_one.count, n_plus_one));
	put(&d, o, "transactions", json_transactions(&d, r));
	put(&d, o, "unit_shapes", json_unit_shapes(&d, r));
	put(&d, o, "units", json_kept_units(&d, r));
	put(&d, o, "errors", list(&d, r, r->error_groups.count, error_group));
	put(&d, o, "memory_warnings", list(&d, r, r->memory_warnings.count, memory_warning));
	put(&d, o, "bottlenecks", list(&d, r, r->bottlenecks.count, bottleneck));
	put(&d, o, "timeline", timeline(&d, r));
	put(&d, o, "profile", profile(&d, r));
	put(&d, o, "losses", losses(&d, r));
	put(&d, o, "libraries", list(&d, r, r->libraries.count, library));
	put(&d, o, "coverage", coverage(&d, r));
	put(&d, o, "overhead", overhead(&d, r));

	/* 15 digits: what a double holds, without the noise of the 17 that would tell any two apart. */
	if (!d.failed && json_dump_callback(o, add_bytes, out, JSON_INDENT(1) | JSON_REAL_PRECISION(15)))
		d.failed = 1;
	strbuf_addc(out, '\n');
	json_decref(o);
	return d.failed || out->failed ? -ENOMEM : 0;
}
