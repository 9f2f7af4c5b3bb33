#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Fetch macOS programs as their vendors publish them, for tests of the loader.

    fetch-samples.py CACHE

They come in wheels of the Python package index, of which tests/samples.csv has
version and checksum. Runs outside of the tool root, with the pip of the machine;
what is in the cache is not fetched again. Without pip or a network the tests that
need the programs are skipped: this says so and does not fail.
"""

import csv
import hashlib
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

LIST = pathlib.Path("tests/samples.csv")
OUTPUT = pathlib.Path("build/samples")


def pip():
    """A command that is pip, or None."""
    for command in ([sys.executable, "-m", "pip"], ["pip3"], ["pip"]):
        if shutil.which(command[0]) and subprocess.run(
                [*command, "--version"], capture_output=True, check=False).returncode == 0:
            return command
    return None


def digest(path):
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def download(command, row, cache):
    """Fetch a wheel into the cache; returns why not, or None."""
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        done = subprocess.run(
            [*command, "download", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--only-binary", ":all:", "--platform", row["platform"], "--dest", folder,
             "--retries", "1", "--timeout", "20", f"{row['package']}=={row['version']}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        wheel = next(pathlib.Path(folder).glob("*.whl"))
        if digest(wheel) != row["sha256"]:
            return f"{wheel.name} is not what it was: {digest(wheel)}"
        wheel.replace(cache / f"{row['sha256']}.whl")
    return None


def main(cache):
    """Fill build/samples."""
    cache = pathlib.Path(cache) / "samples"
    cache.mkdir(parents=True, exist_ok=True)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with LIST.open(newline="", encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    command = None
    wanted = set()
    for row in rows:
        wheel = cache / f"{row['sha256']}.whl"
        program = OUTPUT / row["name"]
        wanted.add(row["name"])
        if program.exists():
            continue
        if not wheel.exists():
            command = command or pip()
            why = download(command, row, cache) if command else "there is no pip"
            if why:
                print(f"mach: without the macOS program {row['name']}: {why}", file=sys.stderr)
                continue
        with zipfile.ZipFile(wheel) as archive:
            partial = program.with_suffix(".partial")
            partial.write_bytes(archive.read(row["member"]))
            partial.chmod(0o755)
            partial.replace(program)
    for other in OUTPUT.iterdir():
        if other.name not in wanted:
            other.unlink()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
