/* SPDX-License-Identifier: BSD-2-Clause */
/* What files.c (looking at files, attaching) and files_sets.c (libraries with two sets of probes) share. */
#ifndef APM_COLLECT_FILES_STATE_H
#define APM_COLLECT_FILES_STATE_H

#include "abi/event.h"
#include "base/table.h"
#include "collect/attach.h"
#include "collect/files.h"

#define MATCHES_MAX 4	 /* client libraries in one file */
#define MOVED_MAX   4096 /* files whose code was moved */
#define SETS	    3

/* One library in a file, and what it takes to attach its probes in another way. */
struct copy {
	struct lib_match
		match; /* facts.set: the set of probes that begins statements, 0 = it has one set only */
	char *path;
	int fd;
	struct attachment
		*of_set[SETS]; /* by set: one of several, or for a while both; 0 = what belongs to none */
};

struct file {
	int libraries;	/* attached */
	uint8_t unsafe; /* return probes could crash a process that uses it */
	struct copy *copy[MATCHES_MAX];
	size_t copy_count;
};

struct files {
	const struct loader *loader;
	struct files_events events;
	struct table *by_stat; /* struct file, by what stat() says */
	struct table *by_map;  /* int: its libraries, by what /proc/PID/maps says: some file systems differ */
	struct table *moved;   /* {process, inode} of which it was said that its code was moved */
	struct lib_match *match;
	uint16_t next_lib_id;
	uint8_t lite_set;   /* of SQLite, that copies begin with that have it */
	char lite_why[256]; /* why that is not the first set */
	unsigned int attached, sites;
};

void files_each_copy(struct files *f,
		     void (*fn)(struct files *f, struct file *file, struct copy *copy, void *arg), void *arg);
/* Whether all that both sets of a library need is there. */
int files_has_both_sets(const struct lib_match *m);
/* Says of a copy that has just been attached which set it was given, if it is not the first. */
void files_say_set(struct files *f, const struct copy *copy, pid_t pid);

#endif
