/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Statement text: copied from the target into APM_EV_TEXT events, in chunks. */
#ifndef APM_TEXT_BPF_H
#define APM_TEXT_BPF_H

#include "apm.bpf.h"

#define TEXT_LEN_UNKNOWN (-1)

struct text_source {
	u64 text_id;
	u64 conn;
	u64 ptr;
	u64 now; /* the time, 0 = ask the clock: that costs as much as reading the text */
	s32 len; /* bytes, or TEXT_LEN_UNKNOWN: ends at its NUL */
	u16 flags;
	u8 system;
};

/* text_send() in registers: a global function, so that the verifier sees its loops once (text.bpf.c). */
extern int text_send_parts(u64 text_id, u64 conn, u64 ptr, u64 now, u64 shape);

/* Length, flags and system in one register. */
#define TEXT_SHAPE(len, flags, system) ((u64)(u32)(len) | (u64)(flags) << 32 | (u64)(system) << 48)

/*
 * Sends a text. 0; -errno when it cannot be read (the page was not present: try again at the return): then
 * nothing was sent.
 */
static __always_inline int text_send(const struct text_source *src)
{
	return text_send_parts(src->text_id, src->conn, src->ptr, src->now,
			       TEXT_SHAPE(src->len, src->flags, src->system));
}

#endif
