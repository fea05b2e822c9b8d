/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Comparisons of runs made by hand: the same run twice is not called changed, in a hundred tries with noise
 * as machines have it (bursts, drift, long tails); a planted 5 % is found; counts, errors, new and gone
 * queries.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>
#include <jansson.h>

#include "diff/compare.h"

static const struct diff_options five_percent = {.min_effect = 0.05};

/* ---- numbers ---- */

static uint64_t seed;

static double uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return ((double)(seed >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static void quantiles(void **state)
{
	/* From tables of Student's t. */
	assert_float_equal(student_quantile(0.025, 10), 2.228, 0.001);
	assert_float_equal(student_quantile(0.005, 5), 4.032, 0.001);
	assert_float_equal(student_quantile(0.0005, 30), 3.646, 0.001);
	assert_float_equal(student_quantile(0.05, 1), 6.314, 0.001);
	assert_float_equal(student_quantile(0.025, 1e6), 1.960, 0.001);
	assert_float_equal(student_quantile(0.00001, 20), 5.5417, 0.01);
}

static void estimates(void **state)
{
	struct series s = {0}, few = {0};
	struct estimate e;
	int i;

	for (i = 0; i < SERIES_MIN - 1; i++)
		series_add(&few, 1);
	assert_int_equal(series_estimate(&few, SERIES_MEAN, &e), -ENODATA);
	seed = 42;
	for (i = 0; i < 10000; i++)
		series_add(&s, exp(10 + 0.5 * normal()));
	assert_int_equal(s.count, 10000);
	assert_true(s.used <= SERIES_BLOCKS && s.per_block == 256);
	assert_int_equal(series_estimate(&s, SERIES_MEAN_LOG, &e), 0);
	assert_float_equal(e.value, 10, 0.03);
	/* 0.5 / sqrt(10000), as well as it can be told from so many blocks. */
	assert_in_range(1000000 * sqrt(e.variance), 3500, 9000);
	assert_int_equal(series_estimate(&s, SERIES_LOG_MEAN, &e), 0);
	assert_float_equal(e.value, 10.125, 0.05);
}

/* Values that come in bursts of 50 equal ones are known as well as 200 values, not as 10000. */
static void bursts_widen(void **state)
{
	struct series s = {0};
	struct estimate e;
	double value = 0;
	int i;

	seed = 7;
	for (i = 0; i < 10000; i++) {
		if (i % 50 == 0)
			value = exp(10 + 0.5 * normal());
		series_add(&s, value);
	}
	assert_int_equal(series_estimate(&s, SERIES_MEAN_LOG, &e), 0);
	assert_in_range(1000000 * sqrt(e.variance), 25000, 70000);
}

/* ---- runs ---- */

#define QUERIES 20

struct run {
	struct report report;
	struct report_query queries[QUERIES];
	struct observation *observation;
};

static void begin_run(struct run *r)
{
	*r = (struct run){.observation = observation_new()};
	assert_non_null(r->observation);
	r->report.queries.item = r->queries;
	r->report.price_entry_ns = 500;
	r->report.price_return_ns = 700;
	r->report.duration_ns = 60000000000;
	r->report.cpu_window_ns = 60000000000;
	r->report.cpu_wait_ns = 600000000;
}

static struct report_query *query_row(struct run *r, uint64_t fingerprint)
{
	size_t i;

	for (i = 0; i < r->report.queries.count; i++)
		if (r->queries[i].fingerprint == fingerprint)
			return &r->queries[i];
	assert_true(i < QUERIES);
	r->queries[i] = (struct report_query){
		.fingerprint = fingerprint, .query = "SELECT x", .system = "sqlite", .share = 0.05};
	r->report.queries.count++;
	return &r->queries[i];
}

static void execute(struct run *r, uint64_t fingerprint, uint64_t duration_ns, int failed)
{
	struct statement stmt = {
		.fingerprint = fingerprint, .duration_ns = duration_ns, .error = (uint8_t)failed};
	struct report_query *q = query_row(r, fingerprint);

	q->calls++;
	q->errors += failed != 0;
	q->total_ns += duration_ns;
	r->report.statements++;
	assert_int_equal(observation_statement(r->observation, &stmt), 0);
}

static void end_run(struct run *r)
{
	observation_end(r->observation);
}

static struct diff *compared(struct run *a, struct run *b)
{
	struct diff *d = diff_new(&(struct diff_side){&a->report, a->observation},
				  &(struct diff_side){&b->report, b->observation}, &five_percent);

	assert_non_null(d);
	return d;
}

static void free_run(struct run *r)
{
	observation_free(r->observation);
}

static const struct diff_query *query_in(const struct diff *d, uint64_t fingerprint)
{
	size_t i;

	for (i = 0; i < d->queries.count; i++)
		if (d->queries.item[i].fingerprint == fingerprint)
			return &d->queries.item[i];
	fail_msg("query %llu is not there", (unsigned long long)fingerprint);
	return NULL;
}

/*
 * A program under load: each query has its own time and spread, some with a slow second mode; all wait
 * together when the machine is busy with something else, which comes and goes; now and then an execution
 * takes 100 times as long. `factor` slows query 1.
 */
static void under_load(struct run *r, size_t executions, double factor)
{
	double busy = 0;
	size_t i;

	begin_run(r);
	for (i = 0; i < executions * QUERIES; i++) {
		uint64_t fingerprint = 1 + i % QUERIES;
		double spread = 0.1 + 0.02 * (double)fingerprint, log_ns = 14 + 0.2 * (double)fingerprint;

		busy = 0.995 * busy + 0.01 * normal();
		log_ns += spread * normal() + fabs(busy);
		if (fingerprint % 4 == 0 && uniform() < 0.3)
			log_ns += 2;
		if (uniform() < 0.001)
			log_ns += 4.6;
		execute(r, fingerprint, (uint64_t)(exp(log_ns) * (fingerprint == 1 ? factor : 1)), 0);
	}
	end_run(r);
}

static void same_twice(void **state)
{
	static const size_t sizes[] = {20, 100, 400, 1500};
	int i, changed = 0, tested = 0;

	seed = 20261121;
	for (i = 0; i < 100; i++) {
		struct run a, b;
		struct diff *d;

		under_load(&a, sizes[i % 4], 1);
		under_load(&b, sizes[i % 4], 1);
		d = compared(&a, &b);
		changed += d->worse || d->better;
		tested += (int)d->tests;
		diff_free(d);
		free_run(&a);
		free_run(&b);
	}
	print_message("# %d of 100 comparisons of the same with itself were called changed (%d figures)\n",
		      changed, tested);
	assert_int_equal(tested, 75 * QUERIES * 3); /* 20 executions are too few */
	assert_in_range(changed, 0, 5);
}

static void planted(void **state)
{
	int i, found = 0, others = 0;

	seed = 5;
	for (i = 0; i < 20; i++) {
		struct run a, b;
		struct diff *d;

		under_load(&a, 10000, 1);
		under_load(&b, 10000, 1.05);
		d = compared(&a, &b);
		found += diff_latency(query_in(d, 1)) == DIFF_WORSE;
		others += (int)d->worse + (int)d->better;
		others -= query_in(d, 1)->typical.change == DIFF_WORSE;
		others -= query_in(d, 1)->fastest.change == DIFF_WORSE;
		diff_free(d);
		free_run(&a);
		free_run(&b);
	}
	print_message("# a planted 5 %% was found %d times of 20\n", found);
	assert_in_range(found, 18, 20);
	assert_in_range(others, 0, 1);
}

static void faster_is_an_improvement(void **state)
{
	struct run a, b;
	struct diff *d;

	seed = 6;
	under_load(&a, 2000, 1.3);
	under_load(&b, 2000, 1);
	d = compared(&a, &b);
	assert_int_equal(query_in(d, 1)->typical.change, DIFF_BETTER);
	assert_string_equal(diff_verdict(d), "improvement");
	assert_true(query_in(d, 1)->typical.difference.low < 1 / 1.3 - 1 &&
		    query_in(d, 1)->typical.difference.high > 1 / 1.3 - 1);
	diff_free(d);
	free_run(&a);
	free_run(&b);
}

/* 20 % of 2 us is less than what a probe costs. */
static void tracer_price_is_no_change(void **state)
{
	struct run a, b;
	struct diff *d;
	int i;

	begin_run(&a);
	begin_run(&b);
	seed = 8;
	for (i = 0; i < 1000; i++) {
		execute(&a, 1, (uint64_t)(2000 * exp(0.05 * normal())), 0);
		execute(&b, 1, (uint64_t)(2400 * exp(0.05 * normal())), 0);
	}
	d = compared(&a, &b);
	assert_int_equal(query_in(d, 1)->typical.change, DIFF_SAME);
	diff_free(d);
	free_run(&a);
	free_run(&b);
}

/*
 * The same values in another order of things: a machine on which others wait may have slowed all but the
 * fastest, an idle one has not.
 */
static void pressure_excuses_the_slow(void **state)
{
	struct run a, b;
	struct diff *d;
	int i, busy;

	for (busy = 0; busy < 2; busy++) {
		begin_run(&a);
		begin_run(&b);
		if (busy)
			b.report.cpu_wait_ns = b.report.cpu_window_ns;
		seed = 11;
		for (i = 0; i < 2000; i++) {
			double noise = exp(0.005 * normal());

			execute(&a, 1, (uint64_t)(1e6 * noise), 0);
			execute(&b, 1, (uint64_t)(1e6 * noise * (i % 4 ? 1.3 : 1)), 0);
			execute(&a, 2, (uint64_t)(1e6 * noise), 0);
			execute(&b, 2, (uint64_t)(1.3e6 * noise), 0);
		}
		d = compared(&a, &b);
		assert_int_equal(query_in(d, 1)->typical.change, busy ? DIFF_SAME : DIFF_WORSE);
		assert_int_equal(query_in(d, 1)->fastest.change, DIFF_SAME);
		assert_int_equal(query_in(d, 2)->fastest.change, DIFF_WORSE);
		assert_int_equal(diff_latency(query_in(d, 1)), busy ? DIFF_SAME : DIFF_WORSE);
		diff_free(d);
		free_run(&a);
		free_run(&b);
	}
}

/* How a process was woken differs between runs by microseconds: much of a short call to a
 * server, little of a long one. */
static void waking_differs(void **state)
{
	struct run a, b;
	struct diff *d;
	int i;

	begin_run(&a);
	begin_run(&b);
	seed = 12;
	for (i = 0; i < 2000; i++) {
		double noise = exp(0.02 * normal());
		uint64_t fingerprint;

		for (fingerprint = 1; fingerprint <= 2; fingerprint++) {
			query_row(&a, fingerprint)->system = query_row(&b, fingerprint)->system =
				"postgresql";
			execute(&a, fingerprint, (uint64_t)((fingerprint == 1 ? 50e3 : 50e6) * noise), 0);
			execute(&b, fingerprint, (uint64_t)((fingerprint == 1 ? 55e3 : 55e6) * noise), 0);
		}
	}
	d = compared(&a, &b);
	assert_int_equal(diff_latency(query_in(d, 1)), DIFF_SAME);
	assert_int_equal(diff_latency(query_in(d, 2)), DIFF_WORSE);
	diff_free(d);
	free_run(&a);
	free_run(&b);
}

static void few_are_not_judged(void **state)
{
	struct run a, b;
	struct diff *d;
	int i;

	begin_run(&a);
	begin_run(&b);
	for (i = 0; i < SERIES_MIN - 1; i++) {
		execute(&a, 1, 1000000, 0);
		execute(&b, 1, 9000000, 0);
	}
	execute(&a, 2, 1000, 0);
	execute(&b, 3, 1000, 0);
	d = compared(&a, &b);
	assert_string_equal(diff_verdict(d), "not comparable");
	assert_int_equal(query_in(d, 1)->typical.change, DIFF_UNTESTED);
	assert_null(query_in(d, 2)->b);
	assert_null(query_in(d, 3)->a);
	diff_free(d);
	free_run(&a);
	free_run(&b);
}

static void errors_count(void **state)
{
	struct run a, b;
	struct diff *d;
	int i;

	begin_run(&a);
	begin_run(&b);
	seed = 9;
	for (i = 0; i < 400; i++) {
		double noise = exp(0.3 * normal());

		execute(&a, 1, (uint64_t)(1e6 * noise), 0);
		execute(&b, 1, (uint64_t)(1e6 * noise), i % 10 == 0);
		execute(&a, 2, (uint64_t)(1e6 * noise), i == 7);
		execute(&b, 2, (uint64_t)(1e6 * noise), i == 9 || i == 300);
	}
	d = compared(&a, &b);
	assert_int_equal(query_in(d, 1)->failed.change, DIFF_WORSE);
	assert_int_equal(query_in(d, 2)->failed.change, DIFF_SAME);
	assert_string_equal(diff_verdict(d), "regression");
	diff_free(d);
	free_run(&a);
	free_run(&b);
}

/* ---- units ---- */

static void add_unit(struct run *r, uint64_t calls, uint64_t extra)
{
	struct repeat repeats[] = {{.fingerprint = 1, .count = 1},
				   {.fingerprint = 2, .count = calls},
				   {.fingerprint = 3, .count = extra}};
	struct unit unit = {.comm = "shop",
			    .first = 1,
			    .start = 1000,
			    .end = 1000 + (uint64_t)(5e6 * exp(0.2 * normal())),
			    .db_ns = (uint64_t)(2e6 * exp(0.2 * normal())),
			    .statements = 1 + calls + extra,
			    .repeat = repeats,
			    .repeat_count = extra ? 3 : 2};

	assert_int_equal(observation_unit(r->observation, &unit), 0);
}

static const struct diff_calls *calls_in(const struct diff *d, size_t i)
{
	assert_true(i < d->calls.count);
	return &d->calls.item[i];
}

static void calls_per_unit(void **state)
{
	struct run a, b;
	struct diff *d;
	int i;

	begin_run(&a);
	begin_run(&b);
	seed = 10;
	query_row(&a, 2);
	query_row(&b, 2);
	for (i = 0; i < 50; i++) {
		add_unit(&a, 1, i % 5 == 0);
		add_unit(&b, 20, i % 5 == 1);
	}
	end_run(&a);
	end_run(&b);
	d = compared(&a, &b);
	assert_int_equal(d->calls.count, 3);
	assert_int_equal(calls_in(d, 0)->calls.change, DIFF_SAME);
	assert_int_equal(calls_in(d, 1)->calls.change, DIFF_SAME); /* the query in one unit of five */
	assert_int_equal(calls_in(d, 2)->calls.change, DIFF_WORSE);
	assert_float_equal(calls_in(d, 2)->calls.difference.middle, 19, 1e-9);
	assert_int_equal(d->units.count, 1);
	assert_int_equal(d->units.item[0].statements.change, DIFF_WORSE);
	assert_int_equal(d->units.item[0].duration.change, DIFF_SAME);
	diff_free(d);
	free_run(&a);
	free_run(&b);
}

/* ---- what is written ---- */

#define HOSTILE "x\033[2J\xc2\x9b\xff\n\"<b>|`"

static void writers(void **state)
{
	static struct report_finding old = {.detector = "n_plus_one", .fingerprint = 1, .title = HOSTILE};
	static struct report_finding new = {
		.detector = "slow_query", .fingerprint = 2, .title = "new " HOSTILE};
	const struct report_style style = {.top = 10};
	struct strbuf out = {0};
	struct run a, b;
	struct diff *d;
	json_error_t error;
	json_t *doc;
	size_t i;

	seed = 11;
	under_load(&a, 500, 1);
	under_load(&b, 500, 2);
	for (i = 0; i < 40; i++) {
		add_unit(&a, 1, 0);
		add_unit(&b, 9, 0);
	}
	for (i = 0; i < QUERIES; i++)
		a.queries[i].query = b.queries[i].query = HOSTILE;
	a.report.target = b.report.target = HOSTILE;
	a.report.findings.count = b.report.findings.count = 1;
	a.report.findings.item = &old;
	b.report.findings.item = &new;
	d = compared(&a, &b);
	assert_int_equal(diff_text(d, &style, &out), 0);
	assert_non_null(strstr(out.ptr, "Verdict: regression ("));
	assert_non_null(strstr(out.ptr, "[00000000] slower, 500 and 500 executions"));
	assert_non_null(strstr(out.ptr, "EXECUTIONS PER UNIT OF WORK\n  1.00 -> 9.00, +8.00 ("));
	assert_non_null(strstr(out.ptr, "NEW FINDINGS\n  info  new x"));
	assert_non_null(strstr(out.ptr, "RESOLVED FINDINGS\n  info  x"));
	assert_null(strchr(out.ptr, '\033'));
	assert_null(strstr(out.ptr, "\xc2\x9b"));
	strbuf_reset(&out);
	assert_int_equal(diff_json(d, &out), 0);
	doc = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES, &error);
	if (!doc)
		fail_msg("%s", error.text);
	assert_string_equal(json_string_value(json_object_get(doc, "schema")), "apm-bpf/diff/1");
	assert_string_equal(json_string_value(json_object_get(doc, "verdict")), "regression");
	assert_int_equal(json_array_size(json_object_get(doc, "queries")), QUERIES);
	assert_int_equal(json_array_size(json_object_get(doc, "new_findings")), 1);
	json_decref(doc);
	strbuf_free(&out);
	diff_free(d);
	free_run(&a);
	free_run(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles),
		cmocka_unit_test(estimates),
		cmocka_unit_test(bursts_widen),
		cmocka_unit_test(same_twice),
		cmocka_unit_test(planted),
		cmocka_unit_test(faster_is_an_improvement),
		cmocka_unit_test(tracer_price_is_no_change),
		cmocka_unit_test(pressure_excuses_the_slow),
		cmocka_unit_test(waking_differs),
		cmocka_unit_test(few_are_not_judged),
		cmocka_unit_test(errors_count),
		cmocka_unit_test(calls_per_unit),
		cmocka_unit_test(writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
