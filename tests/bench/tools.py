# SPDX-License-Identifier: BSD-2-Clause
"""The tools whose price is compared: each attaches to one running load and says at its end what it saw.

A tool is a class with start(bench, load), which returns when it is attached, and stop(), which returns (operations seen for each
table of the load, events lost), either of them None where the tool does not say. `pid` is the process whose CPU and memory are the tool's.
"""
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import time

from harness import APM, LOSSY, TOP, wait_until

FLOOR = os.path.join(TOP, 'build', 'tests', 'bench', 'floor')
TRACEFS = '/sys/kernel/tracing'


class System:
    """What has to be known of a client library to trace one of its operations by hand."""

    def __init__(self, sonames, floor, entry, text, ret, calls, words):
        self.sonames = sonames    # of the library: the first that is installed is used
        self.floor = floor        # the function that a program calls for an operation, or the cheapest within it
        self.entry, self.ret = entry, ret  # functions probed at entry (text) and at return (latency)
        self.text = text          # argument with the text: its number, or None for "within the sqlite3_stmt"
        self.calls = calls        # calls of `ret` for each operation
        self.words = words        # with which the text of an operation begins


SYSTEMS = {
    'postgresql': System(('libpq.so.5',), 'PQexec', 'PQexec', 1, 'PQexec', 1, 'SELECT name FROM '),
    'mysql': System(('libmariadb.so.3',), 'mysql_real_query', 'mysql_real_query', 1, 'mysql_real_query', 1, 'SELECT name FROM '),
    'redis': System(('libhiredis.so.1.1.0', 'libhiredis.so.0.14'), 'redisGetReply', '__redisAppendCommand', 1, 'redisGetReply', 1, 'GET'),
    'sqlite3': System(('libsqlite3.so.0',), 'sqlite3_step', 'sqlite3_step', None, 'sqlite3_step', 2, 'SELECT name FROM '),
}


def where(library, symbol):
    """The offset in the file at which a probe of this function stands."""
    return subprocess.run([FLOOR, library, symbol, 'where'], stdout=subprocess.PIPE, text=True, check=True, timeout=20).stdout.strip()


def perf_events(pid):
    """How many perf events a process holds."""
    count = 0
    for name in os.listdir('/proc/%d/fd' % pid):
        try:
            count += 'perf_event' in os.readlink('/proc/%d/fd/%s' % (pid, name))
        except OSError:
            pass
    return count


def table_of(text):
    """The table (or key) of the load that a text names."""
    found = re.search(r'item_[a-z]+', text)
    return found.group(0) if found else None


class Tool:
    name = ''
    what = ''        # for the page
    needs = None     # the program
    systems = tuple(SYSTEMS)  # that it knows
    pid = process = out = None

    def why_not(self):
        """Why it cannot be compared here, None if it can."""
        return None if not self.needs or shutil.which(self.needs) else self.needs + ' is not installed'

    def spawn(self, bench, argv, attached, limit=40):
        """Starts it and waits until attached(its output so far) is true."""
        self.out = bench.live.path(self.name.split()[0])
        with open(self.out, 'wb') as file:
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT, cwd=bench.live.dir)
        bench.live.started.append(self.process)
        self.pid = self.process.pid

        def ready():
            if self.process.poll() is not None:
                raise RuntimeError('%s ended: %s' % (self.name, self.output().split('Traceback')[0][-300:].strip()))
            return attached(self.output())
        wait_until(self.name, ready, limit)

    def output(self):
        with open(self.out, 'rb') as file:
            return file.read().decode('utf-8', 'replace')

    def holds_probes(self, _):
        """For tools that do not say when they are attached: they hold perf events, and no more are coming."""
        first = perf_events(self.pid)
        time.sleep(0.3)
        return first >= 2 and perf_events(self.pid) == first

    def end(self):
        self.process.stdin.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(30)
        time.sleep(0.1)  # closing probes is finished by the kernel's grace period

    def lines(self, path, words, lost=r'$.'):
        """(lines with these words, for each table; events that lines of `lost` tell of)."""
        seen, gone = collections.Counter(), 0
        with open(path, encoding='utf-8', errors='replace') as file:
            for line in file:
                if words in line:
                    seen[table_of(line)] += 1
                told = re.search(lost, line)
                gone += int(told.group(1)) if told else 0
        return seen, gone


class Floor(Tool):
    name = 'floor'
    what = 'empty programs at entry and return of one function, by uprobe multi links: what no tool of this kind can go below'

    def start(self, bench, load):
        self.spawn(bench, [FLOOR, load.library, load.system.floor], lambda out: 'attached' in out)

    def stop(self):
        self.process.stdin.close()  # this is its end
        self.end()
        return None, None


class Apm(Tool):
    name = 'apm-bpf'
    what = ('every statement with its text, parameters, rows, errors and call site, CPU samples at 99 Hz, findings; with --max-overhead 0, '
            'so that nothing is left out when it takes much')
    options = ('--max-overhead', '0')

    def start(self, bench, load):
        self.report = bench.live.path('json')
        self.spawn(bench, [APM, '--json', '--max-overhead', '0', *self.options, '--report', self.report, '-p', str(load.pid)], lambda out: 'apm-bpf: tracing ' in out)

    def stop(self):
        self.end()
        with open(self.report, encoding='utf-8') as file:
            report = json.load(file)
        seen = collections.Counter()
        for query in report['queries']:
            seen[table_of(query['query'])] += query['calls']
        return seen, sum(report['losses'].get(name, 0) for name in LOSSY)


class Bpftrace(Tool):
    name = 'bpftrace'
    what = 'a script of two probes: text of the statement (64 bytes) and a latency histogram for each text'
    needs = 'bpftrace'

    def start(self, bench, load):
        system = load.system
        text = 'arg%d' % system.text if system.text is not None else '*(uint64 *)(arg0 + %d)' % load.text_offset
        self.calls = system.calls
        self.spawn(bench, ['bpftrace', '-e', (
            'uprobe:{lib}:{entry} /pid == {pid}/ {{ @t[tid] = nsecs; @s[tid] = str({text}); }} '
            'uretprobe:{lib}:{ret} /@t[tid]/ {{ @us[@s[tid]] = hist((nsecs - @t[tid]) / 1000); delete(@t[tid]); }}'
        ).format(lib=load.library, entry=system.entry, ret=system.ret, text=text, pid=load.pid)], self.holds_probes)

    def stop(self):
        self.end()
        lost, seen, table = 0, collections.Counter(), None
        for line in self.output().splitlines():
            bucket, told = re.match(r'[\[(].*[)\]]\s+(\d+) \|', line), re.search(r'Lost (\d+) events', line)
            table = table_of(line) or table  # a key, before its buckets
            seen[table] += int(bucket.group(1)) / self.calls if bucket else 0
            lost += int(told.group(1)) if told else 0
        return seen, lost


class PerfTrace(Tool):
    name = 'perf trace'
    what = 'perf trace -e of two uprobe events (text at entry, return): a line with a time for each'
    needs = 'perf'

    def why_not(self):
        return super().why_not() or (None if os.path.exists(TRACEFS + '/uprobe_events') else 'the kernel has no uprobe_events')

    def define(self, *lines):
        events = os.open(TRACEFS + '/uprobe_events', os.O_WRONLY | os.O_APPEND)  # Python's own open() would seek
        try:
            for line in lines:
                os.write(events, line.encode() + b'\n')
        finally:
            os.close(events)

    def start(self, bench, load):
        system = load.system
        self.group, self.calls = 'apm_bench_%d' % os.getpid(), system.calls
        text = '+0(%%%s):string' % ('di', 'si', 'dx')[system.text] if system.text is not None else '+0(+%d(%%di)):string' % load.text_offset
        self.define('p:%s/text %s:%s sql=%s' % (self.group, load.library, where(load.library, system.entry), text),
                    'r:%s/done %s:%s' % (self.group, load.library, where(load.library, system.ret)))
        self.file = bench.live.path('perf')
        self.spawn(bench, ['perf', 'trace', '-o', self.file, '-e', self.group + ':*', '-p', str(load.pid)], self.holds_probes)

    def stop(self):
        try:
            self.end()
        finally:
            self.define('-:%s/text' % self.group, '-:%s/done' % self.group)
        seen, lost = self.lines(self.file, 'item_', r'LOST (\d+) events')
        return {table: count / self.calls for table, count in seen.items()}, lost


class Strace(Tool):
    name = 'strace'
    what = 'strace -f of the socket calls, which carry the texts: a line with a time for each'
    needs = 'strace'

    def start(self, bench, load):
        self.file, self.words = bench.live.path('strace'), load.system.words
        self.spawn(bench, ['strace', '-f', '-T', '-ttt', '-s', '128', '-e', 'trace=%network,read,write', '-o', self.file, '-p', str(load.pid)],
                   lambda out: ' attached' in out)

    def stop(self):
        self.end()
        return self.lines(self.file, self.words)[0], 0


class Dbslower(Tool):
    name = 'dbslower'
    what = 'of the bcc tools, on the server of PostgreSQL or MariaDB, everything slower than 0 ms: a line for each'
    needs = 'dbslower-bpfcc'
    systems = 'postgresql', 'mysql'

    def argv(self, load):
        if load.name == 'postgresql':
            return ['dbslower-bpfcc', 'postgres', '-m', '0', '-p', str(load.server_pids[0])]
        return ['dbslower-bpfcc', 'mysql', '-m', '0', '-x', os.path.realpath('/proc/%d/exe' % load.server_pids[0])]

    def start(self, bench, load):
        self.words = load.system.words
        self.spawn(bench, self.argv(load), lambda out: 'Tracing database queries' in out)

    def stop(self):
        self.end()
        return self.lines(self.out, self.words)[0], 0


TOOLS = (Floor, Apm, Bpftrace, PerfTrace, Strace, Dbslower)
