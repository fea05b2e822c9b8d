# SPDX-License-Identifier: BSD-2-Clause
"""The table kernel x capability: in full for docs/kernels.md, from what the guests said, and in short for README.md, from that."""
import re

WAYS = 'ways of calling that are exact'
# In short: rows that stand there as they are, and what others say where all is well.
SHORT = ('user probes', 'per-thread state', 'which probe was hit')
GOOD = {'record and replay': 'the same report', 'CPU samples, with the running statement': 'yes', 'functions named with --span': 'exact',
        'programs that switch stacks': 'exact'}
HEAD = '| Linux | ' + ' | '.join(SHORT) + ' | ' + WAYS + ' | replay, samples, spans, switched stacks | left behind |'


def facts_of(tap):
    return dict(re.findall(r'^# fact (.*?): (.*)$', tap, re.M))


def full(names, taps):
    """`taps`: what the guest of each name printed."""
    facts = [facts_of(tap) for tap in taps]
    lines = ['| | ' + ' | '.join(names) + ' |', '|---' * (len(names) + 1) + '|']
    for row in dict.fromkeys(row for one in facts for row in one):
        lines.append('| %s | %s |' % (row, ' | '.join(one.get(row, '-') for one in facts)))
    lines.append('| tests | %s |' % ' | '.join('%d of %d' % (len(re.findall(r'^ok', tap, re.M)), len(re.findall(r'^(?:not )?ok', tap, re.M)))
                                               for tap in taps))
    return '\n'.join(lines) + '\n'


def columns(page):
    """{row: value} of each kernel in a page with the full table."""
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in page.splitlines() if line.startswith('|')]
    return [{line[0]: line[i] for line in lines} for i in range(1, len(lines[0]))]


def short(page):
    """The table in short."""
    lines = [HEAD, '|---' * (HEAD.count('|') - 1) + '|']
    for facts in columns(page):
        ways = [value.split(' of ') for row, value in facts.items() if row.endswith(WAYS) and value != '-']
        said = [facts[row] == value for row, value in GOOD.items() if row in facts]
        rest = 'no' if not all(said) else 'yes' if len(said) == len(GOOD) else '-'
        lines.append('| %s | %s | %s of %s | %s | %s |' % (
            facts[''] if facts[''][0].isdigit() else re.match(r'[\d.]+', facts['release']).group(), ' | '.join(facts[row] for row in SHORT), sum(int(have) for have, _ in ways),
            sum(int(all_) for _, all_ in ways), rest, facts['left behind at the end, or when killed']))
    return '\n'.join(lines) + '\n'


def replace_short(readme, page):
    """The text of a README with the table of this page in the place of its own."""
    return re.sub(re.escape(HEAD) + r'\n(?:\|.*\n)*', lambda _: short(page), readme)
