/* SPDX-License-Identifier: BSD-2-Clause */
#include "analysis_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS	      1000000ULL
#define QUERIES_MAX   24576
#define SLOW_MAX      100
#define SHAPES_MAX    2048
#define LIBRARIES_MAX 1024
#define COVERAGE_MAX  4096
#define SPANS_MAX     1024 /* statements of a unit kept in order */
#define PROCESSES_MAX 4096
#define ORDER_MAX     4096
#define SPAN_ENDS_MAX 8192
#define ORDER_NS      (1000 * MS) /* events come at most this much out of order */
#define GAP_NS	      (100 * MS)  /* where neither the stream nor an option says */

static int out_of_memory(struct analysis *a)
{
	a->err = -ENOMEM;
	return -ENOMEM;
}

/* ---- what the parts tell each other ---- */

static int count_library(struct analysis *a, uint16_t lib_id)
{
	struct library *l = table_put(a->libraries, (struct table_key){lib_id, 0}, NULL);

	if (!l)
		return -ENOMEM;
	l->statements++;
	return 0;
}

static int on_statement(const struct statement *stmt, void *arg)
{
	struct analysis *a = arg;
	uint64_t waited;
	int err;

	if (stmt->opening) {
		order_add(a->order, stmt);
		return a->err;
	}
	err = stats_add(a->stats, stmt, a->thresholds.slow_ns);
	if (err)
		return err;
	err = timeline_add(&a->timeline, stmt->t_end, stmt->duration_ns, stmt->error);
	if (!err)
		err = analysis_recent_statement(a, NULL, stmt);
	if (!err && a->opt.on_statement)
		err = a->opt.on_statement(stmt, a->opt.arg);
	if (err)
		return err;
	a->text_unknown += (stmt->flags & APM_STMT_TEXT_UNKNOWN) != 0;
	waited = samples_statement(a->samples, stmt->seq, stmt->fingerprint);
	if (waited)
		stats_sample(a->stats, stmt->fingerprint, waited);
	order_add(a->order, stmt);
	err = count_library(a, stmt->lib_id);
	return err ? err : a->err;
}

static int on_amend(const struct statement *was, const struct statement *now, void *arg)
{
	struct analysis *a = arg;
	struct statement before = *was, again = *now;
	int err = stats_amend(a->stats, was, now, a->thresholds.slow_ns);

	if (!err)
		err = analysis_recent_statement(a, was, now);
	if (err)
		return err;
	/* Both behind the statement itself, which may still wait for its place: they begin with it. */
	before.mark = MARK_WAS;
	before.t_start = again.t_start;
	order_add(a->order, &before);
	/* Units only need to know how many rows a possible parent had in the end. */
	again.opening = 1;
	order_add(a->order, &again);
	return a->err;
}

static int on_error(const struct statement *stmt, const struct rec_error *error, void *arg)
{
	struct analysis *a = arg;
	struct rec_error with_code = *error;
	struct detect_error seen;
	char number[16];

	if (error->code.len == 0 && error->number) {
		snprintf(number, sizeof(number), "%d", error->number);
		with_code.code = str_from(number);
	}
	seen = (struct detect_error){with_code.code, with_code.message, 0};
	seen.count = stats_error(a->stats, stmt, stmt->t_end, &with_code);
	if (!seen.count)
		return -ENOMEM;
	detect_failure(a->detect, stmt, &seen);
	return a->err;
}

static int on_text(const struct rec_text *text, void *arg)
{
	return stats_describe(((struct analysis *)arg)->stats, text);
}

static void on_ordered(struct statement *stmt, void *arg)
{
	struct analysis *a = arg;
	int err;

	if (stmt->mark == MARK_WAS) {
		a->was = *stmt;
		return;
	}
	err = stmt->mark ? analysis_mark(a, stmt) : units_feed(a->units, stmt);
	if (err && !a->err)
		a->err = err;
	if (a->was.seq && !stmt->mark)
		detect_statement(a->detect, stmt, &a->was);
	else if (!stmt->opening && !stmt->mark)
		detect_statement(a->detect, stmt, NULL);
	a->was.seq = 0;
}

static void on_query(uint64_t fingerprint, struct detect_query *out, void *arg)
{
	const struct stats_query *q = stats_find(((struct analysis *)arg)->stats, fingerprint);

	if (!q)
		return;
	out->normalized = str_from(q->normalized);
	out->summary = str_from(q->summary);
	out->system = q->system;
	out->kind = q->kind;
	out->durations = &q->durations;
}

static void on_certain(const struct finding *f, void *arg)
{
	struct analysis *a = arg;
	struct analysis_words words;
	struct report_finding out;

	if (!a->opt.on_finding)
		return;
	if (analysis_words(a, f, &words, &out) == 0)
		a->opt.on_finding(&out, a->opt.arg);
	else
		out_of_memory(a);
	analysis_words_free(&words);
}

static void on_stack(uint64_t fingerprint, uint64_t weight_ns, uint64_t count, const char *const *frames,
		     size_t frame_count, void *arg)
{
	struct analysis *a = arg;

	if (a->opt.on_stack)
		a->opt.on_stack(fingerprint, weight_ns, count, frames, frame_count, a->opt.arg);
}

/* ---- life ---- */

static void library_release(struct table_key key, void *value, void *arg)
{
	struct library *l = value;

	free(l->name);
	free(l->version);
	free(l->path);
	free(l->build_id);
}

static void coverage_release(struct table_key key, void *value, void *arg)
{
	struct coverage *c = value;

	free(c->subject);
	free(c->text);
}

struct analysis *analysis_new(const struct analysis_options *opt)
{
	struct analysis *a = calloc(1, sizeof(*a));
	struct session_sink sink = {on_statement, on_amend, on_error, on_text, a};
	size_t i;

	if (!a)
		return NULL;
	a->opt = *opt;
	detect_defaults(&a->thresholds);
	a->session = session_new(&sink);
	a->stats = stats_new(QUERIES_MAX, SLOW_MAX);
	a->samples = samples_new(on_stack, a);
	a->order = order_new(ORDER_MAX, ORDER_NS, on_ordered, a);
	a->detect = detect_new(&a->thresholds, on_query, on_certain, a);
	a->shapes = table_new(SHAPES_MAX, sizeof(struct shape), analysis_shape_release, NULL);
	a->libraries = table_new(LIBRARIES_MAX, sizeof(struct library), library_release, NULL);
	for (i = 0; a->detect && i < opt->also_count; i++)
		detect_enable(a->detect, opt->also[i]);
	a->processes = table_new(PROCESSES_MAX, sizeof(struct process_usage), analysis_usage_release, NULL);
	a->spans = table_new(APM_MAX_SPANS, sizeof(struct span_info), analysis_span_release, NULL);
	a->span_ends = table_new(SPAN_ENDS_MAX, sizeof(struct apm_ev_span), NULL, NULL);
	a->coverage = table_new(COVERAGE_MAX, sizeof(struct coverage), coverage_release, NULL);
	if (!a->session || !a->stats || !a->samples || !a->order || !a->detect || !a->shapes ||
	    !a->libraries || !a->processes || !a->coverage || !a->spans || !a->span_ends ||
	    analysis_recent_open(a)) {
		analysis_free(a);
		errno = ENOMEM;
		return NULL;
	}
	return a;
}

static void disown(struct analysis *a)
{
	while (a->owned_count)
		free(a->owned[--a->owned_count]);
}

void analysis_free(struct analysis *a)
{
	struct meta_text *m;

	if (!a)
		return;
	regroup_free(&a->regroup);
	session_free(a->session);
	order_free(a->order);
	timeline_free(&a->timeline);
	units_free(a->units);
	detect_free(a->detect);
	samples_free(a->samples);
	stats_free(a->stats);
	table_free(a->shapes);
	table_free(a->libraries);
	table_free(a->processes);
	table_free(a->coverage);
	analysis_recent_close(a);
	table_free(a->spans);
	table_free(a->span_ends);
	m = &a->meta_text;
	free(m->tool_version);
	free(m->host);
	free(m->kernel);
	free(m->target);
	free(m->service);
	free(m->environment);
	disown(a);
	free(a->owned);
	free(a);
}

/* ---- records ---- */

/* Replaces *to by a copy of s. 0 or -ENOMEM. */
static int keep(char **to, struct str s)
{
	char *copy = malloc(s.len + 1);

	if (!copy)
		return -ENOMEM;
	if (s.len)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	free(*to);
	*to = copy;
	return 0;
}

static uint64_t first_of(uint64_t a, uint64_t b, uint64_t c)
{
	return a ? a : b ? b : c;
}

static int start(struct analysis *a)
{
	struct units_options opt = {0};

	a->started = 1;
	a->thresholds.slow_ns = first_of(a->opt.slow_ns, a->meta.slow_ns, a->thresholds.slow_ns);
	a->thresholds.n_plus_one =
		(uint32_t)first_of(a->opt.n_plus_one, a->meta.n_plus_one, a->thresholds.n_plus_one);
	a->thresholds.slow_request_ns =
		first_of(a->opt.slow_request_ns, a->meta.slow_request_ns, a->thresholds.slow_request_ns);
	a->sample_rate = a->meta.sample_rate_set ? (double)a->meta.sample_ppm / 1e6 : 1;
	a->thresholds.memory_kb = first_of(a->opt.memory_kb, a->meta.memory_kb, 0);
	a->unit_gap_ns = first_of(a->opt.unit_gap_ns, a->meta.unit_gap_ns, GAP_NS);
	detect_set(a->detect, &a->thresholds);
	opt.gap_ns = a->unit_gap_ns;
	opt.threshold = a->thresholds.n_plus_one;
	/* Those that are off by default look at the order of statements. */
	opt.span_max = a->opt.also_count ? SPANS_MAX : 0;
	a->units = units_new(&opt, analysis_unit, a);
	return a->units ? 0 : -ENOMEM;
}

static int feed_meta(struct analysis *a, const struct record *rec)
{
	const struct rec_meta *m = &rec->meta;
	struct meta_text *t = &a->meta_text;

	a->meta = *m;
	a->begin_ns = m->mono_ns;
	return keep(&t->tool_version, m->tool_version) || keep(&t->host, m->host) ||
			       keep(&t->kernel, m->kernel) || keep(&t->target, m->target) ||
			       keep(&t->service, m->service) || keep(&t->environment, m->environment)
		       ? -ENOMEM
		       : 0;
}

static int feed_session(struct analysis *a, const struct record *rec)
{
	return session_feed(a->session, rec);
}

static int feed_close(struct analysis *a, const struct record *rec)
{
	analysis_mark_close(a, rec);
	return session_feed(a->session, rec);
}

static int feed_text(struct analysis *a, const struct record *original)
{
	struct record anew = *original, *rec = &anew;
	int err = 0;

	if (a->meta.normaliser_version != sql_version() && !(rec->text.flags & APM_TEXT_NAME)) {
		err = regroup_text(&a->regroup, &rec->text);
		if (err < 0)
			return err;
		a->regrouped |= err;
		err = 0;
	}
	if (rec->text.flags & APM_TEXT_NAME)
		err = analysis_recent_name(a, rec->text.normalized);
	else if (rec->text.stmt_class != SQL_CLASS_EMPTY)
		err = stats_describe(a->stats, &rec->text);
	return err ? err : session_feed(a->session, rec);
}

static int feed_process(struct analysis *a, const struct record *rec)
{
	char comm[16] = {0};
	struct str s = rec->process.comm;

	if (s.len)
		memcpy(comm, s.ptr, s.len < sizeof(comm) - 1 ? s.len : sizeof(comm) - 1);
	return units_process_name(a->units, rec->hdr->tgid, comm);
}

/* Everything that happened before must be in the units before a process begins or ends. */
static int feed_proc(struct analysis *a, const struct record *rec)
{
	const struct apm_ev_proc *p = rec->proc;
	char comm[16];
	int err = session_feed(a->session, rec);

	if (err)
		return err;
	order_flush(a->order, rec->hdr->ts);
	memcpy(comm, p->comm, sizeof(comm));
	comm[sizeof(comm) - 1] = '\0';
	if (rec->hdr->kind == APM_EV_EXIT)
		return units_process_exit(a->units, rec->hdr->tgid, rec->hdr->ts, p->other);
	if (rec->hdr->kind == APM_EV_FORK)
		return units_process_start(a->units, p->other, rec->hdr->ts, comm, 1);
	return units_process_start(a->units, rec->hdr->tgid, rec->hdr->ts, comm, 0);
}

static int feed_frame(struct analysis *a, const struct record *rec)
{
	return samples_frame(a->samples, rec);
}

static int feed_site(struct analysis *a, const struct record *rec)
{
	return samples_site(a->samples, rec);
}

static int feed_sample(struct analysis *a, const struct record *rec)
{
	uint64_t fingerprint;
	int known = samples_add(a->samples, rec, &fingerprint);

	if (known == 1)
		stats_sample(a->stats, fingerprint, 1);
	analysis_mark_sample(a, rec);
	return known < 0 ? known : 0;
}

static int feed_loss(struct analysis *a, const struct record *rec)
{
	a->loss = rec->loss;
	return 0;
}

static int feed_overhead(struct analysis *a, const struct record *rec)
{
	a->overhead = rec->overhead;
	return 0;
}

static int feed_coverage(struct analysis *a, const struct record *rec)
{
	const struct rec_coverage *in = &rec->coverage;
	uint64_t hash = hash_bytes(hash_bytes(HASH_SEED, in->subject.ptr, in->subject.len), in->text.ptr,
				   in->text.len);
	struct coverage *c =
		table_put(a->coverage, (struct table_key){hash, (uint64_t)in->kind << 32 | in->tgid}, NULL);

	if (!c)
		return -ENOMEM;
	c->kind = in->kind;
	c->tgid = in->tgid;
	return keep(&c->subject, in->subject) || keep(&c->text, in->text) ? -ENOMEM : 0;
}

static int feed_library(struct analysis *a, const struct record *rec)
{
	const struct rec_library *in = &rec->library;
	struct library *l = table_put(a->libraries, (struct table_key){in->lib_id, 0}, NULL);

	if (!l)
		return -ENOMEM;
	return keep(&l->name, in->name) || keep(&l->version, in->version) || keep(&l->path, in->path) ||
			       keep(&l->build_id, in->build_id)
		       ? -ENOMEM
		       : 0;
}

static int (*const handlers[])(struct analysis *a, const struct record *rec) = {
	[APM_EV_STMT] = feed_session,
	[APM_EV_PREPARE] = feed_session,
	[APM_EV_CLOSE] = feed_close,
	[APM_EV_FORK] = feed_proc,
	[APM_EV_EXEC] = feed_proc,
	[APM_EV_EXIT] = feed_proc,
	[REC_META] = feed_meta,
	[REC_TEXT] = feed_text,
	[REC_PROCESS] = feed_process,
	[REC_FRAME] = feed_frame,
	[REC_SAMPLE] = feed_sample,
	[REC_ERROR] = feed_session,
	[REC_LOSS] = feed_loss,
	[REC_COVERAGE] = feed_coverage,
	[REC_OVERHEAD] = feed_overhead,
	[APM_EV_SPAN_BEGIN] = analysis_feed_span_begin,
	[APM_EV_SPAN_END] = analysis_feed_span_end,
	[REC_SPAN] = analysis_feed_span,
	[REC_SITE] = feed_site,
	[REC_LIBRARY] = feed_library,
	[REC_USAGE] = analysis_feed_usage,
	[REC_WAIT] = analysis_feed_wait,
};

int analysis_feed(const struct record *rec, void *arg)
{
	struct analysis *a = arg;
	size_t kind = rec->hdr->kind;
	int err = 0;

	if (kind != REC_META && !a->started)
		err = start(a);
	if (err)
		return err;
	if (!a->begin_ns)
		a->begin_ns = rec->hdr->ts;
	if (!a->timeline.width_ns)
		timeline_begin(&a->timeline, a->begin_ns);
	if (rec->hdr->ts > a->now_ns)
		a->now_ns = rec->hdr->ts;
	if (kind < sizeof(handlers) / sizeof(handlers[0]) && handlers[kind])
		err = handlers[kind](a, rec);
	if (err || !a->started)
		return err;
	err = session_time(a->session, a->now_ns, a->unit_gap_ns);
	order_time(a->order, a->now_ns);
	if (!err && a->now_ns > ORDER_NS)
		err = units_time(a->units, a->now_ns - ORDER_NS);
	return err ? err : a->err;
}

static uint64_t lost_events(const struct analysis *a)
{
	uint64_t lost = 0;
	uint32_t i;

	for (i = 0; i < a->loss.count && i < APM_CNT_MAX; i++)
		lost += counter_lossy((enum apm_counter)i) ? a->loss.values[i] : 0;
	return lost;
}

void analysis_progress(const struct analysis *a, struct analysis_progress *out)
{
	const struct stats_totals *t = stats_totals(a->stats);

	*out = (struct analysis_progress){.statements = t->statements + t->control,
					  .errors = t->errors,
					  .findings = detect_count(a->detect),
					  .lost = lost_events(a),
					  .now_ns = a->now_ns};
}

const struct report *analysis_snapshot(struct analysis *a)
{
	int err = a->started ? 0 : start(a);

	disown(a);
	if (!err)
		err = analysis_fill(a, 0);
	errno = -err;
	return err ? NULL : &a->report;
}

const struct report *analysis_finish(struct analysis *a, int truncated)
{
	int err = a->started ? 0 : start(a);

	disown(a);
	if (!err)
		err = session_finish(a->session);
	if (!err) {
		order_flush(a->order, UINT64_MAX);
		samples_finish(a->samples);
		err = units_time(a->units, a->now_ns);
	}
	if (!err) {
		err = units_finish(a->units);
	}
	if (!err) {
		analysis_judge_resources(a);
		detect_end(a->detect);
		err = analysis_fill(a, truncated);
	}
	if (!err)
		err = a->err;
	errno = -err;
	return err ? NULL : &a->report;
}
