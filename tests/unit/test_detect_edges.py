#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Scenarios at the edges of each definition: what the words of docs/findings say must be found, and nothing else.

A row: detector, name, the spans, what is found ([] = nothing, else (count, total_us or None) of each), more of the scenario.
"""
import json
import sys

from test_detect_table import USERS, each, mixed, run, spans

AUTHOR = 'SELECT name FROM author WHERE id = %d LIMIT 21'
LIST = 'SELECT id, author_id FROM book ORDER BY id DESC LIMIT 10'
SLOW = {'slow_threshold_us': 500000}


def conn(items, number):
    return [(text, {'conn': number}) if isinstance(text, str) else (text[0], dict(text[1], conn=number)) for text in items]


def tx(items, number):
    return [(text, {'tx': number}) if isinstance(text, str) else (text[0], dict(text[1], tx=number)) for text in items]


def at(text, start, **more):
    return (text, dict(more, t_start_us=start))


def cache(items, **more):
    return spans(*items, kind='redis', **more)


def http(items, **more):
    return spans(*items, kind='http', **dict({'dur': 100000}, **more))


def connects(count, kind='connect', **more):
    return spans(*['connect'] * count, kind=kind, **more)


def values(rows, first=0):
    return 'INSERT INTO t (a, b) VALUES ' + ', '.join('(%d, 1)' % i for i in range(first, first + rows))


def among(count, first=0):
    return 'SELECT * FROM t WHERE id IN (%s)' % ', '.join(str(i) for i in range(first, first + count))


N = 'n_plus_one'
REPEATS = [
    # ---- the threshold
    (N, 'one below it', spans(LIST, *each(AUTHOR, 9)), [], {'threshold': 10}),
    (N, 'at it', spans(LIST, *each(AUTHOR, 10)), [(10, 10000)], {'threshold': 10}),
    (N, 'above it', spans(LIST, *each(AUTHOR, 11)), [(11, 11000)], {'threshold': 10}),
    (N, 'two are enough where two are asked for', spans(LIST, *each(AUTHOR, 2)), [(2, 2000)], {'threshold': 2}),
    (N, 'no threshold given: five', spans(*each(AUTHOR, 4)), [], {}),
    (N, 'the time asked for, one microsecond short', spans(*each(AUTHOR, 10)), [], {'min_total_us': 10001}),
    (N, 'the time asked for, exactly', spans(*each(AUTHOR, 10)), [(10, 10000)], {'min_total_us': 10000}),
    (N, 'the time of the repeats, not of the unit', spans((LIST, {'t_dur_us': 90000}), *each(AUTHOR, 10)), [], {'min_total_us': 50000}),
    (N, 'repeats without time', spans(*each(AUTHOR, 10), dur=0), [(10, 0)], {}),
    # ---- parameters
    (N, 'placeholder and a literal beside it: not readable', spans(*['SELECT a FROM t WHERE id = $1 LIMIT 21'] * 6), [(6, None)], {}),
    (N, '%s of Python and a literal beside it', spans(*['SELECT a FROM t WHERE id = %s LIMIT 21'] * 6), [(6, None)], {}),
    (N, '%s of Python alone', spans(*['SELECT a FROM t WHERE id = %s'] * 6), [(6, None)], {}),
    (N, '%(name)s of Python', spans(*['SELECT a FROM t WHERE id=%(id)s'] * 6), [(6, None)], {}),
    (N, 'question mark', spans(*['SELECT a FROM t WHERE id = ? AND b = 1'] * 6), [(6, None)], {'dialect': 'mysql'}),
    (N, ':name', spans(*['SELECT a FROM t WHERE id = :id'] * 6), [(6, None)], {'dialect': 'sqlite'}),
    (N, 'placeholders, one below the threshold', spans(*['SELECT a FROM t WHERE id = $1'] * 4), [], {}),
    (N, 'equal literals', spans(*[AUTHOR % 1] * 20), [], {}),
    (N, 'equal but for three of nine', spans(*[USERS % 1] * 6, *each(USERS, 3, 2)), [], {}),
    (N, 'five different among twelve', spans(*[USERS % (i % 5) for i in range(12)]), [(12, 12000)], {}),
    (N, 'two values alternate', spans(*[USERS % (i % 2) for i in range(12)]), [], {}),
    (N, 'only the limit differs', spans(*each('SELECT a FROM t LIMIT 10 OFFSET %d', 8)), [(8, 8000)], {}),
    (N, 'strings that differ in case', spans(*["SELECT a FROM t WHERE b = '%s'" % c for c in 'aAbBcC']), [(6, 6000)], {}),
    (N, 'a quote inside the literals', spans(*["SELECT a FROM t WHERE b = 'O''%d'" % i for i in range(6)]), [(6, 6000)], {}),
    (N, 'negative numbers', spans(*each('SELECT a FROM t WHERE b = -%d', 6, 1)), [(6, 6000)], {}),
    (N, 'the value stands in a comment only', spans(*each('SELECT a FROM t WHERE b = 1 /* id %d */', 9)), [], {}),
    (N, 'sqlcommenter behind each', spans(*["%s /*traceparent='00-%032d-01'*/" % (AUTHOR % i, i) for i in range(6)]), [(6, 6000)], {}),
    # ---- shapes
    (N, 'another column', spans(*each('SELECT c%d FROM t WHERE id = 1', 9)), [], {}),
    (N, 'white space and case of keywords', spans(*['%s * %s users WHERE id = %d' % (s, f, i) for i, (s, f) in
                                                    enumerate([('SELECT', 'FROM'), ('select', 'from'), ('Select ', '\nFROM')] * 2)]), [(6, 6000)], {}),
    (N, 'ends in a semicolon now and then', spans(*[USERS % i + (';' if i % 2 else '') for i in range(6)]), [(6, 6000)], {}),
    (N, 'quoted and plain names are two shapes of three', spans(*each('SELECT a FROM "T" WHERE id = %d', 3), *each('SELECT a FROM u WHERE id = %d', 3)), [], {}),
    (N, 'two loops, one after the other', spans(*each(USERS, 5), *each('SELECT a FROM b WHERE c = %d', 7)), [(5, 5000), (7, 7000)], {}),
    (N, 'two loops, one of them too short', spans(*each(USERS, 5), *each('SELECT a FROM b WHERE c = %d', 4)), [(5, 5000)], {}),
    (N, 'a pattern of three, repeated', spans(*mixed(each(USERS, 5), each('SELECT a FROM b WHERE c = %d', 5), each('SELECT d FROM e WHERE f = %d', 5))),
     [(5, 5000)] * 3, {}),
    (N, 'a pattern of two, one of them always the same', spans(*mixed(each(USERS, 5), ["SELECT v FROM s WHERE n = 'x'"] * 5)), [(5, 5000)], {}),
    (N, 'a pattern of three, repeated four times', spans(*mixed(each(USERS, 4), each('SELECT a FROM b WHERE c = %d', 4), each('SELECT d FROM e WHERE f = %d', 4))), [], {}),
    (N, 'twelve others between two repeats', spans(*[q for i in range(6) for q in [USERS % i] + each('SELECT a FROM t%d', 12, 100 * i)]), [(6, 6000)], {}),
    (N, 'cache commands between', [s for i in range(6) for s in (dict(spans(USERS % i)[0], t_start_us=3000 * i), dict(cache(['GET a:%d' % i])[0], t_start_us=3000 * i + 1500))],
     [(6, 6000)], {}),
    (N, 'requests between', [s for i in range(6) for s in (dict(spans(USERS % i)[0], t_start_us=3000 * i), dict(http(['GET /a/%d' % i], dur=10)[0], t_start_us=3000 * i + 1500))],
     [(6, 6000)], {}),
    (N, 'BEGIN and COMMIT between', spans(*mixed(['BEGIN'] * 6, each(USERS, 6), ['COMMIT'] * 6)), [(6, 6000)], {}),
    (N, 'savepoints between', spans(*mixed(each('SAVEPOINT s%d', 6), each('INSERT INTO t (a) VALUES (%d)', 6), each('RELEASE SAVEPOINT s%d', 6))), [(6, 6000)], {}),
    (N, 'SET between', spans(*mixed(each('SET LOCAL a = %d', 6), each(USERS, 6))), [(6, 6000)], {}),
    # ---- writes and batches
    (N, 'inserts one by one', spans(*each('INSERT INTO t (a) VALUES (%d)', 6)), [(6, 6000)], {}),
    (N, 'inserts of two rows each', spans(*[values(2, i) for i in range(8)]), [], {}),
    (N, 'one insert of a thousand rows', spans(values(1000)), [], {}),
    (N, 'inserts of one row and of many', spans(*[values(1, i) for i in range(4)], *[values(9, i) for i in range(6)]), [], {}),
    (N, 'INSERT … SELECT per item', spans(*each('INSERT INTO t SELECT * FROM u WHERE id = %d', 6)), [(6, 6000)], {}),
    (N, 'COPY again and again', spans(*['COPY t FROM STDIN'] * 9), [], {}),
    (N, 'updates', spans(*each('UPDATE t SET a = 1 WHERE b = %d', 6)), [(6, 6000)], {}),
    (N, 'one update for all', spans('UPDATE t SET a = v.a FROM (VALUES (1, 2), (2, 3)) v (id, a) WHERE t.id = v.id'), [], {}),
    (N, 'deletes', spans(*each('DELETE FROM t WHERE b = %d', 5)), [(5, 5000)], {}),
    (N, 'tables made in a loop', spans(*each('CREATE TABLE a (b int DEFAULT %d)', 9)), [], {}),
    (N, 'lists of a hundred ids each', spans(*[among(100, 100 * i) for i in range(8)]), [], {}),
    (N, 'lists of two ids each', spans(*[among(2, 2 * i) for i in range(8)]), [(8, 8000)], {}),
    (N, 'counts', spans(*each('SELECT COUNT(*) FROM t WHERE a = %d', 6)), [(6, 6000)], {}),
    (N, 'EXISTS', spans(*each('SELECT EXISTS (SELECT 1 FROM t WHERE a = %d)', 6)), [(6, 6000)], {}),
    (N, 'WITH', spans(*each('WITH x AS (SELECT a FROM t WHERE b = %d) SELECT * FROM x', 6)), [(6, 6000)], {}),
    (N, 'calls of a procedure', spans(*each('CALL p(%d)', 6)), [(6, 6000)], {}),
    # ---- time and place
    (N, 'all at the same time', [dict(s, t_start_us=5) for s in spans(*each(USERS, 10), dur=20000)], [], {}),
    (N, 'four one after another, twice at the same time', [s for half in (0, 50) for s in
                                                           [dict(s, t_start_us=s['t_start_us'] + half) for s in spans(*each(USERS, 4, half))]], [], {}),
    (N, 'two threads, each with a loop of five', [s for half in (0, 50) for s in [dict(s, t_start_us=s['t_start_us'] + half) for s in spans(*each(USERS, 5, half))]],
     [(10, 10000)], {}),
    (N, 'each begins where the one before ended', spans(*each(USERS, 6), gap=0), [(6, 6000)], {}),
    (N, 'spans in another order than time', list(reversed(spans(LIST, *each(AUTHOR, 6)))), [(6, 6000)], {}),
    (N, 'long pauses', spans(*each(USERS, 6), gap=9000000), [(6, 6000)], {}),
    (N, 'over six connections of a pool', spans(*[(q, {'conn': i}) for i, q in enumerate(each(USERS, 6))]), [(6, 6000)], {}),
    (N, 'one in each of six requests', spans(*[(q, {'tx': i + 1}) for i, q in enumerate(each(USERS, 6))]), [], {}),
    (N, 'four in each of two requests', spans(*tx(each(USERS, 4), 1), *tx(each(USERS, 4, 4), 2)), [], {}),
    (N, 'five in one of two requests', spans(*tx(each(USERS, 5), 1), *tx(each(USERS, 4, 5), 2)), [(5, 5000)], {}),
    (N, 'one in each of six database transactions', spans(*[q for i in range(6) for q in tx(['BEGIN', USERS % i, 'COMMIT'], i + 1)]), [(6, 6000)], {}),
    (N, 'all in one database transaction', spans('BEGIN', *each(USERS, 6), 'COMMIT'), [(6, 6000)], {}),
    (N, 'a thousand', spans(*each(USERS, 1000)), [(1000, 1000000)], {}),
    (N, 'before two thousand other statements', spans(*each(USERS, 6), *each('SELECT a FROM t%d', 2000)), [(6, 6000)], {}),
    (N, 'after two thousand other statements', spans(*each('SELECT a FROM t%d', 2000), *each(USERS, 6)), [(6, 6000)], {}),
    # ---- kinds of spans and texts that are none
    (N, 'db.sql.query', spans(*each(USERS, 6), kind='db.sql.query'), [(6, 6000)], {}),
    (N, 'db.redis', spans(*each('GET user:%d', 9), kind='db.redis'), [], {}),
    (N, 'a kind nobody knows', spans(*each(USERS, 9), kind='template'), [], {}),
    (N, 'documents', spans(*['{"find":"a","filter":{"id":%d}}' % i for i in range(6)], kind='mongodb'), [(6, 6000)], {'dialect': 'mongodb'}),
    (N, 'empty texts', spans(*[''] * 9), [], {}),
    (N, 'semicolons', spans(*[';'] * 9), [], {}),
    (N, 'no text', [{'t_start_us': i, 't_dur_us': 1} for i in range(9)], [], {}),
    (N, 'no times', [{'sql': q} for q in each(USERS, 6)], [(6, 0)], {}),
    (N, 'no start: one after another', [{'sql': q, 't_dur_us': 1000} for q in each(USERS, 6)], [(6, 6000)], {}),
    (N, 'nothing at all', [], [], {}),
    (N, 'a dialect nobody knows', spans(*each(USERS, 6)), [(6, 6000)], {'dialect': 'oracle'}),
    (N, 'fields nobody knows', spans(*[(q, {'thread': 4, 'tags': {'a': [1]}}) for q in each(USERS, 6)]), [(6, 6000)], {'version': 9, 'settings': {'colour': 'red'}}),
    (N, 'a threshold that is no number: five', spans(*each(USERS, 6)), [(6, 6000)], {'threshold': 'two'}),
    (N, 'a byte of zero in the text', spans(*each("SELECT '\0' FROM t WHERE id = %d", 6)), [(6, 6000)], {}),

    ('duplicate_query', 'one below the threshold', spans(*[USERS % 1] * 9), [], {'threshold': 10}),
    ('duplicate_query', 'at it', spans(*[USERS % 1] * 10), [(10, 10000)], {'threshold': 10}),
    ('duplicate_query', 'others between', spans(*mixed([USERS % 1] * 6, each('SELECT a FROM t%d', 6))), [(6, 6000)], {}),
    ('duplicate_query', 'counts', spans(*['SELECT COUNT(*) FROM t'] * 6), [(6, 6000)], {}),
    ('duplicate_query', 'different parameters', spans(*each(USERS, 20)), [], {}),
    ('duplicate_query', 'updates', spans(*['UPDATE t SET a = a + 1 WHERE b = 1'] * 9), [], {}),
    ('duplicate_query', 'a sequence', spans(*["SELECT nextval('s')"] * 9), [], {}),
    ('duplicate_query', 'a queue', spans(*['SELECT * FROM job LIMIT 1 FOR UPDATE SKIP LOCKED'] * 9), [], {}),
    ('duplicate_query', 'rows of a cursor', spans(*['FETCH 100 FROM c'] * 9), [], {}),
    ('duplicate_query', 'control', spans(*['BEGIN', 'COMMIT'] * 9), [], {}),
    ('duplicate_query', 'cache', cache(['GET a'] * 9), [], {}),
    ('duplicate_query', 'placeholders and a literal', spans(*['SELECT a FROM t WHERE b = $1 LIMIT 1'] * 9), [], {}),
    ('duplicate_query', 'once in each request', spans(*[(USERS % 1, {'tx': i}) for i in range(1, 9)]), [], {}),
    ('duplicate_query', 'a text in a comment makes no difference', spans(*each('SELECT a FROM t WHERE b = 1 /* %d */', 6)), [(6, 6000)], {}),
]

SINGLE = [
    ('slow_query', 'one microsecond below', spans('SELECT 1', dur=499999), [], SLOW),
    ('slow_query', 'exactly', spans('SELECT 1', dur=500000), [(1, 500000)], SLOW),
    ('slow_query', 'one shape, twice slow, once not', spans((USERS % 1, {'t_dur_us': 600000}), (USERS % 2, {'t_dur_us': 700000}), USERS % 3), [(2, 1300000)], SLOW),
    ('slow_query', 'a write', spans('UPDATE t SET a = 1', dur=900000), [(1, 900000)], SLOW),
    ('slow_query', 'COMMIT', spans('BEGIN', ('COMMIT', {'t_dur_us': 900000})), [(1, 900000)], SLOW),
    ('slow_query', 'together slow, alone not', spans(*each(USERS, 10), dur=100000), [], SLOW),
    ('slow_query', 'a cache command', cache(['GET a'], dur=900000), [], SLOW),
    ('slow_query', 'a connection', connects(1, dur=900000), [], SLOW),
    ('slow_query', 'a threshold in the settings', spans('SELECT 1', dur=70000), [(1, 70000)], {'settings': {'threshold_ms': 70}}),
    ('slow_query', 'text cut', [dict(spans("SELECT a FROM t WHERE b = 'x", dur=900000)[0], truncated=True)], [(1, 900000)], SLOW),

    ('missing_limit', 'at the rows', spans('SELECT * FROM t', rows=1000), [(1, None)], {'settings': {'min_rows': 1000}}),
    ('missing_limit', 'one row fewer', spans('SELECT * FROM t', rows=999), [], {'settings': {'min_rows': 1000}}),
    ('missing_limit', 'twice', spans('SELECT * FROM t', 'select * from t', rows=2000), [(2, 2000)], {}),
    ('missing_limit', 'lower case', spans('select * from t where a > 1', rows=5000), [], {}),
    ('missing_limit', 'limit in lower case', spans('select * from t limit 5000', rows=5000), [], {}),
    ('missing_limit', 'LIMIT 0, 5000', spans('SELECT * FROM t LIMIT 0, 5000', rows=5000), [], {'dialect': 'mysql'}),
    ('missing_limit', 'TOP', spans('SELECT TOP 5000 * FROM t', rows=5000), [], {'dialect': 'generic'}),
    ('missing_limit', 'groups', spans('SELECT a, count(*) FROM t GROUP BY a', rows=5000), [], {}),
    ('missing_limit', 'no table', spans('SELECT generate_series(1, 5000)', rows=5000), [], {}),
    ('missing_limit', 'the word in a literal', spans("SELECT * FROM t ORDER BY a || 'LIMIT WHERE'", rows=5000), [(1, None)], {}),
    ('missing_limit', 'a column called limit', spans('SELECT "limit" FROM t', rows=5000), [(1, None)], {}),
    ('missing_limit', 'a column called "where"', spans('SELECT `where` FROM t', rows=5000), [(1, None)], {'dialect': 'mysql'}),
    ('missing_limit', 'TABLE t', spans('TABLE t', rows=5000), [(1, None)], {}),
    ('missing_limit', 'VALUES', spans('VALUES (1), (2)', rows=5000), [], {}),
    ('missing_limit', 'a setting is shown', spans('SHOW ALL', rows=5000), [], {}),
    ('missing_limit', 'a cursor', spans('FETCH 5000 FROM c', rows=5000), [], {}),
    ('missing_limit', 'a copy', spans('COPY t TO STDOUT', rows=5000), [], {}),
    ('missing_limit', 'rows deleted', spans('DELETE FROM t', rows=5000), [], {}),

    ('large_result', 'at the rows', spans('SELECT * FROM t WHERE a = 1', rows=500), [(1, None)], {'settings': {'min_rows': 500}}),
    ('large_result', 'one fewer', spans('SELECT * FROM t WHERE a = 1', rows=499), [], {'settings': {'min_rows': 500}}),
    ('large_result', 'LIMIT is no excuse', spans('SELECT * FROM t LIMIT 50000', rows=50000), [(1, None)], {}),
    ('large_result', 'groups', spans('SELECT a, count(*) FROM t GROUP BY a', rows=50000), [(1, None)], {}),
    ('large_result', 'count per group', spans('SELECT count(*) FROM t GROUP BY a', rows=50000), [(1, None)], {}),
    ('large_result', 'one of two', spans((USERS % 1, {'rows': 20000}), (USERS % 2, {'rows': 1})), [(1, 1000)], {}),
    ('large_result', 'together many, alone few', spans(*each(USERS, 20), rows=1000), [], {}),
    ('large_result', 'rows inserted', spans('INSERT INTO t SELECT * FROM u', rows=50000), [], {}),
    ('large_result', 'rows copied in', spans('COPY t FROM STDIN', rows=50000), [], {}),
    ('large_result', 'a cache', cache(['SMEMBERS a'], rows=50000), [], {}),
    ('large_result', 'rows that are no number', spans((USERS % 1, {'rows': 'many'})), [], {}),

    ('idle_in_transaction', 'at the threshold', spans('BEGIN', at('COMMIT', 1001000)), [(1, 1000000)], {}),
    ('idle_in_transaction', 'one microsecond less', spans('BEGIN', at('COMMIT', 1000999)), [], {}),
    ('idle_in_transaction', 'a threshold in the settings', spans('BEGIN', at('COMMIT', 6000)), [(1, 5000)], {'settings': {'idle_us': 5000}}),
    ('idle_in_transaction', 'the same under another name', spans('BEGIN', at('COMMIT', 6000)), [(1, 5000)], {'settings': {'max_gap_ms': 5}}),
    ('idle_in_transaction', 'START TRANSACTION', spans('START TRANSACTION', USERS % 1, at('COMMIT', 5000000)), [(1, None)], {}),
    ('idle_in_transaction', 'ROLLBACK ends it', spans('BEGIN', 'ROLLBACK', at(USERS % 1, 5000000)), [], {}),
    ('idle_in_transaction', 'ROLLBACK TO does not', spans('BEGIN', 'SAVEPOINT a', 'ROLLBACK TO SAVEPOINT a', at('COMMIT', 5000000)), [(1, None)], {}),
    ('idle_in_transaction', 'RELEASE does not', spans('BEGIN', 'SAVEPOINT a', 'RELEASE a', at('COMMIT', 5000000)), [(1, None)], {}),
    ('idle_in_transaction', 'two pauses at one place', spans('BEGIN', USERS % 1, at(USERS % 2, 2000000), at('COMMIT', 4000000)), [(2, None)], {}),
    ('idle_in_transaction', 'many short pauses', spans('BEGIN', *each(USERS, 30), 'COMMIT', gap=90000), [], {}),
    ('idle_in_transaction', 'between two transactions', spans('BEGIN', USERS % 1, 'COMMIT', at('BEGIN', 9000000), 'COMMIT'), [], {}),
    ('idle_in_transaction', 'two connections, one idle', spans(*conn(['BEGIN', USERS % 1], 1), *conn(['BEGIN', 'COMMIT'], 2), *conn([at('COMMIT', 5000000)], 1)), [(1, None)], {}),
    ('idle_in_transaction', 'two connections, none idle', spans(*conn(['BEGIN', USERS % 1, 'COMMIT'], 1), *conn([at('BEGIN', 5000000), 'COMMIT'], 2)), [], {}),
    ('idle_in_transaction', 'never ended while others go on', spans(*conn(['BEGIN', USERS % 1], 1), *conn([at(USERS % 2, 5000000)], 2)), [(1, None)], {}),
    ('idle_in_transaction', 'not ended at the end of the unit', spans('BEGIN', USERS % 1), [], {}),
    ('idle_in_transaction', 'a slow statement is no pause', spans('BEGIN', ('SELECT pg_sleep(3)', {'t_dur_us': 3000000}), 'COMMIT'), [], {}),
    ('idle_in_transaction', 'the spans name it', spans(*tx([USERS % 1, at(USERS % 2, 3000000)], 7)), [(1, None)], {}),
    ('idle_in_transaction', 'two that the spans name', spans(*tx([USERS % 1], 7), *tx([at(USERS % 2, 3000000)], 8)), [], {}),

    ('consecutive_queries', 'two of 200 ms', spans('SELECT a FROM b', 'SELECT c FROM d', dur=200000, gap=0), [(1, 400000)], {}),
    ('consecutive_queries', 'a request between', spans('SELECT a FROM b', ('GET /a', {'kind': 'http', 't_dur_us': 10}), 'SELECT c FROM d', 'SELECT e FROM f', dur=200000), [(2, None)], {}),
    ('consecutive_queries', 'COMMIT between', spans('SELECT a FROM b', 'COMMIT', 'SELECT c FROM d', dur=200000), [], {}),
    ('consecutive_queries', 'placeholders', spans('SELECT a FROM b', 'SELECT c FROM d HAVING e = $1', 'SELECT e FROM f HAVING e = %s', dur=200000), [], {}),
    ('consecutive_queries', 'texts that were cut', spans('SELECT a FROM b', 'SELECT c FROM d...', 'SELECT e FROM f ...', dur=200000), [], {}),
    ('consecutive_queries', 'nothing is saved by one', spans('SELECT a FROM b', dur=900000), [], {}),
]

GROUPS = [
    ('chatty_cache', 'one below', cache(each('GET user:%d', 49)), [], {'settings': {'min_count': 50}}),
    ('chatty_cache', 'at it', cache(each('GET user:%d', 50)), [(50, 50000)], {'settings': {'min_count': 50}}),
    ('chatty_cache', 'by identifier', cache(['GET session:%032x' % (i * 7919 << 90) for i in range(60)]), [(60, None)], {}),
    ('chatty_cache', 'two patterns, each too few', cache(mixed(each('GET a:%d', 30), each('GET b:%d', 30))), [], {}),
    ('chatty_cache', 'two patterns, each enough', cache(mixed(each('GET a:%d', 60), each('GET b:%d', 60))), [(60, None), (60, None)], {}),
    ('chatty_cache', 'MGET', cache(each('MGET a:%d b:1', 60)), [], {}),
    ('chatty_cache', 'a pipeline', [dict(s, t_start_us=i) for i, s in enumerate(cache(each('GET a:%d', 60)))], [], {}),
    ('chatty_cache', 'memcached', spans(*each('get user:%d', 60), kind='memcached'), [(60, None)], {}),
    ('chatty_cache', 'no command of a cache', cache(each('PUBLISH a:%d x', 60)), [], {}),
    ('chatty_cache', 'waiting for work', cache(['BLPOP queue 0'] * 60), [], {}),
    ('chatty_cache', 'twenty in each of five requests', [dict(s, tx=i // 20 + 1) for i, s in enumerate(cache(each('GET a:%d', 100)))], [], {}),
    ('chatty_cache', 'a setting of its own', cache(each('GET a:%d', 10)), [(10, None)], {'settings': {'min_count': 10}}),

    ('n_plus_one_http', 'one below', http(each('GET /books/%d', 4)), [], {}),
    ('n_plus_one_http', 'at it', http(each('GET /books/%d', 5)), [(5, 500000)], {}),
    ('n_plus_one_http', 'the time asked for, exactly', http(each('GET /books/%d', 5), dur=60000), [(5, 300000)], {}),
    ('n_plus_one_http', 'one microsecond less', http(each('GET /books/%d', 5), dur=59999), [], {}),
    ('n_plus_one_http', 'at the same time', [dict(s, t_start_us=0) for s in http(each('GET /books/%d', 8))], [(8, 800000)], {}),
    ('n_plus_one_http', 'the part in the middle differs', http(each('GET /books/%d/reviews', 8)), [(8, 800000)], {}),
    ('n_plus_one_http', 'two services', http(each('GET http://a/books/%d', 4) + each('GET http://b/books/%d', 4)), [], {}),
    ('n_plus_one_http', 'the same request', http(['GET /books/7'] * 8), [], {}),
    ('n_plus_one_http', 'names', http(['GET /books/%s' % c for c in ('emma', 'ulysses', 'walden', 'ivanhoe', 'kim', 'dune')]), [], {}),
    ('n_plus_one_http', 'writes', http(each('POST /books/%d', 8)), [], {}),
    ('n_plus_one_http', 'GraphQL', http(each('GET /graphql?query=%d', 8)), [], {}),
    ('n_plus_one_http', 'pictures', http(each('GET /img/%d.png', 8)), [], {}),
    ('n_plus_one_http', 'five in each of two requests', [dict(s, tx=i // 4 + 1) for i, s in enumerate(http(each('GET /books/%d', 8)))], [], {}),
    ('n_plus_one_http', 'queries', spans(*each(USERS, 8), dur=100000), [], {}),
    ('n_plus_one_http', 'a count of its own', http(each('GET /books/%d', 8)), [], {'settings': {'min_count': 9}}),

    ('connection_churn', 'one below', connects(4), [], {}),
    ('connection_churn', 'at it', connects(5), [(5, 5000)], {}),
    ('connection_churn', 'one for each query', [s for i in range(6) for s in (dict(connects(1)[0], t_start_us=3000 * i), dict(spans(USERS % i)[0], t_start_us=3000 * i + 1500))],
     [(6, 6000)], {}),
    ('connection_churn', 'one in each of eight requests', [dict(s, tx=i + 1) for i, s in enumerate(connects(8))], [(8, 8000)], {}),
    ('connection_churn', 'one in each of three requests', [dict(s, tx=i + 1) for i, s in enumerate(connects(3))], [], {}),
    ('connection_churn', 'in five of twenty requests', [dict(s, tx=i + 1) for i, s in enumerate(spans(*[('connect', {'kind': 'connect'}) if i % 4 == 0 else USERS % i for i in range(20)]))],
     [], {}),
    ('connection_churn', 'a setting of its own', connects(3), [(3, 3000)], {'settings': {'min_count': 3}}),
    ('connection_churn', 'many connections, opened before', spans(*[(USERS % i, {'conn': i}) for i in range(20)]), [], {}),
    ('connection_churn', 'two databases, each once', connects(1) + spans('connect other', kind='connect'), [], {}),

    ('pool_saturation', 'one microsecond below', spans('pool.acquire', kind='pool', dur=49999), [], {}),
    ('pool_saturation', 'at it', spans('pool.acquire', kind='pool', dur=50000), [(1, 50000)], {}),
    ('pool_saturation', 'ten short waits', spans(*['pool.acquire'] * 10, kind='pool', dur=9000), [], {}),
    ('pool_saturation', 'long among short', spans(*['pool.acquire'] * 9, ('pool.acquire', {'t_dur_us': 80000}), kind='pool'), [(1, 80000)], {}),
    ('pool_saturation', 'a wait of its own', spans('pool.acquire', kind='pool', dur=7000), [(1, 7000)], {'settings': {'min_wait_us': 7000}}),
    ('pool_saturation', 'a count of its own', spans(*['pool.acquire'] * 2, kind='pool', dur=70000), [], {'settings': {'min_count': 3}}),
    ('pool_saturation', 'the pool says connect', spans(*['pg-pool.connect'] * 3, kind='connect', dur=100000), [(3, 300000)], {}),
    ('pool_saturation', 'a connection is opened', spans('connect', kind='connect', dur=100000), [], {}),
]

TABLE = REPEATS + SINGLE + GROUPS
BAD = ['{"name": "cut', '[]', '"text"', '7', '{"name": "x"}', '{"spans": {}}', '{"spans": [1]}', '{"spans": [[]]}', '{"spans": "x"}',
       '{"spans": []} {"spans": []}', '\x1b[31m{', '{"a": \xff}']


def fingerprints():
    """The fingerprint of a finding is what `fingerprint --jsonl` says of its query and of every other of its shape."""
    for dialect, kind, detector, form, more in (('redis', 'redis', 'chatty_cache', 'GET user:%d', {'settings': {'min_count': 5}}),
                                                ('http', 'http', 'n_plus_one_http', 'GET /books/%d', {}),
                                                ('mysql', 'db', 'n_plus_one', 'SELECT `a` FROM b WHERE c = %d', {})):
        found = run(json.dumps(dict({'dialect': dialect, 'detectors': [detector], 'spans': spans(*each(form, 5), dur=100000, kind=kind)}, **more)) + '\n')
        finding = json.loads(found.stdout.decode())['findings'][0]
        asked = ''.join(json.dumps({'dialect': dialect, 'query': q}) + '\n' for q in (form % 99, finding['query']))
        answers = [json.loads(line) for line in run(asked, 'fingerprint').stdout.decode().splitlines()]
        yield 'fingerprint: %s' % dialect, [a['fingerprint'] for a in answers] == [finding['fingerprint']] * 2, (finding, answers)


def bad_lines():
    """Each bad line is told in one clean line that names it, and the good ones around it are answered."""
    good = '{"name": "good", "spans": []}'
    for number, line in enumerate(BAD, 2):
        done = run('\n'.join([good] * (number - 1) + [line, good]) + '\n')
        said = done.stderr.decode()
        yield ('bad line: %r' % line, done.returncode == 1 and said.count('\n') == 1 and 'line %d ' % number in said and '\x1b' not in said
               and done.stdout.count(b'good') == number, (said, done.returncode))
    huge = run(json.dumps({'name': 'x', 'spans': spans(*each(USERS, 100000))}) + '\n')
    yield 'a hundred thousand spans', json.loads(huge.stdout.decode())['findings'][0]['count'] == 100000, huge.stderr
    yield 'no input', run('').returncode == 0, ''
    yield 'no newline at the end', run(good).stdout == b'{"name":"good","findings":[]}\n', ''


def main():
    scenarios = [dict({'name': name, 'dialect': 'postgresql', 'detectors': [detector], 'spans': what}, **more)
                 for detector, name, what, _, more in TABLE]
    done = run(''.join(json.dumps(s) + '\n' for s in scenarios))
    results = [json.loads(line) for line in done.stdout.decode().splitlines()]
    outcome = [('one line for each scenario', len(results) == len(TABLE) and done.returncode == 0, (len(results), done.stderr))]
    for (detector, name, _, wanted, _), result in zip(TABLE, results):
        found = [f for f in result['findings'] if f['detector'] == detector]
        left = [(f['count'], f['total_us']) for f in found]
        for count, total in wanted:
            hit = next((f for f in left if f[0] == count and total in (None, f[1])), None)
            left = left + [None] if hit is None else [f for i, f in enumerate(left) if i != left.index(hit)]
        outcome.append(('%s: %s' % (detector, name), not left, found))
    outcome.extend(fingerprints())
    outcome.extend(bad_lines())
    print('1..%d' % len(outcome))
    for name, good, got in outcome:
        print('%s - %s' % ('ok' if good else 'not ok', name.encode('unicode_escape').decode().replace('#', '')))
        if not good:
            print('# %s' % (str(got)[:600],))
    return 0 if all(good for _, good, _ in outcome) else 1


if __name__ == '__main__':
    sys.exit(main())
