"""What a registry on a logged disk is asked to do, with a mark before each
request and one after its answer.

The first mark says what the request changes, as [key, value] pairs; it may
have happened from then on. The second says that it was answered with success:
from then on it must hold (`held`: such a moment is in the short run too).
Keys and values:

    blob REPOSITORY DIGEST       there, gone, or any (nobody promised)
    manifest REPOSITORY DIGEST   there, gone
    tag REPOSITORY TAG           a digest, gone
    file REPOSITORY DIGEST       there, gone; a package's, of its format's
    upload FOLDER                how many bytes were acknowledged, any
    key REPOSITORY               SHA-256 of the public key that was shown
"""

import concurrent.futures
import contextlib
import itertools
import json
import os
import sqlite3
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import requests
from harness import oci
from harness.private import add_repository
from harness.process import run, wait_until
from harness.server import BUILD, Registry

from . import packages

CONFIG = "gc_interval_s = 0\n"
LOG_PAGES = 2000
DAY = 86_400


def start_registry(root):
    return Registry(root=root, workers=1, daemon_config=CONFIG,
                    daemon_options="timeout=60s")


class Workload:
    """`disk` is a LoggedDisk. Afterwards `streams` has the bytes sent to each
    upload, `packages` and `bases` what was published where."""

    def __init__(self, disk, rng, formats):
        self.disk, self.rng, self.formats = disk, rng, formats
        self.root = disk.mounted / "data"
        self.numbers = itertools.count()
        self.streams = {}
        self.packages = {}  # digest -> (repository, Package)
        self.pushed = []  # (repository, tag, Image), of those that are there
        self.blobs = []  # (repository, bytes) that a manifest refers to
        self.opened = []  # uploads that can be gone on with
        self.server = None

    # Marks

    def step(self, what, effects, call, good=(200, 201, 202, 204)):
        number = next(self.numbers)
        self.disk.mark(begin=number, what=what, effects=effects)
        answer = call()
        status = getattr(answer, "status", None) or answer.status_code
        assert status in good, (what, status, answer)
        self.disk.mark(end=number, held=bool(effects) and
                       threading.current_thread() is threading.main_thread())
        return answer

    # The servers

    def run(self, plan):
        """Calls the plan with the servers up; what they do at their end is
        not in the log any more (mark `over`)."""
        self.root.mkdir()
        sync(self.root)
        with start_registry(self.root) as self.server:
            self._lengthen_log()
            self.bases = {format: add_repository(
                self.server, f"r-{format}", format)
                for format in self.formats}
            self.checkpoint()
            self.disk.mark(ready=True)
            with tempfile.TemporaryDirectory() as self.scratch:
                plan(self)
            self.disk.mark(over=True)

    def database(self):
        return sqlite3.connect(self.root / "db" / "longshore.sqlite",
                               timeout=30, isolation_level=None)

    def _lengthen_log(self):
        """The database's log gets the length that it has where a server has
        run for a while. While it grows, each commit has the file system
        write its journal, and with it whatever a program forgot to sync."""
        database = self.database()
        database.execute("PRAGMA wal_autocheckpoint = 0")
        path = self.root / "db" / "longshore.sqlite-wal"
        while path.stat().st_size < LOG_PAGES * 4096:
            database.execute("INSERT OR REPLACE INTO meta VALUES ('fill', ?)",
                             (os.urandom(100_000).hex(),))
        database.execute("DELETE FROM meta WHERE key = 'fill'")
        database.close()
        self.restart_log()
        self.log_bytes = path.stat().st_size

    def restart_log(self):
        """The log is written from its beginning again, as registryd has it
        do after many commits."""
        database = self.database()
        for _ in range(100):
            busy, _, _ = database.execute(
                "PRAGMA wal_checkpoint(RESTART)").fetchone()
            if not busy:
                break
            time.sleep(0.05)
        assert not busy, "the database's log is in use all the time"
        database.close()

    def checkpoint(self):
        self.restart_log()
        size = (self.root / "db" / "longshore.sqlite-wal").stat().st_size
        assert size == self.log_bytes, "the database's log has grown"

    def repository(self, name):
        return oci.Repository(self.server, name)

    # Blobs

    def _finish(self, repository, location, data, rest, algorithm="sha256"):
        digest = oci.digest(data, algorithm)
        effects = [[["blob", repository.name, digest], "there"]]
        folder = self.folder(repository, location)
        if folder in self.streams:
            effects.append([["upload", folder], "any"])
        self.step(f"PUT blob {digest[:19]}", effects, lambda:
                  repository.finish(location, digest, rest))
        return digest

    @staticmethod
    def folder(repository, location):
        uuid = location.split("?")[0].rsplit("/", 1)[1]
        return ("docker/registry/v2/repositories/"
                f"{repository.name}/_uploads/{uuid}")

    def push_blob(self, name, data, algorithm="sha256"):
        repository = self.repository(name)
        begun = self.step("POST", [], lambda: repository.start_upload(
            f"?digest-algorithm={algorithm}" if algorithm != "sha256"
            else ""))
        return self._finish(repository, begun.headers["Location"], data, data,
                            algorithm)

    def patch(self, repository, location, chunk):
        """One chunk; the next location."""
        folder = self.folder(repository, location)
        sent = self.streams.get(folder, b"")
        self.streams[folder] = sent + chunk
        answer = self.step(
            "PATCH", [[["upload", folder], len(sent) + len(chunk)]],
            lambda: repository.patch(location, chunk, start=len(sent)))
        return answer.headers["Location"]

    def push_chunked(self, name, data, size):
        repository = self.repository(name)
        begun = self.step("POST", [], repository.start_upload)
        location = begun.headers["Location"]
        for first in range(0, len(data), size):
            location = self.patch(repository, location,
                                  data[first:first + size])
        return self._finish(repository, location, data, b"")

    def open_upload(self, name, chunks):
        """An upload that is left as it is; `more_of_upload` goes on."""
        repository = self.repository(name)
        location = self.step("POST", [], repository.start_upload).headers[
            "Location"]
        for chunk in chunks:
            location = self.patch(repository, location, chunk)
        self.opened.append((repository, location))

    def more_of_upload(self):
        repository, location = self.opened.pop(0)
        location = self.patch(repository, location, self.bytes(9000))
        self.opened.append((repository, location))

    def beside(self, name, call):
        """Calls it while another client pushes small images to `name`: its
        syncs make durable what was begun here and is not finished."""
        over = threading.Event()

        def push():
            for number in itertools.count():
                if over.is_set():
                    return
                image = oci.make_image([b"beside %d" % number], config=b"{}")
                for blob in image.blobs:
                    self.push_blob(name, blob)
                self.put_manifest(name, image, "newest")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            other = pool.submit(push)
            try:
                call()
            finally:
                over.set()
            other.result()

    def large_uploads(self, name, count):
        """A small chunk and then a large one, of which a part may be on the
        disk before it is acknowledged."""
        for _ in range(count):
            self.open_upload(name, [self.rng.randbytes(1 << 20),
                                    self.rng.randbytes(2 << 20)])
            self.opened.pop()

    def mount(self, name, source, data):
        digest = oci.digest(data)
        repository = self.repository(name)
        self.step("mount", [[["blob", name, digest], "there"]], lambda:
                  repository.start_upload(f"?mount={digest}&from={source}"),
                  good=(201,))

    def delete_blob(self, name, data):
        digest = oci.digest(data)
        repository = self.repository(name)
        self.step("DELETE blob", [[["blob", name, digest], "gone"]],
                  lambda: repository.call("DELETE", f"/blobs/{digest}"))

    # Manifests

    def bytes(self, most):
        return self.rng.randbytes(self.rng.randrange(100, most))

    def put_manifest(self, name, image, tag=None):
        repository = self.repository(name)
        effects = [[["manifest", name, image.digest], "there"]]
        if tag:
            effects.append([["tag", name, tag], image.digest])
        self.step(f"PUT {name}:{tag}", effects, lambda:
                  repository.put_manifest(tag or image.digest, image.manifest,
                                          image.media_type))

    def push_image(self, name, tag, layers=2, mounts=True, **fields):
        """Each layer in one of the ways that there are, then the manifest."""
        blobs = [self.bytes(30_000) for _ in range(layers)]
        image = oci.make_image(blobs, **fields)
        for blob in image.blobs:
            if self.rng.random() < 0.5:
                self.push_blob(name, blob)
            else:
                self.push_chunked(name, blob, len(blob) // 3 + 1)
            if mounts:
                self.blobs.append((name, blob))
        if mounts and self.rng.random() < 0.5:  # it lies elsewhere
            source, blob = self.rng.choice(self.blobs)
            image = oci.make_image([*blobs, blob], **fields)
            self.push_blob(name, image.blobs[0])
            if source == name or self.rng.random() < 0.5:
                self.push_blob(name, blob)
            else:
                self.mount(name, source, blob)
        self.put_manifest(name, image, tag)
        self.pushed.append((name, tag, image))
        return image

    def push_index(self, name, tag):
        images = [(self.push_image(name, None, 1, architecture=one),
                   {"architecture": one, "os": "linux"})
                  for one in ("amd64", "arm64")]
        self.put_manifest(name, oci.make_index(images), tag)

    def push_referrer(self, name, image):
        artifact = oci.make_artifact(self.bytes(500), subject=oci.descriptor(
            image.manifest, image.media_type))
        for blob in artifact.blobs:
            self.push_blob(name, blob)
        self.put_manifest(name, artifact)

    def move_tag(self):
        """To another image of the same repository."""
        name, tag, _ = self.rng.choice([p for p in self.pushed if p[1]])
        image = self.rng.choice([p[2] for p in self.pushed if p[0] == name])
        self.put_manifest(name, image, tag)

    def delete_tag(self, name, tag):
        repository = self.repository(name)
        self.step(f"DELETE {name}:{tag}", [[["tag", name, tag], "gone"]],
                  lambda: repository.delete_manifest(tag))

    def delete_image(self, name, image, tags):
        repository = self.repository(name)
        effects = [[["manifest", name, image.digest], "gone"]]
        effects += [[["tag", name, tag], "gone"] for tag in tags]
        self.step("DELETE manifest", effects, lambda:
                  repository.delete_manifest(image.digest))

    # Packages

    def publish(self, package):
        base = self.bases[package.format]
        repository = base.rsplit("/", 1)[1]
        self.packages[package.digest] = (repository, package)
        self.step(f"publish {package.read}", [
            [["file", repository, package.digest], "there"]], lambda:
            requests.request(package.method, f"{base}/{package.path}",
                             data=package.body, headers=package.headers,
                             timeout=60))
        return package

    def publish_watched(self, package):
        """Every flush of it and of its index is in the short run too: a key
        is made, and what is there when it is answered may be so by the next
        sweep alone."""
        self.disk.mark(watched=True)
        self.publish(package)
        self.read_index(package)
        self.disk.mark(watched=False)

    def read_index(self, package):
        """Indexes are made when somebody reads them, at the latest."""
        base = self.bases[package.format]

        def get(path):
            answer = requests.get(f"{base}/{path}", timeout=60)
            assert answer.status_code == 200, (path, answer.text)
            return answer.content
        assert package.named.encode() in packages.index_of(package, get)
        if package.format == "debian":
            key = oci.digest(get("key.asc"))
            self.disk.mark(begin=-1, what="key", effects=[
                [["key", "r-debian"], key]])
            self.disk.mark(end=-1, held=True)

    def publish_in_pieces(self, number):
        """A resumable upload of the generic format."""
        base = self.bases["generic"]
        data = self.bytes(20_000)
        path = f"pieces{number}/1/file"
        begun = self.step("POST", [], lambda: requests.post(
            f"{base}/-/uploads/", timeout=60))
        url = begun.headers["Location"].split("?")[0]
        folder = f"uploads/r-generic/{url.rsplit('/', 1)[1]}"
        for first in range(0, len(data), 7000):
            part = data[first:first + 7000]
            self.streams[folder] = data[:first + len(part)]
            self.step("PATCH", [[["upload", folder], first + len(part)]],
                      lambda: requests.patch(url, data=part, timeout=60,
                                             headers=range_of(first, part)))
        package = packages.Package("generic", "PUT", path, data, {}, data,
                                   path, f"pieces{number}/1/", "file")
        self.packages[package.digest] = ("r-generic", package)
        self.step("PUT pieces", [[["file", "r-generic", package.digest],
                                  "there"], [["upload", folder], "any"]],
                  lambda: requests.put(url, timeout=60,
                                       params={"path": path}))

    def delete_package(self, package):
        base = self.bases[package.format]
        repository = base.rsplit("/", 1)[1]
        self.step(f"DELETE {package.path}", [
            [["file", repository, package.digest], "gone"]], lambda:
            requests.delete(f"{base}/{package.path}", timeout=60))

    # The rest

    def collect(self, *unreferred):
        """A run of the collector that finds these (repository, bytes) old."""
        effects = []
        then = time.time() - 2 * DAY
        base = self.root / "docker/registry/v2"
        for name, data in unreferred:
            digest = oci.digest(data)
            alg, hexed = digest.split(":")
            effects.append([["blob", name, digest], "any"])
            os.utime(base / "blobs" / alg / hexed[:2] / hexed / "data",
                     (then, then))
            os.utime(base / "repositories" / name / "_layers" / alg / hexed
                     / "link", (then, then))
        number = next(self.numbers)
        self.disk.mark(begin=number, what="gc", effects=effects)
        report = json.loads(run(BUILD / "registryctl", "--root", self.root,
                                "--json", "gc", "run", "--deep").stdout)
        assert report["blobs"] >= len(unreferred), report
        self.disk.mark(end=number, held=True)

    def undelete(self, name, image, tag):
        """A deleted image, of which the collector has taken the blobs."""
        effects = [[["manifest", name, image.digest], "there"],
                   [["tag", name, tag], image.digest]]
        effects += [[["blob", name, oci.digest(blob)], "there"]
                    for blob in image.blobs]
        number = next(self.numbers)
        self.disk.mark(begin=number, what="undelete", effects=effects)
        run(BUILD / "registryctl", "--root", self.root, "gc", "undelete",
            name, image.digest, "--tag", tag)
        self.disk.mark(end=number, held=True)

    def wait_for_sweep(self, table):
        """registryd syncs link files (disk_intents) and indexes
        (stale_scopes) every few seconds, and forgets what it would have had
        to do again after a crash."""
        database = self.database()
        wait_until(lambda: database.execute(
            f"SELECT count(*) FROM {table}").fetchone() == (0,),
            what=f"{table} is swept", pause=0.1)
        database.close()

    def push_after_failure(self, name):
        """A blob and a manifest whose folders could not be synced: they lie
        where they belong, but the client heard of an error and says it
        again."""
        data = self.bytes(3000)
        image = oci.make_image([data], config=b"{}")
        repository = self.repository(name)
        self.push_blob(name, b"{}")
        digest = oci.digest(data)
        location = self.step("POST", [], repository.start_upload).headers[
            "Location"]
        location = self.patch(repository, location, data)
        self.server.allow_log(r"fsync|Input/output error")

        def finish():
            return repository.finish(location, digest)
        effects = [[["blob", name, digest], "there"],
                   [["upload", self.folder(repository, location)], "any"]]
        with failing(self.server.worker_pids()[0], 1):
            failed = self.fail("PUT blob", effects, finish)
        if failed:
            self.step("PUT blob again", effects, finish)
        with failing(self.server.daemon_pid, 2):
            self.fail("PUT manifest", [
                [["manifest", name, image.digest], "there"]], lambda:
                repository.put_manifest(image.digest, image.manifest,
                                        image.media_type))
        self.put_manifest(name, image)

    def fail(self, what, effects, call):
        """A request that is not acknowledged, but may have been done. One
        that synced nothing is, and has to hold: then False."""
        number = next(self.numbers)
        self.disk.mark(begin=number, what=what, effects=effects)
        answer = call()
        assert answer.status in (201, 500, 503), (what, answer)
        if answer.status == 201:
            self.disk.mark(end=number, held=True)
        return answer.status != 201


@contextlib.contextmanager
def failing(process, when):
    """Each thread of a process gets an error for its fsync of this number,
    and nothing is synced by it."""
    with subprocess.Popen(
            ["strace", "-f", "-p", str(process), "-o", os.devnull, "-e",
             "trace=fsync", "-e", f"inject=fsync:error=EIO:when={when}"],
            stderr=subprocess.PIPE, text=True) as spy:
        try:
            line = spy.stderr.readline()
            assert "attached" in line, line
            yield
        finally:
            spy.terminate()
            spy.stderr.read()


def range_of(first, part):
    return {"Content-Range": f"{first}-{first + len(part) - 1}"}


def sync(path):
    """The folder that the operator made is there."""
    for folder in (path, Path(path).parent):
        fd = os.open(folder, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
