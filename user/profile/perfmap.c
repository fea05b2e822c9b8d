/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/perfmap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a larger file the end is read, and with more than MAX_BYTES in memory all is forgotten first. */
#define MAX_READ  (4UL << 20)
#define MAX_BYTES (16UL << 20)
#define MAX_NAME  1024

/* Ranges that start before an address and may still hold it; more are not looked at. */
#define MAX_OVERLAP 256

struct range {
	uint64_t start, end;
	uint64_t reach; /* largest end of this and all ranges before it */
	uint32_t name;
	uint32_t line; /* later lines win */
};

struct perfmap {
	uint32_t tgid, ns_pid;
	uid_t uid;
	dev_t dev;
	ino_t inode;
	uint64_t read; /* bytes of the file taken so far, whole lines */
	struct range *range;
	size_t count, cap;
	struct strbuf names;
	uint32_t lines;
};

struct perfmap *perfmap_new(uint32_t tgid, uint32_t ns_pid, uid_t uid)
{
	struct perfmap *m = calloc(1, sizeof(*m));

	if (m) {
		m->tgid = tgid;
		m->ns_pid = ns_pid ? ns_pid : tgid;
		m->uid = uid;
	}
	return m;
}

static void clear(struct perfmap *m)
{
	strbuf_free(&m->names);
	free(m->range);
	m->range = NULL;
	m->count = m->cap = 0;
	m->read = 0;
	m->lines = 0;
}

void perfmap_free(struct perfmap *m)
{
	if (!m)
		return;
	clear(m);
	free(m);
}

static int open_map(const struct perfmap *m, struct stat *st)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/root/tmp/perf-%" PRIu32 ".map", m->tgid, m->ns_pid);
	fd = open(path, flags);
	/* The process is gone; its file may still be there if it lived in our file system. */
	if (fd < 0 && m->ns_pid == m->tgid) {
		snprintf(path, sizeof(path), "/tmp/perf-%" PRIu32 ".map", m->tgid);
		fd = open(path, flags);
	}
	if (fd < 0)
		return -errno;
	/* /tmp is everybody's: do not read what somebody else put there. */
	if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode) || (st->st_uid != m->uid && st->st_uid != 0)) {
		close(fd);
		return -EACCES;
	}
	return fd;
}

static void add_line(struct perfmap *m, char *line, size_t len)
{
	char *p, *end = line + len;
	uint64_t start = strtoull(line, &p, 16), size;
	struct range *more;

	if (p == line || *p != ' ')
		return;
	line = p;
	size = strtoull(line, &p, 16);
	if (p == line || *p != ' ' || p + 1 >= end || !size || size > UINT64_MAX - start)
		return;
	p++;
	len = (size_t)(end - p) < MAX_NAME ? (size_t)(end - p) : MAX_NAME;
	if (m->count == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 256;

		more = realloc(m->range, cap * sizeof(*more));
		if (!more)
			return;
		m->range = more;
		m->cap = cap;
	}
	m->range[m->count] = (struct range){
		.start = start,
		.end = start + size,
		.name = (uint32_t)m->names.len,
		.line = m->lines++,
	};
	strbuf_add(&m->names, p, len);
	strbuf_addc(&m->names, '\0');
	m->count += !m->names.failed;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct range *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

static void sort_ranges(struct perfmap *m)
{
	uint64_t reach = 0;
	size_t i, kept = 0;

	if (m->count)
		qsort(m->range, m->count, sizeof(*m->range), compare_ranges);
	for (i = 0; i < m->count; i++) {
		if (i + 1 < m->count && m->range[i + 1].start == m->range[i].start)
			continue; /* replaced by a later line */
		reach = m->range[i].end > reach ? m->range[i].end : reach;
		m->range[kept] = m->range[i];
		m->range[kept++].reach = reach;
	}
	m->count = kept;
}

/* Reads from m->read to the end of the file, or the last MAX_READ of that. NULL when there is nothing. */
static char *read_tail(struct perfmap *m, int fd, uint64_t size, size_t *len)
{
	uint64_t from = m->read;
	char *text, *newline;
	ssize_t got;

	if (size <= from)
		return NULL;
	if (size - from > MAX_READ)
		from = size - MAX_READ;
	text = malloc(size - from + 1);
	got = text ? pread(fd, text, size - from, (off_t)from) : -1;
	if (got <= 0) {
		free(text);
		return NULL;
	}
	*len = (size_t)got;
	newline = from == m->read ? NULL : memchr(text, '\n', *len);
	if (newline) { /* began within a line */
		*len -= (size_t)(newline + 1 - text);
		from += (size_t)(newline + 1 - text);
		memmove(text, newline + 1, *len);
	}
	m->read = from;
	return text;
}

int perfmap_refresh(struct perfmap *m)
{
	char *text, *line, *newline;
	size_t len = 0;
	struct stat st;
	int fd = open_map(m, &st);

	if (fd < 0)
		return 0;
	if (st.st_dev != m->dev || st.st_ino != m->inode || (uint64_t)st.st_size < m->read ||
	    perfmap_bytes(m) > MAX_BYTES) {
		clear(m);
		m->dev = st.st_dev;
		m->inode = st.st_ino;
	}
	text = read_tail(m, fd, (uint64_t)st.st_size, &len);
	close(fd);
	if (!text)
		return 0;
	for (line = text; (newline = memchr(line, '\n', (size_t)(text + len - line))); line = newline + 1) {
		*newline = '\0';
		add_line(m, line, (size_t)(newline - line));
	}
	m->read += (uint64_t)(line - text);
	m->names.failed = 0;
	sort_ranges(m);
	free(text);
	return 1;
}

struct str perfmap_find(const struct perfmap *m, uint64_t addr)
{
	const struct range *best = NULL;
	size_t low = 0, high = m->count, i;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->range[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	for (i = 0; i < MAX_OVERLAP && i < low; i++) {
		const struct range *r = &m->range[low - 1 - i];

		if (r->reach <= addr)
			break;
		if (addr < r->end && (!best || r->line > best->line))
			best = r;
	}
	return best ? str_from(m->names.ptr + best->name) : (struct str){0};
}

size_t perfmap_bytes(const struct perfmap *m)
{
	return sizeof(*m) + m->cap * sizeof(*m->range) + m->names.cap;
}
