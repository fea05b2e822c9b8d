#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The manual page and the completions name exactly the options that the program takes, each finding has its page, and README says of
kernels and many processes what the pages say."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
APM = os.path.join(TOP, 'build', 'apm-bpf')
MAN = os.path.join(TOP, 'docs', 'apm-bpf.8')
COMMANDS = ('trace', 'top', 'record', 'report', 'flame', 'diff', 'fingerprint', 'detect', 'list')
count = failed = 0


def ok(good, name, why=''):
    global count, failed
    count += 1
    failed += not good
    print('%sok %d - %s' % ('' if good else 'not ', count, name))
    if not good and why:
        print('\n'.join('# ' + line for line in str(why).splitlines()))


def skip(name, why):
    global count
    count += 1
    print('ok %d - %s # SKIP %s' % (count, name, why))


def text(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as file:
        return file.read()


def output(*args, **more):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, **more).stdout


def options_of(command):
    """Long options that the help of a command lists. --help itself is listed in the program's own help alone."""
    said = output(APM, *([] if command == 'trace' else [command]), '--help')
    if command == 'trace':  # the program's own help leaves some to that of record, which takes nothing else
        said += output(APM, 'record', '--help')
    if command == 'detect':
        return set(re.findall(r'--[a-z-]+', said)) | {'--help'}
    rows = re.findall(r'^ {2,6}(?:-\w, )?(--[a-z-]+)(?:, (--[a-z-]+))?', said, re.M)
    # An option that has no row of its own stands in another's, behind a semicolon.
    named = {name for row in rows for name in row if name} | set(re.findall(r'; (--[a-z-]+) is ', said)) | {'--help'}
    # Said in the row of another option.
    return named | ({'--json'} if '--json' in said and command not in ('record', 'fingerprint') else set())


def check_manual(options):
    page = text('docs/apm-bpf.8').replace('\\-', '-')
    named = set(re.findall(r'(?<![\w-])--[a-z][a-z-]+', page))
    everything = set().union(*options.values()) - {'--dialect', '--file', '--jsonl'} | {'--jsonl'}
    ok(named == everything, 'the manual page names every option and no other', 'missing %s, too many %s' % (
        sorted(everything - named), sorted(named - everything)))
    ok(all(re.search(r'^\.B %s$|^\.SY apm-bpf %s$' % (c, c), page.replace('\\ ', ' '), re.M) for c in COMMANDS), 'and every command')
    variables = set(re.findall(r'APM_[A-Z_]+', output(APM, 'record', '--help')))
    ok(variables == set(re.findall(r'APM_[A-Z_]+', page)), 'and every variable', variables)
    version = output(APM, '--version').split()[1]
    ok('"apm-bpf %s"' % version in page, 'and the version', version)
    if shutil.which('groff'):
        said = output('groff', '-man', '-ww', '-Tutf8', '-z', MAN)
        ok(not said, 'groff has no complaint', said)
    else:
        skip('groff has no complaint', 'groff is not installed')


BASH = '''
. completions/apm-bpf.bash
for command in %s; do
	COMP_WORDS=(apm-bpf "$command" --)
	[ "$command" = trace ] && COMP_WORDS=(apm-bpf --)
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_apm_bpf
	echo "$command ${COMPREPLY[*]}"
done
''' % ' '.join(COMMANDS)

BASH_VALUES = '''
. completions/apm-bpf.bash
complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _apm_bpf; printf '%s|' "${COMPREPLY[@]}"; echo; }
complete_words apm-bpf re
complete_words apm-bpf report --format ''
complete_words apm-bpf diff a.apm b.apm --fail-on ''
complete_words apm-bpf report --fail-on h
complete_words apm-bpf report "$1/sp"
complete_words apm-bpf -o "$1/sp"
complete_words apm-bpf report --top ''
'''


def check_bash(options):
    said = output('bash', '-c', BASH, cwd=TOP)
    for line in said.splitlines():
        command, *named = line.split()
        ok(set(named) == options[command], 'bash completes the options of %s' % command, 'missing %s, too many %s' % (
            sorted(options[command] - set(named)), sorted(set(named) - options[command])))
    ok(len(said.splitlines()) == len(COMMANDS), 'for every command', said)
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, 'sp ace.apm'), 'w', encoding='utf-8'):
            pass
        file = '%s/sp ace.apm|' % folder
        want = ['record|report|', 'text|json|markdown|html|', 'regression|', 'high|', file, file, '|']
        got = output('bash', '-c', BASH_VALUES, 'bash', folder, cwd=TOP).splitlines()
    ok(got == want, 'bash completes commands, values and files with blanks', got)


ZSH = '''
_arguments() { print -rl -- "$@" }
_describe() { print -rl -- $commands }
for command in %s; do
	print -r -- "== $command"
	words=(apm-bpf $command --) CURRENT=3
	[[ $command = trace ]] && words=(apm-bpf --) CURRENT=2
	source completions/apm-bpf.zsh
done
''' % ' '.join(COMMANDS)


def check_zsh(options):
    if not shutil.which('zsh'):
        skip('zsh completes the options', 'zsh is not installed')
        return
    said = output('zsh', '-f', '-c', ZSH, cwd=TOP)
    for part in said.split('== ')[1:]:
        command, *lines = part.split('\n')
        named = {m.group(1) for m in (re.match(r'(?:\([^)]*\)|\*)?(--[a-z-]+)\[', line) for line in lines) if m}
        ok(named == options[command], 'zsh completes the options of %s' % command, 'missing %s, too many %s' % (
            sorted(options[command] - named), sorted(named - options[command])))
    ok(said.count('== ') == len(COMMANDS), 'for every command', said[:400])


def check_findings():
    names = set(re.findall(r'\.name = "([a-z_]+)"', text('user/detect/registry.c'), re.M))
    pages = {name[:-3] for name in os.listdir(os.path.join(TOP, 'docs', 'findings')) if name.endswith('.md') and name != 'README.md'}
    ok(names and names <= pages, 'each detector has a page', sorted(names - pages))
    for page in sorted(pages):
        said = text('docs/findings/%s.md' % page)
        heads = [h for h in ('What it means', 'How to confirm', 'How to fix it') if h not in said]
        ok(not heads and '`%s`' % page in said, '%s says what it means, how to confirm and how to fix' % page, heads)


def check_kernels():
    sys.path.insert(0, os.path.join(TOP, 'tests', 'vm'))
    import tables
    page, readme = text('docs/kernels.md'), text('README.md')
    ok(tables.short(page) in readme, 'the kernels of README are those of docs/kernels.md', tables.short(page))
    ok(page.startswith(text('tests/vm/kernels.head.md')), 'docs/kernels.md is what tests/vm/run writes')


def check_many_processes():
    """README says what the largest row of the page's table does."""
    row = [cell.strip() for cell in re.findall(r'^\| 500 \|.*$', text('docs/bench.md'), re.M)[-1].strip('|').split('|')]
    want = '%.1f s of CPU and %.0f MB' % (float(row[4]), float(row[5]))
    ok(want in ' '.join(text('README.md').split()), 'what README says of many processes was measured', want)


def main():
    if not os.path.exists(APM):
        print('1..0 # SKIP build/apm-bpf is not built')
        return 0
    options = {command: options_of(command) for command in COMMANDS}
    ok(all(len(o) > 1 for o in options.values()), 'every command lists its options', options)
    check_manual(options)
    check_bash(options)
    check_zsh(options)
    check_findings()
    check_kernels()
    check_many_processes()
    print('1..%d' % count)
    return 1 if failed else 0


sys.exit(main())
