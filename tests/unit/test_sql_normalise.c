/* SPDX-License-Identifier: BSD-2-Clause */
/* The normaliser against texts whose normal form is known, dialect by dialect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sql/internal.h"

#define GE SQL_GENERIC
#define PG SQL_POSTGRESQL
#define MY SQL_MYSQL
#define LI SQL_SQLITE

static struct sql_info analyse_with(const struct sql_options *opt, const char *text, size_t len, char **buf)
{
	struct sql_info info;
	size_t cap = sql_buffer_size(len);

	*buf = malloc(cap);
	assert_non_null(*buf);
	assert_int_equal(sql_analyse(text, len, opt, *buf, cap, &info), 0);
	return info;
}

static struct sql_info analyse(enum sql_dialect dialect, const char *text, char **buf)
{
	struct sql_options opt = {.dialect = dialect, .hash_key = {11, 22}};

	return analyse_with(&opt, text, strlen(text), buf);
}

static void check(enum sql_dialect dialect, const char *text, const char *want)
{
	char *buf;
	struct sql_info info = analyse(dialect, text, &buf);

	if (info.normalized.len != strlen(want) || memcmp(info.normalized.ptr, want, strlen(want)))
		fail_msg("dialect %d: %s\n  gives %.*s\n  not   %s", dialect, text, (int)info.normalized.len,
			 info.normalized.ptr, want);
	free(buf);
}

static uint64_t fingerprint(enum sql_dialect dialect, const char *text)
{
	char *buf;
	uint64_t value = analyse(dialect, text, &buf).fingerprint;

	free(buf);
	return value;
}

struct sample {
	enum sql_dialect dialect;
	const char *text;
	const char *want;
};

static void check_all(const struct sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check(samples[i].dialect, samples[i].text, samples[i].want);
}

#define CHECK_ALL(samples) check_all(samples, sizeof(samples) / sizeof((samples)[0]))

static void test_strings(void **state)
{
	static const struct sample samples[] = {
		{PG, "select 'Tom''s', x", "SELECT ?, x"},
		{PG, "select 'c:\\', x", "SELECT ?, x"},
		{PG, "select E'it\\'s', x", "SELECT ?, x"},
		{PG, "select U&'d!0061t' UESCAPE '!', x", "SELECT ?, x"},
		{PG, "select B'101', X'1f', n'nat'", "SELECT ?, ?, ?"},
		{PG, "select $$a $b$ 'c'$$, $t$ $$ $t$, $1", "SELECT ?, ?, ?"},
		{PG, "select 'one'\n  'two', x", "SELECT ?, x"},
		{PG, "select \"A\"\"b\", \"c 'd\"", "SELECT \"A\"\"b\", \"c 'd\""},
		{MY, "select 'it\\'s', \"he said \\\"no\\\"\", x", "SELECT ?, ?, x"},
		{MY, "select 'a' \"b\" 'c', x", "SELECT ?, x"},
		{MY, "select _utf8mb4'x', _latin1 'y', N'z', 0x1F, x'1f', b'01'", "SELECT ?, ?, ?, ?, ?, ?"},
		{MY, "select `a``b` from `t`", "SELECT `a``b` FROM `t`"},
		{LI, "select [a b], `c`, \"d\", x'00' from [t u]", "SELECT [a b], `c`, \"d\", ? FROM [t u]"},
		{LI, "insert into t values (\"text\", 'c:\\')", "INSERT INTO t VALUES (?, ?)"},
		{GE, "select q'[it's]', 'b'", "SELECT ?, ?"},
		{GE, "select 'it\\'s', 'b'", "SELECT ?, ?"},
		{GE, "select 'c:\\', 'b'", "SELECT ?, ?"},
		{GE, "select 'c:\\', $$it's$$, E'it\\'s', \"it's\", 'b'", "SELECT ?, ?, ?, \"it's\", ?"},
		{GE, "select 1 where a in (\"F\"(2), \"b\"[1], \"c\")",
		 "SELECT ? WHERE a IN (\"F\"(?), \"b\"[?], ?)"},
		/* A string is an element of the list itself. */
		{GE, "insert into t values (\"a\", s.\"b\", (select \"c\", \"d\" from \"e\" \"f\"), \"g\")",
		 "INSERT INTO t VALUES (?, s.\"b\", (SELECT \"c\", \"d\" FROM \"e\" \"f\"), ?)"},
	};

	CHECK_ALL(samples);
}

static void test_numbers(void **state)
{
	static const struct sample samples[] = {
		{PG, "select .5, 1., 1e-9, 0x1f, 0o17, 0b1, 1_000", "SELECT ?, ?, ?, ?, ?, ?, ?"},
		{PG, "select -1, +.5, a-1, a - -1, (-1), -a", "SELECT ?, ?, a - ?, a - ?, (?), -a"},
		{PG, "select a=-1, b<-1, c||-1", "SELECT a = ?, b < ?, c ||- ?"},
		{MY, "select 2fa, 1x from 3t where 4e5 = 0xff", "SELECT 2fa, 1x FROM 3t WHERE ? = ?"},
		{MY, "select t.5a from d.2t", "SELECT t.5a FROM d.2t"},
		{LI, "select 123-45-6789", "SELECT ? - ? - ?"},
		{PG, "select 1..2", "SELECT ?.?"},
		{PG, "select value -1, key - 1, row(-1) from t", "SELECT value - ?, key - ?, row(?) FROM t"},
	};

	CHECK_ALL(samples);
}

static void test_placeholders(void **state)
{
	static const struct sample samples[] = {
		{PG, "select * from t where a = $1 and b = ? and c = 5",
		 "SELECT * FROM t WHERE a = ? AND b = ? AND c = ?"},
		{PG, "select j ? 'k', j ?| array['a'], j @? '$.a'", "SELECT j ? ?, j ?| ARRAY[?], j @? ?"},
		{PG, "select a[1:2], x::int[]", "SELECT a[? : ?], x::int[]"},
		{LI, "select ?, ?7, :a, @b, $c", "SELECT ?, ?, ?, ?, ?"},
		{PG, "select 1 from t where j ? :key and j->'a' ? $1",
		 "SELECT ? FROM t WHERE j ? ? AND j -> ? ? ?"},
		{GE, "select a#>'{b}', a#>>'{b}', a@>'[1]', #b from #c",
		 "SELECT a #> ?, a #>> ?, a @> ?, #b FROM #c"},
		{MY, "select @user, @@session.sql_mode, ?", "SELECT @user, @@session.sql_mode, ?"},
		{GE, "select :a, :\"B\", $1, ?", "SELECT ?, ?, ?, ?"},
	};

	CHECK_ALL(samples);
}

static void test_lists(void **state)
{
	static const struct sample samples[] = {
		{PG, "select 1 where a in (1)", "SELECT ? WHERE a IN (?)"},
		{PG, "select 1 where a in (1, -2, 'x', $4, null)", "SELECT ? WHERE a IN (?)"},
		{PG, "select 1 where (a,b) in ((1,2),(3,4))", "SELECT ? WHERE (a, b) IN ((?, ?))"},
		{PG, "select 1 where a in (1, b, 2)", "SELECT ? WHERE a IN (?, b, ?)"},
		{PG, "select 1 where a in (select 1, 1)", "SELECT ? WHERE a IN (SELECT ?, ?)"},
		{PG, "select array[1,2,3]", "SELECT ARRAY[?]"},
		{PG, "select f(1, 2)", "SELECT f(?, ?)"},
		{PG, "insert into t values (1,'a'),(2,null),(3,default)", "INSERT INTO t VALUES (?, ?)"},
		{PG, "insert into t values (1,now()),(2,now()) returning id",
		 "INSERT INTO t VALUES (?, now()) RETURNING id"},
		{PG, "insert into t values (1, a), (b, 2)", "INSERT INTO t VALUES (?, a), (b, ?)"},
		{MY, "insert into t (a) values (1),(2) on duplicate key update a = values(a), b = 3",
		 "INSERT INTO t (a) VALUES (?) ON DUPLICATE key UPDATE a = VALUES (a), b = ?"},
		{MY, "insert into t values row(1,2), row(3,4)", "INSERT INTO t VALUES row(?, ?)"},
	};

	CHECK_ALL(samples);
}

static void test_comments_and_space(void **state)
{
	static const struct sample samples[] = {
		{PG, "/* a /* b */ c */select--x\n 1 ;", "SELECT ?"},
		{MY, "select 1 # it's\n, 2 -- x\n, 3--4", "SELECT ?, ?, ? - ?"},
		{MY, "select /*!40001 sql_no_cache */ a from t /*!50001 where b = 'x' */",
		 "SELECT sql_no_cache a FROM t WHERE b = ?"},
		{MY, "select /*+ max_execution_time(1000) */ a from t",
		 "SELECT /*+ max_execution_time(?) */ a FROM t"},
		{LI, "select /* a /* b */ 1", "SELECT ?"},
		{PG, "select [a[select /*+ x ; y */ 1", "SELECT [a[SELECT /*+ x; y */ ?"},
		{GE, "select\ta ,\r\n b", "SELECT a, b"},
		{PG, "select a , b from t where ( a = 1 )", "SELECT a, b FROM t WHERE (a = ?)"},
	};

	CHECK_ALL(samples);
}

static void test_case(void **state)
{
	static const struct sample samples[] = {
		{PG, "SELECT Id, \"Id\" FROM Users", "SELECT id, \"Id\" FROM users"},
		{MY, "select Id from Users", "SELECT Id FROM Users"},
		{LI, "SELECT Id FROM Users", "SELECT id FROM users"},
		{MY, "select COUNT(*) from t", "SELECT count(*) FROM t"},
		{MY, "show GLOBAL status", "SHOW global status"},
		{PG, "select u.user, u.order from t u", "SELECT u.user, u.order FROM t u"},
	};

	CHECK_ALL(samples);
}

static void test_credentials(void **state)
{
	static const struct sample samples[] = {
		{MY, "create user bob identified by hunter2", "CREATE USER bob identified BY ?"},
		{GE, "import x with encryption password Hunter2!x", "IMPORT x WITH encryption password ?"},
		{PG, "alter role bob password 'x'", "ALTER ROLE bob password ?"},
		{LI, "pragma key = hunter2", "PRAGMA key = ?"},
		{LI, "attach 'f' as d key \"hunter2\"", "ATTACH ? AS d key ?"},
		{PG, "create table t (password text)", "CREATE TABLE t (password text)"},
		{MY, "alter user bob password expire", "ALTER USER bob password expire"},
	};

	CHECK_ALL(samples);
}

/* A cut inside a literal gives what any other cut inside it gives, and a cut anywhere shows nothing of it. */
static void test_cut(void **state)
{
	static const struct {
		enum sql_dialect dialect;
		const char *text;
		size_t from; /* the literal's first inner byte */
		size_t to;
	} cuts[] = {
		{PG, "select a from t where b = 'Zq7 secret''s x'", 27, 43},
		{PG, "select a from t where b = E'Zq7\\'s x'", 28, 37},
		{PG, "select a from t where b = $tg$Zq7 $ x$tg$", 27, 41},
		{MY, "select a from t where b = \"Zq7\\\"\"\"secret\"", 27, 41},
		{LI, "select a from t where b = 'Zq7''s", 27, 33},
		{GE, "select a from t where b = 'Zq7'' s", 27, 34},
	};

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		struct sql_options opt = {.dialect = cuts[i].dialect};
		uint64_t first = 0;

		for (size_t len = 1; len <= strlen(cuts[i].text); len++) {
			char *buf;
			struct sql_info info = analyse_with(&opt, cuts[i].text, len, &buf);

			assert_null(memmem(info.normalized.ptr, info.normalized.len, "Zq7", 3));
			assert_null(memmem(info.normalized.ptr, info.normalized.len, "zq7", 3));
			if (len == cuts[i].from)
				first = info.fingerprint;
			if (len >= cuts[i].from && len <= cuts[i].to)
				assert_true(info.fingerprint == first);
			free(buf);
		}
	}
	assert_true(fingerprint(PG, "select 1 where a in (1, 2") ==
		    fingerprint(PG, "select 1 where a in (1, 2, 3, "));
	assert_true(fingerprint(PG, "insert into t values (1, 2), (3") ==
		    fingerprint(PG, "insert into t values (1, 2)"));
}

static void test_literal_hash(void **state)
{
	char *a_buf, *b_buf, *c_buf, *d_buf;
	struct sql_options other = {.dialect = PG, .hash_key = {11, 23}};
	const char *text = "select a from t where b = 'x' and c = 5";
	struct sql_info a = analyse(PG, text, &a_buf);
	struct sql_info b = analyse(PG, "select a from t /* c */ where b = 'x' and c =  5", &b_buf);
	struct sql_info c = analyse(PG, "select a from t where b = 'x' and c = -5", &c_buf);
	struct sql_info d = analyse_with(&other, text, strlen(text), &d_buf);

	assert_int_equal(a.literal_count, 2);
	assert_true(a.literal_hash == b.literal_hash);
	assert_true(a.literal_hash != c.literal_hash);
	assert_true(a.fingerprint == c.fingerprint);
	assert_true(a.literal_hash != d.literal_hash);
	free(a_buf);
	free(b_buf);
	free(c_buf);
	free(d_buf);
	a = analyse(PG, "select a from t where b = $1 and c in ($2, $3)", &a_buf);
	assert_int_equal(a.literal_count, 0);
	assert_true(a.literal_hash == 0);
	free(a_buf);
	/* "ab", "c" and "a", "bc" */
	a = analyse(PG, "select 'ab', 'c'", &a_buf);
	b = analyse(PG, "select 'a', 'bc'", &b_buf);
	assert_true(a.literal_hash != b.literal_hash);
	free(a_buf);
	free(b_buf);
	/* The quick way through a list hashes as the slow one does. */
	a = analyse(PG, "select 1 where a in (1, 2, 3, 4, 5)", &a_buf);
	b = analyse(PG, "select 1 where a in (1,/**/2,/**/3,/**/4,/**/5)", &b_buf);
	assert_true(a.literal_hash == b.literal_hash);
	assert_int_equal(a.literal_count, b.literal_count);
	free(a_buf);
	free(b_buf);
}

static void test_several_statements(void **state)
{
	const char *text = "select 1; /* x */ ; delete from t;  -- end";
	struct sql_options opt = {.dialect = PG};
	size_t at = 0;
	char *buf;
	struct sql_info info = analyse_with(&opt, text, strlen(text), &buf);

	assert_int_equal(info.consumed, 9);
	free(buf);
	at += info.consumed;
	info = analyse_with(&opt, text + at, strlen(text) - at, &buf);
	assert_int_equal(info.stmt_class, SQL_CLASS_EMPTY);
	free(buf);
	at += info.consumed;
	info = analyse_with(&opt, text + at, strlen(text) - at, &buf);
	assert_int_equal(info.kind, SQL_KIND_DELETE);
	assert_int_equal(at + info.consumed, strlen(text));
	free(buf);
	/* The body of a routine is one statement. */
	check(LI, "create trigger x after update on t begin delete from u; select 1; end; select 2",
	      "CREATE TRIGGER x after UPDATE ON t BEGIN DELETE FROM u; SELECT ?; END");
}

static void test_fingerprint_text(void **state)
{
	char hex[17];
	uint64_t value;

	sql_fingerprint_format(0x0123456789abcdefULL, hex);
	assert_string_equal(hex, "0123456789abcdef");
	assert_int_equal(sql_fingerprint_parse("0123456789ABCDEF", &value), 0);
	assert_true(value == 0x0123456789abcdefULL);
	assert_true(sql_fingerprint_parse("0123456789abcde", &value) < 0);
	assert_true(sql_fingerprint_parse("0123456789abcdef0", &value) < 0);
	assert_true(sql_fingerprint_parse("0123456789abcdeg", &value) < 0);
	/* Fixed for all machines: a change here is a change of sql_version(). */
	sql_fingerprint_format(fingerprint(PG, "SELECT 1"), hex);
	assert_string_equal(hex, "35a97f6255ce34d5");
	assert_int_equal(sql_version(), 2);
}

static void test_buffer(void **state)
{
	struct sql_options opt = {.dialect = PG};
	struct sql_info info;
	char small[100];

	assert_true(sql_analyse("select 1", 8, &opt, small, sizeof(small), &info) < 0);
}

static void test_keywords(void **state)
{
	static const char *const words[] = {"as",	    "SELECT", "Straight_Join", "auto_increment",
					    "concurrently", "where",  "uescape",       "xa",
					    "binary",	    "zone"};
	static const char *const others[] = {"a",    "selec",	       "selects", "straight-join",
					     "zzzz", "auto_incremenu", ""};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_non_null(sql_word_find(words[i], strlen(words[i]), strlen(words[i])));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_null(sql_word_find(others[i], strlen(others[i]), strlen(others[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_placeholders),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_comments_and_space),
		cmocka_unit_test(test_case),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_literal_hash),
		cmocka_unit_test(test_several_statements),
		cmocka_unit_test(test_fingerprint_text),
		cmocka_unit_test(test_buffer),
		cmocka_unit_test(test_keywords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
