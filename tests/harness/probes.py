"""The points of the programs (common/probe.hpp), and ends at them.

A point is a `nop` that the program's file names in its section .note.stapsdt.
Writing a trap over it ends the process, at once and as SIGKILL would, when
any thread comes there; nothing else of the program is changed, so what is
tested is what is installed. A program that passes a point while it starts
runs from a copy of its file that has the trap.
"""

import os
import platform
import shutil
import struct
import subprocess
from dataclasses import dataclass

TYPE = 3  # of a note of .note.stapsdt
LOADED = 1  # PT_LOAD
# By machine: what stands at a point, and what ends whoever comes there.
TRAPS = {"x86_64": (b"\x90", b"\xcc"),
         "aarch64": (b"\x1f\x20\x03\xd5", b"\x00\x00\x20\xd4")}


@dataclass(frozen=True)
class Place:
    """One place of a point in a file: inlined code has several."""
    name: str
    offset: int  # in the file


def trap():
    machine = platform.machine()
    if machine not in TRAPS:
        raise AssertionError(f"no instruction that traps is known for "
                             f"{machine}: add it to TRAPS")
    return TRAPS[machine]


def _table(data, offset, size, count, layout):
    return [struct.unpack_from(layout, data, offset + i * size)
            for i in range(count)]


def read(path):
    """The places of all points in an ELF file of 64 bits."""
    with open(path, "rb") as file:
        data = memoryview(file.read())
    assert data[:6] == b"\x7fELF\x02\x01", f"{path} is no such file"
    programs, sections = struct.unpack_from("<QQ", data, 32)
    sizes = struct.unpack_from("<HHHHH", data, 54)
    segments = [(kind, offset, address, in_file) for
                kind, _, offset, address, _, in_file, _, _ in _table(
                    data, programs, sizes[0], sizes[1], "<IIQQQQQQ")]
    headers = _table(data, sections, sizes[2], sizes[3], "<IIQQQQIIQQ")
    names = headers[sizes[4]][4]

    def title(header):
        start = names + header[0]
        return bytes(data[start:start + 32]).split(b"\0")[0]

    base = [header[3] for header in headers
            if title(header) == b".stapsdt.base"]
    places = []
    for header in headers:
        if title(header) == b".note.stapsdt":
            notes = bytes(data[header[4]:header[4] + header[5]])
            places += _places(notes, base[0], segments)
    return places


def _places(notes, base, segments):
    at = 0
    while at < len(notes):
        owner, size, kind = struct.unpack_from("<III", notes, at)
        start = at + 12 + (owner + 3) // 4 * 4
        at = start + (size + 3) // 4 * 4
        if kind != TYPE:
            continue
        address, linked_base, semaphore = struct.unpack_from(
            "<QQQ", notes, start)
        provider, name = notes[start + 24:start + size].split(b"\0")[:2]
        if provider != b"longshore":
            continue
        assert semaphore == 0, "a point has no switch"
        address += base - linked_base
        yield Place(name.decode().replace("__", ".", 1),
                    _offset(address, segments))


def _offset(address, segments):
    for kind, offset, start, size in segments:
        if kind == LOADED and start <= address < start + size:
            return address - start + offset
    raise AssertionError(f"address {address:#x} is in no segment")


class Program:
    """A file with its points."""

    def __init__(self, path):
        self.path = os.path.realpath(path)
        self.places = read(self.path)
        self.names = sorted({place.name for place in self.places})
        nop, _ = trap()
        with open(self.path, "rb") as file:
            for place in self.places:
                file.seek(place.offset)
                assert file.read(len(nop)) == nop, place

    def arm(self, pid, name):
        """The process ends when it comes to the point."""
        with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
            for address in self._addresses(pid, name):
                memory.seek(address)
                nop, end = trap()
                assert memory.read(len(nop)) == nop, (name, hex(address))
                memory.seek(address)
                memory.write(end)

    def _addresses(self, pid, name):
        with open(f"/proc/{pid}/maps") as maps:
            rows = [line.split(maxsplit=5) for line in maps]
        for place in self._of(name):
            found = []
            for row in rows:
                if len(row) < 6 or row[5].rstrip("\n") != self.path or (
                        "x" not in row[1]):
                    continue
                first, last = (int(word, 16) for word in row[0].split("-"))
                start = int(row[2], 16)
                if start <= place.offset < start + last - first:
                    found.append(first + place.offset - start)
            assert len(found) == 1, (name, pid, found)
            yield found[0]

    def _of(self, name):
        found = [place for place in self.places if place.name == name]
        assert found, f"{self.path} has no point {name}"
        return found

    def trapped_copy(self, name, path):
        """A copy of the file that ends at the point; its path."""
        shutil.copyfile(self.path, path)
        os.chmod(path, 0o755)
        _, end = trap()
        with open(path, "r+b") as file:
            for place in self._of(name):
                file.seek(place.offset)
                file.write(end)
        return path


def without_debugging(path, into):
    """A smaller copy of a program, as packages install it."""
    subprocess.run(["strip", "--strip-debug", "-o", into, path], check=True)
    return into
