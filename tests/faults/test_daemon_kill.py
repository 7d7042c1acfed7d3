"""kill -9 of registryd at random moments while clients push and delete.

What was acknowledged must be there afterwards, byte for byte, and database
and disk must agree after the daemon's own repair at start (contract of
quality: acknowledged = durable, one truth).
"""

import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from harness import http
from harness.oci import Repository, digest, make_image
from harness.process import PATIENCE, wait_until, within
from harness.server import BUILD

class Unavailable(Exception):
    """A 503 as it is to be while the daemon is away."""


def want(answer, status):
    """`answer`, with this status; Unavailable when the daemon is away."""
    if answer.status == status:
        return answer
    assert answer.status == 503, (answer.status, answer.body)
    assert answer.error_code() == "UNAVAILABLE"
    assert "Retry-After" in answer.headers
    raise Unavailable


ROUNDS = int(os.environ.get("LONGSHORE_KILL_ROUNDS", "8"))


class Pusher(threading.Thread):
    """Pushes small images to its own repository until told to stop.

    `acknowledged` maps a tag to the set of digests that may be there: one,
    or two when the last request for the tag had no answer. `problems` are
    answers that no fault explains.
    """

    def __init__(self, server, number, stop):
        super().__init__(daemon=True)
        self.repo = Repository(server, f"kill/pusher-{number}")
        self.number = number
        self.stop_event = stop
        self.random = random.Random(number)
        self.images = {}
        self.blobs = set()
        self.acknowledged = {}
        self.refused = 0
        self.problems = []

    def run(self):
        count = 0
        while not self.stop_event.is_set() and not self.problems:
            count += 1
            tag = f"t{self.random.randrange(12)}"
            payload = f"{self.number}-{count}".encode() * 50
            try:
                self.step(tag, make_image((payload,)))
            except (OSError, http.Closed):
                self.refused += 1
            except Unavailable:
                self.refused += 1
                time.sleep(0.02)
            except Exception as error:  # the main thread tells of it
                self.problems.append(f"{tag}: {error!r}")

    def push_blob(self, blob):
        name = digest(blob)
        want(self.repo.finish(
            want(self.repo.start_upload(), 202).headers["Location"], name,
            blob), 201)
        self.blobs.add(name)

    def step(self, tag, image):
        for blob in image.blobs:
            self.push_blob(blob)
        self.images[image.digest] = image
        before = self.acknowledged.get(tag, {None})
        # Until the answer comes, both the old and the new may be there.
        self.acknowledged[tag] = before | {image.digest}
        want(self.repo.put_manifest(tag, image.manifest, image.media_type),
             201)
        self.acknowledged[tag] = {image.digest}


def settled(call, *arguments):
    """The answer, once the worker that gets the request has its daemon."""
    def answer():
        found = call(*arguments)
        return found if found.status != 503 else None
    return wait_until(answer, what="daemon is back for every worker")


def check(pusher):
    for name in sorted(pusher.blobs):
        answer = settled(pusher.repo.get_blob, name)
        assert answer.status == 200, (name, answer.status)
        assert digest(answer.body) == name
    for tag, allowed in pusher.acknowledged.items():
        answer = settled(pusher.repo.get_manifest, tag)
        if answer.status == 404 and None in allowed:
            continue
        assert answer.status == 200, (tag, answer.status, answer.body)
        found = digest(answer.body)
        assert found in allowed, (tag, found, allowed)
        assert answer.headers["Docker-Content-Digest"] == found
    listed = set(settled(pusher.repo.tags).json()["tags"])
    certain = {t for t, allowed in pusher.acknowledged.items()
               if None not in allowed}
    assert certain <= listed <= set(pusher.acknowledged)


@pytest.mark.heavy
@pytest.mark.ours
@pytest.mark.sanitize
@pytest.mark.timeout(240)
def test_acknowledged_pushes_survive_kill(fresh_registry):
    server = fresh_registry
    server.allow_log(r"\[crit\].*d\.sock")
    stop = threading.Event()
    pushers = [Pusher(server, n, stop) for n in range(4)]
    for pusher in pushers:
        pusher.start()
    rng = random.Random(7)
    end, rounds = time.monotonic() + PATIENCE, 0
    # Until pushes were lost and others were not, whatever the machine does.
    while rounds < ROUNDS or not (
            sum(p.refused for p in pushers)
            and sum(len(p.acknowledged) for p in pushers) > 8
            or time.monotonic() > end):
        rounds += 1
        time.sleep(rng.uniform(0.05, 0.6))
        server.restart_daemon(signal.SIGKILL)
    time.sleep(0.5)
    stop.set()
    for pusher in pushers:
        pusher.join(2 * PATIENCE)
        assert not pusher.is_alive()
        assert pusher.problems == []
    assert sum(len(p.acknowledged) for p in pushers) > 8, "nothing pushed"
    assert sum(p.refused for p in pushers) > 0, "no kill was ever noticed"
    for pusher in pushers:
        check(pusher)
    # A second life from cold, and the daemon's own judgement of its disk.
    server.restart_daemon(signal.SIGKILL)
    for pusher in pushers:
        check(pusher)
    server.stop_daemon()
    done = subprocess.run(
        [BUILD / "registryctl", "verify", "--root", server.root, "-o",
         "json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)
    server.start_daemon()
    wait_until(server.daemon_answers)


@pytest.mark.ours
@pytest.mark.alone
def test_restart_is_quick(fresh_registry):
    """Serving again within two seconds of a kill, with content."""
    repo = Repository(fresh_registry, "kill/restart")
    image = make_image((b"x",))
    repo.push(image, "latest")

    def seconds_of_a_restart():
        fresh_registry.stop_daemon(signal.SIGKILL)
        start = time.monotonic()
        fresh_registry.start_daemon()
        wait_until(fresh_registry.daemon_answers)
        took = time.monotonic() - start
        assert settled(repo.tags).json()["tags"] == ["latest"]
        return took
    within(2.0, seconds_of_a_restart)
