/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/bystanders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/procmaps.h"
#include "base/table.h"
#include "collect/select.h"

#define FILES_MAX 16384

/* A file that is used where stacks may be switched. */
struct use {
	pid_t pid;
	char why[256];
};

struct bystanders {
	struct files *files;
	struct table *unsafe;	/* struct use, by what stat() says */
	struct table *harmless; /* files that speak for nothing, by what /proc/PID/maps says */
	int scanned;
	char text[300];
};

struct bystanders *bystanders_new(struct files *f)
{
	struct bystanders *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->files = f;
	b->unsafe = table_new(FILES_MAX, sizeof(struct use), NULL, NULL);
	b->harmless = table_new(FILES_MAX, 1, NULL, NULL);
	if (b->unsafe && b->harmless)
		return b;
	bystanders_free(b);
	errno = ENOMEM;
	return NULL;
}

void bystanders_free(struct bystanders *b)
{
	if (!b)
		return;
	table_free(b->unsafe);
	table_free(b->harmless);
	free(b);
}

static int open_mapped(const struct target_file *file)
{
	struct proc_map map = {.start = file->map_start,
			       .end = file->map_end,
			       .inode = file->inode,
			       .dev = file->dev,
			       .exec = 1,
			       .deleted = file->deleted,
			       .path = file->path};

	return proc_map_open(file->pid, &map);
}

/* ---- before a library is attached ---- */

struct scan {
	struct bystanders *b;
	const char *why;
};

static int note_file(const struct target_file *file, void *arg)
{
	struct scan *s = arg;
	struct use *use;
	struct stat st;
	int fd = open_mapped(file), is_new;

	if (fd >= 0 && !fstat(fd, &st)) {
		use = table_put(s->b->unsafe, (struct table_key){st.st_dev, st.st_ino}, &is_new);
		if (use && is_new) {
			use->pid = file->pid;
			snprintf(use->why, sizeof(use->why), "%s", s->why);
		}
	}
	if (fd >= 0)
		close(fd);
	return 0;
}

static int note_process(pid_t pid, pid_t parent, void *arg)
{
	char why[256];
	struct scan s = {arg, why};

	if (!target_returns_safe(pid, why, sizeof(why)))
		target_files(pid, note_file, &s);
	return 0;
}

const char *bystanders_why(struct bystanders *b, dev_t dev, ino_t inode)
{
	const struct use *use;

	if (!b->scanned)
		select_parents(note_process, b);
	b->scanned = 1;
	use = table_peek(b->unsafe, (struct table_key){dev, inode});
	if (!use)
		return NULL;
	snprintf(b->text, sizeof(b->text), "process %d: %s", use->pid, use->why);
	return b->text;
}

/* ---- while it is ---- */

/* Whether the file says nothing against return probes. */
static int is_harmless(struct bystanders *b, const struct mapwatch_event *ev)
{
	struct table_key key = {ev->dev, ev->inode};
	struct target_file file = {.dev = ev->dev,
				   .inode = ev->inode,
				   .pid = (pid_t)ev->tgid,
				   .map_start = ev->addr,
				   .map_end = ev->addr + ev->len,
				   .path = (char *)ev->path};
	char why[64];
	int fd, safe;

	if (table_peek(b->harmless, key))
		return 1;
	fd = open_mapped(&file);
	if (fd < 0)
		return 0; /* the process may still be there */
	safe = target_fd_returns_safe(fd, why, sizeof(why));
	close(fd);
	if (safe)
		table_put(b->harmless, key, NULL);
	return safe;
}

static int use_exits(const struct target_file *file, void *arg)
{
	struct scan *s = arg;
	int fd;

	if (files_known(s->b->files, file->dev, file->inode) <= 0)
		return 0;
	fd = open_mapped(file);
	if (fd >= 0)
		files_add(s->b->files, file->dev, file->inode, fd, file->path, 0, s->why);
	return 0;
}

void bystanders_mapped(struct bystanders *b, const struct mapwatch_event *ev)
{
	int known = files_known(b->files, ev->dev, ev->inode);
	char why[256], text[320];
	struct scan s = {b, text};

	if (known == 0 || (known < 0 && is_harmless(b, ev)))
		return;
	if (target_returns_safe((pid_t)ev->tgid, why, sizeof(why)))
		return;
	snprintf(text, sizeof(text), "process %u: %s", ev->tgid, why);
	target_files((pid_t)ev->tgid, use_exits, &s);
}
