#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs pvtools-agent where there is no package for it.
#
#   ./install.sh [--dry-run] [--check] [--uninstall] [--force]
#                [--prefix DIR] [--destdir DIR]
#
# --check       only looks whether it can be installed
# --dry-run     says what would be done, and does nothing
# --uninstall   removes what was installed; what was changed since stays
# --force       in spite of another agent, which it leaves alone
# --prefix DIR  where the program goes: DIR/sbin (default /usr/local)
# --destdir DIR installs into an image below DIR; no service is started
#
# Exit codes: 0 done · 1 failed, and all is as before · 2 wrong usage · 3 not root
# · 4 this system cannot run it · 5 another agent is installed · 6 no room
# · 7 these files are damaged · 8 it is not installed · 9 failed, and could not
# be undone.
#
# Every file is put beside its place and renamed, so that at each moment there is
# the old one or the new one. What is under way is in a journal; an installation
# that was cut off is undone by the next one.
set -u
umask 022

here=$(cd "$(dirname "$0")" && pwd)
port=/dev/virtio-ports/org.qemu.guest_agent.0
prefix=/usr/local
destdir=
mode=install
force=

say() { echo "pvtools: $*"; }
die() {
	code=$1
	shift
	echo "pvtools: $*" >&2
	exit "$code"
}

while [ $# -gt 0 ]; do
	case $1 in
	--dry-run) mode=dry-run ;;
	--check) mode=check ;;
	--uninstall) mode=uninstall ;;
	--force) force=yes ;;
	--prefix | --destdir)
		case ${2:-} in
		/*) ;;
		*) die 2 "$1 needs a path from the root" ;;
		esac
		if [ "$1" = --prefix ]; then prefix=${2%/}; else destdir=${2%/}; fi
		shift
		;;
	-h | --help)
		sed -n '3,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
		exit 0
		;;
	*) die 2 "unknown option $1; --help shows how it is used" ;;
	esac
	shift
done

home=$prefix/lib/pvtools-agent
manifest=$destdir$home/manifest
journal=$destdir$home/journal

# ---- the system ----

# The one that runs; in an image the one that is there.
find_init() {
	if [ -z "$destdir" ] && [ -d /run/systemd/system ]; then
		echo systemd
	elif [ -n "$destdir" ] && { [ -x "$destdir/usr/lib/systemd/systemd" ] || [ -x "$destdir/lib/systemd/systemd" ]; }; then
		echo systemd
	elif [ -x "$destdir/sbin/openrc-run" ] || [ -x "$destdir/usr/sbin/openrc-run" ]; then
		echo openrc
	elif [ -d "$destdir/etc/init.d" ] && [ -d "$destdir$(rc_directory 3)" ] && has_sysv_init; then
		echo sysv
	fi
}

# Where the links of a run level are.
rc_directory() {
	if [ -d "$destdir/etc/rc.d/rc$1.d" ]; then echo "/etc/rc.d/rc$1.d"; else echo "/etc/rc$1.d"; fi
}

# SysV's, or another that follows it, such as upstart.
has_sysv_init() {
	[ -x "$destdir/sbin/init" ] || return 1
	case $(readlink "$destdir/sbin/init") in
	*systemd | *busybox) return 1 ;;
	esac
}
init=$(find_init)

is_live() { [ -z "$destdir" ]; }

# "source<tab>target<tab>mode" of every file.
files() {
	printf '%s\t%s\t%s\n' pvtools-agent "$prefix/sbin/pvtools-agent" 755
	case $init in
	systemd)
		printf '%s\t%s\t%s\n' pvtools-agent.service /etc/systemd/system/pvtools-agent.service 644 \
			pvtools-exec.service /etc/systemd/system/pvtools-exec.service 644 \
			upgrade-agent "$prefix/lib/pvtools/upgrade-agent" 755 \
			upgrade-tar "$prefix/lib/pvtools/upgrade-tar" 644
		for rules in "$here"/*.rules; do
			printf '%s\t%s\t%s\n' "${rules##*/}" "/etc/udev/rules.d/${rules##*/}" 644
		done
		;;
	openrc)
		printf '%s\t%s\t%s\n' pvtools-agent.initd /etc/init.d/pvtools-agent 755 \
			pvtools-agent.confd /etc/conf.d/pvtools-agent 644
		;;
	sysv) printf '%s\t%s\t%s\n' pvtools-agent.sysv /etc/init.d/pvtools-agent 755 ;;
	esac
	printf '%s\t%s\t%s\n' pvtools-agent.8 "$prefix/share/man/man8/pvtools-agent.8" 644 \
		pvtools-agent.conf.5 "$prefix/share/man/man5/pvtools-agent.conf.5" 644 \
		pvtools-hooks.7 "$prefix/share/man/man7/pvtools-hooks.7" 644 \
		agent.conf "$home/examples/agent.conf" 644 \
		monitor.conf "$home/examples/monitor.conf" 644 \
		mariadb "$home/examples/mariadb" 755 postgresql "$home/examples/postgresql" 755 \
		install.sh "$home/install.sh" 755
}

# ---- before anything is touched ----

check_payload() {
	[ -f "$here/SHA256SUMS" ] || die 7 "SHA256SUMS is missing: unpack all of the archive"
	(cd "$here" && sha256sum --status -c SHA256SUMS 2>/dev/null) ||
		(cd "$here" && sha256sum -c SHA256SUMS >/dev/null 2>&1) ||
		die 7 "the files do not have the sums of SHA256SUMS: damaged, or changed"
	files | cut -f1 | while read -r source; do
		grep -q "  $source\$" "$here/SHA256SUMS" || exit 1
	done || die 7 "SHA256SUMS does not name every file"
}

check_system() {
	[ "$(uname -s)" = Linux ] || die 4 "this is no Linux"
	[ -n "$init" ] || die 4 "neither systemd, OpenRC nor SysV init was found"
	"$here/pvtools-agent" --version >/dev/null 2>&1 ||
		die 4 "the program does not run here ($(uname -m)): $("$here/pvtools-agent" --version 2>&1 | head -1)"
}

# The agents of this and other hypervisors.
check_others() {
	is_live || return 0
	if dpkg-query -W -f '${Status}' pvtools-agent 2>/dev/null | grep -q ' installed$' ||
		rpm -q pvtools-agent >/dev/null 2>&1 || apk info -e pvtools-agent >/dev/null 2>&1; then
		die 5 "the package pvtools-agent is installed; use its package manager"
	fi
	for other in qemu-ga vmtoolsd VBoxService xe-daemon; do
		found=$(command -v "$other" 2>/dev/null) || continue
		[ "$other" = qemu-ga ] || {
			say "note: $found is there, the agent of another hypervisor"
			continue
		}
		[ -n "$force" ] || die 5 "$found is installed; remove its package first (qemu-guest-agent), or use --force"
		say "note: $found is there; only one agent can have the port"
	done
	[ -e "$port" ] || say "note: $port is not there; the agent will start when the host plugs it"
}

# kB that the files take, twice: old and new are there for a moment.
check_room() {
	need=$(($(cd "$here" && cat ./* | wc -c) / 512 + 64))
	for place in "$destdir$prefix" "$destdir/etc"; do
		while [ ! -d "$place" ]; do place=$(dirname "$place"); done
		room=$(df -Pk "$place" 2>/dev/null | awk 'NR == 2 { print $4 }')
		# In a chroot it may not be told; what then fails is undone.
		[ -n "$room" ] || continue
		[ "$room" -ge "$need" ] || die 6 "$need kB are needed in $place, $room kB are free"
	done
}

# ---- undoing ----

# Without an old file, or with it being the very same, nothing had been replaced.
put_back() {
	[ -e "$1.pvt-old" ] || return 0
	# shellcheck disable=SC3013 # POSIX since 2024; dash and busybox have it
	if [ "$1.pvt-old" -ef "$1" ]; then rm -f "$1.pvt-old"; else mv -f "$1.pvt-old" "$1"; fi
}

# Journal lines: "new<tab>path", "old<tab>path" (its old file is path.pvt-old),
# "dir<tab>path", "links<tab>script" for those of SysV init. The last is undone first.
roll_back() {
	[ -f "$journal" ] || return 0
	failed=
	list=$(awk '{ line[NR] = $0 } END { for (i = NR; i; i--) print line[i] }' "$journal")
	tab=$(printf '\t')
	while IFS=$tab read -r kind path; do
		rm -f "$destdir$path.pvt-new"
		case $kind in
		old) put_back "$destdir$path" || failed=yes ;;
		new) rm -f "$destdir$path" || failed=yes ;;
		links) remove_links ;;
		dir) [ ! -d "$destdir$path" ] || rmdir "$destdir$path" 2>/dev/null || : ;;
		esac
	done <<-END
		$list
	END
	[ -z "$failed" ] || return 1
	rm -f "$journal" "$destdir$home/manifest.pvt-new"
	rmdir "$destdir$home" 2>/dev/null
	return 0
}

give_up() {
	trap - EXIT HUP INT TERM
	echo "pvtools: failed; undoing" >&2
	if ! roll_back; then
		echo "pvtools: could not be undone, see $journal" >&2
		exit 9
	fi
	if is_live; then
		reload_service
		[ -z "$was_active" ] || restart_service || :
	fi
	exit 1
}

# ---- the links of SysV init ----

each_link() {
	for level in 0 1 2 3 4 5 6; do
		for link in "$destdir$(rc_directory $level)"/[SK][0-9][0-9]pvtools-agent; do
			[ ! -L "$link" ] || echo "$link"
		done
	done
}

# A program of the system, or of the image.
of_system() {
	if is_live; then "$@"; else chroot "$destdir" "$@"; fi >/dev/null 2>&1
}

# Through the first of these that the system has: where the order of the scripts is worked
# out beforehand, a link alone would not be seen.
order_links() {
	if [ -x "$destdir/usr/sbin/update-rc.d" ]; then
		case $1 in
		make) of_system /usr/sbin/update-rc.d pvtools-agent defaults ;;
		*) of_system /usr/sbin/update-rc.d -f pvtools-agent remove ;;
		esac
	elif [ -x "$destdir/sbin/chkconfig" ]; then
		case $1 in
		make) of_system /sbin/chkconfig --add pvtools-agent ;;
		*) of_system /sbin/chkconfig --del pvtools-agent ;;
		esac
	elif [ -x "$destdir/sbin/insserv" ]; then
		case $1 in
		make) of_system /sbin/insserv pvtools-agent ;;
		*) of_system /sbin/insserv -r pvtools-agent ;;
		esac
	fi || :
}

# Those that are there already may be somebody's choice.
make_links() {
	[ -z "$(each_link)" ] || return 0
	note_journal links pvtools-agent
	order_links make
	[ -z "$(each_link)" ] || return 0
	for level in 0 1 2 3 4 5 6; do
		place=$(rc_directory $level)
		case $level in
		[016]) link=K10pvtools-agent ;;
		*) link=S90pvtools-agent ;;
		esac
		[ ! -d "$destdir$place" ] || ln -s /etc/init.d/pvtools-agent "$destdir$place/$link" || return 1
	done
}

remove_links() {
	[ -n "$(each_link)" ] || return 0
	order_links remove
	each_link | while read -r link; do rm -f "$link"; done
}

# ---- the service ----

reload_service() {
	if [ "$init" = systemd ]; then
		systemctl daemon-reload
		udevadm control --reload 2>/dev/null || :
	fi
}

service_active() {
	case $init in
	systemd) systemctl --quiet is-active pvtools-agent ;;
	openrc) rc-service --quiet pvtools-agent status >/dev/null 2>&1 ;;
	sysv) [ -x /etc/init.d/pvtools-agent ] && /etc/init.d/pvtools-agent status >/dev/null 2>&1 ;;
	esac
}

restart_service() {
	case $init in
	# Without its device systemctl would wait; udev starts it then.
	systemd) [ ! -e "$port" ] || systemctl restart pvtools-agent ;;
	openrc) rc-update --quiet add pvtools-agent default && rc-service pvtools-agent restart ;;
	sysv) /etc/init.d/pvtools-agent restart ;;
	esac
}

stop_service() {
	case $init in
	systemd) systemctl stop pvtools-agent pvtools-exec 2>/dev/null || : ;;
	openrc)
		rc-service pvtools-agent stop >/dev/null 2>&1 || :
		rc-update --quiet delete pvtools-agent default >/dev/null 2>&1 || :
		;;
	sysv) [ ! -x /etc/init.d/pvtools-agent ] || /etc/init.d/pvtools-agent stop || : ;;
	esac
}

# ---- installing ----

note_journal() {
	printf '%s\t%s\n' "$1" "$2" >>"$journal"
	sync "$journal" 2>/dev/null || sync
}

make_directory() {
	[ -d "$destdir$1" ] && return 0
	make_directory "$(dirname "$1")" || return 1
	mkdir "$destdir$1" || return 1
	[ ! -f "$journal" ] || note_journal dir "$1"
}

sum_of() { sha256sum "$1" | cut -d' ' -f1; }

# Was the file changed since it was installed?
is_changed() {
	[ -f "$manifest" ] || return 1
	known=$(awk -v path="$1" '{ sum = $1; sub(/^[^ ]+  /, ""); if ($0 == path) print sum }' "$manifest")
	[ -n "$known" ] && [ "$known" != "$(sum_of "$destdir$1")" ]
}

# A second name for the old file; a copy where there are no such names.
keep_old() {
	ln -f "$1" "$1.pvt-old" 2>/dev/null && return 0
	cp -p "$1" "$1.pvt-copy" && mv -f "$1.pvt-copy" "$1.pvt-old"
}

# Puts a source in its place; the unit and the script name the program's place.
put_file() {
	source=$1 target=$2 access=$3
	make_directory "$(dirname "$target")" || return 1
	sed_or_copy "$here/$source" "$destdir$target.pvt-new" || return 1
	chmod "$access" "$destdir$target.pvt-new" || return 1
	# A setting that somebody changed stays; the new one is put beside it.
	if [ -e "$destdir$target" ] && [ "$source" = pvtools-agent.confd ] && is_changed "$target"; then
		say "$target was changed and stays; the new one is $target.new"
		mv -f "$destdir$target.pvt-new" "$destdir$target.new" || return 1
		sum=$(awk -v path="$target" '{ s = $1; sub(/^[^ ]+  /, ""); if ($0 == path) print s }' "$manifest")
		printf '%s  %s\n' "$sum" "$target" >>"$manifest.pvt-new"
		return 0
	fi
	printf '%s  %s\n' "$(sum_of "$destdir$target.pvt-new")" "$target" >>"$manifest.pvt-new"
	if [ -e "$destdir$target" ]; then
		note_journal old "$target"
		keep_old "$destdir$target" || return 1
	else
		note_journal new "$target"
	fi
	mv -f "$destdir$target.pvt-new" "$destdir$target"
}

sed_or_copy() {
	case $1 in
	*.service | *.initd | *.sysv | monitor.conf) sed "s,/usr/sbin/,$prefix/sbin/,g" "$1" >"$2" ;;
	*) cp "$1" "$2" ;;
	esac
}

install_all() {
	mkdir -p "$destdir$home" || die 1 "cannot make $destdir$home"
	was_active=
	if is_live && service_active; then was_active=yes; fi
	trap give_up HUP INT TERM
	# What an installation left that was cut off behind its end.
	files | cut -f2 | while read -r target; do rm -f "$destdir$target.pvt-old"; done
	: >"$journal" || give_up
	: >"$manifest.pvt-new" || give_up
	tab=$(printf '\t')
	list=$(files)
	while IFS=$tab read -r source target access; do
		put_file "$source" "$target" "$access" || give_up
	done <<-END
		$list
	END
	make_directory /etc/pvtools/hooks.d || give_up
	[ "$init" != sysv ] || make_links || give_up
	if is_live; then
		command -v restorecon >/dev/null 2>&1 && files | cut -f2 | xargs restorecon 2>/dev/null
		reload_service
		restart_service || give_up
		if [ -e "$port" ] && ! service_active; then give_up; fi
	fi
	# From here on it is installed.
	mv -f "$manifest.pvt-new" "$manifest" || give_up
	rm -f "$journal"
	trap - HUP INT TERM
	files | cut -f2 | while read -r target; do rm -f "$destdir$target.pvt-old"; done
	say "installed$(is_live && service_active && echo ', and the agent runs')"
	say "$home/install.sh --uninstall removes it"
}

# ---- removing ----

uninstall_all() {
	[ -f "$manifest" ] || die 8 "it is not installed: there is no $manifest"
	! is_live || stop_service
	[ "$init" != sysv ] || remove_links
	while read -r sum path; do
		[ -e "$destdir$path" ] || continue
		if [ "$sum" = "$(sum_of "$destdir$path")" ]; then
			rm -f "$destdir$path" || die 9 "cannot remove $path"
		else
			say "$path was changed and stays"
		fi
		rm -f "$destdir$path.pvt-old" "$destdir$path.pvt-new"
	done <"$manifest"
	rm -f "$manifest" "$journal"
	# What the agent knew of this machine and of its upgrades.
	rm -rf "$destdir/var/lib/pvtools/machine" "$destdir/var/lib/pvtools/upgrade"
	rmdir "$destdir/var/lib/pvtools" "$destdir$prefix/lib/pvtools" "$destdir$home/examples" "$destdir$home" "$destdir/etc/pvtools/hooks.d" "$destdir/etc/pvtools" 2>/dev/null
	if is_live; then
		reload_service
		rm -rf /run/pvtools
	fi
	say "removed"
}

say_what() {
	tab=$(printf '\t')
	files | while IFS=$tab read -r source target access; do
		verb=create
		[ ! -e "$destdir$target" ] || verb=replace
		say "would $verb $destdir$target (mode $access)"
	done
	say "would create $manifest"
	is_live || return 0
	if [ -e "$port" ]; then say "would start pvtools-agent ($init)"; else say "would not start anything: no port"; fi
}

is_live || [ -d "$destdir" ] || die 2 "$destdir is no directory"
if [ "$(id -u)" -ne 0 ] && is_live && [ "$mode" != check ] && [ "$mode" != dry-run ]; then
	die 3 "this needs root"
fi
if [ "$mode" = uninstall ]; then
	uninstall_all
	exit 0
fi
check_payload
check_system
check_others
check_room
case $mode in
check) say "can be installed here ($init)" ;;
dry-run) say_what ;;
install)
	if [ -f "$journal" ]; then
		say "an installation was cut off; undoing it first"
		roll_back || die 9 "it could not be undone, see $journal"
	fi
	install_all
	;;
esac
