/* SPDX-License-Identifier: BSD-2-Clause */
/* Every sub-command, option, variable and default, as data. */
#include "options_table.h"

#define LIVE	(COMMAND_BIT(TRACE) | COMMAND_BIT(TOP) | COMMAND_BIT(RECORD))
#define REPLAY	(COMMAND_BIT(REPORT))
#define COMPARE COMMAND_BIT(DIFF)
#define REPORTS (COMMAND_BIT(TRACE) | COMMAND_BIT(TOP) | COMMAND_BIT(REPORT))
#define PARSED	(LIVE | COMMAND_BIT(REPORT) | COMMAND_BIT(FLAME) | COMMAND_BIT(DIFF) | COMMAND_BIT(LIST))

#define AT(field) offsetof(struct options, field)
#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

const struct command_row command_rows[COMMAND_COUNT] = {
	[COMMAND_TRACE] =
		{
			.name = "trace",
			.usage = "-p PID | -- COMMAND…",
			.help = "the default; report at the end",
			.needs_target = 1,
		},
	[COMMAND_TOP] =
		{
			.name = "top",
			.usage = "-p PID | -- COMMAND…",
			.help = "the same on a live screen",
			.about = "Traces and shows a live screen: rates, failures, percentiles of each query "
				 "over\nthe last 60 seconds beside the whole run. q leaves it, and the "
				 "report follows.",
			.needs_target = 1,
			.example = "sudo apm-bpf top --comm gunicorn",
		},
	[COMMAND_RECORD] =
		{
			.name = "record",
			.usage = "-o FILE -p PID | -- COMMAND…",
			.help = "write a capture for later",
			.about =
				"Traces and writes a capture; 'apm-bpf report' reads it later, without root.",
			.needs_target = 1,
			.output_missing = "record needs -o FILE, the capture to write",
			.example = "sudo apm-bpf record -p 1234 --duration 60 -o shop.apm",
		},
	[COMMAND_REPORT] =
		{
			.name = "report",
			.usage = "CAPTURE",
			.help = "report from it, without root",
			.about = "Reports from a CAPTURE that 'record' or -o wrote; needs no root.",
			.needs_capture = 1,
			.example = "apm-bpf report shop.apm --slow-ms 50 --json",
		},
	[COMMAND_FLAME] =
		{
			.name = "flame",
			.usage = "CAPTURE [--query ID] -o FILE.svg",
			.help = "CPU flame graph from it",
			.about = "Draws the CPU samples of a CAPTURE as a flame graph: all, or those of one "
				 "query.",
			.needs_capture = 1,
			.output_missing = "flame needs -o FILE.svg or --folded FILE",
			.example = "apm-bpf flame shop.apm --query 5f3a0c11 -o users.svg",
		},
	[COMMAND_DIFF] =
		{
			.name = "diff",
			.usage = "BEFORE AFTER",
			.help = "what changed between them",
			.about =
				"Compares two captures of the same work: what became slower, faster or "
				"more\nfrequent by more than chance, and which findings are new or resolved.",
			.needs_capture = 2,
			.example = "apm-bpf diff main.apm branch.apm --fail-on regression",
		},
	[COMMAND_FINGERPRINT] =
		{
			.name = "fingerprint",
			.usage = "[FILE…]",
			.help = "normalise SQL, one a line",
			.own_arguments = 1,
		},
	[COMMAND_DETECT] =
		{
			.name = "detect",
			.usage = "--jsonl",
			.help = "detectors over JSON lines",
			.own_arguments = 1,
		},
	[COMMAND_LIST] =
		{
			.name = "list",
			.usage = "",
			.help = "what could be traced here",
			.about = "Lists the processes that could be traced here, and what to type.",
		},
};

const struct options option_defaults = {
	.slow_ns = 100 * NS_PER_MS,
	.unit_gap_ns = 100 * NS_PER_MS,
	.n_plus_one = 5,
	.slow_request_ns = 1000 * NS_PER_MS,
	.sample_rate = 1,
	.usage_every_ns = 60 * NS_PER_S,
	.fail_on = OPTIONS_NO_FAIL_ON,
	.min_effect = 0.05,
	.max_sql = 4096,
	.sample_freq = 99,
	.ring_mb = 16,
	.max_overhead = 0.05,
	.top = 10,
	.format = "text",
	.color = COLOR_AUTO,
	.log_level = LOG_LEVEL_INFO,
	.enabled = 1,
};

/* clang-format off */
const struct option_row option_rows[] = {
	{"pid", 'p', "N", NULL, option_pid, AT(pids), 1, 4194304, LIVE, GROUP_TARGET,
	 "trace process N and its children (repeatable)"},
	{"comm", 0, "NAME", NULL, option_names, AT(comms), 0, 64, LIVE, GROUP_TARGET,
	 "all processes of this name, now and later (repeatable)"},
	{"cgroup", 0, "PATH", NULL, option_names, AT(cgroups), 0, 64, LIVE, GROUP_TARGET,
	 "all in this cgroup v2 and below; --all is the host"},
	{"all", 0, NULL, NULL, option_flag, AT(all), 0, 0, LIVE, GROUP_TARGET, NULL},
	{"user", 0, "NAME", NULL, option_string, AT(user), 0, 0, LIVE, GROUP_TARGET,
	 "who runs COMMAND (default: who called sudo)"},
	{"span", 0, "PLACE", NULL, option_span, AT(spans), 0, APM_MAX_SPANS, LIVE, GROUP_TARGET,
	 "calls of BINARY:FUNCTION[@ARG…] are units (repeatable)"},
	{"duration", 0, "S", NULL, option_duration, AT(duration_ns), NS_PER_S / 10, 30 * 86400 * NS_PER_S, LIVE, GROUP_TARGET,
	 "stop after 10s, 2m …; --dry-run is to see the probes"},
	{"dry-run", 0, NULL, NULL, option_flag, AT(dry_run), 0, 0, LIVE, GROUP_TARGET,
	 NULL},

	{"since", 0, "TIME", NULL, option_moment, AT(since), 0, 0, REPLAY, GROUP_PART,
	 "from then on: seconds from the start, or RFC 3339"},
	{"until", 0, "TIME", NULL, option_moment, AT(until), 0, 0, REPLAY, GROUP_PART,
	 "up to then: 90, 2026-01-31T12:00:00Z"},
	{"events", 0, "jsonl", NULL, option_events, AT(events), 0, 0, REPLAY, GROUP_PART,
	 "no report: each statement as a line of JSON"},
	{"system", 0, "NAME", NULL, option_name, AT(system), 0, 0, REPLAY, GROUP_PART,
	 "events: of postgresql, sqlite …"},
	{"database", 0, "NAME", NULL, option_name, AT(database), 0, 0, REPLAY, GROUP_PART,
	 "events: in this database"},
	{"db-user", 0, "NAME", NULL, option_name, AT(db_user), 0, 0, REPLAY, GROUP_PART,
	 "events: of this database user"},
	{"fingerprint", 0, "ID", NULL, option_query, AT(query), 4, 16, REPLAY, GROUP_PART,
	 "events: of this query, as the report names it"},
	{"min-ms", 0, "MS", NULL, option_ms, AT(min_ns), 0, 3600000 * NS_PER_MS, REPLAY, GROUP_PART,
	 "events: that took at least so long"},
	{"errors", 0, NULL, NULL, option_flag, AT(errors_only), 0, 0, REPLAY, GROUP_PART,
	 "events: that failed"},

	{"slow-ms", 0, "MS", "APM_SLOW_QUERY_THRESHOLD_MS", option_ms, AT(slow_ns), 1000, 3600000 * NS_PER_MS, LIVE | REPLAY | COMPARE,
	 GROUP_FINDINGS, "a statement this long is slow (100)"},
	{"n-plus-one", 0, "N", "APM_N_PLUS_ONE_THRESHOLD", option_count, AT(n_plus_one), 2, 1000000, LIVE | REPLAY | COMPARE,
	 GROUP_FINDINGS, "so many repeats in a unit of work are an N+1 (5)"},
	{"unit-gap-ms", 0, "MS", NULL, option_ms, AT(unit_gap_ns), NS_PER_MS, 3600000 * NS_PER_MS, LIVE | REPLAY | COMPARE,
	 GROUP_FINDINGS, "idle time that ends a unit of work (100)"},
	{"also", 0, "NAME", NULL, option_detector, AT(also), 0, 64, REPORTS, GROUP_FINDINGS,
	 "a detector that is off by default: consecutive_queries"},
	{"fail-on", 0, "SEVERITY", NULL, option_fail_on, AT(fail_on), 0, 0, REPORTS | COMPARE, GROUP_FINDINGS,
	 "exit 3 from info, low, medium, high or critical up"},
	{"min-effect", 0, "PCT", NULL, option_percent, AT(min_effect), 0, 1000, COMPARE, GROUP_FINDINGS,
	 "smaller changes do not count (5%)"},

	{"max-sql", 0, "BYTES", NULL, option_count, AT(max_sql), 64, 65536, LIVE, GROUP_COLLECT,
	 "keep so much of a statement's text (4096)"},
	{"show-literals", 0, NULL, NULL, option_flag, AT(show_literals), 0, 0, LIVE, GROUP_COLLECT,
	 "keep values in statements: private data, be careful"},
	{"freq", 0, "HZ", NULL, option_count, AT(sample_freq), 0, 10000, LIVE, GROUP_COLLECT,
	 "CPU samples per second (99; 0 = off)"},
	{"max-overhead", 0, "PCT", NULL, option_percent, AT(max_overhead), 0, 10000, LIVE, GROUP_COLLECT,
	 "of a core or targets' CPU (5); --ring-mb is the buffer"},
	{"ring-mb", 0, "N", NULL, option_power, AT(ring_mb), 1, 1024, LIVE, GROUP_COLLECT,
	 NULL},

	{"interval", 0, "S", NULL, option_duration, AT(interval_ns), NS_PER_S / 10, 30 * 86400 * NS_PER_S, COMMAND_BIT(TRACE) | COMMAND_BIT(REPORT),
	 GROUP_OUTPUT, "no report but a line so often; JSON with --json"},
	{"top", 0, "N", NULL, option_count, AT(top), 1, 1000, REPORTS | COMPARE, GROUP_OUTPUT, "rows per table (10)"},
	{"format", 0, "FORMAT", NULL, option_format, AT(format), 0, 0, REPORTS, GROUP_OUTPUT,
	 "text, json, markdown, html; --json for short"},
	{"json", 0, NULL, NULL, option_json, AT(format), 0, 0, REPORTS | COMPARE, GROUP_OUTPUT, NULL},
	{"report", 0, "FILE", NULL, option_string, AT(report_path), 0, 0, REPORTS | COMPARE, GROUP_OUTPUT,
	 "write the report there, not to stdout"},
	{"output", 'o', "FILE", NULL, option_string, AT(output_path), 0, 0, LIVE | COMMAND_BIT(FLAME), GROUP_OUTPUT,
	 "write the capture (trace, record) or the SVG (flame)"},
	{"flame", 0, "FILE.svg", NULL, option_string, AT(flame_path), 0, 0, REPORTS | COMPARE, GROUP_OUTPUT,
	 "write a CPU flame graph"},
	{"folded", 0, "FILE", NULL, option_string, AT(folded_path), 0, 0, REPORTS | COMPARE | COMMAND_BIT(FLAME), GROUP_OUTPUT,
	 "write the stacks in folded form"},
	{"query", 0, "ID", NULL, option_query, AT(query), 4, 16, COMMAND_BIT(FLAME), GROUP_OUTPUT,
	 "flame: only samples in this query"},
	{"color", 0, "WHEN", NULL, option_color, AT(color), 0, 0, PARSED, GROUP_OUTPUT, "auto, always or never"},
	{"quiet", 'q', NULL, NULL, option_quiet, AT(log_level), 0, 0, PARSED, GROUP_OUTPUT,
	 "only the report and errors; --verbose is more (-v)"},
	{"verbose", 'v', NULL, NULL, option_verbose, AT(log_level), 0, 0, PARSED, GROUP_OUTPUT, NULL},

	{"aggregate", 0, NULL, NULL, option_flag, AT(aggregate), 0, 0, LIVE, GROUP_MORE,
	 "SQLite: probe executions, not rows"},
	{"slow-request-ms", 0, "MS", "APM_SLOW_REQUEST_THRESHOLD_MS", option_ms, AT(slow_request_ns), NS_PER_MS, 86400 * NS_PER_S,
	 LIVE | REPLAY | COMPARE, GROUP_MORE, "a transaction, or a unit, this long is slow (1000)"},
	{"memory-mb", 0, "MB", "APM_MEMORY_THRESHOLD_MB", option_count, AT(memory_mb), 1, 1u << 24, LIVE | REPLAY | COMPARE, GROUP_MORE,
	 "a process with more resident memory is a finding"},
	{"sample-rate", 0, "SHARE", "APM_SAMPLE_RATE", option_share, AT(sample_rate), 0, 1, LIVE, GROUP_MORE,
	 "of units of no note, kept one by one in JSON (1)"},
	{"profiling-ms", 0, "MS", "APM_PROFILING_INTERVAL", option_ms, AT(usage_every_ns), 100 * NS_PER_MS, 86400 * NS_PER_S, LIVE,
	 GROUP_MORE, "looks at memory and CPU time so often (60000)"},
	{"service", 0, "NAME", "APM_SERVICE_NAME", option_name, AT(service), 0, 0, LIVE, GROUP_MORE,
	 "the report's name for what is traced"},
	{"environment", 0, "NAME", "APM_ENVIRONMENT", option_name, AT(environment), 0, 0, LIVE, GROUP_MORE,
	 "where it runs: production, staging …"},

	{NULL, 0, NULL, "APM_ENABLED", option_bool, AT(enabled), 0, 0, LIVE, GROUP_COUNT, NULL},
	{NULL, 0, NULL, "APM_PROFILING_ENABLED", option_profiling, AT(sample_freq), 0, 0, LIVE, GROUP_COUNT, NULL},
};
/* clang-format on */

const size_t option_row_count = sizeof(option_rows) / sizeof(option_rows[0]);
