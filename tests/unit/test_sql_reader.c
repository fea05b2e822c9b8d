/* SPDX-License-Identifier: BSD-2-Clause */
/* Operation, tables, summary, class, kind and tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sql/sql.h"

#define GE SQL_GENERIC
#define PG SQL_POSTGRESQL
#define MY SQL_MYSQL
#define LI SQL_SQLITE

struct sample {
	enum sql_dialect dialect;
	const char *text;
	const char *operation;
	const char *collections; /* with spaces between */
	const char *summary;
};

static const struct sample samples[] = {
	{PG, "select * from a join b on b.x = a.x, c as d left join e using (f) where g = 1", "SELECT",
	 "a b c e", "SELECT a b c e"},
	{PG, "select (select max(x) from b) from a where y in (select z from c)", "SELECT", "b a c",
	 "SELECT SELECT b a SELECT c"},
	{PG, "with x as (select 1 from a), y as (select 2 from x join b on true) select * from x, y, c",
	 "SELECT", "a b c", "SELECT a SELECT b SELECT c"},
	{PG, "with recursive x(n) as (select 1 union all select n from x) select n from x", "SELECT", "",
	 "SELECT SELECT SELECT"},
	{PG, "with t as (select * from t) select * from t", "SELECT", "t", "SELECT t SELECT"},
	{PG, "with d as (delete from a returning *) insert into b select * from d", "INSERT", "a b",
	 "DELETE a INSERT b SELECT"},
	{PG, "select * from a, lateral (select * from b) c", "SELECT", "a b", "SELECT a SELECT b"},
	{PG, "select * from generate_series(1, 2) g, a", "SELECT", "a", "SELECT a"},
	{PG, "select extract(year from d), trim(both from e) from a", "SELECT", "a", "SELECT a"},
	{PG, "select a is distinct from b from c", "SELECT", "c", "SELECT c"},
	{PG, "select * from ((a join b on true) join c on true)", "SELECT", "a b c", "SELECT a b c"},
	{PG, "(select 1 from a) union (select 2 from b) except select 3 from c", "SELECT", "a b c",
	 "SELECT a SELECT b SELECT c"},
	{PG, "insert into s.t (a, b) select x, y from u on conflict (a) do update set b = excluded.b",
	 "INSERT", "s.t u", "INSERT s.t SELECT u"},
	{PG, "insert into \"S\".\"T x\" values (1)", "INSERT", "S.T x|", "INSERT \"S\".\"T x\""},
	{PG, "update only t set a = u.b from u where u.id = t.id", "UPDATE", "t u", "UPDATE t u"},
	{PG, "delete from t using u join v using (id) where t.id = u.id", "DELETE", "t u v", "DELETE t u v"},
	{PG, "merge into t using (select * from u) s on t.id = s.id when matched then update set x = 1",
	 "MERGE", "t u", "MERGE t SELECT u"},
	{PG, "select a from T for update of t", "SELECT", "t", "SELECT T"},
	{PG, "explain (analyze, buffers) select * from t", "EXPLAIN", "t", "EXPLAIN SELECT t"},
	{PG, "explain analyze verbose delete from t", "EXPLAIN", "t", "EXPLAIN DELETE t"},
	{PG, "copy t (a, b) from stdin", "COPY", "t", "COPY t"},
	{PG, "copy (select * from t) to stdout", "COPY", "t", "COPY SELECT t"},
	{PG, "create unique index concurrently if not exists i on t using gin (a)", "CREATE", "t",
	 "CREATE INDEX i"},
	{PG, "create table if not exists t (a int references u (id), password text)", "CREATE", "t u",
	 "CREATE TABLE t"},
	{PG, "create or replace view v as select * from t", "CREATE", "v t", "CREATE VIEW v SELECT t"},
	{PG, "create trigger x after update of a on t for each row execute function f()", "CREATE", "t",
	 "CREATE TRIGGER x"},
	{PG, "drop table if exists a, b cascade", "DROP", "a b", "DROP TABLE a b"},
	{PG, "alter table t add column a int, add column b int", "ALTER", "t", "ALTER TABLE t"},
	{PG, "truncate a, b", "TRUNCATE", "a b", "TRUNCATE a b"},
	{PG, "grant select on t to bob", "GRANT", "t", "GRANT t"},
	{PG, "declare c cursor for select * from t", "DECLARE", "t", "DECLARE SELECT t"},
	{PG, "/*+ SeqScan(t) */ update t set a = 1", "UPDATE", "t", "UPDATE t"},
	{MY, "insert ignore into `d`.`t` set a = 1", "INSERT", "d.t", "INSERT `d`.`t`"},
	{MY, "replace t values (1)", "REPLACE", "t", "REPLACE t"},
	{MY, "update a, b join c on true set a.x = b.x, b.y = 2 where 1", "UPDATE", "a b c", "UPDATE a b c"},
	{MY, "delete o from orders o join users u on true", "DELETE", "orders users", "DELETE orders users"},
	{MY, "delete from o using orders o", "DELETE", "o orders", "DELETE o orders"},
	{MY, "load data local infile 'x' into table t fields terminated by ','", "LOAD", "t", NULL},
	{MY, "select replace(a, 'x', 'y') from t", "SELECT", "t", "SELECT t"},
	{MY, "insert into t values (1) on duplicate key update a = 2", "INSERT", "t", "INSERT t"},
	{MY, "lock tables a read, b write", "LOCK", "a b", "LOCK TABLES a b"},
	{MY, "call p(1, 2)", "CALL", "", "CALL p"},
	{MY, "select extract(day from \"2020-01-01\") from t", "SELECT", "t", "SELECT t"},
	{LI, "insert or replace into t values (1)", "INSERT", "t", "INSERT t"},
	{LI, "select * from [a b], `c`", "SELECT", "a b|c", "SELECT [a b] `c`"},
	{GE, "update top (10) t set a = 1", "UPDATE", "t", "UPDATE t"},
	{GE, "delete top (10) from t", "DELETE", "t", "DELETE t"},
	{PG, "vacuum (analyze, verbose) t", "VACUUM", "t", "VACUUM t"},
	{PG, "select a into temp t from u", "SELECT", "t u", "SELECT t u"},
	{PG, "select a into temp table t from u", "SELECT", "t u", "SELECT t u"},
	/* Words that belong to a verb somewhere are names of tables elsewhere. */
	{PG, "merge into language as t using data as s on true when matched then delete", "MERGE",
	 "language data", "MERGE language data"},
	{PG, "update session s set a = 1", "UPDATE", "session", "UPDATE session"},
	{PG, "delete from role using temp t where true", "DELETE", "role temp", "DELETE role temp"},
	{PG, "lock table local in share mode", "LOCK", "local", "LOCK TABLE local"},
	{PG, "select * from a join b on value = 1 left join c on true", "SELECT", "a b c", "SELECT a b c"},
	/* TABLE t as a query */
	{PG, "select * from (table a) x union table b", "SELECT", "a b", "SELECT TABLE a TABLE b"},
	{PG, "insert into a table b", "INSERT", "a b", "INSERT a TABLE b"},
	{PG, "create table a as table b", "CREATE", "a b", "CREATE TABLE a TABLE b"},
	{PG, "reindex table concurrently t", "REINDEX", "t", "REINDEX TABLE t"},
	{PG, "drop index concurrently if exists i", "DROP", "", "DROP INDEX i"},
	{MY, "create algorithm=merge definer=`r`@`h` sql security invoker view v as select * from t",
	 "CREATE", "v t", "CREATE VIEW v SELECT t"},
	{MY, "create definer=root@localhost trigger x before insert on t for each row set new.a = 1",
	 "CREATE", "t", "CREATE TRIGGER x"},
	{GE, "declare type a is table of b%rowtype", "DECLARE", "", "DECLARE"},
	{GE, "select * from (table)", "SELECT", "table", "SELECT table"},
	{PG, "delete from a using (b join c using (x)) natural join d", "DELETE", "a b c d",
	 "DELETE a b c d"},
	{PG, "delete from a using f(1) x join rows from (g(1)) y using (z)", "DELETE", "a", "DELETE a"},
	{MY, "delete a from a join b using (x) where 1", "DELETE", "a b", "DELETE a b"},
	{MY, "analyze format=json select * from t", "ANALYZE", "t", "ANALYZE SELECT t"},
	{MY, "analyze no_write_to_binlog table t, u", "ANALYZE", "t u", "ANALYZE TABLE t u"},
	{MY, "analyze table t update histogram on c with 10 buckets", "ANALYZE", "t", "ANALYZE TABLE t"},
	{GE, "from t where x = 1", "SELECT", "t", "SELECT t"},
	{GE, "lorem from ipsum", "", "", ""},
};

static struct sql_info analyse(enum sql_dialect dialect, const char *text, char **buf)
{
	struct sql_options opt = {.dialect = dialect};
	struct sql_info info;
	size_t cap = sql_buffer_size(strlen(text));

	*buf = malloc(cap);
	assert_non_null(*buf);
	assert_int_equal(sql_analyse(text, strlen(text), &opt, *buf, cap, &info), 0);
	return info;
}

/* `want` has | or, where none is in it, a space for the newline. */
static int same_names(struct str got, const char *want)
{
	char separator = strchr(want, '|') ? '|' : ' ';
	size_t len = strlen(want) - (separator == '|' && strlen(want) && want[strlen(want) - 1] == '|');

	if (got.len != len)
		return 0;
	for (size_t i = 0; i < len; i++)
		if (got.ptr[i] != (want[i] == separator ? '\n' : want[i]))
			return 0;
	return 1;
}

static void test_samples(void **state)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];
		char *buf;
		struct sql_info info = analyse(s->dialect, s->text, &buf);

		if (!str_eq(info.operation, str_from(s->operation)) ||
		    !same_names(info.collections, s->collections) ||
		    (s->summary && !str_eq(info.summary, str_from(s->summary))))
			fail_msg("%s: [%.*s] [%.*s] [%.*s]", s->text, (int)info.operation.len,
				 info.operation.ptr, (int)info.collections.len, info.collections.ptr,
				 (int)info.summary.len, info.summary.ptr);
		free(buf);
	}
}

static void test_kinds(void **state)
{
	static const struct {
		enum sql_dialect dialect;
		const char *text;
		enum sql_class stmt_class;
		enum sql_kind kind;
	} kinds[] = {
		{PG, "begin", SQL_CLASS_CONTROL, SQL_KIND_BEGIN},
		{PG, "begin isolation level serializable", SQL_CLASS_CONTROL, SQL_KIND_BEGIN},
		{LI, "begin immediate", SQL_CLASS_CONTROL, SQL_KIND_BEGIN},
		{PG, "start transaction", SQL_CLASS_CONTROL, SQL_KIND_BEGIN},
		{MY, "start slave", SQL_CLASS_QUERY, SQL_KIND_OTHER},
		{PG, "end", SQL_CLASS_CONTROL, SQL_KIND_COMMIT},
		{PG, "prepare transaction 'x'", SQL_CLASS_CONTROL, SQL_KIND_COMMIT},
		{PG, "rollback", SQL_CLASS_CONTROL, SQL_KIND_ROLLBACK},
		{PG, "rollback work to savepoint a", SQL_CLASS_CONTROL, SQL_KIND_SAVEPOINT},
		{PG, "savepoint a", SQL_CLASS_CONTROL, SQL_KIND_SAVEPOINT},
		{PG, "release a", SQL_CLASS_CONTROL, SQL_KIND_SAVEPOINT},
		{PG, "set search_path = x", SQL_CLASS_CONTROL, SQL_KIND_OTHER},
		{PG, "deallocate all", SQL_CLASS_CONTROL, SQL_KIND_PREPARE},
		{PG, "prepare p as select 1 from t", SQL_CLASS_CONTROL, SQL_KIND_PREPARE},
		{LI, "pragma journal_mode = wal", SQL_CLASS_CONTROL, SQL_KIND_OTHER},
		{LI, "pragma table_info(t)", SQL_CLASS_QUERY, SQL_KIND_OTHER},
		{PG, "", SQL_CLASS_EMPTY, SQL_KIND_OTHER},
		{PG, " /* x */ -- y", SQL_CLASS_EMPTY, SQL_KIND_OTHER},
		{PG, "select a from t", SQL_CLASS_QUERY, SQL_KIND_READ},
		{PG, "select count(*) from t", SQL_CLASS_QUERY, SQL_KIND_COUNT},
		{PG, "select count(distinct a) as n from t", SQL_CLASS_QUERY, SQL_KIND_COUNT},
		{PG, "select exists(select 1 from t where x = 1)", SQL_CLASS_QUERY, SQL_KIND_COUNT},
		{PG, "select count(*), a from t", SQL_CLASS_QUERY, SQL_KIND_READ},
		{PG, "select count(*) + 1 from t", SQL_CLASS_QUERY, SQL_KIND_READ},
		{PG, "insert into t values (1)", SQL_CLASS_QUERY, SQL_KIND_INSERT},
		{PG, "insert into t values (1), (2)", SQL_CLASS_QUERY, SQL_KIND_INSERT_MANY},
		{PG, "insert into t values (f((values (1), (2))))", SQL_CLASS_QUERY, SQL_KIND_INSERT},
		{PG, "insert into t select 1", SQL_CLASS_QUERY, SQL_KIND_INSERT},
		{PG, "copy t from stdin", SQL_CLASS_QUERY, SQL_KIND_INSERT_MANY},
		{PG, "with x as (select 1) update t set a = 1", SQL_CLASS_QUERY, SQL_KIND_UPDATE},
		{PG, "create table t (a int)", SQL_CLASS_QUERY, SQL_KIND_DDL},
		{GE, "begin execute immediate 'x'; end;", SQL_CLASS_QUERY, SQL_KIND_OTHER},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char *buf;
		struct sql_info info = analyse(kinds[i].dialect, kinds[i].text, &buf);

		if (info.stmt_class != kinds[i].stmt_class || info.kind != kinds[i].kind)
			fail_msg("%s: class %d kind %d", kinds[i].text, info.stmt_class, info.kind);
		free(buf);
	}
}

static void test_tags(void **state)
{
	static const struct {
		const char *text;
		const char *tags;
	} tags[] = {
		{"select 1 /*action='%2Fparam*d',controller='index',traceparent='00-5bd66ef5-80-01'*/",
		 "action=/param*d\ncontroller=index\ntraceparent=00-5bd66ef5-80-01"},
		{"select 1 /* a = 'it\\'s' , b='x%0Ay' */", "a=it's\nb=x y"},
		{"/*application:Shop,controller:orders,action:index*/ select 1",
		 "application=Shop\ncontroller=orders\naction=index"},
		{"select /*a='1'*/ 1; -- end", "a=1"},
		{"select 1; /*a:1*/", "a=1"},
		{"/* see: the manual, page 4 */ select 1", ""},
		{"select 1 /* a='1', nonsense */", ""},
		{"select '/*a=\\'1\\'*/'", ""},
	};

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		char *buf;
		struct sql_info info = analyse(PG, tags[i].text, &buf);

		if (!str_eq(info.tags, str_from(tags[i].tags)))
			fail_msg("%s: [%.*s]", tags[i].text, (int)info.tags.len, info.tags.ptr);
		free(buf);
	}
}

/* Names and summary have their limits, whatever the text. */
static void test_limits(void **state)
{
	struct strbuf text = {0};
	unsigned int lines = 1;
	char *buf;
	struct sql_info info;

	strbuf_adds(&text, "select * from t0");
	for (int i = 1; i < 300; i++)
		strbuf_addf(&text, ", table_number_%d", i);
	info = analyse(PG, text.ptr, &buf);
	for (size_t i = 0; i < info.collections.len; i++)
		lines += info.collections.ptr[i] == '\n';
	assert_int_equal(lines, SQL_NAMES_MAX);
	assert_true(info.summary.len <= SQL_SUMMARY_MAX && info.summary.len > SQL_SUMMARY_MAX - 20);
	assert_memory_equal(info.summary.ptr, "SELECT t0 table_number_1 ", 25);
	/* Cut between words. */
	assert_true(strchr("0123456789", info.summary.ptr[info.summary.len - 1]) != NULL);
	free(buf);
	strbuf_reset(&text);
	for (int i = 0; i < 100000; i++)
		strbuf_adds(&text, "(select a from (");
	info = analyse(PG, text.ptr, &buf);
	assert_true(str_eq(info.operation, STR("SELECT")));
	free(buf);
	strbuf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
