/* SPDX-License-Identifier: BSD-2-Clause */
/* A Redis command as text: its name and a pattern of its key, in which no value is left. Pure. */
#ifndef APM_REDIS_COMMAND_H
#define APM_REDIS_COMMAND_H

#include "sql/sql.h"

/*
 * text[0..len) is a command's name, or its name and first key as the protocol has them:
 * "GET\r\n$6\r\nuser:1". The pattern is "GET user:?": numbers, runs of eight and more hex digits and UUIDs
 * become "?", and so does a part of the key (between : / | { } and spaces) that is longer than 40 bytes or
 * has anything but letters, digits, - _ . in it. Works like sql_analyse(): results in buf[0..cap), which
 * sql_buffer_size(len) is always enough for, and *out; 0 or -ENOBUFS. Any bytes are accepted.
 */
int redis_command_analyse(const char *text, size_t len, const struct sql_options *opt, char *buf, size_t cap,
			  struct sql_info *out);

/* The code that an error message of Redis begins with ("WRONGTYPE Operation against …"),
 * empty when there is none. */
struct str redis_error_code(struct str message);

#endif
