/* SPDX-License-Identifier: BSD-2-Clause */
/* The help text, made from the tables, and "did you mean". */
#include "options_table.h"

#include <string.h>

static const char *const group_titles[GROUP_COUNT] = {
	[GROUP_TARGET] = "Target",	  [GROUP_PART] = "Which part of the capture",
	[GROUP_FINDINGS] = "What counts", [GROUP_COLLECT] = "What is collected",
	[GROUP_OUTPUT] = "Output",	  [GROUP_MORE] = "More",
};

#define HELP_COLUMN  26
#define MORE_COLUMN  28 /* the longest names are among them */
#define USAGE_COLUMN 50
#define LINE_COLUMNS 80

/* Columns of text that holds no wide characters. */
static size_t columns(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void pad(struct strbuf *out, size_t have, size_t want)
{
	for (; have < want; have++)
		strbuf_addc(out, ' ');
}

static void help_row(const struct option_row *row, size_t column, struct strbuf *out)
{
	size_t start = out->len;

	if (row->letter)
		strbuf_addf(out, "  -%c, ", row->letter);
	else
		strbuf_adds(out, "      ");
	strbuf_addf(out, "--%s", row->name);
	if (row->value)
		strbuf_addf(out, " %s", row->value);
	strbuf_addc(out, ' ');
	pad(out, out->len - start, column);
	strbuf_addf(out, "%s\n", row->help);
}

/* The options of the groups before `end`. */
static void help_options(enum command_id command, int end, struct strbuf *out)
{
	int group;
	size_t i;

	for (group = 0; group < end; group++) {
		int titled = 0;

		for (i = 0; i < option_row_count; i++) {
			const struct option_row *row = &option_rows[i];

			if (row->group != (enum option_group)group || !(row->commands & 1u << command) ||
			    !row->help)
				continue;
			if (!titled)
				strbuf_addf(out, "%s\n", group_titles[group]);
			titled = 1;
			help_row(row, group == GROUP_MORE ? MORE_COLUMN : HELP_COLUMN, out);
		}
	}
}

/* The variables that the command reads, as many on a line as fit. */
static void help_variables(enum command_id command, struct strbuf *out)
{
	size_t at = 0, len, i;

	strbuf_adds(out, "Variables (options win; sudo -E keeps them)\n");
	for (i = 0; i < option_row_count; i++) {
		if (!option_rows[i].env || !(option_rows[i].commands & 1u << command))
			continue;
		len = columns(option_rows[i].env);
		if (at && at + 1 + len > LINE_COLUMNS) {
			strbuf_addc(out, '\n');
			at = 0;
		}
		strbuf_addf(out, "%s%s", at ? " " : "  ", option_rows[i].env);
		at += len + (at ? 1 : 2);
	}
	strbuf_addc(out, '\n');
}

static void help_program(struct strbuf *out)
{
	int i;

	strbuf_adds(out, "apm-bpf " APM_VERSION
			 ": which SQL of a running program is slow, and where its N+1s are\n");
	for (i = 0; i < COMMAND_COUNT; i++) {
		const struct command_row *row = &command_rows[i];

		strbuf_addf(out, "  apm-bpf %s %s", row->name, row->usage);
		pad(out, columns("  apm-bpf  ") + columns(row->name) + columns(row->usage), USAGE_COLUMN);
		strbuf_addf(out, "%s\n", row->help);
	}
	help_options(COMMAND_TRACE, GROUP_MORE, out);
	strbuf_adds(out, "      --version, --help   Examples: sudo apm-bpf --comm web --flame web.svg\n"
			 "More options, variables APM_… (options win; sudo -E keeps them): record --help\n");
}

void options_help(enum command_id command, struct strbuf *out)
{
	const struct command_row *row = &command_rows[command];

	if (command == COMMAND_TRACE) {
		help_program(out);
		return;
	}
	strbuf_addf(out, "usage: apm-bpf %s [OPTION…]%s%s\n%s\n", row->name, *row->usage ? " " : "",
		    row->usage, row->about);
	help_options(command, GROUP_COUNT, out);
	if (command == COMMAND_RECORD)
		help_variables(command, out);
	if (command == COMMAND_DIFF)
		strbuf_adds(
			out,
			"--fail-on takes regression: exit 3 when a figure got worse. --json writes JSON.\n");
	if (row->needs_capture)
		strbuf_adds(
			out,
			"Thresholds are those of the recording unless given; CAPTURE - is standard input.\n");
	if (row->example)
		strbuf_addf(out, "Example\n  %s\n", row->example);
}

/* ---- did you mean ---- */

#define NAME_LIMIT 40

/* Edits (insert, delete, replace, swap neighbours) from a to b; names of NAME_LIMIT bytes
 * and more are far from all. */
static int distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), i, j;
	int d[NAME_LIMIT + 1][NAME_LIMIT + 1];

	if (la > NAME_LIMIT || lb > NAME_LIMIT)
		return NAME_LIMIT;
	for (i = 0; i <= la; i++)
		d[i][0] = (int)i;
	for (j = 0; j <= lb; j++)
		d[0][j] = (int)j;
	for (i = 1; i <= la; i++) {
		for (j = 1; j <= lb; j++) {
			int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

/* How far `typed` is from `name`: 0 = a beginning or an end of it. */
static int farness(const char *typed, const char *name)
{
	size_t lt = strlen(typed), ln = strlen(name);

	if (lt >= 3 && lt < ln && (!strncmp(typed, name, lt) || !strcmp(typed, name + ln - lt)))
		return 0;
	return distance(typed, name);
}

/* A name is near when at most a third of what was typed is wrong. */
static int near_enough(int far, const char *typed)
{
	return far <= (int)(strlen(typed) + 2) / 3 && far <= 3;
}

const char *options_nearest(const char *name, uint32_t commands)
{
	const char *best = NULL;
	int best_far = NAME_LIMIT;
	size_t i;

	for (i = 0; i < option_row_count; i++) {
		int far;

		if (!option_rows[i].name || !(option_rows[i].commands & commands))
			continue;
		far = farness(name, option_rows[i].name);
		if (far < best_far) {
			best_far = far;
			best = option_rows[i].name;
		}
	}
	return near_enough(best_far, name) ? best : NULL;
}

const char *commands_nearest(const char *name)
{
	const char *best = NULL;
	int best_far = NAME_LIMIT, i;

	for (i = 0; i < COMMAND_COUNT; i++) {
		int far = farness(name, command_rows[i].name);

		if (far < best_far) {
			best_far = far;
			best = command_rows[i].name;
		}
	}
	return near_enough(best_far, name) ? best : NULL;
}
