/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 1024
#define OTHER	  "[other]"
#define NAMELESS  "[unknown]"

/* Frames and stacks are both sequences of bytes that are kept once and known by number. */
struct interned {
	struct strbuf bytes;
	struct item {
		uint64_t hash;
		size_t off, len; /* in bytes */
	} * item;
	size_t count, cap;
	uint32_t *slot; /* item number + 1; 0 = free */
	size_t slots;	/* power of two */
};

struct stacks {
	struct interned names;	/* of frames, NUL-terminated */
	struct interned frames; /* stacks: numbers of frames, root first */
	uint64_t *weight;	/* of each stack */
	size_t *order;		/* room to sort in, so that reading needs no memory */
	size_t weight_cap;
	size_t max_stacks;
	uint64_t other; /* weight of what was folded away */
	uint64_t total;
	struct strbuf clean; /* scratch */
};

static int interned_grow(struct interned *set)
{
	size_t slots = set->slots ? set->slots * 2 : 256, i;
	uint32_t *slot = calloc(slots, sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	for (i = 0; i < set->count; i++) {
		size_t at = set->item[i].hash & (slots - 1);

		while (slot[at])
			at = (at + 1) & (slots - 1);
		slot[at] = (uint32_t)i + 1;
	}
	free(set->slot);
	set->slot = slot;
	set->slots = slots;
	return 0;
}

/* The number of these bytes. 0 or -ENOMEM. */
static int intern(struct interned *set, const void *bytes, size_t len, size_t *number)
{
	uint64_t hash = hash_mix(hash_bytes(HASH_SEED, bytes, len), len);
	size_t at;

	if (set->count * 2 >= set->slots && interned_grow(set))
		return -ENOMEM;
	for (at = hash & (set->slots - 1); set->slot[at]; at = (at + 1) & (set->slots - 1)) {
		const struct item *item = &set->item[set->slot[at] - 1];

		if (item->hash == hash && item->len == len &&
		    !memcmp(set->bytes.ptr + item->off, bytes, len)) {
			*number = set->slot[at] - 1;
			return 0;
		}
	}
	if (set->count == set->cap) {
		size_t cap = set->cap ? set->cap * 2 : 128;
		struct item *more = realloc(set->item, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		set->item = more;
		set->cap = cap;
	}
	set->item[set->count] = (struct item){hash, set->bytes.len, len};
	strbuf_add(&set->bytes, bytes, len);
	if (set->bytes.failed) {
		set->bytes.failed = 0;
		return -ENOMEM;
	}
	*number = set->count++;
	set->slot[at] = (uint32_t)set->count;
	return 0;
}

static void interned_free(struct interned *set)
{
	strbuf_free(&set->bytes);
	free(set->item);
	free(set->slot);
}

static const char *name_of(const struct stacks *st, uint32_t frame)
{
	return st->names.bytes.ptr + st->names.item[frame].off;
}

/* The frames of a stack. Only such numbers are in these bytes, so they are aligned. */
static const uint32_t *frames_of(const struct stacks *st, size_t stack, size_t *count)
{
	const struct item *item = &st->frames.item[stack];

	*count = item->len / sizeof(uint32_t);
	return (const uint32_t *)(const void *)(st->frames.bytes.ptr + item->off);
}

struct stacks *stacks_new(size_t max_stacks)
{
	struct stacks *st = calloc(1, sizeof(*st));

	if (st)
		st->max_stacks = max_stacks;
	return st;
}

static void stacks_clear(struct stacks *st)
{
	interned_free(&st->names);
	interned_free(&st->frames);
	free(st->weight);
	free(st->order);
	strbuf_free(&st->clean);
}

void stacks_free(struct stacks *st)
{
	if (!st)
		return;
	stacks_clear(st);
	free(st);
}

static int weights_reserve(struct stacks *st, size_t count)
{
	size_t cap = st->weight_cap ? st->weight_cap : 128;
	uint64_t *weight;
	size_t *order;

	if (count <= st->weight_cap)
		return 0;
	while (cap < count)
		cap *= 2;
	weight = realloc(st->weight, cap * sizeof(*weight));
	if (!weight)
		return -ENOMEM;
	st->weight = weight;
	order = realloc(st->order, cap * sizeof(*order));
	if (!order)
		return -ENOMEM;
	st->order = order;
	st->weight_cap = cap;
	return 0;
}

/* Adds a stack of known frames. */
static int add_numbers(struct stacks *st, const uint32_t *numbers, size_t count, uint64_t weight)
{
	size_t before = st->frames.count, stack;
	int ret = weights_reserve(st, before + 1);

	if (!ret)
		ret = intern(&st->frames, numbers, count * sizeof(*numbers), &stack);
	if (ret)
		return ret;
	if (stack == before)
		st->weight[stack] = 0;
	st->weight[stack] += weight;
	return 0;
}

/* Nothing to clean, which is nearly always so. */
static int is_plain(const char *name)
{
	const char *p = name;

	while (*p >= ' ' && *p <= '~' && *p != ';')
		p++;
	return *p == '\0' && p != name;
}

/* The number of a name, cleaned: `;` separates frames, and a name comes from the traced program. */
static int number_of(struct stacks *st, const char *name, uint32_t *out)
{
	size_t i, number = 0;
	int ret;

	if (is_plain(name)) {
		ret = intern(&st->names, name, strlen(name) + 1, &number);
		*out = (uint32_t)number;
		return ret;
	}
	strbuf_reset(&st->clean);
	strbuf_add_clean(&st->clean, str_from(*name ? name : NAMELESS), 0);
	strbuf_addc(&st->clean, '\0');
	if (st->clean.failed)
		return -ENOMEM;
	for (i = 0; i < st->clean.len; i++)
		if (st->clean.ptr[i] == ';')
			st->clean.ptr[i] = ':';
	ret = intern(&st->names, st->clean.ptr, st->clean.len, &number);
	*out = (uint32_t)number;
	return ret;
}

static int compare_weights(const void *left, const void *right, void *arg)
{
	const struct stacks *st = arg;
	size_t a = *(const size_t *)left, b = *(const size_t *)right;

	if (st->weight[a] != st->weight[b])
		return st->weight[a] > st->weight[b] ? -1 : 1;
	return a < b ? -1 : a > b;
}

/* Fills st->order with the heaviest stacks first. The number of those that stay,
 * and the weight of the rest. */
static size_t heaviest(const struct stacks *st, uint64_t *rest)
{
	size_t i, keep = st->frames.count < st->max_stacks ? st->frames.count : st->max_stacks;

	*rest = st->other;
	for (i = 0; i < st->frames.count; i++)
		st->order[i] = i;
	if (keep == st->frames.count)
		return keep;
	qsort_r(st->order, st->frames.count, sizeof(*st->order), compare_weights, (void *)st);
	for (i = keep; i < st->frames.count; i++)
		*rest += st->weight[st->order[i]];
	return keep;
}

/* Makes the set anew from its heaviest stacks. On failure it stays as it was. */
static int fold_rarest(struct stacks *st)
{
	struct stacks fresh = {.max_stacks = st->max_stacks, .total = st->total};
	uint32_t numbers[MAX_DEPTH];
	size_t i, k, count, keep = heaviest(st, &fresh.other);
	int ret = 0;

	for (i = 0; i < keep && !ret; i++) {
		const uint32_t *frames = frames_of(st, st->order[i], &count);

		for (k = 0; k < count && !ret; k++)
			ret = number_of(&fresh, name_of(st, frames[k]), &numbers[k]);
		if (!ret)
			ret = add_numbers(&fresh, numbers, count, st->weight[st->order[i]]);
	}
	stacks_clear(ret ? &fresh : st);
	if (!ret)
		*st = fresh;
	return ret;
}

int stacks_add(struct stacks *st, const char *const *frames, size_t count, uint64_t weight)
{
	static const char *const nothing[] = {NAMELESS};
	uint32_t numbers[MAX_DEPTH];
	size_t i;
	int ret = 0;

	if (count == 0) {
		frames = nothing;
		count = 1;
	}
	if (count > MAX_DEPTH)
		count = MAX_DEPTH;
	for (i = 0; i < count && !ret; i++)
		ret = number_of(st, frames[i], &numbers[i]);
	if (!ret)
		ret = add_numbers(st, numbers, count, weight);
	if (ret)
		return ret;
	st->total += weight;
	/* A quarter of slack: the sort is paid rarely, and a new stack has time to become heavy. */
	if (st->frames.count > st->max_stacks + st->max_stacks / 4)
		return fold_rarest(st);
	return 0;
}

uint64_t stacks_total(const struct stacks *st)
{
	return st->total;
}

size_t stacks_count(const struct stacks *st)
{
	uint64_t rest;
	size_t keep = st->frames.count ? heaviest(st, &rest) : 0;

	return keep + (st->other || keep < st->frames.count);
}

/* Compares as the folded forms compare: names joined by `;`, which no name contains. */
static int compare_folded(const void *left, const void *right, void *arg)
{
	const struct stacks *st = arg;
	size_t count_a, count_b, i;
	const uint32_t *a = frames_of(st, *(const size_t *)left, &count_a);
	const uint32_t *b = frames_of(st, *(const size_t *)right, &count_b);

	for (i = 0; i < count_a && i < count_b; i++) {
		const char *x = name_of(st, a[i]), *y = name_of(st, b[i]);

		if (a[i] == b[i])
			continue;
		while (*x == *y) {
			x++;
			y++;
		}
		/* The shorter name goes on with `;`, or ends the line. */
		return (int)(unsigned char)(*x		      ? *x
					    : i + 1 < count_a ? ';'
							      : '\0') -
		       (int)(unsigned char)(*y		      ? *y
					    : i + 1 < count_b ? ';'
							      : '\0');
	}
	return count_a < count_b ? -1 : count_a > count_b;
}

void stacks_each(const struct stacks *st,
		 void (*fn)(const char *const *frames, size_t count, uint64_t weight, void *arg), void *arg)
{
	static const char *const other[] = {OTHER};
	const char *names[MAX_DEPTH];
	uint64_t rest = st->other;
	size_t i, k, count, keep = st->frames.count ? heaviest(st, &rest) : 0;

	if (keep)
		qsort_r(st->order, keep, sizeof(*st->order), compare_folded, (void *)st);
	for (i = 0; i < keep; i++) {
		const uint32_t *frames = frames_of(st, st->order[i], &count);

		for (k = 0; k < count; k++)
			names[k] = name_of(st, frames[k]);
		if (rest && count && strcmp(names[0], OTHER) > 0) {
			fn(other, 1, rest, arg);
			rest = 0;
		}
		fn(names, count, st->weight[st->order[i]], arg);
	}
	if (rest)
		fn(other, 1, rest, arg);
}
