#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every kernel struct and member that vmlinux/vmlinux.h names exists in the kernel, and is what the header says it is.

Held against the BTF of the running kernel, and of those that tests/vm/run boots: the BTF that it has left in its cache, and what
kernels.json beside this file says of theirs (--record writes it from the cache). A member is compared by kind and size: pointer,
integer of so many bytes, array, struct. Prints TAP.
"""
import glob
import json
import os
import re
import struct
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'apm-bpf', 'vm', 'kernel')
RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'kernels.json')
INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST = range(1, 11)
RESTRICT, FUNC, PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(11, 20)
NAMES = {INT: 'integer', PTR: 'pointer', ARRAY: 'array', STRUCT: 'struct', UNION: 'union', ENUM: 'enum', ENUM64: 'enum', FWD: 'nothing known'}
# Bytes behind a type's 12: Documentation/bpf/btf.rst
EXTRA = {INT: lambda n: 4, ARRAY: lambda n: 12, STRUCT: lambda n: 12 * n, UNION: lambda n: 12 * n, ENUM: lambda n: 8 * n,
         PROTO: lambda n: 8 * n, VAR: lambda n: 4, DATASEC: lambda n: 12 * n, DECL_TAG: lambda n: 4, ENUM64: lambda n: 12 * n}
C_SIZE = {'char': 1, 'short': 2, 'int': 4, 'long': 8, 'u8': 1, 'u16': 2, 'u32': 4, 'u64': 8, 's16': 2, 's32': 4, 's64': 8}


class Btf:
    """A kernel's type information."""

    def __init__(self, data):
        magic, _, _, header, type_off, type_len, str_off, str_len = struct.unpack_from('<HBBIIIII', data)
        if magic != 0xeb9f:
            raise ValueError('no BTF')
        self.data, self.types, self.by_name = data, [None], {}
        self.strings = data[header + str_off:header + str_off + str_len]
        at, end = header + type_off, header + type_off + type_len
        while at < end:
            name, info, size = struct.unpack_from('<III', data, at)
            kind, count = info >> 24 & 0x1f, info & 0xffff
            if kind in (STRUCT, UNION, TYPEDEF):
                self.by_name.setdefault(self.string(name), []).append(len(self.types))
            self.types.append((kind, count, size, at + 12, info >> 31))
            at += 12 + EXTRA.get(kind, lambda n: 0)(count)

    def string(self, offset):
        return self.strings[offset:self.strings.index(b'\0', offset)].decode()

    def plain(self, number):
        """The type without its qualifiers and other names."""
        while number and self.types[number][0] in (TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG):
            number = self.types[number][2]
        return number

    def struct(self, name):
        """The number of the struct of that name, also when it has only a typedef's; None."""
        for number in self.by_name.get(name, []):
            number = self.plain(number)
            if number and self.types[number][0] in (STRUCT, UNION):
                return number
        return None

    def member(self, number, name):
        """The member's type; those of nameless structs and unions inside count too. None."""
        _, count, _, at, _ = self.types[number]
        for i in range(count):
            name_off, kind, _ = struct.unpack_from('<III', self.data, at + 12 * i)
            inner = self.plain(kind)
            if self.string(name_off) == name:
                return inner
            if not name_off and inner and self.types[inner][0] in (STRUCT, UNION):
                found = self.member(inner, name)
                if found:
                    return found
        return None

    def describe(self, number):
        """('integer', 4), ('array', 'integer', 1), ('pointer',), ('struct',) …"""
        kind, _, size, at, _ = self.types[number]
        if kind == ARRAY:
            element = self.plain(struct.unpack_from('<I', self.data, at)[0])
            return ('array', *self.describe(element))
        if kind in (INT, ENUM, ENUM64):
            return ('integer', size)
        return (NAMES.get(kind, 'other'),)

    def has(self, name):
        return self.struct(name) is not None

    def kind(self, name, member):
        """What a struct's member is; None when there is none."""
        number = self.member(self.struct(name), member)
        return self.describe(number) if number else None


class NotRecorded(Exception):
    pass


class Record:
    """What the BTF of a kernel said: {struct: {member: description or null}, or null}."""

    def __init__(self, structs):
        self.structs = structs

    def has(self, name):
        if name not in self.structs:
            raise NotRecorded(name)
        return self.structs[name] is not None

    def kind(self, name, member):
        if member not in self.structs[name]:
            raise NotRecorded('%s of %s' % (member, name))
        kind = self.structs[name][member]
        return tuple(kind) if kind else None


def record(structs):
    """Writes kernels.json from the BTF in the cache."""
    kernels = {}
    for path in sorted(glob.glob(os.path.join(CACHE, '*', 'btf'))):
        with open(path, 'rb') as file:
            btf = Btf(file.read())
        said = kernels.setdefault(path.split('/')[-2], {})
        for name, members in sorted(structs.items()):
            base = name.partition('___')[0]
            if not btf.has(base):
                said[base] = None
                continue
            for member, _ in members:
                said.setdefault(base, {})[member] = btf.kind(base, member)
    with open(RECORD, 'w') as file:
        json.dump(kernels, file, indent='\t', sort_keys=True)
        file.write('\n')


def wanted(path):
    """{struct: [(member, description)]} of the part of the header that is relocated against the kernel."""
    with open(path) as file:
        text = re.sub(r'/\*.*?\*/', '', file.read(), flags=re.S)
    text = text[text.index('attribute push'):text.index('attribute pop')]
    found = {}
    for named, body, alias in re.findall(r'^(?:typedef )?struct (\w*) ?\{(.*?)^\}\s*(\w*);', text, re.S | re.M):
        members = []
        for base, stars, member, array in re.findall(r'^\s*(.+?)\s+(\**)(\w+)((?:\[\w*\])?)(?: : \d+)?;', body, re.M):
            word = base.split()[-1].replace('__be', 'u').lstrip('_')
            if stars:
                kind = ('pointer',)
            elif base.startswith('struct ') or base in ('atomic_t', 'atomic64_t'):
                kind = ('struct',)
            else:
                kind = ('integer', C_SIZE[word])
            members.append((member, ('array', *kind) if array else kind))
        found[named or alias] = members
    return found


def faults(kernel, name, members):
    base, found = name.partition('___')[0], []
    if not kernel.has(base):
        return ['the kernel has no struct %s' % base]
    for member, kind in members:
        there = kernel.kind(base, member)
        if not there:
            found.append('no member %s' % member)
        elif there != kind:
            found.append('%s is %s in the kernel, %s in the header' % (member, there, kind))
    return found


def kernels():
    """(name, Btf or Record, or None and why not)"""
    for name, path in [('running kernel', '/sys/kernel/btf/vmlinux')] + [
            ('kernel ' + path.split('/')[-2], path) for path in sorted(glob.glob(os.path.join(CACHE, '*', 'btf')))]:
        if not os.access(path, os.R_OK):
            yield name, None, 'it has no BTF'
            continue
        with open(path, 'rb') as file:
            yield name, Btf(file.read()), ''
    with open(RECORD) as file:
        for name, structs in json.load(file).items():
            yield 'record of kernel ' + name, Record(structs), ''


def hold(kernel, structs):
    """(struct, what is wrong with it) of those that this kernel must have."""
    for name, members in structs.items():
        try:
            wrong = faults(kernel, name, members)
            base, _, variant = name.partition('___')
            variants = [other for other in structs if other.partition('___')[0] == base and other != name]
            # Of variants (names with ___) one must be there, and none where the header has no other name for it.
            if wrong and (any(not faults(kernel, base, structs[other]) for other in variants) or
                          variant and not variants and not kernel.has(base)):
                continue
        except NotRecorded as what:
            yield name, what
            continue
        yield name, wrong


def main():
    structs = wanted(os.path.join(TOP, 'vmlinux', 'vmlinux.h'))
    if '--record' in sys.argv:
        record(structs)
        return 0
    count, failed = 0, 0
    for title, kernel, why in kernels():
        if not kernel:
            count += 1
            print('ok %d - %s # SKIP %s' % (count, title, why))
            continue
        for name, wrong in hold(kernel, structs):
            count += 1
            text = '%s: struct %s, %d members' % (title, name, len(structs[name]))
            if isinstance(wrong, NotRecorded):
                print('ok %d - %s # SKIP %s is not recorded yet (make test-kernels)' % (count, text, wrong))
                continue
            failed += bool(wrong)
            print('%s %d - %s' % ('not ok' if wrong else 'ok', count, text))
            for line in wrong:
                print('# ' + line)
    print('1..%d' % count)
    return 1 if failed or not structs else 0


sys.exit(main())
