/* SPDX-License-Identifier: BSD-2-Clause */
#include "intervals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hist.h"
#include "base/table.h"
#include "log.h"
#include "output.h"
#include "report/format.h"
#include "report/report.h"
#include "txn/rolling.h"

#define NAMES_MAX   8192
#define QUERIES_MAX 8192
#define MINUTE_NS   60000000000ULL
#define PAUSE_MAX   10000 /* a pause of more intervals is one line: damaged captures jump in time */

struct intervals {
	const struct options *opt;
	int err; /* of writing: nothing more is written */
	uint64_t mono_ns, realtime_ns;
	uint64_t begin_ns, now_ns; /* of the open interval; CLOCK_MONOTONIC */
	uint64_t failed, lost, lost_before;
	uint64_t traced_ns; /* when the trace began */
	struct hist durations;
	struct rolling recent;
	struct table *names;   /* fingerprint -> char *: summary */
	struct table *queries; /* fingerprint -> uint64_t: time in this interval */
	struct strbuf out;
};

static void name_release(struct table_key key, void *value, void *arg)
{
	free(*(char **)value);
}

struct intervals *intervals_new(const struct options *opt)
{
	struct intervals *v = calloc(1, sizeof(*v));

	if (!v || !(v->names = table_new(NAMES_MAX, sizeof(char *), name_release, NULL)) ||
	    !(v->queries = table_new(QUERIES_MAX, sizeof(uint64_t), NULL, NULL))) {
		log_error("out of memory");
		intervals_free(v);
		return NULL;
	}
	v->opt = opt;
	v->recent.with_control = 1;
	return v;
}

void intervals_free(struct intervals *v)
{
	if (!v)
		return;
	table_free(v->names);
	table_free(v->queries);
	hist_free(&v->durations);
	rolling_free(&v->recent);
	strbuf_free(&v->out);
	free(v);
}

/* ---- a line ---- */

struct costliest {
	uint64_t fingerprint, ns;
};

static int take_costlier(struct table_key key, void *value, void *arg)
{
	struct costliest *most = arg;
	uint64_t ns = *(uint64_t *)value;

	if (ns > most->ns || (ns == most->ns && key.a < most->fingerprint))
		*most = (struct costliest){key.a, ns};
	return 1; /* the next interval begins without */
}

static void add_json_string(struct strbuf *out, const char *s)
{
	struct strbuf line = {0};
	size_t i;

	format_line(&line, s);
	strbuf_addc(out, '"');
	for (i = 0; i < line.len; i++) {
		if (line.ptr[i] == '"' || line.ptr[i] == '\\')
			strbuf_addc(out, '\\');
		strbuf_addc(out, line.ptr[i]);
	}
	strbuf_addc(out, '"');
	out->failed |= line.failed;
	strbuf_free(&line);
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static double per_second(uint64_t count, double seconds)
{
	return seconds > 0 ? (double)count / seconds : 0;
}

static void add_percentiles(struct strbuf *out, const struct hist *h)
{
	if (h->count)
		strbuf_addf(out, "\"p50_ms\":%.6f,\"p95_ms\":%.6f,\"p99_ms\":%.6f",
			    ms(hist_percentile(h, 0.50)), ms(hist_percentile(h, 0.95)),
			    ms(hist_percentile(h, 0.99)));
	else
		strbuf_adds(out, "\"p50_ms\":null,\"p95_ms\":null,\"p99_ms\":null");
}

static void add_json(struct intervals *v, const struct rolling_sum *minute, double seconds,
		     const struct costliest *most, const char *name)
{
	const struct hist *h = &v->durations;
	struct strbuf *out = &v->out;
	double minute_s = (double)minute->window_ns / 1e9;

	strbuf_adds(out, "{\"start\":\"");
	report_add_timestamp(out, v->realtime_ns + (v->begin_ns - v->mono_ns), 1);
	strbuf_addf(out,
		    "\",\"seconds\":%.3f,\"statements\":%llu,\"per_s\":%.1f,\"errors\":%llu,\"lost\":%llu,"
		    "\"db_time_ms\":%.6f,",
		    seconds, (unsigned long long)h->count, per_second(h->count, seconds),
		    (unsigned long long)v->failed, (unsigned long long)(v->lost - v->lost_before),
		    ms(h->sum));
	add_percentiles(out, h);
	strbuf_addf(out,
		    ",\"last_minute\":{\"seconds\":%.3f,\"statements\":%llu,\"per_s\":%.1f,\"errors\":%llu,"
		    "\"db_time_ms\":%.6f,",
		    minute_s, (unsigned long long)minute->durations.count,
		    per_second(minute->durations.count, minute_s), (unsigned long long)minute->failed,
		    ms(minute->durations.sum));
	add_percentiles(out, &minute->durations);
	if (!h->count) {
		strbuf_adds(out, "},\"top\":null}\n");
		return;
	}
	strbuf_addf(out, "},\"top\":{\"fingerprint\":\"%016llx\",\"db_time_ms\":%.6f,\"summary\":",
		    (unsigned long long)most->fingerprint, ms(most->ns));
	add_json_string(out, name);
	strbuf_adds(out, "}}\n");
}

static void add_rate(struct strbuf *out, int width, uint64_t count, double seconds)
{
	strbuf_addf(out, "%*s/s", width, format_count((uint64_t)(per_second(count, seconds) + 0.5)));
}

static void add_text(struct intervals *v, const struct rolling_sum *minute, double seconds,
		     const struct costliest *most, const char *name)
{
	const struct hist *h = &v->durations;
	struct strbuf *out = &v->out;

	report_add_timestamp(out, v->realtime_ns + (v->begin_ns - v->mono_ns), 0);
	strbuf_adds(out, "  ");
	add_rate(out, 8, h->count, seconds);
	if (v->failed)
		strbuf_addf(out, "  %s failed", format_count(v->failed));
	if (v->lost > v->lost_before)
		strbuf_addf(out, "  %s lost", format_count(v->lost - v->lost_before));
	if (h->count) {
		strbuf_addf(out, "  p50 %s, p95 %s, p99 %s  [%s] ", format_time(hist_percentile(h, 0.50)),
			    format_time(hist_percentile(h, 0.95)), format_time(hist_percentile(h, 0.99)),
			    format_id(most->fingerprint, 8));
		format_line_cut(out, name, 40);
		strbuf_addf(out, " %s of the time",
			    format_percent(h->sum ? (double)most->ns / (double)h->sum : 0));
	}
	if (v->begin_ns > v->traced_ns && minute->durations.count && v->opt->interval_ns < MINUTE_NS) {
		strbuf_addf(out, "  (last %s: ", format_time(minute->window_ns));
		add_rate(out, 0, minute->durations.count, (double)minute->window_ns / 1e9);
		strbuf_addf(out, ", p95 %s)", format_time(hist_percentile(&minute->durations, 0.95)));
	}
	strbuf_addc(out, '\n');
}

/* Ends the open interval at `end_ns`. */
static int end_interval(struct intervals *v, uint64_t end_ns)
{
	double seconds = (double)(end_ns - v->begin_ns) / 1e9;
	struct costliest most = {UINT64_MAX, 0};
	struct rolling_sum minute;
	char *const *name;

	if (rolling_sum(&v->recent, v->traced_ns, end_ns, &minute))
		return -ENOMEM;
	table_visit(v->queries, take_costlier, &most);
	name = table_get(v->names, (struct table_key){most.fingerprint, 0});
	if (!strcmp(v->opt->format, "json"))
		add_json(v, &minute, seconds, &most, name && *name ? *name : "");
	else
		add_text(v, &minute, seconds, &most, name && *name ? *name : "");
	hist_free(&minute.durations);
	/* At once, for whoever reads the other end of a pipe. */
	if (!v->err)
		v->err = output_text(&v->out);
	strbuf_reset(&v->out);
	hist_free(&v->durations);
	v->failed = 0;
	v->lost_before = v->lost;
	v->begin_ns = end_ns;
	return 0;
}

/* ---- what comes in ---- */

int intervals_statement(struct intervals *v, const struct statement *stmt)
{
	uint64_t *ns = table_put(v->queries, (struct table_key){stmt->fingerprint, 0}, NULL);

	if (!ns)
		return -ENOMEM;
	*ns += stmt->duration_ns;
	v->failed += stmt->error;
	return rolling_add(&v->recent, stmt) || hist_add(&v->durations, stmt->duration_ns) ? -ENOMEM : 0;
}

static int keep_name(struct intervals *v, const struct rec_text *text)
{
	char **name = table_put(v->names, (struct table_key){text->fingerprint, 0}, NULL);

	if (name && !*name && text->summary.len)
		*name = strndup(text->summary.ptr, text->summary.len);
	return name && (*name || !text->summary.len) ? 0 : -ENOMEM;
}

static void keep_losses(struct intervals *v, const struct rec_loss *loss)
{
	uint32_t i;

	v->lost = 0;
	for (i = 0; i < loss->count && i < APM_CNT_MAX; i++)
		v->lost += counter_lossy((enum apm_counter)i) ? loss->values[i] : 0;
}

int intervals_record(struct intervals *v, const struct record *rec)
{
	int err = 0;

	if (rec->hdr->kind == REC_META) {
		v->mono_ns = v->traced_ns = v->begin_ns = v->now_ns = rec->meta.mono_ns;
		v->realtime_ns = rec->meta.realtime_ns;
	} else if (rec->hdr->kind == REC_TEXT) {
		err = keep_name(v, &rec->text);
	} else if (rec->hdr->kind == REC_LOSS) {
		keep_losses(v, &rec->loss);
	}
	if (rec->hdr->ts > v->now_ns)
		v->now_ns = rec->hdr->ts;
	while (!err && v->begin_ns && v->opt->interval_ns && v->now_ns - v->begin_ns >= v->opt->interval_ns) {
		uint64_t passed = (v->now_ns - v->begin_ns) / v->opt->interval_ns;

		err = end_interval(v, v->begin_ns + (passed > PAUSE_MAX ? passed : 1) * v->opt->interval_ns);
	}
	return err;
}

int intervals_end(struct intervals *v)
{
	int err = 0;

	if (v->now_ns > v->begin_ns || v->durations.count)
		err = end_interval(v, v->now_ns);
	if (err)
		return err;
	return v->err == -EPIPE ? 0 : v->err;
}
