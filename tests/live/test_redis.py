#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""hiredis: every way of calling it from C, and the copies inside redis-cli and redis-benchmark. Commands, errors and replies equal
what the programs counted, by the pattern of name and key; no value is in the report."""
import json
import os
import shutil
import subprocess
import sys

from harness import LOSSY, Live, client, find_library
from redis_server import RedisServer

LIBRARIES = [name for name in ('libhiredis.so.0.14', 'libhiredis.so.1.1.0') if find_library(name)]
MODES = ('command', 'control', 'multi', 'pubsub', 'argv', 'pipeline', 'async', 'killed', 'threads')


# mode -> the function of the client that gives its commands, through one to three functions of the library
CALLERS = {'threads': 'work', 'argv': 'mode_argv', 'pipeline': 'mode_pipeline', 'async': 'on_reply', 'pubsub': 'mode_pubsub'}


def differences(report, truth):
    want = {sql: row for (_, sql), row in truth.rows.items()}
    have = {}
    for q in report['queries']:
        row = have.setdefault(q['query'], [0, 0, 0, q['class'] == 'control'])
        for i, field in enumerate(('calls', 'errors', 'rows')):
            row[i] += q[field]
    wrong = ['%s: reported %s, executed %s' % (text, have.get(text), want.get(text))
             for text in sorted(set(want) | set(have)) if have.get(text) != want.get(text)]
    wrong += ['%s: %s' % (name, report['losses'][name]) for name in LOSSY if report['losses'].get(name)]
    return wrong


def exact(live, name, report, truth):
    wrong = differences(report, truth)
    live.ok(not wrong, '%s: %d commands, %d control, %d errors, %d replies exact' % (
        name, truth.total(False), truth.total(True), truth.total(False, 1) + truth.total(True, 1), truth.total(False, 2)), '\n'.join(wrong))
    live.ok('secret' not in json.dumps(report), name + ': no value is in the report')
    live.ok(all(q['system'] == 'redis' for q in report['queries']), name + ': the system is redis')


def clients(live):
    for mode in MODES:
        with live.section('hiredis ' + mode):
            report, program = live.run([client('redis_client'), mode])
            truth = program.truth()
            if mode == 'killed':  # CLIENT is a control command
                truth.rows[('redis', 'CLIENT KILL')][3] = True
            exact(live, 'hiredis ' + mode, report, truth)
            if mode in CALLERS:
                callers = {q['call_site'] for q in report['queries'] if q['calls'] >= 50}
                live.ok(callers == {CALLERS[mode] + ' (redis_client)'}, 'hiredis %s: called by the program\'s own function' % mode, callers)

    with live.section('hiredis large pipeline'):
        report, program = live.run([client('redis_client'), 'pipeline'], N=3400)  # 10 200 commands at once
        exact(live, 'hiredis large pipeline', report, program.truth())

    with live.section('hiredis pause'):
        report, program = live.run([client('redis_client'), 'pause'])
        exact(live, 'hiredis pause', report, program.truth())
        times = {q['query']: q for q in report['queries']}
        live.ok(times['BLPOP nothing']['total_ms'] >= 900, 'the server\'s time is in the duration', times)
        live.ok(times['GET early']['total_ms'] < 300, 'the program\'s own time is not in the duration', times)

    with live.section('hiredis errors'):
        report, _ = live.run([client('redis_client'), 'command'])
        codes = {e['code']: e['message'] for e in report['errors']}
        live.ok('WRONGTYPE' in codes and 'ERR' in codes, 'errors have their code', codes)
        live.ok(codes.get('WRONGTYPE', '').startswith('WRONGTYPE Operation against a key'), 'and their message', codes)

    with live.section('hiredis with --show-literals'):
        report, _ = live.run([client('redis_client'), 'command'], args=['--show-literals'])
        live.ok('a secret value' not in json.dumps(report), 'values do not leave the kernel, whatever is asked for')


def tool(live, argv):
    """A program from its first instruction: its report."""
    path = live.path('json')
    tracer = live.tracer('--json', '--top', 1000, '--report', path, '--', *argv)
    if tracer.wait(60):
        raise RuntimeError(tracer.errors())
    with open(path, encoding='utf-8') as file:
        return json.load(file)


def tools(live, server):
    server.cli('SET', 'user:1', 'x')
    for command, want in (('SET user:7 secret', (20, 0, 20)), ('GET user:1', (20, 0, 20)), ('GET none:1', (20, 0, 0)),
                          ('LPUSH user:1 secret', (20, 20, 0))):
        name = command.split()[0]
        with live.section('redis-cli ' + command):
            before = server.commands().get(name, 0)
            report = tool(live, ['redis-cli', '-s', server.socket, '-r', '20', *command.split()])
            ran = server.commands().get(name, 0) - before
            have = [(q['calls'], q['errors'], q['rows']) for q in report['queries'] if q['operation'] == name]
            live.ok(have == [want] and ran == 20, 'redis-cli (its own copy): ' + command, (have, want, ran))
            live.ok('secret' not in json.dumps(report['queries']), 'redis-cli: no value is in the report')
    with live.section('redis-benchmark'):
        report = tool(live, ['redis-benchmark', '-s', server.socket, '-n', '1000', '-t', 'get', '-q'])
        live.ok('hiredis' in json.dumps(report['libraries']), 'redis-benchmark: its copy of hiredis is in the coverage', report['libraries'])


def main():
    why = None if LIBRARIES else 'libhiredis is not installed'
    for program in ('redis-server', 'redis-cli'):
        why = why or (None if shutil.which(program) else program + ' is not installed')
    if why:
        print('1..0 # SKIP ' + why)
        sys.exit(0)
    with Live(libraries=LIBRARIES) as live:
        server = RedisServer(live)
        clients(live)
        tools(live, server)


main()
