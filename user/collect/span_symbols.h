/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of one file, for spans: by the name that the user gave, and by address. */
#ifndef APM_COLLECT_SPAN_SYMBOLS_H
#define APM_COLLECT_SPAN_SYMBOLS_H

#include "base/elf.h"

struct span_function {
	const char *name; /* the symbol's; lives as long as the file */
	uint64_t addr, size;
	uint8_t type; /* STT_* */
};

struct span_symbols;

struct span_symbols *span_symbols_read(struct elf_file *f); /* NULL with errno */
void span_symbols_free(struct span_symbols *s);		    /* accepts NULL */

/* The function that holds addr, NULL when none does. */
const struct span_function *span_symbols_at(const struct span_symbols *s, uint64_t addr);
/*
 * Functions of this name, as in the symbol table or as C++ and Rust write it (without parameters: all
 * overloads). Returns how many, at most max. *clones: those are variants that the compiler made of it, whose
 * arguments may be others.
 */
size_t span_symbols_named(const struct span_symbols *s, const char *name, const struct span_function **out,
			  size_t max, int *clones);
/* Why there is none: one sentence. */
void span_symbols_explain(const struct span_symbols *s, const char *name, char *why, size_t len);

/* Whether exceptions or panics may pass through functions of this file. */
int span_symbols_unwinds(const struct span_symbols *s);

#endif
