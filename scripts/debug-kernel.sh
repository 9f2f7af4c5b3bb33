# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034  # variables for the scripts that include this
#
# The debug kernels: the source of the stock kernel, built by clang with what
# finds faults. There are two kinds, as KASAN and KCSAN exclude each other:
#   debug   scripts/debug.config
#   kcsan   the same, as changed by scripts/kcsan.config
# Each is built once for each source version, configuration and set of tools, and
# kept in the cache:
#   <kind>-<version>-<key>/  tree/    ready for modules, without its objects
#                            bzImage  System.map

# MiB needed while one is built.
DEBUG_SPACE=5000

# debug_options KIND: its configuration, without comments.
debug_options() {
	case $1 in
	debug)
		grep '^CONFIG' scripts/debug.config ;;
	kcsan)
		grep '^CONFIG' scripts/debug.config |
			grep -vxFf <(sed -n 's/^-//p' scripts/kcsan.config)
		grep '^CONFIG' scripts/kcsan.config ;;
	esac
}

# debug_dir KIND: where the kernel for the chosen tree is or will be.
debug_dir() {
	local key version=${KTREE%/tree}
	version=${version##*/kernel-}
	version=${version%-"$FLAVOUR-$TOOLS_KEY"}
	key=$({ echo "$TOOLS_KEY"; debug_options "$1"; } | sha256sum | cut -c1-10)
	echo "$CACHE/$1-$version-$key"
}

# find_debug_kernel KIND: prints where it is, if there is one for the chosen tree.
find_debug_kernel() {
	[ -z "${KDIR:-}" ] || return 1
	local dir
	dir=$(debug_dir "$1")
	[ -e "$dir/.ready" ] || return 1
	touch "$dir/.ready"
	echo "$dir"
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

# build_debug KIND DIRECTORY: runs in the tools; see scripts/build-debug.sh.
build_debug() {
	in_tools bash -s "$1" "$2" "${JOBS:-$(nproc)}" < scripts/build-debug.sh
}

# make_debug_kernel KIND: download, unpack, build.
make_debug_kernel() {
	local dir version kind=$1 debs=$CACHE/.tmp.debs
	[ -z "${KDIR:-}" ] || die "with KDIR= there is no source to build the debug" \
		"kernel from. Leave KDIR= out; or, if that tree is itself a debug kernel," \
		"run: make test KDIR=$KDIR"
	need_space "$CACHE" $DEBUG_SPACE
	dir=$(debug_dir "$kind")
	version=${dir##*/"$kind"-}
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
	debug_options "$kind" > "$dir/config"
	step "building the $kind kernel (12 to 30 minutes, once)" build_debug "$kind" "$dir" ||
		die "the $kind kernel could not be built; see $CACHE/failed.log."
	touch "$dir/.ready"
	prune "$kind"
}
