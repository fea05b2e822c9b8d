/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Probe sites: where in an ELF file a probe goes, what it costs there and whether a return probe is safe. And
 * what a copy of a client library looks like inside, proven by decoding its own accessor functions (never
 * assumed from a version). Everything here reads files; nothing attaches.
 */
#ifndef APM_COLLECT_SITE_H
#define APM_COLLECT_SITE_H

#include <stddef.h>
#include <stdint.h>

#include "abi/config.h"
#include "base/elf.h"

/* What the kernel does with the instruction under the probe (see docs/cost.md). */
enum site_cost {
	SITE_COST_NOP5 = 0,	/* 5-byte nop: optimised to a system call where the kernel can */
	SITE_COST_EMULATED = 1, /* push, nop, ret, call, jmp: no single step */
	SITE_COST_STEPPED = 2,	/* executed out of line and single-stepped: about five times the price */
};
const char *site_cost_name(enum site_cost cost); /* "nop5", "emulated", "stepped" */

struct site {
	uint64_t addr;	   /* st_value space */
	uint64_t file_off; /* what a uprobe is attached to */
	enum site_cost cost;
	uint8_t moved; /* bytes past the function's entry */
	uint8_t thunk; /* the probe stands on an inner function that the named one calls with the same
			  arguments */
};

/*
 * The cheapest instruction of function `sym` that is executed once per call and at which the argument
 * registers, the stack pointer, the frame pointer and the return address are still as at entry: the entry
 * itself; past an endbr64; the branch after a test of an argument (`test %rdi,%rdi; je`: the branch itself is
 * emulated, and is never passed); the jump of a function that only sets up further arguments (`mov $1,%edx;
 * jmp f`). Measured on 6.18: 630 ns against 4-9 us at entry, arguments and return values right in 400 000 of
 * 400 000 calls for each of these shapes.
 *
 * *extra_regs (may be NULL) gets the mask of argument registers that have changed before a jump (rdi = bit 0
 * … r9 = bit 5), else 0: a probe that reads one of those has to stay at the entry. 0, or -errno.
 */
int site_find(struct elf_file *f, const struct elf_symbol *sym, struct site *out, uint32_t *extra_regs);

/*
 * Whether return probes are safe for programs that use this file: 0 = none may be attached, and *why says so
 * ("imports swapcontext"). A process as a whole is judged by all its files: see targets.h.
 */
int site_returns_safe(struct elf_file *f, const char **why);

/* ---- what a copy of a library looks like ---- */

/* One function of a client library that is probed, as the library's table (bpf/lib/<library>.h) lists it. */
struct lib_symbol {
	uint16_t symbol; /* number used in the cookie */
	const char *name;
	uint8_t entry, ret; /* which probes it wants */
	uint8_t optional;   /* the library is usable without it */
	uint8_t args;	    /* argument registers that are read at the probe */
	uint8_t sets;	    /* of a library with several sets of probes, those that it belongs to; 0 = any */
};

struct lib_probe {
	const struct lib_symbol *symbol;
	struct site site;
};

#define LIB_PROBES_MAX 32

/* A library recognised in a file. */
struct lib_match {
	const char *name;     /* "libpq", "sqlite3" */
	const char *programs; /* of its BPF programs: struct lib_row */
	char version[32];     /* "5.15", "3.40.1"; empty = not known */
	char build_id[65];
	uint8_t system;	      /* enum apm_system */
	uint8_t is_static;    /* found by .symtab inside a program or another library */
	struct apm_lib facts; /* lib_id is left 0 */
	uint64_t inner
		[7]; /* places inside functions that were proven, as the library numbers them; 0 = not there */
	struct lib_probe probe[LIB_PROBES_MAX];
	size_t probe_count;
	char sets_why[96]; /* what could not be proven that another set of probes needs; "" = nothing */
	char missing[256]; /* what could not be proven and is left out of events: "message (sqlite3_errmsg)";
			      "" = all found */
};

/*
 * Looks for every known client library in `f` (by its exported or local symbols, not by its name) and fills
 * match[0..max). Returns how many were found (0 = none). When a file has some of a library's symbols but not
 * those that are needed, *why (may be NULL) says which are missing.
 */
int lib_recognise(struct elf_file *f, struct lib_match *match, size_t max, const char **why);

#endif
