// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Empty programs, to measure what the trap of a probe costs here. */
#include "apm.bpf.h"

SEC("uprobe.multi")
int calibrate_entry(struct pt_regs *ctx)
{
	return 0;
}

SEC("uprobe.multi")
int calibrate_return(struct pt_regs *ctx)
{
	return 0;
}
