/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/collect.h"

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
#include "collect/calibrate.h"
#include "collect/files.h"
#include "collect/inflight.h"
#include "collect/sampler.h"
#include "collect/targets.h"
#include "log.h"

/* Executions that wait between rows are handed over when they have not worked for this long. */
#define OPEN_IDLE_NS  (50 * 1000000ULL)
#define OPEN_SWEEP_NS (250 * 1000000ULL)

struct collect {
	struct loader_options opt;
	struct collect_events events;
	struct loader *loader;
	struct files *files;
	struct inflight *inflight;
	struct mapwatch *mapwatch;
	struct sampler *sampler;
	struct ring_buffer *ring;
	struct calibration price;
	int epoll_fd;
	int stopped;
	uint64_t last_sweep_ns;
	uint64_t late_count, late_ns;
	uint64_t map_records_lost;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* ---- scope ---- */

static int scope_has(const struct collect *c, uint32_t tgid)
{
	uint32_t value;

	return bpf_map_lookup_elem(loader_scope_fd(c->loader), &tgid, &value) == 0;
}

unsigned int collect_processes(const struct collect *c)
{
	uint32_t key, next;
	unsigned int count = 0;
	void *prev = NULL;

	while (!bpf_map_get_next_key(loader_scope_fd(c->loader), prev, &next)) {
		count++;
		key = next;
		prev = &key;
	}
	return count;
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

static void file_missing(pid_t pid, const char *subject, const char *text, void *arg)
{
	missing(arg, pid, subject, text);
}

static int attach_mapped(const struct target_file *file, void *arg)
{
	struct collect *c = arg;
	struct proc_map map = {
		.start = file->map_start,
		.end = file->map_end,
		.inode = file->inode,
		.dev = file->dev,
		.exec = 1,
		.deleted = file->deleted,
		.path = file->path,
	};
	int fd;

	if (files_known(c->files, file->dev, file->inode))
		return 0;
	fd = proc_map_open(file->pid, &map);
	if (fd < 0) {
		log_debug("cannot open %s of process %d: %s", file->path, file->pid, strerror(-fd));
		return 0;
	}
	files_add(c->files, file->dev, file->inode, fd, file->path, file->pid);
	return 0;
}

/* A process whose stacks may be switched inside a call must not have return probes: none of its libraries is
 * probed. */
static int attach_process(struct collect *c, pid_t pid)
{
	char why[256] = "";

	if (!target_returns_safe(pid, why, sizeof(why))) {
		char subject[64];

		snprintf(subject, sizeof(subject), "process %d", pid);
		missing(c, pid, subject, why);
		if (files_unsafe(c->files, pid))
			log_warn("process %d %s: probes on its libraries are taken off, because return "
				 "probes could crash it",
				 pid, why);
		return 0;
	}
	return target_files(pid, attach_mapped, c);
}

int collect_add_process(struct collect *c, pid_t pid)
{
	int err;

	if (kill(pid, 0) && errno == ESRCH)
		return -ESRCH;
	err = attach_process(c, pid);
	if (err)
		return err;
	err = collect_add_command(c, pid);
	if (!err && c->events.on_process)
		c->events.on_process(pid, c->events.arg);
	return err;
}

int collect_add_command(struct collect *c, pid_t pid)
{
	uint32_t tgid = (uint32_t)pid, scope_id = 1;

	return bpf_map_update_elem(loader_scope_fd(c->loader), &tgid, &scope_id, BPF_ANY) ? -errno : 0;
}

int collect_arm_library(struct collect *c, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return files_add(c->files, 0, 0, fd, path, 0) > 0 ? 0 : -ENOENT;
}

/* A process in scope has mapped a file: its calls since then are the loss, if it is a library that was not
 * armed. */
static void mapped_late(const struct mapwatch_event *ev, void *arg)
{
	struct collect *c = arg;
	unsigned int before;
	uint64_t late;

	if (!scope_has(c, ev->tgid) || files_known(c->files, ev->dev, ev->inode))
		return;
	before = files_attached(c->files);
	attach_process(c, (pid_t)ev->tgid);
	if (files_attached(c->files) == before)
		return;
	late = now_ns() - ev->ts;
	c->late_count++;
	if (late > c->late_ns)
		c->late_ns = late;
}

/* ---- events ---- */

static void open_statement(const struct apm_ev_stmt *ev, void *arg)
{
	struct collect *c = arg;

	c->events.on_event(&ev->hdr, c->events.arg);
}

static int ring_event(void *arg, void *data, size_t len)
{
	struct collect *c = arg;
	const struct apm_hdr *ev = data;

	if (len < sizeof(*ev) || ev->len > len)
		return 0;
	if (ev->kind == APM_EV_EXIT)
		inflight_process_end(c->inflight, ev->tgid, ev->ts, open_statement, c);
	c->events.on_event(ev, c->events.arg);
	if (ev->kind == APM_EV_FORK && c->events.on_process)
		c->events.on_process((pid_t)((const struct apm_ev_proc *)ev)->other, c->events.arg);
	return 0;
}

static void drain(struct collect *c)
{
	ring_buffer__consume(c->ring);
}

int collect_poll(struct collect *c, int timeout_ms)
{
	struct epoll_event ready[8];
	uint64_t now;
	int n = epoll_wait(c->epoll_fd, ready, 8, timeout_ms);

	if (n < 0 && errno != EINTR)
		return -errno;
	if (c->mapwatch) {
		int lost = mapwatch_read(c->mapwatch, mapped_late, c);

		if (lost > 0)
			c->map_records_lost += (uint64_t)lost;
	}
	drain(c);
	now = now_ns();
	if (now - c->last_sweep_ns >= OPEN_SWEEP_NS) {
		c->last_sweep_ns = now;
		inflight_open(c->inflight, now, now - OPEN_IDLE_NS, open_statement, c);
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
	struct files_events files_events = {library_attached, file_missing, c};

	c->files = files_new(c->loader, &files_events);
	c->inflight = inflight_new(c->loader);
	c->ring = ring_buffer__new(loader_ring_fd(c->loader), ring_event, c, NULL);
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!c->files || !c->inflight || !c->ring || c->epoll_fd < 0) {
		snprintf(err, err_len, "cannot set up the collector: %s", strerror(errno));
		return -errno;
	}
	collect_watch_fd(c, ring_buffer__epoll_fd(c->ring));
	c->mapwatch = mapwatch_open();
	if (c->mapwatch)
		collect_watch_fd(c, mapwatch_fd(c->mapwatch));
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
	if (!c->opt.sample_freq)
		return 0;
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
	drain(c);
	inflight_all(c->inflight, now_ns(), open_statement, c);
}

void collect_free(struct collect *c)
{
	if (!c)
		return;
	sampler_close(c->sampler);
	mapwatch_close(c->mapwatch);
	files_free(c->files);
	inflight_free(c->inflight);
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
	return files_sites(c->files);
}

void collect_cost(const struct collect *c, struct collect_cost *out)
{
	out->entry_price_ns = c->price.entry_ns;
	out->return_price_ns = c->price.return_ns;
	out->program_ns = loader_run_time(c->loader);
}

void collect_counters(const struct collect *c, uint64_t values[APM_CNT_MAX], uint64_t *late_attach_ns)
{
	loader_counters(c->loader, values);
	values[APM_CNT_LATE_ATTACH] += c->late_count;
	*late_attach_ns = c->late_ns;
}

const struct loader *collect_loader(const struct collect *c)
{
	return c->loader;
}
