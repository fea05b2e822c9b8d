/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/pq_sets.h"

#include <stdint.h>
#include <string.h>

#include <bpf/bpf.h>

#include "abi/event.h"
#include "collect/pq_use.h"
#include "lib/libpq.h"
#include "log.h"

#define PROCESSES_MAX 64 /* more are not judged one by one */

void pq_sets_give_up(struct pq_sets *s, const char *why)
{
	int err;

	s->never = 1;
	if (!s->sync)
		return;
	err = files_select(s->files, APM_SYSTEM_POSTGRESQL, APM_PQ_ASYNC, why);
	if (err)
		log_warn("asynchronous calls of libpq are not seen: %s", strerror(-err));
	s->sync = 0;
	s->unsettled = 1;
}

int pq_sets_mapped(struct pq_sets *s, pid_t pid)
{
	s->changed = 1;
	if (!s->sync || pq_use_of(pid) != PQ_USE_ANY)
		return 0;
	pq_sets_give_up(s, "a process has mapped what may use asynchronous functions: those are probed");
	return 1;
}

/* Whether every process in scope that uses libpq uses its synchronous functions only, and one does. */
static int all_sync(const struct pq_sets *s)
{
	uint32_t key, next;
	unsigned int count = 0, sync = 0;
	void *prev = NULL;

	while (!bpf_map_get_next_key(s->scope_fd, prev, &next)) {
		enum pq_use use = count++ < PROCESSES_MAX ? pq_use_of((pid_t)next) : PQ_USE_ANY;

		if (use == PQ_USE_ANY)
			return 0;
		sync += use == PQ_USE_SYNC;
		key = next;
		prev = &key;
	}
	return sync > 0;
}

/* Not at the review that follows the change: a program that runs in the kernel may have begun before it. */
static void settle(struct pq_sets *s)
{
	if (!s->unsettled || s->unsettled++ == 1)
		return;
	if (inflight_sets(s->inflight) & (s->sync ? APM_PQ_ASYNC : APM_PQ_SYNC))
		return;
	files_settle(s->files, APM_SYSTEM_POSTGRESQL);
	s->unsettled = 0;
}

void pq_sets_review(struct pq_sets *s)
{
	settle(s);
	if (!s->changed || s->sync || s->never || !files_with_sets(s->files, APM_SYSTEM_POSTGRESQL))
		return;
	s->changed = 0;
	if (!all_sync(s))
		return;
	s->sync = 1;
	s->unsettled = 1;
	if (files_select(s->files, APM_SYSTEM_POSTGRESQL, APM_PQ_SYNC,
			 "nothing but synchronous functions is in use: PQexec and its like are probed"))
		pq_sets_give_up(s, "not every copy could be probed otherwise");
}
