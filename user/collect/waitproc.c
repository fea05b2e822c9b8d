/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/waitproc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <unistd.h>

#include "collect/procinfo.h"

/* 0, or -errno. */
static int read_memory(uint32_t tgid, uint64_t address, void *into, size_t len)
{
	struct iovec local = {into, len}, remote = {(void *)(uintptr_t)address, len};
	ssize_t n = process_vm_readv((pid_t)tgid, &local, 1, &remote, 1, 0);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EFAULT;
}

/* 0, or -errno. */
static int read_file(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, out, size - 1);
	if (n < 0)
		err = -errno;
	out[n > 0 ? n : 0] = '\0';
	close(fd);
	return err;
}

/* ---- descriptors ---- */

static int polled_fds(const struct apm_look *look, int fds[WAITPROC_FDS])
{
	struct pollfd list[WAITPROC_FDS];
	size_t count = look->arg[1] < WAITPROC_FDS ? (size_t)look->arg[1] : WAITPROC_FDS, i;
	int err = count ? read_memory(look->tgid, look->arg[0], list, count * sizeof(list[0])) : 0;

	for (i = 0; i < count && !err; i++)
		fds[i] = list[i].fd;
	return err ? err : (int)count;
}

static int selected_fds(const struct apm_look *look, int fds[WAITPROC_FDS])
{
	int limit = look->arg[0] < FD_SETSIZE ? (int)look->arg[0] : FD_SETSIZE, count = 0, fd, i;
	fd_set wanted[2];

	for (i = 0; i < 2; i++) {
		FD_ZERO(&wanted[i]);
		if (look->arg[1 + i] && limit &&
		    read_memory(look->tgid, look->arg[1 + i], &wanted[i], (size_t)(limit + 63) / 64 * 8))
			return -EFAULT;
	}
	for (fd = 0; fd < limit && count < WAITPROC_FDS; fd++) {
		if (FD_ISSET(fd, &wanted[0]) || FD_ISSET(fd, &wanted[1]))
			fds[count++] = fd;
	}
	return count;
}

/* The lines "tfd: 5 events: 19 …" of /proc/PID/fdinfo, proc(5). */
static int watched_fds(const struct apm_look *look, int fds[WAITPROC_FDS])
{
	char path[64], text[8192];
	const char *at;
	int count = 0, err;

	snprintf(path, sizeof(path), "/proc/%u/fdinfo/%d", look->tgid, (int)look->arg[0]);
	err = read_file(path, text, sizeof(text));
	if (err)
		return err;
	for (at = strstr(text, "tfd:"); at && count < WAITPROC_FDS; at = strstr(at + 4, "tfd:"))
		fds[count++] = atoi(at + 4);
	return count;
}

int waitproc_fds(const struct apm_look *look, enum waiting how, int fds[WAITPROC_FDS])
{
	switch (how) {
	case WAITING_FD:
		fds[0] = (int)look->arg[0];
		return 1;
	case WAITING_POLL:
		return polled_fds(look, fds);
	case WAITING_SELECT:
		return selected_fds(look, fds);
	case WAITING_EPOLL:
		return watched_fds(look, fds);
	default:
		return 0;
	}
}

int waitproc_is_socket(const struct apm_look *look, int fd)
{
	static const char socket[] = "socket:[";
	char path[64], target[sizeof(socket)];

	snprintf(path, sizeof(path), "/proc/%u/fd/%d", look->tgid, fd);
	return readlink(path, target, sizeof(target)) >= (ssize_t)sizeof(socket) - 1 &&
	       !memcmp(target, socket, sizeof(socket) - 1);
}

/* ---- who holds a lock ---- */

static long last_nspid(const char *path)
{
	char status[4096];

	return read_file(path, status, sizeof(status)) ? -1 : procinfo_status(status, "NSpid:", 1);
}

/* The thread of the process that has this number in its own namespace; 0 = none. */
static uint32_t thread_inside(uint32_t tgid, uint32_t number)
{
	char path[320];
	struct dirent *entry;
	uint32_t found = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/task", tgid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%u/task/%s/status", tgid, entry->d_name);
		if (entry->d_name[0] != '.' && last_nspid(path) == (long)number)
			found = (uint32_t)strtoul(entry->d_name, NULL, 10);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The holder's thread number here; 0 when it is not known. */
static uint32_t holder_of(const struct apm_look *look, const struct waiting_lock *lock)
{
	uint32_t number = lock->holder;
	char path[64];

	if (lock->address && read_memory(look->tgid, lock->address, &number, sizeof(number)))
		return 0;
	number &= lock->mask;
	snprintf(path, sizeof(path), "/proc/%u/status", look->tgid);
	if (!number || last_nspid(path) == (long)look->tgid)
		return number;
	return thread_inside(look->tgid, number);
}

/* The number of the system call that the thread sleeps in, which is the first word of proc(5)'s syscall;
 * "running" while it does not. -ESRCH when there is no such thread. */
static long syscall_of(uint32_t tid)
{
	char path[64], text[256];
	int err;

	snprintf(path, sizeof(path), "/proc/%u/syscall", tid);
	err = read_file(path, text, sizeof(text));
	return err ? -ESRCH : text[0] == 'r' ? -1 : strtol(text, NULL, 10);
}

int waitproc_is_kept(const struct apm_look *look)
{
	struct waiting_lock lock;
	uint32_t holder;
	long syscall;

	waiting_lock(look, &lock);
	holder = holder_of(look, &lock);
	syscall = holder ? syscall_of(holder) : -ESRCH;
	/* Locks that do not say who holds them, or have just been given back. */
	if (syscall == -ESRCH)
		return !lock.other_process;
	return !waiting_is_idle(syscall);
}
