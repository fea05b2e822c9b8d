/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that target processes execute from: each is looked at once, by (device, inode), and probed when it
 * has a client library. Probes go by inode, so a second path, mount namespace or process costs nothing.
 */
#ifndef APM_COLLECT_FILES_H
#define APM_COLLECT_FILES_H

#include <stdint.h>
#include <sys/types.h>

#include "collect/loader.h"
#include "collect/site.h"

struct files;

struct files_events {
	void (*on_library)(const struct lib_match *match, const char *path, pid_t pid, void *arg);
	void (*on_missing)(pid_t pid, const char *subject, const char *text, void *arg);
	/* Why somebody who is not traced, but uses the file, could not stand
	 * return probes; NULL = no such. */
	const char *(*unsafe_user)(dev_t dev, ino_t inode, void *arg);
	/* Another set of probes of a library is in use now. */
	void (*on_probes)(const struct lib_match *match, const char *path, const char *why, void *arg);
	void *arg;
};

struct files *files_new(const struct loader *l, const struct files_events *events); /* NULL with errno */
void files_free(struct files *f);						    /* accepts NULL */

/*
 * How many libraries were attached in the file of a mapping with this identity (as /proc/PID/maps prints it);
 * -1 when it was not looked at yet.
 */
int files_known(const struct files *f, dev_t map_dev, uint64_t inode);
/*
 * Looks at the file open at `fd` (which is taken over) and attaches what is known in it. map_dev and inode
 * are what files_known() will be asked with, 0 = nothing. `unsafe`, NULL = nothing: why return probes could
 * crash a process that uses the file; its libraries are then probed at their exits, from now on if they had
 * return probes. Returns how many libraries of the file are attached, also when it had been looked at under
 * another name, or -errno.
 */
int files_add(struct files *f, dev_t map_dev, uint64_t inode, int fd, const char *path, pid_t pid,
	      const char *unsafe);
/*
 * Whether a library may be in the file of a mapping whose process has gone: 0 when the file at `path` is that one
 * and has none, which is remembered; 1 also when it cannot be told.
 */
int files_may_hold(struct files *f, dev_t map_dev, uint64_t inode, const char *path);
/* Says, once for a process, of each library in the file open at `fd` (which is taken over) that its code was
 * moved: no probe is met. */
void files_say_moved(struct files *f, int fd, const char *path, pid_t pid);
/* Attached libraries of a system (enum apm_system) with two sets of probes. */
unsigned int files_with_sets(struct files *f, uint8_t system);
/*
 * From now on `set` begins statements, in every library of `system` that has it (of SQLite also in
 * those to come). The other set stays attached, to end
 * what it began, until files_settle(). 0, or -errno when it could not be attached everywhere.
 */
int files_select(struct files *f, uint8_t system, uint8_t set, const char *why);
/* Takes the sets off that do not begin statements. */
void files_settle(struct files *f, uint8_t system);
/* Takes all probes off. */
void files_detach(struct files *f);

unsigned int files_attached(const struct files *f);
unsigned int files_sites(const struct files *f);

#endif
