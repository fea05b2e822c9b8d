/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes that are not traced but use a library that is. On kernels without uprobe sessions a return probe
 * changes their return addresses too, and one that switches stacks could crash: where there is one, no return
 * probe.
 */
#ifndef APM_COLLECT_BYSTANDERS_H
#define APM_COLLECT_BYSTANDERS_H

#include "collect/files.h"
#include "collect/targets.h"

struct bystanders;

struct bystanders *bystanders_new(struct files *f); /* NULL with errno */
void bystanders_free(struct bystanders *b);	    /* accepts NULL */

/* Why a process of this host that uses the file (as stat() knows it) could not stand return probes; NULL =
 * none. The first call looks at all processes. Valid until the next call. */
const char *bystanders_why(struct bystanders *b, dev_t dev, ino_t inode);
/* A process that is not in scope has mapped a file. */
void bystanders_mapped(struct bystanders *b, const struct mapwatch_event *ev);

#endif
