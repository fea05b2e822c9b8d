#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""php-fpm: the master is named, its workers answer requests; statements, rows and errors of the pages are exact, also in workers
that are forked during the trace."""
import glob
import os
import shutil
import subprocess
import sys

from harness import SCRIPTS, Live, is_control, wait_until

PATH = os.environ.get('PATH', '') + ':/usr/sbin'
POOL = """[global]
error_log = {dir}/fpm.log
daemonize = no
[www]
user = root
group = root
listen = {dir}/fpm.sock
pm = static
pm.max_children = 2
pm.max_requests = {requests}
clear_env = no
catch_workers_output = yes
"""


def find_fpm():
    found = sorted(glob.glob('/usr/sbin/php-fpm*'))
    return found[-1] if found else shutil.which('php-fpm', path=PATH)


def ask(live, times):
    """Requests one after another; the processes that answered."""
    workers = set()
    for _ in range(times):
        run = subprocess.run(['cgi-fcgi', '-bind', '-connect', live.dir + '/fpm.sock'], stdout=subprocess.PIPE, text=True, timeout=30,
                             env={'PATH': PATH, 'SCRIPT_FILENAME': os.path.join(SCRIPTS, 'page.php'), 'REQUEST_METHOD': 'GET'})
        body = run.stdout.rsplit('\n', 1)[-1]
        if not body.startswith('done '):
            raise RuntimeError(run.stdout)
        workers.add(int(body.split()[1]))
    return workers


def pool(live, fpm, name, requests, app):
    config = live.path('conf')
    with open(config, 'w', encoding='utf-8') as file:
        file.write(POOL.format(dir=live.dir, requests=requests))
    master = live.program([fpm, '--nodaemonize', '--allow-to-run-as-root', '--fpm-config', config], barrier=False, PGAPPNAME=app)
    wait_until('php-fpm', lambda: os.path.exists(live.dir + '/fpm.sock'))
    ask(live, 1)
    warm = master.truth()  # answered before the trace
    tracer = live.tracer('--json', '--top', 1000, '-p', master.pid).ready()
    log = len(live.pg.executed(app))
    workers = ask(live, 12)
    report = tracer.stop().report()
    truth = master.truth()
    for key, row in warm.rows.items():
        for i in range(3):
            truth.rows[key][i] -= row[i]
    for sql in live.pg.executed(app)[log:]:
        if is_control(sql):
            truth.add('postgresql', sql, control=True)
    live.exact(name, report, truth)
    live.ok(len(workers) > 1, '%s: %d processes answered' % (name, len(workers)))
    master.process.terminate()
    master.wait(20)


def main():
    fpm = find_fpm()
    why = None if fpm else 'php-fpm is not installed'
    why = why or (None if shutil.which('cgi-fcgi') else 'cgi-fcgi is not installed')
    if not why and subprocess.run([fpm, '-m'], stdout=subprocess.PIPE, text=True, timeout=20).stdout.count('pdo_') < 2:
        why = 'PDO has no pgsql or sqlite'
    if why:
        print('1..0 # SKIP ' + why)
        sys.exit(0)
    with Live(postgres=True) as live:
        with live.section('php-fpm'):
            pool(live, fpm, 'php-fpm', 0, 'fpm-a')
        with live.section('php-fpm, workers come and go'):
            pool(live, fpm, 'php-fpm, a new worker after three requests', 3, 'fpm-b')


main()
