/* SPDX-License-Identifier: BSD-2-Clause */
/* Names and texts of SQLite result codes. */
#ifndef APM_SQLITE_CODES_H
#define APM_SQLITE_CODES_H

#include <stdint.h>

/*
 * The name of an extended result code ("SQLITE_CONSTRAINT_UNIQUE" for 2067), of its primary code when the
 * extension is not known, or "SQLITE_UNKNOWN". Source: https://www.sqlite.org/rescode.html.
 */
const char *sqlite_code_name(int32_t code);

/*
 * The standard English text of a result code, by its primary code ("database is locked" for SQLITE_BUSY), as
 * SQLite says it where the connection has no message of its own. Source: what sqlite3_errstr() answers
 * (https://www.sqlite.org/c3ref/errcode.html). Never NULL.
 */
const char *sqlite_code_text(int32_t code);

#endif
