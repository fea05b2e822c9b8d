# SPDX-License-Identifier: BSD-2-Clause
"""Ground truth of a traced Python program; see clients/truth.h."""
import json
import os
import sys


class Truth:
    def __init__(self, system):
        self.system, self.rows = system, {}

    def add(self, sql, calls=1, errors=0, rows=0, control=False):
        row = self.rows.setdefault(sql, [0, 0, 0, control])
        row[0] += calls
        row[1] += errors
        row[2] += rows

    def control(self, sql, calls=1):
        self.add(sql, calls=calls, control=True)

    def barrier(self):
        if os.environ.get('BARRIER'):
            print('ready', flush=True)
            sys.stdin.readline()

    def write(self):
        with open(os.environ['GROUND_TRUTH'], 'a', encoding='utf-8') as file:
            file.write(json.dumps({'system': self.system, 'queries': [
                {'sql': sql, 'calls': c, 'errors': e, 'rows': r, 'control': k} for sql, (c, e, r, k) in self.rows.items()]}) + '\n')
