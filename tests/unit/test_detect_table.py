#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Scenarios of this project's own, a table per detector: what must be found (with its count) and what must not."""
import json
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get('APM_BPF', os.path.join(TOP, 'build', 'apm-bpf'))


def spans(*texts, dur=1000, gap=100, **more):
    """Spans one after another; a text may be a pair (text, {fields})."""
    out, now = [], 0
    for text in texts:
        text, own = text if isinstance(text, tuple) else (text, {})
        span = dict({'t_start_us': now, 't_dur_us': dur, 'sql': text}, **more)
        span.update(own)
        now = span['t_start_us'] + span['t_dur_us'] + gap
        out.append(span)
    return out


def each(form, count, first=0):
    return [form % i for i in range(first, first + count)]


def mixed(*lists):
    return [text for row in zip(*lists) for text in row]


USERS = 'SELECT * FROM users WHERE id = %d'
# detector, name, spans, what is found ([] = nothing; else counts), settings beside the defaults
TABLE = [
    ('n_plus_one', 'literals differ', spans(*each(USERS, 5)), [5], {}),
    ('n_plus_one', 'two loops interleaved', spans(*mixed(each(USERS, 6), each('SELECT a FROM b WHERE c = %d', 6))), [6, 6], {}),
    ('n_plus_one', 'placeholders only: parameters not known', spans(*['SELECT * FROM users WHERE id = $1'] * 6), [6], {}),
    ('n_plus_one', 'single-row inserts', spans(*each('INSERT INTO t (a) VALUES (%d)', 7)), [7], {}),
    ('n_plus_one', 'deletes', spans(*each('DELETE FROM t WHERE a = %d', 7)), [7], {}),
    ('n_plus_one', 'written differently, the same shape', spans(*(each(USERS, 3) + each('select *  from users where id=%d', 3, 10))), [6], {}),
    ('n_plus_one', 'repeats that overlap', spans(*each(USERS, 6), gap=-500), [], {}),
    ('n_plus_one', 'one below the threshold', spans(*each(USERS, 4)), [], {}),
    ('n_plus_one', 'the same parameters', spans(*[USERS % 1] * 9), [], {}),
    ('n_plus_one', 'other tables', spans(*each('SELECT * FROM t%d WHERE id = 1', 9)), [], {}),
    ('n_plus_one', 'savepoints', spans(*each('SAVEPOINT s%d', 9)), [], {}),
    ('n_plus_one', 'BEGIN and COMMIT', spans(*['BEGIN', 'COMMIT'] * 9), [], {}),
    ('n_plus_one', 'settings of the session', spans(*each("SET search_path = 's%d'", 9)), [], {}),
    ('n_plus_one', 'multi-row inserts', spans(*each('INSERT INTO t (a) VALUES (%d), (1), (2)', 9)), [], {}),
    ('n_plus_one', 'one query for all', spans('SELECT * FROM users WHERE id IN (1, 2, 3, 4, 5, 6)'), [], {}),
    ('n_plus_one', 'cache commands', spans(*each('GET user:%d', 30), kind='redis'), [], {}),
    ('n_plus_one', 'requests', spans(*each('GET /users/%d', 30), kind='http'), [], {}),
    ('n_plus_one', 'opening connections', spans(*['connect'] * 30, kind='connect'), [], {}),
    ('n_plus_one', 'less time than asked for', spans(*each(USERS, 9)), [], {'min_total_us': 9001}),
    ('n_plus_one', 'once in each of many transactions', spans(*[(q, {'tx': i + 1}) for i, q in enumerate(each(USERS, 30))]), [], {}),
    ('n_plus_one', 'BEGIN and COMMIT around each', spans(*mixed(['BEGIN'] * 6, each('UPDATE t SET a = 1 WHERE b = %d', 6), ['COMMIT'] * 6)), [6], {}),
    ('n_plus_one', 'comments only', spans(*each('-- %d', 9)), [], {}),

    ('duplicate_query', 'nine times the same', spans(*[USERS % 1] * 9), [9], {}),
    ('duplicate_query', 'no parameters at all', spans(*['SELECT * FROM settings'] * 5), [5], {}),
    ('duplicate_query', 'four times the same', spans(*[USERS % 1] * 4), [], {}),
    ('duplicate_query', 'parameters differ', spans(*each(USERS, 9)), [], {}),
    ('duplicate_query', 'control', spans(*['SELECT 1', 'COMMIT'] * 4), [], {}),
    ('duplicate_query', 'parameters not known', spans(*['SELECT * FROM users WHERE id = ?'] * 9), [], {}),
    ('duplicate_query', 'an insert is no read', spans(*['INSERT INTO t VALUES (1)'] * 9), [], {}),

    ('slow_query', 'at the threshold', spans('SELECT 1', dur=500000), [1], {'slow_threshold_us': 500000}),
    ('slow_query', 'twice', spans('SELECT 1', 'SELECT 2', dur=500001), [2], {'slow_threshold_us': 500000}),
    ('slow_query', 'just below', spans('SELECT 1', dur=499999), [], {'slow_threshold_us': 500000}),
    ('slow_query', 'many short ones', spans(*each(USERS, 100), dur=9000), [], {'slow_threshold_us': 500000}),
    ('slow_query', 'a slow request', spans('GET /a', dur=900000, kind='http'), [], {'slow_threshold_us': 500000}),

    ('missing_limit', 'a whole table', spans('SELECT * FROM t', rows=2000), [1], {}),
    ('missing_limit', 'two tables', spans('SELECT * FROM t JOIN u ON t.a = u.a ORDER BY b', rows=1000), [1], {}),
    ('missing_limit', 'few rows', spans('SELECT * FROM t', rows=999), [], {}),
    ('missing_limit', 'LIMIT', spans('SELECT * FROM t LIMIT 5000', rows=5000), [], {}),
    ('missing_limit', 'FETCH FIRST', spans('SELECT * FROM t FETCH FIRST 5000 ROWS ONLY', rows=5000), [], {}),
    ('missing_limit', 'WHERE', spans('SELECT * FROM t WHERE a = 1', rows=5000), [], {}),
    ('missing_limit', 'an aggregate', spans('SELECT count(*) FROM t', rows=1), [], {}),
    ('missing_limit', 'rows written', spans('INSERT INTO t SELECT * FROM u', rows=5000), [], {}),
    ('missing_limit', 'rows not known', spans('SELECT * FROM t'), [], {}),

    ('large_result', 'ten thousand rows', spans('SELECT * FROM t WHERE a = 1', rows=10000), [1], {}),
    ('large_result', 'fewer', spans('SELECT * FROM t WHERE a = 1', rows=9999), [], {}),
    ('large_result', 'rows written', spans('UPDATE t SET a = 1', rows=90000), [], {}),

    ('idle_in_transaction', 'a pause before the update',
     spans('BEGIN', 'SELECT 1', ('UPDATE t SET a = 1', {'t_start_us': 2000000}), 'COMMIT'), [1], {}),
    ('idle_in_transaction', 'a pause before COMMIT', spans('BEGIN', 'SELECT 1', ('COMMIT', {'t_start_us': 1500000})), [1], {}),
    ('idle_in_transaction', 'a request meanwhile',
     spans('BEGIN', 'SELECT 1', ('GET /a', {'kind': 'http', 't_dur_us': 2000000}), 'UPDATE t SET a = 1', 'COMMIT'), [1], {}),
    ('idle_in_transaction', 'the spans say so',
     spans(('SELECT 1', {'tx': 1}), ('UPDATE t SET a = 1', {'tx': 1, 't_start_us': 2000000})), [1], {}),
    ('idle_in_transaction', 'no transaction', spans('SELECT 1', ('SELECT 2', {'t_start_us': 2000000})), [], {}),
    ('idle_in_transaction', 'a short pause', spans('BEGIN', ('SELECT 1', {'t_start_us': 900000}), 'COMMIT'), [], {}),
    ('idle_in_transaction', 'a pause after COMMIT', spans('BEGIN', 'SELECT 1', 'COMMIT', ('SELECT 2', {'t_start_us': 3000000})), [], {}),
    ('idle_in_transaction', 'a long statement', spans('BEGIN', ('SELECT 1', {'t_dur_us': 3000000}), 'COMMIT'), [], {}),
    ('idle_in_transaction', 'another connection was in one',
     spans(('BEGIN', {'conn': 1}), ('SELECT 1', {'conn': 1}), ('COMMIT', {'conn': 1}), ('SELECT 2', {'conn': 2, 't_start_us': 3000000})), [], {}),

    ('chatty_cache', 'sixty keys', spans(*each('GET user:%d', 60), kind='redis'), [60], {}),
    ('chatty_cache', 'fifty fields', spans(*each('HGET user:%d name', 50), kind='redis'), [50], {}),
    ('chatty_cache', 'forty-nine', spans(*each('GET user:%d', 49), kind='redis'), [], {}),
    ('chatty_cache', 'many keys at once', spans(*each('MGET user:%d user:1 user:2', 60), kind='redis'), [], {}),
    ('chatty_cache', 'in one pipeline', spans(*each('GET user:%d', 60), gap=-1000, kind='redis'), [], {}),
    ('chatty_cache', 'queries', spans(*each(USERS, 60)), [], {}),

    ('n_plus_one_http', 'by number', spans(*each('GET /books/%d', 8), dur=100000, kind='http'), [8], {}),
    ('n_plus_one_http', 'by identifier', spans(*each('GET /books/3f2504e0-4f89-41d3-9a0c-%012d', 8), dur=100000, kind='http'), [8], {}),
    ('n_plus_one_http', 'by query string', spans(*each('GET http://a/books?id=b%d', 8), dur=100000, kind='http'), [8], {}),
    ('n_plus_one_http', 'few', spans(*each('GET /books/%d', 4), dur=100000, kind='http'), [], {}),
    ('n_plus_one_http', 'fast', spans(*each('GET /books/%d', 8), dur=10000, kind='http'), [], {}),
    ('n_plus_one_http', 'other paths', spans(*each('GET /%s', 0), 'GET /a', 'GET /b', 'GET /c', 'GET /d', 'GET /e', dur=100000, kind='http'), [], {}),
    ('n_plus_one_http', 'the same one', spans(*['GET /status'] * 8, dur=100000, kind='http'), [], {}),
    ('n_plus_one_http', 'writes', spans(*each('POST /books/%d', 8), dur=100000, kind='http'), [], {}),
    ('n_plus_one_http', 'files', spans(*each('GET /static/%d.js', 8), dur=100000, kind='http'), [], {}),

    ('connection_churn', 'five in one unit', spans(*['connect db'] * 5, kind='connect'), [5], {}),
    ('connection_churn', 'four', spans(*['connect db'] * 4, kind='connect'), [], {}),
    ('connection_churn', 'one connection, many queries', spans('connect db', kind='connect') + spans(*each(USERS, 50)), [], {}),

    ('pool_saturation', 'a long wait', spans('pool wait', dur=50000, kind='pool'), [1], {}),
    ('pool_saturation', 'a short wait', spans('pool wait', dur=49000, kind='pool'), [], {}),
    ('pool_saturation', 'a slow query', spans('SELECT 1', dur=990000), [], {}),

    ('consecutive_queries', 'three that are independent', spans('SELECT a FROM b', 'SELECT c FROM d', 'SELECT e FROM f', dur=200000), [2], {}),
    ('consecutive_queries', 'one needs a value', spans('SELECT a FROM b', 'SELECT c FROM d WHERE e = 1', dur=200000), [], {}),
    ('consecutive_queries', 'a value not known', spans('SELECT a FROM b', 'SELECT f($1)', dur=200000), [], {}),
    ('consecutive_queries', 'at the same time already', spans('SELECT a FROM b', 'SELECT c FROM d', dur=200000, gap=-200000), [], {}),
    ('consecutive_queries', 'too short', spans('SELECT a FROM b', 'SELECT c FROM d', dur=20000), [], {}),
    ('consecutive_queries', 'a write', spans('SELECT a FROM b', 'INSERT INTO c SELECT * FROM d', dur=200000), [], {}),
    ('consecutive_queries', 'little is saved', spans('SELECT a FROM b', ('SELECT c FROM d', {'t_dur_us': 4000000}), dur=200000), [], {}),
]


def run(lines, command='detect'):
    return subprocess.run([PROGRAM, command, '--jsonl'], input=lines.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def main():
    scenarios = [dict({'name': name, 'dialect': 'postgresql', 'detectors': [detector], 'spans': what}, **more)
                 for detector, name, what, _, more in TABLE]
    done = run(''.join(json.dumps(s) + '\n' for s in scenarios))
    results = [json.loads(line) for line in done.stdout.decode().splitlines()]
    outcome = [('one line for each scenario', len(results) == len(TABLE) and done.returncode == 0, len(results))]
    for (detector, name, _, counts, _), result in zip(TABLE, results):
        found = [f for f in result['findings'] if f['detector'] == detector]
        good = sorted(f['count'] for f in found) == sorted(counts) and all(f['recommendation'] or detector == 'slow_query' for f in found)
        outcome.append(('%s: %s' % (detector, name), good, found))
    off = run(json.dumps({'name': 'x', 'spans': scenarios[-7]['spans'], 'detectors': []}) + '\n')
    outcome.append(('consecutive_queries is off by default', off.returncode == 0 and b'consecutive' not in off.stdout, off.stdout))
    bad = run('{"name": "x"\n[]\n{"spans": 1}\n\n{"name": "good", "spans": [{}, {"sql": 3}]}\n')
    outcome.append(('bad lines are told and skipped', bad.returncode == 1 and bad.stderr.count(b'line') == 3
                    and bad.stdout == b'{"name":"good","findings":[]}\n', (bad.stdout, bad.stderr)))
    print('1..%d' % len(outcome))
    for name, good, got in outcome:
        print('%s - %s' % ('ok' if good else 'not ok', name))
        if not good:
            print('# %s' % (got,))
    return 0 if all(good for _, good, _ in outcome) else 1


if __name__ == '__main__':
    sys.exit(main())
