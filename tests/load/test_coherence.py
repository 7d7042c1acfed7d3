"""Coherence of the zone: after a 201 nobody reads what was before it.

Writers move tags through every worker while readers, one on each worker,
compare version numbers. The same while the daemon is killed, and while the
invalidations of other writers are lost: those writers change tags behind
nginx's back, straight through the daemon's socket.

Each test runs a few seconds; LONGSHORE_LOAD=full: a minute for those that
hammer.
"""

import collections
import itertools
import json
import os
import random
import signal
import threading
import time

import pytest

from harness import http, oci, seam
from harness.lossy import LossyRegistry
from harness.process import alive, wait_until
from harness.server import Registry

pytestmark = [pytest.mark.ours, pytest.mark.heavy]

FULL = os.environ.get("LONGSHORE_LOAD") == "full"
SECONDS = 60 if FULL else 4
WORKERS = 4
SETTINGS = {
    "workers": WORKERS, "http_directives": "keepalive_requests 10000000;",
    # Nothing here may be saved by the clock.
    "daemon_config": "cache_ttl_ms = 3600000",
    "daemon_options": "timeout=10s",
    "locations": "location = /status { registry_status json; }"
                 "location = /pid { return 200 $pid; }"}


def numbers(server):
    return http.request(server, "GET", "/status").json()


def wait_connected(server):
    wait_until(lambda: numbers(server)["daemon_connected"] == server.workers,
               what="all workers connected")


@pytest.fixture
def server():
    with Registry(**SETTINGS) as made:
        wait_connected(made)
        yield made


@pytest.fixture
def lossy():
    with LossyRegistry(**SETTINGS) as made:
        wait_connected(made)
        yield made


def connect(server):
    return http.Connection(server.host, server.port)


def pinned(server):
    """A connection to each worker, by pid.

    Many are opened at once: an idle worker that gets one after the other
    would take them all."""
    links, spare = {}, []

    def complete():
        batch = [connect(server) for _ in range(16)]
        for link in batch:
            pid = int(link.request("GET", "/pid").body)
            if links.setdefault(pid, link) is not link:
                spare.append(link)
        return len(links) == server.workers
    wait_until(complete, pause=0, what="a connection to every worker")
    for link in spare:
        link.close()
    return links


class Versions:
    """Manifests of one repository that differ in a number."""

    def __init__(self, server, name):
        self.repo = oci.Repository(server, name)
        self.base = oci.make_image((b"layer",))
        for blob in self.base.blobs:
            self.repo.push_blob(blob)
        self.by_digest = {}

    def path(self, tag):
        return f"/v2/{self.repo.name}/manifests/{tag}"

    def body(self, number):
        image = oci.make_image((b"layer",), annotations={"n": str(number)})
        self.by_digest[image.digest] = number
        return image.manifest

    def number(self, answer):
        """The version that an answer to GET or HEAD tells."""
        known = self.by_digest[answer.headers["Docker-Content-Digest"]]
        if answer.body:
            assert int(json.loads(answer.body)["annotations"]["n"]) == known
        return known

    def put(self, link, tag, number):
        return link.request("PUT", self.path(tag),
                            {"Content-Type": oci.MANIFEST},
                            self.body(number))

    def put_behind(self, client, tag, number):
        decision = client.put_manifest(self.path(tag), self.body(number),
                                       oci.MANIFEST)
        assert decision.status == 201, decision.body

    def read_everywhere(self, links, tag):
        """What every worker says; twice, so that it comes from the zone."""
        seen = set()
        for _ in range(2):
            for link in links.values():
                answer = link.request("GET", self.path(tag))
                seen.add(self.number(answer) if answer.status == 200
                         else answer.status)
        return seen


class Hammer:
    """Writers, each with a tag, and a reader on every worker."""

    TAGS = 3

    def __init__(self, server, patient):
        """`patient`: a 503 is no failure, the daemon may be away."""
        self.server = server
        self.patient = patient
        self.versions = Versions(server, "load/hammer")
        self.floor = [0] * self.TAGS    # version that was acknowledged
        self.ceiling = [0] * self.TAGS  # version that was sent
        self.reads = collections.Counter()
        self.refused = collections.Counter()
        self.wrong = []
        self.over = threading.Event()
        links = pinned(server)
        for tag in range(self.TAGS):
            answer = self.versions.put(list(links.values())[0], tag, 0)
            assert answer.status == 201
        self.threads = [
            threading.Thread(target=self._guard, args=(self._write, tag,
                                                       pinned(server)))
            for tag in range(self.TAGS)]
        self.threads += [
            threading.Thread(target=self._guard, args=(self._read, pid, link))
            for pid, link in links.items()]

    def run(self, seconds, meanwhile=None):
        """So long, and longer on a machine that does little in that time."""
        for thread in self.threads:
            thread.start()
        start = time.monotonic()
        try:
            while not self.wrong and time.monotonic() < start + seconds + 60:
                if time.monotonic() > start + seconds and self._enough():
                    break
                if meanwhile is not None:
                    meanwhile()
                self.over.wait(0.1)
        finally:
            self.over.set()
            for thread in self.threads:
                thread.join(60)
        assert not self.wrong, self.wrong[:5]
        assert self._enough(), (self.floor, self.reads, self.refused)

    def _enough(self):
        return (min(self.floor) > 20 and len(self.reads) == WORKERS
                and min(self.reads.values()) > 50
                # With the daemon away now and then that is to be noticed.
                and (self.refused["write"] > 0 or not self.patient))

    def _guard(self, work, *arguments):
        try:
            work(*arguments)
        except Exception as error:  # told by run()
            self.wrong.append(repr(error))

    def _write(self, tag, links):
        """Version after version, each through the next worker."""
        turn = itertools.cycle(links.values())
        while not self.over.is_set():
            number = self.floor[tag] + 1
            self.ceiling[tag] = number
            # As a client does: the same again until it is acknowledged.
            for link in turn:
                answer = self.versions.put(link, tag, number)
                if answer.status == 201:
                    break
                assert answer.status == 503 and self.patient, answer.status
                self.refused["write"] += 1
                if self.over.wait(0.02):
                    return
            self.floor[tag] = number

    def _read(self, pid, link):
        dice = random.Random(pid)
        while not self.over.is_set():
            tag = dice.randrange(self.TAGS)
            least = self.floor[tag]
            answer = link.request(dice.choice(("GET", "GET", "HEAD")),
                                  self.versions.path(tag))
            if answer.status != 200:
                assert answer.status == 503 and self.patient, answer.status
                self.refused["read"] += 1
                continue
            number = self.versions.number(answer)
            if not least <= number <= self.ceiling[tag]:
                self.wrong.append(f"tag {tag}: {number} was read after "
                                  f"{least} had been acknowledged")
            self.reads[pid] += 1


def test_never_older_through_any_worker(server):
    hammer = Hammer(server, patient=False)
    before = numbers(server)
    hammer.run(SECONDS)
    after = numbers(server)
    assert after["cache_hits"] - before["cache_hits"] > 100


@pytest.mark.timeout(180 + SECONDS)
def test_never_older_though_the_daemon_is_killed(server):
    server.allow_log(r"\[crit\].*d\.sock")
    hammer = Hammer(server, patient=True)
    signals = itertools.cycle((signal.SIGKILL, signal.SIGTERM))
    dice = random.Random(5)

    def restart():
        server.restart_daemon(next(signals), wait=False)
        time.sleep(dice.uniform(0.2, 0.8))
    hammer.run(SECONDS * 2, restart)


def test_own_writes_need_no_invalidation(lossy):
    """What the answer to a write names is dropped with the answer: nothing
    of the daemon's PUB arrives here."""
    lossy.lossy.passes = lambda keys: False
    hammer = Hammer(lossy, patient=False)
    before = numbers(lossy)
    hammer.run(SECONDS)
    after = numbers(lossy)
    assert after["cache_hits"] - before["cache_hits"] > 100
    assert lossy.lossy.lost > 20
    assert after["cache_flushes"] == before["cache_flushes"]


def test_dropped_before_the_answer_leaves(lossy):
    """The writer's worker loses the processor with its 201, to a reader of
    another worker: one core for all, and that worker is the least in it."""
    lossy.lossy.passes = lambda keys: False
    versions = Versions(lossy, "load/order")
    links = pinned(lossy)
    slow, quick = list(links)[:2]
    core = min(os.sched_getaffinity(0))
    old = os.sched_getaffinity(0)
    for pid in (slow, quick):
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), {core})
    os.setpriority(os.PRIO_PROCESS, slow, 19)
    os.sched_setaffinity(0, {core})
    try:
        for number in range(1, 400 if FULL else 100):
            answer = versions.put(links[slow], "v", number)
            assert answer.status == 201
            # And kept in the zone, for the next round.
            for _ in range(2):
                answer = links[quick].request("GET", versions.path("v"))
                assert versions.number(answer) == number
    finally:
        os.sched_setaffinity(0, old)


def test_a_write_overtakes_a_read():
    """The answer to a read that was asked before the write comes after it:
    it may be sent to who asked, and to nobody else."""
    with LossyRegistry(relayed=True, **SETTINGS) as server:
        wait_connected(server)
        relay = server.relay
        server.lossy.passes = lambda keys: False
        versions = Versions(server, "load/overtaken")
        links = pinned(server)
        first, second = list(links.values())[:2]
        for number in range(1, 21, 2):
            # Forgets what the zone has, so that the read has to ask.
            assert versions.put(second, "v", number).status == 201
            relay.holds = lambda decision: decision.action == "pull"
            first.send(http.head("GET", versions.path("v")))
            wait_until(lambda: relay.held, what="the answer is held")
            assert versions.put(second, "v", number + 1).status == 201
            relay.holds = lambda decision: False
            relay.release()
            assert versions.number(first.read_response()) == number
            assert versions.read_everywhere(links, "v") == {number + 1}


# Changes behind nginx's back

@pytest.fixture
def behind(lossy):
    with seam.Client(lossy.endpoint) as client:
        yield client


def known_everywhere(lossy, behind, versions, links, tag="a", number=1):
    """The tag in the zone, and the invalidations up to it applied."""
    versions.put_behind(behind, tag, number)
    wait_until(lambda: versions.read_everywhere(links, tag) == {number},
               what="the first version")
    # A heartbeat after that: nothing older is on its way.
    beats = lossy.lossy.beats
    wait_until(lambda: lossy.lossy.beats > beats, what="a heartbeat")
    assert versions.read_everywhere(links, tag) == {number}


def test_a_change_behind_our_back_is_told(lossy, behind):
    versions = Versions(lossy, "load/told")
    links = pinned(lossy)
    known_everywhere(lossy, behind, versions, links)
    # No heartbeat with a gap may do it: the message alone must.
    lossy.lossy.passes = lambda keys: bool(keys)
    before = numbers(lossy)
    for number in range(2, 12):
        versions.put_behind(behind, "a", number)
        wait_until(lambda: versions.read_everywhere(links, "a") == {number},
                   what="the new version")
    after = numbers(lossy)
    assert after["cache_flushes"] == before["cache_flushes"]
    # Once for all workers, not once for each: the tag and the manifest.
    assert after["cache_drops"] - before["cache_drops"] == 20


@pytest.mark.parametrize("noticed_by", ["the next message", "the heartbeat"])
def test_a_lost_invalidation_is_noticed(lossy, behind, noticed_by):
    versions = Versions(lossy, "load/lost")
    links = pinned(lossy)
    number = 1
    for _ in range(5 if FULL else 2):
        known_everywhere(lossy, behind, versions, links, number=number)
        lost = lossy.lossy.lost
        lossy.lossy.passes = lambda keys: False
        versions.put_behind(behind, "a", number + 1)
        wait_until(lambda: lossy.lossy.lost > lost, what="the loss")
        # Nobody can know yet. Were it otherwise, this would test nothing.
        assert versions.read_everywhere(links, "a") == {number}
        flushes = numbers(lossy)["cache_flushes"]
        if noticed_by == "the heartbeat":
            lossy.lossy.passes = lambda keys: True
        else:
            lossy.lossy.passes = lambda keys: bool(keys)
            versions.put_behind(behind, "other", number)
        wait_until(lambda: numbers(lossy)["cache_flushes"] > flushes,
                   what="everything forgotten")
        assert versions.read_everywhere(links, "a") == {number + 1}
        lossy.lossy.passes = lambda keys: True
        number += 2


def test_random_losses(lossy, behind):
    """Bursts over many tags with messages lost at random: one heartbeat
    later every worker has the last of each."""
    versions = Versions(lossy, "load/random")
    links = pinned(lossy)
    dice = random.Random(6)
    tags, number = [f"t{i}" for i in range(6)], 0
    expected = {}
    for tag in tags:
        known_everywhere(lossy, behind, versions, links, tag, number)
    flushes = numbers(lossy)["cache_flushes"]
    for _ in range(30 if FULL else 4):
        lossy.lossy.passes = lambda keys: bool(keys) and dice.random() < 0.6
        for _ in range(20):
            number += 1
            tag = dice.choice(tags)
            versions.put_behind(behind, tag, number)
            expected[tag] = number
            versions.read_everywhere(links, dice.choice(tags))
        lossy.lossy.passes = lambda keys: True
        for tag, last in expected.items():
            wait_until(lambda: versions.read_everywhere(links, tag) == {last},
                       what=f"the last version of {tag}")
    assert lossy.lossy.lost > 20
    assert numbers(lossy)["cache_flushes"] > flushes


def test_another_life_of_the_daemon_is_noticed(lossy, behind):
    """A new epoch is news even when its numbers seem to go on."""
    versions = Versions(lossy, "load/epoch")
    links = pinned(lossy)
    known_everywhere(lossy, behind, versions, links)
    lost = lossy.lossy.lost
    lossy.lossy.passes = lambda keys: False
    versions.put_behind(behind, "a", 2)
    wait_until(lambda: lossy.lossy.lost > lost, what="the loss")
    assert versions.read_everywhere(links, "a") == {1}
    flushes = numbers(lossy)["cache_flushes"]
    epoch, sequence = lossy.lossy.last
    lossy.lossy.send(epoch + 1, sequence - 1)
    wait_until(lambda: numbers(lossy)["cache_flushes"] > flushes,
               what="everything forgotten")
    assert versions.read_everywhere(links, "a") == {2}


def test_killed_before_it_could_tell(lossy, behind):
    """A deletion was committed, and the daemon died before anybody heard of
    it. The client asks again and is told that there is nothing to delete:
    from then on nobody may get it."""
    versions = Versions(lossy, "load/killed")
    links = pinned(lossy)
    for _ in range(3):
        known_everywhere(lossy, behind, versions, links)
        lossy.lossy.passes = lambda keys: False
        assert behind.ask("DELETE", versions.path("a")).status == 202
        assert versions.read_everywhere(links, "a") == {1}
        lossy.restart_daemon(signal.SIGKILL)
        answer = list(links.values())[-1].request("DELETE",
                                                  versions.path("a"))
        assert answer.status == 404
        assert versions.read_everywhere(links, "a") == {404}
        lossy.lossy.passes = lambda keys: True
        behind.connect()
    assert all(alive(pid) for pid in links)
