#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A real container, made by an OCI runtime: pid, mount, network and user namespaces of its own, a cgroup, its own copies of all files.
Traced from the host, by number, by cgroup, and from before it starts; the list of candidates names it."""
import glob
import json
import os
import re
import shutil
import subprocess

from harness import APM, Live, Truth, client, wait_until

RUNTIMES = ('crun', 'runc')
FIRST_ID = 200000  # of the host, for root of the user namespace


class Container:
    """lite_client MODE in a container; its file system is what ldd names."""

    def __init__(self, live, runtime, mode, serial, user_namespace):
        self.live, self.runtime = live, runtime
        self.id = '%032x%032x' % (os.getpid(), serial + 1)  # as container engines name them
        self.bundle = live.path('bundle')
        root = os.path.join(self.bundle, 'rootfs')
        for folder in ('proc', 'dev', 'tmp', 'usr/lib', 'lib64'):
            os.makedirs(os.path.join(root, folder))
        os.chmod(os.path.join(root, 'tmp'), 0o1777)
        shutil.copy(client('lite_client'), os.path.join(root, 'shop'))
        for line in subprocess.run(['ldd', client('lite_client')], stdout=subprocess.PIPE, text=True, check=True, timeout=20).stdout.splitlines():
            path = re.search(r'(/\S+)', line)
            if path:  # the loader has a place of its own
                there = path.group(1) if '=>' not in line else '/usr/lib/' + os.path.basename(path.group(1))
                shutil.copy(path.group(1), root + there)
        self.truth_path = os.path.join(root, 'tmp', 'truth')
        open(self.truth_path, 'w').close()
        os.chmod(self.truth_path, 0o666)
        namespaces = [{'type': kind} for kind in ('pid', 'mount', 'network', 'ipc', 'uts', 'cgroup')]
        ids = [{'containerID': 0, 'hostID': FIRST_ID, 'size': 65536}]
        spec = {'ociVersion': '1.0.2', 'root': {'path': 'rootfs'}, 'hostname': 'shop',
                'process': {'cwd': '/', 'args': ['/shop', mode], 'user': {'uid': 1000, 'gid': 1000}, 'noNewPrivileges': True, 'capabilities': {},
                            'env': ['LD_LIBRARY_PATH=/usr/lib', 'BARRIER=1', 'GROUND_TRUTH=/tmp/truth', 'RATE=1000', 'SECONDS_LONG=3']},
                'mounts': [{'destination': '/proc', 'type': 'proc', 'source': 'proc'},
                           {'destination': '/dev', 'type': 'tmpfs', 'source': 'tmpfs', 'options': ['nosuid', 'mode=755']}],
                'linux': {'namespaces': namespaces, 'cgroupsPath': '/apm-test-%d/%s' % (os.getpid(), self.id)}}
        if user_namespace:
            namespaces.append({'type': 'user'})
            spec['linux'].update(uidMappings=ids, gidMappings=ids)
        with open(os.path.join(self.bundle, 'config.json'), 'w', encoding='ascii') as file:
            json.dump(spec, file)
        self.command = [runtime, '--root', os.path.join(live.dir, 'state'), 'run', '--bundle', self.bundle, self.id]
        self.program = self.pid = None

    def start(self):
        self.program = self.live.program(self.command).ready()
        state = subprocess.run([self.runtime, '--root', os.path.join(self.live.dir, 'state'), 'state', self.id], stdout=subprocess.PIPE, check=True, timeout=20)
        self.pid = json.loads(state.stdout)['pid']
        return self

    def finish(self):
        """Lets it work to its end: its exit status."""
        return self.program.go().wait()

    def truth(self):
        return Truth().read(self.truth_path)

    def delete(self):
        subprocess.run([self.runtime, '--root', os.path.join(self.live.dir, 'state'), 'delete', '--force', self.id], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=30)


def forget_cgroups():
    """The runtime removes those of the containers, not what it made above them."""
    for path in glob.glob('/sys/fs/cgroup/apm-test-%d' % os.getpid()) + glob.glob('/sys/fs/cgroup/*/apm-test-%d' % os.getpid()):
        if not os.path.islink(os.path.dirname(path)):
            os.rmdir(path)


def cgroup_of(pid):
    """Its directory in cgroup v2, or None when it has none of its own."""
    with open('/proc/%d/cgroup' % pid, encoding='ascii') as file:
        path = [line[3:].strip() for line in file if line.startswith('0::')]
    return path[0].lstrip('/') if path and path[0] != '/' else None


def named(process, container):
    """Whether the coverage's line of a process has what it is inside."""
    return 'pid 1 in its namespace' in str(process) and container.id[:12] in str(process)


def traced(live, runtime, user_namespace):
    what = '%s%s' % (runtime, ', with a user namespace' if user_namespace else '')
    one, two = (Container(live, runtime, mode, i + 2 * user_namespace, user_namespace) for i, mode in enumerate(('steps', 'steady')))
    try:
        with live.section(what):
            one.start()
            inside = os.stat('/proc/%d/ns/pid' % one.pid).st_ino, os.stat('/proc/%d/ns/mnt' % one.pid).st_ino, os.stat('/proc/%d/ns/net' % one.pid).st_ino
            own = os.stat('/proc/self/ns/pid').st_ino, os.stat('/proc/self/ns/mnt').st_ino, os.stat('/proc/self/ns/net').st_ino
            live.ok(not set(inside) & set(own), '%s: it has namespaces of its own' % what, (inside, own))
            listed = subprocess.run([APM], stdout=subprocess.PIPE, text=True, timeout=60).stdout
            live.ok(re.search(r'^ *%d .*\[container %s, pid 1 there\]\n +libraries +sqlite3 ' % (one.pid, one.id[:12]), listed, re.M),
                    '%s: a candidate, with the container and the number there' % what, listed)
            tracer = live.tracer('--json', '--top', 1000, '-p', one.pid).ready()
            status = one.finish()
            report = tracer.report(30)
            live.exact('%s, -p' % what, report, one.truth())
            live.ok(status == 0 and any(named(p, one) for p in report['coverage']['processes']), '%s: unharmed, and the report names it' % what,
                    (status, report['coverage']))
        with live.section(what + ', --cgroup'):
            two.start()
            group = cgroup_of(two.pid)
            if not group:
                live.skip(what + ', --cgroup', 'the runtime made no cgroup v2')
                return
            path = live.path('apm')
            tracer = live.tracer('record', '-o', path, '--freq', 999, '--cgroup', os.path.dirname(group)).ready()
            two.finish()
            wait_until('the record', lambda: tracer.stop().process.poll() is not None)
            run = subprocess.run([APM, 'report', '--json', '--top', '1000', path], stdout=subprocess.PIPE, text=True, timeout=60, check=True)
            report = json.loads(run.stdout)
            live.exact('%s, --cgroup' % what, report, two.truth())
            sites = {q.get('call_site') or '' for q in report['queries']}
            live.ok(any('mode_steady' in s for s in sites), '%s: call sites have names from the container\'s files' % what, sites)
    finally:
        one.delete()
        two.delete()


def from_before(live, runtime):
    """A name brings it into scope when it begins."""
    box = Container(live, runtime, 'ddl', 8, 0)
    try:
        with live.section(runtime + ', before it runs'):
            tracer = live.tracer('--json', '-v', '--top', 1000, '--comm', 'shop').ready()
            box.start()
            wait_until('the probes', lambda: '/usr/lib/libsqlite3.so.0' in tracer.errors())
            box.finish()
            live.exact('%s, --comm from before it runs' % runtime, tracer.stop().report(30), box.truth(), ('late_attach',))
    finally:
        box.delete()


def main():
    with Live() as live:
        found = [name for name in RUNTIMES if shutil.which(name)]
        if not found:
            live.skip('containers', 'neither crun nor runc is installed')
        for runtime in found:
            probe = Container(live, runtime, 'steps', 9, 0)
            try:
                probe.start()
            except (RuntimeError, TimeoutError) as problem:
                live.skip(runtime, 'it makes no container here: ' + ' '.join(str(problem).split())[-200:])
                continue
            finally:
                probe.delete()
            traced(live, runtime, 0)
            if subprocess.run(['unshare', '--user', 'true'], stderr=subprocess.DEVNULL).returncode:
                live.skip('%s, with a user namespace' % runtime, 'no user namespace can be made here (a changed root?)')
            else:
                traced(live, runtime, 1)
            from_before(live, runtime)
        with live.section('cgroups'):
            forget_cgroups()


main()
