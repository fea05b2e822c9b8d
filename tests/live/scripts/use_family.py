#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Ways of being more than one process; argv[1] says which. Every process counts what it executes and appends it to the truth.

  prefork   a master with WORKERS, three begun before the barrier and three after it, that work when the master says so
  daemon    work in a process that was forked twice and has no session of the starter's
  exec      begins argv[2:] with vfork and exec after the barrier (subprocess), and waits for it
"""
import os
import sqlite3
import subprocess
import sys

from truth import Truth

ROUNDS = 30
truth = Truth('sqlite')


def work(n=ROUNDS):
    conn = sqlite3.connect(':memory:', isolation_level=None)
    conn.execute('CREATE TABLE job (id INTEGER PRIMARY KEY, worker TEXT)')
    truth.add('CREATE TABLE job (id INTEGER PRIMARY KEY, worker TEXT)')
    for i in range(n):
        conn.execute('INSERT INTO job VALUES (?, ?)', (i, 'w'))
        conn.execute('SELECT worker FROM job WHERE id = ?', (i,)).fetchall()
    truth.add('INSERT INTO job VALUES (?, ?)', calls=n, rows=n)
    truth.add('SELECT worker FROM job WHERE id = ?', calls=n, rows=n)
    conn.close()
    truth.write()


def worker(gate):
    pid = os.fork()
    if pid == 0:
        os.read(gate, 1)
        work()
        os._exit(0)
    return pid


def prefork():
    gate, go = os.pipe()
    workers = [worker(gate) for _ in range(3)]
    truth.barrier()
    workers += [worker(gate) for _ in range(3)]
    os.write(go, b'x' * len(workers))
    for pid in workers:
        os.waitpid(pid, 0)


def daemon():
    done, tell = os.pipe()
    truth.barrier()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir('/')
            work()
            os.write(tell, b'x')
        os._exit(0)
    os.wait()
    os.read(done, 1)


def vfork_exec():
    truth.barrier()
    env = {k: v for k, v in os.environ.items() if k != 'BARRIER'}
    subprocess.run(sys.argv[2:], env=env, check=True)
    work()


{'prefork': prefork, 'daemon': daemon, 'exec': vfork_exec, 'work': lambda: (truth.barrier(), work())}[sys.argv[1]]()
