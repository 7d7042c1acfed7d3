"""A disk that writes down what is done to it (log_disk.cpp), with a file
system on it, and the log as it is read again.

    nbdkit with our plugin -> nbdfuse -> loop device -> ext4

All of it is mounted in a mount namespace of its own (`enter_namespace`).
Where root, /dev/fuse or loop devices are missing every part fails."""

import contextlib
import ctypes
import json
import os
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from harness.process import end, run, start, wait_until
from harness.server import BUILD

PLUGIN = BUILD / "log_disk.so"
WRITE, FLUSH, MARK = 1, 2, 3
HEAD = struct.Struct("=QQQ")
SIZE = 128 << 20
# What time would write out by itself in a few seconds stays unwritten for
# minutes: no timer of the kernel helps a program that forgot to sync.
OPTIONS = "commit=300"

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS = 0x20000
_CLONE_NEWTIME = 0x80
_MS_PRIVATE_ALL = (1 << 18) | (1 << 14)
_MS_BIND = 1 << 12
_MS_NOATIME = 1 << 10


def _checked(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def enter_namespace():
    """What is mounted from now on is seen by this process and its children,
    and gone with them."""
    _checked(_LIBC.unshare(_CLONE_NEWNS), "a mount namespace (needs root)")
    _checked(_LIBC.mount(None, b"/", None, _MS_PRIVATE_ALL, None),
             "private mounts")


def boot_again():
    """For the processes that are started from now on the machine was started
    at this moment."""
    _checked(_LIBC.unshare(_CLONE_NEWTIME), "a time namespace")
    now = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    Path("/proc/self/timens_offsets").write_text(f"boottime {-now} 0\n")


def mount(device, folder, kind="ext4", options=OPTIONS):
    _checked(_LIBC.mount(os.fsencode(device), os.fsencode(folder),
                         kind.encode(), _MS_NOATIME, options.encode()),
             f"mount {device} as {kind}")


def unmount(folder):
    """Waits for what still ends and holds a file there."""
    for _ in range(500):
        if _LIBC.umount2(os.fsencode(folder), 0) == 0:
            return
        time.sleep(0.01)
    _checked(-1, f"unmount {folder}")


def bind(source, target):
    _checked(_LIBC.mount(os.fsencode(source), os.fsencode(target), None,
                         _MS_BIND, None), f"bind {target}")


@contextlib.contextmanager
def loop_device(path):
    device = run("losetup", "--find", "--show", path).stdout.strip()
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


def make_image(path, kind="ext4"):
    """An empty file system in a file of its own; few bytes are in use."""
    with open(path, "wb") as file:
        file.truncate(SIZE)
    if kind == "ext4":
        # Nothing is left for the kernel to write later by itself.
        run("mkfs.ext4", "-q", "-b", "4096", "-m", "0", "-J", "size=4", "-N",
            "8192", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
            path)
    else:
        run(f"mkfs.{kind}", "-q", path)


class LoggedDisk:
    """With it as `disk`: `disk.mounted` is a folder on the logged disk,
    `disk.mark(…)` writes into its log. Afterwards `read_log(disk.log)`."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.image, self.log = self.folder / "image", self.folder / "log"
        self.mounted = self.folder / "mounted"
        self.lock = threading.Lock()
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._attach(stack)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def _attach(self, stack):
        for path, what in ((PLUGIN, "build it; it needs nbdkit-plugin-dev"),
                           (Path("/dev/fuse"), "without it no nbdfuse"),
                           (Path("/dev/loop-control"), "no loop devices")):
            assert path.exists(), f"{path} is missing: {what}"
        make_image(self.image)
        self.log.touch()
        self.marks = os.open(self.log, os.O_WRONLY | os.O_APPEND)
        stack.callback(os.close, self.marks)
        fuse = self.folder / "fuse"
        fuse.mkdir()
        self.mounted.mkdir()
        server = start(["nbdfuse", fuse / "disk", "--command", "nbdkit", "-s",
                        "--exit-with-parent", PLUGIN, f"image={self.image}",
                        f"log={self.log}"], self.folder / "nbdfuse.log")
        stack.callback(self._end_server, server, fuse)
        wait_until(lambda: (fuse / "disk").exists()
                   or server.poll() is not None, what="nbdfuse serves")
        assert server.poll() is None, (
            self.folder / "nbdfuse.log").read_text()
        device = stack.enter_context(loop_device(fuse / "disk"))
        mount(device, self.mounted)
        stack.callback(unmount, self.mounted)

    @staticmethod
    def _end_server(server, fuse):
        subprocess.run(["fusermount3", "-u", fuse], check=False)
        end(server, seconds=10)

    def mark(self, **what):
        """One append, as every record is."""
        text = json.dumps(what).encode()
        with self.lock:
            record = HEAD.pack(MARK, 0, len(text)) + text
            assert os.write(self.marks, record) == len(record)


@dataclass
class Epoch:
    """What was written after one flush and before the next, and the marks
    in between: (how many writes came before it, mark)."""
    writes: list = field(default_factory=list)  # (offset, bytes)
    marks: list = field(default_factory=list)


def read_log(path):
    """The epochs of a log; the first begins with the first byte."""
    data = memoryview(Path(path).read_bytes())
    epochs, place = [Epoch()], 0
    while place < len(data):
        kind, offset, size = HEAD.unpack_from(data, place)
        place += HEAD.size
        body = data[place:place + size]
        assert len(body) == size, "the log ends within a record"
        place += size
        if kind == WRITE:
            epochs[-1].writes.append((offset, body))
        elif kind == FLUSH:
            epochs.append(Epoch())
        else:
            assert kind == MARK, f"the log holds a record of kind {kind}"
            epochs[-1].marks.append((len(epochs[-1].writes),
                                     json.loads(bytes(body))))
    return epochs
