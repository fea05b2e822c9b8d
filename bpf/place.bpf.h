/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads what user space said stands at a place (abi/place.h) when a probe is hit. */
#ifndef APM_PLACE_BPF_H
#define APM_PLACE_BPF_H

#include "apm.bpf.h"
#include "abi/place.h"

static __always_inline u64 register_at(struct pt_regs *ctx, u16 off)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)ctx + off);
	return value;
}

/* Shortened to the bytes that it has. */
static __always_inline s64 sized(u64 value, u8 size, u8 is_signed)
{
	u32 spare = 64 - size * 8;

	if (!size) /* what fits an int is one: the upper half of a register says nothing then */
		return value >> 32 ? (s64)value : (s64)(s32)value;
	if (size >= 8)
		return value;
	value <<= spare & 63;
	return is_signed ? (s64)value >> (spare & 63) : (s64)(value >> (spare & 63));
}

/* 0 with the value, or -1 when it cannot be read: *out is left alone. */
static __noinline int place_read(struct pt_regs *ctx, const struct apm_place *p, s64 *out)
{
	u64 value = p->value;

	if (p->where == APM_WHERE_NOWHERE)
		return -1;
	if (p->where == APM_WHERE_CONSTANT) {
		*out = value;
		return 0;
	}
	if (p->where == APM_WHERE_REGISTER) {
		*out = sized(register_at(ctx, p->reg), p->size, p->is_signed);
		return 0;
	}
	value += register_at(ctx, p->reg);
	if (p->index != APM_NO_INDEX)
		value += register_at(ctx, p->index) * p->scale;
	if (bpf_probe_read_user(&value, sizeof(value), (void *)value))
		return -1;
	*out = sized(value, p->size, p->is_signed);
	return 0;
}

#endif
