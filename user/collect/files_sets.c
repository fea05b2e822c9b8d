/* SPDX-License-Identifier: BSD-2-Clause */
/* Libraries with two sets of probes (bpf/lib/libpq.h, bpf/lib/sqlite.h): the change from one to the other. */
#include "collect/files_state.h"

#include <errno.h>
#include <stdio.h>

#include "lib/libpq.h"
#include "lib/sqlite.h"

/* The synchronous functions, and what they have in common or one by one: a call of PQclear. */
#define COUNT_SYNC(fn, number, args, entry, ret, needed, set) +((set) == APM_PQ_SYNC && (ret))
enum { SYNC_FUNCTIONS = APM_LIBPQ_SYMBOLS(COUNT_SYNC) };

/*
 * The asynchronous set is there in any case: without it the library is not recognised. At its exits only that
 * set is probed: it knows the connection from the arguments, where the other goes by the thread's last call.
 */
int files_has_both_sets(const struct lib_match *m)
{
	int sync = 0;

	if (m->system == APM_SYSTEM_SQLITE)
		return m->facts.place[APM_PLACE_LITE_BEGUN].where != APM_WHERE_NOWHERE;
	for (size_t i = 0; i < m->probe_count; i++)
		sync += m->probe[i].symbol->sets == APM_PQ_SYNC;
	return (sync == SYNC_FUNCTIONS + 1 || sync == 2 * SYNC_FUNCTIONS) && !m->facts.exits;
}

struct set_choice {
	uint8_t system, set;
	const char *why;
	int err;
};

/* Of a copy that does not have the set that is wanted. */
static void say_steps(struct files *f, const struct copy *copy, pid_t pid)
{
	const struct lib_match *m = &copy->match;
	char subject[512], text[256];

	snprintf(subject, sizeof(subject), "%s %s (%s)", m->name, m->version, copy->path);
	snprintf(text, sizeof(text), "each step is probed, not whole executions: not found by its code: %s",
		 m->sets_why);
	f->events.on_missing(pid, subject, text, f->events.arg);
}

void files_say_set(struct files *f, const struct copy *copy, pid_t pid)
{
	const struct lib_match *m = &copy->match;

	if (m->system != APM_SYSTEM_SQLITE || f->lite_set == APM_LITE_STEPS)
		return;
	if (m->facts.set == f->lite_set)
		f->events.on_probes(m, copy->path, f->lite_why, f->events.arg);
	else
		say_steps(f, copy, pid);
}

/* The probes first, then the word that they begin statements now. */
static void set_select(struct files *f, struct file *file, struct copy *copy, void *arg)
{
	static const struct exits none;
	struct set_choice *s = arg;

	if (copy->match.system == s->system && s->system == APM_SYSTEM_SQLITE &&
	    !files_has_both_sets(&copy->match))
		say_steps(f, copy, 0);
	if (copy->match.system != s->system || !files_has_both_sets(&copy->match) ||
	    copy->match.facts.set == s->set)
		return;
	if (!copy->of_set[s->set])
		copy->of_set[s->set] = attach_library(f->loader, &copy->match, s->set, copy->fd,
						      copy->match.facts.exits ? &none : NULL);
	if (!copy->of_set[s->set]) {
		s->err = -errno;
		return;
	}
	copy->match.facts.set = s->set;
	loader_set_library(f->loader, &copy->match.facts);
	f->events.on_probes(&copy->match, copy->path, s->why, f->events.arg);
}

int files_select(struct files *f, uint8_t system, uint8_t set, const char *why)
{
	struct set_choice s = {.system = system, .set = set, .why = why};

	if (system == APM_SYSTEM_SQLITE) {
		f->lite_set = set;
		snprintf(f->lite_why, sizeof(f->lite_why), "%s", why);
	}
	files_each_copy(f, set_select, &s);
	return s.err;
}

static void set_settle(struct files *f, struct file *file, struct copy *copy, void *arg)
{
	uint8_t other = copy->match.facts.set == APM_PQ_ASYNC ? APM_PQ_SYNC : APM_PQ_ASYNC;

	if (copy->match.facts.set && copy->match.system == *(uint8_t *)arg)
		attachments_close(&copy->of_set[other], 1);
}

void files_settle(struct files *f, uint8_t system)
{
	files_each_copy(f, set_settle, &system);
}

struct set_counting {
	uint8_t system;
	unsigned int count;
};

static void set_count(struct files *f, struct file *file, struct copy *copy, void *arg)
{
	struct set_counting *c = arg;

	c->count += copy->match.system == c->system && files_has_both_sets(&copy->match);
}

unsigned int files_with_sets(struct files *f, uint8_t system)
{
	struct set_counting c = {.system = system};

	files_each_copy(f, set_count, &c);
	return c.count;
}
