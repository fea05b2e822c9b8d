/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one door to stderr. Each message is one line with the prefix "apm-bpf: ", free of terminal escapes and
 * control characters whatever foreign text it quotes. A status line (progress) may stand below the messages
 * on a terminal: it is cleared before a message and drawn again after it.
 */
#ifndef APM_LOG_H
#define APM_LOG_H

#include <stdarg.h>

enum log_level {
	LOG_LEVEL_ERROR = 0,
	LOG_LEVEL_WARN = 1,
	LOG_LEVEL_INFO = 2, /* default */
	LOG_LEVEL_DEBUG = 3,
};

/* Messages above `level` are dropped. `color`: escape sequences of our own may be written to stderr. */
void log_setup(enum log_level level, int color);
int log_enabled(enum log_level level);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_message(enum log_level level, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* A message that begins with `tag` in colour `sgr` ("1;31"). */
void log_tagged(enum log_level level, const char *sgr, const char *tag, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Shows `line` as the status line (stderr must be a terminal; the caller cuts it to
 * the width); NULL removes it. */
void log_status(const char *line);

#endif
