/* SPDX-License-Identifier: BSD-2-Clause */
/* Units of work, the functions that the user named, and database transactions: from records to the report. */
#include "analysis_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_SHOWN 20
#define SAMPLES_MIN \
	20 /* a time of fewer sample periods is too short to say from samples what was done in it */

#define WAITS_MIN_NS 1000000000ULL /* so much time is looked at about twenty times */

void analysis_shape_release(struct table_key key, void *value, void *arg)
{
	struct shape *s = value;
	size_t i;

	hist_free(&s->durations);
	for (i = 0; i <= APM_SPAN_ARGS; i++)
		attribute_free(&s->attribute[i]);
}

void analysis_span_release(struct table_key key, void *value, void *arg)
{
	struct span_info *s = value;

	free(s->name);
	free(s->binary);
	free(s->ret_name);
	free(s->args);
}

static const struct span_info *span_of(const struct analysis *a, uint32_t span)
{
	return table_peek(a->spans, (struct table_key){span, 0});
}

const char *analysis_span_name(const struct analysis *a, uint32_t span)
{
	const struct span_info *s = span_of(a, span);

	return s && s->name ? s->name : "a span";
}

/* ---- records ---- */

static char *copy_of(struct str s)
{
	return strndup(s.len ? s.ptr : "", s.len);
}

int analysis_feed_span(struct analysis *a, const struct record *rec)
{
	struct table_key key = {rec->span.span, 0};
	struct span_info *s;

	table_remove(a->spans, key);
	s = table_put(a->spans, key, NULL);
	if (!s)
		return -ENOMEM;
	s->rec = rec->span;
	s->name = copy_of(rec->span.name);
	s->binary = copy_of(rec->span.binary);
	s->args = copy_of(rec->span.args);
	s->ret_name = copy_of(rec->span.ret_name);
	return s->name && s->binary && s->args && s->ret_name ? 0 : -ENOMEM;
}

static struct statement mark_of(const struct apm_hdr *hdr, enum statement_mark mark)
{
	return (struct statement){.mark = (uint8_t)mark,
				  .t_start = hdr->ts,
				  .t_end = hdr->ts,
				  .seq = hdr->stmt_seq,
				  .tgid = hdr->tgid,
				  .tid = hdr->tid,
				  .ctx_kind = hdr->ctx_kind,
				  .ctx_id = hdr->ctx_id};
}

int analysis_feed_span_begin(struct analysis *a, const struct record *rec)
{
	struct statement mark = mark_of(rec->hdr, MARK_SPAN_BEGIN);

	mark.span = rec->span_begin->span;
	order_add(a->order, &mark);
	return 0;
}

int analysis_feed_span_end(struct analysis *a, const struct record *rec)
{
	struct statement mark = mark_of(rec->hdr, MARK_SPAN_END);
	struct apm_ev_span *end = table_put(a->span_ends, (struct table_key){rec->hdr->stmt_seq, 0}, NULL);

	if (!end)
		return -ENOMEM;
	*end = *rec->span_end;
	order_add(a->order, &mark);
	return 0;
}

void analysis_mark_sample(struct analysis *a, const struct record *rec)
{
	struct statement mark = mark_of(rec->hdr, MARK_SAMPLE);

	mark.duration_ns = rec->sample.weight_ns;
	order_add(a->order, &mark);
}

void analysis_mark_wait(struct analysis *a, const struct record *rec)
{
	struct statement mark = mark_of(rec->hdr, MARK_WAIT);

	mark.span = rec->wait.reason;
	mark.duration_ns = rec->wait.weight_ns;
	order_add(a->order, &mark);
}

void analysis_mark_close(struct analysis *a, const struct record *rec)
{
	struct statement mark = mark_of(rec->hdr, MARK_CLOSE);

	if (rec->close->handle_kind != APM_HANDLE_CONN)
		return;
	mark.conn = rec->close->handle;
	mark.conn_gen = rec->close->conn_gen;
	order_add(a->order, &mark);
}

static int end_span(struct analysis *a, uint64_t seq)
{
	struct table_key key = {seq, 0};
	const struct apm_ev_span *end = table_peek(a->span_ends, key);
	struct apm_ev_span call;

	if (!end)
		return 0;
	call = *end;
	table_remove(a->span_ends, key);
	return units_span_end(a->units, &call);
}

int analysis_mark(struct analysis *a, struct statement *mark)
{
	if (mark->mark == MARK_SPAN_BEGIN)
		return units_span_begin(a->units, mark);
	if (mark->mark == MARK_SPAN_END)
		return end_span(a, mark->seq);
	return units_feed(a->units, mark);
}

/* ---- units ---- */

static int compares(int64_t value, uint8_t test, int64_t with)
{
	switch (test) {
	case REC_SPAN_TEST_EQ:
		return value == with;
	case REC_SPAN_TEST_NE:
		return value != with;
	case REC_SPAN_TEST_LT:
		return value < with;
	case REC_SPAN_TEST_LE:
		return value <= with;
	case REC_SPAN_TEST_GT:
		return value > with;
	case REC_SPAN_TEST_GE:
		return value >= with;
	}
	return 0;
}

/* A call that returned is well unless its rule says otherwise; one that was left by an exception is not. */
static enum unit_status call_status(const struct span_info *info, const struct apm_ev_span *call)
{
	uint16_t flags = call->hdr.flags;

	if (flags & APM_SPAN_LEFT)
		return UNIT_STATUS_ERROR;
	if (flags & (APM_SPAN_IN_FLIGHT | APM_SPAN_EXITED))
		return UNIT_STATUS_UNKNOWN;
	if (!info || info->rec.error_test == REC_SPAN_TEST_NONE)
		return UNIT_STATUS_OK;
	if (!(flags & APM_SPAN_HAS_RET))
		return UNIT_STATUS_UNKNOWN;
	return compares(call->ret, info->rec.error_test, (int64_t)info->rec.error_value) ? UNIT_STATUS_ERROR
											 : UNIT_STATUS_OK;
}

static int count_attributes(struct shape *s, const struct span_info *info, const struct apm_ev_span *call,
			    int failed)
{
	uint64_t duration = call->hdr.ts - call->t_start;
	int err = 0, i;

	for (i = 0; i < APM_SPAN_ARGS && !err; i++) {
		s->attribute[i].is_text = call->text_args >> i & 1;
		if (!(call->known >> i & 1))
			s->attribute[i].unknown++;
		else if (s->attribute[i].is_text)
			err = attribute_text(&s->attribute[i], call->text[i], failed, duration);
		else
			attribute_number(&s->attribute[i], call->arg[i]);
	}
	if (info && *info->ret_name && call->hdr.flags & APM_SPAN_HAS_RET)
		attribute_number(&s->attribute[APM_SPAN_ARGS], call->ret);
	return err;
}

static int count_call(struct analysis *a, struct shape *s, const struct unit *unit)
{
	const struct apm_ev_span *call = unit->call;
	const struct span_info *info = span_of(a, unit->rule);
	enum unit_status status = call ? call_status(info, call) : UNIT_STATUS_UNKNOWN;
	int left = call && call->hdr.flags & APM_SPAN_LEFT, i;

	s->span = unit->rule;
	s->outer += !unit->nested;
	for (i = 0; i < REC_WAIT_REASONS; i++) {
		s->wait[i].ns += unit->wait[i].ns;
		s->wait[i].seen += unit->wait[i].seen;
	}
	if (!unit->nested)
		analysis_wait_of_call(a, unit);
	s->ok += status == UNIT_STATUS_OK;
	s->failed += status == UNIT_STATUS_ERROR;
	s->left += left;
	s->running += call && call->hdr.flags & APM_SPAN_IN_FLIGHT;
	if (!call)
		return 0;
	if (call->hdr.flags & APM_SPAN_HAS_CPU && !left) {
		s->cpu_ns += call->cpu_ns;
		s->cpu_known_ns += unit->end - unit->start;
	}
	if (call->hdr.flags & APM_SPAN_HAS_RSS && !left) {
		if (!s->rss_units++ || call->rss_growth > s->rss_most)
			s->rss_most = call->rss_growth;
		s->rss_growth += call->rss_growth;
	}
	if (!left && !(call->hdr.flags & APM_SPAN_IN_FLIGHT) &&
	    hist_add(&s->durations, unit->end - unit->start))
		return -ENOMEM;
	return count_attributes(s, info, call, status == UNIT_STATUS_ERROR);
}

static int count_shape(struct analysis *a, const struct unit *unit)
{
	struct shape *s = table_put(a->shapes, (struct table_key){unit->shape, 0}, NULL);

	if (!s)
		return -ENOMEM;
	s->first = unit->first;
	s->kind = unit->kind;
	memcpy(s->comm, unit->comm, sizeof(s->comm));
	s->count++;
	s->statements += unit->statements + unit->control;
	s->errors += unit->errors;
	s->db_ns += unit->db_ns;
	s->queries += unit->queries;
	s->cache_spans += unit->cache_spans;
	s->cache_hits += unit->cache_hits;
	s->cache_misses += unit->cache_misses;
	s->queue_spans += unit->queue_spans;
	if (unit->kind == UNIT_SPAN)
		return count_call(a, s, unit);
	s->ok += unit->status == UNIT_STATUS_OK;
	s->failed += unit->status == UNIT_STATUS_ERROR;
	if (unit->kind == UNIT_RUN && a->meta.sample_freq) {
		s->cpu_ns += unit->cpu_ns;
		s->cpu_known_ns += unit->end - unit->start;
	}
	return hist_add(&s->durations, unit->end - unit->start);
}

int analysis_unit(const struct unit *unit, void *arg)
{
	struct analysis *a = arg;
	int exact = unit->kind == UNIT_PROCESS || unit->kind == UNIT_GIVEN || unit->kind == UNIT_SPAN, err;
	uint64_t *links = exact ? &a->links_exact : &a->links_likely, found;

	if (unit->held) {
		detect_preview(a->detect, unit);
		return a->err;
	}
	if (unit->nested)
		return count_shape(a, unit);
	found = detect_reports(a->detect);
	detect_unit(a->detect, unit);
	if (unit->inner || (unit->statements == 0 && unit->kind != UNIT_SPAN))
		return 0;
	a->unit_count++;
	rolling_unit(&a->recent, unit->end);
	analysis_keep_unit(a, unit, detect_reports(a->detect) > found);
	*links += unit->statements + unit->control;
	err = count_shape(a, unit);
	return err || !a->opt.on_unit ? err : a->opt.on_unit(unit, a->opt.arg);
}

/* ---- the report ---- */

static int by_count(const void *x, const void *y)
{
	const struct report_value *a = x, *b = y;

	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	return strcmp(a->text, b->text);
}

static void fill_values(struct analysis *a, const struct attribute *from, struct report_attribute *out)
{
	size_t i;

	out->values.item = analysis_own(a, calloc(from->values + 1, sizeof(*out->values.item)));
	for (i = 0; i < from->values && out->values.item; i++) {
		const struct attribute_value *v = &from->value[i];

		out->values.item[i] = (struct report_value){v->text, v->count, v->errors, v->total_ns};
	}
	if (!out->values.item)
		return;
	qsort(out->values.item, from->values, sizeof(*out->values.item), by_count);
	out->values.count = from->values < VALUES_SHOWN ? from->values : VALUES_SHOWN;
	out->other = from->count;
	for (i = 0; i < out->values.count; i++)
		out->other -= out->values.item[i].count;
}

static void fill_attribute(struct analysis *a, const struct attribute *from, struct str name,
			   struct report_unit *unit)
{
	struct report_attribute *out = &unit->attributes.item[unit->attributes.count++];

	*out = (struct report_attribute){.name = analysis_own(a, copy_of(name)),
					 .is_text = from->is_text,
					 .count = from->count,
					 .unknown = from->unknown,
					 .sum = from->sum,
					 .min = from->min,
					 .max = from->max};
	if (from->is_text)
		fill_values(a, from, out);
}

static void fill_attributes(struct analysis *a, const struct shape *s, struct report_unit *out)
{
	const struct span_info *info = span_of(a, s->span);
	const char *at, *newline;
	int i = 0;

	if (!info)
		return;
	out->attributes.item = analysis_own(a, calloc(APM_SPAN_ARGS + 2, sizeof(*out->attributes.item)));
	if (!out->attributes.item)
		return;
	for (at = info->args; (newline = strchr(at, '\n')) && i < APM_SPAN_ARGS; at = newline + 1)
		fill_attribute(a, &s->attribute[i++], (struct str){at, (size_t)(newline - at)}, out);
	if (*info->ret_name)
		fill_attribute(a, &s->attribute[APM_SPAN_ARGS], str_from(info->ret_name), out);
}

static const char *type_of(const struct span_info *info)
{
	static const char *const names[] = {[REC_SPAN_REQUEST] = "request",
					    [REC_SPAN_BACKGROUND] = "background",
					    [REC_SPAN_SCHEDULED] = "scheduled"};

	return info && info->rec.work < sizeof(names) / sizeof(names[0]) ? names[info->rec.work] : NULL;
}

/* Whether CPU samples can tell how so much time was spent. */
static int samples_tell(const struct analysis *a, uint64_t time_ns)
{
	return a->meta.sample_freq && (double)time_ns / 1e9 * a->meta.sample_freq >= SAMPLES_MIN;
}

static void fill_unit(struct analysis *a, const struct shape *sh, struct report_unit *out)
{
	int is_span = sh->kind == UNIT_SPAN;
	struct strbuf name = {0};

	if (is_span)
		strbuf_adds(&name, analysis_span_name(a, sh->span));
	else
		detect_add_name(a->detect, &name, sh->first);
	*out = (struct report_unit){
		.kind = is_span ? "span" : unit_kind_name(sh->kind),
		.is_span = is_span,
		.shape = analysis_own_text(a, &name),
		.process = sh->comm,
		.count = sh->count,
		.statements = sh->statements,
		.errors = sh->errors,
		.total_ns = sh->durations.sum,
		.db_ns = sh->db_ns,
		.p50_ns = hist_percentile(&sh->durations, 0.50),
		.p95_ns = hist_percentile(&sh->durations, 0.95),
		.max_ns = sh->durations.max,
		.statements_per_unit = sh->count ? (double)sh->statements / (double)sh->count : 0,
		.confidence = is_span || sh->kind == UNIT_PROCESS || sh->kind == UNIT_GIVEN
				      ? CONFIDENCE_EXACT
				      : CONFIDENCE_LIKELY,
		.type = is_span			   ? type_of(span_of(a, sh->span))
			: sh->kind == UNIT_PROCESS ? "background"
						   : NULL,
		.ok = sh->ok,
		.failed = sh->failed,
		.left = sh->left,
		.running = sh->running,
		.queries = sh->queries,
		.cache_spans = sh->cache_spans,
		.cache_hits = sh->cache_hits,
		.cache_misses = sh->cache_misses,
		.queue_spans = sh->queue_spans,
		.cpu_known = is_span ? sh->cpu_known_ns > 0 : samples_tell(a, sh->cpu_known_ns),
		.cpu_sampled = !is_span,
		.cpu_ns = sh->cpu_ns,
		.off_cpu_ns = sh->cpu_known_ns > sh->cpu_ns ? sh->cpu_known_ns - sh->cpu_ns : 0,
		.waits_known = is_span && a->looks_taken && sh->durations.sum >= WAITS_MIN_NS,
		.io_wait_ns = sh->wait[REC_WAIT_IO].ns,
		.lock_wait_ns = sh->wait[REC_WAIT_LOCK].ns,
		.network_wait_ns = sh->wait[REC_WAIT_NETWORK].ns,
		.rss_known = sh->rss_units > 0,
		.rss_growth = sh->rss_growth,
		.rss_most = sh->rss_most,
	};
	if (is_span)
		fill_attributes(a, sh, out);
}

static int long_shape_first(const void *x, const void *y)
{
	const struct shape *a = *(const struct shape *const *)x, *b = *(const struct shape *const *)y;

	if ((a->kind == UNIT_SPAN) != (b->kind == UNIT_SPAN))
		return a->kind == UNIT_SPAN ? -1 : 1;
	return sorted_descending(a->durations.sum, b->durations.sum, a->first ^ a->kind, b->first ^ b->kind);
}

struct called {
	uint32_t span;
	int found;
};

static int find_called(struct table_key key, void *value, void *arg)
{
	const struct shape *s = value;
	struct called *c = arg;

	c->found |= s->kind == UNIT_SPAN && s->span == c->span;
	return 0;
}

struct uncalled {
	struct analysis *a;
	struct report *r;
};

/* A function that was named and never called has a row as well: nothing is an answer. */
static int add_uncalled(struct table_key key, void *value, void *arg)
{
	const struct span_info *info = value;
	struct uncalled *u = arg;
	struct called called = {.span = (uint32_t)key.a};

	table_visit(u->a->shapes, find_called, &called);
	if (!called.found)
		u->r->unit_shapes.item[u->r->unit_shapes.count++] =
			(struct report_unit){.kind = "span",
					     .is_span = 1,
					     .never_called = 1,
					     .shape = info->name,
					     .type = type_of(info),
					     .confidence = CONFIDENCE_EXACT};
	return 0;
}

void analysis_fill_units(struct analysis *a)
{
	struct sorted s = {.a = a};
	struct report *r = &a->report;
	struct uncalled uncalled = {a, r};
	size_t n, i;

	table_visit(a->shapes, sorted_add_value, &s);
	n = sorted_take(&s, long_shape_first);
	r->unit_shapes.item =
		analysis_own(a, calloc(n + table_count(a->spans) + 1, sizeof(*r->unit_shapes.item)));
	for (i = 0; i < n && r->unit_shapes.item; i++)
		fill_unit(a, s.item[i], &r->unit_shapes.item[r->unit_shapes.count++]);
	if (r->unit_shapes.item)
		table_visit(a->spans, add_uncalled, &uncalled);
	free(s.item);
}

/* ---- transactions ---- */

static int long_transaction_first(const void *x, const void *y)
{
	const struct tx_shape *a = *(const struct tx_shape *const *)x,
			      *b = *(const struct tx_shape *const *)y;

	return sorted_descending(a->durations.sum, b->durations.sum, a->first ^ a->system,
				 b->first ^ b->system);
}

static void add_transaction(const struct tx_shape *shape, void *arg)
{
	sorted_add(arg, shape);
}

static void fill_transaction(struct analysis *a, const struct tx_shape *t, struct report_transaction *out)
{
	*out = (struct report_transaction){
		.system = record_system_name(t->system),
		.fingerprint = t->first,
		.query = t->first ? analysis_query_text(a, t->first) : NULL,
		.count = t->count,
		.committed = t->outcome[TX_COMMITTED],
		.rolled_back = t->outcome[TX_ROLLED_BACK],
		.failed = t->outcome[TX_FAILED],
		.prepared = t->outcome[TX_PREPARED],
		.dropped = t->outcome[TX_DROPPED],
		.open = t->outcome[TX_OPEN],
		.implicit = t->implicit,
		.nested = t->nested,
		.savepoints = t->savepoints,
		.savepoint_rollbacks = t->savepoint_rollbacks,
		.second_phases = t->second_phases,
		.statements = t->statements,
		.errors = t->errors,
		.refused = t->refused,
		.total_ns = t->durations.sum,
		.p50_ns = hist_percentile(&t->durations, 0.50),
		.p95_ns = hist_percentile(&t->durations, 0.95),
		.max_ns = t->durations.max,
		.db_ns = t->db_ns,
		.idle_ns = t->idle_ns,
		.max_idle_ns = t->max_idle_ns,
		.idle_cpu_known = samples_tell(a, t->idle_ns) && t->sampled_idle_ns == t->idle_ns,
		.idle_cpu_ns = t->idle_cpu_ns,
		.idle_wait_ns = t->sampled_idle_ns - t->idle_cpu_ns,
	};
}

void analysis_fill_transactions(struct analysis *a)
{
	struct sorted s = {.a = a};
	struct report *r = &a->report;
	size_t n, i;

	transactions_each(units_transactions(a->units), add_transaction, &s);
	n = sorted_take(&s, long_transaction_first);
	r->transaction_shapes.item = analysis_own(a, calloc(n + 1, sizeof(*r->transaction_shapes.item)));
	for (i = 0; i < n && r->transaction_shapes.item; i++)
		fill_transaction(a, s.item[i], &r->transaction_shapes.item[r->transaction_shapes.count++]);
	free(s.item);
}
