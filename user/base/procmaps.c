/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/procmaps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAX_TEXT (64UL << 20)

#define DELETED " (deleted)"

/* Reads all of fd into *text (malloc, owned by the caller, NUL-terminated). 0 or -errno. */
static int read_all(int fd, char **text, size_t *len)
{
	size_t cap = 16384, got = 0;
	char *buf = malloc(cap + 1);

	while (buf) {
		ssize_t n = read(fd, buf + got, cap - got);
		char *more;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = -errno;

			free(buf);
			return err;
		}
		got += (size_t)n;
		if (n == 0 || got >= MAX_TEXT) {
			buf[got] = '\0';
			*text = buf;
			*len = got;
			return 0;
		}
		if (cap - got >= 4096)
			continue;
		more = realloc(buf, cap * 2 + 1);
		if (!more)
			free(buf);
		buf = more;
		cap *= 2;
	}
	return -ENOMEM;
}

/* A number in hexadecimal that ends at `stop`. NULL when it is none, else what follows. */
static char *parse_hex(char *p, char stop, uint64_t *out)
{
	char *end;

	if (*p == '-' || *p == '+' || *p == ' ')
		return NULL;
	*out = strtoull(p, &end, 16);
	return end != p && *end == stop ? end + 1 : NULL;
}

/* The kernel writes a newline in a path as \012 and escapes nothing else (fs/proc/task_mmu.c,
 * show_vma_header_prefix). */
static void unescape_path(char *path)
{
	char *in, *out;

	for (in = out = path; *in; out++) {
		int escape = !strncmp(in, "\\012", 4);

		*out = escape ? '\n' : *in;
		in += escape ? 4 : 1;
	}
	*out = '\0';
}

/* `line` ends in NUL. 0 or -EBADMSG. */
static int parse_line(char *line, struct proc_map *map)
{
	uint64_t major_number, minor_number;
	char *p = line, *perms, *end;
	size_t len;

	*map = (struct proc_map){0};
	if (!(p = parse_hex(p, '-', &map->start)) || !(p = parse_hex(p, ' ', &map->end)) || strlen(p) < 5 ||
	    p[4] != ' ')
		return -EBADMSG;
	perms = p;
	p += 5;
	if (!(p = parse_hex(p, ' ', &map->file_off)) || !(p = parse_hex(p, ':', &major_number)) ||
	    !(p = parse_hex(p, ' ', &minor_number)))
		return -EBADMSG;
	map->inode = strtoull(p, &end, 10);
	if (end == p || (*end && *end != ' ') || map->start >= map->end)
		return -EBADMSG;
	map->dev = makedev((unsigned int)major_number, (unsigned int)minor_number);
	map->read = perms[0] == 'r';
	map->write = perms[1] == 'w';
	map->exec = perms[2] == 'x';
	/* Blanks pad to a column; a path starts with a slash, a bracket or a word, never with a blank. */
	end += strspn(end, " ");
	len = strlen(end);
	if (map->inode && len > strlen(DELETED) && !strcmp(end + len - strlen(DELETED), DELETED)) {
		map->deleted = 1;
		end[len - strlen(DELETED)] = '\0';
	}
	unescape_path(end);
	map->path = end;
	return 0;
}

int proc_maps_parse(char *text, size_t len, struct proc_maps *out)
{
	char *line = text, *end = text + len;
	size_t cap = 0;

	*out = (struct proc_maps){.text = text};
	while (line < end) {
		char *newline = memchr(line, '\n', (size_t)(end - line));

		if (!newline) /* cut at the limit */
			break;
		*newline = '\0';
		if (out->count == cap) {
			struct proc_map *more = realloc(out->map, (cap = cap ? cap * 2 : 64) * sizeof(*more));

			if (!more)
				return -ENOMEM;
			out->map = more;
		}
		/* The list is not one moment's: a line that goes back was changed while it was read. */
		if (!parse_line(line, &out->map[out->count]) &&
		    (out->count == 0 || out->map[out->count].start >= out->map[out->count - 1].end))
			out->count++;
		line = newline + 1;
	}
	return 0;
}

int proc_maps_read(pid_t pid, struct proc_maps *out)
{
	char path[64], *text = NULL;
	size_t len = 0;
	int fd, ret;

	*out = (struct proc_maps){0};
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	ret = read_all(fd, &text, &len);
	close(fd);
	if (ret)
		return ret;
	ret = proc_maps_parse(text, len, out);
	return ret ? ret : out->count ? 0 : -ESRCH;
}

void proc_maps_free(struct proc_maps *maps)
{
	free(maps->map);
	free(maps->text);
	*maps = (struct proc_maps){0};
}

const struct proc_map *proc_maps_find(const struct proc_maps *maps, uint64_t addr)
{
	size_t low = 0, high = maps->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (maps->map[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < maps->count && addr >= maps->map[low].start ? &maps->map[low] : NULL;
}

/* Opens a regular file with this inode (0 = any) and device (0 = any) for reading. An fd or -errno. */
static int open_regular(const char *path, uint64_t inode, dev_t dev)
{
	int place = open(path, O_PATH | O_CLOEXEC), fd = -ENOENT;
	char self[64];
	struct stat st;

	if (place < 0)
		return -errno;
	if (!fstat(place, &st) && S_ISREG(st.st_mode) && (!inode || st.st_ino == inode) &&
	    (!dev || st.st_dev == dev)) {
		snprintf(self, sizeof(self), "/proc/self/fd/%d", place);
		fd = open(self, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	close(place);
	return fd;
}

int proc_map_open(pid_t pid, const struct proc_map *map)
{
	char path[4096 + 64];
	int fd, err;

	if (!map->inode)
		return -ENOENT;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid, map->start,
		 map->end);
	err = open_regular(path, 0, 0);
	if (err >= 0 || map->path[0] != '/')
		return err;
	snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, map->path);
	fd = open_regular(path, map->inode, 0);
	if (fd < 0)
		fd = open_regular(map->path, map->inode, map->dev);
	return fd < 0 ? err : fd;
}
