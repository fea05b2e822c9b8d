#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a guest runs: the live tests in short form, against the same ground truth, and what is left in the kernel afterwards.

Lines "# fact NAME: VALUE" go into the table of kernels. Machine emulation is 20 to 70 times slower: no time is asserted, and
programs repeat little. The argument is a list of parts, separated by commas.
"""
import collections
import ctypes
import os
import platform
import re
import signal
import subprocess
import sys

TOP = '/apm'
sys.path.insert(0, TOP + '/tests/live')
sys.path.insert(1, TOP + '/tests/vm/guest')
import harness  # noqa: E402
from harness import Live, client  # noqa: E402
import compare  # noqa: E402
from mysql_server import MySQLServer  # noqa: E402
from redis_server import RedisServer  # noqa: E402

SQLITE = ('steps', 'partial', 'interleave', 'before', 'bind', 'exec', 'ddl', 'trigger', 'nested', 'errors', 'longjmp', 'cancel', 'fork')
LIBPQ = ('exec', 'params', 'prepared', 'multi', 'errors', 'copy', 'async', 'two', 'single', 'pipeline', 'cancel', 'reconnect', 'abandon', 'threads')
LIBMARIADB = ('query', 'wrappers', 'use', 'send', 'multi', 'prepared', 'direct', 'errors', 'killed', 'abandon', 'two', 'threads')
HIREDIS = ('command', 'control', 'argv', 'pipeline', 'async', 'threads')
# What is used where there, and the first kernel with it.
SINCE = {'task storage': (5, 11), 'attach cookies': (5, 15), 'uprobe multi links': (6, 6), 'uprobe sessions': (6, 13)}
LIMIT_S = 420  # reached by nothing that works, however slow the emulated machine
NR_BPF, PROG_NEXT, MAP_NEXT, LINK_NEXT = 321, 11, 12, 31  # x86-64; include/uapi/linux/bpf.h, enum bpf_cmd


def version():
    return tuple(map(int, re.findall(r'\d+', platform.release())[:2]))


def before_cookies():
    return version() < SINCE['attach cookies']


def fact(name, value):
    print('# fact %s: %s' % (name, value), flush=True)


def bpf_ids(command):
    """Numbers of all programs, maps or links in the kernel."""
    libc, found, last = ctypes.CDLL(None, use_errno=True), set(), 0
    while True:
        attr = (ctypes.c_uint32 * 4)(last)
        if libc.syscall(NR_BPF, command, ctypes.byref(attr), ctypes.c_uint(16)):
            return found
        last = attr[1]
        found.add(last)


def left_in_kernel():
    """The kernel frees them in the background, 5.10 rather late."""
    return {'programs': bpf_ids(PROG_NEXT), 'maps': bpf_ids(MAP_NEXT), 'links': bpf_ids(LINK_NEXT)}


EMPTY = left_in_kernel()


def until_same(wanted, limit=60):
    """Whether the kernel comes to hold these, and nothing else."""
    try:
        return harness.wait_until('the kernel to free them', lambda: left_in_kernel() == wanted, limit)
    except TimeoutError:
        return False


def gone_and_new(before):
    """How many programs, maps and links there were that are not there now, and the other way round."""
    return {name: (len(before[name] - ids), len(ids - before[name])) for name, ids in left_in_kernel().items()}


def naps(pid):
    """How often a program waited: "steady" does after each statement."""
    with open('/proc/%d/status' % pid) as status:
        return int(re.search(r'^voluntary_ctxt_switches:\s*(\d+)', status.read(), re.M).group(1))


def text_of(pid, library):
    """Bytes of the mapped code of a library: (in memory, in the file)."""
    with open('/proc/%d/maps' % pid) as maps:
        for line in maps:
            words = line.split()
            if len(words) > 5 and words[5].endswith('/' + library) and 'x' in words[1]:
                start, end = (int(x, 16) for x in words[0].split('-'))
                with open('/proc/%d/mem' % pid, 'rb') as memory, open(words[5], 'rb') as file:
                    memory.seek(start)
                    file.seek(int(words[2], 16))
                    size = min(end - start, os.path.getsize(words[5]) - int(words[2], 16))
                    return memory.read(size), file.read(size)
    raise RuntimeError('%s is not mapped' % library)


def together(live, programs, at_once=True, **env):
    """(report, truth) of one trace of several programs: apm-bpf takes seconds to load here. They run at once, or in turn where
    they share tables."""
    running = [live.program([client(name), mode], **env).ready() for name, mode in programs]
    pids = [word for program in running for word in ('-p', program.pid)]
    tracer = live.tracer('--json', '--top', 1000, '--freq', 0, *pids).ready()
    truth = harness.Truth()
    for program in running if at_once else ():
        program.go()
    for program in running:
        if not at_once:
            program.go()
        status = program.wait(LIMIT_S)
        if status:
            raise RuntimeError('%s ended with %s: %s' % (program.process.args, status, program.errors()))
        truth.read(program.truth_path)
    return tracer.report(), truth


def modes(live, name, modes_of, program, at_once):
    """All ways of calling in one trace; each in its own when that is not exact, to see which."""
    with live.section(name):
        report, truth = together(live, [(program, mode) for mode in modes_of], at_once, N=8, THREADS=4)
        exact = len(modes_of)
        if not live.exact('%s: %s' % (name, ', '.join(modes_of)), report, truth):
            exact = 0
            for mode in modes_of:
                report, truth = together(live, [(program, mode)], N=8, THREADS=4)
                exact += live.exact('%s %s' % (name, mode), report, truth)
        fact('%s, ways of calling that are exact' % name, '%d of %d' % (exact, len(modes_of)))


def sqlite(live):
    modes(live, 'sqlite3', SQLITE, 'lite_client', True)


def copies(live):
    with live.section('sqlite3 threads'):
        report, run = live.run([client('lite_client'), 'threads'], args=('--freq', 0), N=4, THREADS=60)
        live.exact('sqlite3 threads', report, run.truth())
    with live.section('two copies of sqlite3 in one trace'):
        report, truth = together(live, [('lite_client', 'steps'), ('lite_static', 'steps'), ('lite_static', 'errors')], N=8)
        alike = [row['text'] for row in report['coverage']['missing'] if 'same code as another copy' in row['text']]
        if alike and before_cookies():
            live.skip('two copies of sqlite3 in one trace', alike[0])  # a matter of where the linker put sqlite3_step
        else:
            live.exact('two copies of sqlite3 in one trace', report, truth)
    with live.section('sqlite3 started by apm-bpf'):
        path = live.path('truth')
        tracer = live.tracer('--json', '--top', 1000, '--freq', 0, '--', client('lite_client'), 'steps', env=live.environment(N=8, GROUND_TRUTH=path))
        live.exact('sqlite3 started by apm-bpf', tracer.report(), harness.Truth().read(path))


def libpq(live):
    modes(live, 'libpq', LIBPQ, 'pq_client', False)
    fact('sqlite3 and libpq in one trace', 'exact' if both_exact(live) else 'no')


def both_exact(live):
    with live.section('sqlite3 and libpq in one trace'):
        report, truth = together(live, [('lite_client', 'steps'), ('pq_client', 'exec'), ('lite_client', 'fork')], N=8)
        return live.exact('sqlite3 and libpq in one trace', report, truth)
    return False


def libmariadb(live):
    MySQLServer(live)
    modes(live, 'libmariadb', LIBMARIADB, 'mysql_client', False)


def hiredis_exact(live, modes_of):
    """Commands are compared by their pattern, which the report gives as their text."""
    report, truth = together(live, [('redis_client', mode) for mode in modes_of], False, N=8, THREADS=4)
    have, want = collections.Counter(), collections.Counter()
    for q in report['queries']:
        for field in ('calls', 'errors', 'rows'):
            have[q['query'], field] += q[field]
    for (_, text), row in truth.rows.items():
        for field, n in zip(('calls', 'errors', 'rows'), row):
            want[text, field] += n
    return live.ok(have == want, 'hiredis: %s' % ', '.join(modes_of), (have - want, want - have))


def hiredis(live):
    RedisServer(live)
    with live.section('hiredis'):
        exact = len(HIREDIS)
        if not hiredis_exact(live, HIREDIS):
            exact = sum(hiredis_exact(live, [mode]) for mode in HIREDIS)
        fact('hiredis, ways of calling that are exact', '%d of %d' % (exact, len(HIREDIS)))


def switch(live):
    """Return probes would crash these: they have none, and nor have programs that are not traced but use the same library."""
    failed = live.failed
    for mode in ('lite', 'threads') + (('pq',) if live.pg else ()):
        with live.section('fibers ' + mode):
            report, run = live.run([client('fiber_client'), mode], args=('--freq', 0), FIBERS=6, N=4)
            live.exact('fibers: ' + mode, report, run.truth())
    with live.section('fibers beside a traced program'):
        other = live.program([client('fiber_client'), 'lite'], FIBERS=6, N=10).ready()
        traced = live.program([client('lite_client'), 'steps'], N=20).ready()
        tracer = live.tracer('--json', '--top', 1000, '--freq', 0, '-p', traced.pid).ready()
        late = live.program([client('fiber_client'), 'lite'], FIBERS=6, N=10).ready()
        for program in (other, late, traced):
            live.ok(program.go().wait(LIMIT_S) == 0, 'fibers beside a traced program: unharmed', program.errors())
        live.exact('a program beside fibers', tracer.report(), traced.truth())
    fact('programs that switch stacks', 'exact' if live.failed == failed else 'no')


def replay(live):
    failed = live.failed
    for argv in (['lite_client', 'errors'], ['lite_client', 'fork'], ['pq_client', 'prepared']):
        if argv[0] == 'pq_client' and not live.pg:
            continue
        name = ' '.join(argv)
        with live.section('replay of ' + name):
            capture = live.path('apm')
            report, run = live.run([client(argv[0]), *argv[1:]], args=['-o', capture, '--freq', 0], N=8)
            again = subprocess.run([harness.APM, 'report', '--json', '--top', '1000', capture], stdout=subprocess.PIPE, timeout=90, check=True)
            wrong = compare.different(report, again.stdout)
            live.ok(not wrong, 'replay of %s gives the same report' % name, '\n'.join(wrong))
    fact('record and replay', 'the same report' if live.failed == failed else 'no')


def samples(live):
    with live.section('samples'):
        report, run = live.run([client('lite_client'), 'cpu'], SECONDS_LONG=6)
        profile = report['profile']
        live.exact('sqlite3 while samples are taken', report, run.truth())
        live.ok(profile['samples'] > 50, 'samples are taken', profile['samples'])
        live.ok(0 < profile['samples_attributed'] < profile['samples'],
                'and tagged with the running statement where there is one', [(k, v) for k, v in profile.items() if k != 'functions'])
        live.ok(any(f.get('name') == 'burn_outside' for f in profile['functions'][:3]), 'the function that burns CPU is among the first',
                profile['functions'][:5])
        fact('CPU samples, with the running statement', 'yes' if profile['samples_attributed'] else 'no')


def spans(live):
    """Calls, statements and failures of functions that end in every way (see tests/live/test_spans.py)."""
    wanted = {'handle': [37, 222, 10, 0], 'outer': [7, 49, 0, 0], 'recurse': [3, 6, 0, 0], 'leave': [10, 10, 5, 5], 'busy': [5, 0, 0, 0],
              'job': [6, 6, 0, 0], 'last': [1, 1, 0, 0]}
    exact = False
    with live.section('spans'):
        path = client('span_client')
        rules = ['handle@arg2:str:route@ret<0', *list(wanted)[1:]]
        report, _ = live.run([path], args=('--freq', 0, *[word for rule in rules for word in ('--span', path + ':' + rule)]))
        found = {u['shape']: [u['count'], u['statements'], u['status']['error'], u['status']['left']]
                 for u in report['unit_shapes'] if u['kind'] == 'span'}
        exact = live.ok(found == wanted, 'calls of functions: count, statements, failures', (found, wanted))
    fact('functions named with --span', 'exact' if exact else 'no')


def unload(live):
    clean = []
    with live.section('unload'):
        live.ok(until_same(EMPTY), 'nothing is left of earlier parts', gone_and_new(EMPTY))
        before = left_in_kernel()
        program = live.program([client('lite_client'), 'steady'], SECONDS_LONG=900, RATE=50).ready()
        untouched, file = text_of(program.pid, 'libsqlite3.so.0')
        live.ok(untouched == file, 'the code of sqlite3 is as in its file before')
        tracer = live.tracer('--json', '-p', program.pid).ready()
        during = left_in_kernel()
        probed, _ = text_of(program.pid, 'libsqlite3.so.0')
        live.ok(during['programs'] > before['programs'] and during['maps'] > before['maps'] and probed != file,
                'while tracing there are programs, maps and breakpoints', (gone_and_new(before), probed != file))
        program.go()
        for name, how in (('asked to end', signal.SIGINT), ('killed', signal.SIGKILL)):
            waited = naps(program.pid)
            harness.wait_until('some work', lambda: naps(program.pid) > waited + 20)
            tracer.stop(how).wait(LIMIT_S)
            clean.append(live.ok(until_same(before), '%s: no program, map or link is left' % name, gone_and_new(before)))
            clean.append(live.ok(text_of(program.pid, 'libsqlite3.so.0')[0] == file, '%s: no breakpoint is left' % name))
            live.ok(program.process.poll() is None, '%s: the program goes on' % name)
            if how == signal.SIGINT:
                calls = sum(q['calls'] for q in tracer.report()['queries'])
                live.ok(calls >= 20, '%s: the report has what ran until then' % name, calls)
                tracer = live.tracer('--json', '-p', program.pid).ready()
        program.process.kill()
    fact('left behind at the end, or when killed', 'nothing' if len(clean) == 4 and all(clean) else 'something')


def kernel_lines():
    """What the kernel has said so far."""
    fd, lines = os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK), []
    while True:
        try:
            lines.append(os.read(fd, 8192).decode('utf-8', 'replace'))
        except BlockingIOError:
            os.close(fd)
            return lines


def facts(live):
    fact('release', platform.release())
    with live.section('facts'):
        report, _ = live.run([client('lite_client'), 'steps'], args=('--freq', 0), N=1)
        live.ok(not report['coverage']['missing'], 'all of sqlite3 is read', report['coverage']['missing'])
        lacks = report['coverage']['kernel']
        for row in lacks:
            live.note('lacks %s: %s' % (row['subject'], row['text']))
        subjects = [row['subject'] for row in lacks]
        due = sorted(name for name, since in SINCE.items() if version() < since)
        live.ok(sorted(subjects) == due, 'coverage says what this kernel lacks: %s' % (', '.join(due) or 'nothing'), subjects)
        fact('user probes', 'single' if 'uprobe multi links' in subjects else 'multi' if 'uprobe sessions' in subjects else 'session')
        fact('per-thread state', 'hash' if 'task storage' in subjects else 'task storage')
        fact('which probe was hit', 'code bytes' if 'attach cookies' in subjects else 'attach cookie')


def main():
    parts = sys.argv[1].split(',')
    table = {'facts': facts, 'sqlite': sqlite, 'copies': copies, 'libpq': libpq, 'libmariadb': libmariadb, 'hiredis': hiredis, 'switch': switch,
             'replay': replay, 'samples': samples, 'spans': spans, 'unload': unload}
    harness.wait_until.__defaults__ = (float(LIMIT_S),)
    harness.Tracer.ready.__defaults__ = harness.Tracer.report.__defaults__ = (LIMIT_S,)
    # The emulated processor makes apm-bpf's own work dear: nothing is to be left out for that.
    harness.Tracer.always = ('--max-overhead', '0')
    with Live(postgres='libpq' in parts, limit=3600) as live:
        for part in parts:
            table[part](live)
        bad = [line for line in kernel_lines() if re.search(r'WARNING: CPU|BUG:|Oops|general protection|RCU stall|segfault|traps:', line)]
        live.ok(not bad, 'the kernel has nothing to complain of', '\n'.join(bad))


main()
