"""Each folder that leads to new bytes is made durable before the answer. A
power loss cannot tell one from the others: ext4 has one journal, and the first
fsync of them takes all."""

import hashlib
import os

import pytest

from harness import http, oci
from harness.calls import of_process, where
from harness.private import add_repository
from harness.rounds import verify
from harness.server import Registry

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def server():
    with Registry() as one:
        add_repository(one, "folders", "generic")
        yield one
        verify(one)


def folders_of(server, data):
    """The file of these bytes and the three folders above."""
    hexed = hashlib.sha256(data).hexdigest()
    base = server.root / "docker/registry/v2/blobs/sha256"
    return base / hexed[:2] / hexed / "data", (
        base / hexed[:2] / hexed, base / hexed[:2], base)


def check(calls, server, data):
    path, folders = folders_of(server, data)
    named, = where(calls, "renameat", path)
    for folder in folders:
        assert where(calls, "fsync", folder)[-1] > named, folder


def test_of_a_manifest(server, tmp_path):
    repository = oci.Repository(server, "folders/app")
    image = oci.make_image([os.urandom(100)])
    for blob in image.blobs:
        repository.push_blob(blob)
    with of_process(tmp_path, server.daemon_pid) as calls:
        assert repository.put_manifest("v1", image.manifest).status == 201
    check(calls, server, image.manifest)
    # Whoever made it may have ended before its folders were durable.
    with of_process(tmp_path, server.daemon_pid) as calls:
        assert repository.put_manifest("v2", image.manifest).status == 201
    for folder in folders_of(server, image.manifest)[1]:
        where(calls, "fsync", folder)


def test_of_a_package(server, tmp_path):
    data = os.urandom(1000)
    with of_process(tmp_path, server.daemon_pid) as calls:
        answer = http.request(server, "PUT", "/generic/folders/tool/1/file.bin",
                              body=data)
        assert answer.status == 201
    check(calls, server, data)
