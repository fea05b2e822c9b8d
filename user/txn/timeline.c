/* SPDX-License-Identifier: BSD-2-Clause */
#include "txn/timeline.h"

#define FIRST_WIDTH_NS 10000000ULL

void timeline_free(struct timeline *t)
{
	uint32_t i;

	for (i = 0; i < TIMELINE_SLOTS; i++)
		hist_free(&t->slot[i].durations);
	*t = (struct timeline){0};
}

void timeline_begin(struct timeline *t, uint64_t begin_ns)
{
	t->begin_ns = begin_ns;
	t->width_ns = FIRST_WIDTH_NS;
}

/* Slot i takes over i * 2 and i * 2 + 1. 0 or -ENOMEM; then some are joined and counts still add up. */
static int join_neighbours(struct timeline *t)
{
	uint32_t i;
	int err;

	for (i = 0; i < TIMELINE_SLOTS; i += 2) {
		err = hist_merge(&t->slot[i].durations, &t->slot[i + 1].durations);
		if (err)
			return err;
		t->slot[i].failed += t->slot[i + 1].failed;
		hist_free(&t->slot[i + 1].durations);
		t->slot[i + 1].failed = 0;
	}
	for (i = 1; i < TIMELINE_SLOTS / 2; i++) {
		t->slot[i] = t->slot[2 * i];
		t->slot[2 * i] = (struct timeline_slot){0};
	}
	t->width_ns *= 2;
	return 0;
}

int timeline_add(struct timeline *t, uint64_t ts, uint64_t duration_ns, int failed)
{
	uint64_t since = ts > t->begin_ns ? ts - t->begin_ns : 0;
	struct timeline_slot *slot;
	int err = 0;

	while (!err && since / t->width_ns >= TIMELINE_SLOTS)
		err = join_neighbours(t);
	if (err)
		return err;
	slot = &t->slot[since / t->width_ns];
	slot->failed += failed != 0;
	return hist_add(&slot->durations, duration_ns);
}

uint32_t timeline_used(const struct timeline *t, uint64_t end_ns)
{
	uint64_t used =
		end_ns > t->begin_ns && t->width_ns ? (end_ns - t->begin_ns - 1) / t->width_ns + 1 : 0;

	return used < TIMELINE_SLOTS ? (uint32_t)used : TIMELINE_SLOTS;
}
