// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Hashing of bound parameters, through the thread's scratch: values never leave the kernel. */
#include "apm.bpf.h"

/* Hashes the first `n` bytes of the scratch; what stands behind them there is from earlier values. */
static __always_inline u64 hash_scratch(const struct apm_thread *t, u64 h, u32 n)
{
	const u64 *word = (const u64 *)t->scratch;
	u32 i;

	for (i = 0; i < APM_PARAM_BYTES / 8; i++) {
		u32 left = n - i * 8;
		u64 w;

		if (i * 8 >= n)
			break;
		w = word[i];
		if (left < 8)
			w &= (1ULL << left * 8) - 1;
		h = hash_step(h, w);
	}
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
