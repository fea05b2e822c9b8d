# SPDX-License-Identifier: BSD-2-Clause
"""Root images for guests: a tree with the programs named and the libraries they need, made into an ext4 file. Needs no root."""
import glob
import os
import re
import shutil
import stat
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
MERGED = ('bin', 'sbin', 'lib', 'lib64')  # links into usr/


# Disks are found in no fixed order: the root is named by its partition's id.
DISK_ID, START_SECTOR = 0x41504d31, 2048
ROOT = 'PARTUUID=%08x-01' % DISK_ID


def partition_table(sectors):
    """A master boot record with one Linux partition."""
    entry = struct.pack('<B3sB3sII', 0, b'\xfe\xff\xff', 0x83, b'\xfe\xff\xff', START_SECTOR, sectors)
    return bytes(440) + struct.pack('<IH', DISK_ID, 0) + entry + bytes(48) + b'\x55\xaa'


class Tree:
    """A root file system under construction."""

    def __init__(self, folder):
        self.dir = folder
        shutil.rmtree(folder, ignore_errors=True)
        for name in ('proc', 'sys', 'dev', 'tmp', 'run', 'etc', 'var/lib', 'root', *('usr/' + name for name in MERGED)):
            os.makedirs(os.path.join(folder, name))
        for name in MERGED:
            os.symlink('usr/' + name, os.path.join(folder, name))
        self.write('etc/passwd', 'root:x:0:0::/root:/bin/sh\npostgres:x:100:100::/tmp:/bin/sh\nmysql:x:101:101::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n')
        self.write('etc/group', 'root:x:0:\npostgres:x:100:\nmysql:x:101:\nnogroup:x:65534:\n')

    def path(self, name):
        return os.path.join(self.dir, name.lstrip('/'))

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), 'w') as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def boot(self):
        """What init and the end of a guest need."""
        self.program('sh', 'mount', 'mkdir', 'tar', 'sync', 'ip')
        self.put(os.path.join(HERE, 'init'), '/init')
        subprocess.run([os.environ.get('CC', 'cc'), '-static', '-O1', '-o', self.path('exit'), os.path.join(HERE, 'exit.c')], check=True,
                       timeout=60)

    def put(self, source, name=None):
        """Copies one file; without a name, to where it is on the host."""
        target = self.path(name or self.unmerged(source))
        if not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(source, target)
        return target

    @staticmethod
    def unmerged(path):
        """/lib/x -> /usr/lib/x: the same on hosts that have merged both and on those that have not."""
        return '/usr' + path if path.split('/')[1] in MERGED else path

    def libraries(self, path):
        out = subprocess.run(['ldd', path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=30).stdout
        for library in re.findall(r'(/\S+) \(0x', out):
            self.put(library)

    def program(self, *names):
        """Programs (looked up on the host where no path is given) with their libraries."""
        for name in names:
            source = shutil.which(name, path='/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin')
            if not source:
                raise FileNotFoundError(name)
            target = self.put(source, None if '/' in name else '/usr/bin/' + name)
            os.chmod(target, os.stat(target).st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
            self.libraries(source)

    def folder(self, source, name=None, skip=()):
        """A folder; shared objects in it bring their libraries."""
        target = self.path(name or self.unmerged(source))
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*skip),
                        ignore_dangling_symlinks=True)
        for path in glob.glob(os.path.join(source, '**', '*.so'), recursive=True):
            if os.path.exists(os.path.join(target, os.path.relpath(path, source))):
                self.libraries(path)

    def python(self, interpreter='/usr/bin/python3'):
        """Debian's Python with its standard library."""
        stdlib = subprocess.run([interpreter, '-c', 'import sysconfig; print(sysconfig.get_path("stdlib"))'], stdout=subprocess.PIPE,
                                text=True, check=True).stdout.strip()
        self.program(interpreter)
        self.folder(stdlib, skip=('test', 'tests', 'idlelib', 'tkinter', 'ensurepip', 'lib2to3', 'pydoc_data', 'turtle*', 'config-*',
                                  'dist-packages', 'unittest', 'distutils'))
        self.write('etc/environment', '')

    def image(self, path, spare_mb=256):
        """Makes the ext4 file."""
        subprocess.run(['/sbin/ldconfig', '-r', self.dir], check=True, timeout=60)
        size = int(subprocess.run(['du', '-sm', '--apparent-size', self.dir], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0])
        if not path.endswith('.ext4'):
            raise ValueError('%s is no place for a disk image' % path)
        new, sectors = path + '.new', (size * 5 // 4 + spare_mb) << 11
        with open(new, 'wb') as file:
            file.write(partition_table(sectors))
            file.truncate((START_SECTOR + sectors) << 9)
        subprocess.run(['/sbin/mke2fs', '-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-E', 'root_owner=0:0,offset=%d' % (START_SECTOR << 9),
                        '-d', self.dir, new, '%dk' % (sectors >> 1)], check=True, timeout=300, stdout=subprocess.DEVNULL)
        os.rename(new, path)
