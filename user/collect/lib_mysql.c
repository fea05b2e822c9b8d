/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libmariadb and libmysqlclient: offsets in MYSQL, MYSQL_RES and MYSQL_STMT, read out of the documented
 * accessors. The structures differ between the two and between releases; what each function below has to do
 * with them follows from the manual of the C interface, which both share.
 */
#include "collect/lib.h"

#include <string.h>
#include <capstone/capstone.h>

#include "abi/event.h"
#include "collect/accessor.h"
#include "collect/site_code.h"
#include "lib/mysql.h"

static const struct lib_symbol symbols[] = {APM_MYSQL_SYMBOLS(LIB_SYMBOL)};

static const struct lib_field fields[] = {
	{"mysql_errno", APM_OFF_MY_ERRNO, 4, "error number"},
	{"mysql_error", APM_OFF_MY_MESSAGE, LIB_ADDRESS, "message"},
	{"mysql_sqlstate", APM_OFF_MY_SQLSTATE, LIB_ADDRESS, "SQLSTATE"},
	{"mysql_affected_rows", APM_OFF_MY_AFFECTED, 8, "rows affected"},
	{"mysql_field_count", APM_OFF_MY_FIELDS, 4, "columns"},
	{"mysql_num_rows", APM_OFF_MY_RES_ROWS, 8, "rows"},
	{"mysql_stmt_errno", APM_OFF_MY_STMT_ERRNO, 4, "error number of a prepared statement"},
	{"mysql_stmt_error", APM_OFF_MY_STMT_MESSAGE, LIB_ADDRESS, "its message"},
	{"mysql_stmt_sqlstate", APM_OFF_MY_STMT_SQLSTATE, LIB_ADDRESS, "its SQLSTATE"},
	{"mysql_stmt_affected_rows", APM_OFF_MY_STMT_AFFECTED, 8, "its rows affected"},
	{"mysql_stmt_field_count", APM_OFF_MY_STMT_FIELDS, 4, "its columns"},
	{"mysql_stmt_num_rows", APM_OFF_MY_STMT_ROWS, 8, "its rows"},
	{"mysql_stmt_param_count", APM_OFF_MY_STMT_PARAM_COUNT, 4, "its parameters"},
};

static int run(const struct lib_file *lf, const char *name, const struct sym_events *events)
{
	const struct elf_symbol *fn = lib_find(lf, name);

	return fn && !sym_run(lf->code, fn->addr, fn->size, events);
}

/* ---- mysql_more_results: `return mysql->server_status & SERVER_MORE_RESULTS_EXISTS ? 1 : 0` ---- */

static void status_load(const struct sym_run *r, int32_t load, void *arg)
{
	int64_t off;

	if (sym_is_load(r, load, 0, 0, &off))
		accessor_answer_add(arg, off);
	else
		((struct accessor_answer *)arg)->count = -1;
}

static void status_return(struct sym_run *r, int32_t value, void *arg)
{
	sym_each_load(r, value, status_load, arg);
}

static void status_cond(struct sym_run *r, const struct sym_cond *c, void *arg)
{
	sym_each_load(r, c->lhs, status_load, arg);
}

static void prove_status(const struct lib_file *lf, struct lib_match *m)
{
	struct accessor_answer a = {0};
	struct sym_events events = {.on_return = status_return, .on_cond = status_cond, .arg = &a};
	int32_t off;

	if (run(lf, "mysql_more_results", &events) && accessor_answer_get(&a, &off))
		m->facts.off[APM_OFF_MY_STATUS] = off;
	else
		lib_missing(m, "further results", "mysql_more_results");
}

/*
 * User and database have no accessors. In the public header (mysql.h) of both libraries MYSQL has the
 * pointers host, user, passwd, unix_socket, server_version, host_info, info, db in this order: taken for true
 * where the three of them that have accessors stand like that.
 */
static void prove_names(const struct lib_file *lf, struct lib_match *m)
{
	int32_t server, host, info;

	if (!accessor_field(lf->code, lib_find(lf, "mysql_get_server_info"), 8, &server, NULL) &&
	    !accessor_field(lf->code, lib_find(lf, "mysql_get_host_info"), 8, &host, NULL) &&
	    !accessor_field(lf->code, lib_find(lf, "mysql_info"), 8, &info, NULL) && host == server + 8 &&
	    info == host + 8 && server >= 32) {
		m->facts.off[APM_OFF_MY_USER] = server - 24;
		m->facts.off[APM_OFF_MY_DB] = info + 8;
	} else {
		lib_missing(m, "user and database", "mysql_get_server_info, mysql_get_host_info, mysql_info");
	}
}

/* ---- mysql_stmt_init(mysql): "allocates a MYSQL_STMT", which remembers its connection ---- */

static void stmt_conn_store(struct sym_run *r, int32_t base, int64_t off, uint8_t size, int32_t value,
			    void *arg)
{
	if (size == 8 && sym_node(r, base)->kind == SYM_CALL && value == 0)
		accessor_answer_add(arg, off);
}

/* ---- mysql_stmt_bind_param(stmt, bind): copies the array `bind` to one of its own ---- */

static void params_call(struct sym_run *r, const struct sym_call *call, void *arg)
{
	int64_t off;

	if (!strcmp(call->name, "memcpy") && sym_is_arg(r, call->arg[1], 1) &&
	    sym_is_load(r, call->arg[0], 0, 8, &off))
		accessor_answer_add(arg, off);
}

static void prove_statement(const struct lib_file *lf, struct lib_match *m)
{
	struct accessor_answer conn = {0}, params = {0};
	struct sym_events on_init = {.on_store = stmt_conn_store, .arg = &conn};
	struct sym_events on_bind = {.on_call = params_call, .arg = &params};
	int32_t off;

	if (run(lf, "mysql_stmt_init", &on_init) && accessor_answer_get(&conn, &off))
		m->facts.off[APM_OFF_MY_STMT_CONN] = off;
	else
		lib_missing(m, "connection of a prepared statement", "mysql_stmt_init");
	/* Loops over the parameters follow the copy: not every path is followed to its end. */
	run(lf, "mysql_stmt_bind_param", &on_bind);
	if (accessor_answer_get(&params, &off))
		m->facts.off[APM_OFF_MY_STMT_PARAMS] = off;
	else
		lib_missing(m, "bound values", "mysql_stmt_bind_param");
}

/*
 * mysql_send_query(mysql, sql, len). In libmariadb it only sets up (mysql, COM_QUERY, sql, len, 1, 0) and
 * jumps: the probe goes to the jump, which costs a fifth of the entry, and finds text and length one argument
 * later.
 */
struct send {
	int moved, others;
};

static void send_call(struct sym_run *r, const struct sym_call *call, void *arg)
{
	struct send *s = arg;

	if (sym_is_arg(r, call->arg[0], 0) && sym_is_arg(r, call->arg[2], 1) &&
	    sym_is_arg(r, call->arg[3], 2))
		s->moved++;
	else
		s->others++;
}

static void prove_send(const struct lib_file *lf, struct lib_match *m)
{
	const struct elf_symbol *fn = lib_find(lf, "mysql_send_query");
	struct send s = {0};
	struct sym_events events = {.on_call = send_call, .arg = &s};
	struct site site;
	uint32_t extra;

	if (!fn || site_find_in(lf->code, fn->addr, fn->size, &site, &extra))
		return;
	if (!extra)
		m->facts.off[APM_OFF_MY_SEND_MOVED] = 0;
	else if (!(extra & 1) && run(lf, "mysql_send_query", &events) && s.moved && !s.others)
		m->facts.off[APM_OFF_MY_SEND_MOVED] = 1;
	else
		lib_missing(m, "asynchronous statements", "mysql_send_query");
}

/*
 * mysql_free_result(res). An unbuffered result has a buffer for its row, which mysql_use_result allocates and
 * mysql_store_result does not: in `if (res->row) free(res->row);` only unbuffered ones come to the call. And in
 * `if (res->handle && res->handle->status == MYSQL_STATUS_USE_RESULT)` only those whose end was not read come to
 * the second condition. Taken for true where both are found, and the result stands in one place at both.
 */
#define STATUS_USE_RESULT 2 /* enum mysql_status (mysql.h) */

struct release {
	int64_t row; /* where MYSQL_RES has its row */
	struct accessor_answer made, freed, rest, status;
	struct apm_place result; /* the same at both */
};

/* res->row = malloc(…), in mysql_use_result */
static void release_made(struct sym_run *r, int32_t base, int64_t off, uint8_t size, int32_t value, void *arg)
{
	struct release *rel = arg;

	if (size == 8 && sym_node(r, base)->kind == SYM_CALL && sym_node(r, value)->kind == SYM_CALL)
		accessor_answer_add(&rel->made, off);
}

/* No store there at all, in mysql_store_result */
static void release_stored(struct sym_run *r, int32_t base, int64_t off, uint8_t size, int32_t value,
			   void *arg)
{
	struct release *rel = arg;

	if (sym_node(r, base)->kind == SYM_CALL && off < rel->row + 8 && off + size > rel->row)
		rel->made.count = -1;
}

/* Whether the path has come here by a comparison that says so. */
static int was_not_null(const struct sym_run *r, int32_t id)
{
	int64_t value;

	for (int i = 0; i < r->cond_count; i++) {
		const struct sym_cond *c = &r->cond[i];

		if (c->lhs == id && c->cc == SYM_CC_NE && sym_is_const(r, c->rhs, &value) && !value)
			return 1;
	}
	return 0;
}

static void release_place(struct release *rel, const struct sym_run *r, struct accessor_answer *at)
{
	const cs_insn *insn = code_insn(r->code, r->at);
	struct apm_place place;

	if (!insn || insn_cost(r->code, insn) == SITE_COST_STEPPED || sym_place(r, 0, 8, &place) ||
	    (rel->result.where && memcmp(&rel->result, &place, sizeof(place)) != 0)) {
		at->count = -1;
		return;
	}
	accessor_answer_add(at, (int64_t)r->at);
	rel->result = place;
}

static void release_call(struct sym_run *r, const struct sym_call *call, void *arg)
{
	struct release *rel = arg;
	int64_t off;

	if (!strcmp(call->name, "free") && sym_is_load(r, call->arg[0], 0, 8, &off) && off == rel->row &&
	    was_not_null(r, call->arg[0]))
		release_place(rel, r, &rel->freed);
}

static void release_cond(struct sym_run *r, const struct sym_cond *c, void *arg)
{
	struct release *rel = arg;
	int64_t off, value;
	int32_t handle;

	if (c->cc != SYM_CC_EQ || c->size != 4 || !sym_is_const(r, c->rhs, &value) ||
	    value != STATUS_USE_RESULT || sym_node(r, c->lhs)->kind != SYM_LOAD)
		return;
	handle = sym_node(r, c->lhs)->a;
	if (!sym_is_load(r, handle, 0, 8, &off) || !was_not_null(r, handle))
		return;
	accessor_answer_add(&rel->status, sym_node(r, c->lhs)->imm);
	release_place(rel, r, &rel->rest);
}

/* 1 when both places are known. */
static int find_release(const struct lib_file *lf, struct release *rel)
{
	struct sym_events on_use = {.on_store = release_made, .arg = rel};
	struct sym_events on_stored = {.on_store = release_stored, .arg = rel};
	struct sym_events on_free = {.on_call = release_call, .on_cond = release_cond, .arg = rel};
	int32_t off;

	memset(rel, 0, sizeof(*rel));
	if (!lib_find(lf, "mariadb_get_infov") || !run(lf, "mysql_use_result", &on_use) ||
	    !accessor_answer_get(&rel->made, &off))
		return 0;
	rel->row = off;
	return run(lf, "mysql_store_result", &on_stored) && rel->made.count > 0 &&
	       run(lf, "mysql_free_result", &on_free) && rel->freed.count > 0 && rel->rest.count > 0 &&
	       rel->status.count > 0;
}

static void prove_release(const struct lib_file *lf, struct lib_match *m)
{
	struct release rel;

	if (!find_release(lf, &rel))
		return;
	m->facts.place[APM_PLACE_MY_RESULT] = rel.result;
	m->facts.off[APM_OFF_MY_USE_STATUS] = (int32_t)rel.status.value;
}

/* mysql_free_result itself where the places in it are not known. */
static int locate_release(const struct lib_file *lf, const struct lib_match *m, struct elf_symbol *fn)
{
	int rest = !strcmp(fn->name, "mysql_eof");
	struct release rel;

	if (!m->facts.place[APM_PLACE_MY_RESULT].where)
		return !rest;
	if (!find_release(lf, &rel))
		return 0;
	fn->addr = (uint64_t)(rest ? rel.rest.value : rel.freed.value);
	fn->size = 0;
	return 1;
}

static int locate(const struct lib_file *lf, const struct lib_match *m, const struct lib_symbol *symbol,
		  struct elf_symbol *fn)
{
	const struct elf_symbol *named = lib_find(lf, symbol->name);

	if (!named || (!strcmp(symbol->name, "mysql_send_query") && m->facts.off[APM_OFF_MY_SEND_MOVED] < 0))
		return 0;
	*fn = *named;
	if (!strcmp(named->name, "mysql_free_result") || !strcmp(named->name, "mysql_eof"))
		return locate_release(lf, m, fn);
	return 1;
}

static void prove(const struct lib_file *lf, struct lib_match *m)
{
	prove_status(lf, m);
	prove_names(lf, m);
	prove_statement(lf, m);
	prove_send(lf, m);
	prove_release(lf, m);
	if (!lib_find(lf, "mariadb_get_infov"))
		m->name = "libmysqlclient";
	lib_version(lf, m, "mysql_get_client_version", 100); /* 30320 is 3.3.20 */
}

const struct lib_row lib_mysql = {
	.name = "libmariadb",
	.programs = "mysql",
	.system = APM_SYSTEM_MYSQL,
	.file_hint = {"libmariadb", "libmysqlclient"},
	.prefix = {"mysql_", "mariadb_"},
	.public_prefix = "mysql_",
	.symbol = symbols,
	.symbol_count = sizeof(symbols) / sizeof(*symbols),
	.field = fields,
	.field_count = sizeof(fields) / sizeof(*fields),
	.prove = prove,
	.locate = locate,
};
