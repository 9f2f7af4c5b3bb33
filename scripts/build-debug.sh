#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# build-debug.sh KIND DIRECTORY JOBS: build the kernel in DIRECTORY/tree with the
# options of DIRECTORY/config. Run where the tools are. Gives way to all others.

set -eu -o pipefail
kind=$1 dir=$2 jobs=$3
cd "$dir/tree"
renice -n 15 -p $$ >/dev/null

# How many lines a whole build prints, for a notion of how far it is.
LINES_IN_ALL=1700

make LLVM=1 KCONFIG_ALLCONFIG="$dir/config" allnoconfig
while read -r line; do
	grep -qxF "$line" .config || {
		echo "this kernel cannot have $line; it has:" \
			"$(grep -E "^(# )?${line%%=*}[= ]" .config || echo nothing of that name)"
		exit 1
	}
done < "$dir/config"

# Of a kernel with KCSAN only the helpers of the kernel crate are watched, as they
# do the module's marked accesses: all else would report races of its own.
watched=()
if [ "$kind" = kcsan ]; then
	tsan="-fsanitize=thread -fno-optimize-sibling-calls"
	tsan+=" -mllvm -tsan-distinguish-volatile=1"
	tsan+=" -mllvm -tsan-instrument-func-entry-exit=0"
	watched=(CFLAGS_KCSAN= CFLAGS_helpers/helpers.o="$tsan")
fi

export KBUILD_BUILD_USER=mach KBUILD_BUILD_HOST=debug
make LLVM=1 -j"$jobs" "${watched[@]}" bzImage modules 2>&1 |
	awk -v all=$LINES_IN_ALL '{ at = NR < all ? NR : all - 1
		printf "[%2d%%] %s\n", 100 * at / all, $0; fflush() }'

cp arch/x86/boot/bzImage System.map "$dir"
# Modules are made with headers, metadata and tools; the objects have done.
find . -name '*.o' ! -path './tools/*' ! -path './scripts/*' -delete
find . -name '*.a' ! -path './tools/*' -delete
rm -f .tmp_vmlinux* vmlinux.unstripped arch/x86/boot/compressed/vmlinux*
