#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""MySQLdb: literals are put into the text; SSCursor fetches row by row."""
import os

import MySQLdb
import MySQLdb.cursors
from MySQLdb.constants import CLIENT
from truth import Truth

truth = Truth('mysql')
conn = MySQLdb.connect(unix_socket=os.environ['MYSQL_SOCKET'], user='root', db='shop', client_flag=CLIENT.MULTI_STATEMENTS)
truth.barrier()
cur = conn.cursor()

for i in range(30):
    cur.execute('SELECT name FROM author WHERE id = %s', (i,))
    truth.add('SELECT name FROM author WHERE id = 1', rows=len(cur.fetchall()))
cur.executemany('INSERT INTO log (id, note) VALUES (%s, %s)', [(i, "it's") for i in range(3)])
truth.add("INSERT INTO log (id, note) VALUES (1, 'a'),(2, 'b'),(3, 'c')", rows=3)
cur.executemany('UPDATE log SET note = %s WHERE id = %s', [('n%d' % i, i) for i in range(3)])
truth.add("UPDATE log SET note = 'a' WHERE id = 1", calls=3, rows=3)
conn.rollback()
cur.execute('INSERT INTO log (id, note) VALUES (%s, %s)', (7, None))
truth.add("INSERT INTO log (id, note) VALUES (1, NULL)", rows=1)
cur.execute('DELETE FROM log')
truth.add('DELETE FROM log', rows=1)
conn.commit()

for sql in ('SELECT * FROM nowhere', "INSERT INTO author VALUES (1, 'x')"):
    try:
        cur.execute(sql)
    except MySQLdb.Error:
        truth.add(sql, errors=1)

rows = conn.cursor(MySQLdb.cursors.SSCursor)
rows.execute('SELECT id FROM book ORDER BY id')
truth.add('SELECT id FROM book ORDER BY id', rows=len(list(rows)))
rows.close()
cur.execute('SELECT 1; SELECT title FROM book WHERE id < 3')
cur.nextset()
truth.add('SELECT 1', rows=1)
truth.add('SELECT title FROM book WHERE id < 3', rows=3)
cur.callproc('two_results')
while cur.nextset():
    pass
truth.add('CALL two_results()', rows=43)
conn.close()
truth.write()
