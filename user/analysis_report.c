/* SPDX-License-Identifier: BSD-2-Clause */
/* From what was collected to the report. Strings that live as long as the analysis are
 * pointed at, others are owned. */
#include "analysis_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MIN 100 /* rows kept in a list at least: JSON has more than a terminal shows */

/* ---- memory ---- */

void *analysis_own(struct analysis *a, void *memory)
{
	void **grown;

	if (!memory)
		goto failed;
	if (a->owned_count == a->owned_cap) {
		size_t cap = a->owned_cap ? a->owned_cap * 2 : 64;

		grown = realloc(a->owned, cap * sizeof(*grown));
		if (!grown)
			goto failed;
		a->owned = grown;
		a->owned_cap = cap;
	}
	a->owned[a->owned_count++] = memory;
	return memory;
failed:
	free(memory);
	a->err = -ENOMEM;
	return NULL;
}

const char *analysis_own_text(struct analysis *a, struct strbuf *buf)
{
	char *text = buf->ptr;

	if (buf->failed)
		a->err = -ENOMEM;
	if (buf->failed || buf->len == 0) {
		strbuf_free(buf);
		return NULL;
	}
	*buf = (struct strbuf){0};
	return analysis_own(a, text);
}

static size_t list_max(const struct analysis *a)
{
	return a->opt.top > LIST_MIN ? a->opt.top : LIST_MIN;
}

void sorted_add(struct sorted *s, const void *item)
{
	if (s->count == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 256;
		const void **grown = realloc(s->item, cap * sizeof(*grown));

		if (!grown) {
			s->a->err = -ENOMEM;
			return;
		}
		s->item = grown;
		s->cap = cap;
	}
	s->item[s->count++] = item;
}

int sorted_add_value(struct table_key key, void *value, void *arg)
{
	sorted_add(arg, value);
	return 0;
}

size_t sorted_take(struct sorted *s, int (*compare)(const void *, const void *))
{
	if (s->count)
		qsort(s->item, s->count, sizeof(*s->item), compare);
	return s->count < list_max(s->a) ? s->count : list_max(s->a);
}

int sorted_descending(uint64_t a, uint64_t b, uint64_t tie_a, uint64_t tie_b)
{
	if (a != b)
		return a < b ? 1 : -1;
	return tie_a < tie_b ? -1 : tie_a > tie_b;
}

/* ---- common words ---- */

static uint64_t realtime(const struct analysis *a, uint64_t mono_ns)
{
	return a->meta.realtime_ns + (mono_ns - a->meta.mono_ns);
}

static const char *const *split(struct analysis *a, const char *lines)
{
	size_t count = 0, len = strlen(lines), i;
	const char **list;
	char *text, *at;

	for (i = 0; i < len; i++)
		count += lines[i] == '\n';
	list = analysis_own(a, calloc(count + 2, sizeof(*list)));
	text = analysis_own(a, strdup(lines));
	if (!list || !text)
		return NULL;
	for (i = 0, at = text; len && at; i++) {
		list[i] = at;
		at = strchr(at, '\n');
		if (at)
			*at++ = '\0';
	}
	return list;
}

const char *analysis_query_text(const struct analysis *a, uint64_t fingerprint)
{
	const struct stats_query *q = fingerprint ? stats_find(a->stats, fingerprint) : NULL;

	return q ? q->normalized : NULL;
}

/* ---- queries ---- */

static int costly_first(const void *x, const void *y)
{
	const struct stats_query *a = *(const struct stats_query *const *)x;
	const struct stats_query *b = *(const struct stats_query *const *)y;

	return sorted_descending(a->durations.sum, b->durations.sum, a->fingerprint, b->fingerprint);
}

static void add_query(const struct stats_query *q, void *arg)
{
	if (q->calls)
		sorted_add(arg, q);
}

static void fill_query(struct analysis *a, const struct stats_query *q, struct report_query *out)
{
	uint64_t db_ns = stats_totals(a->stats)->db_ns;

	*out = (struct report_query){
		.fingerprint = q->fingerprint,
		.query = q->normalized,
		.example = q->example[0],
		.summary = q->summary,
		.system = record_system_name(q->system),
		.operation = q->operation,
		.collections = split(a, q->collections),
		.stmt_class = q->stmt_class == SQL_CLASS_CONTROL ? "control" : "query",
		.calls = q->calls,
		.errors = q->errors,
		.rows = q->rows,
		.total_ns = q->durations.sum,
		.min_ns = q->durations.min,
		.p50_ns = hist_percentile(&q->durations, 0.50),
		.p95_ns = hist_percentile(&q->durations, 0.95),
		.p99_ns = hist_percentile(&q->durations, 0.99),
		.max_ns = q->durations.max,
		.elapsed_ns = q->elapsed_ns,
		.max_rows = q->max_rows,
		.rows_known = q->rows_unknown == 0,
		.bytes = q->bytes,
		.wait_ns = q->wait_ns,
		.cpu_samples = q->cpu_samples,
		.share = db_ns ? (double)q->durations.sum / (double)db_ns : 0,
		.running = q->running,
	};
}

static void fill_queries(struct analysis *a)
{
	struct sorted s = {.a = a};
	struct report *r = &a->report;
	size_t n, i;

	stats_each_query(a->stats, add_query, &s);
	n = sorted_take(&s, costly_first);
	r->queries_seen = s.count;
	r->queries.item = analysis_own(a, calloc(n + 1, sizeof(*r->queries.item)));
	for (i = 0; i < n && r->queries.item; i++)
		fill_query(a, s.item[i], &r->queries.item[r->queries.count++]);
	free(s.item);
}

static void fill_slow(struct analysis *a)
{
	struct report *r = &a->report;
	size_t n, i;
	const struct stats_slow *slow = stats_slowest(a->stats, &n);

	r->slow.item = analysis_own(a, calloc(n + 1, sizeof(*r->slow.item)));
	for (i = 0; i < n && r->slow.item; i++) {
		const struct stats_query *q = stats_find(a->stats, slow[i].fingerprint);
		struct strbuf advice = {0};

		if (q) {
			struct sql_advice_input in = {.normalized = str_from(q->normalized),
						      .dialect = analysis_dialect(q->system),
						      .calls = q->calls,
						      .rows = slow[i].rows,
						      .duration_ns = slow[i].duration_ns};

			sql_advise(&in, &advice);
		}
		r->slow.item[r->slow.count++] = (struct report_slow){
			.fingerprint = slow[i].fingerprint,
			.query = q ? q->normalized : "[other]",
			.duration_ns = slow[i].duration_ns,
			.ts_realtime_ns = realtime(a, slow[i].t_start),
			.rows = slow[i].rows,
			.rows_known = slow[i].rows_known,
			.operation = q ? q->operation : "",
			.collections = split(a, q ? q->collections : ""),
			.recommendation = analysis_own_text(a, &advice),
			.tgid = slow[i].tgid,
			.tid = slow[i].tid,
			.running = slow[i].running,
		};
	}
}

/* ---- the other lists ---- */

static int frequent_error_first(const void *x, const void *y)
{
	const struct stats_error *a = *(const struct stats_error *const *)x;
	const struct stats_error *b = *(const struct stats_error *const *)y;

	return sorted_descending(a->count, b->count, a->fingerprint, b->fingerprint);
}

static void add_error(const struct stats_error *e, void *arg)
{
	sorted_add(arg, e);
}

static void fill_errors(struct analysis *a)
{
	struct sorted s = {.a = a};
	struct report *r = &a->report;
	size_t n, i;

	stats_each_error(a->stats, add_error, &s);
	n = sorted_take(&s, frequent_error_first);
	r->error_groups.item = analysis_own(a, calloc(n + 1, sizeof(*r->error_groups.item)));
	for (i = 0; i < n && r->error_groups.item; i++) {
		const struct stats_error *e = s.item[i];

		r->error_groups.item[r->error_groups.count++] = (struct report_error){
			.system = record_system_name(e->system),
			.code = e->code,
			.message = e->message ? e->message : "",
			.count = e->count,
			.fingerprint = e->fingerprint,
			.query = analysis_query_text(a, e->fingerprint),
			.first_realtime_ns = realtime(a, e->first_ns),
			.last_realtime_ns = realtime(a, e->last_ns),
		};
	}
	free(s.item);
}

static int hot_first(const void *x, const void *y)
{
	const struct samples_function *a = *(const struct samples_function *const *)x;
	const struct samples_function *b = *(const struct samples_function *const *)y;

	if (a->self != b->self)
		return a->self < b->self ? 1 : -1;
	return a->total != b->total ? (a->total < b->total ? 1 : -1) : strcmp(a->name, b->name);
}

static void add_function(const struct samples_function *f, void *arg)
{
	if (f->total)
		sorted_add(arg, f);
}

static void fill_profile(struct analysis *a)
{
	struct sorted s = {.a = a};
	struct samples_totals totals;
	struct report *r = &a->report;
	size_t n, i;

	samples_totals(a->samples, &totals);
	r->samples = totals.samples;
	r->samples_attributed = totals.attributed;
	r->samples_unattributed = totals.unattributed;
	r->samples_complete = totals.complete;
	r->sample_freq = a->meta.sample_freq;
	samples_each_function(a->samples, add_function, &s);
	n = sorted_take(&s, hot_first);
	r->functions.item = analysis_own(a, calloc(n + 1, sizeof(*r->functions.item)));
	for (i = 0; i < n && r->functions.item; i++) {
		const struct samples_function *f = s.item[i];

		r->functions.item[r->functions.count++] =
			(struct report_function){.name = f->name,
						 .module = f->module,
						 .self = f->self,
						 .total = f->total,
						 .share = (double)f->self / (double)totals.samples};
	}
	free(s.item);
}

/* ---- totals ---- */

static void fill_summary(struct analysis *a)
{
	const struct stats_totals *t = stats_totals(a->stats);
	struct report *r = &a->report;
	struct units_totals units;

	units_totals(a->units, &units);
	r->units = a->unit_count;
	r->transactions = units.transactions;
	r->statements = t->statements;
	r->control_statements = t->control;
	r->errors = t->errors;
	r->running = t->running;
	r->db_ns = t->db_ns;
	r->average_ns = t->durations.count ? t->durations.sum / t->durations.count : 0;
	r->p50_ns = hist_percentile(&t->durations, 0.50);
	r->p95_ns = hist_percentile(&t->durations, 0.95);
	r->p99_ns = hist_percentile(&t->durations, 0.99);
	if (t->statements + t->control)
		r->error_rate = (double)t->errors / (double)(t->statements + t->control);
	if (r->duration_ns)
		r->throughput_per_s = (double)t->statements * 1e9 / (double)r->duration_ns;
	r->links_exact = a->links_exact;
	r->links_likely = a->links_likely;
	r->links_none = t->statements + t->control > a->links_exact + a->links_likely
				? t->statements + t->control - a->links_exact - a->links_likely
				: 0;
	r->slow_threshold_ns = a->thresholds.slow_ns;
	r->n_plus_one_threshold = a->thresholds.n_plus_one;
}

/* A slot that the window hardly reaches into would look like a breakdown. */
static void fill_timeline(struct analysis *a)
{
	struct report *r = &a->report;
	const struct timeline *t = &a->timeline;
	uint32_t n = timeline_used(t, a->now_ns), i;

	if (n > 1 && a->now_ns - t->begin_ns - (n - 1) * t->width_ns < t->width_ns / 2 &&
	    !t->slot[n - 1].durations.count)
		n--;
	r->timeline_width_ns = t->width_ns;
	r->timeline.item = analysis_own(a, calloc(n + 1, sizeof(*r->timeline.item)));
	for (i = 0; i < n && r->timeline.item; i++) {
		const struct timeline_slot *s = &t->slot[i];

		r->timeline.item[r->timeline.count++] = (struct report_interval){
			.start_realtime_ns = realtime(a, t->begin_ns + i * t->width_ns),
			.statements = s->durations.count,
			.errors = s->failed,
			.db_ns = s->durations.sum,
			.p50_ns = hist_percentile(&s->durations, 0.50),
			.p95_ns = hist_percentile(&s->durations, 0.95),
		};
	}
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

int analysis_fill(struct analysis *a, int truncated)
{
	struct report *r = &a->report;

	*r = (struct report){
		.target = or_empty(a->meta_text.target),
		.host = or_empty(a->meta_text.host),
		.kernel = or_empty(a->meta_text.kernel),
		.tool_version = or_empty(a->meta_text.tool_version),
		.service = or_empty(a->meta_text.service),
		.environment = or_empty(a->meta_text.environment),
		.start_realtime_ns = a->meta.realtime_ns,
		.duration_ns = a->now_ns > a->begin_ns ? a->now_ns - a->begin_ns : 0,
		.truncated = truncated,
		.normaliser_version = a->meta.normaliser_version,
		.regrouped = a->regrouped,
	};
	analysis_fill_cost(a);
	fill_summary(a);
	fill_queries(a);
	analysis_fill_recent(a);
	fill_slow(a);
	analysis_fill_findings(a);
	fill_errors(a);
	analysis_fill_units(a);
	analysis_fill_transactions(a);
	fill_profile(a);
	analysis_fill_coverage(a);
	analysis_fill_kept(a);
	analysis_fill_memory(a);
	analysis_fill_bottlenecks(a);
	fill_timeline(a);
	return a->err;
}
