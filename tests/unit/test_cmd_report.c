/* SPDX-License-Identifier: BSD-2-Clause */
/* report and flame from a capture made by hand: whole, cut short, damaged; with
 * samples in and outside a query. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "cmd.h"
#include "output.h"
#include "tape.h"

#define FINGERPRINT 0x5f3a0c1122334455ULL
#define QUERY	    "SELECT * FROM users WHERE id = ?"
#define EXECUTIONS  10 /* the first of them is slow */

static char folder[] = "/tmp/apm-test-report-XXXXXX";
static char capture[64], out_path[64], err_path[64], side_path[64];

static int make_folder(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(capture, sizeof(capture), "%s/x.apm", folder);
	snprintf(out_path, sizeof(out_path), "%s/out", folder);
	snprintf(err_path, sizeof(err_path), "%s/err", folder);
	snprintf(side_path, sizeof(side_path), "%s/side", folder);
	return 0;
}

static int remove_folder(void **state)
{
	return remove_tree(folder);
}

/* A program that runs one query EXECUTIONS times within one unit of work. */
static void make_capture(int samples)
{
	static const char *const names[] = {"main", "load_user", "render"};
	struct tape t = tape_begin(capture);
	int i;

	tape_text(&t, 1, FINGERPRINT, QUERY);
	tape_frames(&t, names, 3);
	for (i = 0; i < EXECUTIONS; i++) {
		tape_samples(&t, 2, t.seq + 1, samples);
		tape_statement(&t, 1, i ? MS : 150 * MS);
		t.now += MS / 10;
	}
	tape_samples(&t, 3, 0, samples);
	tape_end(&t);
}

/* Runs a command with its output in out_path and err_path. */
static int run(int (*command)(const struct options *opt), const struct options *opt)
{
	int saved[2] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)}, status;
	int out = open(out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int err = open(err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	status = command(opt);
	dup2(saved[0], STDOUT_FILENO);
	dup2(saved[1], STDERR_FILENO);
	close(out);
	close(err);
	close(saved[0]);
	close(saved[1]);
	return status;
}

static struct options options(void)
{
	return (struct options){.command = COMMAND_REPORT,
				.top = 10,
				.format = "text",
				.fail_on = OPTIONS_NO_FAIL_ON,
				.log_level = LOG_LEVEL_INFO,
				.capture = capture};
}

static void test_report(void **state)
{
	struct options opt = options();

	make_capture(0);
	assert_int_equal(run(cmd_report, &opt), EXIT_STATUS_OK);
	has(out_path, "1 finding");
	has(out_path, "[5f3a0c11] " QUERY);
	has(out_path, "--pid 10 on web-1");
	has_not(out_path, "cut short");
	has_not(err_path, "apm-bpf:");
	opt.fail_on = SEVERITY_INFO;
	assert_int_equal(run(cmd_report, &opt), EXIT_STATUS_FINDINGS);
}

static void test_thresholds(void **state)
{
	struct options opt = options();

	make_capture(0);
	opt.format = "json";
	assert_int_equal(run(cmd_report, &opt), EXIT_STATUS_OK);
	has(out_path, "\"slow_threshold_ms\": 100.0");
	has(out_path, "\"duration_ms\": 150.0");
	has_not(out_path, "\"duration_ms\": 1.0");
	/* Given ones override the recording's. */
	opt.slow_ns = 400 * MS;
	opt.n_plus_one = EXECUTIONS + 1;
	assert_int_equal(run(cmd_report, &opt), EXIT_STATUS_OK);
	has(out_path, "\"slow_threshold_ms\": 400.0");
	has(out_path, "\"slow_queries\": []");
	has(out_path, "\"n_plus_one_threshold\": 11,");
	has(out_path, "\"findings\": []");
}

static void test_cut_short(void **state)
{
	struct options opt = options();
	struct stat st;

	make_capture(0);
	assert_int_equal(stat(capture, &st), 0);
	assert_int_equal(truncate(capture, st.st_size - 50), 0);
	assert_int_equal(run(cmd_report, &opt), EXIT_STATUS_OK);
	has(err_path, "x.apm was cut short at byte ");
	has(out_path, "! The capture was cut short");
	has(out_path, QUERY);
}

static void test_damaged(void **state)
{
	struct options opt = options();
	struct stat st;
	int fd;

	make_capture(0);
	assert_int_equal(stat(capture, &st), 0);
	/* The last record's length is nonsense. */
	fd = open(capture, O_WRONLY);
	assert_int_equal(pwrite(fd, "\3\0\0\0", 4, st.st_size - (off_t)sizeof(struct apm_hdr) + 4), 4);
	close(fd);
	assert_int_equal(run(cmd_report, &opt), EXIT_STATUS_OK);
	has(err_path, "x.apm is damaged at byte ");
	has(out_path, QUERY);
}

static void test_flame(void **state)
{
	struct options opt = options();

	opt.command = COMMAND_FLAME;
	opt.output_path = side_path;
	opt.folded_path = "-";
	make_capture(1);
	assert_int_equal(run(cmd_flame, &opt), EXIT_STATUS_OK);
	has(out_path, "main;load_user 10\n");
	has(out_path, "main;render 1\n");
	has(side_path, "<svg");
	has(side_path, "11 of 11 CPU samples at 99 Hz");
	/* Narrowed to a query by the digits that the report prints. */
	opt.query = FINGERPRINT & 0xffffffff00000000;
	opt.query_mask = 0xffffffff00000000;
	assert_int_equal(run(cmd_flame, &opt), EXIT_STATUS_OK);
	has(out_path, "main;load_user 10\n");
	has_not(out_path, "render");
	has(side_path, "10 of 11 CPU samples");
	has(side_path, QUERY);
	opt.query ^= 1ULL << 63;
	assert_int_equal(run(cmd_flame, &opt), EXIT_STATUS_FAILED);
	has(err_path, "no CPU sample of ");
}

static void test_no_samples(void **state)
{
	struct options opt = options();

	opt.command = COMMAND_FLAME;
	opt.output_path = side_path;
	unlink(side_path);
	make_capture(0);
	assert_int_equal(run(cmd_flame, &opt), EXIT_STATUS_FAILED);
	has(err_path, "x.apm holds no CPU samples: it was recorded with --freq 0");
	assert_int_equal(access(side_path, F_OK), -1);
}

static void test_report_with_stacks(void **state)
{
	struct options opt = options();

	make_capture(1);
	opt.folded_path = side_path;
	assert_int_equal(run(cmd_report, &opt), EXIT_STATUS_OK);
	has(side_path, "main;load_user 10\n");
	has(out_path, "HOT FUNCTIONS");
	has(out_path, "load_user (shop)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_thresholds),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_flame),
		cmocka_unit_test(test_no_samples),
		cmocka_unit_test(test_report_with_stacks),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
