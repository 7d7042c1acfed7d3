"""Calls of running servers that fail: a library of ours, loaded into nginx
and registryd before all others, looks into a file that both sides map. The
same process goes from one fault to the next, without a restart."""

import errno
import mmap
import os
import struct
from contextlib import contextmanager
from pathlib import Path

from .server import BUILD, Registry

LIBRARY = BUILD / "fault_library.so"
# As in faults/fault_library.cpp.
KINDS = {"open": 1, "read": 2, "write": 4, "sync": 8, "rename": 16,
         "link": 32, "unlink": 64, "mkdir": 128, "truncate": 256,
         "touch": 512, "memory": 1024}
_PLAN = struct.Struct("<IiqqqqqqQ256s256s")
_FIELDS = ("kinds", "error", "first", "count", "every", "seen", "failed",
           "clock_ms", "least_bytes", "folder", "last")
_OFFSETS = dict(zip(_FIELDS, (0, 4, 8, 16, 24, 32, 40, 48, 56, 64, 320),
                    strict=True))
WRITES = ("write", "sync", "rename", "link", "unlink", "mkdir", "truncate",
          "touch")


class Plan:
    """What is to fail in one program; nothing at first."""

    def __init__(self, path, folder):
        self.path = Path(path)
        self.path.write_bytes(_PLAN.pack(0, 0, 0, 1, 1, 0, 0, 0, 1,
                                         os.fsencode(folder), b""))
        with open(self.path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), _PLAN.size)

    def _get(self, field):
        return _PLAN.unpack(self.memory)[_FIELDS.index(field)]

    def _put(self, field, value):
        form = "<I" if field == "kinds" else "<i" if field == "error" else (
            "<Q" if field == "least_bytes" else "<q")
        struct.pack_into(form, self.memory, _OFFSETS[field], value)

    @property
    def seen(self):
        return self._get("seen")

    @property
    def failed(self):
        return self._get("failed")

    @property
    def last(self):
        return self._get("last").split(b"\0")[0].decode()

    def set_clock(self, seconds):
        """The wall clock of the program is off by so much."""
        self._put("clock_ms", int(seconds * 1000))

    def arm(self, kinds, error, first=0, count=1, every=1, least_bytes=1):
        """`error`: errno's name, or "short" for half of a read or write.
        `first`: how many calls succeed before. `count`: how many of the next
        fail, -1 for all; of those each `every`-th."""
        self.disarm()
        for field, value in (
                ("error", 0 if error == "short" else getattr(errno, error)),
                ("first", first), ("count", count), ("every", every),
                ("seen", 0), ("failed", 0), ("least_bytes", least_bytes)):
            self._put(field, value)
        kinds = [kinds] if isinstance(kinds, str) else kinds
        self._put("kinds", sum(KINDS[kind] for kind in kinds))

    def disarm(self):
        self._put("kinds", 0)


class FaultyRegistry(Registry):
    """Both servers with the library; `plans["nginx"]`, `plans["registryd"]`
    tell it what fails below the root."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.plans = {program: Plan(self.dir / f"faults-{program}", self.root)
                      for program in ("nginx", "registryd")}

    def environment(self, program):
        assert LIBRARY.exists(), f"{LIBRARY} is not built"
        return {**super().environment(program), "LD_PRELOAD": str(LIBRARY),
                "LONGSHORE_FAULTS": str(self.plans[program].path)}

    @contextmanager
    def failing(self, kinds, error, programs=("nginx", "registryd"), **more):
        """Meanwhile all those calls fail, or as `arm` is told."""
        more.setdefault("count", -1)
        for program in programs:
            self.plans[program].arm(kinds, error, **more)
        try:
            yield self
        finally:
            self.disarm()

    def disarm(self):
        for plan in self.plans.values():
            plan.disarm()
