/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The JSON document. With --print NAME it writes the document of a fixture to stdout, for the test of the
 * schema.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "record.h"
#include "report/report.h"
#include "report_fixture.h"

static json_t *document(const struct report *r)
{
	const struct report_style style = {.top = 1};
	struct strbuf out = {0};
	json_error_t error;
	json_t *doc;

	assert_int_equal(report_writer_find("json")->write(r, &style, &out), 0);
	/* jansson refuses invalid UTF-8 and repeated keys. */
	doc = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES, &error);
	if (!doc)
		fail_msg("%s", error.text);
	assert_true(out.ptr[out.len - 1] == '\n');
	strbuf_free(&out);
	return doc;
}

/* The value at a path of keys and indexes: "queries.0.calls". Fails when it is not there. */
static const json_t *at(const json_t *doc, const char *path)
{
	char copy[128], *word, *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (word = strtok_r(copy, ".", &save); word && doc; word = strtok_r(NULL, ".", &save))
		doc = json_is_array(doc) ? json_array_get(doc, (size_t)atoi(word))
					 : json_object_get(doc, word);
	if (!doc)
		fail_msg("%s is not there", path);
	return doc;
}

/* The names that are promised: they stay. */
static const char names[] =
	"schema "
	"target "
	"window.start window.duration_s "
	"summary.units summary.transactions summary.statements summary.control_statements "
	"summary.errors summary.error_rate summary.average_ms summary.p50_ms summary.p95_ms "
	"summary.p99_ms summary.throughput_per_s summary.db_time_ms "
	"queries.0.fingerprint queries.0.query queries.0.summary queries.0.system "
	"queries.0.operation queries.0.collections.0 queries.0.class queries.0.calls "
	"queries.0.errors queries.0.rows queries.0.total_ms queries.0.average_ms queries.0.p50_ms "
	"queries.0.p95_ms queries.0.p99_ms queries.0.max_ms "
	"slow_queries.0.fingerprint slow_queries.0.query slow_queries.0.duration_ms "
	"slow_queries.0.collections slow_queries.0.operation slow_queries.0.timestamp "
	"slow_queries.0.recommendation "
	"n_plus_one.0.fingerprint n_plus_one.0.query n_plus_one.0.count n_plus_one.0.units "
	"n_plus_one.0.distinct_parameters n_plus_one.0.total_ms n_plus_one.0.share "
	"n_plus_one.0.parent_fingerprint n_plus_one.0.call_site n_plus_one.0.examples.0 "
	"n_plus_one.0.recommendation n_plus_one.0.severity n_plus_one.0.confidence "
	"transactions "
	"errors.0.system errors.0.code errors.0.message errors.0.count errors.0.fingerprint "
	"errors.0.first_ts errors.0.last_ts "
	"findings.0.detector findings.0.severity findings.0.confidence findings.0.fingerprint "
	"findings.0.unit findings.0.evidence findings.0.recommendation "
	"memory_warnings "
	"bottlenecks "
	"losses.ring_full losses.late_attach_ms "
	"coverage.processes coverage.libraries coverage.missing "
	"overhead.probes overhead.agent_cpu_ms overhead.agent_rss_kb ";

static void test_names(void **state)
{
	struct report r = fixture_report();
	json_t *doc = document(&r);
	char copy[sizeof(names)], *name, *save = NULL;

	memcpy(copy, names, sizeof(names));
	for (name = strtok_r(copy, " ", &save); name; name = strtok_r(NULL, " ", &save))
		at(doc, name);
	json_decref(doc);
}

static void same_string(const json_t *doc, const char *path, const char *value)
{
	const char *is = json_string_value(at(doc, path));

	if (!is)
		fail_msg("%s is no string", path);
	assert_string_equal(is, value);
}

static void same_number(const json_t *doc, const char *path, double value)
{
	const json_t *is = at(doc, path);

	assert_true(json_is_number(is));
	if (json_number_value(is) != value)
		fail_msg("%s is %.17g, not %.17g", path, json_number_value(is), value);
}

static void test_values(void **state)
{
	struct report r = fixture_report();
	json_t *doc = document(&r);

	same_string(doc, "schema", "apm-bpf/report/1");
	same_string(doc, "window.start", "2026-11-21T21:17:00.000000000Z");
	same_number(doc, "window.duration_s", 10.0215);
	same_string(doc, "slow_queries.0.timestamp", "2026-11-21T21:17:03.120456789Z");
	same_string(doc, "errors.0.last_ts", "2026-11-21T21:17:09.250000001Z");
	/* --top cuts tables for eyes, not data. */
	assert_int_equal(json_array_size(at(doc, "queries")), 3);
	same_string(doc, "queries.1.fingerprint", "00ab00cd00ef0012");
	same_number(doc, "queries.0.total_ms", 2304);
	same_number(doc, "findings.0.saved_ms", 2070);
	same_number(doc, "findings.0.estimated_after_ms", 234);
	assert_true(json_is_null(at(doc, "findings.1.saved_ms")));
	assert_true(json_is_null(at(doc, "findings.1.estimated_after_ms")));
	same_number(doc, "queries.0.average_ms", 1.92);
	same_number(doc, "queries.0.max_ms", 12.345);
	same_number(doc, "queries.2.p95_ms", 0.1505);
	assert_true(json_number_value(at(doc, "summary.error_rate")) > 0.02728);
	assert_true(json_number_value(at(doc, "summary.error_rate")) < 0.02729);
	same_string(doc, "queries.1.collections.1", "order_items");
	same_string(doc, "n_plus_one.0.parent_fingerprint", "00ab00cd00ef0012");
	same_string(doc, "n_plus_one.0.severity", "critical");
	same_string(doc, "n_plus_one.0.confidence", "exact");
	same_string(doc, "findings.2.confidence", "likely");
	same_number(doc, "losses.late_attach_ms", 12.5);
	same_number(doc, "losses.ring_full", 12);
	assert_null(json_object_get(at(doc, "losses"), "events"));
	same_number(doc, "overhead.events", 1294);
	same_string(doc, "coverage.missing.0.text", "stripped: no symbol sqlite3_step");
	assert_int_equal(json_array_size(at(doc, "coverage.libraries")), 1);
	json_decref(doc);
}

static void test_unknown_is_null(void **state)
{
	static struct report_query query = {.stmt_class = "query"};
	static struct report_n_plus_one n;
	static struct report_error error;
	static struct report_finding finding;
	static const char *const nulls[] = {
		"target.host",
		"target.service",
		"queries.0.fingerprint",
		"queries.0.query",
		"queries.0.average_ms",
		"queries.0.example",
		"n_plus_one.0.call_site",
		"n_plus_one.0.parent_fingerprint",
		"n_plus_one.0.distinct_parameters",
		"errors.0.fingerprint",
		"errors.0.first_ts",
		"findings.0.fingerprint",
		"findings.0.unit",
		"findings.0.call_site",
		"overhead.program_ms",
		"overhead.price_return_ns",
		"summary.error_rate",
	};
	struct report r = {
		.queries = {1, &query},
		.n_plus_one = {1, &n},
		.error_groups = {1, &error},
		.findings = {1, &finding},
		.error_rate = 0.0 / 0.0,
	};
	json_t *doc = document(&r);
	size_t i;

	for (i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
		if (!json_is_null(at(doc, nulls[i])))
			fail_msg("%s is not null", nulls[i]);
	assert_true(json_is_array(at(doc, "queries.0.collections")));
	json_decref(doc);
}

static void test_every_loss(void **state)
{
	struct report r = fixture_empty(0);
	json_t *doc;
	int c, named = 0;

	for (c = 0; c < APM_CNT_MAX; c++)
		r.losses[c] = 100 + (uint64_t)c;
	r.losses[APM_CNT_RING_FULL] = UINT64_MAX;
	doc = document(&r);
	for (c = 1; c < APM_CNT_MAX; c++) {
		char path[64];

		if (!report_is_loss((enum apm_counter)c))
			continue;
		snprintf(path, sizeof(path), "losses.%s", counter_name((enum apm_counter)c));
		same_number(doc, path, 100 + c);
		named++;
	}
	assert_true(json_integer_value(at(doc, "losses.ring_full")) == INT64_MAX);
	assert_int_equal(json_object_size(at(doc, "losses")), named + 2);
	json_decref(doc);
}

static void test_hostile(void **state)
{
	struct report r = fixture_hostile();
	json_t *doc = document(&r);
	const char *s = json_string_value(at(doc, "queries.0.query"));

	/* What is not valid becomes U+FFFD; line breaks and tabs are data; markup is no concern of JSON. */
	assert_non_null(strstr(s, "x\xef\xbf\xbd[2J"));
	assert_non_null(strstr(s, "\n"));
	assert_non_null(strstr(s, "<b>\"'&\t"));
	assert_null(strchr(s, '\033'));
	same_string(doc, "target.text", s);
	json_decref(doc);
}

static int print(const char *name)
{
	struct report r = !strcmp(name, "empty")     ? fixture_empty(0)
			  : !strcmp(name, "hostile") ? fixture_hostile()
						     : fixture_report();
	struct strbuf out = {0};
	const struct report_style style = {.top = 10};

	if (report_json(&r, &style, &out))
		return 1;
	fwrite(out.ptr, 1, out.len, stdout);
	strbuf_free(&out);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),		cmocka_unit_test(test_values),
		cmocka_unit_test(test_unknown_is_null), cmocka_unit_test(test_every_loss),
		cmocka_unit_test(test_hostile),
	};

	if (argc == 3 && !strcmp(argv[1], "--print"))
		return print(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
