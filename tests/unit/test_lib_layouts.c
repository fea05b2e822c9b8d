/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libmariadb and hiredis: the offsets found in the installed libraries, held against the headers that were
 * installed with them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <hiredis/hiredis.h>
#include <link.h>
#include <mariadb/mysql.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <mariadb/ma_pvio.h> /* after mysql.h */

#include "collect/site.h"
#include "skip.h"

static int open_library(const char *soname, const char *name, struct lib_match *m)
{
	void *handle = dlopen(soname, RTLD_NOW);
	struct link_map *map;
	struct elf_file *f;
	int found;

	if (!handle)
		return 0;
	assert_int_equal(dlinfo(handle, RTLD_DI_LINKMAP, &map), 0);
	f = elf_file_open(map->l_name, -1);
	assert_non_null(f);
	found = lib_recognise(f, m, 1, NULL);
	elf_file_close(f);
	dlclose(handle);
	assert_int_equal(found, 1);
	assert_string_equal(m->name, name);
	assert_string_equal(m->missing, "");
	return 1;
}

#define HOLDS(fact, type, field) assert_int_equal(m.facts.off[fact], offsetof(type, field))

/* Whether the probe of this name stands inside a function, where it costs no single step. */
static int inner_probe(const struct lib_match *m, const char *name)
{
	for (size_t i = 0; i < m->probe_count; i++) {
		if (!strcmp(m->probe[i].symbol->name, name))
			return m->probe[i].site.thunk && m->probe[i].site.cost == SITE_COST_EMULATED;
	}
	return 0;
}

static void mariadb(void **state)
{
	struct lib_match m;

	if (!open_library("libmariadb.so.3", "libmariadb", &m))
		skip_because("libmariadb is not installed");
	HOLDS(APM_OFF_MY_ERRNO, MYSQL, net.last_errno);
	HOLDS(APM_OFF_MY_MESSAGE, MYSQL, net.last_error);
	HOLDS(APM_OFF_MY_SQLSTATE, MYSQL, net.sqlstate);
	HOLDS(APM_OFF_MY_AFFECTED, MYSQL, affected_rows);
	HOLDS(APM_OFF_MY_STATUS, MYSQL, server_status);
	HOLDS(APM_OFF_MY_FIELDS, MYSQL, field_count);
	HOLDS(APM_OFF_MY_USER, MYSQL, user);
	HOLDS(APM_OFF_MY_DB, MYSQL, db);
	HOLDS(APM_OFF_MY_RES_ROWS, MYSQL_RES, row_count);
	HOLDS(APM_OFF_MY_STMT_ERRNO, MYSQL_STMT, last_errno);
	HOLDS(APM_OFF_MY_STMT_MESSAGE, MYSQL_STMT, last_error);
	HOLDS(APM_OFF_MY_STMT_SQLSTATE, MYSQL_STMT, sqlstate);
	HOLDS(APM_OFF_MY_STMT_AFFECTED, MYSQL_STMT, upsert_status.affected_rows);
	HOLDS(APM_OFF_MY_STMT_FIELDS, MYSQL_STMT, field_count);
	HOLDS(APM_OFF_MY_STMT_ROWS, MYSQL_STMT, result.rows);
	HOLDS(APM_OFF_MY_STMT_CONN, MYSQL_STMT, mysql);
	HOLDS(APM_OFF_MY_STMT_PARAM_COUNT, MYSQL_STMT, param_count);
	HOLDS(APM_OFF_MY_STMT_PARAMS, MYSQL_STMT, params);
	/* two places inside mysql_free_result, and the register that holds the result there */
	HOLDS(APM_OFF_MY_USE_STATUS, MYSQL, status);
	assert_int_equal(MYSQL_STATUS_USE_RESULT, 2);
	assert_true(m.facts.place[APM_PLACE_MY_RESULT].where == APM_WHERE_REGISTER);
	assert_true(inner_probe(&m, "mysql_free_result") && inner_probe(&m, "mysql_eof"));
}

/* What the probes take from the public header without a proof (bpf/lib/mysql*.h). */
static void mysql_public(void **state)
{
	assert_int_equal(offsetof(MYSQL, net.fd), 0x28);
	assert_int_equal(offsetof(MYSQL, net.pvio), 0);
	assert_int_equal(offsetof(MYSQL, net.compress), 0x84);
	assert_int_equal(offsetof(MARIADB_PVIO, cache), 8);
	assert_int_equal(offsetof(MARIADB_PVIO, cache_pos), 16);
	assert_int_equal(offsetof(MARIADB_PVIO, cache_size), 24);
	assert_int_equal(sizeof(MYSQL_BIND), 112);
	assert_int_equal(offsetof(MYSQL_BIND, length), 0);
	assert_int_equal(offsetof(MYSQL_BIND, is_null), 8);
	assert_int_equal(offsetof(MYSQL_BIND, buffer), 16);
	assert_int_equal(offsetof(MYSQL_BIND, buffer_length), 64);
	assert_int_equal(offsetof(MYSQL_BIND, buffer_type), 96);
	assert_int_equal(offsetof(MYSQL_BIND, long_data_used), 102);
	assert_int_equal(offsetof(MYSQL_TIME, neg), 32);
}

static void hiredis(void **state)
{
	struct lib_match m;

	if (!open_library("libhiredis.so", "hiredis", &m))
		skip_because("hiredis is not installed");
	HOLDS(APM_OFF_RE_CONTEXT_ERRSTR, redisContext, errstr);
	HOLDS(APM_OFF_RE_CONTEXT_FD, redisContext, fd);
	HOLDS(APM_OFF_RE_REPLY_LEN, redisReply, len);
	HOLDS(APM_OFF_RE_REPLY_ELEMENTS, redisReply, elements);
	assert_int_equal(offsetof(redisReply, str), offsetof(redisReply, len) + sizeof(size_t));
	assert_int_equal(offsetof(redisReply, type), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mariadb),
		cmocka_unit_test(mysql_public),
		cmocka_unit_test(hiredis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
