#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rounds of attach and detach under load: the programs are unharmed and get the results that they get without, what is
reported of them is no more than what they did, and no probe, program, map, link, descriptor or memory is left.

  soak.py [ROUNDS [LOAD...]]     200 rounds of "steady" unless given; several loads at once, or "all": each in turn

Loads: steady; fibers, which switch stacks inside calls; longjmp and cancel, which leave them; vfork; guarded, under a seccomp
allow-list; gdb, with a breakpoint in the library that is hit all the time.
"""
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys

from harness import Live, Truth, client, wait_until

PROCESSES = 3
FOREVER = 2000000000
# Programs, how often, and what they are told. All end in good order at SIGTERM.
LOADS = {
    'steady': (['lite_client', 'steady'], PROCESSES, {'RATE': 0, 'SECONDS_LONG': 100000}),
    'fibers': (['fiber_client', 'lite'], PROCESSES, {'FIBERS': 12, 'N': FOREVER}),
    'longjmp': (['leave_client', 'longjmp'], PROCESSES, {'N': FOREVER}),
    'cancel': (['leave_client', 'cancel'], PROCESSES, {'N': FOREVER}),
    'vfork': (['lite_client', 'vfork'], PROCESSES, {'N': FOREVER}),
    'guarded': (['guarded_client', 'guarded'], PROCESSES, {'N': FOREVER}),
    'gdb': (['lite_client', 'nested'], 1, {'N': FOREVER, 'DEBUGINFOD_URLS': ''}),
}
# Statements that a program has under way at once, where it is more than one.
AT_ONCE = {'fibers': 12, 'vfork': 2, 'gdb': 2}
LOST = 'unknown (text lost)'
# What gdb stops at; it goes on at once, and counts.
BREAK = 'sqlite3_result_value'
GDB = ['gdb', '-nx', '-batch', '-ex', 'set startup-with-shell off', '-ex', 'set breakpoint pending on', '-ex', 'break ' + BREAK,
       '-ex', 'ignore 1 %d' % FOREVER, '-ex', 'handle SIGTERM nostop noprint pass', '-ex', 'run', '-ex', 'info breakpoints', '--args']
# The statement of the program under gdb that leads there.
BREAKS_IN = 'SELECT price FROM item WHERE id = ?'


def held(pid):
    """{(kind, id)} of the BPF objects that a process has descriptors of."""
    found, folder = set(), '/proc/%d/fdinfo' % pid
    for name in os.listdir(folder):
        try:
            with open(os.path.join(folder, name), encoding='ascii', errors='replace') as file:
                words = dict(line.split(':', 1) for line in file if ':' in line)
        except FileNotFoundError:  # closed meanwhile
            continue
        for kind in ('link', 'prog', 'map'):  # a link's description has its program too
            if kind + '_id' in words:
                found.add((kind, int(words[kind + '_id'])))
    return found


def left(objects):
    """Those of them that the kernel still has."""
    alive = set()
    for kind in ('link', 'prog', 'map'):
        run = subprocess.run(['bpftool', '-j', kind, 'list'], stdout=subprocess.PIPE, text=True, timeout=60, check=True)
        alive |= {(kind, item['id']) for item in json.loads(run.stdout)}
    return objects & alive


def memory_kb(pid):
    with open('/proc/%d/status' % pid, encoding='ascii') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('RssAnon'))


def descriptors(pid):
    return len(os.listdir('/proc/%d/fd' % pid))


def differs(pid, path):
    """How many bytes of the code that the process has mapped of a file are not as in the file."""
    with open('/proc/%d/maps' % pid, encoding='utf-8') as maps, open('/proc/%d/mem' % pid, 'rb') as memory, open(path, 'rb') as file:
        for line in maps:
            words = line.split()
            if len(words) > 5 and words[5] == path and 'x' in words[1]:
                begin, end = (int(w, 16) for w in words[0].split('-'))
                memory.seek(begin)
                file.seek(int(words[2], 16))
                return sum(a != b for a, b in zip(memory.read(end - begin), file.read(end - begin)))
    raise RuntimeError('%s is not mapped' % path)


class Target:
    """One program of a load. pid is its own, also under gdb."""

    def __init__(self, live, load):
        argv, _, env = LOADS[load]
        self.load = load
        # They take all of the machine, but not from the tool and whoever else works on it.
        self.program = live.program(['nice', '-n', '10', *(GDB if load == 'gdb' else ()), client(argv[0]), *argv[1:]], UNTIL_TERM='1', **env)
        self.program.ready()
        self.pid = self.program.pid
        if load == 'gdb':
            with open('/proc/%d/task/%d/children' % (self.pid, self.pid), encoding='ascii') as children:
                self.pid = int(children.read().split()[0])
        self.program.go()

    def probed_bytes(self, path):
        """Without those that gdb put there."""
        return max(0, differs(self.pid, path) - (self.load == 'gdb'))

    def end(self):
        """Its exit status."""
        os.kill(self.pid, signal.SIGTERM)
        return self.program.wait(120)

    def strange(self):
        """What it got that it does not get without a tracer, as each statement of its has the same number of rows every time."""
        rows = self.program.truth().rows
        wrong = ['%s: %s' % (sql, row[:3]) for (_, sql), row in rows.items() if row[1] or row[2] % row[0]]
        if self.load == 'gdb':
            hits = re.search(r'already hit (\d+) times?', self.program.output())
            due = rows['sqlite', BREAKS_IN][0]
            if not hits or int(hits.group(1)) - due not in (0, 1):  # where SIGTERM comes gdb stops twice, also without a tracer
                wrong.append('a breakpoint was hit %s times, and passed %d times' % (hits and hits.group(1), due))
        return wrong or ([] if rows else ['it counted nothing'])


def more_than(reported, truth, edges):
    """What was reported and cannot be: statements that were not executed, or with other rows than theirs. `edges`: so many may
    have been under way when a round began or ended, and have any part of their rows, or no text."""
    wrong, executed = [], truth.by_fingerprint()
    for fingerprint, (calls, errors, rows, text) in reported.items():
        want = executed.get(fingerprint)
        if not want and text == LOST and calls <= edges:
            continue
        if not want or errors or calls > want[0] or not (calls - edges) * want[2] <= rows * want[0] <= calls * want[2]:
            wrong.append('%s: reported %d, %d errors, %d rows; executed %s' % (text, calls, errors, rows, want and want[:3]))
    return wrong


def soak(live, rounds, loads):
    path, name = live.library['libsqlite3.so.0'], '%d rounds, %s: ' % (rounds, ', '.join(loads))
    targets = [Target(live, load) for load in loads for _ in range(LOADS[load][1])]
    args = [word for t in targets for word in ('-p', t.pid)]
    reported = collections.defaultdict(lambda: [0, 0, 0, ''])
    objects, own, seen, before = set(), [], collections.Counter(), None  # own: the tool's memory once it is attached, of each round
    for i in range(rounds):
        tracer = live.tracer('--json', '--top', 1000, '--freq', 0, *args).ready(120)
        objects |= held(tracer.pid)
        own.append(memory_kb(tracer.pid))
        report = tracer.stop().report(60)
        for query in report['queries']:
            row = reported[query['fingerprint']]
            for k, field in enumerate(('calls', 'errors', 'rows')):
                row[k] += query[field]
            row[3] = query['query']
        seen['rounds'] += report['summary']['statements'] > 0
        seen['probed'] += len(report['coverage']['libraries']) > 0
        if i == min(2, rounds - 1):
            before = [(memory_kb(t.pid), descriptors(t.pid)) for t in targets]
    after = [(memory_kb(t.pid), descriptors(t.pid)) for t in targets]
    live.note('statements were seen in %d of %d rounds' % (seen['rounds'], rounds))
    live.note('kB and descriptors of the programs after round 3 and at the end: %s, %s' % (before, after))
    live.note('kB of the tool, attached: %d in the first round, %d in the last, %d at most' % (own[0], own[-1], max(own)))
    live.ok(all(t.program.process.poll() is None for t in targets), name + 'every program still runs')
    live.ok(seen['rounds'] > rounds // 2 and seen['probed'] == rounds, name + 'the library was probed each time, and statements seen', seen)
    live.ok(wait_until('the code of the library', lambda: not any(t.probed_bytes(path) for t in targets)), name + 'no probe is left')
    live.ok(all(b[0] - a[0] < 1024 and b[1] <= a[1] for a, b in zip(before, after)),
            name + 'the programs did not grow by a megabyte, nor by a descriptor', (before, after))
    if not shutil.which('bpftool'):
        live.skip(name + 'nothing is left in the kernel', 'no bpftool')
    else:
        # The kernel frees them in the background.
        live.ok(len(objects) > 10 * rounds and wait_until('the kernel to let go', lambda: not left(objects)),
                name + 'none of %d links, programs and maps is left' % len(objects), left(objects))
    status, truth = [t.end() for t in targets], Truth()
    live.ok(not any(status), name + 'every program ends in good order', (status, [t.program.errors() for t in targets]))
    wrong = [line for t in targets for line in t.strange()]
    live.ok(not wrong, name + 'their results are what they are without', '\n'.join(wrong))
    for t in targets:
        truth.read(t.program.truth_path)
    wrong = more_than(reported, truth, rounds * sum(AT_ONCE.get(t.load, 1) for t in targets))
    live.ok(not wrong, name + 'nothing was reported that they did not do', '\n'.join(wrong))


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    loads = sys.argv[2:] or ['steady']
    with Live(limit=(120 + 15 * rounds) * len(LOADS)) as live:
        if 'gdb' in loads + ['gdb'] * ('all' in loads) and not shutil.which('gdb'):
            live.skip('under gdb', 'gdb is not installed')
            del LOADS['gdb']
        for group in [[load] for load in LOADS] if loads == ['all'] else [[load for load in loads if load in LOADS]]:
            with live.section(', '.join(group)):
                soak(live, rounds, group)


main()
