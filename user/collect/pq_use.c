/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/pq_use.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/procmaps.h"
#include "base/table.h"
#include "collect/lib.h"
#include "collect/targets.h"

#define FILES_MAX 4096
#define FILE_MAX  (64 << 20) /* a larger file is not searched */
#define PIECE	  (1 << 20)
#define OVERLAP	  64 /* longer than any name searched for */

/* What stands in a file. */
enum {
	IS_LIBPQ = 1,
	NAMES_SYNC = 2,
	NAMES_ASYNC = 4,
	CALLS_ANY = 8, /* by libffi: names come at run time */
	KNOWN = 16,
};

/* Beginnings of names. Whoever sends, collects or copies himself needs one of the asynchronous ones. */
static const struct {
	const char *text;
	uint8_t flag;
} names[] = {
	{"PQexec", NAMES_SYNC},
	{"PQprepare", NAMES_SYNC},
	{"PQsend", NAMES_ASYNC},
	{"PQgetResult", NAMES_ASYNC},
	{"PQputCopy", NAMES_ASYNC},
	{"PQgetCopyData", NAMES_ASYNC},
	{"PQputline", NAMES_ASYNC},
	{"PQputnbytes", NAMES_ASYNC},
	{"PQgetline", NAMES_ASYNC},
	{"PQendcopy", NAMES_ASYNC},
	{"PQenterPipelineMode", NAMES_ASYNC},
};

static uint8_t search_names(const char *data, size_t len)
{
	const char *at = data, *end = data + len;
	uint8_t flags = 0;

	while ((at = memmem(at, (size_t)(end - at), "PQ", 2))) {
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
			size_t n = strlen(names[i].text);

			if ((size_t)(end - at) >= n && !memcmp(at, names[i].text, n))
				flags |= names[i].flag;
		}
		at += 2;
	}
	if (memmem(data, len, "ffi_call", strlen("ffi_call")))
		flags |= CALLS_ANY;
	if (memmem(data, len, lib_libpq.marker, strlen(lib_libpq.marker)))
		flags |= IS_LIBPQ;
	return flags;
}

/* libffi itself, and p11-kit, by which libpq's own libraries bring it: they call nothing of libpq's. */
static int is_harmless(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	return !strncmp(name, "libffi.so", 9) || !strncmp(name, "libp11-kit.so", 13);
}

/* By reading, in pieces that overlap. */
static uint8_t search_file(int fd)
{
	char *piece = malloc(PIECE);
	uint8_t flags = 0;
	off_t off = 0;
	struct stat st;
	ssize_t got;

	if (!piece || fstat(fd, &st) || st.st_size > FILE_MAX) {
		flags = NAMES_ASYNC;
		goto out;
	}
	while ((got = pread(fd, piece, PIECE, off)) > 0) {
		flags |= search_names(piece, (size_t)got);
		if (off + got >= st.st_size || got <= OVERLAP)
			break;
		off += got - OVERLAP;
	}
	if (got < 0)
		flags = NAMES_ASYNC;
out:
	free(piece);
	return flags;
}

/* By what /proc/PID/maps prints: nothing has to be opened for a file that is known. */
static uint8_t file_flags(pid_t pid, const struct target_file *file)
{
	static struct table *known;
	struct proc_map map = {
		.start = file->map_start,
		.end = file->map_end,
		.inode = file->inode,
		.dev = file->dev,
		.exec = 1,
		.deleted = file->deleted,
		.path = file->path,
	};
	uint8_t *flags;
	int fd;

	if (!known)
		known = table_new(FILES_MAX, sizeof(*flags), NULL, NULL);
	flags = known ? table_put(known, (struct table_key){file->dev, file->inode}, NULL) : NULL;
	if (!flags)
		return NAMES_ASYNC;
	if (*flags & KNOWN)
		return *flags;
	fd = proc_map_open(pid, &map);
	if (fd < 0)
		return NAMES_ASYNC;
	*flags = search_file(fd) | KNOWN;
	if (is_harmless(file->path))
		*flags &= (uint8_t)~CALLS_ANY;
	close(fd);
	return *flags;
}

struct judgement {
	int libraries;
	uint8_t names;
};

static int judge_file(const struct target_file *file, void *arg)
{
	struct judgement *j = arg;
	uint8_t flags = file_flags(file->pid, file);

	if (flags & IS_LIBPQ)
		j->libraries++;
	else
		j->names |= flags;
	return 0;
}

enum pq_use pq_use_of(pid_t pid)
{
	struct judgement j = {0};

	if (target_files(pid, judge_file, &j) || !j.libraries)
		return PQ_USE_NONE;
	return j.libraries == 1 && (j.names & (NAMES_SYNC | NAMES_ASYNC | CALLS_ANY)) == NAMES_SYNC
		       ? PQ_USE_SYNC
		       : PQ_USE_ANY;
}
