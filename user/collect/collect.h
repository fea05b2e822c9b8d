/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The live source: loads the programs, puts probes on the libraries of the target processes, follows them as
 * they map more, fork and exec, and hands over what the probes send. Everything that knows libbpf is in this
 * folder.
 *
 *   collect_open -> collect_add_process / collect_arm_library -> collect_start -> collect_poll … ->
 * collect_stop -> collect_free
 */
#ifndef APM_COLLECT_COLLECT_H
#define APM_COLLECT_COLLECT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/counters.h"
#include "abi/event.h"
#include "collect/loader.h"
#include "collect/looks.h"
#include "collect/site.h"
#include "collect/span_rule.h"

/* What the collector tells; called from within collect_* functions only. All but on_event may be NULL. */
struct collect_events {
	/* A raw event from the probes, or one made from their state. Valid during the call. */
	void (*on_event)(const struct apm_hdr *ev, void *arg);
	/* A process came into scope (start, fork). */
	void (*on_process)(pid_t pid, void *arg);
	/* A library copy was attached; facts.lib_id names it in events. */
	void (*on_library)(const struct lib_match *match, const char *path, pid_t pid, void *arg);
	/* Something was seen and is not watched, or is watched with a restriction. */
	void (*on_missing)(pid_t pid, const char *subject, const char *text, void *arg);
	/* From now on a library is probed at other functions, and why. */
	void (*on_probes)(const struct lib_match *match, const char *path, const char *why, void *arg);
	/* The probes of a span were put on a file. */
	void (*on_span)(const struct span_rule *rule, const char *path, const char *text, pid_t pid,
			void *arg);
	/* What threads wait for outside of database calls, some times a second. */
	void (*on_wait)(const struct looks_wait *wait, void *arg);
	void *arg;
};

struct collect;

struct collect *collect_open(const struct loader_options *opt, const struct collect_events *events, char *err,
			     size_t err_len);
void collect_free(struct collect *c); /* stops first if need be; accepts NULL */

/* Puts a process in scope and probes on the libraries it has mapped. 0; -ESRCH; -errno. */
int collect_add_process(struct collect *c, pid_t pid);
/*
 * Puts the children of the processes in scope there too, and theirs; then what opt->select chooses. Processes
 * that come later come by themselves. 0 or -errno.
 */
int collect_add_others(struct collect *c);
/* Puts a process in scope that has yet to exec what is to be traced: nothing it has
 * mapped now is of interest. */
int collect_add_command(struct collect *c, pid_t pid);
/* Puts probes on a library before any process maps it; no return probes when there is something against them.
 * 0 when armed, -ENOENT when it is no supported library. */
int collect_arm_library(struct collect *c, const char *path, const char *unsafe);
/*
 * Once the targets are known: whether every --span has its place. 0; -ENOENT with one sentence in err. See
 * spans_check().
 */
int collect_check_spans(struct collect *c, const char *program, int may_come, struct strbuf *err);
/* Spans whose BINARY nobody has mapped so far. */
void collect_unseen_spans(const struct collect *c, void (*fn)(const struct span_rule *rule, void *arg),
			  void *arg);
/* Starts CPU sampling if asked for. 0 or -errno: statements are traced all the same. */
int collect_start(struct collect *c);

/* Waits up to timeout_ms, then hands over all that has come. 0, or -errno. */
int collect_poll(struct collect *c, int timeout_ms);
/* An extra descriptor that ends the wait when readable (a signalfd). */
int collect_watch_fd(struct collect *c, int fd);

unsigned int collect_processes(const struct collect *c); /* in scope and alive: counts them */
int collect_any_process(const struct collect *c);	 /* whether there is one */
unsigned int collect_libraries(const struct collect *c); /* copies attached */
unsigned int collect_sites(const struct collect *c);

/* Takes the probes off and hands over what is left, statements still running included. Idempotent. */
void collect_stop(struct collect *c);

/* Prices of one hit, ns; 0 = not known. */
struct collect_cost {
	uint64_t entry_price_ns,
		return_price_ns; /* calibrated: one probe at an entry; what its return adds */
	uint64_t run_ns;	 /* one run of a program, measured now and then while tracing */
	uint64_t events_read;	 /* from the ring buffer, no price: after the end all that were sent */
};
void collect_cost(const struct collect *c, struct collect_cost *out);

/* What is collected from now on: what the probes read, and whether the profile goes on (CPU samples, looks at threads). */
void collect_set_detail(struct collect *c, const struct apm_detail *detail, int samples);
/*
 * Probes whole executions and not each step, in the copies of SQLite that are attached; for good, and said with `why`. 1, or
 * 0 when there is nothing to change.
 */
int collect_probe_executions(struct collect *c, const char *why);
/* Takes the probes off for good; processes are followed as before. */
void collect_detach(struct collect *c);
void collect_counters(const struct collect *c, uint64_t values[APM_CNT_MAX], uint64_t *late_attach_ns);
const struct loader *collect_loader(const struct collect *c);

#endif
