/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From raw events to records: texts are put together and normalised, error messages redacted, stacks and call
 * sites resolved while the process is alive. This is where literals end, unless --show-literals asks for
 * them: nothing downstream, capture file included, ever sees a raw event.
 */
#ifndef APM_ENRICH_H
#define APM_ENRICH_H

#include <sys/types.h>

#include "record.h"

struct enrich_options {
	int show_literals;
	uint64_t hash_key[2];
	record_fn sink; /* takes the records; a non-zero return is kept and given by enrich_status() */
	void *sink_arg;
};

struct enrich;

struct enrich *enrich_new(const struct enrich_options *opt); /* NULL with errno */
void enrich_free(struct enrich *e);			     /* accepts NULL */

/* A raw event from the probes. */
void enrich_event(struct enrich *e, const struct apm_hdr *ev);
/* A process came into scope: its name and mappings are read now. */
void enrich_process(struct enrich *e, pid_t pid);
/* A record that needs nothing done to it (meta, loss, coverage, overhead, library,
 * end …): hdr is made here. */
void enrich_pass(struct enrich *e, uint16_t kind, uint32_t tgid, struct record *rec);
/* The same of something that was seen in a thread at a moment. */
void enrich_pass_at(struct enrich *e, uint16_t kind, uint64_t ts, uint32_t tgid, uint32_t tid,
		    struct record *rec);

/* The first non-zero value that the sink returned. */
int enrich_status(const struct enrich *e);
/* Probed calls of the statements seen so far. */
uint64_t enrich_calls(const struct enrich *e);
/* Entries dropped from bounded tables. */
uint64_t enrich_evicted(const struct enrich *e);

#endif
