/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the collector share. */
#ifndef APM_COLLECT_COLLECT_STATE_H
#define APM_COLLECT_COLLECT_STATE_H

#include "collect/bystanders.h"
#include "collect/calibrate.h"
#include "collect/collect.h"
#include "collect/files.h"
#include "collect/inflight.h"
#include "collect/lite_sets.h"
#include "collect/pq_sets.h"
#include "collect/sampler.h"
#include "collect/spans.h"
#include "collect/targets.h"

/* What the probes' programs take, measured now and then for a moment. */
struct program_price {
	int stats_fd; /* -1 = not measuring */
	uint64_t began_ns, next_ns;
	uint64_t run_ns, runs; /* when the measurement began */
	uint64_t per_run_ns;   /* 0 = not measured yet */
};

struct collect {
	struct loader_options opt;
	struct collect_events events;
	struct loader *loader;
	struct files *files;
	struct bystanders *bystanders; /* NULL: return probes meet none */
	struct inflight *inflight;
	struct pq_sets pq;
	struct lite_sets lite;
	struct spans *spans; /* NULL = none are wanted */
	struct mapwatch *mapwatch;
	struct sampler *sampler;
	struct looks *looks;	/* NULL = none are taken */
	int looks_off;		/* for now */
	struct table *told;	/* with --all: processes that were seen to use a library */
	struct table *followed; /* processes that came into scope and whose end has not been read */
	struct ring_buffer *ring;
	struct calibration price;
	struct program_price programs;
	int epoll_fd;
	int stopped, detached;
	uint64_t last_sweep_ns, late_count, late_ns;
	uint64_t last_ends_ns, ends_missed;
	uint64_t read_until_ns;
	uint64_t last_maps_ns; /* mappings were read */
	uint64_t events_read;
};

/* Measures what the programs take, when it is time to. */
void collect_measure(struct collect *c, uint64_t now_ns);
uint64_t collect_now_ns(void);				 /* CLOCK_MONOTONIC */
int collect_has(const struct collect *c, uint32_t tgid); /* whether the process is in scope */
/* Probes on what the process has mapped. How many libraries it uses that are attached, or -errno. */
int collect_attach_process(struct collect *c, pid_t pid);
/* Says that a process is traced; with --all that is only told of those that use a library, and once. */
void collect_tell_process(struct collect *c, pid_t pid);
/* Mappings made since the last time: libraries that came with them are probed. */
void collect_read_mappings(struct collect *c);

#endif
