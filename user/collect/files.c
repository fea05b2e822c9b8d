/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/files_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collect/lib.h"
#include "collect/targets.h"
#include "lib/libpq.h"
#include "lib/sqlite.h"
#include "log.h"

static void copy_free(struct copy *copy)
{
	if (!copy)
		return;
	if (copy->fd >= 0)
		close(copy->fd);
	free(copy->path);
	free(copy);
}

static void file_drop(struct table_key key, void *value, void *arg)
{
	struct file *file = value;
	size_t i;

	for (i = 0; i < file->copy_count; i++)
		copy_free(file->copy[i]);
}

struct files *files_new(const struct loader *l, const struct files_events *events)
{
	struct files *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->loader = l;
	f->events = *events;
	f->next_lib_id = 1;
	f->lite_set = APM_LITE_STEPS;
	f->by_stat = table_new(0, sizeof(struct file), file_drop, NULL);
	f->by_map = table_new(0, sizeof(int), NULL, NULL);
	f->moved = table_new(MOVED_MAX, 1, NULL, NULL);
	f->match = calloc(MATCHES_MAX, sizeof(*f->match));
	if (!f->by_stat || !f->by_map || !f->moved || !f->match) {
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
	size_t i, set;

	for (i = 0; i < file->copy_count; i++)
		for (set = 0; set < SETS; set++)
			take(all, &file->copy[i]->of_set[set]);
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
	table_free(f->moved);
	free(f->match);
	free(f);
}

int files_known(const struct files *f, dev_t map_dev, uint64_t inode)
{
	const int *libraries = table_peek(f->by_map, (struct table_key){map_dev, inode});

	return libraries ? *libraries : -1;
}

/* Each copy of each library. */
struct copy_visit {
	void (*fn)(struct files *f, struct file *file, struct copy *copy, void *arg);
	struct files *f;
	void *arg;
};

static int visit_file(struct table_key key, void *value, void *arg)
{
	const struct copy_visit *v = arg;
	struct file *file = value;
	size_t i;

	for (i = 0; i < file->copy_count; i++)
		v->fn(v->f, file, file->copy[i], v->arg);
	return 0;
}

void files_each_copy(struct files *f,
		     void (*fn)(struct files *f, struct file *file, struct copy *copy, void *arg), void *arg)
{
	struct copy_visit v = {fn, f, arg};

	table_visit(f->by_stat, visit_file, &v);
}

/* ---- attaching ---- */

static void describe(const struct lib_match *m, const char *path, char *out, size_t size)
{
	snprintf(out, size, "%s%s%s (%s)", m->name, m->version[0] ? " " : "", m->version, path);
}

static void say_missing(struct files *f, const struct lib_match *m, const char *path, pid_t pid,
			const char *text)
{
	char subject[512];

	describe(m, path, subject, sizeof(subject));
	f->events.on_missing(pid, subject, text, f->events.arg);
}

static void say_exits(struct files *f, const struct lib_match *m, const char *path, pid_t pid,
		      const char *unsafe)
{
	char text[400];

	snprintf(
		text, sizeof(text),
		"no return probes, because stacks may be switched inside calls (%s): return instructions are "
		"probed instead, which costs more; CPU samples are not matched to its statements",
		unsafe);
	say_missing(f, m, path, pid, text);
}

/* Where the returns of a set are to be seen if return probes could crash the process. 0, or -ENOTSUP: said. */
static int find_exits(struct files *f, const struct lib_match *m, uint8_t set, int fd, const char *path,
		      pid_t pid, const char *unsafe, struct exits *exits)
{
	struct elf_file *elf = elf_file_open(NULL, dup(fd));
	char why[128] = "cannot be read", text[512];
	int err = elf ? exits_find(elf, m, set, exits, why, sizeof(why)) : -ENOTSUP;

	elf_file_close(elf);
	if (!err)
		return 0;
	snprintf(text, sizeof(text), "not probed: return probes could crash the program (%s), and %s", unsafe,
		 why);
	say_missing(f, m, path, pid, text);
	return err;
}

static struct copy *copy_new(const struct lib_match *m, const char *path, int fd)
{
	struct copy *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->match = *m;
	copy->path = strdup(path);
	copy->fd = dup(fd);
	if (copy->path && copy->fd >= 0)
		return copy;
	copy_free(copy);
	return NULL;
}

static const char *why_not(int err, const char *unsafe)
{
	if (err == ENOTSUP && unsafe)
		return "not probed: it is not followed without return probes, and those could crash a "
		       "program that "
		       "switches stacks";
	if (err == EEXIST)
		return "not probed: it has the same code as another copy, and this kernel (before 5.15) does "
		       "not tell "
		       "probes apart otherwise";
	return strerror(err);
}

/* Whether some of its probes belong to a set, or with 0 to none. */
static int has_part(const struct lib_match *m, uint8_t set)
{
	for (size_t i = 0; i < m->probe_count; i++) {
		if (set ? m->probe[i].symbol->sets & set : !m->probe[i].symbol->sets)
			return 1;
	}
	return 0;
}

/* What belongs to no set, and the set that begins statements; 0, or -errno: said if it is -ENOTSUP. */
static int attach_parts(struct files *f, struct copy *copy, pid_t pid, const char *unsafe)
{
	struct lib_match *m = &copy->match;
	struct exits exits;

	for (uint8_t set = 0; set < SETS; set++) {
		if ((set && set != m->facts.set) || !has_part(m, set))
			continue;
		if (unsafe && find_exits(f, m, set, copy->fd, copy->path, pid, unsafe, &exits))
			return -ENOTSUP;
		copy->of_set[set] = attach_library(f->loader, m, set, copy->fd, unsafe ? &exits : NULL);
		if (!copy->of_set[set]) {
			int err = errno;

			say_missing(f, m, copy->path, pid, why_not(err, unsafe));
			return -err;
		}
	}
	return 0;
}

static unsigned int copy_sites(const struct copy *copy)
{
	unsigned int sites = 0;

	for (int set = 0; set < SETS; set++)
		sites += copy->of_set[set] ? attachment_sites(copy->of_set[set]) : 0;
	return sites;
}

static void attach_match(struct files *f, struct file *file, struct lib_match *m, int fd, const char *path,
			 pid_t pid, const char *unsafe)
{
	struct copy *copy;

	if (f->next_lib_id >= APM_MAX_LIBS) {
		say_missing(f, m, path, pid, "too many library copies are traced already");
		return;
	}
	m->facts.lib_id = f->next_lib_id;
	m->facts.system = m->system;
	m->facts.exits = unsafe != NULL;
	if (m->system == APM_SYSTEM_SQLITE && files_has_both_sets(m))
		m->facts.set = f->lite_set;
	copy = copy_new(m, path, fd);
	if (!copy)
		return;
	if (loader_set_library(f->loader, &m->facts) || attach_parts(f, copy, pid, unsafe)) {
		attachments_close(copy->of_set, SETS);
		copy_free(copy);
		return;
	}
	f->next_lib_id++;
	f->attached++;
	f->sites += copy_sites(copy);
	file->copy[file->copy_count++] = copy;
	file->libraries++;
	f->events.on_library(m, path, pid, f->events.arg);
	files_say_set(f, copy, pid);
	if (unsafe)
		say_exits(f, m, path, pid, unsafe);
	log_debug("attached %u probes to %s %s (%s)", copy_sites(copy), m->name, m->version, path);
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

static const char *unsafe_user(const struct files *f, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return NULL;
	return f->events.unsafe_user(st.st_dev, st.st_ino, f->events.arg);
}

static int examine(struct files *f, struct file *file, int fd, const char *path, pid_t pid,
		   const char *unsafe)
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
	if (count > 0 && !unsafe)
		unsafe = unsafe_user(f, fd);
	file->unsafe = unsafe != NULL;
	for (i = 0; i < count; i++)
		attach_match(f, file, &f->match[i], fd, path, pid, unsafe);
	elf_file_close(elf);
	return file->libraries;
}

void files_say_moved(struct files *f, int fd, const char *path, pid_t pid)
{
	struct elf_file *elf = NULL;
	struct stat st;
	int is_new = 0, count = 0, i;

	if (!fstat(fd, &st))
		table_put(f->moved, (struct table_key){(uint64_t)pid, st.st_ino}, &is_new);
	if (is_new)
		elf = elf_file_open(NULL, dup(fd));
	if (elf)
		count = lib_recognise(elf, f->match, MATCHES_MAX, NULL);
	for (i = 0; i < count; i++)
		say_missing(
			f, &f->match[i], path, pid,
			"its code, or a part of it, was moved to memory without a file (for huge pages, as a "
			"rule): no probe can stand there, and what is called there is not seen");
	elf_file_close(elf);
	close(fd);
}

/* ---- files that turn out to be used where stacks are switched ---- */

struct unsafe_use {
	pid_t pid;
	const char *why;
};

/* First the word that returns are not wanted any more, which a session heeds at once. */
static void copy_use_exits(struct files *f, struct file *file, struct copy *copy,
			   const struct unsafe_use *use)
{
	struct lib_match *m = &copy->match;
	struct attachment **a = copy->of_set;
	struct exits exits;
	int err = 0;

	m->facts.exits = 1;
	if (m->system == APM_SYSTEM_POSTGRESQL && m->facts.set == APM_PQ_SYNC) {
		attachments_close(&a[APM_PQ_SYNC], 1);
		m->facts.set = APM_PQ_ASYNC;
	}
	loader_set_library(f->loader, &m->facts);
	for (uint8_t set = 0; set < SETS && !err; set++) {
		if (!a[set] && (set != m->facts.set || !has_part(m, set)))
			continue;
		err = find_exits(f, m, set, copy->fd, copy->path, use->pid, use->why, &exits);
		if (!err && a[set]) {
			err = attachment_use_exits(a[set], f->loader, m, copy->fd, &exits);
		} else if (!err) {
			a[set] = attach_library(f->loader, m, set, copy->fd, &exits);
			err = a[set] ? 0 : -errno;
		}
	}
	if (!err) {
		log_warn("%s: return probes are taken off %s (%s)", use->why, m->name, copy->path);
		say_exits(f, m, copy->path, use->pid, use->why);
		return;
	}
	attachments_close(a, SETS);
	f->attached--;
	file->libraries--;
}

static void file_use_exits(struct files *f, struct file *file, pid_t pid, const char *why)
{
	struct unsafe_use use = {pid, why};
	size_t i;

	file->unsafe = 1;
	for (i = 0; i < file->copy_count; i++)
		copy_use_exits(f, file, file->copy[i], &use);
}

static void remember(struct files *f, dev_t dev, uint64_t inode, int libraries)
{
	int *known = table_put(f->by_map, (struct table_key){dev, inode}, NULL);

	if (known)
		*known = libraries;
}

int files_add(struct files *f, dev_t map_dev, uint64_t inode, int fd, const char *path, pid_t pid,
	      const char *unsafe)
{
	struct file *file;
	struct stat st;
	char own[64];
	int is_new = 0, ret = 0, safe;

	if (fstat(fd, &st)) {
		ret = -errno;
		goto out;
	}
	safe = target_fd_returns_safe(fd, own, sizeof(own));
	if (!safe && !unsafe)
		unsafe = own;
	file = table_put(f->by_stat, (struct table_key){st.st_dev, st.st_ino}, &is_new);
	if (!file)
		ret = -ENOMEM;
	else if (is_new)
		examine(f, file, fd, path, pid, unsafe);
	else if (unsafe && !file->unsafe)
		file_use_exits(f, file, pid, unsafe);
	if (file)
		ret = file->libraries;
	if (safe)
		remember(f, st.st_dev, st.st_ino, ret > 0 ? ret : 0);
	else
		inode = 0; /* whoever maps it is looked at */
out:
	if (inode)
		remember(f, map_dev, inode, ret > 0 ? ret : 0);
	close(fd);
	return ret;
}

/* Without attaching: nobody is known to use the file, so nobody says whether return probes are safe there. */
static int holds_library(struct files *f, int fd, const char *path)
{
	struct elf_file *elf = elf_file_open(NULL, dup(fd));
	const char *why = NULL;
	int holds;

	if (!elf)
		return 0;
	holds = lib_recognise(elf, f->match, MATCHES_MAX, &why) > 0 || why ||
		(may_contain(elf, fd, path) && lib_stripped_copy(elf, fd));
	elf_file_close(elf);
	return holds;
}

int files_may_hold(struct files *f, dev_t map_dev, uint64_t inode, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), holds = 1;
	struct stat st;

	if (fd < 0)
		return 1;
	if (!fstat(fd, &st) && st.st_dev == map_dev && st.st_ino == inode)
		holds = holds_library(f, fd, path);
	close(fd);
	if (!holds)
		remember(f, map_dev, inode, 0);
	return holds;
}

unsigned int files_attached(const struct files *f)
{
	return f->attached;
}

unsigned int files_sites(const struct files *f)
{
	return f->sites;
}
