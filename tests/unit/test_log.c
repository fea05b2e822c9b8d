/* SPDX-License-Identifier: BSD-2-Clause */
/* The door to stderr: one clean line per message, levels, and the status line below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "log.h"

static int saved = -1, pipe_out = -1;

static int catch (void **state)
{
	int ends[2];

	if (pipe(ends))
		return -1;
	saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	pipe_out = ends[0];
	log_setup(LOG_LEVEL_INFO, 0);
	return 0;
}

static int let_go(void **state)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipe_out);
	return 0;
}

/* What was written since the last call. */
static const char *written(void)
{
	static char text[4096];
	ssize_t n;

	/* Something to read in any case. */
	assert_int_equal(write(STDERR_FILENO, "|", 1), 1);
	n = read(pipe_out, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n - 1] = '\0';
	return text;
}

static void test_levels(void **state)
{
	log_error("e");
	log_warn("w");
	log_info("i %d", 7);
	log_debug("d");
	assert_string_equal(written(), "apm-bpf: e\napm-bpf: w\napm-bpf: i 7\n");
	log_setup(LOG_LEVEL_ERROR, 0);
	log_error("e");
	log_warn("w");
	log_tagged(LOG_LEVEL_INFO, "31", "tag", "t");
	assert_string_equal(written(), "apm-bpf: e\n");
	log_setup(LOG_LEVEL_DEBUG, 0);
	log_debug("d");
	assert_string_equal(written(), "apm-bpf: d\n");
}

static void test_foreign_text(void **state)
{
	log_info("cannot read %s", "a\033[2J\nb\xff\tc\n");
	assert_string_equal(written(), "apm-bpf: cannot read a\xef\xbf\xbd[2J b\xef\xbf\xbd c\n");
	log_setup(LOG_LEVEL_INFO, 1);
	log_tagged(LOG_LEVEL_INFO, "1;31", "high", "x\033[0m");
	assert_string_equal(written(), "apm-bpf: \033[1;31mhigh\033[0m x\xef\xbf\xbd[0m\n");
}

static void test_status_line(void **state)
{
	log_status("10 s");
	assert_string_equal(written(), "10 s");
	log_info("m");
	assert_string_equal(written(), "\r    \rapm-bpf: m\n10 s");
	log_status("é11 s…");
	assert_string_equal(written(), "\r    \ré11 s…");
	log_status(NULL);
	assert_string_equal(written(), "\r      \r");
	log_status(NULL);
	log_info("m");
	assert_string_equal(written(), "apm-bpf: m\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_levels, catch, let_go),
		cmocka_unit_test_setup_teardown(test_foreign_text, catch, let_go),
		cmocka_unit_test_setup_teardown(test_status_line, catch, let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
