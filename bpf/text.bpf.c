// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Copies statement text from the target: a small chunk first, since most texts are short, then large ones. What is
 * reserved in the ring has its price, used or not (its memory is in no cache): shorter texts get less.
 */
#include "text.bpf.h"

#define TEXT_TINY 64

#define TEXT_CHUNKS_MAX 17  /* large chunks sent: --max-sql is at most 64 KiB */
#define TEXT_COUNT_MAX	256 /* chunks counted for the true length: about 1 MiB */

/* Reads up to `room` bytes of the text at `off`. Returns bytes read (without a NUL),
 * -errno. *more: the text goes on. */
static __always_inline s64 text_read(const struct text_source *src, u32 off, void *to, u32 room, bool *more)
{
	s64 n;

	if (src->len != TEXT_LEN_UNKNOWN) {
		u32 left = (u32)src->len > off ? (u32)src->len - off : 0;

		*more = left > room;
		barrier_var(left); /* or the bound is that of a copy only */
		if (left > room)
			left = room;
		n = bpf_probe_read_user(to, left, (void *)(src->ptr + off));
		return n < 0 ? n : left;
	}
	n = bpf_probe_read_user_str(to, room, (void *)(src->ptr + off));
	if (n < 0)
		return n;
	*more = n == room;
	return n ? n - 1 : 0;
}

static __always_inline void text_fill(struct apm_ev_text *e, const struct text_source *src, u32 off)
{
	event_header_at(&e->hdr, APM_EV_TEXT, sizeof(*e), src->text_id, src->now);
	e->text_id = src->text_id;
	e->conn = src->conn;
	e->total_len = 0;
	e->offset = off;
	e->size = 0;
	e->system = src->system;
	e->reserved[0] = e->reserved[1] = e->reserved[2] = 0;
}

static __always_inline void text_submit(struct apm_ev_text *e, u32 size, u32 total, u16 flags)
{
	e->size = size;
	e->total_len = total;
	e->hdr.len = sizeof(*e) + size;
	e->hdr.flags = flags;
	event_submit(e);
}

/* How long a text is that goes on at `off`; sets APM_TEXT_MIN_LEN when even this is not its end. */
static __always_inline u32 text_true_length(const struct text_source *src, u32 off, u16 *flags)
{
	struct apm_ev_text *e;
	u32 i;

	if (src->len != TEXT_LEN_UNKNOWN)
		return src->len;
	*flags |= APM_TEXT_MIN_LEN;
	e = bpf_ringbuf_reserve(&events, sizeof(*e) + APM_TEXT_LARGE, 0); /* only as scratch */
	if (!e)
		return off;
	for (i = 0; i < TEXT_COUNT_MAX; i++) {
		s64 n = bpf_probe_read_user_str(e->data, APM_TEXT_LARGE, (void *)(src->ptr + off));

		if (n <= 0)
			break;
		off += n - 1;
		if (n < APM_TEXT_LARGE) {
			*flags &= ~APM_TEXT_MIN_LEN;
			break;
		}
	}
	bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
	return off;
}

/* The part of a text that does not fit the first, small chunk. */
static __noinline int text_send_rest(const struct text_source *src)
{
	u32 off = APM_TEXT_SMALL - (src->len == TEXT_LEN_UNKNOWN);
	u32 i;

	for (i = 0; i < TEXT_CHUNKS_MAX; i++) {
		struct apm_ev_text *e = event_reserve(struct apm_ev_text, APM_TEXT_LARGE);
		bool more = false;
		u16 flags = src->flags;
		u32 total, size;
		s64 n;

		if (!e)
			return -1;
		text_fill(e, src, off);
		n = text_read(src, off, e->data, APM_TEXT_LARGE, &more);
		if (n < 0) {
			text_submit(e, 0, off, flags | APM_TEXT_LAST | APM_TEXT_UNREADABLE);
			return n;
		}
		size = n;
		total = off + size;
		if (total > cfg.max_sql || (more && total == cfg.max_sql)) {
			size = cfg.max_sql > off ? cfg.max_sql - off : 0;
			flags |= APM_TEXT_TRUNCATED;
			if (more)
				total = text_true_length(src, total, &flags);
			count(APM_CNT_TEXT_TRUNCATED);
			text_submit(e, size, total, flags | APM_TEXT_LAST);
			return 0;
		}
		text_submit(e, size, total, more ? flags : flags | APM_TEXT_LAST);
		if (!more)
			return 0;
		off = total;
	}
	return 0;
}

/* The first chunk, of at most `room` bytes, and what does not fit it. */
static __always_inline int text_send_first(const struct text_source *src, const u32 room)
{
	struct apm_ev_text *e = event_reserve(struct apm_ev_text, room);
	bool more = false;
	s64 n;

	if (!e)
		return 0;
	text_fill(e, src, 0);
	n = text_read(src, 0, e->data, room, &more);
	if (n < 0) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return n;
	}
	if (more) {
		text_submit(e, n, 0, src->flags);
		return text_send_rest(src);
	}
	text_submit(e, n, n, src->flags | APM_TEXT_LAST);
	return 0;
}

__noinline int text_send_parts(u64 text_id, u64 conn, u64 ptr, u64 now, u64 shape)
{
	struct text_source src = {
		.text_id = text_id,
		.conn = conn,
		.ptr = ptr,
		.now = now ? now : bpf_ktime_get_ns(),
		.len = (s32)shape,
		.flags = shape >> 32,
		.system = shape >> 48,
	};

	if (src.len != TEXT_LEN_UNKNOWN && (u32)src.len <= TEXT_TINY)
		return text_send_first(&src, TEXT_TINY);
	return text_send_first(&src, APM_TEXT_SMALL);
}
