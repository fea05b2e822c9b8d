/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Static probes (USDT) of an ELF file: what sys/sdt.h leaves in section .note.stapsdt. Format:
 * https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation.
 */
#ifndef APM_COLLECT_SPAN_USDT_H
#define APM_COLLECT_SPAN_USDT_H

#include "abi/span.h"
#include "base/elf.h"

struct usdt_probe {
	const char *provider, *name, *args; /* as in the note; live as long as the file */
	uint64_t addr;			    /* st_value space */
	uint64_t semaphore;		    /* the same; 0 = none */
};

/* Calls fn for each; fn returns non-zero to stop, which is then returned. 0
 * otherwise. Malformed notes end it. */
int usdt_each(struct elf_file *f, int (*fn)(const struct usdt_probe *probe, void *arg), void *arg);

/*
 * Where argument `number` (from 1) of a probe with these `args` ("-4@%esi 8@16(%rbp)") stands. 0; -ENOENT
 * when there are not so many; -ENOTSUP for an operand that is not understood (other machines, SSE registers).
 */
int usdt_argument(const char *args, unsigned int number, struct apm_place *out);

/* The offset in struct pt_regs of a register of x86-64 ("%eax", "%r9d"), -ENOENT when it has no such name. */
int usdt_register(const char *name, size_t len);

#endif
