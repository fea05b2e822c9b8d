#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The stated cost is complete, --max-overhead collects less under a flood and leaves a normal load alone, and what an overload loses is
counted to the event."""
import signal
import subprocess
import time

from harness import APM, Live, client


def missing(report):
    return {row['subject']: row['text'] for row in report['coverage']['missing']}


def steady(live, *args, **env):
    program = live.program([client('lite_client'), 'steady'], **env).ready()
    return program, live.tracer('--json', '--top', 1000, *args, '-p', program.pid).ready()


def main():
    with Live() as live:
        with live.section('a normal load'):
            program, tracer = steady(live, RATE=500, SECONDS_LONG=4)
            plan = subprocess.run([APM, '-p', str(program.pid), '--dry-run'], capture_output=True, text=True, timeout=60, check=True).stdout
            program.go().wait()
            report = tracer.report()
            cost = report['overhead']
            live.exact('a normal load', report, program.truth())
            live.ok(cost['level'] == 'full' and not cost['changes'] and cost['max_percent'] == 5, 'everything is collected', cost)
            # Each statement is two steps; it opened the database before it was traced, prepares once and closes.
            extra = cost['probe_hits'] - 2 * program.truth().total(False)
            others = 1 + ('LockAndPrepare' in plan or 'sqlite3_prepare_v2' in plan) + ('sqlite3_finalize' in plan)
            live.ok(extra == others, 'the hits of close are told too, and of prepare and finalize where they are probed', (extra, others, cost))
            live.ok(cost['probe_ms'] > 0 and cost['program_ms'] > 0, 'the price of traps and programs was measured', cost)

        # It takes its time to give up: the others run meanwhile.
        tiny, tiny_tracer = steady(live, '--max-overhead', '0.0001', RATE=500, SECONDS_LONG=21)
        tiny.go()

        with live.section('a flood'):
            program, tracer = steady(live, '--max-overhead', 1, RATE=0, SECONDS_LONG=12)
            program.go().wait()
            report = tracer.report()
            cost = report['overhead']
            live.exact('a flood', report, program.truth())
            live.ok(cost['level'] == 'no_params' and cost['changes'] == 2 and cost['peak_percent'] > 1, 'two steps less are collected', cost)
            live.ok('CPU samples and call sites' in missing(report) and 'bound parameters' in missing(report), 'the coverage says so',
                    missing(report))
            live.ok('--max-overhead 1' in missing(report).get('bound parameters', ''), 'and why', missing(report))
            live.ok(all(word in tracer.errors() for word in ('call sites: left out', 'bound parameters: left out')), 'and standard error',
                    tracer.errors())
            live.ok(not report['n_plus_one'] or all(f['confidence'] != 'exact' for f in report['n_plus_one']),
                    'without parameters no N+1 is certain', report['n_plus_one'])

        with live.section('no limit'):
            program, tracer = steady(live, '--max-overhead', 0, RATE=0, SECONDS_LONG=3)
            program.go().wait()
            cost = tracer.report()['overhead']
            live.ok(cost['level'] == 'full' and cost['max_percent'] is None and cost['peak_percent'] > 1, 'nothing is left out', cost)

        with live.section('overload'):
            program, tracer = steady(live, '--max-overhead', 0, '--ring-mb', 1, '--freq', 0, RATE=0, SECONDS_LONG=2)
            tracer.process.send_signal(signal.SIGSTOP)
            program.go()
            time.sleep(1)
            tracer.process.send_signal(signal.SIGCONT)
            program.wait()
            report = tracer.report()
            cost, lost, done = report['overhead'], report['losses']['ring_full'], program.truth().total(False)
            live.ok(lost > 0 and report['summary']['statements'] + lost == done, '%d executed = %d seen + %d lost' % (
                done, report['summary']['statements'], lost), report['losses'])
            live.ok(cost['events'] == cost['events_read'], 'all %d events that were sent were read' % cost['events'], cost)
            live.ok(cost['probe_hits'] >= 2 * done, 'the hits of those that were lost are in the cost', (cost, done))

        with live.section('nothing helps'):
            tiny.wait()
            report = tiny_tracer.report()
            cost, seen, done = report['overhead'], report['summary']['statements'], tiny.truth().total(False)
            live.ok(cost['level'] == 'no_probes' and cost['changes'] == 3, 'the probes are taken off', cost)
            live.ok(0 < seen < done and 'statements' in missing(report), 'what came after is not seen, and that is said', (
                seen, done, missing(report)))


main()
