#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Requests against PostgreSQL with what argv[1] plants; the modes are those of clients/plant_client.c."""
import sys
import time

import psycopg2
from truth import Truth

truth = Truth('postgresql')
conn = psycopg2.connect('')
conn.autocommit = True
cur = conn.cursor()


def query(sql, args=(), label=None):
    cur.execute(sql, args)
    rows = cur.fetchall()
    truth.add(label or sql, rows=len(rows))
    return rows


def n_plus_one():
    for (author,) in query('SELECT id FROM author ORDER BY id LIMIT 12'):
        query('SELECT title FROM book WHERE author_id = %s', (author,), 'SELECT title FROM book WHERE author_id = 1')


def in_list():
    ids = tuple(row[0] for row in query('SELECT id FROM author ORDER BY id LIMIT 12'))
    query('SELECT title FROM book WHERE author_id IN %s', (ids,), 'SELECT title FROM book WHERE author_id IN (1, 2)')


def duplicate():
    for _ in range(9):
        query("SELECT name FROM author WHERE id = 3")


truth.barrier()
for _ in range(4):
    globals()[sys.argv[1]]()
    time.sleep(0.16)
conn.close()
truth.write()
