"""Crash points of a log, each made on a disk in memory, mounted and looked
at.

What was written before a flush is there; of what came after it any part may
be: none, all, or a choice of whole writes, of their pages or of their
sectors. Two copies of the disk are kept: `durable`, as the last flush left
it, and the one that is mounted, which is made equal to it again afterwards."""

import contextlib
import ctypes
import mmap
import os
import subprocess
from pathlib import Path

from . import disk
from .check import Checker, Expected

COMPARED = 1 << 18
PAGE = 4096
ENOUGH = 40  # violations; there is something to repair
_LIBC = ctypes.CDLL(None)
_LIBC.memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


def _extents(fd, size):
    """(first, end) of what a sparse file holds."""
    place = 0
    while place < size:
        try:
            first = os.lseek(fd, place, os.SEEK_DATA)
        except OSError:
            return
        place = os.lseek(fd, first, os.SEEK_HOLE)
        yield first, place


class Disks:
    """`with Disks(…) as disks`: the two copies; folder `disks.mounted`."""

    def __init__(self, image, folder):
        self.folder = Path(folder)
        self.folder.mkdir()
        self.path = self.folder / "disk"
        self.mounted = self.folder / "mounted"
        self.mounted.mkdir()
        self.stack = contextlib.ExitStack()
        self.size = os.path.getsize(image)
        self.durable = mmap.mmap(-1, self.size)
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self.fd, self.size)
        self.other = mmap.mmap(self.fd, self.size)
        with open(image, "rb") as source:
            for first, end in _extents(source.fileno(), self.size):
                source.seek(first)
                self._write(first, source.read(end - first))

    def __enter__(self):
        self.device = self.stack.enter_context(disk.loop_device(self.path))
        self.stack.callback(os.close, self.fd)
        return self

    def __exit__(self, *_):
        self.stack.close()

    def _write(self, offset, data):
        end = offset + len(data)
        self.durable[offset:end] = data
        self.other[offset:end] = data

    def flush(self, writes):
        """They are durable from now on."""
        for offset, data in writes:
            self._write(offset, data)

    @contextlib.contextmanager
    def crashed(self, writes, kernel=True):
        """The disk with these writes too, mounted; without them again. The
        kernel plays the journal, or else e2fsck, which takes a third of the
        time: the kernel reads it by a thousand requests to the loop
        device."""
        for offset, data in writes:
            self.other[offset:offset + len(data)] = data
        try:
            if not kernel:
                subprocess.run(
                    ["e2fsck", "-p", "-E", "journal_only", self.path],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    check=False)
            disk.mount(self.device, self.mounted)
            try:
                yield self.mounted
            finally:
                disk.unmount(self.mounted)
        finally:
            self._undo()

    def _undo(self):
        ours = ctypes.addressof(ctypes.c_char.from_buffer(self.durable))
        theirs = ctypes.addressof(ctypes.c_char.from_buffer(self.other))

        def differs(place, size):
            return _LIBC.memcmp(ours + place, theirs + place, size) != 0
        for first, end in _extents(self.fd, self.size):
            for large in range(first, end, COMPARED):
                if not differs(large, min(COMPARED, end - large)):
                    continue
                for page in range(large, min(large + COMPARED, end), PAGE):
                    if differs(page, PAGE):
                        self.other[page:page + PAGE] = self.durable[
                            page:page + PAGE]


def torn(writes, rng):
    """A choice of writes that may have got to the disk."""
    unit = rng.choice((0, 0, PAGE, PAGE, 512))
    chance = rng.choice((0.1, 0.5, 0.9))
    out = []
    for offset, data in writes:
        step = unit or len(data)
        out += [(offset + at, data[at:at + step])
                for at in range(0, len(data), step) if rng.random() < chance]
    return out


def points_of(epoch, subsets, rng):
    """(name, writes that are there, marks that were set) of an epoch. The
    first: nothing that was not flushed is there, at its latest moment."""
    yield "nothing", [], len(epoch.marks)
    if not epoch.writes:
        return
    for _ in range(subsets):
        until = rng.randrange(len(epoch.writes)) + 1
        set_by_then = sum(place <= until for place, _ in epoch.marks)
        yield "some", torn(epoch.writes[:until], rng), set_by_then


class Replay:
    """Goes through the epochs. `choose(number, epoch)` says of how many
    subsets of its writes a point is made; None: no point at all."""

    def __init__(self, epochs, streams, rng):
        self.epochs, self.rng, self.streams = epochs, rng, streams
        self.points = self.boundaries = 0
        self.violations = []

    def run(self, disks, choose, look=None):
        """`look(root, allowed)`: more about a point; what is wrong."""
        checker = Checker(disks.mounted / "data", self.streams)
        expected, ready = Expected(), False
        for number, epoch in enumerate(self.epochs):
            subsets = choose(number, epoch) if ready else None
            seen = 0
            if len(self.violations) >= ENOUGH:
                return
            if subsets is not None:
                self.boundaries += 1
                points = sorted(points_of(epoch, subsets, self.rng),
                                key=lambda point: point[2])
                for name, writes, marks in points:
                    for _, mark in epoch.marks[seen:marks]:
                        expected.see(mark)
                    seen = marks
                    self._point(disks, checker, expected, writes,
                                f"epoch {number}, {name} of "
                                f"{len(epoch.writes)}", look)
            for _, mark in epoch.marks[seen:]:
                expected.see(mark)
                ready = ready or "ready" in mark
                if "over" in mark:
                    return
            disks.flush(epoch.writes)

    def _point(self, disks, checker, expected, writes, name, look):
        self.points += 1
        allowed = expected.allowed()
        try:
            with disks.crashed(writes, self.points % 8 == 1) as mounted:
                wrong = checker.check(allowed)
                if look and not wrong:
                    wrong = look(mounted / "data", allowed)
        except OSError as error:
            wrong = [f"the disk cannot be used: {error}"]
        self.violations += [f"{name}: {text}" for text in wrong]
