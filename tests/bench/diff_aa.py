#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Does `apm-bpf diff` keep its word? Compares a program with itself, and with itself plus 5 % of work in one statement.

  tests/bench/diff_aa.py [RUNS [PLANTED [KEEP]]]     default: 51 runs of each program, 3 planted

Each run is recorded anew. A run is compared with the next one (A/A); runs with more work, and twelve times as long, with their
neighbours. Prints what
it finds and writes docs/diff-aa.md. KEEP is a folder to leave the captures in. The exit status is 1 when more than 5 in 100
comparisons are false or a planted regression was missed.
"""
import json
import os
import platform
import statistics
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tests', 'live'))
from harness import APM, Live  # noqa: E402

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 51
PLANTED = int(sys.argv[2]) if len(sys.argv) > 2 else 3
KEEP = sys.argv[3] if len(sys.argv) > 3 else None
CLIENT = os.path.join(TOP, 'tests', 'bench', 'diff_client.py')
PROGRAMS = {'sqlite': {'WORK': 4000, 'ROUNDS': 900}, 'postgresql': {'WORK': 6000, 'ROUNDS': 900}}
PERCENT = 5
LONGER = 12
FALSE_MAX = 0.05


def record(live, name, label, percent=0, longer=1):
    """A capture of one run."""
    path = os.path.join(KEEP or live.dir, '%s-%s.apm' % (name, label))
    env = {'WORK': PROGRAMS[name]['WORK'] * (100 + percent) // 100, 'ROUNDS': PROGRAMS[name]['ROUNDS'] * longer}
    program = live.program([CLIENT, name], barrier=False, **env).ready()
    tracer = live.tracer('record', '-p', program.pid, '-o', path).ready()
    program.go()
    if program.wait(600) or tracer.process.wait(30):
        raise RuntimeError('%s: %s %s' % (label, program.errors(), tracer.errors()))
    return path


def compare(a, b):
    out = subprocess.run([APM, 'diff', a, b, '--json', '--fail-on', 'regression', '--min-effect', '%d%%' % PERCENT],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    if out.returncode not in (0, 3):
        raise RuntimeError(out.stderr)
    return json.loads(out.stdout), out.returncode


def pressure(capture):
    """Share of the time in which somebody waited for a CPU; None = not known."""
    out = subprocess.run([APM, 'report', capture, '--json'], stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout
    return json.loads(out)['overhead']['cpu_pressure']


def changes(doc):
    """What the comparison calls changed: (what, figure, ratio or difference)."""
    found = []
    for kind, figures in (('queries', ('fastest_ms', 'typical_ms', 'failed')), ('calls', ('calls',)), ('units', ('duration_ms', 'db_time_ms', 'statements'))):
        for row in doc[kind]:
            for figure in figures:
                f = row.get(figure) or {}
                if f.get('change') in ('worse', 'better'):
                    found.append((str(row.get('query') or row.get('unit') or row.get('summary'))[:40], figure,
                                  f.get('ratio', f.get('difference')), f['low'], f['high']))
    return found


class Study:
    def __init__(self, live):
        self.live, self.lines, self.aa, self.false, self.missed, self.planted = live, [], 0, [], 0, 0
        self.ratios, self.pressure = [], []

    def say(self, text):
        print(text, flush=True)
        self.lines.append(text)

    def same(self, name, captures):
        self.pressure += [p for p in map(pressure, captures) if p is not None]
        for i, (a, b) in enumerate(zip(captures, captures[1:])):
            doc, _ = compare(a, b)
            self.aa += 1
            if doc['verdict'] != 'no change':
                self.false.append((name, i, doc['verdict'], changes(doc)))
                print('  %s %d: %s %s' % self.false[-1], flush=True)

    def more(self, name, plain, loaded):
        for a, b in zip(plain, loaded):
            doc, status = compare(a, b)
            heavy = [q for q in doc['queries'] if 'max(i * i' in q['query'].lower()]
            figure = heavy[0]['fastest_ms'] if heavy else {}
            found = status == 3 and heavy[0]['latency'] == 'worse'
            self.planted += 1
            self.missed += not found
            self.ratios.append((name, figure.get('ratio'), figure.get('low'), figure.get('high'), found))
            print('  %s planted: %s' % (name, self.ratios[-1][1:]), flush=True)


def percent(x):
    return '?' if x is None else '%+.1f %%' % (x * 100)


def page(study, seconds):
    lines = ['# Does diff keep its word?', '',
             'Written by `make bench-diff` (tests/bench/diff_aa.py) from runs recorded for it; nothing here is typed by hand.', '',
             '%s, Linux %s, %s, %d CPUs, %s. %d minutes.' % (
                 subprocess.run([APM, '--version'], stdout=subprocess.PIPE, text=True).stdout.strip(), platform.release(), platform.machine(),
                 os.cpu_count(), time.strftime('%Y-%m-%d', time.gmtime()), seconds // 60), '',
             'While the runs were recorded somebody waited for a CPU in %.0f %% to %.0f %% of the time (median %.0f %%).' % tuple(
                 100 * p for p in (min(study.pressure), max(study.pressure), statistics.median(study.pressure))), '',
             '## A program with itself', '',
             '%d comparisons of a run with the next one, %s: **%d** called changed.' % (
                 study.aa, ', '.join('%d of %s' % (RUNS - 1, name) for name in PROGRAMS), len(study.false)), '']
    if study.false:
        lines += ['| program | pair | verdict | figures: change, interval |', '| --- | ---: | --- | --- |']
        lines += ['| %s | %d | %s | %s |' % (name, i, verdict, '; '.join(
            '%s of `%s` %s (%s … %s)' % (figure, what, percent(middle), percent(low), percent(high)) for what, figure, middle, low, high in found))
                  for name, i, verdict, found in study.false] + ['']
    lines += ['## %d %% more work in one statement' % PERCENT, '',
              '%d comparisons with `--fail-on regression --min-effect %d%%`: **%d** found (exit status 3, that statement worse).' % (
                  study.planted, PERCENT, study.planted - study.missed), '',
              '| program | change of the fastest tenth | interval | found |', '| --- | ---: | ---: | --- |']
    lines += ['| %s | %s | %s … %s | %s |' % (name, percent(ratio), percent(low), percent(high), 'yes' if found else 'no')
              for name, ratio, low, high, found in study.ratios]
    return '\n'.join(lines) + '\n'


def main():
    begin = time.monotonic()
    with Live(postgres=True, limit=7200) as live:
        study = Study(live)
        for name in PROGRAMS:
            captures = [record(live, name, 'a%d' % i) for i in range(RUNS)]
            study.same(name, captures)
            plain, loaded = [], []
            for i in range(PLANTED):
                plain.append(record(live, name, 'p%d' % i, 0, LONGER))
                loaded.append(record(live, name, 'q%d' % i, PERCENT, LONGER))
            study.more(name, plain, loaded)
        with open(os.path.join(TOP, 'docs', 'diff-aa.md'), 'w', encoding='utf-8') as file:
            file.write(page(study, int(time.monotonic() - begin)))
        live.ok(len(study.false) <= FALSE_MAX * study.aa, '%d of %d comparisons of a program with itself are called changed' % (
            len(study.false), study.aa))
        live.ok(not study.missed, '%d of %d planted regressions found' % (study.planted - study.missed, study.planted))


main()
