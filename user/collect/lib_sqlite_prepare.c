/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/lib_sqlite_prepare.h"

#include <string.h>

#include "collect/symex.h"

/* ---- the function that all ways of preparing end in ---- */

/*
 * sqlite3_prepare and _v2 (db, sql, bytes, stmt, tail) and _v3 (db, sql, bytes, flags, stmt, tail) differ in
 * the flags only and pass the rest on: to (db, sql, bytes, flags, NULL, stmt, tail). It is that function if
 * all three make one such call.
 */
struct prepare {
	int stmt_arg; /* which argument of the public function is `stmt` */
	uint64_t addr;
	int calls, others;
};

static void prepare_call(struct sym_run *r, const struct sym_call *call, void *arg)
{
	struct prepare *p = arg;
	int64_t old;

	/* one that leaves the file has them by chance: where the stack's canary was overwritten */
	if (!call->addr || !sym_is_arg(r, call->arg[0], 0) || !sym_is_arg(r, call->arg[1], 1) ||
	    !sym_is_arg(r, call->arg[2], 2))
		return;
	if (call->arg[5] != p->stmt_arg || call->stack_arg != p->stmt_arg + 1 ||
	    !sym_is_const(r, call->arg[4], &old) || old || (p->calls && p->addr != call->addr)) {
		p->others++;
		return;
	}
	p->addr = call->addr;
	p->calls++;
}

uint64_t sqlite_common_prepare(const struct lib_file *lf)
{
	static const struct {
		const char *name;
		int stmt_arg;
	} public[] = {{"sqlite3_prepare", 3}, {"sqlite3_prepare_v2", 3}, {"sqlite3_prepare_v3", 4}};
	uint64_t addr = 0;

	for (size_t i = 0; i < sizeof(public) / sizeof(*public); i++) {
		const struct elf_symbol *fn = lib_find(lf, public[i].name);
		struct prepare p = {.stmt_arg = public[i].stmt_arg};
		struct sym_events events = {.on_call = prepare_call, .arg = &p};

		if (!fn && i == 2)
			continue; /* before 3.20 */
		if (!fn || sym_run(lf->code, fn->addr, fn->size, &events) || !p.calls || p.others ||
		    (addr && addr != p.addr))
			return 0;
		addr = p.addr;
	}
	return addr;
}

/* ---- the instruction that only a failure reaches ---- */

#define PLACES (APM_PLACE_LITE_OLD + 1)

struct failed {
	uint64_t site; /* 0 = none yet */
	struct apm_place place[PLACES];
	int32_t call; /* whose result was just found to be no success; -1 = none */
	int spoilt;   /* there are two such places, a value cannot be found there, or others come there too */
};

#define SEVENTH 8 /* above the stack pointer at entry: the first argument that is not in a register */

/*
 * Whether a call passes on all seven arguments of its caller, as that of sqlite3Prepare(db, sql, bytes, flags,
 * old, stmt, tail) does. Others may have six in place by chance.
 */
static int passes_all_on(const struct sym_run *r, const struct sym_call *call)
{
	const struct sym_node *last = sym_node(r, call->stack_arg);

	for (int i = 0; i < 6; i++) {
		if (!sym_is_arg(r, call->arg[i], i))
			return 0;
	}
	return call->addr && last->kind == SYM_LOAD && last->size == 8 && last->imm == SEVENTH &&
	       sym_node(r, last->a)->kind == SYM_STACK;
}

/* The expression without a cut, if it is what such a call returned; else -1. */
static int32_t prepare_result(const struct sym_run *r, int32_t id)
{
	const struct sym_node *n = sym_node(r, id);

	if (n->kind == SYM_CUT) {
		id = n->a;
		n = sym_node(r, id);
	}
	return n->kind == SYM_CALL && passes_all_on(r, &r->call[n->imm]) ? id : -1;
}

static void failed_cond(struct sym_run *r, const struct sym_cond *c, void *arg)
{
	struct failed *f = arg;
	int64_t zero;

	f->call = -1;
	if (c->cc == SYM_CC_NE && c->size == 4 && sym_is_const(r, c->rhs, &zero) && !zero)
		f->call = prepare_result(r, c->lhs);
}

static void failed_insn(struct sym_run *r, void *arg)
{
	static const struct {
		int32_t arg; /* its number; -1 = what the call returned */
		uint8_t size, needed;
	} value[PLACES] = {[APM_PLACE_LITE_DB] = {0, 8, 1},
			   [APM_PLACE_LITE_SQL] = {1, 8, 1},
			   [APM_PLACE_LITE_BYTES] = {2, 4, 1},
			   [APM_PLACE_LITE_CODE] = {-1, 4, 1},
			   [APM_PLACE_LITE_OLD] = {4, 8, 0}};
	struct apm_place place[PLACES];
	struct failed *f = arg;
	int32_t call = f->call;

	f->call = -1;
	if (call < 0) {
		f->spoilt |= r->at == f->site;
		return;
	}
	for (int i = 0; i < PLACES; i++) {
		/* expressions 0 to 5 are the arguments */
		if (sym_place(r, value[i].arg < 0 ? call : value[i].arg, value[i].size, &place[i]) &&
		    value[i].needed)
			f->spoilt = 1;
		place[i].is_signed = i == APM_PLACE_LITE_BYTES;
	}
	if (f->site && (f->site != r->at || memcmp(f->place, place, sizeof(place)) != 0))
		f->spoilt = 1;
	f->site = r->at;
	memcpy(f->place, place, sizeof(place));
}

uint64_t sqlite_prepare_failed(const struct lib_file *lf, uint64_t common,
			       struct apm_place place[APM_PLACE_MAX])
{
	struct failed f = {.call = -1};
	struct sym_events events = {.on_cond = failed_cond, .on_insn = failed_insn, .arg = &f};

	/* twice: what else comes to the place may have come before it was known */
	for (int i = 0; i < 2; i++) {
		f.call = -1;
		if (sym_run(lf->code, common, 0, &events) || !f.site || f.spoilt)
			return 0;
	}
	memcpy(place, f.place, sizeof(f.place));
	return f.site;
}
