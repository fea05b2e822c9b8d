/* SPDX-License-Identifier: BSD-2-Clause */
#include "options_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* While reading the command line. */
struct reader {
	struct options *opt;
	struct strbuf *text; /* what is wrong */
	char **argv;
	int argc, next;
	const struct command_row *command;
	int tracing; /* an option was given that only makes sense with a target */
};

static int takes(const struct option_row *row, enum command_id command)
{
	return (row->commands & 1u << command) != 0;
}

static int read_environment(struct options *opt, struct strbuf *text)
{
	const char *value;
	size_t i;
	int err;

	/* https://no-color.org: set and not empty */
	value = getenv("NO_COLOR");
	if (value && *value)
		opt->color = COLOR_NEVER;
	value = getenv("TERM");
	if (value && !strcmp(value, "dumb"))
		opt->color = COLOR_NEVER;

	/* The APM_ variables are for tracing: what a capture says must not depend on where it is read. */
	if (!command_rows[opt->command].needs_target)
		return 0;
	for (i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (!row->env || !takes(row, opt->command))
			continue;
		value = getenv(row->env);
		/* Empty counts as not set, as in OpenTelemetry's variables. */
		if (!value || !*value)
			continue;
		err = row->parse(row, row->env, value, opt, text);
		if (err)
			return err;
	}
	return 0;
}

/* ---- options ---- */

static const struct option_row *find_long(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < option_row_count; i++)
		if (option_rows[i].name && strlen(option_rows[i].name) == len &&
		    !memcmp(option_rows[i].name, name, len))
			return &option_rows[i];
	return NULL;
}

static const struct option_row *find_letter(char letter)
{
	size_t i;

	for (i = 0; i < option_row_count; i++)
		if (option_rows[i].letter == letter)
			return &option_rows[i];
	return NULL;
}

static int unknown_option(struct reader *r, const char *label, const char *name)
{
	const char *near = name ? options_nearest(name, 1u << r->opt->command) : NULL;

	strbuf_addf(r->text, "unknown option %s", label);
	if (near)
		strbuf_addf(r->text, "; did you mean --%s?", near);
	return -EINVAL;
}

/* `inline_value` follows in the same argument (--top=5, -p5); NULL = in the next one. */
static int apply(struct reader *r, const struct option_row *row, const char *label, const char *inline_value)
{
	const char *value = inline_value;

	if (!takes(row, r->opt->command)) {
		strbuf_addf(r->text, "%s is no option of '%s'", label, r->command->name);
		return -EINVAL;
	}
	if (!row->value && inline_value) {
		strbuf_addf(r->text, "%s takes no value", label);
		return -EINVAL;
	}
	if (row->value && !value) {
		value = r->next < r->argc ? r->argv[r->next] : NULL;
		/* An option where a value should be: the value was forgotten. "-" alone is a file. */
		if (!value || (value[0] == '-' && value[1] == '-') ||
		    (value[0] == '-' && value[1] && find_letter(value[1]))) {
			strbuf_addf(r->text, "%s needs a value: %s", label, row->value);
			return -EINVAL;
		}
		r->next++;
	}
	r->tracing |= !takes(row, COMMAND_LIST);
	return row->parse(row, label, value, r->opt, r->text);
}

static int read_long(struct reader *r, const char *arg)
{
	const char *equals = strchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
	const struct option_row *row = find_long(arg + 2, len - 2);
	char label[64];

	if (len >= sizeof(label))
		len = sizeof(label) - 1;
	memcpy(label, arg, len);
	label[len] = '\0';
	if (!row)
		return unknown_option(r, label, label + 2);
	return apply(r, row, label, equals ? equals + 1 : NULL);
}

/* One argument of letters: -v, -qv, -p5. */
static int read_letters(struct reader *r, const char *arg)
{
	const char *p;
	int err;

	for (p = arg + 1; *p; p++) {
		const struct option_row *row = find_letter(*p);
		char label[] = {'-', *p, '\0'};

		if (!row)
			return unknown_option(r, arg[2] && p == arg + 1 ? arg : label,
					      p == arg + 1 ? arg + 1 : NULL);
		if (row->value)
			return apply(r, row, label, p[1] ? p + 1 : NULL);
		err = apply(r, row, label, NULL);
		if (err)
			return err;
	}
	return 0;
}

static int read_operand(struct reader *r, const char *arg)
{
	size_t i;

	if (r->command->needs_capture && !r->opt->capture) {
		r->opt->capture = arg;
		return 0;
	}
	if (r->command->needs_capture > 1 && !r->opt->capture_b) {
		r->opt->capture_b = arg;
		return 0;
	}
	for (i = 0; i < COMMAND_COUNT; i++) {
		if (!strcmp(arg, command_rows[i].name)) {
			strbuf_addf(r->text, "the sub-command '%s' must come first: apm-bpf %s …", arg, arg);
			return -EINVAL;
		}
	}
	strbuf_addf(r->text, "unexpected argument '%s'", arg);
	if (r->command->needs_target)
		strbuf_adds(r->text, "; a command to run comes after --");
	return -EINVAL;
}

static int read_arguments(struct reader *r)
{
	int err = 0;

	while (!err && r->next < r->argc) {
		const char *arg = r->argv[r->next++];

		if (!strcmp(arg, "--") && r->command->needs_target) {
			if (r->next == r->argc) {
				strbuf_adds(r->text, "no COMMAND after --");
				return -EINVAL;
			}
			r->opt->argv = &r->argv[r->next];
			r->next = r->argc;
		} else if (!strcmp(arg, "--")) {
			while (!err && r->next < r->argc)
				err = read_operand(r, r->argv[r->next++]);
		} else if (!strncmp(arg, "--", 2)) {
			err = read_long(r, arg);
		} else if (arg[0] == '-' && arg[1]) {
			err = read_letters(r, arg);
		} else {
			err = read_operand(r, arg);
		}
	}
	return err;
}

/* ---- the whole ---- */

static int check_target(struct reader *r)
{
	struct options *opt = r->opt;
	int has_some = opt->pid_count || opt->comms.count || opt->cgroups.count;
	int has_target = has_some || opt->all || opt->argv;

	if (!has_target && opt->command == COMMAND_TRACE && !r->tracing) {
		opt->command = COMMAND_LIST;
		return 0;
	}
	if (!has_target)
		strbuf_adds(r->text,
			    "no target: give -p PID, --comm NAME, --cgroup PATH, --all or -- COMMAND "
			    "(apm-bpf alone lists what could be traced)");
	else if (opt->pid_count && opt->argv)
		strbuf_adds(r->text, "give --pid or -- COMMAND, not both");
	else if ((has_some || opt->all) && opt->argv)
		strbuf_adds(r->text,
			    "--comm, --cgroup and --all choose running processes: not with -- COMMAND");
	else if (opt->all && has_some)
		strbuf_adds(r->text, "--all has every process: not with --pid, --comm or --cgroup");
	else if (opt->user && !opt->argv)
		strbuf_adds(r->text, "--user is for -- COMMAND");
	else
		return 0;
	return -EINVAL;
}

static int check(struct reader *r)
{
	struct options *opt = r->opt;

	if (r->command->needs_capture && !opt->capture) {
		strbuf_addf(r->text, "%s needs a CAPTURE, a file written by 'apm-bpf record' or trace -o",
			    r->command->name);
		return -EINVAL;
	}
	if (r->command->needs_capture > 1 && !opt->capture_b) {
		strbuf_addf(r->text, "%s needs two captures, before and after", r->command->name);
		return -EINVAL;
	}
	if (r->command->needs_target && check_target(r))
		return -EINVAL;
	if (r->command->output_missing && !opt->output_path && !opt->folded_path && !opt->dry_run) {
		strbuf_adds(r->text, r->command->output_missing);
		return -EINVAL;
	}
	if (opt->since.kind && opt->since.kind == opt->until.kind && opt->since.ns >= opt->until.ns) {
		strbuf_adds(r->text, "--until is not after --since");
		return -EINVAL;
	}
	if (!opt->events && (opt->system || opt->database || opt->db_user || opt->min_ns ||
			     opt->errors_only || (opt->query_mask && opt->command == COMMAND_REPORT))) {
		strbuf_adds(r->text, "--system, --database, --db-user, --fingerprint, --min-ms and --errors "
				     "choose among --events jsonl");
		return -EINVAL;
	}
	if (r->command->needs_target && !opt->sample_freq && (opt->flame_path || opt->folded_path)) {
		strbuf_adds(r->text, "--flame and --folded need CPU samples: not with --freq 0 or "
				     "APM_PROFILING_ENABLED=false");
		return -EINVAL;
	}
	return 0;
}

static int describe_target(struct options *opt)
{
	struct strbuf target = {0};
	size_t i;

	for (i = 0; i < opt->pid_count; i++)
		strbuf_addf(&target, "%s--pid %d", target.len ? " " : "", (int)opt->pids[i]);
	for (i = 0; i < opt->comms.count; i++)
		strbuf_addf(&target, "%s--comm %s", target.len ? " " : "", opt->comms.name[i]);
	for (i = 0; i < opt->cgroups.count; i++)
		strbuf_addf(&target, "%s--cgroup %s", target.len ? " " : "", opt->cgroups.name[i]);
	if (opt->all)
		strbuf_adds(&target, "--all");
	if (opt->argv)
		strbuf_addf(&target, "-- %s%s", opt->argv[0], opt->argv[1] ? " …" : "");
	opt->target = target.ptr;
	return target.failed ? -ENOMEM : 0;
}

/* --help and --version anywhere before "--" win over everything, also over mistakes. */
static const char *asks_for(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h") || !strcmp(argv[i], "--version"))
			return argv[i];
	return NULL;
}

/* The sub-command, and in *next the first argument after it. -EINVAL for a word that is none. */
static int choose_command(int argc, char **argv, enum command_id *command, int *next, struct strbuf *text)
{
	const char *near;
	int i;

	*command = COMMAND_TRACE;
	*next = 1;
	if (argc < 2 || argv[1][0] == '-')
		return 0;
	for (i = 0; i < COMMAND_COUNT; i++) {
		if (!strcmp(argv[1], command_rows[i].name)) {
			*command = (enum command_id)i;
			*next = 2;
			return 0;
		}
	}
	strbuf_addf(text, "unknown sub-command '%.60s'", argv[1]);
	near = commands_nearest(argv[1]);
	if (near)
		strbuf_addf(text, "; did you mean '%s'?", near);
	else
		strbuf_addf(text, "; to run and trace it: apm-bpf -- %.60s …", argv[1]);
	return -EINVAL;
}

enum options_result options_parse(struct options *opt, int argc, char **argv, struct strbuf *text)
{
	struct reader r = {.opt = opt, .text = text, .argv = argv, .argc = argc};
	enum command_id command;
	const char *asked;
	int err;

	*opt = option_defaults;
	err = choose_command(argc, argv, &command, &r.next, text);
	if (!err && command_rows[command].own_arguments) {
		opt->command = command;
		opt->arg_count = argc - 1;
		opt->args = argv + 1;
		return OPTIONS_RUN;
	}
	asked = asks_for(argc, argv);
	if (asked) {
		strbuf_reset(text);
		if (!strcmp(asked, "--version"))
			strbuf_adds(text, "apm-bpf " APM_VERSION "\n");
		else
			options_help(command, text);
		return text->failed ? OPTIONS_FAILED : OPTIONS_PRINT;
	}
	if (err)
		return OPTIONS_WRONG;

	opt->command = command;
	r.command = &command_rows[command];
	if (r.command->needs_capture)
		opt->slow_ns = opt->unit_gap_ns = opt->slow_request_ns = opt->n_plus_one = 0;
	err = read_environment(opt, text);
	if (!err)
		err = read_arguments(&r);
	if (!err)
		err = check(&r);
	if (!err)
		err = describe_target(opt);
	if (err == -ENOMEM || text->failed)
		return OPTIONS_FAILED;
	return err ? OPTIONS_WRONG : OPTIONS_RUN;
}

void options_free(struct options *opt)
{
	free(opt->pids);
	free(opt->comms.name);
	free(opt->cgroups.name);
	free(opt->also.name);
	free(opt->target);
	for (; opt->span_count; opt->span_count--)
		span_rule_free(&opt->spans[opt->span_count - 1]);
	free(opt->spans);
	*opt = (struct options){0};
}
