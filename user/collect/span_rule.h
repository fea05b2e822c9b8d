/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What --span says: BINARY:FUNCTION[@ARG…], or BINARY:PROVIDER:NAME[@ARG…] for a static probe (USDT).
 * docs/spans.md describes the syntax for users. Reading it touches no file.
 */
#ifndef APM_COLLECT_SPAN_RULE_H
#define APM_COLLECT_SPAN_RULE_H

#include <stddef.h>
#include <stdint.h>

#include "abi/span.h"
#include "base/str.h"
#include "record.h"

#define SPAN_NAME_MAX 32

/* How a value is read. */
struct value_type {
	const char *name; /* "i32", "str" … */
	uint8_t size;	  /* bytes; 0 = an int if it fits one */
	uint8_t is_signed;
	uint8_t is_text;
};

struct span_argument {
	unsigned int number; /* from 1 */
	const struct value_type *type;
	char name[SPAN_NAME_MAX];
};

struct span_rule {
	const char *text;	      /* as given */
	char *binary, *function;      /* FUNCTION is NULL for a static probe */
	char *provider, *begin, *end; /* of a static probe; end is NULL where its name follows from begin */
	char name[160];		      /* for the report */
	uint8_t work;		      /* enum rec_span_work */
	struct span_argument arg[APM_SPAN_ARGS];
	size_t arg_count;
	struct span_argument match; /* number 0 = none */
	char match_text[APM_SPAN_TEXT];
	int64_t match_number;
	const struct value_type *ret_type; /* never NULL */
	uint8_t error_test;		   /* enum rec_span_test */
	int64_t error_value;
	char ret_name[SPAN_NAME_MAX]; /* the return value as a figure; empty = not asked for */
};

/*
 * Reads `text`, which must outlive the rule. 0; -EINVAL with a sentence (without prefix) in err; -ENOMEM.
 * Free with span_rule_free() in any case.
 */
int span_rule_parse(struct span_rule *rule, const char *text, struct strbuf *err);
void span_rule_free(struct span_rule *rule);

#endif
