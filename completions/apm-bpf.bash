# SPDX-License-Identifier: BSD-2-Clause
# bash completion for apm-bpf; a test holds it equal to what the program takes.

# The options of a command, one line each; after a colon what its value is.
_apm_bpf_options() {
	local live='--pid:pid --comm: --cgroup:file --all --user:user --span: --duration: --dry-run --slow-ms: --n-plus-one: --unit-gap-ms:
		--slow-request-ms: --memory-mb: --sample-rate: --profiling-ms: --service: --environment:
		--max-sql: --show-literals --freq: --aggregate --max-overhead: --ring-mb: --output:file --color:color --quiet --verbose --help'
	local report='--also:detector --fail-on:severity --top: --format:format --json --report:file --flame:file --folded:file'
	case $1 in
	trace) echo "$live $report --interval: --version" ;;
	top) echo "$live $report" ;;
	record) echo "$live" ;;
	report)
		echo "$report --interval: --since: --until: --events:events --system:system --database: --db-user: --fingerprint:
			--min-ms: --errors --slow-ms: --n-plus-one: --unit-gap-ms: --slow-request-ms: --memory-mb: --color:color --quiet --verbose --help"
		;;
	flame) echo '--output:file --folded:file --query: --color:color --quiet --verbose --help' ;;
	diff)
		echo '--slow-ms: --n-plus-one: --unit-gap-ms: --slow-request-ms: --memory-mb: --fail-on:regression --min-effect: --top: --json --report:file
			--flame:file --folded:file --color:color --quiet --verbose --help'
		;;
	fingerprint) echo '--dialect:dialect --file:file --jsonl --help' ;;
	detect) echo '--jsonl --help' ;;
	list) echo '--color:color --quiet --verbose --help' ;;
	esac
}

# The words that compgen finds; names of files may hold blanks.
_apm_bpf_reply() {
	mapfile -t COMPREPLY < <(compgen "$@")
}

_apm_bpf_values() {
	case $1 in
	pid) _apm_bpf_reply -W "$(command ps -eo pid= 2>/dev/null)" -- "$2" ;;
	user) _apm_bpf_reply -u -- "$2" ;;
	file) compopt -o filenames 2>/dev/null; _apm_bpf_reply -f -- "$2" ;;
	severity) _apm_bpf_reply -W 'info low medium high critical' -- "$2" ;;
	detector) _apm_bpf_reply -W consecutive_queries -- "$2" ;;
	regression) _apm_bpf_reply -W regression -- "$2" ;;
	format) _apm_bpf_reply -W 'text json markdown html' -- "$2" ;;
	events) _apm_bpf_reply -W jsonl -- "$2" ;;
	system) _apm_bpf_reply -W 'postgresql sqlite mysql redis' -- "$2" ;;
	color) _apm_bpf_reply -W 'auto always never' -- "$2" ;;
	dialect) _apm_bpf_reply -W 'postgresql mysql sqlite generic' -- "$2" ;;
	*) COMPREPLY=() ;;
	esac
}

_apm_bpf() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=trace word names i
	local commands='trace top record report flame diff fingerprint detect list'

	COMPREPLY=()
	for word in $commands; do
		[ "${COMP_WORDS[1]}" = "$word" ] && [ "$COMP_CWORD" -gt 1 ] && command=$word
	done
	# After -- comes a command line of its own.
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [ "${COMP_WORDS[i]}" = -- ]; then
			if declare -F _command_offset >/dev/null; then
				_command_offset $((i + 1))
			elif [ "$COMP_CWORD" = $((i + 1)) ]; then
				_apm_bpf_reply -c -- "$cur"
			else
				_apm_bpf_values file "$cur"
			fi
			return
		fi
	done
	[ "$prev" = -p ] && prev=--pid
	[ "$prev" = -o ] && prev=--output
	for word in $(_apm_bpf_options "$command"); do
		if [ "${word%%:*}" = "$prev" ] && [ "$word" != "${word%%:*}" ]; then
			_apm_bpf_values "${word#*:}" "$cur"
			return
		fi
	done
	if [[ $cur == -* ]]; then
		names=$(_apm_bpf_options "$command" | tr -s ' \t\n' '\n' | sed 's/:.*//')
		_apm_bpf_reply -W "$names" -- "$cur"
	elif [ "$COMP_CWORD" = 1 ]; then
		_apm_bpf_reply -W "$commands" -- "$cur"
	else
		_apm_bpf_values file "$cur"
	fi
}

complete -F _apm_bpf apm-bpf
