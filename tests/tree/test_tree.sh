#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The tree keeps its rules, a tree that breaks them is told so, and the scripts are sound.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=$(mktemp -d)
trap 'rm -rf "$bad"' EXIT
number=0 status=0

# result STATUS NAME: one line of TAP; what stands in $said explains a failure
result()
{
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		printf '%s\n' "$said" | head -n 40 | sed 's/^/# /'
		status=1
	fi
}

skip()
{
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

# put FILE TEXT: a file of the bad tree, with the line every source begins with
put()
{
	mkdir -p "$bad/$(dirname "$1")"
	printf '/* SPDX-License-Identifier: BSD-2-Clause */\n%b' "$2" >"$bad/$1"
}

# tells FILE:LINE RULE: check-tree finds this in the bad tree
tells()
{
	printf '%s\n' "$told" | grep -qF "$1: $2"
	result $? "finds: $2"
}

said=$(tools/check-tree 2>&1)
result $? 'the tree keeps its rules'

put user/sql/a.c '#include "txn/span.h"\n'
put user/sql/b.c 'int f(void)\n{\n\treturn time(NULL);\n}\n'
put user/txn/c.c 'static int calls;\n'
put user/txn/d.c 'int g(void)\n{\n\tstatic int calls;\n\treturn calls++;\n}\n'
put user/detect/e.c 'void h(void)\n{\n\tfputs("x", stderr);\n}\n'
put user/pipeline.c '#include <bpf/libbpf.h>\n'
put user/report/f.c '#include "collect/targets.h"\n'
put user/base/g.c "int long_one(void)\n{\n$(printf '\\t;\\n%.0s' {1..90})}\n"
put user/base/h.c "$(printf '\\n%.0s' {1..700})"
put user/base/i.c "/* TO""DO */\n"
put user/base/j.c "/* /wo""rk/x */\n"
put user/base/k.h 'typedef struct x x_t;\n'
put user/base/l.c '#include "../record.h"\n'
put bpf/abi/m.h '#include "record.h"\n'
put bpf/abi/n.h 'struct n {\n\tlong x;\n};\n'
put user/base/o.o ''
printf 'int p;\n' >"$bad/user/base/p.c"
printf '#!/bin/sh\n# SPDX-License-Identifier: BSD-2-Clause\n' >"$bad/q"
# What must not be found
put user/sql/good.c '#include "base/str.h"\nstatic const int one = 1;\n/* time(NULL) */\nint good(void)\n{\n\treturn a.time(one);\n}\n'
put user/collect/good.c '#include <bpf/libbpf.h>\n#include "abi/event.h"\n'
told=$(tools/check-tree "$bad" 2>&1)
said=$told

tells user/sql/a.c:2 'user/sql may not include txn/span.h'
tells user/sql/b.c:4 'pure folder calls time()'
tells user/txn/c.c:2 'pure folder has state of its own'
tells user/txn/d.c:4 'pure folder has state of its own'
tells user/detect/e.c:4 'pure folder uses a stream or the environment'
tells user/pipeline.c:2 'user/top may not include bpf/libbpf.h'
tells user/report/f.c:2 'user/report may not include collect/targets.h'
tells user/base/g.c:3 'function of 92 lines'
tells user/base/h.c:702 'file of 701 lines'
tells user/base/i.c:2 'unfinished'
tells user/base/j.c:2 "path of somebody's machine"
tells user/base/k.h:2 'no typedefs but function pointers'
tells user/base/l.c:2 'include by a path'
tells bpf/abi/m.h:2 'ABI headers include nothing but each other'
tells bpf/abi/n.h:3 'ABI: only fixed-width fields'
tells user/base/o.o:1 'generated file in the tree'
tells user/base/p.c:1 'SPDX-License-Identifier is missing'
tells q:1 'a script that is not executable'
! printf '%s\n' "$told" | grep -q good
result $? 'finds nothing in sound files'

scripts=$(grep -rlIE '^#!.*\b(ba)?sh\b' .ci tools tests)
said=$(for script in $scripts; do bash -n "$script" 2>&1 || echo "$script"; done)
[ -z "$said" ]
result $? 'every shell script parses'
if command -v shellcheck >/dev/null; then
	# shellcheck disable=SC2086 # a list of words
	said=$(shellcheck -S warning $scripts 2>&1)
	result $? 'shellcheck finds nothing'
else
	skip 'shellcheck finds nothing' 'shellcheck is not installed'
fi

echo "1..$number"
exit $status
