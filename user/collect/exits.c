/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/exits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <capstone/capstone.h>

#include "collect/fntable.h"
#include "collect/insn.h"

#define PIECES_MAX  128	   /* functions and parts of them */
#define PIECE_BYTES 262144 /* of one */

/* A stretch of code that one FDE covers. */
struct piece {
	uint64_t start, end;
};

struct walk {
	struct code *code;
	struct exits *out;
	uint64_t text_start, text_end;
	struct fntable_trail trail; /* in the piece that is walked */
	struct piece piece[PIECES_MAX];
	size_t count;
	const char *why;
};

static int give_up(struct walk *w, const char *why)
{
	w->why = why;
	return -ENOTSUP;
}

static int piece_add(struct walk *w, uint64_t addr)
{
	struct piece p;
	size_t i;

	if (elf_cfi_range(code_file(w->code), addr, &p.start, &p.end))
		return give_up(w, "has code without call-frame information");
	if (p.end - p.start > PIECE_BYTES || w->count == PIECES_MAX)
		return give_up(w, "is too long");
	for (i = 0; i < w->count; i++)
		if (w->piece[i].start == p.start)
			return 0;
	w->piece[w->count++] = p;
	return 0;
}

/* Whether the stack is at `addr` as it was when the function was called. */
static int stack_is_as_at_entry(struct walk *w, uint64_t addr)
{
	struct cfi_row row;

	return !elf_cfi_row(code_file(w->code), addr, &row) && row.base == CFI_SP && row.cfa_off == 8 &&
	       row.ra_off == -8;
}

static int exit_add(struct walk *w, uint64_t addr)
{
	struct exits *out = w->out;
	uint64_t off;
	size_t i;

	if (!stack_is_as_at_entry(w, addr) || elf_addr_to_offset(code_file(w->code), addr, &off))
		return give_up(w, "returns in an unusual way");
	for (i = 0; i < out->count; i++)
		if (out->file_off[i] == off)
			return 0;
	if (out->count == EXITS_MAX)
		return give_up(w, "returns at too many places");
	out->file_off[out->count++] = off;
	return 0;
}

/* A jump to an address that was computed. With the frame still there it goes by a table of the function's own
 * parts; else it is the last call, through a table of functions. */
static int computed_follow(struct walk *w, const cs_insn *insn)
{
	uint64_t fn[8], at = insn->address;
	size_t n, i;
	int err = 0;

	if (!stack_is_as_at_entry(w, at))
		return 0;
	n = fntable_targets(w->code, &w->trail, insn, w->text_start, w->text_end, fn, 8);
	if (!n)
		return give_up(w, "jumps to where cannot be told");
	for (i = 0; i < n && !err; i++)
		err = piece_add(w, fn[i]);
	return err;
}

/* A jump or branch, taken from `p`: within it, to a part that stands elsewhere, or to the
 * function that is called last. */
static int jump_follow(struct walk *w, const struct piece *p, const cs_insn *insn, uint64_t target)
{
	const char *name;
	uint64_t addr;

	if (target >= p->start && target < p->end)
		return 0;
	if (code_callee(w->code, insn, &addr, &name))
		return computed_follow(w, insn);
	return addr ? piece_add(w, addr) : give_up(w, "ends in a function of another library");
}

/* Every instruction of the piece, one after the other: compilers put nothing else between them on x86. */
static int piece_walk(struct walk *w, const struct piece *p)
{
	uint64_t addr = p->start, target;
	int err = 0;

	while (addr < p->end && !err) {
		const cs_insn *insn = code_insn(w->code, addr);
		enum insn_flow flow;
		uint16_t size;

		if (!insn)
			return give_up(w, "has code that cannot be decoded");
		size = insn->size;
		fntable_note(&w->trail, insn);
		flow = insn_flow(w->code, insn, &target);
		if (flow == INSN_RETURN)
			err = exit_add(w, addr);
		else if (flow == INSN_JUMP || flow == INSN_BRANCH)
			err = jump_follow(w, p, insn, target);
		addr += size;
	}
	return !err && addr != p->end ? give_up(w, "has code that cannot be decoded") : err;
}

static int function_walk(struct walk *w, uint64_t entry)
{
	size_t i;
	int err;

	w->count = 0;
	err = piece_add(w, entry);
	for (i = 0; i < w->count && !err; i++) {
		struct piece p = w->piece[i];

		w->trail.count = 0;
		err = piece_walk(w, &p);
	}
	return err;
}

int exits_find(struct elf_file *f, const struct lib_match *m, uint8_t set, struct exits *out, char *why,
	       size_t why_len)
{
	struct walk w = {
		.code = code_open(f),
		.out = out,
		.text_start = m->facts.text_start,
		.text_end = m->facts.text_end,
	};
	size_t i;
	int err = 0;

	out->count = 0;
	if (!w.code || !code_is_x86(w.code)) {
		snprintf(why, why_len, "the code of this machine is not decoded");
		code_close(w.code);
		return -ENOTSUP;
	}
	for (i = 0; i < m->probe_count && !err; i++) {
		const struct lib_probe *p = &m->probe[i];

		if (!p->symbol->ret || (p->symbol->sets ? !(p->symbol->sets & set) : set))
			continue;
		err = function_walk(&w, p->site.addr - p->site.moved);
		if (err)
			snprintf(why, why_len, "%s %s", p->symbol->name, w.why);
	}
	code_close(w.code);
	return err;
}
