/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a function is left. A probe on the instruction that returns sees what a return probe sees and changes
 * no return address, so it is safe where stacks are switched while the function runs; being single-stepped,
 * it costs more.
 */
#ifndef APM_COLLECT_EXITS_H
#define APM_COLLECT_EXITS_H

#include <stddef.h>
#include <stdint.h>

#include "collect/site.h"

#define EXITS_MAX 96

struct exits {
	uint64_t file_off[EXITS_MAX];
	size_t count;
};

/*
 * The return instructions of every function of `m` that wants its return and belongs to `set`, also of those
 * that it jumps to as its last act. 0; or -ENOTSUP with *why (at least 96 bytes, the function first) when one
 * may be left in a way that cannot be told from its code. x86-64 with call-frame information (.eh_frame)
 * only.
 */
int exits_find(struct elf_file *f, const struct lib_match *m, uint8_t set, struct exits *out, char *why,
	       size_t why_len);

#endif
