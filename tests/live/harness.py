# SPDX-License-Identifier: BSD-2-Clause
"""What live tests share: a private PostgreSQL, private copies of client libraries, programs that wait until a tracer is
attached, the tracer itself, and the comparison of a report with what the traced program counted itself.

A test file makes one Live() in a with statement; everything it started is ended by pid when that block is left. Nothing
here asserts a time; every wait has a limit.
"""
import atexit
import collections
import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
APM = os.path.join(TOP, 'build', 'apm-bpf')
CLIENTS = os.path.join(TOP, 'build', 'tests', 'live', 'clients')
SCRIPTS = os.path.join(TOP, 'tests', 'live', 'scripts')
READY = 'apm-bpf: tracing '  # the tracer's line on stderr once it is attached
LOSSY = ('ring_full', 'map_full', 'nest_overflow', 'recursion_misses', 'late_attach', 'decode_skipped')
CONTROL = ('BEGIN', 'START', 'COMMIT', 'ROLLBACK', 'SAVEPOINT', 'RELEASE', 'SET', 'DEALLOCATE', 'DISCARD', 'END', 'RESET')


def is_control(sql):
    return sql.lstrip().split(None, 1)[0].rstrip(';').upper() in CONTROL


def client(name):
    return os.path.join(CLIENTS, name)


def find_library(soname):
    """The file that the loader would take for soname, or None."""
    out = subprocess.run(['/sbin/ldconfig', '-p'], stdout=subprocess.PIPE, text=True, timeout=20).stdout
    for line in out.splitlines():
        words = line.split()
        if words and words[0] == soname and '=>' in words:
            return os.path.realpath(words[-1])
    return None


def missing(interpreter, probe):
    """Why a program of this interpreter that needs what `probe` loads cannot run; None when it can."""
    path = shutil.which(interpreter)
    if not path:
        return '%s is not installed' % interpreter
    flag = {'python3': '-c', 'ruby': '-e', 'perl': '-e', 'php': '-r'}[os.path.basename(interpreter)]
    run = subprocess.run([path, flag, probe], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    return 'the driver is not installed' if run.returncode else None


def compiled(argv, limit=240, **more):
    """Runs a compiler: (status, what it said). A machine with much else to do may not be done in time: None in place of the status."""
    run = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, **more)
    try:
        said = run.communicate(timeout=limit)[0]
        return run.returncode, said
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        return None, 'not compiled within %d s' % limit


def postgres_bin():
    found = sorted(glob.glob('/usr/lib/postgresql/*/bin/initdb'), key=lambda p: int(p.split('/')[4]))
    return os.path.dirname(found[-1]) if found else None


def wait_until(what, condition, limit=20.0):
    """Polls condition() and returns its first true value; TimeoutError after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError('waited %g s for %s' % (limit, what))
        time.sleep(0.01)


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def ok(self, good, name, why=''):
        self.count += 1
        self.failed += not good
        print('%s %d - %s' % ('ok' if good else 'not ok', self.count, name))
        if not good and why:
            for line in str(why).splitlines()[:40]:
                print('# ' + line)
        sys.stdout.flush()
        return good

    def skip(self, name, why):
        self.count += 1
        print('ok %d - %s # SKIP %s' % (self.count, name, why), flush=True)

    def note(self, text):
        print('# ' + str(text), flush=True)


class Truth:
    """What programs executed: (system, one text of the template) -> calls, errors, rows, control."""

    def __init__(self):
        self.rows = collections.OrderedDict()

    def add(self, system, sql, calls=1, errors=0, rows=0, control=None):
        row = self.rows.setdefault((system, sql), [0, 0, 0, is_control(sql) if control is None else control])
        row[0] += calls
        row[1] += errors
        row[2] += rows

    def read(self, path):
        """Adds the lines that programs wrote."""
        if os.path.exists(path):
            with open(path, encoding='utf-8') as file:
                for line in file:
                    doc = json.loads(line)
                    for q in doc['queries']:
                        self.add(doc['system'], q['sql'], q['calls'], q['errors'], q['rows'], q['control'])
        return self

    def total(self, control, field=0):
        return sum(row[field] for row in self.rows.values() if row[3] == control)

    def by_fingerprint(self):
        """{fingerprint: [calls, errors, rows, control, sql]}, by asking `apm-bpf fingerprint`."""
        prints = fingerprints(list(self.rows))
        merged = {}
        for (key, row), fingerprint in zip(self.rows.items(), prints):
            into = merged.setdefault(fingerprint, [0, 0, 0, row[3], key[1]])
            for i in range(3):
                into[i] += row[i]
        return merged


def fingerprints(pairs):
    """Fingerprints of (dialect, text) pairs."""
    lines = ''.join(json.dumps({'id': str(i), 'dialect': system, 'query': sql}) + '\n' for i, (system, sql) in enumerate(pairs))
    run = subprocess.run([APM, 'fingerprint', '--jsonl'], input=lines, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return [json.loads(line)['fingerprint'] for line in run.stdout.splitlines()]


def differences(report, truth, allowed=()):
    """Lines saying where the report's counts are not the truth; empty when they are the same. No loss is, but those allowed."""
    found, wrong = {}, []
    for q in report['queries']:
        row = found.setdefault(q['fingerprint'], [0, 0, 0, q['class'] == 'control', q['query']])
        for i, field in enumerate(('calls', 'errors', 'rows')):
            row[i] += q[field]
    expected = truth.by_fingerprint()
    for fingerprint in list(expected) + [f for f in found if f not in expected]:
        have, want = found.get(fingerprint), expected.get(fingerprint)
        if not have or not want or have[:4] != want[:4]:
            wrong.append('%s reported %s, executed %s: %s' % (fingerprint, have and have[:4], want and want[:4],
                                                             (have or want)[4][:150]))
    summary = report['summary']
    for name, want in (('statements', truth.total(False)), ('control_statements', truth.total(True)),
                       ('errors', truth.total(False, 1) + truth.total(True, 1))):
        if summary[name] != want:
            wrong.append('summary %s: reported %s, executed %s' % (name, summary[name], want))
    lost = {name: report['losses'].get(name) for name in LOSSY if report['losses'].get(name) and name not in allowed}
    if lost:
        wrong.append('losses: %s' % lost)
    if wrong:
        wrong.append('(calls, errors, rows, control)')
    return wrong


class Program:
    """A traced program. With barrier it says "ready" and waits for go()."""

    def __init__(self, live, argv, env, barrier=True, user=None):
        self.live, self.barrier = live, barrier
        self.truth_path = live.path('truth')
        open(self.truth_path, 'w').close()
        os.chmod(self.truth_path, 0o666)
        self.env = dict(os.environ, GROUND_TRUTH=self.truth_path, **env)
        if barrier:
            self.env['BARRIER'] = '1'
        self.out_path, self.err_path = live.path('out'), live.path('err')
        with open(self.out_path, 'wb') as out, open(self.err_path, 'wb') as err:
            self.process = subprocess.Popen(argv, env=self.env, stdin=subprocess.PIPE, stdout=out, stderr=err, cwd=live.dir, user=user)
        self.pid = self.process.pid
        live.started.append(self.process)

    def output(self):
        with open(self.out_path, encoding='utf-8', errors='replace') as file:
            return file.read()

    def errors(self):
        with open(self.err_path, encoding='utf-8', errors='replace') as file:
            return file.read()

    def wait_output(self, word, limit=30):
        def seen():
            if word in self.output():
                return True
            if self.process.poll() is not None:
                raise RuntimeError('program ended (%s) before "%s": %s' % (self.process.returncode, word, self.errors()))
            return False
        wait_until('"%s" of the program' % word, seen, limit)
        return self

    def ready(self):
        return self.wait_output('ready')

    def go(self):
        self.process.stdin.write(b'go\n')
        self.process.stdin.flush()
        return self

    def wait(self, limit=60):
        """Its exit status."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        return self.process.wait(limit)

    def truth(self):
        return Truth().read(self.truth_path)


class Tracer:
    """apm-bpf, running."""
    always = ()  # options that it gets in any case

    def __init__(self, live, args, env=None, wrap=(), stdout=None):
        self.live = live
        self.out_path, self.err_path = live.path('apm.out'), live.path('apm.err')
        with open(self.out_path, 'wb') as out, open(self.err_path, 'wb') as err:
            self.process = subprocess.Popen([*wrap, APM, *(args[:1] if args[:1] == ('record',) else ()), *self.always,
                                             *map(str, args[1:] if args[:1] == ('record',) else args)], env=dict(os.environ, **(env or {})), cwd=live.dir,
                                            stdin=subprocess.DEVNULL, stdout=stdout or out, stderr=err)
        self.pid = self.process.pid
        live.started.append(self.process)

    def errors(self):
        with open(self.err_path, encoding='utf-8', errors='replace') as file:
            return file.read()

    def output(self):
        with open(self.out_path, encoding='utf-8', errors='replace') as file:
            return file.read()

    def ready(self, limit=30):
        def seen():
            if READY in self.errors():
                return True
            if self.process.poll() is not None:
                raise RuntimeError('apm-bpf ended with %s: %s' % (self.process.returncode, self.errors()))
            return False
        wait_until('apm-bpf to be attached', seen, limit)
        return self

    def stop(self, how=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self

    def wait(self, limit=60):
        return self.process.wait(limit)

    def report(self, limit=60):
        """Waits for its end and reads the JSON report."""
        status = self.wait(limit)
        text = self.output()
        if status != 0 or not text.strip():
            raise RuntimeError('apm-bpf: status %s, %d bytes of report: %s' % (status, len(text), self.errors()[-2000:]))
        return json.loads(text)


class Server:
    """A private PostgreSQL on a Unix socket; its log says what it was asked to do."""

    def __init__(self, live):
        self.live, self.bin = live, postgres_bin()
        self.dir = os.path.join(live.dir, 'pg')
        os.mkdir(self.dir)
        shutil.chown(self.dir, 'postgres', 'postgres')
        os.chmod(live.dir, 0o755)
        as_user = ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups', '--pdeathsig=INT']
        data = os.path.join(self.dir, 'data')
        subprocess.run([*as_user, self.bin + '/initdb', '-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync', '-E', 'UTF8',
                        '--locale=C'], check=True, timeout=120, stdout=subprocess.DEVNULL, cwd='/')
        with open(os.path.join(data, 'postgresql.conf'), 'a', encoding='utf-8') as conf:
            conf.write("listen_addresses = ''\nunix_socket_directories = '%s'\nfsync = off\nautovacuum = off\n"
                       "max_connections = 100\njit = off\nlogging_collector = on\nlog_destination = 'jsonlog'\nlog_directory = 'log'\n"
                       "log_filename = 'log'\nlog_statement = 'all'\nlog_disconnections = on\nlog_connections = on\n"
                       % self.dir)
        self.process = subprocess.Popen([*as_user, self.bin + '/postgres', '-D', data], cwd='/', stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        live.servers.append(self.process)
        self.log_path = os.path.join(data, 'log', 'log.json')
        self.env = {'PGHOST': self.dir, 'PGUSER': 'postgres', 'PGDATABASE': 'postgres', 'PGSSLMODE': 'disable',
                    'PGCLIENTENCODING': 'UTF8'}
        wait_until('PostgreSQL', lambda: subprocess.run([self.bin + '/pg_isready', '-q', '-h', self.dir], timeout=20).returncode == 0)
        self.sql("CREATE TABLE author (id int PRIMARY KEY, name text);"
                 "CREATE TABLE book (id int PRIMARY KEY, author_id int, title text, price numeric);"
                 "CREATE TABLE log (id int PRIMARY KEY, note text);"
                 "INSERT INTO author SELECT i, 'author ' || i FROM generate_series(0, 39) i;"
                 "INSERT INTO book SELECT i, i % 20, 'title ' || i, i FROM generate_series(0, 99) i;")

    def sql(self, text):
        run = subprocess.run([self.bin + '/psql', '-qAtX', '-v', 'ON_ERROR_STOP=1', '-c', text], env=dict(os.environ, **self.env),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        if run.returncode:
            raise RuntimeError(run.stderr)
        return run.stdout

    def executed(self, app):
        """Texts that the sessions with this application name asked for, in the log's order, once all have ended."""
        def entries():
            texts, opened, closed = [], set(), set()
            with open(self.log_path, encoding='utf-8', errors='replace') as file:
                for line in file:
                    try:
                        doc = json.loads(line)
                    except ValueError:
                        return None  # a line half written
                    message = doc.get('message', '')
                    if message.startswith('connection authorized') and 'application_name=%s' % app in message.split():
                        opened.add(doc['session_id'])
                    if doc.get('session_id') not in opened:
                        continue
                    if message.startswith('disconnection'):
                        closed.add(doc['session_id'])
                    elif message.startswith('statement: '):
                        texts.append(message[11:])
                    elif message.startswith('execute '):
                        texts.append(message.split(': ', 1)[1])
            return (texts,) if opened and opened == closed else None
        return wait_until('the log of PostgreSQL', entries)[0]


class Live(Tap):
    """One test file's surroundings. libraries: those whose private copies programs get by LD_LIBRARY_PATH."""

    def __init__(self, libraries=('libpq.so.5', 'libsqlite3.so.0'), postgres=False, limit=580):
        super().__init__()
        self.dir, self.started, self.servers, self.serial, self.pg = None, [], [], 0, None
        self.libraries, self.want_postgres, self.limit = libraries, postgres, limit
        self.library = {}

    def __enter__(self):
        why = None
        if os.geteuid() != 0:
            why = 'needs root'
        elif not os.access(APM, os.X_OK):
            why = 'build/apm-bpf is not built'
        elif self.want_postgres and not postgres_bin():
            why = 'PostgreSQL is not installed'
        if why:
            print('1..0 # SKIP ' + why)
            sys.exit(0)
        for sig in (signal.SIGTERM, signal.SIGALRM, signal.SIGHUP):
            signal.signal(sig, self.interrupted)
        signal.alarm(self.limit)
        atexit.register(self.clean)
        self.dir = tempfile.mkdtemp(prefix='apm-live-', dir='/tmp')
        os.chmod(self.dir, 0o755)
        lib = os.path.join(self.dir, 'lib')
        os.mkdir(lib)
        for soname in self.libraries:
            real = find_library(soname)
            if real:
                self.library[soname] = shutil.copy(real, os.path.join(lib, soname))
        self.lib_env = {'LD_LIBRARY_PATH': lib}
        if self.want_postgres:
            self.pg = Server(self)
        return self

    def interrupted(self, sig, frame):
        print('not ok %d - ended by signal %d (limit %d s)' % (self.count + 1, sig, self.limit), flush=True)
        self.clean()
        os._exit(1)

    def __exit__(self, kind, value, trace):
        if kind and kind is not SystemExit:
            import traceback
            self.ok(False, 'test file runs to its end', ''.join(traceback.format_exception(kind, value, trace)))
        self.clean()
        print('1..%d' % self.count, flush=True)
        sys.exit(1 if self.failed else 0)

    def clean(self):
        for processes, gentle in ((self.started, signal.SIGKILL), (self.servers, signal.SIGINT)):
            for process in reversed(processes):
                if process.poll() is None:
                    process.send_signal(gentle)
                    try:
                        process.wait(10)
                    except subprocess.TimeoutExpired:
                        process.kill()
                        process.wait(10)
            processes.clear()
        if self.dir:
            shutil.rmtree(self.dir, ignore_errors=True)
            self.dir = None

    def path(self, name):
        self.serial += 1
        return os.path.join(self.dir, '%03d.%s' % (self.serial, name))

    def environment(self, **more):
        env = dict(self.lib_env)
        if self.pg:
            env.update(self.pg.env)
        env.update({k: str(v) for k, v in more.items()})
        return env

    def program(self, argv, barrier=True, user=None, **env):
        return Program(self, argv, self.environment(**env), barrier, user)

    def tracer(self, *args, **kwargs):
        return Tracer(self, args, **kwargs)

    def private_namespace(self):
        """A command prefix in whose mount namespace the private copies stand in the place of the real libraries."""
        mounts = ' && '.join('mount --bind "%s" "%s"' % (copy, find_library(soname)) for soname, copy in self.library.items())
        return ['unshare', '-m', '--propagation', 'private', 'sh', '-c', mounts + ' && exec "$@"', 'sh']

    def run(self, argv, args=(), limit=90, **env):
        """Traces a program from its barrier to its end: (report, program)."""
        program = self.program(argv, **env).ready()
        tracer = self.tracer('--json', '--top', 1000, *args, '-p', program.pid).ready()
        program.go()
        status = program.wait(limit)
        try:
            report = tracer.report(20)
        except subprocess.TimeoutExpired:
            report = tracer.stop().report(20)
            self.ok(False, 'apm-bpf ends when its target has ended: %s' % ' '.join(argv))
        if status != 0:
            raise RuntimeError('program ended with %s: %s' % (status, program.errors()))
        return report, program

    def exact(self, name, report, truth, allowed=()):
        """One result: the report's counts equal the truth."""
        wrong = differences(report, truth, allowed)
        return self.ok(not wrong, '%s: %d statements, %d control, %d errors, %d rows exact' % (
            name, truth.total(False), truth.total(True), truth.total(False, 1), truth.total(False, 2)), '\n'.join(wrong))

    @contextlib.contextmanager
    def section(self, name):
        """A failure inside is one failed result; the file goes on."""
        mark = len(self.started)
        try:
            yield
        except Exception as problem:  # pylint: disable=broad-except
            self.ok(False, name, '%s: %s' % (type(problem).__name__, problem))
        finally:
            for process in self.started[mark:]:
                if process.poll() is None:
                    process.kill()
                    process.wait(10)
            del self.started[mark:]
