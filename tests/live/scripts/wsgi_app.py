# SPDX-License-Identifier: BSD-2-Clause
"""A WSGI application that makes four statements a request, and writes each request's to the truth."""
import os
import sqlite3

from truth import Truth

truth = Truth('sqlite')
conn = None


def application(environ, start_response):
    global conn
    if conn is None:
        conn = sqlite3.connect(':memory:', isolation_level=None)
        conn.execute('CREATE TABLE visit (id INTEGER PRIMARY KEY, path TEXT)')
        truth.add('CREATE TABLE visit (id INTEGER PRIMARY KEY, path TEXT)')
    for _ in range(3):
        conn.execute('SELECT path FROM visit WHERE id = 0').fetchall()
    conn.execute('INSERT INTO visit (path) VALUES (?)', ('/',))
    truth.add('SELECT path FROM visit WHERE id = 0', calls=3)
    truth.add('INSERT INTO visit (path) VALUES (?)', rows=1)
    truth.write()
    truth.rows = {}
    body = str(os.getpid()).encode()
    start_response('200 OK', [('Content-Length', str(len(body))), ('Connection', 'close')])
    return [body]
