/* SPDX-License-Identifier: BSD-2-Clause */
/* Units of work and database transactions in the JSON document. */
#include "report/json_doc.h"

/* 0 and 1 are told as figures, what is not known as null. */
static json_t *of_ms_if(int known, uint64_t ns)
{
	return known ? of_ms(ns) : json_null();
}

static json_t *of_signed(int64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *attribute_value(struct doc *d, const struct report_value *v)
{
	json_t *o = json_object();

	put(d, o, "value", of_string(d, v->text));
	put(d, o, "count", of_int(v->count));
	put(d, o, "failed", of_int(v->errors));
	put(d, o, "total_ms", of_ms(v->total_ns));
	return o;
}

static json_t *attribute(struct doc *d, const struct report_attribute *a)
{
	int known = !a->is_text && a->count;
	json_t *o = json_object(), *values = json_array();
	size_t i;

	for (i = 0; i < a->values.count; i++)
		if (json_array_append_new(values, attribute_value(d, &a->values.item[i])))
			d->failed = 1;
	put(d, o, "name", of_string(d, a->name));
	put(d, o, "type", of_string(d, a->is_text ? "text" : "number"));
	put(d, o, "count", of_int(a->count));
	put(d, o, "unknown", of_int(a->unknown));
	put(d, o, "sum", known ? of_real(a->sum) : json_null());
	put(d, o, "average", known ? of_real(a->sum / (double)a->count) : json_null());
	put(d, o, "min", known ? of_signed(a->min) : json_null());
	put(d, o, "max", known ? of_signed(a->max) : json_null());
	put(d, o, "values", values);
	put(d, o, "other", of_int(a->other));
	return o;
}

static json_t *metrics(struct doc *d, const struct report_unit *u)
{
	json_t *o = json_object();

	put(d, o, "db_queries", of_int(u->queries));
	put(d, o, "db_time_ms", of_ms(u->db_ns));
	put(d, o, "cache_spans", of_int(u->cache_spans));
	put(d, o, "cache_hits", of_int(u->cache_hits));
	put(d, o, "cache_misses", of_int(u->cache_misses));
	put(d, o, "queue_spans", of_int(u->queue_spans));
	put(d, o, "cpu_ms", of_ms_if(u->cpu_known, u->cpu_ns));
	put(d, o, "off_cpu_ms", of_ms_if(u->cpu_known, u->off_cpu_ns));
	put(d, o, "cpu_estimated", u->cpu_known ? json_boolean(u->cpu_sampled) : json_null());
	put(d, o, "io_wait_ms", of_ms_if(u->waits_known, u->io_wait_ns));
	put(d, o, "lock_wait_ms", of_ms_if(u->waits_known, u->lock_wait_ns));
	put(d, o, "external_wait_ms", of_ms_if(u->waits_known, u->network_wait_ns));
	put(d, o, "memory_growth_bytes", u->rss_known ? of_signed(u->rss_growth) : json_null());
	put(d, o, "memory_growth_max_bytes", u->rss_known ? of_signed(u->rss_most) : json_null());
	return o;
}

static json_t *status(struct doc *d, const struct report_unit *u)
{
	json_t *o = json_object();

	put(d, o, "ok", of_int(u->ok));
	put(d, o, "error", of_int(u->failed));
	put(d, o, "left", of_int(u->left));
	put(d, o, "running", of_int(u->running));
	put(d, o, "unknown", of_int(u->count - u->ok - u->failed - u->running));
	return o;
}

static json_t *unit_shape(struct doc *d, const struct report_unit *u)
{
	json_t *o = json_object(), *attributes = json_array();
	size_t i;

	put(d, o, "kind", of_string(d, u->kind));
	put(d, o, "shape", of_string(d, u->shape));
	put(d, o, "process", of_string(d, u->process));
	put(d, o, "count", of_int(u->count));
	put(d, o, "statements", of_int(u->statements));
	put(d, o, "statements_per_unit", of_real(u->statements_per_unit));
	put(d, o, "errors", of_int(u->errors));
	put(d, o, "total_ms", of_ms(u->total_ns));
	put(d, o, "db_time_ms", of_ms(u->db_ns));
	put(d, o, "p50_ms", of_ms(u->p50_ns));
	put(d, o, "p95_ms", of_ms(u->p95_ns));
	put(d, o, "max_ms", of_ms(u->max_ns));
	put(d, o, "confidence", of_string(d, confidence_name(u->confidence)));
	put(d, o, "type", of_string(d, u->type));
	put(d, o, "status", status(d, u));
	put(d, o, "metrics", metrics(d, u));
	for (i = 0; i < u->attributes.count; i++)
		if (json_array_append_new(attributes, attribute(d, &u->attributes.item[i])))
			d->failed = 1;
	put(d, o, "attributes", attributes);
	return o;
}

json_t *json_unit_shapes(struct doc *d, const struct report *r)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < r->unit_shapes.count; i++)
		if (json_array_append_new(list, unit_shape(d, &r->unit_shapes.item[i])))
			d->failed = 1;
	return list;
}

static json_t *kept_unit(struct doc *d, const struct report_kept_unit *u)
{
	json_t *o = json_object();

	put(d, o, "kind", of_string(d, u->kind));
	put(d, o, "shape", of_string(d, u->shape));
	put(d, o, "process", of_string(d, u->process));
	put(d, o, "pid", of_known(u->tgid));
	put(d, o, "why", of_string(d, u->why));
	put(d, o, "start", of_time(d, u->start_realtime_ns));
	put(d, o, "duration_ms", of_ms(u->duration_ns));
	put(d, o, "db_time_ms", of_ms(u->db_ns));
	put(d, o, "statements", of_int(u->statements));
	put(d, o, "errors", of_int(u->errors));
	return o;
}

json_t *json_kept_units(struct doc *d, const struct report *r)
{
	json_t *o = json_object(), *list = json_array();
	size_t i;

	put(d, o, "sample_rate", of_real(r->sample_rate));
	for (i = 0; i < r->kept_units.count; i++)
		if (json_array_append_new(list, kept_unit(d, &r->kept_units.item[i])))
			d->failed = 1;
	put(d, o, "kept", list);
	return o;
}

static json_t *transaction(struct doc *d, const struct report_transaction *t)
{
	json_t *o = json_object();

	put(d, o, "system", of_string(d, t->system));
	put(d, o, "fingerprint", of_fingerprint(t->fingerprint));
	put(d, o, "query", of_string(d, t->query));
	put(d, o, "count", of_int(t->count));
	put(d, o, "committed", of_int(t->committed));
	put(d, o, "rolled_back", of_int(t->rolled_back));
	put(d, o, "failed", of_int(t->failed));
	put(d, o, "prepared", of_int(t->prepared));
	put(d, o, "dropped", of_int(t->dropped));
	put(d, o, "open", of_int(t->open));
	put(d, o, "implicit", of_int(t->implicit));
	put(d, o, "nested", of_int(t->nested));
	put(d, o, "savepoints", of_int(t->savepoints));
	put(d, o, "savepoint_rollbacks", of_int(t->savepoint_rollbacks));
	put(d, o, "second_phases", of_int(t->second_phases));
	put(d, o, "statements", of_int(t->statements));
	put(d, o, "statements_per_transaction",
	    t->count ? of_real((double)t->statements / (double)t->count) : json_null());
	put(d, o, "errors", of_int(t->errors));
	put(d, o, "refused", of_int(t->refused));
	put(d, o, "total_ms", of_ms(t->total_ns));
	put(d, o, "p50_ms", of_ms(t->p50_ns));
	put(d, o, "p95_ms", of_ms(t->p95_ns));
	put(d, o, "max_ms", of_ms(t->max_ns));
	put(d, o, "db_time_ms", of_ms(t->db_ns));
	put(d, o, "idle_ms", of_ms(t->idle_ns));
	put(d, o, "max_idle_ms", of_ms(t->max_idle_ns));
	put(d, o, "idle_cpu_ms", of_ms_if(t->idle_cpu_known, t->idle_cpu_ns));
	put(d, o, "idle_wait_ms", of_ms_if(t->idle_cpu_known, t->idle_wait_ns));
	return o;
}

json_t *json_transactions(struct doc *d, const struct report *r)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < r->transaction_shapes.count; i++)
		if (json_array_append_new(list, transaction(d, &r->transaction_shapes.item[i])))
			d->failed = 1;
	return list;
}
