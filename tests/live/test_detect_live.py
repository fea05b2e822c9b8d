#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What is planted in running programs is found, and nothing else is: precision and recall over all of them are 1."""
import os

from harness import SCRIPTS, Live, client, fingerprints, missing

LOAD = ('slow_query', 'running_statement')  # may be true on a busy machine
AUTHOR = 'SELECT name FROM author WHERE id = ?'

# program, mode, system, what must be found
PLANTS = [('plant_client', mode, 'sqlite', found) for mode, found in (
    ('n_plus_one', [('n_plus_one', AUTHOR)]),
    ('literals', [('n_plus_one', "SELECT name FROM author WHERE id = 1 AND name <> 'x'")]),
    ('writes', [('n_plus_one', 'INSERT INTO view (author) VALUES (?)')]),
    ('duplicate', [('duplicate_query', 'SELECT value FROM setting WHERE id = ?')]),
    ('burst', [('failing_statement', 'SELECT id FROM gone')]),
    ('join', []), ('few', []), ('saturated', []), ('chunks', []))]
PLANTS += [('plant_psycopg2.py', mode, 'postgresql', found) for mode, found in (
    ('n_plus_one', [('n_plus_one', 'SELECT title FROM book WHERE author_id = 1')]),
    ('duplicate', [('duplicate_query', 'SELECT name FROM author WHERE id = 3')]),
    ('in_list', []))]
PLANTS += [('plant_pg.rb', mode, 'postgresql', found) for mode, found in (
    ('n_plus_one', [('n_plus_one', 'SELECT title FROM book WHERE author_id = $1')]),
    ('join', []))]


NEEDS = {'plant_psycopg2.py': ('/usr/bin/python3', 'import psycopg2'), 'plant_pg.rb': ('ruby', 'require "pg"')}


def argv_of(program, mode):
    if program.endswith('.py'):
        return ['/usr/bin/python3', os.path.join(SCRIPTS, program), mode]
    if program.endswith('.rb'):
        return ['ruby', os.path.join(SCRIPTS, program), mode]
    return [client(program), mode]


def details(live):
    """What an N+1 says beside its count."""
    with live.section('details'):
        report, _ = live.run([client('plant_client'), 'n_plus_one'])
        found, parent = report['n_plus_one'][0], fingerprints([('sqlite', 'SELECT id FROM author WHERE id <= 10')])[0]
        live.ok(found['distinct_parameters'] == 10 and found['units'] == 5, 'N+1: different parameters and units are counted', found)
        live.ok(found['parent_fingerprint'] == parent, 'N+1: the query that gave the ids is named', found)
        live.ok('bound' in found['call_site'] or 'load_author' in found['call_site'], 'N+1: the call site is a function of the program',
                found)
        program = live.program([client('plant_client'), 'n_plus_one']).ready()
        tracer = live.tracer('--fail-on', 'info', '-p', program.pid).ready()
        program.go().wait()
        live.ok(tracer.wait(30) == 3, '--fail-on: status 3', tracer.process.returncode)


def main():
    with Live(postgres=True) as live:
        hit = wrong = missed = 0
        for program, mode, system, planted in PLANTS:
            name = '%s %s' % (program, mode)
            why = NEEDS.get(program) and missing(*NEEDS[program])
            if why:
                live.skip(name, why)
                continue
            with live.section(name):
                report, run = live.run(argv_of(program, mode))
                live.exact(name, report, run.truth())
                want = set(zip([d for d, _ in planted], fingerprints([(system, sql) for _, sql in planted])))
                got = {(f['detector'], f['fingerprint']) for f in report['findings'] if f['detector'] not in LOAD}
                hit, wrong, missed = hit + len(want & got), wrong + len(got - want), missed + len(want - got)
                live.ok(want == got, '%s: finds %s' % (name, ', '.join(d for d, _ in planted) or 'nothing'),
                        'missed %s, wrong %s' % (sorted(want - got), sorted(got - want)))
                for finding in report['n_plus_one']:
                    if (finding['fingerprint'] in [f for d, f in want if d == 'n_plus_one']):
                        calls = [q['calls'] for q in report['queries'] if q['fingerprint'] == finding['fingerprint']]
                        live.ok(finding['count'] == calls[0], '%s: the count is that of the repeats (%d)' % (name, calls[0]), finding)
        details(live)
        precision = hit / (hit + wrong) if hit + wrong else 0
        recall = hit / (hit + missed) if hit + missed else 0
        live.ok(precision == 1 and recall == 1, 'precision %.2f and recall %.2f over %d programs' % (precision, recall, len(PLANTS)))


main()
