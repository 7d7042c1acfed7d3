"""Reloads and daemon restarts under load: no pull fails, no upload is lost.

nginx is reloaded every second, the daemon restarted every three seconds (in
turns asked to end and killed), while 500 requests a second pull and ten
uploads last all the time. 20 seconds; LONGSHORE_LOAD=full: two minutes, and
the killed daemon comes back after a second, as systemd does it.
"""

import itertools
import os
import random
import signal
import threading
import time

import pytest

from harness import oci
from harness.traffic import Pulls, Upload

FULL = os.environ.get("LONGSHORE_LOAD") == "full"
SECONDS = 120 if FULL else 20
RATE = 500
UPLOADS = 10

pytestmark = [pytest.mark.ours, pytest.mark.alone,
              pytest.mark.timeout(SECONDS * 3 + 120)]


class Disruption:
    """Reloads every second; every three the daemon is restarted."""

    def __init__(self, server):
        self.server = server
        self.over = threading.Event()
        self.signals = itertools.cycle((signal.SIGTERM, signal.SIGKILL))
        self.reloads = self.restarts = 0
        self.slowest = 0.0
        self.problems = []
        self.threads = [
            threading.Thread(target=self._every, args=arguments)
            for arguments in ((1, self._reload), (3, self._restart))]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert not self.problems, self.problems
        assert self.reloads >= 5 and self.restarts >= 2

    def _every(self, seconds, action):
        due = time.monotonic()
        try:
            while True:
                due += seconds
                if self.over.wait(max(0.0, due - time.monotonic())):
                    return
                action()
        except Exception as error:  # told by the test
            self.problems.append(repr(error))

    def _reload(self):
        os.kill(self.server.nginx_pid, signal.SIGHUP)
        self.reloads += 1

    def _restart(self):
        start, how = time.monotonic(), next(self.signals)
        self.server.stop_daemon(how)
        if FULL and how == signal.SIGKILL:
            time.sleep(1)
        self.server.start_daemon()
        self.slowest = max(self.slowest, time.monotonic() - start)
        self.restarts += 1


def requests_of(repo):
    """Pulls of every kind, with their weights."""
    dice = random.Random(3)
    layers = [dice.randbytes(size) for size in (1000, 20_000, 1 << 20)]
    image = oci.make_image(layers)
    repo.push(image, "v1")
    number = itertools.count()
    base = f"/v2/{repo.name}"
    blobs = [f"{base}/blobs/{oci.digest(layer)}" for layer in layers]
    tag = f"{base}/manifests/v1"
    by_digest = f"{base}/manifests/{image.digest}"
    return [
        (25, "blob", "GET", blobs[0], layers[0]),
        (10, "blob", "GET", blobs[1], layers[1]),
        (2, "blob", "GET", blobs[2], layers[2]),
        (13, "blob head", "HEAD", blobs[2], None),
        (15, "cached manifest", "GET", tag, image.manifest),
        (10, "cached manifest", "GET", by_digest, image.manifest),
        (10, "manifest head", "HEAD", tag, None),
        # A query of its own makes nginx ask the daemon each time.
        (15, "asked manifest", "GET", lambda: f"{tag}?n={next(number)}",
         image.manifest)]


def make_uploads(server):
    dice = random.Random(4)
    return [Upload(server, f"load/upload-{number}", dice.randbytes(
                SECONDS * 200_000 + number), SECONDS,
                # Five in chunks of about a second, five in one piece.
                200_000 if number % 2 else 0)
            for number in range(UPLOADS)]


@pytest.mark.parametrize("shutdown", ["patient", "impatient"])
def test_nothing_fails(make_registry, shutdown, capsys):
    """`impatient`: old workers cut off what is not done after 3 seconds."""
    server = make_registry(
        workers=2, daemon_options="timeout=10s", main_directives=(
            "worker_shutdown_timeout 3s;" if shutdown == "impatient" else ""))
    server.allow_log(r"\[crit\].*d\.sock")
    pulls = Pulls(server, requests_of(oci.Repository(server, "load/pulls")),
                  RATE)
    uploads = make_uploads(server)
    disruption = Disruption(server)
    start = time.monotonic()
    for thread in (pulls, *uploads, disruption):
        thread.start()
    try:
        for upload in uploads:
            upload.join(SECONDS * 2 + 60)
    finally:
        took = time.monotonic() - start
        pulls.stop()
        disruption.stop()
    resumed = {}
    for upload in uploads:
        for why, count in upload.resumed.items():
            resumed[why] = resumed.get(why, 0) + count
    times = sorted(pulls.milliseconds)
    with capsys.disabled():
        print(f"\n{shutdown}: {took:.0f} s, {disruption.reloads} reloads, "
              f"{disruption.restarts} restarts (the longest "
              f"{disruption.slowest:.2f} s), {sum(pulls.done.values())} pulls "
              f"({sum(pulls.done.values()) / took:.0f}/s), "
              f"{len(pulls.failed)} failed, {pulls.repeated} met a closing "
              f"connection; p50 {times[len(times) // 2]:.1f} ms, p99 "
              f"{times[len(times) * 99 // 100]:.0f} ms, longest "
              f"{times[-1]:.0f} ms; uploads went on after {resumed}")
    assert not pulls.failed, pulls.failed[:10]
    assert [u.problem for u in uploads if u.problem] == []
    assert all(upload.finished for upload in uploads)
    # Everything was really asked for, at a good part of the rate.
    assert set(pulls.done) == {row[1] for row in pulls.requests}
    assert sum(pulls.done.values()) > RATE * took / 4
    for upload in uploads:
        answer = oci.Repository(server, upload.repo.name).get_blob(
            upload.digest)
        assert answer.status == 200 and answer.body == upload.data
