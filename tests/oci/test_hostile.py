"""Hostile input over the wire: spellings of a name, traversal, manifests that
are two things at once, numbers at their edges. quality classes: raw against
decoded name, path traversal, type confusion, unbounded request."""

import json

import pytest

from harness import http, oci

pytestmark = pytest.mark.sanitize

NAME = "team/my_app-1.x"
SECRET = "canary-5f1d0c"
EMPTY = "sha256:" + "0" * 64
EDGES = [0, 1, 999, 1000, 1001, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63,
         2**64 - 1, 2**64, -1, -2**63]


def connect(server):
    return http.Connection(server.host, server.port)


class Wire:
    """One connection that is opened again whenever the server closed it."""

    def __init__(self, server):
        self.server, self.line = server, None

    def __call__(self, method, target, headers=(), body=b""):
        for attempt in range(2):
            if self.line is None:
                self.line = connect(self.server)
            try:
                answer = self.line.request(method, target, headers, body)
            except (http.Closed, OSError):
                self.drop()
                if attempt:
                    raise
                continue
            if answer.will_close:
                self.drop()
            return answer

    def drop(self):
        if self.line is not None:
            self.line.close()
            self.line = None


@pytest.fixture
def wire(registry):
    line = Wire(registry)
    yield line
    line.drop()


def refused(answer, statuses=(400, 404)):
    """True for a refusal in the protocol's own words."""
    return answer.status in statuses and answer.error_code() is not None


# --- one name, many spellings


def escaped(char, upper=False):
    return f"%{ord(char):02{'X' if upper else 'x'}}"


def good_spellings():
    for place, char in enumerate(NAME):
        if char != "/":
            for upper in (False, True):
                yield NAME[:place] + escaped(char, upper) + NAME[place + 1:]
    yield "".join(c if c == "/" else escaped(c) for c in NAME)


def bad_spellings():
    inserted = (
        "%2f %2F %2e%2e %00 %0a %0d%0a %20 %09 %5c %7f % %2 %zz %252f %25 "
        "%c3%a9 %c0%af %e2%80%8b %ef%bc%8f ; ;x=1 // /./ /../ /%2e/ /%2e%2e/ "
        "+ * : @ ~ ! $ & ' ( , = A %41 Z .. ._ _. .- -. ___ -_").split()
    inserted += ["\\", "\xe9", "\xc0\xaf", "\xff", "|", "<", '"', "`", "{",
                 "^", "["]
    for text in inserted:
        for place in (0, 2, 4, 5, 7, len(NAME)):
            yield NAME[:place] + text + NAME[place:]
    for place, char in enumerate(NAME):
        if char.isalpha():
            for text in (char.upper(), escaped(char.upper()),
                         "%25" + escaped(char)[1:]):
                yield NAME[:place] + text + NAME[place + 1:]
    yield from ("team%2fmy_app-1.x", "team%5cmy_app-1.x", "./" + NAME,
                "/" + NAME, NAME + "/", NAME + "%20", NAME + "%00",
                "..%2f" + NAME, "%2e%2e/" + NAME, "_" + NAME, "-" + NAME)


def raw(text):
    return text.encode("latin-1")


@pytest.fixture(scope="module")
def pushed(registry):
    image = oci.make_image([b"of one name"])
    oci.Repository(registry, NAME).push(image, "v1")
    return image


def test_every_good_spelling_is_the_same_name(pushed, wire):
    for name in good_spellings():
        answer = wire("GET", f"/v2/{name}/manifests/v1",
                      {"Accept": oci.ACCEPT})
        assert (answer.status, answer.body) == (200, pushed.manifest), name
        answer = wire("GET", f"/v2/{name}/tags/list")
        assert answer.json() == {"name": NAME, "tags": ["v1"]}, name
        blob = oci.digest(pushed.blobs[0])
        assert wire("HEAD", f"/v2/{name}/blobs/{blob}").status == 200, name


def test_every_bad_spelling_is_refused(registry, pushed, wire):
    names = list(bad_spellings())
    assert len(names) > 200
    blob = oci.digest(pushed.blobs[0])
    for name in names:
        for method, rest in (("GET", "/manifests/v1"), ("GET", "/tags/list"),
                             ("GET", f"/blobs/{blob}"),
                             ("DELETE", "/manifests/v1"),
                             ("POST", "/blobs/uploads/"),
                             ("PUT", "/manifests/v2")):
            body = pushed.manifest if method == "PUT" else b""
            answer = wire(method, raw(f"/v2/{name}{rest}"),
                          {"Content-Type": oci.MANIFEST}, body)
            assert refused(answer), (method, name, rest, answer.status,
                                     answer.body[:200])
    folders = {str(path.relative_to(repositories(registry)))
               for path in repositories(registry).glob("*/*")}
    assert NAME in folders
    assert not [folder for folder in folders if "my" in folder
                and folder != NAME], folders


def repositories(server):
    return server.root / "docker/registry/v2/repositories"


# --- traversal


def payloads():
    ups = ["../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "..\\",
           "%252e%252e%252f", "..;/", ".%2e/", "%c0%ae%c0%ae/", "....//",
           "%2e%2e%00/", "/../"]
    for up in ups:
        for depth in (1, 2, 3, 5, 9):
            for goal in ("canary", "etc/passwd", "blobs"):
                yield up * depth + goal
    yield from ("/etc/passwd", "%2fetc%2fpasswd", "..", ".", "%2e", "%2e%2e",
                "%00", "a%00b", "\\\\host\\share", "file:///etc/passwd")


def targets(text):
    """The text at every place that takes a parameter."""
    good = NAME
    yield "GET", f"/v2/{text}/manifests/v1"
    yield "PUT", f"/v2/{text}/manifests/v1"
    yield "POST", f"/v2/{text}/blobs/uploads/"
    yield "GET", f"/v2/{text}/blobs/{EMPTY}"
    for method in ("GET", "PUT", "DELETE"):
        yield method, f"/v2/{good}/manifests/{text}"
    for method in ("GET", "DELETE"):
        yield method, f"/v2/{good}/blobs/{text}"
        yield method, f"/v2/{good}/blobs/sha256:{text}"
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        yield method, f"/v2/{good}/blobs/uploads/{text}"
    yield "GET", f"/v2/{good}/referrers/{text}"
    yield "POST", f"/v2/{good}/blobs/uploads/?mount={EMPTY}&from={text}"
    yield "POST", f"/v2/{good}/blobs/uploads/?mount={text}&from={good}"
    yield "GET", f"/v2/{good}/tags/list?last={text}"


def outside(server):
    """Everything beside the root that tests may not touch, with its size."""
    return {str(path): path.stat().st_size
            for path in server.dir.rglob("*")
            if path.is_file() and server.root not in path.parents
            and path.suffix in ("", ".txt", ".conf")}


@pytest.mark.timeout(600)
def test_nothing_outside_the_root_is_touched_or_told(registry, pushed, wire):
    folders = [registry.root.parent, registry.root,
               registry.root / "docker", repositories(registry)]
    canaries = [folder / "canary" for folder in folders]
    for canary in canaries:
        canary.write_text(SECRET)
    before, sent = outside(registry), 0
    for text in payloads():
        for method, target in targets(text):
            sent += 1
            answer = wire(method, raw(target),
                          {"Content-Type": oci.MANIFEST},
                          b"{}" if method in ("PUT", "PATCH") else b"")
            assert answer.status < 500, (method, target, answer.status)
            assert SECRET.encode() not in answer.body, target
            assert b"root:" not in answer.body, target
    assert sent >= 1000
    assert all(canary.read_text() == SECRET for canary in canaries)
    assert outside(registry) == before
    for canary in canaries:
        canary.unlink()
    answer = wire("GET", f"/v2/{NAME}/manifests/v1", {"Accept": oci.ACCEPT})
    assert answer.body == pushed.manifest


# --- manifests that are two things at once


def confused(repository):
    """(what, Content-Type, body) of manifests that must be refused."""
    image = oci.make_image([b"layer of confusion"])
    repository.push(image)
    body = json.loads(image.manifest)
    child = [image.descriptor()]
    index = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": child}
    bare = {k: v for k, v in body.items() if k != "mediaType"}
    digest = child[0]["digest"]
    yield "both lists", oci.MANIFEST, {**body, "manifests": child}
    yield "both lists, no type", oci.MANIFEST, {**bare, "manifests": child}
    yield "both lists, index", oci.INDEX, {**index, "layers": body["layers"]}
    yield "index with config", oci.INDEX, {**index, "config": body["config"]}
    yield "image sent as index", oci.INDEX, body
    yield "index sent as image", oci.MANIFEST, index
    yield "bare image sent as index", oci.INDEX, {
        **bare, "layers": body["layers"]}
    yield "OCI sent as Docker", oci.DOCKER_MANIFEST, body
    yield "mediaType a number", oci.MANIFEST, {**body, "mediaType": 1}
    yield "layers an object", oci.MANIFEST, {**body, "layers": {}}
    yield "layers of text", oci.MANIFEST, {**body, "layers": ["x"]}
    yield "schemaVersion 1", oci.MANIFEST, {**body, "schemaVersion": 1}
    yield "negative size", oci.MANIFEST, {
        **body, "config": {**body["config"], "size": -1}}
    yield "size beyond 2^63", oci.MANIFEST, {
        **body, "config": {**body["config"], "size": 2**63}}
    yield "digest with a path", oci.INDEX, {**index, "manifests": [
        {**child[0], "digest": "sha256:../../" + digest[-52:]}]}
    yield "Layers beside layers", oci.MANIFEST, {**body, "Layers": []}
    text = image.manifest[:-1] + b', "layers": []}'
    yield "a key twice", oci.MANIFEST, text
    yield "deep", oci.MANIFEST, b"[" * 100000
    yield "no object", oci.MANIFEST, b"[]"
    yield "no JSON", oci.MANIFEST, b"\x00\xff"
    yield "two documents", oci.MANIFEST, image.manifest * 2
    yield "empty", oci.MANIFEST, b""


def test_a_manifest_is_one_thing(registry, repo_name):
    repository = oci.Repository(registry, repo_name)
    for what, media_type, body in confused(repository):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = repository.put_manifest("confused", data, media_type)
        assert answer.status == 400, (what, answer.status, answer.body)
        assert answer.error_code() in ("MANIFEST_INVALID", "DIGEST_INVALID",
                                       "SIZE_INVALID"), what
        assert repository.head_manifest("confused").status == 404, what
        assert repository.head_manifest(oci.digest(data)).status == 404 or (
            what in ("image sent as index", "OCI sent as Docker")), what


def test_a_manifest_keeps_the_type_it_was_pushed_with(registry, repo_name):
    repository = oci.Repository(registry, repo_name)
    image = oci.make_image([b"one type"])
    repository.push(image, "v1")
    for accept in (oci.INDEX, oci.DOCKER_MANIFEST, "*/*", "text/html"):
        answer = repository.get_manifest("v1", accept)
        assert answer.status in (200, 404, 406)
        if answer.status == 200:
            assert answer.headers["Content-Type"] == oci.MANIFEST
            assert answer.body == image.manifest


# --- numbers


@pytest.mark.parametrize("path", [
    f"/v2/{NAME}/tags/list", "/v2/_catalog",
    f"/v2/{NAME}/referrers/{EMPTY}"])
def test_n_at_its_edges(pushed, wire, path):
    for value in [*EDGES, "", "x", "1e9", "0x10", "+1", "%31", "1" * 400]:
        answer = wire("GET", f"{path}?n={value}")
        assert answer.status in (200, 400), (value, answer.status)
        if answer.status == 400:
            assert answer.error_code() is not None, value
        else:
            assert isinstance(answer.json(), dict)
            assert len(answer.body) < 1 << 20


def test_range_at_its_edges(registry, repo_name, wire):
    repository = oci.Repository(registry, repo_name)
    data = bytes(range(256)) * 5
    path = f"{repository.base}/blobs/{repository.push_blob(data)}"
    edges = [*EDGES, len(data) - 1, len(data), len(data) + 1]
    for first in edges:
        for last in ["", *edges]:
            answer = wire("GET", path, {"Range": f"bytes={first}-{last}"})
            assert answer.status in (200, 206, 416), (first, last)
            if answer.status == 206:
                assert 0 <= first < len(data)
                end = len(data) if last == "" else min(last + 1, len(data))
                assert answer.body == data[first:end], (first, last)
            elif answer.status == 200:
                assert answer.body == data


def test_content_range_at_its_edges(registry, repo_name):
    repository = oci.Repository(registry, repo_name)
    answer = repository.patch(
        repository.start_upload().headers["Location"], b"0123456789")
    assert answer.status == 202
    place = oci.target(answer.headers["Location"])
    for first in EDGES:
        for last in EDGES:
            answer = repository.call(
                "PATCH", place, {"Content-Range": f"{first}-{last}"}, b"abcde")
            assert answer.status in (400, 416), (first, last, answer.status)
            assert answer.error_code() is not None
    answer = repository.upload_status(place)
    assert answer.headers["Range"] == "0-9"
    done = repository.finish(place, oci.digest(b"0123456789"))
    assert done.status == 201, done.body


@pytest.mark.parametrize("value", [
    "-1", "+1", "", "x", "1 1", "0x10", "1,2", str(2**63), str(2**64),
    str(2**64 + 1), "9" * 400])
@pytest.mark.parametrize("method, path", [
    ("PUT", f"/v2/{NAME}/manifests/number"),
    ("POST", f"/v2/{NAME}/blobs/uploads/"),
    ("GET", f"/v2/{NAME}/manifests/v1")])
def test_content_length_that_is_none(registry, pushed, method, path, value):
    with connect(registry) as line:
        line.send(http.head(method, path, {
            "Content-Length": value, "Content-Type": oci.MANIFEST}))
        try:
            answer = line.read_response(method)
        except (http.Closed, OSError):
            return  # refused without an answer
        assert answer.status in (400, 413), answer.status
        assert answer.will_close


@pytest.mark.parametrize("value", [2**31, 2**32, 2**63 - 1])
def test_a_manifest_too_long_is_refused_at_once(registry, pushed, value):
    with connect(registry) as line:
        line.send(http.head("PUT", f"/v2/{NAME}/manifests/number", {
            "Content-Length": str(value), "Content-Type": oci.MANIFEST}))
        answer = line.read_response("PUT")
        assert answer.status == 413, answer.body
        assert answer.error_code() is not None


def test_the_longest_manifest(registry, repo_name):
    repository = oci.Repository(registry, repo_name)
    image = oci.make_image([b"long"])
    repository.push(image)
    limit = 4 << 20
    for size, status in ((limit, 201), (limit + 1, 413)):
        body = image.manifest[:-1] + b" " * (size - len(image.manifest)) + b"}"
        answer = repository.put_manifest("long", body)
        assert answer.status == status, (size, answer.status, answer.body)
    chunks = repository.call(
        "PUT", "/manifests/long2", {"Content-Type": oci.MANIFEST},
        pieces=[b" " * 65536] * 65)
    assert chunks.status == 413


@pytest.mark.parametrize("size", [1000, 4000, 8000, 16000, 64000])
def test_a_long_target_or_header(registry, pushed, wire, size):
    for target in (f"/v2/{'a' * size}/tags/list",
                   f"/v2/{NAME}/manifests/{'a' * size}",
                   f"/v2/{NAME}/tags/list?last={'a' * size}",
                   f"/v2/{'a/' * (size // 2)}a/tags/list"):
        answer = wire("GET", target)
        assert answer.status in (200, 400, 404, 414), (target[:40],
                                                       answer.status)
        assert answer.status == 200 or answer.error_code() is not None
    answer = wire("GET", f"/v2/{NAME}/tags/list", {"X-Long": "x" * size})
    assert answer.status in (200, 400, 431, 494), answer.status
    assert wire("GET", f"/v2/{NAME}/tags/list").status == 200
