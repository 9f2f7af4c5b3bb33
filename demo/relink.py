#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Make other kinds of images of a program linked by ld64.lld.

    relink.py static INPUT OUTPUT		a static program
    relink.py dylinker INPUT OUTPUT		a dynamic linker
    relink.py dynamic:PATH INPUT OUTPUT		a program for the dynamic linker PATH

ld64.lld links nothing but what runs under /usr/lib/dyld. What a static program has
instead of LC_LOAD_DYLINKER and LC_MAIN is one LC_UNIXTHREAD that holds the entry
address; a dynamic linker has another file type besides, LC_ID_DYLINKER, and no
__PAGEZERO. Nobody relocates such images, so they must not need it. Link with
-headerpad for the larger command to fit.
"""

import pathlib
import struct
import sys

HEADER = struct.Struct("<8I")
SEGMENT = struct.Struct("<2I16s4Q4I")

MH_MAGIC_64 = 0xFEEDFACF
MH_EXECUTE, MH_DYLINKER = 2, 7
MH_NOUNDEFS, MH_DYLDLINK, MH_TWOLEVEL, MH_PIE = 0x1, 0x4, 0x80, 0x200000

LC_UNIXTHREAD, LC_LOAD_DYLINKER, LC_ID_DYLINKER = 0x5, 0xE, 0xF
LC_SEGMENT_64 = 0x19
LC_DYLD_INFO_ONLY = 0x80000022
LC_MAIN = 0x80000028
# Of no use without dyld: signature, imports, functions, data in code.
DROPPED = (0x1D, 0x26, 0x29, LC_DYLD_INFO_ONLY, LC_MAIN, LC_LOAD_DYLINKER)

X86_THREAD_STATE64, THREAD_WORDS, RIP = 4, 42, 16


def fail(text):
    """Stop with a message."""
    sys.exit(f"relink.py: {text}")


def commands(image, header):
    """Yield (number, bytes) of each load command."""
    offset = HEADER.size
    for _ in range(header[4]):
        number, size = struct.unpack_from("<2I", image, offset)
        yield number, image[offset:offset + size]
        offset += size


def thread(entry):
    """An LC_UNIXTHREAD that starts at `entry`."""
    state = [0] * (THREAD_WORDS // 2)
    state[RIP] = entry
    size = 16 + 4 * THREAD_WORDS
    return struct.pack(f"<4I{len(state)}Q", LC_UNIXTHREAD, size,
                       X86_THREAD_STATE64, THREAD_WORDS, *state)


def dylinker_path(path):
    """An LC_LOAD_DYLINKER that names `path`."""
    name = path.encode() + b"\0"
    name += b"\0" * (-(12 + len(name)) % 8)
    return struct.pack("<3I", LC_LOAD_DYLINKER, 12 + len(name), 12) + name


def relink(kind, path, image):
    """The image as `kind` says."""
    header = list(HEADER.unpack_from(image))
    if header[0] != MH_MAGIC_64 or header[3] != MH_EXECUTE:
        fail("the input is not a 64-bit program")
    kept, base, entry, first_section = [], None, None, len(image)
    for number, command in commands(image, header):
        if number == LC_DYLD_INFO_ONLY and any(struct.unpack_from("<8I", command, 8)[1::2]):
            fail("the program has pointers or symbols that dyld would have to set")
        if number == LC_MAIN:
            entry = struct.unpack_from("<Q", command, 8)[0]
        if number == LC_SEGMENT_64:
            fields = SEGMENT.unpack_from(command)
            vmaddr, vmsize, fileoff, filesize, nsects = *fields[3:7], fields[9]
            if filesize and fileoff == 0:
                base = vmaddr
            for section in range(nsects):
                offset = struct.unpack_from("<I", command, SEGMENT.size + 80 * section + 48)[0]
                first_section = min(first_section, offset or first_section)
            if kind == "dylinker" and vmaddr == 0 and vmsize and not filesize:
                continue
        if number == LC_LOAD_DYLINKER and kind == "dylinker":
            command = struct.pack("<I", LC_ID_DYLINKER) + command[4:]
        elif number == LC_LOAD_DYLINKER and kind == "dynamic":
            command = dylinker_path(path)
        elif number in DROPPED and kind != "dynamic":
            continue
        kept.append(command)
    if base is None or entry is None:
        fail("the program has no text or no entry")
    if kind != "dynamic":
        kept.append(thread(base + entry))
        header[6] &= ~(MH_DYLDLINK | MH_TWOLEVEL)

    header[4], header[5] = len(kept), sum(map(len, kept))
    if kind == "dylinker":
        header[3] = MH_DYLINKER
        header[6] &= ~MH_PIE
    start = HEADER.pack(*header) + b"".join(kept)
    if len(start) > first_section:
        fail("no room for the load commands; link with a larger -headerpad")
    return start.ljust(first_section, b"\0") + image[first_section:]


def main():
    kind, _, path = sys.argv[1].partition(":") if len(sys.argv) == 4 else ("", "", "")
    if kind not in ("static", "dylinker", "dynamic") or (kind == "dynamic") != bool(path):
        fail("usage: relink.py static|dylinker|dynamic:PATH INPUT OUTPUT")
    source, target = sys.argv[2:]
    image = pathlib.Path(source).read_bytes()
    pathlib.Path(target).write_bytes(relink(kind, path, image))
    pathlib.Path(target).chmod(0o755)


if __name__ == "__main__":
    main()
