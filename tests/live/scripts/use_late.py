#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Loads its database libraries only after the barrier, waits PAUSE seconds, then works."""
import os
import time

from truth import Truth

truth = Truth('sqlite')
truth.barrier()
import sqlite3  # noqa: E402

conn = sqlite3.connect(':memory:')
time.sleep(float(os.environ.get('PAUSE', '0')))
conn.execute('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)')
truth.add('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)')
for i in range(200):
    conn.execute('SELECT name FROM item WHERE id = ?', (i,)).fetchone()
    truth.add('SELECT name FROM item WHERE id = ?')
truth.write()
