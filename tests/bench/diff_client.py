#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A program to compare with itself: rounds of a few statements, one of which does work in proportion to $WORK.

  diff_client.py sqlite|postgresql
"""
import os
import sys
import time

WORK, ROUNDS, PAUSE_S = int(os.environ['WORK']), int(os.environ['ROUNDS']), 0.004


def run(execute, mark, work):
    for i in range(ROUNDS):
        for k in range(4):
            execute('SELECT name, price FROM item WHERE id = ' + mark, ((i * 7 + k) % 200,))
        execute('UPDATE item SET price = price + 1 WHERE id = ' + mark, (i % 200,))
        execute(work, (WORK,))
        if i % 5 == 0:
            execute('SELECT count(*), sum(price) FROM item', ())
        time.sleep(PAUSE_S)


def sqlite():
    import sqlite3
    conn = sqlite3.connect(':memory:', isolation_level=None)
    conn.execute('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price INTEGER)')
    conn.executemany('INSERT INTO item VALUES (?, ?, ?)', [(i, 'item %d' % i, i) for i in range(200)])
    return (lambda sql, args: conn.execute(sql, args).fetchall()), '?', (
        'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT max(i * i % 97) FROM n')


def postgresql():
    import psycopg2
    conn = psycopg2.connect('')
    conn.autocommit = True
    cursor = conn.cursor()
    cursor.execute('CREATE TEMP TABLE item (id int PRIMARY KEY, name text, price int)')
    cursor.execute("INSERT INTO item SELECT i, 'item ' || i, i FROM generate_series(0, 199) i")

    def execute(sql, args):
        cursor.execute(sql, args)
        if cursor.description:
            cursor.fetchall()
    return execute, '%s', 'SELECT max(i * i %% 97) FROM generate_series(1, %s) i'


EXECUTE, MARK, SQL = {'sqlite': sqlite, 'postgresql': postgresql}[sys.argv[1]]()
print('ready', flush=True)
sys.stdin.readline()
run(EXECUTE, MARK, SQL)
