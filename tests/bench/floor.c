/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The floor: empty programs at entry and return of one function, by two uprobe multi links, and nothing else.
 *
 * They stand on the cheapest instruction of the function at which its arguments are in place (site.h).
 *
 *   floor LIBRARY SYMBOL             says "attached", detaches when its standard input ends
 *   floor LIBRARY SYMBOL where       prints the offset in the file
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/elf.h"
#include "collect/site.h"

/* include/uapi/linux/bpf.h (6.6): the headers of the distribution may be older than the kernel. */
#define ATTACH_UPROBE_MULTI 48
#define AT_RETURN	    1

static int load_empty(void)
{
	/* r0 = 0; exit */
	const struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
					{.code = BPF_JMP | BPF_EXIT}};
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = (enum bpf_attach_type)ATTACH_UPROBE_MULTI);

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "floor", "GPL", code, sizeof(code) / sizeof(code[0]),
			     &opts);
}

static int attach(int program, const char *path, unsigned long offset, unsigned int flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);

	opts.uprobe_multi.path = path;
	opts.uprobe_multi.offsets = &offset;
	opts.uprobe_multi.cnt = 1;
	opts.uprobe_multi.flags = flags;
	return bpf_link_create(program, 0, (enum bpf_attach_type)ATTACH_UPROBE_MULTI, &opts);
}

int main(int argc, char **argv)
{
	struct elf_symbol symbol;
	struct elf_file *file;
	struct site site;
	int program;
	char c;

	if (argc < 3)
		return 2;
	file = elf_file_open(argv[1], -1);
	if (!file || elf_find_symbol(file, argv[2], &symbol) || site_find(file, &symbol, &site, NULL)) {
		fprintf(stderr, "floor: no %s in %s\n", argv[2], argv[1]);
		return 1;
	}
	elf_file_close(file);
	if (argc == 4) {
		printf("0x%llx\n", (unsigned long long)site.file_off);
		return 0;
	}
	program = load_empty();
	if (program < 0 || attach(program, argv[1], site.file_off, 0) < 0 ||
	    attach(program, argv[1], site.file_off, AT_RETURN) < 0) {
		fprintf(stderr, "floor: %s\n", strerror(errno));
		return 1;
	}
	puts("attached");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	return 0;
}
