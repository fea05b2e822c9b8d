#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every way of calling libpq from C: statements, rows and errors equal what the program executed."""
import collections

from harness import Live, client

# Where the server's log has another number of lines than there are statements: several in one text, errors of the parser.
NOT_IN_LOG = ('multi', 'errors', 'abandon')
MODES = ('exec', 'params', 'prepared', 'multi', 'errors', 'copy', 'async', 'two', 'single', 'pipeline', 'cancel', 'reconnect',
         'abandon', 'threads')


def check_clients(live):
    """The clients' own counts against the server's log: no tracer."""
    for mode in MODES:
        if mode in NOT_IN_LOG:
            continue
        app = 'count-' + mode
        program = live.program([client('pq_client'), mode], barrier=False, PGAPPNAME=app, THREADS=4)
        if program.wait() != 0:
            live.ok(False, 'client %s runs' % mode, program.errors())
            continue
        truth, executed = program.truth(), live.pg.executed(app)
        count = truth.total(False) + truth.total(True)
        live.ok(len(executed) == count, 'client %s counts as the server does (%d)' % (mode, count),
                'server: %d, first: %s' % (len(executed), executed[:5]))


def main():
    with Live(postgres=True) as live:
        check_clients(live)
        for mode in MODES:
            with live.section('libpq ' + mode):
                report, program = live.run([client('pq_client'), mode])
                live.exact('libpq ' + mode, report, program.truth())
                live.ok(all(q['system'] == 'postgresql' for q in report['queries']), 'libpq %s: the system is postgresql' % mode)
                if mode == 'prepared':
                    names = {q['query']: q['prepared_as'] for q in report['queries'] if q['class'] == 'query'}
                    live.ok(sorted(names.values()) == [[], ['by_author'], ['by_author']], 'and its prepared statements have their names', names)

                if mode == 'copy':
                    copied = {q['query'].lower(): q['bytes'] for q in report['queries'] if q['bytes']}
                    authors = live.pg.sql("SELECT sum(octet_length(id::text || name) + 2) FROM author").strip()
                    live.ok(copied == {'copy author to stdout': int(authors), 'copy log from stdin': 30 * len('5000\tcopied\n')},
                            'libpq copy: the bytes that were moved', copied)

        with live.section('libpq notify'):
            report, program = live.run([client('pq_notify_client'), 'notify'])
            live.exact('notifications and notices are no statements', report, program.truth())

        with live.section('libpq pause'):
            report, program = live.run([client('pq_client'), 'pause'])
            live.exact('libpq pause', report, program.truth())
            for q in report['queries']:
                if 'pg_sleep' in q['query']:
                    live.ok(q['total_ms'] >= 200, 'the server\'s time is in the duration: ' + q['query'], q)
                elif 'generate_series' in q['query']:
                    live.ok(q['elapsed_ms'] - q['total_ms'] >= 299, 'the program\'s own time is not in the duration: ' + q['query'], q)

        with live.section('libpq own time'):
            report, program = live.run([client('pq_client'), 'own'])
            live.exact('libpq own', report, program.truth())
            q = report['queries'][0]
            live.ok(q['elapsed_ms'] >= 200 and q['total_ms'] < 100, 'what the program computes before it collects is not in the duration', q)

        with live.section('libpq queue'):
            report, program = live.run([client('pq_client'), 'queue'])
            live.exact('libpq queue', report, program.truth())
            total = report['summary']['db_time_ms']
            live.ok(250 <= total < 500, 'in a pipeline each statement waits for itself, not for those before it (750 ms)', total)

        with live.section('libpq prepared before attach'):
            report, program = live.run([client('pq_client'), 'before'])
            unknown = [q for q in report['queries'] if 'unknown (prepared before attach)' in q['query']]
            want = program.truth().rows[('postgresql', 'early')]
            live.ok(len(unknown) == 1 and [unknown[0][k] for k in ('calls', 'errors', 'rows')] == want[:3],
                    'prepared before attach: %d executions counted under "unknown (prepared before attach)"' % want[0],
                    [(q['query'], q['calls'], q['rows']) for q in report['queries']])
            live.ok(unknown and unknown[0]['prepared_as'] == ['early'], 'and their name is told', unknown)
            live.ok(report['summary']['statements'] == program.truth().total(False), 'prepared before attach: all statements counted')

        with live.section('libpq errors have code and message'):
            report, program = live.run([client('pq_client'), 'errors'], N=3)
            codes, messages = collections.Counter(), ' | '.join(e['message'] for e in report['errors'])
            for error in report['errors']:
                codes[error['code']] += error['count']
            live.ok(codes == {'42601': 3, '22012': 4, '42P01': 4, '23505': 3}, 'errors are counted by SQLSTATE', codes)
            live.ok('no_such_table' in messages and 'author_pkey' in messages, 'their messages are reported', messages)
            live.ok('again' not in str(report['errors']) and "'again'" not in str(report['queries']), 'no literal in queries or messages')

        with live.section('libpq still running at the end'):
            program = live.program([client('pq_client'), 'hang']).ready()
            tracer = live.tracer('--json', '-p', program.pid).ready()
            program.go().wait_output('hanging')
            live.pg.sql("SELECT pg_sleep(0.3)")
            report = tracer.stop().report()
            hung = [q for q in report['queries'] if 'pg_sleep' in q['query']]
            live.ok(len(hung) == 1, 'a statement still running at the end is reported', report['queries'])
            live.ok(any('pg_sleep' in s['query'] for s in report['slow_queries']), 'and is a slow query', report['slow_queries'])
            live.ok(program.process.poll() is None, 'and its program goes on')


main()
