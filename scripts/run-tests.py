#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Run host tests, then test programs in the VM, and count.

    run-tests.py [--host PROGRAM…] [--vm PROGRAM…] [--with PROGRAM…]

A program prints TAP lines ("ok 1 - name", "not ok 2 - name # reason", "1..2") or
what Rust's test harness prints. Each is a result; so is each misbehaviour of a
program that no line admits: a crash, a time-out, results that did not come, a
warning in the kernel log, leaked objects. The last line is the count, and the
exit status tells whether all passed. TESTS= holds patterns of program names.
Programs after --with are in the VM for others to use, and are not run.
"""

import fnmatch
import os
import pathlib
import re
import subprocess
import sys
import time

import vm

# Seconds for a program that does not say "time limit: N s" in its source.
DEFAULT_LIMIT = 60
HOST_LIMIT = 300
# What the VM may need beyond a program's limit: stacks, killing, leak checks.
GRACE = 60 * vm.SLOWNESS
# The test that looks at what scripts/fetch-samples.py fetched.
REAL_FILES = "test_real_files"
# A test that brings the kernel down costs a boot; do not go on forever. Any report
# of the debug kernel is the last of its boot.
MAX_BOOTS = 40 if vm.DEBUG else 4

TAP_RESULT = re.compile(r"(not )?ok\b\s*\d*\s*(?:-\s*)?(.*)")
TAP_PLAN = re.compile(r"1\.\.(\d+)")
RUST_RESULT = re.compile(r"test (\S+)(?: - should panic)? \.\.\. (ok|FAILED|ignored)")


class Totals:
    """All results so far."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def fail(self, name, reason):
        """Count a failure; `name` is the program's, or program and test."""
        self.failed += 1
        self.failures.append(f"{name}: {reason}")


class Program:
    """The results of one test program while it runs."""

    def __init__(self, name, totals):
        self.name = name
        self.totals = totals
        self.results = 0
        self.failures = 0
        self.plan = None
        print(f"== {name}", flush=True)

    def line(self, text):
        """A line of its output."""
        print(f"   {text}", flush=True)
        if match := TAP_RESULT.match(text):
            self._result(match[2], not match[1], "# SKIP" in text.upper())
        elif match := RUST_RESULT.match(text):
            self._result(match[1], match[2] != "FAILED", match[2] == "ignored")
        elif match := TAP_PLAN.match(text):
            self.plan = int(match[1])

    def _result(self, text, passed, skipped):
        self.results += 1
        if not passed:
            self.failures += 1
            self.totals.fail(self.name, text or "failed")
        elif skipped:
            self.totals.skipped += 1
        else:
            self.totals.passed += 1

    def fault(self, reason):
        """It did something that no result line admits."""
        self.failures += 1
        self.totals.fail(self.name, reason)
        print(f"   FAULT: {reason}", flush=True)

    def end(self, verdict, seconds):
        """It has ended; `verdict` is "exit N", "signal N" or "timeout"."""
        if verdict == "timeout":
            self.fault("ran into its time limit and was killed")
        elif verdict.startswith("signal"):
            self.fault(f"killed by {verdict}")
        elif verdict != "exit 0" and not self.failures:
            self.fault(f"{verdict} although no test failed")
        elif self.results == 0 and not self.failures:
            self.fault("no results")
        if self.plan is not None and self.results < self.plan and not self.failures:
            self.fault(f"only {self.results} of {self.plan} results")
        print(f"   {'FAILED' if self.failures else 'passed'} in {seconds:.1f} s", flush=True)


def test_name(path):
    """build/vm/test_ipc is "ipc", build/host/abi/tables "abi/tables"."""
    path = pathlib.Path(path)
    name = path.stem.removeprefix("test_")
    return name if path.parent.name == "vm" else f"{path.parent.name}/{name}"


def selected(paths):
    """Those that TESTS= asks for."""
    patterns = os.environ.get("TESTS", "").split()
    if not patterns:
        return list(paths)
    return [path for path in paths
            if any(fnmatch.fnmatch(name, pattern) for pattern in patterns
                   for name in (test_name(path), pathlib.Path(path).stem))]


def run_host(path, totals):
    """Run one program on this machine."""
    program = Program(test_name(path), totals)
    began = time.monotonic()
    command = [os.path.abspath(path)]
    if path.startswith("build/"):
        command.append("--test-threads=2")
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=HOST_LIMIT, check=False)
        output, status = done.stdout, done.returncode
        verdict = f"signal {-status}" if status < 0 else f"exit {status}"
    except subprocess.TimeoutExpired as error:
        output, verdict = error.stdout or b"", "timeout"
    except OSError as error:
        output, verdict = f"{error}\n".encode(), "exit 127"
    for line in output.decode(errors="replace").splitlines():
        if line.strip():
            program.line(line)
    program.end(verdict, time.monotonic() - began)


def time_limit(path):
    """What the source of a VM test asks for: "time limit: 120 s"."""
    if pathlib.Path(path).name == "soak":
        return 60 * int(vm.setting("MINUTES", "5")) + 600
    source = pathlib.Path("tests/vm") / f"{pathlib.Path(path).name}.c"
    match = re.search(r"time limit: (\d+) s", source.read_text()) if source.exists() else None
    return (int(match[1]) if match else DEFAULT_LIMIT) * vm.SLOWNESS


def add_samples(archive):
    """The macOS programs of others, which take much room."""
    for sample in sorted((vm.BUILD / "samples").glob("*")):
        archive.add(f"samples/{sample.name}", sample, 0o755)


def run_boot(paths, totals, others=()):
    """One boot with the given programs; returns those not run at its end."""
    limits = "".join(f"{pathlib.Path(path).name} {time_limit(path)}\n" for path in paths)
    with_samples = any(pathlib.Path(path).name == REAL_FILES for path in paths)
    initramfs = vm.make_initramfs([*paths, *others], limits,
                                  add_samples if with_samples else None)
    left = {pathlib.Path(path).name: path for path in paths}
    current = None
    done = False
    vm.release_build()
    began = time.monotonic()
    log = vm.BUILD / f"test{'-debug' if vm.DEBUG else '-kcsan' if vm.KCSAN else ''}.log"
    with vm.Machine(initramfs, "test", log) as machine:
        try:
            for line in machine.lines():
                kind, _, text = line.partition(" ")
                word, _, rest = text.partition(" ")
                if kind == "|" and current:
                    current.line(text)
                elif kind == "#":
                    print(f"   kernel: {text}", flush=True)
                elif kind != "@":
                    print(f"   vm: {line}", flush=True)
                elif word == "booted":
                    print(f"== vm: Linux {rest} up after {time.monotonic() - began:.0f} s", flush=True)
                    machine.allow(GRACE)
                elif word == "start":
                    name, limit = rest.split()
                    left.pop(name, None)
                    current = Program(name.removeprefix("test_"), totals)
                    machine.allow(int(limit) + GRACE)
                elif word == "fault":
                    current.fault(rest.partition(" ")[2])
                elif word == "end":
                    _, verdict, ms = re.fullmatch(r"(\S+) (.+) (\d+)", rest).groups()
                    current.end(verdict, int(ms) / 1000)
                    current = None
                    machine.allow(GRACE)
                elif word == "unfit":
                    raise vm.Unfit(rest)
                elif word == "abort":
                    name = current.name if current else "vm"
                    print(f"   {name}: the kernel is not fit to go on: {rest}", flush=True)
                    if not current or not current.failures:
                        totals.fail(name, rest)
                    done = True
                    break
                elif word == "done":
                    done = True
        except vm.Hang:
            fate = "the VM hangs"
        else:
            fate = "the VM stopped"
        if not done:
            if current:
                current.fault(f"{fate} while it runs")
            else:
                totals.fail("vm", f"{fate} between tests")
            for line in machine.console_tail():
                print(f"   console: {line}")
        if vm.KCSAN and "kcsan: enabled" not in log.read_text(errors="replace"):
            totals.fail("kcsan", "the kernel does not look for data races")
    return list(left.values())


def run_vm(paths, totals, others=()):
    """Run programs in the VM, in as many boots as it takes."""
    for _ in range(MAX_BOOTS):
        before = len(paths)
        try:
            paths = vm.with_fit_kernel(lambda left=paths: run_boot(left, totals, others))
        except vm.Unfit as unfit:
            totals.fail("kernel", f"unfit at each boot, before the module is loaded: {unfit}")
            break
        if not paths or len(paths) == before:
            break
        print(f"== vm: booting again for the other {len(paths)} programs", flush=True)
    for path in paths:
        totals.fail(test_name(path), "not run")


def main():
    host, programs, others, target = [], [], [], None
    targets = {"--host": host, "--vm": programs, "--with": others}
    for argument in sys.argv[1:]:
        if argument in targets:
            target = targets[argument]
        elif target is None:
            vm.fail(__doc__)
        else:
            target.append(argument)
    with_vm = "--vm" in sys.argv
    totals = Totals()
    host, chosen = selected(host), selected(programs)
    for path in host:
        run_host(path, totals)
    # Without a pattern, a VM with no programs still loads and unloads the module.
    if with_vm and (chosen or not os.environ.get("TESTS")):
        run_vm(chosen, totals, others)
    elif not host and not chosen:
        totals.fail("TESTS", f"no test is called {os.environ.get('TESTS')!r}")
    if totals.failures:
        print("\nfailed:")
        for failure in totals.failures:
            print(f"  {failure}")
    if totals.skipped:
        print(f"({totals.skipped} skipped)")
    print(f"{totals.passed} passed, {totals.failed} failed", flush=True)
    return 1 if totals.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
