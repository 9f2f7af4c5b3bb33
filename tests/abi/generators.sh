#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Host test of the generators that read abi/: what they write compiles, and they
# reject data that contradict themselves. Prints TAP.

set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
out=$top/build/host/generators
rm -rf "$out"
mkdir -p "$out"
count=0
failed=0

# check NAME COMMAND…: one result; what the command printed goes below a failure.
check() {
	name=$1
	shift
	count=$((count + 1))
	if "$@" >"$out/log" 2>&1; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		sed 's/^/# /' "$out/log"
		failed=1
	fi
}

# header BITS: the header for such clients compiles, with its assertions.
header() {
	"$top/scripts/gen-abi-header" --bits "$1" -o "$out/mach_abi.h" &&
		printf '#include "mach_abi.h"\nint trap = NR_closing_descriptor;\n' >"$out/use.c" &&
		gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -c -o "$out/use.o" "$out/use.c"
}

# rejects FILE SED GENERATOR…: the generator fails on the changed data and says why.
rejects() {
	rm -rf "$out/abi" && cp -r "$top/abi" "$out/abi" || return 1
	sed -i "$2" "$out/abi/$1"
	shift 2
	if "$@" --abi "$out/abi" -o "$out/none"; then
		echo "accepted"
		return 1
	fi 2>"$out/why"
	grep -q "^$(basename "$1"): " "$out/why" && [ ! -e "$out/none" ]
}

# keeps: a file whose content is right keeps its date.
keeps() {
	touch -d 2001-01-01 "$out/mach_abi.h" &&
		"$top/scripts/gen-abi-header" --bits 32 -o "$out/mach_abi.h" &&
		[ "$(date -r "$out/mach_abi.h" +%Y)" = 2001 ]
}

headers=$top/scripts/gen-abi-header
asserts=$top/scripts/gen-abi-asserts

check "header of 64-bit clients compiles" header 64
check "header of 32-bit clients compiles" header 32
check "unchanged output keeps its date" keeps
check "a missing number is rejected" \
	rejects traps.csv /^0x1010/d "$headers"
check "a repeated structure is rejected" \
	rejects structs.csv '$a uidgid,(total),0,8,struct,,' "$headers"
check "members without their structure are rejected" \
	rejects structs.csv '/^uidgid,(total)/d' "$asserts"
check "an argument without a structure is rejected" \
	rejects traps.csv s/struct:uidgid/struct:nobody/ "$asserts"
echo "1..$count"
exit $failed
