# SPDX-License-Identifier: GPL-2.0
"""Reads the ABI data of abi/*.csv for the generators beside this file.

traps.csv has one row for each trap.  structs.csv (and structs32.csv, the
layout of 32-bit clients) has for each structure a row `(total)` with its size,
then one row for each member in order of offset.
"""

import csv
import os
import re
import sys

DEFAULT_DIR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "abi")


class DataError(Exception):
    """The data contradict themselves."""


class Trap:
    """One row of traps.csv."""

    def __init__(self, row):
        self.number = int(row["nr_hex"], 16)
        self.name = row["name"]
        self.group = row["group"]
        self.argument = row["argument"]
        # The structure whose address the trap takes, if that is what it takes.
        self.struct = None
        if self.argument.startswith("struct:"):
            self.struct = self.argument.removeprefix("struct:")
        self.returns = row["returns"]
        version = re.search(r"API version \((\d+)\)", self.returns)
        self.api_version = int(version.group(1)) if version else None

    @property
    def rust_name(self):
        """`_kernelrpc_mach_vm_allocate_trap` is MACH_VM_ALLOCATE in src/abi/nr.rs."""
        return self.name.removeprefix("_kernelrpc_").removesuffix("_trap").upper()


class Field:
    """One member of a structure; offset and size in bytes."""

    def __init__(self, row):
        self.name = row["field"]
        self.offset = int(row["offset"])
        self.size = int(row["size"])
        self.c_type = row["c_type"]
        self.note = row["note"]

    @property
    def is_pointer(self):
        return self.c_type.endswith("*")


class Struct:
    """One structure with its members; size in bytes."""

    def __init__(self, name, size):
        self.name = name
        self.size = size
        self.fields = []

    @property
    def rust_name(self):
        """`mach_port_mod_refs_args` is MachPortModRefsArgs in src/abi/args."""
        special = {"uidgid": "UidGid", "thread_state": "ThreadStatePtrs"}
        if self.name in special:
            return special[self.name]
        name = self.name if self.name.endswith("_args") else self.name + "_args"
        return "".join(part.capitalize() for part in name.split("_"))


def load_traps(path):
    with open(path, newline="", encoding="ascii") as file:
        traps = [Trap(row) for row in csv.DictReader(file)]
    if not traps:
        raise DataError(f"{path}: no rows")
    for index, trap in enumerate(traps):
        if trap.number != traps[0].number + index:
            raise DataError(f"{path}: {trap.name} is out of sequence")
    if traps[0].api_version is None:
        raise DataError(f"{path}: the first trap does not tell the API version")
    return traps


def load_structs(path):
    structs = {}
    with open(path, newline="", encoding="ascii") as file:
        for row in csv.DictReader(file):
            name = row["struct"]
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise DataError(f"{path}: {name!r} is no structure name")
            if row["field"] == "(total)":
                if name in structs:
                    raise DataError(f"{path}: {name} occurs twice")
                structs[name] = Struct(name, int(row["size"]))
            elif name not in structs:
                raise DataError(f"{path}: {name} has members before its total")
            else:
                structs[name].fields.append(Field(row))
    if not structs:
        raise DataError(f"{path}: no rows")
    return list(structs.values())


def emit(text, output):
    """Write `text` to a file, which keeps its date if nothing changed, or to stdout."""
    if output is None:
        sys.stdout.write(text)
        return
    try:
        with open(output, encoding="ascii") as file:
            if file.read() == text:
                return
    except OSError:
        pass
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    temporary = f"{output}.tmp"
    with open(temporary, "w", encoding="ascii") as file:
        file.write(text)
    os.replace(temporary, output)
