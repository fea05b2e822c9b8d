/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report's tables as data, for the writers that print all of them alike (markdown, html). Cells are plain
 * text that may hold any foreign bytes: the writer cleans and escapes them.
 */
#ifndef APM_REPORT_TABLES_H
#define APM_REPORT_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "report/model.h"

enum cell_kind {
	CELL_TEXT = 0,
	CELL_NUMBER, /* a figure with its unit: to be set right */
	CELL_CODE,   /* SQL, names of functions and files */
	CELL_ID,     /* 16 hex digits of the query that this row is about, or "-" */
	CELL_LINK,   /* the same for a query with a row of its own elsewhere */
};

struct table_column {
	const char *title;
	enum cell_kind kind;
	void (*cell)(const struct report *r, size_t row, struct strbuf *out);
};

#define SPREAD_POINTS 5 /* minimum, p50, p95, p99, maximum */

struct report_table {
	const char *id; /* a word, unique */
	const char *title;
	const char *note; /* what the order is, or what the rows mean; NULL = nothing to say */
	size_t (*rows)(const struct report *r);
	const struct table_column *column;
	size_t columns;
	/* Where a row's times lie, for writers that can draw; NULL = no such thing. */
	void (*spread)(const struct report *r, size_t row, uint64_t points[SPREAD_POINTS]);
};

extern const struct report_table report_tables[];
extern const size_t report_table_count;

/* The summary: one line each. An empty text means that there is nothing to say. */
struct report_fact {
	const char *label;
	void (*text)(const struct report *r, struct strbuf *out);
};

extern const struct report_fact report_facts[];
extern const size_t report_fact_count;

/* Appends what keeps the figures from being the whole truth, one sentence a line; nothing when they are. */
void report_add_warnings(const struct report *r, struct strbuf *out);
/* How it was in the last minute, beside the whole of a longer run; nothing for a shorter one. */
void report_add_recent(const struct report *r, struct strbuf *out);
/* Appends "2.30 s, 46 % of all database time; would save about 2.07 s", nothing
 * when the finding has no cost. */
void report_add_cost(const struct report *r, const struct report_finding *f, struct strbuf *out);
/* Appends "3 findings in 1246 statements over 10.0 s" or what else there is to say first. */
void report_add_headline(const struct report *r, struct strbuf *out);

#endif
