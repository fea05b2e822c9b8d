/* SPDX-License-Identifier: BSD-2-Clause */
/* A sorted, compact table of ranges with names: the functions of one ELF file (by file
 * offset) or of the kernel. */
#ifndef APM_PROFILE_SYMTAB_H
#define APM_PROFILE_SYMTAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/elf.h"
#include "base/str.h"

struct symtab;

/* Names that would make the table larger than max_bytes are left out. NULL with errno. */
struct symtab *symtab_new(size_t max_bytes);
void symtab_free(struct symtab *t); /* accepts NULL */

/*
 * A symbol without size reaches to the next one, at most `room` bytes. `name` is copied. 0 or -ENOMEM;
 * -ENOSPC when it was left out.
 */
int symtab_add(struct symtab *t, uint64_t start, uint64_t size, uint64_t room, const char *name);
/* Sorts; of several names for one start the plainest stays. Call once, after the last symtab_add(). */
void symtab_finish(struct symtab *t);

/* The name at `addr`, demangled; empty when there is none. Valid until the next call on t. */
struct str symtab_find(struct symtab *t, uint64_t addr);
size_t symtab_count(const struct symtab *t);
size_t symtab_bytes(const struct symtab *t);

/* The function symbols of an ELF file by file offset. NULL with errno. */
struct symtab *symtab_of_elf(struct elf_file *f, size_t max_bytes);

/*
 * /proc/kallsyms by address, and the ranges of the kernel's modules as "[name]". Both tables are empty when
 * the kernel hides its addresses. 0 or -errno; the caller frees what is not NULL.
 */
int symtab_of_kernel(struct symtab **functions, struct symtab **modules);

#endif
