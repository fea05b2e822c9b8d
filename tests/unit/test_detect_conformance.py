#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The scenarios of ../shared/conformance/n_plus_one.jsonl, where that is at hand: every one that is no matter of taste must
give what it expects, and nothing more from the detectors it names."""
import json
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get('APM_BPF', os.path.join(TOP, 'build', 'apm-bpf'))
FILE = os.path.join(TOP, '..', 'shared', 'conformance', 'n_plus_one.jsonl')


def run(words, items):
    text = ''.join(json.dumps(item) + '\n' for item in items)
    done = subprocess.run([PROGRAM] + words, input=text.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def matches(want, found, prints):
    if want['detector'] != found['detector']:
        return False
    if 'query' in want and prints[want['query']] != prints[found['query']]:
        return False
    if 'queries' in want and sorted(prints[q] for q in want['queries']) != sorted(prints[q] for q in found['queries']):
        return False
    if any(key in want and want[key] != found[key] for key in ('count', 'total_us', 'saved_us')):
        return False
    return re.search(want.get('recommendation_mentions', ''), found['recommendation']) is not None


def fits(wanted, found, prints):
    left = list(found)
    for want in wanted:
        hit = next((f for f in left if matches(want, f, prints)), None)
        if hit is None:
            return False
        left.remove(hit)
    return not left


def texts(scenario, result):
    for finding in scenario['expect'] + scenario.get('alternative', []) + result['findings']:
        yield from finding.get('queries', []) + [finding['query']] if 'query' in finding else finding['queries']


def main():
    if not os.path.exists(FILE):
        print('1..0 # SKIP no ../shared/conformance here')
        return 0
    with open(FILE, encoding='utf-8') as lines:
        scenarios = [json.loads(line) for line in lines]
    results = run(['detect', '--jsonl'], scenarios)
    asked = [(s['dialect'], q) for s, r in zip(scenarios, results) for q in texts(s, r)]
    answers = run(['fingerprint', '--jsonl'], [{'dialect': d, 'query': q} for d, q in asked])
    # Patterns of requests and cache commands are compared as they are: their fingerprint is that of the same text.
    prints = {q: a['fingerprint'] for (_, q), a in zip(asked, answers)}
    musts = [s for s in scenarios if not s['taste']]
    print('1..%d' % len(musts))
    failed = 0
    for scenario, result in zip(scenarios, results):
        found = [f for f in result['findings'] if f['detector'] in scenario['detectors']]
        wanted = [scenario[key] for key in ('expect', 'alternative') if key in scenario]
        good = result['name'] == scenario['name'] and any(fits(want, found, prints) for want in wanted)
        if scenario['taste']:
            print('# a matter of taste, %s: %s' % ('as expected' if good else 'otherwise', scenario['name']))
            continue
        print('%s - %s' % ('ok' if good else 'not ok', scenario['name']))
        if not good:
            failed += 1
            print('# want %s\n# got  %s' % (json.dumps(scenario['expect'])[:600], json.dumps(found)[:600]))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
