# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The tools: compilers, QEMU and the small programs of a kernel build, as Debian
# trixie has them. On Debian 13 that is the machine itself, elsewhere a root of
# our own, entered with scripts/enter.sh.

PACKAGES="make gcc libc6-dev rustc rust-src rust-clippy rustfmt bindgen clang
llvm lld bc bison flex libelf-dev libdw-dev libssl-dev dwarves kmod cpio
xz-utils zstd rsync python3 perl gawk file shellcheck qemu-system-x86
busybox-static ca-certificates"

# MiB that a root takes, with the downloads while it is made.
ROOT_SPACE=3500

# choose_tools: decide between this machine and a root of our own. A prepared
# kernel tree belongs to the tools that prepared it, which TOOLS_KEY names.
choose_tools() {
	local host=root
	# shellcheck disable=SC1091
	[ "$(. /etc/os-release 2>/dev/null; echo "${ID-}${VERSION_ID-}")" != debian13 ] ||
		host=host
	[ -z "${KDIR:-}" ] || host=host
	TOOLS=${TOOLS:-$host}
	case $TOOLS in
	host)
		ROOT=
		TOOLS_KEY=host ;;
	root)
		TOOLS_KEY=$(echo "trixie $PACKAGES" | sha256sum | cut -c1-10)
		ROOT=$CACHE/root-$TOOLS_KEY ;;
	*)
		die "TOOLS=$TOOLS is neither 'root' (a Debian trixie root in the" \
			"cache) nor 'host' (the tools of this machine)." ;;
	esac
}

# missing_packages: which of ours this Debian machine lacks.
missing_packages() {
	local package
	for package in $PACKAGES; do
		[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] ||
			echo "$package"
	done
}

# missing_commands: the same for a machine whose packages we do not know.
missing_commands() {
	local command
	for command in make gcc rustc bindgen python3 qemu-system-x86_64; do
		command -v "$command" >/dev/null || echo "$command"
	done
}

tools_ready() {
	if [ "$TOOLS" = root ]; then
		[ -e "$ROOT/.ready" ] && touch "$ROOT/.ready"
	elif [ -n "${KDIR:-}" ]; then
		[ -z "$(missing_commands)" ]
	else
		# Asking dpkg costs a second; the answer holds while its data base does.
		[ "$CACHE/host-tools" -nt /var/lib/dpkg/status ] &&
			[ "$(cat "$CACHE/host-tools")" = "$PACKAGES" ]
	fi
}

make_tools() {
	local missing
	if [ "$TOOLS" = root ]; then
		make_root
	elif [ -n "${KDIR:-}" ]; then
		die "KDIR= builds with the tools of this machine, and it lacks:" \
			"$(missing_commands | tr '\n' ' ')– install them, or use those of a" \
			"Debian trixie root that is made for you: make KDIR=$KDIR TOOLS=root"
	else
		missing=$(missing_packages | tr '\n' ' ')
		# shellcheck disable=SC2086
		if [ -n "$missing" ]; then
			[ "$(id -u)" = 0 ] || die "this machine lacks packages. As root," \
				"run: apt-get install --no-install-recommends $missing– then" \
				"call make again; the rest needs no root."
			step "installing packages on this machine" host_install $missing ||
				die "the packages could not be installed. Repair that with" \
					"apt-get, or use a root of our own: make TOOLS=root"
		fi
		echo "$PACKAGES" > "$CACHE/host-tools"
	fi
}

# make_root: a trixie root, in a temporary place first.
make_root() {
	local tmp=$CACHE/.tmp.root mirror apt_options=() line
	need_root_user
	need_apt
	need_space "$CACHE" $ROOT_SPACE
	command -v mmdebstrap >/dev/null && [ -e "$KEYRING" ] ||
		step "installing mmdebstrap" host_install mmdebstrap debian-archive-keyring ||
		die "mmdebstrap could not be installed; it makes the tool root. Repair" \
			"that with: apt-get install mmdebstrap debian-archive-keyring"
	# The machine's proxy settings; http_proxy and friends pass by themselves.
	while read -r line; do
		apt_options+=("--aptopt=$line")
	done < <(apt-config dump 2>/dev/null | grep -E '^Acquire::https?::Proxy' || true)
	for mirror in $(mirrors); do
		rm -rf --one-file-system "$tmp"
		if step "making a Debian trixie root from $mirror (about 1 minute)" \
			bootstrap "$mirror" "$tmp" "${apt_options[@]}"; then
			touch "$tmp/.ready"
			mv "$tmp" "$ROOT"
			prune root
			return
		fi
	done
	die "the Debian trixie root could not be made (tried: $(mirrors | tr '\n' ' '))." \
		"Check the network and the proxy (http_proxy, or Acquire::http::Proxy in" \
		"/etc/apt/apt.conf.d); in a container, mounting must be allowed (docker:" \
		"--cap-add SYS_ADMIN). See $CACHE/failed.log."
}

# bootstrap MIRROR DIRECTORY OPTION…
bootstrap() {
	local mirror=$1 dir=$2
	shift 2
	# Manual pages and the like are of no use in there. The mount namespace is
	# for what mmdebstrap mounts, to be gone with it even if it is killed.
	unshare -m mmdebstrap --mode=root --variant=minbase --architectures=amd64 \
		--include="$(echo $PACKAGES | tr ' ' ,)" \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/info/*' \
		--aptopt='Acquire::Retries "3"' --aptopt='Acquire::Languages "none"' \
		"$@" trixie "$dir" "deb $mirror trixie main"
}

# need_root_user: making and entering a root takes root's rights.
need_root_user() {
	[ "$(id -u)" = 0 ] || die "you are not root. On this system the tools live" \
		"in a Debian trixie root, and making and entering it needs root: run" \
		"'sudo make …'. Without root, use a Debian 13 machine, or a prepared" \
		"Rust kernel tree with the tools of this machine: make KDIR=/path/to/linux"
	unshare -m true 2>/dev/null || die "this environment forbids mount" \
		"namespaces (unshare -m fails), which the build needs to enter its tool" \
		"root. In docker, add --cap-add SYS_ADMIN --security-opt apparmor=unconfined;" \
		"or use a Debian 13 image, where no tool root is needed."
}
