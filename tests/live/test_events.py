#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""report --events jsonl has each statement once, its filters part them, and --since and --until cut a capture without loss."""
import datetime
import json
import os
import subprocess

from harness import APM, Live, client

FIELDS = {'ts': str, 'id': int, 'pid': int, 'tid': int, 'fingerprint': str, 'query': str, 'class': str,
          'duration_ms': float, 'elapsed_ms': float, 'rows': int, 'failed': bool, 'running': bool, 'system': str}
OR_NULL = ('summary', 'prepared_as', 'error_code', 'error_message', 'database', 'user', 'peer', 'call_site')


def run(*args):
    out = subprocess.run([APM, 'report', *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert out.returncode == 0, out.stderr
    return out.stdout


def events(capture, *args):
    return [json.loads(line) for line in run(capture, '--events', 'jsonl', *args).splitlines()]


def report(capture, *args):
    return json.loads(run(capture, '--json', *args))


def statements(doc):
    return doc['summary']['statements'] + doc['summary']['control_statements']


def seconds(ts):
    whole, fraction = ts[:-1].split('.')
    return datetime.datetime.fromisoformat(whole + '+00:00').timestamp() + int(fraction) / 1e9


def whole(live, capture):
    doc, lines = report(capture), events(capture)
    live.ok(len(lines) == statements(doc) > 20, 'each statement is a line', (len(lines), doc['summary']))
    live.ok(len({e['id'] for e in lines}) == len(lines), 'and none is there twice')
    wrong = [(e, k) for e in lines for k, kind in FIELDS.items() if not isinstance(e.get(k), kind)]
    wrong += [(e, k) for e in lines for k in OR_NULL if not isinstance(e[k], (str, type(None)))]
    live.ok(not wrong, 'every field has its type', wrong[:3])
    per_query = {}
    for e in lines:
        per_query[e['fingerprint']] = per_query.get(e['fingerprint'], 0) + 1
    live.ok(per_query == {q['fingerprint']: q['calls'] for q in doc['queries']}, 'they add up to the queries of the report')
    total = sum(e['duration_ms'] for e in lines)
    live.ok(abs(total - doc['summary']['db_time_ms']) < 1e-3, 'and to its database time', (total, doc['summary']['db_time_ms']))
    live.ok(all(e['elapsed_ms'] >= 0 and e['system'] == 'sqlite' for e in lines), 'system and times make sense')
    return doc, lines


def filters(live, capture, lines):
    failed = [e for e in lines if e['failed']]
    live.ok(failed and events(capture, '--errors') == failed, '--errors gives those that failed', len(failed))
    live.ok(all(e['error_code'] for e in failed), 'with their codes', [e for e in failed if not e['error_code']][:2])
    one = lines[0]['fingerprint']
    live.ok(events(capture, '--fingerprint', one[:8]) == [e for e in lines if e['fingerprint'] == one], '--fingerprint gives one query')
    limit = sorted(e['duration_ms'] for e in lines)[len(lines) // 2]
    long = events(capture, '--min-ms', '%.6f' % limit)
    live.ok(long == [e for e in lines if e['duration_ms'] >= limit] and long, '--min-ms gives the long ones', len(long))
    live.ok(events(capture, '--system', 'sqlite') == lines and not events(capture, '--system', 'mysql'), '--system')
    name = next(e['database'] for e in lines if e['database'])
    live.ok(events(capture, '--database', name) == [e for e in lines if e['database'] == name], '--database')
    live.ok(not events(capture, '--db-user', 'nobody-of-that-name'), '--db-user')


def windows(live, capture, doc, lines):
    start = seconds(doc['window']['start'])
    middle = sorted(seconds(e['ts']) for e in lines)[len(lines) // 2]
    offset = '%.6f' % (middle - start)
    before, after = report(capture, '--until', offset), report(capture, '--since', offset)
    live.ok(0 < statements(before) < statements(doc) and statements(before) + statements(after) == statements(doc),
            '--until and --since part the statements', (statements(before), statements(after), statements(doc)))
    ids = [e['id'] for e in events(capture, '--until', offset)] + [e['id'] for e in events(capture, '--since', offset)]
    live.ok(sorted(ids) == sorted(e['id'] for e in lines), 'and the events')
    live.ok(abs(seconds(after['window']['start']) - start - float(offset)) < 1e-3, 'the window begins with --since', after['window'])
    live.ok(before['window']['duration_s'] <= float(offset) + 1e-3, 'and ends with --until', before['window'])
    stamp = datetime.datetime.fromtimestamp(middle, datetime.timezone.utc).isoformat().replace('+00:00', 'Z')
    near = statements(report(capture, '--since', stamp))
    live.ok(abs(near - statements(after)) <= 2, 'a date does what seconds do', (near, statements(after)))
    live.ok(statements(report(capture, '--since', '1000000')) == 0, 'nothing is after the end')


def check_lines(live, out, doc, what):
    lines = [json.loads(line) for line in out.splitlines()]
    live.ok(len(lines) > 2 and sum(line['statements'] for line in lines) == statements(doc), what + ': the intervals add up to the report',
            (len(lines), statements(doc)))
    live.ok(sum(line['errors'] for line in lines) == doc['summary']['errors'], what + ': errors too')
    live.ok(all(line['seconds'] == lines[0]['seconds'] for line in lines[:-1]) and lines[-1]['seconds'] <= lines[0]['seconds'],
            what + ': they are equally long but the last', [line['seconds'] for line in lines])
    live.ok(all((line['top'] is None) == (line['statements'] == 0) == (line['p95_ms'] is None) for line in lines),
            what + ': what is not known is null')
    return lines


def intervals(live, capture):
    doc = report(capture)
    length = '%.1f' % max(doc['window']['duration_s'] / 5, 0.1)
    lines = check_lines(live, run(capture, '--interval', length, '--json'), doc, 'replay')
    live.ok(lines[0]['start'] == doc['window']['start'], 'the first begins with the window')
    text = run(capture, '--interval', length)
    live.ok(len(text.splitlines()) == len(lines), 'as text there are as many lines', text)
    live.ok('SUMMARY' not in text, 'and no report')
    path = live.path('json')
    out = subprocess.run([APM, '--interval', '0.5', '--json', '--report', path, '-q', '--', client('lite_client'), 'steady'],
                         stdout=subprocess.PIPE, text=True, timeout=60, env={**os.environ, 'SECONDS_LONG': '2'}).stdout
    with open(path, encoding='utf-8') as file:
        check_lines(live, out, json.load(file), 'live')


def main():
    with Live() as live:
        with live.section('events'):
            capture = live.path('apm')
            live.run([client('lite_client'), 'errors'], args=['-o', capture])
            doc, lines = whole(live, capture)
            filters(live, capture, lines)
            windows(live, capture, doc, lines)
        with live.section('intervals'):
            capture = live.path('apm')
            live.run([client('lite_client'), 'steady'], args=['-o', capture])
            intervals(live, capture)
        with live.section('cursors'):
            capture = live.path('apm')
            live.run([client('lite_client'), 'partial'], args=['-o', capture])
            whole(live, capture)


main()
