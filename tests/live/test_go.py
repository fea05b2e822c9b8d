#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Programs of Go: over a C library (cgo), where every call into it changes stacks and threads, and over a driver that speaks the
protocol itself. The first are traced exactly and unharmed, of the second it is said why they are not seen."""
import glob
import json
import os
import re
import shutil
import subprocess

from harness import APM, TOP, Live, compiled, postgres_bin

SOURCE = os.path.join(TOP, 'tests', 'live', 'go')
PACKAGES = '/usr/share/gocode/src/github.com/'
AMALGAMATION = os.path.join(TOP, 'build', 'node_modules', 'better-sqlite3', 'deps', 'sqlite3')
MODES = ('statements', 'callbacks', 'interrupted')


def build(live, name, main, gopath='/usr/share/gocode', **env):
    """The program, or None: said."""
    path = os.path.join(live.dir, name)
    status, said = compiled(['go', 'build', '-o', path, 'truth.go', main], cwd=SOURCE, env=dict(
        os.environ, GO111MODULE='off', GOTOOLCHAIN='local', GOPATH=gopath, GOCACHE=os.path.join(TOP, 'build', 'gocache'), **env))
    if status is None:
        live.skip(name, said)
    elif status:
        live.ok(False, name + ' is built', said)
    if status != 0:
        return None
    return path


def judged(live, name, report, program):
    live.exact(name, report, program.truth())
    live.ok(not sum(q['running'] for q in report['queries']) and not report['losses'].get('no_return'), name + ': each statement was seen to end', report['losses'])
    live.ok(any('return probes' in m['text'] and 'Go program' in m['text'] for m in report['coverage']['missing']), name + ': the report says how',
            report['coverage'])


def traced(live, name, path):
    for mode in MODES:
        with live.section('%s, %s' % (name, mode)):
            report, program = live.run([path, mode])
            judged(live, '%s, %s' % (name, mode), report, program)


def from_start(live, path):
    with live.section('Go from its first instruction'):
        report_path, truth = live.path('json'), live.path('truth')
        open(truth, 'w').close()
        tracer = live.tracer('--json', '--top', 1000, '--report', report_path, '--', path, 'callbacks', wrap=live.private_namespace(),
                             env={'GROUND_TRUTH': truth, 'N': '5', 'GOROUTINES': '4', 'LD_LIBRARY_PATH': ''})
        status = tracer.wait(60)
        with open(report_path, encoding='utf-8') as file:
            report = json.load(file)
        found = {q['query']: q['calls'] for q in report['queries']}
        live.ok(status == 0 and found.get('SELECT price FROM item WHERE id = ?') == 4 * 5 * 12, 'Go from its first instruction: exact and unharmed', (status, found))


def bundled(live):
    """As upstream ships it: SQLite's amalgamation is compiled into the package. Debian's copy lacks it."""
    if not os.path.exists(os.path.join(AMALGAMATION, 'sqlite3.c')):
        live.skip('Go with the SQLite it ships', 'no amalgamation (make test-modules)')
        return
    gopath = os.path.join(TOP, 'build', 'gopath')  # at one place, so that it is compiled once
    package = os.path.join(gopath, 'src', 'github.com', 'mattn', 'go-sqlite3')
    shutil.rmtree(gopath, ignore_errors=True)
    shutil.copytree(PACKAGES + 'mattn/go-sqlite3', package)
    for name in ('sqlite3_libsqlite3.go', 'upgrade'):
        path = os.path.join(package, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    for here, there in (('sqlite3.c', 'sqlite3-binding.c'), ('sqlite3.h', 'sqlite3-binding.h'), ('sqlite3ext.h', 'sqlite3ext.h')):
        shutil.copy(os.path.join(AMALGAMATION, here), os.path.join(package, there))
    path = build(live, 'go_bundled', 'lite.go', gopath, CGO_CFLAGS='-O1')
    if path:
        traced(live, 'Go with the SQLite it ships', path)


def own_protocol(live):
    """lib/pq: nothing to probe. Said by the list of candidates and by the trace."""
    if not live.pg or not os.path.isdir(PACKAGES + 'lib/pq'):
        live.skip('Go over lib/pq', 'no PostgreSQL, or golang-github-lib-pq-dev is not installed')
        return
    path = build(live, 'go_pq', 'pq.go')
    if not path:
        return
    with live.section('Go over lib/pq'):
        program = live.program([path]).ready()
        listed = subprocess.run([APM], stdout=subprocess.PIPE, text=True, timeout=60).stdout
        entry = re.search(r'^ *%d .*\n((?: {10}.*\n)*)' % program.pid, listed, re.M)
        live.ok(entry and '(postgresql)' in entry.group(1) and 'not traceable: its driver uses none of the client libraries' in entry.group(1),
                'Go over lib/pq: a candidate that cannot be traced, and why', listed)
        tracer = live.tracer('--json', '-p', program.pid).ready()
        program.go().wait()
        report = tracer.report(30)
        live.ok(report['summary']['statements'] == 0 and 'through a driver that speaks the protocol itself' in tracer.errors() + json.dumps(report['coverage']),
                'Go over lib/pq: traced, nothing is seen, and why', (tracer.errors(), report['coverage']))


def main():
    with Live(postgres=bool(postgres_bin())) as live:
        if not shutil.which('go') or not os.path.isdir(PACKAGES + 'mattn/go-sqlite3'):
            live.skip('Go', 'no Go, or golang-github-mattn-go-sqlite3-dev is not installed')
            return
        shared = build(live, 'go_lite', 'lite.go', GOFLAGS='-tags=libsqlite3')
        if shared:
            traced(live, 'Go over libsqlite3', shared)
            from_start(live, shared)
        archive = glob.glob('/usr/lib/*/libsqlite3.a')
        if archive:
            alone = os.path.join(live.dir, 'static')
            os.mkdir(alone)
            shutil.copy(archive[0], alone)
            static = build(live, 'go_static', 'lite.go', GOFLAGS='-tags=libsqlite3 -ldflags=-extldflags=-lm', CGO_LDFLAGS='-L%s' % alone)
            if static:
                traced(live, 'Go with SQLite linked statically', static)
        bundled(live)
        own_protocol(live)


main()
