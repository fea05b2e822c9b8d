/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd_detect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "log.h"
#include "scenario_input.h"

#define US	  1000
#define TEXTS_MAX 65536
#define SPANS_MAX 65536

static const char usage[] =
	"usage: apm-bpf detect --jsonl\n"
	"Reads scenarios, one JSON object per line of standard input, and writes what the\n"
	"detectors find in each, one line of JSON for each.\n";

struct scenario {
	json_t *in;
	struct detect *detect;
	struct detect_options opt;
	struct scenario_reader reader;
	int has_begin, begin_has_tx; /* BEGIN is among the spans, and says which transaction it begins */
	json_t *findings;
	int failed;
};

/* ---- running ---- */

struct span_at {
	struct scenario_span at;
	uint64_t unit;
};

static int by_unit_and_start(const void *x, const void *y)
{
	const struct span_at *a = x, *b = y;
	const struct statement *s = &a->at.stmt, *t = &b->at.stmt;

	if (a->unit != b->unit)
		return a->unit < b->unit ? -1 : 1;
	if (s->t_start != t->t_start)
		return s->t_start < t->t_start ? -1 : 1;
	return s->seq < t->seq ? -1 : 1;
}

static int on_unit(const struct unit *unit, void *arg)
{
	detect_unit(((struct scenario *)arg)->detect, unit);
	return 0;
}

/* A connection, while a unit runs. */
struct conn_at {
	uint64_t last_end, last_fingerprint;
	int in_tx;
};

/*
 * What the spans say of transactions without BEGIN and COMMIT: those of one `tx` and connection are one, and
 * the time between two of them it was idle.
 */
static void note_transaction(const struct scenario *sc, struct scenario_span *span, struct conn_at *conn)
{
	struct statement *stmt = &span->stmt;

	if (span->tx && !sc->has_begin && conn->last_end && stmt->t_start > conn->last_end) {
		stmt->tx_idle_ns = stmt->t_start - conn->last_end;
		stmt->tx_idle_fingerprint = conn->last_fingerprint;
	}
	conn->in_tx = stmt->kind == SQL_KIND_BEGIN ||
		      (conn->in_tx && stmt->kind != SQL_KIND_COMMIT && stmt->kind != SQL_KIND_ROLLBACK);
	if (stmt->t_end > conn->last_end)
		conn->last_end = stmt->t_end;
	conn->last_fingerprint = stmt->fingerprint;
}

struct leaving {
	struct detect *detect;
	uint64_t end;
};

/* A transaction that nothing ended was idle until the unit's end: as the statement that never came. */
static int leave_open(struct table_key key, void *value, void *arg)
{
	const struct conn_at *conn = value;
	const struct leaving *l = arg;
	struct statement stmt = {.stmt_class = SQL_CLASS_CONTROL,
				 .type = SPAN_DB,
				 .t_start = l->end,
				 .t_end = l->end,
				 .conn = key.a,
				 .tx_idle_fingerprint = conn->last_fingerprint};

	if (conn->in_tx && l->end > conn->last_end) {
		stmt.tx_idle_ns = l->end - conn->last_end;
		detect_statement(l->detect, &stmt, NULL);
	}
	return 0;
}

static int feed_unit(struct scenario *sc, struct units *units, struct table *conns, struct span_at *span,
		     size_t count)
{
	struct leaving leaving = {.detect = sc->detect};
	struct conn_at *conn;
	size_t i;
	int err = 0;

	for (i = 0; i < count && !err; i++) {
		struct statement *stmt = &span[i].at.stmt;

		if (stmt->stmt_class == SQL_CLASS_EMPTY)
			continue;
		err = units_feed(units, stmt);
		if (stmt->type == SPAN_DB) {
			conn = table_put(conns, (struct table_key){stmt->conn, 0}, NULL);
			if (!conn)
				return -ENOMEM;
			note_transaction(sc, &span[i].at, conn);
		}
		if (stmt->t_end > leaving.end)
			leaving.end = stmt->t_end;
		detect_statement(sc->detect, stmt, NULL);
	}
	table_visit(conns, leave_open, &leaving);
	return err ? err : units_finish(units);
}

static void run_unit(struct scenario *sc, struct span_at *span, size_t count)
{
	struct units_options opt = {
		.gap_ns = UINT64_MAX / 4, .threshold = sc->opt.n_plus_one, .span_max = SPANS_MAX, .given = 1};
	struct units *units = units_new(&opt, on_unit, sc);
	struct table *conns = table_new(0, sizeof(struct conn_at), NULL, NULL);

	if (!units || !conns || feed_unit(sc, units, conns, span, count))
		sc->failed = 1;
	table_free(conns);
	units_free(units);
}

/*
 * All spans are one unit of work, and those of several transactions several; but where BEGIN is among the
 * spans, `tx` counts database transactions, and these do not divide a unit. A transaction has a connection of
 * its own where nothing says which.
 */
static void place(const struct scenario *sc, struct span_at *span)
{
	if (!span->at.has_conn)
		span->at.stmt.conn = sc->begin_has_tx ? span->at.tx : 0;
	span->unit = sc->has_begin ? 0 : span->at.tx;
}

static int run_spans(struct scenario *sc)
{
	json_t *spans = json_object_get(sc->in, "spans"), *one;
	size_t count = json_array_size(spans), i, begin;
	struct span_at *span = calloc(count + 1, sizeof(*span));
	int err = span ? 0 : -ENOMEM;

	json_array_foreach(spans, i, one)
	{
		if (!err)
			err = scenario_read_span(&sc->reader, one, i, &span[i].at);
		if (!err && span[i].at.stmt.kind == SQL_KIND_BEGIN) {
			sc->has_begin = 1;
			sc->begin_has_tx |= span[i].at.tx != 0;
		}
	}
	for (i = 0; i < count && !err; i++)
		place(sc, &span[i]);
	if (!err)
		qsort(span, count, sizeof(*span), by_unit_and_start);
	for (begin = i = 0; i < count && !err; i++) {
		if (i + 1 == count || span[i + 1].unit != span[begin].unit) {
			run_unit(sc, span + begin, i + 1 - begin);
			begin = i + 1;
		}
	}
	if (!err)
		detect_end(sc->detect);
	free(span);
	return err;
}

/* ---- writing ---- */

static void on_query(uint64_t fingerprint, struct detect_query *out, void *arg)
{
	const struct stats_query *q = stats_find(((struct scenario *)arg)->reader.texts, fingerprint);

	if (!q)
		return;
	out->normalized = str_from(q->normalized);
	out->summary = str_from(q->summary);
	out->system = q->system;
	out->kind = q->kind;
}

/* The text of one execution: the scenario is the caller's own, so nothing is redacted. */
static json_t *query_json(const struct scenario *sc, uint64_t fingerprint)
{
	const struct stats_query *q = stats_find(sc->reader.texts, fingerprint);
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

static void enable_named(struct scenario *sc)
{
	json_t *names = json_object_get(sc->in, "detectors"), *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		if (json_is_string(name))
			detect_enable(sc->detect, json_string_value(name));
	}
}

static int write_line(struct scenario *sc)
{
	json_t *out = json_object(), *name = json_object_get(sc->in, "name");
	int bad;

	if (name)
		json_object_set(out, "name", name);
	json_object_set(out, "findings", sc->findings);
	bad = sc->failed || json_dumpf(out, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER) ||
	      putchar('\n') == EOF;
	json_decref(out);
	return bad ? -EIO : 0;
}

static int run_scenario(json_t *in)
{
	struct scenario sc = {.in = in, .findings = json_array()};
	int err = -ENOMEM;

	scenario_thresholds(in, &sc.opt);
	sc.reader = (struct scenario_reader){.texts = stats_new(TEXTS_MAX, 0),
					     .dialect = sql_dialect_from(scenario_text(in, "dialect")),
					     .pool = scenario_names(in, "pool_saturation"),
					     .churn = scenario_names(in, "connection_churn")};
	sc.detect = detect_new(&sc.opt, on_query, NULL, &sc);
	if (!sc.reader.texts || !sc.detect || !sc.findings)
		goto out;
	enable_named(&sc);
	err = run_spans(&sc);
	if (!err) {
		detect_each(sc.detect, write_finding, &sc);
		err = write_line(&sc);
	}
out:
	detect_free(sc.detect);
	stats_free(sc.reader.texts);
	scenario_reader_free(&sc.reader);
	json_decref(sc.findings);
	return err;
}

/* One line of the input; NULL, or what is wrong with it. */
static const char *run_line(const char *line, size_t len, json_error_t *error)
{
	json_t *in = json_loadb(line, len, JSON_ALLOW_NUL, error);
	const char *wrong = NULL;
	int err;

	if (!in)
		return error->text;
	if (!json_is_object(in) || !json_is_array(json_object_get(in, "spans"))) {
		wrong = "not an object with \"spans\"";
	} else {
		err = run_scenario(in);
		wrong = err == -EINVAL ? "a span that is no object" : err ? strerror(-err) : NULL;
	}
	json_decref(in);
	return wrong;
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
		const char *wrong;

		number++;
		if (strspn(line, " \t\r\n") >= (size_t)len)
			continue;
		wrong = run_line(line, (size_t)len, &error);
		if (wrong) {
			log_error("line %zu of the input: %s", number, wrong);
			status = 1;
		}
	}
	if (!feof(stdin)) {
		log_error("input: %s", strerror(errno));
		status = 1;
	}
	if (fflush(stdout) != 0)
		status = 1;
	free(line);
	return status;
}
