#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rounds of attach and detach under load: the target is unharmed, and no probe, program, map, link or memory is left.

  soak.py [ROUNDS [LOAD]]     200 unless given; LOAD: steady, or fibers, which switch stacks inside calls
"""
import json
import os
import shutil
import subprocess
import sys

from harness import Live, client, wait_until

PROCESSES = 3
LOADS = {
    'steady': (['lite_client', 'steady'], {'RATE': 0, 'SECONDS_LONG': 100000}),
    'fibers': (['fiber_client', 'lite'], {'FIBERS': 12, 'N': 2000000000}),
}


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


def library_text(pid, path):
    """The executable mapping of path in the process."""
    with open('/proc/%d/maps' % pid, encoding='utf-8') as maps, open('/proc/%d/mem' % pid, 'rb') as memory:
        for line in maps:
            words = line.split()
            if len(words) > 5 and words[5] == path and 'x' in words[1]:
                begin, end = (int(w, 16) for w in words[0].split('-'))
                memory.seek(begin)
                return memory.read(end - begin)
    raise RuntimeError('%s is not mapped' % path)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    (name, mode), env = LOADS[sys.argv[2] if len(sys.argv) > 2 else 'steady']
    with Live(limit=60 + 15 * rounds) as live:
        path = live.library['libsqlite3.so.0']
        # They take all of the machine, but not from the tool and whoever else works on it.
        programs = [live.program(['nice', '-n', '10', client(name), mode], **env).ready().go() for _ in range(PROCESSES)]
        clean = [library_text(p.pid, path) for p in programs]
        args = [word for p in programs for word in ('-p', p.pid)]
        seen = wrong = 0
        before = None
        objects, own = set(), []  # own: the tool's memory once it is attached, of each round
        for i in range(rounds):
            tracer = live.tracer('--json', '--freq', 0, *args).ready(120)
            objects |= held(tracer.pid)
            own.append(memory_kb(tracer.pid))
            report = tracer.stop().report(60)
            seen += report['summary']['statements'] > 0
            wrong += report['summary']['errors'] != 0
            if i == 2:
                before = [memory_kb(p.pid) for p in programs]
        after = [memory_kb(p.pid) for p in programs]
        live.ok(all(p.process.poll() is None for p in programs), '%d rounds: every program still runs' % rounds)
        live.ok(wrong == 0, '%d rounds: no statement failed' % rounds, wrong)
        live.note('statements were seen in %d of %d rounds' % (seen, rounds))
        live.note('kB of the programs after round 3 and at the end: %s, %s' % (before, after))
        live.note('kB of the tool, attached: %d in the first round, %d in the last, %d at most' % (own[0], own[-1], max(own)))
        live.ok(seen > 0, 'statements were seen')
        live.ok(wait_until('the text of the library', lambda: [library_text(p.pid, path) for p in programs] == clean), 'the library is as it was')
        live.ok(all(b - a < 1024 for a, b in zip(before, after)), 'the programs did not grow by a megabyte', (before, after))
        if not shutil.which('bpftool'):
            live.skip('nothing is left in the kernel', 'no bpftool')
        else:
            # The kernel frees them in the background.
            live.ok(len(objects) > 10 * rounds and wait_until('the kernel to let go', lambda: not left(objects)),
                    'none of %d links, programs and maps is left' % len(objects), left(objects))
        for p in programs:
            os.kill(p.pid, 15)


main()
