/* SPDX-License-Identifier: BSD-2-Clause */
/* The BPF object: what this kernel can load of it, and the descriptors of what was loaded. */
#ifndef APM_COLLECT_LOADER_H
#define APM_COLLECT_LOADER_H

#include <stddef.h>
#include <stdint.h>

#include "abi/config.h"
#include "abi/counters.h"
#include "abi/span.h"

/* How user probes are attached, best first. */
enum probe_mode {
	PROBE_SESSION = 0, /* one link, the entry says whether it wants the return (6.13) */
	PROBE_MULTI = 1,   /* a link for entries and one for returns (6.6) */
	PROBE_SINGLE = 2,  /* a perf event per site */
};

struct selection;
struct span_rule;

struct loader_options {
	uint32_t ring_bytes;
	uint32_t max_sql;
	uint32_t sample_freq;
	uint64_t hash_key[2];
	const struct selection *select; /* processes that come into scope by themselves; NULL = none */
	const struct span_rule *span;	/* functions that the user named, as many as span_count */
	size_t span_count;
	int aggregate; /* whole executions are probed where there is a choice, from the start */
};

struct loader;

/*
 * Loads the programs. NULL with a one-line reason that says what to do in err (not root, no BTF, kernel too
 * old).
 */
struct loader *loader_open(const struct loader_options *opt, char *err, size_t err_len);
void loader_close(struct loader *l); /* accepts NULL */

/* Begins to follow fork, exec and exit of processes in scope, and to take in those of
 * opt->select. 0 or -errno. */
int loader_follow_processes(struct loader *l);
void loader_leave_processes(struct loader *l);
/* Whether the kernel has ever skipped the last program that tells of a process's end. */
int loader_skips_ends(const struct loader *l);

enum probe_mode loader_mode(const struct loader *l);
struct bpf_program;
/* Program `<library>_<role>` ("libpq_session"); NULL when it is not loaded on this kernel. */
struct bpf_program *loader_program(const struct loader *l, const char *library, const char *role);
struct bpf_program *loader_program_named(const struct loader *l, const char *name);

int loader_ring_fd(const struct loader *l);
int loader_scope_fd(const struct loader *l);
int loader_conns_fd(const struct loader *l);
int loader_handles_fd(const struct loader *l);
int loader_span_threads_fd(const struct loader *l);
/* Says what a probe at `number` is for. 0 or -errno. */
int loader_set_span_site(const struct loader *l, uint32_t number, const struct apm_span_site *site);
/* Writes the facts of a library copy. 0 or -errno. */
int loader_set_library(const struct loader *l, const struct apm_lib *facts);
/* Whether a probe knows its attach cookie (5.15); else every site must be made known by loader_set_site(). */
int loader_attach_cookies(const struct loader *l);
/* What the probe at such a site is to take for its cookie. 0; -EEXIST when it looks like another; -errno. */
int loader_set_site(const struct loader *l, const struct apm_site_key *key, uint64_t cookie);
/* Sums the per-CPU counters into values[]; probe runs skipped by the kernel (recursion_misses) are added. */
void loader_counters(const struct loader *l, uint64_t values[APM_CNT_MAX]);
/* What the probes' programs have taken and how often they ran while the kernel's BPF statistics were on. */
void loader_run_time(const struct loader *l, uint64_t *ns, uint64_t *runs);
/* What the probes leave out from now on. */
void loader_set_detail(const struct loader *l, const struct apm_detail *detail);
/* What this kernel lacks, one line each. */
void loader_lacks(const struct loader *l, void (*fn)(const char *subject, const char *text, void *arg),
		  void *arg);

#endif
