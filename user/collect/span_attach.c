/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/span_attach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <bpf/libbpf.h>

#include "collect/attach.h"

struct span_attachment {
	size_t count;
	struct bpf_link *link[SPAN_SPOTS_MAX];
};

/* The spots that one program serves. */
struct spots {
	unsigned long offset[SPAN_SPOTS_MAX], semaphore[SPAN_SPOTS_MAX];
	__u64 cookie[SPAN_SPOTS_MAX];
	size_t count;
	int semaphores;
};

static void choose(struct spots *out, const struct span_places *p, uint32_t first_site, uint8_t role,
		   int at_return)
{
	size_t i;

	out->count = 0;
	out->semaphores = 0;
	for (i = 0; i < p->count; i++) {
		const struct span_spot *spot = &p->spot[i];

		if (spot->at_return != at_return || (!at_return && spot->site.role != role))
			continue;
		out->offset[out->count] = spot->file_off;
		out->semaphore[out->count] = spot->semaphore_off;
		out->cookie[out->count] = APM_COOKIE(spot->addr, first_site + i, role);
		out->semaphores |= spot->semaphore_off != 0;
		out->count++;
	}
}

static int add_link(struct span_attachment *a, struct bpf_link *link)
{
	if (!link)
		return -errno;
	a->link[a->count++] = link;
	return 0;
}

static int attach_multi(struct span_attachment *a, struct bpf_program *prog, const char *path,
			const struct spots *spots, int at_return)
{
	LIBBPF_OPTS(bpf_uprobe_multi_opts, opts, .offsets = spots->offset, .cookies = spots->cookie,
		    .ref_ctr_offsets = spots->semaphores ? spots->semaphore : NULL, .cnt = spots->count,
		    .retprobe = at_return != 0);

	return add_link(a, bpf_program__attach_uprobe_multi(prog, -1, path, NULL, &opts));
}

/* Also by its place alone: the next function, with a probe of its own, may begin right behind it. */
static int register_spot(const struct loader *l, const char *path, unsigned long offset, uint64_t cookie)
{
	struct apm_site_key place = {.page_off = offset & (APM_SITE_PAGE - 1)};
	int err = attach_register_site(l, path, offset, cookie);

	return err ? err : loader_set_site(l, &place, cookie);
}

static int attach_single(struct span_attachment *a, const struct loader *l, struct bpf_program *prog,
			 const char *path, const struct spots *spots, int at_return)
{
	int cookies = loader_attach_cookies(l), err = 0;
	size_t i;

	for (i = 0; i < spots->count && !err; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .ref_ctr_offset = spots->semaphore[i],
			    .bpf_cookie = cookies ? spots->cookie[i] : 0, .retprobe = at_return != 0);

		if (!cookies && !at_return)
			err = register_spot(l, path, spots->offset[i], spots->cookie[i]);
		if (!err)
			err = add_link(
				a, bpf_program__attach_uprobe_opts(prog, -1, path, spots->offset[i], &opts));
	}
	return err;
}

static int attach(struct span_attachment *a, const struct loader *l, const struct span_places *p,
		  uint32_t first_site, const char *path, uint8_t role, int at_return, struct spots *spots)
{
	struct bpf_program *prog = loader_program(l, "span", at_return ? "return" : "entry");

	choose(spots, p, first_site, role, at_return);
	if (!spots->count)
		return 0;
	if (!prog)
		return -ENOTSUP;
	return loader_mode(l) == PROBE_SINGLE ? attach_single(a, l, prog, path, spots, at_return)
					      : attach_multi(a, prog, path, spots, at_return);
}

struct span_attachment *span_attach(const struct loader *l, const struct span_places *p, uint32_t first_site,
				    int fd)
{
	struct span_attachment *a = calloc(1, sizeof(*a));
	struct spots *spots = calloc(1, sizeof(*spots));
	char path[64];
	int err = a && spots ? 0 : -ENOMEM;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* Ends first: one without its beginning is nothing, a beginning without its end would be missed. */
	if (!err)
		err = attach(a, l, p, first_site, path, APM_SPAN_END, 1, spots);
	if (!err)
		err = attach(a, l, p, first_site, path, APM_SPAN_END, 0, spots);
	if (!err)
		err = attach(a, l, p, first_site, path, APM_SPAN_BEGIN, 0, spots);
	free(spots);
	if (err) {
		span_detach(a);
		errno = -err;
		return NULL;
	}
	return a;
}

void span_detach(struct span_attachment *a)
{
	if (!a)
		return;
	for (; a->count; a->count--)
		bpf_link__destroy(a->link[a->count - 1]);
	free(a);
}
