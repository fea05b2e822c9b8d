#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What threads wait for outside of database calls: planted waits are found, and threads without work are not waiting for anything."""
import glob
import json
import socket
import subprocess
import threading
import time

from harness import APM, Live, client

SECONDS = 5
# mode -> the bottleneck to be named, of those that are waits
MODES = {'disk': {'io'}, 'locks': {'lock'}, 'network': {'external'}, 'idle': set(), 'async': set(), 'database': set()}
WAITS = {'io', 'lock', 'external'}


class SlowServer(threading.Thread):
    """Answers each request after a while."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(('127.0.0.1', 0), backlog=64)
        self.port = self.socket.getsockname()[1]

    def run(self):
        while True:
            conn, _ = self.socket.accept()
            with conn:
                conn.recv(64)
                time.sleep(0.05)
                conn.sendall(b'ok')


class Blocked(threading.Thread):
    """How many threads of a process sleep in the kernel so that no signal wakes them, by what /proc says meanwhile."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.looks, self.blocked = pid, 0, 0

    def run(self):
        while True:
            states = []
            for path in glob.glob('/proc/%d/task/*/stat' % self.pid):
                try:
                    with open(path, encoding='utf-8', errors='replace') as file:
                        states.append(file.read().rpartition(')')[2].split()[0])
                except OSError:
                    pass
            if not states:
                return
            self.looks, self.blocked = self.looks + 1, self.blocked + states.count('D')
            time.sleep(0.01)

    def average(self):
        return self.blocked / max(self.looks, 1)


def found(report):
    return {b['kind'] for b in report['bottlenecks']} & WAITS


def traced(live, mode, port):
    capture, path = live.path('apm'), client('wait_client')
    program = live.program([path, mode, str(SECONDS), str(port)]).ready()
    spans = ('--span', path + ':request', '--span', path + ':serve')
    # On a busy machine looks would be left out for what apm-bpf takes.
    tracer = live.tracer('--json', '--max-overhead', 0, '-o', capture, '-p', program.pid, *spans).ready()
    blocked = Blocked(program.pid)
    blocked.start()
    program.go().wait(60)
    report = tracer.report(30)
    replayed = json.loads(subprocess.run([APM, 'report', '--json', capture], stdout=subprocess.PIPE, timeout=60, check=True).stdout)
    live.ok(replayed['bottlenecks'] == report['bottlenecks'], '%s: a replay says the same' % mode, replayed['bottlenecks'])
    return report, blocked.average()


def main():
    with Live(postgres=True) as live:
        server = SlowServer()
        server.start()
        for mode, wanted in MODES.items():
            with live.section(mode):
                report, blocked = traced(live, mode, server.port)
                if mode == 'disk' and blocked < 0.5:
                    live.skip('disk', 'only %.2f threads wait for this disk at a time' % blocked)
                    continue
                live.ok(found(report) == wanted, '%s: %s' % (mode, ', '.join(wanted) or 'nothing'), report['bottlenecks'])
                if mode == 'network':
                    metrics = next(u['metrics'] for u in report['unit_shapes'] if u['shape'] == 'request')
                    live.ok(0 < metrics['external_wait_ms'] and metrics['io_wait_ms'] == metrics['lock_wait_ms'] == 0,
                            'network: the calls say so', metrics)


main()
