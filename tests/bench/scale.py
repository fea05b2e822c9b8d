#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Many processes, threads and copies of a library: how long the tool takes to start and to end, and how much memory and CPU.

  scale.py [PROCESSES THREADS COPIES]...     prints a table; 1 1 1, 100 400 10 and 500 2000 50 unless given
  scale.py --write                           and puts it into docs/bench.md

Each is measured three times; of these it gives the run whose start took the median of CPU time.
"""
import os
import re
import shutil
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tests', 'live'))
from harness import LOSSY, Live, client  # noqa: E402
from measure import machine  # noqa: E402

PAGE = os.path.join(TOP, 'docs', 'bench.md')
HEAD = '## Many processes'

SIZES = ((1, 1, 1), (100, 400, 10), (500, 2000, 50))
ROUNDS = 3
STATEMENTS = 10
IDLE_S = 3
COLUMNS = ('processes', 'threads', 'copies', 'start s', 'start CPU s', 'RssAnon MB', 'idle CPU %', 'end s', 'statements', 'expected', 'lossless')


def cpu_s(pid):
    with open('/proc/%d/stat' % pid, encoding='ascii') as file:
        fields = file.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def memory_mb(pid):
    with open('/proc/%d/status' % pid, encoding='ascii') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('RssAnon')) / 1024


def measure(live, processes, threads, copies):
    folders = []
    for i in range(copies):
        folders.append(live.path('copy'))
        os.mkdir(folders[-1])
        shutil.copy(live.library['libsqlite3.so.0'], folders[-1])
    programs = [live.program([client('many_client'), 'many'], THREADS=threads // processes, N=STATEMENTS, LD_LIBRARY_PATH=folders[i % copies])
                for i in range(processes)]
    for program in programs:
        program.ready()
    args = [word for program in programs for word in ('-p', program.pid)]
    begin = time.monotonic()
    tracer = live.tracer('--json', '--max-overhead', '0', *args)
    tracer.ready(120)
    start, start_cpu = time.monotonic() - begin, cpu_s(tracer.pid)
    memory = memory_mb(tracer.pid)
    time.sleep(IDLE_S)
    idle = (cpu_s(tracer.pid) - start_cpu) / IDLE_S * 100
    for program in programs[:-1]:
        program.go()
    for program in programs[:-1]:
        program.wait()
    memory = max(memory, memory_mb(tracer.pid))
    begin = time.monotonic()
    report = tracer.stop().report(120)
    end = time.monotonic() - begin
    programs[-1].go().wait()
    lost = {k: report['losses'][k] for k in LOSSY if report['losses'].get(k)}
    return (processes, threads, copies, '%.2f' % start, '%.2f' % start_cpu, '%.1f' % memory, '%.1f' % idle, '%.2f' % end,
            report['summary']['statements'], (processes - 1) * STATEMENTS, 'yes' if not lost else lost)


def section(live, sizes):
    """The lines of the page, one by one: there is no hurry with the last."""
    about = machine()
    yield from (HEAD, '', 'SQLite, %d statements a process; all but one of the processes execute theirs and end. Start: until everything is probed. End: '
                'from Ctrl-C to the report.' % STATEMENTS, '',
                '%s, %d cores, %s, kernel %s, load %.1f.' % (about['cpu'], about['cores'], about['distribution'], about['kernel'],
                                                            os.getloadavg()[0]), '',
                '| %s |' % ' | '.join(COLUMNS), '|---' * len(COLUMNS) + '|')
    for size in sizes:
        runs = sorted((measure(live, *size) for _ in range(ROUNDS)), key=lambda run: float(run[COLUMNS.index('start CPU s')]))
        yield '| %s |' % ' | '.join(map(str, runs[ROUNDS // 2]))


def write(lines):
    """In the place of the page's section of that name, or at its end."""
    with open(PAGE, encoding='utf-8') as file:
        page = file.read()
    before, _, rest = page.partition(HEAD + '\n')
    after = re.search(r'^## .*', rest, re.M | re.S)
    with open(PAGE, 'w', encoding='utf-8') as file:
        file.write('\n'.join([before.rstrip(), '', *lines, '', after.group() if after else '']).rstrip() + '\n')


def main():
    numbers = [int(word) for word in sys.argv[1:] if word != '--write']
    sizes = [tuple(numbers[i:i + 3]) for i in range(0, len(numbers), 3)] or SIZES
    lines = []
    with Live(libraries=('libsqlite3.so.0',)) as live:
        for line in section(live, sizes):
            print(line, flush=True)
            lines.append(line)
        if '--write' in sys.argv:
            write(lines)
        live.ok(all(line.endswith('| yes |') for line in lines[-len(sizes):]), 'nothing is lost')


if __name__ == '__main__':
    main()
