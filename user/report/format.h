/* SPDX-License-Identifier: BSD-2-Clause */
/* Figures and foreign text as people read them on a terminal. */
#ifndef APM_REPORT_FORMAT_H
#define APM_REPORT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "report/model.h"

/* Three digits and a unit. A result is valid until the eighth call of these functions
 * after it, in the same thread. */
const char *format_count(uint64_t n);			 /* "9999", "12.3 k", "1.23 M" */
const char *format_time(uint64_t ns);			 /* "850 ns", "1.23 ms", "12.3 s", "2 m 03 s" */
const char *format_percent(double fraction);		 /* "45 %", "1.2 %", "<0.1 %" */
const char *format_id(uint64_t fingerprint, int digits); /* its first hex digits */

/* Display columns of s[0..len), which is UTF-8. */
size_t format_columns(const char *s, size_t len);

/*
 * The most bytes of s[0..len) that fit into `columns`, ending before a blank where there is one after the
 * first quarter, but not between a number and its unit.
 */
size_t format_fitting(const char *s, size_t len, size_t columns);

/*
 * Appends foreign text on one line: cleaned (strbuf_add_clean), white space runs as one blank, none at the
 * ends, without characters that reorder the line. NULL appends nothing.
 */
void format_line(struct strbuf *out, const char *s);
/* The same cut at a word to `columns`, with "…" when something is missing. */
void format_line_cut(struct strbuf *out, const char *s, size_t columns);

/* Parameters of the terminal's colour sequence (ECMA-48 SGR), such as "1;31". */
const char *format_severity_sgr(enum severity severity);

#endif
