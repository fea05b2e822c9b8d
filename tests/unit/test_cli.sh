#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The program's edges that need no root: arguments, environment, captures that are none. Prints TAP.
cd "$(dirname "$0")/../.." || exit 1
apm=${APM_BPF:-build/apm-bpf}
if [ ! -x "$apm" ]; then
	echo "1..0 # SKIP $apm is not built"
	exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
for name in $(env | sed -n 's/^\(APM_[A-Z_]*\)=.*/\1/p'); do
	unset "$name"
done
unset NO_COLOR
count=0
failed=0

# result NAME PROBLEM: an empty problem is a pass.
result() {
	count=$((count + 1))
	# Neither escapes nor the name of today's folder in test names.
	name=$(printf %s "$1" | tr -d '\033' | sed "s#$work#WORK#g")
	if [ -z "$2" ]; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		echo "# $2"
		sed 's/^/# stderr: /' "$work/err"
		failed=1
	fi
}

# fails STATUS WORDS ARGS...: one line on stderr with the words, nothing on stdout, that status.
fails() {
	want=$1 words=$2
	shift 2
	"$apm" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	problem=
	[ "$status" = "$want" ] || problem="status $status, not $want"
	[ -s "$work/out" ] && problem="$problem; wrote to stdout"
	[ "$(wc -l <"$work/err")" = 1 ] || problem="$problem; not one line on stderr"
	grep -q '^apm-bpf: ' "$work/err" || problem="$problem; no prefix"
	grep -qF -- "$words" "$work/err" || problem="$problem; does not say '$words'"
	if [ "$want" = 2 ] && ! grep -qF "; try 'apm-bpf --help'" "$work/err"; then
		problem="$problem; names no help"
	fi
	result "apm-bpf $*" "$problem"
}

# prints WORDS ARGS...: status 0, the words on stdout, nothing on stderr.
prints() {
	words=$1
	shift
	"$apm" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	problem=
	[ "$status" = 0 ] || problem="status $status"
	[ -s "$work/err" ] && problem="$problem; wrote to stderr"
	grep -qF -- "$words" "$work/out" || problem="$problem; does not say '$words'"
	result "apm-bpf $*" "$problem"
}

prints 'Examples' --help
prints 'apm-bpf 0' --version
prints '--max-sql BYTES' record --help
prints 'Thresholds are those of the recording' report --help
prints '--query ID' flame --help

fails 2 "did you mean --top?" -p 1 --tpo 3
fails 2 "unknown option --zzz" -p 1 --zzz
fails 2 "-p takes a process number from 1 to 4194304, not 'abc'" -p abc
fails 2 "--top takes a number from 1 to 1000" -p 1 --top 0
fails 2 "--duration takes a time" -p 1 --duration soon
fails 2 "--pid is no option of 'report'" report x.apm --pid 3
fails 2 "unknown sub-command 'repotr'; did you mean 'report'?" repotr x.apm
fails 2 "record needs -o FILE" record -p 1
fails 2 "report needs a CAPTURE" report
fails 2 "no target" --duration 3
fails 2 "no COMMAND after --" --
fails 2 "give --pid or -- COMMAND, not both" -p 1 -- true

for setting in APM_ENABLED=perhaps APM_SLOW_QUERY_THRESHOLD_MS=fast APM_N_PLUS_ONE_THRESHOLD=1 \
	APM_PROFILING_ENABLED=2; do
	export "${setting?}"
	fails 2 "${setting%%=*} takes " -p 12
	unset "${setting%%=*}"
done

fails 1 "cannot read $work/none.apm: No such file or directory" report "$work/none.apm"
fails 1 "cannot read $work: Is a directory" report "$work"
: >"$work/empty.apm"
fails 1 "empty.apm is empty" report "$work/empty.apm"
echo 'SELECT 1' >"$work/text.apm"
fails 1 "text.apm is no capture" report "$work/text.apm"
head -c 100 /dev/zero >"$work/zero.apm"
fails 1 "zero.apm is no capture" flame "$work/zero.apm" -o "$work/x.svg"
printf 'APMCAP\0\0\377\0\0\0\0\0\0\0' >"$work/newer.apm"
fails 1 "newer.apm was written by a newer apm-bpf" report "$work/newer.apm"
printf 'APMCAP\0\0\001\0\0\0\0\0\0\0' >"$work/header.apm"
fails 1 "header.apm holds no whole record" report "$work/header.apm"
fails 1 "cannot write the report to $work/none/r.txt" report "$work/header.apm" --report "$work/none/r.txt"
fails 1 "cannot write the flame graph to $work/none/x.svg" flame "$work/header.apm" -o "$work/none/x.svg"

# A name with terminal escapes is shown without them.
fails 1 "cannot read" report "$(printf 'x\033[2J')"
escapes=
grep -q "$(printf '\033')" "$work/err" && escapes='an escape reached the terminal'
result 'escapes in arguments' "$escapes"

"$apm" --help >/dev/full 2>"$work/err"
status=$?
full=
[ "$status" = 1 ] || full="status $status, not 1"
grep -q 'No space left' "$work/err" || full="$full; no reason given"
result 'help on a full disk' "$full"

echo "1..$count"
exit $failed
