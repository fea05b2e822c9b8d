# SPDX-License-Identifier: BSD-2-Clause
"""A private Redis on a Unix socket."""
import os
import subprocess

from harness import wait_until


class RedisServer:
    def __init__(self, live):
        self.dir = os.path.join(live.dir, 'redis')
        self.socket = os.path.join(self.dir, 's')
        os.mkdir(self.dir)
        self.process = subprocess.Popen(['setpriv', '--pdeathsig=TERM', 'redis-server', '--port', '0', '--unixsocket', self.socket,
                                         '--save', '', '--dir', self.dir, '--daemonize', 'no'],
                                        cwd='/', stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        live.servers.append(self.process)
        live.lib_env['REDIS_SOCKET'] = self.socket
        wait_until('Redis', lambda: 'PONG' in self.cli('PING'))

    def cli(self, *args):
        return subprocess.run(['redis-cli', '-s', self.socket, *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              timeout=20).stdout

    def commands(self):
        """How many commands the server has run, by name; not those that ask."""
        found = {}
        for line in self.cli('INFO', 'commandstats').splitlines():
            if line.startswith('cmdstat_'):
                name, what = line[8:].strip().split(':')
                found[name.upper()] = sum(int(w.split('=')[1]) for w in what.split(',') if w.startswith(('calls=', 'rejected_calls=')))
        return found
