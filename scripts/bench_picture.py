# SPDX-License-Identifier: GPL-2.0
"""The picture of `make bench`: targets, costs side by side, and scaling curves."""

import html
import math

WIDTH = 1180
LABEL, VALUE = 330, 110
BAR = 15
INK, GREY, LINE = "#1c2733", "#9aa7b3", "#d9e0e6"
OURS, AIM, MUST, MISSED = "#1f6fb2", "#2e9e5b", "#e0a800", "#cc3b3b"

# Title, CPUs and rows of each group of bars; the names of our rows come first.
GROUPS = (
    ("Entering the kernel", 1, ("null_trap", "getppid", "ntsync_refused", "binder_version")),
    ("Request and reply of 64 bytes, one CPU", 1, (
        "message_round_trip", "eventfd_round_trip", "posix_mq_round_trip", "sysv_round_trip",
        "pipe_round_trip", "futex_round_trip", "unix_stream_round_trip",
        "unix_seqpacket_round_trip", "unix_datagram_round_trip", "binder_round_trip")),
    ("Request and reply of 64 bytes, two CPUs", 2, (
        "message_round_trip", "eventfd_round_trip", "posix_mq_round_trip", "sysv_round_trip",
        "pipe_round_trip", "futex_round_trip", "unix_seqpacket_round_trip",
        "binder_round_trip")),
    ("Send and receive in one thread", 1, (
        "message_one_thread", "eventfd_one_thread", "pipe_one_thread", "sysv_one_thread",
        "posix_mq_one_thread", "unix_seqpacket_one_thread")),
    ("Pass a right, or a descriptor", 1, ("right_one_thread", "scm_rights_one_thread")),
    ("Semaphores: up and down, then turns of two threads", 1, (
        "semaphore_one_thread", "ntsync_one_thread", "sysv_semaphore_one_thread",
        "futex_one_thread", "semaphore_ping_pong", "ntsync_ping_pong",
        "sysv_semaphore_ping_pong")),
    ("1 MiB from one place to another", 1, (
        "out_of_line_touched:1048576", "out_of_line_untouched:1048576",
        "memcpy_alone:1048576", "process_vm_readv:1048576", "memfd_reused:1048576",
        "unix_stream_bulk:1048576", "pipe_bulk:1048576", "memfd_new:1048576")),
    ("Messages against a server in user space (its system calls and switches alone)", 1, (
        "message_round_trip", "server_model_null_lean", "server_model_null_full",
        "server_model_message_lean", "server_model_message_full")),
    ("Making a semaphore", 1, ("semaphore_create", "ntsync_create", "eventfd_create")),
    ("Processes", 1, ("macho_fork_exec", "elf_fork_exec", "fork_exit_of_a_task", "fork_exit")),
    ("Bytes of kernel memory for one object", 1, (
        "memory_task", "memory_thread", "memory_port", "memory_right", "memory_queued_message",
        "memory_semaphore", "memory_timer")),
)

OUR_PREFIXES = ("null_trap", "message_", "right_", "semaphore_", "out_of_line", "macho_",
                "fork_exit_of_a_task", "scale_", "kevent", "memory_")


class Canvas:
    """SVG elements, from top to bottom."""

    def __init__(self):
        self.parts = []
        self.y = 24

    def text(self, x, y, text, size=12, color=INK, anchor="start", weight="normal"):
        """Text whose baseline is at y."""
        self.parts.append(
            f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' fill='{color}' "
            f"text-anchor='{anchor}' font-weight='{weight}'>{html.escape(text)}</text>")

    def box(self, x, y, width, height, color):
        """A filled rectangle."""
        self.parts.append(f"<rect x='{x:.1f}' y='{y:.1f}' width='{max(width, 0.5):.1f}' "
                          f"height='{height}' fill='{color}'/>")

    def line(self, x, y, x2, y2, color=LINE, width=1.0):
        """A straight line."""
        self.parts.append(f"<line x1='{x:.1f}' y1='{y:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' "
                          f"stroke='{color}' stroke-width='{width}'/>")

    def write(self, path):
        """The file."""
        height = self.y + 20
        path.write_text(
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' "
            f"viewBox='0 0 {WIDTH} {height}' font-family='sans-serif'>\n"
            f"<rect width='{WIDTH}' height='{height}' fill='white'/>\n"
            + "\n".join(self.parts) + "\n</svg>\n")


def _words(name):
    row, _, size = name.partition(":")
    text = row.replace("_", " ")
    if not size:
        return text
    size = int(size)
    return f"{text}, {size >> 20} MiB" if size >= 1 << 20 else f"{text}, {size}"


def _number(value):
    return f"{value:,.0f}".replace(",", " ")


def _targets(canvas, verdicts):
    canvas.text(20, canvas.y, "Against the targets: bar = measured ratio, in percent of what it "
                "must not exceed", 15, weight="bold")
    canvas.y += 14
    room = WIDTH - 2 * 20 - 430 - VALUE
    scale = room / 1.6
    top = canvas.y
    for row, cpus, peer, _, _, ratio, must, aim, verdict in verdicts:
        canvas.y += BAR + 5
        y = canvas.y
        canvas.text(440, y - 3, f"{_words(row)} / {_words(peer)}"
                    + (", 2 CPUs" if cpus == 2 else ""), 11, anchor="end")
        if ratio is None:
            canvas.text(455, y - 3, verdict, 11, GREY)
            continue
        color = {"aim": AIM, "must": MUST}.get(verdict, MISSED)
        canvas.box(450, y - BAR + 2, min(ratio / must, 1.6) * scale, BAR - 2, color)
        canvas.line(450 + aim / must * scale, y - BAR, 450 + aim / must * scale, y + 1, INK, 1.5)
        canvas.text(450 + room + 10, y - 3, f"{ratio:.2f}  (must {must:.2f}, aim {aim:.2f})", 11)
    canvas.line(450 + scale, top, 450 + scale, canvas.y + 4, MISSED, 1.5)
    canvas.y += 18
    canvas.text(450, canvas.y, "green: the aim is reached; yellow: what must be; red: neither. "
                "Black marks: the aim.", 11, GREY)
    canvas.y += 34


def _group(canvas, results, title, cpus, rows):
    values = [(row, results.median(row, cpus)) for row in rows]
    values = [(row, value) for row, value in values if value is not None]
    if not values:
        return
    canvas.text(20, canvas.y, title, 14, weight="bold")
    canvas.y += 6
    most = max(value for _, value in values)
    room = WIDTH - LABEL - VALUE - 40
    for row, value in values:
        canvas.y += BAR + 4
        ours = row.startswith(OUR_PREFIXES)
        canvas.text(LABEL, canvas.y - 3, _words(row), 12, anchor="end",
                    weight="bold" if ours else "normal")
        canvas.box(LABEL + 10, canvas.y - BAR + 1, value / most * room, BAR - 1,
                   OURS if ours else GREY)
        canvas.text(LABEL + 16 + value / most * room, canvas.y - 3, _number(value), 11)
    canvas.y += 30


def _curves(canvas, results, unit):
    rows = {}
    for name, cpus in results.rounds:
        row, _, size = name.partition(":")
        value = results.median(name, cpus)
        if row.startswith(("scale_", "epoll_edge", "epoll_round")) and size and value is not None:
            rows.setdefault(row, []).append((int(size), value))
    if not rows:
        return
    canvas.text(20, canvas.y, f"Among many others: {unit} of one operation with 1, 100, 1 000 or "
                "10 000 others", 14, weight="bold")
    canvas.y += 12
    width, height = (WIDTH - 40) / 3, 130
    for number, (row, points) in enumerate(sorted(rows.items())):
        left = 20 + number % 3 * width + 46
        top = canvas.y + number // 3 * (height + 50) + 18
        most = max(value for _, value in points) * 1.15
        ours = row.startswith(OUR_PREFIXES)
        canvas.text(left, top - 4, _words(row), 12, weight="bold" if ours else "normal")
        canvas.line(left, top, left, top + height)
        canvas.line(left, top + height, left + width - 70, top + height)
        place = [(left + 10 + math.log10(size) / 4 * (width - 100),
                  top + height - value / most * height, size, value)
                 for size, value in sorted(points)]
        color = OURS if ours else GREY
        for (x, y, _, _), (x2, y2, _, _) in zip(place, place[1:]):
            canvas.line(x, y, x2, y2, color, 2.5)
        for x, y, size, value in place:
            canvas.box(x - 3, y - 3, 6, 6, color)
            canvas.text(x, y - 8, _number(value), 10, anchor="middle")
            canvas.text(x, top + height + 13, _number(size), 10, GREY, anchor="middle")
    canvas.y += (len(rows) + 2) // 3 * (height + 50) + 20


def write(path, results, verdicts, unit, method):
    """Write the picture."""
    canvas = Canvas()
    canvas.text(20, canvas.y, "mach.ko and what Linux has: cost of one operation", 20,
                weight="bold")
    canvas.y += 20
    canvas.text(20, canvas.y, f"{unit}; {method}; less is better; ours in blue", 12, GREY)
    canvas.y += 34
    _targets(canvas, verdicts)
    for title, cpus, rows in GROUPS:
        _group(canvas, results, title, cpus, rows)
    _curves(canvas, results, unit)
    canvas.write(path)
