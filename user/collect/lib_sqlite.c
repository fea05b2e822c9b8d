/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SQLite: offsets in sqlite3_stmt (struct Vdbe), sqlite3_value (struct Mem) and sqlite3, read out of
 * documented functions. The structures are private (vdbeInt.h, sqliteInt.h) and depend on release and build
 * options; what each function below has to do with them follows from its documentation.
 */
#include "collect/lib.h"

#include <stdio.h>
#include <string.h>

#include "abi/event.h"
#include "collect/accessor.h"
#include "collect/lib_sqlite_exec.h"
#include "collect/lib_sqlite_prepare.h"
#include "lib/sqlite.h"

#define VDBE_MAGIC_RUN 0x2df20da3 /* vdbeInt.h up to 3.37: "ready to run or running" */
#define STMTSTATUS_RUN 6	  /* sqlite3.h SQLITE_STMTSTATUS_RUN */
#define MEM_NULL       1	  /* vdbeInt.h MEM_Null, the same since 3.8 */

static const struct lib_symbol symbols[] = {APM_SQLITE_SYMBOLS(LIB_SYMBOL)};

static const struct lib_field fields[] = {
	{"sqlite3_db_handle", APM_OFF_LITE_STMT_DB, 8, "connection"},
	{"sqlite3_sql", APM_OFF_LITE_STMT_SQL, 8, "text"},
	/* 16 or 32 bits wide, by SQLITE_MAX_VARIABLE_NUMBER: its low half is right for both below 65536
	   variables */
	{"sqlite3_bind_parameter_count", APM_OFF_LITE_STMT_NVAR, 2 | 4, "parameters"},
	{"sqlite3_extended_errcode", APM_OFF_LITE_DB_ERRCODE, 4, "extended error code"},
	/* since 3.37; before, the counters were 32 bits wide, and are left out */
	{"sqlite3_changes64", APM_OFF_LITE_DB_CHANGES, 8, "rows changed"},
	{"sqlite3_total_changes64", APM_OFF_LITE_DB_TOTAL_CHANGES, 8, "total rows changed"},
};

/* ---- sqlite3_stmt_busy: "has been stepped at least once, not run to completion, not reset" ---- */

/*
 * Since 3.38: v->eVdbeState == VDBE_RUN_STATE, a byte. Before: v->magic == VDBE_MAGIC_RUN && v->pc >= 0. On
 * the path that says "busy" the state stands among the conditions; pc is the other 32-bit number that the
 * answer depends on.
 */
struct busy {
	struct accessor_answer state, run, pc;
	int saw_magic;
};

static void busy_pc(const struct sym_run *r, int32_t load, void *arg)
{
	struct busy *b = arg;
	int64_t off;

	if (sym_is_load(r, load, 0, 4, &off))
		accessor_answer_add(&b->pc, off);
}

static void busy_return(struct sym_run *r, int32_t value, void *arg)
{
	struct busy *b = arg;
	int64_t constant = 0, off, known;
	int is_constant = sym_is_const(r, value, &constant), magic = 0, state = 0;

	if (is_constant && !constant)
		return;
	for (int i = 0; i < r->cond_count; i++) {
		const struct sym_cond *c = &r->cond[i];

		if (c->cc != SYM_CC_EQ || !sym_is_const(r, c->rhs, &known))
			continue;
		if (is_constant && sym_is_load(r, c->lhs, 0, 1, &off)) {
			accessor_answer_add(&b->state, off);
			accessor_answer_add(&b->run, known);
			state = 1;
		} else if (sym_is_load(r, c->lhs, 0, 4, &off) && known == VDBE_MAGIC_RUN) {
			magic = 1;
		}
	}
	if (!state)
		b->state.count = -1; /* busy for another reason */
	if (!magic)
		return;
	b->saw_magic = 1;
	for (int i = 0; i < r->cond_count && is_constant; i++) {
		if (r->cond[i].cc != SYM_CC_EQ)
			busy_pc(r, r->cond[i].lhs, b);
	}
	sym_each_load(r, value, busy_pc, b);
}

static void prove_state(const struct lib_file *lf, struct lib_match *m)
{
	const struct elf_symbol *fn = lib_find(lf, "sqlite3_stmt_busy");
	struct busy b = {0};
	struct sym_events events = {.on_return = busy_return, .arg = &b};
	int32_t state, run, pc;

	if (!fn || sym_run(lf->code, fn->addr, fn->size, &events)) {
		lib_missing(m, "state", "sqlite3_stmt_busy");
	} else if (!b.saw_magic && accessor_answer_get(&b.state, &state) &&
		   accessor_answer_get(&b.run, &run)) {
		m->facts.off[APM_OFF_LITE_STMT_STATE] = state;
		m->facts.off[APM_OFF_LITE_STATE_RUN] = run;
	} else if (b.saw_magic && accessor_answer_get(&b.pc, &pc)) {
		m->facts.off[APM_OFF_LITE_STMT_PC] = pc;
	} else {
		lib_missing(m, "state", "sqlite3_stmt_busy");
	}
}

/* sqlite3_stmt_readonly: a bit; where it is not known every statement counts as one that may change rows. */
static void prove_readonly(const struct lib_file *lf, struct lib_match *m)
{
	int32_t off, mask;

	if (accessor_bit(lf->code, lib_find(lf, "sqlite3_stmt_readonly"), &off, &mask))
		return;
	m->facts.off[APM_OFF_LITE_STMT_RO] = off;
	m->facts.off[APM_OFF_LITE_RO_MASK] = mask;
}

/* ---- bound values ---- */

/*
 * sqlite3_clear_bindings sets every parameter to NULL: in a loop over the array it stores the 16-bit flags
 * MEM_Null into element 0, 1, 2 … The stores all go to the array's pointer plus a constant, and their
 * distance is sizeof(Mem).
 */
struct clear {
	struct accessor_answer array;
	int64_t store[3]; /* ascending */
	int count;
};

static void clear_store(struct sym_run *r, int32_t base, int64_t off, uint8_t size, int32_t value, void *arg)
{
	struct clear *c = arg;
	int64_t array, v;
	int at;

	if (size != 2 || !sym_is_const(r, value, &v) || v != MEM_NULL || !sym_is_load(r, base, 0, 8, &array))
		return;
	accessor_answer_add(&c->array, array);
	for (at = 0; at < c->count && c->store[at] < off; at++)
		;
	if ((at < c->count && c->store[at] == off) || c->count == 3)
		return;
	memmove(&c->store[at + 1], &c->store[at], (size_t)(c->count - at) * sizeof(*c->store));
	c->store[at] = off;
	c->count++;
}

/*
 * sqlite3_value_type looks the flags up in a table, and reads nothing else of the value. They must be what
 * clear_bindings stores to, for the array's elements are sqlite3_values.
 */
static void flags_load(const struct sym_run *r, int32_t load, void *arg)
{
	int64_t off;

	/* compilers read one, two or four bytes, of which the low six bits are used */
	if (sym_is_load(r, load, 0, 0, &off))
		accessor_answer_add(arg, off);
}

static void flags_return(struct sym_run *r, int32_t value, void *arg)
{
	sym_each_load(r, value, flags_load, arg);
}

static void flags_cond(struct sym_run *r, const struct sym_cond *c, void *arg)
{
	sym_each_load(r, c->lhs, flags_load, arg);
}

/* sqlite3_value_blob: `return v->n ? v->z : 0`; or what sqlite3_value_text says. */
struct blob {
	struct accessor_answer z, n;
};

static void blob_return(struct sym_run *r, int32_t value, void *arg)
{
	struct blob *b = arg;
	const struct sym_cond *c = sym_last_cond(r);
	int64_t z, n, zero;

	if (sym_node(r, value)->kind == SYM_CALL || (sym_is_const(r, value, &zero) && !zero))
		return;
	if (!sym_is_load(r, value, 0, 8, &z)) {
		b->z.count = -1;
		return;
	}
	accessor_answer_add(&b->z, z);
	if (c && c->cc == SYM_CC_NE && sym_is_load(r, c->lhs, 0, 4, &n) && sym_is_const(r, c->rhs, &zero) &&
	    !zero)
		accessor_answer_add(&b->n, n);
	else
		b->n.count = -1;
}

static void prove_value(const struct lib_file *lf, struct lib_match *m)
{
	const struct elf_symbol *clear = lib_find(lf, "sqlite3_clear_bindings");
	const struct elf_symbol *type = lib_find(lf, "sqlite3_value_type");
	const struct elf_symbol *blob = lib_find(lf, "sqlite3_value_blob");
	struct clear c = {0};
	struct accessor_answer flags = {0};
	struct blob b = {0};
	struct sym_events on_clear = {.on_store = clear_store, .arg = &c};
	struct sym_events on_type = {.on_return = flags_return, .on_cond = flags_cond, .arg = &flags};
	struct sym_events on_blob = {.on_return = blob_return, .arg = &b};
	int32_t *off = m->facts.off, flags_off, array, z, n;

	if (type && !sym_run(lf->code, type->addr, type->size, &on_type) &&
	    accessor_answer_get(&flags, &flags_off) && clear &&
	    !sym_run(lf->code, clear->addr, clear->size, &on_clear) &&
	    accessor_answer_get(&c.array, &array) && c.count >= 2 && c.store[0] == flags_off &&
	    (c.count < 3 || c.store[2] - c.store[1] == c.store[1] - c.store[0])) {
		off[APM_OFF_LITE_MEM_FLAGS] = flags_off;
		off[APM_OFF_LITE_STMT_AVAR] = array;
		off[APM_OFF_LITE_MEM_SIZE] = (int32_t)(c.store[1] - c.store[0]);
	} else {
		lib_missing(m, "bound values", "sqlite3_clear_bindings, sqlite3_value_type");
	}
	if (blob && !sym_run(lf->code, blob->addr, blob->size, &on_blob) && accessor_answer_get(&b.z, &z) &&
	    accessor_answer_get(&b.n, &n)) {
		off[APM_OFF_LITE_MEM_Z] = z;
		off[APM_OFF_LITE_MEM_N] = n;
	} else {
		lib_missing(m, "bytes of a value", "sqlite3_value_blob");
	}
}

/* ---- the message: sqlite3_errmsg returns sqlite3_value_text(db->pErr) ---- */

/* Or, where that was inlined, load(load(db + pErr) + z). */
static void message_return(struct sym_run *r, int32_t value, void *arg)
{
	struct accessor_answer *a = arg;
	const struct sym_node *n = sym_node(r, value);
	int64_t off;

	if (n->kind == SYM_CALL && sym_is_load(r, r->call[n->imm].arg[0], 0, 8, &off))
		accessor_answer_add(a, off);
	else if (n->kind == SYM_LOAD && n->size == 8 && sym_is_load(r, n->a, 0, 8, &off))
		accessor_answer_add(a, off);
}

static void prove_message(const struct lib_file *lf, struct lib_match *m)
{
	const struct elf_symbol *fn = lib_find(lf, "sqlite3_errmsg");
	struct accessor_answer a = {0};
	struct sym_events events = {.on_return = message_return, .arg = &a};
	int32_t off;

	if (fn && !sym_run(lf->code, fn->addr, fn->size, &events) && accessor_answer_get(&a, &off))
		m->facts.off[APM_OFF_LITE_DB_ERRVALUE] = off;
	else
		lib_missing(m, "message", "sqlite3_errmsg");
}

/* ---- where probes go ---- */

static int has_probe(const struct lib_match *m, const char *name)
{
	for (size_t i = 0; i < m->probe_count; i++) {
		if (!strcmp(m->probe[i].symbol->name, name))
			return 1;
	}
	return 0;
}

/* One place tells of a text that did not compile: the best of those that can be found. */
static int locate_prepare(const struct lib_file *lf, const struct lib_match *m, const char *name,
			  const struct elf_symbol *named, struct elf_symbol *fn)
{
	struct apm_place place[APM_PLACE_MAX];
	uint64_t common = sqlite_common_prepare(lf);

	memset(fn, 0, sizeof(*fn));
	if (!strcmp(name, "sqlite3Prepare")) {
		if (common && lib_find(lf, "sqlite3InitOne") && lib_find(lf, "sqlite3VtabCallConnect"))
			fn->addr = sqlite_prepare_failed(lf, common, place);
		return fn->addr != 0;
	}
	if (has_probe(m, "sqlite3Prepare"))
		return 0;
	if (!strcmp(name, "sqlite3LockAndPrepare")) {
		fn->addr = common;
		if (named && named->addr == common)
			*fn = *named;
		return common != 0;
	}
	if (!named || has_probe(m, "sqlite3LockAndPrepare"))
		return 0;
	*fn = *named;
	return 1;
}

/* What belongs to the probes of whole executions, which are there all or not at all. */
static int locate_execution(const struct lib_match *m, const char *name, struct elf_symbol *fn)
{
	static const char *const inner[] = {
		[SQLITE_BEGUN] = "sqlite3Step",
		[SQLITE_ENDED] = "sqlite3VdbeHalt",
		[SQLITE_ENDED_2] = "sqlite3VdbeHalt_2",
		[SQLITE_ENDED_3] = "sqlite3VdbeHalt_3",
		[SQLITE_FAILED] = "sqlite3VdbeTransferError",
		[SQLITE_FAILED_2] = "sqlite3VdbeTransferError_2",
		[SQLITE_FAILED_3] = "sqlite3VdbeTransferError_3",
	};

	memset(fn, 0, sizeof(*fn));
	for (size_t i = 0; i < sizeof(inner) / sizeof(*inner); i++) {
		if (!strcmp(name, inner[i]))
			fn->addr = m->inner[i];
	}
	return fn->addr != 0;
}

static int locate(const struct lib_file *lf, const struct lib_match *m, const struct lib_symbol *symbol,
		  struct elf_symbol *fn)
{
	const struct elf_symbol *named = lib_find(lf, symbol->name);

	if (symbol->sets == APM_LITE_EXECUTIONS)
		return locate_execution(m, symbol->name, fn);
	if (!strcmp(symbol->name, "usleep") || !strcmp(symbol->name, "nanosleep")) {
		memset(fn, 0, sizeof(*fn));
		return !code_stub(lf->code, symbol->name, &fn->addr);
	}
	if (strstr(symbol->name, "repare"))
		return locate_prepare(lf, m, symbol->name, named, fn);
	if (!named)
		return 0;
	if ((!strcmp(symbol->name, "sqlite3InitOne") || !strcmp(symbol->name, "sqlite3VtabCallConnect")) &&
	    !has_probe(m, "sqlite3Prepare"))
		return 0;
	/* only where nothing else tells that an execution was given up between rows */
	if (!strcmp(symbol->name, "sqlite3_reset") &&
	    (m->facts.off[APM_OFF_LITE_STMT_STATE] >= 0 || m->facts.off[APM_OFF_LITE_STMT_PC] >= 0))
		return 0;
	/* a statement that counts its runs tells by itself that it is another one */
	if (!strcmp(symbol->name, "sqlite3_finalize") && m->facts.off[APM_OFF_LITE_STMT_RUNS] >= 0)
		return 0;
	*fn = *named;
	return 1;
}

/*
 * sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_RUN, reset) is a number that a statement counts up when it
 * begins to run, since 3.20 (sqlite.org, releaselog/3_20_0). Of use only where its state can be read too.
 */
static void prove_runs(const struct lib_file *lf, struct lib_match *m)
{
	unsigned int major, minor;

	if ((m->facts.off[APM_OFF_LITE_STMT_STATE] < 0 && m->facts.off[APM_OFF_LITE_STMT_PC] < 0) ||
	    sscanf(m->version, "%u.%u", &major, &minor) != 2 || major != 3 || minor < 20)
		return;
	accessor_element(lf->code, lib_find(lf, "sqlite3_stmt_status"), STMTSTATUS_RUN, 4,
			 &m->facts.off[APM_OFF_LITE_STMT_RUNS]);
}

static void prove_failed(const struct lib_file *lf, struct lib_match *m)
{
	uint64_t common = sqlite_common_prepare(lf);

	if (common)
		sqlite_prepare_failed(lf, common, m->facts.place);
}

static void prove_sleep(const struct lib_file *lf, struct lib_match *m)
{
	uint64_t stub;

	if (code_stub(lf->code, "usleep", &stub) && code_stub(lf->code, "nanosleep", &stub))
		lib_missing(m, "waits for locks", "usleep, nanosleep");
}

static void prove_executions(const struct lib_file *lf, struct lib_match *m)
{
	const char *what;

	m->facts.set = APM_LITE_STEPS;
	if (sqlite_executions(lf, m, &what))
		snprintf(m->sets_why, sizeof(m->sets_why), "%s", what);
}

static void prove(const struct lib_file *lf, struct lib_match *m)
{
	prove_state(lf, m);
	prove_readonly(lf, m);
	prove_value(lf, m);
	prove_message(lf, m);
	prove_sleep(lf, m);
	prove_failed(lf, m);
	lib_version(lf, m, "sqlite3_libversion_number", 1000); /* 3040001 is 3.40.1 */
	prove_runs(lf, m);
	prove_executions(lf, m);
}

const struct lib_row lib_sqlite = {
	.name = "sqlite3",
	.programs = "sqlite",
	.system = APM_SYSTEM_SQLITE,
	.marker = "SQLite format 3", /* the header of every database it writes */
	.file_hint = {"sqlite"},
	.prefix = {"sqlite3"},
	.public_prefix = "sqlite3_",
	.symbol = symbols,
	.symbol_count = sizeof(symbols) / sizeof(*symbols),
	.field = fields,
	.field_count = sizeof(fields) / sizeof(*fields),
	.prove = prove,
	.locate = locate,
};
