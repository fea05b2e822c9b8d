/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes: which are there, what they have mapped, what can be traced in them; and starting COMMAND so that
 * its first statement is seen. Reads /proc only; nothing attaches and nobody is signalled.
 */
#ifndef APM_COLLECT_TARGETS_H
#define APM_COLLECT_TARGETS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "collect/site.h"

/* A file that a process executes from, by identity. */
struct target_file {
	dev_t dev;
	uint64_t inode;
	pid_t pid; /* a process through which it can be opened; 0 = by path on the host */
	uint64_t map_start, map_end;
	char *path; /* as that process sees it */
	uint8_t deleted;
	int fd; /* open for reading: attach through /proc/self/fd/FD, so that the inode is the right one */
};

/* Calls fn for each distinct executable file mapping of `pid`; *file is valid during the call (fd is -1: use
 * proc_map_open). 0, -ESRCH, -errno. */
int target_files(pid_t pid, int (*fn)(const struct target_file *file, void *arg), void *arg);

/*
 * The same for each mapped file that has code of other memory within: what a program does that wants huge pages
 * for its code, or a library's. No probe is met there. map_start and map_end are those of what is left before it.
 */
int target_moved_files(pid_t pid, int (*fn)(const struct target_file *file, void *arg), void *arg);

/*
 * Judges a whole process: 1 when return probes are safe in it. Not safe, with *why: a mapped module other
 * than libc or the loader defines poll/recv/read/connect, imports mysql_*_start/_cont or
 * swapcontext/makecontext, has Boost.Context (jump_fcontext, make_fcontext), libco, gevent's or swoole's
 * stack switching; or it is a Go program.
 */
int target_returns_safe(pid_t pid, char *why, size_t why_len);
/* The same of one file, open at `fd`, which stays open. 1 also when it cannot be read. */
int target_fd_returns_safe(int fd, char *why, size_t why_len);
int target_file_returns_safe(const char *path);

struct target_info {
	pid_t pid;
	pid_t ns_pid; /* in its own namespace; same as pid on the host */
	uid_t uid;
	uint64_t start_boottime_ns;
	uint64_t age_ns;
	uint32_t threads;
	char comm[32];
	char *program;	 /* executable and, for interpreters, the script: no other arguments, they may hold
			    secrets */
	char *container; /* short id, or NULL */
	char user[33];
};
int target_info_read(pid_t pid, struct target_info *out); /* 0, -ESRCH */
void target_info_free(struct target_info *info);

/* One process that could be traced, for the list shown without a target. */
struct candidate {
	struct target_info info;
	char libraries[256];   /* "libpq 5.15, sqlite3 3.40.1" */
	char connections[256]; /* "127.0.0.1:5432 (postgresql)", sockets to well-known database ports and
				  paths */
	int traceable;	       /* has a supported library */
	int moved;	       /* has one whose code is not the file's: target_moved_files() */
};
/* All candidates, traceable ones first. 0 or -errno; free with candidates_free(). */
int candidates_list(struct candidate **list, size_t *count);
void candidates_free(struct candidate *list, size_t count);
/* Prints the list and the command to type for each, or the empty state. */
void candidates_print(const struct candidate *list, size_t count, struct strbuf *out);

/* Paths of supported libraries in the loader's cache (/etc/ld.so.cache, binary format
 * documented in glibc's dl-cache.h). */
int target_cached_libraries(int (*fn)(const char *path, void *arg), void *arg);
/* All paths in it. */
int target_cached_files(int (*fn)(const char *path, void *arg), void *arg);

/* ---- COMMAND ---- */
struct launch;
/*
 * Forks; the child drops to `user` (NULL = the caller of sudo, else the current user), keeps stdin, stdout
 * and stderr, and waits on a pipe before exec. Returns NULL with errno, and a one-line reason in err.
 */
struct launch *launch_prepare(char *const argv[], const char *user, char *err, size_t err_len);
pid_t launch_pid(const struct launch *l);
/* Full path of the program to be run, as execvp will find it; NULL when it cannot be found. */
const char *launch_program(const struct launch *l);
/* Lets the child exec. 0, or -errno of exec (ENOENT, EACCES …): the child is gone then. */
int launch_go(struct launch *l);
/* 0 while it runs; 1 with the wait status in *status once it has ended. Never blocks. */
int launch_poll(struct launch *l, int *status);
/* Kills the child only if it was never let go; frees. Accepts NULL. */
void launch_free(struct launch *l);

/* ---- mappings made while tracing ---- */
struct mapwatch;
struct mapwatch_event {
	uint64_t ts; /* CLOCK_MONOTONIC ns */
	uint32_t tgid;
	uint64_t addr, len, file_off, inode;
	dev_t dev;
	const char *path;
};
/*
 * Per-CPU dummy perf events with mmap2 records: every executable file mapping made on the host from now on.
 * NULL with errno.
 */
struct mapwatch *mapwatch_open(void);
void mapwatch_close(struct mapwatch *w);
/* Hands over what has come since. Returns how many records the kernel lost (>= 0), or -errno. */
int mapwatch_read(struct mapwatch *w, void (*fn)(const struct mapwatch_event *ev, void *arg), void *arg);
/* A descriptor that polls readable when records wait (an epoll fd). */
int mapwatch_fd(const struct mapwatch *w);

#endif
