/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/lib_sqlite_exec.h"

#include <errno.h>
#include <string.h>

#include <capstone/capstone.h>

#include "collect/accessor.h"
#include "collect/lib_sqlite_prepare.h"

#define VDBE_READY_STATE 1 /* vdbeInt.h, since 3.38 */
#define VDBE_HALT_STATE	 3
#define STMTSTATUS_AGAIN 5 /* sqlite3.h SQLITE_STMTSTATUS_REPREPARE */

#define STORES_MAX  3
#define PIECES_MAX  8	   /* parts of one function */
#define PIECE_BYTES 262144 /* of one; sqlite3VdbeExec is the longest */
#define NEAR	    8	   /* instructions that belong together */

/* ---- the instructions of a function, one after the other ---- */

typedef void (*insn_fn)(struct code *c, const cs_insn *insn, void *arg);

static void sweep(struct code *c, uint64_t start, uint64_t end, insn_fn fn, void *arg)
{
	uint64_t addr = start;

	while (addr < end && addr - start < PIECE_BYTES) {
		const cs_insn *insn = code_insn(c, addr);

		if (!insn)
			return;
		addr += insn->size;
		fn(c, insn, arg);
	}
}

static int sweep_function(struct code *c, const struct elf_symbol *fn, insn_fn each, void *arg)
{
	uint64_t start, end;

	if (!fn || elf_cfi_range(code_file(c), fn->addr, &start, &end))
		return -ENOENT;
	sweep(c, start, end, each, arg);
	return 0;
}

/* `size` bytes at a register plus *disp. */
static int is_field(const cs_x86_op *op, uint8_t size, uint16_t *base, int64_t *disp)
{
	if (op->type != X86_OP_MEM || op->size != size || op->mem.base == X86_REG_INVALID ||
	    op->mem.index != X86_REG_INVALID || op->mem.base == X86_REG_RIP ||
	    op->mem.segment != X86_REG_INVALID)
		return 0;
	*base = (uint16_t)op->mem.base;
	*disp = op->mem.disp;
	return 1;
}

static int is_imm(const cs_x86_op *op, int64_t value)
{
	return op->type == X86_OP_IMM && op->imm == value;
}

/* ---- stores of a state ---- */

struct store {
	uint64_t addr, site;
	uint16_t base;
};

struct stores {
	int64_t off, before, value;
	struct store store[STORES_MAX];
	int count; /* more than STORES_MAX: too many */
};

static void store_note(struct code *c, const cs_insn *insn, void *arg)
{
	const cs_x86 *x = &insn->detail->x86;
	struct stores *s = arg;
	uint16_t base;
	int64_t off;

	if (insn->id != X86_INS_MOV || !is_field(&x->operands[0], 1, &base, &off) || off != s->off ||
	    !is_imm(&x->operands[1], s->value))
		return;
	if (s->count < STORES_MAX)
		s->store[s->count] = (struct store){.addr = insn->address, .base = base};
	s->count++;
}

static int writes_register(struct code *c, const cs_insn *insn, uint16_t reg)
{
	uint16_t written[32];
	size_t n = insn_written_registers(c, insn, written, 32);

	for (size_t i = 0; i < n; i++) {
		if (written[i] == reg)
			return 1;
	}
	return 0;
}

/* The next instruction that a probe is cheap on, in a straight line behind the store. */
static int find_site(struct code *c, struct store *s)
{
	const cs_insn *insn = code_insn(c, s->addr);

	for (int i = 0; i < NEAR && insn; i++) {
		insn = code_insn(c, insn->address + insn->size);
		if (insn && insn_cost(c, insn) != SITE_COST_STEPPED) {
			s->site = insn->address;
			return 0;
		}
		if (!insn || insn_flow(c, insn, NULL) != INSN_NEXT || writes_register(c, insn, s->base))
			break;
	}
	return -ENOENT;
}

/* Whether nothing jumps in between, so that what runs at the site has run the store. */
struct jumps {
	const struct stores *stores;
	struct {
		uint64_t start, end;
	} piece[PIECES_MAX];
	int count, at;
	int spoilt;
};

static void jump_note(struct code *c, const cs_insn *insn, void *arg)
{
	struct jumps *j = arg;
	uint64_t target, start, end;
	enum insn_flow flow = insn_flow(c, insn, &target);
	int i;

	if (flow != INSN_JUMP && flow != INSN_BRANCH)
		return;
	if (!target) {
		j->spoilt |= !j->at; /* by a table: anywhere in the function */
		return;
	}
	for (i = 0; i < j->stores->count; i++)
		j->spoilt |= target > j->stores->store[i].addr && target <= j->stores->store[i].site;
	for (i = 0; i < j->count; i++) {
		if (target >= j->piece[i].start && target < j->piece[i].end)
			return;
	}
	/* a part that stands elsewhere may jump back; another function, that is called last, does not */
	if (j->count == PIECES_MAX || elf_cfi_range(code_file(c), target, &start, &end))
		return;
	j->piece[j->count].start = start;
	j->piece[j->count++].end = end;
}

static int is_jumped_into(struct code *c, const struct elf_symbol *fn, const struct stores *s)
{
	struct jumps j = {.stores = s, .count = 1};

	if (elf_cfi_range(code_file(c), fn->addr, &j.piece[0].start, &j.piece[0].end))
		return 1;
	for (; j.at < j.count; j.at++)
		sweep(c, j.piece[j.at].start, j.piece[j.at].end, jump_note, &j);
	return j.spoilt;
}

/* Whether they store to the object that is the function's first argument: a path to one of them is enough. */
struct whose {
	const struct stores *stores;
	int seen, others;
};

static void whose_store(struct sym_run *r, int32_t base, int64_t off, uint8_t size, int32_t value, void *arg)
{
	struct whose *w = arg;

	for (int i = 0; i < w->stores->count; i++) {
		if (r->at != w->stores->store[i].addr)
			continue;
		if (sym_is_arg(r, base, 0) && off == w->stores->off)
			w->seen = 1;
		else
			w->others = 1;
		r->failed = 1; /* that is all that was asked */
	}
}

/* Only the way of a statement that is in the state before is of interest. */
static void whose_cond(struct sym_run *r, const struct sym_cond *c, void *arg)
{
	const struct whose *w = arg;
	int64_t value, off;

	if (sym_is_const(r, c->rhs, &value) && sym_is_load(r, c->lhs, 0, 1, &off) && off == w->stores->off)
		r->skip = (c->cc == SYM_CC_EQ && value != w->stores->before) ||
			  (c->cc == SYM_CC_NE && value == w->stores->before);
}

/* Where `fn` changes the state of its first argument, each with its site; 0 = proven. */
static int find_stores(struct code *c, const struct elf_symbol *fn, int64_t off, int64_t before,
		       int64_t value, struct stores *s)
{
	struct whose w = {.stores = s};
	struct sym_events events = {.on_store = whose_store, .on_cond = whose_cond, .arg = &w};

	*s = (struct stores){.off = off, .before = before, .value = value};
	if (sweep_function(c, fn, store_note, s) || !s->count || s->count > STORES_MAX)
		return -ENOENT;
	for (int i = 0; i < s->count; i++) {
		if (s->store[i].base != s->store[0].base || find_site(c, &s->store[i]))
			return -ENOENT;
	}
	if (is_jumped_into(c, fn, s))
		return -ENOENT;
	sym_run(c, fn->addr, fn->size, &events);
	return w.seen && !w.others ? 0 : -ENOENT;
}

/* Registers as the kernel keeps them: arch/x86/include/uapi/asm/ptrace.h. */
static int place_register(uint16_t reg, struct apm_place *out)
{
	static const uint16_t at[] = {X86_REG_R15, X86_REG_R14, X86_REG_R13, X86_REG_R12, X86_REG_RBP,
				      X86_REG_RBX, X86_REG_R11, X86_REG_R10, X86_REG_R9,  X86_REG_R8,
				      X86_REG_RAX, X86_REG_RCX, X86_REG_RDX, X86_REG_RSI, X86_REG_RDI};

	for (uint16_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		if (at[i] != reg)
			continue;
		*out = (struct apm_place){.where = APM_WHERE_REGISTER,
					  .reg = (uint16_t)(i * 8),
					  .index = APM_NO_INDEX,
					  .size = 8};
		return 0;
	}
	return -ENOENT;
}

/* ---- rows: OP_ResultRow does cacheCtr = (cacheCtr + 2) | 1, which begins at 1, and nothing else changes it ---- */

struct counter {
	struct code *code;
	uint16_t reg, base; /* of the load that is followed; 0 = none */
	int64_t off;
	int added, ored;
	struct accessor_answer answer;
};

static void counter_note(struct code *c, const cs_insn *insn, void *arg)
{
	const cs_x86 *x = &insn->detail->x86;
	const cs_x86_op *op = x->operands;
	struct counter *k = arg;
	uint16_t base;
	int64_t off;

	if (insn->id == X86_INS_MOV && op[0].type == X86_OP_REG && is_field(&op[1], 4, &base, &off)) {
		if (!k->added)
			*k = (struct counter){
				.reg = (uint16_t)op[0].reg, .base = base, .off = off, .answer = k->answer};
		else if (op[0].reg == k->reg)
			k->added = k->ored = 0;
		return;
	}
	if (insn->id == X86_INS_MOV && k->ored && is_field(&op[0], 4, &base, &off) &&
	    op[1].type == X86_OP_REG && op[1].reg == k->reg && base == k->base && off == k->off)
		accessor_answer_add(&k->answer, off);
	if (insn->id == X86_INS_ADD && op[0].type == X86_OP_REG && op[0].reg == k->reg && is_imm(&op[1], 2))
		k->added = 1;
	else if (insn->id == X86_INS_OR && op[0].type == X86_OP_REG && op[0].reg == k->reg &&
		 is_imm(&op[1], 1))
		k->ored = k->added;
	else if (insn_flow(c, insn, NULL) != INSN_NEXT || (k->reg && writes_register(c, insn, k->reg)))
		*k = (struct counter){.answer = k->answer};
}

/* ---- db->nVdbeExec: counted up before sqlite3VdbeExec is called, and down after it ---- */

struct executing {
	uint64_t callee;
	int64_t up;
	int left; /* instructions until the call has to come; after it, until the count down */
	int called;
	struct accessor_answer answer;
};

static void executing_note(struct code *c, const cs_insn *insn, void *arg)
{
	const cs_x86_op *op = insn->detail->x86.operands;
	struct executing *e = arg;
	const char *name;
	uint64_t addr;
	uint16_t base;
	int64_t off;
	int one = insn->id == X86_INS_INC || insn->id == X86_INS_DEC || is_imm(&op[1], 1);

	if (e->left > 0)
		e->left--;
	if (insn_flow(c, insn, NULL) == INSN_CALL) {
		e->called = e->left && !code_callee(c, insn, &addr, &name) && addr == e->callee;
		e->left = e->called ? NEAR : 0;
		return;
	}
	if (!one || !is_field(&op[0], 4, &base, &off))
		return;
	if (insn->id == X86_INS_ADD || insn->id == X86_INS_INC) {
		e->up = off;
		e->left = NEAR;
		e->called = 0;
	} else if ((insn->id == X86_INS_SUB || insn->id == X86_INS_DEC) && e->called && e->left &&
		   off == e->up) {
		accessor_answer_add(&e->answer, off);
	}
}

/* ---- sqlite3VdbeTransferError(p): db->errCode = p->rc; if (p->zErrMsg) … ---- */

struct transfer {
	int32_t errcode;
	struct accessor_answer code, message;
};

static void transfer_store(struct sym_run *r, int32_t base, int64_t off, uint8_t size, int32_t value,
			   void *arg)
{
	struct transfer *t = arg;
	int64_t db, code;

	if (size != 4 || off != t->errcode || !sym_is_load(r, base, 0, 8, &db))
		return;
	if (sym_is_load(r, value, 0, 4, &code))
		accessor_answer_add(&t->code, code);
	else
		t->code.count = -1;
}

static void transfer_cond(struct sym_run *r, const struct sym_cond *c, void *arg)
{
	struct transfer *t = arg;
	int64_t off, zero;

	if (c->cc == SYM_CC_NE && c->size == 8 && sym_is_const(r, c->rhs, &zero) && !zero &&
	    sym_is_load(r, c->lhs, 0, 8, &off))
		accessor_answer_add(&t->message, off);
}

/* Where sqlite3_step calls it: sqlite3_reset does too, and also for an execution that did not fail. */
#define FAILED_MAX 3

struct failed_calls {
	uint64_t callee, at[FAILED_MAX];
	int count;
};

static void failed_note(struct code *c, const cs_insn *insn, void *arg)
{
	struct failed_calls *f = arg;
	uint64_t at = insn->address, addr;
	const char *name;

	if (insn_flow(c, insn, NULL) != INSN_CALL || code_callee(c, insn, &addr, &name) || addr != f->callee)
		return;
	if (f->count < FAILED_MAX)
		f->at[f->count] = at;
	f->count++;
}

static int find_failed(const struct lib_file *lf, struct failed_calls *f)
{
	const struct elf_symbol *transfer = lib_find(lf, "sqlite3VdbeTransferError");

	*f = (struct failed_calls){.callee = transfer ? transfer->addr : 0};
	if (!transfer || sweep_function(lf->code, lib_find(lf, "sqlite3_step"), failed_note, f))
		return -ENOENT;
	return f->count && f->count <= FAILED_MAX ? 0 : -ENOENT;
}

/* ---- sqlite3_stmt_isexplain: two bits of a byte ---- */

struct explain {
	struct accessor_answer off, mask;
};

/* What the low byte of an expression is that of. */
static int32_t low_byte(const struct sym_run *r, int32_t id)
{
	const struct sym_node *n = sym_node(r, id);

	while (n->kind == SYM_CUT || n->kind == SYM_MERGE) {
		id = n->kind == SYM_CUT ? n->a : n->b;
		n = sym_node(r, id);
	}
	return id;
}

static void explain_return(struct sym_run *r, int32_t value, void *arg)
{
	struct explain *e = arg;
	const struct sym_node *n = sym_node(r, low_byte(r, value));
	int64_t mask, shift = 0, off;

	if (n->kind == SYM_CONST)
		return; /* of no statement */
	if (n->kind == SYM_OP && n->op == X86_INS_AND && sym_is_const(r, n->b, &mask)) {
		int32_t bits = low_byte(r, n->a);
		const struct sym_node *s = sym_node(r, bits);

		if (s->kind == SYM_OP && s->op == X86_INS_SHR && sym_is_const(r, s->b, &shift))
			bits = low_byte(r, s->a);
		if (shift >= 0 && shift < 7 && sym_is_load(r, bits, 0, 1, &off)) {
			accessor_answer_add(&e->off, off);
			accessor_answer_add(&e->mask, mask << shift);
			return;
		}
	}
	e->off.count = -1;
}

/* ---- all of them ---- */

static int prove_numbers(const struct lib_file *lf, int32_t *off, const char **what)
{
	const struct elf_symbol *exec = lib_find(lf, "sqlite3VdbeExec");
	struct counter rows = {.code = lf->code};
	struct executing now = {.callee = exec ? exec->addr : 0};
	struct transfer t = {.errcode = off[APM_OFF_LITE_DB_ERRCODE]};
	struct explain e = {.off = {0}};
	const struct elf_symbol *transfer = lib_find(lf, "sqlite3VdbeTransferError"),
				*explain = lib_find(lf, "sqlite3_stmt_isexplain");
	struct sym_events on_transfer = {.on_store = transfer_store, .on_cond = transfer_cond, .arg = &t};
	struct sym_events on_explain = {.on_return = explain_return, .arg = &e};

	*what = "rows (sqlite3VdbeExec)";
	if (sweep_function(lf->code, exec, counter_note, &rows) ||
	    !accessor_answer_get(&rows.answer, &off[APM_OFF_LITE_STMT_ROWS]))
		return -ENOENT;
	*what = "what executes (sqlite3_step)";
	if (sweep_function(lf->code, lib_find(lf, "sqlite3_step"), executing_note, &now) ||
	    !accessor_answer_get(&now.answer, &off[APM_OFF_LITE_DB_EXECUTING]))
		return -ENOENT;
	*what = "failures (sqlite3VdbeTransferError)";
	if (!transfer || sym_run(lf->code, transfer->addr, transfer->size, &on_transfer) ||
	    !accessor_answer_get(&t.code, &off[APM_OFF_LITE_STMT_CODE]) ||
	    !accessor_answer_get(&t.message, &off[APM_OFF_LITE_STMT_MESSAGE]))
		return -ENOENT;
	*what = "EXPLAIN (sqlite3_stmt_isexplain)";
	if (!explain || sym_run(lf->code, explain->addr, explain->size, &on_explain) ||
	    !accessor_answer_get(&e.off, &off[APM_OFF_LITE_STMT_EXPLAIN]) ||
	    !accessor_answer_get(&e.mask, &off[APM_OFF_LITE_EXPLAIN_MASK]))
		return -ENOENT;
	*what = "recompilation (sqlite3_stmt_status)";
	return accessor_element(lf->code, lib_find(lf, "sqlite3_stmt_status"), STMTSTATUS_AGAIN, 4,
				&off[APM_OFF_LITE_STMT_REPREPARED]);
}

/* sqlite3_step's return address, seen from where an execution has begun. */
static int prove_caller(const struct lib_file *lf, uint64_t site, int32_t *off)
{
	struct cfi_row row;

	if (elf_cfi_row(code_file(lf->code), site, &row) || row.outermost || !row.ra_off ||
	    (row.base != CFI_SP && row.base != CFI_FP))
		return -ENOENT;
	off[APM_OFF_LITE_BEGUN_CALLER] = row.cfa_off + row.ra_off;
	off[APM_OFF_LITE_BEGUN_FP] = row.base == CFI_FP;
	off[APM_OFF_LITE_BEGUN_SAVED_FP] = row.fp_off ? row.fp_off - row.ra_off : 0;
	return 0;
}

int sqlite_executions(const struct lib_file *lf, struct lib_match *m, const char **what)
{
	struct apm_lib facts = m->facts;
	int32_t *off = facts.off, state = off[APM_OFF_LITE_STMT_STATE], run = off[APM_OFF_LITE_STATE_RUN];
	struct stores begun, ended;
	struct failed_calls failed;

	*what = "anything (only code of x86-64 is read)";
	if (!code_is_x86(lf->code))
		return -ENOENT;
	*what = "the state (sqlite3_stmt_busy)"; /* before 3.38 it is no number of its own */
	if (state < 0)
		return -ENOENT;
	*what = "failed compilations (sqlite3LockAndPrepare)";
	/* where they are told by a call's return, that of sqlite3LockAndPrepare is what it has to be */
	if (facts.place[APM_PLACE_LITE_DB].where ? !facts.place[APM_PLACE_LITE_OLD].where
						 : !sqlite_common_prepare(lf))
		return -ENOENT;
	*what = "where one begins (sqlite3_step)";
	if (find_stores(lf->code, lib_find(lf, "sqlite3_step"), state, VDBE_READY_STATE, run, &begun) ||
	    begun.count != 1 || place_register(begun.store[0].base, &facts.place[APM_PLACE_LITE_BEGUN]) ||
	    prove_caller(lf, begun.store[0].site, off))
		return -ENOENT;
	*what = "where one ends (sqlite3VdbeHalt)";
	if (find_stores(lf->code, lib_find(lf, "sqlite3VdbeHalt"), state, run, VDBE_HALT_STATE, &ended) ||
	    place_register(ended.store[0].base, &facts.place[APM_PLACE_LITE_ENDED]))
		return -ENOENT;
	if (prove_numbers(lf, off, what))
		return -ENOENT;
	*what = "where one fails (sqlite3_step)";
	if (find_failed(lf, &failed))
		return -ENOENT;
	m->facts = facts;
	m->inner[SQLITE_BEGUN] = begun.store[0].site;
	for (int i = 0; i < ended.count; i++)
		m->inner[SQLITE_ENDED + i] = ended.store[i].site;
	for (int i = 0; i < failed.count; i++)
		m->inner[SQLITE_FAILED + i] = failed.at[i];
	return 0;
}
