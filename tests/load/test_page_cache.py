"""`directio 8m; aio threads;`: large blobs go past the page cache, and every
byte is right at every offset. docs/large-blobs.md says when to use it.
"""

import concurrent.futures
import os
import random

import pytest

from harness import http, oci, pages
from harness.process import wait_until
from harness.server import Registry

pytestmark = [pytest.mark.ours, pytest.mark.heavy]

DIRECT = "directio 8m; aio threads; output_buffers 2 512k;"
MIB = 1 << 20
# Not a multiple of any block.
LARGE = 24 * MIB + 12345
SMALL = 3 * MIB + 77
CLIENTS = 8
ROUNDS = 40 if os.environ.get("LONGSHORE_LOAD") == "full" else 6


class Blobs:
    """A server with one large and one small blob."""

    def __init__(self, server):
        self.server = server
        self.repo = oci.Repository(server, "load/pages")
        dice = random.Random(10)
        self.large, self.small = dice.randbytes(LARGE), dice.randbytes(SMALL)
        for data in (self.large, self.small):
            self.repo.push_blob(data)

    def path(self, data):
        return f"/v2/{self.repo.name}/blobs/{oci.digest(data)}"

    def file(self, data):
        name = oci.digest(data).partition(":")[2]
        return (self.server.root / "docker/registry/v2/blobs/sha256"
                / name[:2] / name / "data")

    def cold(self):
        """Both out of memory; skips where that cannot be had."""
        for data in (self.large, self.small):
            if not pages.can_bypass(self.file(data)):
                pytest.skip("this file system has no direct I/O")
            if not can_drop(self.file(data)):
                pytest.skip("this file system's pages cannot be dropped")


def can_drop(path):
    """Makes the file cold; pages that somebody writes or reads right now
    stay, so again."""
    try:
        return wait_until(lambda: pages.drop(path) <= 0.01, 20)
    except TimeoutError:
        return False


@pytest.fixture(scope="module", params=["direct", "plain"])
def blobs(request):
    directives = DIRECT if request.param == "direct" else ""
    with Registry(workers=1, location_directives=directives) as server:
        made = Blobs(server)
        made.direct = request.param == "direct"
        yield made


def spans_of(ranges, size):
    """[(first, end)] of a Range header without its unit."""
    out = []
    for word in ranges.split(","):
        first, _, last = word.partition("-")
        if not first:
            out.append((size - int(last), size))
        else:
            out.append((int(first), min(int(last or size) + 1, size)))
    return out


def check(blobs, link, data, ranges=None):
    headers = {} if ranges is None else {"Range": f"bytes={ranges}"}
    answer = link.request("GET", blobs.path(data), headers)
    if ranges is None:
        assert answer.status == 200 and answer.body == data
        return
    assert answer.status == 206, (ranges, answer.status)
    spans = spans_of(ranges, len(data))
    if len(spans) == 1:
        assert answer.body == data[slice(*spans[0])], ranges
        return
    parts = answer.parts()
    assert len(parts) == len(spans)
    for (headers, body), (first, end) in zip(parts, spans):
        assert headers["Content-Range"] == (
            f"bytes {first}-{end - 1}/{len(data)}")
        assert body == data[first:end], (first, end)


RANGES = [
    None, "0-0", "-1", "1-", "511-512", "512-1023", "4095-4097", "-12345",
    "4096-", f"{8 * MIB - 1}-{8 * MIB + 1}", "1000001-19000007",
    f"{LARGE - 1}-", f"{24 * MIB}-", "0-1048575",
    "0-99,4096-8191,10000001-10000100,-7",
    "1-1048577,1048579-9999999,10000001-10000001",
    ",".join(f"{i * 300_007}-{i * 300_007 + 65535}" for i in range(64))]


@pytest.mark.parametrize("ranges", RANGES, ids=lambda r: str(r)[:24])
def test_the_bytes_are_right(blobs, ranges):
    with http.Connection(blobs.server.host, blobs.server.port) as link:
        for data in (blobs.large, blobs.small):
            if ranges is None or all(0 <= first < end <= len(data) for
                                     first, end in spans_of(ranges,
                                                            len(data))):
                check(blobs, link, data, ranges)
        # And the connection goes on.
        check(blobs, link, blobs.small, "7-9")


def test_many_at_odd_offsets(blobs):
    """All from one file at once, each from and to an offset of its own."""
    def pull(seed):
        dice = random.Random(seed)
        with http.Connection(blobs.server.host, blobs.server.port) as link:
            for _ in range(ROUNDS):
                words = []
                for _ in range(dice.choice((1, 1, 3))):
                    first = dice.randrange(LARGE)
                    size = dice.choice((1, 100, 5000, 70_001, 3_000_001))
                    words.append(f"{first}-{min(first + size, LARGE) - 1}")
                # In order, with room between them.
                words.sort(key=lambda word: int(word.split("-")[0]))
                ends = [tuple(map(int, w.split("-"))) for w in words]
                if any(a[1] + 1 >= b[0] for a, b in zip(ends, ends[1:])):
                    words = words[:1]
                check(blobs, link, blobs.large, ",".join(words))
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(pull, range(CLIENTS)))


def test_what_stays_in_memory(blobs, capsys):
    blobs.cold()
    with http.Connection(blobs.server.host, blobs.server.port) as link:
        for ranges in (None, "1-", "5000001-15000001,17000000-17000009"):
            check(blobs, link, blobs.large, ranges)
        check(blobs, link, blobs.small)
    large = pages.resident(blobs.file(blobs.large))
    small = pages.resident(blobs.file(blobs.small))
    with capsys.disabled():
        print(f"\n{'directio 8m' if blobs.direct else 'plain'}: in memory "
              f"after pulls {large:.1%} of a large blob, {small:.1%} of a "
              "small one")
    assert small > 0.99
    if blobs.direct:
        # Ends that are no multiple of a block go through memory.
        assert large < 0.05
    else:
        assert large > 0.99
