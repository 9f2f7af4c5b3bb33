#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# enter.sh COMMAND [ARGUMENT…]: run a command where the tools are.
#
# With a tool root, that is a chroot in a mount namespace of its own, in which
# the checkout, the cache and the kernel tree have the paths they have outside.
# Without one (Debian 13, KDIR=) it is this machine. Either way the environment
# is a clean one: what build/env says, a few names from outside, and the
# variables given to make on its command line (MACH_VARS holds their names).

set -eu
top=$(cd "$(dirname "$0")/.." && pwd -P)
# shellcheck source=/dev/null
. "$top/build/env"

# One make at a time builds in a checkout. The lock is a descriptor that all
# processes below inherit; scripts/vm.py gives it back when a VM is under way.
if [ -z "${MACH_UNSHARED-}" ]; then
	exec 8>"$top/build/lock"
	if ! flock -n 8; then
		echo "mach: another make is building in $top; waiting for it" >&2
		flock 8
	fi
fi

vars=(HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 MACH_INSIDE=1)
if [ -z "$MACH_ROOT" ]; then
	# Compilers of a machine we do not know may be anywhere.
	vars[0]=HOME=${HOME:-/}
	vars[1]=PATH=$PATH:/usr/sbin:/sbin
fi
for name in MACH_CACHE MACH_ROOT MACH_KDIR MACH_KREL MACH_KIMAGE MACH_KMODULES \
	MACH_DEBUG_DIR MACH_KCSAN_DIR; do
	vars+=("$name=${!name}")
done
for name in TERM CI V W JOBS ACCEL SMP MEM APPEND TESTS FLAVOUR SLOWNESS MINUTES \
	SEED KERNEL ${MACH_VARS-}; do
	[ -z "${!name+set}" ] || vars+=("$name=${!name}")
done

if [ -z "$MACH_ROOT" ]; then
	cd "$top"
	exec env -i "${vars[@]}" "$@"
fi

if [ "$(id -u)" != 0 ]; then
	echo "mach: entering the tool root needs root: sudo make …" >&2
	exit 1
fi

# show DIRECTORY: the same directory inside the root. /tmp is shared as a whole.
show() {
	case $1/ in /tmp/*) return ;; esac
	mkdir -p "$root$1"
	mount --bind "$1" "$root$1"
}

if [ -z "${MACH_UNSHARED-}" ]; then
	MACH_UNSHARED=1 exec unshare -m "$0" "$@"
fi

root=$MACH_ROOT
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind /tmp "$root/tmp"
# The cache holds the root itself: bind it first, without what is mounted below.
show "$MACH_CACHE"
show "$top"
# A kernel tree of the user's may lie anywhere, as may its sources (O= builds).
case $MACH_KDIR/ in
"$MACH_CACHE"/*) ;;
*)
	show "$MACH_KDIR"
	if [ -L "$MACH_KDIR/source" ]; then
		show "$(readlink -f "$MACH_KDIR/source")"
	fi
	[ -z "$MACH_KIMAGE" ] || show "$(dirname "$MACH_KIMAGE")" ;;
esac

# shellcheck disable=SC2016
exec chroot "$root" env -i "${vars[@]}" sh -c 'cd "$1" && shift && exec "$@"' \
	sh "$top" "$@"
