#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Python's sqlite3: a cache of prepared statements, transactions that begin by themselves, executemany as steps."""
import sqlite3

from truth import Truth

truth = Truth('sqlite')
conn = sqlite3.connect(':memory:')
conn.execute('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)')
truth.barrier()

conn.executemany('INSERT INTO item VALUES (?, ?)', [(i, 'n%d' % i) for i in range(60)])
truth.control('BEGIN')
truth.add('INSERT INTO item VALUES (?, ?)', calls=60, rows=60)
conn.commit()
truth.control('COMMIT')
for i in range(40):
    conn.execute('SELECT name FROM item WHERE id = ?', (i,)).fetchone()
    truth.add('SELECT name FROM item WHERE id = ?', rows=1)
cur = conn.execute('SELECT * FROM item')
cur.fetchall()
truth.add('SELECT * FROM item', rows=60)
for sql in ('SELECT * FROM nowhere', 'SELEC 1'):
    try:
        conn.execute(sql)
    except sqlite3.Error:
        truth.add(sql, errors=1)
try:
    conn.execute("INSERT INTO item VALUES (1, 'twice')")
except sqlite3.IntegrityError:
    truth.control('BEGIN')
    truth.add("INSERT INTO item VALUES (1, 'twice')", errors=1)
conn.rollback()
truth.control('ROLLBACK')
conn.executescript('CREATE TABLE other (id INTEGER); INSERT INTO other VALUES (1), (2); DROP TABLE other;')
truth.add('CREATE TABLE other (id INTEGER)')
truth.add('INSERT INTO other VALUES (1), (2)', rows=2)
truth.add('DROP TABLE other')
conn.close()
truth.write()
