#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measures what tracing costs and writes the raw figures, of which report.py makes the page.

  tests/bench/measure.py [--pairs N] [--short] [-o RAW.json]

A pair is the same load without and then with the tool, at each of three rates; pairs of all systems and tools alternate. Every figure
in RAW is one that was read: nothing is averaged here. Fields: see COLUMNS, and machine(), sessions and one_core below.
"""
import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tests', 'live'))
from harness import APM, Live, find_library, wait_until  # noqa: E402
from mysql_server import MySQLServer, why_missing as no_mysql  # noqa: E402
from redis_server import RedisServer  # noqa: E402
from tools import SYSTEMS, TOOLS, Apm, Floor  # noqa: E402

SCHEMA = 'apm-bpf/bench/1'
BENCH = os.path.join(TOP, 'build', 'tests', 'bench')
RATES = {'item_slow': 100, 'item_busy': 2000, 'item_full': 0}  # table: operations a second; 0: one after another
SECONDS = {False: {100: 0.8, 2000: 0.8, 0: 0.4, 'bystander': 0.15, 'one_core': 2.0, 'first': 0.2, 'settle': 0.3},
           True: {100: 0.1, 2000: 0.1, 0: 0.1, 'bystander': 0.05, 'one_core': 0.3, 'first': 0.03, 'settle': 0.0}}
WARM = 'item_warm', 0, 0.03
# Of one window of the load: what the load tells, and what its server, and the tool, used of the CPU meanwhile.
WINDOW = ('ops', 'wall_ns', 'cpu_ns', 'p50_ns', 'p99_ns', 'server_cpu_ns')
COLUMNS = ('system', 'tool', 'pair', 'rate', *('none_' + w for w in WINDOW), *('with_' + w for w in WINDOW),
           'tool_cpu_ns', 'tool_rss_kb', 'tool_anon_kb', 'seen')
SESSION = ('system', 'tool', 'pair', 'lost', 'start_cpu_ns', 'bystander_none_ns', 'bystander_with_ns')
ONE_CORE = ('system', 'tool', 'tool_on', 'executed', 'seen', 'lost', 'wall_ns')


def cpu_ns(*pids):
    """CPU time that the threads which these processes have now have used."""
    total = 0
    for pid in pids:
        for tid in os.listdir('/proc/%d/task' % pid):
            try:
                with open('/proc/%d/task/%s/schedstat' % (pid, tid), encoding='utf-8') as file:
                    total += int(file.read().split()[0])
            except OSError:
                pass  # a thread that has ended
    return total


def status_kb(pid, name):
    with open('/proc/%d/status' % pid, encoding='utf-8') as file:
        found = re.search(r'^%s:\s+(\d+)' % name, file.read(), re.M)
    return int(found.group(1)) if found else 0


def pin(pids, cpu):
    for pid in pids:
        for tid in os.listdir('/proc/%d/task' % pid):
            os.sched_setaffinity(int(tid), cpu)


class Load:
    """A running load (load.h)."""

    def __init__(self, bench, name, server_pids=()):
        self.name, self.system = name, SYSTEMS[name]
        self.library = next(bench.live.library[s] for s in self.system.sonames if s in bench.live.library)
        self.program = bench.live.program([os.path.join(BENCH, 'load_' + name)], barrier=False, PGOPTIONS='-c log_statement=none')
        self.pid, self.answers = self.program.pid, 0
        first = self.answer()
        self.text_offset = first['text_offset']
        self.server_pids = (first['server_pid'],) if first['server_pid'] else tuple(server_pids)
        pin((self.pid, *self.server_pids), {0})

    def answer(self, limit=30):
        def line():
            if self.program.process.poll() is not None:
                raise RuntimeError('load_%s ended: %s' % (self.name, self.program.errors()))
            lines = self.program.output().splitlines(True)
            return len(lines) > self.answers and lines[self.answers].endswith('\n') and lines[self.answers]
        text = wait_until('load_' + self.name, line, limit)
        self.answers += 1
        return json.loads(text)

    def run(self, table, rate, seconds):
        """One window: the fields of WINDOW."""
        server = cpu_ns(*self.server_pids)
        self.program.process.stdin.write(b'%s %g %g\n' % (table.encode(), rate, seconds))
        self.program.process.stdin.flush()
        time.sleep(seconds)
        told = self.answer(seconds * 20 + 30)
        told['server_cpu_ns'] = cpu_ns(*self.server_pids) - server
        return [told[name] for name in WINDOW]

    def ns_each(self, seconds):
        ops, _, cpu, *_ = self.run('item_warm', 0, seconds)
        return round(cpu / max(ops, 1), 1)


class Bench:
    def __init__(self, live, pairs, short):
        self.live, self.pair_count, self.short, self.seconds = live, pairs, short, SECONDS[short]
        self.loads, self.others = {}, {}
        self.pairs, self.sessions, self.one_core, self.absent = [], [], [], []

    def open_loads(self):
        """A load for each system that is installed, and a second one of the same library that no tool is told to trace."""
        for name, system in SYSTEMS.items():
            try:
                if not any(s in self.live.library for s in system.sonames):
                    raise RuntimeError('its client library is not installed')
                server = self.server(name)
                self.loads[name], self.others[name] = Load(self, name, server), Load(self, name, server)
            except (RuntimeError, OSError, TimeoutError, subprocess.SubprocessError) as problem:
                self.lack(name, '', problem)

    def server(self, name):
        """Starts it where there is none yet: pids of what serves every connection."""
        if name == 'mysql':
            if no_mysql():
                raise RuntimeError(no_mysql())
            server = MySQLServer(self.live)
            subprocess.run(server.client('-e', 'SET GLOBAL general_log = 0'), check=True, timeout=20)
            return [int(open(os.path.join(server.dir, 'pid'), encoding='utf-8').read())]
        if name == 'redis':
            RedisServer(self.live)
            return [self.live.servers[-1].pid]
        return []

    def lack(self, system, tool, why):
        row = [system, tool, ' '.join(str(why).split())]
        if row[:2] not in [r[:2] for r in self.absent]:
            self.absent.append(row)

    def side(self, load, tool=None):
        """One side of a pair: {rate: (window, what the tool used)}, and the bystander's ns for an operation."""
        windows = {}
        load.run(*WARM)
        for table, rate in RATES.items():
            before = cpu_ns(tool.pid) if tool else 0
            window = load.run(table, rate, self.seconds[rate])
            windows[table] = window, [cpu_ns(tool.pid) - before, status_kb(tool.pid, 'VmRSS'), status_kb(tool.pid, 'RssAnon')] if tool else []
        other = self.others[load.name]
        other.run(*WARM)
        return windows, other.ns_each(self.seconds['bystander'])

    def pair(self, load, kind, number):
        tool = kind()
        none, bystander_none = self.side(load)
        tool.start(self, load)
        try:
            load.run('item_warm', 0, self.seconds['first'])
            time.sleep(self.seconds['settle'])  # what a tool does for its start and first events is not part of its price by operation
            start = cpu_ns(tool.pid)
            traced, bystander_with = self.side(load, tool)
        finally:
            seen, lost = tool.stop()
        for table, rate in RATES.items():
            self.pairs.append([load.name, tool.name, number, rate, *none[table][0], *traced[table][0], *traced[table][1],
                               None if seen is None else seen.get(table, 0)])
        self.sessions.append([load.name, tool.name, number, lost, start, bystander_none, bystander_with])

    def kinds(self, load):
        kinds = [kind for kind in TOOLS if load.name in kind.systems]
        if self.short:  # of the others one for each system is enough to see them work
            others = [kind for kind in kinds if not issubclass(kind, (Apm, Floor))]
            kinds = [kind for kind in kinds if kind not in others] + [others[list(self.loads).index(load.name) % len(others)]]
        for kind in kinds:
            why = kind().why_not()
            if why:
                self.lack(load.name, kind.name, why)
            else:
                yield kind

    def run_pairs(self):
        for number in range(self.pair_count):
            for load in self.loads.values():
                for kind in self.kinds(load):
                    if [load.name, kind.name] in [row[:2] for row in self.absent]:
                        continue
                    try:
                        self.pair(load, kind, number)
                    except (RuntimeError, TimeoutError, OSError, subprocess.SubprocessError) as problem:
                        self.lack(load.name, kind.name, problem)
                print('# pair %d of %d: %s' % (number + 1, self.pair_count, load.name), flush=True)

    def run_one_core(self):
        """Nothing may be lost when a program does nothing but operations on one core, wherever the tool runs."""
        for load in list(self.loads.values())[-1 if self.short else 0:]:
            for kind in self.kinds(load):
                if not issubclass(kind, Apm):
                    continue
                for where, cpus in (('any core', set(range(os.cpu_count()))), ('the same core', {0})):
                    tool = kind()
                    tool.start(self, load)
                    pin([tool.pid], cpus)
                    ops, wall, *_ = load.run('item_full', 0, self.seconds['one_core'])
                    seen, lost = tool.stop()
                    self.one_core.append([load.name, tool.name, where, ops, seen.get('item_full', 0), lost, wall])


def told(pattern, *argv):
    """What a program says its version is, None without it."""
    try:
        run = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
    except OSError:
        return None
    found = re.search(pattern, run.stdout)
    return found.group(1) if found else None


def versions():
    number = r'(\d+\.\d[\w.+~-]*)'
    path = os.environ.get('PATH', '') + ':/usr/sbin'
    os.environ['PATH'] = path
    found = {'apm-bpf': told(number, APM, '--version'), 'commit': told(r'^([0-9a-f]{7,})', 'git', '-C', TOP, 'rev-parse', '--short', 'HEAD'),
             'bpftrace': told(number, 'bpftrace', '--version'), 'perf': told(number, 'perf', '--version'),
             'strace': told(number, 'strace', '--version'), 'PostgreSQL': told(number, 'postgres', '--version') or told(number, 'psql', '--version'),
             'MariaDB': told(r'(\d+\.\d+\.\d+)-MariaDB', 'mariadbd', '--version'), 'Redis': told(r'v=(\S+)', 'redis-server', '--version')}
    for system in SYSTEMS.values():
        for soname in system.sonames:
            real = find_library(soname)
            if real:
                package = told(r'^(\S+):', 'dpkg-query', '-S', real) or told(r'^(\S+):', 'dpkg-query', '-S', real.replace('/usr/', '/'))
                found[soname] = (package and told(r'(\S+)', 'dpkg-query', '-W', '-f=${Version}', package)) or os.path.basename(real)
    return {name: version for name, version in found.items() if version}


def machine():
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        cpus = file.read()
    model = re.search(r'model name\s*: (.*)', cpus)
    with open('/proc/meminfo', encoding='utf-8') as file:
        memory = int(re.search(r'MemTotal:\s+(\d+)', file.read()).group(1))
    with open('/etc/os-release', encoding='utf-8') as file:
        distribution = re.search(r'PRETTY_NAME="(.*)"', file.read())
    return {'cpu': model.group(1) if model else platform.machine(), 'cores': os.cpu_count(), 'memory_mb': memory // 1024,
            'virtual': bool(re.search(r'^flags\s*:.*\bhypervisor\b', cpus, re.M)), 'kernel': platform.release(), 'kernel_build': platform.version(),
            'distribution': distribution.group(1) if distribution else None}


def write(path, raw):
    """One line for each row, so that two runs can be compared."""
    def table(value):
        return '{"columns": %s, "rows": [\n%s\n]}' % (json.dumps(value['columns']), ',\n'.join(json.dumps(row) for row in value['rows']))
    lines = ['%s: %s' % (json.dumps(name), table(value) if isinstance(value, dict) and 'rows' in value else json.dumps(value))
             for name, value in raw.items()]
    with open(path, 'w', encoding='utf-8') as file:
        file.write('{\n%s\n}\n' % ',\n'.join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--pairs', type=int, default=7)
    parser.add_argument('--short', action='store_true', help='windows of a tenth of a second: whether it works, not what it costs')
    parser.add_argument('-o', default=os.path.join(TOP, 'tests', 'bench', 'report.json'))
    args = parser.parse_args()
    begin, load_before = time.time(), os.getloadavg()[0]
    sonames = [soname for system in SYSTEMS.values() for soname in system.sonames]
    with Live(libraries=sonames, postgres=True, limit=3000) as live:
        bench = Bench(live, args.pairs, args.short)
        bench.open_loads()
        bench.run_pairs()
        bench.run_one_core()
        raw = {'schema': SCHEMA, 'started': datetime.datetime.fromtimestamp(begin, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ'),
               'took_s': round(time.time() - begin), 'load_before': round(load_before, 2), 'short': args.short,
               'pair_count': args.pairs, 'seconds': {str(k): v for k, v in bench.seconds.items()},
               'machine': machine(), 'versions': versions(),
               'systems': {name: {'floor': s.floor, 'calls': s.calls} for name, s in SYSTEMS.items()},
               'tools': {kind.name: kind.what for kind in TOOLS}}
        for name, columns, rows in (('pairs', COLUMNS, bench.pairs), ('sessions', SESSION, bench.sessions),
                                    ('one_core', ONE_CORE, bench.one_core), ('absent', ('system', 'tool', 'why'), bench.absent)):
            raw[name] = {'columns': columns, 'rows': rows}
        write(args.o, raw)
        live.ok(bool(bench.pairs), 'written: ' + os.path.basename(args.o))


if __name__ == '__main__':
    main()
