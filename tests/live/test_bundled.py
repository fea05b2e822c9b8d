#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Copies of client libraries that come with a program: wheels' renamed ones, modules with a library inside, several copies and
libraries in one process, linked statically into programs of C, C++ and with musl."""
import glob
import os
import shutil
import subprocess

from harness import CLIENTS, SCRIPTS, TOP, Live, Truth, client, compiled, find_library, missing, postgres_bin

MODULES = os.path.join(TOP, 'build', 'node_modules')  # make test-modules


def wheels(live):
    """psycopg2-binary: psycopg2_binary.libs/libpq-<hash>.so.5.x, found by the module's RPATH (here: by the environment)."""
    for package, soname, name, script, probe in (
            ('psycopg2', 'libpq.so.5', 'libpq-9b38f5e3.so.5.16', 'use_psycopg2.py', 'import psycopg2'),
            ('sqlite', 'libsqlite3.so.0', 'libsqlite3-65b2a1c9.so.0.8.6', 'use_sqlite3.py', 'import sqlite3')):
        why = missing('/usr/bin/python3', probe) or ('PostgreSQL is not installed' if 'pq' in soname and not live.pg else None)
        if why:
            live.skip('wheel with ' + name, why)
            continue
        with live.section('wheel with ' + name):
            folder = os.path.join(live.dir, package + '_binary.libs')
            os.mkdir(folder)
            shutil.copy(find_library(soname), os.path.join(folder, name))
            os.symlink(name, os.path.join(folder, soname))
            report, program = live.run(['/usr/bin/python3', os.path.join(SCRIPTS, script)], LD_LIBRARY_PATH=folder)
            live.exact('wheel with ' + name, report, program.truth())
            live.ok(name in str(report['coverage']['libraries']), 'the coverage names the copy', report['coverage'])


def modules(live):
    with live.section('module with sqlite3 inside'):
        report, program = live.run([client('loader_client'), client('lite_module'), 'steps'])
        live.exact('module with sqlite3 inside, its symbols local', report, program.truth())
        live.ok('lite_module' in str(report['coverage']['libraries']), 'the coverage names the module', report['coverage'])

    with live.section('module that exports sqlite3'):
        report, program = live.run([client('loader_client'), client('lite_exported'), 'nested'], N=10)
        live.exact('module that exports the sqlite3 inside: calls from its own SQL functions', report, program.truth())

    with live.section('module stripped'):
        module = os.path.join(live.dir, 'stripped.node')
        subprocess.run(['strip', '-o', module, client('lite_module')], check=True)
        report, _ = live.run([client('loader_client'), module, 'steps'])
        live.ok(report['summary']['statements'] == 0 and any(m['subject'] == module and 'symbols were stripped' in m['text']
                                                             for m in report['coverage']['missing']),
                'a module with sqlite3 inside and no symbols is named, and why it is not traced', report['coverage'])

    with live.section('two copies of sqlite3'):
        report, program = live.run([client('loader_client'), client('lite_module'), 'steps', client('lite_plugin'), 'errors',
                                    client('lite_module'), 'nested'], N=10)
        live.exact('two copies of sqlite3 in one process', report, program.truth())

    if not live.pg:
        live.skip('several libraries', 'PostgreSQL is not installed')
        return
    with live.section('several libraries'):
        report, program = live.run([client('loader_client'), client('lite_module'), 'steps', client('pq_plugin'), 'prepared',
                                    client('lite_plugin'), 'bind', client('pq_plugin'), 'pipeline'], N=10)
        live.exact('sqlite3 twice and libpq in one process', report, program.truth())
        live.ok({q['system'] for q in report['queries']} == {'sqlite', 'postgresql'}, 'each query has its system', report['queries'])


def libmysqlclient(live):
    """What its accessors do not tell is null, and the coverage says so."""
    with live.section('libmysqlclient'):
        report, program = live.run([client('loader_client'), client('mysql_module'), 'all'])
        queries = {q['query']: q for q in report['queries']}
        truth = {sql: row for (_, sql), row in program.truth().rows.items()}
        have = {sql: [queries.get(sql, {}).get(k) for k in ('calls', 'errors', 'rows')] for sql in truth}
        want = {sql: row[:3] for sql, row in truth.items()}
        change = [sql for sql in want if sql.startswith('UPDATE')][0]
        have[change] = [queries['UPDATE t SET a = ?'][k] for k in ('calls', 'errors', 'rows')]
        want[change][2] = None
        live.ok(have == want, 'libmysqlclient: exact where its accessors decode, null elsewhere', (have, want))
        text = [line['text'] for line in report['coverage']['libraries'] if line['subject'].startswith('libmysqlclient 8.0.36')]
        live.ok(len(text) == 1 and 'unverified' in text[0] and 'rows affected (mysql_affected_rows)' in text[0],
                'and the coverage says what is unverified', report['coverage'])
        live.ok([(e['code'], e['count']) for e in report['errors']] == [('42S02', 20)], 'errors have their SQLSTATE', report['errors'])


def better_sqlite3(live):
    folder = os.environ.get('NODE_PATH', MODULES)
    env = {'NODE_PATH': folder}
    if not shutil.which('node') or subprocess.run(['node', '-e', 'new (require("better-sqlite3"))(":memory:")'], env=dict(os.environ, **env),
                                                  stderr=subprocess.DEVNULL, timeout=60).returncode:
        live.skip('better-sqlite3', 'node cannot load it (make test-modules)')
        return
    with live.section('better-sqlite3'):
        report, program = live.run(['node', os.path.join(SCRIPTS, 'use_better_sqlite3.js')], **env)
        live.exact('better-sqlite3', report, program.truth())
    with live.section('two versions of SQLite'):
        programs = [live.program(['node', os.path.join(SCRIPTS, 'use_better_sqlite3.js')], **env).ready(), live.program([client('lite_client'), 'steps']).ready()]
        tracer = live.tracer('--json', '--top', 1000, '-p', programs[0].pid, '-p', programs[1].pid).ready()
        truth = Truth()
        for program in programs:
            program.go().wait()
            truth.read(program.truth_path)
        report = tracer.report(30)
        live.exact('two versions of SQLite at once', report, truth)
        live.ok(len({line['subject'].split()[1] for line in report['coverage']['libraries']}) == 2, 'the coverage names both', report['coverage']['libraries'])


def program_of(live, name, compiler, source, libraries, modes, *more, library=None):
    """A program made here, for what few machines have."""
    path = os.path.join(live.dir, name)
    if not shutil.which(compiler):
        live.skip(name, compiler + ' is not installed')
        return
    run = subprocess.run([compiler, '-D_GNU_SOURCE', '-O2', '-w', '-I/usr/include/postgresql', '-I', os.path.join(os.path.dirname(SCRIPTS), 'clients'), *more,
                          '-o', path, source, *libraries], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    if run.returncode:
        live.skip(name, 'cannot be linked here: ' + ' '.join(run.stdout.split())[-200:])
        return
    for mode in modes:
        with live.section('%s %s' % (name, mode)):
            report, program = live.run([path, mode], N=20, LD_LIBRARY_PATH='')
            live.exact('%s %s' % (name, mode), report, program.truth())
            live.ok((library or path) in str(report['coverage']['libraries']), 'the coverage names the program', report['coverage'])


CPP = """extern "C" {
#include <sqlite3.h>
}
#include <stdexcept>
#include <string>
#include <cstdio>
#include <cstdlib>
struct Failure : std::runtime_error { using std::runtime_error::runtime_error; };
static void run(sqlite3 *db, const std::string &sql)
{
	sqlite3_stmt *stmt;
	if (sqlite3_prepare_v2(db, sql.c_str(), -1, &stmt, nullptr) != SQLITE_OK)
		throw Failure(sqlite3_errmsg(db));
	while (sqlite3_step(stmt) == SQLITE_ROW)
		;
	sqlite3_finalize(stmt);
}
int main()
{
	sqlite3 *db;
	int caught = 0;
	sqlite3_open(":memory:", &db);
	run(db, "CREATE TABLE t (a INTEGER)");
	puts("ready");
	fflush(stdout);
	getchar();
	for (int i = 0; i < 50; i++) {
		run(db, "INSERT INTO t VALUES (" + std::to_string(i) + ")");
		try { run(db, "SELECT * FROM nowhere"); } catch (Failure &) { caught++; }
	}
	run(db, "SELECT a FROM t");
	FILE *f = fopen(getenv("GROUND_TRUTH"), "a");
	fprintf(f, "{\\"system\\":\\"sqlite\\",\\"queries\\":[{\\"sql\\":\\"INSERT INTO t VALUES (1)\\",\\"calls\\":50,\\"errors\\":0,\\"rows\\":50,\\"control\\":false},"
		   "{\\"sql\\":\\"SELECT * FROM nowhere\\",\\"calls\\":%d,\\"errors\\":%d,\\"rows\\":0,\\"control\\":false},"
		   "{\\"sql\\":\\"SELECT a FROM t\\",\\"calls\\":1,\\"errors\\":0,\\"rows\\":50,\\"control\\":false}]}\\n", caught, caught);
	fclose(f);
}
"""


def static(live):
    sqlite = ['-l:libsqlite3.a', '-lm', '-ldl', '-lz', '-lpthread']
    clients = os.path.join(os.path.dirname(SCRIPTS), 'clients')
    source = os.path.join(live.dir, 'shop.cpp')
    with open(source, 'w', encoding='utf-8') as file:
        file.write(CPP)
    program_of(live, 'cpp_static', 'g++', source, sqlite, ('run',))
    program_of(live, 'lite_all_static', 'cc', clients + '/lite_client.c', sqlite, ('steps', 'errors', 'threads'), '-static')
    common = glob.glob('/usr/lib/postgresql/*/lib/libpgcommon.a')
    if not live.pg or not common:
        live.skip('libpq linked statically', 'no PostgreSQL, or no libpgcommon.a (postgresql-server-dev)')
        return
    ldap = [path for path in map(find_library, ('libgssapi_krb5.so.2', 'libldap-2.5.so.0', 'libldap.so.2')) if path]
    program_of(live, 'pq_static', 'cc', clients + '/pq_client.c', ['-l:libpq.a', '-L' + os.path.dirname(common[-1]), '-l:libpgcommon.a',
             '-l:libpgport.a', '-lssl', '-lcrypto', *ldap, '-lpthread', '-lm'], ('exec', 'prepared', 'errors', 'pipeline'))


def musl(live):
    """Another C library: the program static, and with musl's loader. Nothing distributed for it is packaged here, so SQLite is compiled."""
    source = os.path.join(MODULES, 'better-sqlite3', 'deps', 'sqlite3')
    if not shutil.which('musl-gcc') or not os.path.exists(source + '/sqlite3.c'):
        live.skip('musl', 'no musl-gcc (musl-tools), or no source of SQLite (make test-modules)')
        return
    kept = os.path.join(CLIENTS, 'musl-sqlite3.o')
    if not os.path.exists(kept) or os.path.getmtime(kept) < os.path.getmtime(source + '/sqlite3.c'):
        status, said = compiled(['musl-gcc', '-w', '-O1', '-g', '-fPIC', '-c', '-o', kept + '.new', source + '/sqlite3.c'])
        if status != 0:
            live.skip('musl', ' '.join(said.split())[-200:])
            return
        os.rename(kept + '.new', kept)
    shared = os.path.join(live.dir, 'musl', 'libsqlite3.so.0')
    os.mkdir(os.path.dirname(shared))
    subprocess.run(['musl-gcc', '-shared', '-Wl,-soname,libsqlite3.so.0', '-o', shared, kept], check=True, timeout=60)
    clients = os.path.join(os.path.dirname(SCRIPTS), 'clients')
    program_of(live, 'musl_static', 'musl-gcc', clients + '/lite_client.c', [kept], ('steps', 'errors', 'threads', 'fork', 'longjmp'), '-static', '-I', source)
    program_of(live, 'musl_pie', 'musl-gcc', clients + '/lite_client.c', [kept], ('steps', 'nested'), '-static-pie', '-fPIE', '-I', source)
    program_of(live, 'musl_dynamic', 'musl-gcc', clients + '/lite_client.c', [shared, '-Wl,-rpath,' + os.path.dirname(shared)], ('steps', 'errors', 'threads', 'fork'),
             '-I', source, library=shared)


def main():
    with Live(postgres=bool(postgres_bin())) as live:
        wheels(live)
        modules(live)
        libmysqlclient(live)
        better_sqlite3(live)
        static(live)
        musl(live)


main()
