#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A capture, copied elsewhere and read by an ordinary user, gives the report of the live run, the tool's own cost apart."""
import json
import os
import shutil
import subprocess

from harness import APM, Live, client


def replay(live, capture, *args):
    """The report that user nobody makes of a copy of the capture, in a folder of its own."""
    folder = live.path('elsewhere')
    os.mkdir(folder)
    copy, tool = shutil.copy(capture, folder), shutil.copy(APM, folder)
    os.chmod(folder, 0o755)
    os.chmod(copy, 0o644)
    run = subprocess.run(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs', tool, 'report', '--json', *args, copy],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, cwd='/', env={'PATH': '/bin'})
    if run.returncode:
        raise RuntimeError('report ended with %d: %s' % (run.returncode, run.stderr))
    return json.loads(run.stdout)


def different(one, other, path=''):
    """Paths at which two documents differ, the tool's own cost left out."""
    if path == '/overhead':
        return []
    if isinstance(one, dict) and isinstance(other, dict):
        return [d for key in sorted(set(one) | set(other)) for d in different(one.get(key), other.get(key), path + '/' + key)]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [d for i, (a, b) in enumerate(zip(one, other)) for d in different(a, b, '%s/%d' % (path, i))]
    return [] if one == other else ['%s: live %s, replay %s' % (path, str(one)[:120], str(other)[:120])]


def main():
    with Live(postgres=True) as live:
        for argv in (['lite_client', 'steps'], ['lite_client', 'errors'], ['lite_client', 'cpu'], ['lite_client', 'fork'],
                     ['plant_client', 'n_plus_one'], ['pq_client', 'prepared'], ['pq_client', 'errors']):
            name = ' '.join(argv)
            with live.section(name):
                capture = live.path('apm')
                report, program = live.run([client(argv[0]), *argv[1:]], args=['-o', capture], SECONDS_LONG=2)
                live.ok(os.stat(capture).st_mode & 0o777 == 0o600, '%s: the capture is for its owner only' % name)
                if argv[1] != 'cpu':
                    live.exact('%s, live with a capture' % name, report, program.truth())
                wrong = different(report, replay(live, capture, '--top', '1000'))
                live.ok(not wrong, '%s: the replay gives the same report' % name, '\n'.join(wrong))

        with live.section('no literal in a capture'):
            capture = live.path('apm')
            live.run([client('pq_client'), 'exec'], args=['-o', capture])
            with open(capture, 'rb') as file:
                data = file.read()
            live.ok(b"'n7'" not in data and b"note = 'all'" not in data, 'a capture holds no literal')
            capture = live.path('apm')
            live.run([client('pq_client'), 'exec'], args=['-o', capture, '--show-literals'])
            with open(capture, 'rb') as file:
                live.ok(b"note = 'all'" in file.read(), 'with --show-literals it does')

        with live.section('cut captures'):
            capture = live.path('apm')
            report, program = live.run([client('lite_client'), 'steps'], args=['-o', capture], N=400)
            with open(capture, 'rb') as file:
                data = file.read()
            seen = []
            for cut in range(1, 10):
                short = live.path('short')
                with open(short, 'wb') as file:
                    file.write(data[:16 + (len(data) - 16) * cut // 9])
                seen.append(replay(live, short)['summary']['statements'])
            live.ok(seen == sorted(seen) and seen[-1] == program.truth().total(False),
                    'nine cuts of a capture: ever more statements, at last all', seen)

        with live.section('thresholds of a replay'):
            capture = live.path('apm')
            live.run([client('plant_client'), 'few'], args=['-o', capture])
            live.ok(not replay(live, capture)['slow_queries'], 'nothing is slow at the recorded threshold')
            live.ok(replay(live, capture, '--slow-ms', '0.001')['slow_queries'], 'a lower threshold in the replay finds slow queries')


main()
