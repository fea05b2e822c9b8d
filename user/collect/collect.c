/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/collect_state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/procmaps.h"
#include "base/table.h"
#include "collect/lib.h"
#include "collect/select.h"
#include "log.h"

/* Executions that wait between rows are handed over when they have not worked for this long. */
#define OPEN_IDLE_NS  (50 * 1000000ULL)
#define OPEN_SWEEP_NS (250 * 1000000ULL)
/* Where events come faster than they are read, the caller has a say after this time. */
#define READ_FOR_NS (100 * 1000000ULL)
/* Processes are looked for that have ended without a word. */
#define ENDS_SWEEP_NS 1000000000ULL

uint64_t collect_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* ---- scope ---- */

int collect_has(const struct collect *c, uint32_t tgid)
{
	uint32_t value;

	return bpf_map_lookup_elem(loader_scope_fd(c->loader), &tgid, &value) == 0;
}

unsigned int collect_processes(const struct collect *c)
{
	uint32_t key, next;
	unsigned int count = 0;
	void *prev = NULL;

	/* An entry that goes meanwhile makes the walk begin anew: bounded by what the map can hold. */
	while (count < APM_MAX_SCOPE && !bpf_map_get_next_key(loader_scope_fd(c->loader), prev, &next)) {
		count++;
		key = next;
		prev = &key;
	}
	return count;
}

int collect_any_process(const struct collect *c)
{
	uint32_t first;

	return bpf_map_get_next_key(loader_scope_fd(c->loader), NULL, &first) == 0;
}

static int is_told(const struct collect *c, uint32_t tgid)
{
	return !c->told || table_peek(c->told, (struct table_key){tgid, 0}) != NULL;
}

void collect_tell_process(struct collect *c, pid_t pid)
{
	int is_new = 1;

	if (c->told)
		table_put(c->told, (struct table_key){(uint64_t)pid, 0}, &is_new);
	if (is_new && c->events.on_process)
		c->events.on_process(pid, c->events.arg);
}

static void missing(struct collect *c, pid_t pid, const char *subject, const char *text)
{
	if (c->events.on_missing)
		c->events.on_missing(pid, subject, text, c->events.arg);
}

/* ---- libraries ---- */

static void library_attached(const struct lib_match *match, const char *path, pid_t pid, void *arg)
{
	struct collect *c = arg;

	if (c->events.on_library)
		c->events.on_library(match, path, pid, c->events.arg);
}

static void probes_changed(const struct lib_match *match, const char *path, const char *why, void *arg)
{
	struct collect *c = arg;

	if (c->events.on_probes)
		c->events.on_probes(match, path, why, c->events.arg);
}

static void file_missing(pid_t pid, const char *subject, const char *text, void *arg)
{
	missing(arg, pid, subject, text);
}

static void span_attached(const struct span_rule *rule, const char *path, const char *text, pid_t pid,
			  void *arg)
{
	struct collect *c = arg;

	if (c->events.on_span)
		c->events.on_span(rule, path, text, pid, c->events.arg);
}

int collect_check_spans(struct collect *c, const char *program, int may_come, struct strbuf *err)
{
	return spans_check(c->spans, program, may_come, err);
}

void collect_unseen_spans(const struct collect *c, void (*fn)(const struct span_rule *rule, void *arg),
			  void *arg)
{
	spans_unseen(c->spans, fn, arg);
}

static const char *unsafe_user(dev_t dev, ino_t inode, void *arg)
{
	struct collect *c = arg;

	return c->bystanders ? bystanders_why(c->bystanders, dev, inode) : NULL;
}

struct attach_visit {
	struct collect *c;
	const char *unsafe; /* why return probes could crash this process, NULL = they are safe */
	int libraries;	    /* in files of this process that are attached */
};

static int attach_mapped(const struct target_file *file, void *arg)
{
	struct attach_visit *v = arg;
	struct proc_map map = {
		.start = file->map_start,
		.end = file->map_end,
		.inode = file->inode,
		.dev = file->dev,
		.exec = 1,
		.deleted = file->deleted,
		.path = file->path,
	};
	int fd, known = files_known(v->c->files, file->dev, file->inode);

	if (known == 0 || (known > 0 && !v->unsafe)) {
		v->libraries += known;
		return 0;
	}
	fd = proc_map_open(file->pid, &map);
	if (fd < 0) {
		log_debug("cannot open %s of process %d: %s", file->path, file->pid, strerror(-fd));
		return 0;
	}
	known = files_add(v->c->files, file->dev, file->inode, fd, file->path, file->pid, v->unsafe);
	v->libraries += known > 0 ? known : 0;
	return 0;
}

static int say_moved(const struct target_file *file, void *arg)
{
	struct proc_map map = {.start = file->map_start,
			       .end = file->map_end,
			       .inode = file->inode,
			       .dev = file->dev,
			       .path = file->path};
	int fd = proc_map_open(file->pid, &map);

	if (fd >= 0)
		files_say_moved(arg, fd, file->path, file->pid);
	return 0;
}

int collect_attach_process(struct collect *c, pid_t pid)
{
	struct attach_visit v = {.c = c};
	char why[256] = "", unsafe[300];
	int err;

	if (c->detached)
		return 0;
	spans_look(c->spans, pid);
	if (!target_returns_safe(pid, why, sizeof(why))) {
		snprintf(unsafe, sizeof(unsafe), "process %d: %s", pid, why);
		v.unsafe = unsafe;
	}
	err = target_files(pid, attach_mapped, &v);
	if (!err)
		target_moved_files(pid, say_moved, c->files);
	return err ? err : v.libraries;
}

int collect_add_process(struct collect *c, pid_t pid)
{
	int libraries, err;

	if (kill(pid, 0) && errno == ESRCH)
		return -ESRCH;
	libraries = collect_attach_process(c, pid);
	if (libraries < 0)
		return libraries;
	err = collect_add_command(c, pid);
	if (!err && (libraries || !c->told))
		collect_tell_process(c, pid);
	return err;
}

/* ---- processes that nobody numbered ---- */

struct family {
	struct collect *c;
	int added;
};

static int add_child(pid_t pid, pid_t parent, void *arg)
{
	struct family *f = arg;

	if (!collect_has(f->c, (uint32_t)parent) || collect_has(f->c, (uint32_t)pid))
		return 0;
	f->added += collect_add_process(f->c, pid) == 0;
	return 0;
}

/* Once more until there is no new one: a child that is not in scope yet may have forked meanwhile. */
static int add_children(struct collect *c)
{
	struct family f = {.c = c};
	int err = 0;

	do {
		f.added = 0;
		err = select_parents(add_child, &f);
	} while (!err && f.added);
	return err;
}

/* One that ends meanwhile, or has no memory of its own (a kernel thread), is no loss. */
static int add_chosen(pid_t pid, void *arg)
{
	struct collect *c = arg;
	int err = collect_has(c, (uint32_t)pid) ? 0 : collect_add_process(c, pid);

	return err == -E2BIG || err == -ENOMEM ? err : 0;
}

int collect_add_others(struct collect *c)
{
	const struct selection *sel = c->opt.select;
	struct selection named = {0};
	int err = 0;

	if (!sel || !sel->all)
		err = add_children(c);
	if (!sel || err)
		return err;
	/* Those of a name bring their children, as they will for those to come; a
	 * cgroup has its own bounds. */
	named.comm = sel->comm;
	named.comm_count = sel->comm_count;
	err = selection_each(&named, add_chosen, c);
	if (!err && named.comm_count)
		err = add_children(c);
	return err ? err : selection_each(sel, add_chosen, c);
}

int collect_add_command(struct collect *c, pid_t pid)
{
	uint32_t tgid = (uint32_t)pid, told = 0;

	table_put(c->followed, (struct table_key){tgid, 0}, NULL);
	return bpf_map_update_elem(loader_scope_fd(c->loader), &tgid, &told, BPF_ANY) ? -errno : 0;
}

int collect_arm_library(struct collect *c, const char *path, const char *unsafe)
{
	int fd;

	if (c->detached)
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return files_add(c->files, 0, 0, fd, path, 0, unsafe) > 0 ? 0 : -ENOENT;
}

/* ---- events ---- */

static void open_statement(const struct apm_ev_stmt *ev, void *arg)
{
	struct collect *c = arg;

	c->events.on_event(&ev->hdr, c->events.arg);
}

static void open_span(const struct apm_ev_span *ev, void *arg)
{
	struct collect *c = arg;

	c->events.on_event(&ev->hdr, c->events.arg);
}

/* The child of a process in scope has what that had mapped; one that came by itself may have anything. */
static void process_came(struct collect *c, const struct apm_ev_proc *ev)
{
	table_put(c->followed, (struct table_key){ev->other, 0}, NULL);
	if (ev->hdr.tgid == ev->other || !collect_has(c, ev->hdr.tgid))
		collect_attach_process(c, (pid_t)ev->other);
	collect_tell_process(c, (pid_t)ev->other);
}

/* With --all: whether an event is of a process that uses a library. A statement shows that it does. */
static int is_wanted(struct collect *c, const struct apm_hdr *ev)
{
	switch (ev->kind) {
	case APM_EV_SAMPLE:
	case APM_EV_FORK:
	case APM_EV_EXEC:
	case APM_EV_EXIT:
		return is_told(c, ev->tgid);
	}
	if (!is_told(c, ev->tgid))
		collect_tell_process(c, (pid_t)ev->tgid);
	return 1;
}

/* A negative result ends the reading for now. */
static int ring_event(void *arg, void *data, size_t len)
{
	struct collect *c = arg;
	const struct apm_hdr *ev = data;
	int more = ++c->events_read % 16 || c->stopped || collect_now_ns() < c->read_until_ns ? 0 : -EAGAIN;

	if (len < sizeof(*ev) || ev->len > len)
		return more;
	looks_event(c->looks, ev);
	if (ev->kind == APM_EV_STMT)
		lite_sets_statement(&c->lite, (const struct apm_ev_stmt *)ev);
	/* The end of a COPY is seen by the asynchronous set only. */
	if (ev->kind == APM_EV_STMT && ev->flags & APM_STMT_COPY)
		pq_sets_give_up(&c->pq, "COPY is in use: asynchronous functions are probed");
	if (ev->kind == APM_EV_EXIT) {
		/* What it mapped since the last look is its loss: told while it is still known. */
		if (c->mapwatch)
			collect_read_mappings(c);
		inflight_process_end(c->inflight, ev->tgid, ev->ts, open_statement, c);
		spans_process_end(c->spans, ev->tgid, ev->ts, open_span, c);
	}
	if (!is_wanted(c, ev))
		return more;
	c->events.on_event(ev, c->events.arg);
	if (ev->kind == APM_EV_FORK)
		process_came(c, (const struct apm_ev_proc *)ev);
	if (ev->kind == APM_EV_EXIT) {
		table_remove(c->followed, (struct table_key){ev->tgid, 0});
		if (c->told)
			table_remove(c->told, (struct table_key){ev->tgid, 0});
	}
	return more;
}

/*
 * A process that is in scope and gone ended while it was taken in, or both programs that tell of an end were skipped
 * (bpf/process.bpf.h): it is told of here. One whose parent has not asked for its status yet is there.
 */
static void sweep_ends(struct collect *c, uint64_t now)
{
	int scope_fd = loader_scope_fd(c->loader);
	unsigned int left = APM_MAX_SCOPE;
	uint32_t key, next;
	void *prev = NULL;

	while (left-- && !bpf_map_get_next_key(scope_fd, prev, &next)) {
		struct apm_ev_proc end = {
			.hdr = {.kind = APM_EV_EXIT,
				.len = sizeof(end),
				.ts = now,
				.tgid = next,
				.tid = next},
		};

		key = next;
		prev = &key;
		if (!kill((pid_t)key, 0) || errno != ESRCH || bpf_map_delete_elem(scope_fd, &key))
			continue;
		c->ends_missed += loader_skips_ends(c->loader);
		ring_event(c, &end, sizeof(end));
	}
}

int collect_poll(struct collect *c, int timeout_ms)
{
	struct epoll_event ready[8];
	uint64_t now;
	int all_read;
	int n = epoll_wait(c->epoll_fd, ready, 8, looks_timeout(c->looks, collect_now_ns(), timeout_ms));

	if (n < 0 && errno != EINTR)
		return -errno;
	if (c->mapwatch)
		collect_read_mappings(c);
	c->read_until_ns = collect_now_ns() + READ_FOR_NS;
	all_read = ring_buffer__consume(c->ring) >= 0;
	now = collect_now_ns();
	collect_measure(c, now);
	/* Once the probes are off, a thread in a call of a database looks like any other. */
	if (!c->detached && !c->looks_off)
		looks_take(c->looks, now, c->events.on_wait, c->events.arg);
	if (!all_read) /* what is found in the maps is told after the events that led there */
		return 0;
	if (now - c->last_sweep_ns >= OPEN_SWEEP_NS) {
		c->last_sweep_ns = now;
		inflight_open(c->inflight, now, now - OPEN_IDLE_NS, open_statement, c);
		if (!c->detached) {
			pq_sets_review(&c->pq);
			lite_sets_review(&c->lite, now);
		}
	}
	if (now - c->last_ends_ns >= ENDS_SWEEP_NS) {
		c->last_ends_ns = now;
		sweep_ends(c, now);
	}
	return 0;
}

int collect_watch_fd(struct collect *c, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/* ---- life ---- */

static int open_parts(struct collect *c, char *err, size_t err_len)
{
	struct files_events files_events = {library_attached, file_missing, unsafe_user, probes_changed, c};
	struct spans_events spans_events = {span_attached, file_missing, c};

	c->files = files_new(c->loader, &files_events);
	if (loader_mode(c->loader) != PROBE_SESSION)
		c->bystanders = bystanders_new(c->files);
	if (c->opt.span_count)
		c->spans = spans_new(c->loader, c->opt.span, c->opt.span_count, &spans_events);
	c->inflight = inflight_new(c->loader);
	c->ring = ring_buffer__new(loader_ring_fd(c->loader), ring_event, c, NULL);
	c->followed = table_new(APM_MAX_SCOPE, 1, NULL, NULL);
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!c->followed || !c->files || (c->opt.span_count && !c->spans) || !c->inflight || !c->ring ||
	    c->epoll_fd < 0) {
		snprintf(err, err_len, "cannot set up the collector: %s", strerror(errno));
		return -errno;
	}
	if (c->opt.select && c->opt.select->all) {
		c->told = table_new(APM_MAX_SCOPE, 1, NULL, NULL);
		if (!c->told) {
			snprintf(err, err_len, "out of memory");
			return -ENOMEM;
		}
	}
	collect_watch_fd(c, ring_buffer__epoll_fd(c->ring));
	c->mapwatch = mapwatch_open();
	if (c->mapwatch)
		collect_watch_fd(c, mapwatch_fd(c->mapwatch));
	c->lite = (struct lite_sets){.files = c->files, .inflight = c->inflight};
	if (c->opt.aggregate)
		lite_sets_begin(&c->lite);
	/* Of a process that comes into scope by its name or cgroup it is not known what it has mapped. */
	c->pq = (struct pq_sets){
		.files = c->files,
		.inflight = c->inflight,
		.scope_fd = loader_scope_fd(c->loader),
		.never = !c->mapwatch || (c->opt.select && selection_any(c->opt.select)),
	};
	return 0;
}

static int follow_processes(struct collect *c, char *err, size_t err_len)
{
	int ret = loader_follow_processes(c->loader);

	if (ret)
		snprintf(err, err_len, "cannot follow processes: %s", strerror(-ret));
	return ret;
}

struct collect *collect_open(const struct loader_options *opt, const struct collect_events *events, char *err,
			     size_t err_len)
{
	struct collect *c = calloc(1, sizeof(*c));

	if (!c) {
		snprintf(err, err_len, "out of memory");
		return NULL;
	}
	c->opt = *opt;
	c->events = *events;
	c->epoll_fd = -1;
	c->programs.stats_fd = -1;
	c->loader = loader_open(opt, err, err_len);
	if (!c->loader || open_parts(c, err, err_len) || follow_processes(c, err, err_len)) {
		int saved = errno;

		collect_free(c);
		errno = saved;
		return NULL;
	}
	return c;
}

int collect_start(struct collect *c)
{
	if (!c->mapwatch)
		missing(c, 0, "libraries loaded later",
			"new mappings cannot be watched (perf_event_open failed)");
	calibrate(c->loader, &c->price);
	c->pq.changed = 1;
	pq_sets_review(&c->pq);
	if (!c->opt.sample_freq)
		return 0;
	c->looks = looks_open(c->loader);
	if (!c->looks && loader_program_named(c->loader, "look_task")) /* else the kernel lacks it */
		missing(c, 0, "waits outside database calls", strerror(errno));
	c->sampler = sampler_open(c->loader, c->opt.sample_freq);
	if (c->sampler)
		return 0;
	missing(c, 0, "CPU profile", strerror(errno));
	return -errno;
}

void collect_stop(struct collect *c)
{
	if (c->stopped)
		return;
	c->stopped = 1;
	sampler_close(c->sampler);
	c->sampler = NULL;
	files_detach(c->files);
	spans_detach(c->spans);
	loader_leave_processes(c->loader); /* else there might be no last event */
	ring_buffer__consume(c->ring);
	inflight_all(c->inflight, collect_now_ns(), open_statement, c);
	spans_running(c->spans, collect_now_ns(), open_span, c);
}

void collect_free(struct collect *c)
{
	if (!c)
		return;
	if (c->programs.stats_fd >= 0)
		close(c->programs.stats_fd);
	sampler_close(c->sampler);
	looks_close(c->looks);
	mapwatch_close(c->mapwatch);
	bystanders_free(c->bystanders);
	files_free(c->files);
	spans_free(c->spans);
	inflight_free(c->inflight);
	table_free(c->told);
	table_free(c->followed);
	ring_buffer__free(c->ring);
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	loader_close(c->loader);
	free(c);
}

unsigned int collect_libraries(const struct collect *c)
{
	return files_attached(c->files);
}

unsigned int collect_sites(const struct collect *c)
{
	return files_sites(c->files) + spans_sites(c->spans);
}

const struct loader *collect_loader(const struct collect *c)
{
	return c->loader;
}
