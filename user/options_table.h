/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables behind options.h: for options*.c and their tests only. */
#ifndef APM_OPTIONS_TABLE_H
#define APM_OPTIONS_TABLE_H

#include "options.h"

#define COMMAND_BIT(id) (1u << COMMAND_##id)

struct option_row;

/*
 * Reads `text` into the field at row->offset of *opt. `label` is how the user wrote it ("--top",
 * "APM_ENABLED"). Returns 0; -EINVAL with a sentence in err; -ENOMEM.
 */
typedef int (*option_parse_fn)(const struct option_row *row, const char *label, const char *text,
			       struct options *opt, struct strbuf *err);

enum option_group {
	GROUP_TARGET = 0,
	GROUP_PART,
	GROUP_FINDINGS,
	GROUP_COLLECT,
	GROUP_OUTPUT,
	GROUP_MORE,
	GROUP_COUNT
};

/* One setting: a flag, a variable, or a flag that a variable can set too. */
struct option_row {
	const char *name;  /* long name; NULL = variable only */
	char letter;	   /* 0 = none */
	const char *value; /* placeholder of its value; NULL = takes none */
	const char *env;   /* variable that sets it where a target is traced; NULL = none */
	option_parse_fn parse;
	size_t offset;
	uint64_t min, max; /* inclusive, in the unit of the field */
	uint32_t commands; /* COMMAND_BIT()s that take it */
	enum option_group group;
	const char *help; /* NULL = not listed */
};

struct command_row {
	const char *name;
	const char *usage; /* what follows the name */
	const char *help;  /* in the program's help */
	const char *about; /* in its own: what it does, in lines; NULL = parses its arguments itself */
	int own_arguments; /* parses its arguments itself */
	int needs_capture; /* how many */
	int needs_target;
	const char *output_missing; /* sentence when -o is missing; NULL = -o is optional or not taken */
	const char *example;
};

extern const struct option_row option_rows[];
extern const size_t option_row_count;
extern const struct command_row command_rows[COMMAND_COUNT];
extern const struct options option_defaults;

/* Value parsers: options_value.c */
int option_flag(const struct option_row *row, const char *label, const char *text, struct options *opt,
		struct strbuf *err);
int option_count(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err);
int option_power(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err);
int option_ms(const struct option_row *row, const char *label, const char *text, struct options *opt,
	      struct strbuf *err);
int option_duration(const struct option_row *row, const char *label, const char *text, struct options *opt,
		    struct strbuf *err);
int option_string(const struct option_row *row, const char *label, const char *text, struct options *opt,
		  struct strbuf *err);
int option_name(const struct option_row *row, const char *label, const char *text, struct options *opt,
		struct strbuf *err);
int option_bool(const struct option_row *row, const char *label, const char *text, struct options *opt,
		struct strbuf *err);
int option_profiling(const struct option_row *row, const char *label, const char *text, struct options *opt,
		     struct strbuf *err);
int option_pid(const struct option_row *row, const char *label, const char *text, struct options *opt,
	       struct strbuf *err);
int option_fail_on(const struct option_row *row, const char *label, const char *text, struct options *opt,
		   struct strbuf *err);
int option_percent(const struct option_row *row, const char *label, const char *text, struct options *opt,
		   struct strbuf *err);
int option_share(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err);
int option_detector(const struct option_row *row, const char *label, const char *text, struct options *opt,
		    struct strbuf *err);
int option_names(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err);
int option_span(const struct option_row *row, const char *label, const char *text, struct options *opt,
		struct strbuf *err);
int option_color(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err);
int option_query(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err);
int option_json(const struct option_row *row, const char *label, const char *text, struct options *opt,
		struct strbuf *err);
int option_format(const struct option_row *row, const char *label, const char *text, struct options *opt,
		  struct strbuf *err);
int option_moment(const struct option_row *row, const char *label, const char *text, struct options *opt,
		  struct strbuf *err);
int option_events(const struct option_row *row, const char *label, const char *text, struct options *opt,
		  struct strbuf *err);
int option_quiet(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err);
int option_verbose(const struct option_row *row, const char *label, const char *text, struct options *opt,
		   struct strbuf *err);

/* Help text of a command (COMMAND_TRACE: of the program). options_help.c */
void options_help(enum command_id command, struct strbuf *out);
/* The row or command whose name is nearest to `name`, NULL when none is near. */
const char *options_nearest(const char *name, uint32_t commands);
const char *commands_nearest(const char *name);

#endif
