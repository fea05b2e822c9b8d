/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Symbolic execution of one small x86-64 function: what it returns, calls and stores, as expressions of its
 * arguments, on every path on which the first argument is not NULL. This is how offsets are proven: a
 * function of the library's public interface whose meaning is documented is read to see where it finds its
 * answer.
 *
 * Limits, by design: the object's memory is taken not to be changed by functions that are called; a store
 * through an unknown pointer changes nothing that is known; loops are followed three times; what does not fit
 * becomes "opaque", and nothing can be proven from an opaque value.
 */
#ifndef APM_COLLECT_SYMEX_H
#define APM_COLLECT_SYMEX_H

#include <stdint.h>

#include "abi/place.h"
#include "collect/insn.h"

enum sym_kind {
	SYM_OPAQUE, /* unknown; each one is different */
	SYM_CONST,  /* imm */
	SYM_ARG,    /* imm: which argument, from 0 */
	SYM_STACK,  /* the stack pointer at entry */
	SYM_LOAD,   /* `size` bytes at expression a + imm; zero- or sign-extended alike */
	SYM_ADD,    /* a + imm */
	SYM_CUT,    /* the low `size` bytes of a */
	SYM_MERGE,  /* a with its low `size` bytes replaced by b */
	SYM_OP,	    /* operation `op` (a capstone id) on a and b (b may be -1) */
	SYM_CALL,   /* what call number imm returned */
};

/* Expressions are numbered; equal expressions have equal numbers. Numbers 0..5 are the arguments. */
struct sym_node {
	uint8_t kind, size;
	uint8_t depth; /* of operations on two expressions */
	uint16_t op;
	int32_t a, b;
	int64_t imm;
};

struct sym_call {
	uint64_t addr;	  /* callee in this file, 0 = elsewhere or unknown */
	const char *name; /* of a call through the PLT, else "" */
	int32_t arg[6];
	int32_t stack_arg; /* the seventh */
};

/* lhs <cc> rhs holds on this path; cc is an x86 condition code (4 = equal, 5 = not equal,
 * c = less …) of `size` bytes. */
struct sym_cond {
	int32_t lhs, rhs;
	uint8_t cc, size;
};
#define SYM_CC_EQ 4
#define SYM_CC_NE 5

struct sym_run;
struct sym_state;

/* What is of interest on the way. In a handler, the path so far is run->cond[0..cond_count). */
struct sym_events {
	void (*on_return)(struct sym_run *run, int32_t value, void *arg);
	void (*on_call)(struct sym_run *run, const struct sym_call *call, void *arg);
	void (*on_store)(struct sym_run *run, int32_t base, int64_t off, uint8_t size, int32_t value,
			 void *arg);
	void (*on_cond)(struct sym_run *run, const struct sym_cond *cond, void *arg); /* each branch taken */
	void (*on_insn)(struct sym_run *run, void *arg); /* before instruction run->at */
	void *arg;
};

#define SYM_NODES 4096
#define SYM_CALLS 512
#define SYM_CONDS 48

struct sym_run {
	struct code *code;
	const struct sym_events *events;
	uint64_t start, end;
	uint32_t steps; /* instructions left */
	uint64_t at;	/* the instruction that the run has come to */
	const struct sym_state *state;
	int failed; /* limits were hit: nothing is proven */
	int skip;   /* a handler sets it at a condition: this way is of no interest, and not followed */
	struct sym_node node[SYM_NODES];
	int32_t hash[SYM_NODES * 2];
	int32_t node_count;
	int32_t opaque_count;
	struct sym_call call[SYM_CALLS];
	int32_t call_count;
	struct sym_cond cond[SYM_CONDS];
	int cond_count;
};

/*
 * Runs the function of `size` bytes at st_value `addr`. 0 when every path was followed to its end, -ENOENT
 * when it cannot be decoded, -E2BIG when it is too large. The handlers may have been called in each case.
 */
int sym_run(struct code *c, uint64_t addr, uint64_t size, const struct sym_events *events);
/* The same where argument n (from 0) has a known value. */
int sym_run_with(struct code *c, uint64_t addr, uint64_t size, int n, int64_t value,
		 const struct sym_events *events);

const struct sym_node *sym_node(const struct sym_run *run, int32_t id);
/* 1 when `id` is the plain load of `size` bytes (0 = any) at `base` + *off. */
int sym_is_load(const struct sym_run *run, int32_t id, int32_t base, uint8_t size, int64_t *off);
/* 1 with its value when it is a constant. */
int sym_is_const(const struct sym_run *run, int32_t id, int64_t *value);
/* `id` without an added constant, which goes to *off. */
int32_t sym_base(const struct sym_run *run, int32_t id, int64_t *off);
/* 1 when `id` is argument n, whole or cut to its low four bytes. */
int sym_is_arg(const struct sym_run *run, int32_t id, int n);
/* The last condition of the path that has to do with the arguments (that of a stack
 * protector has not). NULL = none. */
const struct sym_cond *sym_last_cond(const struct sym_run *run);
/* 1 when an argument is part of the expression. */
int sym_mentions_args(const struct sym_run *run, int32_t id);
/*
 * Where a function that is called at run->at would leave expression `id` alone: a register that it has to
 * preserve, or the stack, `size` bytes. 0 with the place as the kernel sees it, -ENOENT when there is none.
 */
int sym_place(const struct sym_run *run, int32_t id, uint8_t size, struct apm_place *out);
/* Calls fn for each load inside the expression, outermost first. */
void sym_each_load(const struct sym_run *run, int32_t id,
		   void (*fn)(const struct sym_run *, int32_t load, void *), void *arg);

#endif
