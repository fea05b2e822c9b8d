/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The offsets decoded from the installed libpq and SQLite, held against real objects in this process: what
 * stands at the offset must be what the library's own accessor returns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <postgresql/libpq-fe.h>
#include <link.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "collect/site.h"
#include "lib/sqlite.h"
#include "skip.h"

#define MEM_INT 0x0004 /* vdbeInt.h */
#define MEM_STR 0x0002

#define CALL(lib, name) ((__typeof__(&name))dlsym(lib, #name))

struct library {
	void *handle;
	uint64_t base; /* load address */
	struct lib_match m;
};

static int open_library(struct library *l, const char *soname, const char *name)
{
	struct link_map *map;
	struct elf_file *f;
	int found;

	memset(l, 0, sizeof(*l));
	l->handle = dlopen(soname, RTLD_NOW);
	if (!l->handle)
		return 0;
	assert_int_equal(dlinfo(l->handle, RTLD_DI_LINKMAP, &map), 0);
	l->base = map->l_addr;
	f = elf_file_open(map->l_name, -1);
	assert_non_null(f);
	found = lib_recognise(f, &l->m, 1, NULL);
	elf_file_close(f);
	assert_int_equal(found, 1);
	assert_string_equal(l->m.name, name);
	assert_string_equal(l->m.missing, "");
	return 1;
}

static const void *at(const struct library *l, const void *object, enum apm_off off)
{
	assert_true(l->m.facts.off[off] >= 0);
	return (const char *)object + l->m.facts.off[off];
}

static void *pointer_at(const struct library *l, const void *object, enum apm_off off)
{
	void *p;

	memcpy(&p, at(l, object, off), sizeof(p));
	return p;
}

static int32_t int_at(const struct library *l, const void *object, enum apm_off off)
{
	int32_t v;

	memcpy(&v, at(l, object, off), sizeof(v));
	return v;
}

static int64_t long_at(const struct library *l, const void *object, enum apm_off off)
{
	int64_t v;

	memcpy(&v, at(l, object, off), sizeof(v));
	return v;
}

/* ---- SQLite ---- */

struct lite {
	struct library lib;
	sqlite3 *db;
	sqlite3_stmt *stmt;
};

static void lite_prepare(struct lite *l, const char *sql)
{
	assert_int_equal(CALL(l->lib.handle, sqlite3_prepare_v2)(l->db, sql, -1, &l->stmt, NULL), SQLITE_OK);
}

static int lite_setup(void **state)
{
	struct lite *l = calloc(1, sizeof(*l));

	*state = l;
	if (!open_library(&l->lib, "libsqlite3.so.0", "sqlite3"))
		return 0;
	return CALL(l->lib.handle, sqlite3_open)(":memory:", &l->db) != SQLITE_OK;
}

static int lite_teardown(void **state)
{
	struct lite *l = *state;

	if (l->lib.handle) {
		CALL(l->lib.handle, sqlite3_finalize)(l->stmt);
		CALL(l->lib.handle, sqlite3_close)(l->db);
		dlclose(l->lib.handle);
	}
	free(l);
	return 0;
}

static struct lite *lite_or_skip(void **state)
{
	struct lite *l = *state;

	if (!l->lib.handle)
		skip_because("SQLite is not installed");
	return l;
}

static void sqlite_version(void **state)
{
	struct lite *l = lite_or_skip(state);

	assert_string_equal(l->lib.m.version, CALL(l->lib.handle, sqlite3_libversion)());
	assert_int_equal(l->lib.m.is_static, 0);
}

/* What the probes of whole executions read, where they can stand: rows, code, and whether it executes. */
static void sqlite_executions(void **state)
{
	struct lite *l = lite_or_skip(state);
	int (*step)(sqlite3_stmt *) = CALL(l->lib.handle, sqlite3_step);
	int places = 0;

	if (l->lib.m.sets_why[0])
		skip_because(l->lib.m.sets_why);
	for (size_t i = 0; i < l->lib.m.probe_count; i++) {
		if (l->lib.m.probe[i].symbol->sets != APM_LITE_EXECUTIONS)
			continue;
		assert_int_not_equal(l->lib.m.probe[i].site.cost, SITE_COST_STEPPED);
		places++;
	}
	assert_in_range(places, 3, 7);
	lite_prepare(l, "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT abs(-9223372036854775808)");
	assert_int_equal(int_at(&l->lib, l->stmt, APM_OFF_LITE_STMT_ROWS), 1);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(step(l->stmt), SQLITE_ROW);
		assert_int_equal(int_at(&l->lib, l->stmt, APM_OFF_LITE_STMT_ROWS), 1 + 2 * i);
		assert_int_equal(int_at(&l->lib, l->db, APM_OFF_LITE_DB_EXECUTING), 0);
	}
	assert_int_equal(step(l->stmt), SQLITE_ERROR);
	assert_int_equal(int_at(&l->lib, l->stmt, APM_OFF_LITE_STMT_CODE), SQLITE_ERROR);
	assert_string_equal(pointer_at(&l->lib, l->stmt, APM_OFF_LITE_STMT_MESSAGE), "integer overflow");
	CALL(l->lib.handle, sqlite3_finalize)(l->stmt);
	lite_prepare(l, "EXPLAIN SELECT 1");
	assert_int_equal(int_at(&l->lib, l->stmt, APM_OFF_LITE_STMT_EXPLAIN) &
				 l->lib.m.facts.off[APM_OFF_LITE_EXPLAIN_MASK],
			 1 << __builtin_ctz((unsigned int)l->lib.m.facts.off[APM_OFF_LITE_EXPLAIN_MASK]));
}

static void sqlite_statement(void **state)
{
	struct lite *l = lite_or_skip(state);
	uint16_t vars;

	lite_prepare(l, "SELECT ?1, ?2, ?3");
	assert_ptr_equal(pointer_at(&l->lib, l->stmt, APM_OFF_LITE_STMT_DB), l->db);
	assert_ptr_equal(pointer_at(&l->lib, l->stmt, APM_OFF_LITE_STMT_SQL),
			 CALL(l->lib.handle, sqlite3_sql)(l->stmt));
	memcpy(&vars, at(&l->lib, l->stmt, APM_OFF_LITE_STMT_NVAR), sizeof(vars));
	assert_int_equal(vars, 3);
}

static int rows_remain(struct lite *l)
{
	const struct apm_lib *facts = &l->lib.m.facts;

	if (facts->off[APM_OFF_LITE_STMT_STATE] >= 0)
		return *(const uint8_t *)at(&l->lib, l->stmt, APM_OFF_LITE_STMT_STATE) ==
		       facts->off[APM_OFF_LITE_STATE_RUN];
	return int_at(&l->lib, l->stmt, APM_OFF_LITE_STMT_PC) >= 0;
}

static void sqlite_state(void **state)
{
	struct lite *l = lite_or_skip(state);
	int (*step)(sqlite3_stmt *) = CALL(l->lib.handle, sqlite3_step);

	lite_prepare(l, "VALUES (1), (2)");
	assert_false(rows_remain(l));
	assert_int_equal(step(l->stmt), SQLITE_ROW);
	assert_true(rows_remain(l));
	CALL(l->lib.handle, sqlite3_reset)(l->stmt);
	assert_false(rows_remain(l));
	assert_int_equal(step(l->stmt), SQLITE_ROW);
	assert_int_equal(step(l->stmt), SQLITE_ROW);
	assert_true(rows_remain(l));
	assert_int_equal(step(l->stmt), SQLITE_DONE);
	assert_false(rows_remain(l));
}

/* A statement's own count of runs: 0 in a new one, more at each beginning than at the one before. */
static void sqlite_runs(void **state)
{
	struct lite *l = lite_or_skip(state);
	int (*step)(sqlite3_stmt *) = CALL(l->lib.handle, sqlite3_step);
	int before = -1;

	if (CALL(l->lib.handle, sqlite3_libversion_number)() < 3020000)
		skip();
	assert_true(l->lib.m.facts.off[APM_OFF_LITE_STMT_RUNS] >= 0);
	lite_prepare(l, "VALUES (1), (2)");
	assert_int_equal(int_at(&l->lib, l->stmt, APM_OFF_LITE_STMT_RUNS), 0);
	for (int i = 0; i < 5; i++) {
		assert_true(int_at(&l->lib, l->stmt, APM_OFF_LITE_STMT_RUNS) > before);
		before = int_at(&l->lib, l->stmt, APM_OFF_LITE_STMT_RUNS);
		assert_int_equal(step(l->stmt), SQLITE_ROW);
		CALL(l->lib.handle, sqlite3_reset)(l->stmt);
	}
	assert_int_equal(int_at(&l->lib, l->stmt, APM_OFF_LITE_STMT_RUNS),
			 CALL(l->lib.handle, sqlite3_stmt_status)(l->stmt, SQLITE_STMTSTATUS_RUN, 0));
}

static void sqlite_bound_values(void **state)
{
	struct lite *l = lite_or_skip(state);
	const char *value;
	int64_t number;
	uint16_t flags;

	lite_prepare(l, "SELECT ?1, ?2, ?3");
	CALL(l->lib.handle, sqlite3_bind_int64)(l->stmt, 1, 0x123456789abcLL);
	CALL(l->lib.handle, sqlite3_bind_text)(l->stmt, 3, "parameter", 9, SQLITE_TRANSIENT);

	value = pointer_at(&l->lib, l->stmt, APM_OFF_LITE_STMT_AVAR);
	memcpy(&flags, at(&l->lib, value, APM_OFF_LITE_MEM_FLAGS), sizeof(flags));
	memcpy(&number, value, sizeof(number));
	assert_true(flags & MEM_INT);
	assert_true(number == 0x123456789abcLL);

	value += 2 * l->lib.m.facts.off[APM_OFF_LITE_MEM_SIZE];
	memcpy(&flags, at(&l->lib, value, APM_OFF_LITE_MEM_FLAGS), sizeof(flags));
	assert_true(flags & MEM_STR);
	assert_int_equal(int_at(&l->lib, value, APM_OFF_LITE_MEM_N), 9);
	assert_memory_equal(pointer_at(&l->lib, value, APM_OFF_LITE_MEM_Z), "parameter", 9);
}

static void sqlite_error(void **state)
{
	struct lite *l = lite_or_skip(state);
	const void *message;

	assert_int_equal(
		CALL(l->lib.handle, sqlite3_exec)(l->db, "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES(1)",
						  NULL, NULL, NULL),
		SQLITE_OK);
	lite_prepare(l, "INSERT INTO t VALUES(1)");
	assert_int_equal(CALL(l->lib.handle, sqlite3_step)(l->stmt), SQLITE_CONSTRAINT);
	assert_int_equal(int_at(&l->lib, l->db, APM_OFF_LITE_DB_ERRCODE), SQLITE_CONSTRAINT_UNIQUE);
	message = pointer_at(&l->lib, l->db, APM_OFF_LITE_DB_ERRVALUE);
	assert_string_equal(pointer_at(&l->lib, message, APM_OFF_LITE_MEM_Z),
			    CALL(l->lib.handle, sqlite3_errmsg)(l->db));
}

static void sqlite_changes(void **state)
{
	struct lite *l = lite_or_skip(state);

	assert_int_equal(CALL(l->lib.handle, sqlite3_exec)(l->db,
							   "CREATE TABLE t(a); INSERT INTO t VALUES(1),(2); "
							   "UPDATE t SET a = 3; INSERT INTO t VALUES(4)",
							   NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(long_at(&l->lib, l->db, APM_OFF_LITE_DB_CHANGES), 1);
	assert_int_equal(long_at(&l->lib, l->db, APM_OFF_LITE_DB_TOTAL_CHANGES), 5);
}

/* ---- wrappers: from inside sqlite3_exec, its caller must be found ---- */

static struct {
	const struct library *lib;
	int called;
	int found; /* by the wrapper table: a return address of sqlite3_exec in calls_exec() */
} wrapper_test;

static int calls_exec(struct lite *l);

/*
 * Walks up the stack to the slot that holds a known return address, as the probe does from the slot itself.
 * What earlier calls left on the stack may look like one: its caller is not calls_exec().
 */
__attribute__((no_sanitize("address", "undefined"), noinline)) static void find_wrapper(const uint64_t *sp)
{
	const struct apm_lib *facts = &wrapper_test.lib->m.facts;
	uint64_t start = (uint64_t)(uintptr_t)calls_exec, caller;

	for (int word = 0; word < 4096; word++) {
		for (uint32_t i = 0; i < facts->wrapper_count; i++) {
			const struct apm_wrapper *w = &facts->wrapper[i];

			if (sp[word] != wrapper_test.lib->base + w->ret_off || w->base != APM_BASE_SLOT)
				continue;
			caller = *(const uint64_t *)((const char *)&sp[word] + w->off);
			if (caller <= start || caller >= start + 1024)
				continue;
			wrapper_test.found = 1;
			return;
		}
	}
}

static void sql_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	find_wrapper(__builtin_frame_address(0));
}

__attribute__((noinline)) static int calls_exec(struct lite *l)
{
	int rc = CALL(l->lib.handle, sqlite3_exec)(l->db, "SELECT apm_test()", NULL, NULL, NULL);

	wrapper_test.called = 1; /* so that it is no jump */
	return rc;
}

static void the_caller_of_a_wrapper_is_found(void **state)
{
	int (*volatile call)(struct lite *) = calls_exec; /* itself, and no clone of it */
	struct lite *l = lite_or_skip(state);

	memset(&wrapper_test, 0, sizeof(wrapper_test));
	wrapper_test.lib = &l->lib;
	assert_true(l->lib.m.facts.wrapper_count > 0);
	CALL(l->lib.handle, sqlite3_create_function)
	(l->db, "apm_test", 0, SQLITE_UTF8, NULL, sql_function, NULL, NULL);
	assert_int_equal(call(l), SQLITE_OK);
	assert_true(wrapper_test.found);
}

/* ---- libpq ---- */

struct pq {
	struct library lib;
	char dir[32];
	int listener;
	PGconn *conn;
};

/* A connection that got as far as its socket: something listens there, and never answers. */
static int pq_setup(void **state)
{
	struct pq *p = calloc(1, sizeof(*p));
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char conninfo[128];

	*state = p;
	if (!open_library(&p->lib, "libpq.so.5", "libpq"))
		return 0;
	strcpy(p->dir, "/tmp/apm-pq-XXXXXX");
	if (!mkdtemp(p->dir))
		return 1;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/.s.PGSQL.5432", p->dir);
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(p->listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(p->listener, 5))
		return 1;
	snprintf(conninfo, sizeof(conninfo), "host=%s port=5432 dbname=shop user=alice", p->dir);
	p->conn = CALL(p->lib.handle, PQconnectStart)(conninfo);
	return !p->conn;
}

static int pq_teardown(void **state)
{
	struct pq *p = *state;
	char path[64];

	if (p->lib.handle) {
		CALL(p->lib.handle, PQfinish)(p->conn);
		close(p->listener);
		snprintf(path, sizeof(path), "%s/.s.PGSQL.5432", p->dir);
		unlink(path);
		rmdir(p->dir);
		dlclose(p->lib.handle);
	}
	free(p);
	return 0;
}

static struct pq *pq_or_skip(void **state)
{
	struct pq *p = *state;

	if (!p->lib.handle)
		skip_because("libpq is not installed");
	return p;
}

static void libpq_version(void **state)
{
	struct pq *p = pq_or_skip(state);
	char version[16];

	snprintf(version, sizeof(version), "5.%d", CALL(p->lib.handle, PQlibVersion)() / 10000);
	assert_string_equal(p->lib.m.version, version);
}

static void libpq_connection(void **state)
{
	struct pq *p = pq_or_skip(state);

	assert_true(CALL(p->lib.handle, PQsocket)(p->conn) >= 0);
	assert_int_equal(int_at(&p->lib, p->conn, APM_OFF_PG_CONN_SOCKET),
			 CALL(p->lib.handle, PQsocket)(p->conn));
	assert_string_equal(pointer_at(&p->lib, p->conn, APM_OFF_PG_CONN_DB), "shop");
	assert_string_equal(pointer_at(&p->lib, p->conn, APM_OFF_PG_CONN_USER), "alice");
}

static void libpq_result(void **state)
{
	struct pq *p = pq_or_skip(state);
	PGresult *res = CALL(p->lib.handle, PQmakeEmptyPGresult)(p->conn, PGRES_TUPLES_OK);
	PGresAttDesc column = {.name = (char *)"a", .typlen = -1, .atttypmod = -1};

	CALL(p->lib.handle, PQsetResultAttrs)(res, 1, &column);
	CALL(p->lib.handle, PQsetvalue)(res, 0, 0, (char *)"x", 1);
	CALL(p->lib.handle, PQsetvalue)(res, 1, 0, (char *)"y", 1);
	assert_int_equal(int_at(&p->lib, res, APM_OFF_PG_RES_NTUPLES), 2);
	assert_int_equal(int_at(&p->lib, res, APM_OFF_PG_RES_STATUS), PGRES_TUPLES_OK);
	assert_ptr_equal(at(&p->lib, res, APM_OFF_PG_RES_CMD), CALL(p->lib.handle, PQcmdStatus)(res));
	CALL(p->lib.handle, PQclear)(res);
}

static void libpq_error(void **state)
{
	struct pq *p = pq_or_skip(state);
	PGconn *failed = CALL(p->lib.handle, PQconnectStart)("host=/nonexistent");
	PGresult *res = CALL(p->lib.handle, PQmakeEmptyPGresult)(failed, PGRES_FATAL_ERROR);
	char *(*field)(const PGresult *, int) = CALL(p->lib.handle, PQresultErrorField);
	const struct apm_lib *facts = &p->lib.m.facts;
	char first[64] = {0}, second[64] = {0}, *list = first, *next = second;

	assert_int_equal(int_at(&p->lib, res, APM_OFF_PG_RES_STATUS), PGRES_FATAL_ERROR);
	assert_ptr_equal(pointer_at(&p->lib, res, APM_OFF_PG_RES_ERRMSG),
			 CALL(p->lib.handle, PQresultErrorMessage)(res));
	assert_true(strlen(pointer_at(&p->lib, res, APM_OFF_PG_RES_ERRMSG)) > 0);

	/* two fields hung in where the offsets say; the library's own function must find both */
	memcpy(first, &next, sizeof(next));
	first[facts->off[APM_OFF_PG_FIELD_CODE]] = PG_DIAG_SQLSTATE;
	strcpy(first + facts->off[APM_OFF_PG_FIELD_TEXT], "42P01");
	second[facts->off[APM_OFF_PG_FIELD_CODE]] = PG_DIAG_MESSAGE_PRIMARY;
	strcpy(second + facts->off[APM_OFF_PG_FIELD_TEXT], "no such table");
	assert_null(field(res, PG_DIAG_SQLSTATE));
	memcpy((char *)res + facts->off[APM_OFF_PG_RES_ERRFIELDS], &list, sizeof(list));
	assert_string_equal(field(res, PG_DIAG_SQLSTATE), "42P01");
	assert_string_equal(field(res, PG_DIAG_MESSAGE_PRIMARY), "no such table");
	list = NULL;
	memcpy((char *)res + facts->off[APM_OFF_PG_RES_ERRFIELDS], &list, sizeof(list));

	CALL(p->lib.handle, PQclear)(res);
	CALL(p->lib.handle, PQfinish)(failed);
}

/* ---- sites ---- */

static const struct lib_probe *probe_of(const struct library *l, const char *name)
{
	for (size_t i = 0; i < l->m.probe_count; i++) {
		if (!strcmp(l->m.probe[i].symbol->name, name))
			return &l->m.probe[i];
	}
	return NULL;
}

static void every_site_is_cheap_and_in_its_function(const struct library *l, int functions)
{
	int named = 0;

	for (size_t i = 0; i < l->m.probe_count; i++) {
		const struct lib_probe *p = &l->m.probe[i];
		/* The stub by which the library calls that function of libc. */
		int is_stub = strstr(p->symbol->name, "sleep") != NULL;
		const char *fn = is_stub ? NULL : dlsym(l->handle, p->symbol->name);

		/* But those that a program hardly ever calls. */
		if (!is_stub && !strstr(p->symbol->name, "Describe"))
			assert_int_not_equal(p->site.cost, SITE_COST_STEPPED);
		assert_true(p->site.addr >= l->m.facts.text_start && p->site.addr < l->m.facts.text_end);
		if (!fn)
			continue;
		named++;
		if (!p->site.thunk)
			assert_ptr_equal(fn + p->site.moved, l->base + p->site.addr);
	}
	assert_int_equal(named, functions);
}

static void libpq_sites(void **state)
{
	struct pq *p = pq_or_skip(state);

	every_site_is_cheap_and_in_its_function(&p->lib, 16);
	assert_non_null(probe_of(&p->lib, "PQsendQuery"));
	assert_true(p->lib.m.facts.wrapper_count >= 4);
}

static void sqlite_sites(void **state)
{
	struct lite *l = lite_or_skip(state);
	int named;

	if (probe_of(&l->lib, "sqlite3Prepare") || probe_of(&l->lib, "sqlite3LockAndPrepare")) {
		assert_null(probe_of(&l->lib, "sqlite3_prepare_v2"));
		assert_true(!probe_of(&l->lib, "sqlite3Prepare") ||
			    !probe_of(&l->lib, "sqlite3LockAndPrepare"));
		/* step, two of open and of close; what is found inside has no name of its own */
		named = 5 + !!probe_of(&l->lib, "sqlite3_finalize");
		if (probe_of(&l->lib, "sqlite3Prepare")) {
			assert_non_null(probe_of(&l->lib, "sqlite3InitOne"));
			assert_non_null(probe_of(&l->lib, "sqlite3VtabCallConnect"));
			named += 2;
		}
		if (!l->lib.m.sets_why[0])
			named += 2; /* those in which whole executions end and fail */
		every_site_is_cheap_and_in_its_function(&l->lib, named);
	} else {
		assert_non_null(probe_of(&l->lib, "sqlite3_prepare_v2"));
		assert_non_null(probe_of(&l->lib, "sqlite3_prepare"));
		assert_non_null(probe_of(&l->lib, "sqlite3_prepare_v3"));
	}
	assert_null(probe_of(&l->lib, "sqlite3_reset")); /* the state can be read */
	/* either tells that another statement has taken a handle's place */
	assert_int_equal(!probe_of(&l->lib, "sqlite3_finalize"),
			 l->lib.m.facts.off[APM_OFF_LITE_STMT_RUNS] >= 0);
	assert_true(probe_of(&l->lib, "usleep") || probe_of(&l->lib, "nanosleep"));
}

#define LITE(test) cmocka_unit_test_setup_teardown(test, lite_setup, lite_teardown)
#define PQ(test)   cmocka_unit_test_setup_teardown(test, pq_setup, pq_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LITE(sqlite_version), LITE(sqlite_statement), LITE(sqlite_executions),
		LITE(sqlite_state),   LITE(sqlite_runs),      LITE(sqlite_bound_values),
		LITE(sqlite_error),   LITE(sqlite_changes),   LITE(the_caller_of_a_wrapper_is_found),
		LITE(sqlite_sites),   PQ(libpq_version),      PQ(libpq_connection),
		PQ(libpq_result),     PQ(libpq_error),	      PQ(libpq_sites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
