/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts statements into the order in which they started. Events come from several CPUs and at the end of a
 * statement, so a statement is held until event time has passed its start by `delay_ns`, or `max` are held.
 */
#ifndef APM_TXN_ORDER_H
#define APM_TXN_ORDER_H

#include <stddef.h>

#include "txn/span.h"

struct order;

typedef void (*order_fn)(struct statement *stmt, void *arg);

struct order *order_new(size_t max, uint64_t delay_ns, order_fn fn, void *arg); /* NULL with errno */
void order_free(struct order *o);						/* drops what is held */

/* Takes a copy; releases others when `max` are held. */
void order_add(struct order *o, const struct statement *stmt);
/* Releases what started before now - delay. */
void order_time(struct order *o, uint64_t now_ns);
/* Releases what started at or before `until`. */
void order_flush(struct order *o, uint64_t until);

#endif
