#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Make a Mach-O image for i386 of an ELF program linked with i386.ld.

    elf2macho.py static INPUT OUTPUT		a program that can be anywhere
    elf2macho.py fixed INPUT OUTPUT		a program at its address
    elf2macho.py dylinker INPUT OUTPUT		a dynamic linker
    elf2macho.py dynamic:PATH INPUT OUTPUT	a program for the dynamic linker PATH

Nobody relocates the image, so the program must be linked with -q and have no
absolute addresses in it.
"""

import pathlib
import struct
import sys

PAGE = 4096
MH_MAGIC, CPU_TYPE_I386 = 0xFEEDFACE, 7
MH_EXECUTE, MH_DYLINKER = 2, 7
MH_NOUNDEFS, MH_DYLDLINK, MH_PIE = 0x1, 0x4, 0x200000
LC_SEGMENT, LC_UNIXTHREAD, LC_LOAD_DYLINKER, LC_ID_DYLINKER = 0x1, 0x5, 0xE, 0xF
LC_MAIN = 0x80000028
X86_THREAD_STATE32, THREAD_WORDS, EIP = 1, 16, 10
READ, WRITE, EXECUTE = 1, 2, 4
SHT_REL = 9
# An absolute address, or one by way of a table of such.
R_386_32, R_386_GOT32, R_386_GOT32X = 1, 3, 43


def fail(text):
    """Stop with a message."""
    sys.exit(f"elf2macho.py: {text}")


def sections(elf):
    """The sections by name: (type, address, contents or size, index of what it is about)."""
    offset, = struct.unpack_from("<I", elf, 32)
    count, names = struct.unpack_from("<2H", elf, 48)
    headers = [struct.unpack_from("<10I", elf, offset + 40 * i) for i in range(count)]
    strings = headers[names][4]
    found = {}
    for header in headers:
        start = strings + header[0]
        name = elf[start:elf.index(b"\0", start)].decode()
        contents = elf[header[4]:header[4] + header[5]] if header[1] != 8 else b""
        found[name] = (header[1], header[3], header[5], contents, header[7])
    return found, [header[2] & 2 for header in headers]


def check_relocations(found, loaded):
    """There must be nothing to relocate."""
    for name, (kind, _, _, contents, about) in found.items():
        if kind != SHT_REL or not loaded[about]:
            continue
        for at in range(0, len(contents), 8):
            where, info = struct.unpack_from("<2I", contents, at)
            if info & 0xFF in (R_386_32, R_386_GOT32, R_386_GOT32X):
                fail(f"absolute address at {where:#x} ({name})")


def segment(name, memory, file, prot):
    """An LC_SEGMENT without sections."""
    return struct.pack("<2I16s8I", LC_SEGMENT, 56, name, *memory, *file, prot, prot, 0, 0)


def thread(entry):
    """An LC_UNIXTHREAD that starts at `entry`."""
    state = [0] * THREAD_WORDS
    state[EIP] = entry
    return struct.pack("<20I", LC_UNIXTHREAD, 80, X86_THREAD_STATE32, THREAD_WORDS, *state)


def path_command(number, path):
    """LC_LOAD_DYLINKER or LC_ID_DYLINKER."""
    name = path.encode() + b"\0"
    name += bytes(-len(name) % 4)
    return struct.pack("<3I", number, 12 + len(name), 12) + name


def up(value):
    """In whole pages."""
    return value + -value % PAGE


def main(kind, source, target):
    """Convert one file."""
    kind, _, dylinker = kind.partition(":")
    if kind not in ("static", "fixed", "dylinker", "dynamic"):
        fail(__doc__)
    elf = pathlib.Path(source).read_bytes()
    entry, = struct.unpack_from("<I", elf, 24)
    found, loaded = sections(elf)
    check_relocations(found, loaded)

    _, text_address, _, text, _ = found[".text"]
    base = text_address - PAGE
    text = text.ljust(up(len(text)), b"\0")
    text_size = PAGE + len(text)
    none = (0, base + text_size, 0, b"", 0)
    _, data_address, _, data, _ = found.get(".data", none)
    _, bss_address, bss_size, _, _ = found.get(".bss", none)
    if not data:
        data_address = min(address for address in (data_address, bss_address) if address)
    end = max(data_address + len(data), bss_address + bss_size)

    commands = []
    if kind != "dylinker":
        commands.append(segment(b"__PAGEZERO", (0, PAGE), (0, 0), 0))
    commands.append(segment(b"__TEXT", (base, text_size), (0, text_size), READ | EXECUTE))
    if end > data_address:
        commands.append(segment(b"__DATA", (data_address, up(end - data_address)),
                                (text_size if data else 0, len(data)), READ | WRITE))
    if kind == "dynamic":
        commands.append(path_command(LC_LOAD_DYLINKER, dylinker))
        commands.append(struct.pack("<2I2Q", LC_MAIN, 24, entry - base, 0))
    else:
        if kind == "dylinker":
            commands.append(path_command(LC_ID_DYLINKER, "/usr/lib/dyld"))
        commands.append(thread(entry))

    flags = MH_NOUNDEFS
    if kind in ("static", "dynamic"):
        flags |= MH_PIE
    if kind == "dynamic":
        flags |= MH_DYLDLINK
    filetype = MH_DYLINKER if kind == "dylinker" else MH_EXECUTE
    body = b"".join(commands)
    header = struct.pack("<7I", MH_MAGIC, CPU_TYPE_I386, 3, filetype,
                         len(commands), len(body), flags) + body
    if len(header) > PAGE:
        fail("too many load commands")
    output = pathlib.Path(target)
    output.write_bytes(header.ljust(PAGE, b"\0") + text + data)
    output.chmod(0o755)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        fail(__doc__)
    main(*sys.argv[1:])
