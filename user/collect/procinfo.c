/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/procinfo.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_DIGITS 64

void procinfo_comm(const char *stat, char *out, size_t size)
{
	const char *open = strchr(stat, '('), *close = strrchr(stat, ')');

	*out = 0;
	if (open && close && close > open)
		snprintf(out, size, "%.*s", (int)(close - open - 1), open + 1);
}

uint64_t procinfo_stat(const char *stat, int n)
{
	const char *p = strrchr(stat, ')'); /* the name before it may hold anything */

	for (int i = 2; p && i < n; i++) {
		p = strchr(p, ' ');
		if (p)
			p++;
	}
	return p && n > 2 ? strtoull(p, NULL, 10) : 0;
}

long procinfo_status(const char *status, const char *key, int last)
{
	size_t len = strlen(key);
	const char *p = status;
	long value = -1;

	while (strncmp(p, key, len)) {
		p = strchr(p, '\n');
		if (!p)
			return -1;
		p++;
	}
	p += len;
	for (;;) {
		char *end;
		long v;

		p += strspn(p, " \t");
		if (!isdigit((unsigned char)*p))
			return value;
		v = strtol(p, &end, 10);
		value = v;
		p = end;
		if (!last)
			return value;
	}
}

static char *container_id(const char *text)
{
	size_t run = 0;

	for (const char *p = text; *p; p++) {
		run = isxdigit((unsigned char)*p) ? run + 1 : 0;
		if (run == ID_DIGITS)
			return strndup(p - (ID_DIGITS - 1), 12);
	}
	return NULL;
}

static char *container_name(const char *text)
{
	static const char *const mark[] = {"/lxc.payload.", "/lxc/", "/machine.slice/machine-"};

	for (size_t i = 0; i < sizeof(mark) / sizeof(*mark); i++) {
		const char *p = strstr(text, mark[i]);
		size_t len;

		if (!p)
			continue;
		p += strlen(mark[i]);
		len = strcspn(p, "/\n");
		if (len > 6 && !strncmp(p + len - 6, ".scope", 6))
			len -= 6;
		if (len)
			return strndup(p, len);
	}
	return NULL;
}

char *procinfo_container(const char *cgroup)
{
	char *id = container_id(cgroup);

	return id ? id : container_name(cgroup);
}

/* Single-letter options of interpreters that are followed by a value, by code, and by
 * the script or module itself. */
static const struct interpreter {
	const char *name;
	const char *with_value;
	const char *with_code;
	const char *with_script;
} interpreters[] = {
	{"python", "WX", "c", "m"},  {"ruby", "IrEC", "e", ""}, {"perl", "I", "eE", ""},
	{"php", "cdz", "rBRE", "f"}, {"node", "r", "ep", ""},	{"bash", "O", "c", ""},
	{"sh", "o", "c", ""},	     {"dash", "o", "c", ""},
};

/* By its file's name, with or without a version: python3.11 */
static const struct interpreter *find_interpreter(const char *exe)
{
	const char *base = strrchr(exe, '/');

	base = base ? base + 1 : exe;
	for (size_t i = 0; i < sizeof(interpreters) / sizeof(*interpreters); i++) {
		size_t len = strlen(interpreters[i].name);

		if (!strncmp(base, interpreters[i].name, len) &&
		    !base[len + strspn(base + len, "0123456789.")])
			return &interpreters[i];
	}
	return NULL;
}

/* The argument that begins at p. */
static struct str argument(const char *p, const char *end)
{
	return p < end ? (struct str){p, strnlen(p, (size_t)(end - p))} : (struct str){0};
}

/*
 * Whether code follows (-c, -e, also among other letters as in -lane, --eval). In doubt yes: a script not
 * named is better than a secret shown.
 */
static int is_code_option(const struct interpreter *in, struct str arg)
{
	static const char *const word[] = {"--eval", "--print", "--run", "--execute"};

	for (size_t i = 0; i < sizeof(word) / sizeof(*word); i++) {
		if (arg.len >= strlen(word[i]) && !memcmp(arg.ptr, word[i], strlen(word[i])))
			return 1;
	}
	for (size_t i = 1; arg.ptr[1] != '-' && i < arg.len; i++) {
		if (strchr(in->with_code, arg.ptr[i]))
			return 1;
	}
	return 0;
}

struct str procinfo_script(const char *exe, const char *args, size_t len)
{
	const struct interpreter *in = find_interpreter(exe);
	const char *end = args + len, *p = args;
	struct str arg = argument(p, end);

	if (!in)
		return (struct str){0};
	for (p += arg.len + 1; p < end; p += arg.len + 1) {
		arg = argument(p, end);
		if (!arg.len || arg.ptr[0] != '-')
			return arg;
		if (arg.len == 1)
			break; /* from standard input */
		if (is_code_option(in, arg))
			break;
		if (arg.len == 2 && strchr(in->with_script, arg.ptr[1]))
			return argument(p + 3, end);
		if (arg.len == 2 && strchr(in->with_value, arg.ptr[1])) {
			p += 3;
			arg = argument(p, end);
		}
	}
	return (struct str){0};
}
