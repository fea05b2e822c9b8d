/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/span_rule.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENTS_MAX 12 /* of a static probe (sys/sdt.h) */

static const struct value_type types[] = {
	{"int", 0, 1, 0}, {"i8", 1, 1, 0},   {"i16", 2, 1, 0},	{"i32", 4, 1, 0}, {"i64", 8, 1, 0},
	{"u8", 1, 0, 0},  {"u16", 2, 0, 0},  {"u32", 4, 0, 0},	{"u64", 8, 0, 0}, {"bool", 1, 0, 0},
	{"ptr", 8, 0, 0}, {"long", 8, 1, 0}, {"size", 8, 0, 0}, {"str", 8, 0, 1},
};

static const struct {
	const char *word;
	uint8_t test;
} tests[] = {
	/* longer ones first */
	{"==", REC_SPAN_TEST_EQ}, {"!=", REC_SPAN_TEST_NE}, {"<=", REC_SPAN_TEST_LE},
	{">=", REC_SPAN_TEST_GE}, {"<", REC_SPAN_TEST_LT},  {">", REC_SPAN_TEST_GT},
};

static const char *const works[] = {[REC_SPAN_REQUEST] = "request",
				    [REC_SPAN_BACKGROUND] = "background",
				    [REC_SPAN_SCHEDULED] = "scheduled"};

static const struct value_type *type_named(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strlen(types[i].name) == len && !memcmp(types[i].name, name, len))
			return &types[i];
	return NULL;
}

static int wrong(struct strbuf *err, const char *item, const char *what)
{
	strbuf_addf(err, "'@%.80s': %s", item, what);
	return -EINVAL;
}

/* A whole number, also 0x…, with a sign or "null". */
static int read_number(const char *text, int64_t *out)
{
	char *end;

	if (!strcmp(text, "null") || !strcmp(text, "NULL") || !strcmp(text, "nil")) {
		*out = 0;
		return 0;
	}
	if (!isdigit((unsigned char)*text) && *text != '-')
		return -EINVAL;
	errno = 0;
	*out = strtoll(text, &end, 0);
	if (errno == ERANGE && *text != '-') {
		errno = 0;
		*out = (int64_t)strtoull(text, &end, 0);
	}
	return errno || *end || end == text ? -EINVAL : 0;
}

static int read_name(const char *text, size_t len, char out[SPAN_NAME_MAX])
{
	size_t i;

	if (!len || len >= SPAN_NAME_MAX)
		return -EINVAL;
	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("_.-", text[i]))
			return -EINVAL;
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}

/*
 * What stands between "arg1" or "ret" and a comparison: ":TYPE", ":NAME", ":TYPE:NAME" or nothing. *end is
 * where it stops.
 */
static int read_type_and_name(const char *text, struct span_argument *arg, const char **end)
{
	arg->type = &types[0];
	arg->name[0] = '\0';
	while (*text == ':') {
		size_t len = strcspn(text + 1, ":=!<>");
		const struct value_type *type =
			arg->type == &types[0] && !arg->name[0] ? type_named(text + 1, len) : NULL;

		if (type)
			arg->type = type;
		else if (arg->name[0] || read_name(text + 1, len, arg->name))
			return -EINVAL;
		text += 1 + len;
	}
	*end = text;
	return 0;
}

static int read_ret(struct span_rule *rule, const char *item, struct strbuf *err)
{
	struct span_argument ret;
	const char *at;
	size_t i;

	if (rule->provider)
		return wrong(err, item, "a static probe has no return value");
	if (read_type_and_name(item + 3, &ret, &at))
		return wrong(err, item,
			     "after ret come a type (i32, i64, ptr, bool …), a name, or a comparison");
	if (ret.type->is_text)
		return wrong(err, item, "a returned text cannot be kept");
	rule->ret_type = ret.type;
	if (!*at) {
		if (!ret.name[0])
			snprintf(ret.name, sizeof(ret.name), "ret");
		memcpy(rule->ret_name, ret.name, sizeof(rule->ret_name));
		return 0;
	}
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		size_t len = strlen(tests[i].word);

		if (strncmp(at, tests[i].word, len))
			continue;
		if (ret.name[0] || read_number(at + len, &rule->error_value))
			break;
		rule->error_test = tests[i].test;
		return 0;
	}
	return wrong(err, item, "what makes a call an error is written @ret<0, @ret!=0, @ret==null …");
}

static int read_match(struct span_rule *rule, const char *item, const struct span_argument *arg,
		      const char *value, struct strbuf *err)
{
	if (rule->match.number)
		return wrong(err, item, "one comparison of an argument is possible");
	if (arg->name[0])
		return wrong(err, item, "an argument is compared or kept under a name; give both apart");
	rule->match = *arg;
	if (arg->type->is_text) {
		if (strlen(value) >= sizeof(rule->match_text))
			return wrong(err, item, "the text to compare with is too long (63 bytes)");
		memcpy(rule->match_text, value, strlen(value));
		return 0;
	}
	if (read_number(value, &rule->match_number))
		return wrong(err, item, "compared with a number; a text is compared as @argN:str=TEXT");
	return 0;
}

static int read_arg(struct span_rule *rule, const char *item, struct strbuf *err)
{
	struct span_argument arg = {0};
	const char *at = item + 3;
	char *end;

	if (!isdigit((unsigned char)*at))
		return wrong(err, item, "an argument is arg1, arg2 …");
	arg.number = (unsigned int)strtoul(at, &end, 10);
	if (arg.number < 1 || arg.number > ARGUMENTS_MAX)
		return wrong(err, item, "arguments are numbered from 1 to 12");
	if (read_type_and_name(end, &arg, &at))
		return wrong(err, item, "after argN come a type (i32, u64, str …) and a name, or =VALUE");
	if (*at == '=')
		return read_match(rule, item, &arg, at + (at[1] == '=' ? 2 : 1), err);
	if (*at)
		return wrong(err, item, "an argument is only compared with =");
	if (rule->arg_count == APM_SPAN_ARGS)
		return wrong(err, item, "four arguments can be kept");
	if (!arg.name[0])
		snprintf(arg.name, sizeof(arg.name), "arg%u", arg.number);
	rule->arg[rule->arg_count++] = arg;
	return 0;
}

static int read_item(struct span_rule *rule, const char *item, struct strbuf *err)
{
	size_t i;

	for (i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		if (works[i] && !strcmp(item, works[i])) {
			rule->work = (uint8_t)i;
			return 0;
		}
	}
	if (!strncmp(item, "arg", 3))
		return read_arg(rule, item, err);
	if (!strncmp(item, "ret", 3))
		return read_ret(rule, item, err);
	return wrong(err, item, "not understood: argN, ret, request, background or scheduled come after @");
}

/* The ':' that ends a provider's name: one that stands alone, unlike that of C++ names. */
static char *lone_colon(char *text)
{
	for (; *text; text++) {
		if (*text != ':')
			continue;
		if (text[1] != ':')
			return text;
		text++;
	}
	return NULL;
}

static int read_place(struct span_rule *rule, char *place, struct strbuf *err)
{
	char *colon = strchr(place, ':'), *name, *lone, *range;

	if (!colon || colon == place || !colon[1]) {
		strbuf_adds(err,
			    "is written BINARY:FUNCTION[@ARG…], or BINARY:PROVIDER:NAME[@ARG…] for a static "
			    "probe");
		return -EINVAL;
	}
	name = colon + 1;
	rule->binary = strndup(place, (size_t)(colon - place));
	lone = lone_colon(name);
	if (!lone) {
		rule->function = strdup(name);
		return rule->binary && rule->function ? 0 : -ENOMEM;
	}
	if (lone == name || !lone[1]) {
		strbuf_adds(err, "a static probe is written BINARY:PROVIDER:NAME");
		return -EINVAL;
	}
	range = strstr(lone + 1, "..");
	rule->provider = strndup(name, (size_t)(lone - name));
	rule->begin = range ? strndup(lone + 1, (size_t)(range - lone - 1)) : strdup(lone + 1);
	rule->end = range ? strdup(range + 2) : NULL;
	return rule->binary && rule->provider && rule->begin && (!range || rule->end) ? 0 : -ENOMEM;
}

static void make_name(struct span_rule *rule)
{
	int len = rule->function
			  ? snprintf(rule->name, sizeof(rule->name), "%s", rule->function)
			  : snprintf(rule->name, sizeof(rule->name), "%s:%s", rule->provider, rule->begin);

	if (len < 0 || (size_t)len >= sizeof(rule->name))
		return;
	if (rule->match.number && rule->match.type->is_text)
		snprintf(rule->name + len, sizeof(rule->name) - (size_t)len, "(%s)", rule->match_text);
	else if (rule->match.number)
		snprintf(rule->name + len, sizeof(rule->name) - (size_t)len, "(%lld)",
			 (long long)rule->match_number);
}

int span_rule_parse(struct span_rule *rule, const char *text, struct strbuf *err)
{
	char *copy = strdup(text), *item, *next;
	int ret;

	*rule = (struct span_rule){.text = text, .ret_type = &types[0], .work = REC_SPAN_REQUEST};
	if (!copy)
		return -ENOMEM;
	next = strchr(copy, '@');
	if (next)
		*next++ = '\0';
	ret = read_place(rule, copy, err);
	while (!ret && next) {
		item = next;
		next = strchr(item, '@');
		if (next)
			*next++ = '\0';
		ret = read_item(rule, item, err);
	}
	if (!ret)
		make_name(rule);
	free(copy);
	return ret;
}

void span_rule_free(struct span_rule *rule)
{
	free(rule->binary);
	free(rule->function);
	free(rule->provider);
	free(rule->begin);
	free(rule->end);
	*rule = (struct span_rule){0};
}
