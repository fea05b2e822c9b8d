#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""ORMs, each badly and well used: what is executed equals what the server's log says, the N+1 is the one finding of the bad program,
and the good one, which does the same work, has none."""
import os

from harness import SCRIPTS, Live, Truth, differences, missing

ORMS = (
    ('Django', '/usr/bin/python3', 'orm_django.py', 'import django, psycopg2', ('postgresql', 'sqlite3')),
    ('SQLAlchemy', '/usr/bin/python3', 'orm_sqlalchemy.py', 'import sqlalchemy, psycopg2', ('postgresql', 'sqlite3')),
    ('ActiveRecord', 'ruby', 'orm_activerecord.rb', 'require "active_record"; require "pg"', ('postgresql',)),
    ('Sequel', 'ruby', 'orm_sequel.rb', 'require "sequel"; require "pg"; require "sqlite3"', ('sqlite3',)),
    ('DBIx::Class', 'perl', 'orm_dbix_class.pl', 'use DBIx::Class; use DBD::Pg; use DBD::SQLite', ('postgresql',)),
)


def logged(live, app):
    """What the server was asked to do; a text that is only a comment is no statement."""
    truth = Truth()
    for sql in live.pg.executed(app):
        if not (sql.startswith('/*') and sql.endswith('*/')):
            truth.add('postgresql', sql)
    return truth


def not_logged(report, truth):
    """The log does not tell rows."""
    for q in report['queries']:
        q['rows'] = 0
    return differences(report, truth)


def orms(live):
    for name, interpreter, script, probe, systems in ORMS:
        why = missing(interpreter, probe)
        if why:
            live.skip(name, why)
            continue
        for system in systems:
            for use in ('bad', 'good'):
                tag = '%s, %s, %s' % (name, system, use)
                with live.section(tag):
                    app = '%s-%s' % (script, use)
                    report, _ = live.run([interpreter, os.path.join(SCRIPTS, script), use, system], PGAPPNAME=app)
                    if system == 'postgresql':
                        truth = logged(live, app)
                        wrong = not_logged(report, truth)
                        live.ok(not wrong, '%s: %d statements exact' % (tag, truth.total(False)), '\n'.join(wrong))
                    found = [(f['detector'], f['count']) for f in report['findings']]
                    want = [('n_plus_one', 30)] if use == 'bad' else []
                    live.ok(found == want, tag + (': the N+1 is found' if want else ': no finding'), found)


def greenlets(live):
    why = missing('/usr/bin/python3', 'import greenlet, psycopg2')
    if why:
        live.skip('greenlets', why)
        return
    with live.section('greenlets'):
        report, program = live.run(['/usr/bin/python3', os.path.join(SCRIPTS, 'use_greenlets.py')])
        live.exact('greenlets that are switched between calls', report, program.truth())


def main():
    with Live(postgres=True) as live:
        orms(live)
        greenlets(live)


main()
