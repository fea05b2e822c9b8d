#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every way of calling sqlite3 from C: statements, rows and errors equal what the program executed."""
import os
import shutil
import subprocess

from harness import Live, client

MODES = ('steps', 'partial', 'interleave', 'before', 'bind', 'exec', 'ddl', 'trigger', 'nested', 'errors', 'longjmp', 'cancel',
         'fork')


LEFT = ('longjmp', 'cancel')  # ways in which an execution is left that never ends
PER_EXECUTION = 'whole executions are probed'


def several_connections(live, name, args):
    with live.section(name + ' shared cache and backup'):
        report, program = live.run([client('lite_shared_client'), 'shared'], args=args)
        live.exact(name + ' shared cache and backup', report, program.truth())

    with live.section(name + ' wal'):
        report, program = live.run([client('lite_shared_client'), 'wal'], args=args, DB=live.path('db'))
        live.exact(name + ' wal', report, program.truth())

    with live.section(name + ' waits for a lock'):
        report, program = live.run([client('lite_shared_client'), 'wait'], args=args, DB=live.path('db'))
        live.exact(name + ' waits for a lock', report, program.truth())
        waits = {q['operation']: q['lock_wait_ms'] for q in report['queries']}
        insert = [q for q in report['queries'] if q['operation'] == 'INSERT'][0]
        live.ok(100 < insert['lock_wait_ms'] <= insert['total_ms'], 'most of its time the INSERT waited', insert)
        live.ok(not sum(waits.values()) - insert['lock_wait_ms'], 'the others did not', waits)
        live.ok('lock_wait' in [f['detector'] for f in report['findings']], 'a finding says so', report['findings'])


def rows_not_known(report, truth):
    """Rows of executions that had not ended when their process did: the library would know."""
    known = truth.by_fingerprint()
    for query in report['queries']:
        if query['rows'] is None and query['fingerprint'] in known:
            query['rows'] = known[query['fingerprint']][2]


def change(live):
    """From each step to whole executions while statements run: none is lost, none is told twice."""
    for name, args, words in (('many rows', ('--max-overhead', '0'), 'a second had 10 000 steps or more'),
                              ('--max-overhead', ('--max-overhead', '0.5'), 'more than --max-overhead')):
        with live.section('sqlite changes: ' + name):
            report, program = live.run([client('lite_client'), 'rows'], args=args, SECONDS_LONG=6)
            said = str(report['coverage'])
            live.exact('sqlite changes: ' + name, report, program.truth())
            live.ok(PER_EXECUTION in said and words in said or 'a second had' in said, 'the report says that and why', report['coverage'])

    with live.section('sqlite many rows, whole executions'):
        report, program = live.run([client('lite_client'), 'rows'], args=('--aggregate',), SECONDS_LONG=2)
        live.exact('sqlite many rows, whole executions', report, program.truth())
        select = [q for q in report['queries'] if q['query'].startswith('SELECT *')][0]
        live.ok(report['overhead']['probe_hits'] <= 2 * (report['summary']['statements'] + report['summary']['errors']) + 50 < select['rows'],
                'two hits for an execution, two more for one that fails, none for a row', (report['overhead'], select))

    with live.section('sqlite whole executions: CPU samples'):
        report, program = live.run([client('lite_client'), 'cpu'], args=('--aggregate', '--freq', '499'), SECONDS_LONG=2)
        live.exact('sqlite whole executions: CPU samples', report, program.truth())
        heavy = [q for q in report['queries'] if 'RECURSIVE' in q['query'].upper()][0]
        live.ok(heavy['cpu_samples'] > 0, 'are matched to their statement', heavy)


def each_way(live, name, args):
    """All that holds of both sets of probes."""
    several_connections(live, name, args)
    for mode in MODES:
        with live.section('%s %s' % (name, mode)):
            report, program = live.run([client('lite_client'), mode], args=args)
            if args and mode in LEFT:
                rows_not_known(report, program.truth())
            live.exact('%s %s' % (name, mode), report, program.truth())

    with live.section(name + ' 1000 threads'):
        report, program = live.run([client('lite_client'), 'threads'], args=args, N=10)
        live.exact(name + ' 1000 threads', report, program.truth())

    with live.section(name + ' file database'):
        report, program = live.run([client('lite_client'), 'steps'], args=args, DB=live.path('db'))
        live.exact(name + ' file database', report, program.truth())
        live.ok(all(q['system'] == 'sqlite' for q in report['queries']), 'the system is sqlite')

    with live.section(name + ' linked statically'):
        report, program = live.run([client('lite_static'), 'steps'], args=args)
        live.exact(name + ' linked statically', report, program.truth())
        report, program = live.run([client('lite_static'), 'errors'], args=args)
        live.exact(name + ' linked statically, errors', report, program.truth())

    with live.section(name + ' errors have code and message'):
        report, program = live.run([client('lite_client'), 'errors'], args=args, N=3)
        codes = {e['code']: e for e in report['errors']}
        live.ok(any('CONSTRAINT' in c for c in codes), 'constraint violations are named', sorted(codes))
        live.ok(any('BUSY' in c for c in codes), 'busy is named', sorted(codes))
        messages = ' | '.join(e['message'] for e in report['errors'])
        live.ok('no_such_table' in messages, 'the message is reported', messages)
        live.ok('again' not in str(report['queries']) + messages, 'no literal in queries or messages')

    with live.section(name + ' still running at the end'):
        program = live.program([client('lite_client'), 'hang']).ready()
        tracer = live.tracer('--json', *args, '-p', program.pid).ready()
        program.go().wait_output('hanging')
        subprocess.run(['sleep', '0.3'], check=True)
        report = tracer.stop().report()
        live.ok(any('RECURSIVE' in q['query'].upper() for q in report['queries']),
                'a statement still running at the end is reported', report['queries'])
        live.ok(any('RECURSIVE' in s['query'].upper() for s in report['slow_queries']), 'and is a slow query', report['slow_queries'])
        live.ok(program.process.poll() is None, 'and its program goes on')


def main():
    with Live() as live:
        each_way(live, 'sqlite', ())
        each_way(live, 'sqlite, whole executions:', ('--aggregate',))

        change(live)

        with live.section('sqlite pause'):
            report, program = live.run([client('lite_client'), 'pause'])
            live.exact('sqlite pause', report, program.truth())
            q = report['queries'][0]
            live.ok(q['elapsed_ms'] - q['total_ms'] >= 299, 'the program\'s own time is not in the duration', q)

        with live.section('sqlite pause, whole executions'):
            report, program = live.run([client('lite_client'), 'pause'], args=('--aggregate',))
            live.exact('sqlite pause, whole executions', report, program.truth())
            q = report['queries'][0]
            live.ok(q['elapsed_ms'] - q['total_ms'] < 1, 'the program\'s own time is in the duration', q)
            live.ok(PER_EXECUTION in str(report['coverage']), 'and the report says so', report['coverage'])

        with live.section('text longer than --max-sql'):
            report, program = live.run([client('lite_client'), 'long'], args=['--max-sql', '4096'], N=5)
            truth = program.truth()
            live.ok(report['summary']['statements'] == truth.total(False), 'cut texts: all statements counted', report['summary'])
            live.ok(report['losses'].get('text_truncated', 0) > 0, 'cut texts are counted as such', report['losses'])
            report, program = live.run([client('lite_client'), 'long'], args=['--max-sql', '16384'], N=5)
            live.exact('with a larger --max-sql', report, program.truth())
            live.ok(report['losses'].get('text_truncated', 0) == 0, 'and nothing is cut', report['losses'])

        with live.section('library replaced on disk while in use'):
            program = live.program([client('lite_client'), 'steps']).ready()
            path = live.library['libsqlite3.so.0']
            shutil.copy(path, path + '.new')
            os.rename(path + '.new', path)
            tracer = live.tracer('--json', '-p', program.pid).ready()
            program.go().wait()
            live.exact('library replaced on disk while in use', tracer.report(), program.truth())


main()
