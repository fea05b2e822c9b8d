#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The CPU profile: the function that burns CPU dominates, a query's samples are told apart, the SVG is well formed."""
import subprocess
import xml.dom.minidom

from harness import APM, Live, client


def folded(path):
    """{stack as a list of frames: weight}"""
    stacks = {}
    with open(path, encoding='utf-8') as file:
        for line in file:
            stack, weight = line.rstrip('\n').rsplit(' ', 1)
            stacks[stack] = stacks.get(stack, 0) + int(weight)
    return stacks


def share(stacks, word):
    total = sum(stacks.values())
    return sum(w for s, w in stacks.items() if word in s) / total if total else 0


def main():
    with Live() as live:
        with live.section('profile'):
            capture, svg, stacks = live.path('apm'), live.path('svg'), live.path('folded')
            report, program = live.run([client('lite_client'), 'cpu'], args=['-o', capture, '--flame', svg, '--folded', stacks], SECONDS_LONG=4)
            whole = folded(stacks)
            live.ok(0.5 < share(whole, 'burn_outside') < 0.95, 'the function that takes three quarters has %.0f %% of the samples' %
                    (100 * share(whole, 'burn_outside')), whole)
            names = [f.get('name') for f in report['profile']['functions']]
            live.ok('burn_outside' in names[:3], 'it is among the hot functions', names)

            heavy = [q['fingerprint'] for q in report['queries'] if 'RECURSIVE' in q['query'].upper()]
            only, query_svg = live.path('folded'), live.path('svg')
            run = subprocess.run([APM, 'flame', capture, '--query', heavy[0], '-o', query_svg, '--folded', only], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, timeout=60)
            live.ok(run.returncode == 0, 'flame --query runs without the target', run.stderr)
            part = folded(only)
            live.ok(0.05 < sum(part.values()) / sum(whole.values()) < 0.5, 'the query has its part of the samples',
                    (sum(part.values()), sum(whole.values())))
            live.ok(share(part, 'burn_outside') < 0.02 and share(part, 'sqlite3') > 0.5, 'and not those of the other function',
                    sorted(part, key=part.get)[-5:])
            for path in (svg, query_svg):
                document = xml.dom.minidom.parse(path)
                live.ok(document.documentElement.tagName == 'svg', 'the SVG is well formed')
            with open(svg, encoding='utf-8') as file:
                text = file.read()
            live.ok('burn_outside' in text and 'http-equiv' not in text and '<image' not in text, 'it shows the function and needs nothing else')

        with live.section('no samples'):
            report, _ = live.run([client('lite_client'), 'cpu'], args=['--freq', '0'], SECONDS_LONG=1)
            live.ok(report['profile']['samples'] == 0 and report['summary']['statements'] > 0, '--freq 0: statements, no samples')


main()
