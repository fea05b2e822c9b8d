/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which symbol the loader puts into a GOT slot: what a PLT stub or an indirect call goes to. From the
 * relocations of types JUMP_SLOT and GLOB_DAT (System V ABI, AMD64 and AArch64 supplements).
 */
#ifndef APM_COLLECT_PLT_H
#define APM_COLLECT_PLT_H

#include <stdint.h>

#include "base/elf.h"

struct plt_slot {
	uint64_t slot;	  /* address of the GOT entry */
	uint64_t addr;	  /* what it holds when defined in this file; 0 = from elsewhere */
	const char *name; /* lives as long as the file */
};

struct plt;				  /* slots by address */
struct plt *plt_read(struct elf_file *f); /* NULL with errno; a file without relocations gives an empty one */
void plt_free(struct plt *p);		  /* accepts NULL */
const struct plt_slot *plt_find(const struct plt *p, uint64_t slot); /* NULL when there is none */

/* All slots in order; fn returns non-zero to stop. */
void plt_each(const struct plt *p, int (*fn)(const struct plt_slot *slot, void *arg), void *arg);

/*
 * What the loader makes of the pointer at st_value `slot`: the address in this file, from a relocation of
 * type RELATIVE or 64 (same source), or what stands there when nothing relocates it. 0, or -ENOENT when it
 * leads out of the file.
 */
int plt_pointer(struct elf_file *f, uint64_t slot, uint64_t *addr);

#endif
