/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash table from a pair of 64-bit numbers to a fixed-size value stored inline, bounded, with
 * least-recently-used eviction. State that grows with the traced program lives in one of these, so that a
 * trace that runs for a month does not grow.
 */
#ifndef APM_BASE_TABLE_H
#define APM_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_key {
	uint64_t a;
	uint64_t b;
};

struct table;

/* Called with an entry that is about to go (eviction, table_remove, table_free): free what value owns. */
typedef void (*table_drop_fn)(struct table_key key, void *value, void *arg);

/*
 * max_entries bounds the table (0 = unbounded); value_size is in bytes; drop may be NULL.
 * Returns NULL with errno set. Pointers to values stay valid until the entry goes.
 */
struct table *table_new(size_t max_entries, size_t value_size, table_drop_fn drop, void *drop_arg);
void table_free(struct table *t); /* drops every entry; accepts NULL */

void *table_get(struct table *t, struct table_key key);	       /* NULL if absent; marks as used */
void *table_peek(const struct table *t, struct table_key key); /* same without marking */
/* The value, zeroed if new (*is_new, may be NULL). Evicts the least recently used when full; NULL = ENOMEM. */
void *table_put(struct table *t, struct table_key key, int *is_new);
int table_remove(struct table *t, struct table_key key); /* 1 if it was there */

size_t table_count(const struct table *t);
uint64_t table_evicted(const struct table *t); /* entries dropped because the table was full */

/* Least recently used first. `fn` returning non-zero removes the entry. */
typedef int (*table_visit_fn)(struct table_key key, void *value, void *arg);
void table_visit(struct table *t, table_visit_fn fn, void *arg);

#endif
