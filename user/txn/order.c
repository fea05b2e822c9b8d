/* SPDX-License-Identifier: BSD-2-Clause */
#include "txn/order.h"

#include <errno.h>
#include <stdlib.h>

/* A binary heap of starts; the statements themselves stay where they were put. */
struct entry {
	uint64_t t_start;
	uint64_t arrival; /* statements with equal starts keep their order */
	uint32_t place;
};

struct order {
	struct entry *heap;
	struct statement *held;
	uint32_t *free_place;
	size_t count, max;
	uint64_t delay_ns, arrivals;
	order_fn fn;
	void *arg;
};

struct order *order_new(size_t max, uint64_t delay_ns, order_fn fn, void *arg)
{
	struct order *o = calloc(1, sizeof(*o));
	size_t i;

	if (!o)
		return NULL;
	o->heap = calloc(max, sizeof(*o->heap));
	o->held = calloc(max, sizeof(*o->held));
	o->free_place = calloc(max, sizeof(*o->free_place));
	if (!o->heap || !o->held || !o->free_place) {
		order_free(o);
		errno = ENOMEM;
		return NULL;
	}
	for (i = 0; i < max; i++)
		o->free_place[i] = (uint32_t)i;
	o->max = max;
	o->delay_ns = delay_ns;
	o->fn = fn;
	o->arg = arg;
	return o;
}

void order_free(struct order *o)
{
	if (!o)
		return;
	free(o->heap);
	free(o->held);
	free(o->free_place);
	free(o);
}

static int before(const struct entry *a, const struct entry *b)
{
	return a->t_start < b->t_start || (a->t_start == b->t_start && a->arrival < b->arrival);
}

static void sift_up(struct order *o, size_t i)
{
	struct entry moved = o->heap[i];

	while (i > 0 && before(&moved, &o->heap[(i - 1) / 2])) {
		o->heap[i] = o->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	o->heap[i] = moved;
}

static void sift_down(struct order *o, size_t i)
{
	struct entry moved = o->heap[i];
	size_t child;

	while ((child = 2 * i + 1) < o->count) {
		if (child + 1 < o->count && before(&o->heap[child + 1], &o->heap[child]))
			child++;
		if (!before(&o->heap[child], &moved))
			break;
		o->heap[i] = o->heap[child];
		i = child;
	}
	o->heap[i] = moved;
}

static void release_first(struct order *o)
{
	uint32_t place = o->heap[0].place;
	struct statement stmt = o->held[place];

	o->count--;
	o->heap[0] = o->heap[o->count];
	if (o->count)
		sift_down(o, 0);
	o->free_place[o->count] = place;
	o->fn(&stmt, o->arg);
}

void order_add(struct order *o, const struct statement *stmt)
{
	uint32_t place;

	if (o->count == o->max)
		release_first(o);
	place = o->free_place[o->count];
	o->held[place] = *stmt;
	o->heap[o->count] = (struct entry){stmt->t_start, o->arrivals++, place};
	o->count++;
	sift_up(o, o->count - 1);
}

void order_time(struct order *o, uint64_t now_ns)
{
	while (o->count && o->heap[0].t_start + o->delay_ns < now_ns)
		release_first(o);
}

void order_flush(struct order *o, uint64_t until)
{
	while (o->count && o->heap[0].t_start <= until)
		release_first(o);
}
