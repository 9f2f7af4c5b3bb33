#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Every lock has a name, by which lockdep tells it, and no two have the same."""

import collections
import pathlib
import re
import sys

MAKER = re.compile(r"\bnew_(?:mutex|spinlock|condvar|poll_condvar|wait_queue)!\(")
SOURCES = pathlib.Path(__file__).resolve().parents[2] / "src"


def arguments(text, start):
    """What stands in the parentheses that were opened before `start`."""
    depth, at = 1, start
    while depth and at < len(text):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return text[start:at - 1]


def main():
    nameless, names = [], collections.Counter()
    for path in sorted(SOURCES.rglob("*.rs")):
        text = path.read_text()
        for match in MAKER.finditer(text):
            name = re.search(r'"([^"]+)"\s*,?\s*$', arguments(text, match.end()))
            if name:
                names[name[1]] += 1
            else:
                nameless.append(f"{path.name}:{text.count(chr(10), 0, match.start()) + 1}")
    twice = [name for name, count in names.items() if count > 1]
    for number, (what, bad) in enumerate((("each_lock_has_a_name", nameless),
                                          ("no_name_is_used_twice", twice)), 1):
        good = not bad and len(names) > 20
        print(f"{'ok' if good else 'not ok'} {number} - {what}" +
              (f" # {', '.join(bad) or 'no locks found'}" if not good else ""))
    print("1..2")
    return 1 if nameless or twice else 0


if __name__ == "__main__":
    sys.exit(main())
