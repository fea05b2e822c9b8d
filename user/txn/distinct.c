/* SPDX-License-Identifier: BSD-2-Clause */
#include "txn/distinct.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define CAP_MIN	 8
#define CAP_KEEP 64

void distinct_free(struct distinct *d)
{
	free(d->slot);
	*d = (struct distinct){0};
}

void distinct_reset(struct distinct *d)
{
	struct distinct_slot *slot = d->slot;
	uint32_t cap = d->cap;

	if (cap > CAP_KEEP) {
		free(slot);
		slot = NULL;
		cap = 0;
	}
	if (slot)
		memset(slot, 0, cap * sizeof(*slot));
	*d = (struct distinct){.slot = slot, .cap = cap};
}

static struct distinct_slot *place_of(struct distinct_slot *slot, uint32_t cap, uint64_t hash)
{
	uint32_t i = (uint32_t)(hash >> 32) & (cap - 1);

	while (slot[i].hash && slot[i].hash != hash)
		i = (i + 1) & (cap - 1);
	return &slot[i];
}

static int kept(uint64_t hash, uint32_t shift)
{
	return (hash & ((1ULL << shift) - 1)) == 0;
}

/* Moves what the sample keeps into a table of `cap` slots. */
static int rebuild(struct distinct *d, uint32_t cap)
{
	struct distinct_slot *slot = calloc(cap, sizeof(*slot));
	uint32_t i, used = 0;

	if (!slot)
		return 0;
	for (i = 0; i < d->cap; i++) {
		if (d->slot[i].hash && kept(d->slot[i].hash, d->shift)) {
			*place_of(slot, cap, d->slot[i].hash) = d->slot[i];
			used++;
		}
	}
	free(d->slot);
	d->slot = slot;
	d->cap = cap;
	d->used = used;
	return 1;
}

static int make_room(struct distinct *d, uint32_t limit)
{
	if (d->used < d->cap / 4 * 3)
		return 1;
	if (d->used < limit && rebuild(d, d->cap ? d->cap * 2 : CAP_MIN))
		return 1;
	if (d->shift == 40)
		return 0;
	d->shift++;
	return d->cap && rebuild(d, d->cap);
}

void distinct_add(struct distinct *d, uint64_t hash, uint32_t limit)
{
	struct distinct_slot *s;

	/* Mixed, because a caller's hash may be a plain counter; never 0, which means "free". */
	hash = hash_mix(hash, 1);
	hash = hash ? hash : 1ULL << 63;
	if (d->first.count == 0)
		d->first.hash = hash;
	if (d->first.hash == hash) {
		if (++d->first.count > d->commonest)
			d->commonest = d->first.count;
		return;
	}
	if (!kept(hash, d->shift))
		return;
	s = d->cap ? place_of(d->slot, d->cap, hash) : NULL;
	if (!s || !s->hash) {
		if (!make_room(d, limit) || !kept(hash, d->shift))
			return;
		s = place_of(d->slot, d->cap, hash);
		s->hash = hash;
		d->used++;
	}
	if (++s->count > d->commonest)
		d->commonest = s->count;
}

uint64_t distinct_count(const struct distinct *d)
{
	return (d->first.count > 0) + ((uint64_t)d->used << d->shift);
}
