# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034  # variables for the scripts that include this
#
# The kernel: Debian's stock image with its source, configured and prepared the
# way it was built, so that a module made here loads into the image unmodified.
#
# Debian's linux-headers have no rust/ directory; hence the source package. Same
# source, configuration and compilers give the same Rust symbols (their names
# hold hashes of all three), and Module.symvers comes from the flavour's headers.

SERIES=7.3
SUITE_TAG=deb13

# MiB needed while preparing: packages, source, build.
KERNEL_SPACE=3000

# find_kernel: the newest prepared kernel of the flavour, if there is one.
find_kernel() {
	local dir
	for dir in $(ls -d "$CACHE/kernel-$SERIES."*"-$FLAVOUR-$TOOLS_KEY" 2>/dev/null |
		sort -rV); do
		if [ -e "$dir/.ready" ]; then
			touch "$dir/.ready"
			KTREE=$dir/tree
			KREL=$(cat "$dir/release")
			KIMAGE=${KIMAGE:-$dir/vmlinuz}
			KMODULES=$dir/modules
			return 0
		fi
	done
	return 1
}

# use_kdir: a tree of the user's own (KDIR=).
use_kdir() {
	KTREE=$(cd "$KDIR" 2>/dev/null && pwd -P) || die "KDIR=$KDIR is not a directory."
	[ -e "$KTREE/include/config/auto.conf" ] && [ -e "$KTREE/rust/libkernel.rmeta" ] ||
		die "KDIR=$KTREE is not a kernel tree prepared for Rust modules. In it," \
			"with CONFIG_RUST=y, run 'make' or 'make prepare modules_prepare';" \
			"or leave KDIR= out and a Debian kernel is prepared for you."
	KREL=$(cat "$KTREE/include/config/kernel.release")
	KIMAGE=${KIMAGE:-$KTREE/arch/x86/boot/bzImage}
	# Without an image the module still builds; only the VM goals need it.
	[ -e "$KIMAGE" ] || KIMAGE=
	KMODULES=
	if [ -n "$KIMAGE" ]; then
		KIMAGE=$(readlink -f "$KIMAGE")
	fi
}

# offered PACKAGE: versions on offer, newest first.
offered() {
	private_apt apt-cache madison "$1" | awk '{ print $3 }' | sort -urV
}

# choose_kernel: the newest release whose headers and source are both offered;
# sets KREL and VERSION.
choose_kernel() {
	local version package pattern
	pattern="^linux-headers-$SERIES\\.[0-9]+\\+$SUITE_TAG-$FLAVOUR\$"
	for version in $(offered "linux-source-$SERIES"); do
		for package in $(private_apt apt-cache pkgnames linux-headers- |
			grep -E "$pattern" | sort -rV); do
			if offered "$package" | grep -qxF "$version"; then
				KREL=${package#linux-headers-}
				VERSION=$version
				return
			fi
		done
	done
	die "$MIRROR offers no linux-source-$SERIES together with a kernel of flavour" \
		"'$FLAVOUR'. Flavours are amd64 and cloud-amd64 (make FLAVOUR=…). If Debian" \
		"trixie-backports has moved on from $SERIES, use a snapshot mirror, or" \
		"prepare a $SERIES kernel yourself and give it: make KDIR=/path/to/linux"
}

# in_tools COMMAND…: run where the compilers are, before build/env exists.
in_tools() {
	if [ -z "$ROOT" ]; then
		"$@"
		return
	fi
	# shellcheck disable=SC2016
	unshare -m sh -c 'set -e
		root=$1 cache=$2
		shift 2
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		mkdir -p "$root$cache"
		mount --bind "$cache" "$root$cache"
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			HOME=/root LC_ALL=C.UTF-8 "$@"' sh "$ROOT" "$CACHE" "$@"
}

# check_config FILE: a kernel this project can use, with a compiler that fits.
check_config() {
	local want have
	grep -qx CONFIG_RUST=y "$1" || die "Debian's $KREL kernel is built without" \
		"Rust (CONFIG_RUST), so it cannot load a Rust module. Choose another" \
		"flavour with FLAVOUR=, or a kernel of your own with KDIR=."
	want=$(sed -n 's/^CONFIG_RUSTC_VERSION=//p' "$1")
	have=$(in_tools rustc --version |
		awk '{ split($2, v, /[.-]/); print v[1] * 100000 + v[2] * 100 + v[3] }')
	[ "$want" = "$have" ] || die "Debian's $KREL kernel was built with rustc" \
		"version $want, but the tools have $have (read 108501 as 1.85.1); Rust" \
		"symbols differ from compiler to compiler. If Debian has updated rustc," \
		"delete ${ROOT:-nothing, run apt-get upgrade} and call make again;" \
		"otherwise wait for the matching kernel, or use KDIR=."
}

download() {
	cd "$1"
	shift
	private_apt apt-get download "$@"
}

# unpack DEBS DIRECTORY: take from the packages what we need, into DIRECTORY.
unpack() {
	local debs=$1 dir=$2 headers=usr/src/linux-headers-$KREL lib=usr/lib/modules/$KREL
	local from=$dir/deb deb
	set -e
	mkdir -p "$from" "$dir/modules" "$dir/tree"
	for deb in "$debs"/*.deb; do
		echo "unpacking ${deb##*/}"
		# Of 5000 modules we want two: peers in tests and measurements.
		dpkg-deb --fsys-tarfile "$deb" | tar x -C "$from" --wildcards \
			"./$headers/.config" "./$headers/Module.symvers" "./$lib/vmlinuz" \
			'*/ntsync.ko*' '*/binder_linux.ko*' '*/linux-source-*.tar.xz' \
			2>/dev/null || [ $? = 2 ]
		rm "$deb"
	done
	mv "$from/$lib/vmlinuz" "$dir/vmlinuz"
	find "$from" -name '*.ko*' -exec mv -t "$dir/modules" {} +
	unxz "$dir"/modules/*.xz 2>/dev/null || :
	mv "$from/$headers/.config" "$dir/config"
	mv "$from/$headers/Module.symvers" "$dir/Module.symvers"
	unpack_source "$from"/usr/src/linux-source-*.tar.xz "$dir/tree"
	rm -r "$from"
}

# unpack_source TAR DIRECTORY: without drivers, file systems and other
# architectures, which is all but a fifth. Kconfig and make files stay.
unpack_source() {
	local top exclude=() pattern
	top=linux-source-$SERIES
	for pattern in 'arch/[!x]*/*.[chS]' 'arch/*.dts*' 'arch/xtensa/*.[chS]' 'drivers/*.[cS]' 'drivers/gpu/*.h' \
		'drivers/net/*.h' 'drivers/media/*.h' 'drivers/scsi/*.h' 'sound/*.[ch]' \
		'fs/*.c' 'net/*.c' 'samples/*.c' 'Documentation/*.rst' \
		'Documentation/*.txt' 'Documentation/*.yaml' 'Documentation/*.svg' \
		'tools/perf/*' 'tools/testing/*'; do
		exclude+=("--exclude=$top/$pattern")
	done
	echo "unpacking the source"
	tar xJf "$1" -C "$2" --strip-components=1 --anchored --wildcards "${exclude[@]}"
}

# prepare_tree DIRECTORY: runs in the tools; see scripts/prepare-tree.sh.
prepare_tree() {
	in_tools sh -s "$1" "$KREL" < scripts/prepare-tree.sh
}

# make_kernel: download, unpack, prepare. Sets what find_kernel sets.
make_kernel() {
	local dir debs
	need_space "$CACHE" $KERNEL_SPACE
	open_apt "$CACHE/.tmp.apt"
	choose_kernel
	dir=$CACHE/kernel-$(echo "$VERSION" | tr : _)-$FLAVOUR-$TOOLS_KEY
	debs=$CACHE/.tmp.debs
	if [ -e "$dir/.ready" ]; then
		say "$KREL is still the newest $SERIES kernel on offer"
		rm -rf "$APT"
		find_kernel
		return
	fi
	rm -rf --one-file-system "$dir"
	mkdir "$debs" "$dir"
	step "downloading the $KREL kernel and its source (300 MB)" download "$debs" \
		"linux-source-$SERIES=$VERSION" "linux-headers-$KREL=$VERSION" \
		"linux-binary-$KREL=$VERSION" "linux-modules-$KREL=$VERSION" ||
		die "the kernel packages could not be downloaded from $MIRROR. Check the" \
			"network and try again."
	step "unpacking them" unpack "$debs" "$dir" ||
		die "unpacking failed; is $CACHE out of space?"
	rm -rf "$debs" "$APT"
	check_config "$dir/config"
	echo "$KREL" > "$dir/release"
	step "preparing the kernel tree for Rust modules (1 to 3 minutes)" \
		prepare_tree "$dir" ||
		die "the kernel tree could not be prepared; see $CACHE/failed.log."
	touch "$dir/.ready"
	prune kernel
	find_kernel
}
