"""What was collected lies in the trash for its time, and comes back from it
with all that it refers to. Each test ends with registryctl verify."""

import json
import os
import re

import pytest

from harness import http, oci
from harness.stored import Store

pytestmark = pytest.mark.ours


@pytest.fixture
def repository(server, request):
    name = re.sub("[^a-z0-9]+", "-", request.node.name).strip("-")
    return oci.Repository(server, "trash/" + name)


def trash(store, digest):
    return store.server.root / "trash/blobs" / digest.replace(":", "-")


def digests(image):
    return [oci.digest(blob) for blob in image.blobs]


def collected(store, repository, *manifests):
    for one in manifests:
        assert repository.delete_manifest(one).status == 202
    store.age()
    store.run()
    for one in manifests:
        assert trash(store, one).exists() and not store.data(one).exists()


def undelete(store, repository, digest, *words, status=0):
    return store.ctl("gc", "undelete", repository.name, digest, *words,
                     status=status)


def is_whole(repository, image, reference=None):
    answer = repository.get_manifest(reference or image.digest)
    assert answer.status == 200, answer.body
    assert oci.digest(answer.body) == image.digest
    for blob in image.blobs:
        assert repository.get_blob(oci.digest(blob)).body == blob


def test_its_time(store, repository):
    digest = repository.push_blob(os.urandom(100))
    store.age_blob(repository.name, digest)
    store.run()
    thrown = trash(store, digest)
    assert thrown.exists() and thrown.stat().st_size == 100
    told = store.ctl("gc", "explain", digest, status=1)
    assert told["verdict"] == "in the trash" and told["trash_seconds"] < 60
    metrics = http.request(store.server, "GET", "/-/metrics").body.decode()
    bytes_there = re.search(r"^\S*trash_bytes (\d+)$", metrics, re.M)
    assert int(bytes_there[1]) >= 100, metrics
    store.run()
    assert thrown.exists()
    store.server.restart_daemon()
    assert thrown.exists()
    store.age(thrown)  # two days; it has one
    store.run()
    assert not thrown.exists()
    assert store.ctl("gc", "explain", digest,
                     status=1)["verdict"] == "unknown"


def test_an_image_comes_back(store, repository):
    image = oci.make_image([os.urandom(1000), os.urandom(2000)])
    repository.push(image, "v1")
    collected(store, repository, image.digest)
    assert repository.get_manifest("v1").status == 404
    back = undelete(store, repository, image.digest, "--tag", "v1",
                    "--tag", "again")
    assert (back["state"], back["manifests"], back["blobs"],
            back["missing"]) == ("done", 1, len(set(digests(image))), [])
    is_whole(repository, image, "v1")
    is_whole(repository, image, "again")
    assert not trash(store, image.digest).exists()
    store.age()
    store.run()  # it is in use like any other
    is_whole(repository, image, "v1")
    rows = store.ctl("audit", "list", "--action", "manifest.push",
                     "--repository", repository.name)
    assert '"local"' in json.dumps(rows), rows


def test_an_index_with_its_children(store, repository):
    images = [oci.make_image([os.urandom(100)]) for _ in range(3)]
    index = repository.push_index([(one, None) for one in images],
                                  "multi").digest
    collected(store, repository, index, *(one.digest for one in images))
    trash(store, images[2].digest).unlink()
    back = undelete(store, repository, index, "--tag", "multi")
    assert back["manifests"] == 3 and back["missing"] == [images[2].digest]
    assert oci.digest(repository.get_manifest("multi").body) == index
    for image in images[:2]:
        is_whole(repository, image)
    assert repository.get_manifest(images[2].digest).status == 404


def test_only_the_tag_was_deleted(store, repository):
    image = oci.make_image([os.urandom(10)])
    repository.push(image, "v1")
    assert repository.delete_manifest("v1").status == 202
    assert undelete(store, repository, image.digest, "--tag",
                    "v1")["state"] == "done"
    is_whole(repository, image, "v1")


def test_what_is_gone_is_said(store, repository):
    image = oci.make_image([os.urandom(10)])
    repository.push(image, "v1")
    collected(store, repository, image.digest)
    layer = oci.digest(image.blobs[1])
    trash(store, layer).unlink()
    back = undelete(store, repository, image.digest, "--tag", "v1", status=3)
    assert back["state"] == "failed" and layer in back["error"]
    assert repository.get_manifest("v1").status == 404
    # The layer comes from elsewhere, then it can.
    repository.push_blob(image.blobs[1])
    assert undelete(store, repository, image.digest)["state"] == "done"
    is_whole(repository, image)


def test_no_manifest(store, repository):
    blob = repository.push_blob(b"no manifest")
    back = undelete(store, repository, blob, status=3)
    assert back["state"] == "failed" and "manifest" in back["error"].lower()


def test_other_bytes_are_not_taken(store, repository):
    image = oci.make_image([os.urandom(10)])
    repository.push(image, "v1")
    collected(store, repository, image.digest)
    thrown = trash(store, image.digest)
    thrown.write_bytes(thrown.read_bytes().replace(b"{", b"[", 1))
    back = undelete(store, repository, image.digest, status=3)
    assert "other bytes" in back["error"]
    # A damaged file must not be in the way of the good one.
    repository.push(image, "v1")
    is_whole(repository, image, "v1")


def test_without_the_daemon(server, store, repository):
    image = oci.make_image([os.urandom(10)])
    repository.push(image, "v1")
    server.stop_daemon()
    try:
        store.ctl("gc", "undelete", repository.name, image.digest,
                  "--tag", "v2")
    finally:
        server.start_daemon()
    is_whole(repository, image, "v2")


def test_the_disk_is_needed_now(store, repository):
    digest = repository.push_blob(os.urandom(100))
    store.age_blob(repository.name, digest)
    store.run()
    assert trash(store, digest).exists()
    store.ctl("gc", "empty-trash")
    assert not list((store.server.root / "trash/blobs").iterdir())


def test_no_time_at_all(make_registry):
    server = make_registry(daemon_config="gc_trash_s = 0\n")
    store = Store(server)
    repository = oci.Repository(server, "no-time")
    digest = repository.push_blob(os.urandom(100))
    store.age_blob("no-time", digest)
    store.run()
    assert not trash(store, digest).exists()
    assert not store.data(digest).exists()
    store.check()
