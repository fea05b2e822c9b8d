/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* Links of one role. */
struct links {
	struct bpf_link *link[EXITS_MAX]; /* libbpf's */
	size_t count;
};

struct attachment {
	struct links entries, returns, exits;
	int session_fd; /* a raw link, -1 = none */
	unsigned int sites;
};

/* Sites of one role, each once: symbol versions and thunks may share an address. */
struct site_list {
	unsigned long offset[EXITS_MAX];
	__u64 cookie[EXITS_MAX];
	size_t count;
};
_Static_assert(EXITS_MAX >= LIB_PROBES_MAX, "both fit a list");

static void site_add(struct site_list *list, const struct lib_match *m, const struct lib_probe *p)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (list->offset[i] == p->site.file_off)
			return;
	list->offset[list->count] = p->site.file_off;
	list->cookie[list->count] = APM_COOKIE(p->site.addr, m->facts.lib_id, p->symbol->symbol);
	list->count++;
}

static void site_select(struct site_list *list, const struct lib_match *m, uint8_t set, int entries,
			int returns)
{
	size_t i;

	list->count = 0;
	for (i = 0; i < m->probe_count; i++) {
		const struct lib_symbol *symbol = m->probe[i].symbol;

		if (symbol->sets ? !(symbol->sets & set) : set)
			continue;
		if ((entries && symbol->entry) || (returns && symbol->ret))
			site_add(list, m, &m->probe[i]);
	}
}

/*
 * BPF_LINK_CREATE with the fields of uprobe_multi (include/uapi/linux/bpf.h, union bpf_attr.link_create);
 * libbpf 1.4 cannot make a session, and the headers of older distributions do not have the fields.
 */
struct link_create_attr {
	__u32 prog_fd;
	__u32 target_fd;
	__u32 attach_type;
	__u32 flags;
	__u64 path;
	__u64 offsets;
	__u64 ref_ctr_offsets;
	__u64 cookies;
	__u32 cnt;
	__u32 multi_flags;
	__u32 pid;
	__u32 reserved;
};

static int session_link(struct bpf_program *prog, const char *path, const struct site_list *sites)
{
	struct link_create_attr attr = {
		.prog_fd = (__u32)bpf_program__fd(prog),
		.attach_type = bpf_program__expected_attach_type(prog),
		.path = (__u64)(uintptr_t)path,
		.offsets = (__u64)(uintptr_t)sites->offset,
		.cookies = (__u64)(uintptr_t)sites->cookie,
		.cnt = (__u32)sites->count,
	};
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : (int)fd;
}

static int multi_link(struct links *links, const struct loader *l, struct bpf_program *prog, const char *path,
		      const struct site_list *sites, int returns)
{
	LIBBPF_OPTS(bpf_uprobe_multi_opts, opts, .offsets = sites->offset, .cookies = sites->cookie,
		    .cnt = sites->count, .retprobe = returns);
	struct bpf_link *link;

	if (!sites->count)
		return 0;
	link = bpf_program__attach_uprobe_multi(prog, -1, path, NULL, &opts);
	if (!link)
		return -errno;
	links->link[links->count++] = link;
	return 0;
}

#if defined(__x86_64__)
#define BREAKPOINT 1 /* bytes of code that it replaces */
#else
#define BREAKPOINT 4
#endif

int attach_register_site(const struct loader *l, const char *path, unsigned long offset, uint64_t cookie)
{
	struct apm_site_key key = {.page_off = offset & (APM_SITE_PAGE - 1)};
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	if (key.page_off + BREAKPOINT + sizeof(key.code) <= APM_SITE_PAGE &&
	    pread(fd, &key.code, sizeof(key.code), (off_t)offset + BREAKPOINT) != sizeof(key.code))
		err = -EIO;
	else
		err = loader_set_site(l, &key, cookie);
	close(fd);
	return err;
}

static int register_sites(const struct loader *l, const char *path, const struct site_list *sites)
{
	size_t i;
	int err = 0;

	for (i = 0; i < sites->count && !err; i++)
		err = attach_register_site(l, path, sites->offset[i], sites->cookie[i]);
	return err;
}

static int single_links(struct links *links, const struct loader *l, struct bpf_program *prog,
			const char *path, const struct site_list *sites, int returns)
{
	int cookies = loader_attach_cookies(l), err;
	size_t i;

	/* A return finds its entry by the stack pointer: it needs no cookie, and nor does an exit. */
	err = cookies || returns || !sites->count || !sites->cookie[0] ? 0 : register_sites(l, path, sites);
	if (err)
		return err;
	for (i = 0; i < sites->count; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = cookies ? sites->cookie[i] : 0,
			    .retprobe = returns);
		struct bpf_link *link =
			bpf_program__attach_uprobe_opts(prog, -1, path, sites->offset[i], &opts);

		if (!link)
			return -errno;
		links->link[links->count++] = link;
	}
	return 0;
}

static int make_links(struct links *links, const struct loader *l, struct bpf_program *prog, const char *path,
		      const struct site_list *sites, int returns)
{
	if (loader_mode(l) == PROBE_SINGLE)
		return single_links(links, l, prog, path, sites, returns);
	return multi_link(links, l, prog, path, sites, returns);
}

static int attach_pair(struct attachment *a, const struct loader *l, const char *prefix, const char *path,
		       const struct lib_match *m, uint8_t set, int returns)
{
	struct bpf_program *entry = loader_program(l, prefix, "entry"),
			   *ret = loader_program(l, prefix, "return");
	struct site_list sites;
	int err;

	if (!entry || (returns && !ret))
		return -ENOTSUP;
	/* Returns first: a return without its entry is ignored, an entry without
	 * its return would be missed. */
	site_select(&sites, m, set, 0, returns);
	err = make_links(&a->returns, l, ret, path, &sites, 1);
	if (err)
		return err;
	site_select(&sites, m, set, 1, 0);
	return make_links(&a->entries, l, entry, path, &sites, 0);
}

static int attach_exits(struct attachment *a, const struct loader *l, const char *prefix, const char *path,
			const struct exits *exits)
{
	struct bpf_program *prog = loader_program(l, prefix, "exit");
	struct site_list sites = {.count = exits->count};
	size_t i;

	if (!prog)
		return -ENOTSUP;
	for (i = 0; i < exits->count; i++)
		sites.offset[i] = exits->file_off[i];
	/* As returns, they need no cookie. */
	return make_links(&a->exits, l, prog, path, &sites, 0);
}

static void path_of(int fd, char *path, size_t len)
{
	snprintf(path, len, "/proc/self/fd/%d", fd);
}

static struct attachment *attach(const struct loader *l, const char *prefix, const struct lib_match *m,
				 uint8_t set, int fd, const struct exits *exits)
{
	/* A library has a session program, the empty programs have none. */
	struct bpf_program *session = loader_program(l, prefix, "session");
	struct attachment *a = calloc(1, sizeof(*a));
	struct site_list sites;
	char path[64];
	int err;

	if (!a)
		return NULL;
	a->session_fd = -1;
	path_of(fd, path, sizeof(path));
	site_select(&sites, m, set, 1, !exits);
	a->sites = (unsigned int)(sites.count + (exits ? exits->count : 0));
	err = exits ? attach_exits(a, l, prefix, path, exits) : 0;
	if (!err && session) {
		a->session_fd = session_link(session, path, &sites);
		err = a->session_fd < 0 ? a->session_fd : 0;
	} else if (!err) {
		err = attach_pair(a, l, prefix, path, m, set, !exits);
	}
	if (err) {
		attachments_close(&a, 1);
		errno = -err;
		return NULL;
	}
	return a;
}

struct attachment *attach_library(const struct loader *l, const struct lib_match *m, uint8_t set, int fd,
				  const struct exits *exits)
{
	return attach(l, m->programs, m, set, fd, exits);
}

static void links_close(struct links *links)
{
	while (links->count > 0)
		bpf_link__destroy(links->link[--links->count]);
}

int attachment_use_exits(struct attachment *a, const struct loader *l, const struct lib_match *m, int fd,
			 const struct exits *exits)
{
	char path[64];
	int err;

	path_of(fd, path, sizeof(path));
	err = attach_exits(a, l, m->programs, path, exits);
	links_close(&a->returns);
	a->sites += (unsigned int)exits->count;
	return err;
}

struct attachment *attach_empty(const struct loader *l, int fd, uint64_t file_off, int entry, int ret)
{
	static const struct lib_symbol both = {.entry = 1, .ret = 1}, only_entry = {.entry = 1};
	struct lib_match m = {.name = "calibrate", .probe_count = 1};

	m.probe[0].symbol = ret ? &both : &only_entry;
	m.probe[0].site.file_off = file_off;
	return attach(l, "calibrate", &m, 0, fd, NULL);
}

unsigned int attachment_sites(const struct attachment *a)
{
	return a->sites;
}

static void *close_one(void *arg)
{
	struct attachment *a = arg;

	if (a->session_fd >= 0)
		close(a->session_fd);
	/* Entries first: an entry without its return would look like a call that never returned. */
	links_close(&a->entries);
	links_close(&a->returns);
	links_close(&a->exits);
	free(a);
	return NULL;
}

void attachments_close(struct attachment **list, size_t count)
{
	pthread_t *thread = calloc(count, sizeof(*thread));
	char *started = calloc(count, 1);
	size_t i;

	for (i = 0; i < count; i++) {
		if (!list[i])
			continue;
		if (thread && started && count > 1 && !pthread_create(&thread[i], NULL, close_one, list[i]))
			started[i] = 1;
		else
			close_one(list[i]);
	}
	for (i = 0; i < count; i++) {
		if (started && started[i])
			pthread_join(thread[i], NULL);
		list[i] = NULL;
	}
	free(thread);
	free(started);
}
