/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line and the environment, read once into a struct that is constant for everybody else. This is
 * the only place that knows flags, variables and defaults (options_table.c has them as rows).
 */
#ifndef APM_OPTIONS_H
#define APM_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "collect/span_rule.h"
#include "log.h"
#include "report/model.h"

enum command_id {
	COMMAND_TRACE = 0, /* default; needs a target */
	COMMAND_TOP,	   /* the same with a screen */
	COMMAND_RECORD,
	COMMAND_REPORT,
	COMMAND_FLAME,
	COMMAND_DIFF,
	COMMAND_FINGERPRINT,
	COMMAND_DETECT,
	COMMAND_LIST, /* trace without a target: what could be traced */
	COMMAND_COUNT
};

enum color_when {
	COLOR_AUTO = 0, /* when the stream is a terminal; NO_COLOR and TERM=dumb have been turned into
			   COLOR_NEVER */
	COLOR_ALWAYS,
	COLOR_NEVER,
};

#define OPTIONS_NO_FAIL_ON (-1)

/* A point in time as typed: seconds from the start of the capture, or a date. */
enum moment_kind { MOMENT_NONE = 0, MOMENT_FROM_START, MOMENT_REALTIME };

struct moment {
	enum moment_kind kind;
	uint64_t ns; /* from the start, or CLOCK_REALTIME */
};

struct name_list {
	const char **name;
	size_t count;
};

struct options {
	enum command_id command;

	/* target: processes, chosen in one or several ways, or a command, never both */
	pid_t *pids;
	size_t pid_count;
	struct name_list comms, cgroups;
	struct span_rule *spans; /* units of work that the user named */
	size_t span_count;
	int all;
	char **argv;	  /* COMMAND and its arguments, NULL-terminated; NULL = none */
	const char *user; /* who runs COMMAND; NULL = who called sudo */
	char *target;	  /* for the report: "--pid 12 --pid 13", "-- ./app …": no arguments, they may hold
			     secrets */
	const char *capture;   /* operand of report and flame, the first of diff; "-" = stdin */
	const char *capture_b; /* the second of diff */

	uint64_t duration_ns; /* 0 = until the target ends or Ctrl-C */
	int dry_run;

	/* what counts; 0 in report and flame means "as recorded" */
	uint64_t slow_ns;
	uint64_t unit_gap_ns;
	uint32_t n_plus_one;
	uint64_t slow_request_ns;
	uint32_t memory_mb;    /* 0 = no threshold */
	double sample_rate;    /* share of the units without anything special that are told one by one */
	struct name_list also; /* detectors that are off by default */
	int fail_on; /* enum severity, or OPTIONS_NO_FAIL_ON; in diff anything else means a regression */
	double min_effect; /* diff: the smallest change that matters, as a fraction */

	/* which part of a capture */
	struct moment since, until;
	int events;	      /* report: one statement a line instead of a report; of them only … */
	const char *system;   /* … "postgresql", "sqlite"; NULL = any */
	const char *database; /* NULL = any */
	const char *db_user;  /* NULL = any */
	uint64_t min_ns;      /* at least so long */
	int errors_only;

	/* what is collected */
	uint32_t max_sql;	 /* bytes of statement text */
	uint32_t sample_freq;	 /* Hz, 0 = no CPU profile */
	uint64_t usage_every_ns; /* between two looks at what processes use */
	int aggregate;		 /* as little as possible is probed: whole executions, not each row */
	double max_overhead; /* share of one core, or of what the targets use if that is more; 0 = no limit */
	uint32_t ring_mb;    /* a power of two */
	int show_literals;

	/* what is written */
	uint64_t interval_ns;	 /* a line on stdout so often, a report only to report_path; 0 = no */
	uint32_t top;		 /* rows per table */
	const char *format;	 /* of the report: a name that report_writer_find() knows */
	const char *report_path; /* NULL or "-" = stdout */
	const char *output_path; /* -o: the capture (trace, record) or the SVG (flame); NULL = none */
	const char *flame_path;
	const char *folded_path;
	uint64_t query; /* --query, --fingerprint: fingerprint, given as its first digits: a query matches
			   when … */
	uint64_t query_mask; /* … (fingerprint & query_mask) == query; 0 = every query */
	enum color_when color;
	enum log_level log_level; /* -q: errors only; -v: debug */

	/* environment */
	int enabled;		 /* APM_ENABLED: 0 = attach nothing, run COMMAND, say so */
	const char *service;	 /* NULL = not set */
	const char *environment; /* NULL = not set */

	/* for commands that parse their own arguments (fingerprint, detect): args[0] is the command's name */
	int arg_count;
	char **args;
};

enum options_result {
	OPTIONS_RUN = 0,   /* run opt->command */
	OPTIONS_PRINT = 1, /* print the text on stdout and end with status 0 (--help, --version) */
	OPTIONS_WRONG = 2, /* the text is one line about what is wrong, without prefix or newline: status 2 */
	OPTIONS_FAILED = 3, /* out of memory: status 1 */
};

/*
 * Reads argv and the environment. Strings in *opt point into argv and the environment. `text` gets what to
 * print. Call options_free() in any case.
 */
enum options_result options_parse(struct options *opt, int argc, char **argv, struct strbuf *text);
void options_free(struct options *opt);

#endif
