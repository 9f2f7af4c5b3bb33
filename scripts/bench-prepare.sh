#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What `make bench` needs beyond scripts/prepare.sh: QEMU 7.2, and the files of
# the revision to compare with.
#
# Counts of instructions depend on the version of QEMU, and those of the peers are
# known for 7.2. It comes from Debian 12, with the libraries it wants, into the
# cache; it is started by their own dynamic linker, so no root has to be entered.
#
# Environment: ACCEL, BASE (see scripts/help.txt).

set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
# shellcheck source=scripts/debian.sh
. scripts/debian.sh

# MiB in the cache
QEMU_SPACE=600

CACHE=$(cache_dir)
QEMU=$CACHE/bench-qemu-7.2

make_qemu() {
	local tmp=$CACHE/.tmp.qemu mirror
	[ "$(id -u)" = 0 ] || die "measuring needs QEMU 7.2, which is unpacked as" \
		"root, once: run 'sudo make bench'."
	need_apt
	need_space "$CACHE" $QEMU_SPACE
	command -v mmdebstrap >/dev/null && [ -e "$KEYRING" ] ||
		step "installing mmdebstrap" host_install mmdebstrap debian-archive-keyring ||
		die "mmdebstrap could not be installed; it unpacks QEMU 7.2."
	for mirror in $(mirrors); do
		rm -rf --one-file-system "$tmp"
		if step "fetching QEMU 7.2 from $mirror (about 1 minute)" \
			unshare -m mmdebstrap --mode=root --variant=extract \
			--architectures=amd64 --include=qemu-system-x86 \
			--dpkgopt='path-exclude=/usr/share/doc/*' \
			--aptopt='Acquire::Retries "3"' --aptopt='Acquire::Languages "none"' \
			bookworm "$tmp" "deb $mirror bookworm main"; then
			touch "$tmp/.ready"
			rm -rf --one-file-system "$QEMU"
			mv "$tmp" "$QEMU"
			return
		fi
	done
	die "QEMU 7.2 of Debian 12 could not be fetched. See $CACHE/failed.log."
}

unpack_base() {
	local revision
	revision=$(git rev-parse --verify --quiet "$BASE^{commit}") ||
		die "BASE=$BASE is not a revision of this checkout."
	mkdir -p build/bench
	if [ "$(cat build/bench/base/.revision 2>/dev/null)" != "$revision" ]; then
		rm -rf build/bench/base
		mkdir build/bench/base
		git archive "$revision" | tar x -C build/bench/base
		echo "$revision" > build/bench/base/.revision
	fi
}

if [ "${ACCEL:-tcg}" = tcg ] && [ ! -e "$QEMU/.ready" ]; then
	take_lock
	[ -e "$QEMU/.ready" ] || make_qemu
fi
[ -z "${BASE:-}" ] || unpack_base
