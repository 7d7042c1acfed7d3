"""A crash point looked at with the product itself: registryd and nginx start
on the disk after the next start of the machine, everything acknowledged is
read over HTTP, uploads are gone on with, and registryctl verify agrees."""

import contextlib
import json
import tempfile
import uuid
from pathlib import Path

import requests
from harness import http, oci
from harness.process import run
from harness.server import BUILD

from . import disk, packages
from .workload import range_of, start_registry

BOOT_ID = "/proc/sys/kernel/random/boot_id"


@contextlib.contextmanager
def next_boot():
    """As if the machine had been started again."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(f"{uuid.uuid4()}\n")
        file.flush()
        disk.bind(file.name, BOOT_ID)
        try:
            yield
        finally:
            disk.unmount(BOOT_ID)


class Look:
    """`look(root, allowed)` returns what is wrong, as texts."""

    def __init__(self, load):
        self.load = load
        self.count = 0

    def __call__(self, root, allowed):
        self.count += 1
        self.wrong = []
        try:
            with next_boot(), start_registry(root) as self.server:
                self._all(Path(root), allowed)
        except (AssertionError, TimeoutError, OSError, http.Closed) as error:
            self.wrong.append(f"{type(error).__name__}: {error}"[:2000])
        return [f"the product: {text}" for text in self.wrong]

    def _all(self, root, allowed):
        report = json.loads(run(BUILD / "registryctl", "--root", root,
                                "--json", "verify").stdout)
        self._must(report["differences"] == [], "verify", report)
        for key, values in allowed.items():
            if len(values) == 1 and "any" not in values:
                value, = values
                getattr(self, f"_{key[0]}")(key, value)
        image = oci.make_image([b"after the crash"])
        oci.Repository(self.server, "after").push(image, "crash")
        report = json.loads(run(BUILD / "registryctl", "--root", root,
                                "--json", "verify").stdout)
        self._must(report["differences"] == [], "verify at the end", report)

    def _must(self, good, *what):
        if not good:
            self.wrong.append(" ".join(map(str, what)))

    def _answer(self, got, key, value, digest):
        """200 with these bytes, or 404."""
        if value == "gone":
            self._must(got.status == 404, *key, "answers", got.status)
        else:
            algorithm = digest.split(":")[0]
            self._must(got.status == 200 and oci.digest(
                got.body, algorithm) == digest, *key, "answers", got.status,
                len(got.body), "bytes")

    def _blob(self, key, value):
        got = oci.Repository(self.server, key[1]).get_blob(key[2])
        self._answer(got, key, value, key[2])

    def _manifest(self, key, value):
        got = oci.Repository(self.server, key[1]).get_manifest(key[2])
        self._answer(got, key, value, key[2])

    def _tag(self, key, value):
        got = oci.Repository(self.server, key[1]).get_manifest(key[2])
        self._answer(got, key, value, value)

    def _upload(self, key, value):
        """The bytes that are missing follow, and it becomes a blob."""
        if value == "gone":
            return
        whole = self.load.streams[key[1]] + b"the rest"
        place = key[1].split("/")
        if place[0] == "uploads":
            self._package_upload(key, value, whole)
            return
        name = "/".join(place[4:-2])
        repository = oci.Repository(self.server, name)
        location = f"/v2/{name}/blobs/uploads/{place[-1]}"
        got = repository.upload_status(location)
        offset = int((got.headers.get("Range") or "0-").split("-")[1]
                     or -1) + 1
        self._must(got.status == 204 and offset >= value, *key, got.status,
                   offset, "of", value)
        if not self.wrong:
            got = repository.patch(got.headers["Location"], whole[offset:],
                                   start=offset)
            got = repository.finish(got.headers["Location"],
                                    oci.digest(whole))
            self._must(got.status == 201, *key, "ends with", got.status,
                       got.body)

    def _package_upload(self, key, value, whole):
        repository, session = key[1].split("/")[1:]
        url = f"{self.server.url}/generic/{repository}/-/uploads/{session}"
        got = requests.get(url, timeout=60)
        offset = int(got.headers.get("Range", "0--1").split("-", 1)[1]) + 1
        self._must(got.status_code == 204 and offset >= value, *key,
                   got.status_code, offset, "of", value)
        if not self.wrong:
            rest = whole[offset:]
            got = requests.patch(url, data=rest, timeout=60,
                                 headers=range_of(offset, rest))
            got = requests.put(url, timeout=60, params={
                "path": "after/1/crash", "digest": oci.digest(whole)})
            self._must(got.status_code == 201, *key, "ends with", got.text)

    def _get(self, repository, format, path):
        return http.request(self.server, "GET",
                            f"/{format}/{repository}/{path}")

    def _file(self, key, value):
        repository, package = self.load.packages[key[2]]

        def get(path):
            return self._get(repository, package.format, path)
        self._answer(get(package.read), key, value, key[2])
        if value == "there":
            text = packages.index_of(package, lambda path: get(path).body)
            self._must(package.named.encode() in text, *key,
                       "is not in the index", package.index)

    def _key(self, key, value):
        got = self._get(key[1], "debian", "key.asc")
        self._must(oci.digest(got.body) == value, *key, "is another one")
        got = self._get(key[1], "debian", "dists/stable/InRelease")
        self._must(got.status == 200, "InRelease answers", got.status)
