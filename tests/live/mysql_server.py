# SPDX-License-Identifier: BSD-2-Clause
"""A private MariaDB on a Unix socket; its general log says what it was asked to do."""
import os
import re
import shutil
import subprocess

from harness import wait_until

SCHEMA = """CREATE DATABASE shop; USE shop;
CREATE TABLE author (id int PRIMARY KEY, name text);
CREATE TABLE book (id int PRIMARY KEY, author_id int, title text, price numeric(10,2));
CREATE TABLE log (id int PRIMARY KEY, note text);
INSERT INTO author SELECT seq, concat('author ', seq) FROM seq_0_to_39;
INSERT INTO book SELECT seq, seq % 20, concat('title ', seq), seq FROM seq_0_to_99;
CREATE PROCEDURE add_log(n int) INSERT INTO log VALUES (n, 'called');
DELIMITER //
CREATE PROCEDURE two_results() BEGIN SELECT * FROM author; SELECT 1 FROM author WHERE id < 3; END//
"""


def why_missing():
    for program in ('mariadbd', 'mariadb-install-db', 'mariadb'):
        if not shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin'):
            return '%s is not installed' % program
    return None


class MySQLServer:
    def __init__(self, live):
        self.dir = os.path.join(live.dir, 'my')
        self.socket, self.log = os.path.join(self.dir, 's'), os.path.join(self.dir, 'log')
        os.mkdir(self.dir)
        shutil.chown(self.dir, 'mysql', 'mysql')
        data = os.path.join(self.dir, 'data')
        subprocess.run(['mariadb-install-db', '--no-defaults', '--user=mysql', '--datadir=' + data, '--skip-test-db',
                        '--auth-root-authentication-method=normal'], check=True, timeout=120, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, cwd='/')
        self.process = subprocess.Popen(
            ['setpriv', '--reuid=mysql', '--regid=mysql', '--init-groups', '--pdeathsig=TERM',
             shutil.which('mariadbd', path=os.environ.get('PATH', '') + ':/usr/sbin'), '--no-defaults', '--datadir=' + data, '--socket=' + self.socket,
             '--skip-networking', '--pid-file=' + os.path.join(self.dir, 'pid'), '--general-log=1', '--general-log-file=' + self.log,
             '--innodb-buffer-pool-size=32M', '--innodb-flush-log-at-trx-commit=0', '--max-prepared-stmt-count=10000'],
            cwd='/', stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        live.servers.append(self.process)
        self.env = {'MYSQL_SOCKET': self.socket, 'MYSQL_DATABASE': 'shop'}
        wait_until('MariaDB', lambda: subprocess.run(self.client('-e', 'SELECT 1'), stdout=subprocess.DEVNULL,
                                                     stderr=subprocess.DEVNULL, timeout=20).returncode == 0)
        subprocess.run(self.client(), input=SCHEMA, text=True, check=True, timeout=60)
        live.lib_env.update(self.env)

    def client(self, *args):
        return ['mariadb', '--no-defaults', '--socket=' + self.socket, '--user=root', *args]

    def mark(self):
        """A position in the log: executed() tells what came after it."""
        return os.path.getsize(self.log)

    def executed(self, mark):
        """Texts that were executed since: in text, or prepared, with their values put in."""
        with open(self.log, encoding='utf-8', errors='replace') as file:
            file.seek(mark)
            lines = file.read().splitlines()
        found = (re.match(r'(?:\d{6}\s+[\d:]+)?\s+\d+ (Query|Execute)\t(.*)', line) for line in lines)
        return [m.group(2) for m in found if m]
