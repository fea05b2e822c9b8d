/* SPDX-License-Identifier: BSD-2-Clause */
/* Links: probes of one library copy on one file, in the way that the kernel does best. */
#ifndef APM_COLLECT_ATTACH_H
#define APM_COLLECT_ATTACH_H

#include "collect/exits.h"
#include "collect/loader.h"
#include "collect/site.h"

struct attachment;

/*
 * Attaches the probes of `match` (facts.lib_id is set) to the file open at `fd`: the inode counts, not the
 * path. Of a library with several sets of probes those of `set` are attached. `exits`: no return probes, but
 * probes on these return instructions (facts.exits is set); NULL: return probes. NULL with errno; ENOTSUP:
 * not on this kernel.
 */
struct attachment *attach_library(const struct loader *l, const struct lib_match *match, uint8_t set, int fd,
				  const struct exits *exits);
/*
 * Takes the return probes off and puts probes on the exits. facts.exits has been made known already: a
 * session wants no return from then on. 0, or -errno: the return probes have gone all the same.
 */
int attachment_use_exits(struct attachment *a, const struct loader *l, const struct lib_match *match, int fd,
			 const struct exits *exits);
/*
 * Empty programs at one offset, to calibrate: at the entry, or at entry and return. NULL with errno.
 */
struct attachment *attach_empty(const struct loader *l, int fd, uint64_t file_off, int entry, int ret);
/*
 * Kernels without attach cookies: makes a site known to its probe, which recognises it by what stands there
 * (struct apm_site_key). 0 or -errno.
 */
int attach_register_site(const struct loader *l, const char *path, unsigned long offset, uint64_t cookie);
/* Probe sites attached. */
unsigned int attachment_sites(const struct attachment *a);
/* Detaches and frees all of them, in parallel: one after the other takes 30 to 100 ms each. Accepts NULLs. */
void attachments_close(struct attachment **list, size_t count);

#endif
