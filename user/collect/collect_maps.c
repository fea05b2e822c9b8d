/* SPDX-License-Identifier: BSD-2-Clause */
/* The collector's eye on what processes map while they are traced. */
#include "collect/collect_state.h"

#include <string.h>

#include <bpf/bpf.h>

#include "base/table.h"
#include "collect/lib.h"

static void count_late(struct collect *c, uint64_t since)
{
	uint64_t late = collect_now_ns() - since;

	c->late_count++;
	if (late > c->late_ns)
		c->late_ns = late;
}

/* A process that was in scope has gone before the library it mapped could be looked at:
 * all its calls are the loss. */
static void missed_mapping(struct collect *c, const struct mapwatch_event *ev)
{
	const char *slash = strrchr(ev->path, '/');

	if (!table_peek(c->followed, (struct table_key){ev->tgid, 0}) ||
	    files_known(c->files, ev->dev, ev->inode) >= 0)
		return;
	if (lib_name_is_likely(slash ? slash + 1 : ev->path) &&
	    files_may_hold(c->files, ev->dev, ev->inode, ev->path))
		count_late(c, ev->ts);
}

/* A process in scope has mapped a file: if it is a library, its calls since then are the loss. */
static void mapped_late(const struct mapwatch_event *ev, void *arg)
{
	struct collect *c = arg;
	unsigned int before;
	int libraries, was_known;

	if (!collect_has(c, ev->tgid)) {
		if (c->bystanders && !c->detached)
			bystanders_mapped(c->bystanders, ev);
		missed_mapping(c, ev);
		return;
	}
	if (pq_sets_mapped(&c->pq, (pid_t)ev->tgid))
		count_late(c, ev->ts);
	if (spans_mapped(c->spans, (pid_t)ev->tgid, ev->path))
		count_late(c, ev->ts);
	/* Another file with nothing in it is no news; one with a library may be met by
	 * stacks that are switched. */
	libraries = files_known(c->files, ev->dev, ev->inode);
	if (libraries) {
		before = files_attached(c->files);
		was_known = libraries > 0;
		libraries = collect_attach_process(c, (pid_t)ev->tgid);
		if (files_attached(c->files) > before)
			count_late(c, ev->ts);
		else if (!was_known)
			missed_mapping(c, ev);
	}
	if (libraries > 0 && c->told)
		collect_tell_process(c, (pid_t)ev->tgid);
}

/* Records were lost: what was mapped since is found by looking at every process again. */
static void look_again(struct collect *c)
{
	unsigned int before = files_attached(c->files), left = APM_MAX_SCOPE;
	uint32_t key, next;
	void *prev = NULL;

	pq_sets_give_up(&c->pq, "mappings were missed: asynchronous functions are probed too");
	while (left-- && !bpf_map_get_next_key(loader_scope_fd(c->loader), prev, &next)) {
		collect_attach_process(c, (pid_t)next);
		key = next;
		prev = &key;
	}
	if (files_attached(c->files) != before)
		count_late(c, c->last_maps_ns);
}

void collect_read_mappings(struct collect *c)
{
	uint64_t now = collect_now_ns();

	if (mapwatch_read(c->mapwatch, mapped_late, c) > 0)
		look_again(c);
	c->last_maps_ns = now;
}
