"""A disk that is as full as a test wants: a tmpfs whose size follows."""

import os
from contextlib import contextmanager
from pathlib import Path

from .clients import need_right
from .process import run, wait_until

PAGE = 4096
_PLENTY = 1 << 30


class SmallDisk:
    def __init__(self, path):
        self.path = Path(path)

    def _remount(self, option, check=True):
        return run("mount", "-o", f"remount,{option}", self.path,
                   check=check).returncode == 0

    def used(self):
        room = os.statvfs(self.path)
        return (room.f_blocks - room.f_bfree) * room.f_frsize

    def leave(self, size):
        """So many bytes are free from now on, in whole pages."""
        # No smaller than what the servers have written in between.
        wait_until(lambda: self._remount(
            f"size={max(self.used() + size, PAGE)}", False), what="it is full")

    def leave_inodes(self, count):
        def used():
            room = os.statvfs(self.path)
            return room.f_files - room.f_ffree
        wait_until(lambda: self._remount(f"nr_inodes={used() + count}", False),
                   what="no inodes are left")

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
