// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Hashing of bound parameters, through the thread's scratch: values never leave the kernel. */
#include "apm.bpf.h"

#define WORDS (APM_PARAM_BYTES / 8)

/*
 * Hashes the first `n` bytes of the scratch; what stands behind them there is from earlier values. The last, partial
 * word is not within the loop, or the verifier has twice the ways through it.
 */
static __always_inline u64 hash_scratch(const struct apm_thread *t, u64 h, u32 n)
{
	const u64 *word = (const u64 *)t->scratch;
	u32 i, tail = n & 7;

	for (i = 0; i < WORDS; i++) {
		if ((i + 1) * 8 > n)
			break;
		h = hash_step(h, word[i]);
	}
	if (tail)
		h = hash_step(h, word[n / 8 & (WORDS - 1)] & ((1ULL << tail * 8) - 1));
	return hash_step(h, n);
}

/* Binary value of known length. */
__noinline u64 param_hash_bytes(u64 h, u64 ptr, u32 len)
{
	struct apm_thread *t = thread_find();
	u32 n = len;

	if (!t)
		return h;
	h = hash_step(h, len);
	if (n > APM_PARAM_BYTES) {
		t->partial = 1;
		n = APM_PARAM_BYTES;
	}
	if (bpf_probe_read_user(t->scratch, n, (void *)ptr)) {
		t->partial = 1;
		return h;
	}
	return hash_scratch(t, h, n);
}

/* Text that ends at its NUL. */
__noinline u64 param_hash_text(u64 h, u64 ptr)
{
	struct apm_thread *t = thread_find();
	s64 n;

	if (!t)
		return h;
	n = bpf_probe_read_user_str(t->scratch, APM_PARAM_BYTES, (void *)ptr);
	if (n <= 0 || n == APM_PARAM_BYTES)
		t->partial = 1;
	if (n <= 0)
		return h;
	return hash_scratch(t, h, n > APM_PARAM_BYTES ? APM_PARAM_BYTES : n);
}
