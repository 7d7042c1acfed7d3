"""A file far larger than what both programs may take of memory goes in and
comes out through the formats whose clients send it as it is. 512 MiB;
LONGSHORE_LOAD=full: 5 GiB. npm, PyPI, Debian and RPM have a test like this
beside their own, with packages of theirs."""

import hashlib
import os
import subprocess
import threading

import pytest
import requests

from harness.private import add_repository

FULL = os.environ.get("LONGSHORE_LOAD") == "full"
SIZE = 5 << 30 if FULL else 512 << 20
MOST_KIB = 64 << 10
pytestmark = [pytest.mark.ours, pytest.mark.heavy,
              pytest.mark.timeout(1200 if FULL else 180)]

PATHS = {"generic": "disk/1.0/disk.img",
         "maven": "com/example/disk/1.0/disk-1.0.jar"}


def memory_kib(server):
    return sum(int(line.split()[1])
               for pid in [server.daemon_pid, *server.worker_pids()]
               for line in open(f"/proc/{pid}/status")
               if line.startswith("VmRSS"))


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file, and its SHA-256."""
    path = tmp_path_factory.mktemp("large") / "file"
    seen = hashlib.sha256()
    block = os.urandom(1 << 20)
    with open(path, "wb") as out:
        for number in range(SIZE >> 20):
            piece = number.to_bytes(8, "big") + block[8:]
            out.write(piece)
            seen.update(piece)
    yield path, seen.hexdigest()
    path.unlink()


@pytest.mark.parametrize("format", PATHS)
def test_in_and_out(fresh_registry, large, format):
    server, (path, digest) = fresh_registry, large
    base = add_repository(server, "large", format)
    url = f"{base}/{PATHS[format]}"
    # What the first use of anything takes is not the file's.
    small = url.replace("1.0", "0.9")
    assert requests.put(small, data=b"small", timeout=60).status_code == 201
    assert requests.get(small, timeout=60).content == b"small"
    before, most, over = memory_kib(server), [0], threading.Event()

    def watch():
        while not over.wait(0.1):
            most[0] = max(most[0], memory_kib(server))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        done = subprocess.run(
            ["curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", "-T",
             path, url], capture_output=True, text=True, check=True)
        assert done.stdout == "201"
        seen = hashlib.sha256()
        with requests.get(url, stream=True, timeout=600) as answer:
            assert answer.status_code == 200
            for piece in answer.iter_content(1 << 20):
                seen.update(piece)
    finally:
        over.set()
        watcher.join()
    assert seen.hexdigest() == digest
    print(f"{format}: {SIZE >> 20} MiB, {before >> 10} MiB of memory before, "
          f"{most[0] >> 10} MiB at most")
    assert most[0] - before < MOST_KIB
