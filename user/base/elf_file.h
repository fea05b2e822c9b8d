/* SPDX-License-Identifier: BSD-2-Clause */
/* What elf.c and elf_symbols.c share. */
#ifndef APM_BASE_ELF_FILE_H
#define APM_BASE_ELF_FILE_H

#include "base/elf.h"

#include <gelf.h>

struct chunk {
	struct chunk *next;
	uint64_t off;
	size_t len;
	uint8_t bytes[];
};

struct elf_file {
	int fd;
	Elf *elf;
	GElf_Ehdr ehdr;
	GElf_Phdr *phdr;
	size_t phnum;
	uint64_t size;
	struct chunk *chunks; /* what elf_bytes() handed out */
	struct elf_file *debug;
	int debug_tried;
};

/* The first section of this name (NULL = any) and SHT_* type (SHT_NULL = any). NULL when there is none. */
Elf_Scn *elf_find_section(struct elf_file *f, const char *name, uint32_t type, GElf_Shdr *shdr);
/* Contents of a section (NULL = none), in private memory that lives as long as the
 * file. NULL when it has none. */
const uint8_t *elf_section_bytes(struct elf_file *f, Elf_Scn *scn, const GElf_Shdr *shdr, size_t *len);

#endif
