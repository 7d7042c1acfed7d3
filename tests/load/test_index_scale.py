"""One more package in a large repository: the time from the upload's first
byte to the answer, which comes when the indexes are made and signed. 200
packages against 2,000; LONGSHORE_LOAD=full: 1,000 against 100,000."""

import gzip
import os
import statistics
import time

import pytest
import requests

from harness.debs import fill, small_deb, sha256
from harness.private import add_repository

FULL = os.environ.get("LONGSHORE_LOAD") == "full"
pytestmark = [pytest.mark.ours, pytest.mark.heavy, pytest.mark.alone,
              pytest.mark.timeout(3600 if FULL else 120)]

SIZES = (1_000, 100_000) if FULL else (200, 2_000)
ROUNDS = 60 if FULL else 20
# How much longer the large repository may take, at the 95th percentile. The
# short form has too few rounds to be strict about that one.
MOST = 2.0


def publish(base, name):
    body = small_deb(name)
    start = time.monotonic()
    answer = requests.put(f"{base}/pool/stable/main/upload", data=body,
                          timeout=600)
    took = time.monotonic() - start
    assert answer.status_code == 201, answer.text
    return took


def percentile(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def test_one_more_package_for_apt(make_registry):
    bases = []
    for size in SIZES:
        # The first one waits for all indexes.
        server = make_registry(daemon_options="timeout=600s")
        base = add_repository(server, "scale", "debian")
        bases.append(base)
        fill(server, base, size)
        print(f"{size} packages: all indexes made in "
              f"{publish(base, 'first'):.2f} s")
    times = {size: [] for size in SIZES}
    for number in range(ROUNDS):
        for base, size in zip(bases, SIZES):
            times[size].append(publish(base, f"more{number}"))
    p95 = {}
    for size in SIZES:
        p95[size] = percentile(times[size], 0.95)
        print(f"{size} packages: one more in "
              f"{statistics.median(times[size]) * 1000:.0f} ms (median), "
              f"{p95[size] * 1000:.0f} ms (p95)")
    small, large = SIZES
    for base, size in zip(bases, SIZES):
        got = requests.get(f"{base}/dists/stable/main/binary-amd64/"
                           "Packages.gz", timeout=60)
        plain = gzip.decompress(got.content)
        assert plain.count(b"\nFilename: ") == size + ROUNDS + 1
        release = requests.get(f"{base}/dists/stable/Release",
                               timeout=60).text
        line = (f" {sha256(plain)} {len(plain)} "
                "main/binary-amd64/Packages\n")
        assert line in release
    measure = p95 if FULL else {size: statistics.median(of)
                                for size, of in times.items()}
    ratio = measure[large] / measure[small]
    print(f"ratio: {ratio:.2f}")
    assert ratio <= MOST
