// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Uprobe sessions (6.13): one program runs at entry and at return, and its entry may say that it does not
 * want the return. A kfunc tells which of the two it is; 7.0 gave it the context as argument. It stands in a
 * file of its own because the static linker takes an extern kfunc from one object only.
 */
#include "apm.bpf.h"

extern bool bpf_session_is_return(void) __ksym __weak;
extern bool bpf_session_is_return___ctx(void *ctx) __ksym __weak;

__hidden int session_phase(struct pt_regs *ctx)
{
	if (bpf_ksym_exists(bpf_session_is_return___ctx))
		return bpf_session_is_return___ctx(ctx);
	return bpf_session_is_return();
}
