#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Boot the VM with the module loaded and give a prompt on this terminal."""

import glob
import os

import vm


def main():
    programs = [path for path in glob.glob(str(vm.BUILD / "vm/test_*"))
                if "." not in os.path.basename(path)]
    initramfs = vm.make_initramfs(programs)
    vm.release_build()
    command = vm.qemu_command(initramfs, "shell", ["-serial", "mon:stdio"])
    print("mach: booting; leave with ctrl-a x", flush=True)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
