/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a value stands when a probe is hit that is on no function's entry. */
#ifndef APM_ABI_PLACE_H
#define APM_ABI_PLACE_H

#if !defined(__bpf__) && !defined(__VMLINUX_H__)
#include <linux/types.h>
#endif

enum apm_where {
	APM_WHERE_NOWHERE = 0,
	APM_WHERE_REGISTER = 1,
	APM_WHERE_MEMORY = 2, /* at [reg + index * scale + value] */
	APM_WHERE_CONSTANT = 3,
};

#define APM_NO_INDEX 0xffff

struct apm_place {
	__s64 value; /* constant, or offset */
	__u16 reg;   /* offset in struct pt_regs */
	__u16 index; /* another one, or APM_NO_INDEX */
	__u8 scale;
	__u8 where; /* enum apm_where */
	__u8 size;  /* bytes; 0 = an int, or all eight bytes where they are no int */
	__u8 is_signed;
};

_Static_assert(sizeof(struct apm_place) == 16, "ABI: size of struct apm_place");

#endif
