/* SPDX-License-Identifier: BSD-2-Clause */
/* One client library, as data: its symbols and how its facts are proven. A new library is
 * a file and a row in lib.c. */
#ifndef APM_COLLECT_LIB_H
#define APM_COLLECT_LIB_H

#include <stddef.h>
#include <stdint.h>

#include "abi/config.h"
#include "collect/site.h"

/* The file in which a library was found, and the library's own functions in it. */
struct lib_file {
	struct code *code;
	struct elf_symbol *symbol; /* by name; only those with the library's prefixes */
	size_t count, cap;
	uint64_t low, high; /* addresses that they span */
};
/* The defined function of this name, or NULL. */
const struct elf_symbol *lib_find(const struct lib_file *lf, const char *name);

/* A row of the library's table as one of struct lib_symbol. */
#define LIB_SYMBOL(fn, number, arg_count, at_entry, at_return, needed, of_sets) \
	{.symbol = number,                                                      \
	 .name = #fn,                                                           \
	 .entry = at_entry,                                                     \
	 .ret = at_return,                                                      \
	 .optional = !(needed),                                                 \
	 .args = arg_count,                                                     \
	 .sets = of_sets},

/* A fact that one accessor function tells. */
struct lib_field {
	const char *fn;
	enum apm_off off;
	uint8_t sizes;	  /* in bytes that are accepted, added up; or LIB_ADDRESS */
	const char *what; /* for a reader, where it could not be proven */
};
#define LIB_ADDRESS 0 /* the field is an array, and its address is returned */

struct lib_row {
	const char *name;
	const char *programs;	   /* its BPF programs' names begin with this: "libpq" of libpq_entry */
	uint8_t system;		   /* enum apm_system */
	const char *file_hint[2];  /* parts of the file names it is usually found under */
	const char *prefix[3];	   /* its functions begin with one of these; NULL ends */
	const char *public_prefix; /* and those of its public interface with this */
	/* Bytes that no program contains unless this library is in it: tells a copy that was stripped. */
	const char *marker;
	/* What a file is that has some of its functions and is not the library; NULL = nothing known. */
	const char *part;
	const struct lib_symbol *symbol;
	size_t symbol_count;
	/*
	 * Through how many functions of the library the caller of the first symbol is looked for; 0 = that of any
	 * probed one, through one.
	 */
	uint8_t wrapper_levels;
	const struct lib_field *field; /* proven first */
	size_t field_count;
	/* Fills version, the rest of facts.off[] (all -1 before) and missing, by decoding. NULL:
	 * nothing is left to prove. */
	void (*prove)(const struct lib_file *lf, struct lib_match *m);
	/*
	 * Where `symbol` is in this copy: 1 with the function in *fn; 0 = it is not to be probed here. Called
	 * after prove(), in the order of the table. NULL: each under its own name.
	 */
	int (*locate)(const struct lib_file *lf, const struct lib_match *m, const struct lib_symbol *symbol,
		      struct elf_symbol *fn);
};

extern const struct lib_row lib_hiredis;
extern const struct lib_row lib_libpq;
extern const struct lib_row lib_mysql;
extern const struct lib_row lib_odbc;
extern const struct lib_row lib_sqlite;

/* m->version from a function that returns (major * unit + minor) * unit + patch. */
void lib_version(const struct lib_file *lf, struct lib_match *m, const char *fn, int64_t unit);
/* Notes in m->missing that `what` could not be proven from function `where`. */
void lib_missing(struct lib_match *m, const char *what, const char *where);

/*
 * The name of a library whose marker stands in a file that has none of its symbols and calls none of its
 * functions in another file; NULL = none. Reads the whole file, which fd is open on.
 */
const char *lib_stripped_copy(struct elf_file *f, int fd);

/* 1 when a file of this name is worth opening to look for a library. */
int lib_name_is_likely(const char *name);

#endif
