#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""libpq's two sets of probes: programs that only use synchronous functions are probed at those, counts stay exact, and the set
changes while the program works."""
import collections
import json
import os
import time

from harness import Live, Truth, client

SYNC = 'PQexec and its like are probed'
BACK = 'asynchronous functions'


def words(report):
    return ' | '.join(str(line) for line in report['coverage']['libraries'])


def hits(report):
    statements = report['summary']['statements'] + report['summary']['control_statements']
    return report['overhead']['probe_hits'] / max(statements, 1)


def main():
    with Live(postgres=True) as live:
        with live.section('the synchronous set'):
            program = live.program([client('pq_sync_client'), 'all']).ready()
            tracer = live.tracer('--json', '--top', 1000, '-p', program.pid).ready()
            time.sleep(1)  # until the other set, which was attached first, has been taken off
            program.go().wait()
            report = tracer.report()
            live.exact('the synchronous set', report, program.truth())
            live.ok(SYNC in words(report), 'the report says so', words(report))
            live.ok(hits(report) < 2, 'and it takes less than two probe hits per statement', report['overhead'])
            codes = collections.Counter()
            for error in report['errors']:
                codes[error['code']] += error['count']
            live.ok(codes == {'22012': 60, '42P01': 1}, 'errors have their SQLSTATE', codes)
            live.ok(all(q['system'] == 'postgresql' for q in report['queries']), 'the system is postgresql')

        with live.section('attached to while statements run'):
            program = live.program([client('pq_sync_client'), 'busy'], MS=1500).ready()
            tracer = live.tracer('--json', '--top', 1000, '-p', program.pid).ready()
            program.go()
            program.wait(60)
            live.exact('attached to while statements run', tracer.report(20), program.truth())

        with live.section('COMMAND'):
            path, truth = live.path('json'), live.path('truth')
            open(truth, 'w').close()
            os.chmod(truth, 0o666)
            live.tracer('--json', '--top', 1000, '--report', path, '--', client('pq_sync_client'), 'busy', wrap=live.private_namespace(),
                        env={**live.environment(), 'GROUND_TRUTH': truth, 'MS': '2000', 'LD_LIBRARY_PATH': ''}).wait(60)
            with open(path, encoding='utf-8') as file:
                report = json.load(file)
            live.exact('taken up while a started program works', report, Truth().read(truth))
            live.ok(SYNC in words(report), 'the report says so', words(report))

        with live.section('given up while statements run'):
            program = live.program([client('pq_sync_client'), 'busy'], MS=2000, MODULE=client('pq_client')).ready()
            tracer = live.tracer('--json', '--top', 1000, '-p', program.pid).ready()
            program.go()
            program.wait(60)
            report = tracer.report(20)
            live.exact('given up while statements run', report, program.truth(), allowed=('late_attach',))
            live.ok(SYNC in words(report) and BACK in words(report), 'the report says both', words(report))

        with live.section('a program with asynchronous functions'):
            report, program = live.run([client('pq_client'), 'exec'])
            live.ok(SYNC not in words(report), 'keeps the asynchronous set', words(report))


main()
