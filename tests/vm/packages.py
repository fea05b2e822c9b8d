# SPDX-License-Identifier: BSD-2-Clause
"""Kernels and QEMU out of Debian's archive, into a cache of our own: the host's packages stay as they are.

apt-get runs with a private state per suite, at the mirror that the host itself uses, and trusts the Debian archive keyring.
Packages are unpacked with dpkg-deb -x. With OFFLINE=1 only what is in the cache is used. `deadline` (time.monotonic()) bounds all
downloads together.
"""
import collections
import contextlib
import fcntl
import glob
import os
import re
import shutil
import subprocess
import time

CACHE = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'apm-bpf', 'vm')
KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
OFFLINE = os.environ.get('OFFLINE', '') not in ('', '0')
FRESH_S = 24 * 3600  # package lists are fetched again after this time

# The oldest that is supported, the long-term ones of Debian's releases, and the newest there is: (name, suite).
KERNELS = collections.OrderedDict([('5.10', 'bullseye'), ('6.1', 'bookworm'), ('6.12', 'trixie'), ('unstable', 'sid')])
META = 'linux-image-cloud-amd64'  # names of packages with an ABI number vanish from the archive, this one stays
QEMU_SUITES = ('bookworm', 'bookworm-backports')  # bookworm's own 7.2 crashes guests of 6.12
QEMU = 'qemu-system-x86'


deadline = None


class Unavailable(Exception):
    """Not in the cache and not to be had: why."""


def patience(most):
    """Seconds that a step may take."""
    left = most if deadline is None else min(most, deadline - time.monotonic())
    if left <= 0:
        raise Unavailable('the time for downloads is up')
    return left


@contextlib.contextmanager
def cache_locked():
    """One process or thread at a time changes the cache: trees of several users may share it."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, 'lock'), 'w') as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(min(0.5, patience(1)))
        yield


def mirror():
    """The Debian archive that this host's apt is configured for."""
    out = subprocess.run(['apt-get', 'indextargets', '--format', '$(LABEL)|$(REPO_URI)'], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True, timeout=60).stdout
    for line in out.splitlines():
        label, uri = line.split('|', 1)
        if label == 'Debian':
            return uri
    raise Unavailable('apt of this host knows no Debian mirror')


class Apt:
    """apt-get with sources and state of its own."""

    def __init__(self, name, suites):
        self.dir = os.path.join(CACHE, 'apt', name)
        self.suites = suites
        self.config = os.path.join(self.dir, 'apt.conf')
        self.env = dict(os.environ, APT_CONFIG=self.config, LC_ALL='C')

    def write_config(self):
        if not shutil.which('apt-get'):
            raise Unavailable('no apt-get here')
        if not os.path.exists(KEYRING):
            raise Unavailable('the Debian archive keyring is not installed (package debian-archive-keyring)')
        for folder in ('lists/partial', 'cache/archives/partial'):
            os.makedirs(os.path.join(self.dir, folder), exist_ok=True)
        base = mirror()
        with open(os.path.join(self.dir, 'sources.list'), 'w') as file:
            for suite in self.suites:
                file.write('deb [signed-by=%s arch=amd64] %s %s main\n' % (KEYRING, base, suite))
        with open(self.config, 'w') as file:
            for key, value in (('Dir::State', ''), ('Dir::State::Lists', 'lists'), ('Dir::Cache', 'cache'), ('Dir::Log', ''),
                               ('Dir::Etc::sourcelist', 'sources.list')):
                file.write('%s "%s";\n' % (key, os.path.join(self.dir, value)))
            file.write('Dir::State::status "/dev/null";\nDir::Etc::sourceparts "/dev/null";\nDir::Etc::preferences "/dev/null";\n'
                       'Dir::Etc::preferencesparts "/dev/null";\nAPT::Architecture "amd64";\nAPT::Architectures { "amd64"; };\n'
                       'APT::Sandbox::User "root";\nAcquire::Languages "none";\nAcquire::Retries "3";\n')

    def run(self, *args):
        run = subprocess.run(args, env=self.env, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, timeout=patience(600))
        if run.returncode:
            raise Unavailable('%s: %s' % (' '.join(args[:3]), ' / '.join(run.stdout.strip().splitlines()[-2:])))
        return run.stdout

    def update(self):
        stamp = os.path.join(self.dir, 'updated')
        if os.path.exists(stamp) and time.time() - os.stat(stamp).st_mtime < FRESH_S:
            return
        self.write_config()
        self.run('apt-get', 'update', '-q', '--error-on=any')
        with open(stamp, 'w'):
            pass

    def show(self, package, field):
        """A field of the newest version of a package; '' when it is not there."""
        out = self.run('apt-cache', 'show', '--no-all-versions', package)
        found = re.search(r'^%s: (.*)$' % field, out, re.M)
        return found.group(1) if found else ''

    def unpack(self, package, into):
        """Downloads one package without what it depends on."""
        folder = os.path.join(self.dir, 'download')
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        run = subprocess.run(['apt-get', 'download', '-q', package], env=self.env, cwd=folder, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=patience(600))
        debs = glob.glob(os.path.join(folder, '*.deb'))
        if run.returncode or not debs:
            raise Unavailable('cannot download %s: %s' % (package, run.stdout.strip()[-200:]))
        subprocess.run(['dpkg-deb', '-x', debs[0], into], check=True, timeout=300)
        shutil.rmtree(folder)


def replace_folder(new, old):
    shutil.rmtree(old, ignore_errors=True)
    os.rename(new, old)


# ---- kernels ----

Kernel = collections.namedtuple('Kernel', 'name dir vmlinuz version')


def cached_kernel(name):
    folder = os.path.join(CACHE, 'kernel', name)
    try:
        with open(os.path.join(folder, 'version')) as file:
            return Kernel(name, folder, os.path.join(folder, 'vmlinuz'), file.read().strip())
    except OSError:
        return None


def find_vmlinuz(tree):
    for pattern in ('boot/vmlinuz-*', 'usr/lib/modules/*/vmlinuz', 'lib/modules/*/vmlinuz'):
        found = sorted(glob.glob(os.path.join(tree, pattern)))
        if found:
            return found[-1]
    return None


def fetch_kernel(name, apt, version):
    """Follows the meta package to the one that holds the kernel: 7.x has another package in between."""
    folder = os.path.join(CACHE, 'kernel', name + '.new')
    tree = os.path.join(folder, 'tree')
    wanted, seen, vmlinuz = [META], set(), None
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(tree)
    while wanted and not vmlinuz and len(seen) < 8:
        package = wanted.pop(0)
        if package in seen:
            continue
        seen.add(package)
        apt.unpack(package, tree)
        vmlinuz = find_vmlinuz(tree)
        depends = re.findall(r'(?:^|, )(linux-(?:image|binary|modules)-[^ ,|]+)', apt.show(package, 'Depends'))
        wanted += sorted(depends)
    if not vmlinuz:
        raise Unavailable('no kernel in %s' % ', '.join(sorted(seen)))
    shutil.move(vmlinuz, os.path.join(folder, 'vmlinuz'))
    shutil.rmtree(tree)
    with open(os.path.join(folder, 'version'), 'w') as file:
        file.write(version + '\n')
    replace_folder(folder, os.path.join(CACHE, 'kernel', name))


def kernel(name):
    """The kernel of that name (a key of KERNELS), downloaded when there is a newer one. Unavailable."""
    have = cached_kernel(name)
    if OFFLINE:
        if not have:
            raise Unavailable('kernel %s is not in the cache, and OFFLINE is set' % name)
        return have
    try:
        with cache_locked():
            apt = Apt(KERNELS[name], [KERNELS[name]])
            apt.update()
            version = apt.show(META, 'Version')
            have = cached_kernel(name)
            if not have or have.version != version:
                fetch_kernel(name, apt, version)
    except (Unavailable, subprocess.SubprocessError, OSError) as problem:
        if not have:
            raise Unavailable('kernel %s: %s' % (name, problem)) from problem
    return cached_kernel(name)


# ---- QEMU ----

def qemu():
    """Where QEMU and all that it needs are unpacked. Unavailable."""
    have = cached_qemu()
    if have:
        return have
    if OFFLINE:
        raise Unavailable('QEMU is not in the cache, and OFFLINE is set')
    try:
        with cache_locked():
            return cached_qemu() or fetch_qemu()
    except (subprocess.SubprocessError, OSError) as problem:
        raise Unavailable('QEMU: %s' % problem) from problem


def fetch_qemu():
    folder, apt = os.path.join(CACHE, 'qemu'), Apt('qemu', QEMU_SUITES)
    apt.update()
    apt.run('apt-get', 'install', '-q', '-y', '--download-only', '--no-install-recommends', '-t', QEMU_SUITES[-1], QEMU)
    new = folder + '.new'
    shutil.rmtree(new, ignore_errors=True)
    for deb in sorted(glob.glob(os.path.join(apt.dir, 'cache/archives/*.deb'))):
        subprocess.run(['dpkg-deb', '-x', deb, new], check=True, timeout=300)
    replace_folder(new, folder)
    shutil.rmtree(os.path.join(apt.dir, 'cache'))
    os.makedirs(os.path.join(apt.dir, 'cache/archives/partial'))
    return folder


def cached_qemu():
    folder = os.path.join(CACHE, 'qemu')
    return folder if os.path.exists(os.path.join(folder, 'usr/bin/qemu-system-x86_64')) else None
