# SPDX-License-Identifier: GPL-2.0
"""Which functions instructions are in."""

import base64
import bisect
import collections
import gzip
import re
import subprocess

MODULE = "build/module/mach.ko"

# Functions with fewer instructions per operation than this go into one line.
LEAST = 1.0


def _symbols(lines):
    """Addresses and names, from /proc/kallsyms compressed and in base64."""
    found = {}
    for line in gzip.decompress(base64.b64decode("".join(lines))).decode().splitlines():
        address, _, name, *module = line.split()
        found[int(address, 16)] = name + (f" {module[0]}" if module else "")
    return sorted(found.items())


def _demangled(names):
    """The names with Rust symbols readable."""
    done = subprocess.run(["c++filt", "-s", "rust"], input="\n".join(names), check=True,
                          capture_output=True, text=True)
    crate = re.compile(r"\[[0-9a-f]+\]")
    return dict(zip(names, (crate.sub("", name) for name in done.stdout.split("\n"))))


def _text(module):
    """The symbols of the module's text with their addresses in its file."""
    listing = subprocess.run(["objdump", "-t", "-j", ".text", module], check=True,
                             capture_output=True, text=True).stdout
    found = {}
    for line in listing.splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[-3] == ".text":
            found[fields[-1]] = int(fields[0], 16)
    return found


def lines(counts, symbols_text, iterations):
    """Instructions per operation by line of the module's source, as text."""
    symbols = dict((name.split()[0], address) for address, name in _symbols(symbols_text)
                   if name.endswith("[mach]"))
    text = _text(MODULE)
    base = next(symbols[name] - at for name, at in text.items() if name in symbols)
    dump = subprocess.run(["objdump", "-d", "-j", ".text", "--no-show-raw-insn", MODULE],
                          check=True, capture_output=True, text=True).stdout
    places = [int(match[1], 16) for match in re.finditer(r"^ *([0-9a-f]+):\t", dump, re.M)]
    order = {place: number for number, place in enumerate(places)}
    executed = collections.Counter()
    for line in counts.read_text().splitlines():
        address, length, times = line.split()
        first = order.get(int(address, 16) - base)
        if first is not None:
            for place in places[first:first + int(length)]:
                executed[place] += int(times)
    found = subprocess.run(["addr2line", "-a", "-i", "-e", MODULE],
                           input="\n".join(map(hex, executed)), check=True,
                           capture_output=True, text=True).stdout
    total = collections.Counter()
    for part in re.split(r"^0x", found, flags=re.M)[1:]:
        address, *frames = part.splitlines()
        # The innermost frame in our own sources says most.
        own = [frame for frame in frames if "/src/" in frame and "/rust/" not in frame]
        frame = (own or frames)[0]
        where = re.sub(r".*/(src/|library/|rust/)", r"\1", frame).split(" ")[0]
        if own and own[0] != frames[0]:
            where += "  < " + frames[0].rsplit("/", 1)[-1].split(" ")[0]
        total[where] += executed[int(address, 16)]
    return "\n".join(f"{count / iterations:9.1f}  {where}" for where, count in total.most_common()
                     if count / iterations >= LEAST)


def report(row, counts, lines, iterations):
    """The histogram, as text."""
    symbols = _symbols(lines)
    starts = [address for address, _ in symbols]
    functions = collections.Counter()
    for line in counts.read_text().splitlines():
        address, length, executed = line.split()
        address = int(address, 16)
        if address < 1 << 63:
            name = "(user space)"
        else:
            at = bisect.bisect_right(starts, address) - 1
            name = symbols[at][1] if at >= 0 else hex(address)
        functions[name] += int(length) * int(executed)
    total = sum(functions.values()) / iterations
    text = [f"{row}: {total:.0f} instructions per operation ({iterations} operations)", ""]
    rest = 0.0
    plain = _demangled(list(functions))
    for name, count in functions.most_common():
        if count / iterations < LEAST:
            rest += count / iterations
        else:
            text.append(f"{count / iterations:9.1f} {100 * count / iterations / total:5.1f} %  {plain[name]}")
    text.append(f"{rest:9.1f} {100 * rest / total:5.1f} %  others")
    return "\n".join(text)
