/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two runs compared. Nothing is called changed because two numbers differ: each figure has an interval made
 * of how much it varied within its run, all intervals together hold with probability 1 - DIFF_ALPHA
 * (Bonferroni), and a change must be large enough to matter. docs/diff.md explains the method.
 */
#ifndef APM_DIFF_COMPARE_H
#define APM_DIFF_COMPARE_H

#include "diff/interval.h"
#include "diff/noise.h"
#include "diff/observe.h"
#include "report/model.h"

#define DIFF_ALPHA 0.01

enum diff_change { DIFF_UNTESTED = 0, DIFF_SAME, DIFF_BETTER, DIFF_WORSE };
const char *diff_change_name(enum diff_change change); /* "untested", "same", "better", "worse" */

/* A difference with its interval: of ratios as a fraction (0.05 = 5 % more), of others absolute. */
struct diff_figure {
	enum diff_change change;
	double a, b; /* both runs' values */
	struct interval difference;
};

struct diff_query {
	uint64_t fingerprint;
	const struct report_query *a, *b; /* NULL = not executed in that run */
	struct diff_figure fastest;	  /* duration: of the fastest tenth the longest, ns; ratio */
	struct diff_figure typical;	  /* duration: geometric mean, ns; ratio */
	struct diff_figure average;	  /* arithmetic mean, the same; not judged: a busy machine moves it */
	struct diff_figure failed;	  /* share of executions; absolute */
};

/* Executions of a statement in each unit of some sort. */
struct diff_calls {
	const struct observed_unit *unit;
	const struct report_query *query;
	struct diff_figure calls; /* absolute */
};

struct diff_unit {
	const struct observed_unit *a, *b;    /* in both runs */
	struct diff_figure duration, db_time; /* ns; ratio */
	struct diff_figure statements;	      /* absolute */
};

struct diff_side {
	const struct report *report;
	struct observation *observation;
};

struct diff_options {
	double min_effect; /* smallest change that matters, as a fraction */
};

struct diff {
	struct diff_side a, b;
	struct diff_options options;
	REPORT_LIST(diff_query) queries; /* of either run, most time in either first */
	REPORT_LIST(diff_calls) calls;	 /* tested ones */
	REPORT_LIST(diff_unit) units;
	const struct report_finding **resolved, **appeared;
	size_t resolved_count, appeared_count;
	size_t tests;	      /* intervals made */
	uint64_t floor_ns;    /* differences per execution below this are the tracer's own */
	size_t worse, better; /* figures that changed */
};

/*
 * Compares. The result points into both sides. NULL with errno on ENOMEM. Reports must hold all their rows.
 */
struct diff *diff_new(const struct diff_side *a, const struct diff_side *b,
		      const struct diff_options *options);
void diff_free(struct diff *d); /* accepts NULL */

/* Whether a query takes another time: worse where one figure is. */
enum diff_change diff_latency(const struct diff_query *q);

/* "regression", "improvement", "no change", or "not comparable" when nothing was executed often enough. */
const char *diff_verdict(const struct diff *d);

/* Writers: 0 or -ENOMEM. */
int diff_text(const struct diff *d, const struct report_style *style, struct strbuf *out);
int diff_json(const struct diff *d, struct strbuf *out);

#endif
