/* SPDX-License-Identifier: BSD-2-Clause */
#include "detect/detect.h"
#include "detect/detectors.h"
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX 4096
#define NOTES_MAX    65536
#define MS	     1000000ULL
#define SECOND	     (1000 * MS)

/* A new detector is a file and a row here. */
const struct detector detectors[] = {
	{.name = "n_plus_one",
	 .on_unit = n_plus_one_unit,
	 .on_end = repeats_end,
	 .severity = repeats_severity,
	 .describe = n_plus_one_describe},
	{.name = "m_n_plus_one",
	 .on_unit = m_n_plus_one_unit,
	 .on_end = repeats_end,
	 .severity = repeats_severity,
	 .describe = m_n_plus_one_describe},
	{.name = "duplicate_query",
	 .on_unit = duplicate_query_unit,
	 .on_end = repeats_end,
	 .severity = repeats_severity,
	 .describe = duplicate_query_describe},
	{.name = "slow_query",
	 .on_statement = slow_query_statement,
	 .on_error = slow_query_error,
	 .severity = slow_query_severity,
	 .describe = slow_query_describe},
	{.name = "running_statement",
	 .on_statement = running_statement_statement,
	 .severity = running_statement_severity,
	 .describe = running_statement_describe},
	{.name = "lock_wait",
	 .on_statement = lock_wait_statement,
	 .severity = lock_wait_severity,
	 .describe = lock_wait_describe},
	{.name = "latency_outlier",
	 .on_statement = latency_outlier_statement,
	 .on_end = latency_outlier_end,
	 .severity = latency_outlier_severity,
	 .describe = latency_outlier_describe},
	{.name = "failing_statement",
	 .on_error = failing_statement_error,
	 .severity = failing_statement_severity,
	 .describe = failing_statement_describe},
	{.name = "retry_storm",
	 .on_error = retry_storm_error,
	 .severity = retry_storm_severity,
	 .describe = retry_storm_describe},
	{.name = "failed_transaction",
	 .on_statement = failed_transaction_statement,
	 .on_end = failed_transaction_end,
	 .severity = failed_transaction_severity,
	 .describe = failed_transaction_describe},
	{.name = "error_burst",
	 .on_error = error_burst_error,
	 .severity = error_burst_severity,
	 .describe = error_burst_describe},
	{.name = "n_plus_one_http",
	 .on_unit = n_plus_one_http_unit,
	 .severity = repeats_severity,
	 .describe = n_plus_one_http_describe},
	{.name = "missing_limit",
	 .on_statement = missing_limit_statement,
	 .severity = missing_limit_severity,
	 .describe = missing_limit_describe},
	{.name = "large_result",
	 .on_statement = large_result_statement,
	 .severity = large_result_severity,
	 .describe = large_result_describe},
	{.name = "unfetched_rows",
	 .on_statement = unfetched_rows_statement,
	 .severity = unfetched_rows_severity,
	 .describe = unfetched_rows_describe},
	{.name = "zero_row_write",
	 .on_statement = zero_row_write_statement,
	 .on_end = zero_row_write_end,
	 .severity = zero_row_write_severity,
	 .describe = zero_row_write_describe},
	{.name = "idle_in_transaction",
	 .on_statement = idle_in_transaction_statement,
	 .severity = idle_in_transaction_severity,
	 .describe = idle_in_transaction_describe},
	{.name = "long_transaction",
	 .on_statement = long_transaction_statement,
	 .severity = long_transaction_severity,
	 .describe = long_transaction_describe},
	{.name = "chatty_unit",
	 .on_unit = chatty_unit_unit,
	 .severity = chatty_unit_severity,
	 .describe = chatty_unit_describe},
	{.name = "chatty_cache",
	 .on_unit = chatty_cache_unit,
	 .severity = repeats_severity,
	 .describe = chatty_cache_describe},
	{.name = "low_hit_rate",
	 .on_statement = low_hit_rate_statement,
	 .on_end = low_hit_rate_end,
	 .severity = low_hit_rate_severity,
	 .describe = low_hit_rate_describe},
	{.name = "cache_stampede",
	 .on_statement = cache_stampede_statement,
	 .severity = cache_stampede_severity,
	 .describe = cache_stampede_describe},
	{.name = "connection_churn",
	 .on_statement = connection_churn_statement,
	 .on_unit = connection_churn_unit,
	 .on_end = connection_churn_end,
	 .severity = connection_churn_severity,
	 .describe = connection_churn_describe},
	{.name = "pool_saturation",
	 .on_statement = pool_saturation_statement,
	 .severity = pool_saturation_severity,
	 .describe = pool_saturation_describe},
	{.name = "memory_growth",
	 .on_process = memory_growth_process,
	 .severity = memory_growth_severity,
	 .describe = memory_growth_describe},
	{.name = "high_cpu",
	 .on_process = high_cpu_process,
	 .severity = high_cpu_severity,
	 .describe = high_cpu_describe},
	{.name = "hot_function",
	 .on_function = hot_function_function,
	 .severity = hot_function_severity,
	 .describe = hot_function_describe},
	{.name = "consecutive_queries",
	 .on_request = 1,
	 .on_unit = consecutive_queries_unit,
	 .severity = consecutive_queries_severity,
	 .describe = consecutive_queries_describe},
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
	struct table *notes;	/* of the detectors */
	struct table *findings; /* (fingerprint, detector and place) -> struct finding */
	uint64_t enabled;	/* bit per row */
	uint64_t certain, units, reports;
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
		.slow_request_ns = 1 * SECOND,
	};
}

static void note_release(struct table_key key, void *value, void *arg)
{
	hist_free(&((struct detect_note *)value)->hist);
}

struct detect *detect_new(const struct detect_options *opt, detect_query_fn query,
			  void (*on_certain)(const struct finding *f, void *arg), void *arg)
{
	struct detect *d = calloc(1, sizeof(*d));
	int i;

	if (!d)
		return NULL;
	d->findings = table_new(FINDINGS_MAX, sizeof(struct finding), NULL, NULL);
	d->notes = table_new(NOTES_MAX, sizeof(struct detect_note), note_release, NULL);
	if (!d->findings || !d->notes) {
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
	table_free(d->notes);
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

void detect_process(struct detect *d, const struct detect_process *process)
{
	int i;

	FOR_ENABLED(i, on_process)
	detectors[i].on_process(d, &detectors[i], process);
}

void detect_profile(struct detect *d, const struct detect_function *function)
{
	int i;

	FOR_ENABLED(i, on_function)
	detectors[i].on_function(d, &detectors[i], function);
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

uint64_t detect_reports(const struct detect *d)
{
	return d->reports;
}

uint64_t detect_units(const struct detect *d)
{
	return d->units;
}

struct detect_note *detect_note(struct detect *d, const struct detector *self, uint64_t a, uint64_t b)
{
	if (d->previewing)
		return NULL;
	return table_put(d->notes, (struct table_key){a, hash_mix(b, (uint64_t)(self - detectors))}, NULL);
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
	d->reports += !d->previewing;
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
