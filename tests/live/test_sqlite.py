#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every way of calling sqlite3 from C: statements, rows and errors equal what the program executed."""
import os
import shutil
import subprocess

from harness import Live, client

MODES = ('steps', 'partial', 'interleave', 'before', 'bind', 'exec', 'ddl', 'trigger', 'nested', 'errors', 'longjmp', 'cancel',
         'fork')


def several_connections(live):
    with live.section('sqlite shared cache and backup'):
        report, program = live.run([client('lite_shared_client'), 'shared'])
        live.exact('sqlite shared cache and backup', report, program.truth())

    with live.section('sqlite wal'):
        report, program = live.run([client('lite_shared_client'), 'wal'], DB=os.path.join(live.dir, 'wal.db'))
        live.exact('sqlite wal', report, program.truth())

    with live.section('sqlite waits for a lock'):
        report, program = live.run([client('lite_shared_client'), 'wait'], DB=os.path.join(live.dir, 'wait.db'))
        live.exact('sqlite waits for a lock', report, program.truth())
        waits = {q['operation']: q['lock_wait_ms'] for q in report['queries']}
        insert = [q for q in report['queries'] if q['operation'] == 'INSERT'][0]
        live.ok(100 < insert['lock_wait_ms'] <= insert['total_ms'], 'most of its time the INSERT waited', insert)
        live.ok(not sum(waits.values()) - insert['lock_wait_ms'], 'the others did not', waits)
        live.ok('lock_wait' in [f['detector'] for f in report['findings']], 'a finding says so', report['findings'])


def main():
    with Live() as live:
        several_connections(live)
        for mode in MODES:
            with live.section('sqlite ' + mode):
                report, program = live.run([client('lite_client'), mode])
                live.exact('sqlite ' + mode, report, program.truth())

        with live.section('sqlite pause'):
            report, program = live.run([client('lite_client'), 'pause'])
            live.exact('sqlite pause', report, program.truth())
            q = report['queries'][0]
            live.ok(q['elapsed_ms'] - q['total_ms'] >= 299, 'the program\'s own time is not in the duration', q)

        with live.section('sqlite 1000 threads'):
            report, program = live.run([client('lite_client'), 'threads'], N=10)
            live.exact('sqlite 1000 threads', report, program.truth())

        with live.section('sqlite file database'):
            report, program = live.run([client('lite_client'), 'steps'], DB=os.path.join(live.dir, 'file.db'))
            live.exact('sqlite file database', report, program.truth())
            live.ok(all(q['system'] == 'sqlite' for q in report['queries']), 'the system is sqlite')

        with live.section('sqlite linked statically'):
            report, program = live.run([client('lite_static'), 'steps'])
            live.exact('sqlite linked statically', report, program.truth())
            report, program = live.run([client('lite_static'), 'errors'])
            live.exact('sqlite linked statically, errors', report, program.truth())

        with live.section('sqlite errors have code and message'):
            report, program = live.run([client('lite_client'), 'errors'], N=3)
            codes = {e['code']: e for e in report['errors']}
            live.ok(any('CONSTRAINT' in c for c in codes), 'constraint violations are named', sorted(codes))
            live.ok(any('BUSY' in c for c in codes), 'busy is named', sorted(codes))
            messages = ' | '.join(e['message'] for e in report['errors'])
            live.ok('no_such_table' in messages, 'the message is reported', messages)
            live.ok('again' not in str(report['queries']) + messages, 'no literal in queries or messages')

        with live.section('sqlite still running at the end'):
            program = live.program([client('lite_client'), 'hang']).ready()
            tracer = live.tracer('--json', '-p', program.pid).ready()
            program.go().wait_output('hanging')
            subprocess.run(['sleep', '0.3'], check=True)
            report = tracer.stop().report()
            live.ok(any('RECURSIVE' in q['query'].upper() for q in report['queries']),
                    'a statement still running at the end is reported', report['queries'])
            live.ok(any('RECURSIVE' in s['query'].upper() for s in report['slow_queries']), 'and is a slow query', report['slow_queries'])
            live.ok(program.process.poll() is None, 'and its program goes on')

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
