#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""psycopg 3: asynchronous libpq underneath, extended protocol, prepared from the fifth time, pipelines in executemany."""
import asyncio

import psycopg
from truth import Truth

truth = Truth('postgresql')
BY_ID = 'SELECT name FROM author WHERE id = %s'
LABEL = 'SELECT name FROM author WHERE id = $1'


def sync(conn):
    cur = conn.cursor()
    truth.control('BEGIN')
    for i in range(30):
        cur.execute(BY_ID, (i,))
        truth.add(LABEL, rows=len(cur.fetchall()))
    cur.execute('SELECT count(*) FROM book')
    truth.add('SELECT count(*) FROM book', rows=1)
    cur.executemany('INSERT INTO log (id, note) VALUES (%s, %s)', [(1000 + i, 'm') for i in range(12)])
    truth.add('INSERT INTO log (id, note) VALUES ($1, $2)', calls=12, rows=12)
    cur.execute('DELETE FROM log WHERE id >= 1000')
    truth.add('DELETE FROM log WHERE id >= 1000', rows=12)
    conn.commit()
    truth.control('COMMIT')

    try:
        cur.execute('SELECT 1/0')
    except psycopg.Error:
        truth.add('SELECT 1/0', errors=1)
    truth.control('BEGIN')
    conn.rollback()
    truth.control('ROLLBACK')

    truth.control('BEGIN')
    with conn.cursor(name='big') as named:
        named.itersize = 30
        named.execute('SELECT id FROM book ORDER BY id')
        truth.add('DECLARE "big" CURSOR FOR SELECT id FROM book ORDER BY id')
        for _ in named:
            pass
        truth.add('FETCH FORWARD 30 FROM "big"', calls=4, rows=100)
    truth.add('CLOSE "big"')
    conn.commit()
    truth.control('COMMIT')

    conn.autocommit = True
    with cur.copy('COPY author TO STDOUT') as copy:
        for _ in copy:
            pass
    truth.add('COPY author TO STDOUT', rows=40)
    for _ in cur.stream('SELECT id FROM book WHERE id < %s', (50,)):
        pass
    truth.add('SELECT id FROM book WHERE id < $1', rows=50)


async def one(number):
    conn = await psycopg.AsyncConnection.connect('', autocommit=True)
    async with conn:
        for i in range(20):
            cur = await conn.execute('SELECT title FROM book WHERE id = %s', (number * 20 + i,))
            truth.add('SELECT title FROM book WHERE id = $1', rows=len(await cur.fetchall()))


async def several():
    await asyncio.gather(*[one(i) for i in range(4)])


with psycopg.connect('') as connection:
    truth.barrier()
    sync(connection)
asyncio.run(several())
truth.write()
