/* SPDX-License-Identifier: BSD-2-Clause */
/* Where results go, what happens when they cannot, and the exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "output.h"
#include "report_fixture.h"

static char folder[] = "/tmp/apm-test-output-XXXXXX";

static int make_folder(void **state)
{
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static const char *in_folder(const char *name)
{
	static char paths[32][128]; /* enough for one test */
	static int next;
	char *path = paths[next++ % 32];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static char *content(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	assert_non_null(text);
	if (!file)
		fail_msg("%s cannot be opened", path);
	assert_true(fread(text, 1, (1 << 20) - 1, file) > 0 || feof(file));
	fclose(file);
	return text;
}

/* Standard output and error of one call, in files. */
struct streams {
	int out, err;
};

static struct streams redirect(void)
{
	struct streams saved = {dup(STDOUT_FILENO), dup(STDERR_FILENO)};
	int out = open(in_folder("stdout"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int err = open(in_folder("stderr"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	return saved;
}

static void restore(struct streams saved)
{
	fflush(stdout);
	dup2(saved.out, STDOUT_FILENO);
	dup2(saved.err, STDERR_FILENO);
	close(saved.out);
	close(saved.err);
}

static int run_report(const struct options *opt, const struct report *r, const struct stacks *stacks)
{
	struct streams saved = redirect();
	int status = output_report(opt, r, stacks);

	restore(saved);
	return status;
}

static void expect(const char *name, const char *begins, const char *has)
{
	char *text = content(in_folder(name));

	if (strncmp(text, begins, strlen(begins)) != 0)
		fail_msg("%s begins with: %.200s", name, text);
	if (has && !strstr(text, has))
		fail_msg("%s lacks '%s': %.400s", name, has, text);
	free(text);
}

static void expect_nothing(const char *name)
{
	struct stat st;

	assert_int_equal(stat(in_folder(name), &st), 0);
	assert_int_equal(st.st_size, 0);
}

static struct options defaults(void)
{
	return (struct options){
		.top = 10, .format = "text", .fail_on = OPTIONS_NO_FAIL_ON, .log_level = LOG_LEVEL_INFO};
}

static void test_stdout(void **state)
{
	struct options opt = defaults();
	struct report r = fixture_report();

	assert_int_equal(run_report(&opt, &r, NULL), EXIT_STATUS_OK);
	expect("stdout", "3 findings", "COVERAGE");
	expect_nothing("stderr");
	opt.report_path = "-";
	opt.format = "json";
	assert_int_equal(run_report(&opt, &r, NULL), EXIT_STATUS_OK);
	expect("stdout", "{", "apm-bpf/report/1");
}

static void test_file(void **state)
{
	struct options opt = defaults();
	struct report r = fixture_report();

	opt.report_path = in_folder("r.txt");
	assert_int_equal(run_report(&opt, &r, NULL), EXIT_STATUS_OK);
	expect("r.txt", "3 findings", "COVERAGE");
	expect_nothing("stdout");
	expect_nothing("stderr");
	/* A longer file from before leaves nothing behind. */
	opt.format = "json";
	r = fixture_empty(0);
	assert_int_equal(run_report(&opt, &r, NULL), EXIT_STATUS_OK);
	expect("r.txt", "{", "\"findings\": []");
}

static void test_full_disk(void **state)
{
	struct options opt = defaults();
	struct report r = fixture_report();

	opt.report_path = "/dev/full";
	assert_int_equal(run_report(&opt, &r, NULL), EXIT_STATUS_FAILED);
	expect("stdout", "3 findings", "COVERAGE");
	expect("stderr", "apm-bpf: cannot write the report to /dev/full: No space left on device\n", NULL);
}

static void test_unwritable(void **state)
{
	struct options opt = defaults();
	struct report r = fixture_report();

	opt.report_path = in_folder("none/r.txt");
	/* --fail-on is met too: that the report could not be written weighs more. */
	opt.fail_on = SEVERITY_LOW;
	assert_int_equal(run_report(&opt, &r, NULL), EXIT_STATUS_FAILED);
	expect("stdout", "3 findings", NULL);
	expect("stderr", "apm-bpf: cannot write the report to /tmp/apm-test", "No such file or directory\n");
}

static void test_check(void **state)
{
	struct options opt = defaults();
	struct streams saved;
	struct stat st;
	int err;

	opt.report_path = in_folder("new.txt");
	opt.flame_path = "/dev/full";
	opt.output_path = "-";
	assert_int_equal(output_check(&opt), 0);
	assert_int_equal(stat(opt.report_path, &st), -1);

	/* What is there already is not touched. */
	opt.folded_path = in_folder("old");
	saved = redirect();
	printf("old text");
	restore(saved);
	rename(in_folder("stdout"), opt.folded_path);
	assert_int_equal(output_check(&opt), 0);
	expect("old", "old text", NULL);

	opt.folded_path = folder;
	saved = redirect();
	err = output_check(&opt);
	restore(saved);
	assert_int_equal(err, -EISDIR);
	expect("stderr", "apm-bpf: cannot write the folded stacks to ", "Is a directory\n");
}

static void test_stacks(void **state)
{
	static const char *const frames[] = {"main", "work"};
	struct stacks *stacks = stacks_new(16);
	struct options opt = defaults();
	struct report r = fixture_report();

	assert_non_null(stacks);
	assert_int_equal(output_wants_stacks(&opt), 0);
	assert_int_equal(stacks_add(stacks, frames, 2, 7), 0);
	opt.folded_path = in_folder("stacks.txt");
	opt.flame_path = in_folder("stacks.svg");
	assert_int_equal(output_wants_stacks(&opt), 1);
	assert_int_equal(run_report(&opt, &r, stacks), EXIT_STATUS_OK);
	expect("stacks.txt", "main;work 7\n", NULL);
	expect("stacks.svg", "<", "--pid 1234");
	opt.flame_path = "/dev/full";
	assert_int_equal(run_report(&opt, &r, stacks), EXIT_STATUS_FAILED);
	expect("stderr", "apm-bpf: cannot write the flame graph to /dev/full: No space left on device\n",
	       NULL);
	expect("stdout", "3 findings", NULL);
	stacks_free(stacks);
}

static void test_fail_on(void **state)
{
	struct options opt = defaults();
	struct report r = fixture_report();

	opt.fail_on = SEVERITY_CRITICAL;
	assert_int_equal(run_report(&opt, &r, NULL), EXIT_STATUS_FINDINGS);
	/* Without the critical one, the worst is high. */
	r.findings.item++;
	r.findings.count--;
	assert_int_equal(run_report(&opt, &r, NULL), EXIT_STATUS_OK);
	opt.fail_on = SEVERITY_HIGH;
	assert_int_equal(run_report(&opt, &r, NULL), EXIT_STATUS_FINDINGS);
	r.findings.count = 0;
	opt.fail_on = SEVERITY_INFO;
	assert_int_equal(run_report(&opt, &r, NULL), EXIT_STATUS_OK);
}

static void test_command_status(void **state)
{
	assert_int_equal(output_command_status(EXIT_STATUS_OK, 0), 0);
	assert_int_equal(output_command_status(EXIT_STATUS_OK, 5 << 8), 5);
	assert_int_equal(output_command_status(EXIT_STATUS_OK, 9), 137);
	assert_int_equal(output_command_status(EXIT_STATUS_FAILED, 5 << 8), EXIT_STATUS_FAILED);
	assert_int_equal(output_command_status(EXIT_STATUS_FINDINGS, 5 << 8), EXIT_STATUS_FINDINGS);
}

static void test_color(void **state)
{
	struct options opt = defaults();
	struct report r = fixture_report();

	/* A file is no terminal. */
	assert_int_equal(run_report(&opt, &r, NULL), EXIT_STATUS_OK);
	expect("stdout", "3 findings", NULL);
	opt.color = COLOR_ALWAYS;
	assert_int_equal(run_report(&opt, &r, NULL), EXIT_STATUS_OK);
	expect("stdout", "\033[1m3 findings", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stdout),	  cmocka_unit_test(test_file),
		cmocka_unit_test(test_full_disk), cmocka_unit_test(test_unwritable),
		cmocka_unit_test(test_check),	  cmocka_unit_test(test_stacks),
		cmocka_unit_test(test_fail_on),	  cmocka_unit_test(test_command_status),
		cmocka_unit_test(test_color),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
