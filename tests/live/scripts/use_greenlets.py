# SPDX-License-Identifier: BSD-2-Clause
"""Greenlets that are switched between any two calls of a client library, with statements under way in all of them."""
import sqlite3

import greenlet
import psycopg2

from truth import Truth

pg, lite = Truth('postgresql'), Truth('sqlite3')
pg.barrier()
mine = sqlite3.connect(':memory:', isolation_level=None)
mine.execute('CREATE TABLE item (id INTEGER)')
lite.add('CREATE TABLE item (id INTEGER)')
for number in range(50):
    mine.execute('INSERT INTO item VALUES (?)', (number,))
    lite.add('INSERT INTO item VALUES (?)', rows=1)
theirs = psycopg2.connect('')
theirs.autocommit = True
hub = greenlet.getcurrent()


def work(n):
    cursor = theirs.cursor()
    for _ in range(30):
        open_one = mine.cursor()
        open_one.execute('SELECT id FROM item WHERE id > ?', (n,))
        hub.switch()
        rows = [open_one.fetchone()]
        hub.switch()
        rows += open_one.fetchall()
        lite.add('SELECT id FROM item WHERE id > ?', rows=len(rows))
        cursor.execute('SELECT name FROM author WHERE id = %s', (n,))
        hub.switch()
        pg.add('SELECT name FROM author WHERE id = 1', rows=len(cursor.fetchall()))


tasks = [greenlet.greenlet(lambda n=n: work(n)) for n in range(20)]
while tasks:
    for task in tasks:
        task.switch()
    tasks = [task for task in tasks if not task.dead]
theirs.close()
pg.write()
lite.write()
