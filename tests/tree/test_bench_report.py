#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The page about the price: it is what the script makes of the raw figures beside it, and the script computes rightly."""
import copy
import json
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(TOP, 'tests', 'bench')
sys.path.insert(0, BENCH)
sys.dont_write_bytecode = True
from report import Spread, page  # noqa: E402

WINDOW = ('ops', 'wall_ns', 'cpu_ns', 'p50_ns', 'p99_ns', 'server_cpu_ns')
COLUMNS = ['system', 'tool', 'pair', 'rate', *('none_' + w for w in WINDOW), *('with_' + w for w in WINDOW),
           'tool_cpu_ns', 'tool_rss_kb', 'tool_anon_kb', 'seen']
count = failed = 0


def ok(good, name, why=''):
    global count, failed
    count += 1
    failed += not good
    print('%s %d - %s' % ('ok' if good else 'not ok', count, name))
    if not good:
        print('\n'.join('# ' + line for line in str(why).splitlines()[:40]))


def pair(tool, number, rate, cpu, tool_cpu=0, seen=1000):
    """1000 operations in a second, 1000 ns of CPU each; with the tool `cpu` ns each."""
    return ['sqlite3', tool, number, rate, 1000, 10**9, 10**6, 10, 20, 0, 1000, 10**9, 1000 * cpu, 10, 30, 0, tool_cpu, 2048, 1024, seen]


def document(pairs, one_core=(), absent=(), short=False):
    tools = list(dict.fromkeys(p[1] for p in pairs))
    return {'schema': 'apm-bpf/bench/1', 'started': '2026-01-01T00:00:00Z', 'took_s': 1, 'load_before': 0.5, 'short': short, 'pair_count': 3,
            'seconds': {'0': 1, '2000': 1},
            'machine': {'cpu': 'c', 'cores': 1, 'memory_mb': 1, 'virtual': False, 'kernel': 'k', 'kernel_build': 'b', 'distribution': 'd'},
            'versions': {'apm-bpf': '1'}, 'systems': {'sqlite3': {'floor': 'sqlite3_step', 'calls': 2}, 'redis': {'floor': 'f', 'calls': 1}},
            'tools': {tool: 'what it does' for tool in tools},
            'pairs': {'columns': COLUMNS, 'rows': pairs},
            'sessions': {'columns': ['system', 'tool', 'pair', 'lost', 'start_cpu_ns', 'bystander_none_ns', 'bystander_with_ns'],
                         'rows': [['sqlite3', tool, 0, None if tool == 'floor' else 7, 2e6, 100.0, 150.0] for tool in tools]},
            'one_core': {'columns': ['system', 'tool', 'tool_on', 'executed', 'seen', 'lost', 'wall_ns'], 'rows': list(one_core)},
            'absent': {'columns': ['system', 'tool', 'why'], 'rows': list(absent)}}


def line(text, *words):
    """The first line of a page with all these words."""
    return next((row for row in text.splitlines() if all(w in row for w in words)), '')


def has(name, text, words, want):
    ok(want in line(text, *words), name, 'wanted %s in: %s' % (want, line(text, *words)))


def figures():
    three = Spread([3, 1, 2])
    ok((three.median, three.low, three.high) == (2, 1.5, 2.5), 'median and quartiles of three', vars(three))
    ok(Spread([5]).text('%d') == '5 (5 … 5)', 'one value is its own spread')
    ok(Spread([None]).text('%d') == '–', 'no value is a dash')

    pairs = [pair('floor', n, 0, 2000 + n, seen=None) for n in range(3)]
    exact = document(pairs + [pair('apm-bpf', n, 0, 2340 + n) for n in range(3)])
    has('1.34 times the floor is met', page(exact), ('1.34 x', 'SQLite'), '| 1.34 (1.34 … 1.34) | met |')
    over = document(pairs + [pair('apm-bpf', n, 0, 2350 + n) for n in range(3)])
    has('1.35 times the floor is missed', page(over), ('1.34 x', 'SQLite'), '| 1.35 (1.35 … 1.35) | MISSED |')
    noise = document([pair('floor', 0, 0, 900, seen=None), pair('floor', 1, 0, 2000, seen=None), pair('floor', 2, 0, 900, seen=None), pair('apm-bpf', 0, 0, 1500)])
    has('a floor that is lost in noise decides nothing', page(noise), ('1.34 x', 'SQLite'), '| not measurable |')

    third = [pair('bpftrace', n, 2000, 4000) for n in range(3)]
    has('less than a third of bpftrace', page(document(third + [pair('apm-bpf', n, 2000, 1900) for n in range(3)])),
        ('added to the program under a third',), ': 0.30 | met |')
    has('a third is not less than a third', page(document(third + [pair('apm-bpf', n, 2000, 2000) for n in range(3)])),
        ('added to the program under a third',), ': 0.33 | MISSED |')
    busy = document(third + [pair('apm-bpf', n, 2000, 1900, tool_cpu=10**6) for n in range(3)])
    has('the CPU of the tool itself counts', page(busy), ('and by the tool under a third',), ': 0.63 | MISSED |')
    has('a tool below 2 % of a core', page(busy), ('below 2 %',), '0.10 % (0.10 … 0.10) | met |')
    lazy = document([pair('apm-bpf', n, 2000, 1900, tool_cpu=2 * 10**7) for n in range(3)])
    has('a tool at 2 % of a core', page(lazy), ('below 2 %',), '| MISSED |')

    for seen, gone, verdict in ((500, 0, 'met'), (499, 0, 'MISSED'), (500, 1, 'MISSED')):
        doc = document(pairs, one_core=[['sqlite3', 'apm-bpf', 'the same core', 500, seen, gone, 10**9]])
        has('no loss: %d of 500 seen, %d lost' % (seen, gone), page(doc), ('the same core',), '| %s |' % verdict)
    for seen, text in ((1000, '100 %'), (999, '99.90 %'), (0, '0.00 %')):
        has('recall of %d in 1000' % seen, page(document([pair('apm-bpf', 0, 0, 2000, seen=seen)])), ('| apm-bpf | 1.000',), '| 7 | %s |' % text)
    almost = [pair('apm-bpf', n, 0, 2000, seen=1000 if n else 999) for n in range(100)]
    has('what is not all is never 100 %', page(document(almost)), ('| apm-bpf | 1.000',), '| 99.99 % |')
    has('a tool that does not count', page(document(pairs)), ('| floor | 1.000',), '| – | – |')
    has('what a bystander pays', page(document(pairs)), ('| SQLite | floor | 100',), '| +50 (+50 … +50) |')
    has('what was not measured, and why', page(document(pairs, absent=[['redis', 'dbslower', 'no a|b']])), ('| dbslower | Redis |',), r'no a\|b')
    ok('A short run' in page(document(pairs, short=True)) and 'A short run' not in page(document(pairs)), 'a short run says so')


def kept():
    with open(os.path.join(BENCH, 'report.json'), encoding='utf-8') as file:
        doc = json.load(file)
    with open(os.path.join(BENCH, 'REPORT.md'), encoding='utf-8') as file:
        text = file.read()
    ok(page(doc) == text, 'REPORT.md is what report.py makes of report.json')
    other = copy.deepcopy(doc)
    where = other['pairs']['columns'].index('with_cpu_ns')
    for row in other['pairs']['rows']:
        row[where] *= 2
    ok(page(other) != text, 'other figures give another page')
    ok(not doc['short'], 'it is of a whole run')
    ok(doc['pairs']['columns'] == COLUMNS, 'its columns are those of this test', doc['pairs']['columns'])


figures()
kept()
print('1..%d' % count)
sys.exit(1 if failed else 0)
