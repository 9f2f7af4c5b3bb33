#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Host test of macros/: builds the crate and tries it. Prints TAP.

tests/macros/pass*.rs must compile and their tests pass.  Each file in
tests/macros/fail must be rejected with exactly the errors its comments tell:

    //~^ COLUMN TEXT

means an error that begins at that column of the line above (one line more for
each further caret) and whose text contains TEXT.  Needs MACH_KDIR, the
prepared kernel tree, whose syn and quote are used as in the build.
"""

import json
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CASES = os.path.join(TOP, "tests", "macros")
OUT = os.path.join(TOP, "build", "host", "macros")
LIBRARY = os.path.join(OUT, "libmach_macros.so")
ANNOTATION = re.compile(r"//~(\^+) (\d+) (.*\S)")


class Tap:
    """Counts and prints results."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def result(self, good, name, notes=()):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}")
        for note in notes:
            for line in note.rstrip().splitlines():
                print(f"# {line}")
        sys.stdout.flush()

    def finish(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)


def rustc(*arguments):
    return subprocess.run(["rustc", "--edition=2021", *arguments],
                          capture_output=True, text=True, check=False)


def build_library(kdir):
    """The crate as Kbuild makes it, with warnings as errors."""
    return rustc("-Dwarnings", "-Wmissing_docs", "-Wunreachable_pub", "-Wrust_2018_idioms",
                 "--crate-type=proc-macro", "--crate-name=mach_macros",
                 "--extern=proc_macro", "--extern=proc_macro2", "--extern=quote",
                 "--extern=syn", f"-L{kdir}/rust/host", f"--emit=link={LIBRARY}",
                 os.path.join(TOP, "macros", "lib.rs"))


def run_pass(tap, name):
    program = os.path.join(OUT, name)
    built = rustc("--test", f"--extern=mach_macros={LIBRARY}", "-o", program,
                  os.path.join(CASES, f"{name}.rs"))
    tap.result(built.returncode == 0, f"{name}.rs compiles", [built.stderr])
    if built.returncode:
        return
    ran = subprocess.run([program], capture_output=True, text=True, check=False)
    for name, outcome in re.findall(r"^test (\S+) \.\.\. (\w+)", ran.stdout, re.M):
        tap.result(outcome == "ok", name, [] if outcome == "ok" else [ran.stdout])
    tap.result(ran.returncode == 0, f"{name}.rs ends well", [ran.stderr])


def expected(path):
    """The errors that a file's comments tell: (line, column, text)."""
    with open(path, encoding="ascii") as file:
        for number, line in enumerate(file, 1):
            found = ANNOTATION.search(line)
            if found:
                yield number - len(found.group(1)), int(found.group(2)), found.group(3)
            elif "//~" in line:
                raise ValueError(f"{path}:{number}: bad annotation")


def reported(path):
    """The errors that rustc gives: (line, column, text)."""
    outcome = rustc("--error-format=json", "--emit=metadata", f"--out-dir={OUT}",
                    f"--extern=mach_macros={LIBRARY}", path)
    for line in outcome.stderr.splitlines():
        message = json.loads(line)
        primary = [span for span in message["spans"] if span["is_primary"]]
        if message["level"] != "error" or not primary:
            continue
        yield primary[0]["line_start"], primary[0]["column_start"], message["message"]


def run_fail(tap, path):
    name = os.path.basename(path)
    left = list(reported(path))
    for line, column, text in expected(path):
        match = next((error for error in left
                      if error[:2] == (line, column) and text in error[2]), None)
        notes = []
        if match:
            left.remove(match)
        else:
            notes = [f"at line {at}:{col}: {message}" for at, col, message in left]
            notes.insert(0, "errors that were reported and not met so far:")
        tap.result(match is not None, f"{name}:{line}:{column} {text}".replace("#", "\\#"), notes)
    tap.result(not left, f"{name} gives no other error",
               [f"at line {at}:{col}: {message}" for at, col, message in left])


def main():
    kdir = os.environ.get("MACH_KDIR")
    if not kdir:
        sys.exit("macros.py: MACH_KDIR is not set; `make host-test` sets it")
    os.makedirs(OUT, exist_ok=True)
    tap = Tap()
    built = build_library(kdir)
    tap.result(built.returncode == 0, "the macro crate compiles without warnings",
               [built.stderr])
    if built.returncode == 0:
        run_pass(tap, "pass")
        run_pass(tap, "pass_routine")
        folder = os.path.join(CASES, "fail")
        for name in sorted(os.listdir(folder)):
            run_fail(tap, os.path.join(folder, name))
    tap.finish()


if __name__ == "__main__":
    main()
