/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries of .eh_frame and their rows. Format: Linux Standard Base 5.0 core, 10.6; DWARF 5, 6.4; register
 * numbers from the x86-64 psABI, figure 3.36, and "DWARF for the Arm 64-bit Architecture", 4.1.
 */
#ifndef APM_BASE_EHFRAME_H
#define APM_BASE_EHFRAME_H

#include "base/dwarf.h"
#include "base/elf.h"

struct cfi_registers {
	uint64_t sp, fp, ra; /* DWARF numbers */
};

struct cfi_cie {
	uint64_t code_align;
	int64_t data_align;
	uint8_t encoding;  /* of addresses in its FDEs */
	uint8_t augmented; /* FDEs have augmentation data ('z') */
	struct dwarf program;
};

struct cfi_fde {
	struct cfi_cie cie;
	uint64_t start, end; /* st_value space */
	struct dwarf program;
};

/* `error` is 0, or -ENOTSUP with row->base CFI_NONE. Non-zero stops. */
typedef int (*cfi_row_fn)(uint64_t start, uint64_t end, const struct cfi_row *row, int error, void *arg);

/*
 * Calls fn for each row of an FDE, in order of addresses and without gaps. Returns what stopped it: fn's
 * value, -EBADMSG, or -ENOTSUP for an instruction that is not known.
 */
int cfi_each_row(const struct cfi_registers *registers, const struct cfi_fde *fde, cfi_row_fn fn, void *arg);

#endif
