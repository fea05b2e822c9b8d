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
#include "lib/libpq.h"
#include "log.h"

#define MATCHES_MAX 4 /* client libraries in one file */

/* A library with two sets of probes: either may be attached, or for a while both. */
struct pair {
	struct lib_match match; /* facts.set: the set that begins statements */
	char *path;
	int fd;
	struct attachment *of_set[APM_PQ_BOTH]; /* by set */
};

struct file {
	int libraries; /* attached */
	pid_t unsafe;  /* a process that must not meet return probes uses it */
	struct attachment *attachment[MATCHES_MAX];
	struct pair *pair; /* NULL = none of its libraries has two sets */
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

static void file_drop(struct table_key key, void *value, void *arg)
{
	struct file *file = value;

	if (!file->pair)
		return;
	close(file->pair->fd);
	free(file->pair->path);
	free(file->pair);
}

struct files *files_new(const struct loader *l, const struct files_events *events)
{
	struct files *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->loader = l;
	f->events = *events;
	f->next_lib_id = 1;
	f->by_stat = table_new(0, sizeof(struct file), file_drop, NULL);
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
	struct attachment *list[APM_MAX_LIBS * 2];
	size_t count;
};

static void take(struct attachments *all, struct attachment **a)
{
	if (*a && all->count < sizeof(all->list) / sizeof(all->list[0]))
		all->list[all->count++] = *a;
	*a = NULL;
}

static int take_attachments(struct table_key key, void *value, void *arg)
{
	struct attachments *all = arg;
	struct file *file = value;
	size_t i;

	for (i = 0; i < MATCHES_MAX; i++)
		take(all, &file->attachment[i]);
	for (i = 0; file->pair && i < APM_PQ_BOTH; i++)
		take(all, &file->pair->of_set[i]);
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

/* ---- libraries with two sets of probes ---- */

#define COUNT_SYNC(fn, number, args, entry, ret, needed, set) +((set) == APM_PQ_SYNC)
enum { SYNC_PROBES = APM_LIBPQ_SYMBOLS(COUNT_SYNC) };

/* The asynchronous set is there in any case: without it the library is not recognised. */
static int has_both_sets(const struct lib_match *m)
{
	int sync = 0;

	for (size_t i = 0; i < m->probe_count; i++)
		sync += m->probe[i].symbol->sets == APM_PQ_SYNC;
	return sync == SYNC_PROBES;
}

/* Remembers what it takes to attach the other set. Without memory for it the first set stays. */
static void pair_make(struct file *file, const struct lib_match *m, const char *path, int fd,
		      struct attachment *a)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	if (pair) {
		pair->match = *m;
		pair->path = strdup(path);
		pair->fd = dup(fd);
	}
	if (!pair || !pair->path || pair->fd < 0) {
		free(pair ? pair->path : NULL);
		free(pair);
		return;
	}
	pair->of_set[m->facts.set] = a;
	file->pair = pair;
}

struct set_choice {
	struct files *f;
	uint8_t set;
	const char *why;
	int err;
};

/* The probes first, then the word that they begin statements now. */
static int pair_select(struct table_key key, void *value, void *arg)
{
	struct set_choice *s = arg;
	struct file *file = value;
	struct pair *pair = file->pair;

	if (!pair || !file->libraries || pair->match.facts.set == s->set)
		return 0;
	if (!pair->of_set[s->set])
		pair->of_set[s->set] = attach_library(s->f->loader, &pair->match, s->set, pair->fd);
	if (!pair->of_set[s->set]) {
		s->err = -errno;
		return 0;
	}
	pair->match.facts.set = s->set;
	loader_set_library(s->f->loader, &pair->match.facts);
	s->f->events.on_probes(&pair->match, pair->path, s->why, s->f->events.arg);
	return 0;
}

int files_select(struct files *f, uint8_t set, const char *why)
{
	struct set_choice s = {.f = f, .set = set, .why = why};

	table_visit(f->by_stat, pair_select, &s);
	return s.err;
}

static int pair_settle(struct table_key key, void *value, void *arg)
{
	struct pair *pair = ((struct file *)value)->pair;
	uint8_t other;

	if (!pair)
		return 0;
	other = pair->match.facts.set == APM_PQ_ASYNC ? APM_PQ_SYNC : APM_PQ_ASYNC;
	attachments_close(&pair->of_set[other], 1);
	return 0;
}

void files_settle(struct files *f)
{
	table_visit(f->by_stat, pair_settle, NULL);
}

static int pair_count(struct table_key key, void *value, void *arg)
{
	*(unsigned int *)arg += ((struct file *)value)->pair != NULL;
	return 0;
}

unsigned int files_with_sets(const struct files *f)
{
	unsigned int count = 0;

	table_visit(f->by_stat, pair_count, &count);
	return count;
}

/* ---- attaching ---- */

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
	a = attach_library(f->loader, m, m->facts.set, fd);
	if (!a) {
		f->events.on_missing(pid, subject, strerror(errno), f->events.arg);
		return;
	}
	f->next_lib_id++;
	f->attached++;
	f->sites += attachment_sites(a);
	if (!file->pair && has_both_sets(m))
		pair_make(file, m, path, fd, a);
	if (!file->pair || file->pair->of_set[m->facts.set] != a)
		file->attachment[file->libraries] = a;
	file->libraries++;
	f->events.on_library(m, path, pid, f->events.arg);
	log_debug("attached %u probes to %s", attachment_sites(a), subject);
}

#define MODULE_MAX (32 << 20) /* bytes of a shared object that is searched for a library inside */

/*
 * Whether a file may have a library linked into it: programs, and modules that came with one (node's .node, a
 * wheel's). What the distribution installs in the loader's folders links the shared ones.
 */
static int may_contain(const struct elf_file *elf, int fd, const char *path)
{
	struct stat st;

	if (elf_is_executable(elf))
		return 1;
	return strncmp(path, "/lib", 4) && strncmp(path, "/usr/lib", 8) && !fstat(fd, &st) &&
	       st.st_size <= MODULE_MAX;
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
	stripped = !count && !why && may_contain(elf, fd, path) ? lib_stripped_copy(elf, fd) : NULL;
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
		if (file->pair)
			attachments_close(file->pair->of_set, APM_PQ_BOTH);
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
