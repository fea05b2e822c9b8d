#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Findings beyond N+1, planted in a running program: each is found, and none of them where it is not."""
import os

from harness import SCRIPTS, Live, missing

# mode -> what must be found, and nothing else
PLANTS = {
    'pattern': {'m_n_plus_one', 'n_plus_one'},
    'retry': {'retry_storm', 'failing_statement'},
    'failed': {'failed_transaction', 'failing_statement'},
    'long': {'long_transaction'},
    'idle': {'idle_in_transaction'},
    'zero': {'zero_row_write'},
    'memory': {'memory_growth'},
    'large': {'large_result'},
    'churn': {'connection_churn'},
    'sound': {'failing_statement'},  # six failures of one kind are told, but are no storm
}
LOAD = {'slow_query', 'running_statement', 'latency_outlier', 'high_cpu'}  # may be true on a busy machine
ENVIRONMENT = {'APM_SLOW_REQUEST_THRESHOLD_MS': '400', 'APM_MEMORY_THRESHOLD_MB': '120', 'APM_PROFILING_INTERVAL': '200'}


def traced(live, mode):
    program = live.program(['/usr/bin/python3', os.path.join(SCRIPTS, 'plant_more.py'), mode]).ready()
    tracer = live.tracer('--json', '-p', program.pid, env=ENVIRONMENT).ready()
    program.go().wait(60)
    return tracer.report(30)


def check(live, mode, wanted):
    with live.section(mode):
        report = traced(live, mode)
        found = {f['detector'] for f in report['findings']} - LOAD
        live.ok(found == wanted, '%s: finds %s' % (mode, ', '.join(sorted(wanted)) or 'nothing'),
                [(f['detector'], f['title'], f['evidence']) for f in report['findings']])
        saved = [f['saved_ms'] or 0 for f in report['findings']]
        live.ok(saved == sorted(saved, reverse=True), '%s: by what they save' % mode, saved)
        live.ok(all(f['estimated_after_ms'] is None or abs(f['total_ms'] - f['saved_ms'] - f['estimated_after_ms']) < 0.001
                    for f in report['findings']), '%s: what is left is the rest' % mode, report['findings'])
        return report
    return None


def main():
    with Live(postgres=True) as live:
        why = missing('/usr/bin/python3', 'import psycopg2')
        if why:
            live.skip('findings', why)
            return
        for mode, wanted in PLANTS.items():
            report = check(live, mode, wanted)
            if report and mode == 'pattern':
                parts = [f for f in report['findings'] if f['part_of']]
                live.ok({f['detector'] for f in parts} == {'n_plus_one'} and len(parts) == len(report['n_plus_one']) == 2,
                        'pattern: its parts say so', parts)
            if report and mode == 'memory':
                warnings = report['memory_warnings']
                live.ok(len(warnings) == 1 and warnings[0]['kind'] == 'threshold' and warnings[0]['grown_mb'] > 120,
                        'memory: it is a warning too', warnings)


main()
