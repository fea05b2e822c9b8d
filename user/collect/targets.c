/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/targets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/elf.h"
#include "base/procmaps.h"
#include "base/table.h"
#include "collect/ldcache.h"
#include "collect/lib.h"
#include "collect/procinfo.h"

#define CACHE_PATH "/etc/ld.so.cache"
#define CACHE_MAX  (64u << 20)
#define SMALL_FILE 65536

/* The first bytes of /proc/PID/<name>, NUL-terminated. Length, or -errno; ESRCH when the process is gone. */
static ssize_t read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	size_t len = 0;
	ssize_t got = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	while (len < size - 1) {
		got = read(fd, buf + len, size - 1 - len);
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	buf[len] = 0;
	close(fd);
	return got < 0 && !len ? -errno : (ssize_t)len;
}

/* ---- mapped files ---- */

static int is_file_code(const struct proc_map *m)
{
	return m->exec && m->inode && m->path[0] == '/';
}

static struct target_file target_file_of(pid_t pid, const struct proc_map *m)
{
	return (struct target_file){.dev = m->dev,
				    .inode = m->inode,
				    .pid = pid,
				    .map_start = m->start,
				    .map_end = m->end,
				    .path = (char *)m->path,
				    .deleted = m->deleted,
				    .fd = -1};
}

int target_files(pid_t pid, int (*fn)(const struct target_file *file, void *arg), void *arg)
{
	struct proc_maps maps = {0};
	int err = proc_maps_read(pid, &maps);

	for (size_t i = 0; !err && i < maps.count; i++) {
		const struct proc_map *m = &maps.map[i];
		struct target_file file;
		int seen = !is_file_code(m);

		for (size_t k = 0; k < i && !seen; k++)
			seen = is_file_code(&maps.map[k]) && maps.map[k].inode == m->inode &&
			       maps.map[k].dev == m->dev;
		if (seen)
			continue;
		file = target_file_of(pid, m);
		err = fn(&file, arg);
	}
	proc_maps_free(&maps);
	return err;
}

static int is_same_file(const struct proc_map *a, const struct proc_map *b)
{
	return a->inode == b->inode && a->dev == b->dev;
}

/*
 * The mappings of a loaded file follow one another. Executable ones of something else that join two of them took
 * the place of the file's own; elsewhere they are a neighbour's.
 */
static int is_moved(const struct proc_maps *maps, size_t first)
{
	const struct proc_map *m = &maps->map[first];
	size_t i = first + 1;

	while (i < maps->count && maps->map[i].exec && !is_same_file(&maps->map[i], m) &&
	       maps->map[i].start == maps->map[i - 1].end)
		i++;
	return i > first + 1 && i < maps->count && is_same_file(&maps->map[i], m) &&
	       maps->map[i].start == maps->map[i - 1].end;
}

int target_moved_files(pid_t pid, int (*fn)(const struct target_file *file, void *arg), void *arg)
{
	struct proc_maps maps = {0};
	int err = proc_maps_read(pid, &maps);

	for (size_t i = 0; !err && i < maps.count; i++) {
		const struct proc_map *m = &maps.map[i];
		struct target_file file = target_file_of(pid, m);

		if (m->inode && m->path[0] == '/' && is_moved(&maps, i))
			err = fn(&file, arg);
	}
	proc_maps_free(&maps);
	return err;
}

/* ---- return probes ---- */

/* What was found out about a file, by (device, inode); a change of the file is seen by its times. */
struct verdict {
	struct timespec mtime, ctime;
	uint8_t safe;
	char why[64];
};

int target_fd_returns_safe(int fd, char *why, size_t why_len)
{
	static struct table *known;
	struct verdict *v;
	struct stat st;
	int is_new;

	if (why_len)
		*why = 0;
	if (!known)
		known = table_new(4096, sizeof(struct verdict), NULL, NULL);
	if (!known || fstat(fd, &st))
		return 1;
	v = table_put(known, (struct table_key){st.st_dev, st.st_ino}, &is_new);
	if (!v)
		return 1;
	if (is_new || memcmp(&v->mtime, &st.st_mtim, sizeof(v->mtime)) ||
	    memcmp(&v->ctime, &st.st_ctim, sizeof(v->ctime))) {
		struct elf_file *f = elf_file_open(NULL, dup(fd));
		const char *reason = "";

		v->mtime = st.st_mtim;
		v->ctime = st.st_ctim;
		v->safe = f ? (uint8_t)site_returns_safe(f, &reason)
			    : 1; /* data mapped executable has no symbols */
		snprintf(v->why, sizeof(v->why), "%s", reason);
		elf_file_close(f);
	}
	snprintf(why, why_len, "%s", v->why);
	return v->safe;
}

int target_file_returns_safe(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), safe;
	char why[64];

	if (fd < 0)
		return 1;
	safe = target_fd_returns_safe(fd, why, sizeof(why));
	close(fd);
	return safe;
}

int target_returns_safe(pid_t pid, char *why, size_t why_len)
{
	struct proc_maps maps = {0};
	char reason[64];
	int safe = 1;

	if (why_len)
		*why = 0;
	if (proc_maps_read(pid, &maps))
		goto out; /* gone: nothing will be attached either */
	for (size_t i = 0; i < maps.count && safe; i++) {
		const struct proc_map *m = &maps.map[i];
		int fd = is_file_code(m) ? proc_map_open(pid, m) : -1;

		if (fd < 0)
			continue;
		safe = target_fd_returns_safe(fd, reason, sizeof(reason));
		close(fd);
		if (!safe)
			snprintf(why, why_len, "%s %s", m->path, reason);
	}
out:
	proc_maps_free(&maps);
	return safe;
}

/* ---- what a process is ---- */

static char *program_of(pid_t pid, const char *comm, char *buf)
{
	char exe[PATH_MAX], link[64];
	struct str script = {0};
	char *text;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	len = readlink(link, exe, sizeof(exe) - 1);
	if (len < 0)
		return strdup(comm);
	exe[len] = 0;
	len = read_proc(pid, "cmdline", buf, SMALL_FILE);
	if (len > 0)
		script = procinfo_script(exe, buf, (size_t)len);
	if (asprintf(&text, "%s%s%.*s", exe, script.len ? " " : "", (int)script.len,
		     script.len ? script.ptr : "") < 0)
		return NULL;
	return text;
}

static void user_name(uid_t uid, char *out, size_t size)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw)
		snprintf(out, size, "%s", pw->pw_name);
	else
		snprintf(out, size, "%u", (unsigned int)uid);
}

int target_info_read(pid_t pid, struct target_info *out)
{
	char *buf = malloc(SMALL_FILE);
	struct timespec now;
	long ns_pid, uid;
	int err = -ENOMEM;

	memset(out, 0, sizeof(*out));
	if (!buf)
		return -ENOMEM;
	err = -ESRCH;
	out->pid = pid;
	if (read_proc(pid, "stat", buf, SMALL_FILE) <= 0)
		goto out;
	procinfo_comm(buf, out->comm, sizeof(out->comm));
	out->threads = (uint32_t)procinfo_stat(buf, 20);
	out->start_boottime_ns = procinfo_stat(buf, 22) * (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK));
	clock_gettime(CLOCK_BOOTTIME, &now);
	out->age_ns = (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
	out->age_ns = out->age_ns > out->start_boottime_ns ? out->age_ns - out->start_boottime_ns : 0;

	if (read_proc(pid, "status", buf, SMALL_FILE) <= 0)
		goto out;
	ns_pid = procinfo_status(buf, "NSpid:", 1);
	out->ns_pid = ns_pid > 0 ? (pid_t)ns_pid : pid;
	uid = procinfo_status(buf, "Uid:", 0);
	out->uid = (uid_t)uid;
	user_name(out->uid, out->user, sizeof(out->user));

	if (read_proc(pid, "cgroup", buf, SMALL_FILE) > 0)
		out->container = procinfo_container(buf);
	out->program = program_of(pid, out->comm, buf);
	err = out->program ? 0 : -ENOMEM;
out:
	free(buf);
	if (err)
		target_info_free(out);
	return err;
}

void target_info_free(struct target_info *info)
{
	if (!info)
		return;
	free(info->program);
	free(info->container);
	info->program = info->container = NULL;
}

/* ---- libraries in the loader's cache ---- */

struct visit {
	int (*fn)(const char *path, void *arg);
	void *arg;
};

static int visit_entry(const char *name, const char *path, void *arg)
{
	const struct visit *v = arg;
	struct lib_match match;
	struct elf_file *f;
	int found;

	if (!lib_name_is_likely(name))
		return 0;
	f = elf_file_open(path, -1);
	if (!f)
		return 0;
	found = lib_recognise(f, &match, 1, NULL);
	elf_file_close(f);
	return found > 0 ? v->fn(path, v->arg) : 0;
}

static int read_cache(int (*fn)(const char *name, const char *path, void *arg), void *arg)
{
	int fd = open(CACHE_PATH, O_RDONLY | O_CLOEXEC), err;
	struct stat st;
	char *data = NULL;
	size_t len = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : 0;
	if (!err && (st.st_size <= 0 || st.st_size > CACHE_MAX))
		err = -EINVAL;
	data = err ? NULL : malloc((size_t)st.st_size);
	if (!err && !data)
		err = -ENOMEM;
	while (!err && len < (size_t)st.st_size) {
		got = read(fd, data + len, (size_t)st.st_size - len);
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	close(fd);
	if (!err)
		err = ldcache_parse(data, len, fn, arg);
	free(data);
	return err;
}

int target_cached_libraries(int (*fn)(const char *path, void *arg), void *arg)
{
	struct visit v = {fn, arg};

	return read_cache(visit_entry, &v);
}

static int visit_any(const char *name, const char *path, void *arg)
{
	const struct visit *v = arg;

	return v->fn(path, v->arg);
}

int target_cached_files(int (*fn)(const char *path, void *arg), void *arg)
{
	struct visit v = {fn, arg};

	return read_cache(visit_any, &v);
}
