/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pure half of the program: records in, report out. It joins statements with their texts (txn/session),
 * cuts units of work (txn/units), keeps statistics per fingerprint (txn/stats), runs the detectors (detect/)
 * and fills the report. Time comes from the records alone, so that a replay gives the same report as the live
 * run.
 */
#ifndef APM_ANALYSIS_H
#define APM_ANALYSIS_H

#include "record.h"
#include "report/model.h"
#include "txn/unit.h"

struct analysis_options {
	uint64_t slow_ns;	  /* 0 = as recorded in REC_META */
	uint64_t unit_gap_ns;	  /* 0 = as recorded */
	uint32_t n_plus_one;	  /* 0 = as recorded */
	uint64_t slow_request_ns; /* 0 = as recorded */
	uint64_t memory_kb;	  /* 0 = as recorded */
	const char *const *also;  /* detectors that are off by default */
	size_t also_count;
	uint32_t top; /* length of the report's lists: at least this many where there are as many */
	/* Called once for each finding as soon as it is certain (live mode's stderr lines); may be NULL. */
	void (*on_finding)(const struct report_finding *finding, void *arg);
	/* Called for each sample with its fingerprint (0 = outside a statement) and resolved
	 * frames, root first; may be NULL. */
	void (*on_stack)(uint64_t fingerprint, uint64_t weight_ns, uint64_t count, const char *const *frames,
			 size_t frame_count, void *arg);
	/* Called for each statement and each unit as they are counted; may be NULL. 0 or -ENOMEM. */
	int (*on_statement)(const struct statement *stmt, void *arg);
	int (*on_unit)(const struct unit *unit, void *arg);
	void *arg;
};

struct analysis;

struct analysis *analysis_new(const struct analysis_options *opt); /* NULL with errno */
void analysis_free(struct analysis *a);				   /* accepts NULL */

/* A record_fn: arg is the struct analysis. 0 or -ENOMEM. */
int analysis_feed(const struct record *rec, void *arg);

/* Live figures for the progress line. */
struct analysis_progress {
	uint64_t statements, errors, findings, lost;
	uint64_t now_ns; /* latest event time, CLOCK_MONOTONIC */
};
void analysis_progress(const struct analysis *a, struct analysis_progress *out);

/*
 * The report as it would be if the trace ended now, but for what is still open. It belongs to `a` and is valid
 * until the next call that takes a record. NULL with errno on ENOMEM.
 */
const struct report *analysis_snapshot(struct analysis *a);

/*
 * Ends the analysis: closes open units and statements, runs the detectors' last pass. The report belongs to
 * `a` and lives as long. `truncated`: the stream had no REC_END. NULL with errno on ENOMEM. Call once.
 */
const struct report *analysis_finish(struct analysis *a, int truncated);

#endif
