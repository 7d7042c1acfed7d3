"""The zone: a tag moved through this nginx is never seen old after its 201."""

import threading

import pytest

from harness import http, oci
from harness.oci import target
from harness.process import wait_until
from harness.server import Registry

pytestmark = [pytest.mark.ours, pytest.mark.sanitize]

STATUS = "location = /status { registry_status json; }"


@pytest.fixture(scope="module")
def server():
    with Registry(workers=2, locations=STATUS) as made:
        # A worker that meets the daemon empties the zone.
        wait_until(lambda: numbers(made)["daemon_connected"] == 2,
                   what="all workers connected")
        yield made


def numbers(server):
    return http.request(server, "GET", "/status").json()


class Reader:
    """One connection, made anew when nginx has had enough of it."""

    def __init__(self, server):
        self.server = server
        self.link = None

    def get(self, path):
        if self.link is None:
            self.link = http.Connection(self.server.host, self.server.port)
        answer = self.link.request("GET", path)
        if answer.will_close:
            self.link.close()
            self.link = None
        return answer


def artifacts(repo, count):
    """Manifests that differ, pushed by digest."""
    out = []
    for i in range(count):
        image = oci.make_image((b"layer %d" % i,))
        repo.push(image)
        out.append(image)
    return out


def test_hit_is_the_same_answer(server, repo_name):
    repo = oci.Repository(server, repo_name)
    image = oci.make_image()
    repo.push(image, "v1")
    first, second = repo.get_manifest("v1"), repo.get_manifest("v1")
    skip = {"Date"}
    assert first.body == second.body == image.manifest
    assert ([p for p in first.headers if p[0] not in skip]
            == [p for p in second.headers if p[0] not in skip])
    head = repo.head_manifest("v1")
    assert head.body == b""
    assert ([p for p in head.headers if p[0] not in skip]
            == [p for p in second.headers if p[0] not in skip])


def test_head_first_then_get(server, repo_name):
    repo = oci.Repository(server, repo_name)
    image = oci.make_image()
    repo.push(image, "v1")
    head = repo.head_manifest("v1")
    assert int(head.headers["Content-Length"]) == len(image.manifest)
    assert repo.get_manifest("v1").body == image.manifest


def test_not_modified(server, repo_name):
    repo = oci.Repository(server, repo_name)
    image = oci.make_image()
    repo.push(image, "v1")
    path = f"/v2/{repo_name}/manifests/v1"
    for _ in range(2):
        answer = http.request(server, "GET", path,
                              {"If-None-Match": f'"{image.digest}"'})
        assert (answer.status, answer.body) == (304, b"")
        answer = http.request(server, "GET", path,
                              {"If-None-Match": '"sha256:other"'})
        assert answer.status == 200


def test_tag_never_old_after_its_201(server, repo_name):
    """One writer moves a tag while readers of both workers hammer it."""
    repo = oci.Repository(server, repo_name)
    images = artifacts(repo, 4)
    repo.put_manifest("v", images[0].manifest, images[0].media_type)
    number = {image.digest: i for i, image in enumerate(images)}
    floor = [0]  # moves that were acknowledged
    order = [0]  # number of the image after each move
    wrong, reads, stop = [], [0], threading.Event()

    def read():
        reader = Reader(server)
        while not stop.is_set():
            least = floor[0]
            answer = reader.get(f"/v2/{repo_name}/manifests/v")
            got = number[answer.headers["Docker-Content-Digest"]]
            # Right: any state from `least` up to the one in flight.
            if got not in order[least:]:
                wrong.append((least, got, order[least:]))
                return
            reads[0] += 1
    readers = [threading.Thread(target=read) for _ in range(6)]
    for reader in readers:
        reader.start()
    try:
        with http.Connection(server.host, server.port) as link:
            for move in range(1, 150):
                image = images[move % len(images)]
                order.append(move % len(images))
                answer = link.request(
                    "PUT", f"/v2/{repo_name}/manifests/v",
                    {"Content-Type": image.media_type}, image.manifest)
                assert answer.status == 201
                floor[0] = move
        wait_until(lambda: reads[0] > 150 or wrong, what="150 reads")
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert wrong == []
    assert numbers(server)["cache_hits"] > 0


def test_deleted_at_once(server, repo_name):
    repo = oci.Repository(server, repo_name)
    image = oci.make_image()
    for _ in range(20):
        repo.push(image, "v1")
        assert repo.get_manifest("v1").status == 200
        assert repo.get_manifest(image.digest).status == 200
        assert repo.delete_manifest(image.digest).status == 202
        assert repo.get_manifest("v1").status == 404
        assert repo.get_manifest(image.digest).status == 404


def test_a_deleted_blob_is_gone(server, repo_name):
    """Its bytes stay for others, and it was warm here."""
    repo = oci.Repository(server, repo_name)
    other = oci.Repository(server, repo_name + "/b")
    for i in range(5):
        data = f"blob {i} of {repo_name}".encode()
        target = f"/blobs/{oci.digest(data)}"
        for one in (repo, other):
            assert one.push_blob(data) == oci.digest(data)
            for _ in range(3):
                assert one.call("GET", target).body == data
        assert repo.call("DELETE", target).status == 202
        for method in ("GET", "HEAD"):
            assert repo.call(method, target).status == 404
        assert other.call("GET", target).status == 200


def test_absent_then_pushed(server, repo_name):
    repo = oci.Repository(server, repo_name)
    image = oci.make_image()
    for i in range(10):
        assert repo.get_manifest(f"v{i}").status == 404
        repo.push(image, f"v{i}")
        assert repo.get_manifest(f"v{i}").status == 200


def test_credentials_do_not_share(server, repo_name):
    """An answer for one is no answer for another."""
    repo = oci.Repository(server, repo_name)
    repo.push(oci.make_image(), "v1")
    path = f"/v2/{repo_name}/manifests/v1"
    http.request(server, "GET", path)
    before = numbers(server)["cache_misses"]
    http.request(server, "GET", path, {"Authorization": "Bearer a"})
    http.request(server, "GET", path, {"Authorization": "Bearer b"})
    assert numbers(server)["cache_misses"] - before == 2


def test_reload_keeps_the_zone(server, repo_name):
    """While some worker has the daemon all the time: here an old one, which
    an upload holds. One that starts while none has it empties the zone, as
    nobody heard what became stale meanwhile."""
    repo = oci.Repository(server, repo_name)
    repo.push(oci.make_image(), "v1")
    location = target(repo.start_upload().headers["Location"])
    before = numbers(server)["uploads_active"]
    with http.Connection(server.host, server.port) as upload:
        upload.send(http.head("PATCH", location, {"Content-Length": "9"})
                    + b"half")
        wait_until(lambda: numbers(server)["uploads_active"] > before,
                   what="upload under way")
        assert repo.get_manifest("v1").status == 200
        server.reload()
        before = numbers(server)["cache_hits"]
        assert repo.get_manifest("v1").status == 200
        assert numbers(server)["cache_hits"] == before + 1


def test_small_zone_evicts(make_registry):
    server = make_registry(workers=1, zone="small:384k", locations=STATUS)
    repo = oci.Repository(server, "t/evict")
    for i in range(60):
        repo.push(oci.make_image((b"layer %d" % i,)), f"v{i}")
        assert repo.get_manifest(f"v{i}").status == 200
    # Distinct queries are distinct keys: fill the zone.
    reader = Reader(server)
    for i in range(1500):
        reader.get(f"/v2/t/evict/manifests/v1?x={i}")
    wait_until(lambda: numbers(server)["cache_evictions"] > 0,
               what="evictions")
    assert repo.get_manifest("v1").status == 200


def test_more_tags_than_a_message_holds(make_registry):
    """Deleting a manifest drops every one of its 4,200 tags from the cache."""
    server = make_registry(daemon_options="timeout=20s")
    repo = oci.Repository(server, "cache/many-tags")
    image = oci.make_image((b"many",))
    repo.push(image)
    tags = [f"t{number}" for number in range(4200)]
    for start in range(0, len(tags), 30):
        query = "&".join(f"tag={tag}" for tag in tags[start:start + 30])
        answer = repo.put_manifest(f"{image.digest}?{query}", image.manifest)
        assert answer.status == 201, answer.body
    for tag in (tags[0], tags[-1]):
        for _ in range(4):  # both workers keep it
            assert repo.get_manifest(tag).status == 200
    assert repo.delete_manifest(image.digest).status == 202
    for tag in (tags[0], tags[-1]):
        for _ in range(4):
            assert repo.get_manifest(tag).status == 404
