/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks at the threads in scope some times a second: what those wait for that sleep outside of database calls.
 * How often follows from what a look takes, so that the looks stay within three thousandths of a core. Each
 * stands for the time since the one before.
 */
#ifndef APM_COLLECT_LOOKS_H
#define APM_COLLECT_LOOKS_H

#include <stdint.h>

#include "abi/event.h"
#include "collect/loader.h"
#include "record.h"

/* What was seen of one thread in a span, or (tid 0) of the others of one process. */
struct looks_wait {
	uint64_t ts;
	uint32_t tgid, tid;
	uint32_t threads;
	enum rec_wait_reason reason;
	uint64_t weight_ns; /* of all of them */
};

typedef void (*looks_fn)(const struct looks_wait *wait, void *arg);

struct looks;

/* NULL with errno when this kernel takes no looks. */
struct looks *looks_open(const struct loader *l);
void looks_close(struct looks *l); /* accepts NULL, as those that follow */

/* Milliseconds until the next look is due, at most `timeout_ms`. */
int looks_timeout(const struct looks *l, uint64_t now_ns, int timeout_ms);
/* Takes a look when it is time to. The first time tells REC_WAIT_NONE. */
void looks_take(struct looks *l, uint64_t now_ns, looks_fn fn, void *arg);
/* Whatever comes from the ring buffer: which descriptors are connections to databases is learned from it. */
void looks_event(struct looks *l, const struct apm_hdr *ev);

#endif
