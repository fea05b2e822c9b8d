/* SPDX-License-Identifier: BSD-2-Clause */
/* Scenarios of `apm-bpf detect --jsonl`: a JSON object to thresholds and statements. */
#ifndef APM_SCENARIO_INPUT_H
#define APM_SCENARIO_INPUT_H

#include <jansson.h>

#include "detect/detect.h"
#include "txn/stats.h"

/*
 * A number of the object times `unit`; `otherwise` where there is none, or none that makes sense.
 */
uint64_t scenario_number(const json_t *object, const char *key, double unit, uint64_t otherwise);
struct str scenario_text(const json_t *object, const char *key); /* empty = none */

/* The defaults, and what the scenario says of them ("threshold", "min_total_us" …, "settings"). */
void scenario_thresholds(const json_t *scenario, struct detect_options *out);
/* Whether the scenario names the detector. */
int scenario_names(const json_t *scenario, const char *detector);

/* A span as the detectors see it. */
struct scenario_span {
	struct statement stmt;
	uint64_t tx;  /* 0 = none */
	int has_conn; /* else stmt.conn is for the caller to fill */
};

struct scenario_reader {
	struct stats *texts; /* what the fingerprints mean, for the detectors' words */
	enum sql_dialect dialect;
	int pool, churn; /* pool_saturation, connection_churn are asked for */
	uint64_t end_ns; /* of the span before: where one begins that says nothing of it */
	struct strbuf scratch;
	char *buf; /* for sql_analyse() */
	size_t cap;
};

/* 0, -ENOMEM, or -EINVAL: `span` is no object. Call in the order of the spans; `number` counts them. */
int scenario_read_span(struct scenario_reader *r, const json_t *span, size_t number,
		       struct scenario_span *out);
void scenario_reader_free(struct scenario_reader *r);

#endif
