/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/table.h"
#include "collect/attach.h"
#include "collect/lib.h"
#include "collect/targets.h"
#include "log.h"

#define MATCHES_MAX 4 /* client libraries in one file */

struct file {
	int libraries; /* attached */
	pid_t unsafe;  /* a process that must not meet return probes uses it */
	struct attachment *attachment[MATCHES_MAX];
};

struct files {
	const struct loader *loader;
	struct files_events events;
	struct table *by_stat; /* struct file, by what stat() says */
	struct table *by_map;  /* int: its libraries, by what /proc/PID/maps says: some file systems differ */
	struct lib_match *match;
	uint16_t next_lib_id;
	unsigned int attached, sites;
};

struct files *files_new(const struct loader *l, const struct files_events *events)
{
	struct files *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->loader = l;
	f->events = *events;
	f->next_lib_id = 1;
	f->by_stat = table_new(0, sizeof(struct file), NULL, NULL);
	f->by_map = table_new(0, sizeof(int), NULL, NULL);
	f->match = calloc(MATCHES_MAX, sizeof(*f->match));
	if (!f->by_stat || !f->by_map || !f->match) {
		files_free(f);
		errno = ENOMEM;
		return NULL;
	}
	return f;
}

struct attachments {
	struct attachment *list[APM_MAX_LIBS];
	size_t count;
};

static int take_attachments(struct table_key key, void *value, void *arg)
{
	struct attachments *all = arg;
	struct file *file = value;
	size_t i;

	for (i = 0; i < MATCHES_MAX; i++) {
		if (file->attachment[i] && all->count < APM_MAX_LIBS)
			all->list[all->count++] = file->attachment[i];
		file->attachment[i] = NULL;
	}
	return 0;
}

void files_detach(struct files *f)
{
	struct attachments all = {.count = 0};

	table_visit(f->by_stat, take_attachments, &all);
	attachments_close(all.list, all.count);
}

void files_free(struct files *f)
{
	if (!f)
		return;
	if (f->by_stat)
		files_detach(f);
	table_free(f->by_stat);
	table_free(f->by_map);
	free(f->match);
	free(f);
}

int files_known(const struct files *f, dev_t map_dev, uint64_t inode)
{
	const int *libraries = table_peek(f->by_map, (struct table_key){map_dev, inode});

	return libraries ? *libraries : -1;
}

static void attach_match(struct files *f, struct file *file, struct lib_match *m, int fd, const char *path,
			 pid_t pid)
{
	struct attachment *a;
	char subject[512];

	snprintf(subject, sizeof(subject), "%s%s%s (%s)", m->name, m->version[0] ? " " : "", m->version,
		 path);
	if (f->next_lib_id >= APM_MAX_LIBS) {
		f->events.on_missing(pid, subject, "too many library copies are traced already",
				     f->events.arg);
		return;
	}
	m->facts.lib_id = f->next_lib_id;
	m->facts.system = m->system;
	if (!m->returns_safe) {
		f->events.on_missing(pid, subject, "not probed: return probes are not safe in this file",
				     f->events.arg);
		return;
	}
	if (loader_set_library(f->loader, &m->facts))
		return;
	a = attach_library(f->loader, m, fd);
	if (!a) {
		f->events.on_missing(pid, subject, strerror(errno), f->events.arg);
		return;
	}
	f->next_lib_id++;
	f->attached++;
	f->sites += attachment_sites(a);
	file->attachment[file->libraries++] = a;
	f->events.on_library(m, path, pid, f->events.arg);
	log_debug("attached %u probes to %s", attachment_sites(a), subject);
}

static int examine(struct files *f, struct file *file, int fd, const char *path, pid_t pid)
{
	struct elf_file *elf = elf_file_open(NULL, dup(fd));
	const char *why = NULL, *stripped;
	char text[160];
	int count, i;

	if (!elf)
		return 0; /* no ELF file: scripts and data are mapped executable too */
	count = lib_recognise(elf, f->match, MATCHES_MAX, &why);
	stripped = !count && !why && elf_is_executable(elf) ? lib_stripped_copy(fd) : NULL;
	if (stripped) {
		snprintf(text, sizeof(text),
			 "contains %s, but its symbols were stripped: keep the symbol table, or link the "
			 "shared library",
			 stripped);
		why = text;
	}
	if (!count && why)
		f->events.on_missing(pid, path, why, f->events.arg);
	for (i = 0; i < count; i++)
		attach_match(f, file, &f->match[i], fd, path, pid);
	elf_file_close(elf);
	return file->libraries;
}

static void remember(struct files *f, dev_t dev, uint64_t inode, int libraries)
{
	int *known = table_put(f->by_map, (struct table_key){dev, inode}, NULL);

	if (known)
		*known = libraries;
}

static void say_refused(struct files *f, const struct file *file, const char *path, pid_t pid)
{
	const char *name = strrchr(path, '/');
	char why[128];

	if (!lib_name_is_likely(name ? name + 1 : path))
		return;
	snprintf(why, sizeof(why), "not probed: process %d uses it too, and return probes could crash that",
		 file->unsafe);
	f->events.on_missing(pid, path, why, f->events.arg);
}

int files_add(struct files *f, dev_t map_dev, uint64_t inode, int fd, const char *path, pid_t pid)
{
	struct file *file;
	struct stat st;
	int is_new = 0, ret = 0;

	if (fstat(fd, &st)) {
		ret = -errno;
		goto out;
	}
	file = table_put(f->by_stat, (struct table_key){st.st_dev, st.st_ino}, &is_new);
	if (!file)
		ret = -ENOMEM;
	else
		ret = is_new ? examine(f, file, fd, path, pid) : file->libraries;
	if (file && file->unsafe)
		say_refused(f, file, path, pid);
	remember(f, st.st_dev, st.st_ino, ret > 0 ? ret : 0);
out:
	if (inode)
		remember(f, map_dev, inode, ret > 0 ? ret : 0);
	close(fd);
	return ret;
}

static int detach_mapped(const struct target_file *mapped, void *arg)
{
	struct files *f = arg;
	struct file *file = table_put(f->by_stat, (struct table_key){mapped->dev, mapped->inode}, NULL);

	if (file)
		file->unsafe = mapped->pid;
	if (file && file->libraries) {
		f->attached -= (unsigned int)file->libraries;
		file->libraries = 0;
		attachments_close(file->attachment, MATCHES_MAX);
	}
	return 0;
}

int files_unsafe(struct files *f, pid_t pid)
{
	unsigned int before = f->attached;

	target_files(pid, detach_mapped, f);
	return (int)(before - f->attached);
}

unsigned int files_attached(const struct files *f)
{
	return f->attached;
}

unsigned int files_sites(const struct files *f)
{
	return f->sites;
}
