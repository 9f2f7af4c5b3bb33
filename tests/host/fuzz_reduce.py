#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""The reduction of what `make fuzz` finds, with a kernel that is made up."""

import importlib.util
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
os.chdir(ROOT)

SPEC = importlib.util.spec_from_file_location("run_fuzz", ROOT / "scripts/run-fuzz.py")
run_fuzz = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(run_fuzz)


def kernel_that_dislikes(*calls):
    """Complains of the first sequence that has all these calls, in order."""
    def session(_state, _minutes, sequences):
        session.boots += 1
        for number, sequence in enumerate(sequences, 1):
            rest = iter(sequence.split("; "))
            if all(call in rest for call in calls):
                return run_fuzz.Finding(number, "BUG: KASAN")
        return None
    session.boots = 0
    return session


def cases():
    """Each: a name, the kernel, the sequences that ran, what must come out."""
    long = "; ".join(f"0.0 nap {number}" for number in range(40))
    yield "one_call_is_enough", kernel_that_dislikes("0.0 nap 17"), [long], "0.0 nap 17"
    yield ("two_calls_far_apart", kernel_that_dislikes("0.0 nap 3", "0.0 nap 36"), [long],
           "0.0 nap 3; 0.0 nap 36")
    yield "an_earlier_sequence", kernel_that_dislikes("0.0 exit"), [long, "0.0 exit"], "0.0 exit"
    yield "does_not_happen_again", kernel_that_dislikes("0.1 exit"), [long], None


def main():
    number = 0
    for number, (name, kernel, sequences, wanted) in enumerate(cases(), 1):
        run_fuzz.session = kernel
        got = run_fuzz.reduce(None, sequences)
        good = got == wanted and kernel.boots <= run_fuzz.REDUCE_BOOTS
        print(f"{'' if good else 'not '}ok {number} - {name}"
              f"{'' if good else f' # {got!r} after {kernel.boots} boots'}")
    print(f"1..{number}")


main()
