/* SPDX-License-Identifier: BSD-2-Clause */
/* Folded stacks: one line per stack, "root;…;leaf WEIGHT". */
#include "profile/profile.h"

#include <errno.h>
#include <inttypes.h>
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
