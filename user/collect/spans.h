/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The probes of --span: looks for each rule's BINARY among the files that target processes have mapped,
 * attaches to it, and at the end tells the spans that still run.
 */
#ifndef APM_COLLECT_SPANS_H
#define APM_COLLECT_SPANS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "collect/loader.h"
#include "collect/span_rule.h"

struct spans_events {
	/* A rule's probes are in place; `text` says where and how exactly. */
	void (*on_span)(const struct span_rule *rule, const char *path, const char *text, pid_t pid,
			void *arg);
	void (*on_missing)(pid_t pid, const char *subject, const char *text, void *arg);
	void *arg;
};

struct spans;

/* `rules` must live as long. NULL with errno. */
struct spans *spans_new(const struct loader *l, const struct span_rule *rules, size_t count,
			const struct spans_events *events);
void spans_free(struct spans *s); /* detaches; accepts NULL, as all that follow */

/* Attaches to what the process has mapped. What is wrong with it is kept for spans_check(), or told at once
 * when that was called already. */
void spans_look(struct spans *s, pid_t pid);
/* A process in scope maps this file: looks at it if a rule names it. Returns
 * whether probes were put on it. */
int spans_mapped(struct spans *s, pid_t pid, const char *path);

/*
 * To be called once the targets are known. What no process has mapped is looked for by itself: as a path, as
 * `program` (NULL = none), in PATH, in the loader's cache. 0; -ENOENT with one sentence in err when a rule
 * cannot be kept. `may_come`: processes may still begin and bring it.
 */
int spans_check(struct spans *s, const char *program, int may_come, struct strbuf *err);

typedef void (*spans_event_fn)(const struct apm_ev_span *ev, void *arg);
/* Tells and forgets what a process that has ended left open. */
void spans_process_end(struct spans *s, uint32_t tgid, uint64_t now_ns, spans_event_fn fn, void *arg);
/* Tells what still runs. */
void spans_running(struct spans *s, uint64_t now_ns, spans_event_fn fn, void *arg);

void spans_detach(struct spans *s);
unsigned int spans_sites(const struct spans *s);
/* Rules that nothing was found for. */
void spans_unseen(const struct spans *s, void (*fn)(const struct span_rule *rule, void *arg), void *arg);

#endif
