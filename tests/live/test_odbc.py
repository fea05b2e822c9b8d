#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""unixODBC: with drivers whose client library is probed each statement is counted once, there; with another driver statements,
rows and errors equal what the program executed."""
import collections
import json
import os
import subprocess
import sys

from harness import Live, client, find_library, fingerprints, postgres_bin
from mysql_server import MySQLServer, why_missing

MANAGER = 'libodbc.so.2'
DRIVER = client('odbc_driver')
MARK = "SELECT 'here' AS mark"  # of odbc_client.c
FOLDER = '/usr/lib/x86_64-linux-gnu/odbc/'


def own_driver(live):
    how = 'DRIVER=' + DRIVER
    for mode in ('direct', 'prepared', 'wide', 'errors', 'results'):
        with live.section('ODBC ' + mode):
            report, program = live.run([client('odbc_client'), mode], ODBC_CONN=how)
            live.exact('ODBC, a driver of its own: ' + mode, report, program.truth())
            live.ok(all(q['system'] == 'other_sql' for q in report['queries']), 'ODBC %s: the system is other_sql' % mode, report['queries'])
            if mode == 'errors':
                codes = {e['code']: e for e in report['errors']}
                live.ok(codes['42S02']['count'] == 20 and 'no such table' in codes['42S02']['message'],
                        'errors have the SQLSTATE and message that the program asked for', report['errors'])
            if mode == 'wide':
                live.ok(any('IN (?)' in q['query'] for q in report['queries']), 'texts of two-byte characters are read', report['queries'])
            words = json.dumps(report['coverage'])
            live.ok('unixODBC' in words and 'odbc_driver' in words, 'the coverage names the driver', report['coverage'])

    with live.section('ODBC rows that are not known'):
        report, program = live.run([client('odbc_client'), 'arrays'], ODBC_CONN=how)
        truth = program.truth()
        have = sorted((q['fingerprint'], q['calls'], q['rows']) for q in report['queries'])
        want = sorted((f, row[0], None) for f, row in truth.by_fingerprint().items())
        live.ok(have == want, 'rows fetched several at once, or not at all, are null', (have, want))


def sqlite_driver(live):
    for mode in ('direct', 'prepared', 'wide', 'errors'):
        with live.section('ODBC SQLite ' + mode):
            report, program = live.run([client('odbc_client'), mode], SYSTEM='sqlite', ODBC_CONN='DRIVER=%slibsqlite3odbc.so;Database=%s' % (
                FOLDER, live.path('db')))
            live.exact('ODBC over SQLite: ' + mode, report, program.truth())


def from_log(live, name, mode, executed, **env):
    """A program whose driver sends statements of its own: as many executions of each text as the server's log has."""
    report, program = live.run([client('odbc_client'), mode], SYSTEM=name, **env)
    log = executed()
    log = log[log.index(MARK) + 1:]
    want = collections.Counter(fingerprints([(name, sql) for sql in log]))
    have = collections.Counter()
    for q in report['queries']:
        have[q['fingerprint']] += q['calls']
    texts = {q['fingerprint']: q['query'] for q in report['queries']}
    live.ok(want == have, 'ODBC over %s: %s, %d executions exact' % (name, mode, len(log)), 'more in the log: %s\nmore reported: %s' % (
        [sql for sql in log if fingerprints([(name, sql)])[0] in want - have], {texts[f]: n for f, n in (have - want).items()}))
    live.ok(all(q['system'] == name for q in report['queries']), 'ODBC over %s: counted by the client library' % name, report['queries'])
    rows = {f: row for f, row in program.truth().by_fingerprint().items()}
    for q in report['queries']:
        if q['fingerprint'] in rows and q['rows'] != rows[q['fingerprint']][2]:
            live.ok(False, 'ODBC over %s: rows of %s' % (name, q['query']), (q['rows'], rows[q['fingerprint']]))


TABLE = ["CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(40))",
         'INSERT INTO item (id, name) VALUES ' + ', '.join("(%d, 'item %d')" % (i, i) for i in range(40))]


def postgres_driver(live):
    for number, mode in enumerate(('direct', 'prepared', 'wide')):
        with live.section('ODBC PostgreSQL ' + mode):
            live.pg.sql('; '.join(['DROP TABLE IF EXISTS item', *TABLE]))
            app = 'odbc-%d' % number
            from_log(live, 'postgresql', mode, lambda: live.pg.executed(app), PGAPPNAME=app, FILLED=1,
                     ODBC_CONN='DRIVER=%spsqlodbcw.so;Servername=%s;Database=postgres;UserName=postgres;SSLMode=disable' % (
                         FOLDER, live.pg.dir))


def mariadb_driver(live):
    server = MySQLServer(live)
    for mode in ('direct', 'prepared', 'wide'):
        with live.section('ODBC MariaDB ' + mode):
            subprocess.run(server.client('shop', '-e', '; '.join(['DROP TABLE IF EXISTS item', *TABLE])), check=True, timeout=60)
            mark = server.mark()
            from_log(live, 'mysql', mode, lambda: server.executed(mark), FILLED=1,
                     ODBC_CONN='DRIVER=%slibmaodbc.so;Socket=%s;Database=shop;User=root' % (FOLDER, server.socket))


def main():
    if not find_library(MANAGER) or not os.path.exists(client('odbc_client')):
        print('1..0 # SKIP unixODBC is not installed')
        sys.exit(0)
    with Live(libraries=(MANAGER, 'libpq.so.5', 'libmariadb.so.3', 'libsqlite3.so.0'), postgres=bool(postgres_bin())) as live:
        own_driver(live)
        for name, driver, why, test in (('SQLite', 'libsqlite3odbc.so', None, sqlite_driver),
                                        ('libpq', 'psqlodbcw.so', None if live.pg else 'PostgreSQL is not installed', postgres_driver),
                                        ('libmariadb', 'libmaodbc.so', why_missing(), mariadb_driver)):
            why = why or (None if os.path.exists(FOLDER + driver) else driver + ' is not installed')
            if why:
                live.skip('ODBC over ' + name, why)
            else:
                test(live)


main()
