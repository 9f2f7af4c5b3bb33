#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Kernels that find fault with themselves while they boot: how often that is borne."""

import contextlib
import importlib.util
import io
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
os.chdir(ROOT)

SPEC = importlib.util.spec_from_file_location("run_tests", ROOT / "scripts/run-tests.py")
run_tests = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(run_tests)


def run(boots):
    """What the boots do, in order: "unfit", or how many programs they get done.

    Returns the boots that were needed, the failures, and what was printed.
    """
    done = []

    def run_boot(paths, _totals, _others):
        boot = boots[len(done)]
        done.append(boot)
        if boot == "unfit":
            raise run_tests.vm.Unfit("BUG: KASAN")
        return paths[boot:]

    run_tests.run_boot, totals = run_boot, run_tests.Totals()
    with contextlib.redirect_stdout(io.StringIO()) as output:
        run_tests.run_vm(["build/vm/test_a", "build/vm/test_b"], totals)
    return len(done), totals.failures, output.getvalue()


def cases():
    """Each: a name, what boots do, how many of them there must be and how many failures."""
    yield "one_boot_is_unfit", ["unfit", 2], 2, 0
    yield "each_boot_has_its_own_tries", ["unfit", "unfit", 1, "unfit", "unfit", 1], 6, 0
    # The kernel, and two programs that have not run.
    yield "every_boot_is_unfit", ["unfit"] * 9, run_tests.vm.BOOTS, 3


def main():
    number = 0
    for number, (name, boots, wanted, failures) in enumerate(cases(), 1):
        count, failed, output = run(boots)
        told = output.count("unfit before the module was loaded")
        good = (count, len(failed), told) == (wanted, failures, boots[:count].count("unfit"))
        print(f"{'' if good else 'not '}ok {number} - {name}"
              f"{'' if good else f' # {count} boots, {failed}, {output!r}'}")
    print(f"1..{number}")


main()
