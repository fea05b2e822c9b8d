#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""psycopg2: literals are put into the text, transactions begin by themselves, a named cursor is a server-side one."""
import os

import psycopg2
import psycopg2.extras
from truth import Truth

truth = Truth('postgresql')
late = os.environ.get('LATE')  # connect after the barrier only
conn = None if late else psycopg2.connect('')
truth.barrier()
conn = conn or psycopg2.connect('')
cur = conn.cursor()

for i in range(30):
    cur.execute('SELECT name FROM author WHERE id = %s', (i,))
    truth.add('SELECT name FROM author WHERE id = 1', rows=len(cur.fetchall()))
truth.control('BEGIN')
cur.executemany('INSERT INTO log (id, note) VALUES (%s, %s)', [(i, "it's") for i in range(12)])
truth.add("INSERT INTO log (id, note) VALUES (1, 'a')", calls=12, rows=12)
psycopg2.extras.execute_values(cur, 'INSERT INTO log (id, note) VALUES %s', [(100 + i, 'v') for i in range(5)])
truth.add("INSERT INTO log (id, note) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e')", rows=5)
cur.execute('DELETE FROM log')
truth.add('DELETE FROM log', rows=17)
conn.commit()
truth.control('COMMIT')

for sql, text in (('SELECT 1/0', None), ('SELECT * FROM nowhere', None), ('INSERT INTO author VALUES (1, %s)', ('x',))):
    try:
        cur.execute(sql, text)
    except psycopg2.Error:
        truth.add(sql.replace('%s', "'x'"), errors=1)
    conn.rollback()
    truth.control('BEGIN')
    truth.control('ROLLBACK')

named = conn.cursor(name='big')
named.itersize = 20
named.execute('SELECT id FROM book ORDER BY id')
truth.control('BEGIN')
truth.add('DECLARE "big" CURSOR WITHOUT HOLD FOR SELECT id FROM book ORDER BY id')
for _ in named:
    pass
truth.add('FETCH FORWARD 20 FROM "big"', calls=6, rows=100)
named.close()
truth.add('CLOSE "big"')
conn.commit()
truth.control('COMMIT')

conn.autocommit = True
cur.execute('SELECT 1; SELECT title FROM book WHERE id < 3')
truth.add('SELECT 1', rows=1)
truth.add('SELECT title FROM book WHERE id < 3', rows=3)
with open(os.devnull, 'w', encoding='utf-8') as sink:
    cur.copy_expert('COPY author TO STDOUT', sink)
truth.add('COPY author TO STDOUT', rows=40)
conn.close()
truth.write()
