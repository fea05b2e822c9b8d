/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/accessor.h"

#include <capstone/capstone.h>
#include <errno.h>

#define MAX_OFFSET 65536 /* no object of these libraries is larger */

void accessor_answer_add(struct accessor_answer *a, int64_t value)
{
	if (a->count > 0 && a->value != value)
		a->count = -1;
	if (a->count < 0)
		return;
	a->value = value;
	a->count++;
}

int accessor_answer_get(const struct accessor_answer *a, int32_t *off)
{
	if (a->count <= 0 || a->value < 0 || a->value >= MAX_OFFSET)
		return 0;
	*off = (int32_t)a->value;
	return 1;
}

struct field {
	uint8_t sizes;
	struct accessor_answer off, size;
};

static void field_return(struct sym_run *r, int32_t value, void *arg)
{
	struct field *f = arg;
	const struct sym_node *n = sym_node(r, value);
	int64_t off;

	if (n->kind == SYM_CONST || n->kind == SYM_CALL)
		return;
	if (!sym_is_load(r, value, 0, 0, &off) || !(n->size & f->sizes)) {
		f->off.count = -1;
		return;
	}
	accessor_answer_add(&f->off, off);
	accessor_answer_add(&f->size, n->size);
}

int accessor_field(struct code *c, const struct elf_symbol *fn, uint8_t sizes, int32_t *off, uint8_t *size)
{
	struct field f = {.sizes = sizes};
	struct sym_events events = {.on_return = field_return, .arg = &f};
	int32_t got;

	if (!fn || sym_run(c, fn->addr, fn->size, &events) || f.size.count <= 0 ||
	    !accessor_answer_get(&f.off, &got))
		return -ENOENT;
	*off = got;
	if (size)
		*size = (uint8_t)f.size.value;
	return 0;
}

int accessor_element(struct code *c, const struct elf_symbol *fn, int64_t index, uint8_t size, int32_t *off)
{
	struct field f = {.sizes = size};
	struct sym_events events = {.on_return = field_return, .arg = &f};

	if (!fn || sym_run_with(c, fn->addr, fn->size, 1, index, &events) || f.size.count <= 0 ||
	    !accessor_answer_get(&f.off, off))
		return -ENOENT;
	return 0;
}

static void address_return(struct sym_run *r, int32_t value, void *arg)
{
	struct accessor_answer *a = arg;
	int64_t off;

	if (sym_node(r, sym_base(r, value, &off))->kind == SYM_ARG && sym_base(r, value, &off) == 0)
		accessor_answer_add(a, off);
	else
		a->count = -1;
}

int accessor_address(struct code *c, const struct elf_symbol *fn, int32_t *off)
{
	struct accessor_answer a = {0};
	struct sym_events events = {.on_return = address_return, .arg = &a};
	int32_t got;

	if (!fn || sym_run(c, fn->addr, fn->size, &events) || !accessor_answer_get(&a, &got))
		return -ENOENT;
	*off = got;
	return 0;
}

static void constant_return(struct sym_run *r, int32_t value, void *arg)
{
	struct accessor_answer *a = arg;
	int64_t v;

	if (sym_is_const(r, value, &v))
		accessor_answer_add(a, v);
	else
		a->count = -1;
}

int accessor_constant(struct code *c, const struct elf_symbol *fn, int64_t *value)
{
	struct accessor_answer a = {0};
	struct sym_events events = {.on_return = constant_return, .arg = &a};

	if (!fn || sym_run(c, fn->addr, fn->size, &events) || a.count <= 0)
		return -ENOENT;
	*value = a.value;
	return 0;
}

/* ---- a single bit ---- */

struct bit {
	struct accessor_answer off, mask;
};

/* What an expression is when the one load in it gives `value`; *ok is cleared when it cannot be told. */
static uint64_t evaluate(const struct sym_run *r, int32_t id, uint64_t value, int *ok)
{
	const struct sym_node *n = sym_node(r, id);
	uint64_t a, b, low = n->size >= 8 ? UINT64_MAX : (1ULL << n->size * 8) - 1;

	switch (n->kind) {
	case SYM_CONST:
		return (uint64_t)n->imm;
	case SYM_LOAD:
		return value;
	case SYM_CUT:
		return evaluate(r, n->a, value, ok) & low;
	case SYM_MERGE:
		return (evaluate(r, n->a, value, ok) & ~low) | (evaluate(r, n->b, value, ok) & low);
	case SYM_OP:
		a = evaluate(r, n->a, value, ok);
		b = n->b >= 0 ? evaluate(r, n->b, value, ok) : 0;
		if (n->op == X86_INS_SHR || n->op == X86_INS_SAR)
			return b < 64 ? a >> b : 0;
		if (n->op == X86_INS_AND)
			return a & b;
		break;
	default:
		break;
	}
	*ok = 0;
	return 0;
}

static void bit_load(const struct sym_run *r, int32_t load, void *arg)
{
	struct bit *b = arg;
	int64_t off;

	if (sym_is_load(r, load, 0, 0, &off))
		accessor_answer_add(&b->off, off);
	else
		b->off.count = -1;
}

/* The answer must follow that bit and no other: 1 when it alone is set, 0 when all but it are. */
static void bit_return(struct sym_run *r, int32_t value, void *arg)
{
	struct bit *b = arg;

	if (sym_node(r, value)->kind == SYM_CONST)
		return;
	sym_each_load(r, value, bit_load, b);
	for (int i = 0; i < 8; i++) {
		int ok = 1;
		uint64_t mask = 1ULL << i;

		if (evaluate(r, value, mask, &ok) == 1 && evaluate(r, value, 0xff & ~mask, &ok) == 0 && ok) {
			accessor_answer_add(&b->mask, (int64_t)mask);
			return;
		}
	}
	b->mask.count = -1;
}

int accessor_bit(struct code *c, const struct elf_symbol *fn, int32_t *off, int32_t *mask)
{
	struct bit b = {0};
	struct sym_events events = {.on_return = bit_return, .arg = &b};
	int32_t got_off, got_mask;

	if (!fn || sym_run(c, fn->addr, fn->size, &events) || !accessor_answer_get(&b.off, &got_off) ||
	    !accessor_answer_get(&b.mask, &got_mask))
		return -ENOENT;
	*off = got_off;
	*mask = got_mask;
	return 0;
}
