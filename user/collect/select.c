/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/select.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "collect/procinfo.h"

#define CGROUP2_MAGIC 0x63677270 /* <linux/magic.h>, CGROUP2_SUPER_MAGIC */
#define STAT_TEXT     1024

/* ---- making ---- */

/* A directory of a cgroup v2 file system? */
static int is_cgroup(const char *path, uint64_t *id)
{
	struct statfs fs;
	struct stat st;

	if (statfs(path, &fs) || fs.f_type != CGROUP2_MAGIC || stat(path, &st) || !S_ISDIR(st.st_mode))
		return 0;
	*id = st.st_ino;
	return 1;
}

/* Where cgroup v2 is mounted: /sys/fs/cgroup, or beside v1. 0 or -ENOENT. */
static int cgroup_mount(char *path, size_t size)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int err = -ENOENT;

	while (f && err && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup2") != 0)
			continue;
		snprintf(path, size, "%s", m->mnt_dir);
		err = 0;
	}
	if (f)
		endmntent(f);
	return err;
}

static int find_cgroup(const char *name, struct selection_cgroup *out, char *err, size_t err_len)
{
	char mount[PATH_MAX];

	if (name[0] == '/' && is_cgroup(name, &out->id)) {
		out->path = strdup(name);
		return out->path ? 0 : -ENOMEM;
	}
	if (cgroup_mount(mount, sizeof(mount))) {
		snprintf(err, err_len, "--cgroup %s: cgroup v2 is not mounted here", name);
		return -ENOENT;
	}
	if (asprintf(&out->path, "%s/%s", mount, name + strspn(name, "/")) < 0) {
		out->path = NULL;
		return -ENOMEM;
	}
	if (is_cgroup(out->path, &out->id))
		return 0;
	snprintf(err, err_len, "no cgroup %s (looked for the directory %s)", name, out->path);
	return -ENOENT;
}

int selection_make(struct selection *sel, const char *const *comms, size_t comm_count,
		   const char *const *cgroups, size_t cgroup_count, int all, char *err, size_t err_len)
{
	size_t i;
	int ret = 0;

	*sel = (struct selection){.all = all, .comm_count = comm_count};
	snprintf(err, err_len, "out of memory");
	sel->comm = calloc(comm_count + 1, sizeof(*sel->comm));
	sel->cgroup = calloc(cgroup_count + 1, sizeof(*sel->cgroup));
	if (!sel->comm || !sel->cgroup)
		return -ENOMEM;
	for (i = 0; i < comm_count; i++)
		memcpy(sel->comm[i], comms[i], strnlen(comms[i], SELECT_COMM_LEN - 1));
	for (i = 0; i < cgroup_count && !ret; i++)
		ret = find_cgroup(cgroups[i], &sel->cgroup[sel->cgroup_count++], err, err_len);
	return ret;
}

void selection_free(struct selection *sel)
{
	size_t i;

	for (i = 0; i < sel->cgroup_count; i++)
		free(sel->cgroup[i].path);
	free(sel->cgroup);
	free(sel->comm);
	*sel = (struct selection){.comm = NULL};
}

int selection_any(const struct selection *sel)
{
	return sel->all || sel->comm_count || sel->cgroup_count;
}

/* ---- /proc ---- */

static int each_process(int (*fn)(pid_t pid, void *arg), void *arg)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	int ret = 0;

	if (!dir)
		return -errno;
	while (!ret && (d = readdir(dir))) {
		int pid = atoi(d->d_name);

		if (pid > 0 && pid != getpid())
			ret = fn(pid, arg);
	}
	closedir(dir);
	return ret;
}

/* The text of /proc/PID/stat. 0, or -errno for a process that has gone. */
static int read_stat(pid_t pid, char text[STAT_TEXT])
{
	char path[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, STAT_TEXT - 1);
	close(fd);
	if (len <= 0)
		return -ESRCH;
	text[len] = '\0';
	return 0;
}

struct visit {
	const struct selection *sel;
	int (*fn)(pid_t pid, void *arg);
	int (*parent_fn)(pid_t pid, pid_t parent, void *arg);
	void *arg;
};

static int visit_named(pid_t pid, void *arg)
{
	const struct visit *v = arg;
	char text[STAT_TEXT], comm[SELECT_COMM_LEN] = "";
	size_t i;

	if (v->sel->all)
		return v->fn(pid, v->arg);
	if (read_stat(pid, text))
		return 0;
	procinfo_comm(text, comm, sizeof(comm));
	for (i = 0; i < v->sel->comm_count; i++)
		if (!strcmp(comm, v->sel->comm[i]))
			return v->fn(pid, v->arg);
	return 0;
}

static int visit_parent(pid_t pid, void *arg)
{
	const struct visit *v = arg;
	char text[STAT_TEXT];

	if (read_stat(pid, text))
		return 0;
	return v->parent_fn(pid, (pid_t)procinfo_stat(text, 4), v->arg);
}

int select_parents(int (*fn)(pid_t pid, pid_t parent, void *arg), void *arg)
{
	struct visit v = {.parent_fn = fn, .arg = arg};

	return each_process(visit_parent, &v);
}

/* ---- cgroups ---- */

static int visit_cgroup(const struct visit *v, const char *path)
{
	char name[PATH_MAX];
	struct dirent *d;
	int pid, ret = 0;
	DIR *dir;
	FILE *f;

	snprintf(name, sizeof(name), "%s/cgroup.procs", path);
	f = fopen(name, "re");
	while (f && !ret && fscanf(f, "%d", &pid) == 1)
		if (pid > 0 && pid != getpid()) /* 0: of another pid namespace */
			ret = v->fn(pid, v->arg);
	if (f)
		fclose(f);
	dir = opendir(path);
	while (dir && !ret && (d = readdir(dir)))
		if (d->d_type == DT_DIR && d->d_name[0] != '.' &&
		    snprintf(name, sizeof(name), "%s/%s", path, d->d_name) < (int)sizeof(name))
			ret = visit_cgroup(v, name);
	if (dir)
		closedir(dir);
	return ret;
}

int selection_each(const struct selection *sel, int (*fn)(pid_t pid, void *arg), void *arg)
{
	struct visit v = {.sel = sel, .fn = fn, .arg = arg};
	int ret = sel->all || sel->comm_count ? each_process(visit_named, &v) : 0;
	size_t i;

	for (i = 0; i < sel->cgroup_count && !ret; i++)
		ret = visit_cgroup(&v, sel->cgroup[i].path);
	return ret;
}
