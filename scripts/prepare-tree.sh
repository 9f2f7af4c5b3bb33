#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# prepare-tree.sh DIRECTORY RELEASE: prepare DIRECTORY/tree for Rust modules,
# with DIRECTORY/config and DIRECTORY/Module.symvers. Run where the tools are.

set -eu
dir=$1 release=$2
cd "$dir/tree"
cp "$dir/config" .config
make olddefconfig
grep -qx CONFIG_RUST=y .config || {
	echo "olddefconfig has turned CONFIG_RUST off:"
	make rustavailable || true
	exit 1
}
make -j"$(nproc)" KERNELRELEASE="$release" prepare modules_prepare
cp "$dir/Module.symvers" .

# Modules are compiled against metadata; the objects belong to the image.
find rust -name '*.o' -delete
