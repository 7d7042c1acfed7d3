"""A disk that is as full as a test wants: a tmpfs whose size follows."""

import os
from contextlib import contextmanager
from pathlib import Path

from .clients import need_right
from .process import run

PAGE = 4096
_PLENTY = 1 << 30


class SmallDisk:
    def __init__(self, path):
        self.path = Path(path)

    def _remount(self, option):
        run("mount", "-o", f"remount,{option}", self.path)

    def used(self):
        room = os.statvfs(self.path)
        return (room.f_blocks - room.f_bfree) * room.f_frsize

    def leave(self, size):
        """So many bytes are free from now on, in whole pages."""
        self._remount(f"size={max(self.used() + size, PAGE)}")

    def leave_inodes(self, count):
        room = os.statvfs(self.path)
        self._remount(f"nr_inodes={room.f_files - room.f_ffree + count}")

    def grow(self):
        self._remount(f"size={_PLENTY},nr_inodes=1000000")


@contextmanager
def small_disk(folder):
    """A disk with plenty of room, mounted at `folder`."""
    need_right("CAP_SYS_ADMIN", "to mount a file system")
    Path(folder).mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={_PLENTY},mode=755", "tmpfs",
        folder)
    try:
        yield SmallDisk(folder)
    finally:
        run("umount", "-l", folder, check=False)
