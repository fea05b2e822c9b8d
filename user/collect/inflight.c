/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/inflight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sys/uio.h>

#include <bpf/bpf.h>

#include "abi/state.h"
#include "base/table.h"
#include "lib/sqlite.h"

#define BATCH	  256
#define FORGET_NS (30 * 1000000000ULL)
/* Statements remembered as handed over; beyond that one may be handed over twice, which does no harm. */
#define SEEN_MAX 65536

struct batch {
	struct apm_key key[BATCH];
	union {
		struct apm_conn conn[BATCH];
		struct apm_handle handle[BATCH];
	};
};

struct inflight {
	int conns_fd, handles_fd;
	struct table *seen; /* statement -> its t_last when handed over */
	struct batch *batch;
};

/* One walk over a map; `each` sees every entry. */
struct walk {
	struct inflight *f;
	uint64_t now_ns;
	uint64_t idle_since_ns;
	int all;	    /* at stop: whatever has not ended */
	uint32_t ended;	    /* only of this process, which is gone; 0 = of all */
	unsigned int *sets; /* only: which sets of probes have something under way */
	int *in_step;	    /* only: whether a step is under way */
	inflight_fn fn;
	void *arg;
};

struct inflight *inflight_new(const struct loader *l)
{
	struct inflight *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->conns_fd = loader_conns_fd(l);
	f->handles_fd = loader_handles_fd(l);
	f->seen = table_new(SEEN_MAX, sizeof(uint64_t), NULL, NULL);
	f->batch = calloc(1, sizeof(*f->batch));
	if (!f->seen || !f->batch) {
		inflight_free(f);
		errno = ENOMEM;
		return NULL;
	}
	return f;
}

void inflight_free(struct inflight *f)
{
	if (!f)
		return;
	table_free(f->seen);
	free(f->batch);
	free(f);
}

static uint16_t state_flag(const struct walk *w, const struct apm_exec *x, int running)
{
	if (w->ended)
		return x->enter ? APM_STMT_NO_RETURN : 0;
	return w->all && running ? APM_STMT_IN_FLIGHT : APM_STMT_OPEN;
}

/* Four bytes of a process; 0 = they cannot be read. */
static int32_t word_of(uint32_t tgid, uint64_t addr)
{
	int32_t word = 0;
	struct iovec here = {&word, sizeof(word)}, there = {(void *)(uintptr_t)addr, sizeof(word)};

	return process_vm_readv((pid_t)tgid, &here, 1, &there, 1, 0) == sizeof(word) ? word : 0;
}

static int is_whole(const struct apm_exec *x)
{
	return x->system == APM_SYSTEM_SQLITE && x->set == APM_LITE_EXECUTIONS;
}

/* What no probe has told of an execution that is probed as a whole, its library knows: whether it is at work, and rows. */
static void ask(const struct walk *w, const struct apm_key *key, struct apm_handle *h)
{
	uint32_t rows;

	if (!is_whole(&h->exec))
		return;
	rows = w->ended ? 0 : (uint32_t)word_of(key->tgid, h->rows_at);
	if (rows)
		h->exec.rows = (rows - 1) / 2;
	else
		h->exec.flags |= APM_STMT_ROWS_UNKNOWN;
	if (rows != 1)
		h->exec.flags |= APM_STMT_ELAPSED;
	if (h->course == APM_COURSE_HELD)
		h->exec.flags |= APM_STMT_ERROR;
	if (w->ended || word_of(key->tgid, h->executing) <= 0) {
		h->exec.duration_ns = w->now_ns - h->exec.t_start;
		h->exec.t_last = w->now_ns;
		h->exec.enter = 0;
	}
}

static void report(const struct walk *w, const struct apm_key *key, const struct apm_exec *x, uint64_t conn,
		   uint64_t handle)
{
	int running =
		x->enter != 0 || handle == 0; /* on a connection the server is at work between calls too */
	struct apm_ev_stmt ev = {
		.hdr = {.kind = APM_EV_STMT,
			.flags = x->flags | state_flag(w, x, running),
			.len = sizeof(ev),
			.ts = w->now_ns,
			.tgid = key->tgid,
			.tid = x->tid,
			.ctx_id = x->tid,
			.stmt_seq = x->seq},
		.t_start = x->t_start,
		.t_first = x->t_first,
		.t_end = x->t_last,
		.duration_ns = x->duration_ns,
		.rows = x->rows,
		.text_id = x->text_id,
		.conn = conn,
		.handle = handle,
		.param_hash = x->param_hash,
		.call_site = x->call_site,
		.bytes = x->bytes,
		.wait_ns = x->wait_ns,
		.conn_gen = x->conn_gen,
		.lib_id = x->lib_id,
		.system = x->system,
		.param_count = x->param_count,
		.result_index = x->result_index,
	};
	struct table_key seen_key = {x->seq, 0};
	uint64_t *seen;

	if (w->all && running) {
		uint64_t since = x->enter ? x->enter : x->t_last;

		ev.t_end = w->now_ns;
		ev.duration_ns += w->now_ns > since ? w->now_ns - since : 0;
	}
	if (!w->all && !w->ended) {
		seen = table_put(w->f->seen, seen_key, NULL);
		if (seen && *seen == x->t_last)
			return;
		if (seen)
			*seen = x->t_last;
	}
	w->fn(&ev, w->arg);
}

/*
 * A finalized sqlite3_stmt leaves its entry behind. Those of that system may go any time between executions:
 * all that is lost is that the text was sent already.
 */
static void forget_idle(const struct walk *w, const struct apm_key *key, const struct apm_handle *h)
{
	if (h->exec.system == APM_SYSTEM_SQLITE && !h->exec.seq && h->exec.t_last + FORGET_NS < w->now_ns)
		bpf_map_delete_elem(w->f->handles_fd, key);
}

static void visit_handle(const struct walk *w, const struct apm_key *key, struct apm_handle *h)
{
	int gone = w->ended && key->tgid == w->ended;

	if (w->in_step) {
		*w->in_step |= h->exec.seq && h->exec.enter && h->exec.system == APM_SYSTEM_SQLITE &&
			       !is_whole(&h->exec);
		return;
	}
	if (h->exec.seq &&
	    (w->all || gone || (!w->ended && !h->exec.enter && h->exec.t_last <= w->idle_since_ns))) {
		ask(w, key, h);
		report(w, key, &h->exec, h->db, key->ptr);
	}
	if (gone)
		bpf_map_delete_elem(w->f->handles_fd, key);
	else
		forget_idle(w, key, h);
}

static void visit_conn(const struct walk *w, const struct apm_key *key, const struct apm_conn *c)
{
	int gone = w->ended && key->tgid == w->ended;

	if (w->sets && c->exec.seq)
		*w->sets |= c->exec.set;
	if ((w->all || gone) && c->exec.seq && (c->op == APM_OP_STATEMENT || c->op == APM_OP_POLLED))
		report(w, key, &c->exec, key->ptr, 0);
	if (gone)
		bpf_map_delete_elem(w->f->conns_fd, key);
}

/* Reads a hash map in batches of whole buckets, so that what was visited may go. A lookup per entry would cost a
 * system call each. */
static void walk_map(const struct walk *w, int fd, int handles)
{
	struct batch *b = w->f->batch;
	__u32 position = 0, count, i;
	void *in = NULL;
	int err;

	do {
		LIBBPF_OPTS(bpf_map_batch_opts, opts);

		count = BATCH;
		err = bpf_map_lookup_batch(fd, in, &position, b->key,
					   handles ? (void *)b->handle : (void *)b->conn, &count, &opts);
		if (err && err != -ENOENT)
			return; /* ENOSPC: a bucket with more than BATCH entries; the next walk will see it */
		for (i = 0; i < count; i++) {
			if (handles)
				visit_handle(w, &b->key[i], &b->handle[i]);
			else
				visit_conn(w, &b->key[i], &b->conn[i]);
		}
		in = &position;
	} while (!err);
}

void inflight_open(struct inflight *f, uint64_t now_ns, uint64_t idle_since_ns, inflight_fn fn, void *arg)
{
	struct walk w = {.f = f, .now_ns = now_ns, .idle_since_ns = idle_since_ns, .fn = fn, .arg = arg};

	walk_map(&w, f->handles_fd, 1);
}

void inflight_all(struct inflight *f, uint64_t now_ns, inflight_fn fn, void *arg)
{
	struct walk w = {.f = f, .now_ns = now_ns, .all = 1, .fn = fn, .arg = arg};

	walk_map(&w, f->handles_fd, 1);
	walk_map(&w, f->conns_fd, 0);
}

unsigned int inflight_sets(struct inflight *f)
{
	unsigned int sets = 0;
	struct walk w = {.f = f, .sets = &sets};

	walk_map(&w, f->conns_fd, 0);
	return sets;
}

int inflight_in_step(struct inflight *f)
{
	int in_step = 0;
	struct walk w = {.f = f, .in_step = &in_step};

	walk_map(&w, f->handles_fd, 1);
	return in_step;
}

void inflight_process_end(struct inflight *f, uint32_t tgid, uint64_t now_ns, inflight_fn fn, void *arg)
{
	struct walk w = {.f = f, .now_ns = now_ns, .ended = tgid, .fn = fn, .arg = arg};

	walk_map(&w, f->handles_fd, 1);
	walk_map(&w, f->conns_fd, 0);
}
