#compdef apm-bpf
# SPDX-License-Identifier: BSD-2-Clause
# zsh completion for apm-bpf (installed as _apm-bpf); a test holds it equal to what the program takes.

_apm_bpf() {
	local -a target part counts collect output reports interval general commands
	local command=trace
	target=(
		'*'{-p,--pid}'[trace process N, its threads and children]:process:_pids'
		'*--comm[all processes of this name]:name:'
		'*--cgroup[all processes in this cgroup]:folder:_files -/'
		'--all[every process of the host]'
		'--user[who runs COMMAND]:user:_users'
		'*--span[calls of this function are units of work]:BINARY\:FUNCTION:'
		'--duration[stop after a time]:time (10, 10s, 2m):'
		'--dry-run[show processes, libraries and probes; attach nothing]'
	)
	part=(
		'--since[from then on]:seconds or RFC 3339:'
		'--until[up to then]:seconds or RFC 3339:'
		'--events[each statement as a line of JSON]:format:(jsonl)'
		'--system[events of a database system]:system:(postgresql sqlite mysql redis)'
		'--database[events in this database]:database:'
		'--db-user[events of this database user]:user:'
		'--fingerprint[events of this query]:id:'
		'--min-ms[events that took at least so long]:milliseconds:'
		'--errors[events that failed]'
	)
	counts=(
		'--slow-ms[a statement this long is slow]:milliseconds:'
		'--n-plus-one[so many repeats are an N+1]:repeats:'
		'--unit-gap-ms[idle time that ends a unit of work]:milliseconds:'
		'--slow-request-ms[a transaction, or a unit, this long is slow]:milliseconds:'
		'--memory-mb[a process with more resident memory is a finding]:MB:'
	)
	collect=(
		"--max-sql[keep so much of a statement's text]:bytes:"
		'--show-literals[keep values in statements]'
		'--freq[CPU samples per second]:Hz:'
		'--aggregate[probe executions of SQLite, not each row]'
		'--max-overhead[most that tracing may take of a core]:percent:'
		'--sample-rate[share of the units of no note that is kept one by one]:share:'
		'--profiling-ms[time between looks at memory and CPU time]:milliseconds:'
		'--service[name of what is traced]:name:'
		'--environment[where it runs]:name:(production staging development test)'
		'--ring-mb[size of the ring buffer]:MB:(1 2 4 8 16 32 64 128 256 512 1024)'
	)
	reports=(
		'*--also[a detector that is off by default]:detector:(consecutive_queries)'
		'--fail-on[exit 3 from this severity up]:severity:(info low medium high critical)'
		'--top[rows per table]:rows:'
		'--format[of the report]:format:(text json markdown html)'
		'--json[report as JSON]'
		'--report[write the report there]:file:_files'
		'--flame[write a CPU flame graph]:file:_files -g "*.svg"'
		'--folded[write the stacks in folded form]:file:_files'
	)
	general=(
		'--color[colours]:when:(auto always never)'
		'(-v --verbose)'{-q,--quiet}'[only the report and errors]'
		'(-q --quiet)'{-v,--verbose}'[say more]'
		'(- *)'{-h,--help}'[help]'
	)
	interval=('--interval[no report but a line so often]:time (10, 10s, 2m):')
	output=({-o,--output}'[write the capture or the SVG]:file:_files')
	commands=(
		'trace:report at the end (the default)' 'top:the same on a live screen' 'record:write a capture for later'
		'report:report from a capture' 'flame:CPU flame graph from a capture'
		'diff:what changed between two captures' 'fingerprint:normalise SQL'
		'detect:detectors over JSON lines' 'list:what could be traced here'
	)
	if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
		_describe command commands
		return
	fi
	if (( ${commands[(I)$words[2]:*]} )); then
		command=$words[2]
		shift words
		(( CURRENT-- ))
	fi
	case $command in
	trace)
		_arguments -s $target $counts $collect $reports $interval $output $general '(- *)--version[the version]' \
			'*:::command:_normal'
		;;
	top) _arguments -s $target $counts $collect $reports $output $general '*:::command:_normal' ;;
	record) _arguments -s $target $counts $collect $output $general '*:::command:_normal' ;;
	report) _arguments -s $part $counts $reports $interval $general '1:capture:_files' ;;
	flame)
		_arguments -s $output '--folded[write the stacks in folded form]:file:_files' \
			'--query[only samples in this query]:id:' $general '1:capture:_files'
		;;
	diff)
		_arguments -s $counts '--fail-on[exit 3 when a figure got worse]:what:(regression)' \
			'--min-effect[smaller changes do not count]:percent:' '--top[rows per table]:rows:' \
			'--json[comparison as JSON]' '--report[write it there]:file:_files' \
			'--flame[flame graph coloured by the change]:file:_files -g "*.svg"' \
			'--folded[stacks of both]:file:_files' $general '1:before:_files' '2:after:_files'
		;;
	fingerprint)
		_arguments -s {-d,--dialect}'[of SQL]:dialect:(postgresql mysql sqlite generic)' \
			{-f,--file}'[statements of a file]:file:_files' '--jsonl[JSON lines]' \
			'(- *)'{-h,--help}'[help]' '*:query:'
		;;
	detect) _arguments '--jsonl[JSON lines]' '(- *)'{-h,--help}'[help]' ;;
	list) _arguments -s $general ;;
	esac
}

_apm_bpf "$@"
