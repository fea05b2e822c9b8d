/* SPDX-License-Identifier: BSD-2-Clause */
/* Parsers of option values: text to a field of struct options, or a sentence about what is wrong. */
#include "options_table.h"

#include "detect/detect.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NS_PER_MS 1e6
#define NS_PER_S  1e9

static void *field_of(const struct option_row *row, struct options *opt)
{
	return (char *)opt + row->offset;
}

/* Quotes what the user typed, shortened. */
static void not_this(struct strbuf *err, const char *text)
{
	size_t len = strlen(text);

	if (!len) {
		strbuf_adds(err, ", not an empty value");
		return;
	}
	strbuf_adds(err, ", not '");
	strbuf_add(err, text, len < 60 ? len : 60);
	strbuf_adds(err, len < 60 ? "'" : "…'");
}

/* Digits only: no sign, no space, no base prefix. */
static int read_u64(const char *text, uint64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return *end || errno ? -EINVAL : 0;
}

/* A decimal number without sign, exponent or locale: "0.5"; *end is where it stops. */
static int read_decimal(const char *text, double *out, const char **end)
{
	double value = 0, unit = 1;
	int digits = 0;

	for (; isdigit((unsigned char)*text); text++, digits++)
		value = value * 10 + (*text - '0');
	if (*text == '.')
		for (text++; isdigit((unsigned char)*text); text++, digits++)
			value += (*text - '0') * (unit /= 10);
	*out = value;
	*end = text;
	return digits ? 0 : -EINVAL;
}

int option_flag(const struct option_row *row, const char *label, const char *text, struct options *opt,
		struct strbuf *err)
{
	*(int *)field_of(row, opt) = 1;
	return 0;
}

int option_count(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err)
{
	uint64_t value;

	if (read_u64(text, &value) || value < row->min || value > row->max) {
		strbuf_addf(err, "%s takes a number from %llu to %llu", label, (unsigned long long)row->min,
			    (unsigned long long)row->max);
		not_this(err, text);
		return -EINVAL;
	}
	*(uint32_t *)field_of(row, opt) = (uint32_t)value;
	return 0;
}

int option_power(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err)
{
	uint64_t value;

	if (read_u64(text, &value) || value < row->min || value > row->max || (value & (value - 1))) {
		strbuf_addf(err, "%s takes a power of two from %llu to %llu", label,
			    (unsigned long long)row->min, (unsigned long long)row->max);
		not_this(err, text);
		return -EINVAL;
	}
	*(uint32_t *)field_of(row, opt) = (uint32_t)value;
	return 0;
}

int option_ms(const struct option_row *row, const char *label, const char *text, struct options *opt,
	      struct strbuf *err)
{
	const char *end;
	double ms;

	if (read_decimal(text, &ms, &end) || *end || ms * NS_PER_MS < (double)row->min ||
	    ms * NS_PER_MS > (double)row->max) {
		strbuf_addf(err, "%s takes milliseconds from %.15g to %.15g", label,
			    (double)row->min / NS_PER_MS, (double)row->max / NS_PER_MS);
		not_this(err, text);
		return -EINVAL;
	}
	*(uint64_t *)field_of(row, opt) = (uint64_t)llround(ms * NS_PER_MS);
	return 0;
}

int option_duration(const struct option_row *row, const char *label, const char *text, struct options *opt,
		    struct strbuf *err)
{
	static const struct {
		const char *suffix;
		double seconds;
	} units[] = {{"", 1}, {"s", 1}, {"ms", 0.001}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};
	double value, ns = -1;
	const char *end;
	size_t i;

	if (!read_decimal(text, &value, &end))
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (!strcmp(end, units[i].suffix))
				ns = value * units[i].seconds * NS_PER_S;
	if (!(ns >= (double)row->min && ns <= (double)row->max)) {
		strbuf_addf(err, "%s takes a time from %.15gs to %.15gd such as 10, 10s or 2m", label,
			    (double)row->min / NS_PER_S, (double)row->max / NS_PER_S / 86400);
		not_this(err, text);
		return -EINVAL;
	}
	*(uint64_t *)field_of(row, opt) = (uint64_t)llround(ns);
	return 0;
}

int option_string(const struct option_row *row, const char *label, const char *text, struct options *opt,
		  struct strbuf *err)
{
	if (!*text) {
		strbuf_addf(err, "%s takes a %s, not an empty value", label, row->value);
		return -EINVAL;
	}
	*(const char **)field_of(row, opt) = text;
	return 0;
}

#define NAME_MAX_BYTES 255

int option_name(const struct option_row *row, const char *label, const char *text, struct options *opt,
		struct strbuf *err)
{
	const char *p;

	for (p = text; *p && !iscntrl((unsigned char)*p); p++)
		;
	if (*p || p - text > NAME_MAX_BYTES) {
		strbuf_addf(err, "%s takes a name of at most %d bytes without control characters", label,
			    NAME_MAX_BYTES);
		return -EINVAL;
	}
	*(const char **)field_of(row, opt) = text;
	return 0;
}

static int read_bool(const char *text, int *out)
{
	static const struct {
		const char *word;
		int value;
	} words[] = {{"true", 1},  {"1", 1}, {"yes", 1}, {"on", 1},
		     {"false", 0}, {"0", 0}, {"no", 0},	 {"off", 0}};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcasecmp(text, words[i].word)) {
			*out = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

int option_bool(const struct option_row *row, const char *label, const char *text, struct options *opt,
		struct strbuf *err)
{
	if (read_bool(text, field_of(row, opt))) {
		strbuf_addf(err, "%s takes true or false", label);
		not_this(err, text);
		return -EINVAL;
	}
	return 0;
}

int option_profiling(const struct option_row *row, const char *label, const char *text, struct options *opt,
		     struct strbuf *err)
{
	int on;

	if (read_bool(text, &on)) {
		strbuf_addf(err, "%s takes true or false", label);
		not_this(err, text);
		return -EINVAL;
	}
	if (!on)
		*(uint32_t *)field_of(row, opt) = 0;
	return 0;
}

int option_pid(const struct option_row *row, const char *label, const char *text, struct options *opt,
	       struct strbuf *err)
{
	uint64_t value;
	pid_t *pids;
	size_t i;

	if (read_u64(text, &value) || value < row->min || value > row->max) {
		strbuf_addf(err, "%s takes a process number from %llu to %llu", label,
			    (unsigned long long)row->min, (unsigned long long)row->max);
		not_this(err, text);
		return -EINVAL;
	}
	for (i = 0; i < opt->pid_count; i++)
		if (opt->pids[i] == (pid_t)value)
			return 0;
	pids = realloc(opt->pids, (opt->pid_count + 1) * sizeof(*pids));
	if (!pids)
		return -ENOMEM;
	opt->pids = pids;
	opt->pids[opt->pid_count++] = (pid_t)value;
	return 0;
}

/* A name more in a list; row->max = at most so many. */
int option_names(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err)
{
	struct name_list *list = field_of(row, opt);
	const char **name;
	size_t i;

	if (!*text) {
		strbuf_addf(err, "%s takes a %s, not an empty value", label, row->value);
		return -EINVAL;
	}
	for (i = 0; i < list->count; i++)
		if (!strcmp(list->name[i], text))
			return 0;
	if (list->count >= row->max) {
		strbuf_addf(err, "%s can be given %llu times at most", label, (unsigned long long)row->max);
		return -EINVAL;
	}
	name = realloc(list->name, (list->count + 1) * sizeof(*name));
	if (!name)
		return -ENOMEM;
	list->name = name;
	list->name[list->count++] = text;
	return 0;
}

/* A unit of work more; row->max = at most so many. */
int option_span(const struct option_row *row, const char *label, const char *text, struct options *opt,
		struct strbuf *err)
{
	struct span_rule *rules;
	int ret;

	if (opt->span_count >= row->max) {
		strbuf_addf(err, "%s can be given %llu times at most", label, (unsigned long long)row->max);
		return -EINVAL;
	}
	rules = realloc(opt->spans, (opt->span_count + 1) * sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	opt->spans = rules;
	strbuf_addf(err, "%s ", label);
	ret = span_rule_parse(&rules[opt->span_count++], text, err);
	if (!ret)
		strbuf_reset(err);
	return ret;
}

int option_fail_on(const struct option_row *row, const char *label, const char *text, struct options *opt,
		   struct strbuf *err)
{
	enum severity severity = SEVERITY_INFO;

	if (opt->command == COMMAND_DIFF) {
		if (strcmp(text, "regression") != 0) {
			strbuf_addf(err, "%s takes regression", label);
			not_this(err, text);
			return -EINVAL;
		}
	} else if (severity_parse(text, &severity)) {
		strbuf_addf(err, "%s takes info, low, medium, high or critical", label);
		not_this(err, text);
		return -EINVAL;
	}
	*(int *)field_of(row, opt) = (int)severity;
	return 0;
}

int option_percent(const struct option_row *row, const char *label, const char *text, struct options *opt,
		   struct strbuf *err)
{
	const char *end;
	double percent;

	if (read_decimal(text, &percent, &end) || (*end && strcmp(end, "%") != 0) ||
	    percent < (double)row->min || percent > (double)row->max) {
		strbuf_addf(err, "%s takes a percentage from %llu to %llu", label,
			    (unsigned long long)row->min, (unsigned long long)row->max);
		not_this(err, text);
		return -EINVAL;
	}
	*(double *)field_of(row, opt) = percent / 100;
	return 0;
}

int option_share(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err)
{
	const char *end;
	double share;

	if (read_decimal(text, &share, &end) || *end || share > 1) {
		strbuf_addf(err, "%s takes a share from 0 to 1", label);
		not_this(err, text);
		return -EINVAL;
	}
	*(double *)field_of(row, opt) = share;
	return 0;
}

int option_detector(const struct option_row *row, const char *label, const char *text, struct options *opt,
		    struct strbuf *err)
{
	const char *gap = "";
	size_t i;

	for (i = 0; detectors[i].name; i++) {
		if (detectors[i].on_request && !strcmp(detectors[i].name, text))
			return option_names(row, label, text, opt, err);
	}
	strbuf_addf(err, "%s takes the name of a detector that is off by default: ", label);
	for (i = 0; detectors[i].name; i++) {
		if (detectors[i].on_request) {
			strbuf_addf(err, "%s%s", gap, detectors[i].name);
			gap = ", ";
		}
	}
	not_this(err, text);
	return -EINVAL;
}

int option_color(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err)
{
	static const char *const words[] = {
		[COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never"};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(text, words[i])) {
			*(enum color_when *)field_of(row, opt) = (enum color_when)i;
			return 0;
		}
	}
	strbuf_addf(err, "%s takes auto, always or never", label);
	not_this(err, text);
	return -EINVAL;
}

int option_query(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err)
{
	size_t len = strlen(text), i;
	uint64_t value = 0;

	for (i = 0; i < len && isxdigit((unsigned char)text[i]); i++)
		value = value << 4 |
			(uint64_t)(isdigit((unsigned char)text[i]) ? text[i] - '0'
								   : (text[i] | 0x20) - 'a' + 10);
	if (i < len || len < row->min || len > row->max) {
		strbuf_addf(err, "%s takes a query id of %llu to %llu hex digits, as the report prints it",
			    label, (unsigned long long)row->min, (unsigned long long)row->max);
		not_this(err, text);
		return -EINVAL;
	}
	opt->query = value << (64 - 4 * len);
	opt->query_mask = ~0ULL << (64 - 4 * len);
	return 0;
}

/* Two decimal digits and what follows them. -1 = they are none. */
static int two_digits(const char **text)
{
	int value;

	if (!isdigit((unsigned char)(*text)[0]) || !isdigit((unsigned char)(*text)[1]))
		return -1;
	value = ((*text)[0] - '0') * 10 + (*text)[1] - '0';
	*text += 2;
	return value;
}

/* RFC 3339, 5.6: "2026-01-31T12:00:00.5+01:00"; a blank may stand for the T. */
static int read_rfc3339(const char *text, uint64_t *realtime_ns)
{
	int part[6], zone[2] = {0, 0}, sign = 1, century = two_digits(&text), i;
	double fraction = 0;
	struct tm tm = {0};
	time_t seconds;

	for (i = 0; i < 6; i++) {
		if (i && !strchr(i < 3 ? "-" : i == 3 ? "Tt " : ":", *text))
			return -EINVAL;
		text += i != 0 && *text;
		part[i] = two_digits(&text);
		if (part[i] < 0)
			return -EINVAL;
	}
	if (*text == '.' && read_decimal(text, &fraction, &text))
		return -EINVAL;
	if (*text == '+' || *text == '-') {
		sign = *text++ == '-' ? -1 : 1;
		zone[0] = two_digits(&text);
		if (zone[0] < 0 || *text++ != ':')
			return -EINVAL;
		zone[1] = two_digits(&text);
	} else if (*text++ != 'Z') {
		return -EINVAL;
	}
	tm.tm_year = century * 100 + part[0] - 1900;
	tm.tm_mon = part[1] - 1;
	tm.tm_mday = part[2];
	tm.tm_hour = part[3];
	tm.tm_min = part[4];
	tm.tm_sec = part[5];
	if (century < 0 || zone[0] < 0 || zone[1] < 0 || *text || part[1] < 1 || part[1] > 12 ||
	    part[2] < 1 || part[2] > 31 || part[3] > 23 || part[4] > 59 || part[5] > 60)
		return -EINVAL;
	seconds = timegm(&tm) - sign * (zone[0] * 60 + zone[1]) * 60;
	if (seconds < 0)
		return -EINVAL;
	*realtime_ns = (uint64_t)seconds * 1000000000 + (uint64_t)llround(fraction * 1e9);
	return 0;
}

int option_moment(const struct option_row *row, const char *label, const char *text, struct options *opt,
		  struct strbuf *err)
{
	struct moment *moment = field_of(row, opt);
	const char *end;
	double seconds;

	if (!read_decimal(text, &seconds, &end) && (!*end || !strcmp(end, "s")) && seconds < 1e9) {
		moment->kind = MOMENT_FROM_START;
		moment->ns = (uint64_t)llround(seconds * NS_PER_S);
		return 0;
	}
	if (!read_rfc3339(text, &moment->ns)) {
		moment->kind = MOMENT_REALTIME;
		return 0;
	}
	strbuf_addf(err, "%s takes seconds from the start, or a time such as 2026-01-31T12:00:00Z", label);
	not_this(err, text);
	return -EINVAL;
}

int option_events(const struct option_row *row, const char *label, const char *text, struct options *opt,
		  struct strbuf *err)
{
	if (strcmp(text, "jsonl") != 0) {
		strbuf_addf(err, "%s takes jsonl", label);
		not_this(err, text);
		return -EINVAL;
	}
	*(int *)field_of(row, opt) = 1;
	return 0;
}

int option_json(const struct option_row *row, const char *label, const char *text, struct options *opt,
		struct strbuf *err)
{
	*(const char **)field_of(row, opt) = "json";
	return 0;
}

int option_format(const struct option_row *row, const char *label, const char *text, struct options *opt,
		  struct strbuf *err)
{
	static const char *const formats[] = {"text", "json", "markdown", "html"};
	size_t i;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (!strcmp(text, formats[i])) {
			*(const char **)field_of(row, opt) = formats[i];
			return 0;
		}
	}
	strbuf_addf(err, "%s takes text, json, markdown or html", label);
	not_this(err, text);
	return -EINVAL;
}

int option_quiet(const struct option_row *row, const char *label, const char *text, struct options *opt,
		 struct strbuf *err)
{
	*(enum log_level *)field_of(row, opt) = LOG_LEVEL_ERROR;
	return 0;
}

int option_verbose(const struct option_row *row, const char *label, const char *text, struct options *opt,
		   struct strbuf *err)
{
	*(enum log_level *)field_of(row, opt) = LOG_LEVEL_DEBUG;
	return 0;
}
