#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Measure in the VM, and tell about it.

    run-bench.py measure    all rows, or those that ROWS= names; with BASE=, the rows
                            of the module with two modules in turn
    run-bench.py profile    which functions the instructions of ROWS= are in
    run-bench.py parallel   two pairs of tasks at a time, on a CPU each, against one

Software emulation counts instructions: the guest's clock moves on by one nanosecond
with each of them. With KVM (ACCEL=kvm) it is real time.
"""

import csv
import os
import pathlib
import statistics
import sys
import time

import bench_picture
import bench_profile
import vm

OUTPUT = vm.BUILD / "bench"
TARGETS = pathlib.Path("tests/bench/targets.csv")
# Seconds without a line from the VM.
PATIENCE = 400
COUNTED = ("instructions", "instruction-counted time: QEMU 7.2, -icount shift=0,sleep=off")
REAL = ("ns", "real time on this machine (KVM)")


def counted():
    """Whether the VM counts instructions."""
    return vm.setting("ACCEL", "tcg") == "tcg"


def qemu_of(command, profile=False):
    """The command line for measuring, out of that for testing."""
    if not counted():
        return command
    root = pathlib.Path(os.environ["MACH_CACHE"]) / "bench-qemu-7.2"
    libraries = ":".join(str(root / name) for name in
                         ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))
    os.environ["QEMU_MODULE_DIR"] = str(root / "usr/lib/x86_64-linux-gnu/qemu")
    command = list(command)
    command[command.index("-cpu") + 1] = "max,-monitor,-erms,-fsrm"
    command[command.index("-smp") + 1] = "2"
    # 10 000 processes take some.
    command[command.index("-m") + 1] = "2G"
    command[:1] = [str(root / "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"), "--library-path", libraries,
                   str(root / "usr/bin/qemu-system-x86_64"),
                   "-L", str(root / "usr/share/qemu"), "-L", str(root / "usr/share/seabios"),
                   "-icount", "shift=0,sleep=off"]
    if profile:
        command += ["-plugin", f"{OUTPUT}/profiler.so,out={OUTPUT}/profile.counts"]
    return command


def parallel_qemu(command):
    """The command line for CPUs that run at the same time, out of that for testing."""
    command = list(command)
    command[command.index("-smp") + 1] = "2"
    if counted():
        command[command.index("-accel") + 1] = "tcg,thread=multi"
    return command


def boot(script, each, adjust=qemu_of):
    """Run a shell script in the VM; `each` gets the lines that it prints after "| "."""
    def fill(archive):
        archive.text("bench/run", script)
        for name in ("bench", "exit_elf", "exit_macho"):
            archive.add(f"bench/{name}", OUTPUT / name, 0o755)
        if os.environ.get("BASE"):
            archive.add("bench/base.ko", OUTPUT / "base.ko")

    initramfs = vm.make_initramfs(fill=fill)
    vm.release_build()
    console = OUTPUT / "console.log"
    with vm.Machine(initramfs, "bench", console, adjust) as machine:
        try:
            for line in machine.lines():
                machine.allow(PATIENCE)
                if line.startswith("| "):
                    each(line[2:])
                elif line.startswith("@ end"):
                    return
                elif not line.startswith("@ "):
                    print(f"vm: {line}", flush=True)
            why = "stopped"
        except vm.Hang:
            why = "hangs"
        for line in machine.console_tail():
            print(f"console: {line}")
        vm.fail(f"the VM {why} while it measures")


INSTALL = "sleep 3\ninsmod /modules/ntsync.ko; insmod /modules/binder_linux.ko\n"


def label(row, size, cpus):
    """How a measured thing is called."""
    name = row if size == "0" else f"{row}:{size}"
    return name, int(cpus)


class Results:
    """Rounds of rows, by name and number of CPUs."""

    def __init__(self):
        self.rounds = {}
        self.remarks = {}

    def line(self, line):
        """One line of the measuring program."""
        row, size, cpus, _, _, ns, remark = line.split(",", 6)
        key = label(row, size, cpus)
        self.rounds.setdefault(key, [])
        if ns:
            self.rounds[key].append(float(ns))
        else:
            self.remarks[key] = remark

    def median(self, name, cpus):
        """The median of the rounds, or None."""
        rounds = self.rounds.get((name, cpus))
        return statistics.median(rounds) if rounds else None

    def spread(self, name, cpus):
        """Half the range of the rounds, in percent of the median."""
        rounds = self.rounds[name, cpus]
        middle = statistics.median(rounds)
        return 50 * (max(rounds) - min(rounds)) / middle if middle else 0.0


def targets():
    """The rows of targets.csv: (row, cpus, peer, must, aim)."""
    with TARGETS.open() as file:
        lines = [line for line in file if not line.startswith("#")]
    for row, cpus, peer, must, aim in csv.reader(lines):
        yield row, int(cpus), peer, float(must), float(aim)


def unit_of(name, unit):
    """What a row measures: most of them instructions or time."""
    return "bytes" if name.startswith("memory_") else unit


def verdicts(results):
    """Per target: (row, cpus, peer, ours, theirs, ratio, must, aim, verdict)."""
    for row, cpus, peer, must, aim in targets():
        ours, theirs = results.median(row, cpus), results.median(peer, cpus)
        if theirs is None:
            theirs = results.median(peer, 1)
        if ours is None:
            if (row, cpus) in results.rounds:
                yield row, cpus, peer, None, theirs, None, must, aim, \
                    results.remarks.get((row, cpus), "no result")
            continue
        if theirs is None:
            continue
        ratio = ours / theirs
        verdict = "aim" if ratio <= aim else "must" if ratio <= must else "MISSED"
        yield row, cpus, peer, ours, theirs, ratio, must, aim, verdict


def number(value):
    """With thousands apart."""
    return "-" if value is None else f"{value:,.0f}".replace(",", " ")


def report(results, unit):
    """The tables, as lines."""
    lines = [f"{'row':38}{'CPUs':>5}{unit:>15}{'spread':>9}"]
    for name, cpus in results.rounds:
        value = results.median(name, cpus)
        if value is None:
            lines.append(f"{name:38}{cpus:5}  {results.remarks.get((name, cpus), '')}")
        else:
            of = unit_of(name, unit)
            lines.append(f"{name:38}{cpus:5}{number(value):>15}"
                         f"{results.spread(name, cpus):8.1f}%{'' if of == unit else '  ' + of}")
    lines += ["", f"{'ours':32}{'CPUs':>5}  {'against':28}{'ratio':>7}{'must':>7}{'aim':>7}"]
    for row, cpus, peer, _, _, ratio, must, aim, verdict in verdicts(results):
        shown = "-" if ratio is None else f"{ratio:.2f}"
        lines.append(f"{row:32}{cpus:5}  {peer:28}{shown:>7}{must:7.2f}{aim:7.2f}  {verdict}")
    return lines


def write_csv(results, unit):
    """build/bench/results.csv and ratios.csv."""
    with (OUTPUT / "results.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["row", "cpus", "value", "unit", "spread_percent", "rounds", "remark"])
        for (name, cpus), rounds in results.rounds.items():
            value = results.median(name, cpus)
            out.writerow([name, cpus, "" if value is None else f"{value:.1f}", unit_of(name, unit),
                          f"{results.spread(name, cpus):.2f}" if rounds else "",
                          " ".join(f"{one:.1f}" for one in rounds),
                          results.remarks.get((name, cpus), "")])
    with (OUTPUT / "ratios.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["row", "cpus", "against", unit, unit + "_peer", "ratio", "must", "aim",
                      "verdict"])
        for row, cpus, peer, ours, theirs, ratio, must, aim, verdict in verdicts(results):
            out.writerow([row, cpus, peer, ours and f"{ours:.1f}", theirs and f"{theirs:.1f}",
                          ratio and f"{ratio:.3f}", must, aim, verdict])


def command(options):
    """The call of the measuring program for the rows and rounds asked for."""
    rows = " ".join(f"'{row}'" for row in os.environ.get("ROWS", "").split())
    return f"/bench/bench {options} {rows}\n"


def measure():
    """`make bench`"""
    unit, method = COUNTED if counted() else REAL
    results = Results()
    began = time.monotonic()

    def each(line):
        results.line(line)
        row, size, cpus, number_of_round = line.split(",")[:4]
        if number_of_round == "0":
            print(f"  {label(row, size, cpus)[0]} ({cpus})", file=sys.stderr, flush=True)

    rounds = vm.setting("ROUNDS", "3")
    boot(f"{INSTALL}insmod /mach.ko\n{command(f'-r {rounds}')}rmmod mach\n", each)
    lines = report(results, unit)
    lines.append("")
    lines.append(f"{method}; median of {rounds} rounds; {time.monotonic() - began:.0f} s")
    text = "\n".join(lines)
    print(text)
    (OUTPUT / "report.txt").write_text(text + "\n")
    write_csv(results, unit)
    bench_picture.write(OUTPUT / "bench.svg", results, list(verdicts(results)), unit, method)
    print(f"also in {OUTPUT}/: report.txt results.csv ratios.csv bench.svg")


# What counts as a change, in percent: rows that move much memory or make processes vary more.
WIDE = ("exec", "fork", "scm", "right", "ool", "memory", "bulk")


def compare():
    """`make bench BASE=…`: the rows of the module, with both modules in turn."""
    base, ours = Results(), Results()
    current = None

    def each(line):
        nonlocal current
        if line in ("base", "this"):
            current = base if line == "base" else ours
        else:
            current.line(line)

    script = INSTALL
    for _ in range(int(vm.setting("ROUNDS", "3"))):
        for name, module in (("base", "/bench/base.ko"), ("this", "/mach.ko")):
            script += f"insmod {module}; echo '| {name}'\n{command('-r 1 -o')}rmmod mach\n"
    boot(script, each)
    unit, method = COUNTED if counted() else REAL
    lines = [f"{'row':38}{'CPUs':>5}{'base':>13}{'this':>13}{'change':>9}"]
    flagged = 0
    for (name, cpus), rounds in ours.rounds.items():
        pairs = list(zip(base.rounds.get((name, cpus), []), rounds))
        if not pairs:
            remark = ours.remarks.get((name, cpus)) or base.remarks.get((name, cpus), "")
            lines.append(f"{name:38}{cpus:5}  {remark}")
            continue
        change = statistics.median(100 * (b / a - 1) for a, b in pairs)
        limit = 5 if any(word in name for word in WIDE) else 2
        mark = "  GREW" if change > limit else "  shrank" if change < -limit else ""
        flagged += change > limit
        lines.append(f"{name:38}{cpus:5}{number(base.median(name, cpus)):>13}"
                     f"{number(ours.median(name, cpus)):>13}{change:+8.1f}%{mark}")
    lines.append(f"{flagged} grew by more than 2 % (5 % for memory, rights and processes); "
                 f"{unit}: {method}")
    text = "\n".join(lines)
    print(text)
    (OUTPUT / "compare.txt").write_text(text + "\n")


def profile():
    """`make bench-profile`"""
    if not counted():
        vm.fail("profiles are made by counting instructions; leave ACCEL= out")
    rows = vm.setting("ROWS", "null_trap message_round_trip").split()
    for row in rows:
        counts = OUTPUT / "profile.counts"
        counts.unlink(missing_ok=True)
        symbols, iterations = [], [1]

        def each(line):
            if line.count(",") == 6:
                print(line, flush=True)
                iterations[0] = int(line.split(",")[4])
            else:
                symbols.append(line)

        script = f"{INSTALL}insmod /mach.ko\n" \
                 f"/bench/bench -x -r 1 '{row}'\n" \
                 "grep -E ' [tTwW] ' /proc/kallsyms | gzip | base64 | sed 's/^/| /'\n"
        boot(script, each, lambda command: qemu_of(command, profile=True))
        text = bench_profile.report(row, counts, symbols, iterations[0])
        print(text)
        (OUTPUT / f"profile-{row}.txt").write_text(text + "\n")
        by_line = bench_profile.lines(counts, symbols, iterations[0])
        (OUTPUT / f"profile-{row}-lines.txt").write_text(by_line + "\n")


# How much longer than pipes our pairs may take beside each other, of the time of one.
PARALLEL_MUST = 0.10


def parallel():
    """`make bench-parallel`: real time, so ratios of what was measured in turn."""
    times = {}

    def each(line):
        row, _, pairs, turn, _, ns, remark = line.split(",", 6)
        if not ns:
            vm.fail(f"{row}: {remark}")
        times.setdefault(row, {}).setdefault(int(turn), {})[int(pairs)] = float(ns)

    rounds = vm.setting("ROUNDS", "41")
    rows = ("message_round_trip", "pipe_round_trip")
    boot(f"sleep 3\ninsmod /mach.ko\n/bench/bench -t -r {rounds} {' '.join(rows)}\nrmmod mach\n",
         each, parallel_qemu)
    ratios = {row: [turn[2] / turn[1] for turn in times[row].values()] for row in rows}
    ours, pipes = (ratios[row] for row in rows)
    more = statistics.median(a - b for a, b in zip(ours, pipes))
    lines = [f"{'two pairs on two CPUs against one pair':40}{'median':>8}{'quartiles':>16}"]
    for row in rows:
        low, middle, high = statistics.quantiles(ratios[row], n=4)
        lines.append(f"{row:40}{middle:8.3f}{f'{low:.3f} {high:.3f}':>16}")
    verdict = "aim" if more <= 0 else "must" if more <= PARALLEL_MUST else "MISSED"
    lines.append(f"{'more than pipes':40}{more:+8.3f}  must {PARALLEL_MUST:.2f}, aim 0.00: {verdict}")
    lines.append(f"wall clock; {rounds} rounds in turn, medians of ratios within a round")
    text = "\n".join(lines)
    print(text)
    (OUTPUT / "parallel.txt").write_text(text + "\n")


def main():
    """Do what the argument says."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    what = sys.argv[1] if len(sys.argv) == 2 else ""
    if what == "measure":
        compare() if os.environ.get("BASE") else measure()
    elif what == "profile":
        profile()
    elif what == "parallel":
        parallel()
    else:
        vm.fail(__doc__)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
