#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What user space and the BPF programs share has one layout.

Every struct of bpf/abi/*.h and each of its members, as this machine's compiler lays them out, against the BTF of the linked
BPF object. Structs and members are read from the headers, so that there is no list to keep. Prints TAP.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OBJECT = os.path.join(TOP, 'build/bpf/apm.o')
SBIN = os.pathsep.join(('/usr/local/sbin', '/usr/sbin', os.environ.get('PATH', '')))


def structs_of(headers):
    """{struct: [(member, array suffix)]} of headers in the ABI's style: no nested definition, one member a line."""
    found = {}
    for header in headers:
        with open(header) as file:
            text = re.sub(r'/\*.*?\*/', '', file.read(), flags=re.S)
        for name, body in re.findall(r'^struct (\w+) \{(.*?)^\}', text, re.S | re.M):
            found[name] = re.findall(r'(\w+)\s*((?:\[[^\]]*\])*)\s*;', body)
    return found


def host_layouts(headers, structs):
    """{struct: (size, [(member, offset, size)])} by the C compiler; a flexible array has size 0."""
    lines = ['#include <stddef.h>', '#include <stdio.h>']
    lines += ['#include "abi/%s"' % os.path.basename(header) for header in headers]
    lines += ['int main(void)', '{']
    for name, members in structs.items():
        lines.append('printf("%s - %%zu 0\\n", sizeof(struct %s));' % (name, name))
        for member, suffix in members:
            size = '(size_t)0' if suffix == '[]' else 'sizeof(((struct %s *)0)->%s)' % (name, member)
            lines.append('printf("%s %s %%zu %%zu\\n", offsetof(struct %s, %s), %s);' % (name, member, name, member, size))
    lines += ['return 0;', '}', '']
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, 'layout')
        subprocess.run([os.environ.get('CC', 'cc'), '-x', 'c', '-I', os.path.join(TOP, 'bpf'), '-o', program, '-'],
                       input='\n'.join(lines).encode(), check=True)
        out = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    layouts = {}
    for name, member, offset, size in (line.split() for line in out.splitlines()):
        if member == '-':
            layouts[name] = (int(offset), [])
        else:
            layouts[name][1].append((member, int(offset), int(size)))
    return layouts


def size_of(types, number):
    kind = types[number]
    if kind['kind'] == 'ARRAY':
        return kind['nr_elems'] * size_of(types, kind['type_id'])
    if kind['kind'] in ('TYPEDEF', 'CONST', 'VOLATILE', 'TYPE_TAG'):
        return size_of(types, kind['type_id'])
    return 8 if kind['kind'] == 'PTR' else kind['size']


def btf_layouts(path):
    """The same of an object's BTF. A bitfield's offset is a fraction."""
    dump = subprocess.run([shutil.which('bpftool', path=SBIN) or 'bpftool', '-j', 'btf', 'dump', 'file', path], check=True,
                          capture_output=True).stdout
    types = {kind['id']: kind for kind in json.loads(dump)['types']}
    return {kind['name']: (kind['size'], [(m['name'], m['bits_offset'] / 8, size_of(types, m['type_id']))
                                          for m in kind['members']])
            for kind in types.values() if kind['kind'] == 'STRUCT'}


def holes(layout):
    """Members that do not begin where the one before ended: padding has to be spelled out."""
    end, found = 0, []
    for member, offset, size in layout[1] + [('the end', layout[0], 0)]:
        if offset != end:
            found.append('a hole before %s: %d to %d' % (member, end, offset))
        end = offset + size
    return found


def differences(host, bpf):
    if bpf is None:
        return ['not in the BTF of %s' % os.path.relpath(OBJECT, TOP)]
    found = []
    if host[0] != bpf[0]:
        found.append('%d bytes here, %d in BPF' % (host[0], bpf[0]))
    for here, there in zip(host[1], bpf[1]):
        if here != there:
            found.append('(member, offset, size) %s here, %s in BPF' % (here, there))
    if len(host[1]) != len(bpf[1]):
        found.append('%d members here, %d in BPF' % (len(host[1]), len(bpf[1])))
    return found


def main():
    headers = sorted(glob.glob(os.path.join(TOP, 'bpf/abi/*.h')))
    host = host_layouts(headers, structs_of(headers))
    bpf = btf_layouts(OBJECT) if os.path.exists(OBJECT) else None
    print('1..%d' % (2 * len(host)))
    number, failed = 0, 0
    for name, layout in host.items():
        checks = [('padding of struct %s is explicit' % name, holes(layout))]
        same = 'struct %s is the same in BPF' % name
        checks.append((same, differences(layout, bpf.get(name)) if bpf is not None else None))
        for what, faults in checks:
            number += 1
            if faults is None:
                print('ok %d - %s # SKIP %s is not built' % (number, what, os.path.relpath(OBJECT, TOP)))
                continue
            print('%s %d - %s' % ('not ok' if faults else 'ok', number, what))
            for fault in faults:
                print('# ' + fault)
            failed += bool(faults)
    return 1 if failed or not host else 0


if __name__ == '__main__':
    sys.exit(main())
