/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stand-in for libmysqlclient, for loader_client: the interface of it that matters over structures of its
 * own, no server, and no mysql_num_rows or mysql_stmt_affected_rows that could be read. mysql_affected_rows
 * looks its answer up in a table, so that nobody can tell where it is.
 */
/* CFLAGS: -shared -fPIC -Wno-missing-prototypes */
#include "truth.h"

typedef struct st_mysql {
	char net[64];
	unsigned int error_number, fields;
	char message[64], state[8];
	unsigned long affected[4];
	unsigned int turn;
} MYSQL;

typedef struct st_mysql_res {
	long pad[3];
	unsigned long rows;
} MYSQL_RES;

#define API __attribute__((noinline, visibility("default")))

API unsigned int mysql_errno(MYSQL *my)
{
	return my->error_number;
}

API const char *mysql_error(MYSQL *my)
{
	return my->message;
}

API const char *mysql_sqlstate(MYSQL *my)
{
	return my->state;
}

API unsigned int mysql_field_count(MYSQL *my)
{
	return my->fields;
}

API unsigned long mysql_affected_rows(MYSQL *my)
{
	return my->affected[my->turn & 3];
}

API unsigned long mysql_num_rows(MYSQL_RES *res)
{
	return res->rows;
}

API unsigned long mysql_get_client_version(void)
{
	return 80036;
}

API int mysql_real_query(MYSQL *my, const char *sql, unsigned long len)
{
	my->error_number = strstr(sql, "nowhere") ? 1146 : 0;
	strcpy(my->message, my->error_number ? "Table 'shop.nowhere' doesn't exist" : "");
	strcpy(my->state, my->error_number ? "42S02" : "00000");
	my->fields = !strncmp(sql, "SELECT", 6) && !my->error_number;
	my->affected[++my->turn & 3] = 2;
	return my->error_number != 0;
}

API MYSQL_RES *mysql_store_result(MYSQL *my)
{
	MYSQL_RES *res = calloc(1, sizeof(*res));

	res->rows = 7;
	return res;
}

API void mysql_free_result(MYSQL_RES *res)
{
	free(res);
}

API void mysql_close(MYSQL *my)
{
	free(my);
}

static int query(MYSQL *my, const char *sql)
{
	return mysql_real_query(my, sql, strlen(sql));
}

int module_main(int argc, char **argv)
{
	MYSQL *my = calloc(1, sizeof(*my));

	truth_start("mysql");
	for (int i = 0; i < 20; i++) {
		MYSQL_RES *res;

		query(my, "SELECT a FROM t");
		res = mysql_store_result(my);
		truth_ok("SELECT a FROM t", (long)mysql_num_rows(res));
		mysql_free_result(res);
		query(my, "UPDATE t SET a = 1");
		truth_ok("UPDATE t SET a = 1", (long)mysql_affected_rows(my));
		query(my, "SELECT a FROM nowhere");
		truth_error("SELECT a FROM nowhere", 0);
	}
	mysql_close(my);
	truth_write();
	return 0;
}
