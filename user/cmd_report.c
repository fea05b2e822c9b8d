/* SPDX-License-Identifier: BSD-2-Clause */
/* report and flame: what a capture tells, without root and without the traced program. */
#include <inttypes.h>
#include <string.h>

#include "analysis.h"
#include "cmd.h"
#include "events.h"
#include "intervals.h"
#include "log.h"
#include "output.h"
#include "replay.h"

#define STACKS_MAX 65536

/* Samples of a replay: those of one query, or all. */
struct collected {
	const struct options *opt;
	struct analysis *analysis;
	struct stacks *stacks;	     /* NULL = not wanted */
	struct intervals *intervals; /* NULL = not wanted */
	uint64_t samples;	     /* in the capture, of all queries */
	int failed;
};

static int collect_statement(const struct statement *stmt, void *arg)
{
	struct collected *c = arg;

	return c->intervals ? intervals_statement(c->intervals, stmt) : 0;
}

static int collect_record(const struct record *rec, void *arg)
{
	struct collected *c = arg;
	int err = analysis_feed(rec, c->analysis);

	return err || !c->intervals ? err : intervals_record(c->intervals, rec);
}

static void collect_stack(uint64_t fingerprint, uint64_t weight_ns, uint64_t count, const char *const *frames,
			  size_t frame_count, void *arg)
{
	struct collected *c = arg;

	c->samples += count;
	if (c->opt->query_mask && (!fingerprint || (fingerprint & c->opt->query_mask) != c->opt->query))
		return;
	if (stacks_add(c->stacks, frames, frame_count, count))
		c->failed = 1;
}

/* Reads the capture into a report that belongs to c->analysis. NULL when that
 * failed, with the reason logged. */
static const struct report *replay(const struct options *opt, struct collected *c)
{
	const struct analysis_options how = {
		.slow_ns = opt->slow_ns,
		.also = opt->also.name,
		.also_count = opt->also.count,
		.unit_gap_ns = opt->unit_gap_ns,
		.n_plus_one = opt->n_plus_one,
		.slow_request_ns = opt->slow_request_ns,
		.memory_kb = (uint64_t)opt->memory_mb * 1024,
		.top = opt->top,
		.on_stack = c->stacks ? collect_stack : NULL,
		.on_statement = collect_statement,
		.arg = c,
	};
	const struct report *r = NULL;
	int whole;

	c->analysis = analysis_new(&how);
	if (!c->analysis) {
		log_error("out of memory");
		return NULL;
	}
	if (replay_capture(opt->capture, opt, collect_record, c, &whole))
		return NULL;
	r = analysis_finish(c->analysis, !whole);
	if (!r || c->failed) {
		log_error("out of memory");
		return NULL;
	}
	if (c->intervals && intervals_end(c->intervals))
		return NULL;
	return r;
}

static int run(const struct options *opt, int wants_stacks,
	       int (*finish)(const struct options *opt, const struct report *r, const struct collected *c))
{
	struct collected c = {.opt = opt};
	const struct report *r = NULL;
	int status = EXIT_STATUS_FAILED;

	if (output_check(opt))
		goto out;
	if (wants_stacks) {
		c.stacks = stacks_new(STACKS_MAX);
		if (!c.stacks) {
			log_error("out of memory");
			goto out;
		}
	}
	if (opt->interval_ns && !(c.intervals = intervals_new(opt)))
		goto out;
	r = replay(opt, &c);
	if (r)
		status = finish(opt, r, &c);
out:
	stacks_free(c.stacks);
	intervals_free(c.intervals);
	analysis_free(c.analysis);
	return status;
}

static int finish_report(const struct options *opt, const struct report *r, const struct collected *c)
{
	return output_report(opt, r, c->stacks);
}

int cmd_report(const struct options *opt)
{
	if (opt->events)
		return events_print(opt);
	return run(opt, output_wants_stacks(opt), finish_report);
}

/* ---- flame ---- */

static const struct report_query *find_query(const struct options *opt, const struct report *r)
{
	size_t i;

	for (i = 0; opt->query_mask && i < r->queries.count; i++)
		if ((r->queries.item[i].fingerprint & opt->query_mask) == opt->query)
			return &r->queries.item[i];
	return NULL;
}

static int finish_flame(const struct options *opt, const struct report *r, const struct collected *c)
{
	const struct report_query *query = find_query(opt, r);
	struct strbuf subtitle = {0};
	struct flame_options flame = {.title = r->target ? r->target : opt->capture, .unit = "samples"};
	uint64_t total = stacks_total(c->stacks);
	int failed = 0;

	if (!c->samples) {
		log_error("%s holds no CPU samples: it was recorded with --freq 0, or the target used no CPU",
			  opt->capture);
		return EXIT_STATUS_FAILED;
	}
	if (!total) {
		log_error("no CPU sample of %s fell into that query (%" PRIu64
			  " samples in all): 'apm-bpf report' lists the queries",
			  opt->capture, c->samples);
		return EXIT_STATUS_FAILED;
	}
	if (query)
		flame.title = query->query;
	strbuf_addf(&subtitle, "%" PRIu64 " of %" PRIu64 " CPU samples at %u Hz", total, c->samples,
		    r->sample_freq);
	flame.subtitle = subtitle.failed ? NULL : subtitle.ptr;
	if (opt->output_path)
		failed |= output_svg(opt->output_path, c->stacks, &flame);
	if (opt->folded_path)
		failed |= output_folded(opt->folded_path, c->stacks);
	strbuf_free(&subtitle);
	return failed ? EXIT_STATUS_FAILED : EXIT_STATUS_OK;
}

int cmd_flame(const struct options *opt)
{
	return run(opt, 1, finish_flame);
}
