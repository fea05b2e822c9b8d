/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libpq: offsets in PGconn, PGresult and PGMessageField, read out of the documented accessors. The structures
 * are private (libpq-int.h) and move between releases; the accessors are the interface and do not.
 */
#include "collect/lib.h"

#include <stdio.h>
#include <string.h>
#include <capstone/capstone.h>

#include "abi/event.h"
#include "collect/accessor.h"
#include "collect/insn.h"
#include "lib/libpq.h"

static const struct lib_symbol symbols[] = {APM_LIBPQ_SYMBOLS(LIB_SYMBOL)};

static const struct lib_field fields[] = {
	{"PQsocket", APM_OFF_PG_CONN_SOCKET, 4, "peer"},
	{"PQdb", APM_OFF_PG_CONN_DB, 8, "database"},
	{"PQuser", APM_OFF_PG_CONN_USER, 8, "user"},
	{"PQpipelineStatus", APM_OFF_PG_CONN_PIPELINE, 4, "pipeline mode"},
	{"PQntuples", APM_OFF_PG_RES_NTUPLES, 4, "rows"},
	{"PQresultStatus", APM_OFF_PG_RES_STATUS, 4, "status"},
	{"PQresultErrorMessage", APM_OFF_PG_RES_ERRMSG, 8, "message"},
	{"PQcmdStatus", APM_OFF_PG_RES_CMD, LIB_ADDRESS, "rows affected"},
};

/*
 * PQresultErrorField(res, fieldcode) walks the list at res->errFields: `while (f) { if (f->code == fieldcode)
 * return f->contents; f = f->next; }`. The text is what it returns for the first entry, the code what it
 * compared with its second argument, and `next` must be first in the entry, for that is how the list is
 * walked when an error is read.
 */
struct error_field {
	struct accessor_answer list, text, code, next;
};

static void error_field_return(struct sym_run *r, int32_t value, void *arg)
{
	struct error_field *e = arg;
	int64_t off, at;
	int32_t entry = sym_base(r, value, &off);

	if (sym_is_load(r, entry, 0, 8, &at)) {
		const struct sym_cond *c = sym_last_cond(r);
		int64_t code_at;

		accessor_answer_add(&e->list, at);
		if (off)
			accessor_answer_add(&e->text, off);
		if (!off || !c || c->cc != SYM_CC_EQ)
			return;
		if (sym_is_load(r, c->lhs, entry, 1, &code_at) && sym_is_arg(r, c->rhs, 1))
			accessor_answer_add(&e->code, code_at);
		else if (sym_is_load(r, c->rhs, entry, 1, &code_at) && sym_is_arg(r, c->lhs, 1))
			accessor_answer_add(&e->code, code_at);
		else
			e->code.count = -1;
	} else if (off && sym_node(r, entry)->kind == SYM_LOAD) {
		/* the second entry: load(load(res + list) + next) */
		int32_t before = sym_node(r, entry)->a;

		if (sym_is_load(r, before, 0, 8, &at))
			accessor_answer_add(&e->next, sym_node(r, entry)->imm);
	}
}

static void prove_error_fields(const struct lib_file *lf, struct lib_match *m)
{
	const struct elf_symbol *fn = lib_find(lf, "PQresultErrorField");
	struct error_field e = {0};
	struct sym_events events = {.on_return = error_field_return, .arg = &e};
	int32_t list, code, text, next;

	if (fn && !sym_run(lf->code, fn->addr, fn->size, &events) && accessor_answer_get(&e.list, &list) &&
	    accessor_answer_get(&e.code, &code) && accessor_answer_get(&e.text, &text) &&
	    accessor_answer_get(&e.next, &next) && next == 0) {
		m->facts.off[APM_OFF_PG_RES_ERRFIELDS] = list;
		m->facts.off[APM_OFF_PG_FIELD_CODE] = code;
		m->facts.off[APM_OFF_PG_FIELD_TEXT] = text;
	} else {
		lib_missing(m, "SQLSTATE", "PQresultErrorField");
	}
}

/* ---- PQexecFinish: where the synchronous functions collect their results ---- */

#define TAIL_INSNS 96 /* instructions of PQexecFinish looked at: it has 40 */
#define CALLEES	   16

/*
 * PQexecFinish(conn) is static, and last in PQexec, PQexecParams, PQprepare and PQexecPrepared: `while (res =
 * PQgetResult(conn)) { PQclear(last); last = res; … } return last;`. It is a function that all four call or jump
 * to (5.15), or part of each of them (5.17 as gcc 14 compiles it), and known by one call of PQclear, one or more of
 * PQgetResult, and none of PQputCopyEnd (that is PQexecStart, which drains).
 */
#define SYNC_COUNT 4
static const struct {
	const char *name;
	const char *
		clear; /* the row of its call of PQclear; where all have one in common that is the first one's */
} sync_row[SYNC_COUNT] = {{"PQexec", "PQclear"},
			  {"PQexecParams", "PQclear_in_PQexecParams"},
			  {"PQprepare", "PQclear_in_PQprepare"},
			  {"PQexecPrepared", "PQclear_in_PQexecPrepared"}};

struct tail {
	uint64_t clear; /* the call of PQclear */
	int clears, gets, puts;
};

static int is_callee(const char *name, uint64_t addr, const struct lib_file *lf, const char *wanted)
{
	const struct elf_symbol *fn = lib_find(lf, wanted);

	return (*name && !strcmp(name, wanted)) || (fn && addr == fn->addr);
}

/* The first address after `addr` at which a named function begins. */
static uint64_t next_function(const struct lib_file *lf, uint64_t addr)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < lf->count; i++) {
		if (lf->symbol[i].addr > addr && lf->symbol[i].addr < next)
			next = lf->symbol[i].addr;
	}
	return next;
}

/* The call of PQclear, if what stands from `addr` to `end` is or contains PQexecFinish; else 0. */
static uint64_t clear_in(const struct lib_file *lf, uint64_t addr, uint64_t end)
{
	struct tail t = {0};
	uint64_t callee;
	const cs_insn *insn;
	const char *name;

	for (int i = 0; i < TAIL_INSNS && addr < end && (insn = code_insn(lf->code, addr)); i++) {
		uint64_t at = addr;

		addr += insn->size;
		if (insn_flow(lf->code, insn, NULL) != INSN_CALL ||
		    code_callee(lf->code, insn, &callee, &name))
			continue;
		if (is_callee(name, callee, lf, "PQclear")) {
			t.clear = at;
			t.clears++;
		}
		t.gets += is_callee(name, callee, lf, "PQgetResult");
		t.puts += is_callee(name, callee, lf, "PQputCopyEnd");
	}
	return t.clears == 1 && t.gets && !t.puts ? t.clear : 0;
}

/* Unnamed functions of the library that `fn` calls, or ends in. */
static size_t unnamed_callees(const struct lib_file *lf, const struct elf_symbol *fn,
			      uint64_t callee[CALLEES])
{
	uint64_t addr = fn->addr, end = addr + fn->size, target;
	size_t count = 0;
	const cs_insn *insn;

	while (addr < end && count < CALLEES && (insn = code_insn(lf->code, addr))) {
		enum insn_flow flow = insn_flow(lf->code, insn, &target);

		addr += insn->size;
		if ((flow == INSN_CALL || flow == INSN_JUMP) && target &&
		    (target < fn->addr || target >= end))
			callee[count++] = target;
	}
	return count;
}

/* Where one of the synchronous functions clears its earlier results; 0 = not found. */
static uint64_t clear_of(const struct lib_file *lf, const char *name)
{
	const struct elf_symbol *fn = lib_find(lf, name);
	uint64_t callee[CALLEES], clear;
	size_t count;

	if (!fn)
		return 0;
	clear = clear_in(lf, fn->addr, fn->addr + fn->size);
	count = clear ? 0 : unnamed_callees(lf, fn, callee);
	for (size_t i = 0; i < count && !clear; i++)
		clear = clear_in(lf, callee[i], next_function(lf, callee[i]));
	return clear;
}

static int locate_sync(const struct lib_file *lf, const struct lib_symbol *symbol, struct elf_symbol *fn)
{
	uint64_t clear[SYNC_COUNT];

	for (int i = 0; i < SYNC_COUNT; i++) {
		clear[i] = clear_of(lf, sync_row[i].name);
		if (!clear[i])
			return 0;
	}
	for (int i = 0; i < SYNC_COUNT; i++) {
		if (strcmp(symbol->name, sync_row[i].clear) != 0)
			continue;
		*fn = (struct elf_symbol){.addr = clear[i]};
		return !i || clear[i] != clear[0];
	}
	*fn = *lib_find(lf, symbol->name);
	return 1;
}

static int locate(const struct lib_file *lf, const struct lib_match *m, const struct lib_symbol *symbol,
		  struct elf_symbol *fn)
{
	const struct elf_symbol *named = lib_find(lf, symbol->name);

	if (symbol->sets == APM_PQ_SYNC)
		return locate_sync(lf, symbol, fn);
	if (named)
		*fn = *named;
	return named != NULL;
}

static void prove(const struct lib_file *lf, struct lib_match *m)
{
	int64_t version;

	m->facts.set = APM_PQ_ASYNC;
	prove_error_fields(lf, m);
	/* 150012 is release 15.12, whose library is libpq.so.5.15 */
	if (!accessor_constant(lf->code, lib_find(lf, "PQlibVersion"), &version) && version >= 100000)
		snprintf(m->version, sizeof(m->version), "5.%d", (int)(version / 10000));
}

const struct lib_row lib_libpq = {
	.name = "libpq",
	.programs = "libpq",
	.system = APM_SYSTEM_POSTGRESQL,
	/* fe-protocol3.c, a message that is not translated away */
	.marker = "without prior row description (\"T\" message)",
	.file_hint = {"libpq"},
	.prefix = {"PQ", "pq"},
	.public_prefix = "PQ",
	.symbol = symbols,
	.symbol_count = sizeof(symbols) / sizeof(*symbols),
	.field = fields,
	.field_count = sizeof(fields) / sizeof(*fields),
	.prove = prove,
	.locate = locate,
};
