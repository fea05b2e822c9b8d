/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/accessor.h"

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
