/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes chosen by what they are: by name, by cgroup, or all. Reads /proc and
 * the cgroup file system only. */
#ifndef APM_COLLECT_SELECT_H
#define APM_COLLECT_SELECT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The kernel keeps so much of a process's name, with its NUL (TASK_COMM_LEN). */
#define SELECT_COMM_LEN 16

struct selection {
	char (*comm)[SELECT_COMM_LEN]; /* zero-padded */
	size_t comm_count;
	struct selection_cgroup {
		uint64_t id;
		char *path; /* of its directory */
	} * cgroup;
	size_t cgroup_count;
	int all; /* every process but this one */
};

/*
 * Fills *sel. A name counts as far as the kernel keeps it. A cgroup is the path of a directory in a cgroup v2
 * file system, or relative to where that is mounted, with or without a slash in front. 0; -ENOENT and the
 * like with a sentence in err. Call selection_free() in any case.
 */
int selection_make(struct selection *sel, const char *const *comms, size_t comm_count,
		   const char *const *cgroups, size_t cgroup_count, int all, char *err, size_t err_len);
void selection_free(struct selection *sel);
/* Whether it chooses anything. */
int selection_any(const struct selection *sel);

/*
 * Calls fn for each process that is chosen now; one may come twice. 0, the first non-zero value of fn, or
 * -errno.
 */
int selection_each(const struct selection *sel, int (*fn)(pid_t pid, void *arg), void *arg);

/* Calls fn for every process and its parent. As above. */
int select_parents(int (*fn)(pid_t pid, pid_t parent, void *arg), void *arg);

#endif
