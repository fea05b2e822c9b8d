#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Which processes are traced, from when on: libraries loaded late, started programs, children, exec, several targets."""
import json
import os
import pwd
import shutil
import subprocess
import time

from harness import APM, CLIENTS, READY, SCRIPTS, Live, Truth, client


def started(live, argv, args=(), wrap=None, **env):
    """apm-bpf -- argv: (status, report, tracer, truth path)."""
    path, truth = live.path('json'), live.path('truth')
    open(truth, 'w').close()
    os.chmod(truth, 0o666)
    tracer = live.tracer('--json', '--top', 1000, '--report', path, *args, '--', *argv,
                         env={**live.environment(), 'GROUND_TRUTH': truth, **env}, wrap=wrap or ())
    status = tracer.wait(60)
    with open(path, encoding='utf-8') as file:
        return status, json.load(file), tracer, truth


def started_targets(live):
    with live.section('COMMAND'):
        status, report, tracer, truth = started(live, [client('lite_client'), 'ddl'], wrap=live.private_namespace(),
                                                LD_LIBRARY_PATH='')
        live.exact('a started program, from its first statement', report, Truth().read(truth))
        live.ok(status == 0, 'its status is handed on (0)', tracer.errors())

    with live.section('COMMAND, library from LD_LIBRARY_PATH'):
        status, report, tracer, truth = started(live, [client('lite_client'), 'steps'])
        truth = Truth().read(truth)
        late = report['losses'].get('late_attach', 0)
        live.ok(late or report['summary']['statements'] == truth.total(False),
                'a library elsewhere: all statements, or the loss late_attach', (report['summary'], report['losses']))

    with live.section('COMMAND that is named like a library and has none'):
        path, named = live.path('json'), os.path.join(live.dir, 'sqlite3')
        shutil.copy('/bin/true', named)
        subprocess.run([APM, '-q', '--json', '--report', path, '--', 'sh', '-c', 'for i in $(seq 200); do %s; done' % named],
                       check=True, timeout=60)
        with open(path, encoding='utf-8') as file:
            losses = json.load(file)['losses']
        live.ok(not losses['late_attach'], 'processes that end at once and are only named like a library are no loss', losses)

    with live.section('COMMAND, statically linked'):
        status, report, tracer, truth = started(live, [client('lite_static'), 'steps'])
        live.exact('a started static program, from its first statement', report, Truth().read(truth))

    with live.section('COMMAND keeps its own stdin, stdout and status'):
        path = live.path('json')
        run = subprocess.run([APM, '--json', '--report', path, '--', 'sh', '-c', 'cat; echo to stderr >&2; exit 7'], input='through\n',
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, cwd=live.dir)
        live.ok(run.returncode == 7, 'status of the command is handed on', run)
        live.ok(run.stdout == 'through\n', 'stdin and stdout are the command\'s own', run.stdout)
        live.ok('to stderr' in run.stderr, 'stderr is the command\'s own', run.stderr)

    with live.section('status of COMMAND'):
        seen = {subprocess.run([APM, '-q', '--freq', '0', '--report', '/dev/null', '--', 'sh', '-c', 'exit 7'], timeout=60).returncode for _ in range(15)}
        live.ok(seen == {7}, 'its status is handed on every time', seen)

    with live.section('COMMAND that does not exist'):
        run = subprocess.run([APM, '--', '/no/such/program'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        live.ok(run.returncode not in (0, 2) and '/no/such/program' in run.stderr, 'a command that cannot be run is named', run)
        live.ok(len([x for x in run.stderr.strip().splitlines() if not x.startswith(READY)]) == 1, 'in one line', run.stderr)

    with live.section('--user'):
        nobody = pwd.getpwnam('nobody').pw_uid
        run = subprocess.run([APM, '--json', '--report', live.path('json'), '--user', 'nobody', '--', 'sh', '-c', 'id -u; id -G'],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, cwd='/')
        lines = run.stdout.split()
        live.ok(lines[:1] == [str(nobody)] and '0' not in lines, '--user: the command runs as that user and its groups', run)
        run = subprocess.run([APM, '--json', '--report', live.path('json'), '--', 'id', '-u'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=dict(os.environ, SUDO_USER='nobody', SUDO_UID=str(nobody), SUDO_GID=str(pwd.getpwnam('nobody').pw_gid)), text=True, timeout=60)
        live.ok(run.stdout.strip() == str(nobody), 'without --user: as who called sudo', run)


def late(live):
    script = ['/usr/bin/python3', os.path.join(SCRIPTS, 'use_late.py')]
    with live.section('library loaded after attach'):
        report, program = live.run(script, PAUSE=1)
        live.exact('a library loaded after attach, used a second later', report, program.truth(), ('late_attach',))
        live.ok(report['losses']['late_attach'] == 1, 'and the time before its probes is stated', report['losses'])
    with live.section('library loaded after attach, used at once'):
        report, program = live.run(script)
        truth = program.truth()
        seen, done = report['summary']['statements'], truth.total(False)
        live.ok(seen == done or (seen < done and report['losses'].get('late_attach')),
                'used at once: all statements, or fewer and the loss late_attach (%d of %d)' % (seen, done), report['losses'])


def many(live):
    with live.section('two targets'):
        one, two = (live.program([client('lite_client'), mode]).ready() for mode in ('steps', 'partial'))
        bystander = live.program([client('lite_client'), 'exec']).ready()
        tracer = live.tracer('--json', '--top', 1000, '-p', one.pid, '-p', two.pid).ready()
        for program in (one, two, bystander):
            program.go()
        for program in (one, two, bystander):
            program.wait()
        truth = one.truth().read(two.truth_path)
        live.exact('two targets, and a bystander with the same library', tracer.report(), truth)

    with live.section('exec of another program'):
        report, program = live.run([client('lite_client'), 'become'], EXEC_PROGRAM=os.path.join(CLIENTS, 'lite_client'), EXEC_MODE='steps')
        live.exact('a target that becomes another program', report, program.truth())

    with live.section('target exits at once'):
        status, report, tracer, _ = started(live, ['true'])
        live.ok(status == 0 and report['summary']['statements'] == 0, 'a command that ends at once gives an empty report',
                (status, tracer.errors()))

    with live.section('--duration'):
        program = live.program([client('lite_client'), 'steady'], RATE=500, SECONDS_LONG=30).ready()
        tracer = live.tracer('--json', '--duration', '1', '-p', program.pid).ready()
        program.go()
        report = tracer.report(30)
        live.ok(report['summary']['statements'] > 0 and program.process.poll() is None, '--duration ends the trace, not the target',
                report['summary'])

    with live.section('discovery'):
        program = live.program([client('lite_client'), 'steady'], RATE=50, SECONDS_LONG=30).ready()
        run = subprocess.run([APM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        live.ok(str(program.pid) in run.stdout and '-p' in run.stdout, 'without a target: candidates and the command to type', run)
        program.go()
        time.sleep(0.3)
        run = subprocess.run([APM, '--dry-run', '-p', str(program.pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        live.ok(run.returncode == 0 and 'sqlite3_step' in run.stdout and 'libsqlite3' in run.stdout, '--dry-run lists libraries and probes', run)

        program = live.program([client('fiber_client'), 'lite']).ready()
        run = subprocess.run([APM, '--dry-run', '-p', str(program.pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        live.ok(run.returncode == 0 and 'no return probes' in run.stdout and 'swapcontext' in run.stdout and 'entry+return' not in run.stdout,
                '--dry-run says where return instructions would be probed, and why', run)


def call_site(live):
    with live.section('call site'):
        report, _ = live.run([client('plant_client'), 'n_plus_one'])
        sites = [n.get('call_site') or '' for n in report['n_plus_one']]
        live.ok(any('bound' in s or 'load_author' in s for s in sites), 'the call site names a function of the program', sites)


def main():
    with Live() as live:
        started_targets(live)
        late(live)
        many(live)
        call_site(live)


main()
