#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What can go wrong: each fault gives one line that says what to do, never a wrong number, and never harms the target."""
import json
import os
import shutil
import signal
import subprocess
import time

from harness import APM, Live, client, wait_until


def apm(*args, wrap=(), **more):
    return subprocess.run([*wrap, APM, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, errors='replace', timeout=60, **more)


def refused(live, name, run, words, status=1):
    """The run failed with one line of error that has one of the words."""
    lines = run.stderr.strip().splitlines()
    live.ok(run.returncode == status and len(lines) == 1 and any(w in run.stderr for w in words),
            '%s: status %d and one line' % (name, status), (run.returncode, run.stderr, run.stdout[:300]))


def arguments(live):
    refused(live, 'no such pid', apm('-p', 4194303), ['4194303'])
    refused(live, 'bad value in the environment', apm('-p', os.getpid(), env=dict(os.environ, APM_SLOW_QUERY_THRESHOLD_MS='soon')),
            ['APM_SLOW_QUERY_THRESHOLD_MS'], 2)
    copy = shutil.copy(APM, os.path.join(live.dir, 'apm-bpf'))
    os.chmod(copy, 0o755)
    program = live.program([client('lite_client'), 'steps']).ready()
    run = subprocess.run(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', copy, '-p', str(program.pid)],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, cwd='/')
    refused(live, 'not root', run, ['CAP_', 'root', 'sudo'])
    live.ok('CAP_' in run.stderr, 'not root: the capabilities that would do are named', run.stderr)
    run = apm('-p', program.pid, wrap=['unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', 'sh'])
    refused(live, 'kernel without BTF', run, ['BTF'])
    run = apm('-p', program.pid, wrap=['setarch', '--uname-2.6'])
    refused(live, 'kernel older than 5.10', run, ['too old', '5.10'])


def no_library(live):
    with live.section('no supported library'):
        program = live.program(['sleep', '60'], barrier=False)
        time.sleep(0.1)
        run = apm('--json', '--duration', '1', '-p', program.pid)
        text = run.stderr + run.stdout
        live.ok('librar' in text and ('no supported' in text or 'missing' in text or 'no client' in text or 'none' in text),
                'no supported library: said', text[:600])
        live.ok(program.process.poll() is None, 'and the target goes on')

    with live.section('stripped static binary'):
        stripped = os.path.join(live.dir, 'lite_stripped')
        subprocess.run(['strip', '-o', stripped, client('lite_static')], check=True)
        program = live.program([stripped, 'steady'], SECONDS_LONG=20).ready()
        run = apm('--json', '--duration', '1', '-p', program.pid)
        text = run.stderr + run.stdout
        live.ok('symbols were stripped' in text, 'stripped static binary: said', text[:600])

    # Its shell has the same strings as the library, and calls the shared one.
    with live.section('a program that calls the shared library'):
        tracer = live.tracer('--json', '--report', live.path('json'), '--', 'sqlite3', ':memory:', 'SELECT 1', wrap=live.private_namespace())
        status = tracer.wait(60)
        live.ok(status == 0 and 'symbols were stripped' not in tracer.errors(), 'a program that calls the shared library: not taken for a copy',
                tracer.errors()[:600])


def target_gone(live):
    with live.section('target ends'):
        program = live.program([client('lite_client'), 'steps']).ready()
        tracer = live.tracer('--json', '-p', program.pid).ready()
        program.process.kill()
        report = tracer.report(20)
        live.ok(report['summary']['statements'] == 0, 'a target that is killed ends the trace with a report')


def disk(live):
    with live.section('full disk'):
        mount = os.path.join(live.dir, 'small')
        os.mkdir(mount)
        path = os.path.join(mount, 'x.apm')
        program = live.program([client('lite_client'), 'steady'], RATE=0, SECONDS_LONG=20).ready()
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=256k', 'none', mount], check=True)
        try:
            tracer = live.tracer('record', '-o', path, '--duration', '15', '-p', program.pid).ready()
            program.go()
            status = tracer.wait(40)
            lines = [line for line in tracer.errors().splitlines() if 'space' in line or 'full' in line.lower()]
            live.ok(status == 1 and len(lines) == 1, 'full disk while recording: status 1 and one line', (status, tracer.errors()))
            live.ok(program.process.poll() is None, 'the target goes on')
            run = apm('report', '--json', path)
            live.ok(run.returncode == 0 and json.loads(run.stdout)['summary']['statements'] > 0, 'what was written is readable',
                    (run.returncode, run.stderr))
        finally:
            subprocess.run(['umount', mount], check=True)
        program = live.program([client('lite_client'), 'steady'], RATE=0, SECONDS_LONG=3).ready()
        run = apm('record', '-o', '/dev/full', '--duration', '1', '-p', program.go().pid)
        live.ok(run.returncode == 1 and 'space' in run.stderr, 'a capture that cannot be written at all', (run.returncode, run.stderr))
        run = apm('record', '-o', '/no/such/folder/x.apm', '-p', program.pid)
        refused(live, 'a folder that is not there', run, ['/no/such/folder/x.apm'])


def captures(live):
    with live.section('captures'):
        path = os.path.join(live.dir, 'good.apm')
        program = live.program([client('lite_client'), 'steps']).ready()
        tracer = live.tracer('record', '-o', path, '-p', program.pid).ready()
        program.go().wait()
        live.ok(tracer.wait(30) == 0, 'record ends with its target', tracer.errors())
        with open(path, 'rb') as file:
            data = file.read()

        def variant(name, content):
            other = os.path.join(live.dir, name + '.apm')
            with open(other, 'wb') as file:
                file.write(content)
            return apm('report', '--json', other)
        refused(live, 'empty capture', variant('empty', b''), ['empty'])
        refused(live, 'not a capture', variant('text', b'SELECT 1;\n' * 100), ['capture'])
        refused(live, 'a capture of a later version', variant('later', data[:8] + b'\xff\0\0\0' + data[12:]), ['version', 'newer'])
        refused(live, 'no such capture', apm('report', '/no/such.apm'), ['/no/such.apm'])
        for share in (3, 30, 60, 99):
            run = variant('cut%d' % share, data[:len(data) * share // 100])
            good = run.returncode == 0 and json.loads(run.stdout)['schema'] == 'apm-bpf/report/1'
            live.ok(good and any(w in run.stderr for w in ('trunc', 'cut')), 'a capture cut at %d %%: read to its last whole record, said' % share,
                    (run.returncode, run.stderr))
        middle = bytearray(data)
        middle[len(data) // 2] ^= 0x10
        run = variant('corrupt', bytes(middle))
        live.ok(run.returncode == 0 and 'corrupt' in run.stderr, 'a corrupt capture: read up to there, said', (run.returncode, run.stderr))


def ring(live):
    with live.section('ring buffer too small'):
        program = live.program([client('lite_client'), 'steady'], RATE=0, SECONDS_LONG=2).ready()
        tracer = live.tracer('--json', '--ring-mb', 1, '--freq', 0, '-p', program.pid).ready()
        tracer.process.send_signal(signal.SIGSTOP)
        program.go()
        time.sleep(1)
        tracer.process.send_signal(signal.SIGCONT)
        program.wait()
        report = tracer.report(30)
        seen, lost, done = report['summary']['statements'], report['losses'].get('ring_full', 0), program.truth().total(False)
        live.ok(lost > 0 and seen + lost == done, 'ring too small: %d seen + %d lost = %d executed' % (seen, lost, done), report['losses'])
        live.ok('lower' in json.dumps(report), 'counts are marked as lower bounds', report['summary'])


def two(live):
    with live.section('two tracers'):
        program = live.program([client('lite_client'), 'steps']).ready()
        tracers = [live.tracer('--json', '--top', 1000, '-p', program.pid).ready() for _ in range(2)]
        program.go().wait()
        for number, tracer in enumerate(tracers):
            live.exact('two tracers on one target, number %d' % (number + 1), tracer.report(30), program.truth())


def library_text(pid, path):
    """Whether the executable mapping of path in the process equals the file."""
    with open('/proc/%d/maps' % pid, encoding='utf-8') as maps, open('/proc/%d/mem' % pid, 'rb') as memory, open(path, 'rb') as file:
        for line in maps:
            words = line.split()
            if len(words) > 5 and words[5] == path and 'x' in words[1]:
                begin, end = (int(w, 16) for w in words[0].split('-'))
                memory.seek(begin)
                file.seek(int(words[2], 16))
                return memory.read(end - begin) == file.read(end - begin)
    raise RuntimeError('%s is not mapped' % path)


def ends(live):
    path = live.library['libsqlite3.so.0']
    for name, how in (('SIGINT', signal.SIGINT), ('SIGTERM', signal.SIGTERM), ('SIGKILL', signal.SIGKILL)):
        with live.section(name):
            program = live.program([client('lite_client'), 'steady'], RATE=5000, SECONDS_LONG=4).ready()
            clean = library_text(program.pid, path)
            tracer = live.tracer('--json', '-p', program.pid).ready()
            program.go()
            wait_until('a breakpoint', lambda: not library_text(program.pid, path))
            time.sleep(0.5)  # some statements
            tracer.process.send_signal(how)
            status = tracer.wait(30)
            after = wait_until('the library to be as it was', lambda: library_text(program.pid, path), 10)
            live.ok(clean and after, '%s of the tool: the library is as it was' % name, (clean, after))
            live.ok(program.wait(30) == 0 and program.truth().total(False) > 0, '%s of the tool: the target ends in good order' % name)
            if how != signal.SIGKILL:
                live.ok(status == 0 and json.loads(tracer.output())['summary']['statements'] > 0, '%s: the report is printed' % name,
                        (status, tracer.errors()))

    with live.section('attached and detached under load'):
        program = live.program([client('lite_client'), 'steady'], RATE=0, SECONDS_LONG=120).ready().go()
        good = 0
        for _ in range(12):
            tracer = live.tracer('--json', '--freq', 0, '-p', program.pid).ready()
            report = tracer.stop().report(30)
            good += report['summary']['errors'] == 0
        live.ok(good == 12 and program.process.poll() is None, '12 rounds of attach and detach under load', good)
        live.ok(library_text(program.pid, path), 'and the library is as it was')


def main():
    with Live() as live:
        for part in (arguments, no_library, target_gone, disk, captures, ring, two, ends):
            with live.section(part.__name__):
                part(live)


main()
