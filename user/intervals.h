/* SPDX-License-Identifier: BSD-2-Clause */
/* --interval: a line on stdout per interval of event time while statements come
 * in, for people, pipes, cron. */
#ifndef APM_INTERVALS_H
#define APM_INTERVALS_H

#include "options.h"
#include "record.h"
#include "txn/span.h"

struct intervals;

/* NULL with the reason logged. */
struct intervals *intervals_new(const struct options *opt);
void intervals_free(struct intervals *v); /* accepts NULL */

/* Each statement when it has been counted. 0 or -ENOMEM. */
int intervals_statement(struct intervals *v, const struct statement *stmt);
/* Each record, after the analysis has seen it: texts name queries, and time passes. 0 or -ENOMEM. */
int intervals_record(struct intervals *v, const struct record *rec);
/* Writes the last interval, which may be shorter. 0, or -errno with the reason logged. */
int intervals_end(struct intervals *v);

#endif
