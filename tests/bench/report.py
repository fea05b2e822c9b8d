#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the page about the price from the raw figures that measure.py wrote. Nothing is measured here, and every figure and every
verdict on the page is computed from RAW; the same RAW gives the same page.

  tests/bench/report.py RAW.json [PAGE.md]      default: REPORT.md beside it
"""
import json
import os
import statistics
import sys

NAMES = {'postgresql': 'PostgreSQL', 'mysql': 'MariaDB', 'redis': 'Redis', 'sqlite3': 'SQLite'}
FULL, FLOOR, OTHER = 'apm-bpf', 'floor', 'bpftrace'
BUSY = 2000  # operations a second, of the targets


def rows(table):
    return [dict(zip(table['columns'], row)) for row in table['rows']]


def rate_name(rate):
    return 'full speed' if rate == 0 else '%s/s' % format(rate, ',').replace(',', ' ')


class Spread:
    """Of the values of all pairs: the median, and the quartiles around it."""

    def __init__(self, values):
        self.values = sorted(v for v in values if v is not None)
        self.median = statistics.median(self.values) if self.values else None
        self.low, _, self.high = statistics.quantiles(self.values, n=4, method='inclusive') if len(self.values) > 1 else (self.median,) * 3

    def text(self, form):
        if self.median is None:
            return '–'
        return '%s (%s … %s)' % tuple(form % v for v in (self.median, self.low, self.high))


def ratio(a, b):
    return a / b if b else None


def each(pair, side, what):
    return ratio(pair['%s_%s' % (side, what)], pair[side + '_ops'])


class Raw:
    def __init__(self, doc):
        self.doc, self.pairs, self.sessions = doc, rows(doc['pairs']), rows(doc['sessions'])
        self.one_core, self.absent = rows(doc['one_core']), rows(doc['absent'])
        self.systems = [s for s in doc['systems'] if any(p['system'] == s for p in self.pairs)]
        self.rates = list(dict.fromkeys(p['rate'] for p in self.pairs))

    def tools(self, system):
        return [t for t in self.doc['tools'] if any(p['system'] == system and p['tool'] == t for p in self.pairs)]

    def of(self, system, tool, rate):
        return [p for p in self.pairs if (p['system'], p['tool'], p['rate']) == (system, tool, rate)]

    def added(self, system, tool, rate):
        """CPU that an operation of the program costs more, ns."""
        return Spread([each(p, 'with', 'cpu_ns') - each(p, 'none', 'cpu_ns') for p in self.of(system, tool, rate)
                       if p['with_ops'] and p['none_ops']])

    def added_in_all(self, system, tool, rate):
        """What an operation costs more together with what the tool itself uses for it, ns."""
        return Spread([(p['with_cpu_ns'] + p['tool_cpu_ns']) / p['with_ops'] - each(p, 'none', 'cpu_ns') for p in self.of(system, tool, rate)
                       if p['with_ops'] and p['none_ops']])

    def agent(self, system, tool, rate):
        """Share of a core that the tool itself uses."""
        return Spread([ratio(p['tool_cpu_ns'], p['with_wall_ns']) for p in self.of(system, tool, rate)])

    def drift(self, system, rate):
        """What changes between windows with nothing attached: ratios of consecutive ones, (throughput, CPU added)."""
        order = [p for p in self.pairs if (p['system'], p['rate']) == (system, rate)]
        both = [(a, b) for a, b in zip(order, order[1:]) if a['pair'] == b['pair']]
        return (Spread([ratio(b['none_ops'] / b['none_wall_ns'], a['none_ops'] / a['none_wall_ns']) for a, b in both]),
                Spread([each(b, 'none', 'cpu_ns') - each(a, 'none', 'cpu_ns') for a, b in both]),
                Spread([ratio(b['none_p99_ns'], a['none_p99_ns']) for a, b in both]))


def table(head, body):
    lines = ['| %s |' % ' | '.join(head), '|%s|' % '|'.join(' --- ' if i == 0 else ' ---: ' for i in range(len(head)))]
    return lines + ['| %s |' % ' | '.join(row) for row in body] + ['']


# ---- targets ----

def verdict(value, limit):
    return 'met' if value < limit else 'MISSED'


def verdict_at_most(value, limit):
    """Of a ratio as it is printed."""
    return 'met' if round(value, 2) <= limit else 'MISSED'


def against_floor(raw, limit):
    """Rows: added CPU of apm-bpf over that of the floor, at full speed, where the floor can be told from nothing."""
    for system in raw.systems:
        tool_added, floor = raw.added(system, FULL, 0), raw.added(system, FLOOR, 0)
        name = 'CPU added to the program at most %.2f x floor: %s, full speed' % (limit, FULL)
        if tool_added.median is None or floor.median is None:
            continue
        if floor.low <= 0:
            yield name, NAMES[system], 'the floor is lost in noise: %s ns' % floor.text('%+.0f'), 'not measurable'
            continue
        value = tool_added.median / floor.median
        yield name, NAMES[system], '%.2f (%.2f … %.2f)' % (value, tool_added.low / floor.median, tool_added.high / floor.median), \
            verdict_at_most(value, limit)


def against_other(raw):
    for what, added in (('to the program', raw.added), ('to the program and by the tool', raw.added_in_all)):
        for system in raw.systems:
            mine, other = added(system, FULL, BUSY), added(system, OTHER, BUSY)
            name = 'CPU added %s under a third of that of %s with text and latency: %s, %s' % (what, OTHER, FULL, rate_name(BUSY))
            if mine.median is None or other.median is None:
                continue
            value = mine.median / other.median if other.low > 0 else None
            yield name, NAMES[system], '%s ns against %s ns%s' % (mine.text('%+.0f'), other.text('%+.0f'), ': %.2f' % value if value is not None else ''), \
                verdict(value, 1 / 3) if value is not None else 'not measurable'


def nothing_lost(raw):
    for row in raw.one_core:
        yield 'no loss with the producer on one core at full speed: %s on %s' % (row['tool'], row['tool_on']), NAMES[row['system']], \
            '%s of %s seen, %d lost, %s/s' % (format(row['seen'], ','), format(row['executed'], ','), row['lost'],
                                              format(round(row['executed'] / row['wall_ns'] * 1e9), ',')), \
            'met' if row['seen'] == row['executed'] and row['lost'] == 0 else 'MISSED'


def agent_small(raw):
    for system in raw.systems:
        share = raw.agent(system, FULL, BUSY)
        if share.median is not None:
            yield 'the tool itself below 2 %% of a core: %s, %s' % (FULL, rate_name(BUSY)), NAMES[system], \
                '%.2f %% (%.2f … %.2f)' % (100 * share.median, 100 * share.low, 100 * share.high), verdict(share.median, 0.02)


def targets(raw):
    found = [*against_floor(raw, 1.34), *against_other(raw), *nothing_lost(raw), *agent_small(raw)]
    met = sum(row[3] == 'met' for row in found)
    lines = ['## Targets', '', '%d of %d met.' % (met, len(found)), '']
    return lines + table(('target', 'system', 'measured', 'verdict'), found)


# ---- the figures ----

def recall(pairs):
    done, seen = sum(p['with_ops'] for p in pairs), [p['seen'] for p in pairs]
    if None in seen:
        return '–'
    share = ratio(sum(seen), done)
    # Rounded down: what is not all is never printed as all.
    return '–' if share is None else '100 %' if sum(seen) == done else '%.2f %%' % min(int(share * 1e4) / 100, 99.99) if share < 1 else '%.2f %%' % (100 * share)


def lost(raw, system, tool):
    values = [s['lost'] for s in raw.sessions if (s['system'], s['tool']) == (system, tool)]
    return '–' if None in values else format(sum(values), ',')


def figures(raw, system):
    doc = raw.doc['systems'][system]
    lines = ['## ' + NAMES[system], '', 'Floor: probes on %s, %d call%s for each operation.' % (doc['floor'], doc['calls'], 's' if doc['calls'] > 1 else ''), '']
    for rate in raw.rates:
        every = [p for p in raw.pairs if (p['system'], p['rate']) == (system, rate)]
        base = Spread([each(p, 'none', 'cpu_ns') for p in every])
        speed = Spread([ratio(p['none_ops'] * 1e9, p['none_wall_ns']) for p in every])
        p99 = Spread([p['none_p99_ns'] / 1000 for p in every])
        floor = raw.added(system, FLOOR, rate)
        lines += ['### %s, %s' % (NAMES[system], rate_name(rate)), '',
                  'With nothing attached: %s operations/s, %s ns of CPU each, p99 %s µs.' % (speed.text('%.0f'), base.text('%.0f'), p99.text('%.1f')), '']
        body = []
        throughput, added, tail = raw.drift(system, rate)
        body.append(('nothing', throughput.text('%.3f'), tail.text('%.2f'), added.text('%+.0f'), '', '', '', '', '', ''))
        for tool in raw.tools(system):
            pairs, added = raw.of(system, tool, rate), raw.added(system, tool, rate)
            server = Spread([each(p, 'with', 'server_cpu_ns') - each(p, 'none', 'server_cpu_ns') for p in pairs if p['none_ops'] and p['with_ops']])
            body.append((tool,
                         Spread([ratio(p['with_ops'] / p['with_wall_ns'], p['none_ops'] / p['none_wall_ns']) for p in pairs]).text('%.3f'),
                         Spread([ratio(p['with_p99_ns'], p['none_p99_ns']) for p in pairs]).text('%.2f'),
                         added.text('%+.0f'),
                         '%.2f' % (added.median / floor.median) if floor.median and floor.low > 0 else '–',
                         '–' if system == 'sqlite3' else server.text('%+.0f'),
                         Spread([100 * ratio(p['tool_cpu_ns'], p['with_wall_ns']) for p in pairs]).text('%.2f'),
                         '%.1f / %.1f' % tuple(statistics.median(p[n] for p in pairs) / 1024 for n in ('tool_anon_kb', 'tool_rss_kb')),
                         lost(raw, system, tool), recall(pairs)))
        lines += table(('tool', 'throughput, ratio', 'p99, ratio', 'CPU added to an operation, ns', 'of the floor', 'server CPU added, ns',
                        'tool CPU, % of a core', 'tool RSS anonymous / all, MB', 'lost, all rates', 'recall'), body)
    return lines


def bystander(raw):
    lines = ['## A bystander', '', 'A second process with the same library file, which no tool was told to trace, at full speed: CPU of an operation, ns.', '']
    body = []
    for system in raw.systems:
        for tool in raw.tools(system):
            found = [s for s in raw.sessions if (s['system'], s['tool']) == (system, tool)]
            body.append((NAMES[system], tool, Spread([s['bystander_none_ns'] for s in found]).text('%.0f'),
                         Spread([s['bystander_with_ns'] - s['bystander_none_ns'] for s in found]).text('%+.0f')))
    return lines + table(('system', 'tool', 'nothing attached', 'added'), body)


def start(raw):
    body = [(tool, Spread([s['start_cpu_ns'] / 1e6 for s in raw.sessions if s['tool'] == tool]).text('%.0f'))
            for tool in raw.doc['tools'] if any(s['tool'] == tool for s in raw.sessions)]
    return ['## To start', '', 'CPU of the tool itself until it was attached and had seen its first operations, ms, all systems.', ''] + table(('tool', 'CPU, ms'), body)


def not_run(raw):
    if not raw.absent:
        return []
    body = [(row['tool'] or 'all', NAMES[row['system']], row['why'].replace('|', '\\|')) for row in raw.absent]
    return ['## Not measured', ''] + table(('tool', 'system', 'why'), body)


def method(raw):
    doc, seconds = raw.doc, raw.doc['seconds']
    machine = doc['machine']
    lines = ['# What tracing costs', '',
             'Made by `make bench-report`: `tests/bench/measure.py` measures and writes `report.json`, `tests/bench/report.py` makes this page of it. '
             'No figure and no verdict here is typed by hand.', '']
    if doc['short']:
        lines += ['**A short run, which shows that the harness works and not what tracing costs.**', '']
    lines += ['%s, %d cores, %d MB, %s; kernel %s (%s); %s. %s, %d s. Load before the run: %.2f.' % (
        machine['cpu'], machine['cores'], machine['memory_mb'], 'a virtual machine' if machine['virtual'] else 'not a virtual machine',
        machine['kernel'], machine['kernel_build'], machine['distribution'], doc['started'], doc['took_s'], doc['load_before']), '',
        ', '.join('%s %s' % item for item in doc['versions'].items()) + '.', '', '## Method', '']
    lines += ['- A pair is the same program, running on, first with nothing and then with the tool attached, at %s. %d pairs for each tool and system, '
              'taken in turn. Windows: %s.' % (', '.join(rate_name(r) for r in raw.rates), doc['pair_count'],
                                               ', '.join('%s s at %s' % (seconds[str(r)], rate_name(r)) for r in raw.rates)),
              '- Figures are medians over the pairs, with the quartiles in brackets. "nothing" compares consecutive windows with nothing attached: '
              'what is within its spread is noise.',
              '- An operation looks up one row by its key; the program measures each one, and its own CPU time (user and system). Program and server are on '
              'one core, the tool wherever the kernel puts it.',
              '- Recall is what the tool reports of the operations of that rate, over those that the program counted. Lost is what the tool says itself.',
              '- The floor stands on the cheapest instruction of its function at which the arguments are in place, as apm-bpf does; bpftrace is told the pid by a filter. '
              'The libraries are private copies, so that no other process is in the figures.',
              '']
    lines += ['- **%s**: %s' % item for item in doc['tools'].items()] + ['']
    return lines


def page(doc):
    """The page, as text."""
    raw = Raw(doc)
    lines = method(raw) + targets(raw)
    for system in raw.systems:
        lines += figures(raw, system)
    lines += bystander(raw) + start(raw) + not_run(raw)
    return '\n'.join(lines).rstrip() + '\n'


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    with open(sys.argv[1], encoding='utf-8') as file:
        doc = json.load(file)
    target = sys.argv[2] if len(sys.argv) == 3 else os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])), 'REPORT.md')
    with open(target, 'w', encoding='utf-8') as file:
        file.write(page(doc))


if __name__ == '__main__':
    main()
