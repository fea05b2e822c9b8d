/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Executable mappings, told by the kernel: a software event that never fires still carries the side-band
 * records of its CPU. One ring buffer per CPU; record layout from <linux/perf_event.h>, PERF_RECORD_MMAP2.
 */
#include "collect/targets.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES 65536

struct cpu_ring {
	int fd;
	struct perf_event_mmap_page *page; /* followed by the data */
	size_t map_len;
};

struct mapwatch {
	int epoll_fd;
	size_t count;
	struct cpu_ring *ring;
	uint8_t record[RING_BYTES]; /* one record, unwrapped */
};

/* struct of PERF_RECORD_MMAP2 up to the file name */
struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t maj, min;
	uint64_t ino, ino_generation;
	uint32_t prot, flags;
	char filename[];
};

struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
};

static int ring_open(struct cpu_ring *r, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.mmap = 1,
		.mmap2 = 1,
		.watermark = 1,
		.wakeup_watermark = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
	long page = sysconf(_SC_PAGESIZE);
	void *map;

	r->fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (r->fd < 0)
		return -errno;
	r->map_len = RING_BYTES + (size_t)page;
	map = mmap(NULL, r->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	r->page = map;
	return 0;
}

/* Rings for the CPUs that are there; an offline one answers ENODEV. */
static int rings_open(struct mapwatch *w)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	w->ring = calloc((size_t)(cpus > 0 ? cpus : 1), sizeof(*w->ring));
	if (!w->ring)
		return -ENOMEM;
	for (int cpu = 0; cpu < cpus; cpu++) {
		struct cpu_ring *r = &w->ring[w->count];
		struct epoll_event ev = {.events = EPOLLIN};
		int err = ring_open(r, cpu);

		if (err == -ENODEV)
			continue;
		w->count++;
		if (err)
			return err;
		if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, r->fd, &ev))
			return -errno;
	}
	return w->count ? 0 : -ENODEV;
}

struct mapwatch *mapwatch_open(void)
{
	struct mapwatch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return NULL;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = w->epoll_fd < 0 ? -errno : rings_open(w);
	if (!err)
		return w;
	mapwatch_close(w);
	errno = -err;
	return NULL;
}

void mapwatch_close(struct mapwatch *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->count; i++) {
		if (w->ring[i].page)
			munmap(w->ring[i].page, w->ring[i].map_len);
		if (w->ring[i].fd >= 0)
			close(w->ring[i].fd);
	}
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	free(w->ring);
	free(w);
}

int mapwatch_fd(const struct mapwatch *w)
{
	return w->epoll_fd;
}

/* Copies `len` bytes at position `pos` of the ring's data, which may wrap. */
static void ring_copy(const struct cpu_ring *r, uint64_t pos, void *to, size_t len)
{
	const uint8_t *data = (const uint8_t *)r->page + r->page->data_offset;
	size_t at = pos % r->page->data_size;
	size_t first = r->page->data_size - at < len ? r->page->data_size - at : len;

	memcpy(to, data + at, first);
	memcpy((uint8_t *)to + first, data, len - first);
}

static void mmap2_handle(const struct mmap2_record *m, void (*fn)(const struct mapwatch_event *, void *),
			 void *arg)
{
	struct mapwatch_event ev;
	size_t name_len;

	if (m->header.size < sizeof(*m) + 8 + 8)
		return; /* shorter than a name and the time stamp */
	name_len = m->header.size - sizeof(*m) - 8;
	if (!memchr(m->filename, 0, name_len) || !(m->prot & PROT_EXEC))
		return;
	ev = (struct mapwatch_event){
		.tgid = m->pid,
		.addr = m->addr,
		.len = m->len,
		.file_off = m->pgoff,
		.inode = m->ino,
		.dev = makedev(m->maj, m->min),
		.path = m->filename,
	};
	memcpy(&ev.ts, (const uint8_t *)m + m->header.size - 8, 8);
	fn(&ev, arg);
}

static int ring_read(struct mapwatch *w, struct cpu_ring *r,
		     void (*fn)(const struct mapwatch_event *, void *), void *arg)
{
	uint64_t head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = r->page->data_tail;
	uint64_t lost = 0;

	while (head - tail >= sizeof(struct perf_event_header)) {
		struct perf_event_header *header = (void *)w->record;

		ring_copy(r, tail, header, sizeof(*header));
		if (header->size < sizeof(*header) || header->size > head - tail)
			break;
		ring_copy(r, tail, w->record, header->size);
		tail += header->size;
		if (header->type == PERF_RECORD_MMAP2)
			mmap2_handle((void *)w->record, fn, arg);
		else if (header->type == PERF_RECORD_LOST && header->size >= sizeof(struct lost_record))
			lost += ((struct lost_record *)(void *)w->record)->lost;
	}
	__atomic_store_n(&r->page->data_tail, tail, __ATOMIC_RELEASE);
	return lost > 1000000 ? 1000000 : (int)lost;
}

int mapwatch_read(struct mapwatch *w, void (*fn)(const struct mapwatch_event *ev, void *arg), void *arg)
{
	int lost = 0;

	for (size_t i = 0; i < w->count; i++)
		lost += ring_read(w, &w->ring[i], fn, arg);
	return lost;
}
