#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The ways in which processes live: children from before and after, daemons, exec, threads, names, cgroups, namespaces."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess

from harness import APM, SCRIPTS, Live, Truth, client, wait_until

PYTHON = '/usr/bin/python3'
FAMILY = os.path.join(SCRIPTS, 'use_family.py')


def processes_said(tracer):
    """How many processes the line "tracing ..." speaks of."""
    return int(re.search(r': (\d+) process', tracer.errors()).group(1))


def traced(live, name, argv, processes, **env):
    """Traces by pid from the barrier to the end, exact; the first line says how many processes that is."""
    with live.section(name):
        program = live.program(argv, **env).ready()
        tracer = live.tracer('--json', '--top', 1000, '-p', program.pid).ready()
        said = processes_said(tracer)
        program.go()
        status = program.wait()
        report = tracer.report(30)
        live.exact(name, report, program.truth())
        live.ok(status == 0 and said == processes, '%s: %d processes at the start' % (name, processes), (said, status, program.errors()))


def families(live):
    traced(live, 'pre-fork server, three workers from before and three from after', [PYTHON, FAMILY, 'prefork'], 4)
    traced(live, 'daemon', [PYTHON, FAMILY, 'daemon'], 1)
    traced(live, 'vfork, the child works in its parent\'s memory', [client('lite_client'), 'vfork'], 1)
    traced(live, 'vfork and exec of another program', [PYTHON, FAMILY, 'exec', client('lite_client'), 'steps'], 1)
    with live.section('a child with a copy of its own'):
        folder = os.path.join(live.dir, 'own')
        os.mkdir(folder)
        shutil.copy(live.library['libsqlite3.so.0'], folder)
        program = live.program([PYTHON, FAMILY, 'exec', 'env', 'LD_LIBRARY_PATH=' + folder, client('lite_client'), 'steady'],
                               RATE=1000, SECONDS_LONG=3).ready()
        tracer = live.tracer('--json', '--top', 1000, '-p', program.pid).ready()
        program.go().wait()
        report, done = tracer.report(30), program.truth().total(False)
        seen, late = report['summary']['statements'], report['losses'].get('late_attach', 0)
        live.ok(late == 1 and done / 2 < seen <= done, 'a child with a copy of its own: traced, and the gap is stated', (seen, done, report['losses']))
    traced(live, 'threads that come and go', [client('lite_client'), 'threads'], 1, THREADS=200)
    traced(live, 'children and grandchildren', [client('lite_client'), 'fork'], 1)


def request(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(path)
        s.sendall(b'GET / HTTP/1.0\r\n\r\n')
        reply = b''
        while True:
            got = s.recv(4096)
            if not got:
                return reply.split(b'\r\n\r\n', 1)[1]
            reply += got


def gunicorn(live):
    path = shutil.which('gunicorn')
    if not path:
        live.skip('gunicorn with pre-fork workers', 'gunicorn is not installed')
        return
    with live.section('gunicorn'):
        door = os.path.join(live.dir, 'web')
        program = live.program([PYTHON, path, '--workers', '3', '--bind', 'unix:' + door, '--chdir', SCRIPTS, '--no-sendfile', 'wsgi_app:application'],
                               barrier=False)
        wait_until('gunicorn', lambda: program.errors().count('Booting worker') == 3)
        tracer = live.tracer('--json', '--top', 1000, '-p', program.pid).ready()
        said = processes_said(tracer)
        pids = {request(door) for _ in range(40)}
        os.kill(int(sorted(pids)[0]), signal.SIGTERM)
        wait_until('a new worker', lambda: program.errors().count('Booting worker') == 4)
        pids |= {request(door) for _ in range(40)}
        program.process.send_signal(signal.SIGTERM)
        status = program.wait()
        live.exact('gunicorn, workers from before the trace and one begun in it', tracer.report(30), program.truth())
        live.ok(said == 4 and status == 0, 'gunicorn: master and three workers at the start (%d answered)' % len(pids), (said, status))


def by_name(live):
    name = 'apm%d' % os.getpid()
    program_file = shutil.copy(client('lite_client'), os.path.join(live.dir, name))
    with live.section('--comm'):
        early = [live.program([program_file, 'steps']).ready() for _ in range(2)]
        bystander = live.program([client('lite_client'), 'exec']).ready()
        tracer = live.tracer('--json', '--top', 1000, '--comm', name).ready()
        said = processes_said(tracer)
        later = live.program([program_file, 'ddl']).ready()  # no statement before its barrier
        for program in [*early, bystander, later]:
            program.go().wait()
        truth = Truth()
        for program in [*early, later]:
            truth.read(program.truth_path)
        live.exact('--comm: two from before, one that comes later, and a bystander', tracer.stop().report(30), truth)
        live.ok(said == 2, '--comm: two processes at the start', said)
    with live.section('--comm of nobody'):
        tracer = live.tracer('--json', '-v', '--top', 1000, '--comm', name).ready()
        live.ok('waiting' in tracer.errors(), '--comm: says that it waits', tracer.errors())
        program = live.program([program_file, 'ddl']).ready()
        wait_until('the probes', lambda: live.library['libsqlite3.so.0'] in tracer.errors())
        program.go().wait()
        live.exact('--comm: the first of its name', tracer.stop().report(30), program.truth(), ('late_attach',))


def cgroup_root():
    with open('/proc/self/mounts', encoding='utf-8') as mounts:
        for line in mounts:
            words = line.split()
            if words[2] == 'cgroup2' and os.access(words[1], os.W_OK):
                return words[1]
    return None


def move(pid, group):
    with open(os.path.join(group, 'cgroup.procs'), 'w', encoding='ascii') as file:
        file.write(str(pid))


def by_cgroup(live):
    root = cgroup_root()
    if not root:
        live.skip('--cgroup', 'cgroup v2 is not mounted')
        return
    group = os.path.join(root, 'apm-test-%d' % os.getpid())
    below = os.path.join(group, 'below')
    os.makedirs(below)
    try:
        with live.section('--cgroup'):
            inside, below_it, comes, outside = (live.program([client('lite_client'), mode]).ready() for mode in ('steps', 'partial', 'ddl', 'exec'))
            move(inside.pid, group)
            move(below_it.pid, below)
            tracer = live.tracer('--json', '-v', '--top', 1000, '--cgroup', os.path.basename(group)).ready()
            said = processes_said(tracer)
            move(comes.pid, below)
            born = live.program(['sh', '-c', 'echo $$ >%s/cgroup.procs; exec "$@"' % group, 'sh', client('lite_client'), 'fork']).ready()
            for program in (inside, below_it, comes, outside, born):
                program.go().wait()
            truth = Truth()
            for program in (inside, below_it, comes, born):
                truth.read(program.truth_path)
            report = tracer.stop().report(30)
            live.exact('--cgroup: in it, below it, moved into it, begun in it; and a bystander', report, truth)
            live.ok(not [row for row in report['coverage']['kernel'] if 'cgroup' in row['text']], '--cgroup: coverage does not say that moves are missed',
                    report['coverage']['kernel'])
            live.ok(said == 2, '--cgroup: two processes at the start', tracer.errors())
    finally:
        def gone():
            for path in (below, group):
                if os.path.isdir(path):
                    try:
                        os.rmdir(path)
                    except OSError:
                        return False
            return True
        wait_until('the cgroup to be empty', gone)


def of_processes(path, pids):
    """The part of a capture that these processes did, as a report would count it; and the report."""
    def ask(*args):
        return subprocess.run([APM, 'report', path, *args], stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout
    report, queries, last = json.loads(ask('--json', '--top', '1000')), {}, {}
    for line in ask('--events', 'jsonl').splitlines():
        event = json.loads(line)
        last[event['id']] = event  # one that is amended comes again
    part = {'queries': [], 'summary': {'statements': 0, 'control_statements': 0, 'errors': 0}, 'losses': report['losses']}
    for event in last.values():
        if event['pid'] not in pids:
            continue
        row = queries.setdefault(event['fingerprint'], {'fingerprint': event['fingerprint'], 'class': event['class'], 'query': event['query'],
                                                        'calls': 0, 'errors': 0, 'rows': 0})
        for field, more in (('calls', 1), ('errors', event['failed']), ('rows', event['rows'] or 0)):
            row[field] += more
        part['summary']['control_statements' if event['class'] == 'control' else 'statements'] += 1
        part['summary']['errors'] += event['failed']
    part['queries'] = list(queries.values())
    return part, report


def everything(live):
    """Of what it traces only our own processes are compared: others may be at work on this host."""
    with live.section('--all'):
        programs = [live.program([client('lite_client'), mode]).ready() for mode in ('steps', 'partial')]
        without = live.program(['sleep', '60'], barrier=False)
        path = live.path('apm')
        tracer = live.tracer('record', '-o', path, '--freq', 0, '--max-overhead', 0, '--all').ready()
        programs.append(live.program([client('lite_client'), 'ddl']).ready())
        truth = Truth()
        for program in programs:
            program.go().wait()
            truth.read(program.truth_path)
        live.ok(tracer.stop().wait() == 0, '--all: ends', tracer.errors())
        pids = {p.pid for p in programs}
        part, report = of_processes(path, pids)
        os.unlink(path)
        live.exact('--all: two from before and one that comes later', part, truth, ('late_attach',))
        named = {p['pid'] for p in report['coverage']['processes']}
        live.ok(pids <= named and without.pid not in named, '--all: only those with a library are named', report['coverage']['processes'])


def namespaces(live):
    with live.section('mount namespace'):
        program = live.program([*live.private_namespace(), client('lite_client'), 'steps'], LD_LIBRARY_PATH='').ready()
        tracer = live.tracer('--json', '--top', 1000, '-p', program.pid).ready()
        program.go().wait()
        live.exact('another file at the library\'s path, in a mount namespace', tracer.report(30), program.truth())
    with live.section('pid namespace'):
        program = live.program(['unshare', '--pid', '--fork', '--kill-child', client('lite_client'), 'steps']).ready()
        with open('/proc/%d/task/%d/children' % (program.pid, program.pid), encoding='ascii') as file:
            inner = int(file.read().split()[0])
        tracer = live.tracer('--json', '--top', 1000, '-p', inner).ready()
        program.go().wait()
        report = tracer.report(30)
        live.exact('pid 1 of a pid namespace', report, program.truth())
        live.ok('pid 1 in its namespace' in str(report['coverage']['processes']), 'its pid there is shown', report['coverage']['processes'])
    with live.section('copies of one library'):
        folders = [os.path.join(live.dir, 'copy%d' % i) for i in range(3)]
        for folder in folders:
            os.mkdir(folder)
            shutil.copy(live.library['libsqlite3.so.0'], folder)
        programs = [live.program([client('lite_client'), 'steps'], LD_LIBRARY_PATH=folder).ready() for folder in folders]
        args = [word for program in programs for word in ('-p', program.pid)]
        tracer = live.tracer('--json', '--top', 1000, *args).ready()
        truth = Truth()
        for program in programs:
            program.go().wait()
            truth.read(program.truth_path)
        report = tracer.report(30)
        live.exact('three copies of one library', report, truth)
        live.ok(len(report['coverage']['libraries']) == 3, 'each of them is named', report['coverage']['libraries'])


def guarded(live):
    traced(live, 'a seccomp allow-list', [client('guarded_client'), 'guarded'], 1)
    if not shutil.which('gdb'):
        live.skip('under gdb', 'gdb is not installed')
        return
    with live.section('gdb'):
        path, truth = live.path('json'), live.path('truth')
        tracer = live.tracer('--json', '--top', 1000, '--report', path, '--', 'gdb', '-nx', '-batch', '-ex', 'break sqlite3_close', '-ex', 'run', '-ex', 'continue',
                             '-ex', 'delete', '-ex', 'continue',
                             '--args', client('lite_client'), 'ddl',
                             env={**live.environment(), 'GROUND_TRUTH': truth, 'LD_LIBRARY_PATH': '', 'DEBUGINFOD_URLS': ''}, wrap=live.private_namespace())
        tracer.wait(120)
        live.ok(tracer.output().count('Breakpoint 1, ') == 2, 'a breakpoint of gdb is hit twice under the probes', tracer.output() + tracer.errors())
        with open(path, encoding='utf-8') as file:
            live.exact('a program under gdb', json.load(file), Truth().read(truth))


def soak(live):
    """The short form of soak.py."""
    run = subprocess.run([os.path.join(os.path.dirname(os.path.abspath(__file__)), 'soak.py'), '3', 'all'], stdout=subprocess.PIPE, text=True, timeout=300)
    for line in run.stdout.splitlines():
        match = re.match(r'(ok|not ok) \d+ - (.*?)(?: # SKIP (.*))?$', line)
        if match and match.group(3):
            live.skip(match.group(2), match.group(3))
        elif match:
            live.ok(match.group(1) == 'ok', match.group(2))
        elif line.startswith('# '):
            live.note(line[2:])


def main():
    with Live() as live:
        for part in (families, gunicorn, by_name, by_cgroup, everything, namespaces, guarded, soak):
            with live.section(part.__name__):
                part(live)


main()
