/* SPDX-License-Identifier: BSD-2-Clause */
/* Writers of the report: one file each, listed in report.c. */
#ifndef APM_REPORT_REPORT_H
#define APM_REPORT_REPORT_H

#include "base/str.h"
#include "report/model.h"

struct report_writer {
	const char *name; /* "text", "json", "markdown", "html" */
	/* Appends the report, which is valid UTF-8 whatever the report's strings hold. 0 or -ENOMEM. */
	int (*write)(const struct report *r, const struct report_style *style, struct strbuf *out);
};

/* NULL when there is no writer of that name. */
const struct report_writer *report_writer_find(const char *name);

/* The writers, for the table alone. */
int report_text(const struct report *r, const struct report_style *style, struct strbuf *out);
int report_json(const struct report *r, const struct report_style *style, struct strbuf *out);
int report_markdown(const struct report *r, const struct report_style *style, struct strbuf *out);
int report_html(const struct report *r, const struct report_style *style, struct strbuf *out);

/* Whether a counter counts something that is not in the figures (all but plain activity counters). */
int report_is_loss(enum apm_counter counter);

/* Appends CLOCK_REALTIME ns as RFC 3339 in UTC: "2026-01-31T12:00:00Z", with `fraction`
 * "2026-01-31T12:00:00.123456789Z". */
void report_add_timestamp(struct strbuf *out, uint64_t realtime_ns, int fraction);

/*
 * Appends, for a capture of another normaliser, how its queries are grouped (one sentence, no newline). 1; 0
 * when there is nothing to say.
 */
int report_add_grouping(const struct report *r, struct strbuf *out);

#endif
