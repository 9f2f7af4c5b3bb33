#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Boot the VM, load the module, run /demo/run-demo, and print what it prints.

The kernel's console goes to build/run.log, and is shown only if the demo fails.
"""

import os
import sys

import vm

# Seconds the demo may be silent.
LIMIT = 180


def main():
    print(f"mach: booting Linux {os.environ.get('MACH_KREL')} in QEMU"
          f" ({vm.setting('ACCEL', 'tcg')}) …", flush=True)
    initramfs = vm.make_initramfs()
    vm.release_build()
    status, kernel = None, []
    with vm.Machine(initramfs, "run", vm.BUILD / "run.log") as machine:
        try:
            for line in machine.lines():
                machine.allow(LIMIT)
                kind, _, text = line.partition(" ")
                if kind == "|":
                    print(text, flush=True)
                elif kind == "#":
                    kernel.append(text)
                elif kind == "@" and text.startswith("end "):
                    status = int(text.split()[1])
        except vm.Hang:
            print("mach: the VM has been silent for too long and was stopped")
        if status == 0 and not kernel:
            return 0
        if status is None:
            kernel = machine.console_tail()
    print("mach: the demo failed; the kernel says:")
    for line in kernel:
        print(f"    {line}")
    print(f"mach: the whole console is in {vm.BUILD / 'run.log'}")
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
