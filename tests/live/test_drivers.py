#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Drivers and tools over libpq and sqlite3: statements, control statements, rows and errors equal what was executed. The
programs count their own statements; what drivers send by themselves (BEGIN, DEALLOCATE ...) comes from the server's log."""
import json
import os
import shutil

from harness import SCRIPTS, Live, Truth, is_control, missing

DRIVERS = (
    ('psycopg2', '/usr/bin/python3', 'use_psycopg2.py', 'import psycopg2', True),
    ('psycopg 3', '/usr/bin/python3', 'use_psycopg.py', 'import psycopg', True),
    ('Python sqlite3', '/usr/bin/python3', 'use_sqlite3.py', 'import sqlite3', False),
    ('ruby-pg', 'ruby', 'use_pg.rb', 'require "pg"', True),
    ('ruby-sqlite3', 'ruby', 'use_sqlite3.rb', 'require "sqlite3"', False),
    ('DBD::Pg', 'perl', 'use_dbd_pg.pl', 'use DBD::Pg', True),
    ('DBD::SQLite', 'perl', 'use_dbd_sqlite.pl', 'use DBD::SQLite', False),
    ('PDO pgsql', 'php', 'use_pdo_pgsql.php', 'exit(extension_loaded("pdo_pgsql") ? 0 : 1);', True),
    ('PDO sqlite', 'php', 'use_pdo_sqlite.php', 'exit(extension_loaded("pdo_sqlite") ? 0 : 1);', False),
)


def with_log(live, truth, app):
    """The truth with the control statements that the server saw."""
    whole = Truth()
    for (system, sql), row in truth.rows.items():
        if not row[3]:
            whole.add(system, sql, *row[:3], control=False)
    for sql in live.pg.executed(app):
        if is_control(sql):
            whole.add('postgresql', sql, control=True)
    return whole


def drivers(live):
    for name, interpreter, script, probe, server in DRIVERS:
        why = missing(interpreter, probe)
        if why:
            live.skip(name, why)
            continue
        with live.section(name):
            app = 'drv-' + script
            report, program = live.run([interpreter, os.path.join(SCRIPTS, script)], PGAPPNAME=app)
            truth = program.truth()
            live.exact(name, report, with_log(live, truth, app) if server else truth)


def command(live, name, argv, app, truth, **env):
    """A program from its first instruction, which sees the private library where the real one would be."""
    tracer = live.tracer('--json', '--top', 1000, '--report', live.path('json'), '--', *argv,
                         env={**live.pg.env, 'PGAPPNAME': app or '', **env}, wrap=live.private_namespace())
    path = tracer.process.args[tracer.process.args.index('--report') + 1]
    status = tracer.wait(90)
    if status:
        raise RuntimeError('status %s: %s' % (status, tracer.errors()[-2000:]))
    with open(path, encoding='utf-8') as file:
        report = json.load(file)
    counted = truth(tracer.output())
    live.exact(name, report, with_log(live, counted, app) if app else counted)


def tools(live):
    script = live.path('script')
    with open(script, 'w', encoding='utf-8') as file:
        file.write('\\set a random(1, 39)\nBEGIN;\nSELECT name FROM author WHERE id = :a;\n'
                   'UPDATE book SET price = price + :a WHERE id = :a;\nEND;\nSELECT count(*) FROM book;\n')
    for mode in ('simple', 'extended', 'prepared'):
        def truth(out):
            done = int([line for line in out.splitlines() if 'actually processed' in line][0].split(':')[1].split('/')[0])
            counted = Truth()
            for sql in ('SELECT name FROM author WHERE id = 1', 'UPDATE book SET price = price + 1 WHERE id = 1',
                        'SELECT count(*) FROM book'):
                counted.add('postgresql', sql, calls=done, rows=done)
            return counted
        with live.section('pgbench %s' % mode):
            command(live, 'pgbench %s' % mode, [live.pg.bin + '/pgbench', '-n', '-c', '4', '-j', '2', '-t', '60', '-M', mode, '-f', script],
                    'bench-' + mode, truth)

    def psql_truth(_):
        counted = Truth()
        counted.add('postgresql', 'SELECT title FROM book WHERE id < 10', rows=10)
        counted.add('postgresql', 'SELECT * FROM nowhere', errors=1)
        counted.add('postgresql', 'COPY author TO STDOUT', rows=40)
        return counted
    with live.section('psql'):
        command(live, 'psql', [live.pg.bin + '/psql', '-qAtX', '-c', 'SELECT title FROM book WHERE id < 10', '-c', 'SELECT * FROM nowhere',
                               '-c', 'BEGIN', '-c', 'COMMIT', '-c', 'COPY author TO STDOUT'], 'psql-app', psql_truth)


def sqlite_shell(live):
    if not shutil.which('sqlite3'):
        live.skip('sqlite3', 'the shell is not installed')
        return

    def truth(_):
        counted = Truth()
        counted.add('sqlite', 'CREATE TABLE t (a INTEGER PRIMARY KEY)')
        counted.add('sqlite', 'INSERT INTO t VALUES (1), (2), (3)', rows=3)
        counted.add('sqlite', 'SELECT a FROM t', rows=3)
        counted.add('sqlite', 'SELECT * FROM nowhere', errors=1)
        return counted
    with live.section('sqlite3'):
        command(live, 'sqlite3, the shell', ['sh', '-c', "sqlite3 :memory: 'CREATE TABLE t (a INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3); "
                                             "SELECT a FROM t; SELECT * FROM nowhere' || true"], None, truth)


def main():
    with Live(postgres=True) as live:
        drivers(live)
        tools(live)
        sqlite_shell(live)


main()
