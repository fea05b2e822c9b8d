/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line: what is accepted, what is refused and how, defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "command_line.h"

static void test_defaults(void **state)
{
	struct parsed *p = accepted("-p 12");

	assert_int_equal(p->opt.command, COMMAND_TRACE);
	assert_int_equal(p->opt.slow_ns, 100000000);
	assert_int_equal(p->opt.unit_gap_ns, 100000000);
	assert_int_equal(p->opt.n_plus_one, 5);
	assert_int_equal(p->opt.max_sql, 4096);
	assert_int_equal(p->opt.sample_freq, 99);
	assert_int_equal(p->opt.ring_mb, 16);
	assert_true(p->opt.max_overhead > 0.0499 && p->opt.max_overhead < 0.0501);
	assert_int_equal(p->opt.top, 10);
	assert_int_equal(p->opt.fail_on, OPTIONS_NO_FAIL_ON);
	assert_int_equal(p->opt.enabled, 1);
	assert_int_equal(p->opt.duration_ns, 0);
	assert_int_equal(p->opt.log_level, LOG_LEVEL_INFO);
	assert_int_equal(p->opt.color, COLOR_AUTO);
	assert_null(p->opt.service);
	done(p);
}

static void test_every_option(void **state)
{
	struct parsed *p =
		accepted("trace -p 12 --pid=13 -p12 -p14 --duration 2m --top 3 --slow-ms 0.5 --n-plus-one=7 "
			 "--unit-gap-ms 20 --max-sql 65536 --show-literals --json --report r.json -o c.apm "
			 "--flame f.svg --folded f.txt --freq 49 --fail-on high --color always --dry-run -v "
			 "--ring-mb 64 --max-overhead 2.5%");

	assert_int_equal(p->opt.pid_count, 3);
	assert_int_equal(p->opt.pids[0], 12);
	assert_int_equal(p->opt.pids[1], 13);
	assert_int_equal(p->opt.pids[2], 14);
	assert_string_equal(p->opt.target, "--pid 12 --pid 13 --pid 14");
	assert_int_equal(p->opt.duration_ns, 120000000000);
	assert_int_equal(p->opt.top, 3);
	assert_int_equal(p->opt.slow_ns, 500000);
	assert_int_equal(p->opt.n_plus_one, 7);
	assert_int_equal(p->opt.unit_gap_ns, 20000000);
	assert_int_equal(p->opt.max_sql, 65536);
	assert_int_equal(p->opt.sample_freq, 49);
	assert_int_equal(p->opt.ring_mb, 64);
	assert_true(p->opt.max_overhead > 0.02499 && p->opt.max_overhead < 0.02501);
	assert_int_equal(p->opt.fail_on, SEVERITY_HIGH);
	assert_int_equal(p->opt.color, COLOR_ALWAYS);
	assert_int_equal(p->opt.log_level, LOG_LEVEL_DEBUG);
	assert_true(p->opt.show_literals && p->opt.dry_run);
	assert_string_equal(p->opt.format, "json");
	assert_string_equal(p->opt.report_path, "r.json");
	assert_string_equal(p->opt.output_path, "c.apm");
	assert_string_equal(p->opt.flame_path, "f.svg");
	assert_string_equal(p->opt.folded_path, "f.txt");
	done(p);
}

static void test_durations(void **state)
{
	static const struct {
		const char *line;
		uint64_t ns;
	} cases[] = {
		{"-p 1 --duration 10", 10000000000},	      {"-p 1 --duration 10s", 10000000000},
		{"-p 1 --duration 0.5", 500000000},	      {"-p 1 --duration 250ms", 250000000},
		{"-p 1 --duration 1h", 3600000000000},	      {"-p 1 --duration 1.5m", 90000000000},
		{"-p 1 --duration 30d", 30 * 86400000000000},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct parsed *p = accepted(cases[i].line);

		assert_int_equal(p->opt.duration_ns, cases[i].ns);
		done(p);
	}
}

static void test_command(void **state)
{
	struct parsed *p = accepted("--user bob --top 2 -- ./app --json -p x");

	assert_string_equal(p->opt.user, "bob");
	assert_string_equal(p->opt.argv[0], "./app");
	assert_string_equal(p->opt.argv[1], "--json");
	assert_string_equal(p->opt.argv[3], "x");
	assert_null(p->opt.argv[4]);
	assert_string_equal(p->opt.format, "text");
	/* Arguments may hold secrets. */
	assert_string_equal(p->opt.target, "-- ./app …");
	done(p);
	p = accepted("-- ./app");
	assert_string_equal(p->opt.target, "-- ./app");
	done(p);
	/* What looks like a question to us is the command's when it comes after --. */
	p = accepted("-- ./app --help");
	done(p);
}

static void test_sub_commands(void **state)
{
	struct parsed *p = accepted("report x.apm --json");

	assert_int_equal(p->opt.command, COMMAND_REPORT);
	assert_string_equal(p->opt.capture, "x.apm");
	/* 0 = as recorded */
	assert_int_equal(p->opt.slow_ns, 0);
	assert_int_equal(p->opt.n_plus_one, 0);
	assert_int_equal(p->opt.unit_gap_ns, 0);
	done(p);
	p = accepted("report --slow-ms 5 -");
	assert_string_equal(p->opt.capture, "-");
	assert_int_equal(p->opt.slow_ns, 5000000);
	done(p);
	p = accepted("report -- -x.apm");
	assert_string_equal(p->opt.capture, "-x.apm");
	done(p);
	p = accepted("flame x.apm --query 5f3A0c11 -o -");
	assert_int_equal(p->opt.command, COMMAND_FLAME);
	assert_true(p->opt.query == 0x5f3a0c1100000000);
	assert_true(p->opt.query_mask == 0xffffffff00000000);
	assert_string_equal(p->opt.output_path, "-");
	done(p);
	p = accepted("flame x.apm --query 00ab00cd00ef0012 --folded f");
	assert_true(p->opt.query == 0x00ab00cd00ef0012 && p->opt.query_mask == UINT64_MAX);
	done(p);
	p = accepted("record -p 1 -o x.apm");
	assert_int_equal(p->opt.command, COMMAND_RECORD);
	done(p);
	/* These read their own arguments, whatever they are. */
	p = accepted("fingerprint --jsonl --help");
	assert_int_equal(p->opt.command, COMMAND_FINGERPRINT);
	assert_int_equal(p->opt.arg_count, 3);
	assert_string_equal(p->opt.args[0], "fingerprint");
	assert_string_equal(p->opt.args[2], "--help");
	done(p);
	p = accepted("detect --jsonl");
	assert_int_equal(p->opt.command, COMMAND_DETECT);
	done(p);
}

static void test_chosen(void **state)
{
	struct parsed *p = accepted("-p 7 --comm web --cgroup /a.slice --comm web --comm job");

	assert_int_equal(p->opt.command, COMMAND_TRACE);
	assert_int_equal(p->opt.pid_count, 1);
	assert_int_equal(p->opt.comms.count, 2);
	assert_string_equal(p->opt.comms.name[0], "web");
	assert_string_equal(p->opt.comms.name[1], "job");
	assert_int_equal(p->opt.cgroups.count, 1);
	assert_string_equal(p->opt.target, "--pid 7 --comm web --comm job --cgroup /a.slice");
	done(p);
	p = accepted("record --all -o x");
	assert_int_equal(p->opt.all, 1);
	assert_string_equal(p->opt.target, "--all");
	done(p);
}

static void test_no_target(void **state)
{
	struct parsed *p = accepted("");

	assert_int_equal(p->opt.command, COMMAND_LIST);
	done(p);
	p = accepted("-v --color never");
	assert_int_equal(p->opt.command, COMMAND_LIST);
	done(p);
	refused("--duration 10 -q", "no target");
	refused("-q --json", "no target");
	refused("record -o x", "no target");
}

static void moment(const char *line, enum moment_kind kind, uint64_t ns)
{
	struct parsed *p = accepted(line);

	assert_int_equal(p->opt.since.kind, kind);
	if (p->opt.since.ns != ns)
		fail_msg("'%s' is %llu", line, (unsigned long long)p->opt.since.ns);
	done(p);
}

static void test_moments(void **state)
{
	struct parsed *p = accepted("report x --events jsonl --system sqlite --database a.db --db-user u "
				    "--fingerprint 5f3a --min-ms 1.5 --errors --until 90");

	assert_true(p->opt.events && p->opt.errors_only);
	assert_int_equal(p->opt.min_ns, 1500000);
	assert_true(p->opt.query == 0x5f3a000000000000 && p->opt.query_mask == 0xffff000000000000);
	assert_int_equal(p->opt.since.kind, MOMENT_NONE);
	assert_int_equal(p->opt.until.ns, 90000000000);
	done(p);
	moment("report x --since 1.5", MOMENT_FROM_START, 1500000000);
	moment("report x --since 0s", MOMENT_FROM_START, 0);
	/* date -d … +%s */
	moment("report x --since 2026-01-31T12:00:00Z", MOMENT_REALTIME, 1769860800000000000);
	moment("report x --since 2026-01-31T12:00:00.25Z", MOMENT_REALTIME, 1769860800250000000);
	moment("report x --since 2026-01-31T13:30:00+01:30", MOMENT_REALTIME, 1769860800000000000);
	moment("report x --since 2026-01-31T07:00:00-05:00", MOMENT_REALTIME, 1769860800000000000);
}

static void test_refused(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{"-p", "-p needs a value: N"},
		{"-p 1 --top --json", "--top needs a value: N"},
		{"report x --since yesterday", "--since takes seconds from the start, or a time such as"},
		{"report x --since 2026-13-01T00:00:00Z", "not '2026-13-01T00:00:00Z'"},
		{"report x --since 2026-01-01T00:00:00", "not '2026-01-01T00:00:00'"},
		{"report x --since 2026-01-01T00:00:00+0100", "--since takes"},
		{"report x --since 2026-01-01T00:00:00Z1", "--since takes"},
		{"report x --since 9 --until 9", "--until is not after --since"},
		{"report x --events csv", "--events takes jsonl, not 'csv'"},
		{"report x --errors", "choose among --events jsonl"},
		{"report x --fingerprint 5f3a0c11", "choose among --events jsonl"},
		{"-p 1 --since 3", "--since is no option of 'trace'"},
		{"-p 1 --format pdf", "--format takes text, json, markdown or html, not 'pdf'"},
		{"-p 1 --report -q", "--report needs a value: FILE"},
		{"-p 0", "from 1 to 4194304, not '0'"},
		{"-p -5", "-p takes a process number from 1"},
		{"-p 1x", "not '1x'"},
		{"-p 99999999999999999999", "from 1 to 4194304"},
		{"-p 1 --top 0", "--top takes a number from 1 to 1000, not '0'"},
		{"-p 1 --top=", "--top takes a number from 1 to 1000, not an empty value"},
		{"-p 1 --slow-ms 1e3", "--slow-ms takes milliseconds from 0.001 to 3600000, not '1e3'"},
		{"-p 1 --slow-ms nan", "--slow-ms takes milliseconds"},
		{"-p 1 --slow-ms 0", "--slow-ms takes milliseconds"},
		{"-p 1 --slow-ms .", "--slow-ms takes milliseconds"},
		{"-p 1 --n-plus-one 1", "--n-plus-one takes a number from 2 to 1000000"},
		{"-p 1 --max-sql 63", "from 64 to 65536"},
		{"-p 1 --freq 10001", "from 0 to 10000"},
		{"-p 1 --max-overhead -1", "--max-overhead takes a percentage from 0 to 10000"},
		{"-p 1 --ring-mb 3", "--ring-mb takes a power of two from 1 to 1024, not '3'"},
		{"-p 1 --ring-mb 0", "power of two"},
		{"-p 1 --duration 10x",
		 "--duration takes a time from 0.1s to 30d such as 10, 10s or 2m, not '10x'"},
		{"-p 1 --duration 31d", "--duration takes a time"},
		{"-p 1 --duration -1", "--duration takes a time"},
		{"-p 1 --fail-on bad", "--fail-on takes info, low, medium, high or critical, not 'bad'"},
		{"-p 1 --color red", "--color takes auto, always or never, not 'red'"},
		{"-p 1 --report ''", "--report takes a FILE, not an empty value"},
		{"-p 1 --json=yes", "--json takes no value"},
		{"-p 1 --tpo 5", "unknown option --tpo; did you mean --top?"},
		{"-p 1 --slow 5", "unknown option --slow; did you mean --slow-ms?"},
		{"-p 1 --literals", "did you mean --show-literals?"},
		{"-p 1 -json", "unknown option -json; did you mean --json?"},
		{"-p 1 -z", "unknown option -z"},
		{"-p 1 --query 5f3a", "--query is no option of 'trace'"},
		{"report x --pid 3", "--pid is no option of 'report'"},
		{"flame x -o y --json", "--json is no option of 'flame'"},
		{"list --top 3", "--top is no option of 'list'"},
		{"report", "report needs a CAPTURE"},
		{"report a b", "unexpected argument 'b'"},
		{"record -p 1", "record needs -o FILE"},
		{"flame x", "flame needs -o FILE.svg or --folded FILE"},
		{"flame x -o y --query 5f3", "--query takes a query id of 4 to 16 hex digits"},
		{"flame x -o y --query 5f3g", "--query takes a query id"},
		{"flame x -o y --query 00112233445566778", "--query takes a query id"},
		{"repotr x", "unknown sub-command 'repotr'; did you mean 'report'?"},
		{"./app", "unknown sub-command './app'; to run and trace it: apm-bpf -- ./app"},
		{"-p 1 --json report", "the sub-command 'report' must come first"},
		{"-p 1 app", "unexpected argument 'app'; a command to run comes after --"},
		{"-p 1 -- app", "give --pid or -- COMMAND, not both"},
		{"--comm app -- app", "not with -- COMMAND"},
		{"--all -- app", "not with -- COMMAND"},
		{"--all -p 1", "not with --pid, --comm or --cgroup"},
		{"--all --comm app", "not with --pid, --comm or --cgroup"},
		{"--comm ''", "--comm takes a NAME, not an empty value"},
		{"--cgroup", "--cgroup needs a value: PATH"},
		{"report x --comm app", "--comm is no option of 'report'"},
		{"--", "no COMMAND after --"},
		{"-p 1 --user bob", "--user is for -- COMMAND"},
		{"-p 1 --freq 0 --flame f.svg", "need CPU samples"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(cases[i].line, cases[i].says);
}

static void test_nothing_near(void **state)
{
	struct parsed *p = parse("-p 1 --zzzzzz");

	assert_int_equal(p->result, OPTIONS_WRONG);
	assert_string_equal(p->text.ptr, "unknown option --zzzzzz");
	done(p);
}

static void test_also(void **state)
{
	struct parsed *p = accepted("report x.apm --also consecutive_queries");

	assert_string_equal(p->opt.also.name[0], "consecutive_queries");
	done(p);
	refused("report x.apm --also n_plus_one",
		"--also takes the name of a detector that is off by default: "
		"consecutive_queries, not 'n_plus_one'");
}

static void test_version(void **state)
{
	struct parsed *p = parse("-p x --version");

	assert_int_equal(p->result, OPTIONS_PRINT);
	assert_string_equal(p->text.ptr, "apm-bpf " APM_VERSION "\n");
	done(p);
}

/* Mistakes in the tables themselves. */
static void test_tables(void **state)
{
	size_t i, j;

	for (i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		assert_non_null(row->parse);
		assert_true(row->commands != 0);
		assert_true(row->name || row->env);
		assert_true(row->min <= row->max);
		assert_true(row->offset < sizeof(struct options));
		for (j = 0; j < i; j++) {
			if (row->name && option_rows[j].name)
				assert_string_not_equal(row->name, option_rows[j].name);
			assert_true(!row->letter || row->letter != option_rows[j].letter);
		}
	}
	for (i = 0; i < COMMAND_COUNT; i++)
		assert_non_null(command_rows[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_defaults, no_environment),
		cmocka_unit_test_setup(test_every_option, no_environment),
		cmocka_unit_test_setup(test_durations, no_environment),
		cmocka_unit_test_setup(test_command, no_environment),
		cmocka_unit_test_setup(test_sub_commands, no_environment),
		cmocka_unit_test_setup(test_chosen, no_environment),
		cmocka_unit_test_setup(test_no_target, no_environment),
		cmocka_unit_test_setup(test_moments, no_environment),
		cmocka_unit_test_setup(test_refused, no_environment),
		cmocka_unit_test_setup(test_nothing_near, no_environment),
		cmocka_unit_test_setup(test_also, no_environment),
		cmocka_unit_test_setup(test_version, no_environment),
		cmocka_unit_test_setup(test_tables, no_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
