/* SPDX-License-Identifier: BSD-2-Clause */
/* diff of two captures made by hand: verdict, exit status, JSON, folded stacks and flame graph of both. */
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

#include "cmd.h"
#include "output.h"
#include "tape.h"

static char folder[] = "/tmp/apm-test-diff-XXXXXX";
static char before[64], after[64], out_path[64], folded_path[64], flame_path[64];

static int make_folder(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(before, sizeof(before), "%s/a.apm", folder);
	snprintf(after, sizeof(after), "%s/b.apm", folder);
	snprintf(out_path, sizeof(out_path), "%s/out", folder);
	snprintf(folded_path, sizeof(folded_path), "%s/folded", folder);
	snprintf(flame_path, sizeof(flame_path), "%s/x.svg", folder);
	return 0;
}

static int remove_folder(void **state)
{
	return remove_tree(folder);
}

/* 60 units of work of one query 1 and `repeats` of query 2, that take 1 ms x `factor` with some noise. */
static void make_capture(const char *path, double factor, int repeats, int old_samples, int new_samples)
{
	static const char *const names[] = {"main", "render", "search"};
	struct tape t = tape_begin(path);
	uint32_t i;
	int k;

	tape_text(&t, 1, 0x1111111111111111, "SELECT * FROM orders");
	tape_text(&t, 2, 0x2222222222222222, "SELECT * FROM users WHERE id = ?");
	tape_frames(&t, names, 3);
	tape_samples(&t, 2, 0, old_samples);
	tape_samples(&t, 3, 0, new_samples);
	for (i = 0; i < 60; i++) {
		tape_statement(&t, 1, (uint64_t)((double)MS * factor) + i * 7919 % 13 * 1000);
		for (k = 0; k < repeats; k++)
			tape_statement(&t, 2, MS + (i + (uint32_t)k) * 104729 % 17 * 1000);
		t.now += 150 * MS;
	}
	tape_end(&t);
}

static struct options options(void)
{
	return (struct options){.command = COMMAND_DIFF,
				.top = 10,
				.format = "text",
				.fail_on = OPTIONS_NO_FAIL_ON,
				.min_effect = 0.05,
				.log_level = LOG_LEVEL_INFO,
				.report_path = out_path,
				.capture = before,
				.capture_b = after};
}

static void same(void **state)
{
	struct options opt = options();

	opt.fail_on = 0;
	make_capture(before, 1, 2, 50, 50);
	opt.capture_b = before;
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_OK);
	has(out_path, "Verdict: no change (0 figures worse, 0 better, ");
}

static void worse(void **state)
{
	struct options opt = options();
	json_error_t error;
	json_t *doc;

	make_capture(before, 1, 2, 50, 50);
	make_capture(after, 1.5, 3, 20, 80);
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_OK);
	opt.fail_on = 0;
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_FINDINGS);
	has(out_path, "Verdict: regression");
	has(out_path, "  [11111111] slower, 60 and 60 executions");
	has(out_path, "  2.00 -> 3.00, +1.00 (");
	opt.format = "json";
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_FINDINGS);
	doc = json_loads(content(out_path), 0, &error);
	assert_non_null(doc);
	assert_string_equal(json_string_value(json_object_get(doc, "verdict")), "regression");
	json_decref(doc);
	/* The other way round it is an improvement, and no reason to fail. */
	opt.capture = after;
	opt.capture_b = before;
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_OK);
}

static void stacks(void **state)
{
	struct options opt = options();

	make_capture(before, 1, 2, 90, 0);
	make_capture(after, 1, 2, 30, 60);
	opt.folded_path = folded_path;
	opt.flame_path = flame_path;
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_OK);
	has(folded_path, ";main;render 90 30\n");
	has(folded_path, ";main;search 0 60\n");
	has(flame_path, "; before 100.00 %");
	has(flame_path, "before 0.00 %</title>");
	/* Red, the strongest there is: it was not there. And as it was. */
	has(flame_path, "fill=\"#f16a55\"");
	has(flame_path, "fill=\"#f0f0f0\"");
	opt.capture = after;
	opt.capture_b = before;
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_OK);
	has(folded_path, ";main;search 60 0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same),
		cmocka_unit_test(worse),
		cmocka_unit_test(stacks),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
