/* SPDX-License-Identifier: BSD-2-Clause */
/* Any file: symbols, segments and call-frame rows come back with a verdict, and in bounds. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct visit {
	struct elf_file *file;
	unsigned int rows;
	size_t sum;
};

static int visit_symbol(const struct elf_symbol *sym, void *arg)
{
	struct visit *v = arg;
	struct cfi_row row;

	v->sum += strlen(sym->name);
	/* Few, as each may go through the whole table. */
	if (sym->defined && v->rows++ < 32) {
		elf_cfi_row(v->file, sym->addr, &row);
		elf_cfi_row(v->file, sym->addr + sym->size / 2, &row);
	}
	return 0;
}

static void read_bytes(struct elf_file *f, uint64_t addr)
{
	uint64_t off, start, end;
	const uint8_t *bytes;
	size_t len, i;
	volatile uint8_t sink = 0;

	bytes = elf_bytes(f, addr, 64, &len);
	for (i = 0; bytes && i < len; i++)
		sink = (uint8_t)(sink + bytes[i]);
	if (!elf_addr_to_offset(f, addr, &off))
		elf_offset_to_addr(f, off, &addr);
	elf_text_range(f, addr, &start, &end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const sections[] = {".eh_frame", ".text", ".gnu_debuglink", ""};
	int fd = memfd_create("elf", MFD_CLOEXEC);
	struct visit v = {0};
	struct elf_symbol sym;
	struct cfi_row row;
	uint64_t addr, len;
	char id[65];
	size_t i;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	v.file = elf_file_open(NULL, fd);
	if (!v.file)
		return 0;
	elf_each_symbol(v.file, visit_symbol, &v);
	if (!elf_find_symbol(v.file, "main", &sym))
		read_bytes(v.file, sym.addr);
	elf_build_id(v.file, id);
	elf_is_executable(v.file);
	elf_has_symtab(v.file);
	for (i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		size_t bytes;

		if (elf_section(v.file, sections[i], &bytes, &addr)) {
			read_bytes(v.file, addr);
			elf_cfi_row(v.file, addr, &row);
		}
	}
	if (!elf_segment(v.file, 1, &addr, &len)) {
		read_bytes(v.file, addr);
		elf_cfi_row(v.file, addr + len / 2, &row);
	}
	elf_file_close(v.file);
	return 0;
}
