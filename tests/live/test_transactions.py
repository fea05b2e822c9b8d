#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Database transactions of real drivers and servers: how each ended, savepoints, two phases, what was refused, idle time."""
import os

from harness import Live, missing, wait_until
from mysql_server import MySQLServer, why_missing

PG = r'''
import os, sys, time
import psycopg2
c = psycopg2.connect('')
print('ready', flush=True)
sys.stdin.readline()
def run(sql, fails=False):
    try:
        c.cursor().execute(sql)
    except psycopg2.Error:
        assert fails
for i in range(3):                       # committed
    run('SELECT name FROM author WHERE id = %d' % i); run('UPDATE log SET note = note'); c.commit()
for i in range(2):                       # rolled back by the program
    run('SELECT name FROM author WHERE id = %d' % i); c.rollback()
run('SELECT 1 / 0', True); run('SELECT 2', True); run('SELECT 3', True); c.rollback()   # 25P02 twice
run('SELECT name FROM author WHERE id = 7'); run('SAVEPOINT a'); run('SELECT 1 / 0', True); run('ROLLBACK TO SAVEPOINT a')
run('SELECT name FROM author WHERE id = 8'); c.commit()
run('SELECT name FROM author WHERE id = 9')
end = time.thread_time() + 0.5           # idle in transaction, on the CPU
while time.thread_time() < end: pass
c.commit()
run('SELECT name FROM book WHERE id = 9'); time.sleep(0.5); c.commit()   # and waiting
run('SELECT name FROM author WHERE id = 10'); c.close()                  # dropped
'''.replace('name FROM book', 'title FROM book')

MY = r'''
import os, sys
import MySQLdb
print('ready', flush=True)
sys.stdin.readline()
c = MySQLdb.connect(unix_socket=os.environ['MYSQL_SOCKET'], user='root', db='shop')   # switches autocommit off
def run(sql): c.cursor().execute(sql)
for i in range(4):
    run('SELECT name FROM author WHERE id = %d' % i); run('SELECT note FROM log'); c.commit()
run('SELECT name FROM author WHERE id = 1'); c.rollback()
run('SELECT name FROM author WHERE id = 1'); run('CREATE TABLE made (a int)')         # commits what was open
c.autocommit(True)
run('SELECT name FROM author WHERE id = 5')
run('XA START "x"'); run('SELECT name FROM author WHERE id = 6'); run('XA END "x"'); run('XA PREPARE "x"'); run('XA COMMIT "x"')
c.close()
'''

LITE = r'''
import sqlite3, sys
c = sqlite3.connect(':memory:', isolation_level=None)
c.execute('CREATE TABLE t (a UNIQUE)')
print('ready', flush=True)
sys.stdin.readline()
for i in range(5):
    c.execute('BEGIN'); c.execute('INSERT INTO t VALUES (?)', (i,)); c.execute('COMMIT' if i % 2 else 'ROLLBACK')
c.execute('SAVEPOINT a'); c.execute('INSERT INTO t VALUES (9)'); c.execute('RELEASE a')
'''


def total(report, *fields):
    return [sum(t[field] for t in report['transactions']) for field in fields]


def of_query(report, part):
    return next(t for t in report['transactions'] if part in (t['query'] or ''))


def traced(live, text, wants, **env):
    path = live.path('program.py')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    program = live.program(['/usr/bin/python3', path], barrier=False, **env).ready()
    tracer = live.tracer('--json', '--freq', 199, '-p', program.pid).ready()
    program.go()
    status = program.wait()
    live.ok(status == 0, 'the program ends well', program.errors())
    report = tracer.report(30)
    for name, want in wants.items():
        got = total(report, name)[0]
        live.ok(got == want, '%s: %d' % (name, want), (got, report['transactions']))
    return report


def postgresql(live):
    report = traced(live, PG, {'count': 10, 'committed': 6, 'rolled_back': 2, 'failed': 1, 'dropped': 1, 'open': 0, 'savepoints': 1,
                               'savepoint_rollbacks': 1, 'refused': 2, 'statements': 17, 'errors': 4, 'implicit': 0})
    busy, asleep = of_query(report, 'FROM author'), of_query(report, 'FROM book')
    live.ok(busy['idle_cpu_ms'] >= 250 and busy['idle_cpu_ms'] <= busy['idle_ms'], 'idle on the CPU', busy)
    live.ok(asleep['idle_wait_ms'] >= 400 and asleep['idle_cpu_ms'] <= asleep['idle_wait_ms'] / 4, 'idle and waiting', asleep)
    live.ok(report['summary']['transactions'] == 10, 'the summary has their number')


def mysql(live):
    why = why_missing() or missing('/usr/bin/python3', 'import MySQLdb')
    if why:
        live.skip('MariaDB', why)
        return
    server = MySQLServer(live)
    live.servers.append(server.process)
    wait_until('MariaDB', lambda: os.path.exists(server.socket))
    traced(live, MY.replace("os.environ['MYSQL_SOCKET']", repr(server.socket)),
           {'count': 7, 'committed': 5, 'rolled_back': 1, 'prepared': 1, 'second_phases': 1, 'open': 0, 'dropped': 0})


def sqlite(live):
    traced(live, LITE, {'count': 6, 'committed': 2, 'rolled_back': 3, 'statements': 6})


def main():
    with Live(libraries=('libpq.so.5', 'libsqlite3.so.0', 'libmariadb.so.3'), postgres=True) as live:
        for name, check in (('PostgreSQL', postgresql), ('MariaDB', mysql), ('SQLite', sqlite)):
            with live.section(name):
                check(live)


main()
