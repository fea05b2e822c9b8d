#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Many processes, threads and copies of a library: how long the tool takes to start and to end, and how much memory and CPU.

  scale.py [PROCESSES THREADS COPIES]...     prints a table; 1 1 1, 100 400 10 and 500 2000 50 unless given
"""
import os
import shutil
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tests', 'live'))
from harness import LOSSY, Live, client, wait_until  # noqa: E402

SIZES = ((1, 1, 1), (100, 400, 10), (500, 2000, 50))
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
        folders.append(os.path.join(live.dir, '%d-copy%d' % (processes, i)))
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


def main():
    numbers = [int(word) for word in sys.argv[1:]]
    sizes = [tuple(numbers[i:i + 3]) for i in range(0, len(numbers), 3)] or SIZES
    print('| ' + ' | '.join(COLUMNS) + ' |\n|' + '---|' * len(COLUMNS))
    with Live(libraries=('libsqlite3.so.0',)) as live:
        for size in sizes:
            print('| ' + ' | '.join(map(str, measure(live, *size))) + ' |', flush=True)


if __name__ == '__main__':
    main()
