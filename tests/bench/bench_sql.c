/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the SQL engine costs: ns per statement on common texts, MB/s on long ones (and whether time grows with
 * length alone), and against libpg_query's normalise + fingerprint on the same texts in the same run.
 *
 *   bench_sql [--file TEXTS] [--dialect D]     TEXTS: one statement per line
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if __has_include(<pg_query.h>)
#include <pg_query.h>
#define HAVE_PG_QUERY 1
#else
#define HAVE_PG_QUERY 0
#endif

#include "sql/sql.h"

#define ROUNDS 7

static const char *const common[] = {
	"SELECT id, name, email FROM users WHERE id = 42",
	"SELECT \"users\".* FROM \"users\" WHERE \"users\".\"email\" = 'jane.roe@example.org' LIMIT 1",
	"INSERT INTO orders (user_id, total, status) VALUES (17, 129.50, 'new') RETURNING id",
	"UPDATE accounts SET balance = balance - 12.5, updated_at = now() WHERE id = 991 AND balance >= 12.5",
	"DELETE FROM sessions WHERE expires_at < '2026-01-01 00:00:00' AND user_id IN (1, 2, 3)",
	"SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.status "
	"= 'open' AND "
	"o.created_at > now() - interval '7 days' ORDER BY o.created_at DESC LIMIT 20",
	"SELECT count(*) FROM comments WHERE post_id = $1",
	"SELECT COALESCE(sum(amount), 0) FROM payments WHERE account_id = 7 AND booked_on BETWEEN "
	"'2026-01-01' AND '2026-02-01'",
	"BEGIN",
	"SELECT 1",
};

struct text {
	char *ptr;
	size_t len;
};

static double now_ns(void)
{
	struct timespec ts;

	/* CPU time: other work on the machine is not ours. */
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static uint64_t sink;

static void analyse(const struct text *t, const struct sql_options *opt, char *buf, size_t cap)
{
	struct sql_info info;

	if (sql_analyse(t->ptr, t->len, opt, buf, cap, &info)) {
		fprintf(stderr, "bench_sql: buffer too small\n");
		exit(1);
	}
	sink ^= info.fingerprint;
}

/* Best of ROUNDS: ns for all texts once. */
static double time_ours(const struct text *texts, size_t count, unsigned int repeat,
			const struct sql_options *opt)
{
	size_t cap = 0;
	char *buf;
	double best = 1e300;

	for (size_t i = 0; i < count; i++)
		if (sql_buffer_size(texts[i].len) > cap)
			cap = sql_buffer_size(texts[i].len);
	buf = calloc(1, cap);
	if (!buf)
		exit(1);
	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns(), spent;

		for (unsigned int n = 0; n < repeat; n++)
			for (size_t i = 0; i < count; i++)
				analyse(&texts[i], opt, buf, cap);
		spent = (now_ns() - start) / repeat;
		best = spent < best ? spent : best;
	}
	free(buf);
	return best;
}

#if HAVE_PG_QUERY
static struct {
	PgQueryNormalizeResult (*normalize)(const char *text);
	PgQueryFingerprintResult (*fingerprint)(const char *text);
	void (*free_normalize)(PgQueryNormalizeResult result);
	void (*free_fingerprint)(PgQueryFingerprintResult result);
} peer;

/* Not linked: it carries PostgreSQL's hash_bytes(), which a linked program's own one would replace. */
static int load_peer(void)
{
	void *lib = dlopen("libpg_query.so", RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return -1;
	*(void **)&peer.normalize = dlsym(lib, "pg_query_normalize");
	*(void **)&peer.fingerprint = dlsym(lib, "pg_query_fingerprint");
	*(void **)&peer.free_normalize = dlsym(lib, "pg_query_free_normalize_result");
	*(void **)&peer.free_fingerprint = dlsym(lib, "pg_query_free_fingerprint_result");
	return peer.normalize && peer.fingerprint && peer.free_normalize && peer.free_fingerprint ? 0 : -1;
}

static double time_peer(const struct text *texts, size_t count, unsigned int repeat)
{
	double best = 1e300;

	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns(), spent;

		for (unsigned int n = 0; n < repeat; n++) {
			for (size_t i = 0; i < count; i++) {
				PgQueryNormalizeResult text = peer.normalize(texts[i].ptr);
				PgQueryFingerprintResult print = peer.fingerprint(texts[i].ptr);

				sink ^= print.fingerprint;
				peer.free_normalize(text);
				peer.free_fingerprint(print);
			}
		}
		spent = (now_ns() - start) / repeat;
		best = spent < best ? spent : best;
	}
	return best;
}
#endif

static struct text make_text(const char *head, const char *unit, const char *tail, size_t want)
{
	size_t unit_len = strlen(unit), head_len = strlen(head), tail_len = strlen(tail);
	struct text t = {malloc(want + head_len + unit_len + tail_len + 1), 0};

	if (!t.ptr)
		exit(1);
	memcpy(t.ptr, head, head_len);
	t.len = head_len;
	while (t.len + unit_len + tail_len <= want) {
		memcpy(t.ptr + t.len, unit, unit_len);
		t.len += unit_len;
	}
	memcpy(t.ptr + t.len, tail, tail_len);
	t.len += tail_len;
	t.ptr[t.len] = '\0';
	return t;
}

static void bench_long(const struct sql_options *opt)
{
	static const struct {
		const char *name, *head, *unit, *tail;
	} shapes[] = {
		{"long literal", "SELECT a FROM t WHERE b = '", "lorem ipsum dolor sit amet, ", "'"},
		{"IN list of numbers", "SELECT a FROM t WHERE b IN (1", ", 1234567", ")"},
		{"IN list of strings", "SELECT a FROM t WHERE b IN ('x'", ", 'jane.roe@example.org'", ")"},
		{"rows of VALUES", "INSERT INTO t (a, b) VALUES (1, 'x')",
		 ", (1234567, 'jane.roe@example.org')", ""},
		{"long comment", "SELECT a FROM t WHERE b = 1 /*", " lorem ipsum dolor sit amet", " */"},
		{"many columns", "SELECT a", ", t.column_name AS alias", " FROM t"},
		{"many conditions", "SELECT a FROM t WHERE b = 1", " OR (c.x = 5 AND d = 'y')", ""},
	};
	static const size_t sizes[] = {1000, 100000, 10000000};

	printf("%-22s %12s %12s %12s   MB/s at 1 KB, 100 KB, 10 MB\n", "long texts", "", "", "");
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
		printf("%-22s", shapes[s].name);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct text t = make_text(shapes[s].head, shapes[s].unit, shapes[s].tail, sizes[i]);
			double ns = time_ours(&t, 1, i == 0 ? 2000 : i == 1 ? 40 : 1, opt);

			printf(" %12.0f", (double)t.len / ns * 1000);
			free(t.ptr);
		}
		putchar('\n');
	}
}

static size_t read_texts(const char *path, struct text **out)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0, count = 0, room = 0;
	ssize_t len;

	if (!file) {
		perror(path);
		exit(1);
	}
	while ((len = getline(&line, &cap, file)) > 0) {
		if (count == room) {
			room = room ? 2 * room : 256;
			*out = realloc(*out, room * sizeof(**out));
			if (!*out)
				exit(1);
		}
		(*out)[count].ptr = strndup(line, (size_t)len);
		(*out)[count++].len = (size_t)len;
	}
	free(line);
	fclose(file);
	return count;
}

static void bench_texts(const char *name, const struct text *texts, size_t count,
			const struct sql_options *opt)
{
	size_t bytes = 0;
	double ours;

	for (size_t i = 0; i < count; i++)
		bytes += texts[i].len;
	ours = time_ours(texts, count, (unsigned int)(200000 / count + 1), opt);
	printf("%-22s %6zu texts, %4zu bytes on average: %7.0f ns each, %6.0f MB/s\n", name, count,
	       bytes / count, ours / (double)count, (double)bytes / ours * 1000);
#if HAVE_PG_QUERY
	if (opt->dialect == SQL_POSTGRESQL && peer.normalize) {
		double theirs = time_peer(texts, count, (unsigned int)(4000 / count + 1));

		printf("%-22s %38s %7.0f ns each, ratio %.1f\n", "  libpg_query", "", theirs / (double)count,
		       theirs / ours);
	}
#endif
}

int main(int argc, char **argv)
{
	struct sql_options opt = {.dialect = SQL_POSTGRESQL, .hash_key = {1, 2}};
	struct text texts[sizeof(common) / sizeof(common[0])], *file_texts = NULL;
	const char *path = NULL;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--file"))
			path = argv[i + 1];
		else if (!strcmp(argv[i], "--dialect"))
			opt.dialect = sql_dialect_from(str_from(argv[i + 1]));
	}
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		texts[i] = (struct text){(char *)(uintptr_t)common[i], strlen(common[i])};
#if HAVE_PG_QUERY
	if (load_peer())
#endif
		puts("libpg_query: not installed, no comparison");
	bench_texts("common statements", texts, sizeof(common) / sizeof(common[0]), &opt);
	if (path) {
		size_t count = read_texts(path, &file_texts);

		if (count)
			bench_texts(path, file_texts, count, &opt);
		for (size_t i = 0; i < count; i++)
			free(file_texts[i].ptr);
		free(file_texts);
	}
	bench_long(&opt);
	return sink == 1;
}
