/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/looks.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/look.h"
#include "base/table.h"
#include "collect/waiting.h"
#include "collect/waitproc.h"
#include "log.h"

#define MS	    1000000ULL
#define EVERY_NS    (50 * MS)
#define PRICE_SHARE 350	  /* a look may take this part of the time until the next */
#define WEIGHT_MOST 4	  /* of the time planned: a tool that was stopped knows nothing of that time */
#define CONNS_MAX   32768 /* as many as the kernel side knows */
#define LOOKS_READ  256	  /* read at once */
#define PROCESSES   32	  /* at most so many are looked at one by one */

struct looks {
	int prog_fd, scope_fd;
	int by_process;	     /* the kernel walks the threads of one process where it is asked to (6.1) */
	struct table *fds;   /* {tgid, descriptor} -> 1: a connection to a database */
	struct table *conns; /* {tgid, connection} -> its descriptor */
	struct table *seen;  /* {tgid, reason} -> threads of this look that are in no span */
	uint64_t last_ns, next_ns, planned_ns;
	uint64_t price_ns; /* of a look */
	uint64_t taken;
	uint32_t random;
};

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000 * MS + (uint64_t)ts.tv_nsec;
}

/* A walk through the threads of a process, 0 = all there are: its descriptor, or -errno. */
static int open_walk(const struct looks *l, uint32_t tgid, int *link)
{
	union bpf_iter_link_info which = {.task.pid = tgid};
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	int fd;

	if (tgid) {
		opts.iter_info = &which;
		opts.iter_info_len = sizeof(which);
	}
	*link = bpf_link_create(l->prog_fd, 0, BPF_TRACE_ITER, &opts);
	if (*link < 0)
		return -errno;
	fd = bpf_iter_create(*link);
	if (fd < 0) {
		fd = -errno;
		close(*link);
	}
	return fd;
}

static int can_look(const struct looks *l, uint32_t tgid)
{
	int link, fd = open_walk(l, tgid, &link);

	if (fd < 0) {
		errno = -fd;
		return 0;
	}
	close(fd);
	close(link);
	return 1;
}

struct looks *looks_open(const struct loader *loader)
{
	struct bpf_program *prog = loader_program_named(loader, "look_task");
	struct looks *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return NULL;
	l->fds = table_new(CONNS_MAX, 1, NULL, NULL);
	l->conns = table_new(CONNS_MAX, sizeof(int32_t), NULL, NULL);
	l->seen = table_new(0, sizeof(uint32_t), NULL, NULL);
	l->prog_fd = prog ? bpf_program__fd(prog) : -1;
	l->scope_fd = loader_scope_fd(loader);
	l->random = 1;
	l->by_process = can_look(l, (uint32_t)getpid());
	if (l->fds && l->conns && l->seen && (l->by_process || can_look(l, 0)))
		return l;
	err = errno;
	looks_close(l);
	errno = err;
	return NULL;
}

void looks_close(struct looks *l)
{
	if (!l)
		return;
	log_debug("%llu looks at threads, the last at %llu us", (unsigned long long)l->taken,
		  (unsigned long long)(l->price_ns / 1000));
	table_free(l->fds);
	table_free(l->conns);
	table_free(l->seen);
	free(l);
}

/* ---- connections to databases ---- */

static void forget(struct looks *l, struct table_key conn)
{
	const int32_t *fd = table_peek(l->conns, conn);

	if (!fd)
		return;
	table_remove(l->fds, (struct table_key){conn.a, (uint64_t)*fd});
	table_remove(l->conns, conn);
}

void looks_event(struct looks *l, const struct apm_hdr *ev)
{
	const struct apm_ev_conn *conn = (const struct apm_ev_conn *)ev;
	const struct apm_ev_close *closed = (const struct apm_ev_close *)ev;
	int32_t *fd;

	if (!l)
		return;
	if (ev->kind == APM_EV_CLOSE && closed->handle_kind == APM_HANDLE_CONN)
		forget(l, (struct table_key){ev->tgid, closed->handle});
	if (ev->kind != APM_EV_CONN || conn->fd < 0)
		return;
	forget(l, (struct table_key){ev->tgid, conn->conn});
	fd = table_put(l->conns, (struct table_key){ev->tgid, conn->conn}, NULL);
	if (fd && table_put(l->fds, (struct table_key){ev->tgid, (uint64_t)conn->fd}, NULL))
		*fd = conn->fd;
}

/* ---- one look ---- */

/*
 * Whether a thread in a span waits for somebody beyond its sockets. A connection to a database among them: it
 * waits for that, as asynchronous clients do, and the statement has that time.
 */
static int is_on_network(const struct looks *l, const struct apm_look *look, enum waiting how)
{
	int fds[WAITPROC_FDS], count = waitproc_fds(look, how, fds), sockets = 0, i;

	for (i = 0; i < count; i++) {
		if (table_peek(l->fds, (struct table_key){look->tgid, (uint64_t)fds[i]}))
			return 0;
		sockets += waitproc_is_socket(look, fds[i]);
	}
	return sockets > 0;
}

static enum rec_wait_reason reason_of(const struct looks *l, const struct apm_look *look)
{
	enum waiting what = waiting_for(look);

	switch (what) {
	case WAITING_IDLE:
		return REC_WAIT_NONE;
	case WAITING_IO:
		return REC_WAIT_IO;
	case WAITING_LOCK:
		return waitproc_is_kept(look) ? REC_WAIT_LOCK : REC_WAIT_NONE;
	default:
		return is_on_network(l, look, what) ? REC_WAIT_NETWORK : REC_WAIT_NONE;
	}
}

struct looking {
	struct looks *l;
	uint64_t ts, weight_ns;
	looks_fn fn;
	void *arg;
};

static void judge(struct looking *now, const struct apm_look *look)
{
	enum rec_wait_reason reason = reason_of(now->l, look);
	struct looks_wait wait = {.ts = look->ts,
				  .tgid = look->tgid,
				  .tid = look->tid,
				  .threads = 1,
				  .reason = reason,
				  .weight_ns = now->weight_ns};
	uint32_t *threads;

	if (reason == REC_WAIT_NONE)
		return;
	if (look->flags & APM_LOOK_IN_SPAN) {
		now->fn(&wait, now->arg);
		return;
	}
	threads = table_put(now->l->seen, (struct table_key){look->tgid, (uint64_t)reason}, NULL);
	if (threads)
		(*threads)++;
}

static int tell_seen(struct table_key key, void *value, void *arg)
{
	const struct looking *now = arg;
	uint32_t threads = *(const uint32_t *)value;
	struct looks_wait wait = {.ts = now->ts,
				  .tgid = (uint32_t)key.a,
				  .threads = threads,
				  .reason = (enum rec_wait_reason)key.b,
				  .weight_ns = threads * now->weight_ns};

	now->fn(&wait, now->arg);
	return 1;
}

/* The threads of one process, or (0) of all. */
static void walk(struct looking *now, uint32_t tgid)
{
	struct apm_look looks[LOOKS_READ];
	int link, fd = open_walk(now->l, tgid, &link);
	ssize_t n, i;

	if (fd < 0)
		return;
	while ((n = read(fd, looks, sizeof(looks))) > 0 || (n < 0 && errno == EAGAIN)) {
		for (i = 0; i < n / (ssize_t)sizeof(looks[0]); i++)
			judge(now, &looks[i]);
	}
	close(fd);
	close(link);
}

/* The processes in scope, at most PROCESSES + 1. */
static int list_processes(const struct looks *l, uint32_t tgids[PROCESSES + 1])
{
	const uint32_t *prev = NULL;
	int count = 0;

	while (count <= PROCESSES && !bpf_map_get_next_key(l->scope_fd, prev, &tgids[count])) {
		prev = &tgids[count];
		count++;
	}
	return count;
}

static void look(struct looking *now)
{
	uint32_t tgids[PROCESSES + 1];
	int count = list_processes(now->l, tgids), i;

	if (!now->l->by_process || count > PROCESSES) {
		walk(now, 0);
	} else {
		for (i = 0; i < count; i++)
			walk(now, tgids[i]);
	}
	table_visit(now->l->seen, tell_seen, now);
}

/* ---- how often ---- */

/* Times that are not of one length, for what the programs do in such may be (xorshift32, from half to one and
 * a half). */
static uint64_t uneven(struct looks *l, uint64_t ns)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 17;
	l->random ^= l->random << 5;
	return ns / 2 + ns * (l->random % 1024) / 1024;
}

static void plan(struct looks *l, uint64_t now_ns, uint64_t took_ns)
{
	l->price_ns = l->price_ns ? (3 * l->price_ns + took_ns) / 4 : took_ns;
	l->planned_ns = l->price_ns * PRICE_SHARE > EVERY_NS ? l->price_ns * PRICE_SHARE : EVERY_NS;
	l->last_ns = now_ns;
	l->next_ns = now_ns + uneven(l, l->planned_ns);
}

int looks_timeout(const struct looks *l, uint64_t now_ns, int timeout_ms)
{
	uint64_t left = l && l->next_ns > now_ns ? (l->next_ns - now_ns + MS - 1) / MS : 0;

	return l && left < (uint64_t)timeout_ms ? (int)left : timeout_ms;
}

void looks_take(struct looks *l, uint64_t now_ns, looks_fn fn, void *arg)
{
	struct looking now = {.l = l, .ts = now_ns, .fn = fn, .arg = arg};
	uint64_t began;

	if (!l || now_ns < l->next_ns)
		return;
	if (!l->last_ns) { /* nothing to stand for yet */
		fn(&(struct looks_wait){.ts = now_ns}, arg);
		plan(l, now_ns, 0);
		return;
	}
	now.weight_ns = now_ns - l->last_ns;
	if (now.weight_ns > WEIGHT_MOST * l->planned_ns)
		now.weight_ns = WEIGHT_MOST * l->planned_ns;
	l->taken++;
	began = cpu_ns();
	look(&now);
	plan(l, now_ns, cpu_ns() - began);
}
