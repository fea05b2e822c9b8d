#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reports of recorded captures stay as they are: each NAME.apm here is replayed and compared with NAME.txt and NAME.json.

A change that is meant is taken over with: tests/replay/test_goldens.py --update
The captures are of tools/demo.d/shop.c and of tests/live/clients/lite_client.c (mode errors), recorded once.
"""
import difflib
import glob
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
APM = os.path.join(HERE, '..', '..', 'build', 'apm-bpf')


def report(capture, *options):
    run = subprocess.run([APM, 'report', *options, capture], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                         env={'PATH': '/bin', 'LC_ALL': 'C.UTF-8'})
    if run.returncode:
        raise RuntimeError('report ended with %d: %s' % (run.returncode, run.stderr))
    return run.stdout


def current(capture, kind):
    if kind == 'txt':
        return report(capture, '--color', 'never')
    document = json.loads(report(capture, '--json'))
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + '\n'


def main():
    update = '--update' in sys.argv
    if not os.access(APM, os.X_OK):
        print('1..0 # SKIP build/apm-bpf is not built')
        return 0
    number = failed = 0
    for capture in sorted(glob.glob(os.path.join(HERE, '*.apm'))):
        for kind in ('txt', 'json'):
            golden = capture[:-3] + kind
            text = current(capture, kind)
            if update:
                with open(golden, 'w', encoding='utf-8') as file:
                    file.write(text)
            with open(golden, encoding='utf-8') as file:
                expected = file.read()
            number += 1
            same = text == expected
            failed += not same
            print('%s %d - %s' % ('ok' if same else 'not ok', number, os.path.basename(golden)))
            if not same:
                for line in list(difflib.unified_diff(expected.splitlines(), text.splitlines(), 'golden', 'now', lineterm='', n=1))[:40]:
                    print('# ' + line)
    print('1..%d' % number)
    return 1 if failed else 0


sys.exit(main())
