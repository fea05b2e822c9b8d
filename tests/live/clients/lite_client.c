/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An SQLite program with one mode per way of calling sqlite3. It counts what it executes (truth.h).
 *
 *   lite_client MODE    N=… repetitions, THREADS=…, DB=… database file (default: in memory)
 */
/* LIBS: -lsqlite3 -lpthread */
#include <setjmp.h>
#include <sys/wait.h>

#include "lite.h"

/* ---- prepared statements ---- */

static void mode_steps(void)
{
	sqlite3 *db = ready_db();
	sqlite3_stmt *one = prepare(db, SELECT_ITEM), *all = prepare(db, SELECT_ALL),
		     *add = prepare(db, INSERT_ITEM);

	once(db, "BEGIN", 1);
	for (int i = 0; i < repeat(); i++) {
		char name[32];

		sqlite3_bind_int(one, 1, i);
		run(one, SELECT_ITEM, 0);
		sqlite3_reset(one);
		snprintf(name, sizeof(name), "new %d", i);
		sqlite3_bind_int64(add, 1, 1000 + i);
		sqlite3_bind_text(add, 2, name, -1, SQLITE_TRANSIENT);
		sqlite3_bind_double(add, 3, i / 4.0);
		run(add, INSERT_ITEM, 0);
		sqlite3_reset(add);
		sqlite3_clear_bindings(add);
	}
	run(all, SELECT_ALL, 0);
	sqlite3_finalize(one);
	sqlite3_finalize(all);
	sqlite3_finalize(add);
	once(db, "UPDATE item SET price = 2 WHERE id < 10", 0);
	once(db, "DELETE FROM item WHERE id >= 1000", 0);
	once(db, "COMMIT", 1);
	once(db, "SELECT name FROM item WHERE id = -1", 0);
	sqlite3_close(db);
}

/* Rows are left behind: reset, finalize without reset, and a new execution after each. */
static void mode_partial(void)
{
	sqlite3 *db = ready_db();

	for (int i = 0; i < repeat(); i++) {
		sqlite3_stmt *stmt = prepare(db, SELECT_ALL);

		for (int row = 0; row < 3; row++)
			sqlite3_step(stmt);
		truth_ok(SELECT_ALL, 3);
		sqlite3_reset(stmt);
		sqlite3_step(stmt);
		truth_ok(SELECT_ALL, 1);
		if (i & 1)
			sqlite3_reset(stmt);
		sqlite3_finalize(stmt);
	}
	/* Never stepped: not a statement. Stepped to the end without a reset: the next step begins anew. */
	sqlite3_finalize(prepare(db, "SELECT count(*) FROM item"));
	sqlite3_stmt *stmt = prepare(db, "SELECT max(id) FROM item");

	for (int i = 0; i < 4; i++)
		run(stmt, "SELECT max(id) FROM item", 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

/* The program takes 300 ms of its own between rows. */
static void mode_pause(void)
{
	sqlite3 *db = ready_db();
	sqlite3_stmt *stmt = prepare(db, "SELECT id FROM item LIMIT 3");

	while (sqlite3_step(stmt) == SQLITE_ROW)
		nap_ms(100);
	truth_ok("SELECT id FROM item LIMIT 3", 3);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

/* Two statements of one connection, their steps interleaved. */
static void mode_interleave(void)
{
	static const char other[] = "SELECT id FROM item WHERE price > 3";
	sqlite3 *db = ready_db();
	sqlite3_stmt *a = prepare(db, SELECT_ALL), *b = prepare(db, other);
	long rows[2] = {0, 0};
	int more = 3;

	while (more) {
		if (more & 1)
			sqlite3_step(a) == SQLITE_ROW ? rows[0]++ : (more &= ~1);
		if (more & 2)
			sqlite3_step(b) == SQLITE_ROW ? rows[1]++ : (more &= ~2);
	}
	truth_ok(SELECT_ALL, rows[0]);
	truth_ok(other, rows[1]);
	sqlite3_finalize(a);
	sqlite3_finalize(b);
	sqlite3_close(db);
}

static void mode_before(void)
{
	sqlite3 *db = open_db();

	fill_db(db);
	sqlite3_stmt *one = prepare(db, SELECT_ITEM), *all = prepare(db, SELECT_ALL);

	run(one, SELECT_ITEM, 0); /* executed already, before anyone looked */
	sqlite3_reset(one);
	sqlite3_step(all); /* begun before, ended after: counted as neither */
	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		sqlite3_bind_int(one, 1, i);
		run(one, SELECT_ITEM, 0);
		sqlite3_reset(one);
	}
	sqlite3_finalize(one);
	sqlite3_finalize(all);
	sqlite3_close(db);
}

static void mode_bind(void)
{
	static const char sql[] = "SELECT ?, ?, ?, ?, ?, ?, typeof(:named)";
	char big[5000];
	sqlite3 *db = ready_db();
	sqlite3_stmt *stmt = prepare(db, sql);

	memset(big, 'b', sizeof(big));
	for (int i = 0; i < repeat(); i++) {
		sqlite3_bind_int(stmt, 1, i);
		sqlite3_bind_int64(stmt, 2, 1LL << 40);
		sqlite3_bind_double(stmt, 3, 0.25);
		sqlite3_bind_text(stmt, 4, "text", 4, SQLITE_STATIC);
		sqlite3_bind_blob(stmt, 5, big, sizeof(big), SQLITE_STATIC);
		sqlite3_bind_null(stmt, 6);
		sqlite3_bind_zeroblob(stmt, sqlite3_bind_parameter_index(stmt, ":named"), 100);
		run(stmt, sql, 0);
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

/* A text of about five thousand bytes, and one of about a hundred. */
static void mode_long(void)
{
	static char sql[5200] =
		"SELECT id, name, price, 'a literal that is here to fill the space' FROM item WHERE id = 1";
	sqlite3 *db = ready_db();

	for (int i = 0; i < repeat(); i++)
		once(db,
		     "SELECT id, name, price, 'a literal that is here to fill the space' FROM item WHERE id "
		     "= 1",
		     0);
	while (strlen(sql) < 5000)
		strcat(sql, " OR price = 12345.5");
	for (int i = 0; i < repeat(); i++)
		once(db, sql, 0);
	sqlite3_close(db);
}

/* ---- wrappers ---- */

static int count_row(void *arg, int columns, char **values, char **names)
{
	++*(long *)arg;
	return 0;
}

static void mode_exec(void)
{
	sqlite3 *db = ready_db();

	for (int i = 0; i < repeat(); i++) {
		long rows = 0;
		char **table;
		int n, columns;

		sqlite3_exec(db,
			     "INSERT INTO item VALUES (500, 'five', 1); SELECT name FROM item WHERE id > 30;"
			     " -- a comment\n DELETE FROM item WHERE id = 500;",
			     count_row, &rows, NULL);
		truth_ok("INSERT INTO item VALUES (500, 'five', 1)", 1);
		truth_ok("SELECT name FROM item WHERE id > 30", rows);
		truth_ok("DELETE FROM item WHERE id = 500", 1);
		sqlite3_get_table(db, "SELECT id, price FROM item WHERE id < 5", &table, &n, &columns, NULL);
		truth_ok("SELECT id, price FROM item WHERE id < 5", n);
		sqlite3_free_table(table);
	}
	sqlite3_exec(db, "", NULL, NULL, NULL);
	sqlite3_exec(db, "-- nothing", NULL, NULL, NULL);
	sqlite3_close(db);
}

/* The schema is read and changed by statements that sqlite3 runs inside its own step:
 * they are not the program's. */
static void mode_ddl(void)
{
	truth_barrier();
	for (int i = 0; i < 5; i++) {
		sqlite3 *db = open_db();

		once(db, "CREATE TABLE IF NOT EXISTS fresh (id INTEGER PRIMARY KEY, v TEXT)", 0);
		once(db, "CREATE INDEX IF NOT EXISTS fresh_v ON fresh (v)", 0);
		once(db, "INSERT INTO fresh (v) VALUES ('a'), ('b'), ('c')", 0);
		sqlite3_exec(db, "ALTER TABLE fresh ADD COLUMN w", NULL, NULL, NULL);
		truth_ok("ALTER TABLE fresh ADD COLUMN w", 0);
		once(db, "SELECT v FROM fresh", 0);
		once(db, "DROP TABLE fresh", 0);
		sqlite3_close(db);
	}
}

static void mode_trigger(void)
{
	static const char add[] = "INSERT INTO item (id, name, price) VALUES (700, 'seven', 7)";
	sqlite3 *db = open_db();

	fill_db(db);
	sqlite3_exec(
		db,
		"CREATE TABLE IF NOT EXISTS audit (id INTEGER, what TEXT);"
		"CREATE TRIGGER IF NOT EXISTS note AFTER INSERT ON item BEGIN"
		" INSERT INTO audit VALUES (new.id, 'one'); INSERT INTO audit VALUES (new.id, 'two'); END",
		NULL, NULL, NULL);
	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		once(db, add, 0);
		once(db, "DELETE FROM item WHERE id = 700", 0);
	}
	once(db, "SELECT * FROM audit", 0);
	sqlite3_close(db);
}

static void look_up(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	sqlite3_stmt *stmt = prepare(sqlite3_context_db_handle(ctx), "SELECT price FROM item WHERE id = ?");

	sqlite3_bind_value(stmt, 1, argv[0]);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		sqlite3_result_value(ctx, sqlite3_column_value(stmt, 0));
	truth_ok("SELECT price FROM item WHERE id = ?", 1);
	sqlite3_finalize(stmt);
}

/* A statement that calls a function of the program, which runs a statement. */
static void mode_nested(void)
{
	static const char outer[] = "SELECT id, look_up(id) FROM item WHERE id < 12";
	sqlite3 *db = ready_db();

	sqlite3_create_function(db, "look_up", 1, SQLITE_UTF8, NULL, look_up, NULL, NULL);
	for (int i = 0; i < repeat(); i++)
		once(db, outer, 0);
	sqlite3_close(db);
}

/* ---- errors ---- */

static void mode_errors(void)
{
	static const char *const bad[] = {"SELEC 1", "SELECT * FROM no_such_table",
					  "SELECT no_such_column FROM item"};
	static const char again[] = "INSERT INTO item VALUES (1, 'again', 0)",
			  locked[] = "UPDATE item SET price = 0";
	char path[] = "/tmp/lite_client_XXXXXX";
	int fd = mkstemp(path);

	setenv("DB", path, 1);
	sqlite3 *db = ready_db(), *other = open_db();

	sqlite3_busy_timeout(other, 0);
	for (int i = 0; i < repeat(); i++) {
		sqlite3_stmt *stmt;

		for (int b = 0; b < 3; b++) {
			sqlite3_prepare_v2(db, bad[b], -1, &stmt, NULL);
			truth_error(bad[b], 0);
		}
		once(db, again, 0);
		sqlite3_exec(db, "INSERT INTO item (name) VALUES ('item 1')", NULL, NULL, NULL);
		truth_error("INSERT INTO item (name) VALUES ('item 1')", 0);
		sqlite3_prepare_v2(db, "", -1, &stmt, NULL);
	}
	once(db, "BEGIN IMMEDIATE", 1);
	for (int i = 0; i < 5; i++)
		once(other, locked, 0);
	once(db, "ROLLBACK", 1);
	once(other, locked, 0);
	sqlite3_close(other);
	sqlite3_close(db);
	unlink(path);
	close(fd);
}

/* ---- calls that never return ---- */

static jmp_buf jump;

static int leap(void *arg)
{
	longjmp(jump, 1);
}

static int leap_row(void *arg, int columns, char **values, char **names)
{
	longjmp(jump, 1);
}

static void mode_longjmp(void)
{
	static const char endless[] =
		"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";

	static sqlite3 *db[20];

	for (int i = 0; i < 20; i++)
		fill_db(db[i] = open_db());
	truth_barrier();
	for (volatile int i = 0; i < 20; i += 2) {
		sqlite3_progress_handler(db[i], 1000, leap, NULL);
		if (!setjmp(jump)) /* left from inside step */
			sqlite3_exec(db[i], endless, NULL, NULL, NULL);
		if (!setjmp(jump)) /* left from inside exec, between two steps */
			sqlite3_exec(db[i + 1], "SELECT name FROM item", leap_row, NULL, NULL);
	}
	truth_add(endless, 0, 10, 0, 0);
	truth_add("SELECT name FROM item", 0, 10, 0, 10);
}

static void sleepy(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	sqlite3_result_int(ctx, sleep(60));
}

static void *sleeper(void *arg)
{
	sqlite3_exec(arg, "SELECT sleepy()", NULL, NULL, NULL);
	return NULL;
}

static void mode_cancel(void)
{
	sqlite3 *db = ready_db();

	for (int i = 0; i < 10; i++) {
		sqlite3 *own = open_db();
		pthread_t thread;

		sqlite3_create_function(own, "sleepy", 0, SQLITE_UTF8, NULL, sleepy, NULL, NULL);
		pthread_create(&thread, NULL, sleeper, own);
		nap_ms(20);
		pthread_cancel(thread);
		pthread_join(thread, NULL);
		truth_ok("SELECT sleepy()", 0);
		once(db, SELECT_ALL, 0);
	}
	sqlite3_close(db);
}

/* ---- threads and processes ---- */

static void *worker(void *arg)
{
	sqlite3 *db;

	if (sqlite3_open(":memory:", &db))
		die("cannot open");
	once(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", 0);
	for (int i = 0; i < repeat(); i++)
		once(db, "INSERT INTO t (v) VALUES ('x')", 0);
	once(db, "SELECT * FROM t", 0);
	sqlite3_close(db);
	return NULL;
}

static void mode_threads(void)
{
	int count = env_int("THREADS", 1000);
	pthread_t *thread = calloc(count, sizeof(*thread));
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	truth_barrier();
	for (int i = 0; i < count; i++)
		if (pthread_create(&thread[i], &attr, worker, NULL))
			die("cannot make a thread");
	for (int i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
	free(thread);
}

static void family(int depth)
{
	pid_t child[3];

	for (int i = 0; i < 3; i++) {
		child[i] = fork();
		if (!child[i]) {
			worker(NULL);
			if (depth)
				family(depth - 1);
			_exit(0);
		}
	}
	for (int i = 0; i < 3; i++)
		waitpid(child[i], NULL, 0);
}

static void mode_fork(void)
{
	truth_barrier();
	worker(NULL);
	family(1);
}

/* The child has its parent's memory and stack, and the parent stands still, until it ends. */
static void mode_vfork(void)
{
	sqlite3 *db = ready_db();

	for (int i = 0; i < repeat(); i++) {
		pid_t child = vfork();

		if (!child) {
			once(db, SELECT_ALL, 0);
			_exit(0);
		}
		once(db, "UPDATE item SET price = 1 WHERE id = 3", 0);
		waitpid(child, NULL, 0);
	}
	sqlite3_close(db);
}

/* Becomes another program in the same process: EXEC holds its path and mode. */
static void mode_become(void)
{
	sqlite3 *db = ready_db();
	char *path = getenv("EXEC_PROGRAM"), *mode = getenv("EXEC_MODE");

	once(db, SELECT_ALL, 0);
	truth_write();
	unsetenv("BARRIER");
	execl(path, path, mode, (char *)NULL);
	die("exec");
}

/* ---- long-lived ---- */

static void mode_hang(void)
{
	sqlite3 *db = ready_db();

	once(db, SELECT_ALL, 0);
	truth_write();
	puts("hanging");
	fflush(stdout);
	once(db,
	     "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100000000000) SELECT "
	     "max(x) FROM c",
	     0);
}

/* RATE statements a second for SECONDS_LONG; RATE=0: as fast as it goes. */
static void mode_steady(void)
{
	int rate = env_int("RATE", 2000);
	sqlite3 *db = ready_db();
	sqlite3_stmt *one = prepare(db, SELECT_ITEM);
	double begin = now_s(), end = begin + env_int("SECONDS_LONG", 3);
	long calls = 0;

	for (; (calls % 64 || now_s() < end) && !told_to_end; calls++) {
		sqlite3_bind_int(one, 1, calls % ITEMS);
		if (sqlite3_step(one) != SQLITE_ROW || sqlite3_step(one) != SQLITE_DONE)
			die("step");
		sqlite3_reset(one);
		if (rate) {
			double ahead = begin + (double)calls / rate - now_s();

			if (ahead > 0.001)
				usleep(ahead * 1e6);
		}
	}
	truth_add(SELECT_ITEM, 0, calls, 0, calls);
	sqlite3_finalize(one);
	sqlite3_close(db);
}

/* Many rows for SECONDS_LONG, in two threads: read to the end, given up, failed; and one statement is open all the time. */
static void *reader(void *arg)
{
	sqlite3 *db = arg;
	sqlite3_stmt *all = prepare(db, SELECT_ALL),
		     *fail = prepare(db, "INSERT INTO item VALUES (1, 'again', 0)"),
		     *open = prepare(db, "SELECT id FROM item");
	double end = now_s() + env_int("SECONDS_LONG", 3);
	long runs = 0, rows = 0;

	sqlite3_step(open);
	for (; now_s() < end; runs++) {
		for (int i = 0; i < (runs % 3 ? ITEMS + 1 : 5) && sqlite3_step(all) == SQLITE_ROW; i++)
			rows++;
		sqlite3_reset(all);
		sqlite3_step(fail);
		sqlite3_reset(fail);
	}
	while (sqlite3_step(open) == SQLITE_ROW)
		;
	truth_add(SELECT_ALL, 0, runs, 0, rows);
	truth_add("INSERT INTO item VALUES (1, 'again', 0)", 0, runs, runs, 0);
	truth_ok("SELECT id FROM item", ITEMS);
	sqlite3_finalize(all);
	sqlite3_finalize(fail);
	sqlite3_finalize(open);
	sqlite3_close(db);
	return NULL;
}

static void mode_rows(void)
{
	sqlite3 *other = open_db(), *one;
	pthread_t thread;

	fill_db(other);
	one = ready_db();
	pthread_create(&thread, NULL, reader, other);
	reader(one);
	pthread_join(thread, NULL);
}

static volatile unsigned long burnt;

__attribute__((noinline, noclone)) static void burn_outside(double seconds)
{
	for (double end = now_s() + seconds; now_s() < end;)
		for (int i = 0; i < 200000; i++)
			burnt = burnt * 6364136223846793005UL + 1442695040888963407UL;
}

/* Three quarters of the CPU outside SQL in one function, the rest in one of two statements. */
static void mode_cpu(void)
{
	static const char heavy[] = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x "
				    "< 300000) SELECT sum(x) FROM c";
	sqlite3 *db = ready_db();
	double end = now_s() + env_int("SECONDS_LONG", 3);

	while (now_s() < end) {
		double begin = now_s();

		once(db, heavy, 0);
		once(db, SELECT_ALL, 0);
		burn_outside(3 * (now_s() - begin));
	}
	sqlite3_close(db);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {
		{"steps", mode_steps},
		{"partial", mode_partial},
		{"interleave", mode_interleave},
		{"before", mode_before},
		{"bind", mode_bind},
		{"pause", mode_pause},
		{"long", mode_long},
		{"exec", mode_exec},
		{"ddl", mode_ddl},
		{"trigger", mode_trigger},
		{"nested", mode_nested},
		{"errors", mode_errors},
		{"longjmp", mode_longjmp},
		{"cancel", mode_cancel},
		{"threads", mode_threads},
		{"fork", mode_fork},
		{"vfork", mode_vfork},
		{"become", mode_become},
		{"hang", mode_hang},
		{"steady", mode_steady},
		{"cpu", mode_cpu},
		{"rows", mode_rows},
		{NULL, NULL},
	};

	return truth_main("sqlite", modes, argc, argv);
}
