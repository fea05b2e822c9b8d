/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads every BPF program of the object on the running kernel, also those that the best mode here leaves out,
 * and prints what the verifier made of them. TAP on stdout; needs root.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "abi/config.h"
#include "abi/event.h"
#include "abi/look.h"

#include "apm.skel.h"

/* include/uapi/linux/bpf.h: BPF_TRACE_UPROBE_SESSION */
#define ATTACH_UPROBE_SESSION 57

/* Far below the kernel's limit of a million, so that an older, less patient verifier takes them too. */
#define VERIFIED_MAX 250000

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

static void load_all(struct apm_bpf *skel)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj)
	{
		const char *name = bpf_program__name(prog);

		if (strlen(name) > 8 && !strcmp(name + strlen(name) - 8, "_session"))
			bpf_program__set_expected_attach_type(prog,
							      (enum bpf_attach_type)ATTACH_UPROBE_SESSION);
	}
}

static int report(struct bpf_program *prog, int number)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	int ok = !bpf_prog_get_info_by_fd(bpf_program__fd(prog), &info, &len) &&
		 info.verified_insns < VERIFIED_MAX;

	printf("%s %d - %s: %u instructions, %u verified, %u bytes of machine code\n", ok ? "ok" : "not ok",
	       number, bpf_program__name(prog), (unsigned int)bpf_program__insn_cnt(prog),
	       info.verified_insns, info.jited_prog_len);
	return ok;
}

int main(void)
{
	struct apm_bpf *skel;
	struct bpf_program *prog;
	int number = 0, failed = 0, err;

	if (geteuid() != 0) {
		printf("1..0 # SKIP loading programs needs root\n");
		return 0;
	}
	libbpf_set_print(quiet);
	skel = apm_bpf__open();
	if (!skel) {
		printf("not ok 1 - open: %s\n", strerror(errno));
		return 1;
	}
	load_all(skel);
	bpf_map__set_autocreate(skel->maps.thread_hash, false);
	err = apm_bpf__load(skel);
	printf("%s %d - the object loads%s%s\n", err ? "not ok" : "ok", ++number, err ? ": " : "",
	       err ? strerror(-err) : "");
	bpf_object__for_each_program(prog, skel->obj)
	{
		if (bpf_program__fd(prog) >= 0)
			failed |= !report(prog, ++number);
	}
	printf("1..%d\n", number);
	apm_bpf__destroy(skel);
	return err || failed;
}
