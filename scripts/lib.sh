# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions shared by the preparation scripts: messages, steps with visible
# progress, and the cache.

# say TEXT: one line for the user.
say() {
	printf 'mach: %s\n' "$*" >&2
}

# die TEXT: why we stop and what the user can do, wrapped to a paragraph.
die() {
	printf '\n' >&2
	printf 'mach: %s\n' "$*" | fold -s -w 78 >&2
	exit 1
}

# The cache. HOME may be unset, as in some CI jobs.
cache_dir() {
	local home=${HOME:-}
	[ -n "$home" ] || home=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6)
	local dir=${MACH_CACHE:-${XDG_CACHE_HOME:-${home:-/var/tmp}/.cache}/mach-ko}
	mkdir -p "$dir" 2>/dev/null || die "the cache directory $dir cannot be" \
		"created. Name another one: make MACH_CACHE=/some/directory …"
	[ -w "$dir" ] || die "the cache directory $dir is not writable. Run as" \
		"its owner, or name another one: make MACH_CACHE=/some/directory …"
	(cd "$dir" && pwd -P)
}

# need_space DIR MEBIBYTES: stop early rather than with a half-made tree.
need_space() {
	local free
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] || die "the file system of $1 has $free MiB free, but" \
		"preparing needs $2 MiB. Free some space, or put the cache on another" \
		"disk: make MACH_CACHE=/some/directory …"
}

# The process group of the running step, for the traps below.
step_group=

# step TITLE COMMAND…: run a long command with its output in a log file, and
# tell every second (on a terminal) or every 20 seconds (elsewhere) that it
# lives. On failure show the end of the log. The command may be a function.
# Its last line of output that starts with "mach: " is for the user.
step() {
	local title=$1 log start now next=20 last status
	shift
	log=$(mktemp "$CACHE/.log.XXXXXX")
	start=$(date +%s)
	[ -t 2 ] || say "$title …"
	# A process group of its own, to be killed as a whole on interruption. It
	# inherits the lock: should we be killed, the next run waits for its end.
	set -m
	("$@") >"$log" 2>&1 </dev/null &
	step_group=$!
	set +m
	while kill -0 "$step_group" 2>/dev/null; do
		sleep 1
		now=$(($(date +%s) - start))
		if [ -t 2 ]; then
			last=$(tail -c 400 "$log" | tr '\r' '\n' | grep . | tail -n 1 | cut -c1-50)
			printf '\r\033[Kmach: %s … %d s  %s' "$title" "$now" "$last" >&2
		elif [ "$now" -ge "$next" ]; then
			next=$((next + 20))
			say "$title … $now s"
		fi
	done
	wait "$step_group" && status=0 || status=$?
	step_group=
	now=$(($(date +%s) - start))
	[ -t 2 ] && printf '\r\033[K' >&2
	if [ "$status" -ne 0 ]; then
		mv "$log" "$CACHE/failed.log"
		say "$title: failed after $now s; the end of $CACHE/failed.log:"
		tail -n 15 "$CACHE/failed.log" | sed 's/^/    /' >&2
		return 1
	fi
	say "$title: done in $now s"
	rm -f "$log"
}

# What is left of an interrupted run goes away with us or, if we are killed
# without notice, at the start of the next run (see take_lock).
interrupted() {
	trap - INT TERM HUP
	[ -z "$step_group" ] || kill -TERM -- "-$step_group" 2>/dev/null
	printf '\n' >&2
	say "interrupted; the next run starts the unfinished step again"
	exit 130
}

# take_lock: one preparation at a time in a cache.
take_lock() {
	exec 9>"$CACHE/lock"
	if ! flock -n 9; then
		say "another run is preparing $CACHE; waiting for it to finish"
		flock 9
	fi
	trap interrupted INT TERM HUP
	rm -rf --one-file-system "$CACHE"/.tmp.* "$CACHE"/.log.*
}

# prune KIND: remove roots or kernels that no checkout has used for a month;
# each use touches the stamp.
prune() {
	local stamp
	find "$CACHE" -mindepth 2 -maxdepth 2 -path "$CACHE/$1-*/.ready" -mtime +30 |
		while read -r stamp; do
			say "removing ${stamp%/.ready}, unused for a month"
			rm -rf --one-file-system "${stamp%/.ready}"
		done
}
