/* SPDX-License-Identifier: BSD-2-Clause */
/* libmariadb: mysql_real_query of a text with its value in it, result stored. MYSQL_SOCKET,
 * MYSQL_DATABASE say where. */
/* CFLAGS: -I/usr/include/mariadb -I/usr/include/mysql */
/* LIBS: -lmariadb */
#include <mysql.h>

#include "load.h"

static MYSQL *my;

static void my_do(const char *sql)
{
	if (mysql_real_query(my, sql, strlen(sql)))
		stop(mysql_error(my));
}

static void load_open(void)
{
	my = mysql_init(NULL);
	if (!mysql_real_connect(my, NULL, "root", NULL, getenv("MYSQL_DATABASE"), 0, getenv("MYSQL_SOCKET"),
				0))
		stop(mysql_error(my));
	for (size_t i = 0; i < TABLES; i++) {
		char sql[160];

		snprintf(sql, sizeof(sql), "CREATE TEMPORARY TABLE %s (id int PRIMARY KEY, name text)",
			 tables[i]);
		my_do(sql);
		snprintf(sql, sizeof(sql),
			 "INSERT INTO %s SELECT seq, concat('item ', seq) FROM seq_0_to_999", tables[i]);
		my_do(sql);
	}
}

static void load_operation(size_t table, unsigned int i)
{
	char sql[64];
	MYSQL_RES *res;

	snprintf(sql, sizeof(sql), "SELECT name FROM %s WHERE id = %u", tables[table], i % TEXTS);
	my_do(sql);
	res = mysql_store_result(my);
	if (!res || mysql_num_rows(res) != 1)
		stop(mysql_error(my));
	mysql_free_result(res);
}

static int load_server(void)
{
	return 0;
}

static int load_text_offset(void)
{
	return 0;
}
