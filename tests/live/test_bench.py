#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The harness of `make bench-report` works: one pair of short windows for each tool and system. What it costs is not asked here; what
apm-bpf saw is all that the loads did, and the page can be made of the figures."""
import json
import os
import subprocess
import sys

from harness import TOP, Live

BENCH = os.path.join(TOP, 'tests', 'bench')
NEEDED = ('load_postgresql', 'load_mysql', 'load_redis', 'load_sqlite3', 'floor')


def rows(table):
    return [dict(zip(table['columns'], row)) for row in table['rows']]


def main():
    with Live(libraries=()) as live:
        for name in NEEDED:
            if not os.access(os.path.join(TOP, 'build', 'tests', 'bench', name), os.X_OK):
                live.skip('a short run', 'build/tests/bench/%s is not built' % name)
                return
        raw, page = live.path('json'), live.path('md')
        run = subprocess.run([os.path.join(BENCH, 'measure.py'), '--short', '--pairs', '1', '-o', raw], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=400, check=False)
        if '# SKIP' in run.stdout:
            live.skip('a short run', run.stdout.split('# SKIP ')[1].strip())
            return
        if not live.ok(run.returncode == 0 and os.path.exists(raw), 'a short run', run.stdout[-2000:]):
            return
        with open(raw, encoding='utf-8') as file:
            doc = json.load(file)
        for row in rows(doc['absent']):
            live.skip('%s, %s' % (row['system'], row['tool'] or 'all tools'), row['why'])
        pairs = rows(doc['pairs'])
        for system in dict.fromkeys(p['system'] for p in pairs):
            mine = [p for p in pairs if p['system'] == system and p['tool'].startswith('apm-bpf')]
            live.ok(mine and all(p['seen'] == p['with_ops'] > 0 for p in mine), '%s: every operation seen at each rate' % system, mine)
        live.ok(rows(doc['one_core']) and all(r['seen'] + r['lost'] >= r['executed'] > 0 for r in rows(doc['one_core'])),
                'at full speed: executed = seen + lost', doc['one_core']['rows'])
        made = subprocess.run([os.path.join(BENCH, 'report.py'), raw, page], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60, check=False)
        live.ok(made.returncode == 0 and os.path.getsize(page) > 0, 'the page is made of them', made.stdout)


sys.dont_write_bytecode = True
main()
