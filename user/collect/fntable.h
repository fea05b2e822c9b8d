/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions reached through a table that an object points to: `object->methods->function(object)`. x86-64. */
#ifndef APM_COLLECT_FNTABLE_H
#define APM_COLLECT_FNTABLE_H

#include <stddef.h>
#include <stdint.h>

#include "collect/insn.h"

/* A load `mov disp(base), reg`, as the walk through a function meets it. */
struct fntable_load {
	uint16_t reg, base;
	int64_t disp;
};

#define FNTABLE_LOADS 16
struct fntable_trail {
	struct fntable_load load[FNTABLE_LOADS];
	size_t count; /* so far; the last FNTABLE_LOADS are kept */
};

/* Takes note of an instruction. */
void fntable_note(struct fntable_trail *t, const struct cs_insn *insn);
/*
 * Where a jump through a register goes if that was loaded from slot `disp` of a table whose address was
 * loaded from a field of an object: looks in the code from `start` to `end` for tables of this file that are
 * stored to such a field, and gives the functions in their slots. How many, at most max; 0 = cannot be told.
 */
size_t fntable_targets(struct code *c, const struct fntable_trail *t, const struct cs_insn *jump,
		       uint64_t start, uint64_t end, uint64_t *fn, size_t max);

#endif
