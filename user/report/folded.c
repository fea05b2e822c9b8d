/* SPDX-License-Identifier: BSD-2-Clause */
/* Folded stacks: one line per stack, "root;…;leaf WEIGHT". */
#include "base/table.h"
#include "profile/profile.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 65536

struct folded {
	struct strbuf out;
	int fd;
	int error;
};

static void flush(struct folded *f)
{
	size_t done = 0;

	if (f->out.failed && !f->error)
		f->error = -ENOMEM;
	while (!f->error && done < f->out.len) {
		ssize_t n = write(f->fd, f->out.ptr + done, f->out.len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			f->error = -errno;
	}
	strbuf_reset(&f->out);
}

static void add_stack(const char *const *frames, size_t count, uint64_t weight, void *arg)
{
	struct folded *f = arg;
	size_t i;

	for (i = 0; i < count; i++) {
		if (i)
			strbuf_addc(&f->out, ';');
		strbuf_adds(&f->out, frames[i]);
	}
	strbuf_addf(&f->out, " %" PRIu64 "\n", weight);
	if (f->out.len >= BLOCK)
		flush(f);
}

int stacks_write_folded(const struct stacks *st, int fd)
{
	struct folded f = {.fd = fd};

	stacks_each(st, add_stack, &f);
	flush(&f);
	strbuf_free(&f.out);
	return f.error;
}

/* ---- two sets of stacks side by side ---- */

struct pair {
	uint64_t a, b;
};

struct folded_pair {
	struct folded folded;
	struct table *pairs; /* hash of the stack -> struct pair */
	int in_b;
	int print_b; /* the second time: stacks of b, else what only a has */
};

static struct table_key key_of(const char *const *frames, size_t count)
{
	struct table_key key = {HASH_SEED, 0};
	size_t i;

	/* With the NUL, so that the ends of names count. */
	for (i = 0; i < count; i++)
		key.a = hash_bytes(key.a, frames[i], strlen(frames[i]) + 1);
	key.b = hash_mix(key.a, count);
	return key;
}

static void pair_stack(const char *const *frames, size_t count, uint64_t weight, void *arg)
{
	struct folded_pair *f = arg;
	struct pair *p = table_put(f->pairs, key_of(frames, count), NULL);

	if (!p)
		f->folded.error = -ENOMEM;
	else if (f->in_b)
		p->b += weight;
	else
		p->a += weight;
}

static void print_pair(const char *const *frames, size_t count, uint64_t weight, void *arg)
{
	struct folded_pair *f = arg;
	const struct pair *p = table_peek(f->pairs, key_of(frames, count));
	size_t i;

	if (!p || (!f->print_b && p->b))
		return;
	for (i = 0; i < count; i++)
		strbuf_addf(&f->folded.out, "%s%s", i ? ";" : "", frames[i]);
	strbuf_addf(&f->folded.out, " %" PRIu64 " %" PRIu64 "\n", p->a, p->b);
	if (f->folded.out.len >= BLOCK)
		flush(&f->folded);
}

int stacks_write_folded_diff(const struct stacks *a, const struct stacks *b, int fd)
{
	struct folded_pair f = {.folded = {.fd = fd}, .pairs = table_new(0, sizeof(struct pair), NULL, NULL)};

	if (!f.pairs)
		return -ENOMEM;
	stacks_each(a, pair_stack, &f);
	f.in_b = 1;
	stacks_each(b, pair_stack, &f);
	f.print_b = 1;
	stacks_each(b, print_pair, &f);
	f.print_b = 0;
	stacks_each(a, print_pair, &f);
	flush(&f.folded);
	table_free(f.pairs);
	strbuf_free(&f.folded.out);
	return f.folded.error;
}
