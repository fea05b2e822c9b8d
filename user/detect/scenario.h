/* SPDX-License-Identifier: BSD-2-Clause */
/* A span described by words (kind and text) to a struct statement, and its text to
 * what the detectors look up. */
#ifndef APM_DETECT_SCENARIO_H
#define APM_DETECT_SCENARIO_H

#include "record.h"
#include "txn/span.h"

/* The type that a span's kind means ("", "db" and "db.sql.query": SPAN_DB). */
enum span_type scenario_type(struct str kind);

/* The fingerprint of a shape. */
uint64_t scenario_fingerprint(struct str shape);

/*
 * The shape of a cache command or a request: what differs from one key, number or identifier to the next
 * becomes `*`
 * ("GET user:17" and "GET user:*", "GET /books/8?page=2" and "GET /books/\*?page=*"). Appends to out.
 */
void scenario_shape(struct strbuf *out, struct str text);

/* enum sql_kind of a cache command (single reads and writes) or a request;
 * SQL_KIND_OTHER for all that is neither. */
enum sql_kind scenario_kind(enum span_type type, struct str text);

#endif
