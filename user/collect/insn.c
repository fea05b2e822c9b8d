/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/insn.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <capstone/capstone.h>

#include "collect/plt.h"

#define MAX_INSN 15 /* longest x86 instruction */
#define WINDOW	 65536

struct code {
	struct elf_file *file;
	struct plt *plt;
	csh handle;
	cs_insn *insn;
	cs_insn *stub; /* a second one, so that looking into a PLT stub leaves the caller's intact */
	uint16_t machine;
	const uint8_t *window;
	uint64_t window_addr;
	size_t window_len;
};

struct code *code_open(struct elf_file *f)
{
	struct code *c = calloc(1, sizeof(*c));
	int err = ENOTSUP;
	cs_err cs;

	if (!c)
		return NULL;
	c->file = f;
	c->machine = elf_machine(f);
	if (c->machine == EM_X86_64)
		cs = cs_open(CS_ARCH_X86, CS_MODE_64, &c->handle);
	else if (c->machine == EM_AARCH64)
		cs = cs_open(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, &c->handle);
	else
		goto out;
	if (cs != CS_ERR_OK) {
		c->handle = 0;
		goto out;
	}
	cs_option(c->handle, CS_OPT_DETAIL, CS_OPT_ON);
	err = ENOMEM;
	c->insn = cs_malloc(c->handle);
	c->stub = cs_malloc(c->handle);
	c->plt = plt_read(f);
	if (c->insn && c->stub && c->plt)
		return c;
out:
	code_close(c);
	errno = err;
	return NULL;
}

void code_close(struct code *c)
{
	if (!c)
		return;
	if (c->insn)
		cs_free(c->insn, 1);
	if (c->stub)
		cs_free(c->stub, 1);
	if (c->handle)
		cs_close(&c->handle);
	plt_free(c->plt);
	free(c);
}

struct elf_file *code_file(const struct code *c)
{
	return c->file;
}

int code_is_x86(const struct code *c)
{
	return c->machine == EM_X86_64;
}

/* Decoding asks for a few bytes at a time: they come from windows of two halves, so that no
 * instruction straddles one. */
static const uint8_t *window_bytes(struct code *c, uint64_t addr, size_t *len)
{
	if (addr < c->window_addr || addr - c->window_addr + MAX_INSN > c->window_len) {
		uint64_t start, end, base = addr & ~(uint64_t)(WINDOW - 1);

		c->window_len = 0;
		if (elf_text_range(c->file, addr, &start, &end))
			return NULL;
		c->window_addr = base > start ? base : start;
		c->window = elf_bytes(c->file, c->window_addr, 2 * WINDOW, &c->window_len);
		if (!c->window || addr - c->window_addr >= c->window_len)
			return NULL;
	}
	*len = c->window_len - (addr - c->window_addr);
	return c->window + (addr - c->window_addr);
}

static const cs_insn *decode(struct code *c, cs_insn *into, uint64_t addr)
{
	size_t len = 0;
	const uint8_t *p = window_bytes(c, addr, &len);

	if (!p)
		return NULL;
	if (len > MAX_INSN)
		len = MAX_INSN;
	return cs_disasm_iter(c->handle, &p, &len, &addr, into) ? into : NULL;
}

const cs_insn *code_insn(struct code *c, uint64_t addr)
{
	return decode(c, c->insn, addr);
}

static uint64_t x86_target(const cs_x86 *x)
{
	return x->op_count == 1 && x->operands[0].type == X86_OP_IMM ? (uint64_t)x->operands[0].imm : 0;
}

static enum insn_flow x86_flow(const cs_insn *insn, uint64_t *target)
{
	const cs_x86 *x = &insn->detail->x86;
	uint8_t op = x->opcode[0];

	*target = 0;
	switch (insn->id) {
	case X86_INS_CALL:
		*target = x86_target(x);
		return INSN_CALL;
	case X86_INS_JMP:
		*target = x86_target(x);
		return INSN_JUMP;
	case X86_INS_RET:
		return INSN_RETURN;
	case X86_INS_HLT:
	case X86_INS_UD2:
	case X86_INS_INT3:
	case X86_INS_INT:
	case X86_INS_SYSCALL:
	case X86_INS_SYSENTER:
	case X86_INS_LCALL:
	case X86_INS_LJMP:
	case X86_INS_RETF:
	case X86_INS_RETFQ:
	case X86_INS_IRET:
	case X86_INS_IRETQ:
		return INSN_STOP;
	}
	/* 70-7f and 0f 80-8f are the conditional jumps, e0-e3 loop and jrcxz:
	 * Intel SDM vol. 2, opcode map. */
	if ((op >= 0x70 && op <= 0x7f) || (op == 0x0f && (x->opcode[1] & 0xf0) == 0x80) ||
	    (op >= 0xe0 && op <= 0xe3)) {
		*target = x86_target(x);
		return INSN_BRANCH;
	}
	return INSN_NEXT;
}

static enum insn_flow arm64_flow(const struct code *c, const cs_insn *insn, uint64_t *target)
{
	const cs_arm64 *a = &insn->detail->arm64;
	enum insn_flow flow = INSN_NEXT;

	*target = 0;
	switch (insn->id) {
	case ARM64_INS_BL:
	case ARM64_INS_BLR:
		flow = INSN_CALL;
		break;
	case ARM64_INS_RET:
		return INSN_RETURN;
	case ARM64_INS_SVC:
	case ARM64_INS_BRK:
	case ARM64_INS_HLT:
		return INSN_STOP;
	case ARM64_INS_BR:
		return INSN_JUMP;
	case ARM64_INS_B:
		flow = a->cc == ARM64_CC_INVALID || a->cc == ARM64_CC_AL ? INSN_JUMP : INSN_BRANCH;
		break;
	default:
		if (cs_insn_group(c->handle, insn, ARM64_GRP_JUMP))
			flow = INSN_BRANCH;
	}
	if (flow != INSN_NEXT && a->op_count && a->operands[a->op_count - 1].type == ARM64_OP_IMM)
		*target = (uint64_t)a->operands[a->op_count - 1].imm;
	return flow;
}

enum insn_flow insn_flow(const struct code *c, const cs_insn *insn, uint64_t *target)
{
	uint64_t unused;

	if (!target)
		target = &unused;
	return code_is_x86(c) ? x86_flow(insn, target) : arm64_flow(c, insn, target);
}

/*
 * From arch/x86/kernel/uprobes.c: push_setup_xol_ops() takes 50-57 with at most a REX.B before it;
 * branch_setup_xol_ops() takes eb, e9, e8, the conditional jumps and 90, and refuses a 66 prefix on all but
 * the last; everything else is executed out of line. ret is not emulated. The 5-byte nop became a system call
 * with Linux 6.18.
 */
static enum site_cost x86_cost(const cs_insn *insn)
{
	static const uint8_t nop5[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
	const cs_x86 *x = &insn->detail->x86;
	uint8_t op = x->opcode[0];

	if (insn->size == sizeof(nop5) && !memcmp(insn->bytes, nop5, sizeof(nop5)))
		return SITE_COST_NOP5;
	if (op >= 0x50 && op <= 0x57)
		return insn->size == 1 || (insn->size == 2 && insn->bytes[0] == 0x41) ? SITE_COST_EMULATED
										      : SITE_COST_STEPPED;
	if (op == 0x90)
		return insn->id == X86_INS_NOP ? SITE_COST_EMULATED : SITE_COST_STEPPED;
	if (x->prefix[2] == X86_PREFIX_OPSIZE)
		return SITE_COST_STEPPED;
	if (op == 0xeb || op == 0xe9 || op == 0xe8 || (op >= 0x70 && op <= 0x7f) ||
	    (op == 0x0f && (x->opcode[1] & 0xf0) == 0x80))
		return SITE_COST_EMULATED;
	return SITE_COST_STEPPED;
}

enum site_cost insn_cost(const struct code *c, const cs_insn *insn)
{
	/* arm64 has not been measured: its kernel emulates branches and literal loads and steps the rest. */
	return code_is_x86(c) ? x86_cost(insn) : SITE_COST_EMULATED;
}

static uint32_t x86_register_bit(uint16_t reg)
{
	switch (reg) {
	case X86_REG_RDI:
	case X86_REG_EDI:
	case X86_REG_DI:
	case X86_REG_DIL:
		return 1 << 0;
	case X86_REG_RSI:
	case X86_REG_ESI:
	case X86_REG_SI:
	case X86_REG_SIL:
		return 1 << 1;
	case X86_REG_RDX:
	case X86_REG_EDX:
	case X86_REG_DX:
	case X86_REG_DL:
	case X86_REG_DH:
		return 1 << 2;
	case X86_REG_RCX:
	case X86_REG_ECX:
	case X86_REG_CX:
	case X86_REG_CL:
	case X86_REG_CH:
		return 1 << 3;
	case X86_REG_R8:
	case X86_REG_R8D:
	case X86_REG_R8W:
	case X86_REG_R8B:
		return 1 << 4;
	case X86_REG_R9:
	case X86_REG_R9D:
	case X86_REG_R9W:
	case X86_REG_R9B:
		return 1 << 5;
	case X86_REG_RSP:
	case X86_REG_ESP:
	case X86_REG_SP:
	case X86_REG_SPL:
		return INSN_WRITES_SP;
	case X86_REG_RBP:
	case X86_REG_EBP:
	case X86_REG_BP:
	case X86_REG_BPL:
		return INSN_WRITES_FP;
	}
	return 0;
}

size_t insn_written_registers(const struct code *c, const cs_insn *insn, uint16_t *reg, size_t max)
{
	cs_regs read, write;
	uint8_t read_count, write_count;
	size_t n;

	if (cs_regs_access(c->handle, insn, read, &read_count, write, &write_count))
		return 0;
	for (n = 0; n < write_count && n < max; n++)
		reg[n] = write[n];
	return n;
}

uint32_t insn_writes(const struct code *c, const cs_insn *insn)
{
	uint16_t reg[64];
	size_t n = insn_written_registers(c, insn, reg, 64);
	uint32_t mask = 0;

	if (!code_is_x86(c))
		return ~0u;
	for (size_t i = 0; i < n; i++)
		mask |= x86_register_bit(reg[i]);
	return mask;
}

int insn_is_landing_pad(const struct code *c, const cs_insn *insn)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

	return code_is_x86(c) && insn->size == sizeof(endbr64) &&
	       !memcmp(insn->bytes, endbr64, sizeof(endbr64));
}

/* The GOT slot of `jmp *slot(%rip)` or `call *slot(%rip)`; 0 when it is something else. */
static uint64_t x86_slot(const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;

	if (x->op_count != 1 || x->operands[0].type != X86_OP_MEM || x->operands[0].mem.base != X86_REG_RIP ||
	    x->operands[0].mem.index != X86_REG_INVALID)
		return 0;
	return insn->address + insn->size + (uint64_t)x->operands[0].mem.disp;
}

/* The GOT entry that the PLT stub at `addr` jumps by; 0 = there is no stub. */
static uint64_t stub_slot(struct code *c, uint64_t addr)
{
	const cs_insn *stub = decode(c, c->stub, addr);

	if (stub && insn_is_landing_pad(c, stub))
		stub = decode(c, c->stub, addr + stub->size);
	return stub && stub->id == X86_INS_JMP ? x86_slot(stub) : 0;
}

int code_stub(struct code *c, const char *name, uint64_t *addr)
{
	static const struct {
		const char *name;
		uint8_t stub_size; /* System V ABI, AMD64 supplement, and what the linkers make of it */
	} sections[] = {{".plt.sec", 16}, {".plt", 16}, {".plt.got", 8}};

	for (size_t i = 0; code_is_x86(c) && i < sizeof(sections) / sizeof(*sections); i++) {
		uint64_t start = 0;
		size_t len = 0;

		if (!elf_section(c->file, sections[i].name, &len, &start))
			continue;
		for (*addr = start; *addr < start + len; *addr += sections[i].stub_size) {
			const struct plt_slot *slot = plt_find(c->plt, stub_slot(c, *addr));

			if (slot && !strcmp(slot->name, name))
				return 0;
		}
	}
	return -ENOENT;
}

int code_callee(struct code *c, const cs_insn *insn, uint64_t *addr, const char **name)
{
	const struct plt_slot *slot;
	uint64_t target, where;

	*addr = 0;
	*name = "";
	insn_flow(c, insn, &target);
	if (!code_is_x86(c)) {
		*addr = target;
		return target ? 0 : -ENOENT;
	}
	where = target ? stub_slot(c, target) : x86_slot(insn);
	slot = where ? plt_find(c->plt, where) : NULL;
	if (slot) {
		*addr = slot->addr;
		*name = slot->name;
		return 0;
	}
	*addr = target;
	return target ? 0 : -ENOENT;
}
