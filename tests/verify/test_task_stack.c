/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every program at a uprobe holds a tail call that is never made: without it, Linux 6.13 and later run it on
 * a stack that tasks share (stay_on_task_stack() in bpf/apm.bpf.h). Loads nothing. TAP on stdout.
 */
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdio.h>

#include "abi/config.h"
#include "abi/event.h"
#include "abi/look.h"

#include "apm.skel.h"

static int has_tail_call(const struct bpf_program *prog)
{
	const struct bpf_insn *insn = bpf_program__insns(prog);
	size_t i;

	for (i = 0; i < bpf_program__insn_cnt(prog); i++)
		if (insn[i].code == (BPF_JMP | BPF_CALL) && insn[i].src_reg == 0 &&
		    insn[i].imm == BPF_FUNC_tail_call)
			return 1;
	return 0;
}

int main(void)
{
	struct apm_bpf *skel = apm_bpf__open();
	struct bpf_program *prog;
	int number = 0, failed = 0;

	if (!skel) {
		printf("not ok 1 - open\n1..1\n");
		return 1;
	}
	bpf_object__for_each_program(prog, skel->obj)
	{
		int ok;

		/* Two instructions need no stack. */
		if (bpf_program__type(prog) != BPF_PROG_TYPE_KPROBE || bpf_program__insn_cnt(prog) <= 2)
			continue;
		ok = has_tail_call(prog);
		failed |= !ok;
		printf("%s %d - %s stays on the stack of its task\n", ok ? "ok" : "not ok", ++number,
		       bpf_program__name(prog));
	}
	printf("1..%d\n", number);
	apm_bpf__destroy(skel);
	return failed || !number;
}
