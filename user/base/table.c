/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/table.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct node {
	struct node *chain;	    /* same bucket */
	struct node *older, *newer; /* order of use */
	struct table_key key;
	_Alignas(16) unsigned char value[];
};

struct table {
	struct node **bucket;
	size_t bucket_count; /* power of two */
	size_t count;
	size_t max_entries;
	size_t value_size;
	uint64_t evicted;
	struct node *oldest, *newest;
	table_drop_fn drop;
	void *drop_arg;
};

static struct node **slot_of(const struct table *t, struct table_key key)
{
	return &t->bucket[hash_mix(key.a, key.b) & (t->bucket_count - 1)];
}

static struct node *find(const struct table *t, struct table_key key)
{
	struct node *n = *slot_of(t, key);

	while (n && (n->key.a != key.a || n->key.b != key.b))
		n = n->chain;
	return n;
}

static void order_remove(struct table *t, struct node *n)
{
	*(n->older ? &n->older->newer : &t->oldest) = n->newer;
	*(n->newer ? &n->newer->older : &t->newest) = n->older;
}

static void order_append(struct table *t, struct node *n)
{
	n->older = t->newest;
	n->newer = NULL;
	*(t->newest ? &t->newest->newer : &t->oldest) = n;
	t->newest = n;
}

static void drop_node(struct table *t, struct node *n)
{
	struct node **link = slot_of(t, n->key);

	while (*link != n)
		link = &(*link)->chain;
	*link = n->chain;
	order_remove(t, n);
	t->count--;
	if (t->drop)
		t->drop(n->key, n->value, t->drop_arg);
	free(n);
}

struct table *table_new(size_t max_entries, size_t value_size, table_drop_fn drop, void *drop_arg)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->bucket_count = 64;
	t->bucket = calloc(t->bucket_count, sizeof(struct node *));
	if (!t->bucket) {
		free(t);
		errno = ENOMEM;
		return NULL;
	}
	t->max_entries = max_entries;
	t->value_size = value_size;
	t->drop = drop;
	t->drop_arg = drop_arg;
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	while (t->oldest)
		drop_node(t, t->oldest);
	free(t->bucket);
	free(t);
}

void *table_peek(const struct table *t, struct table_key key)
{
	struct node *n = find(t, key);

	return n ? n->value : NULL;
}

void *table_get(struct table *t, struct table_key key)
{
	struct node *n = find(t, key);

	if (!n)
		return NULL;
	if (n != t->newest) {
		order_remove(t, n);
		order_append(t, n);
	}
	return n->value;
}

/* A failed growth is harmless: chains get longer. */
static void grow(struct table *t)
{
	size_t want = t->bucket_count * 2;
	struct node **bucket = calloc(want, sizeof(struct node *));
	struct node *n;

	if (!bucket)
		return;
	free(t->bucket);
	t->bucket = bucket;
	t->bucket_count = want;
	for (n = t->oldest; n; n = n->newer) {
		struct node **slot = slot_of(t, n->key);

		n->chain = *slot;
		*slot = n;
	}
}

void *table_put(struct table *t, struct table_key key, int *is_new)
{
	void *value = table_get(t, key);
	struct node **slot, *n;

	if (is_new)
		*is_new = !value;
	if (value)
		return value;
	n = calloc(1, sizeof(*n) + t->value_size);
	if (!n)
		return NULL;
	if (t->max_entries && t->count >= t->max_entries) {
		drop_node(t, t->oldest);
		t->evicted++;
	}
	if (t->count >= t->bucket_count)
		grow(t);
	n->key = key;
	slot = slot_of(t, key);
	n->chain = *slot;
	*slot = n;
	order_append(t, n);
	t->count++;
	return n->value;
}

int table_remove(struct table *t, struct table_key key)
{
	struct node *n = find(t, key);

	if (!n)
		return 0;
	drop_node(t, n);
	return 1;
}

size_t table_count(const struct table *t)
{
	return t->count;
}

uint64_t table_evicted(const struct table *t)
{
	return t->evicted;
}

void table_visit(struct table *t, table_visit_fn fn, void *arg)
{
	struct node *n = t->oldest;

	while (n) {
		struct node *next = n->newer;

		if (fn(n->key, n->value, arg))
			drop_node(t, n);
		n = next;
	}
}
