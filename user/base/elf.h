/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF files, read through libelf: symbols, segments, build-id, call-frame
 * information. Safe on hostile files. */
#ifndef APM_BASE_ELF_H
#define APM_BASE_ELF_H

#include <stddef.h>
#include <stdint.h>

struct elf_file;

/*
 * Opens `path` (or takes over `fd` when path is NULL, also on failure). NULL with errno; ENOEXEC when it is
 * no little-endian 64-bit ELF file. Nothing is mapped: a file that is truncated while it is read gives
 * errors, never SIGBUS.
 */
struct elf_file *elf_file_open(const char *path, int fd);
void elf_file_close(struct elf_file *f); /* accepts NULL */

struct elf_symbol {
	const char *name; /* without version suffix; lives as long as the file */
	uint64_t addr;	  /* st_value */
	uint64_t size;
	uint64_t room;	   /* when size is 0: bytes to the end of its section, which it cannot pass */
	uint64_t file_off; /* 0 = not in a loaded segment */
	uint8_t type;	   /* STT_* */
	uint8_t dynamic;   /* from .dynsym */
	uint8_t defined;   /* 0: an import */
	uint8_t hidden;	   /* an old version, kept for programs that were linked against it ("@", not "@@") */
};

/*
 * Calls fn for every function symbol (and IFUNC) of .dynsym and .symtab, imports included, once for each name
 * and address; fn returns non-zero to stop, which is then returned. A file without .symtab is completed from
 * its debug file under /usr/lib/debug (by build-id, else by .gnu_debuglink with its checksum). 0 or -ENOMEM
 * otherwise.
 */
int elf_each_symbol(struct elf_file *f, int (*fn)(const struct elf_symbol *sym, void *arg), void *arg);
/* The defined function `name` (duplicates by symbol version give one). 0 or -ENOENT. */
int elf_find_symbol(struct elf_file *f, const char *name, struct elf_symbol *out);

/* 1 with the hex build-id in out, 0 when there is none. */
int elf_build_id(struct elf_file *f, char out[65]);
int elf_is_executable(const struct elf_file *f); /* ET_EXEC, or a PIE; libc.so.6 and ld.so are none */
int elf_has_symtab(const struct elf_file *f);
uint16_t elf_machine(const struct elf_file *f); /* EM_* */

/* st_value space <-> file offsets, by PT_LOAD. 0 or -ENOENT. */
int elf_addr_to_offset(const struct elf_file *f, uint64_t addr, uint64_t *off);
int elf_offset_to_addr(const struct elf_file *f, uint64_t off, uint64_t *addr);
/* The executable PT_LOAD that holds addr, in st_value space. 0 or -ENOENT. */
int elf_text_range(const struct elf_file *f, uint64_t addr, uint64_t *start, uint64_t *end);
/* Where the first segment of a PT_* type lies: st_value address and length in the file. 0 or -ENOENT. */
int elf_segment(const struct elf_file *f, uint32_t type, uint64_t *addr, uint64_t *len);
/* Bytes at st_value `addr`, which live as long as the file; *len is what is available there, at most `want`.
 * NULL when unmapped or not in the file. */
const uint8_t *elf_bytes(const struct elf_file *f, uint64_t addr, size_t want, size_t *len);

/* Contents of the first section `name`, and its st_value address; lives as long as the
 * file. NULL when there is none. */
const uint8_t *elf_section(struct elf_file *f, const char *name, size_t *len, uint64_t *addr);

/* One row of call-frame information (.eh_frame), at one address. */
enum cfi_base {
	CFI_NONE = 0, /* no row, or one that is not "register + constant" */
	CFI_SP = 1,
	CFI_FP = 2,
};
struct cfi_row {
	enum cfi_base base;
	int32_t cfa_off;   /* CFA = base + cfa_off */
	int32_t fp_off;	   /* saved frame pointer at CFA + fp_off; 0 = not saved */
	int32_t ra_off;	   /* return address at CFA + ra_off (-8 on x86-64); 0 = still in the link register
			      (arm64) */
	uint8_t outermost; /* the return address is undefined: nothing called this */
};
/*
 * The row in force at st_value `addr`. 0; -ENOENT when no FDE covers it; -ENOTSUP for expressions and a CFA
 * that hangs on another register; -EBADMSG for a malformed table. Format: Linux Standard Base 5.0 core, 10.6,
 * and DWARF 5, 6.4.
 */
int elf_cfi_row(struct elf_file *f, uint64_t addr, struct cfi_row *out);
/* What the FDE that covers `addr` covers: a function, or a part of one that stands
 * elsewhere. 0 or as above. */
int elf_cfi_range(struct elf_file *f, uint64_t addr, uint64_t *start, uint64_t *end);

#endif
