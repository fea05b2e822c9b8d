/* SPDX-License-Identifier: BSD-2-Clause */
/* Command lines, parsed as the program parses its own. */
#ifndef TESTS_UNIT_COMMAND_LINE_H
#define TESTS_UNIT_COMMAND_LINE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options_table.h"

#define ARGS_MAX 64

struct parsed {
	struct options opt;
	struct strbuf text;
	enum options_result result;
	char line[512];
	char *argv[ARGS_MAX];
};

/* Parses a line cut at blanks; `''` stands for an empty argument. */
static inline struct parsed *parse(const char *line)
{
	struct parsed *p = calloc(1, sizeof(*p));
	int argc = 0;
	char *word, *save = NULL;

	assert_non_null(p);
	snprintf(p->line, sizeof(p->line), "apm-bpf %s", line);
	for (word = strtok_r(p->line, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(argc < ARGS_MAX - 1);
		p->argv[argc++] = strcmp(word, "''") != 0 ? word : word + 2;
	}
	p->result = options_parse(&p->opt, argc, p->argv, &p->text);
	return p;
}

static inline void done(struct parsed *p)
{
	options_free(&p->opt);
	strbuf_free(&p->text);
	free(p);
}

/* Accepted, or the test says why not. */
static inline struct parsed *accepted(const char *line)
{
	struct parsed *p = parse(line);

	if (p->result != OPTIONS_RUN)
		fail_msg("'%s' was refused: %s", line, p->text.ptr ? p->text.ptr : "");
	return p;
}

static inline void refused(const char *line, const char *says)
{
	struct parsed *p = parse(line);

	if (p->result != OPTIONS_WRONG)
		fail_msg("'%s' was not refused", line);
	if (!strstr(p->text.ptr, says))
		fail_msg("'%s' says '%s', not '%s'", line, p->text.ptr, says);
	assert_null(strchr(p->text.ptr, '\n'));
	done(p);
}

static inline int no_environment(void **state)
{
	size_t i;

	for (i = 0; i < option_row_count; i++)
		if (option_rows[i].env)
			unsetenv(option_rows[i].env);
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	return 0;
}

#endif
