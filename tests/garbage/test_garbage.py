"""Online garbage collection: what nothing refers to goes, what anybody was
told of stays, nobody waits. Each test ends with registryctl verify."""

import hashlib
import json
import os
import random
import re
import threading
import time

import pytest

from harness import http, oci
from harness.private import add_repository
from harness.process import wait_until
from harness.server import Registry
from harness.stored import DAY, FORGETFUL, Store

pytestmark = pytest.mark.ours


@pytest.fixture
def name(request):
    return "gc/" + re.sub("[^a-z0-9]+", "-", request.node.name).strip("-")


@pytest.fixture
def repository(server, name):
    return oci.Repository(server, name)


def test_what_nothing_refers_to_goes_after_its_grace(store, repository, name):
    digest = repository.push_blob(os.urandom(1000))
    store.run()
    assert repository.get_blob(digest).status == 200  # leased by its upload
    store.age(store.link(name, digest))
    before = store.run()
    assert before["links"] >= 1 and not store.link(name, digest).exists()
    assert repository.get_blob(digest).status == 404
    assert store.data(digest).exists()  # a lease of its own
    store.age(store.data(digest))
    report = store.run()
    assert report["blobs"] >= 1 and report["bytes"] >= 1000
    assert not store.data(digest).parent.exists()
    assert not store.link(name, digest).parent.exists()
    assert store.rows(digest) == 0
    assert repository.head_blob(digest).status == 404
    assert repository.push_blob(b"again") == oci.digest(b"again")


def test_what_a_manifest_refers_to_stays(server, store, repository, name):
    shared, alone = os.urandom(100), os.urandom(100)
    first = oci.make_image([shared, alone])
    second = oci.make_image([shared, b"second" + alone])
    repository.push(first, "first")
    repository.push(second, "second")
    other = oci.Repository(server, name + "/other")
    other.push(first, "first")
    store.age()
    store.run()
    for blob in first.blobs + second.blobs:
        assert store.link(name, oci.digest(blob)).exists()
    assert repository.delete_manifest(first.digest).status == 202
    store.age()
    store.run()
    assert repository.head_blob(oci.digest(shared)).status == 200
    assert repository.head_blob(oci.digest(alone)).status == 404
    # The other repository has all of it still.
    for blob in first.blobs:
        assert other.get_blob(oci.digest(blob)).body == blob
    assert other.delete_manifest(first.digest).status == 202
    store.age()
    store.run()
    assert not store.data(oci.digest(alone)).exists()
    assert not store.data(first.digest).exists()
    assert repository.get_manifest("second").body == second.manifest
    for blob in second.blobs:
        assert repository.get_blob(oci.digest(blob)).body == blob


def test_children_and_subjects_stay(store, repository):
    images = [(oci.make_image([os.urandom(50)], architecture=one), one)
              for one in ("amd64", "arm64")]
    index = oci.make_index([(image, {"architecture": one, "os": "linux"})
                            for image, one in images])
    for image, _ in images:
        repository.push(image)
    repository.push(index, "multi")
    # Untagged, and nothing refers to it: kept, a policy has to say so.
    untagged = oci.make_image([os.urandom(50)])
    repository.push(untagged)
    store.age()
    store.run()
    for image in [one for one, _ in images] + [untagged]:
        assert repository.get_manifest(image.digest).body == image.manifest
        for blob in image.blobs:
            assert repository.get_blob(oci.digest(blob)).body == blob


@pytest.mark.parametrize("seen", ("head", "get and head", "daemon"))
def test_a_head_is_a_lease(server, store, repository, name, seen):
    """A client that is told that a blob is there leaves it out."""
    image = oci.make_image([os.urandom(100)])
    digests = [repository.push_blob(blob) for blob in image.blobs]
    if seen == "get and head":  # a worker that knows the link already
        for digest in digests * 4:
            assert repository.get_blob(digest).status == 200
    for digest in digests:
        store.age_blob(name, digest)
        if seen == "daemon":  # nginx finds no link file, registryd the row
            store.link(name, digest).unlink()
        assert repository.head_blob(digest).status == 200
    store.run()
    answer = repository.put_manifest("v1", image.manifest, image.media_type)
    assert answer.status == 201, answer.body
    store.age()
    store.run()
    for blob in image.blobs:
        assert repository.get_blob(oci.digest(blob)).body == blob


def test_a_get_is_none(store, repository, name):
    digest = repository.push_blob(os.urandom(100))
    store.age_blob(name, digest)
    assert repository.get_blob(digest).status == 200
    store.run()
    assert repository.get_blob(digest).status == 404


def test_a_mount_and_an_upload_are_leases(server, store, repository, name):
    data = os.urandom(100)
    digest = repository.push_blob(data)
    other = oci.Repository(server, name + "/other")
    answer = other.start_upload(f"?mount={digest}&from={name}")
    assert answer.status == 201
    for where in (name, other.name):
        store.age(store.link(where, digest))
    store.age(store.data(digest))
    # Once more, of what is there already.
    assert other.start_upload(f"?mount={digest}&from={name}").status == 201
    store.run()
    assert repository.head_blob(digest).status == 404
    assert other.get_blob(digest).body == data
    store.age_blob(other.name, digest)
    other.push_blob(data)
    assert time.time() - store.data(digest).stat().st_mtime < 60
    store.run()
    assert other.get_blob(digest).body == data
    store.age_blob(other.name, digest)
    store.run()
    assert not store.data(digest).exists()


def test_an_open_upload_of_a_blob_that_goes(store, repository, name):
    """The bytes are sent while the same blob is collected."""
    data = os.urandom(1000)
    digest = repository.push_blob(data)
    location = repository.start_upload().headers["Location"]
    answer = repository.patch(location, data)
    store.age_blob(name, digest)
    store.run()
    assert not store.data(digest).exists()
    answer = repository.finish(answer.headers["Location"], digest)
    assert answer.status == 201, answer.body
    assert repository.get_blob(digest).body == data


def test_files_of_packages(server, store):
    data = os.urandom(500)
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    base = add_repository(server, "gcfiles", "generic")
    for path in ("tool/1/a.bin", "tool/2/b.bin"):
        answer = http.request(server, "PUT",
                              f"/generic/gcfiles/{path}", {}, data)
        assert answer.status == 201, answer.body
    store.age()
    store.run()
    path = "/generic/gcfiles/tool/2/b.bin"
    assert http.request(server, "DELETE",
                        "/generic/gcfiles/tool/1/a.bin").status in (200, 204)
    store.age()
    store.run()
    assert http.request(server, "GET", path).body == data, base
    assert http.request(server, "DELETE", path).status in (200, 204)
    store.age()
    store.run()
    assert not store.data(digest).exists() and store.rows(digest) == 0
    # The same bytes come again.
    assert http.request(server, "PUT", "/generic/gcfiles/tool/3/c.bin", {},
                        data).status == 201
    assert http.request(server, "GET",
                        "/generic/gcfiles/tool/3/c.bin").body == data


def test_dry_run_says_what_the_run_then_does(server, store, repository, name):
    kept = oci.make_image([os.urandom(10)])
    repository.push(kept, "kept")
    gone = {repository.push_blob(os.urandom(20)) for _ in range(5)}
    other = oci.Repository(server, name + "/other")
    both = repository.push_blob(b"in both")
    other.push_blob(b"in both")
    store.age()
    young = repository.push_blob(os.urandom(30))
    late = repository.push_blob(os.urandom(40))  # its link alone is old
    store.age(store.link(name, late))
    lost = repository.push_blob(os.urandom(50))  # its row alone is left
    store.age_blob(name, lost)
    store.data(lost).unlink()
    told = store.run("--dry-run")
    assert all(repository.get_blob(one).status == 200 for one in gone)
    links = {(one["repository"], one["digest"]) for one in told["links"]}
    assert links >= {(name, one) for one in gone} | {
        (name, both), (other.name, both)}
    assert (name, young) not in links
    blobs = {one["digest"] for one in told["blobs"]}
    assert blobs >= gone | {both, lost} and not blobs & {young, late}
    assert (name, late) in links
    done = store.run()
    assert (done["links"], done["blobs"], done["bytes"], done["kept"]) == (
        len(told["links"]), len(told["blobs"]), told["bytes"], told["kept"])
    assert not any(store.data(one).exists() for one in blobs)
    assert repository.get_blob(young).status == 200
    assert store.data(late).exists() and store.rows(lost) == 0


def test_a_file_that_nobody_knows(store):
    """As an upload leaves it that ended between the rename and its row."""
    data = os.urandom(77)
    digest = oci.digest(data)
    path = store.data(digest)
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    store.age(path)
    store.run()
    assert path.exists()
    told = store.run("--dry-run", "--deep")
    assert digest in [one["digest"] for one in told["blobs"]]
    assert path.exists()
    path.touch()
    store.run("--deep")
    assert path.exists()
    store.age(path)
    assert store.run("--deep")["bytes"] >= 77
    assert not path.parent.exists()


def test_explain(server, store, repository, name):
    image = oci.make_image([b"explained"])
    repository.push(image, "v1")
    layer = oci.digest(b"explained")
    told = store.ctl("gc", "explain", layer)
    assert told["verdict"] == "in use"
    assert {"kind": "layer", "repository": name,
            "reference": image.digest} in told["uses"]
    told = store.ctl("gc", "explain", image.digest)
    assert {"kind": "tag", "repository": name, "reference": "v1"} in told[
        "uses"]
    alone = repository.push_blob(os.urandom(9))
    told = store.ctl("gc", "explain", alone)
    assert told["verdict"] == "leased"
    assert DAY - 60 < told["lease_seconds"] <= DAY
    store.age_blob(name, alone)
    assert store.ctl("gc", "explain", alone)["verdict"] == "unused"
    store.run()
    assert store.ctl("gc", "explain", alone,
                     status=1)["verdict"] == "in the trash"
    runs = store.ctl("gc", "status")["runs"]
    assert runs[0]["state"] == "done" and runs[0]["blobs"] >= 1
    numbers = http.request(server, "GET", "/-/metrics").body.decode()
    counted = dict(line.split(" ") for line in numbers.splitlines()
                   if line.startswith("registryd_collect"))
    assert float(counted["registryd_collections_total"]) >= 1
    assert float(counted["registryd_collected_bytes_total"]) >= 9
    audit = store.ctl("audit", "list", "--action", "gc.run")
    assert "blobs" in json.dumps(audit)


def test_a_download_goes_on(server, store, repository, name):
    data = os.urandom(8 << 20)
    digest = repository.push_blob(data)
    with http.Connection("127.0.0.1", server.port) as connection:
        connection.send(f"GET /v2/{name}/blobs/{digest} HTTP/1.1\r\n"
                        f"Host: {server.address}\r\n\r\n".encode())
        store.age_blob(name, digest)
        store.run()
        assert not store.data(digest).exists()
        assert connection.read_response().body == data


def test_without_the_daemon(store, server, repository, name):
    """registryctl does it, and the workers of nginx hear of it later."""
    digest = repository.push_blob(os.urandom(100))
    assert repository.get_blob(digest).status == 200
    store.age_blob(name, digest)
    server.stop_daemon()
    try:
        assert store.run()["blobs"] >= 1
    finally:
        server.start_daemon()
    wait_until(server.daemon_answers, what="daemon is back")
    wait_until(lambda: repository.get_blob(digest).status == 404,
               what="nginx has forgotten it")


@pytest.fixture
def forgetful():
    with Registry(location_directives=FORGETFUL) as server:
        one = Store(server)
        yield one
        one.check()


def test_pushes_while_it_runs(forgetful, name):
    """Each pushes images of few layers and deletes the one before; HEAD takes
    a lease of what is old. What was answered 201 is there, whole."""
    store, server = forgetful, forgetful.server
    layers = [b"layer %d" % number for number in range(12)]
    stop, errors = threading.Event(), []
    acknowledged = {}

    def push(number):
        try:
            pushes(number)
        except Exception as error:
            errors.append(error)

    def pushes(number):
        chance = random.Random(number)
        repository = oci.Repository(server, f"{name}/{number}")
        while not stop.is_set():
            image = oci.make_image(
                chance.sample(layers, 3),
                config=json.dumps([number, chance.random()]).encode())
            for blob in image.blobs:
                digest = oci.digest(blob)
                store.age(store.link(repository.name, digest))
                if repository.head_blob(digest).status != 200:
                    repository.push_blob(blob)
            answer = repository.put_manifest(
                f"tag-{number}", image.manifest, image.media_type)
            if answer.status != 201:
                errors.append((image, answer.status, answer.body))
                return
            old = acknowledged.get(number)
            acknowledged[number] = (repository, image)
            if old:
                assert old[0].delete_manifest(old[1].digest).status == 202
                # Nobody else uses its configuration.
                config = json.loads(old[1].manifest)["config"]["digest"]
                store.age_blob(old[0].name, config)
    threads = [threading.Thread(target=push, args=(number,))
               for number in range(4)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 12
    collected = runs = 0
    while time.monotonic() < end and not errors:
        report = store.run()
        collected += report["links"] + report["blobs"]
        runs += 1
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert runs > 3 and collected > 0
    for repository, image in acknowledged.values():
        assert repository.get_manifest(image.digest).body == image.manifest
        for blob in image.blobs:
            assert repository.get_blob(oci.digest(blob)).body == blob
