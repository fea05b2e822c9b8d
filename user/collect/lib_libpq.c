/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libpq: offsets in PGconn, PGresult and PGMessageField, read out of the documented accessors. The structures
 * are private (libpq-int.h) and move between releases; the accessors are the interface and do not.
 */
#include "collect/lib.h"

#include <stdio.h>
#include <string.h>

#include "abi/event.h"
#include "collect/accessor.h"
#include "lib/libpq.h"

/* How many arguments are read at the probe: they must not have changed there. */
#define ARGS_PQsendQuery	    2
#define ARGS_PQsendQueryParams	    6
#define ARGS_PQsendPrepare	    5
#define ARGS_PQsendQueryPrepared    6
#define ARGS_PQgetResult	    1
#define ARGS_PQfinish		    1
#define ARGS_PQsendDescribePrepared 2
#define ARGS_PQsendDescribePortal   2

static const struct lib_symbol symbols[] = {
#define SYMBOL_ROW(fn, number, at_entry, at_return, required) \
	{.symbol = number,                                    \
	 .name = #fn,                                         \
	 .entry = at_entry,                                   \
	 .ret = at_return,                                    \
	 .optional = !(required),                             \
	 .args = ARGS_##fn},
	APM_LIBPQ_SYMBOLS(SYMBOL_ROW)
#undef SYMBOL_ROW
};

static const struct field {
	const char *fn;
	enum apm_off off;
	uint8_t size;
	const char *what;
} fields[] = {
	{"PQsocket", APM_OFF_PG_CONN_SOCKET, 4, "peer"},
	{"PQdb", APM_OFF_PG_CONN_DB, 8, "database"},
	{"PQuser", APM_OFF_PG_CONN_USER, 8, "user"},
	{"PQpipelineStatus", APM_OFF_PG_CONN_PIPELINE, 4, "pipeline mode"},
	{"PQntuples", APM_OFF_PG_RES_NTUPLES, 4, "rows"},
	{"PQresultStatus", APM_OFF_PG_RES_STATUS, 4, "status"},
	{"PQresultErrorMessage", APM_OFF_PG_RES_ERRMSG, 8, "message"},
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

static void prove(const struct lib_file *lf, struct lib_match *m)
{
	int64_t version;

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		const struct field *f = &fields[i];

		if (accessor_field(lf->code, lib_find(lf, f->fn), f->size, &m->facts.off[f->off], NULL))
			lib_missing(m, f->what, f->fn);
	}
	if (accessor_address(lf->code, lib_find(lf, "PQcmdStatus"), &m->facts.off[APM_OFF_PG_RES_CMD]))
		lib_missing(m, "rows affected", "PQcmdStatus");
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
	.prove = prove,
};
