/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/symex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collect/symex_state.h"

#define MAX_STEPS 40000
#define MAX_DEPTH 8

/* ---- expressions ---- */

static uint32_t node_hash(const struct sym_node *n)
{
	uint64_t h = n->kind | (uint64_t)n->size << 8 | (uint64_t)n->op << 16;

	h = (h ^ (uint64_t)(uint32_t)n->a << 32 ^ (uint32_t)n->b) * 0x9e3779b97f4a7c15ULL;
	h = (h ^ h >> 29 ^ (uint64_t)n->imm) * 0xbf58476d1ce4e5b9ULL;
	return (uint32_t)(h >> 32);
}

static int32_t node_make(struct sym_run *r, struct sym_node n)
{
	uint32_t slot = node_hash(&n) % (SYM_NODES * 2);

	for (; r->hash[slot]; slot = (slot + 1) % (SYM_NODES * 2)) {
		const struct sym_node *have = &r->node[r->hash[slot] - 1];

		if (have->kind == n.kind && have->size == n.size && have->op == n.op && have->a == n.a &&
		    have->b == n.b && have->imm == n.imm)
			return r->hash[slot] - 1;
	}
	if (r->node_count == SYM_NODES) {
		r->failed = 1;
		return 0;
	}
	r->node[r->node_count] = n;
	r->hash[slot] = ++r->node_count;
	return r->node_count - 1;
}

int32_t sym_const(struct sym_run *r, int64_t value)
{
	return node_make(r, (struct sym_node){.kind = SYM_CONST, .a = -1, .b = -1, .imm = value});
}

int32_t sym_opaque(struct sym_run *r)
{
	return node_make(r,
			 (struct sym_node){.kind = SYM_OPAQUE, .a = -1, .b = -1, .imm = r->opaque_count++});
}

int32_t sym_load(struct sym_run *r, int32_t base, int64_t off, uint8_t size)
{
	return node_make(r,
			 (struct sym_node){.kind = SYM_LOAD, .size = size, .a = base, .b = -1, .imm = off});
}

/* Expressions that fork too deeply are given up, for walking one takes time exponential in that. */
static int32_t node_join(struct sym_run *r, struct sym_node n)
{
	uint8_t depth = r->node[n.a].depth;

	if (n.b >= 0 && r->node[n.b].depth > depth)
		depth = r->node[n.b].depth;
	if (depth >= MAX_DEPTH)
		return sym_opaque(r);
	n.depth = (uint8_t)(depth + 1);
	return node_make(r, n);
}

int32_t sym_op(struct sym_run *r, uint16_t op, int32_t a, int32_t b)
{
	return node_join(r, (struct sym_node){.kind = SYM_OP, .op = op, .a = a, .b = b});
}

int32_t sym_merge(struct sym_run *r, int32_t old, int32_t low, uint8_t size)
{
	return node_join(
		r, (struct sym_node){.kind = SYM_MERGE, .size = size, .a = old, .b = sym_cut(r, low, size)});
}

int32_t sym_call_value(struct sym_run *r, int32_t call)
{
	return node_make(r, (struct sym_node){.kind = SYM_CALL, .a = -1, .b = -1, .imm = call});
}

int32_t sym_base(const struct sym_run *r, int32_t id, int64_t *off)
{
	const struct sym_node *n = &r->node[id];

	*off = 0;
	if (n->kind != SYM_ADD)
		return id;
	*off = n->imm;
	return n->a;
}

int32_t sym_add(struct sym_run *r, int32_t id, int64_t value)
{
	int64_t off, known;
	int32_t base = sym_base(r, id, &off);

	if (sym_is_const(r, id, &known))
		return sym_const(r, (int64_t)((uint64_t)known + (uint64_t)value));
	off = (int64_t)((uint64_t)off + (uint64_t)value);
	if (!off)
		return base;
	return node_make(
		r, (struct sym_node){
			   .kind = SYM_ADD, .depth = r->node[base].depth, .a = base, .b = -1, .imm = off});
}

static int64_t cut_value(int64_t v, uint8_t size)
{
	return size >= 8 ? v : (int64_t)((uint64_t)v & ((1ULL << (size * 8)) - 1));
}

int32_t sym_cut(struct sym_run *r, int32_t id, uint8_t size)
{
	const struct sym_node *n = &r->node[id];

	if (size >= 8)
		return id;
	if (n->kind == SYM_CONST)
		return sym_const(r, cut_value(n->imm, size));
	if ((n->kind == SYM_LOAD || n->kind == SYM_CUT) && n->size <= size)
		return id;
	if (n->kind == SYM_CALL && size == 4)
		return id; /* an int function's result */
	if (n->kind == SYM_MERGE && size <= n->size)
		return sym_cut(r, n->b, size);
	return node_make(
		r, (struct sym_node){.kind = SYM_CUT, .size = size, .depth = n->depth, .a = id, .b = -1});
}

const struct sym_node *sym_node(const struct sym_run *r, int32_t id)
{
	return &r->node[id];
}

int sym_is_const(const struct sym_run *r, int32_t id, int64_t *value)
{
	if (r->node[id].kind != SYM_CONST)
		return 0;
	*value = r->node[id].imm;
	return 1;
}

int sym_is_load(const struct sym_run *r, int32_t id, int32_t base, uint8_t size, int64_t *off)
{
	const struct sym_node *n = &r->node[id];

	if (n->kind != SYM_LOAD || n->a != base || (size && n->size != size))
		return 0;
	*off = n->imm;
	return 1;
}

int sym_is_arg(const struct sym_run *r, int32_t id, int n)
{
	const struct sym_node *node = &r->node[id];

	if (node->kind == SYM_CUT && node->size == 4)
		node = &r->node[node->a];
	return node->kind == SYM_ARG && node->imm == n;
}

int sym_mentions_args(const struct sym_run *r, int32_t id)
{
	if (id < 0)
		return 0;
	return r->node[id].kind == SYM_ARG || sym_mentions_args(r, r->node[id].a) ||
	       sym_mentions_args(r, r->node[id].b);
}

const struct sym_cond *sym_last_cond(const struct sym_run *r)
{
	for (int i = r->cond_count - 1; i >= 0; i--) {
		if (sym_mentions_args(r, r->cond[i].lhs) || sym_mentions_args(r, r->cond[i].rhs))
			return &r->cond[i];
	}
	return NULL;
}

void sym_each_load(const struct sym_run *r, int32_t id, void (*fn)(const struct sym_run *, int32_t, void *),
		   void *arg)
{
	const struct sym_node *n;

	if (id < 0)
		return;
	n = &r->node[id];
	if (n->kind == SYM_LOAD)
		fn(r, id, arg);
	sym_each_load(r, n->a, fn, arg);
	sym_each_load(r, n->b, fn, arg);
}

/* ---- memory of one path ---- */

int32_t state_load(struct sym_run *r, struct sym_state *s, int32_t addr, uint8_t size)
{
	int64_t off;
	int32_t base = sym_base(r, addr, &off);

	if (r->node[addr].kind == SYM_CONST) {
		off = r->node[addr].imm;
		base = sym_const(r, 0);
	}
	for (int i = s->mem_count - 1; i >= 0; i--) {
		const struct sym_mem *m = &s->mem[i];

		if (m->base != base || m->off >= off + size || m->off + m->size <= off)
			continue;
		if (m->off == off && m->size == size)
			return m->value;
		return m->off == off && m->size > size ? sym_cut(r, m->value, size) : sym_opaque(r);
	}
	return sym_load(r, base, off, size);
}

static void mem_remove(struct sym_state *s, int i)
{
	memmove(&s->mem[i], &s->mem[i + 1], (size_t)(s->mem_count - i - 1) * sizeof(*s->mem));
	s->mem_count--;
}

void state_store(struct sym_run *r, struct sym_state *s, int32_t addr, uint8_t size, int32_t value)
{
	int64_t off;
	int32_t base = sym_base(r, addr, &off);

	for (int i = s->mem_count - 1; i >= 0; i--) {
		if (s->mem[i].base == base && s->mem[i].off >= off &&
		    s->mem[i].off + s->mem[i].size <= off + size)
			mem_remove(s, i);
	}
	if (s->mem_count == SYM_MEMS) {
		r->failed = 1;
		return;
	}
	s->mem[s->mem_count++] = (struct sym_mem){base, value, off, size};
	if (r->events->on_store && r->node[base].kind != SYM_STACK)
		r->events->on_store(r, base, off, size, sym_cut(r, value, size), r->events->arg);
}

/* What was stored outside the stack may have been changed by a function that was called. */
void state_forget(struct sym_run *r, struct sym_state *s)
{
	for (int i = s->mem_count - 1; i >= 0; i--) {
		if (r->node[s->mem[i].base].kind != SYM_STACK)
			mem_remove(s, i);
	}
}

/* ---- where a value stands ---- */

/* System V ABI for AMD64: rbx rbp r12 r13 r14 r15, and where struct pt_regs has them
 * (arch/x86/include/uapi/asm/ptrace.h). */
static const struct {
	uint8_t reg;
	uint16_t off;
} preserved[] = {{RBX, 40}, {RBP, 32}, {R12, 24}, {R13, 16}, {R14, 8}, {R15, 0}};
#define PT_REGS_RSP 152

/* Whole, or the low `size` bytes of what was put there. */
static int is_value(const struct sym_run *r, int32_t held, int32_t id, uint8_t size)
{
	const struct sym_node *n = sym_node(r, held);

	return held == id || (n->kind == SYM_CUT && n->a == id && n->size >= size);
}

int sym_place(const struct sym_run *r, int32_t id, uint8_t size, struct apm_place *out)
{
	const struct sym_state *s = r->state;
	int64_t top, off;
	int32_t stack = sym_base(r, s->reg[RSP], &top);

	*out = (struct apm_place){.index = APM_NO_INDEX, .size = size};
	for (size_t i = 0; i < sizeof(preserved) / sizeof(preserved[0]); i++) {
		if (is_value(r, s->reg[preserved[i].reg], id, size)) {
			out->where = APM_WHERE_REGISTER;
			out->reg = preserved[i].off;
			return 0;
		}
	}
	for (int i = s->mem_count - 1; i >= 0; i--) {
		const struct sym_mem *m = &s->mem[i];

		off = m->off - top;
		if (m->base == stack && off >= 0 && m->size >= size && is_value(r, m->value, id, size)) {
			out->where = APM_WHERE_MEMORY;
			out->reg = PT_REGS_RSP;
			out->value = off;
			return 0;
		}
	}
	return -ENOENT;
}

/* ---- conditions ---- */

static int64_t sign_extend(int64_t v, uint8_t size)
{
	int shift = 64 - size * 8;

	return shift > 0 ? (int64_t)((uint64_t)v << shift) >> shift : v;
}

/* Evaluates lhs <cc> rhs on constants; Intel SDM vol. 1, appendix B (overflow and
 * parity are not modelled: -1). */
static int cc_const(uint8_t cc, uint8_t size, int64_t lhs, int64_t rhs)
{
	int64_t a = sign_extend(lhs, size), b = sign_extend(rhs, size);
	uint64_t ua = (uint64_t)cut_value(lhs, size), ub = (uint64_t)cut_value(rhs, size);
	int truth;

	switch (cc >> 1) {
	case 1:
		truth = ua < ub;
		break;
	case 2:
		truth = ua == ub;
		break;
	case 3:
		truth = ua <= ub;
		break;
	case 4:
		truth = sign_extend((int64_t)((uint64_t)lhs - (uint64_t)rhs), size) < 0;
		break;
	case 6:
		truth = a < b;
		break;
	case 7:
		truth = a <= b;
		break;
	default:
		return -1;
	}
	return cc & 1 ? !truth : truth;
}

/* 1 = holds, 0 = does not, -1 = both may be. */
static int cond_known(const struct sym_run *r, const struct sym_cond *c)
{
	int64_t lhs, rhs, off;

	if (sym_is_const(r, c->rhs, &rhs)) {
		if (sym_is_const(r, c->lhs, &lhs))
			return cc_const(c->cc, c->size, lhs, rhs);
		/* the first argument and what it points to are there, and so is the stack */
		if (rhs == 0 && c->size == 8 && (c->cc >> 1) == 2) {
			const struct sym_node *base = &r->node[sym_base(r, c->lhs, &off)];

			if (base->kind == SYM_STACK || (base->kind == SYM_ARG && base->imm == 0))
				return c->cc == SYM_CC_NE;
		}
	}
	if (c->lhs == c->rhs && r->node[c->lhs].kind != SYM_OPAQUE)
		return cc_const(c->cc, 8, 0, 0);
	for (int i = 0; i < r->cond_count; i++) {
		const struct sym_cond *have = &r->cond[i];

		if (have->lhs == c->lhs && have->rhs == c->rhs && have->size == c->size &&
		    have->cc >> 1 == c->cc >> 1)
			return have->cc == c->cc;
	}
	return -1;
}

/*
 * Decides a condition on the current path: returns 1 or 0 when only one way is open, -1 when both are. `take`
 * adds the way chosen to the path.
 */
int path_decide(struct sym_run *r, const struct sym_state *s, uint8_t cc, struct sym_cond *out)
{
	out->lhs = s->flag_lhs >= 0 ? s->flag_lhs : sym_opaque(r);
	out->rhs = s->flag_lhs >= 0 ? s->flag_rhs : sym_const(r, 0);
	out->size = s->flag_size;
	out->cc = cc;
	return cond_known(r, out);
}

int path_take(struct sym_run *r, struct sym_cond c, int holds)
{
	if (!holds)
		c.cc ^= 1;
	if (r->cond_count == SYM_CONDS) {
		r->failed = 1;
		return -E2BIG;
	}
	r->cond[r->cond_count++] = c;
	if (r->events->on_cond)
		r->events->on_cond(r, &c, r->events->arg);
	if (!r->skip)
		return 0;
	r->skip = 0;
	return -ECANCELED;
}

/* ---- the run ---- */

int sym_run(struct code *c, uint64_t addr, uint64_t size, const struct sym_events *events)
{
	return sym_run_with(c, addr, size, -1, 0, events);
}

int sym_run_with(struct code *c, uint64_t addr, uint64_t size, int n, int64_t value,
		 const struct sym_events *events)
{
	struct sym_state *s = calloc(1, sizeof(*s));
	struct sym_run *r = calloc(1, sizeof(*r));
	int err = -ENOMEM;

	if (!s || !r)
		goto out;
	err = -ENOENT;
	if (!code_is_x86(c) || !code_insn(c, addr))
		goto out;
	r->code = c;
	r->events = events;
	r->start = addr;
	r->end = size ? addr + size : addr + 4096;
	r->steps = MAX_STEPS;
	for (int i = 0; i < 6; i++)
		node_make(r, (struct sym_node){.kind = SYM_ARG, .a = -1, .b = -1, .imm = i});
	state_init(r, s, node_make(r, (struct sym_node){.kind = SYM_STACK, .a = -1, .b = -1}));
	if (n >= 0)
		state_set_arg(s, n, sym_const(r, value));
	path_run(r, s, addr);
	err = r->failed ? -E2BIG : 0;
out:
	free(s);
	free(r);
	return err;
}
