/* SPDX-License-Identifier: BSD-2-Clause */
/* The variables of the environment, the options that win over them, and the help that names both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "command_line.h"
#include "report/format.h"

static void test_environment(void **state)
{
	struct parsed *p;

	setenv("APM_SLOW_QUERY_THRESHOLD_MS", "250", 1);
	setenv("APM_N_PLUS_ONE_THRESHOLD", "9", 1);
	setenv("APM_SERVICE_NAME", "shop", 1);
	setenv("APM_ENVIRONMENT", "staging", 1);
	setenv("APM_PROFILING_ENABLED", "false", 1);
	setenv("APM_ENABLED", "0", 1);
	setenv("APM_SLOW_REQUEST_THRESHOLD_MS", "2500", 1);
	setenv("APM_MEMORY_THRESHOLD_MB", "768", 1);
	setenv("APM_SAMPLE_RATE", "0.25", 1);
	setenv("APM_PROFILING_INTERVAL", "5000", 1);
	p = accepted("-p 1");
	assert_int_equal(p->opt.usage_every_ns, 5000000000);
	assert_int_equal(p->opt.slow_request_ns, 2500000000);
	assert_int_equal(p->opt.memory_mb, 768);
	assert_true(p->opt.sample_rate == 0.25 && !p->opt.enabled);
	assert_int_equal(p->opt.slow_ns, 250000000);
	assert_int_equal(p->opt.n_plus_one, 9);
	assert_int_equal(p->opt.sample_freq, 0);
	assert_string_equal(p->opt.service, "shop");
	assert_string_equal(p->opt.environment, "staging");
	done(p);
	/* Flags win. */
	p = accepted("-p 1 --slow-ms 10 --n-plus-one 3 --freq 49 --slow-request-ms 20 --memory-mb 30 "
		     "--sample-rate 0.5 "
		     "--profiling-ms 200 --service cart --environment test");
	assert_int_equal(p->opt.slow_ns, 10000000);
	assert_int_equal(p->opt.n_plus_one, 3);
	assert_int_equal(p->opt.sample_freq, 49);
	assert_int_equal(p->opt.slow_request_ns, 20000000);
	assert_int_equal(p->opt.memory_mb, 30);
	assert_true(p->opt.sample_rate == 0.5);
	assert_int_equal(p->opt.usage_every_ns, 200000000);
	assert_string_equal(p->opt.service, "cart");
	assert_string_equal(p->opt.environment, "test");
	done(p);
	/* A replay does not depend on where it runs. */
	p = accepted("report x.apm");
	assert_int_equal(p->opt.slow_ns, 0);
	assert_int_equal(p->opt.n_plus_one, 0);
	assert_int_equal(p->opt.slow_request_ns, 0);
	assert_int_equal(p->opt.memory_mb, 0);
	done(p);
	p = accepted("diff a.apm b.apm --slow-request-ms 40 --memory-mb 50");
	assert_int_equal(p->opt.slow_request_ns, 40000000);
	assert_int_equal(p->opt.memory_mb, 50);
	done(p);
	/* Empty is the same as not set. */
	setenv("APM_SLOW_QUERY_THRESHOLD_MS", "", 1);
	setenv("APM_ENABLED", "", 1);
	p = accepted("-p 1");
	assert_int_equal(p->opt.slow_ns, 100000000);
	assert_int_equal(p->opt.enabled, 1);
	done(p);
}

static void test_bad_environment(void **state)
{
	static const struct {
		const char *name, *value, *says;
	} cases[] = {
		{"APM_SLOW_QUERY_THRESHOLD_MS", "fast",
		 "APM_SLOW_QUERY_THRESHOLD_MS takes milliseconds from 0.001 to "
		 "3600000, not 'fast'"},
		{"APM_N_PLUS_ONE_THRESHOLD", "-1",
		 "APM_N_PLUS_ONE_THRESHOLD takes a number from 2 to 1000000, not '-1'"},
		{"APM_SLOW_REQUEST_THRESHOLD_MS", "1s",
		 "APM_SLOW_REQUEST_THRESHOLD_MS takes milliseconds from 1 to 86400000, not '1s'"},
		{"APM_SAMPLE_RATE", "1.5", "APM_SAMPLE_RATE takes a share from 0 to 1, not '1.5'"},
		{"APM_MEMORY_THRESHOLD_MB", "0",
		 "APM_MEMORY_THRESHOLD_MB takes a number from 1 to 16777216, not '0'"},
		{"APM_PROFILING_INTERVAL", "99",
		 "APM_PROFILING_INTERVAL takes milliseconds from 100 to 86400000, not '99'"},
		{"APM_ENABLED", "maybe", "APM_ENABLED takes true or false, not 'maybe'"},
		{"APM_PROFILING_ENABLED", "2", "APM_PROFILING_ENABLED takes true or false, not '2'"},
		{"APM_SERVICE_NAME", "a\033[2J", "APM_SERVICE_NAME takes a name of at most 255 bytes"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv(cases[i].name, cases[i].value, 1);
		refused("-p 1", cases[i].says);
		/* Even where a flag would win: the mistake would bite the next time. */
		refused("-p 1 --slow-ms 5 --n-plus-one 5 --freq 9", cases[i].says);
		unsetenv(cases[i].name);
	}
}

/* An option and its variable take the same values, and each names itself. */
static void test_bad_options(void **state)
{
	refused("-p 1 --slow-request-ms 1s",
		"--slow-request-ms takes milliseconds from 1 to 86400000, not '1s'");
	refused("-p 1 --memory-mb 0", "--memory-mb takes a number from 1 to 16777216, not '0'");
	refused("-p 1 --sample-rate 1.5", "--sample-rate takes a share from 0 to 1, not '1.5'");
	refused("-p 1 --profiling-ms 99", "--profiling-ms takes milliseconds from 100 to 86400000, not '99'");
	refused("-p 1 --service a\033[2J", "--service takes a name of at most 255 bytes");
	refused("-p 1 --environment", "--environment needs a value: NAME");
	refused("report x.apm --sample-rate 1", "--sample-rate is no option of 'report'");
	refused("report x.apm --service shop", "--service is no option of 'report'");
	refused("flame x.apm -o f.svg --memory-mb 5", "--memory-mb is no option of 'flame'");
}

/* Each variable but the two that switch things off has an option. */
static void test_variables_have_options(void **state)
{
	size_t i;

	for (i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->env && !row->name)
			assert_true(!strcmp(row->env, "APM_ENABLED") ||
				    !strcmp(row->env, "APM_PROFILING_ENABLED"));
	}
}

static void test_no_color(void **state)
{
	struct parsed *p;

	setenv("NO_COLOR", "1", 1);
	p = accepted("-p 1");
	assert_int_equal(p->opt.color, COLOR_NEVER);
	done(p);
	p = accepted("-p 1 --color always");
	assert_int_equal(p->opt.color, COLOR_ALWAYS);
	done(p);
	setenv("NO_COLOR", "", 1);
	p = accepted("-p 1");
	assert_int_equal(p->opt.color, COLOR_AUTO);
	done(p);
	setenv("TERM", "dumb", 1);
	p = accepted("-p 1");
	assert_int_equal(p->opt.color, COLOR_NEVER);
	done(p);
}

/* Lines and columns of a help text: one screen. */
static size_t check_screen(const char *text)
{
	size_t lines = 0;

	while (*text) {
		const char *end = strchr(text, '\n');

		assert_non_null(end);
		if (format_columns(text, (size_t)(end - text)) > 80)
			fail_msg("more than 80 columns: %.*s", (int)(end - text), text);
		lines++;
		text = end + 1;
	}
	return lines;
}

static void test_help(void **state)
{
	struct parsed *p = parse("--help");
	size_t i, lines;

	assert_int_equal(p->result, OPTIONS_PRINT);
	lines = check_screen(p->text.ptr);
	assert_in_range(lines, 24, 40);
	for (i = 0; i < option_row_count; i++) {
		char name[64];

		if (!option_rows[i].name || !(option_rows[i].commands & COMMAND_BIT(TRACE)) ||
		    option_rows[i].group == GROUP_MORE)
			continue;
		snprintf(name, sizeof(name), " --%s ", option_rows[i].name);
		if (!strstr(p->text.ptr, name))
			fail_msg("--help does not list%s", name);
	}
	assert_non_null(strstr(p->text.ptr, "record --help"));
	done(p);
	p = parse("record --help");
	assert_in_range(check_screen(p->text.ptr), 24, 40);
	for (i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->env && !strstr(p->text.ptr, row->env))
			fail_msg("record --help does not name %s", row->env);
		if (row->group == GROUP_MORE && !strstr(p->text.ptr, row->name))
			fail_msg("record --help does not list --%s", row->name);
	}
	done(p);
}

static void test_sub_command_help(void **state)
{
	int c;

	for (c = 0; c < COMMAND_COUNT; c++) {
		char line[64];
		struct parsed *p;

		if (command_rows[c].own_arguments)
			continue;
		snprintf(line, sizeof(line), "%s --help", command_rows[c].name);
		p = parse(line);
		assert_int_equal(p->result, OPTIONS_PRINT);
		check_screen(p->text.ptr);
		assert_non_null(strstr(p->text.ptr, command_rows[c].name));
		done(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_environment, no_environment),
		cmocka_unit_test_setup(test_bad_environment, no_environment),
		cmocka_unit_test_setup(test_bad_options, no_environment),
		cmocka_unit_test_setup(test_variables_have_options, no_environment),
		cmocka_unit_test_setup(test_no_color, no_environment),
		cmocka_unit_test_setup(test_help, no_environment),
		cmocka_unit_test_setup(test_sub_command_help, no_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
