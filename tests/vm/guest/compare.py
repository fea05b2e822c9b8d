# SPDX-License-Identifier: BSD-2-Clause
"""Compares reports."""
import json


def different(one, other, path=''):
    """Paths at which two reports differ, the tool's own cost left out. `other` may be JSON text."""
    if isinstance(other, bytes):
        other = json.loads(other)
    if path == '/overhead':
        return []
    if isinstance(one, dict) and isinstance(other, dict):
        return [d for key in sorted(set(one) | set(other)) for d in different(one.get(key), other.get(key), path + '/' + key)]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [d for i, (a, b) in enumerate(zip(one, other)) for d in different(a, b, '%s/%d' % (path, i))]
    return [] if one == other else ['%s: live %s, replay %s' % (path, str(one)[:120], str(other)[:120])]
