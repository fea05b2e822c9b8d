/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF files, read through libelf: symbols, segments, build-id, call-frame information. Safe on hostile files. */
#ifndef APM_BASE_ELF_H
#define APM_BASE_ELF_H

#include <stddef.h>
#include <stdint.h>

struct elf_file;

/* Opens `path` (or takes over `fd` when path is NULL). NULL with errno; ENOEXEC when it is no 64-bit ELF file. */
struct elf_file *elf_file_open(const char *path, int fd);
void elf_file_close(struct elf_file *f); /* accepts NULL */

struct elf_symbol {
	const char *name; /* without version suffix; lives as long as the file */
	uint64_t addr;	  /* st_value */
	uint64_t size;
	uint64_t file_off; /* 0 = not in a loaded segment */
	uint8_t type;	   /* STT_* */
	uint8_t dynamic;   /* from .dynsym */
	uint8_t defined;   /* 0: an import */
};

/* Calls fn for every function symbol (and IFUNC) of .dynsym and .symtab, imports included; fn returns non-zero to stop. */
int elf_each_symbol(struct elf_file *f, int (*fn)(const struct elf_symbol *sym, void *arg), void *arg);
/* The defined function `name` (duplicates by symbol version give one). 0 or -ENOENT. */
int elf_find_symbol(struct elf_file *f, const char *name, struct elf_symbol *out);

/* 1 with the hex build-id in out, 0 when there is none. */
int elf_build_id(struct elf_file *f, char out[65]);
int elf_is_executable(const struct elf_file *f); /* ET_EXEC, or a PIE with an interpreter or entry point */
int elf_has_symtab(const struct elf_file *f);
uint16_t elf_machine(const struct elf_file *f); /* EM_* */

/* st_value space <-> file offsets, by PT_LOAD. 0 or -ENOENT. */
int elf_addr_to_offset(const struct elf_file *f, uint64_t addr, uint64_t *off);
int elf_offset_to_addr(const struct elf_file *f, uint64_t off, uint64_t *addr);
/* The executable PT_LOAD that holds addr, in st_value space. 0 or -ENOENT. */
int elf_text_range(const struct elf_file *f, uint64_t addr, uint64_t *start, uint64_t *end);
/* Bytes at st_value `addr`; *len is what is available there, at most `want`. NULL when unmapped or not in the file. */
const uint8_t *elf_bytes(const struct elf_file *f, uint64_t addr, size_t want, size_t *len);

/* One row of call-frame information (.eh_frame), at one address. */
enum cfi_base {
	CFI_NONE = 0, /* no row, or one that is not "register + constant" */
	CFI_SP = 1,
	CFI_FP = 2,
};
struct cfi_row {
	enum cfi_base base;
	int32_t cfa_off; /* CFA = base + cfa_off; the return address is at CFA - 8 on x86-64 */
	int32_t fp_off;	 /* saved frame pointer at CFA + fp_off; 0 = not saved */
};
/* The row in force at st_value `addr`. 0; -ENOENT when no FDE covers it; -ENOTSUP for expressions. */
int elf_cfi_row(struct elf_file *f, uint64_t addr, struct cfi_row *out);

#endif
