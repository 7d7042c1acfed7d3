"""How fast garbage goes, and what pushes feel of it. 3,000 blobs to go among
20,000; LONGSHORE_LOAD=full: 100,000 among a million."""

import hashlib
import json
import os
import sqlite3
import subprocess
import threading
import time

import pytest

from harness import oci
from harness.server import BUILD

FULL = os.environ.get("LONGSHORE_LOAD") == "full"
STORED, GARBAGE = (1_000_000, 100_000) if FULL else (20_000, 3_000)
pytestmark = [pytest.mark.ours, pytest.mark.heavy, pytest.mark.alone,
              pytest.mark.timeout(1800 if FULL else 120)]


def name_of(number):
    return hashlib.sha256(b"%d" % number).hexdigest()


def fill(server):
    """Rows of all; files of those that are to go, two days old. One manifest
    refers to the others, whose files nobody asks for."""
    anchor = oci.Repository(server, "anchor")
    image = oci.make_image([b"anchor"])
    anchor.push(image, "anchor")
    then = time.time() - 172_800
    blobs = server.root / "docker/registry/v2/blobs/sha256"
    for number in range(GARBAGE):
        hexed = name_of(number)
        folder = blobs / hexed[:2] / hexed
        folder.mkdir(parents=True)
        (folder / "data").write_bytes(b"%d" % number)
        os.utime(folder / "data", (then, then))
    database = sqlite3.connect(server.root / "db/longshore.sqlite",
                               timeout=60)
    with database:
        database.execute("PRAGMA foreign_keys = OFF")
        database.executemany(
            "INSERT INTO blobs (digest, size_bytes) VALUES (?, ?)",
            (("sha256:" + name_of(number), len(b"%d" % number))
             for number in range(STORED)))
        database.execute(
            "INSERT INTO manifest_references"
            " SELECT m.name_id, m.blob_id, b.id, 1 FROM blobs b, manifests m"
            " WHERE b.id > (SELECT max(id) FROM blobs) - ?",
            (STORED - GARBAGE,))
    database.close()


class Pusher(threading.Thread):
    """Pushes a small image after the other; `took` in seconds."""

    def __init__(self, server, name):
        super().__init__()
        self.repository = oci.Repository(server, name)
        self.stop, self.took, self.error = threading.Event(), [], None

    def run(self):
        try:
            while not self.stop.is_set():
                image = oci.make_image([os.urandom(100)])
                start = time.monotonic()
                self.repository.push(image, "v1")
                self.took.append(time.monotonic() - start)
        except Exception as error:
            self.error = error

    def end(self):
        self.stop.set()
        self.join()
        assert self.error is None, self.error
        return sorted(self.took)


def p99(took):
    return took[int(len(took) * 0.99)]


def test_collection_beside_pushes(make_registry):
    server = make_registry()
    fill(server)
    idle = Pusher(server, "idle")
    idle.start()
    time.sleep(3)
    quiet = idle.end()
    beside = Pusher(server, "beside")
    beside.start()
    start = time.monotonic()
    done = subprocess.run(
        [BUILD / "registryctl", "--root", server.root, "--json", "gc", "run"],
        capture_output=True, text=True, check=True, timeout=1700)
    took = time.monotonic() - start
    busy = beside.end()
    report = json.loads(done.stdout)
    assert report["blobs"] == GARBAGE, report
    # The row says when it began; before, the daemon had not looked yet.
    print(f"{GARBAGE} of {STORED} blobs collected in {took:.1f} s "
          f"({GARBAGE / took:.0f}/s); pushes of one image: p99 "
          f"{p99(quiet) * 1000:.0f} ms idle ({len(quiet)}), "
          f"{p99(busy) * 1000:.0f} ms beside ({len(busy)})")
    assert GARBAGE / took > 100
    assert p99(busy) < max(10 * p99(quiet), 1.0)
    assert oci.Repository(server, "anchor").get_manifest("anchor").status == 200
