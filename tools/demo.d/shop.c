/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small web shop on an embedded SQLite database: worker threads serve made-up requests with pauses between
 * them. Five things are wrong with it on purpose (tools/demo.d/run looks for each of them in the report):
 *
 * - N+1: list_products() asks for the vendor of each product on its own (and vendor has no index)
 * - slow query: search_reviews() reads every review
 * - identical query: every request reads the same setting eight times
 * - failing statement: redeem_coupon() uses a coupon twice
 * - CPU-hungry function: render_prices() computes for a long time outside of SQL
 *
 * What customer_orders() and place_order() do is healthy.
 *
 *   shop DATABASE        serves until it is killed
 */
/* LIBS: -lsqlite3 -lpthread */
/* CFLAGS: -fno-omit-frame-pointer */
#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 3
#define REVIEWS "600000"

struct worker {
	sqlite3 *db;
	int number;
	long requests, refused;
};

static const char schema[] =
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; BEGIN;"
	"CREATE TABLE vendor (code INTEGER, name TEXT);"
	"CREATE TABLE product (id INTEGER PRIMARY KEY, vendor INTEGER, name TEXT, price REAL, stock "
	"INTEGER);"
	"CREATE TABLE review (id INTEGER PRIMARY KEY, product_id INTEGER, body TEXT);"
	"CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, product_id INTEGER, quantity "
	"INTEGER);"
	"CREATE INDEX orders_customer ON orders (customer_id);"
	"CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT);"
	"CREATE TABLE coupon_use (coupon TEXT, customer_id INTEGER, UNIQUE (coupon, customer_id));"
	"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)"
	" INSERT INTO vendor SELECT i, 'Vendor ' || i FROM n;"
	"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
	" INSERT INTO product SELECT i, 1 + i * 7 % 8000, 'Product ' || i, i % 97 + 0.99, 1000000 FROM n;"
	"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " REVIEWS ")"
	" INSERT INTO review SELECT i, 1 + i % 2000, 'Arrived on day ' || (i % 31) || ' and does what it "
	"says. "
	"' ||"
	" CASE i % 5000 WHEN 7 THEN 'Asked for a refund.' ELSE 'Would buy it again.' END FROM n;"
	"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
	" INSERT INTO orders SELECT i, i % 500, 1 + i % 2000, 1 + i % 3 FROM n;"
	"INSERT INTO setting VALUES ('currency', 'EUR'), ('theme', 'dark');"
	"INSERT INTO coupon_use VALUES ('WELCOME', 1); COMMIT;";

static void stop(const char *what, sqlite3 *db)
{
	fprintf(stderr, "shop: %s: %s\n", what, sqlite3_errmsg(db));
	exit(1);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL))
		stop(sql, db);
	return stmt;
}

/* Runs a statement with up to two numbers; returns the first column of its last row. */
static inline __attribute__((always_inline)) long ask(sqlite3 *db, const char *sql, int a, int b)
{
	sqlite3_stmt *stmt = prepare(db, sql);
	long value = 0;

	sqlite3_bind_int(stmt, 1, a);
	sqlite3_bind_int(stmt, 2, b);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

__attribute__((noinline, noclone)) static void read_setting(sqlite3 *db)
{
	ask(db, "SELECT value FROM setting WHERE name = 'currency'", 0, 0);
}

__attribute__((noinline, noclone)) static void vendor_of(sqlite3 *db, int vendor)
{
	ask(db, "SELECT name FROM vendor WHERE code = ?", vendor, 0);
}

__attribute__((noinline, noclone)) static void list_products(sqlite3 *db, int page)
{
	sqlite3_stmt *stmt =
		prepare(db, "SELECT id, name, price, vendor FROM product WHERE id > ? ORDER BY id LIMIT 20");

	sqlite3_bind_int(stmt, 1, page * 20);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		vendor_of(db, sqlite3_column_int(stmt, 3));
	sqlite3_finalize(stmt);
}

__attribute__((noinline, noclone)) static void search_reviews(sqlite3 *db)
{
	ask(db,
	    "SELECT p.name, count(*) FROM review r JOIN product p ON p.id = r.product_id"
	    " WHERE lower(r.body) LIKE '%refund%' OR lower(r.body) LIKE '%money back%' GROUP BY p.name ORDER "
	    "BY 2 DESC",
	    0, 0);
}

__attribute__((noinline, noclone)) static void redeem_coupon(struct worker *w)
{
	static const char sql[] = "INSERT INTO coupon_use (coupon, customer_id) VALUES ('WELCOME', 1)";

	if (sqlite3_exec(w->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		w->refused++;
}

__attribute__((noinline, noclone)) static void customer_orders(sqlite3 *db, int customer)
{
	ask(db,
	    "SELECT o.id, p.name FROM orders o JOIN product p ON p.id = o.product_id WHERE o.customer_id = ?",
	    customer, 0);
}

__attribute__((noinline, noclone)) static void place_order(sqlite3 *db, int customer, int product)
{
	sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	ask(db, "INSERT INTO orders (customer_id, product_id, quantity) VALUES (?, ?, 1)", customer, product);
	ask(db, "UPDATE product SET stock = stock - ? WHERE id = ?", 1, product);
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
}

static volatile uint64_t rendered;

static double seconds(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* As long on a fast machine as on a slow one: `ms` of CPU time. */
__attribute__((noinline, noclone)) static void render_prices(int ms)
{
	double end = seconds(CLOCK_THREAD_CPUTIME_ID) + ms / 1e3;
	uint64_t hash = 14695981039346656037ULL;

	while (seconds(CLOCK_THREAD_CPUTIME_ID) < end)
		for (int i = 0; i < 100000; i++)
			hash = (hash ^ (uint64_t)i) * 1099511628211ULL;
	rendered = hash;
}

static void serve(struct worker *w)
{
	long n = w->requests++;

	for (int i = 0; i < 8; i++)
		read_setting(w->db);
	if (w->number == 0)
		list_products(w->db, n % 50);
	else if (w->number == 1 && n % 3 == 0)
		search_reviews(w->db);
	else if (w->number == 2 && n % 2 == 0)
		redeem_coupon(w);
	customer_orders(w->db, n % 500);
	if (n % 4 == 0)
		place_order(w->db, n % 500, 1 + n % 2000);
	render_prices(60);
}

static void *work(void *arg)
{
	const struct timespec think = {0, 180000000};

	for (;;) {
		serve(arg);
		nanosleep(&think, NULL);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker worker[WORKERS];
	pthread_t thread[WORKERS];

	if (argc != 2 || argv[1][0] == '-') {
		fputs("usage: shop DATABASE\n", stderr);
		return 2;
	}
	for (int i = 0; i < WORKERS; i++) {
		struct worker *w = &worker[i];

		w->number = i;
		if (sqlite3_open(argv[1], &w->db))
			stop(argv[1], w->db);
		sqlite3_busy_timeout(w->db, 5000);
		if (i == 0 && sqlite3_exec(w->db, schema, NULL, NULL, NULL))
			stop("seeding", w->db);
	}
	puts("open");
	fflush(stdout);
	for (int i = 0; i < WORKERS; i++)
		if (pthread_create(&thread[i], NULL, work, &worker[i]))
			return 1;
	pthread_join(thread[0], NULL);
	return 0;
}
