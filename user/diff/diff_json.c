/* SPDX-License-Identifier: BSD-2-Clause */
/* A comparison as one JSON document; docs/diff.md says what each field means. Names
 * never change their meaning. */
#include "diff/compare.h"

#include <errno.h>
#include <jansson.h>

#include "report/report.h"

#define SCHEMA "apm-bpf/diff/1"

static json_t *of_string(const char *s)
{
	struct strbuf clean = {0};
	json_t *value;

	if (!s)
		return json_null();
	strbuf_add_clean(&clean, str_from(s), 1);
	value = clean.failed ? NULL : json_stringn(clean.ptr ? clean.ptr : "", clean.len);
	strbuf_free(&clean);
	return value;
}

static json_t *of_fingerprint(uint64_t fingerprint)
{
	return json_sprintf("%016llx", (unsigned long long)fingerprint);
}

static json_t *of_time(uint64_t realtime_ns)
{
	struct strbuf text = {0};
	json_t *value;

	report_add_timestamp(&text, realtime_ns, 1);
	value = text.failed ? NULL : json_string(text.ptr);
	strbuf_free(&text);
	return value;
}

/* `scale`: from the figure's unit to the document's; ratios are not scaled. */
static json_t *figure(const struct diff_figure *f, double scale, int is_ratio)
{
	double s = is_ratio ? 1 : scale;

	if (f->change == DIFF_UNTESTED)
		return json_pack("{s:s}", "change", diff_change_name(f->change));
	return json_pack("{s:s,s:f,s:f,s:f,s:f,s:f}", "change", diff_change_name(f->change), "a",
			 f->a * scale, "b", f->b * scale, is_ratio ? "ratio" : "difference",
			 f->difference.middle * s, "low", f->difference.low * s, "high",
			 f->difference.high * s);
}

static json_t *side_of_query(const struct report_query *q)
{
	if (!q)
		return json_null();
	return json_pack("{s:I,s:I,s:f,s:f,s:f,s:f}", "calls", (json_int_t)q->calls, "errors",
			 (json_int_t)q->errors, "total_ms", (double)q->total_ns / 1e6, "p50_ms",
			 (double)q->p50_ns / 1e6, "p95_ms", (double)q->p95_ns / 1e6, "share", q->share);
}

static json_t *query(const struct diff_query *q)
{
	const struct report_query *any = q->b ? q->b : q->a;
	const char *presence = !q->a ? "new" : !q->b ? "gone" : "both";

	return json_pack("{s:o,s:o,s:s,s:o,s:o,s:s,s:o,s:o,s:o,s:o}", "fingerprint",
			 of_fingerprint(q->fingerprint), "query", of_string(any ? any->query : NULL),
			 "presence", presence, "a", side_of_query(q->a), "b", side_of_query(q->b), "latency",
			 diff_change_name(diff_latency(q)), "fastest_ms", figure(&q->fastest, 1e-6, 1),
			 "typical_ms", figure(&q->typical, 1e-6, 1), "average_ms",
			 figure(&q->average, 1e-6, 1), "failed", figure(&q->failed, 1, 0));
}

static json_t *calls(const struct diff_calls *c)
{
	return json_pack("{s:o,s:o,s:o,s:o,s:o}", "process", of_string(c->unit->comm), "first",
			 of_fingerprint(c->unit->first), "fingerprint",
			 of_fingerprint(c->query ? c->query->fingerprint : 0), "query",
			 of_string(c->query ? c->query->query : NULL), "calls", figure(&c->calls, 1, 0));
}

static json_t *unit(const struct diff_unit *u)
{
	return json_pack("{s:o,s:o,s:I,s:I,s:o,s:o,s:o}", "process", of_string(u->a->comm), "first",
			 of_fingerprint(u->a->first), "units_a", (json_int_t)u->a->duration_ns.count,
			 "units_b", (json_int_t)u->b->duration_ns.count, "duration_ms",
			 figure(&u->duration, 1e-6, 1), "db_time_ms", figure(&u->db_time, 1e-6, 1),
			 "statements", figure(&u->statements, 1, 0));
}

static json_t *finding(const struct report_finding *f)
{
	return json_pack("{s:s,s:s,s:o,s:o}", "detector", f->detector, "severity", severity_name(f->severity),
			 "fingerprint", f->fingerprint ? of_fingerprint(f->fingerprint) : json_null(),
			 "title", of_string(f->title));
}

static json_t *findings(const struct report_finding *const *list, size_t count)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < count; i++)
		if (json_array_append_new(array, finding(list[i])))
			array = NULL;
	return array;
}

static json_t *side(const struct report *r)
{
	return json_pack("{s:o,s:o,s:f,s:I,s:f,s:b}", "target", of_string(r->target), "start",
			 of_time(r->start_realtime_ns), "duration_s", (double)r->duration_ns / 1e9,
			 "statements", (json_int_t)r->statements, "db_time_ms", (double)r->db_ns / 1e6,
			 "lower_bounds", r->lower_bounds);
}

#define LIST(d, list, element)                                                               \
	({                                                                                   \
		json_t *array = json_array();                                                \
		size_t i;                                                                    \
		for (i = 0; i < (d)->list.count; i++)                                        \
			failed |= json_array_append_new(array, element(&(d)->list.item[i])); \
		array;                                                                       \
	})

static int add_bytes(const char *bytes, size_t len, void *out)
{
	strbuf_add(out, bytes, len);
	return 0;
}

int diff_json(const struct diff *d, struct strbuf *out)
{
	int failed = 0;
	json_t *o =
		json_pack("{s:s,s:s,s:I,s:I,s:I,s:f,s:f,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "schema", SCHEMA,
			  "verdict", diff_verdict(d), "worse", (json_int_t)d->worse, "better",
			  (json_int_t)d->better, "tests", (json_int_t)d->tests, "alpha", DIFF_ALPHA,
			  "min_effect", d->options.min_effect, "a", side(d->a.report), "b", side(d->b.report),
			  "queries", LIST(d, queries, query), "calls", LIST(d, calls, calls), "units",
			  LIST(d, units, unit), "new_findings", findings(d->appeared, d->appeared_count),
			  "resolved_findings", findings(d->resolved, d->resolved_count));

	if (!o || failed || json_dump_callback(o, add_bytes, out, JSON_INDENT(1) | JSON_REAL_PRECISION(15)))
		failed = 1;
	strbuf_addc(out, '\n');
	json_decref(o);
	return failed || out->failed ? -ENOMEM : 0;
}
