/* SPDX-License-Identifier: BSD-2-Clause */
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "report/format.h"

static enum log_level log_level = LOG_LEVEL_INFO;
static int log_color;
static struct strbuf status; /* the status line now on the screen; empty = none */

#define PREFIX "apm-bpf: "

void log_setup(enum log_level level, int color)
{
	log_level = level;
	log_color = color;
}

int log_enabled(enum log_level level)
{
	return level <= log_level;
}

/* One write, so that lines of several processes on one terminal do not mix. A stderr that is
 * gone is no reason to stop. */
static void put(const struct strbuf *buf)
{
	size_t done = 0;

	while (!buf->failed && done < buf->len) {
		ssize_t n = write(STDERR_FILENO, buf->ptr + done, buf->len - done);

		if (n <= 0)
			return;
		done += (size_t)n;
	}
}

/* Foreign text must not begin a line of its own: line breaks and tabs become spaces. */
static void add_one_line(struct strbuf *out, struct str text)
{
	size_t start = out->len, i;

	while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == ' '))
		text.len--;
	strbuf_add_clean(out, text, 1);
	if (out->failed)
		return;
	for (i = start; i < out->len; i++)
		if (out->ptr[i] == '\n' || out->ptr[i] == '\t')
			out->ptr[i] = ' ';
}

/* Blanks over the status line: works on every terminal, also on those without escape sequences. */
static void clear_status(struct strbuf *out)
{
	if (status.len)
		strbuf_addf(out, "\r%*s\r", (int)format_columns(status.ptr, status.len), "");
}

static void emit(const char *sgr, const char *tag, const char *fmt, va_list ap)
{
	struct strbuf line = {0};
	char *text = NULL;
	int len = vasprintf(&text, fmt, ap);

	if (len < 0)
		return;
	clear_status(&line);
	strbuf_adds(&line, PREFIX);
	if (tag && log_color)
		strbuf_addf(&line, "\033[%sm%s\033[0m ", sgr, tag);
	else if (tag)
		strbuf_addf(&line, "%s ", tag);
	add_one_line(&line, (struct str){text, (size_t)len});
	strbuf_addc(&line, '\n');
	if (status.len)
		strbuf_add(&line, status.ptr, status.len);
	put(&line);
	strbuf_free(&line);
	free(text);
}

void log_message(enum log_level level, const char *fmt, va_list ap)
{
	if (log_enabled(level))
		emit(NULL, NULL, fmt, ap);
}

#define DEFINE_LOG(name, level)              \
	void name(const char *fmt, ...)      \
	{                                    \
		va_list ap;                  \
                                             \
		va_start(ap, fmt);           \
		log_message(level, fmt, ap); \
		va_end(ap);                  \
	}

DEFINE_LOG(log_error, LOG_LEVEL_ERROR)
DEFINE_LOG(log_warn, LOG_LEVEL_WARN)
DEFINE_LOG(log_info, LOG_LEVEL_INFO)
DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG)

void log_tagged(enum log_level level, const char *sgr, const char *tag, const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	emit(sgr, tag, fmt, ap);
	va_end(ap);
}

void log_status(const char *line)
{
	struct strbuf out = {0};

	if (!line && !status.len)
		return;
	clear_status(&out);
	strbuf_reset(&status);
	if (line)
		add_one_line(&status, str_from(line));
	if (status.len)
		strbuf_add(&out, status.ptr, status.len);
	put(&out);
	strbuf_free(&out);
	if (!line)
		strbuf_free(&status);
}
