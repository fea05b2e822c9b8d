/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of MariaDB's non-blocking calls, which run on a stack of their own: while one query is suspended,
 * a blocking call is made on another connection. A return probe would crash it. It prints "sum" and what it
 * read.
 *
 *   mysql_nonblock    N=… repetitions, MYSQL_SOCKET=…, MYSQL_DATABASE=…
 */
/* CFLAGS: -I/usr/include/mariadb -I/usr/include/mysql */
/* LIBS: -lmariadb */
#include <mysql.h>
#include <poll.h>

#include "truth.h"

static MYSQL *dial(void)
{
	MYSQL *my = mysql_init(NULL);

	mysql_options(my, MYSQL_OPT_NONBLOCK, NULL);
	if (!mysql_real_connect(my, NULL, "root", NULL, getenv("MYSQL_DATABASE"), 0, getenv("MYSQL_SOCKET"),
				0))
		die(mysql_error(my));
	return my;
}

static long first_number(MYSQL *my)
{
	MYSQL_RES *res = mysql_store_result(my);
	MYSQL_ROW row = res ? mysql_fetch_row(res) : NULL;
	long n = row && row[0] ? atol(row[0]) : -1;

	mysql_free_result(res);
	return n;
}

int main(void)
{
	static const char slow[] = "SELECT 2 + SLEEP(0.001)", fast[] = "SELECT 40";
	MYSQL *a, *b;
	long sum = 0;
	int err, status;

	truth_start("mysql");
	a = dial();
	b = dial();
	truth_barrier();
	for (int i = 0; i < env_int("N", 100); i++) {
		status = mysql_real_query_start(&err, a, slow, strlen(slow));
		if (mysql_real_query(b, fast, strlen(fast)))
			die(mysql_error(b));
		truth_ok(fast, 1);
		sum += first_number(b);
		while (status) {
			struct pollfd fd = {.fd = mysql_get_socket(a), .events = POLLIN};

			poll(&fd, 1, 1000);
			status = mysql_real_query_cont(&err, a, MYSQL_WAIT_READ);
		}
		if (err)
			die(mysql_error(a));
		truth_ok(slow, 1);
		sum += first_number(a);
	}
	printf("sum %ld\n", sum);
	mysql_close(a);
	mysql_close(b);
	truth_write();
	return 0;
}
