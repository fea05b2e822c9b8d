/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A MySQL client with one mode per way of calling the C library. It counts what it executes (truth.h).
 * Tables author(id, name), book(id, author_id, title, price) and log(id primary key, note) and the procedures
 * two_results() and add_log(id) exist already.
 *
 *   mysql_client MODE    N=… repetitions, THREADS=…, MYSQL_SOCKET=…, MYSQL_DATABASE=…
 */
/* CFLAGS: -I/usr/include/mariadb -I/usr/include/mysql */
/* LIBS: -lmariadb -lpthread */
#include <mysql.h>

#include "truth.h"

#define SELECT_ONE "SELECT name FROM author WHERE id = 1"
#define SELECT_ALL "SELECT id, title FROM book ORDER BY id"
#define INSERT_LOG "INSERT INTO log (id, note) VALUES (1, 'x')"
#define DELETE_LOG "DELETE FROM log"
#define STMT_BOOKS "SELECT id, title FROM book WHERE author_id = ?"
#define STMT_LOG   "INSERT INTO log (id, note) VALUES (?, ?)"

static int repeat(void)
{
	return env_int("N", 50);
}

static MYSQL *dial(unsigned long flags)
{
	MYSQL *my = mysql_init(NULL);

	if (!mysql_real_connect(my, NULL, "root", NULL, getenv("MYSQL_DATABASE"), 0, getenv("MYSQL_SOCKET"),
				flags)) {
		fputs(mysql_error(my), stderr);
		die("no connection");
	}
	return my;
}

/* Fetches what came back for the template `label` at once, and counts it. */
static void account(MYSQL *my, int failed, const char *label, int control)
{
	MYSQL_RES *res = failed ? NULL : mysql_store_result(my);

	if (res)
		truth_add(label, control, 1, 0, (long)mysql_num_rows(res));
	else
		truth_add(label, control, 1, failed, failed ? 0 : (long)mysql_affected_rows(my));
	mysql_free_result(res);
}

static void query(MYSQL *my, const char *sql, const char *label)
{
	account(my, mysql_query(my, sql) != 0, label, 0);
}

static void control(MYSQL *my, const char *sql)
{
	account(my, mysql_query(my, sql) != 0, sql, 1);
}

/* ---- text ---- */

static void work(MYSQL *my)
{
	char sql[256];

	for (int i = 0; i < repeat(); i++) {
		snprintf(sql, sizeof(sql), "SELECT name FROM author WHERE id = %d", i);
		query(my, sql, SELECT_ONE);
	}
}

static void mode_query(void)
{
	MYSQL *my = dial(0);
	char sql[256];

	truth_barrier();
	work(my);
	control(my, "BEGIN");
	for (int i = 0; i < repeat(); i++) {
		/* with a length, and not ended by a NUL */
		int n = snprintf(sql, sizeof(sql), "INSERT INTO log (id, note) VALUES (%d, 'n%d')junk", i, i);

		account(my, mysql_real_query(my, sql, (unsigned long)n - 4), INSERT_LOG, 0);
	}
	query(my, "UPDATE log SET note = 'all'", "UPDATE log SET note = 'all'");
	query(my, SELECT_ALL, SELECT_ALL);
	query(my, DELETE_LOG, DELETE_LOG);
	control(my, "SAVEPOINT here");
	control(my, "ROLLBACK TO here");
	control(my, "COMMIT");
	query(my, "CREATE TEMPORARY TABLE copy SELECT * FROM author",
	      "CREATE TEMPORARY TABLE copy SELECT * FROM author");
	query(my, "SELECT 1 FROM author WHERE id < 0", "SELECT 1 FROM author WHERE id < 0");
	mysql_close(my);
}

/* The library's own statements: one call of the program, one of the library inside. */
static void mode_wrappers(void)
{
	MYSQL *my = dial(0);

	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		mysql_autocommit(my, 0);
		truth_control("SET autocommit=0");
		query(my, "UPDATE book SET price = price + 1 WHERE id = 7",
		      "UPDATE book SET price = price + 1 WHERE id = 7");
		mysql_commit(my);
		truth_control("COMMIT");
		mysql_rollback(my);
		truth_control("ROLLBACK");
		mysql_ping(my); /* not a statement */
	}
	mysql_close(my);
}

static void mode_use(void)
{
	MYSQL *my = dial(0);
	MYSQL_RES *res;
	long rows;

	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		long wanted = i % 3 ? 1000 : i; /* some are not fetched to the end */

		if (mysql_query(my, SELECT_ALL))
			die(mysql_error(my));
		res = mysql_use_result(my);
		for (rows = 0; rows < wanted && mysql_fetch_row(res); rows++)
			;
		mysql_free_result(res);
		truth_ok(SELECT_ALL, rows);
		query(my, SELECT_ONE, SELECT_ONE);
	}
	mysql_close(my);
}

/* Rows by the hundred thousand: some are never fetched, all are, or there are no more than were asked for. */
static void mode_unfetched(void)
{
	static const struct {
		const char *sql;
		long most;
	} given[] = {{"SELECT seq AS dropped FROM seq_1_to_300000", 3},
		     {"SELECT seq AS fetched FROM seq_1_to_300000", 1000000},
		     {"SELECT seq AS limited FROM seq_1_to_300000 LIMIT 3", 3}};
	MYSQL *my = dial(0);

	truth_barrier();
	for (int i = 0; i < 3 * repeat(); i++) {
		long rows = 0;
		MYSQL_RES *res;

		if (mysql_query(my, given[i % 3].sql))
			die(mysql_error(my));
		res = mysql_use_result(my);
		while (rows < given[i % 3].most && mysql_fetch_row(res))
			rows++;
		mysql_free_result(res);
		truth_ok(given[i % 3].sql, rows);
	}
	mysql_close(my);
}

static void mode_send(void)
{
	MYSQL *my = dial(0);
	char sql[256];

	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		int n = snprintf(sql, sizeof(sql), "SELECT name FROM author WHERE id = %d junk", i) - 5;

		if (mysql_send_query(my, sql, (unsigned long)n))
			die(mysql_error(my));
		account(my, mysql_read_query_result(my), SELECT_ONE, 0);
		if (mysql_send_query(my, "SELEC 1", 7))
			die(mysql_error(my));
		account(my, mysql_read_query_result(my), "SELEC 1", 0);
	}
	mysql_close(my);
}

static void mode_pause(void)
{
	MYSQL *my = dial(0);
	MYSQL_RES *res;

	truth_barrier();
	query(my, "SELECT SLEEP(0.3)", "SELECT SLEEP(0.3)");
	if (mysql_send_query(my, "SELECT SLEEP(0.2), 1", 20))
		die(mysql_error(my));
	account(my, mysql_read_query_result(my), "SELECT SLEEP(0.2), 1", 0);
	mysql_query(my, SELECT_ALL);
	nap_ms(300);
	res = mysql_store_result(my);
	truth_ok(SELECT_ALL, (long)mysql_num_rows(res));
	mysql_free_result(res);
	mysql_close(my);
}

/* ---- several results ---- */

static void results(MYSQL *my, const char *sql, const char *const label[], int count)
{
	int failed = mysql_query(my, sql) != 0, more = 0;

	for (int i = 0; i < count && more <= 0; i++) {
		account(my, failed, label[i], 0);
		more = failed ? 1 : mysql_next_result(my);
		failed = more > 0;
		if (failed && i + 1 < count)
			account(my, 1, label[i + 1], 0);
	}
}

static void mode_multi(void)
{
	static const char *const good[] = {"SELECT 1 FROM author WHERE id < 3",
					   "UPDATE book SET price = 1 WHERE id < 4", "SELECT 'b'"};
	static const char *const bad[] = {"SELECT 1 FROM author WHERE id < 3", "SELECT * FROM nowhere"};
	static const char *const call[] = {"CALL two_results()", "CALL add_log(1)"};
	MYSQL *my = dial(CLIENT_MULTI_STATEMENTS);

	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		long rows = 0;

		results(my,
			"SELECT 1 FROM author WHERE id < 3; UPDATE book SET price = 1 WHERE id < 4; SELECT "
			"'b'",
			good, 3);
		results(my, "SELECT 1 FROM author WHERE id < 3; SELECT * FROM nowhere; SELECT 3", bad, 2);
		/* One statement whose results have 40 and 3 rows, and its own end. */
		if (mysql_query(my, call[0]))
			die(mysql_error(my));
		do {
			MYSQL_RES *res = mysql_store_result(my);

			rows += res ? (long)mysql_num_rows(res) : 0;
			mysql_free_result(res);
		} while (!mysql_next_result(my));
		truth_ok(call[0], rows);
		query(my, call[1], call[1]);
		query(my, DELETE_LOG, DELETE_LOG);
	}
	mysql_close(my);
}

/* ---- prepared ---- */

static MYSQL_STMT *prepare(MYSQL *my, const char *sql)
{
	MYSQL_STMT *stmt = mysql_stmt_init(my);

	if (mysql_stmt_prepare(stmt, sql, strlen(sql)))
		die(mysql_stmt_error(stmt));
	return stmt;
}

static long fetch_all(MYSQL_STMT *stmt, long most)
{
	long rows = 0;

	while (rows < most && !mysql_stmt_fetch(stmt))
		rows++;
	return rows;
}

static void select_books(MYSQL_STMT *stmt, int author, int store, long most)
{
	char title[64];
	int id;
	MYSQL_BIND in = {.buffer_type = MYSQL_TYPE_LONG, .buffer = &author};
	MYSQL_BIND out[2] = {
		{.buffer_type = MYSQL_TYPE_LONG, .buffer = &id},
		{.buffer_type = MYSQL_TYPE_STRING, .buffer = title, .buffer_length = sizeof(title)}};

	if (mysql_stmt_bind_param(stmt, &in) || mysql_stmt_execute(stmt) || mysql_stmt_bind_result(stmt, out))
		die(mysql_stmt_error(stmt));
	if (store && mysql_stmt_store_result(stmt))
		die(mysql_stmt_error(stmt));
	most = fetch_all(stmt, most);
	truth_ok(STMT_BOOKS, store ? (long)mysql_stmt_num_rows(stmt) : most);
}

static void insert_log(MYSQL_STMT *stmt, long id, const char *note)
{
	long long wide = id;
	unsigned long length = note ? strlen(note) : 0;
	my_bool null = !note;
	MYSQL_BIND in[2] = {{.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &wide},
			    {.buffer_type = MYSQL_TYPE_STRING,
			     .buffer = (void *)note,
			     .buffer_length = 64,
			     .length = &length,
			     .is_null = &null}};
	int failed;

	if (mysql_stmt_bind_param(stmt, in))
		die(mysql_stmt_error(stmt));
	failed = mysql_stmt_execute(stmt);
	truth_add(STMT_LOG, 0, 1, failed != 0, failed ? 0 : (long)mysql_stmt_affected_rows(stmt));
}

static void mode_prepared(void)
{
	MYSQL *my = dial(0);
	MYSQL_STMT *books, *log;

	truth_barrier();
	books = prepare(my, STMT_BOOKS);
	log = prepare(my, STMT_LOG);
	for (int i = 0; i < repeat(); i++) {
		select_books(books, i % 20, 1, 1000);
		mysql_stmt_free_result(books);
		insert_log(log, i, i % 5 ? "note" : NULL);
	}
	insert_log(log, 1, "again"); /* duplicate key */
	insert_log(log, 1000, "end");
	/* row by row, to the end and not */
	for (int i = 0; i < repeat(); i++) {
		select_books(books, i % 20, 0, i % 2 ? 1000 : 2);
		if (i % 3)
			mysql_stmt_free_result(books);
		else
			while (!mysql_stmt_fetch(books))
				truth_add(STMT_BOOKS, 0, 0, 0, 1);
	}
	mysql_stmt_close(books);
	mysql_stmt_close(log);
	books = mysql_stmt_init(my);
	if (!mysql_stmt_prepare(books, "SELECT * FROM nowhere WHERE id = ?", 34))
		die("prepared what is not there");
	truth_error("SELECT * FROM nowhere WHERE id = ?", 0);
	if (mysql_stmt_prepare(books, STMT_BOOKS, strlen(STMT_BOOKS)))
		die(mysql_stmt_error(books));
	select_books(books, 3, 1, 1000);
	mysql_stmt_close(books);
	query(my, DELETE_LOG, DELETE_LOG);
	mysql_close(my);
}

/* A procedure with two results and its own end, prepared: stored, or fetched row by row. */
static void mode_call(void)
{
	static const char sql[] = "CALL two_results()";
	MYSQL *my = dial(0);
	MYSQL_STMT *stmt;

	truth_barrier();
	stmt = prepare(my, sql);
	for (int i = 0; i < repeat(); i++) {
		long rows = 0;

		if (mysql_stmt_execute(stmt))
			die(mysql_stmt_error(stmt));
		do {
			if (!mysql_stmt_field_count(stmt))
				continue;
			if (i & 1)
				mysql_stmt_store_result(stmt);
			rows += i & 1 ? (long)mysql_stmt_num_rows(stmt) : 0;
			while (!mysql_stmt_fetch(stmt))
				rows += !(i & 1);
			mysql_stmt_free_result(stmt);
		} while (!mysql_stmt_next_result(stmt));
		truth_ok(sql, rows);
	}
	mysql_stmt_close(stmt);
	query(my, DELETE_LOG, DELETE_LOG);
	mysql_close(my);
}

/* The same values five times, or others each time: tells whether bound values are read. */
static void mode_values(void)
{
	MYSQL *my = dial(0);
	MYSQL_STMT *stmt;
	int same = env_int("SAME", 0);

	truth_barrier();
	stmt = prepare(my, STMT_BOOKS);
	for (int i = 0; i < repeat(); i++)
		select_books(stmt, same ? 3 : i, 1, 1000);
	mysql_stmt_close(stmt);
	mysql_close(my);
}

static void mode_direct(void)
{
	static const char count[] = "SELECT count(*) FROM book";
	MYSQL *my = dial(0);
	MYSQL_STMT *stmt = mysql_stmt_init(my);

	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		if (mariadb_stmt_execute_direct(stmt, count, strlen(count)) || mysql_stmt_store_result(stmt))
			die(mysql_stmt_error(stmt));
		truth_ok(count, 1);
	}
	if (!mariadb_stmt_execute_direct(stmt, "SELECT 1 FROM nowhere", 21))
		die("executed what is not there");
	truth_error("SELECT 1 FROM nowhere", 0);
	mysql_stmt_close(stmt);
	mysql_close(my);
}

/* Prepared before the tracer comes: the handle does not hold its text. */
static void mode_before(void)
{
	MYSQL *my = dial(0);
	MYSQL_STMT *stmt = prepare(my, STMT_BOOKS);

	truth_barrier();
	for (int i = 0; i < repeat(); i++)
		select_books(stmt, i % 20, 1, 1000);
	mysql_stmt_close(stmt);
	work(my);
	mysql_close(my);
}

/* ---- errors ---- */

static void mode_errors(void)
{
	static const char *const bad[] = {"SELEC secret", "SELECT * FROM no_such_table",
					  "SELECT nothing FROM author"};
	MYSQL *my = dial(0);

	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		for (size_t k = 0; k < sizeof(bad) / sizeof(*bad); k++)
			query(my, bad[k], bad[k]);
		query(my, "INSERT INTO author (id, name) VALUES (1, 'again')",
		      "INSERT INTO author (id, name) VALUES (1, 'again')");
		query(my, SELECT_ONE, SELECT_ONE);
	}
	mysql_close(my);
}

/* The server ends the connection. */
static void mode_killed(void)
{
	MYSQL *my = dial(0), *other = dial(0);
	char sql[64];

	truth_barrier();
	snprintf(sql, sizeof(sql), "KILL %lu", mysql_thread_id(my));
	query(other, sql, "KILL 1");
	query(my, SELECT_ONE, SELECT_ONE);
	query(my, SELECT_ONE, SELECT_ONE);
	mysql_close(my);
	mysql_close(other);
}

/* A result that is not asked for, and one that is not freed before the connection is closed. */
static void mode_abandon(void)
{
	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		MYSQL *my = dial(0);

		query(my, SELECT_ONE, SELECT_ONE);
		if (mysql_query(my, SELECT_ALL))
			die(mysql_error(my));
		truth_ok(SELECT_ALL, 0);
		mysql_close(my);
	}
}

static void *thread(void *unused)
{
	MYSQL *my = dial(0);

	work(my);
	mysql_close(my);
	return NULL;
}

static void mode_threads(void)
{
	pthread_t id[64];
	int n = env_int("THREADS", 16);

	mysql_library_init(0, NULL, NULL);
	truth_barrier();
	for (int i = 0; i < n && i < 64; i++)
		pthread_create(&id[i], NULL, thread, NULL);
	for (int i = 0; i < n && i < 64; i++)
		pthread_join(id[i], NULL);
}

static void mode_two(void)
{
	MYSQL *a = dial(0), *b = dial(0);

	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		if (mysql_send_query(a, SELECT_ONE, strlen(SELECT_ONE)) ||
		    mysql_send_query(b, SELECT_ALL, strlen(SELECT_ALL)))
			die("send");
		account(b, mysql_read_query_result(b), SELECT_ALL, 0);
		account(a, mysql_read_query_result(a), SELECT_ONE, 0);
	}
	mysql_close(a);
	mysql_close(b);
}

/* Runs until the server is ended. */
static void mode_hang(void)
{
	MYSQL *my = dial(0);

	truth_barrier();
	query(my, SELECT_ONE, SELECT_ONE);
	puts("hanging");
	fflush(stdout);
	query(my, "SELECT SLEEP(60)", "SELECT SLEEP(60)");
	mysql_close(my);
}

/* One statement many times: for the price of a probe. */
static void mode_loop(void)
{
	MYSQL *my = dial(0);
	struct timespec t[2];

	truth_barrier();
	work(my);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t[0]);
	work(my);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t[1]);
	printf("cpu_ns %.0f\n", ((t[1].tv_sec - t[0].tv_sec) * 1e9 + t[1].tv_nsec - t[0].tv_nsec) / repeat());
	mysql_close(my);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {{"query", mode_query},     {"wrappers", mode_wrappers},
					    {"use", mode_use},	       {"unfetched", mode_unfetched},
					    {"send", mode_send},       {"pause", mode_pause},
					    {"multi", mode_multi},     {"prepared", mode_prepared},
					    {"values", mode_values},   {"call", mode_call},
					    {"direct", mode_direct},   {"before", mode_before},
					    {"errors", mode_errors},   {"killed", mode_killed},
					    {"abandon", mode_abandon}, {"threads", mode_threads},
					    {"two", mode_two},	       {"hang", mode_hang},
					    {"loop", mode_loop},       {NULL, NULL}};

	return truth_main("mysql", modes, argc, argv);
}
