#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Validates JSON reports against docs/report.schema.json.

Without arguments: the documents of the fixtures (printed by test_report_json) and the schema itself; every field must be
described, and mistakes must be found. With arguments: the given report files ("-" = standard input).
"""
import copy
import json
import os
import subprocess
import sys

import jsonschema

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRINTER = os.environ.get('REPORT_PRINTER', os.path.join(TOP, 'build', 'tests', 'unit', 'test_report_json'))


def load_schema():
    with open(os.path.join(TOP, 'docs', 'report.schema.json'), encoding='utf-8') as file:
        return json.load(file)


def strict(schema):
    """The schema, with a field that it does not describe counting as a mistake."""
    schema = copy.deepcopy(schema)

    def walk(node):
        if isinstance(node, dict):
            if 'properties' in node:
                node['additionalProperties'] = False
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(schema)
    return schema


def undescribed(node, path=''):
    """Properties without a description."""
    for name, value in node.get('properties', {}).items():
        described = 'description' in value or '$ref' in value
        yield from [] if described else [path + '/' + name]
        yield from undescribed(value, path + '/' + name)
    if 'items' in node:
        yield from undescribed(node['items'], path + '[]')


def mistakes(schema, document):
    validator = jsonschema.Draft202012Validator(schema)
    return ['%s: %s' % ('/'.join(map(str, e.absolute_path)), e.message) for e in validator.iter_errors(document)]


def fixture(name):
    return json.loads(subprocess.run([PRINTER, '--print', name], check=True, stdout=subprocess.PIPE).stdout)


def spoilt(document):
    """The document with one mistake each; the schema has to find all of them."""
    def change(path, value):
        bad = copy.deepcopy(document)
        node = bad
        for key in path[:-1]:
            node = node[key]
        if value is KeyError:
            del node[path[-1]]
        else:
            node[path[-1]] = value
        return '/'.join(map(str, path)), bad

    yield change(['schema'], 'apm-bpf/report/2')
    yield change(['queries', 0, 'fingerprint'], '5F3A')
    yield change(['queries', 0, 'calls'], -1)
    yield change(['queries', 0, 'calls'], '12')
    yield change(['queries', 0, 'total_ms'], None)
    yield change(['window', 'start'], '2026-11-21 21:17:00')
    yield change(['findings', 0, 'severity'], 'awful')
    yield change(['n_plus_one', 0, 'confidence'], None)
    yield change(['losses', 'ring_full'], KeyError)
    yield change(['summary', 'p95_ms'], KeyError)
    yield change(['coverage'], [])


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def check(self, name, wrong):
        self.count += 1
        self.failed += bool(wrong)
        print('%s %d - %s' % ('not ok' if wrong else 'ok', self.count, name))
        for line in wrong or []:
            print('# ' + line)


def main(files):
    tap, schema = Tap(), load_schema()
    for name in files:
        with (sys.stdin if name == '-' else open(name, encoding='utf-8')) as file:
            tap.check(name, mistakes(strict(schema), json.load(file)))
    if not files:
        jsonschema.Draft202012Validator.check_schema(schema)
        tap.check('every field is described', list(undescribed(schema)))
        if not os.access(PRINTER, os.X_OK):
            print('ok %d - documents # SKIP %s is not built' % (tap.count + 1, PRINTER))
            return 0
        for name in ('full', 'empty', 'hostile'):
            tap.check('document of the %s report' % name, mistakes(strict(schema), fixture(name)))
        document = fixture('full')
        # A reader of this version accepts what a later one adds.
        tap.check('fields may be added', mistakes(schema, dict(document, later={})))
        for path, bad in spoilt(document):
            tap.check('a mistake in %s is found' % path, None if mistakes(schema, bad) else ['it is not'])
    print('1..%d' % tap.count)
    return 1 if tap.failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
