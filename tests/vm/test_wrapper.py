#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The wrapper tells a guest that passed from every other end: failure, panic, hang, missing plan, a kernel that is none, no image.

Boots a guest of a few megabytes. Skipped where QEMU and a kernel are not in the cache: this test downloads nothing.
"""
import os
import shutil
import sys
import tempfile

import image
import machine
import packages

GUEST = r'''#!/bin/sh
read -r line </proc/cmdline
case "$line" in
*case=pass*) echo "1..2"; echo "ok 1 - one"; echo "ok 2 - two # SKIP why"; echo word >/out/word ;;
*case=fail*) echo "1..1"; echo "not ok 1 - one"; exit 1 ;;
*case=noplan*) echo "ok 1 - one" ;;
*case=panic*) echo "1..1"; echo "ok 1 - one"; echo "### RC=0"; echo c >/proc/sysrq-trigger ;;
*case=hang*) echo "1..1"; echo "ok 1 - one"; echo "### RC=0"; sleep 1000 ;;
esac
'''
# case, limit in seconds, passes, a word of the reason
CASES = (('pass', 120, True, ''), ('fail', 120, False, 'status 1'), ('noplan', 120, False, 'no plan'),
         ('panic', 120, False, 'kernel panic'), ('hang', 30, False, 'no end within'))
# What else may come back, judged without booting: name, status of QEMU (None: it did not end), results, a word of the reason
PASS = machine.EXIT_BASE << 1 | 1
GOOD = '1..1\nok 1 - one\n### RC=0\n'
ENDS = (('all three signs', PASS, GOOD, None), ('a result that is lied about', PASS, GOOD.replace('ok', 'not ok'), '1 results failed'),
        ('too few results', PASS, GOOD.replace('1..1', '1..2'), '2 results planned, 1 seen'), ('no results', PASS, '', 'no plan'),
        ('no last line', PASS, GOOD.replace('### RC=0\n', ''), 'the last line is not'), ('a status', PASS + 6, GOOD, 'status 3'),
        ('QEMU ends by itself', 0, GOOD, 'without a word of the guest'), ('QEMU fails', 1, GOOD, 'without a word of the guest'),
        ('QEMU is killed', -9, GOOD, 'without a word of the guest'), ('no end', None, GOOD, 'no end within'))


def main():
    qemu = packages.cached_qemu()
    kernel = next(filter(None, map(packages.cached_kernel, ('6.12', '6.1', 'unstable', '5.10'))), None)
    if not qemu or not kernel:
        print('1..0 # SKIP %s is not in the cache (tests/vm/run fetches it)' % ('a kernel' if qemu else 'QEMU'))
        return 0
    if not shutil.which('mke2fs', path='/sbin:/usr/sbin'):
        print('1..0 # SKIP mke2fs is not installed')
        return 0
    count, failed = 0, 0

    def check(name, outcome, passes, word):
        nonlocal count, failed
        good = outcome.passed == passes and word in outcome.why
        count, failed = count + 1, failed + (not good)
        print('%s %d - %s: %s' % ('ok' if good else 'not ok', count, name, 'passes' if passes else 'does not pass'), flush=True)
        if not good:
            print('# %s, %s; %r' % (outcome.passed, outcome.why, (outcome.tap + outcome.console[-500:])))

    for name, status, tap, word in ENDS:
        passed, why = machine.judge(status, tap, '')
        check(name, machine.Outcome(passed, why, tap, ''), word is None, word or '')
    with tempfile.TemporaryDirectory(prefix='apm-vm-') as folder:
        disk = os.path.join(folder, 'root.ext4')
        tree = image.Tree(os.path.join(folder, 'tree'))
        tree.boot()
        tree.program('sleep')
        tree.write('guest', GUEST, 0o755)
        tree.image(disk, spare_mb=16)
        for case, limit, passes, word in CASES:
            out = os.path.join(folder, case)
            check(case, machine.boot(qemu, kernel.vmlinuz, disk, out, 'case=' + case, 256, limit), passes, word)
            if case == 'pass':
                good = os.path.exists(os.path.join(out, 'out', 'word'))
                count, failed = count + 1, failed + (not good)
                print('%s %d - a file of the guest comes home' % ('ok' if good else 'not ok', count))
        junk = os.path.join(folder, 'junk')
        with open(junk, 'wb') as file:
            file.write(b'no kernel' * 1000)
        check('corrupt kernel', machine.boot(qemu, junk, disk, folder + '/corrupt', '', 256, 60), False, '')
        check('missing kernel', machine.boot(qemu, junk + '.none', disk, folder + '/none', '', 256, 60), False, 'status 1')
        check('missing image', machine.boot(qemu, kernel.vmlinuz, disk + '.none', folder + '/noimage', '', 256, 60), False, 'status 1')
    print('1..%d' % count)
    return 1 if failed else 0


sys.exit(main())
