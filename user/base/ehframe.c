/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Call-frame information. Format: Linux Standard Base 5.0 core, chapter 10.6 (.eh_frame, .eh_frame_hdr,
 * pointer encodings); DWARF 5, 6.4 (the instructions); register numbers from the x86-64 psABI, figure 3.36,
 * and "DWARF for the Arm 64-bit Architecture", 4.1.
 */
#include "base/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

enum pointer_encoding {
	PE_ABSPTR = 0x00,
	PE_ULEB128 = 0x01,
	PE_UDATA2 = 0x02,
	PE_UDATA4 = 0x03,
	PE_UDATA8 = 0x04,
	PE_SLEB128 = 0x09,
	PE_SDATA2 = 0x0a,
	PE_SDATA4 = 0x0b,
	PE_SDATA8 = 0x0c,
	PE_PCREL = 0x10,
	PE_DATAREL = 0x30,
	PE_OMIT = 0xff,
};

#define MAX_REMEMBERED 16
#define MAX_TABLE      (64UL << 20)

/* A bounds-checked reader. After a read past the end `bad` is set and every read gives 0. */
struct cursor {
	const uint8_t *p, *end;
	uint64_t addr; /* st_value address of p */
	int bad;
};

struct cfi_registers {
	uint64_t sp, fp, ra;
};

static int machine_registers(uint16_t machine, struct cfi_registers *out)
{
	switch (machine) {
	case EM_X86_64:
		*out = (struct cfi_registers){.sp = 7, .fp = 6, .ra = 16};
		return 0;
	case EM_AARCH64:
		*out = (struct cfi_registers){.sp = 31, .fp = 29, .ra = 30};
		return 0;
	}
	return -ENOTSUP;
}

static void cursor_skip(struct cursor *c, uint64_t n)
{
	if (n > (uint64_t)(c->end - c->p)) {
		c->bad = 1;
		n = (uint64_t)(c->end - c->p);
	}
	c->p += n;
	c->addr += n;
}

/* A little-endian number of n <= 8 bytes. */
static uint64_t cursor_number(struct cursor *c, size_t n)
{
	const uint8_t *p = c->p;
	uint64_t value = 0;
	size_t i;

	cursor_skip(c, n);
	if (c->bad)
		return 0;
	for (i = 0; i < n; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

static uint64_t cursor_leb(struct cursor *c, int is_signed)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)cursor_number(c, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while ((byte & 0x80) && !c->bad);
	if (is_signed && (byte & 0x40) && shift < 64)
		value |= ~0ULL << shift;
	return value;
}

static uint64_t cursor_uleb(struct cursor *c)
{
	return cursor_leb(c, 0);
}

static int64_t cursor_sleb(struct cursor *c)
{
	return (int64_t)cursor_leb(c, 1);
}

/* The value of a pointer encoding, without what it is relative to. */
static uint64_t cursor_encoded(struct cursor *c, uint8_t encoding)
{
	switch (encoding & 0x0f) {
	case PE_ABSPTR:
	case PE_UDATA8:
	case PE_SDATA8:
		return cursor_number(c, 8);
	case PE_ULEB128:
		return cursor_uleb(c);
	case PE_SLEB128:
		return (uint64_t)cursor_sleb(c);
	case PE_UDATA2:
		return cursor_number(c, 2);
	case PE_SDATA2:
		return (uint64_t)(int16_t)cursor_number(c, 2);
	case PE_UDATA4:
		return cursor_number(c, 4);
	case PE_SDATA4:
		return (uint64_t)(int32_t)cursor_number(c, 4);
	}
	c->bad = 1;
	return 0;
}

/* An encoded address. `data` is what PE_DATAREL counts from; 0 = not allowed here. */
static uint64_t cursor_address(struct cursor *c, uint8_t encoding, uint64_t data)
{
	uint64_t at = c->addr, value = cursor_encoded(c, encoding);

	switch (encoding & 0xf0) {
	case PE_ABSPTR:
		return value;
	case PE_PCREL:
		return value + at;
	case PE_DATAREL:
		if (data)
			return value + data;
	}
	c->bad = 1;
	return 0;
}

/* ---- entries ---- */

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint8_t encoding;  /* of addresses in its FDEs */
	uint8_t augmented; /* FDEs have augmentation data ('z') */
	struct cursor program;
};

struct fde {
	struct cie cie;
	uint64_t start, end;
	struct cursor program;
};

struct table {
	struct cursor frames; /* .eh_frame */
	struct cursor header; /* .eh_frame_hdr; p is NULL when there is none */
	struct cfi_registers registers;
};

/* Takes one entry off c: *entry covers what follows the length. 1; 0 at the end; -EBADMSG. */
static int next_entry(struct cursor *c, struct cursor *entry)
{
	uint64_t len;

	if (c->p == c->end)
		return 0;
	len = cursor_number(c, 4);
	if (len == 0xffffffff)
		len = cursor_number(c, 8);
	if (c->bad || len > (uint64_t)(c->end - c->p))
		return -EBADMSG;
	*entry = *c;
	entry->end = c->p + len;
	cursor_skip(c, len);
	return len != 0;
}

static int parse_augmentation(const char *aug, struct cursor *c, struct cie *out)
{
	struct cursor data = *c;
	uint64_t len;
	uint8_t encoding;

	if (*aug == '\0')
		return 0;
	if (*aug != 'z')
		return -ENOTSUP;
	out->augmented = 1;
	len = cursor_uleb(c);
	data = *c;
	cursor_skip(c, len);
	data.end = c->p;
	while (*++aug) {
		switch (*aug) {
		case 'R':
			out->encoding = (uint8_t)cursor_number(&data, 1);
			break;
		case 'P':
			encoding = (uint8_t)cursor_number(&data, 1);
			cursor_encoded(&data, encoding);
			break;
		case 'L':
			cursor_skip(&data, 1);
			break;
		case 'S': /* a signal handler's frame */
		case 'B': /* arm64: return addresses are signed with key B */
		case 'G': /* arm64: a frame with tagged memory */
			break;
		default:
			return -ENOTSUP;
		}
	}
	return data.bad ? -EBADMSG : 0;
}

static int parse_cie(struct cursor c, const struct cfi_registers *registers, struct cie *out)
{
	const char *aug;
	uint64_t version, ra;
	int ret;

	*out = (struct cie){.encoding = PE_ABSPTR};
	if (cursor_number(&c, 4) != 0) /* not a CIE */
		return -EBADMSG;
	version = cursor_number(&c, 1);
	aug = (const char *)c.p;
	cursor_skip(&c, strnlen(aug, (size_t)(c.end - c.p)) + 1);
	if (c.bad)
		return -EBADMSG;
	if (version != 1 && version != 3)
		return -ENOTSUP;
	out->code_align = cursor_uleb(&c);
	out->data_align = cursor_sleb(&c);
	ra = version == 1 ? cursor_number(&c, 1) : cursor_uleb(&c);
	if (ra != registers->ra)
		return -ENOTSUP;
	ret = parse_augmentation(aug, &c, out);
	out->program = c;
	return ret ? ret : c.bad ? -EBADMSG : 0;
}

/* `c` covers an entry of t->frames. -ENOENT when it is a CIE. */
static int parse_fde(const struct table *t, struct cursor c, struct fde *out)
{
	struct cursor cie = t->frames, entry;
	uint64_t at = (uint64_t)(c.p - t->frames.p), back = cursor_number(&c, 4);
	int ret;

	if (c.bad)
		return -EBADMSG;
	if (back == 0)
		return -ENOENT;
	if (back > at)
		return -EBADMSG;
	cursor_skip(&cie, at - back);
	ret = next_entry(&cie, &entry);
	if (ret <= 0)
		return -EBADMSG;
	ret = parse_cie(entry, &t->registers, &out->cie);
	if (ret)
		return ret;
	out->start = cursor_address(&c, out->cie.encoding, 0);
	out->end = out->start + cursor_encoded(&c, out->cie.encoding);
	if (out->cie.augmented)
		cursor_skip(&c, cursor_uleb(&c));
	out->program = c;
	return c.bad || out->end < out->start ? -EBADMSG : 0;
}

/* ---- the instructions ---- */

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
	const struct fde *fde;
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

static void skip_block(struct cursor *c)
{
	cursor_skip(c, cursor_uleb(c));
}

/* Instructions that set the CFA. 1 when `op` is one. */
static int step_cfa(struct machine *m, struct cursor *c, uint8_t op)
{
	struct state *s = &m->now;

	switch (op) {
	case 0x0c: /* def_cfa */
		s->cfa_reg = cursor_uleb(c);
		s->cfa_off = (int64_t)cursor_uleb(c);
		break;
	case 0x12: /* def_cfa_sf */
		s->cfa_reg = cursor_uleb(c);
		s->cfa_off = factored(m, (uint64_t)cursor_sleb(c));
		break;
	case 0x0d: /* def_cfa_register */
		s->cfa_reg = cursor_uleb(c);
		break;
	case 0x0e: /* def_cfa_offset */
		s->cfa_off = (int64_t)cursor_uleb(c);
		return 1;
	case 0x13: /* def_cfa_offset_sf */
		s->cfa_off = factored(m, (uint64_t)cursor_sleb(c));
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
static int step_register(struct machine *m, struct cursor *c, uint8_t op)
{
	uint64_t reg;

	if (op == 0x00 || op == 0x2d) /* nop; AARCH64_negate_ra_state (also GNU_window_save) */
		return 1;
	if (op == 0x2e) { /* GNU_args_size */
		cursor_uleb(c);
		return 1;
	}
	if ((op < 0x05 || op > 0x09) && (op < 0x10 || op == 0x12 || op == 0x13 || op > 0x16) && op != 0x2f)
		return 0;
	reg = cursor_uleb(c);
	switch (op) {
	case 0x05: /* offset_extended */
		set_rule(m, reg, RULE_OFFSET, factored(m, cursor_uleb(c)));
		break;
	case 0x11: /* offset_extended_sf */
		set_rule(m, reg, RULE_OFFSET, factored(m, (uint64_t)cursor_sleb(c)));
		break;
	case 0x2f: /* GNU_negative_offset_extended */
		set_rule(m, reg, RULE_OFFSET, factored(m, -cursor_uleb(c)));
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
		cursor_uleb(c);
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
static int step_location(const struct machine *m, struct cursor *c, uint8_t op, uint64_t *loc)
{
	uint64_t delta;

	if (op == 0x01) { /* set_loc */
		*loc = cursor_address(c, m->fde->cie.encoding, 0);
		return 1;
	}
	if (op >> 6 == 1) /* advance_loc */
		delta = op & 0x3f;
	else if (op >= 0x02 && op <= 0x04) /* advance_loc1, 2, 4 */
		delta = cursor_number(c, 1U << (op - 2));
	else
		return 0;
	*loc += delta * m->fde->cie.code_align;
	return 1;
}

/* `error` is 0, or -ENOTSUP with row->base CFI_NONE. Non-zero stops. */
typedef int (*row_fn)(uint64_t start, uint64_t end, const struct cfi_row *row, int error, void *arg);

static int run_program(struct machine *m, struct cursor c, uint64_t *loc, row_fn fn, void *arg)
{
	int ret = 0;

	while (!ret && c.p < c.end) {
		uint8_t op = (uint8_t)cursor_number(&c, 1);
		uint64_t next = *loc;

		if (op >> 6 == 2) { /* offset */
			set_rule(m, op & 0x3f, RULE_OFFSET, factored(m, cursor_uleb(&c)));
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

/*
 * Calls fn for each row of an FDE, in order of addresses and without gaps. Returns what stopped it: fn's
 * value, -EBADMSG, or -ENOTSUP for an instruction that is not known.
 */
static int fde_each_row(const struct table *t, const struct fde *fde, row_fn fn, void *arg)
{
	struct machine m = {.fde = fde, .registers = &t->registers};
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

/* ---- finding the FDE ---- */

static const uint8_t *header_bytes(struct elf_file *f, size_t *len, uint64_t *addr)
{
	const uint8_t *bytes = elf_section(f, ".eh_frame_hdr", len, addr);

	uint64_t size;

	if (bytes || elf_segment(f, PT_GNU_EH_FRAME, addr, &size))
		return bytes;
	return elf_bytes(f, *addr, size < MAX_TABLE ? size : MAX_TABLE, len);
}

static int table_open(struct elf_file *f, struct table *t)
{
	const uint8_t *bytes;
	uint64_t addr;
	size_t len;
	int ret;

	*t = (struct table){0};
	ret = machine_registers(elf_machine(f), &t->registers);
	if (ret)
		return ret;
	bytes = header_bytes(f, &len, &addr);
	if (bytes)
		t->header = (struct cursor){.p = bytes, .end = bytes + len, .addr = addr};
	bytes = elf_section(f, ".eh_frame", &len, &addr);
	if (!bytes && t->header.p) {
		struct cursor c = t->header;
		uint8_t version = (uint8_t)cursor_number(&c, 1), encoding = (uint8_t)cursor_number(&c, 1);

		cursor_skip(&c, 2);
		addr = cursor_address(&c, encoding, t->header.addr);
		if (version != 1 || c.bad)
			return -EBADMSG;
		bytes = elf_bytes(f, addr, MAX_TABLE, &len);
	}
	if (!bytes)
		return -ENOENT;
	t->frames = (struct cursor){.p = bytes, .end = bytes + len, .addr = addr};
	return 0;
}

/*
 * The entry of the last FDE that starts at or before addr, by the header's binary search table. 0, -ENOENT;
 * -ENOTSUP when there is no table of the usual form (pairs of 32-bit offsets from the header).
 */
static int search_header(const struct table *t, uint64_t addr, struct cursor *entry)
{
	struct cursor c = t->header, frames = t->frames, at;
	uint8_t version, frame_encoding, count_encoding, table_encoding;
	uint64_t count, low, high, fde;

	if (!c.p)
		return -ENOTSUP;
	version = (uint8_t)cursor_number(&c, 1);
	frame_encoding = (uint8_t)cursor_number(&c, 1);
	count_encoding = (uint8_t)cursor_number(&c, 1);
	table_encoding = (uint8_t)cursor_number(&c, 1);
	if (version != 1 || count_encoding == PE_OMIT || table_encoding != (PE_DATAREL | PE_SDATA4))
		return -ENOTSUP;
	cursor_encoded(&c, frame_encoding);
	count = cursor_encoded(&c, count_encoding);
	if (c.bad)
		return -ENOTSUP;
	if (count > (uint64_t)(c.end - c.p) / 8)
		count = (uint64_t)(c.end - c.p) / 8;
	for (low = 0, high = count; low < high;) {
		uint64_t mid = low + (high - low) / 2;

		at = c;
		cursor_skip(&at, mid * 8);
		if (cursor_address(&at, table_encoding, t->header.addr) <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return -ENOENT;
	at = c;
	cursor_skip(&at, (low - 1) * 8 + 4);
	fde = cursor_address(&at, table_encoding, t->header.addr);
	if (fde < frames.addr || fde - frames.addr >= (uint64_t)(frames.end - frames.p))
		return -EBADMSG;
	cursor_skip(&frames, fde - frames.addr);
	return next_entry(&frames, entry) == 1 ? 0 : -EBADMSG;
}

/* Goes through all entries: for files without a usable header. */
static int search_linear(const struct table *t, uint64_t addr, struct fde *out)
{
	struct cursor c = t->frames, entry;
	int ret;

	/* A zero length ends the entries of one input file; statically linked programs have more behind it.
	 */
	while (c.p < c.end) {
		ret = next_entry(&c, &entry);
		if (ret < 0)
			return ret;
		if (ret && !parse_fde(t, entry, out) && addr >= out->start && addr < out->end)
			return 0;
	}
	return -ENOENT;
}

struct lookup {
	uint64_t addr;
	struct cfi_row *out;
	int error;
};

static int take_row(uint64_t start, uint64_t end, const struct cfi_row *row, int error, void *arg)
{
	struct lookup *lookup = arg;

	if (lookup->addr < start || lookup->addr >= end)
		return 0;
	*lookup->out = *row;
	lookup->error = error;
	return 1;
}

int elf_cfi_row(struct elf_file *f, uint64_t addr, struct cfi_row *out)
{
	struct lookup lookup = {.addr = addr, .out = out, .error = -ENOENT};
	struct cursor entry;
	struct table t;
	struct fde fde;
	int ret;

	*out = (struct cfi_row){.base = CFI_NONE};
	ret = table_open(f, &t);
	if (ret)
		return ret;
	ret = search_header(&t, addr, &entry);
	if (ret == -ENOTSUP)
		ret = search_linear(&t, addr, &fde);
	else if (!ret)
		ret = parse_fde(&t, entry, &fde);
	if (ret)
		return ret;
	if (addr < fde.start || addr >= fde.end)
		return -ENOENT;
	ret = fde_each_row(&t, &fde, take_row, &lookup);
	return ret == 1 ? lookup.error : ret ? ret : -ENOENT;
}
