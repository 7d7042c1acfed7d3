"""Scrub: what rotted on disk is found, named, taken away and never sent again;
a push heals it. Each test ends with registryctl verify."""

import ctypes
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from harness import http, oci
from harness.private import add_repository
from harness.process import wait_until
from harness.server import BUILD, Registry
from harness.stored import FORGETFUL, Store

pytestmark = pytest.mark.ours
FULL = os.environ.get("LONGSHORE_CRASH") == "full"
# How many files rot; of each kind a sixth, and as much again of what else is
# about them stays healthy.
ROTTEN = 1000 if FULL else 240
FAST = "scrub_interval_days = 0\nscrub_mib_s = 0\n"
# So that a worker would send what it has open for as long as the test takes.
OPEN = ("open_file_cache max=20000 inactive=600s;"
        " open_file_cache_valid 600s;")
SYS_IOPRIO_GET = {"x86_64": 252, "aarch64": 31}[os.uname().machine]


class Rotting(Store):
    """What scrubs say."""

    @property
    def quarantine(self):
        return self.server.root / "quarantine"

    def document(self, digest):
        hexed = digest.split(":")[1]
        return self.server.root / "documents/sha256" / hexed[:2] / hexed

    def scrub(self, *words, status=0):
        one = self.ctl("scrub", "run", *words, status=status)
        assert one["state"] == "done", one
        return one

    def damaged(self):
        """What is damaged now, by digest."""
        done = subprocess.run(
            [BUILD / "registryctl", "--root", self.server.root, "--json",
             "scrub", "status"], capture_output=True, text=True, timeout=120)
        status = json.loads(done.stdout)
        assert done.returncode == (1 if status["damaged"] else 0), status
        return {one["digest"]: one for one in status["damaged"]}

    def sql(self, text, *values):
        path = self.server.root / "db" / "longshore.sqlite"
        database = sqlite3.connect(path, timeout=30)
        rows = database.execute(text, values).fetchall()
        database.close()
        return rows

    def check(self):
        report = self.ctl("verify")
        assert report["differences"] == [], report
        assert report["quarantined"] == [], report
        assert self.damaged() == {}

    def metrics(self):
        text = http.request(self.server, "GET", "/-/metrics").body.decode()
        return {name: float(value) for name, value in re.findall(
            r"^(registryd_\w+) (\S+)$", text, re.M)}


@pytest.fixture(scope="module")
def server():
    with Registry(daemon_config=FAST, location_directives=OPEN) as one:
        # A blob of the store that is not there is an error to nginx.
        yield one


@pytest.fixture
def store(server):
    one = Rotting(server)
    yield one
    one.check()


@pytest.fixture
def forgetful():
    with Registry(daemon_config=FAST, location_directives=FORGETFUL) as server:
        one = Rotting(server)
        yield one
        one.check()


@pytest.fixture
def name(request):
    return "scrub/" + re.sub("[^a-z0-9]+", "-", request.node.name).strip("-")


@pytest.fixture
def repository(server, name):
    return oci.Repository(server, name)


def flip(path, chance):
    """One random bit."""
    with open(path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        at = chance.randrange(size)
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << chance.randrange(8)]))


class Kinds:
    """Files of every kind, and how to ask for each and bring it again."""

    def __init__(self, server, name, count):
        self.server = server
        self.oci = oci.Repository(server, name)
        self.packages = "/generic/" + name.replace("/", "-")
        add_repository(server, name.replace("/", "-"), "generic")
        self.maven = "/maven/" + name.replace("/", "-") + "-m"
        add_repository(server, self.maven.rsplit("/", 1)[1], "maven")
        self.layers, self.configs, self.manifests = {}, {}, {}
        self.indexes, self.files, self.paths = {}, {}, []
        chance = random.Random(7)
        for number in range(count):
            image = oci.make_image([chance.randbytes(700)], config=json.dumps(
                {"architecture": "amd64", "os": "linux",
                 "n": number}).encode())
            self.oci.push(image, f"v{number}")
            index = oci.make_index([(image, {"architecture": "amd64",
                                             "os": "linux"})])
            self.oci.push(index, f"i{number}")
            manifest = json.loads(image.manifest)
            for blob in image.blobs:
                digest = oci.digest(blob)
                is_config = digest == manifest["config"]["digest"]
                (self.configs if is_config else self.layers)[digest] = blob
            self.manifests[image.digest] = image
            self.indexes[index.digest] = index
            self.put_file(f"t/{number}/t.bin", chance.randbytes(600))
            self.put_jar(number)

    def put_file(self, path, body):
        done = http.request(self.server, "PUT", f"{self.packages}/{path}", {},
                            body)
        assert done.status in (200, 201, 409), done.body
        self.files[oci.digest(body)] = (path, body)

    def put_jar(self, number):
        folder = f"org/example/a{number}"
        done = http.request(
            self.server, "PUT", f"{self.maven}/{folder}/1/a{number}-1.pom", {},
            f'<project xmlns="http://maven.apache.org/POM/4.0.0">'
            f"<modelVersion>4.0.0</modelVersion><groupId>org.example</groupId>"
            f"<artifactId>a{number}</artifactId><version>1</version>"
            f"</project>".encode())
        assert done.status == 201, done.body
        self.paths.append(f"{self.maven}/{folder}/maven-metadata.xml")

    def documents(self, store):
        """What is served for each path, by the digest of it."""
        found = {}
        for path in self.paths:
            answer = http.request(self.server, "GET", path)
            assert answer.status == 200, answer.body
            found[oci.digest(answer.body)] = (path, answer.body)
        assert all(store.document(one).exists() for one in found)
        return found

    def get(self, digest):
        if digest in self.files:
            path = f"{self.packages}/{self.files[digest][0]}"
            return http.request(self.server, "GET", path)
        if digest in self.manifests or digest in self.indexes:
            return self.oci.get_manifest(digest)
        return self.oci.get_blob(digest)

    def wanted(self):
        out = {**self.layers, **self.configs}
        out.update((one, image.manifest) for one, image in {
            **self.manifests, **self.indexes}.items())
        out.update((one, body) for one, (_, body) in self.files.items())
        return out

    def push_again(self):
        for blob in [*self.layers.values(), *self.configs.values()]:
            self.oci.push_blob(blob)
        for image in [*self.manifests.values(), *self.indexes.values()]:
            done = self.oci.put_manifest(image.digest, image.manifest,
                                         image.media_type)
            assert done.status == 201, done.body
        for path, body in list(self.files.values()):
            self.put_file(path, body)


def test_a_bit_of_every_kind(server, store, name):
    """One random bit of each of so many files: all found, named, taken away,
    none sent again, though nginx has every one of them open; a push brings
    each of them back."""
    server.allow_log("not in the store")
    each = -(-ROTTEN // 6)
    kinds = Kinds(server, name, each + each // 4)
    wanted = kinds.wanted()
    for digest, body in wanted.items():  # each in some worker's open files
        assert kinds.get(digest).body == body
    assert store.scrub()["damaged"] == 0
    documents = kinds.documents(store)
    chance = random.Random(11)
    rotten = []
    for group in (kinds.layers, kinds.configs, kinds.manifests, kinds.indexes,
                  kinds.files):
        rotten += chance.sample(sorted(group), each)
    lost = chance.sample(sorted(documents), each)
    files = [store.data(one) for one in rotten] + [
        store.document(one) for one in lost]
    assert len(set(files)) == 6 * each >= ROTTEN
    for path in files:
        flip(path, chance)
    report = store.scrub(status=1)
    assert report["damaged"] == len(files) and report["database"] == "ok"
    time.sleep(1)  # what nginx is told takes no answer
    damaged = store.damaged()
    # Documents are derived: made anew, and so no longer damaged.
    wait_until(lambda: not store.damaged().keys() & set(lost),
               what="documents are not damaged any more")
    assert damaged.keys() - set(lost) == set(rotten)
    for digest in rotten:
        one = damaged[digest]
        assert one["state"] == "quarantined"
        assert "other bytes" in one["problem"]
        assert one["uses"], one
        kept = open(one["file"], "rb").read()
        assert oci.digest(kept) != digest and len(kept) == len(wanted[digest])
        assert not store.data(digest).exists()
        answer = kinds.get(digest)
        assert answer.status == 404, (digest, answer.status)
        if digest not in kinds.files:
            assert b"_UNKNOWN" in answer.body
    for digest, (path, body) in documents.items():
        answer = http.request(server, "GET", path)
        assert (answer.status, answer.body) == (200, body)
    assert len(list(store.quarantine.iterdir())) == len(files)
    assert store.ctl("verify", status=1)["quarantined"] == sorted(rotten)
    healthy = wanted.keys() - set(rotten)
    assert all(kinds.get(one).body == wanted[one] for one in healthy)
    numbers = store.metrics()
    assert numbers["registryd_damaged_files"] == len(rotten)
    assert numbers["registryd_scrubbed_files_total"] >= len(wanted)
    assert numbers["registryd_scrubbed_bytes_total"] >= sum(
        map(len, wanted.values()))
    assert numbers["registryd_last_scrub_timestamp_seconds"] > (
        time.time() - 600)
    assert server.logs().count("it is in quarantine/") == len(files)
    rows = store.sql("SELECT target FROM audit WHERE action = 'scrub.damaged'")
    assert {row[0] for row in rows} == set(rotten) | set(lost)
    kinds.push_again()
    assert store.damaged() == {}
    for digest, body in wanted.items():
        assert kinds.get(digest).body == body
    rows = store.sql("SELECT digest FROM damages WHERE state = 'closed'")
    assert {row[0] for row in rows} >= set(rotten) | set(lost)
    # Nothing is thrown away.
    assert len(list(store.quarantine.iterdir())) == len(files)
    assert store.scrub()["damaged"] == 0


def test_what_a_client_is_told(server, store, repository, name):
    """A damaged blob counts as not there, for each way to rely on it."""
    server.allow_log("not in the store")
    image = oci.make_image([os.urandom(3000)])
    repository.push(image, "v1")
    layer = json.loads(image.manifest)["layers"][0]["digest"]
    assert repository.get_blob(layer).status == 200
    flip(store.data(layer), random.Random(1))
    assert store.scrub(status=1)["damaged"] == 1
    time.sleep(0.3)
    answer = repository.head_blob(layer)
    assert answer.status == 404
    answer = repository.get_blob(layer, {"Range": "bytes=0-9"})
    assert answer.status == 404 and b"BLOB_UNKNOWN" in answer.body
    other = oci.Repository(server, name + "/other")
    answer = other.start_upload(f"?mount={layer}&from={name}")
    assert answer.status == 202, "a mount is an upload"
    again = oci.make_image(config=b'{"architecture":"amd64","os":"linux"}')
    repository.push_blob(again.blobs[0])
    for blob in again.blobs:
        repository.push_blob(blob)
    manifest = json.loads(again.manifest)
    manifest["layers"] = json.loads(image.manifest)["layers"]
    body = json.dumps(manifest).encode()
    answer = repository.put_manifest("v2", body, again.media_type)
    assert answer.status in (400, 404), answer.status
    assert b"MANIFEST_BLOB_UNKNOWN" in answer.body
    assert {"kind": "layer", "repository": name,
            "reference": image.digest} in store.damaged()[layer]["uses"]
    # As a client pushes it: what HEAD does not know is sent.
    assert [oci.digest(one) for one in image.blobs
            if repository.head_blob(oci.digest(one)).status != 200] == [layer]
    blob, = [one for one in image.blobs if oci.digest(one) == layer]
    repository.push_blob(blob)
    assert store.damaged() == {}
    assert repository.get_blob(layer).body == blob
    assert repository.put_manifest("v2", body, again.media_type).status == 201
    assert other.start_upload(f"?mount={layer}&from={name}").status == 201


def make_folder(path):
    path.mkdir()
    (path / "inside").write_text("x")


ODD = {
    "truncated": lambda path: os.truncate(path, 10),
    "longer": lambda path: os.truncate(path, 100_000),
    "empty": lambda path: os.truncate(path, 0),
    "folder": lambda path: (path.unlink(), make_folder(path)),
    "dangling": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "fifo": lambda path: (path.unlink(), os.mkfifo(path)),
    "no folder": lambda path: (path.unlink(), path.parent.rmdir(),
                               path.parent.write_text("x")),
}


def test_odd_things_at_digest_paths(server, store, repository):
    """At start: not fatal, not served; then reported, and healed."""
    server.allow_log("not in the store|is not a file|failed")
    blobs = {odd: os.urandom(2000) for odd in ODD}
    digests = {odd: repository.push_blob(blob) for odd, blob in blobs.items()}
    server.stop_daemon()
    for odd, spoil in ODD.items():
        spoil(store.data(digests[odd]))
    server.start_daemon()
    wait_until(server.daemon_answers, what="daemon is back")
    server.restart_nginx(signal.SIGQUIT)
    for odd in ("folder", "dangling", "fifo", "no folder"):
        assert repository.get_blob(digests[odd]).status == 404, odd
        assert repository.head_blob(digests[odd]).status == 404, odd
    assert store.scrub(status=1)["damaged"] == len(ODD)
    time.sleep(0.3)
    damaged = store.damaged()
    assert damaged.keys() == set(digests.values())
    for odd, digest in digests.items():
        assert repository.get_blob(digest).status == 404, odd
        assert os.path.lexists(damaged[digest]["file"]), odd
    assert "it is empty" in damaged[digests["empty"]]["problem"]
    assert "10 and not 2000" in damaged[digests["truncated"]]["problem"]
    assert "folder" in damaged[digests["folder"]]["problem"]
    assert "nowhere" in damaged[digests["dangling"]]["problem"]
    for odd, blob in blobs.items():
        assert repository.push_blob(blob) == digests[odd]
        assert repository.get_blob(digests[odd]).body == blob


def idle_threads(pid):
    """Threads whose I/O waits for everybody else's, and how many there are."""
    libc = ctypes.CDLL(None, use_errno=True)
    threads = [int(one) for one in os.listdir(f"/proc/{pid}/task")]
    classes = [libc.syscall(SYS_IOPRIO_GET, 1, one) >> 13 for one in threads]
    return classes.count(3), len(threads)


def test_it_goes_on_after_a_restart_and_is_idle():
    with Registry(daemon_config="scrub_interval_days = 0\n"
                                "scrub_mib_s = 2\n") as server:
        store = Rotting(server)
        repository = oci.Repository(server, "slow")
        blobs = [os.urandom(100 << 10) for _ in range(50)]
        digests = sorted(repository.push_blob(blob) for blob in blobs)
        begun = time.monotonic()
        assert store.ctl("scrub", "run", "--no-wait")["state"] == "wanted"
        wait_until(lambda: store.metrics()["registryd_scrubbed_files_total"] > 2, what="some were read")
        assert idle_threads(server.daemon_pid)[0] == 1
        stopped = time.monotonic()
        server.restart_daemon()
        assert time.monotonic() - stopped < 5
        row, = store.sql("SELECT state, shelf, files FROM scrubs")
        state, shelf, files = row
        assert state == "running" and 0 < shelf < 512 and 0 < files < 50
        # What comes before the place where it stands is not read again.
        passed = [one for one in digests if int(one[7:9], 16) < shelf]
        flip(store.data(passed[0]), random.Random(2))
        flip(store.data(digests[-1]), random.Random(2))
        wait_until(lambda: store.sql("SELECT state FROM scrubs")
                   == [("done",)], seconds=60, what="the pass is over")
        took = time.monotonic() - begun
        row, = store.sql("SELECT files, bytes, damaged FROM scrubs")
        assert row[0] == 50 and row[2] == 1
        assert took > 2  # 5 MB at 2 MiB a second
        assert list(store.damaged()) == [digests[-1]]
        assert idle_threads(server.daemon_pid)[0] == 1
        assert store.scrub(status=1)["damaged"] == 1
        assert store.damaged().keys() == {passed[0], digests[-1]}
        for blob in blobs:
            repository.push_blob(blob)
        assert store.damaged() == {}
        assert store.ctl("verify")["differences"] == []


def test_beside_pushes_and_the_collector(forgetful, name):
    """Scrubs, collections, pushes and deletes at once: nothing healthy is
    taken away, and what was answered 201 is whole."""
    store, server = forgetful, forgetful.server
    stop, errors, pushed = threading.Event(), [], {}

    def work(number):
        try:
            repository = oci.Repository(server, f"{name}/{number}")
            chance = random.Random(number)
            while not stop.is_set():
                layer = b"layer %d of %d" % (chance.randrange(9), number)
                image = oci.make_image([layer], config=json.dumps(
                    [number, chance.random()]).encode())
                repository.push(image, "t")
                old = pushed.get(number)
                pushed[number] = (repository, image)
                if old:
                    repository.delete_manifest(old[1].digest)
                for blob in (old[1].blobs if old else ()):
                    digest = oci.digest(blob)
                    repository.call("DELETE", f"blobs/{digest}")
                    repository.push_blob(blob)
                    store.age_blob(repository.name, digest)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(one,)) for one in range(3)]
    for thread in threads:
        thread.start()
    end, passes = time.monotonic() + 5, 0
    while time.monotonic() < end and not errors:
        store.ctl("gc", "run", "--deep", "--no-wait")
        assert store.scrub()["damaged"] == 0
        passes += 1
    stop.set()
    for thread in threads:
        thread.join()
    wait_until(lambda: not store.sql("SELECT 1 FROM collections WHERE state IN"
                                     " ('wanted', 'running')"),
               what="collections are over")
    assert not errors, errors
    collected, = store.sql("SELECT sum(blobs) FROM collections")[0]
    assert passes > 2 and collected > 0
    for repository, image in pushed.values():
        assert repository.get_manifest("t").body == image.manifest


def test_without_the_daemon(server, store, repository):
    """registryctl does it, and nginx hears of it from the daemon later."""
    server.allow_log("not in the store")
    blob = os.urandom(1000)
    digest = repository.push_blob(blob)
    for _ in range(8):
        assert repository.get_blob(digest).status == 200
    server.stop_daemon()
    try:
        flip(store.data(digest), random.Random(3))
        assert store.scrub(status=1)["damaged"] == 1
        assert not store.data(digest).exists()
    finally:
        server.start_daemon()
    wait_until(server.daemon_answers, what="daemon is back")
    wait_until(lambda: {repository.get_blob(digest).status
                        for _ in range(4)} == {404},
               what="nginx has forgotten it")
    assert all(repository.get_blob(digest).status == 404 for _ in range(40))
    repository.push_blob(blob)
    assert repository.get_blob(digest).body == blob


def test_a_page_of_the_database(tmp_path):
    """A page that is no page any more is told where the rest is told."""
    with Registry(root=tmp_path / "data", daemon_config=FAST) as server:
        store = Rotting(server)
        repository = oci.Repository(server, "pages")
        for _ in range(20):
            repository.push_blob(os.urandom(10))
        one = store.scrub("--database")
        assert one["database"] == "ok" and one["files"] == 0
        assert store.metrics()["registryd_damaged_database"] == 0
        server.stop_daemon()
        (page,), = store.sql("SELECT rootpage FROM sqlite_master"
                             " WHERE name = 'name_blobs_blob'")
        (size,), = store.sql("PRAGMA page_size")
        store.sql("PRAGMA wal_checkpoint(TRUNCATE)")
        with open(server.root / "db/longshore.sqlite", "r+b") as file:
            file.seek((page - 1) * size + 3)  # how many cells there are
            before = file.read(2)
            file.seek(-2, os.SEEK_CUR)
            file.write(b"\x00\x01")
        server.start_daemon()
        wait_until(server.daemon_answers, what="daemon is back")
        one = store.scrub("--database", status=1)
        assert "name_blobs" in " ".join(one["database"])
        wait_until(lambda: store.metrics()["registryd_damaged_database"] == 1,
                   what="the metric")
        server.stop_daemon()
        with open(server.root / "db/longshore.sqlite", "r+b") as file:
            file.seek((page - 1) * size + 3)
            file.write(before)
        server.start_daemon()
        wait_until(server.daemon_answers, what="daemon is back")
        assert store.scrub("--database")["database"] == "ok"
        assert store.ctl("verify")["differences"] == []
