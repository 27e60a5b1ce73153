# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of pvtools(1) for bash. Verbs and their options come from
# `pvtools --help`, so that a new one needs no change here.

# "verb" a line, or with a verb its options.
_pvtools_help() {
	local lines
	lines=$(pvtools --help 2>/dev/null | sed -n '/^Verbs:/,/^$/{/^  /p}')
	if [ $# -eq 0 ]; then
		sed -E 's/^  ([a-z-]+( [a-z]+)*) (GUEST|\[).*/\1/' <<<"$lines"
	else
		sed -nE "s/^  $1( GUEST| \[)/\1/p" <<<"$lines" | grep -oE -- '--?[A-Za-z0-9][a-z0-9-]*' | grep '^-'
	fi
}

# The second words of a verb that has such.
_pvtools_second() {
	_pvtools_help | sed -n "s/^$1 //p"
}

# Guests by libvirt domain, and the sockets that hypervisors put in known places.
_pvtools_guests() {
	local socket
	if type virsh >/dev/null 2>&1; then
		timeout 2 virsh --readonly --quiet list --name 2>/dev/null | sed '/^$/d; s/^/libvirt:/'
	fi
	for socket in /run/qemu-server/*.qga /run/pvtools/guests/*.sock; do
		[ -S "$socket" ] && echo "unix:$socket"
	done
	for socket in /run/qemu-server/*.qmp; do
		[ -S "$socket" ] && echo "qemu:$socket"
	done
}

_pvtools_guest_words() {
	case $1 in
	unix:* | qemu:* | page:*) compgen -P "${1%%:*}:" -f -- "${1#*:}" ;;
	*) compgen -W "$(_pvtools_guests) unix: vsock: vsock-mux: libvirt: qemu: page:" -- "$1" ;;
	esac
}

_pvtools() {
	local line=${COMP_LINE:0:COMP_POINT} cur="" verb="" previous="" skip="" word
	local -a words
	local guests=0
	# Not COMP_WORDS: those are cut at the colons of addresses.
	read -ra words <<<"$line"
	case $line in
	*[![:space:]]) cur=${words[-1]}; unset 'words[-1]' ;;
	esac
	for word in "${words[@]:1}"; do
		previous=$word
		if [ -n "$skip" ]; then skip=""; continue; fi
		case $word in
		-c | -o | --connect | --output | --timeout | --for | --deadline | --to | --mountpoint | --json) skip=yes ;;
		--on-panic | --on-hang | --limit | --interval | --lost-after | --hung-after) skip=yes ;;
		--boot | --frozen | --dump | --grace | --console | --crash-dir | --mac) skip=yes ;;
		-e | -C | -u | -m | --env | --directory | --user) skip=yes ;;
		--sockets | --qmp | --pages | --sort | --skip | --signature | --fallback) skip=yes ;;
		--event | --metrics | --period | --size | --heartbeat | --full-percent | --count) skip=yes ;;
		-*) ;;
		*)
			if [ -z "$verb" ]; then
				verb=$word
			elif [[ $guests -eq 0 && $verb != *\ * ]] && _pvtools_second "$verb" | grep -qxF -- "$word"; then
				verb="$verb $word"
			else
				guests=$((guests + 1))
			fi
			;;
		esac
	done
	[ -n "$skip" ] || previous=""

	case $previous in
	-o | --output) mapfile -t COMPREPLY < <(compgen -W "table json" -- "$cur") ;;
	-c | --connect) mapfile -t COMPREPLY < <(_pvtools_guest_words "$cur") ;;
	--for) mapfile -t COMPREPLY < <(compgen -W "agent ip" -- "$cur") ;;
	--on-panic | --on-hang) mapfile -t COMPREPLY < <(compgen -W "none reset poweroff run:" -- "$cur") ;;
	--console) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	--signature) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	--fallback) mapfile -t COMPREPLY < <(compgen -W "acpi" -- "$cur") ;;
	--sort) mapfile -t COMPREPLY < <(compgen -W "cpu memory load disk io net name" -- "$cur") ;;
	--to | --crash-dir | --sockets | --qmp | --pages) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	?*) COMPREPLY=() ;;
	*)
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$([ -n "$verb" ] && _pvtools_help "$verb")
				--connect --output --timeout --no-headers --bytes --version --help" -- "$cur")
		elif [ -z "$verb" ]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_pvtools_help | cut -d' ' -f1 | sort -u)" -- "$cur")
		elif [[ $verb =~ ^(disk|crash|net-policy)$ ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_pvtools_second "$verb")" -- "$cur")
		elif [[ $verb =~ ^(list|crash list|net-policy render)$ ]]; then
			COMPREPLY=()
		elif [ "$verb" = "crash show" ]; then
			mapfile -t COMPREPLY < <(compgen -W "$(pvtools crash list --no-headers 2>/dev/null | cut -d' ' -f1)" -- "$cur")
		elif [ "$guests" -eq 0 ] || [[ "$verb" =~ ^(quiesce|snapshot|health|top|watch)$ ]]; then
			mapfile -t COMPREPLY < <(_pvtools_guest_words "$cur")
			if [ "$verb" = time ]; then
				mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$(_pvtools_second time)" -- "$cur")
			fi
		fi
		;;
	esac
	# Readline replaces only what is behind the last colon.
	if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}")
	fi
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:/] ]]; then
		compopt -o nospace 2>/dev/null
	fi
}
complete -F _pvtools pvtools
