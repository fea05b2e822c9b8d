#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Scores `apm-bpf fingerprint --jsonl` against the conformance data next to the project, and checks the command itself."""
import json
import os
import re
import subprocess
import sys

TOP = os.environ.get('TOP') or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(TOP, 'build', 'apm-bpf')
DATA = os.path.join(TOP, '..', 'shared', 'conformance')
results = []


def report(ok, name, note=''):
    results.append(ok)
    print('%s %d - %s' % ('ok' if ok else 'not ok', len(results), name))
    if not ok and note:
        print('\n'.join('# ' + line for line in note.splitlines()))


def skip(name, why):
    results.append(True)
    print('ok %d - %s # SKIP %s' % (len(results), name, why))


def run(args, text=b''):
    done = subprocess.run([PROGRAM, 'fingerprint'] + args, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout.decode('utf-8'), done.stderr.decode('utf-8', 'replace')


def test_command():
    status, out, _ = run(['--dialect', 'postgresql', "select 'x'", 'SELECT 5 ;'])
    lines = out.splitlines()
    report(status == 0 and len(lines) == 2 and lines[0] == lines[1] and lines[0].endswith('  SELECT ?'), 'arguments', out)
    status, out, _ = run([], b"select 1\n\nselect a from b; select 2\n")
    report(status == 0 and len(out.splitlines()) == 3, 'lines of stdin, with several statements in one', out)
    status, out, _ = run(['--file', '-'], b"select 1;\nselect\n2;")
    report(status == 0 and len(out.splitlines()) == 2, 'a whole file', out)
    report(run(['--dialect', 'nonsense', 'x'])[0] == 2, 'unknown dialect is bad usage')
    report(run(['--file', '/nonexistent'])[0] == 1, 'a file that is not there fails')
    status, out, _ = run(['--help'])
    report(status == 0 and '--jsonl' in out, 'help')
    status, out, _ = run(['--jsonl'], b'{"query":"select 1"}\r\n\r\n\n{"query":"select 2"}')
    report(status == 0 and len(out.splitlines()) == 2, 'lines that end in CRLF, empty lines, no newline at the end', out)
    for word in ('fingerprint', 'detect'):
        done = subprocess.run(['sh', '-c', '"$0" "$1" --jsonl <&-', PROGRAM, word], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        report(done.returncode == 1 and done.stderr.count(b'\n') == 1, word + ': input that cannot be read is an error', str(done))
    items = [b'{"id":1,"dialect":"mysql","query":"select \\"a\\" from t /*a=\'b%20c\'*/"}', b'{"id":2,"query_hex":"53ff27"}',
             b'{"id":3}', b'nonsense', b'{"id":5,"query":"SET x=1; UPDATE t SET a=1; COMMIT"}']
    status, out, _ = run(['--jsonl'], b'\n'.join(items) + b'\n')
    answers = [json.loads(line) for line in out.splitlines()]
    report(len(answers) == 5 and status == 1, 'an answer for every line, and a failure for bad ones', out)
    if len(answers) == 5:
        report(answers[0]['id'] == 1 and answers[0]['tags'] == {'a': 'b c'} and answers[0]['collections'] == ['t'] and
               answers[0]['class'] == 'query' and re.fullmatch('[0-9a-f]{16}', answers[0]['literal_hash']) is not None,
               'fields of an answer', out)
        report('\ufffd' in answers[1]['normalized'], 'bytes that are no UTF-8 are replaced', out)
        report('error' in answers[2] and 'error' in answers[3], 'bad lines are named', out)
        report(answers[4]['operation'] == 'UPDATE' and answers[4]['summary'] == 'SET; UPDATE t; COMMIT',
               'a query counts for more than control statements around it', out)


def test_conformance():
    score = os.path.join(DATA, 'tools', 'score.py')
    if not os.path.exists(score):
        skip('conformance', 'the conformance data is not next to the project')
        return
    done = subprocess.run([sys.executable, score, '--cmd', PROGRAM + ' fingerprint --jsonl', '--show', '20'],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = done.stdout.decode('utf-8', 'replace')

    def percent(pattern):
        return [float(n) for n in re.findall(pattern + r'.*?([0-9.]+) %$', out, re.M)]

    for name, pattern, least in (
            ('must groups', r'^groups MUST +all ', 100),
            ('peer-defect groups', r'^groups peer-defect +all ', 98),
            ('distinct pairs', r'^distinct MUST-differ', 100),
            ('operation', r'^tables MUST +operation +all ', 98),
            ('tables, last part', r'^tables MUST +tables \(last part\) +all ', 97),
            ('summary', r'^tables MUST +summary ', 95),
            ('no leak', r'^redact MUST +all +all ', 100)):
        found = percent(pattern)
        report(bool(found) and min(found) >= least, '%s >= %d %%' % (name, least), out[-3000:] if not found else str(found))


if os.access(PROGRAM, os.X_OK):
    test_command()
    test_conformance()
else:
    skip('fingerprint', 'build/apm-bpf is not built')
print('1..%d' % len(results))
sys.exit(0 if all(results) else 1)
