/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of the report's JSON document: what its parts are made of. */
#ifndef APM_REPORT_JSON_DOC_H
#define APM_REPORT_JSON_DOC_H

#include <jansson.h>

#include "report/report.h"

/* A document in the making; a failed allocation is remembered and seen at its end. */
struct doc {
	int failed;
};

static inline void put(struct doc *d, json_t *object, const char *key, json_t *value)
{
	if (!value || json_object_set_new(object, key, value))
		d->failed = 1;
}

static inline json_t *of_int(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static inline json_t *of_ms(uint64_t ns)
{
	return json_real((double)ns / 1e6);
}

/* JSON knows neither NaN nor infinity: a ratio of nothing is unknown. */
static inline json_t *of_real(double x)
{
	json_t *value = json_real(x);

	return value ? value : json_null();
}

/* 0 = unknown, for figures that cannot be 0. */
static inline json_t *of_known(uint64_t n)
{
	return n ? of_int(n) : json_null();
}

static inline json_t *of_bytes(struct doc *d, struct str s)
{
	struct strbuf clean = {0};
	json_t *value = NULL;

	strbuf_add_clean(&clean, s, 1);
	if (!clean.failed)
		value = json_stringn(clean.ptr ? clean.ptr : "", clean.len);
	strbuf_free(&clean);
	d->failed |= !value;
	return value;
}

static inline json_t *of_string(struct doc *d, const char *s)
{
	return s ? of_bytes(d, str_from(s)) : json_null();
}

static inline json_t *of_strings(struct doc *d, const char *const *list)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; list && list[i]; i++)
		if (json_array_append_new(array, of_string(d, list[i])))
			d->failed = 1;
	return array;
}

static inline json_t *of_fingerprint(uint64_t fingerprint)
{
	return fingerprint ? json_sprintf("%016llx", (unsigned long long)fingerprint) : json_null();
}

static inline json_t *of_time(struct doc *d, uint64_t realtime_ns)
{
	struct strbuf text = {0};
	json_t *value;

	if (!realtime_ns)
		return json_null();
	report_add_timestamp(&text, realtime_ns, 1);
	value = text.failed ? NULL : json_string(text.ptr);
	strbuf_free(&text);
	d->failed |= !value;
	return value;
}

/* json_units.c: arrays of the document. */
json_t *json_unit_shapes(struct doc *d, const struct report *r);
json_t *json_kept_units(struct doc *d, const struct report *r);
json_t *json_transactions(struct doc *d, const struct report *r);

#endif
