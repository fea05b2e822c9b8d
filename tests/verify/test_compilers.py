#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What other releases of clang make of the BPF programs loads as well: distributions differ in theirs, and verifiers in what they accept."""
import glob
import os
import re
import subprocess
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def version(clang):
    out = subprocess.run([clang, '--version'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    found = re.search(r'version (\d+)', out)
    return int(found.group(1)) if found else None


def others():
    usual = version('clang')
    found = {version(path): path for path in glob.glob('/usr/bin/clang-[0-9]*') if re.search(r'/clang-\d+$', path)}
    return sorted((number, path) for number, path in found.items() if number and number not in (usual, None))


def loads(clang):
    """What the verifier test said of the programs that `clang` made: (loads, its output)."""
    with tempfile.TemporaryDirectory(prefix='apm-clang-') as build:
        test = build + '/test_verify'
        for command in (['make', '-s', 'BUILD=' + build, 'CLANG=' + clang, build + '/apm.skel.h'],
                        ['cc', '-D_GNU_SOURCE', '-Ibpf', '-I' + build, '-o', test, 'tests/verify/test_verify.c', '-lbpf', '-lelf', '-lz'],
                        [test]):
            run = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 timeout=300)
            if run.returncode:
                return False, run.stdout
        return True, ''


def main():
    if os.geteuid():
        print('1..0 # SKIP needs root')
        return
    compilers = others()
    if not compilers:
        print('1..0 # SKIP no other clang than the one that builds is installed (clang-19 …)')
        return
    print('1..%d' % len(compilers))
    for i, (number, path) in enumerate(compilers, 1):
        good, said = loads(path)
        print('%s %d - all programs that clang %d makes load' % ('ok' if good else 'not ok', i, number))
        if not good:
            print('\n'.join('# ' + line for line in said.splitlines()[-30:]))


main()
