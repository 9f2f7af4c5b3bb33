# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034  # variables for the scripts that include this
#
# The debug kernel: the source of the stock kernel, built by clang with what
# finds faults (scripts/debug.config). Built once for each source version,
# configuration and set of tools, and kept in the cache:
#   debug-<version>-<key>/  tree/    ready for modules, without its objects
#                           bzImage  System.map

# MiB needed while it is built.
DEBUG_SPACE=5000

# debug_dir: where the debug kernel for the chosen tree is or will be.
debug_dir() {
	local key version=${KTREE%/tree}
	version=${version##*/kernel-}
	version=${version%-"$FLAVOUR-$TOOLS_KEY"}
	key=$({ echo "$TOOLS_KEY"; grep '^CONFIG' scripts/debug.config; } |
		sha256sum | cut -c1-10)
	echo "$CACHE/debug-$version-$key"
}

# find_debug_kernel: sets DEBUG_DIR, if there is one for the chosen tree.
find_debug_kernel() {
	DEBUG_DIR=
	[ -z "${KDIR:-}" ] || return 1
	local dir
	dir=$(debug_dir)
	[ -e "$dir/.ready" ] || return 1
	touch "$dir/.ready"
	DEBUG_DIR=$dir
}

# unpack_debug TAR DIRECTORY: the source without what no PC without a bus needs.
unpack_debug() {
	local top=linux-source-$SERIES exclude=() pattern
	for pattern in 'arch/[!x]*/*.[chS]' 'arch/*.dts*' 'arch/xtensa/*.[chS]' \
		'drivers/gpu/*.[ch]' 'drivers/net/*/*.[ch]' 'drivers/media/*.[ch]' \
		'drivers/scsi/*.[ch]' 'drivers/staging/*.[ch]' 'drivers/usb/*.[ch]' \
		'drivers/infiniband/*.[ch]' 'drivers/iio/*.[ch]' 'drivers/accel/*.[ch]' \
		'sound/*.[ch]' 'samples/*.c' 'Documentation/*.rst' \
		'Documentation/*.txt' 'Documentation/*.yaml' 'Documentation/*.svg' \
		'tools/perf/*' 'tools/testing/*'; do
		exclude+=("--exclude=$top/$pattern")
	done
	mkdir "$2"
	dpkg-deb --fsys-tarfile "$1" | tar x -O --wildcards '*/linux-source-*.tar.xz' |
		tar xJ -C "$2" --strip-components=1 --anchored --wildcards "${exclude[@]}"
}

# build_debug DIRECTORY: runs in the tools; see scripts/build-debug.sh.
build_debug() {
	in_tools bash -s "$1" "${JOBS:-$(nproc)}" < scripts/build-debug.sh
}

# make_debug_kernel: download, unpack, build. Sets DEBUG_DIR.
make_debug_kernel() {
	local dir version debs=$CACHE/.tmp.debs
	[ -z "${KDIR:-}" ] || die "with KDIR= there is no source to build the debug" \
		"kernel from. Leave KDIR= out; or, if that tree is itself a debug kernel," \
		"run: make test KDIR=$KDIR"
	need_space "$CACHE" $DEBUG_SPACE
	dir=$(debug_dir)
	version=${dir##*/debug-}
	version=${version%-*}
	rm -rf --one-file-system "$dir" "$debs"
	open_apt "$CACHE/.tmp.apt"
	mkdir "$debs" "$dir"
	step "downloading the source of the kernel (160 MB)" download "$debs" \
		"linux-source-$SERIES=$version" ||
		die "linux-source-$SERIES $version could not be downloaded from $MIRROR." \
			"If Debian has moved on, get the kernel that it offers now with" \
			"'make update', and call this again; else check the network."
	step "unpacking it" unpack_debug "$debs"/*.deb "$dir/tree" ||
		die "unpacking failed; is $CACHE out of space?"
	rm -rf "$debs" "$APT"
	grep '^CONFIG' scripts/debug.config > "$dir/config"
	step "building the debug kernel (12 to 30 minutes, once)" build_debug "$dir" ||
		die "the debug kernel could not be built; see $CACHE/failed.log."
	touch "$dir/.ready"
	prune debug
	DEBUG_DIR=$dir
}
