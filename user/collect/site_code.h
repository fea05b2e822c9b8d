/* SPDX-License-Identifier: BSD-2-Clause */
/* site_find() for a file whose code is open already and a function known by address. */
#ifndef APM_COLLECT_SITE_CODE_H
#define APM_COLLECT_SITE_CODE_H

#include "collect/insn.h"

/* size 0: the function's end is not known. As site_find() otherwise; extra_regs is not NULL. */
int site_find_in(struct code *c, uint64_t entry, uint64_t size, struct site *out, uint32_t *extra_regs);

#endif
