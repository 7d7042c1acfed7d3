"""The OCI protocol as registryd answers it over the seam, without nginx."""

import hashlib
import json
import os

import pytest

from harness.seam import BLOB, Daemon

INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


@pytest.fixture(scope="module")
def daemon():
    with Daemon() as started:
        yield started


@pytest.fixture
def name(request):
    return request.node.name.lower().replace("_", "-").strip("-[]")


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def sha512(data):
    return "sha512:" + hashlib.sha512(data).hexdigest()


def index(**members):
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX,
                       "manifests": [], **members}).encode()


def put_blob(daemon, name, data, digest=None):
    """Writes into the store as nginx does, then tells the daemon."""
    digest = digest or sha256(data)
    algorithm, encoded = digest.split(":")
    folder = (daemon.root / "docker/registry/v2/blobs" / algorithm /
              encoded[:2] / encoded)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").write_bytes(data)
    upload = "00000000-0000-4000-8000-000000000000"
    return daemon.ask(
        "PUT", f"/v2/{name}/blobs/uploads/{upload}?digest={digest}",
        received=("", BLOB, len(data), digest, upload, ""))


def image(layers, **members):
    config = b"{}"
    return json.dumps({
        "schemaVersion": 2, "mediaType": IMAGE,
        "config": {"mediaType": CONFIG, "digest": sha256(config),
                   "size": len(config)},
        "layers": [{"mediaType": "application/octet-stream",
                    "digest": sha256(layer), "size": len(layer)}
                   for layer in layers], **members}).encode()


def codes(decision):
    return [error["code"] for error in json.loads(decision.body)["errors"]]


def test_ping_is_cacheable_and_says_what_it_is(daemon):
    for target in ("/v2/", "/v2"):
        answer = daemon.ask("GET", target)
        assert (answer.type, answer.status, answer.body) == ("reply", 200,
                                                             b"{}")
        assert answer.header("Docker-Distribution-API-Version") \
            == "registry/2.0"
        assert answer.ttl_ms > 0


def test_answers_carry_the_number_of_their_question(daemon):
    assert daemon.ask("GET", "/v2/").id == daemon.number


@pytest.mark.parametrize("method, target, status, code", [
    ("GET", "/v2/a/manifests/none", 404, "NAME_UNKNOWN"),
    ("GET", "/v2/A/manifests/x", 400, "NAME_INVALID"),
    ("GET", "/v2/a/manifests/sha256:bad", 400, "DIGEST_INVALID"),
    ("GET", "/v2/a/blobs/md5:d41d8cd98f00b204e9800998ecf8427e", 400,
     "DIGEST_INVALID"),
    ("POST", "/v2/a/blobs/uploads/?digest=sha256:bad", 400,
     "DIGEST_INVALID"),
    ("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", 400,
     "DIGEST_INVALID"),
    ("PATCH", "/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000",
     404, "BLOB_UPLOAD_UNKNOWN"),
    ("PUT", "/v2/a/manifests/.bad", 400, "TAG_INVALID"),
    ("GET", "/v2/a/../b/tags/list", 400, "NAME_INVALID"),
    ("GET", "/v2/a/tags/list?n=-1", 400, "PAGINATION_NUMBER_INVALID"),
    ("GET", "/v2/_catalog?n=x", 400, "PAGINATION_NUMBER_INVALID"),
    ("GET", "/nothing", 404, "NAME_UNKNOWN"),
    ("GET", "/v20/", 404, "NAME_UNKNOWN"),
    ("BREW", "/v2/a/tags/list", 405, "UNSUPPORTED"),
])
def test_refusals(daemon, method, target, status, code):
    answer = daemon.ask(method, target)
    assert (answer.type, answer.status, answer.error) == ("deny", status, code)
    assert codes(answer) == [code]
    assert answer.media_type == "application/json"
    assert answer.header("Docker-Distribution-API-Version")
    assert answer.ttl_ms == 0
    assert (answer.header("Allow") == "GET, HEAD") == (status == 405)


def test_manifest_by_tag_and_digest(daemon, name):
    body = index(annotations={"a": "ä"})
    target = f"/v2/{name}/manifests/v1"
    answer = daemon.put_manifest(target, body, INDEX)
    assert answer.status == 201
    assert answer.header("Docker-Content-Digest") == sha256(body)
    assert answer.header("Location") == f"/v2/{name}/manifests/{sha256(body)}"
    assert f"m,{name},v1" in answer.drops
    for reference in ("v1", sha256(body)):
        for method in ("GET", "HEAD"):
            answer = daemon.ask(method, f"/v2/{name}/manifests/{reference}")
            assert (answer.status, answer.body) == (200, body)
            assert answer.media_type == INDEX
            assert answer.header("ETag") == f'"{sha256(body)}"'
            assert answer.header("Docker-Content-Digest") == sha256(body)
            assert f"m,{name},{reference}" in answer.keys
            assert answer.ttl_ms > 0


def test_mount_prefix_is_part_of_locations(daemon, name):
    body = index()
    answer = daemon.ask("POST", f"/v2/{name}/blobs/uploads/",
                        prefix="/artifacts")
    assert answer.header("Location").startswith(
        f"/artifacts/v2/{name}/blobs/uploads/")
    daemon.put_manifest(f"/v2/{name}/manifests/a", body, INDEX)
    daemon.put_manifest(f"/v2/{name}/manifests/b", body, INDEX)
    answer = daemon.ask("GET", f"/v2/{name}/tags/list?n=1",
                        prefix="/artifacts")
    assert answer.header("Link") \
        == f'</artifacts/v2/{name}/tags/list?n=1&last=a>; rel="next"'


def test_large_manifests_are_served_from_disk(daemon, name):
    body = index(annotations={"a": "x" * 100_000})
    assert daemon.put_manifest(f"/v2/{name}/manifests/v1", body,
                               INDEX).status == 201
    answer = daemon.ask("GET", f"/v2/{name}/manifests/v1")
    assert (answer.type, answer.digest, answer.size, answer.media_type) \
        == ("serve", sha256(body), len(body), INDEX)
    assert answer.body == b"" and answer.ttl_ms > 0


def test_size_limit_of_manifests(daemon, name):
    limit = 4 * 1024 * 1024
    target = f"/v2/{name}/manifests/v1"
    empty = len(index(annotations={"a": ""}))
    body = index(annotations={"a": "x" * (limit - empty)})
    assert len(body) == limit
    assert daemon.put_manifest(target, body, INDEX).status == 201
    answer = daemon.put_manifest(target, body + b" ", INDEX)
    assert (answer.type, answer.status, answer.error) == ("deny", 413,
                                                          "SIZE_INVALID")
    unknown = daemon.ask("PUT", target, body_bytes=-1)
    assert (unknown.type, unknown.max_bytes) == ("receive", limit)


def test_digest_of_a_push_is_checked(daemon, name):
    body = index()
    answer = daemon.put_manifest(f"/v2/{name}/manifests/{sha256(b'')}", body,
                                 INDEX)
    assert (answer.status, answer.error) == (400, "DIGEST_INVALID")
    assert daemon.ask("GET", f"/v2/{name}/tags/list").status == 404
    digest = sha512(body)
    answer = daemon.put_manifest(f"/v2/{name}/manifests/{digest}", body, INDEX)
    assert answer.header("Docker-Content-Digest") == digest
    assert daemon.ask("GET", f"/v2/{name}/manifests/{digest}").body == body


def test_every_missing_blob_is_named(daemon, name):
    body = image([b"one", b"two"])
    answer = daemon.put_manifest(f"/v2/{name}/manifests/v1", body, IMAGE)
    assert answer.status == 400
    errors = json.loads(answer.body)["errors"]
    assert {e["code"] for e in errors} == {"MANIFEST_BLOB_UNKNOWN"}
    assert {e["detail"]["digest"] for e in errors} \
        == {sha256(b"one"), sha256(b"two"), sha256(b"{}")}
    for data in (b"one", b"two", b"{}"):
        assert put_blob(daemon, name, data).status == 201
    answer = daemon.put_manifest(f"/v2/{name}/manifests/v1", body, IMAGE)
    assert answer.status == 201


def test_tags_of_one_push(daemon, name):
    body = index()
    target = f"/v2/{name}/manifests/{sha256(body)}"
    tags = [f"t{i:02}" for i in range(32)]
    query = "&".join(f"tag={tag}" for tag in tags)
    answer = daemon.put_manifest(f"{target}?{query}&tag=t00", body, INDEX)
    assert answer.status == 201
    assert [v for n, v in answer.headers if n == "OCI-Tag"] == tags
    answer = daemon.ask("GET", f"/v2/{name}/tags/list")
    assert json.loads(answer.body) == {"name": name, "tags": tags}
    answer = daemon.put_manifest(f"{target}?{query}&tag=more", body, INDEX)
    assert (answer.status, answer.error) == (414, "TAG_INVALID")
    for bad in ("-bad", "a/b", "a/../../x", "a%2f..%2fx", "..", ".", "%00",
                "a%5cb", ""):
        answer = daemon.put_manifest(f"{target}?tag={bad}", body, INDEX)
        assert (answer.status, answer.error) == (400, "TAG_INVALID"), bad


def test_conditions_of_a_push(daemon, name):
    target = f"/v2/{name}/manifests/v1"
    one, two = index(), index(annotations={"n": "2"})

    def put(body, *headers):
        return daemon.put_manifest(target, body, INDEX, headers).status
    assert put(one, ("If-Match", "*")) == 412
    assert put(one, ("If-None-Match", "*")) == 201
    assert put(two, ("If-None-Match", "*")) == 412
    assert put(two, ("If-Match", f'"{sha256(two)}"')) == 412
    assert put(two, ("If-Match", '"nonsense"')) == 412
    assert put(two, ("If-Match", f'"x", "{sha256(one)}"')) == 201
    assert daemon.ask("GET", target).body == two


def test_subject_and_referrers(daemon, name):
    subject = index(annotations={"i": "subject"})
    digest = sha256(subject)
    target = f"/v2/{name}/referrers/{digest}"
    empty = daemon.ask("GET", target)
    assert (empty.status, empty.media_type) == (200, INDEX)
    assert json.loads(empty.body)["manifests"] == []
    pushed = {}
    for i in range(3):
        body = index(artifactType=f"application/t{i % 2}",
                     annotations={"i": str(i)},
                     subject={"mediaType": INDEX, "digest": digest,
                              "size": len(subject)})
        answer = daemon.put_manifest(f"/v2/{name}/manifests/{sha256(body)}",
                                     body, INDEX)
        assert answer.header("OCI-Subject") == digest
        pushed[sha256(body)] = {
            "mediaType": INDEX, "digest": sha256(body), "size": len(body),
            "artifactType": f"application/t{i % 2}",
            "annotations": {"i": str(i)}}
    found = json.loads(daemon.ask("GET", target).body)["manifests"]
    assert {item["digest"]: item for item in found} == pushed

    answer = daemon.ask("GET", target + "?artifactType=application%2Ft0&n=1")
    assert answer.header("OCI-Filters-Applied") == "artifactType"
    listed = []
    while True:
        listed += json.loads(answer.body)["manifests"]
        link = answer.header("Link")
        if not link:
            break
        assert link.endswith('>; rel="next"')
        answer = daemon.ask("GET", link[1:link.index(">")])
    assert [item["artifactType"] for item in listed] == ["application/t0"] * 2


def test_long_referrers_come_in_several_pages(daemon, name):
    subject = sha256(b"subject")
    pushed = set()
    for i in range(5):
        body = index(annotations={"i": str(i), "long": "x" * 1_200_000},
                     subject={"mediaType": INDEX, "digest": subject,
                              "size": 7})
        assert daemon.put_manifest(f"/v2/{name}/manifests/{sha256(body)}",
                                   body, INDEX).status == 201
        pushed.add(sha256(body))
    listed, pages = [], 0
    target = f"/v2/{name}/referrers/{subject}"
    while target:
        answer = daemon.ask("GET", target)
        assert len(answer.body) < 4 << 20
        listed += [item["digest"]
                   for item in json.loads(answer.body)["manifests"]]
        link = answer.header("Link")
        target = link and link[1:link.index(">")]
        pages += 1
    assert listed == sorted(pushed)
    assert pages == 3


def test_tags_page_through(daemon, name):
    body = index()
    tags = sorted(f"v{i}" for i in range(23))
    query = "&".join(f"tag={tag}" for tag in tags)
    daemon.put_manifest(f"/v2/{name}/manifests/{sha256(body)}?{query}", body,
                        INDEX)
    target, found = f"/v2/{name}/tags/list?n=5", []
    while target:
        answer = daemon.ask("GET", target)
        found += json.loads(answer.body)["tags"]
        link = answer.header("Link")
        target = link[1:link.index(">")] if link else None
    assert found == tags
    zero = daemon.ask("GET", f"/v2/{name}/tags/list?n=0")
    assert json.loads(zero.body)["tags"] == [] and not zero.header("Link")


def test_deletes_are_complete_at_once(daemon, name):
    body = index()
    by_digest = f"/v2/{name}/manifests/{sha256(body)}"
    daemon.put_manifest(by_digest + "?tag=a&tag=b", body, INDEX)
    answer = daemon.ask("DELETE", f"/v2/{name}/manifests/a")
    assert answer.status == 202 and f"m,{name},a" in answer.drops
    assert daemon.ask("GET", f"/v2/{name}/manifests/a").status == 404
    assert daemon.ask("GET", f"/v2/{name}/manifests/b").status == 200
    answer = daemon.ask("DELETE", by_digest)
    assert answer.status == 202 and f"m,{name},b" in answer.drops
    assert daemon.ask("GET", f"/v2/{name}/manifests/b").status == 404
    assert daemon.ask("GET", by_digest).status == 404
    assert daemon.ask("DELETE", by_digest).status == 404


def test_uploads_begin_and_end(daemon, name):
    answer = daemon.ask("POST", f"/v2/{name}/blobs/uploads/")
    assert answer.status == 202
    upload = answer.header("Docker-Upload-UUID")
    assert answer.header("Location") \
        == f"/v2/{name}/blobs/uploads/{upload}?offset=0"
    assert answer.header("Range") == "0-0"
    folder = (daemon.root / "docker/registry/v2/repositories" / name /
              "_uploads" / upload)
    assert sorted(p.name for p in folder.iterdir()) \
        == ["startedat"]
    data = os.urandom(100)
    answer = put_blob(daemon, name, data)
    assert answer.status == 201
    assert answer.header("Location") == f"/v2/{name}/blobs/{sha256(data)}"
    assert answer.header("Docker-Content-Digest") == sha256(data)
    answer = daemon.ask("HEAD", f"/v2/{name}/blobs/{sha256(data)}")
    assert (answer.type, answer.size) == ("serve", 100)


def test_whole_blob_in_one_post(daemon, name):
    data = b""
    target = f"/v2/{name}/blobs/uploads/?digest={sha256(data)}"
    answer = daemon.ask("POST", target)
    assert (answer.type, answer.into) == ("receive", "upload")
    assert answer.digest == sha256(data) and answer.repository == name
    folder = daemon.root / "docker/registry/v2/blobs/sha256/e3" \
        / sha256(data)[7:]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").write_bytes(data)
    answer = daemon.ask("POST", target, received=(
        answer.ticket, BLOB, 0, sha256(data), answer.upload_id, ""))
    assert answer.status == 201


def test_mount_from_from_anywhere_and_of_nothing(daemon, name):
    data = os.urandom(50)
    digest = sha256(data)
    put_blob(daemon, f"{name}/source", data)

    def mount(target, query):
        return daemon.ask("POST", f"/v2/{name}/{target}/blobs/uploads/"
                                  f"?mount={query}")
    answer = mount("a", f"{digest}&from={name}/source")
    assert answer.status == 201
    assert answer.header("Location") == f"/v2/{name}/a/blobs/{digest}"
    assert mount("b", digest.replace(":", "%3A")).status == 201
    assert mount("c", f"{digest}&from={name}/other").status == 202
    assert mount("c", f"{digest}&from=Bad/..").status == 202
    assert mount("c", sha256(os.urandom(9))).status == 202
    assert mount("c", "sha256:bad").status == 400
    assert daemon.ask("GET", f"/v2/{name}/c/blobs/{digest}").status == 404


def test_blob_of_another_repository_is_not_served(daemon, name):
    data = os.urandom(50)
    put_blob(daemon, f"{name}/a", data)
    put_blob(daemon, f"{name}/b", os.urandom(5))
    answer = daemon.ask("GET", f"/v2/{name}/b/blobs/{sha256(data)}")
    assert (answer.status, answer.error) == (404, "BLOB_UNKNOWN")
    assert daemon.ask("DELETE",
                      f"/v2/{name}/a/blobs/{sha256(data)}").status == 202
    assert daemon.ask("GET",
                      f"/v2/{name}/a/blobs/{sha256(data)}").status == 404


def test_catalog_lists_names(daemon, name):
    daemon.put_manifest(f"/v2/{name}/x/manifests/v1", index(), INDEX)
    daemon.put_manifest(f"/v2/{name}/y/manifests/v1", index(), INDEX)
    answer = daemon.ask("GET", f"/v2/_catalog?n=1&last={name}%2Fx")
    assert json.loads(answer.body) == {"repositories": [f"{name}/y"]}


def test_deleting_can_be_switched_off():
    with Daemon(settings="allow_delete = false\n") as daemon:
        body = index()
        daemon.put_manifest("/v2/a/manifests/v1", body, INDEX)
        for target in ("manifests/v1", f"manifests/{sha256(body)}",
                       f"blobs/{sha256(body)}"):
            answer = daemon.ask("DELETE", f"/v2/a/{target}")
            assert (answer.status, answer.error) == (405, "UNSUPPORTED")
        assert daemon.ask("GET", "/v2/a/manifests/v1").status == 200
