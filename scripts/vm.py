# SPDX-License-Identifier: GPL-2.0
"""The virtual machine: its initial file system, and QEMU.

The machine boots the stock kernel into scripts/vm-init.sh, from a file system
that is an archive made here. Two serial ports: the kernel's console goes to a
log file, the other one carries lines to us (see vm-init.sh). Software emulation
is the default: where /dev/kvm exists it may still not work.

With MACH_VM=debug it boots the debug kernel instead, which takes several times as
long for everything; SLOWNESS= says how many. MACH_VM=kcsan is the kernel that looks
for data races.
"""

import collections
import ctypes
import fcntl
import os
import pathlib
import selectors
import shutil
import signal
import stat
import subprocess
import sys
import time

BUILD = pathlib.Path("build")
TESTS = "/tests"

# The descriptor of the build lock (scripts/enter.sh).
LOCK = 8

DEBUG = os.environ.get("MACH_VM") == "debug"
KCSAN = os.environ.get("MACH_VM") == "kcsan"

# What time limits are multiplied by, here and in the VM.
SLOWNESS = int(os.environ.get("SLOWNESS") or (8 if DEBUG else 4 if KCSAN else 1))

# Seconds from the start of QEMU to the first line of our init.
BOOT_LIMIT = 240 * (2 if DEBUG else 1)

# Boots in a row that may be lost to a kernel that finds fault with itself.
BOOTS = 3


def fail(text):
    """Stop with a message."""
    sys.exit(f"mach: {text}")


def setting(name, default):
    """A variable of the user's, or the default if it is unset or empty."""
    return os.environ.get(name) or default


def release_build():
    """What the VM needs is in its archive: let another make build meanwhile."""
    try:
        fcntl.flock(LOCK, fcntl.LOCK_UN)
    except OSError:
        pass  # not started by scripts/enter.sh


class Archive:
    """A cpio archive in the format the kernel unpacks (newc)."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.known = set()
        self.inode = 0

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        self.inode += 1
        encoded = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        for part in (header + encoded, data):
            self.file.write(part + b"\0" * (-len(part) % 4))

    def directory(self, name):
        """Add a directory and those above it, once."""
        name = name.strip("/")
        if not name or name in self.known:
            return
        self.directory(os.path.dirname(name))
        self.known.add(name)
        self._entry(name, stat.S_IFDIR | 0o755)

    def add(self, name, source, mode=None):
        """Add a file or symbolic link of the host under `name`."""
        name = name.strip("/")
        self.directory(os.path.dirname(name))
        info = os.lstat(source)
        if stat.S_ISLNK(info.st_mode):
            self._entry(name, info.st_mode, os.readlink(source).encode())
        else:
            permissions = stat.S_IMODE(info.st_mode) if mode is None else mode
            self._entry(name, stat.S_IFREG | permissions, pathlib.Path(source).read_bytes())

    def text(self, name, text):
        """Add a file with the given text."""
        self.directory(os.path.dirname(name.strip("/")))
        self._entry(name.strip("/"), stat.S_IFREG | 0o644, text.encode())

    def device(self, name, major, minor):
        """Add a character device."""
        self.directory(os.path.dirname(name.strip("/")))
        self._entry(name.strip("/"), stat.S_IFCHR | 0o600, rdev=(major, minor))

    def tree(self, top):
        """Add what is below a directory of the host, at the root."""
        for path in sorted(pathlib.Path(top).rglob("*")):
            name = str(path.relative_to(top))
            if path.is_dir() and not path.is_symlink():
                self.directory(name)
            else:
                self.add(name, path)

    def close(self):
        """Finish the archive."""
        self._entry("TRAILER!!!", 0)
        self.file.close()


def make_initramfs(programs=(), test_list="", fill=None):
    """Write the VM's file system; `programs` are the paths of test programs.

    `fill` may add further files to the archive. The caller removes the file.
    """
    path = BUILD / f"vm/initramfs-{os.getpid()}.cpio"
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob("initramfs-*.cpio"):
        if not pathlib.Path("/proc", stale.stem.rpartition("-")[2]).exists():
            stale.unlink()
    archive = Archive(path)
    archive.device("dev/console", 5, 1)
    archive.add("init", "scripts/vm-init.sh", 0o755)
    busybox = shutil.which("busybox") or fail("busybox is not installed (package busybox-static)")
    archive.add("bin/busybox", busybox, 0o755)
    archive.add("bin/runner", BUILD / "vm/runner", 0o755)
    archive.add("mach.ko", setting("MACH_KO", BUILD / "vm/mach.ko"))
    modules = os.environ.get("MACH_KMODULES")
    if modules:
        for module in sorted(pathlib.Path(modules).glob("*.ko")):
            archive.add(f"modules/{module.name}", module)
    for program in programs:
        archive.add(f"{TESTS}/{pathlib.Path(program).name}", program, 0o755)
    archive.text(f"{TESTS}/list", test_list)
    extra = BUILD / "initramfs-extra"
    if extra.is_dir():
        archive.tree(extra)
    if fill:
        fill(archive)
    archive.close()
    return path


def qemu_command(initramfs, mode, serial):
    """The command line of the virtual machine."""
    image = os.environ.get("MACH_KIMAGE")
    if not image:
        fail("KDIR= has no kernel image (arch/x86/boot/bzImage) to boot; build it, or name one: KIMAGE=file")
    accel = setting("ACCEL", "tcg")
    if accel == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        fail("ACCEL=kvm needs read and write access to /dev/kvm; leave it out to use software emulation")
    # A host that gives the VM no time makes the kernel take its timer for broken.
    arguments = f"console=ttyS0 panic=-1 no_timer_check rdinit=/init MACH_MODE={mode}"
    arguments += " quiet loglevel=1" if mode == "shell" else " loglevel=7"
    if DEBUG or KCSAN:
        # Of ACPI these kernels only know how to find CPUs. The time stamp counter
        # is their one good clock.
        arguments += f" acpi=ht tsc=reliable MACH_SLOWNESS={SLOWNESS}"
    if DEBUG:
        # While the boot CPU is identified its features are all unset for a moment, that
        # of five levels of page tables too. KASAN takes the kernel's memory for wild
        # then, if an interrupt comes just there.
        arguments += " no5lvl MACH_DEBUG=1"
    if KCSAN:
        # Only the module is watched: look closer than is usual for a whole kernel.
        arguments += " kcsan.early_enable=1 kcsan.skip_watch=400 kcsan.udelay_task=150"
    for name in ("MINUTES", "SEED"):
        if os.environ.get(name):
            arguments += f" MACH_{name}={os.environ[name]}"
    return [
        "qemu-system-x86_64", "-accel", accel,
        "-cpu", "host" if accel == "kvm" else "max",
        "-smp", setting("SMP", "2"), "-m", setting("MEM", "2G" if DEBUG else "1G"),
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
        "-kernel", image, "-initrd", str(initramfs),
        "-append", f"{arguments} {os.environ.get('APPEND', '')}".strip(),
        *serial,
    ]


def _die_with_parent():
    """In the child: let QEMU go when we go, however that happens."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Hang(Exception):
    """The VM has not said anything for too long."""


class Unfit(Exception):
    """The kernel found fault with itself before the module was loaded."""


def with_fit_kernel(boot):
    """Call `boot`, which boots a VM, again as long as it raises Unfit, up to BOOTS times.

    A report of the debug kernel while it boots is no finding about the module, and
    most often a matter of chance. A kernel that makes one every time has to be mended:
    then the last Unfit is raised.
    """
    for number in range(1, BOOTS + 1):
        try:
            return boot()
        except Unfit as unfit:
            print(f"== vm: unfit before the module was loaded (boot {number} of at most "
                  f"{BOOTS}): {unfit}", flush=True)
            if number == BOOTS:
                raise


class Machine:
    """A running VM that speaks lines. Use it in a `with`.

    `adjust` may change the command line of QEMU.
    """

    def __init__(self, initramfs, mode, console, adjust=None):
        self.console = pathlib.Path(console)
        self.console.parent.mkdir(parents=True, exist_ok=True)
        # Not truncated, so that two runs at once keep logs of their own.
        self.console.unlink(missing_ok=True)
        self.initramfs = initramfs
        serial = ["-serial", f"file:{console}", "-serial", "stdio"]
        command = qemu_command(initramfs, mode, serial)
        if adjust:
            command = adjust(command)
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent)
        except FileNotFoundError:
            fail("qemu-system-x86_64 is not installed")
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.pending = b""
        self.deadline = time.monotonic() + BOOT_LIMIT

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.initramfs.unlink(missing_ok=True)

    def allow(self, seconds):
        """The VM may be silent for this long from now on."""
        self.deadline = time.monotonic() + seconds

    def lines(self):
        """The VM's lines until it ends; raises Hang after the allowed time."""
        while True:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise Hang
            if not self.selector.select(left):
                continue
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return
            *whole, self.pending = (self.pending + data).split(b"\n")
            for line in whole:
                yield line.rstrip(b"\r").decode(errors="replace")

    def console_tail(self, count=60):
        """The last lines of the kernel's console."""
        with self.console.open(errors="replace") as file:
            return [line.rstrip() for line in collections.deque(file, count)]
