#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Fuzz the traps in the debug kernel, for MINUTES= (60).

The fuzzer proper is a program in the VM (tests/fuzz/traps). Here is what outlives
the VM, in build/fuzz: the corpus, from which the next run goes on; which code was
reached; and the findings. A VM that has complained is started anew. At the end
each finding is reduced: calls are left out as long as the kernel still complains.

    run-fuzz.py fuzz            fuzz, reduce, report
    run-fuzz.py report          what was reached, by file, and what never was
    run-fuzz.py reduce FILE     reduce a finding (build/fuzz/findings/*)
    run-fuzz.py keep            put a small corpus that reaches the same into the tree
"""

import collections
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import vm

HERE = vm.BUILD / "fuzz"
CORPUS = HERE / "corpus"
POINTS = HERE / "points.json"
SHAPES = HERE / "shapes"
FINDINGS = HERE / "findings"
SEEDS = pathlib.Path("tests/corpus/traps")
MODULE = vm.BUILD / "debug/module/mach.ko"
BLACK_BOX = HERE / "last"

# Minutes of one boot; what is learned is kept in any case.
BOOT_MINUTES = 30
# Seconds without a word from the VM that mean it hangs.
SILENCE = 90 * vm.SLOWNESS
# Boots for the reduction of one finding, and runs of each of its candidates.
REDUCE_BOOTS = 14
REDUCE_RUNS = 30

# What the user adds to the kernel's command line.
EXTRA = os.environ.get("APPEND", "")


class Finding:
    """What the kernel said, and the sequences that ran by then, the last one first."""

    def __init__(self, line, text):
        self.line = line
        self.text = text
        self.inputs = []
        self.log = []

    def slug(self):
        """A name for files: the report without addresses and numbers."""
        text = re.sub(r"0x[0-9a-f]+|\+0x\S+|[0-9]+", "", self.text)
        return re.sub(r"[^a-z]+", "-", text.lower()).strip("-")[:60] or "finding"


class State:
    """What is known so far, on disk."""

    def __init__(self):
        HERE.mkdir(parents=True, exist_ok=True)
        FINDINGS.mkdir(exist_ok=True)
        self.corpus = []
        if CORPUS.exists():
            self.corpus = CORPUS.read_text().splitlines()
        # Layouts of requests take minutes to find out; the interface does not change.
        self.shapes = SHAPES.read_text().splitlines() if SHAPES.exists() else []
        # Offsets mean something for this very build only.
        self.build = hashlib.sha256(MODULE.read_bytes()).hexdigest()
        self.points, self.runs, self.minutes = set(), 0, 0.0
        if POINTS.exists():
            known = json.loads(POINTS.read_text())
            if known["build"] == self.build:
                self.points = set(known["points"])
                self.runs, self.minutes = known["runs"], known["minutes"]

    def save(self):
        """Written aside and renamed: an interruption leaves one or the other."""
        for path, text in ((CORPUS, "\n".join(self.corpus) + "\n"),
                           (SHAPES, "\n".join(self.shapes) + "\n"), (POINTS, json.dumps(
                {"build": self.build, "points": sorted(self.points), "runs": self.runs,
                 "minutes": self.minutes}))):
            aside = path.with_suffix(".new")
            aside.write_text(text)
            aside.rename(path)


# --- Coverage ------------------------------------------------------------------------

def all_points():
    """Offsets of all code points: where the call of KCOV returns to."""
    output = subprocess.run(["readelf", "-rW", MODULE], check=True, capture_output=True, text=True)
    points, in_text = [], False
    for line in output.stdout.splitlines():
        if line.startswith("Relocation section"):
            in_text = "'.rela.text'" in line
        elif in_text and "__sanitizer_cov_trace_pc" in line:
            points.append(int(line.split()[0], 16) + 4)
    return points


def places(points):
    """For each point: the innermost file and line of ours that it belongs to."""
    # One byte back: the address of the call, not of what follows it.
    addresses = "\n".join(f"{point - 1:x}" for point in points)
    output = subprocess.run(
        ["addr2line", "-j", ".text", "-a", "-i", "-e", MODULE], check=True,
        capture_output=True, text=True, input=addresses).stdout.splitlines()
    result, point = {}, None
    for line in output:
        if line.startswith("0x"):
            point = int(line, 16) + 1
        # Libraries are counted to who calls them.
        elif point not in result and "/rust/" not in line:
            match = re.search(r"(?:^|/)(src/.*\.(?:rs|c|h)):(\d+)", line)
            if match:
                result[point] = (match[1], int(match[2]))
    return result


def functions_of(file):
    """The functions of a source file: line and name, in order of lines."""
    try:
        lines = pathlib.Path(file).read_text().splitlines()
    except OSError:
        return []
    found = [(number, re.match(r"\s*(?:pub\S* |const |unsafe |extern \S+ )*fn (\w+)", text))
             for number, text in enumerate(lines, 1)]
    return [(number, match[1]) for number, match in found if match]


def by_folder(files):
    """The same in few lines."""
    folders = collections.defaultdict(list)
    for file, (reached, count) in sorted(files.items()):
        path = pathlib.PurePath(file)
        folders[str(path.parent)].append((path.stem, reached, count))
    rows = ["| folder | reached | by file: points reached of points there are |", "|---|---|---|"]
    for folder, parts in folders.items():
        reached, count = (sum(part[at] for part in parts) for at in (1, 2))
        rows.append(f"| `{folder}` | {reached}/{count} | " +
                    ", ".join(f"{name} {part}/{whole}" for name, part, whole in parts) + " |")
    return rows


def report(state):
    """By file: points reached of points there are; then the functions never entered."""
    files = collections.defaultdict(lambda: [0, 0])
    lines = collections.defaultdict(set)
    for point, (file, line) in places(all_points()).items():
        files[file][0] += point in state.points
        files[file][1] += 1
        lines[file].add((line, point in state.points))
    text = ["| file | points | reached | % |", "|---|---|---|---|"]
    for file, (reached, count) in sorted(files.items()):
        text.append(f"| `{file}` | {count} | {reached} | {100 * reached // count} |")
    reached = sum(part for part, _ in files.values())
    count = sum(whole for _, whole in files.values()) or 1
    text += [f"| all | {count} | {reached} | {100 * reached // count} |", ""]
    text += [*by_folder(files), "", "never entered:", ""]
    entered = known = 0
    for file in sorted(files):
        starts = functions_of(file)
        never = []
        for (start, name), (end, _) in zip(starts, [*starts[1:], (1 << 30, "")]):
            inside = [hit for line, hit in lines[file] if start <= line < end]
            known += bool(inside)
            entered += any(inside)
            if inside and not any(inside):
                never.append(name)
        if never:
            text.append(f"- `{file}`: {', '.join(never)}")
    text += ["", f"{entered} of {known} functions entered"]
    (HERE / "report.md").write_text("\n".join(text) + "\n")
    return reached, count, entered, known


# --- One boot ------------------------------------------------------------------------

def session(state, minutes, replay=None):
    """One VM whose kernel is fit for it. Returns the finding that ended it, if one did."""
    try:
        return vm.with_fit_kernel(lambda: run_boot(state, minutes, replay))
    except vm.Unfit as unfit:
        vm.fail(f"the kernel is unfit at each boot, before the module is loaded: {unfit}")


def run_boot(state, minutes, replay):
    """One boot of it."""
    def fill(archive):
        if replay is not None:
            archive.text("fuzz/replay", "".join(f"{line}\n" for line in replay))
            return
        archive.text("fuzz/shapes", "".join(f"{line}\n" for line in state.shapes))
        archive.text("fuzz/corpus", "".join(f"{line}\n" for line in state.corpus))

    os.environ["MINUTES"] = str(max(1, round(minutes)))
    # Where the host gives no time to the VM, its kernel takes itself for locked up. We
    # notice ourselves when it is.
    os.environ["APPEND"] = (f"{EXTRA} MACH_RUNS={REDUCE_RUNS} nosoftlockup "
                            "rcupdate.rcu_cpu_stall_suppress=1")
    BLACK_BOX.unlink(missing_ok=True)
    limit = 60 * max(1, round(minutes)) + 3600
    initramfs = vm.make_initramfs([vm.BUILD / "vm/fuzz"], f"fuzz {limit}\n", fill)
    vm.release_build()
    finding, began, base, shown = None, time.monotonic(), state.runs, 0
    known = set(state.corpus)

    def adjust(command):
        return [*command, "-serial", f"file:{BLACK_BOX}"]

    with vm.Machine(initramfs, "test", HERE / "console.log", adjust) as machine:
        try:
            for line in machine.lines():
                if not line.startswith("| "):
                    if line.startswith("@ fault") and finding is None:
                        finding = Finding(0, line.partition(" ")[2].partition(" ")[2])
                    elif line.startswith("@ done"):
                        break
                    elif line.startswith("@ unfit"):
                        raise vm.Unfit(line.removeprefix("@ unfit "))
                    elif line.startswith("#") and finding:
                        finding.log.append(line)
                    continue
                machine.allow(SILENCE)
                word, _, rest = line[2:].partition(" ")
                if word == "new" and rest not in known:
                    known.add(rest)
                    state.corpus.append(rest)
                elif word == "shape":
                    state.shapes.append(rest)
                elif word == "points":
                    state.points.update(int(offset, 16) for offset in rest.split())
                elif word == "stat":
                    runs, corpus, points, steps = map(int, rest.split())
                    state.runs = base + runs
                    now = time.monotonic()
                    if now - shown > (5 if sys.stdout.isatty() else 60):
                        shown = now
                        if replay is None:
                            state.save()
                        print(f"fuzz: {(now - began) / 60:5.1f} min  {state.runs} executions, "
                              f"{runs / (now - began):.1f}/s  corpus {corpus}  points {points}  "
                              f"steps {steps}", flush=True)
                elif word == "finding":
                    number, _, text = rest.partition(" ")
                    finding = Finding(int(number), text)
                elif word in ("input", "before") and finding:
                    finding.inputs.append(rest)
                elif word == "#":
                    print(f"fuzz: {line[2:]}", flush=True)
                elif word == "routines":
                    print(f"fuzz: layouts of {rest} routines found", flush=True)
        except vm.Hang:
            finding = finding or Finding(0, "the VM hangs")
        else:
            if finding is None and not line.startswith("@ done"):
                finding = Finding(0, "the VM stopped")
        if finding and not finding.inputs and BLACK_BOX.exists():
            finding.inputs = BLACK_BOX.read_text(errors="replace").splitlines()[-40:][::-1]
        if finding:
            finding.log += machine.console_tail(120)
    if replay is None:
        state.minutes += (time.monotonic() - began) / 60
        state.save()
    return finding


# --- Findings --------------------------------------------------------------------------

def write_finding(finding, sequences):
    """One file: the report as comments, then the sequences, the guilty one last."""
    path = FINDINGS / f"{finding.slug()}.txt"
    lines = [f"# {finding.text}", *(f"# {line}" for line in finding.log), *reversed(sequences)]
    path.write_text("\n".join(lines) + "\n")
    return path


def reduce(state, sequences):
    """The shortest sequence of which the kernel still complains, as far as we get."""
    boots, finding = 1, session(state, 5, sequences)
    if finding is None or not finding.line:
        return None
    calls = sequences[finding.line - 1].split("; ")
    size = max(1, len(calls) // 2)
    while boots < REDUCE_BOOTS and len(calls) > 1:
        candidates = ["; ".join(calls[:at] + calls[at + size:])
                      for at in range(0, len(calls), size) if len(calls) > size]
        boots += 1
        finding = session(state, 5, candidates) if candidates else None
        if finding and finding.line:
            calls = candidates[finding.line - 1].split("; ")
            print(f"fuzz: {len(calls)} calls are enough", flush=True)
            size = min(size, max(1, len(calls) // 2))
        elif size == 1:
            break
        else:
            size //= 2
    return "; ".join(calls)


def fuzz(state):
    """Fuzz until the time is over. Returns the findings by name."""
    left = float(vm.setting("MINUTES", "60"))
    found = {}
    while left > 0:
        began = time.monotonic()
        finding = session(state, min(left, BOOT_MINUTES))
        left -= (time.monotonic() - began) / 60
        if finding:
            path = write_finding(finding, finding.inputs)
            print(f"fuzz: FINDING: {finding.text}: {path}", flush=True)
            if finding.slug() in found and found[finding.slug()][1] > 2:
                print("fuzz: found again and again; stopping", flush=True)
                break
            count = found.get(finding.slug(), (None, 0))[1]
            found[finding.slug()] = (finding, count + 1)
    for slug, (finding, _) in found.items():
        print(f"fuzz: reducing {slug}", flush=True)
        short = reduce(state, finding.inputs[:40])
        if short:
            (FINDINGS / f"{slug}.short.txt").write_text(f"# {finding.text}\n{short}\n")
            print(f"fuzz: {slug}: {short}", flush=True)
        else:
            print(f"fuzz: {slug}: did not happen again", flush=True)
    return found


def summary(state):
    """The last lines."""
    reached, count, entered, known = report(state)
    print(f"fuzz: {state.runs} executions in {state.minutes:.0f} minutes with this build; corpus "
          f"{len(state.corpus)}; {reached} of {count} code points reached, "
          f"{entered} of {known} functions ({HERE / 'report.md'})")


def main():
    state = State()
    action = sys.argv[1] if len(sys.argv) > 1 else "fuzz"
    if action == "fuzz":
        found = fuzz(state)
        summary(state)
        print(f"fuzz: {len(found)} findings")
        return 1 if found else 0
    if action == "report":
        summary(state)
    elif action == "reduce":
        lines = pathlib.Path(sys.argv[2]).read_text().splitlines()
        short = reduce(state, [line for line in lines if not line.startswith("#")][::-1])
        print(short or "the kernel does not complain")
    elif action == "keep":
        keep(state)
    return 0


def keep(state):
    """What was found as seeds of the tree, behind those there are; the oldest reach most."""
    SEEDS.mkdir(parents=True, exist_ok=True)
    seeds = SEEDS / "seeds.txt"
    lines = seeds.read_text().splitlines() if seeds.exists() else []
    lines += [line for line in state.corpus if line not in set(lines)]
    seeds.write_text("".join(f"{line}\n" for line in lines[:int(vm.setting("SEEDS", "500"))]))
    for path in FINDINGS.glob("*.short.txt"):
        (SEEDS / path.name.replace(".short", "")).write_text(path.read_text())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
