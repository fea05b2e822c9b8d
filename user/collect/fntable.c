/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/fntable.h"

#include <string.h>
#include <capstone/capstone.h>

#include "collect/plt.h"

#define STORE_WITHIN 12		 /* instructions after the address is formed */
#define MAX_SCAN     (64u << 20) /* bytes of code */

void fntable_note(struct fntable_trail *t, const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;

	if (insn->id != X86_INS_MOV || x->op_count != 2 || x->operands[0].type != X86_OP_REG ||
	    x->operands[1].type != X86_OP_MEM || x->operands[0].size != 8 ||
	    x->operands[1].mem.index != X86_REG_INVALID)
		return;
	t->load[t->count++ % FNTABLE_LOADS] = (struct fntable_load){
		.reg = (uint16_t)x->operands[0].reg,
		.base = (uint16_t)x->operands[1].mem.base,
		.disp = x->operands[1].mem.disp,
	};
}

/* The last load into `reg` among the first *count; *count is then what came before it. */
static const struct fntable_load *last_load(const struct fntable_trail *t, uint16_t reg, size_t *count)
{
	while (*count > 0 && t->count - *count < FNTABLE_LOADS) {
		const struct fntable_load *l = &t->load[--*count % FNTABLE_LOADS];

		if (l->reg == reg)
			return l;
	}
	return NULL;
}

static int writes(const struct code *c, const cs_insn *insn, uint16_t reg)
{
	uint16_t written[32];
	size_t n = insn_written_registers(c, insn, written, 32), i;

	for (i = 0; i < n; i++)
		if (written[i] == reg)
			return 1;
	return 0;
}

/* `lea table(%rip), reg` at `addr`, and soon after it `mov reg, field(object)`: *table. */
static int is_stored(struct code *c, uint64_t addr, int64_t field, uint64_t *table)
{
	const cs_insn *insn = code_insn(c, addr);
	uint16_t reg;
	int i;

	if (!insn || insn->id != X86_INS_LEA || insn->detail->x86.operands[1].mem.base != X86_REG_RIP)
		return 0;
	reg = (uint16_t)insn->detail->x86.operands[0].reg;
	*table = insn->address + insn->size + (uint64_t)insn->detail->x86.operands[1].mem.disp;
	for (i = 0; i < STORE_WITHIN; i++) {
		const cs_x86 *x;

		addr += insn->size;
		insn = code_insn(c, addr);
		if (!insn)
			return 0;
		x = &insn->detail->x86;
		if (insn->id == X86_INS_MOV && x->op_count == 2 && x->operands[0].type == X86_OP_MEM &&
		    x->operands[1].type == X86_OP_REG && x->operands[1].reg == (x86_reg)reg)
			return x->operands[0].mem.disp == field &&
			       x->operands[0].mem.index == X86_REG_INVALID;
		if (insn_flow(c, insn, NULL) != INSN_NEXT || writes(c, insn, reg))
			return 0;
	}
	return 0;
}

static size_t add_target(uint64_t *fn, size_t count, size_t max, uint64_t addr)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (fn[i] == addr)
			return count;
	if (count < max)
		fn[count++] = addr;
	return count;
}

size_t fntable_targets(struct code *c, const struct fntable_trail *t, const cs_insn *jump, uint64_t start,
		       uint64_t end, uint64_t *fn, size_t max)
{
	const cs_x86 *x = &jump->detail->x86;
	const struct fntable_load *slot, *field;
	size_t before = t->count, len = 0, count = 0, i;
	const uint8_t *code;

	if (x->op_count != 1 || x->operands[0].type != X86_OP_REG)
		return 0;
	slot = last_load(t, (uint16_t)x->operands[0].reg, &before);
	field = slot ? last_load(t, slot->base, &before) : NULL;
	if (!field)
		return 0;
	code = elf_bytes(code_file(c), start, end - start < MAX_SCAN ? end - start : MAX_SCAN, &len);
	for (i = 0; code && i + 7 <= len; i++) {
		uint64_t table, addr;

		/* REX.W 8d /r with a displacement from the instruction pointer */
		if ((code[i] & 0xfb) != 0x48 || code[i + 1] != 0x8d || (code[i + 2] & 0xc7) != 0x05)
			continue;
		if (is_stored(c, start + i, field->disp, &table) &&
		    !plt_pointer(code_file(c), table + (uint64_t)slot->disp, &addr) && addr >= start &&
		    addr < end)
			count = add_target(fn, count, max, addr);
	}
	return count;
}
