#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""apm-bpf top on a terminal of its own: what it shows, keys, sizes, how it is left, what it refuses; the report after it is exact."""
import fcntl
import glob
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

from harness import APM, SCRIPTS, Live, client

try:
    import pyte
except ImportError:
    print('1..0 # SKIP python3-pyte is not installed')
    sys.exit(0)

LOOP = ['/usr/bin/python3', os.path.join(SCRIPTS, 'use_loop.py')]
# What a curses of some terminal sends to leave the keypad's and the screen's modes
LEAVES = {'xterm': '\x1b[?1049l', 'linux': None, 'screen': None, 'tmux-256color': '\x1b[?1049l'}


class Top:
    """apm-bpf top with a pseudo terminal of its own, and what that shows."""

    def __init__(self, live, *args, term='xterm', rows=24, columns=80, env=None):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw, self.status = b'', None
        self.pid, self.tty = pty.fork()
        if not self.pid:
            os.execve(APM, [APM, 'top', *map(str, args)], dict(os.environ, TERM=term, LC_ALL='C', **(env or {})))
        fcntl.ioctl(self.tty, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
        self.modes = termios.tcgetattr(self.tty)
        live.tops.append(self)

    def pump(self, seconds):
        """Takes what comes within that time, if anything does: 1."""
        if select.select([self.tty], [], [], seconds)[0]:
            try:
                data = os.read(self.tty, 65536)
            except OSError:  # all have closed it
                time.sleep(seconds)
                return 0
            self.raw += data
            self.stream.feed(data)
            return 1
        return 0

    def text(self):
        return '\n'.join(line.rstrip() for line in self.screen.display)

    def wait(self, words, limit=20):
        """Waits for a screen on which the pattern is found."""
        end = time.monotonic() + limit
        while self.pump(0.1) or not re.search(words, self.text()):
            if self.ended() or time.monotonic() > end:
                raise TimeoutError('no "%s" (%s) on\n%s' % (words, self.status, self.text()))
        return self

    def press(self, keys):
        os.write(self.tty, keys.encode())
        return self

    def resize(self, rows, columns):
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.tty, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
        return self

    def ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def leave(self, limit=30):
        """Waits for its end. Returns what was written after the screen was given back."""
        end = time.monotonic() + limit
        while not self.ended():
            self.pump(0.1)
            if time.monotonic() > end:
                raise TimeoutError('does not end:\n' + self.text())
        for _ in range(5):
            self.pump(0.05)
        return self.raw.decode('utf-8', 'replace')

    def kill(self):
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.tty)


def shown(live):
    """All that it shows of a program with an N+1 and a failure, and that the report is exact after it."""
    stop, path = live.path('stop'), live.path('json')
    program = live.program(LOOP, STOP=stop).ready()
    # pyte does not know xterm's way to repeat a character
    top = Top(live, '-p', program.pid, '--json', '--report', path, term='linux').wait('no statement yet')
    program.go()
    top.wait(r'SELECT name').wait(r'first: N\+1')
    top.wait(r'last \d+ s +\d+/s  failed [1-9].* p99 [\d.]+ \ws.*\nwhole run +\d+/s  failed [1-9]')
    live.ok(re.search(r'\n +calls +fail +p50 +p95 +p99 +\*time +calls +p95  query\n', top.text()), 'top shows the table', top.text())
    top.press('/').press('nowhere').wait('filter: nowhere_  1 of 4').press('\r').wait('1 of 4 queries; Esc')
    live.ok('SELECT name' not in top.text(), 'the filter leaves one query', top.text())
    top.press('\x1b').wait('SELECT name')
    top.press('c').wait(r'\*calls').press('\x1b[B').press('\r').wait(r'query [0-9a-f]{16}  sqlite')
    live.ok('SELECT name FROM item WHERE id = ?' in top.text() and re.search(r'called by  .*python', top.text()),
            'the page of a query has its text and its caller', top.text())
    top.press('q').wait('Enter open').press('f').wait('evidence').press('?').wait('Space +pause').press('\x1b').wait('Enter open')
    top.press(' ').wait('PAUSED at')
    before = top.text()
    time.sleep(1.3)
    top.pump(0.2)
    live.ok(top.text() == before, 'figures stand still when paused', top.text())
    top.press(' ').wait(r'^apm-bpf top .*[\d.]+ s')
    for rows, columns, words in ((50, 160, r'p50 +p95 +p99 +time  query'), (8, 30, r'^apm-bpf top'), (24, 80, r'calls +p95  query')):
        top.resize(rows, columns).wait(words)
    live.ok('Enter open' in top.screen.display[23], 'the screen follows the size of the terminal', top.text())
    with open(stop, 'w', encoding='ascii'):
        pass
    program.wait()
    raw = top.leave()
    live.ok(top.status == 0 and termios.tcgetattr(top.tty) == top.modes,
            'it ends with its program and gives the terminal back', (top.status, raw[-300:]))
    live.ok('\x1b]' not in raw and '\x07' not in raw, 'no escape of the program got through')
    with open(path, encoding='utf-8') as file:
        live.exact('report after top', json.load(file), program.truth())


def left(live):
    """q, Ctrl-C and SIGTERM on several terminals."""
    stop = live.path('stop')
    program = live.program(LOOP, barrier=False, STOP=stop)
    for term, how in (('xterm', 'q'), ('linux', '\x03'), ('screen', signal.SIGTERM), ('tmux-256color', signal.SIGHUP)):
        top = Top(live, '-p', program.pid, term=term).wait('SELECT name')
        if isinstance(how, str):
            top.press(how)
        else:
            os.kill(top.pid, how)
        raw = top.leave()
        after = raw[raw.rfind('Enter open'):]
        live.ok(top.status == 0 and 'TOP QUERIES' in after and 'SELECT name FROM item WHERE id = ?' in after,
                'TERM=%s: the report comes after %s' % (term, getattr(how, 'name', repr(how))), (top.status, raw[-500:]))
        live.ok(termios.tcgetattr(top.tty) == top.modes and (LEAVES[term] or '') in raw, 'and the terminal is as it was')
    with open(stop, 'w', encoding='ascii'):
        pass
    live.ok(program.wait() == 0, 'the program noticed nothing')


def refused(live):
    for term in ('dumb', 'no-such-terminal', ''):
        top = Top(live, '--all', term=term)
        raw = top.leave()
        live.ok(top.status == 1 and 'can be drawn on' in raw and '--interval' in raw, 'TERM=%s is refused with what to use' % term, raw)
    tracer = live.tracer('top', '--all', wrap=['setsid', '--wait'])
    live.ok(tracer.process.wait(20) == 1 and 'needs a terminal' in tracer.errors(), 'without a terminal it is refused', tracer.errors())
    top = Top(live, '-p', 4194300)
    raw = top.leave()
    live.ok(top.status == 1 and 'no process 4194300' in raw, 'a mistake is told after the screen is gone', raw)


def command(live):
    """COMMAND's output is kept off the screen and shown on request and at the end."""
    stop, truth = live.path('stop'), live.path('truth')
    env = dict(live.environment(), STOP=stop, GROUND_TRUTH=truth)
    top = Top(live, '--', *LOOP, env=env).wait('SELECT name')
    # The last line of it has a place of its own, below the findings.
    others = [line for number, line in enumerate(top.screen.display) if number != 4]
    live.ok(not any('hello' in line for line in others) and b'\x1b[1mhello' not in top.raw, 'output of the program does not garble the screen',
            top.text())
    top.press('o').wait('hello. from the program|hello.*from the program')
    top.press('q').wait('Enter open').press('q')
    raw = top.leave()
    after = raw[raw.rfind('Enter open'):]
    kept = re.search(r'goes on and writes to (/tmp/apm-bpf-top\.\w+)', after)
    live.ok('from the program' in after and kept and os.path.exists(kept.group(1)), 'it is handed over, with the file it goes on to', after[:500])
    with open(stop, 'w', encoding='ascii'):
        pass
    live.ok(top.status == 0, 'q leaves the program running', top.status)
    if kept:
        os.unlink(kept.group(1))
    before = set(glob.glob('/tmp/apm-bpf-top.*'))
    top = Top(live, '--', client('lite_client'), 'exec', env=dict(live.environment(), GROUND_TRUTH=truth))
    raw = top.leave()
    live.ok('TOP QUERIES' in raw and set(glob.glob('/tmp/apm-bpf-top.*')) <= before, 'a program that ends leaves no file', raw[-300:])


def main():
    with Live(libraries=('libsqlite3.so.0',)) as live:
        live.tops = []
        for part in (shown, left, refused, command):
            with live.section(part.__name__):
                part(live)
            for top in live.tops:
                top.kill()
            live.tops.clear()


main()
