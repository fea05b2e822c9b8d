#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Libraries whose code is in unusual memory: a file that exists in memory only, huge pages, and anonymous memory that took the place
of the library's own, where there can be no probe: that is said."""
import os
import re
import subprocess

from harness import APM, Live, client, wait_until

# Text that fills huge pages, which a library of ordinary size does not.
PAD = '__asm__(".text\\n.p2align 21\\n.fill 4 << 20, 1, 0x90\\n");\n'


def in_memory(live):
    with live.section('a library in a memfd'):
        report, program = live.run([client('text_client'), 'memfd', live.library['libsqlite3.so.0'], client('lite_plugin'), 'steps'])
        live.exact('a library in a memfd', report, program.truth())
        live.ok('memfd:library' in str(report['coverage']['libraries']), 'the coverage names it', report['coverage'])
    with live.section('a library in a memfd, loaded after attach'):
        program = live.program([client('text_client'), 'memfd-later', live.library['libsqlite3.so.0'], client('lite_plugin'), 'steps']).ready()
        tracer = live.tracer('--json', '--top', 1000, '-v', '-p', program.pid).ready()
        program.go().wait_output('again')
        wait_until('the probes', lambda: 'memfd:library' in tracer.errors())
        program.go().wait()
        live.exact('a library in a memfd, loaded after attach', tracer.report(30), program.truth(), ('late_attach',))


def huge(live):
    with live.section('code in huge pages'):
        source, library = os.path.join(live.dir, 'pad.c'), os.path.join(live.dir, 'libhuge.so')
        with open(source, 'w', encoding='ascii') as file:
            file.write(PAD)
        run = subprocess.run(['cc', '-shared', '-o', library, '-Wl,-Bsymbolic', '-Wl,-soname,libsqlite3.so.0', '-Wl,-z,max-page-size=0x200000',
                              '-Wl,-z,common-page-size=0x200000', source, '-Wl,--whole-archive', '-l:libsqlite3.a', '-Wl,--no-whole-archive',
                              '-lm', '-lz', '-ldl', '-lpthread'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        if run.returncode:
            live.skip('code in huge pages', 'no library can be linked for it: ' + ' '.join(run.stdout.split())[-200:])
            return
        argv = [client('text_client'), 'huge', library, client('lite_plugin'), 'steps']
        program = live.program(argv)
        try:
            program.ready()
        except RuntimeError as problem:
            if program.process.returncode != 77:
                raise
            live.skip('code in huge pages', 'this kernel does not put code in them: ' + str(problem))
            return
        with open('/proc/%d/smaps' % program.pid, encoding='utf-8') as smaps:
            huge_kb = sum(int(kb) for kb in re.findall(r'(?:ShmemPmdMapped|FilePmdMapped): +(\d+)', smaps.read()))
        tracer = live.tracer('--json', '--top', 1000, '-p', program.pid).ready()
        status = program.go().wait()
        live.exact('code in huge pages (%d kB)' % huge_kb, tracer.report(30), program.truth())
        live.ok(status == 0 and huge_kb >= 2048, 'code in huge pages: unharmed, and it was', (status, huge_kb))


def moved(live):
    with live.section('code moved to anonymous memory'):
        library = live.library['libsqlite3.so.0']
        program = live.program([client('text_client'), 'moved', library, client('lite_plugin'), 'steps']).ready()
        listed = subprocess.run([APM], stdout=subprocess.PIPE, text=True, timeout=60).stdout
        entry = re.search(r'^ *%d .*\n((?: {10}.*\n)*)' % program.pid, listed, re.M)
        live.ok(entry and 'sqlite3' in entry.group(1) and 'not traceable: ' in entry.group(1) and 'memory without a file' in entry.group(1),
                'code moved to anonymous memory: a candidate that cannot be traced, and why', listed)
        tracer = live.tracer('--json', '--top', 1000, '-p', program.pid).ready()
        status = program.go().wait()
        report = tracer.report(30)
        live.ok(status == 0 and report['summary']['statements'] == 0 and
                any(library in m['subject'] and 'memory without a file' in m['text'] for m in report['coverage']['missing']),
                'code moved to anonymous memory: unharmed, not seen, and the report says why', (status, report['coverage']))


def main():
    with Live() as live:
        for part in (in_memory, huge, moved):
            part(live)


main()
