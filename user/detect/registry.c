/* SPDX-License-Identifier: BSD-2-Clause */
#include "detect/detect.h"
#include "detect/detectors.h"
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX 4096
#define SEEN_MAX     65536
#define MS	     1000000ULL
#define SECOND	     (1000 * MS)

/*
 * A new detector is a file and a row here.
 *   name, on request only, on_statement, on_error, on_unit, on_end, severity, describe
 */
const struct detector detectors[] = {
	{"n_plus_one", 0, NULL, NULL, n_plus_one_unit, repeats_end, repeats_severity, n_plus_one_describe},
	{"duplicate_query", 0, NULL, NULL, duplicate_query_unit, repeats_end, repeats_severity,
	 duplicate_query_describe},
	{"slow_query", 0, slow_query_statement, NULL, NULL, NULL, slow_query_severity, slow_query_describe},
	{"running_statement", 0, running_statement_statement, NULL, NULL, NULL, running_statement_severity,
	 running_statement_describe},
	{"lock_wait", 0, lock_wait_statement, NULL, NULL, NULL, lock_wait_severity, lock_wait_describe},
	{"failing_statement", 0, NULL, failing_statement_error, NULL, NULL, failing_statement_severity,
	 failing_statement_describe},
	{"n_plus_one_http", 0, NULL, NULL, n_plus_one_http_unit, NULL, repeats_severity,
	 n_plus_one_http_describe},
	{"missing_limit", 0, missing_limit_statement, NULL, NULL, NULL, missing_limit_severity,
	 missing_limit_describe},
	{"large_result", 0, large_result_statement, NULL, NULL, NULL, large_result_severity,
	 large_result_describe},
	{"idle_in_transaction", 0, idle_in_transaction_statement, NULL, NULL, NULL,
	 idle_in_transaction_severity, idle_in_transaction_describe},
	{"chatty_cache", 0, NULL, NULL, chatty_cache_unit, NULL, repeats_severity, chatty_cache_describe},
	{"connection_churn", 0, connection_churn_statement, NULL, connection_churn_unit, connection_churn_end,
	 connection_churn_severity, connection_churn_describe},
	{"pool_saturation", 0, pool_saturation_statement, NULL, NULL, NULL, pool_saturation_severity,
	 pool_saturation_describe},
	{"consecutive_queries", 1, NULL, NULL, consecutive_queries_unit, NULL, consecutive_queries_severity,
	 consecutive_queries_describe},
	{0},
};

enum { DETECTORS = sizeof(detectors) / sizeof(detectors[0]) - 1 };
_Static_assert(DETECTORS <= 64, "one bit each in struct detect");

/*
 * First row that fits: at least this much time to save, or at least this many repeats in one unit. A count
 * alone is never worse than medium: where statements are cheap, a thousand may be fine.
 */
static const struct {
	uint64_t saved_ns;
	uint64_t count;
	enum severity severity;
} severities[] = {
	{10 * SECOND, UINT64_MAX, SEVERITY_CRITICAL},
	{1 * SECOND, UINT64_MAX, SEVERITY_HIGH},
	{100 * MS, 50, SEVERITY_MEDIUM},
	{0, 0, SEVERITY_LOW},
};

struct detect {
	struct detect_options opt;
	detect_query_fn query;
	void (*on_certain)(const struct finding *f, void *arg);
	void *arg;
	struct table *seen;	/* what detect_is_new() was asked */
	struct table *findings; /* (fingerprint, detector and place) -> struct finding */
	uint64_t enabled;	/* bit per row */
	uint64_t certain, units;
	int previewing;
	struct finding preview; /* stands for the one in the table while previewing */
	struct table_key preview_key;
};

void detect_defaults(struct detect_options *opt)
{
	*opt = (struct detect_options){
		.slow_ns = 100 * MS,
		.lock_wait_ns = 50 * MS,
		.n_plus_one = 5,
		.http_min_count = 5,
		.http_min_total_ns = 300 * MS,
		.consecutive_min_count = 2,
		.consecutive_min_span_ns = 30 * MS,
		.consecutive_min_saved_ns = 100 * MS,
		.consecutive_min_ratio = 0.1,
		.missing_limit_rows = 1000,
		.large_rows = 10000,
		.idle_tx_ns = 1 * SECOND,
		.chatty_count = 50,
		.connects = 5,
		.pool_waits = 1,
		.pool_wait_ns = 50 * MS,
		.failures = 3,
	};
}

struct detect *detect_new(const struct detect_options *opt, detect_query_fn query,
			  void (*on_certain)(const struct finding *f, void *arg), void *arg)
{
	struct detect *d = calloc(1, sizeof(*d));
	int i;

	if (!d)
		return NULL;
	d->findings = table_new(FINDINGS_MAX, sizeof(struct finding), NULL, NULL);
	d->seen = table_new(SEEN_MAX, 1, NULL, NULL);
	if (!d->findings || !d->seen) {
		detect_free(d);
		errno = ENOMEM;
		return NULL;
	}
	d->opt = *opt;
	d->query = query;
	d->on_certain = on_certain;
	d->arg = arg;
	for (i = 0; i < DETECTORS; i++)
		d->enabled |= (uint64_t)!detectors[i].on_request << i;
	return d;
}

void detect_free(struct detect *d)
{
	if (!d)
		return;
	table_free(d->findings);
	table_free(d->seen);
	free(d);
}

void detect_set(struct detect *d, const struct detect_options *opt)
{
	d->opt = *opt;
}

int detect_enable(struct detect *d, const char *name)
{
	int i;

	for (i = 0; i < DETECTORS; i++) {
		if (strcmp(detectors[i].name, name) == 0) {
			d->enabled |= 1ULL << i;
			return 0;
		}
	}
	return -ENOENT;
}

#define FOR_ENABLED(i, hook)            \
	for (i = 0; i < DETECTORS; i++) \
		if (d->enabled >> i & 1 && detectors[i].hook)

void detect_statement(struct detect *d, const struct statement *stmt, const struct statement *was)
{
	int i;

	FOR_ENABLED(i, on_statement)
	detectors[i].on_statement(d, &detectors[i], stmt, was);
}

void detect_failure(struct detect *d, const struct statement *stmt, const struct detect_error *error)
{
	int i;

	FOR_ENABLED(i, on_error)
	detectors[i].on_error(d, &detectors[i], stmt, error);
}

void detect_unit(struct detect *d, const struct unit *unit)
{
	int i;

	d->units += !d->previewing && !unit->inner;
	FOR_ENABLED(i, on_unit)
	detectors[i].on_unit(d, &detectors[i], unit);
}

void detect_preview(struct detect *d, const struct unit *unit)
{
	d->previewing = 1;
	detect_unit(d, unit);
	d->previewing = 0;
}

static int end_one(struct table_key key, void *value, void *arg)
{
	struct finding *f = value;

	if (f->detector->on_end)
		f->detector->on_end(arg, f->detector, f);
	return 0;
}

void detect_end(struct detect *d)
{
	table_visit(d->findings, end_one, d);
}

struct each {
	void (*fn)(const struct finding *f, void *arg);
	void *arg;
};

static int each_one(struct table_key key, void *value, void *arg)
{
	const struct finding *f = value;
	struct each *each = arg;

	if (f->certain)
		each->fn(f, each->arg);
	return 0;
}

void detect_each(struct detect *d, void (*fn)(const struct finding *f, void *arg), void *arg)
{
	struct each each = {fn, arg};

	table_visit(d->findings, each_one, &each);
}

uint64_t detect_count(const struct detect *d)
{
	return d->certain;
}

uint64_t detect_evicted(const struct detect *d)
{
	return table_evicted(d->findings);
}

uint64_t detect_units(const struct detect *d)
{
	return d->units;
}

int detect_is_new(struct detect *d, const struct detector *self, uint64_t a, uint64_t b)
{
	int is_new = 0;

	table_put(d->seen, (struct table_key){a, hash_mix(b, (uint64_t)(self - detectors))}, &is_new);
	return is_new;
}

const struct detect_options *detect_options(const struct detect *d)
{
	return &d->opt;
}

void detect_text(const struct detect *d, uint64_t fingerprint, struct detect_query *out)
{
	*out = (struct detect_query){0};
	if (fingerprint)
		d->query(fingerprint, out, d->arg);
}

struct finding *detect_finding(struct detect *d, const struct detector *self, uint64_t fingerprint,
			       uint64_t place)
{
	struct table_key key = {fingerprint, hash_mix(place, (uint64_t)(self - detectors))};
	struct finding *f = &d->preview;

	if (d->previewing) {
		d->preview = (struct finding){0};
		d->preview_key = key;
	} else {
		f = table_put(d->findings, key, NULL);
	}
	if (f) {
		f->detector = self;
		f->fingerprint = fingerprint;
	}
	return f;
}

void detect_certain(struct detect *d, struct finding *f)
{
	struct finding *kept = d->previewing ? table_put(d->findings, d->preview_key, NULL) : f;

	if (!kept)
		return;
	kept->detector = f->detector;
	kept->fingerprint = f->fingerprint;
	kept->certain |= !d->previewing;
	if (kept->announced)
		return;
	kept->announced = 1;
	d->certain++;
	if (d->on_certain)
		d->on_certain(f, d->arg);
}

enum severity detect_severity(uint64_t saved_ns, uint64_t count)
{
	size_t i = 0;

	while (saved_ns < severities[i].saved_ns && count < severities[i].count)
		i++;
	return severities[i].severity;
}

void detect_add_ms(struct strbuf *out, uint64_t ns)
{
	if (ns < 10 * MS)
		strbuf_addf(out, "%.2f ms", (double)ns / MS);
	else if (ns < 10 * SECOND)
		strbuf_addf(out, "%.0f ms", (double)ns / MS);
	else
		strbuf_addf(out, "%.1f s", (double)ns / SECOND);
}

void detect_add_name(const struct detect *d, struct strbuf *out, uint64_t fingerprint)
{
	struct detect_query q;

	detect_text(d, fingerprint, &q);
	if (q.summary.len)
		strbuf_add(out, q.summary.ptr, q.summary.len);
	else if (q.normalized.len)
		strbuf_add(out, q.normalized.ptr, q.normalized.len < 80 ? q.normalized.len : 80);
	else
		strbuf_adds(out, "a statement");
}
