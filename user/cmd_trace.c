/* SPDX-License-Identifier: BSD-2-Clause */
/* trace, top and record: the live side. And what can be said without tracing: --dry-run,
 * and the list of candidates. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "collect/hint.h"
#include "collect/plan.h"
#include "collect/select.h"
#include "collect/span_plan.h"
#include "collect/targets.h"
#include "log.h"
#include "output.h"
#include "pipeline.h"
#include "top.h"

#define POLL_MS	     50
#define CHILD_GONE   1
#define STATUS_POLLS 20

/* One live run. */
struct run {
	const struct options *opt;
	struct pipeline *pipeline;
	struct top *top;       /* the screen; NULL = none */
	struct launch *launch; /* NULL with --pid */
	int signal_fd;
	int released; /* COMMAND runs */
	int command_ended;
	int idle_polls;
	int command_status; /* wait status */
	uint64_t begin_ns;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* SIGINT and SIGTERM end the trace with its report; SIGCHLD and SIGHUP only wake
 * the loop or end it likewise. */
static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Whether a signal asks for the end. */
static int asked_to_stop(int fd)
{
	struct signalfd_siginfo info;
	int stop = 0;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		stop |= info.ssi_signo != SIGCHLD;
	return stop;
}

/* ---- targets ---- */

static int add_processes(struct run *r)
{
	size_t i;
	int err;

	for (i = 0; i < r->opt->pid_count; i++) {
		err = pipeline_add_process(r->pipeline, r->opt->pids[i]);

		if (err == -ESRCH)
			log_error("no process %d: it has ended, or the number is wrong ('sudo apm-bpf' lists "
				  "what can be traced)",
				  r->opt->pids[i]);
		else if (err)
			log_error("cannot trace process %d: %s", r->opt->pids[i], strerror(-err));
		if (err)
			return err;
	}
	err = pipeline_add_others(r->pipeline);
	if (err)
		log_error("cannot look for processes: %s", strerror(-err));
	return err;
}

static int start_command(struct run *r)
{
	char err[256] = "";
	int ret;

	r->launch = launch_prepare(r->opt->argv, r->opt->user, err, sizeof(err));
	if (!r->launch) {
		log_error("%s", err[0] ? err : strerror(errno));
		return -errno;
	}
	ret = pipeline_add_command(r->pipeline, launch_pid(r->launch), launch_program(r->launch));
	if (ret)
		log_error("cannot trace %s: %s", r->opt->argv[0], strerror(-ret));
	return ret;
}

static int let_command_go(struct run *r)
{
	int err = launch_go(r->launch);

	if (err)
		log_error("cannot run %s: %s", r->opt->argv[0], strerror(-err));
	return err;
}

/* At once, and not after the trace: nothing to trace yet, and what is there instead. */
static void warn_unsupported(const struct run *r)
{
	char hint[256];
	size_t i;

	if (pipeline_libraries(r->pipeline))
		return;
	for (i = 0; i < r->opt->pid_count; i++) {
		hint_unsupported(r->opt->pids[i], hint, sizeof(hint));
		log_warn("process %d has no supported client library mapped: %s; waiting "
			 "for it to load one",
			 r->opt->pids[i], hint);
	}
}

static void say_start(const struct run *r)
{
	unsigned int processes = pipeline_processes(r->pipeline), libraries = pipeline_libraries(r->pipeline);

	log_info("tracing %s: %u process%s with %u client librar%s; Ctrl-C: report", r->opt->target,
		 processes, processes == 1 ? "" : "es", libraries, libraries == 1 ? "y" : "ies");
	if (!processes)
		log_info("no such process runs yet: waiting for one");
	warn_unsupported(r);
}

/* ---- the loop ---- */

static int target_ended(struct run *r)
{
	if (r->launch && !r->command_ended && launch_poll(r->launch, &r->command_status) == CHILD_GONE)
		r->command_ended = 1;
	if (pipeline_selects(r->pipeline) || pipeline_any_process(r->pipeline))
		return 0;
	/* COMMAND's last event comes a moment before its status. */
	return !r->launch || r->command_ended || r->idle_polls++ >= STATUS_POLLS;
}

/* Whether the user leaves the screen. */
static int show(struct run *r)
{
	uint64_t elapsed = now_ns() - r->begin_ns;

	if (r->top)
		return top_show(r->top, r->pipeline, elapsed);
	pipeline_show(r->pipeline, elapsed);
	return 0;
}

static void close_screen(struct run *r)
{
	top_close(r->top, r->launch && r->released && !r->command_ended);
	r->top = NULL;
}

static int loop(struct run *r)
{
	int err = 0;

	while (!err && !asked_to_stop(r->signal_fd)) {
		uint64_t elapsed = now_ns() - r->begin_ns;

		if (r->opt->duration_ns && elapsed >= r->opt->duration_ns)
			break;
		err = pipeline_poll(r->pipeline, POLL_MS);
		if (show(r) || target_ended(r))
			break;
	}
	return err;
}

static int finish(struct run *r, int err)
{
	const struct stacks *stacks = NULL;
	const struct report *report = NULL;
	int status = EXIT_STATUS_OK;

	if (pipeline_finish(r->pipeline, &report, &stacks) || err)
		status = EXIT_STATUS_FAILED;
	close_screen(r);
	if (report) {
		int said = output_report(r->opt, report, stacks);

		if (status == EXIT_STATUS_OK)
			status = said;
	}
	if (r->launch && r->command_ended)
		status = output_command_status(status, r->command_status);
	return status;
}

static int run_live(const struct options *opt)
{
	struct run r = {.opt = opt, .signal_fd = -1};
	int status = EXIT_STATUS_FAILED, err;

	if (output_check(opt))
		return EXIT_STATUS_FAILED;
	r.signal_fd = catch_signals();
	if (r.signal_fd < 0) {
		log_error("cannot catch signals: %s", strerror(errno));
		return EXIT_STATUS_FAILED;
	}
	if (opt->command == COMMAND_TOP && !(r.top = top_open(opt)))
		goto out;
	r.pipeline = pipeline_open(opt);
	if (!r.pipeline)
		goto out;
	pipeline_watch_fd(r.pipeline, r.signal_fd);
	if (opt->argv ? start_command(&r) : add_processes(&r))
		goto out;
	if (pipeline_check_spans(r.pipeline, r.launch ? launch_program(r.launch) : NULL)) {
		status = EXIT_STATUS_USAGE;
		goto out;
	}
	pipeline_start(r.pipeline);
	r.begin_ns = now_ns();
	say_start(&r);
	if (opt->argv && let_command_go(&r))
		goto out;
	r.released = 1;
	err = loop(&r);
	status = finish(&r, err);
out:
	close_screen(&r);
	launch_free(r.launch);
	pipeline_free(r.pipeline);
	close(r.signal_fd);
	return status;
}

/* APM_ENABLED=false: nothing is attached, COMMAND runs as if it had been typed alone. */
static int run_untraced(const struct options *opt)
{
	char why[256] = "";
	struct launch *l;
	int err, status = 0;

	if (!opt->argv) {
		log_info("APM_ENABLED is false: nothing was attached");
		return EXIT_STATUS_OK;
	}
	log_info("APM_ENABLED is false: %s runs untraced", opt->argv[0]);
	l = launch_prepare(opt->argv, opt->user, why, sizeof(why));
	err = l ? launch_go(l) : -errno;
	if (err)
		log_error("cannot run %s: %s", opt->argv[0], why[0] ? why : strerror(-err));
	else
		waitpid(launch_pid(l), &status, 0);
	launch_free(l);
	return err ? EXIT_STATUS_FAILED : output_command_status(EXIT_STATUS_OK, status);
}

struct pid_list {
	pid_t *pid;
	size_t count;
};

static int keep_pid(struct pid_list *list, pid_t pid)
{
	pid_t *more = realloc(list->pid, (list->count + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	list->pid = more;
	list->pid[list->count++] = pid;
	return 0;
}

static int stop_at_first(const struct target_file *file, void *arg)
{
	return 1;
}

/* One that has gone meanwhile, or has no memory of its own (a kernel thread), is left out. */
static int keep_chosen(pid_t pid, void *arg)
{
	return target_files(pid, stop_at_first, NULL) == 1 ? keep_pid(arg, pid) : 0;
}

/* The processes that the options number, and those that they choose. 0, or -errno after a word about it. */
static int find_processes(const struct options *opt, struct pid_list *list)
{
	struct selection sel;
	char why[256];
	int err = selection_make(&sel, opt->comms.name, opt->comms.count, opt->cgroups.name,
				 opt->cgroups.count, opt->all, why, sizeof(why));
	size_t i;

	for (i = 0; i < opt->pid_count && !err; i++) {
		err = keep_pid(list, opt->pids[i]);
	}
	if (err)
		log_error("%s", why);
	else
		err = selection_each(&sel, keep_chosen, list);
	selection_free(&sel);
	return err;
}

static int dry_run(const struct options *opt)
{
	struct pid_list list = {0};
	struct strbuf text = {0};
	int status = EXIT_STATUS_OK;

	if (find_processes(opt, &list) || plan_print(list.pid, list.count, opt->argv, &text))
		status = EXIT_STATUS_FAILED;
	else if (span_plan_print(opt->spans, opt->span_count, list.pid, list.count,
				 opt->argv ? opt->argv[0] : NULL, &text))
		status = EXIT_STATUS_USAGE;
	free(list.pid);
	if (output_text(&text))
		status = EXIT_STATUS_FAILED;
	strbuf_free(&text);
	return status;
}

int cmd_trace(const struct options *opt)
{
	if (opt->dry_run)
		return dry_run(opt);
	return opt->enabled ? run_live(opt) : run_untraced(opt);
}

int cmd_record(const struct options *opt)
{
	return cmd_trace(opt);
}

int cmd_list(const struct options *opt)
{
	struct candidate *list = NULL;
	struct strbuf text = {0};
	size_t count = 0;
	int err = candidates_list(&list, &count), status = EXIT_STATUS_OK;

	if (err) {
		log_error("cannot read /proc: %s", strerror(-err));
		return EXIT_STATUS_FAILED;
	}
	candidates_print(list, count, &text);
	if (output_text(&text))
		status = EXIT_STATUS_FAILED;
	candidates_free(list, count);
	strbuf_free(&text);
	return status;
}
