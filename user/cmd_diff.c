/* SPDX-License-Identifier: BSD-2-Clause */
/* diff: what changed between two captures. */
#include <errno.h>
#include <string.h>

#include "analysis.h"
#include "cmd.h"
#include "diff/compare.h"
#include "log.h"
#include "output.h"
#include "replay.h"

#define STACKS_MAX 65536

struct side {
	struct observation *observation;
	struct stacks *stacks; /* NULL = not wanted */
	struct analysis *analysis;
	const struct report *report;
	int failed;
};

static int on_statement(const struct statement *stmt, void *arg)
{
	return observation_statement(((struct side *)arg)->observation, stmt);
}

static int on_unit(const struct unit *unit, void *arg)
{
	return observation_unit(((struct side *)arg)->observation, unit);
}

static void on_stack(uint64_t fingerprint, uint64_t weight_ns, uint64_t count, const char *const *frames,
		     size_t frame_count, void *arg)
{
	struct side *s = arg;

	if (stacks_add(s->stacks, frames, frame_count, count))
		s->failed = 1;
}

static int out_of_memory(void)
{
	log_error("out of memory");
	return -ENOMEM;
}

static int read_side(const struct options *opt, const char *path, int wants_stacks, struct side *s)
{
	const struct analysis_options how = {
		.slow_ns = opt->slow_ns,
		.unit_gap_ns = opt->unit_gap_ns,
		.n_plus_one = opt->n_plus_one,
		.slow_request_ns = opt->slow_request_ns,
		.memory_kb = (uint64_t)opt->memory_mb * 1024,
		.top = UINT32_MAX,
		.on_stack = wants_stacks ? on_stack : NULL,
		.on_statement = on_statement,
		.on_unit = on_unit,
		.arg = s,
	};
	int whole, err;

	s->observation = observation_new();
	s->stacks = wants_stacks ? stacks_new(STACKS_MAX) : NULL;
	s->analysis = analysis_new(&how);
	if (!s->observation || !s->analysis || (wants_stacks && !s->stacks))
		return out_of_memory();
	err = replay_capture(path, opt, analysis_feed, s->analysis, &whole);
	if (err)
		return err;
	s->report = analysis_finish(s->analysis, !whole);
	if (!s->report || s->failed)
		return out_of_memory();
	observation_end(s->observation);
	return 0;
}

static void free_side(struct side *s)
{
	analysis_free(s->analysis);
	stacks_free(s->stacks);
	observation_free(s->observation);
}

static int print(const struct options *opt, const struct diff *d)
{
	struct strbuf text = {0};
	int fd = output_open(opt->report_path), err;
	struct report_style style = {.top = opt->top,
				     .color = fd >= 0 && output_color(opt, fd),
				     .whole = opt->log_level >= LOG_LEVEL_DEBUG};

	if (fd < 0)
		return fd;
	err = strcmp(opt->format, "json") != 0 ? diff_text(d, &style, &text) : diff_json(d, &text);
	if (err)
		out_of_memory();
	else
		err = output_write(fd, opt->report_path, &text);
	if (output_close(fd, opt->report_path))
		err = -EIO;
	strbuf_free(&text);
	return err == -EPIPE ? 0 : err;
}

static int draw(const struct options *opt, const struct side *a, const struct side *b)
{
	struct flame_options flame = {.title = "CPU profile of B, coloured by the change since A",
				      .subtitle = "red: a larger share than before, blue: a smaller one",
				      .unit = "samples",
				      .before = a->stacks};
	int failed = 0;

	if (opt->folded_path)
		failed |= output_folded_diff(opt->folded_path, a->stacks, b->stacks);
	if (opt->flame_path)
		failed |= output_svg(opt->flame_path, b->stacks, &flame);
	return failed;
}

static int compare(const struct options *opt, const struct side *a, const struct side *b)
{
	const struct diff_options how = {.min_effect = opt->min_effect};
	struct diff *d;
	int status = EXIT_STATUS_OK;

	if (a->report->normaliser_version != b->report->normaliser_version)
		log_warn("the captures were made by versions that group queries differently (%u and %u): a "
			 "query may appear as gone and as new",
			 a->report->normaliser_version, b->report->normaliser_version);
	d = diff_new(&(struct diff_side){a->report, a->observation},
		     &(struct diff_side){b->report, b->observation}, &how);
	if (!d) {
		out_of_memory();
		return EXIT_STATUS_FAILED;
	}
	if (print(opt, d) || draw(opt, a, b))
		status = EXIT_STATUS_FAILED;
	else if (opt->fail_on != OPTIONS_NO_FAIL_ON && d->worse)
		status = EXIT_STATUS_FINDINGS;
	diff_free(d);
	return status;
}

int cmd_diff(const struct options *opt)
{
	int wants_stacks = opt->flame_path || opt->folded_path, status = EXIT_STATUS_FAILED;
	struct side a = {0}, b = {0};

	if (!output_check(opt) && !read_side(opt, opt->capture, wants_stacks, &a) &&
	    !read_side(opt, opt->capture_b, wants_stacks, &b))
		status = compare(opt, &a, &b);
	free_side(&a);
	free_side(&b);
	return status;
}
