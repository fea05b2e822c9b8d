/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions of call-frame information. */
#include "base/ehframe.h"

#include <errno.h>

#define MAX_REMEMBERED 16

enum rule_kind {
	RULE_SAME = 0, /* of a register: not saved (yet) */
	RULE_OFFSET,   /* saved at CFA + off */
	RULE_UNDEFINED,
	RULE_OTHER, /* an expression, another register … */
};

struct rule {
	enum rule_kind kind;
	int64_t off;
};

struct state {
	uint64_t cfa_reg;
	int64_t cfa_off;
	int cfa_expression;
	struct rule fp, ra;
};

struct machine {
	const struct cfi_fde *fde;
	const struct cfi_registers *registers;
	struct state now, initial;
	struct state remembered[MAX_REMEMBERED];
	unsigned int depth;
};

static int fits(int64_t value)
{
	return value >= INT32_MIN && value <= INT32_MAX;
}

/* The row of a state. 0, or -ENOTSUP when struct cfi_row cannot say it. */
static int state_row(const struct machine *m, struct cfi_row *out)
{
	const struct state *s = &m->now;

	*out = (struct cfi_row){.base = CFI_NONE};
	if (s->cfa_expression || (s->cfa_reg != m->registers->sp && s->cfa_reg != m->registers->fp) ||
	    !fits(s->cfa_off))
		return -ENOTSUP;
	if (s->fp.kind == RULE_OTHER || s->ra.kind == RULE_OTHER || !fits(s->fp.off) || !fits(s->ra.off))
		return -ENOTSUP;
	out->base = s->cfa_reg == m->registers->sp ? CFI_SP : CFI_FP;
	out->cfa_off = (int32_t)s->cfa_off;
	out->fp_off = s->fp.kind == RULE_OFFSET ? (int32_t)s->fp.off : 0;
	out->ra_off = s->ra.kind == RULE_OFFSET ? (int32_t)s->ra.off : 0;
	out->outermost = s->ra.kind == RULE_UNDEFINED;
	return 0;
}

static void set_rule(struct machine *m, uint64_t reg, enum rule_kind kind, int64_t off)
{
	struct rule rule = {.kind = kind, .off = off};

	if (reg == m->registers->fp)
		m->now.fp = rule;
	else if (reg == m->registers->ra)
		m->now.ra = rule;
}

static void restore_rule(struct machine *m, uint64_t reg)
{
	if (reg == m->registers->fp)
		m->now.fp = m->initial.fp;
	else if (reg == m->registers->ra)
		m->now.ra = m->initial.ra;
}

/* A factored offset; wraps instead of overflowing, what is out of range is refused by state_row(). */
static int64_t factored(const struct machine *m, uint64_t n)
{
	return (int64_t)(n * (uint64_t)m->fde->cie.data_align);
}

static void skip_block(struct dwarf *c)
{
	dwarf_skip(c, dwarf_uleb(c));
}

/* Instructions that set the CFA. 1 when `op` is one. */
static int step_cfa(struct machine *m, struct dwarf *c, uint8_t op)
{
	struct state *s = &m->now;

	switch (op) {
	case 0x0c: /* def_cfa */
		s->cfa_reg = dwarf_uleb(c);
		s->cfa_off = (int64_t)dwarf_uleb(c);
		break;
	case 0x12: /* def_cfa_sf */
		s->cfa_reg = dwarf_uleb(c);
		s->cfa_off = factored(m, (uint64_t)dwarf_sleb(c));
		break;
	case 0x0d: /* def_cfa_register */
		s->cfa_reg = dwarf_uleb(c);
		break;
	case 0x0e: /* def_cfa_offset */
		s->cfa_off = (int64_t)dwarf_uleb(c);
		return 1;
	case 0x13: /* def_cfa_offset_sf */
		s->cfa_off = factored(m, (uint64_t)dwarf_sleb(c));
		return 1;
	case 0x0f: /* def_cfa_expression */
		skip_block(c);
		s->cfa_expression = 1;
		return 1;
	default:
		return 0;
	}
	s->cfa_expression = 0;
	return 1;
}

/* Instructions that set a register's rule, and those that do nothing here. 1 when `op` is one. */
static int step_register(struct machine *m, struct dwarf *c, uint8_t op)
{
	uint64_t reg;

	if (op == 0x00 || op == 0x2d) /* nop; AARCH64_negate_ra_state (also GNU_window_save) */
		return 1;
	if (op == 0x2e) { /* GNU_args_size */
		dwarf_uleb(c);
		return 1;
	}
	if ((op < 0x05 || op > 0x09) && (op < 0x10 || op == 0x12 || op == 0x13 || op > 0x16) && op != 0x2f)
		return 0;
	reg = dwarf_uleb(c);
	switch (op) {
	case 0x05: /* offset_extended */
		set_rule(m, reg, RULE_OFFSET, factored(m, dwarf_uleb(c)));
		break;
	case 0x11: /* offset_extended_sf */
		set_rule(m, reg, RULE_OFFSET, factored(m, (uint64_t)dwarf_sleb(c)));
		break;
	case 0x2f: /* GNU_negative_offset_extended */
		set_rule(m, reg, RULE_OFFSET, factored(m, -dwarf_uleb(c)));
		break;
	case 0x06: /* restore_extended */
		restore_rule(m, reg);
		break;
	case 0x07: /* undefined */
		set_rule(m, reg, RULE_UNDEFINED, 0);
		break;
	case 0x08: /* same_value */
		set_rule(m, reg, RULE_SAME, 0);
		break;
	case 0x10: /* expression */
	case 0x16: /* val_expression */
		skip_block(c);
		set_rule(m, reg, RULE_OTHER, 0);
		break;
	default: /* 0x09 register, 0x14 val_offset, 0x15 val_offset_sf: one number follows */
		dwarf_uleb(c);
		set_rule(m, reg, RULE_OTHER, 0);
	}
	return 1;
}

static int step_stack(struct machine *m, uint8_t op)
{
	if (op == 0x0a) { /* remember_state */
		if (m->depth == MAX_REMEMBERED)
			return -ENOTSUP;
		m->remembered[m->depth++] = m->now;
		return 0;
	}
	if (op == 0x0b) { /* restore_state */
		if (m->depth == 0)
			return -EBADMSG;
		m->now = m->remembered[--m->depth];
		return 0;
	}
	return -ENOTSUP;
}

/* 1 when `op` moves the location, which then is in *loc. */
static int step_location(const struct machine *m, struct dwarf *c, uint8_t op, uint64_t *loc)
{
	uint64_t delta;

	if (op == 0x01) { /* set_loc */
		*loc = dwarf_address(c, m->fde->cie.encoding, 0);
		return 1;
	}
	if (op >> 6 == 1) /* advance_loc */
		delta = op & 0x3f;
	else if (op >= 0x02 && op <= 0x04) /* advance_loc1, 2, 4 */
		delta = dwarf_number(c, 1U << (op - 2));
	else
		return 0;
	*loc += delta * m->fde->cie.code_align;
	return 1;
}

static int run_program(struct machine *m, struct dwarf c, uint64_t *loc, cfi_row_fn fn, void *arg)
{
	int ret = 0;

	while (!ret && c.p < c.end) {
		uint8_t op = (uint8_t)dwarf_number(&c, 1);
		uint64_t next = *loc;

		if (op >> 6 == 2) { /* offset */
			set_rule(m, op & 0x3f, RULE_OFFSET, factored(m, dwarf_uleb(&c)));
		} else if (op >> 6 == 3) { /* restore */
			restore_rule(m, op & 0x3f);
		} else if (step_location(m, &c, op, &next)) {
			struct cfi_row row;
			int error = state_row(m, &row);

			if (next < *loc || c.bad)
				return -EBADMSG;
			if (fn && next > *loc)
				ret = fn(*loc, next, &row, error, arg);
			*loc = next;
		} else if (!step_cfa(m, &c, op) && !step_register(m, &c, op)) {
			ret = step_stack(m, op);
		}
		if (c.bad)
			return -EBADMSG;
	}
	return ret;
}

int cfi_each_row(const struct cfi_registers *registers, const struct cfi_fde *fde, cfi_row_fn fn, void *arg)
{
	struct machine m = {.fde = fde, .registers = registers};
	uint64_t loc = fde->start;
	struct cfi_row row;
	int ret = run_program(&m, fde->cie.program, &loc, NULL, NULL);

	if (ret)
		return ret;
	loc = fde->start;
	m.initial = m.now;
	m.depth = 0;
	ret = run_program(&m, fde->program, &loc, fn, arg);
	if (ret || loc >= fde->end)
		return ret;
	ret = state_row(&m, &row);
	return fn(loc, fde->end, &row, ret, arg);
}
