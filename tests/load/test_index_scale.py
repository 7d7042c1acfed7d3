"""One more package in a large repository: the time from the upload's first
byte until its answer is there and what a client reads first (InRelease,
repomd.xml, the packument) names it. A repository of 200 packages against one
of 2,000; LONGSHORE_LOAD=full: 1,000 against 100,000.

The two take turns, so that what else the machine does hits both. And how fast
the large repository's index is read, against the same file from nginx alone."""

import gzip
import hashlib
import json
import os
import re
import socket
import statistics
import time

import pytest
import requests

from harness import many, rpms
from harness import npm as npms
from harness.debs import small_deb
from harness.private import add_repository

FULL = os.environ.get("LONGSHORE_LOAD") == "full"
pytestmark = [pytest.mark.ours, pytest.mark.heavy, pytest.mark.alone,
              pytest.mark.timeout(3600 if FULL else 120)]

SIZES = (1_000, 100_000) if FULL else (200, 2_000)
ROUNDS = 60 if FULL else 12
# How much longer the large repository may take, at the 95th percentile. The
# short form has too few rounds for that one: the median.
MOST = 2.0
# How fast an index is served, of what nginx does with a plain file; the short
# form is too short to tell a tenth from noise.
LEAST = 0.9 if FULL else 0.5
PIPELINED = 100


def read(url, **more):
    got = requests.get(url, timeout=600, **more)
    assert got.status_code == 200, (url, got.status_code, got.text[:500])
    return got


class Apt:
    format = "debian"
    row = staticmethod(many.deb)
    entry = "dists/stable/InRelease"

    @staticmethod
    def request(base, name):
        return f"{base}/pool/stable/main/upload", small_deb(name)

    @staticmethod
    def index(base, entry):
        """What `entry` lists: address, digest, and digest of its text."""
        found = {line.split()[2]: line.split()[0]
                 for line in entry.splitlines()
                 if line.count(" ") == 3 and "main/binary-amd64" in line}
        folder = "main/binary-amd64/"
        packed = found[folder + "Packages.gz"]
        return (f"{base}/dists/stable/{folder}by-hash/SHA256/{packed}",
                packed, found[folder + "Packages"])

    @staticmethod
    def names(text):
        return re.findall(rb"^Package: (.*)$", text, re.M)


class Dnf:
    format = "rpm"
    row = staticmethod(many.rpm)
    entry = "repodata/repomd.xml"

    @staticmethod
    def request(base, name):
        return f"{base}/upload", rpms.small_rpm(name)

    @staticmethod
    def index(base, entry):
        found = rpms.repomd(entry)["primary"]
        return (f"{base}/{found['location']}", found["checksum"],
                found["open-checksum"])

    @staticmethod
    def names(text):
        return re.findall(rb"<name>(.*?)</name>", text)


class Npm:
    format = "npm"
    row = staticmethod(many.npm)

    @staticmethod
    def request(base, name):
        return f"{base}/{name}", json.dumps(npms.publish_body(name, "1.0.0"))


class Place:
    """A repository of some size, and what was measured in it."""

    def __init__(self, make_registry, folder, kind, size):
        root = folder / str(size)
        # Who comes first waits for all indexes.
        self.server = make_registry(
            root=root, daemon_options="timeout=600s",
            server_directives="keepalive_requests 1000000;",
            locations=f"location /plain/ {{ alias {root}/documents/; }}")
        self.kind, self.size, self.times = kind, size, []
        self.base = add_repository(self.server, "scale", kind.format)
        many.fill(self.server, self.base, size, kind.row)
        self.session = requests.Session()
        print(f"{kind.format}, {size} packages: first publish in "
              f"{self.publish('first'):.2f} s")

    def publish(self, name):
        url, body = self.kind.request(self.base, name)
        entry = getattr(self.kind, "entry", name)
        start = time.monotonic()
        put = self.session.put(url, data=body, timeout=600)
        got = self.session.get(f"{self.base}/{entry}", timeout=600)
        took = time.monotonic() - start
        assert put.status_code == 201, put.text
        assert got.status_code == 200, got.text
        if hasattr(self.kind, "index"):
            url, _, _ = self.kind.index(self.base, got.text)
            assert requests.head(url, timeout=600).status_code == 200
        else:
            assert "1.0.0" in got.json()["versions"]
        return took

    def check(self, names):
        """The index has all that there is, and is what its entry says."""
        entry = read(f"{self.base}/{self.kind.entry}").text
        url, packed, plain = self.kind.index(self.base, entry)
        body = read(url).content
        assert hashlib.sha256(body).hexdigest() == packed
        text = gzip.decompress(body)
        assert hashlib.sha256(text).hexdigest() == plain
        listed = self.kind.names(text)
        assert len(listed) == len(set(listed)) == self.size + len(names)
        assert {name.encode() for name in names} <= set(listed)
        print(f"{self.kind.format}, {self.size} packages: an index of "
              f"{len(text) / 1e6:.1f} MB, {len(body) / 1e6:.1f} MB packed")

    def p95(self):
        return sorted(self.times)[int(len(self.times) * 0.95)]

    def median(self):
        return statistics.median(self.times)


class Reader:
    """GETs of one URL over a connection of their own."""

    def __init__(self, server, url):
        self.socket = socket.create_connection((server.host, server.port),
                                               timeout=60)
        path = url[len(server.url):]
        self.request = (f"GET {path} HTTP/1.1\r\n"
                        f"Host: {server.address}\r\n\r\n").encode()
        self.buffer = memoryview(bytearray(1 << 20))
        # How long an answer is does not change.
        self.socket.sendall(self.request)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.socket.recv(1 << 20)
        assert head.startswith(b"HTTP/1.1 200 "), head[:300]
        found = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", head)
        self.length = head.index(b"\r\n\r\n") + 4 + int(found[1])
        self._skip(self.length - len(head))

    def _skip(self, left):
        while left > 0:
            got = self.socket.recv_into(self.buffer[:min(left, 1 << 20)])
            assert got > 0
            left -= got

    def get(self, times=1):
        start = time.perf_counter()
        self.socket.sendall(self.request * times)
        self._skip(self.length * times)
        return time.perf_counter() - start


def served(place, name, url, digest, times):
    """Speed of reading a document, of what its file is read with."""
    plain = f"{place.server.url}/plain/sha256/{digest[:2]}/{digest}"
    assert read(url).content == read(plain).content
    readers = [Reader(place.server, one) for one in (url, plain)]
    took = [[], []]
    for number in range(100 if FULL else 20):
        for which in (0, 1) if number % 2 else (1, 0):
            took[which].append(readers[which].get(times))
    ours, theirs = (statistics.median(one) for one in took)
    print(f"{place.kind.format}, {place.size} packages: {name} "
          f"({readers[1].length / 1e6:.3f} MB) in {ours / times * 1e3:.2f} ms,"
          f" as a plain file {theirs / times * 1e3:.2f} ms: "
          f"{theirs / ours:.2f}")
    assert theirs / ours >= LEAST


@pytest.mark.parametrize("kind", [Apt, Dnf, Npm], ids=lambda kind: kind.format)
def test_one_more_package(make_registry, tmp_path, kind):
    places = [Place(make_registry, tmp_path, kind, size) for size in SIZES]
    names = [f"more{number}" for number in range(ROUNDS)]
    for number, name in enumerate(names):
        for place in places if number % 2 else reversed(places):
            place.times.append(place.publish(name))
    for place in places:
        print(f"{kind.format}, {place.size} packages: one more in "
              f"{place.median() * 1000:.0f} ms (median), "
              f"{place.p95() * 1000:.0f} ms (p95)")
    if hasattr(kind, "index"):
        for place in places:
            place.check(["first", *names])
        entry = read(f"{places[1].base}/{kind.entry}").content
        served(places[1], kind.entry, f"{places[1].base}/{kind.entry}",
               hashlib.sha256(entry).hexdigest(), PIPELINED)
        url, digest, _ = kind.index(places[1].base, entry.decode())
        served(places[1], "its index", url, digest, 1)
    small, large = places
    medians = large.median() / small.median()
    p95 = large.p95() / small.p95()
    print(f"{kind.format}: ratio {medians:.2f} (median), {p95:.2f} (p95), "
          f"load {os.getloadavg()[0]:.1f}")
    assert (p95 if FULL else medians) <= MOST
