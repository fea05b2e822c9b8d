/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/hist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUB_BITS   6
#define SUB	   (1u << SUB_BITS)
#define COUNT_MASK ((1ULL << 48) - 1)

static uint32_t index_of(uint64_t value)
{
	uint32_t exponent;

	if (value < SUB)
		return (uint32_t)value;
	exponent = 63 - (uint32_t)__builtin_clzll(value);
	return (exponent - SUB_BITS + 1) * SUB + (uint32_t)(value >> (exponent - SUB_BITS) & (SUB - 1));
}

static uint64_t lowest_of(uint32_t index)
{
	if (index < SUB)
		return index;
	return (uint64_t)(SUB + index % SUB) << (index / SUB - 1);
}

static uint64_t width_of(uint32_t index)
{
	return index < SUB ? 1 : 1ULL << (index / SUB - 1);
}

static uint32_t bucket_index(uint64_t bucket)
{
	return (uint32_t)(bucket >> 48);
}

/* First position whose index is not below `index`. */
static uint32_t position_of(const struct hist *h, uint32_t index)
{
	uint32_t low = 0, high = h->used;

	if (h->last < h->used && bucket_index(h->bucket[h->last]) == index)
		return h->last;
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (bucket_index(h->bucket[middle]) < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int reserve(struct hist *h, uint32_t need)
{
	uint32_t cap = h->cap ? h->cap : 4;
	uint64_t *bucket;

	if (need <= h->cap)
		return 0;
	while (cap < need)
		cap *= 2;
	bucket = realloc(h->bucket, cap * sizeof(*bucket));
	if (!bucket)
		return -ENOMEM;
	h->bucket = bucket;
	h->cap = cap;
	return 0;
}

/* Needs room for one more bucket. */
static void count_into(struct hist *h, uint32_t index, uint64_t count)
{
	uint32_t at = position_of(h, index);

	if (at == h->used || bucket_index(h->bucket[at]) != index) {
		memmove(h->bucket + at + 1, h->bucket + at, (h->used - at) * sizeof(*h->bucket));
		h->bucket[at] = (uint64_t)index << 48;
		h->used++;
	}
	h->bucket[at] += count;
	h->last = at;
}

void hist_free(struct hist *h)
{
	free(h->bucket);
	*h = (struct hist){0};
}

int hist_add(struct hist *h, uint64_t value)
{
	if (reserve(h, h->used + 1))
		return -ENOMEM;
	count_into(h, index_of(value), 1);
	if (h->count == 0 || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count++;
	h->sum += value;
	return 0;
}

static void remove_bucket(struct hist *h, uint32_t at)
{
	uint32_t last;

	h->used--;
	memmove(h->bucket + at, h->bucket + at + 1, (h->used - at) * sizeof(*h->bucket));
	if (h->used == 0) {
		h->min = h->max = 0;
		return;
	}
	if (at == 0)
		h->min = lowest_of(bucket_index(h->bucket[0]));
	if (at == h->used) {
		last = bucket_index(h->bucket[h->used - 1]);
		h->max = lowest_of(last) + width_of(last) - 1;
	}
}

int hist_subtract(struct hist *h, uint64_t value)
{
	uint32_t index = index_of(value), at = position_of(h, index);

	if (at == h->used || bucket_index(h->bucket[at]) != index)
		return -ENOENT;
	h->bucket[at]--;
	h->count--;
	h->sum -= value;
	if ((h->bucket[at] & COUNT_MASK) == 0)
		remove_bucket(h, at);
	return 0;
}

int hist_merge(struct hist *h, const struct hist *from)
{
	uint32_t i;

	if (from->count == 0)
		return 0;
	if (reserve(h, h->used + from->used))
		return -ENOMEM;
	for (i = 0; i < from->used; i++)
		count_into(h, bucket_index(from->bucket[i]), from->bucket[i] & COUNT_MASK);
	if (h->count == 0 || from->min < h->min)
		h->min = from->min;
	if (from->max > h->max)
		h->max = from->max;
	h->count += from->count;
	h->sum += from->sum;
	return 0;
}

uint64_t hist_percentile(const struct hist *h, double q)
{
	double want = q * (double)h->count;
	uint64_t seen = 0, value = 0;
	uint32_t i;

	for (i = 0; i < h->used; i++) {
		uint32_t index = bucket_index(h->bucket[i]);

		seen += h->bucket[i] & COUNT_MASK;
		value = lowest_of(index) + (width_of(index) - 1) / 2;
		if ((double)seen >= want)
			break;
	}
	if (value < h->min)
		return h->min;
	return value > h->max ? h->max : value;
}
