#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A program with one fault, that of argv[1], or ("sound") with all that only looks like one; SQLite and PostgreSQL."""
import os
import sqlite3
import sys
import tempfile
import time

import psycopg2
from truth import Truth

mode = sys.argv[1]
truth = Truth('sqlite')
folder = tempfile.TemporaryDirectory()
path = os.path.join(folder.name, 'shop.db')
lite = sqlite3.connect(path, timeout=0, isolation_level=None)
lite.executescript('CREATE TABLE item (id INTEGER PRIMARY KEY, n INT); CREATE TABLE used (code TEXT UNIQUE);'
                   "INSERT INTO item VALUES (1, 1), (2, 2), (3, 3); INSERT INTO used VALUES ('spring');")
pg = psycopg2.connect('')
pg.autocommit = True
cur = pg.cursor()


def fetch(sql, args=()):
    cur.execute(sql, args)
    return cur.fetchall()


def pattern():
    for _ in range(3):
        for (author,) in fetch('SELECT id FROM author ORDER BY id LIMIT 8'):
            fetch('SELECT title FROM book WHERE author_id = %s', (author,))
            fetch('SELECT count(*) FROM book WHERE author_id = %s', (author,))
        time.sleep(0.15)


def no_pattern():
    for i in range(8):
        fetch('SELECT title FROM book WHERE author_id = %s', (i,))
        fetch('SELECT count(*) FROM book WHERE author_id = %s', (i,))
        time.sleep(0.15)


def retry():
    other = sqlite3.connect(path, isolation_level=None)
    other.execute('BEGIN IMMEDIATE')
    for _ in range(6):
        try:
            lite.execute('UPDATE item SET n = ? WHERE id = ?', (7, 1))
        except sqlite3.OperationalError:
            time.sleep(0.02)
    other.execute('COMMIT')


def no_retry():
    other = sqlite3.connect(path, isolation_level=None)
    other.execute('BEGIN IMMEDIATE')
    for i in range(6):
        try:
            lite.execute('UPDATE item SET n = ? WHERE id = ?', (i, i))
        except sqlite3.OperationalError:
            time.sleep(0.02)
    other.execute('COMMIT')


def failed():
    for i in range(6):
        lite.execute('BEGIN')
        lite.execute('UPDATE item SET n = ? WHERE id = 1', (i,))
        try:
            lite.execute("INSERT INTO used VALUES ('spring')")
        except sqlite3.IntegrityError:
            lite.execute('ROLLBACK')


def no_failed():
    for i in range(6):
        lite.execute('BEGIN')
        lite.execute('UPDATE item SET n = ? WHERE id = 1', (i,))
        lite.execute('ROLLBACK')


def long():
    cur.execute('BEGIN')
    for i in range(4):
        cur.execute('SELECT id FROM author WHERE id = %s', (i,))
        time.sleep(0.12)
    cur.execute('COMMIT')


def no_long():
    for i in range(4):
        cur.execute('BEGIN')
        cur.execute('SELECT id FROM author WHERE id = %s', (i,))
        cur.execute('COMMIT')
        time.sleep(0.12)


def idle():
    cur.execute('BEGIN')
    cur.execute('SELECT id FROM author WHERE id = 1')
    time.sleep(1.1)
    cur.execute('COMMIT')


def no_idle():
    cur.execute('SELECT id FROM author WHERE id = 1')
    time.sleep(1.1)
    cur.execute('SELECT id FROM author WHERE id = 2')


def zero():
    lite.execute("INSERT INTO item VALUES (9, 9)")
    for i in range(25):
        lite.execute('UPDATE item SET n = 1 WHERE id = ?', (100 + i,))
        time.sleep(0.11 if i % 4 == 0 else 0)


def no_zero():
    lite.execute("INSERT INTO item VALUES (9, 9)")
    for i in range(25):
        lite.execute('UPDATE item SET n = 1 WHERE id = ?', (1 + i % 9,))
        time.sleep(0.11 if i % 4 == 0 else 0)


def memory():
    lite.execute('SELECT 1')
    time.sleep(0.3)
    kept = bytearray(os.urandom(1 << 20) * 150)
    time.sleep(1)  # five checks
    lite.execute('SELECT %d' % len(kept))


def no_memory():
    lite.execute('SELECT 1')
    time.sleep(0.8)
    lite.execute('SELECT 2')


def large():
    fetch('SELECT a FROM generate_series(1, 12000) a WHERE a > 0')


def no_large():
    fetch('SELECT a FROM generate_series(1, 9000) a WHERE a > 0')


def churn():
    for i in range(15):
        one = psycopg2.connect('')
        one.autocommit = True
        with one.cursor() as c:
            c.execute('SELECT id FROM author WHERE id = %s', (i,))
        one.close()
        time.sleep(0.11)


def no_churn():
    for i in range(15):
        fetch('SELECT id FROM author WHERE id = %s', (i,))
        time.sleep(0.11)


def sound():
    for name, part in sorted(globals().items()):
        if name.startswith('no_'):
            part()
            time.sleep(0.15)


truth.barrier()
globals()[mode]()
truth.write()
