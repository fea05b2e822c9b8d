/* SPDX-License-Identifier: BSD-2-Clause */
#include "pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "analysis.h"
#include "capture.h"
#include "collect/collect.h"
#include "collect/arm.h"
#include "collect/select.h"
#include "enrich.h"
#include "intervals.h"
#include "log.h"
#include "overhead.h"
#include "progress.h"
#include "sql/sql.h"
#include "usage.h"

#define STACKS_MAX     65536
#define SCREEN_QUERIES 1000	     /* to sort and filter among */
#define HEARTBEAT_NS   1000000000ULL /* loss counters, and the capture's buffer to disk */
#define WATERMARK_NS   100000000ULL

struct pipeline {
	const struct options *opt;
	struct selection select;
	struct collect *collect;
	struct enrich *enrich;
	struct capture_writer *capture;
	struct analysis *analysis; /* NULL for record */
	struct stacks *stacks;
	struct progress *progress;
	struct intervals *intervals; /* NULL without --interval */
	struct overhead overhead;
	struct usage *usage;
	uint64_t last_heartbeat_ns, last_watermark_ns;
	int capture_status;
	int finished;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* ---- the records' ways ---- */

/* A capture that cannot be written any more does not end the trace: the report still comes. */
static int take_record(const struct record *rec, void *arg)
{
	struct pipeline *p = arg;
	int err = 0;

	if (p->capture && !p->capture_status) {
		p->capture_status = capture_write(p->capture, rec);
		if (p->capture_status)
			log_error("the capture cannot be written any more: %s; what it holds stays readable",
				  strerror(-p->capture_status));
	}
	if (p->analysis)
		err = analysis_feed(rec, p->analysis);
	if (!err && p->intervals)
		err = intervals_record(p->intervals, rec);
	return err;
}

static void take_event(const struct apm_hdr *ev, void *arg)
{
	struct pipeline *p = arg;

	enrich_event(p->enrich, ev);
	/* COMMAND is known from before it runs: it is looked at from then on. */
	if (ev->kind == APM_EV_EXEC)
		usage_add(p->usage, (pid_t)ev->tgid, clock_ns(CLOCK_MONOTONIC));
}

static void tell_coverage(struct pipeline *p, uint8_t kind, pid_t pid, const char *subject, const char *text)
{
	struct record rec = {.coverage = {.kind = kind,
					  .tgid = (uint32_t)pid,
					  .subject = str_from(subject),
					  .text = str_from(text)}};

	enrich_pass(p->enrich, REC_COVERAGE, (uint32_t)pid, &rec);
}

static void take_process(pid_t pid, void *arg)
{
	struct pipeline *p = arg;

	enrich_process(p->enrich, pid);
	usage_add(p->usage, pid, clock_ns(CLOCK_MONOTONIC));
}

static void take_usage(pid_t pid, const struct rec_usage *usage, void *arg)
{
	struct record rec = {.usage = *usage};

	enrich_pass(((struct pipeline *)arg)->enrich, REC_USAGE, (uint32_t)pid, &rec);
}

static void take_wait(const struct looks_wait *wait, void *arg)
{
	struct record rec = {.wait = {.weight_ns = wait->weight_ns,
				      .threads = wait->threads,
				      .reason = (uint8_t)wait->reason}};

	enrich_pass_at(((struct pipeline *)arg)->enrich, REC_WAIT, wait->ts, wait->tgid, wait->tid, &rec);
}

static void take_library(const struct lib_match *m, const char *path, pid_t pid, void *arg)
{
	struct pipeline *p = arg;
	struct record rec = {.library = {.lib_id = m->facts.lib_id,
					 .system = m->system,
					 .name = str_from(m->name),
					 .version = str_from(m->version),
					 .path = str_from(path),
					 .build_id = str_from(m->build_id)}};
	char subject[512], text[320];

	enrich_pass(p->enrich, REC_LIBRARY, (uint32_t)pid, &rec);
	snprintf(subject, sizeof(subject), "%s%s%s (%s)", m->name, m->version[0] ? " " : "", m->version,
		 path);
	snprintf(text, sizeof(text), "%s%s", m->missing[0] ? "unverified, left out: " : "exact", m->missing);
	tell_coverage(p, REC_COVERED_LIBRARY, pid, subject, text);
}

static void take_missing(pid_t pid, const char *subject, const char *text, void *arg)
{
	log_warn("%s: %s", subject, text);
	tell_coverage(arg, REC_NOT_COVERED, pid, subject, text);
}

static void take_detail(const char *subject, const char *text, void *arg)
{
	take_missing(0, subject, text, arg);
}

static void take_probes(const struct lib_match *m, const char *path, const char *why, void *arg)
{
	char subject[512];

	snprintf(subject, sizeof(subject), "%s%s%s (%s)", m->name, m->version[0] ? " " : "", m->version,
		 path);
	log_debug("%s: %s", subject, why);
	tell_coverage(arg, REC_COVERED_LIBRARY, 0, subject, why);
}

static void take_span(const struct span_rule *rule, const char *path, const char *text, pid_t pid, void *arg)
{
	char subject[512];

	snprintf(subject, sizeof(subject), "%s (%s)", rule->name, path);
	log_debug("%s: %s", subject, text);
	tell_coverage(arg, REC_COVERED_SPAN, pid, subject, text);
}

static void take_unseen(const struct span_rule *rule, void *arg)
{
	char why[256];

	snprintf(why, sizeof(why), "no target process had a file called %s mapped", rule->binary);
	take_missing(0, rule->text, why, arg);
}

static void take_lack(const char *subject, const char *text, void *arg)
{
	tell_coverage(arg, REC_KERNEL_LACKS, 0, subject, text);
}

static void take_finding(const struct report_finding *finding, void *arg)
{
	struct pipeline *p = arg;

	if (p->progress)
		progress_finding(p->progress, finding);
}

static void take_stack(uint64_t fingerprint, uint64_t weight_ns, uint64_t count, const char *const *frames,
		       size_t frame_count, void *arg)
{
	struct pipeline *p = arg;

	if (p->stacks)
		stacks_add(p->stacks, frames, frame_count, count);
}

static int take_statement(const struct statement *stmt, void *arg)
{
	struct pipeline *p = arg;

	return p->intervals ? intervals_statement(p->intervals, stmt) : 0;
}

/* ---- building ---- */

static void tell_start(struct pipeline *p)
{
	const struct options *opt = p->opt;
	struct utsname uts = {0};
	struct record rec = {0};
	char kernel[sizeof(uts.release) + sizeof(uts.machine) + 2];

	uname(&uts);
	snprintf(kernel, sizeof(kernel), "%s %s", uts.release, uts.machine);
	rec.meta = (struct rec_meta){.flags = opt->show_literals ? REC_META_SHOW_LITERALS : 0,
				     .normaliser_version = sql_version(),
				     .mono_ns = clock_ns(CLOCK_MONOTONIC),
				     .realtime_ns = clock_ns(CLOCK_REALTIME),
				     .slow_ns = opt->slow_ns,
				     .unit_gap_ns = opt->unit_gap_ns,
				     .n_plus_one = opt->n_plus_one,
				     .sample_freq = opt->sample_freq,
				     .tool_version = str_from(APM_VERSION),
				     .host = str_from(uts.nodename),
				     .kernel = str_from(kernel),
				     .target = str_from(opt->target),
				     .service = str_from(opt->service),
				     .environment = str_from(opt->environment),
				     .slow_request_ns = opt->slow_request_ns,
				     .sample_rate_set = 1,
				     .sample_ppm = (uint32_t)(opt->sample_rate * 1e6 + 0.5),
				     .memory_kb = (uint64_t)opt->memory_mb * 1024};
	enrich_pass(p->enrich, REC_META, 0, &rec);
}

static void tell_spans(struct pipeline *p)
{
	size_t i, k;

	for (i = 0; i < p->opt->span_count; i++) {
		const struct span_rule *rule = &p->opt->spans[i];
		struct strbuf args = {0};
		struct record rec = {.span = {.span = (uint32_t)i,
					      .work = rule->work,
					      .error_test = rule->error_test,
					      .error_value = (uint64_t)rule->error_value,
					      .name = str_from(rule->name),
					      .binary = str_from(rule->binary),
					      .ret_name = str_from(rule->ret_name)}};

		for (k = 0; k < rule->arg_count; k++)
			strbuf_addf(&args, "%s\n", rule->arg[k].name);
		rec.span.args = (struct str){args.ptr, args.len};
		enrich_pass(p->enrich, REC_SPAN, 0, &rec);
		strbuf_free(&args);
	}
}

static int open_analysis(struct pipeline *p)
{
	struct analysis_options how = {
		.slow_ns = p->opt->slow_ns,
		.also = p->opt->also.name,
		.also_count = p->opt->also.count,
		.unit_gap_ns = p->opt->unit_gap_ns,
		.n_plus_one = p->opt->n_plus_one,
		.top = p->opt->command == COMMAND_TOP ? SCREEN_QUERIES : p->opt->top,
		.on_finding = take_finding,
		.on_stack = take_stack,
		.on_statement = take_statement,
		.arg = p,
	};

	if (p->opt->command == COMMAND_RECORD)
		return 0;
	if (p->opt->interval_ns && !(p->intervals = intervals_new(p->opt)))
		return -ENOMEM;
	p->progress = progress_new(p->opt);
	p->stacks = stacks_new(STACKS_MAX);
	p->analysis = analysis_new(&how);
	return p->analysis && p->stacks && p->progress ? 0 : -ENOMEM;
}

static int open_stages(struct pipeline *p)
{
	const struct options *opt = p->opt;
	struct loader_options load = {.ring_bytes = opt->ring_mb << 20,
				      .max_sql = opt->max_sql,
				      .sample_freq = opt->sample_freq,
				      .select = &p->select,
				      .span = opt->spans,
				      .span_count = opt->span_count,
				      .aggregate = opt->aggregate};
	struct enrich_options how = {.show_literals = opt->show_literals, .sink = take_record, .sink_arg = p};
	struct collect_events events = {take_event,  take_process, take_library, take_missing,
					take_probes, take_span,	   take_wait,	 p};
	char err[256];

	if (selection_make(&p->select, opt->comms.name, opt->comms.count, opt->cgroups.name,
			   opt->cgroups.count, opt->all, err, sizeof(err))) {
		log_error("%s", err);
		return -ENOENT;
	}
	if (getrandom(load.hash_key, sizeof(load.hash_key), 0) != (ssize_t)sizeof(load.hash_key)) {
		log_error("cannot get random numbers: %s", strerror(errno));
		return -EIO;
	}
	memcpy(how.hash_key, load.hash_key, sizeof(how.hash_key));
	p->enrich = enrich_new(&how);
	p->usage = usage_new(opt->usage_every_ns, take_usage, p);
	if (!p->enrich || !p->usage || open_analysis(p)) {
		log_error("out of memory");
		return -ENOMEM;
	}
	if (opt->output_path) {
		p->capture = capture_create(opt->output_path);
		if (!p->capture) {
			log_error("cannot write %s: %s", opt->output_path, strerror(errno));
			return -errno;
		}
	}
	p->collect = collect_open(&load, &events, err, sizeof(err));
	if (!p->collect) {
		log_error("%s", err);
		return -EPERM;
	}
	tell_start(p);
	tell_spans(p);
	loader_lacks(collect_loader(p->collect), take_lack, p);
	return 0;
}

struct pipeline *pipeline_open(const struct options *opt)
{
	struct pipeline *p = calloc(1, sizeof(*p));

	if (!p) {
		log_error("out of memory");
		return NULL;
	}
	p->opt = opt;
	if (open_stages(p)) {
		pipeline_free(p);
		return NULL;
	}
	return p;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	progress_free(p->progress);
	collect_free(p->collect);
	capture_close(p->capture);
	enrich_free(p->enrich);
	intervals_free(p->intervals);
	usage_free(p->usage);
	analysis_free(p->analysis);
	stacks_free(p->stacks);
	selection_free(&p->select);
	free(p);
}

int pipeline_add_process(struct pipeline *p, pid_t pid)
{
	return collect_add_process(p->collect, pid);
}

static void arm_library(const char *path, const char *unsafe, void *arg)
{
	collect_arm_library(arg, path, unsafe);
}

/*
 * Nothing runs yet, or anything may start: the libraries that a program is likely to load are armed, so that
 * its first statement is seen. Beside processes that run already that would only cost others their time.
 */
int pipeline_add_others(struct pipeline *p)
{
	int err = collect_add_others(p->collect);

	if (!err && pipeline_selects(p) && (p->select.all || !collect_any_process(p->collect)))
		arm_each(NULL, arm_library, p->collect);
	return err;
}

int pipeline_selects(const struct pipeline *p)
{
	return selection_any(&p->select);
}

int pipeline_any_process(const struct pipeline *p)
{
	return collect_any_process(p->collect);
}

int pipeline_add_command(struct pipeline *p, pid_t pid, const char *program)
{
	arm_each(program, arm_library, p->collect);
	return collect_add_command(p->collect, pid);
}

int pipeline_check_spans(struct pipeline *p, const char *program)
{
	struct strbuf why = {0};
	int err = collect_check_spans(p->collect, program, program || pipeline_selects(p), &why);

	if (err)
		log_error("%s", why.failed ? "out of memory" : why.ptr);
	strbuf_free(&why);
	return err;
}

void pipeline_start(struct pipeline *p)
{
	collect_start(p->collect);
	overhead_init(&p->overhead, p->opt->max_overhead, clock_ns(CLOCK_MONOTONIC));
}

int pipeline_watch_fd(struct pipeline *p, int fd)
{
	return collect_watch_fd(p->collect, fd);
}

unsigned int pipeline_processes(const struct pipeline *p)
{
	return collect_processes(p->collect);
}

unsigned int pipeline_libraries(const struct pipeline *p)
{
	return collect_libraries(p->collect);
}

/* ---- running ---- */

static void tell_losses(struct pipeline *p)
{
	struct record rec = {.loss = {.count = APM_CNT_MAX}};

	collect_counters(p->collect, rec.loss.values, &rec.loss.late_attach_ns);
	rec.loss.values[APM_CNT_EVICTED] += enrich_evicted(p->enrich);
	enrich_pass(p->enrich, REC_LOSS, 0, &rec);
}

const struct report *pipeline_snapshot(struct pipeline *p)
{
	return p->analysis ? analysis_snapshot(p->analysis) : NULL;
}

void pipeline_show(struct pipeline *p, uint64_t elapsed_ns)
{
	struct analysis_progress now = {0};

	if (!p->progress)
		return;
	analysis_progress(p->analysis, &now);
	progress_update(p->progress, &now, elapsed_ns);
}

int pipeline_poll(struct pipeline *p, int timeout_ms)
{
	uint64_t now;
	int err = collect_poll(p->collect, timeout_ms);

	if (err)
		return err;
	now = clock_ns(CLOCK_MONOTONIC);
	overhead_review(&p->overhead, p->collect, p->usage, enrich_calls(p->enrich), now, take_detail, p);
	usage_check(p->usage, now, 0);
	if (now - p->last_watermark_ns >= WATERMARK_NS) {
		struct record rec = {0};

		p->last_watermark_ns = now;
		enrich_pass(p->enrich, REC_WATERMARK, 0, &rec);
	}
	if (now - p->last_heartbeat_ns >= HEARTBEAT_NS) {
		p->last_heartbeat_ns = now;
		tell_losses(p);
		if (p->capture && !p->capture_status)
			p->capture_status = capture_flush(p->capture);
	}
	if (p->opt->command == COMMAND_RECORD && p->capture_status)
		return p->capture_status;
	return enrich_status(p->enrich);
}

static void tell_cost(struct pipeline *p)
{
	struct record rec = {0};

	overhead_total(&p->overhead, p->collect, enrich_calls(p->enrich), clock_ns(CLOCK_MONOTONIC),
		       &rec.overhead);
	enrich_pass(p->enrich, REC_OVERHEAD, 0, &rec);
}

int pipeline_finish(struct pipeline *p, const struct report **report, const struct stacks **stacks)
{
	struct record end = {0};
	int err;

	*report = NULL;
	*stacks = p->stacks;
	collect_unseen_spans(p->collect, take_unseen, p);
	collect_stop(p->collect);
	usage_check(p->usage, clock_ns(CLOCK_MONOTONIC), 1);
	tell_losses(p);
	tell_cost(p);
	enrich_pass(p->enrich, REC_END, 0, &end);
	progress_free(p->progress);
	p->progress = NULL;
	err = capture_close(p->capture);
	p->capture = NULL;
	if (err && !p->capture_status) {
		p->capture_status = err;
		log_error("cannot write %s: %s", p->opt->output_path, strerror(-err));
	}
	if (p->analysis) {
		*report = analysis_finish(p->analysis, 0);
		if (!*report)
			log_error("out of memory");
		if (p->intervals && intervals_end(p->intervals) && !p->capture_status)
			p->capture_status = -EIO;
	}
	return p->capture_status;
}
