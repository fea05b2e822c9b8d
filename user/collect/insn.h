/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Machine code of an ELF file, one instruction at a time: decoded by capstone, with what a probe costs on it
 * and where it goes. x86-64 and arm64; nothing is executed and nothing outside the file's own segments is
 * read.
 */
#ifndef APM_COLLECT_INSN_H
#define APM_COLLECT_INSN_H

#include <stdint.h>

#include "base/elf.h"
#include "collect/site.h"

/* capstone's own, in <capstone/capstone.h>: since release 5 that cannot stand beside <linux/bpf.h>. */
struct cs_insn;

/* The code of one file; borrows the file. NULL with errno: ENOTSUP for a machine that is not known. */
struct code;
struct code *code_open(struct elf_file *f);
void code_close(struct code *c); /* accepts NULL */
struct elf_file *code_file(const struct code *c);
int code_is_x86(const struct code *c);

/* The instruction at st_value `addr`, with details; valid until the next call. NULL when there is none. */
const struct cs_insn *code_insn(struct code *c, uint64_t addr);

enum insn_flow {
	INSN_NEXT = 0,	 /* goes on with the next instruction */
	INSN_JUMP = 1,	 /* always jumps */
	INSN_BRANCH = 2, /* may jump */
	INSN_CALL = 3,
	INSN_RETURN = 4,
	INSN_STOP = 5, /* traps, halts, enters the kernel */
};
/* *target: where a direct jump, branch or call goes; 0 = not known from the instruction. May be NULL. */
enum insn_flow insn_flow(const struct code *c, const struct cs_insn *insn, uint64_t *target);

/* What the kernel does with this instruction under a probe. */
enum site_cost insn_cost(const struct code *c, const struct cs_insn *insn);

/* Registers written, as bits: argument registers in the order of the calling convention, then these two. */
#define INSN_WRITES_SP 0x100
#define INSN_WRITES_FP 0x200
uint32_t insn_writes(const struct code *c, const struct cs_insn *insn);

/* The registers that an instruction writes, implicit ones included, as capstone
 * numbers; how many, at most max. */
size_t insn_written_registers(const struct code *c, const struct cs_insn *insn, uint16_t *reg, size_t max);

/* 1 for endbr64 and other landing pads that do nothing. */
int insn_is_landing_pad(const struct code *c, const struct cs_insn *insn);

/*
 * Where a call or jump ends up: direct, through a local PLT stub, or through a GOT slot. *addr is 0 when it
 * leaves the file; *name is the dynamic symbol's name, or "" for a direct one. 0, or -ENOENT when it cannot
 * be told.
 */
int code_callee(struct code *c, const struct cs_insn *insn, uint64_t *addr, const char **name);

/*
 * The PLT stub by which this file calls `name` of another file. 0, or -ENOENT (also on other machines than
 * x86-64).
 */
int code_stub(struct code *c, const char *name, uint64_t *addr);

#endif
