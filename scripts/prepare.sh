#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Make sure that everything the build and the tests need exists, and write the
# places to build/env. When nothing is missing this takes no time and no network.
#
# In the cache, each made in a temporary place and stamped when complete:
#   root-<key>/      Debian trixie with the compilers and QEMU; not made on a
#                    Debian 13 machine, which is its own root
#   kernel-<version>/  tree/     kernel tree, prepared for Rust modules
#                      vmlinuz   the stock image
#                      modules/  stock modules that tests compare with
#   debug-<version>-<key>/  the debug kernel (--debug makes it)
#   kcsan-<version>-<key>/  the one that looks for data races (--kcsan)
#
# Environment: FLAVOUR, KDIR, KIMAGE, TOOLS, MACH_CACHE (see scripts/help.txt).

set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
# shellcheck source=scripts/debian.sh
. scripts/debian.sh
# shellcheck source=scripts/tools.sh
. scripts/tools.sh
# shellcheck source=scripts/kernel.sh
. scripts/kernel.sh
# shellcheck source=scripts/debug-kernel.sh
. scripts/debug-kernel.sh

UPDATE=
[ "${1-}" != --update ] || UPDATE=1
FLAVOUR=${FLAVOUR:-amd64}

[ "$(uname -s)/$(uname -m)" = Linux/x86_64 ] || die "mach builds and runs on" \
	"x86_64 Linux only; this machine is $(uname -s) $(uname -m)."

# The build directory is written as an argument of kbuild, which takes neither
# spaces nor colons.
case $PWD in
*[[:space:]:%]*)
	die "the path of the checkout, $PWD, has a space, a colon or a percent sign in" \
		"it, which the kernel's build system cannot take. Move the checkout." ;;
esac

CACHE=$(cache_dir)

choose_tools		# sets TOOLS and ROOT
if [ -n "${KDIR:-}" ]; then
	use_kdir	# sets KTREE, KREL, KIMAGE and KMODULES
	tools_ready || { take_lock; make_tools; }
else
	if [ -n "$UPDATE" ] || ! tools_ready || ! find_kernel; then
		take_lock
		tools_ready || make_tools
		if [ -n "$UPDATE" ] || ! find_kernel; then
			make_kernel
		fi
	fi
fi

for kind in debug kcsan; do
	if [ "${1-}" = --$kind ] && ! find_debug_kernel $kind >/dev/null; then
		take_lock
		find_debug_kernel $kind >/dev/null || make_debug_kernel $kind
	fi
done

mkdir -p build
cat > "build/env.$$" <<END
# Written by scripts/prepare.sh for scripts/enter.sh.
MACH_CACHE='$CACHE'
MACH_ROOT='$ROOT'
MACH_KDIR='$KTREE'
MACH_KREL='$KREL'
MACH_KIMAGE='$KIMAGE'
MACH_KMODULES='$KMODULES'
MACH_DEBUG_DIR='$(find_debug_kernel debug || true)'
MACH_KCSAN_DIR='$(find_debug_kernel kcsan || true)'
END
if cmp -s "build/env.$$" build/env; then
	rm "build/env.$$"
else
	mv "build/env.$$" build/env
fi
