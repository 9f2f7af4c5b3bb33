# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034  # variables for the scripts that include this
#
# Where Debian packages come from: the mirror, and an apt of our own whose
# lists and sources are private, so that the machine's own stay as they are.
# Proxies and certificates are the machine's.

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
DEFAULT_MIRROR=http://deb.debian.org/debian

# need_apt: the package tools that a Debian or Ubuntu machine always has.
need_apt() {
	command -v apt-get >/dev/null || die "this machine has no apt-get, which" \
		"fetches the compiler and the kernel. Use a Debian or Ubuntu machine" \
		"(a container will do), or give a kernel tree prepared for Rust" \
		"modules and the tools of your system: make KDIR=/path/to/linux"
}

# host_install PACKAGE…: missing packages on this machine.
host_install() {
	[ "$(id -u)" = 0 ] || die "this machine lacks packages. As root, run:" \
		"apt-get install $*   and call make again."
	apt-get update || echo "apt-get update failed; trying with what is known"
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# configured_mirror: the Debian archive this machine is set up with, if any.
configured_mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		grep -E '/debian/?$' | head -n 1 | sed 's:/$::' || true
}

# mirrors: what to try, best first.
mirrors() {
	{ configured_mirror; echo "$DEFAULT_MIRROR"; } | awk 'NF && !seen[$0]++'
}

# write_sources MIRROR: the suites we use.
write_sources() {
	local suite
	for suite in trixie trixie-backports; do
		echo "deb [signed-by=$KEYRING] $1 $suite main"
	done
}

# private_apt TOOL ARGUMENT…: apt-get or apt-cache on our own lists in $APT.
private_apt() {
	local tool=$1
	shift
	"$tool" -q \
		-o Dir::Etc::SourceList="$APT/sources.list" -o Dir::Etc::SourceParts=- \
		-o Dir::Etc::Preferences=- -o Dir::Etc::PreferencesParts=- \
		-o Dir::State="$APT/state" -o Dir::State::status="$APT/status" \
		-o Dir::Cache="$APT/cache" -o APT::Architecture=amd64 \
		-o APT::Architectures=amd64 -o APT::Sandbox::User= \
		-o Acquire::Languages=none -o Acquire::Retries=3 \
		-o APT::Update::Error-Mode=any "$@"
}

# open_apt DIRECTORY: fetch the package lists; sets APT and MIRROR.
open_apt() {
	local mirror
	need_apt
	[ -e "$KEYRING" ] || step "installing debian-archive-keyring" \
		host_install debian-archive-keyring || exit 1
	APT=$1
	mkdir -p "$APT/state/lists/partial" "$APT/cache/archives/partial"
	: > "$APT/status"
	for mirror in $(mirrors); do
		MIRROR=$mirror
		write_sources "$mirror" > "$APT/sources.list"
		step "fetching package lists from $mirror" private_apt apt-get update &&
			return
	done
	die "no Debian mirror with trixie and trixie-backports could be reached" \
		"(tried: $(mirrors | tr '\n' ' ')). Check the network and the proxy" \
		"(http_proxy, or Acquire::http::Proxy in /etc/apt/apt.conf.d)," \
		"or set up a mirror in /etc/apt/sources.list. See $CACHE/failed.log."
}
