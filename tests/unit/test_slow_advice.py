#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What is said of a slow statement depends on what the statement does: an index helps only those that look for rows."""
import json
import sys

from test_detect_table import run, spans

ON, LITE, MY = 'postgresql', 'sqlite', 'mysql'
INDEX = 'wants an index'
# dialect, statement, what is said, what is not
TABLE = [
    (ON, 'SELECT a FROM t WHERE b = 1', 'EXPLAIN (ANALYZE', 'disk'),
    (LITE, 'SELECT a FROM t WHERE b = 1', 'EXPLAIN QUERY PLAN', 'disk'),
    (MY, 'SELECT a FROM t WHERE b = 1', 'type ALL', 'disk'),
    (ON, 'WITH x AS (SELECT a FROM t) SELECT a FROM x WHERE a = 1', INDEX, 'disk'),
    (ON, 'UPDATE t SET a = 1 WHERE b = 2', INDEX, 'disk'),
    (ON, 'DELETE FROM t WHERE b = 2', INDEX, 'disk'),
    (ON, 'UPDATE t SET a = 1', 'without WHERE', INDEX),
    (ON, 'INSERT INTO t (a) VALUES (1)', 'one statement', INDEX),
    (LITE, 'INSERT INTO t (a) VALUES (1)', 'one transaction', INDEX),
    (MY, 'INSERT INTO t (a) VALUES (1), (2), (3)', 'index and trigger', INDEX),
    (ON, 'INSERT INTO t (a) SELECT a FROM u WHERE b = 1', INDEX, 'trigger'),
    (ON, 'COPY t FROM STDIN', 'many rows at once', INDEX),
    (MY, "LOAD DATA LOCAL INFILE 'x' INTO TABLE t", 'many rows at once', INDEX),
    (ON, 'CREATE INDEX i ON t (a)', 'CONCURRENTLY', INDEX),
    (ON, 'BEGIN', 'pooler', INDEX),
    (LITE, 'BEGIN IMMEDIATE', 'no other connection writes', INDEX),
    (ON, 'COMMIT', 'synchronous_commit', INDEX),
    (MY, 'COMMIT', 'innodb_flush_log_at_trx_commit', INDEX),
    (LITE, 'COMMIT', 'journal_mode = WAL', INDEX),
    (ON, 'ROLLBACK', 'pg_stat_activity', INDEX),
    (ON, 'LOCK TABLE t', 'pg_stat_activity', INDEX),
    (MY, 'CALL p(1)', 'SHOW PROCESSLIST', INDEX),
    (ON, 'SELECT pg_sleep(1)', 'told to', INDEX),
    (MY, 'SELECT SLEEP(1)', 'told to', INDEX),
    (ON, 'SELECT sleep FROM t', INDEX, 'told to'),
]


def main():
    scenarios = [{'name': sql, 'dialect': dialect, 'detectors': ['slow_query'], 'slow_threshold_us': 500000,
                  'spans': spans(sql, dur=900000)} for dialect, sql, _, _ in TABLE]
    done = run(''.join(json.dumps(s) + '\n' for s in scenarios))
    results = [json.loads(line) for line in done.stdout.decode().splitlines()]
    print('1..%d' % len(TABLE))
    failed = len(results) != len(TABLE)
    for (dialect, sql, said, unsaid), result in zip(TABLE, results):
        advice = [f['recommendation'] for f in result['findings']]
        good = len(advice) == 1 and said in advice[0] and unsaid not in advice[0]
        failed |= not good
        print('%s - %s: %s' % ('ok' if good else 'not ok', dialect, sql))
        if not good:
            print('# %s' % advice)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
