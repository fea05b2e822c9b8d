#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""libmariadb: every way of calling it from C, its drivers and tools. Statements, control statements, rows and errors equal what
the programs executed; what drivers send by themselves comes from the server's log."""
import collections
import json
import os
import shutil
import sys

from harness import SCRIPTS, Live, Truth, client, find_library, fingerprints, is_control, missing, wait_until
from mysql_server import MySQLServer, why_missing

LIBRARY = 'libmariadb.so.3'
MODES = ('query', 'wrappers', 'use', 'send', 'multi', 'prepared', 'call', 'direct', 'errors', 'killed', 'abandon', 'two', 'threads')
DRIVERS = (
    ('MySQLdb', '/usr/bin/python3', 'use_mysqldb.py', 'import MySQLdb'),
    ('ruby-mysql2', 'ruby', 'use_mysql2.rb', 'require "mysql2"'),
    ('DBD::mysql', 'perl', 'use_dbd_mysql.pl', 'use DBD::mysql'),
    ('DBD::MariaDB', 'perl', 'use_dbd_mysql.pl MariaDB', 'use DBD::MariaDB'),
)


def from_start(live, argv, wrap=(), **env):
    """Traces a program from its first instruction: (report, exit status, what it printed)."""
    path = live.path('json')
    tracer = live.tracer('--json', '--top', 1000, '--report', path, '--', *argv, wrap=wrap, env=live.environment(**env))
    status = tracer.wait(90)
    with open(path, encoding='utf-8') as file:
        return json.load(file), status, tracer.output()


def check_clients(live, server):
    """The clients' own counts against the server's log: no tracer."""
    for mode in ('query', 'wrappers', 'use', 'send', 'prepared', 'direct', 'abandon', 'two', 'threads'):
        mark = server.mark()
        program = live.program([client('mysql_client'), mode], barrier=False)
        if program.wait() != 0:
            live.ok(False, 'client %s runs' % mode, program.errors())
            continue
        truth, executed = program.truth(), server.executed(mark)
        # What cannot be prepared is never executed.
        count = truth.total(False) + truth.total(True) - {'prepared': 1, 'direct': 1}.get(mode, 0)
        live.ok(len(executed) == count, 'client %s counts as the server does (%d)' % (mode, count),
                'server: %d, first: %s' % (len(executed), executed[:5]))


def clients(live, server):
    for mode in MODES:
        with live.section('mysql ' + mode):
            report, program = live.run([client('mysql_client'), mode])
            live.exact('mysql ' + mode, report, program.truth())
            live.ok(all(q['system'] == 'mysql' for q in report['queries']), 'mysql %s: the system is mysql' % mode)

    with live.section('mysql prepared before attach'):
        report, program = live.run([client('mysql_client'), 'before'])
        unknown = [q for q in report['queries'] if 'unknown (prepared before attach)' in q['query']]
        want = program.truth().rows[('mysql', 'SELECT id, title FROM book WHERE author_id = ?')]
        live.ok(len(unknown) == 1 and [unknown[0][k] for k in ('calls', 'errors', 'rows')] == want[:3],
                'prepared before attach: %d executions and their rows are counted' % want[0], report['queries'])
        live.ok(report['summary']['statements'] == program.truth().total(False), 'prepared before attach: all statements counted')

    with live.section('mysql pause'):
        report, program = live.run([client('mysql_client'), 'pause'])
        live.exact('mysql pause', report, program.truth())
        for q in report['queries']:
            if 'sleep' in q['query'].lower():
                live.ok(q['total_ms'] >= 200, 'the server\'s time is in the duration: ' + q['query'], q)
            else:
                live.ok(q['elapsed_ms'] - q['total_ms'] >= 299, 'the program\'s own time is not in the duration: ' + q['query'], q)

    with live.section('mysql rows that nobody fetched'):
        report, program = live.run([client('mysql_client'), 'unfetched'], N=5)
        live.exact('mysql unfetched', report, program.truth())
        found = [f for f in report['findings'] if f['detector'] == 'unfetched_rows']
        dropped = [q for q in report['queries'] if 'dropped' in q['query']]
        live.ok(len(found) == 1 and 'dropped' in found[0]['query'] and found[0]['count'] == 5,
                'rows that nobody fetched: found where they are, and nowhere else', report['findings'])
        live.ok(found and dropped[0]['total_ms'] >= found[0]['total_ms'] >= 10, 'the time to throw them away is in the duration', (found, dropped))

    with live.section('mysql errors have code and message'):
        report, program = live.run([client('mysql_client'), 'errors'], N=3)
        codes, messages = collections.Counter(), ' | '.join(e['message'] for e in report['errors'])
        for error in report['errors']:
            codes[error['code']] += error['count']
        live.ok(codes == {'42000': 3, '42S02': 3, '42S22': 3, '23000': 3}, 'errors are counted by SQLSTATE', codes)
        live.ok('no_such_table' in messages and 'PRIMARY' in messages, 'their messages are reported', messages)
        live.ok('again' not in str(report['errors']) + str(report['queries']), 'no literal in queries or messages')

    with live.section('mysql still running at the end'):
        program = live.program([client('mysql_client'), 'hang']).ready()
        tracer = live.tracer('--json', '-p', program.pid).ready()
        program.go().wait_output('hanging')
        wait_until('the statement to run', lambda: 'SLEEP(60)' in open(server.log, encoding='utf-8').read())
        report = tracer.stop().report()
        hung = [q for q in report['queries'] if 'sleep' in q['query'].lower()]
        live.ok(len(hung) == 1 and hung[0]['running'] == 1, 'a statement still running at the end is reported', report['queries'])
        live.ok(program.process.poll() is None, 'and its program goes on')

    with live.section('mysql bound values'):
        for same, want in ((0, ['n_plus_one']), (1, ['duplicate_query'])):
            report, _, _ = from_start(live, [client('mysql_client'), 'values'], SAME=same, N=20)
            live.ok([f['detector'] for f in report['findings']] == want, 'bound values: %s finding %s' % (
                'equal ones give the' if same else 'different ones give the', want[0]), report['findings'])


def nonblocking(live):
    """A return probe would crash such a program: it has none, is traced all the same, and the report says why."""
    for name, start in (('of a running process', False), ('from the first instruction', True)):
        with live.section('mysql non-blocking ' + name):
            if start:
                path = live.path('truth')
                report, status, out = from_start(live, [client('mysql_nonblock')], N=300, GROUND_TRUTH=path)
                truth = Truth().read(path)
            else:
                report, program = live.run([client('mysql_nonblock')], N=300)
                status, out, truth = 0, program.output(), program.truth()
            live.ok(status == 0 and 'sum 12600\n' in out, 'non-blocking calls %s: unharmed' % name, (status, out))
            live.exact('non-blocking calls ' + name, report, truth)
            live.ok('non-blocking' in json.dumps(report['coverage']), 'non-blocking calls %s: the report says how' % name, report['coverage'])


def with_log(truth, executed):
    """The truth with the control statements that the server saw."""
    whole = Truth()
    for (system, sql), row in truth.rows.items():
        if not row[3]:
            whole.add(system, sql, *row[:3], control=False)
    for sql in executed:
        if is_control(sql):
            whole.add('mysql', sql, control=True)
    return whole


def drivers(live, server):
    for name, interpreter, script, probe in DRIVERS:
        why = missing(interpreter, probe)
        if why:
            live.skip(name, why)
            continue
        with live.section(name):
            program = live.program([interpreter, *os.path.join(SCRIPTS, script).split()]).ready()
            tracer = live.tracer('--json', '--top', 1000, '-p', program.pid).ready()
            mark = server.mark()
            program.go()
            if program.wait():
                raise RuntimeError(program.errors())
            live.exact(name, tracer.report(), with_log(program.truth(), server.executed(mark)))


def command(live, server, name, argv):
    """A tool from its first instruction: as many executions of each statement as the server's log has."""
    mark = server.mark()
    report, status, _ = from_start(live, argv, wrap=live.private_namespace())
    executed = server.executed(mark)
    want = collections.Counter(fingerprints([('mysql', sql) for sql in executed]))
    have = collections.Counter()
    for q in report['queries']:
        have[q['fingerprint']] += q['calls']
    texts = {q['fingerprint']: q['query'] for q in report['queries']}
    live.ok(status == 0 and want == have, '%s: %d executions exact' % (name, len(executed)),
            'status %s\nmore in the log: %s\nmore reported: %s' % (status, want - have, {texts[f]: n for f, n in (have - want).items()}))


def tools(live, server):
    with live.section('mariadb'):
        command(live, server, 'mariadb', server.client('shop', '-e', 'SELECT title FROM book WHERE id < 10; BEGIN; COMMIT; SELECT 1'))
    if not shutil.which('sysbench'):
        live.skip('sysbench', 'sysbench is not installed')
        return
    base = ['sysbench', 'oltp_read_write', '--db-driver=mysql', '--mysql-socket=' + server.socket, '--mysql-user=root', '--mysql-db=shop',
            '--table-size=100', '--threads=2', '--time=0', '--events=20']
    with live.section('sysbench'):
        if live.program([*base, 'prepare'], barrier=False).wait():
            raise RuntimeError('sysbench prepare')
        for mode in ('disable', 'auto'):
            command(live, server, 'sysbench --db-ps-mode=' + mode, [*base, '--db-ps-mode=' + mode, 'run'])


def main():
    why = why_missing() or (None if find_library(LIBRARY) else LIBRARY + ' is not installed')
    if why:
        print('1..0 # SKIP ' + why)
        sys.exit(0)
    with Live(libraries=(LIBRARY,)) as live:
        server = MySQLServer(live)
        check_clients(live, server)
        clients(live, server)
        nonblocking(live)
        drivers(live, server)
        tools(live, server)


main()
