/* SPDX-License-Identifier: BSD-2-Clause */
/* What symex.c (expressions, memory, conditions) and symex_x86.c (the instructions) share. */
#ifndef APM_COLLECT_SYMEX_STATE_H
#define APM_COLLECT_SYMEX_STATE_H

#include "collect/symex.h"

#define SYM_MEMS  64
#define SYM_LOOPS 48

/* In the order of the encoding. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, NO_REG = -1 };

struct sym_mem {
	int32_t base, value;
	int64_t off;
	uint8_t size;
};

/* One path: copied where it forks. */
struct sym_state {
	int32_t reg[16];
	int32_t flag_lhs, flag_rhs; /* the flags are those of cmp lhs, rhs; -1 = not known */
	uint8_t flag_size;
	int mem_count;
	struct sym_mem mem[SYM_MEMS];
	int loop_count;
	struct {
		uint64_t addr;
		int passes;
	} loop[SYM_LOOPS]; /* how often each conditional branch was passed */
};

int32_t sym_const(struct sym_run *r, int64_t value);
int32_t sym_opaque(struct sym_run *r);
int32_t sym_load(struct sym_run *r, int32_t base, int64_t off, uint8_t size);
int32_t sym_op(struct sym_run *r, uint16_t op, int32_t a, int32_t b);
int32_t sym_merge(struct sym_run *r, int32_t old, int32_t low, uint8_t size);
int32_t sym_call_value(struct sym_run *r, int32_t call);
int32_t sym_add(struct sym_run *r, int32_t id, int64_t value);
int32_t sym_cut(struct sym_run *r, int32_t id, uint8_t size);

int32_t state_load(struct sym_run *r, struct sym_state *s, int32_t addr, uint8_t size);
void state_store(struct sym_run *r, struct sym_state *s, int32_t addr, uint8_t size, int32_t value);
void state_forget(struct sym_run *r, struct sym_state *s);

int path_decide(struct sym_run *r, const struct sym_state *s, uint8_t cc, struct sym_cond *out);
int path_take(struct sym_run *r, struct sym_cond c, int holds);

/* symex_x86.c */
void state_init(struct sym_run *r, struct sym_state *s, int32_t stack);
void state_set_arg(struct sym_state *s, int n, int32_t value);
void path_run(struct sym_run *r, struct sym_state *s, uint64_t addr);

#endif
