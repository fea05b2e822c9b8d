#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Programs that switch stacks inside a library's call: never a return probe, exact counts all the same, and said."""
import json
import os
import subprocess

from harness import TOP, Live, Truth, client, wait_until


def said(report, word):
    return any('return probes' in m['text'] and word in m['text'] for m in report['coverage']['missing'])


def ended(report):
    """Whether every statement was seen to end."""
    return not sum(q['running'] for q in report['queries']) and not report['losses'].get('no_return')


def fibers(live):
    for mode, what in (('lite', 'SQLite, left in an SQL function'), ('threads', 'SQLite, gone on with in another thread'),
                       ('pq', 'libpq, left while it waits')):
        with live.section(mode):
            report, program = live.run([client('fiber_client'), mode], FIBERS=12, N=30)
            live.exact('fibers: ' + what, report, program.truth())
            live.ok(said(report, 'swapcontext'), 'fibers: %s: the report says how' % mode, report['coverage'])
            live.ok(ended(report), 'fibers: %s: each statement was seen to end' % mode, report['losses'])


def from_start(live):
    with live.section('COMMAND'):
        path, truth = live.path('json'), live.path('truth')
        tracer = live.tracer('--json', '--top', 1000, '--report', path, '--', client('fiber_client'), 'lite',
                             env={**live.environment(), 'GROUND_TRUTH': truth, 'FIBERS': '6', 'N': '5'})
        status = tracer.wait(60)
        with open(path, encoding='utf-8') as file:
            report = json.load(file)
        expected = Truth().read(truth)
        live.exact('fibers from the first instruction', report, expected)
        live.ok(status == 0 and said(report, 'swapcontext'), 'fibers from the first instruction: unharmed, and said', (status, report['coverage']))


def loaded_late(live):
    """A module that switches stacks comes while return probes stand on the library."""
    with live.section('module'):
        module = os.path.join(live.dir, 'fibers.so')
        subprocess.run(['cc', '-w', '-D_GNU_SOURCE', '-O2', '-shared', '-fPIC', '-I/usr/include/postgresql', '-o', module,
                        os.path.join(TOP, 'tests', 'live', 'clients', 'fiber_client.c'), '-lsqlite3', '-lpq', '-lpthread'], check=True, timeout=60)
        program = live.program([client('loads_client'), 'lite'], MODULE=module, FIBERS=8, N=20).ready()
        tracer = live.tracer('--json', '--top', 1000, '-p', program.pid).ready()
        program.go()
        wait_until('the return probes to go', lambda: 'taken off' in tracer.errors())
        wait_until('the module', lambda: program.output().count('ready') == 2)
        status = program.go().wait()
        report = tracer.report(30)
        live.ok(status == 0 and said(report, 'fibers.so'), 'a module loaded later: unharmed, and said', (status, report['coverage']))
        live.exact('a module loaded later', report, program.truth(), ('late_attach',))


def beside(live):
    """Return probes that are there for another process never meet a process that is not traced."""
    with live.section('bystander'):
        path = live.library['libsqlite3.so.0']
        traced = live.program([client('lite_client'), 'steady'], RATE=2000, SECONDS_LONG=3).ready()
        other = live.program([client('fiber_client'), 'lite'], FIBERS=16, N=40).ready()
        tracer = live.tracer('--json', '--top', 1000, '-p', traced.pid).ready()
        traced.go()
        status = other.go().wait()
        traced.wait()
        report = tracer.report(30)
        live.exact('traced beside fibers that use the same library', report, traced.truth())
        live.ok(status == 0, 'fibers that are not traced, but use the library %s: unharmed' % os.path.basename(path), (status, other.errors()))


def together(live):
    """One library, used by a program that switches stacks and by one that does not: in either order."""
    for order in ((0, 1), (1, 0)):
        with live.section('both'):
            programs = [live.program([client(name), 'steps' if name == 'lite_client' else 'lite'], FIBERS=4, N=20).ready()
                        for name in ('lite_client', 'fiber_client')]
            args = [word for i in order for word in ('-p', programs[i].pid)]
            tracer = live.tracer('--json', '--top', 1000, *args).ready()
            truth = Truth()
            for program in programs:
                program.go().wait()
                truth.read(program.truth_path)
            live.exact('with fibers and without, %s first' % ('without', 'with')[order[0]], tracer.report(30), truth)


def main():
    with Live(postgres=True) as live:
        for part in (fibers, from_start, loaded_late, beside, together):
            with live.section(part.__name__):
                part(live)


main()
