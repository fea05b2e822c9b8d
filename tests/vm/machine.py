# SPDX-License-Identifier: BSD-2-Clause
"""Boots a kernel with a root image in QEMU (software emulation, no KVM) and judges what came back.

A run has passed only with all three signs: QEMU ended with the status that the guest wrote to isa-debug-exit (QEMU's own
failure to start is status 1, which must not be read as a result), the guest's last line is "### RC=0", and its results are
complete TAP without a failure. The guest writes kernel messages to the first serial port, results to the second, and files to
take home to the second disk, as a tar.
"""
import collections
import os
import re
import signal
import subprocess
import tarfile

import image

RESULTS_BYTES = 64 << 20
EXIT_BASE = 32  # added to the guest's status; the device makes it odd: status = value * 2 + 1

Outcome = collections.namedtuple('Outcome', 'passed why tap console')


def command(qemu, kernel, disk, results, append, memory_mb, folder):
    share = [os.path.join(qemu, 'usr/share', name) for name in ('qemu', 'seabios')]
    libraries = ':'.join(os.path.join(qemu, path) for path in ('usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', 'usr/lib',
                                                              'usr/lib/x86_64-linux-gnu/pulseaudio'))
    loader = next(path for path in (os.path.join(qemu, 'lib64/ld-linux-x86-64.so.2'), os.path.join(qemu, 'usr/lib64/ld-linux-x86-64.so.2'))
                  if os.path.exists(path))
    line = [loader, '--library-path', libraries, os.path.join(qemu, 'usr/bin/qemu-system-x86_64'),
            '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', str(memory_mb),
            '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
            '-kernel', kernel, '-append', 'console=ttyS0 root=%s rootwait rw init=/init panic=-1 loglevel=5 %s' % (image.ROOT, append),
            '-drive', 'if=none,id=root,format=raw,snapshot=on,file=' + disk, '-device', 'nvme,drive=root,serial=root',
            '-drive', 'if=none,id=results,format=raw,cache=unsafe,file=' + results, '-device', 'nvme,drive=results,serial=results',
            '-serial', 'file:' + os.path.join(folder, 'console'), '-serial', 'file:' + os.path.join(folder, 'tap'),
            '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04']
    for path in share:
        line += ['-L', path]
    return line


def read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read().replace('\r', '')
    except OSError:
        return ''


def complaints(tap):
    """Why results are not a pass; empty when they are. Several parts may follow one another, each with its plan."""
    plans = [int(n) for n in re.findall(r'^1\.\.(\d+)', tap, re.M)]
    results = re.findall(r'^(ok|not ok)\b', tap, re.M)
    bad = []
    if not plans:
        bad.append('no plan')
    elif sum(plans) != len(results):
        bad.append('%d results planned, %d seen' % (sum(plans), len(results)))
    if not results and not any(n == 0 for n in plans):
        bad.append('no result')
    if 'not ok' in results:
        bad.append('%d results failed' % results.count('not ok'))
    return bad


def judge(status, tap, console):
    """(passed, why). status is QEMU's exit status, None when the time ran out."""
    why = []
    if status is None:
        why.append('no end within the time limit')
    elif status != (EXIT_BASE << 1 | 1):
        if status > EXIT_BASE << 1 and status & 1:
            why.append('the guest ended with status %d' % ((status >> 1) - EXIT_BASE))
        else:
            why.append('QEMU ended with status %s without a word of the guest' % status)
    lines = tap.strip().splitlines()
    if not lines or lines[-1] != '### RC=0':
        why.append('the last line is not "### RC=0"' + (': ' + lines[-1][:80] if lines else ''))
    why += complaints(tap)
    if 'Kernel panic' in console:
        why.append('kernel panic')
    return not why, '; '.join(why)


def boot(qemu, kernel, disk, folder, append='', memory_mb=1024, limit=600):
    """Runs one guest to its end. Its files are left in `folder`: console, tap, qemu.log, and out/ with what it gave."""
    os.makedirs(folder, exist_ok=True)
    results = os.path.join(folder, 'results')
    for name in ('console', 'tap'):
        with open(os.path.join(folder, name), 'w'):
            pass
    with open(results, 'wb') as file:
        file.truncate(RESULTS_BYTES)
    env = dict(os.environ, QEMU_MODULE_DIR=os.path.join(qemu, 'usr/lib/x86_64-linux-gnu/qemu'))
    status = None
    with open(os.path.join(folder, 'qemu.log'), 'wb') as log:
        process = subprocess.Popen(command(qemu, kernel, disk, results, append, memory_mb, folder), env=env, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
    unpack(results, os.path.join(folder, 'out'))
    tap, console = read(os.path.join(folder, 'tap')), read(os.path.join(folder, 'console'))
    passed, why = judge(status, tap, console)
    return Outcome(passed, why, tap, console)


def unpack(results, into):
    os.makedirs(into, exist_ok=True)
    try:
        with tarfile.open(results) as tar:
            for member in tar:
                if member.isfile():
                    with open(os.path.join(into, os.path.basename(member.name)), 'wb') as file:
                        file.write(tar.extractfile(member).read())
    except (tarfile.TarError, OSError):
        pass  # the guest did not come so far
    os.unlink(results)
