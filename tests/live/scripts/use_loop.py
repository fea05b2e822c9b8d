#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs until the file $STOP exists: an N+1 per round, a failure, and text that would take over a careless terminal."""
import os
import sqlite3
import time

from truth import Truth

EVIL = 'SELECT 1 AS "\033]0;pwned\007\033[2J\033[31m"'
LIST, ONE, WRONG = 'SELECT id FROM item', 'SELECT name FROM item WHERE id = ?', 'SELECT * FROM nowhere'

truth = Truth('sqlite')
conn = sqlite3.connect(':memory:', isolation_level=None)
conn.execute('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)')
conn.executemany('INSERT INTO item VALUES (?, ?)', [(i, 'n%d' % i) for i in range(20)])
with open('/proc/self/comm', 'w', encoding='ascii') as file:
    file.write('\033[2Jx\033]0;p\007')
print('\033[1mhello\033[0m from the program', flush=True)
truth.barrier()
while not os.path.exists(os.environ['STOP']):
    for (key,) in conn.execute(LIST).fetchall():
        conn.execute(ONE, (key,)).fetchone()
    truth.add(LIST, rows=20)
    truth.add(ONE, calls=20, rows=20)
    conn.execute(EVIL).fetchall()
    truth.add(EVIL, rows=1)
    try:
        conn.execute(WRONG)
    except sqlite3.Error:
        truth.add(WRONG, errors=1)
    time.sleep(0.15)
truth.write()
