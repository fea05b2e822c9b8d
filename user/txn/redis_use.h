/* SPDX-License-Identifier: BSD-2-Clause */
/* What a Redis command is used for: a cache, or a queue. By its name, as
 * https://redis.io/docs/latest/commands/ describes it. */
#ifndef APM_TXN_REDIS_USE_H
#define APM_TXN_REDIS_USE_H

#include "txn/span.h"

enum redis_use {
	REDIS_CACHE = 0,
	REDIS_LOOKUP = 1, /* a cache's read of one key: an empty reply is a miss */
	REDIS_QUEUE = 2,  /* lists, streams and channels as messages go through them */
};

enum redis_use redis_use_of(struct str operation);

/* Fills type and lookup of a statement. */
static inline void redis_use_apply(struct statement *stmt, enum redis_use use)
{
	stmt->type = use == REDIS_QUEUE ? SPAN_QUEUE : SPAN_CACHE;
	stmt->lookup = use == REDIS_LOOKUP;
}

#endif
