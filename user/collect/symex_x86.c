/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The x86-64 instructions that accessor functions are made of. What is not listed makes the registers it
 * writes opaque.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <capstone/capstone.h>

#include "collect/symex_state.h"

#define MAX_PASSES 3

struct reg_ref {
	int8_t index; /* NO_REG: none of the sixteen */
	uint8_t size;
	uint8_t high; /* ah, bh, ch, dh */
};

static struct reg_ref reg_ref(uint16_t reg)
{
	static const uint16_t q[] = {X86_REG_RAX, X86_REG_RCX, X86_REG_RDX, X86_REG_RBX,
				     X86_REG_RSP, X86_REG_RBP, X86_REG_RSI, X86_REG_RDI,
				     X86_REG_R8,  X86_REG_R9,  X86_REG_R10, X86_REG_R11,
				     X86_REG_R12, X86_REG_R13, X86_REG_R14, X86_REG_R15};
	static const uint16_t d[] = {X86_REG_EAX,  X86_REG_ECX,	 X86_REG_EDX,  X86_REG_EBX,
				     X86_REG_ESP,  X86_REG_EBP,	 X86_REG_ESI,  X86_REG_EDI,
				     X86_REG_R8D,  X86_REG_R9D,	 X86_REG_R10D, X86_REG_R11D,
				     X86_REG_R12D, X86_REG_R13D, X86_REG_R14D, X86_REG_R15D};
	static const uint16_t w[] = {X86_REG_AX,   X86_REG_CX,	 X86_REG_DX,   X86_REG_BX,
				     X86_REG_SP,   X86_REG_BP,	 X86_REG_SI,   X86_REG_DI,
				     X86_REG_R8W,  X86_REG_R9W,	 X86_REG_R10W, X86_REG_R11W,
				     X86_REG_R12W, X86_REG_R13W, X86_REG_R14W, X86_REG_R15W};
	static const uint16_t b[] = {X86_REG_AL,   X86_REG_CL,	 X86_REG_DL,   X86_REG_BL,
				     X86_REG_SPL,  X86_REG_BPL,	 X86_REG_SIL,  X86_REG_DIL,
				     X86_REG_R8B,  X86_REG_R9B,	 X86_REG_R10B, X86_REG_R11B,
				     X86_REG_R12B, X86_REG_R13B, X86_REG_R14B, X86_REG_R15B};
	static const uint16_t h[] = {X86_REG_AH, X86_REG_CH, X86_REG_DH, X86_REG_BH};

	for (int8_t i = 0; i < 16; i++) {
		if (reg == q[i])
			return (struct reg_ref){i, 8, 0};
		if (reg == d[i])
			return (struct reg_ref){i, 4, 0};
		if (reg == w[i])
			return (struct reg_ref){i, 2, 0};
		if (reg == b[i])
			return (struct reg_ref){i, 1, 0};
		if (i < 4 && reg == h[i])
			return (struct reg_ref){i, 1, 1};
	}
	return (struct reg_ref){NO_REG, 8, 0};
}

static int32_t reg_read(struct sym_run *r, const struct sym_state *s, uint16_t reg)
{
	struct reg_ref ref = reg_ref(reg);
	int64_t v;

	if (ref.index == NO_REG)
		return sym_opaque(r);
	if (!ref.high)
		return sym_cut(r, s->reg[ref.index], ref.size);
	if (sym_is_const(r, s->reg[ref.index], &v))
		return sym_const(r, (v >> 8) & 0xff);
	/* the second byte of a value: `test $4,%ah` asks for bit 10 */
	return sym_op(r, X86_INS_SHR, s->reg[ref.index], sym_const(r, 8));
}

static void reg_write(struct sym_run *r, struct sym_state *s, uint16_t reg, int32_t value)
{
	struct reg_ref ref = reg_ref(reg);
	int64_t old, v, mask;

	if (ref.index == NO_REG)
		return;
	if (ref.size >= 4) {
		s->reg[ref.index] = sym_cut(r, value, ref.size);
		return;
	}
	mask = ref.size == 2 ? 0xffff : 0xff;
	if (ref.high) {
		s->reg[ref.index] = sym_opaque(r);
	} else if (sym_is_const(r, s->reg[ref.index], &old) && sym_is_const(r, value, &v)) {
		s->reg[ref.index] = sym_const(r, (old & ~mask) | (v & mask));
	} else if (sym_is_const(r, s->reg[ref.index], &old) && !(old & ~mask)) {
		s->reg[ref.index] = sym_cut(r, value, ref.size);
	} else {
		s->reg[ref.index] = sym_merge(r, s->reg[ref.index], value, ref.size);
	}
}

static int32_t operand_address(struct sym_run *r, const struct sym_state *s, const cs_insn *insn,
			       const cs_x86_op *op)
{
	int32_t base, index;
	int64_t known;

	if (op->mem.segment == X86_REG_FS || op->mem.segment == X86_REG_GS)
		return sym_opaque(r);
	if (op->mem.base == X86_REG_RIP)
		return sym_const(r, (int64_t)(insn->address + insn->size) + op->mem.disp);
	base = op->mem.base == X86_REG_INVALID ? sym_const(r, 0) : reg_read(r, s, (uint16_t)op->mem.base);
	if (op->mem.index != X86_REG_INVALID) {
		index = reg_read(r, s, (uint16_t)op->mem.index);
		if (sym_is_const(r, index, &known)) {
			base = sym_add(r, base, known * op->mem.scale);
		} else if (sym_is_const(r, base, &known) && op->mem.scale == 1) {
			base = sym_add(r, index, known);
		} else {
			index = sym_op(r, X86_INS_IMUL, index, sym_const(r, op->mem.scale));
			base = sym_op(r, X86_INS_ADD, base, index);
		}
	}
	return sym_add(r, base, op->mem.disp);
}

static int32_t op_read(struct sym_run *r, struct sym_state *s, const cs_insn *insn, int n)
{
	const cs_x86_op *op = &insn->detail->x86.operands[n];

	switch (op->type) {
	case X86_OP_REG:
		return reg_read(r, s, (uint16_t)op->reg);
	case X86_OP_IMM:
		return sym_cut(r, sym_const(r, op->imm), insn->detail->x86.operands[0].size);
	case X86_OP_MEM:
		return state_load(r, s, operand_address(r, s, insn, op), op->size);
	default:
		return sym_opaque(r);
	}
}

static void op_write(struct sym_run *r, struct sym_state *s, const cs_insn *insn, int n, int32_t value)
{
	const cs_x86_op *op = &insn->detail->x86.operands[n];

	if (op->type == X86_OP_REG)
		reg_write(r, s, (uint16_t)op->reg, value);
	else if (op->type == X86_OP_MEM)
		state_store(r, s, operand_address(r, s, insn, op), op->size, value);
}

static void set_flags(struct sym_state *s, int32_t lhs, int32_t rhs, uint8_t size)
{
	s->flag_lhs = lhs;
	s->flag_rhs = rhs;
	s->flag_size = size;
}

/* a <op> b of `size` bytes; constants are computed. */
static int32_t compute(struct sym_run *r, uint16_t op, int32_t a, int32_t b, uint8_t size)
{
	uint8_t bits = (uint8_t)(size * 8);
	int64_t x, y;
	int a_known, b_known = b >= 0 && sym_is_const(r, b, &y);
	uint64_t ux, count;

	/* a mask asks for the low bytes only */
	if (op == X86_INS_AND && b_known && !(y & ~0xffff))
		a = sym_cut(r, a, y & ~0xff ? 2 : 1);
	a_known = sym_is_const(r, a, &x);
	if (b_known && size == 8 && (op == X86_INS_ADD || op == X86_INS_SUB))
		return sym_add(r, a, op == X86_INS_ADD ? y : (int64_t)(0 - (uint64_t)y));
	if (a_known && size == 8 && op == X86_INS_ADD)
		return sym_add(r, b, x);
	if ((op == X86_INS_XOR || op == X86_INS_SUB) && a == b)
		return sym_const(r, 0);
	if (op == X86_INS_AND && a == b)
		return a;
	if (b_known && y == 0 &&
	    (op == X86_INS_OR || op == X86_INS_SHL || op == X86_INS_SHR || op == X86_INS_ADD))
		return a;
	if (b_known && y == 1 && op == X86_INS_IMUL)
		return a;
	if (!a_known || (b >= 0 && !b_known))
		return sym_op(r, op, a, b);
	ux = (uint64_t)x;
	count = b_known ? (uint64_t)y & (size == 8 ? 63 : 31) : 0;
	switch (op) {
	case X86_INS_ADD:
		ux += (uint64_t)y;
		break;
	case X86_INS_SUB:
		ux -= (uint64_t)y;
		break;
	case X86_INS_AND:
		ux &= (uint64_t)y;
		break;
	case X86_INS_OR:
		ux |= (uint64_t)y;
		break;
	case X86_INS_XOR:
		ux ^= (uint64_t)y;
		break;
	case X86_INS_IMUL:
		ux *= (uint64_t)y;
		break;
	case X86_INS_SHL:
		ux <<= count;
		break;
	case X86_INS_SHR:
		ux >>= count;
		break;
	case X86_INS_SAR:
		ux = (uint64_t)((int64_t)(ux << (64 - bits)) >> (64 - bits) >> count);
		break;
	case X86_INS_NOT:
		ux = ~ux;
		break;
	case X86_INS_NEG:
		ux = 0 - ux;
		break;
	default:
		return sym_op(r, op, a, b);
	}
	return sym_cut(r, sym_const(r, (int64_t)ux), size);
}

/* Sign-extends a constant; a load stays what it is (its value is told apart by size only). */
static int32_t extend(struct sym_run *r, int32_t id, uint8_t from, int is_signed)
{
	int64_t v;
	int shift = 64 - from * 8;

	if (sym_is_const(r, id, &v) && is_signed && shift > 0)
		return sym_const(r, (int64_t)((uint64_t)v << shift) >> shift);
	return id;
}

static void do_arithmetic(struct sym_run *r, struct sym_state *s, const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;
	uint8_t size = x->operands[0].size;
	uint16_t id = (uint16_t)(insn->id == X86_INS_SAL ? X86_INS_SHL : insn->id);
	int32_t a, b, value;

	if (x->op_count == 3) { /* imul r, r/m, imm */
		a = op_read(r, s, insn, 1);
		b = op_read(r, s, insn, 2);
	} else {
		a = op_read(r, s, insn, 0);
		b = x->op_count == 2 ? op_read(r, s, insn, 1) : -1;
	}
	if ((id == X86_INS_SHL || id == X86_INS_SHR || id == X86_INS_SAR) && b < 0)
		b = sym_const(r, 1);
	if (id == X86_INS_IMUL && b < 0) { /* one operand: rdx:rax */
		s->reg[RAX] = sym_opaque(r);
		s->reg[RDX] = sym_opaque(r);
		set_flags(s, -1, -1, 8);
		return;
	}
	value = compute(r, id, a, b, size);
	/* sub sets the flags of a comparison, the others those of their result against 0 */
	if (id == X86_INS_SUB)
		set_flags(s, a, b, size);
	else if (id != X86_INS_NOT)
		set_flags(s, value, sym_const(r, 0), size);
	op_write(r, s, insn, 0, value);
}

static void push(struct sym_run *r, struct sym_state *s, int32_t value)
{
	s->reg[RSP] = sym_add(r, s->reg[RSP], -8);
	state_store(r, s, s->reg[RSP], 8, value);
}

static int32_t pop(struct sym_run *r, struct sym_state *s)
{
	int32_t value = state_load(r, s, s->reg[RSP], 8);

	s->reg[RSP] = sym_add(r, s->reg[RSP], 8);
	return value;
}

/* Not known in detail: what it writes is opaque. */
static void do_unknown(struct sym_run *r, struct sym_state *s, const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;
	uint16_t written[32];
	size_t n = insn_written_registers(r->code, insn, written, 32);

	for (size_t i = 0; i < n; i++) {
		struct reg_ref ref = reg_ref(written[i]);

		if (ref.index != NO_REG)
			s->reg[ref.index] = sym_opaque(r);
	}
	for (uint8_t i = 0; i < x->op_count; i++) {
		if (x->operands[i].type == X86_OP_MEM && (x->operands[i].access & CS_AC_WRITE))
			op_write(r, s, insn, i, sym_opaque(r));
	}
	set_flags(s, -1, -1, 8);
}

static int32_t do_call(struct sym_run *r, struct sym_state *s, const cs_insn *insn, int is_tail)
{
	static const int8_t arg_reg[6] = {RDI, RSI, RDX, RCX, R8, R9};
	static const int8_t clobbered[] = {RCX, RDX, RSI, RDI, R8, R9, R10, R11};
	struct sym_call *call;

	if (r->call_count == SYM_CALLS) {
		r->failed = 1;
		return sym_opaque(r);
	}
	call = &r->call[r->call_count];
	code_callee(r->code, insn, &call->addr, &call->name);
	for (int i = 0; i < 6; i++)
		call->arg[i] = s->reg[arg_reg[i]];
	call->stack_arg = state_load(r, s, sym_add(r, s->reg[RSP], is_tail ? 8 : 0), 8);
	if (r->events->on_call)
		r->events->on_call(r, call, r->events->arg);
	for (size_t i = 0; i < sizeof(clobbered); i++)
		s->reg[clobbered[i]] = sym_opaque(r);
	s->reg[RAX] = sym_call_value(r, r->call_count++);
	set_flags(s, -1, -1, 8);
	state_forget(r, s);
	return s->reg[RAX];
}

static int never_returns(const struct sym_call *call)
{
	static const char *const name[] = {"__stack_chk_fail", "abort", "__assert_fail", "exit", "longjmp"};

	for (size_t i = 0; i < sizeof(name) / sizeof(*name); i++) {
		if (!strcmp(call->name, name[i]))
			return 1;
	}
	return 0;
}

/* Everything but control flow. */
static void do_plain(struct sym_run *r, struct sym_state *s, const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;
	uint8_t size = x->op_count ? x->operands[0].size : 8;
	int32_t a, b;

	switch (insn->id) {
	case X86_INS_NOP:
		break;
	case X86_INS_MOV:
	case X86_INS_MOVABS:
		op_write(r, s, insn, 0, op_read(r, s, insn, 1));
		break;
	case X86_INS_MOVZX:
	case X86_INS_MOVSX:
	case X86_INS_MOVSXD:
		op_write(r, s, insn, 0,
			 extend(r, op_read(r, s, insn, 1), x->operands[1].size, insn->id != X86_INS_MOVZX));
		break;
	case X86_INS_CWDE:
		s->reg[RAX] = sym_cut(r, extend(r, sym_cut(r, s->reg[RAX], 2), 2, 1), 4);
		break;
	case X86_INS_CDQE:
		s->reg[RAX] = extend(r, sym_cut(r, s->reg[RAX], 4), 4, 1);
		break;
	case X86_INS_LEA:
		op_write(r, s, insn, 0, operand_address(r, s, insn, &x->operands[1]));
		break;
	case X86_INS_INC:
	case X86_INS_DEC:
		a = compute(r, X86_INS_ADD, op_read(r, s, insn, 0),
			    sym_cut(r, sym_const(r, insn->id == X86_INS_INC ? 1 : -1), size), size);
		set_flags(s, a, sym_const(r, 0), size);
		op_write(r, s, insn, 0, a);
		break;
	case X86_INS_CMP:
		a = op_read(r, s, insn, 0);
		set_flags(s, a, op_read(r, s, insn, 1), size);
		break;
	case X86_INS_TEST:
		a = op_read(r, s, insn, 0);
		b = op_read(r, s, insn, 1);
		set_flags(s, compute(r, X86_INS_AND, a, b, size), sym_const(r, 0), size);
		break;
	case X86_INS_ADD:
	case X86_INS_SUB:
	case X86_INS_AND:
	case X86_INS_OR:
	case X86_INS_XOR:
	case X86_INS_IMUL:
	case X86_INS_SHL:
	case X86_INS_SAL:
	case X86_INS_SHR:
	case X86_INS_SAR:
	case X86_INS_NOT:
	case X86_INS_NEG:
		do_arithmetic(r, s, insn);
		break;
	case X86_INS_PUSH:
		push(r, s, op_read(r, s, insn, 0));
		break;
	case X86_INS_POP:
		op_write(r, s, insn, 0, pop(r, s));
		break;
	case X86_INS_LEAVE:
		s->reg[RSP] = s->reg[RBP];
		s->reg[RBP] = pop(r, s);
		break;
	default:
		if (!insn_is_landing_pad(r->code, insn))
			do_unknown(r, s, insn);
	}
}

/* setcc (0f 90-9f) and cmovcc (0f 40-4f) are two paths each. */
static int is_conditional(const cs_insn *insn, uint8_t *cc)
{
	const uint8_t *op = insn->detail->x86.opcode;

	*cc = op[1] & 0xf;
	return op[0] == 0x0f && ((op[1] & 0xf0) == 0x90 || (op[1] & 0xf0) == 0x40);
}

static void do_conditional(struct sym_run *r, struct sym_state *s, const cs_insn *insn, int holds)
{
	if ((insn->detail->x86.opcode[1] & 0xf0) == 0x90)
		op_write(r, s, insn, 0, sym_const(r, holds));
	else /* a 32-bit cmov clears the upper half also when it does not move */
		op_write(r, s, insn, 0, op_read(r, s, insn, holds ? 1 : 0));
}

/* Counts a pass over a branch; 0 when this path has been there often enough. */
static int loop_pass(struct sym_state *s, uint64_t addr)
{
	for (int i = 0; i < s->loop_count; i++) {
		if (s->loop[i].addr == addr)
			return s->loop[i].passes++ < MAX_PASSES;
	}
	if (s->loop_count == SYM_LOOPS)
		return 0;
	s->loop[s->loop_count].addr = addr;
	s->loop[s->loop_count++].passes = 1;
	return 1;
}

/* Follows the way on which the condition has the given truth, on a copy of the state. */
static void path_fork(struct sym_run *r, const struct sym_state *s, const struct sym_cond *c, int holds,
		      uint64_t addr, uint64_t next)
{
	struct sym_state *copy = malloc(sizeof(*copy));
	int conds = r->cond_count;

	if (!copy) {
		r->failed = 1;
		return;
	}
	*copy = *s;
	r->at = addr;
	r->state = copy;
	if (!path_take(r, *c, holds)) {
		const cs_insn *insn = code_insn(r->code, addr);
		uint8_t cc;

		if (insn && is_conditional(insn, &cc))
			do_conditional(r, copy, insn, holds);
		path_run(r, copy, next);
	}
	r->cond_count = conds;
	free(copy);
}

/*
 * A condition met at `addr`: the ways that are open are followed to their end. For setcc and cmovcc both go
 * on at `next`.
 */
static void path_branch(struct sym_run *r, const struct sym_state *s, uint8_t cc, uint64_t addr,
			uint64_t taken, uint64_t next)
{
	struct sym_cond c;
	int known = path_decide(r, s, cc, &c);

	if (known != 0)
		path_fork(r, s, &c, 1, addr, taken);
	if (known != 1)
		path_fork(r, s, &c, 0, addr, next);
}

static void path_return(struct sym_run *r, int32_t value)
{
	if (r->events->on_return)
		r->events->on_return(r, value, r->events->arg);
}

static const int8_t arg_reg[6] = {RDI, RSI, RDX, RCX, R8, R9};

void state_init(struct sym_run *r, struct sym_state *s, int32_t stack)
{
	for (int i = 0; i < 16; i++)
		s->reg[i] = sym_opaque(r);
	for (int i = 0; i < 6; i++)
		s->reg[arg_reg[i]] = i; /* expression 0 is argument 0 */
	s->reg[RSP] = stack;
	set_flags(s, -1, -1, 8);
}

void state_set_arg(struct sym_state *s, int n, int32_t value)
{
	s->reg[arg_reg[n]] = value;
}

void path_run(struct sym_run *r, struct sym_state *s, uint64_t addr)
{
	for (;;) {
		const cs_insn *insn = code_insn(r->code, addr);
		enum insn_flow flow;
		uint64_t target, next;
		uint8_t cc;

		if (!insn || r->failed)
			return;
		if (!r->steps) {
			r->failed = 1;
			return;
		}
		r->steps--;
		r->at = addr;
		r->state = s;
		if (r->events->on_insn)
			r->events->on_insn(r, r->events->arg);
		next = addr + insn->size;
		flow = insn_flow(r->code, insn, &target);
		switch (flow) {
		case INSN_NEXT:
			if (is_conditional(insn, &cc)) {
				path_branch(r, s, cc, addr, next, next);
				return;
			}
			do_plain(r, s, insn);
			break;
		case INSN_BRANCH:
			if (loop_pass(s, addr))
				path_branch(r, s,
					    insn->detail->x86.opcode[insn->detail->x86.opcode[0] == 0x0f] &
						    0xf,
					    addr, target, next);
			return;
		case INSN_JUMP:
			if (!target || target < r->start || target >= r->end) {
				path_return(r, do_call(r, s, insn, 1));
				return;
			}
			next = target;
			break;
		case INSN_CALL:
			do_call(r, s, insn, 0);
			if (never_returns(&r->call[r->call_count - 1]))
				return;
			break;
		case INSN_RETURN:
			path_return(r, s->reg[RAX]);
			return;
		case INSN_STOP:
			return;
		}
		addr = next;
	}
}
