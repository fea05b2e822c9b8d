/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd_detect.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/detect.h"
#include "detect/scenario.h"
#include "txn/stats.h"

#define US	  1000
#define TEXTS_MAX 65536
#define SPANS_MAX 65536

static const char usage[] =
	"Usage: apm-bpf detect --jsonl\n"
	"Reads scenarios, one JSON object per line, and writes what the detectors find in each.\n";

struct scenario {
	json_t *in;
	struct detect *detect;
	struct stats *texts;
	struct detect_options opt;
	enum sql_dialect dialect;
	int names_pool, names_churn; /* detectors asked for */
	int has_begin;
	json_t *findings;
	struct strbuf scratch;
	char *buf; /* for sql_analyse() */
	size_t cap;
	int failed;
};

/* ---- reading ---- */

static struct str json_str(const json_t *value)
{
	return (struct str){json_string_value(value), json_string_length(value)};
}

/* A number of the object in units of `unit`; `otherwise` where there is none, or none that makes sense. */
static uint64_t json_scaled(const json_t *object, const char *key, double unit, uint64_t otherwise)
{
	const json_t *value = json_object_get(object, key);
	double number = json_is_number(value) ? json_number_value(value) * unit : -1;

	return number >= 0 && number < 1e18 ? (uint64_t)(number + 0.5) : otherwise;
}

static uint64_t json_us(const json_t *object, const char *key, uint64_t otherwise_ns)
{
	return json_scaled(object, key, US, otherwise_ns);
}

static uint64_t json_count(const json_t *object, const char *key, uint64_t otherwise)
{
	return json_scaled(object, key, 1, otherwise);
}

/* The first setting in microseconds whose name contains `part`. */
static uint64_t json_us_like(json_t *object, const char *part, uint64_t otherwise_ns)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		if (strstr(key, part) && strstr(key, "_us"))
			return json_us(object, key, otherwise_ns);
	}
	return otherwise_ns;
}

static void read_thresholds(struct scenario *sc)
{
	json_t *settings = json_object_get(sc->in, "settings");
	struct detect_options *o = &sc->opt;

	detect_defaults(o);
	o->n_plus_one = (uint32_t)json_count(sc->in, "threshold", o->n_plus_one);
	o->min_total_ns = json_us(sc->in, "min_total_us", 0);
	o->slow_ns =
		json_us(sc->in, "slow_threshold_us", json_us(settings, "slow_threshold_us", 500000 * US));
	o->http_min_count = json_count(settings, "min_count", o->http_min_count);
	o->http_min_total_ns = json_us(settings, "min_total_us", o->http_min_total_ns);
	o->consecutive_min_count = json_count(settings, "min_count", o->consecutive_min_count);
	o->consecutive_min_span_ns = json_us(settings, "min_span_us", o->consecutive_min_span_ns);
	o->consecutive_min_saved_ns = json_us(settings, "min_time_saved_us", o->consecutive_min_saved_ns);
	if (json_is_number(json_object_get(settings, "min_time_saved_ratio")))
		o->consecutive_min_ratio =
			json_number_value(json_object_get(settings, "min_time_saved_ratio"));
	o->missing_limit_rows = json_count(settings, "min_rows", o->missing_limit_rows);
	o->large_rows = json_count(settings, "min_rows", o->large_rows);
	o->idle_tx_ns = json_us_like(settings, "idle", json_us_like(settings, "gap", o->idle_tx_ns));
	o->chatty_count = json_count(settings, "min_count", o->chatty_count);
	o->connects = json_count(settings, "min_count", o->connects);
	o->pool_waits = json_count(settings, "min_count", o->pool_waits);
	o->pool_wait_ns = json_us_like(settings, "wait", o->pool_wait_ns);
}

static void enable_named(struct scenario *sc)
{
	json_t *names = json_object_get(sc->in, "detectors"), *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		if (!json_is_string(name))
			continue;
		detect_enable(sc->detect, json_string_value(name));
		sc->names_pool |= str_eq(json_str(name), STR("pool_saturation"));
		sc->names_churn |= str_eq(json_str(name), STR("connection_churn"));
	}
}

/* ---- spans to statements ---- */

static int describe(struct scenario *sc, struct rec_text *text)
{
	if (stats_describe(sc->texts, text) == 0)
		return 0;
	sc->failed = 1;
	return -ENOMEM;
}

static void as_sql(struct scenario *sc, struct str sql, int truncated, struct statement *stmt)
{
	struct sql_options opt = {.dialect = sc->dialect, .truncated = truncated};
	size_t need = sql_buffer_size(sql.len);
	struct sql_info info;

	if (need > sc->cap) {
		char *buf = realloc(sc->buf, need);

		if (!buf) {
			sc->failed = 1;
			return;
		}
		sc->buf = buf;
		sc->cap = need;
	}
	if (sql_analyse(sql.ptr ? sql.ptr : "", sql.len, &opt, sc->buf, sc->cap, &info)) {
		sc->failed = 1;
		return;
	}
	stmt->fingerprint = info.fingerprint;
	stmt->stmt_class = (uint8_t)info.stmt_class;
	stmt->kind = (uint8_t)info.kind;
	stmt->param_hash = info.literal_hash;
	stmt->params = SPAN_PARAMS_KNOWN;
	if (truncated)
		stmt->params = SPAN_PARAMS_PARTIAL;
	else if (info.literal_count == 0 && info.normalized.len &&
		 memchr(info.normalized.ptr, '?', info.normalized.len))
		stmt->params = SPAN_PARAMS_UNKNOWN;
	describe(sc, &(struct rec_text){.fingerprint = info.fingerprint,
					.kind = (uint8_t)info.kind,
					.normalized = info.normalized,
					.summary = info.summary,
					.operation = info.operation,
					.collections = info.collections,
					.raw = sql});
}

/* A command that is no SQL: `shape` stands for it, the whole text for its parameters. */
static void as_shape(struct scenario *sc, struct str shape, struct str text, enum sql_kind kind,
		     struct statement *stmt)
{
	stmt->fingerprint = hash_bytes(HASH_SEED, shape.ptr, shape.len);
	stmt->param_hash = hash_bytes(HASH_SEED, text.ptr, text.len);
	stmt->params = SPAN_PARAMS_KNOWN;
	stmt->kind = (uint8_t)kind;
	describe(sc, &(struct rec_text){.fingerprint = stmt->fingerprint,
					.kind = (uint8_t)kind,
					.normalized = shape,
					.summary = shape});
}

/* A document command is a JSON object: its first key and value name the operation and the collection. */
static int as_document(struct scenario *sc, struct str text, struct statement *stmt)
{
	json_t *doc = json_loadb(text.ptr, text.len, 0, NULL);
	void *first = json_object_iter(doc);
	const char *collection = first ? json_string_value(json_object_iter_value(first)) : NULL;

	if (!collection) {
		json_decref(doc);
		return 0;
	}
	strbuf_reset(&sc->scratch);
	strbuf_addf(&sc->scratch, "{\"%s\":\"%s\"}", json_object_iter_key(first), collection);
	as_shape(sc, (struct str){sc->scratch.ptr, sc->scratch.len}, text,
		 strcmp(json_object_iter_key(first), "find") == 0 ? SQL_KIND_READ : SQL_KIND_OTHER, stmt);
	json_decref(doc);
	return 1;
}

static int waits_for_pool(struct str text)
{
	static const char *const words[] = {"pool", "acquire", "checkout", NULL};
	int i;

	for (i = 0; words[i]; i++) {
		if (text.len && memmem(text.ptr, text.len, words[i], strlen(words[i])))
			return 1;
	}
	return 0;
}

static void to_statement(struct scenario *sc, const json_t *span, size_t number, struct statement *stmt)
{
	struct str text = json_str(json_object_get(span, "sql"));
	enum span_type type = scenario_type(json_str(json_object_get(span, "kind")));

	if (type == SPAN_CONNECT && sc->names_pool && waits_for_pool(text))
		type = SPAN_POOL;
	else if (type == SPAN_POOL && sc->names_churn && !sc->names_pool)
		type = SPAN_CONNECT;
	*stmt = (struct statement){.type = (uint8_t)type,
				   .seq = number + 1,
				   .tgid = 1,
				   .ctx_id = 1,
				   .t_start = json_us(span, "t_start_us", 0),
				   .duration_ns = json_us(span, "t_dur_us", 0),
				   .rows = json_count(span, "rows", 0),
				   .conn = json_count(span, "conn", 0)};
	stmt->t_end = stmt->t_start + stmt->duration_ns;
	if (type == SPAN_DB) {
		if (text.len && text.ptr[0] == '{' && as_document(sc, text, stmt))
			return;
		as_sql(sc, text, json_is_true(json_object_get(span, "truncated")), stmt);
		return;
	}
	strbuf_reset(&sc->scratch);
	scenario_shape(&sc->scratch, text);
	as_shape(sc, (struct str){sc->scratch.ptr, sc->scratch.len}, text, scenario_kind(type, text), stmt);
}

/* ---- running ---- */

struct span_at {
	struct statement stmt;
	uint64_t tx, unit;
};

static int by_unit_and_start(const void *x, const void *y)
{
	const struct span_at *a = x, *b = y;

	if (a->unit != b->unit)
		return a->unit < b->unit ? -1 : 1;
	if (a->stmt.t_start != b->stmt.t_start)
		return a->stmt.t_start < b->stmt.t_start ? -1 : 1;
	return a->stmt.seq < b->stmt.seq ? -1 : 1;
}

static int on_unit(const struct unit *unit, void *arg)
{
	detect_unit(((struct scenario *)arg)->detect, unit);
	return 0;
}

static void run_unit(struct scenario *sc, struct span_at *span, size_t count)
{
	struct units_options opt = {
		.gap_ns = UINT64_MAX / 4, .threshold = sc->opt.n_plus_one, .span_max = SPANS_MAX, .given = 1};
	struct units *units = units_new(&opt, on_unit, sc);
	const struct statement *before = NULL;
	size_t i;

	for (i = 0; i < count && units; i++) {
		struct statement *stmt = &span[i].stmt;

		if (stmt->stmt_class == SQL_CLASS_EMPTY)
			continue;
		if (units_feed(units, stmt))
			sc->failed = 1;
		/* Said to be in a transaction whose BEGIN is not among the spans. */
		if (span[i].tx && !sc->has_begin && before && stmt->type == SPAN_DB &&
		    stmt->t_start > before->t_end) {
			stmt->tx_idle_ns = stmt->t_start - before->t_end;
			stmt->tx_idle_fingerprint = before->fingerprint;
		}
		if (stmt->type == SPAN_DB)
			before = stmt;
		detect_statement(sc->detect, stmt, NULL);
	}
	if (!units || units_finish(units))
		sc->failed = 1;
	units_free(units);
}

/*
 * All spans are one unit of work, and those of several transactions several; but where BEGIN is among the
 * spans, `tx` counts database transactions, and these do not divide a unit.
 */
static void run_spans(struct scenario *sc)
{
	json_t *spans = json_object_get(sc->in, "spans"), *one;
	size_t count = json_array_size(spans), i, begin;
	struct span_at *span = calloc(count + 1, sizeof(*span));

	if (!span) {
		sc->failed = 1;
		return;
	}
	json_array_foreach(spans, i, one)
	{
		to_statement(sc, one, i, &span[i].stmt);
		span[i].tx = json_count(one, "tx", 0);
		sc->has_begin |= span[i].stmt.kind == SQL_KIND_BEGIN;
	}
	for (i = 0; i < count; i++)
		span[i].unit = sc->has_begin ? 0 : span[i].tx;
	qsort(span, count, sizeof(*span), by_unit_and_start);
	for (begin = i = 0; i < count; i++) {
		if (i + 1 == count || span[i + 1].unit != span[begin].unit) {
			run_unit(sc, span + begin, i + 1 - begin);
			begin = i + 1;
		}
	}
	detect_end(sc->detect);
	free(span);
}

/* ---- writing ---- */

static void on_query(uint64_t fingerprint, struct detect_query *out, void *arg)
{
	const struct stats_query *q = stats_find(((struct scenario *)arg)->texts, fingerprint);

	if (!q)
		return;
	out->normalized = str_from(q->normalized);
	out->summary = str_from(q->summary);
	out->kind = q->kind;
}

/* The text of one execution: the scenario is the caller's own, so nothing is redacted. */
static json_t *query_json(const struct scenario *sc, uint64_t fingerprint)
{
	const struct stats_query *q = stats_find(sc->texts, fingerprint);
	const char *text = !q ? "" : q->example[0] ? q->example[0] : q->normalized;

	return json_stringn_nocheck(text, strlen(text));
}

static void write_finding(const struct finding *f, void *arg)
{
	struct scenario *sc = arg;
	struct strbuf title = {0}, evidence = {0}, advice = {0};
	char hex[17];
	json_t *out = json_object(), *queries;
	size_t i;

	f->detector->describe(sc->detect, f, &title, &evidence, &advice);
	sql_fingerprint_format(f->fingerprint, hex);
	json_object_set_new(out, "detector", json_string(f->detector->name));
	json_object_set_new(out, "fingerprint", json_string(hex));
	json_object_set_new(out, "query", query_json(sc, f->fingerprint));
	json_object_set_new(out, "count", json_integer((json_int_t)f->count));
	json_object_set_new(out, "total_us", json_integer((json_int_t)(f->total_ns / US)));
	json_object_set_new(out, "saved_us", json_integer((json_int_t)(f->saved_ns / US)));
	json_object_set_new(out, "severity", json_string(severity_name(f->detector->severity(f))));
	json_object_set_new(out, "confidence", json_string(confidence_name(f->confidence)));
	if (f->related[0]) {
		queries = json_array();
		for (i = 0; i < FINDING_RELATED && f->related[i]; i++)
			json_array_append_new(queries, query_json(sc, f->related[i]));
		json_object_set_new(out, "queries", queries);
	}
	json_object_set_new(out, "evidence", json_string(evidence.len ? evidence.ptr : ""));
	json_object_set_new(out, "recommendation", json_string(advice.len ? advice.ptr : ""));
	if (json_array_append_new(sc->findings, out))
		sc->failed = 1;
	strbuf_free(&title);
	strbuf_free(&evidence);
	strbuf_free(&advice);
}

static int run_scenario(json_t *in)
{
	struct scenario sc = {.in = in, .findings = json_array()};
	json_t *out = json_object();
	int status = 1;

	read_thresholds(&sc);
	sc.dialect = sql_dialect_from(json_str(json_object_get(in, "dialect")));
	sc.texts = stats_new(TEXTS_MAX, 0);
	sc.detect = detect_new(&sc.opt, on_query, NULL, &sc);
	if (!sc.texts || !sc.detect || !sc.findings || !out)
		goto out;
	enable_named(&sc);
	run_spans(&sc);
	detect_each(sc.detect, write_finding, &sc);
	if (json_object_get(in, "name"))
		json_object_set(out, "name", json_object_get(in, "name"));
	json_object_set(out, "findings", sc.findings);
	if (!sc.failed && json_dumpf(out, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0 &&
	    putchar('\n') != EOF)
		status = 0;
out:
	detect_free(sc.detect);
	stats_free(sc.texts);
	strbuf_free(&sc.scratch);
	free(sc.buf);
	json_decref(sc.findings);
	json_decref(out);
	return status;
}

int cmd_detect(int argc, char **argv)
{
	char *line = NULL;
	size_t cap = 0, number = 0;
	json_error_t error;
	int status = 0;
	ssize_t len;

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc != 2 || strcmp(argv[1], "--jsonl") != 0) {
		fputs(usage, stderr);
		return 2;
	}
	while ((len = getline(&line, &cap, stdin)) > 0) {
		json_t *in;

		number++;
		if (line[strspn(line, " \t\r\n")] == '\0')
			continue;
		in = json_loadb(line, (size_t)len, 0, &error);
		if (!json_is_object(in) || !json_is_array(json_object_get(in, "spans"))) {
			fprintf(stderr, "apm-bpf: line %zu of the input: %s\n", number,
				in ? "not an object with \"spans\"" : error.text);
			status = 1;
		} else if (run_scenario(in)) {
			fprintf(stderr, "apm-bpf: line %zu of the input: failed\n", number);
			status = 1;
		}
		json_decref(in);
	}
	if (fflush(stdout) != 0)
		status = 1;
	free(line);
	return status;
}
