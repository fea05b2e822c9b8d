/* SPDX-License-Identifier: BSD-2-Clause */
/* --interval: which statement counts where, and what a capture with a leap in time gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "intervals.h"

#define SECOND 1000000000ULL
#define START  (1000 * SECOND)

static char path[] = "/tmp/apm-test-intervals-XXXXXX";
static int saved;

static struct intervals *begin(const struct options *opt)
{
	struct record rec = {.hdr = &(struct apm_hdr){.kind = REC_META, .ts = START},
			     .meta = {.mono_ns = START, .realtime_ns = 1700000000 * SECOND}};
	struct intervals *v = intervals_new(opt);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_non_null(v);
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	dup2(fd, STDOUT_FILENO);
	close(fd);
	assert_int_equal(intervals_record(v, &rec), 0);
	return v;
}

static void pass_time(struct intervals *v, uint64_t ts)
{
	struct record rec = {.hdr = &(struct apm_hdr){.kind = REC_WATERMARK, .ts = ts}};

	assert_int_equal(intervals_record(v, &rec), 0);
}

static void run(struct intervals *v, uint64_t fingerprint, uint64_t duration_ns, int failed)
{
	struct statement stmt = {
		.fingerprint = fingerprint, .duration_ns = duration_ns, .error = (uint8_t)failed};

	assert_int_equal(intervals_statement(v, &stmt), 0);
}

/* The lines, each parsed, in an array. */
static json_t *end(struct intervals *v)
{
	static char text[65536];
	json_t *lines = json_array();
	char *line, *save = NULL;
	FILE *file;

	assert_int_equal(intervals_end(v), 0);
	intervals_free(v);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	file = fopen(path, "r");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		assert_int_equal(json_array_append_new(lines, json_loads(line, JSON_REJECT_DUPLICATES, NULL)),
				 0);
	return lines;
}

static double number(const json_t *lines, size_t i, const char *key)
{
	return json_number_value(json_object_get(json_array_get(lines, i), key));
}

static void counts(void **state)
{
	static const struct options opt = {.format = "json", .interval_ns = SECOND};
	struct record text = {.hdr = &(struct apm_hdr){.kind = REC_TEXT, .ts = START},
			      .text = {.fingerprint = 7, .summary = STR("SELECT \"x\"\033[2J\n")}};
	struct intervals *v = begin(&opt);
	json_t *lines;

	assert_int_equal(intervals_record(v, &text), 0);
	run(v, 7, 3000, 0);
	run(v, 8, 1000, 1);
	pass_time(v, START + SECOND - 1);
	run(v, 7, 1000, 0);
	pass_time(v, START + 2 * SECOND);
	run(v, 8, 1000, 0);
	pass_time(v, START + 2 * SECOND + SECOND / 4);
	lines = end(v);
	assert_int_equal(json_array_size(lines), 3);
	assert_float_equal(number(lines, 0, "statements"), 3, 0);
	assert_float_equal(number(lines, 0, "errors"), 1, 0);
	assert_float_equal(number(lines, 0, "db_time_ms"), 0.005, 1e-9);
	assert_float_equal(number(lines, 1, "statements"), 0, 0);
	assert_true(json_is_null(json_object_get(json_array_get(lines, 1), "top")));
	assert_float_equal(number(lines, 2, "seconds"), 0.25, 1e-9);
	assert_float_equal(number(lines, 2, "per_s"), 4, 1e-9);
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(json_array_get(lines, 0), "top"), "summary")),
			    "SELECT \"x\"\xef\xbf\xbd[2J");
	assert_string_equal(json_string_value(json_object_get(json_array_get(lines, 1), "start")),
			    "2023-11-14T22:13:21.000000000Z");
	json_decref(lines);
}

static void leap_is_one_line(void **state)
{
	static const struct options opt = {.format = "json", .interval_ns = SECOND / 10};
	struct intervals *v = begin(&opt);
	json_t *lines;

	run(v, 7, 3000, 0);
	pass_time(v, UINT64_MAX / 4);
	run(v, 7, 3000, 0);
	lines = end(v);
	assert_in_range(json_array_size(lines), 1, 3);
	assert_float_equal(number(lines, 0, "statements"), 1, 0);
	json_decref(lines);
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	close(fd);
	return fd < 0;
}

static int remove_file(void **state)
{
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts),
		cmocka_unit_test(leap_is_one_line),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
