#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Host test of the README: the trap that it adds as an example builds, in just
# the two steps that it tells. Prints TAP. Needs MACH_KDIR.

set -u
cd "$(dirname "$0")/../.." || exit 1
copy=build/host/example
file=$copy/src/traps/generic/mod.rs
log=build/host/example.log

# fence LANGUAGE: the README's block of that language under "Adding a trap".
fence() {
	sed -n '/^## Adding a trap/,/^## /p' README.md |
		sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" | sed '/^```/d'
}

# The module is built as kbuild does it, but in a copy.
build() {
	make -C "$MACH_KDIR" M="$PWD/$copy" MO="$PWD/$copy/out" modules >"$log" 2>&1
}

rm -rf "$copy"
mkdir -p "$copy/out"
cp -r Kbuild abi macros scripts src "$copy/"

echo "1..3"

function=$(fence rust)
old=$(fence diff | sed -n 's/^-//p')
new=$(fence diff | sed -n 's/^+//p')
if [ -n "$function" ] && [ -n "$old" ] && grep -qF "$old" "$file"; then
	echo "ok 1 - the README has a function and a list that is in the file"
else
	echo "not ok 1 - the README has a function and a list that is in the file"
fi

printf '\n%s\n' "$function" >>"$file"
python3 - "$file" "$old" "$new" <<'PYTHON'
import sys
path, old, new = sys.argv[1:]
text = open(path, encoding="utf-8").read()
open(path, "w", encoding="utf-8").write(text.replace(old, new))
PYTHON
if build; then
	echo "ok 2 - the example builds"
else
	echo "not ok 2 - the example builds"
	grep -A8 '^error' "$log" | sed 's/^/# /'
fi

# The same number once more does not build.
sed -i 's/nr::KERNEL_PRINTK/nr::GET_API_VERSION/' "$file"
if ! build && grep -q "a trap number is used twice" "$log"; then
	echo "ok 3 - a number used twice does not build"
else
	echo "not ok 3 - a number used twice does not build"
	grep -A8 '^error' "$log" | sed 's/^/# /'
fi
