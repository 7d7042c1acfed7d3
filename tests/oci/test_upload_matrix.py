"""The upload state machine: every way to begin, go on and finish a blob, by
every form of body, at the sizes where buffers end. Two workers, a connection
per request: any step may meet another worker. What is stored must be what the
client sent, byte by byte."""

import hashlib
import random
import subprocess
import threading

import pytest

from harness import http, oci
from harness.oci import target, with_query
from harness.process import wait_until

pytestmark = [pytest.mark.ours, pytest.mark.sanitize]

KI = 1024
SIZES = [0, 1, 63, 64, 65, 65535, 65536, 65537, 256 * KI - 1, 256 * KI,
         256 * KI + 1, 1024 * KI - 1, 1024 * KI, 1024 * KI + 1, 5 * 1024 * KI]
SESSION_HEADERS = ("Location", "Range", "Docker-Upload-UUID")

_source = random.Random(42).randbytes(6 * 1024 * KI)


def bytes_of(size, salt=0):
    """Different for every size and salt."""
    return (b"%d.%d." % (size, salt) + _source)[:size]


class Client:
    """Sends one body in one form."""

    def __init__(self, server, form):
        self.server = server
        self.form = form

    def send(self, method, path, body=b"", headers=()):
        return getattr(self, "_" + self.form)(method, path, body,
                                              dict(headers))

    def _length(self, method, path, body, headers):
        return http.request(self.server, method, path, headers, body)

    def _chunked(self, method, path, body, headers):
        # Odd sizes, so that framing falls everywhere in the buffers.
        pieces, start, size = [], 0, 1
        while start < len(body):
            pieces.append(body[start:start + size])
            start += size
            size = size * 3 % 70001 + 1
        return http.request(self.server, method, path, headers,
                            pieces=pieces)

    def _expect(self, method, path, body, headers):
        headers = {**headers, "Expect": "100-continue",
                   "Content-Length": str(len(body))}
        with http.Connection(self.server.host, self.server.port) as one:
            one.send(http.head(method, path, headers))
            if body:
                one.wait_for_continue()
                one.send(body)
            return one.read_response(method)

    def _http10(self, method, path, body, headers):
        headers = {**headers, "Content-Length": str(len(body))}
        head = http.head(method, path, headers).replace(
            b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)
        with http.Connection(self.server.host, self.server.port) as one:
            one.send(head + body)
            return one.read_response(method)

    def _h2(self, method, path, body, headers):
        return self._curl(method, path, body, headers, [])

    def _h2_no_length(self, method, path, body, headers):
        # From a pipe: curl does not know the length.
        return self._curl(method, path, body, headers,
                          ["-H", "Content-Length:", "-T", "-"])

    def _curl(self, method, path, body, headers, more):
        command = ["curl", "-sk", "--http2", "-i", "-X", method, "-m", "60",
                   "--path-as-is", self.server.url + path, "-H", "Expect:"]
        for key, value in headers.items():
            command += ["-H", f"{key}: {value}"]
        command += more or ["-H", "Content-Type: application/octet-stream",
                            "--data-binary", "@-"]
        done = subprocess.run(command, input=body, capture_output=True,
                              timeout=70, check=False)
        assert done.returncode == 0, done
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        line, _, fields = head.partition(b"\r\n")
        assert line.startswith(b"HTTP/2 "), line
        return http.Response(int(line.split()[1]), "",
                             http.Headers(http._fields(fields)), rest)


def check_session(answer, status, offset, uuid=None):
    assert answer.status == status, (answer.status, answer.body)
    last = max(offset - 1, 0)
    assert answer.headers["Range"] == f"0-{last}"
    location = answer.headers["Location"]
    assert location.startswith("/v2/")
    assert location.endswith(f"?offset={offset}")
    assert answer.headers["Docker-Upload-UUID"] in location
    if uuid:
        assert answer.headers["Docker-Upload-UUID"] == uuid
    return location


def start(repository, query=""):
    answer = repository.start_upload(query)
    return check_session(answer, 202, 0)


def finish_path(location, digest):
    return with_query(target(location), f"digest={digest}")


def check_blob(repository, data, algorithm="sha256"):
    name = oci.digest(data, algorithm)
    answer = repository.get_blob(name)
    assert answer.status == 200, answer.body
    assert answer.body == data
    folder = name.split(":")[1]
    path = (repository.server.root / "docker/registry/v2/blobs" / algorithm
            / folder[:2] / folder / "data")
    assert hashlib.new(algorithm, path.read_bytes()).hexdigest() == folder


def check_created(answer, digest):
    assert answer.status == 201, (answer.status, answer.body)
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Location"].endswith(f"/blobs/{digest}")


FORMS = ["length", "chunked", "expect", "http10"]
H2_FORMS = ["h2", "h2_no_length"]


def one_put(repository, client, data, location):
    digest = oci.digest(data)
    check_created(client.send("PUT", finish_path(location, digest), data),
                  digest)


def patch_then_put(repository, client, data, location):
    answer = client.send("PATCH", target(location), data)
    location = check_session(answer, 202, len(data))
    digest = oci.digest(data)
    check_created(repository.finish(location, digest), digest)


def patch_and_last_chunk(repository, client, data, location):
    middle = len(data) * 2 // 3
    answer = client.send("PATCH", target(location), data[:middle])
    location = check_session(answer, 202, middle)
    digest = oci.digest(data)
    check_created(client.send("PUT", finish_path(location, digest),
                              data[middle:]), digest)


def chunks_with_ranges(repository, client, data, location):
    step = max(1, len(data) // 3 + 1)
    for first in range(0, len(data), step):
        piece = data[first:first + step]
        answer = client.send(
            "PATCH", target(location), piece,
            {"Content-Range": f"{first}-{first + len(piece) - 1}"})
        location = check_session(answer, 202, first + len(piece))
    digest = oci.digest(data)
    check_created(repository.finish(location, digest), digest)


WAYS = [one_put, patch_then_put, patch_and_last_chunk, chunks_with_ranges]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("form", FORMS)
def test_matrix(registry, form, way):
    repository = oci.Repository(registry, f"m/{form}/{way.__name__}".replace(
        "_", "-"))
    client = Client(registry, form)
    for size in SIZES:
        data = bytes_of(size, hash((form, way.__name__)) % 1000)
        way(repository, client, data, start(repository))
        check_blob(repository, data)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("form", H2_FORMS)
def test_matrix_h2(registry_tls, form, way):
    repository = oci.Repository(
        registry_tls, f"m/{form}/{way.__name__}".replace("_", "-"))
    client = Client(registry_tls, form)
    for size in (0, 1, 65535, 65536, 65537, 256 * KI, 1024 * KI + 1,
                 5 * 1024 * KI):
        data = bytes_of(size, hash((form, way.__name__)) % 1000)
        way(repository, client, data, start(repository))
        check_blob(repository, data)


@pytest.mark.parametrize("form", FORMS)
def test_single_post(registry, form):
    repository = oci.Repository(registry, f"single/{form}")
    for size in SIZES:
        data = bytes_of(size, 77)
        digest = oci.digest(data)
        answer = Client(registry, form).send(
            "POST", f"{repository.base}/blobs/uploads/?digest={digest}", data)
        check_created(answer, digest)
        check_blob(repository, data)
    wait_until(lambda: not sessions(registry, repository),
               what="sessions removed, behind the answer")


def sessions(server, repository):
    folder = (server.root / "docker/registry/v2/repositories"
              / repository.name / "_uploads")
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_single_post_wrong_digest_leaves_nothing(registry, repo_name):
    repository = oci.Repository(registry, repo_name)
    digest = oci.digest(b"something else")
    answer = repository.call("POST", f"/blobs/uploads/?digest={digest}", (),
                             b"these bytes")
    assert (answer.status, answer.error_code()) == (400, "DIGEST_INVALID")
    assert repository.get_blob(digest).status == 404
    assert repository.get_blob(oci.digest(b"these bytes")).status == 404
    wait_until(lambda: not sessions(registry, repository),
               what="sessions removed, behind the answer")


@pytest.mark.parametrize("hint", ["", "?digest-algorithm=sha512"])
@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 65537, 3 * 1024 * KI])
def test_sha512(registry, hint, size):
    repository = oci.Repository(
        registry, "sha512/" + ("hint" if hint else "plain"))
    data = bytes_of(size, 512)
    digest = oci.digest(data, "sha512")
    location = start(repository, hint)
    answer = repository.patch(location, data) if size else None
    if answer:
        location = check_session(answer, 202, size)
    check_created(repository.finish(location, digest), digest)
    check_blob(repository, data, "sha512")
    # And by sha256, although the hint said otherwise.
    location = start(repository, hint)
    digest = oci.digest(data)
    check_created(repository.finish(location, digest, data), digest)
    check_blob(repository, data)


@pytest.fixture
def session(registry, repo_name):
    """(repository, location, data) of a session that holds 1000 bytes."""
    repository = oci.Repository(registry, repo_name)
    data = bytes_of(1000, len(repo_name))
    answer = repository.patch(start(repository), data, 0)
    return repository, check_session(answer, 202, 1000), data


def check_unmoved(repository, location, data):
    """The session still holds exactly `data` and can be finished."""
    check_session(repository.upload_status(location), 204, len(data))
    digest = oci.digest(data + b"tail")
    check_created(repository.finish(location, digest, b"tail"), digest)
    check_blob(repository, data + b"tail")


@pytest.mark.parametrize("span", ["0-9", "999-1008", "1001-1010",
                                  "1000-1008", "1000-1010", "2000-2009"])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_out_of_order(session, method, span):
    repository, location, data = session
    path = target(location)
    if method == "PUT":
        path = finish_path(location, oci.digest(b"x"))
    answer = repository.call(method, path, {"Content-Range": span},
                             b"0123456789")
    check_session(answer, 416, 1000)
    assert answer.error_code() == "RANGE_INVALID"
    check_unmoved(repository, location, data)


@pytest.mark.parametrize("span", ["1000-1008", "1000-1010"])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_chunked_body_unlike_its_range(session, method, span):
    repository, location, data = session
    path = target(location)
    if method == "PUT":
        path = finish_path(location, oci.digest(data + b"0123456789"))
    answer = repository.call(method, path, {"Content-Range": span},
                             pieces=[b"01234", b"56789"])
    check_session(answer, 416, 1000)
    check_unmoved(repository, location, data)


@pytest.mark.parametrize("span", ["", "x", "1000", "1009-1000", "-5", "1000-",
                                  "bytes=1000-1009", "1000-1009-",
                                  "18446744073709551616-18446744073709551625"])
def test_malformed_range(session, span):
    repository, location, data = session
    answer = repository.call("PATCH", target(location),
                             {"Content-Range": span}, b"0123456789")
    assert answer.status in (400, 416)
    assert answer.error_code()
    check_unmoved(repository, location, data)


def test_rfc_form_of_range(session):
    repository, location, data = session
    answer = repository.call("PATCH", target(location),
                             {"Content-Range": "bytes 1000-1003/*"}, b"more")
    check_session(answer, 202, 1004)


def test_replay_is_refused(session):
    repository, location, data = session
    first = repository.patch(location, b"once")
    check_session(first, 202, 1004)
    again = repository.patch(location, b"once")  # the old location
    check_session(again, 416, 1004)
    put = repository.finish(location, oci.digest(data + b"once"), b"once")
    check_session(put, 416, 1004)
    check_unmoved(repository, again.headers["Location"], data + b"once")


def test_without_offset_appends(session):
    repository, location, data = session
    bare = target(location).split("?")[0]
    check_session(repository.patch(bare, b"abc"), 202, 1003)
    check_session(repository.patch(bare, b"def"), 202, 1006)
    check_unmoved(repository, location.replace("=1000", "=1006"),
                  data + b"abcdef")


@pytest.mark.parametrize("offset", ["", "x", "-1", "1e3", "01000x",
                                    "18446744073709551616"])
def test_bad_offset(session, offset):
    repository, location, data = session
    path = target(location).split("?")[0] + "?offset=" + offset
    answer = repository.patch(path, b"abc")
    check_session(answer, 416, 1000)
    check_unmoved(repository, location, data)


def test_refused_chunk_leaves_no_lock(registry, repo_name):
    """Who has read the refusal may go on at once, in any worker."""
    answers = []

    def alternate(writer):
        repository = oci.Repository(registry, f"{repo_name}/{writer}")
        location = start(repository)
        stale = target(location).split("?")[0] + "?offset=99999"
        for _ in range(150):
            answers.append(repository.patch(stale, b"x").status)
            answer = repository.patch(location, b"y")
            answers.append(answer.status)
            location = answer.headers["Location"]
    writers = [threading.Thread(target=alternate, args=(i,))
               for i in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert answers.count(416) == answers.count(202) == len(answers) / 2 == 900


def test_wrong_digest_publishes_nothing(session):
    repository, location, data = session
    wrong = oci.digest(b"wrong")
    answer = repository.finish(location, wrong)
    assert (answer.status, answer.error_code()) == (400, "DIGEST_INVALID")
    assert repository.get_blob(wrong).status == 404
    assert repository.get_blob(oci.digest(data)).status == 404
    assert repository.upload_status(location).status == 404  # it is removed


@pytest.mark.parametrize("query", [
    "", "digest=", "digest=sha256:abc", "digest=md5:" + "0" * 32,
    "digest=sha256:" + "A" * 64, "digest=sha256:" + "g" * 64,
    "digest=sha384:" + "0" * 96, "digest=%zz", "Digest=sha256:" + "0" * 64])
def test_bad_digest(session, query):
    repository, location, data = session
    answer = repository.call("PUT", with_query(target(location), query))
    assert (answer.status, answer.error_code()) == (400, "DIGEST_INVALID")
    check_unmoved(repository, location, data)


def test_escaped_digest(session):
    repository, location, data = session
    digest = oci.digest(data)
    answer = repository.call("PUT", with_query(
        target(location), "digest=" + digest.replace(":", "%3A")))
    check_created(answer, digest)


def test_finished_session_is_gone(session):
    repository, location, data = session
    check_created(repository.finish(location, oci.digest(data)),
                  oci.digest(data))
    # Its folder goes just after the answer, for a repeated PUT.
    wait_until(lambda: repository.upload_status(location).status == 404)
    for answer in (repository.upload_status(location),
                   repository.patch(location, b"x"),
                   repository.finish(location, oci.digest(b"x"), b"x"),
                   repository.cancel(location)):
        assert (answer.status, answer.error_code()) == (
            404, "BLOB_UPLOAD_UNKNOWN")


def test_cancel(session):
    repository, location, data = session
    assert repository.cancel(location).status == 204
    for answer in (repository.upload_status(location),
                   repository.patch(location, b"x"),
                   repository.finish(location, oci.digest(data)),
                   repository.cancel(location)):
        assert (answer.status, answer.error_code()) == (
            404, "BLOB_UPLOAD_UNKNOWN")
    assert repository.get_blob(oci.digest(data)).status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "PUT", "DELETE"])
def test_unknown_session(registry, repo_name, method):
    repository = oci.Repository(registry, repo_name)
    path = "/blobs/uploads/00000000-0000-4000-8000-000000000000"
    if method == "PUT":
        path += f"?digest={oci.digest(b'')}"
    answer = repository.call(method, path)
    assert answer.status == 404
    if method != "HEAD":
        assert answer.error_code() == "BLOB_UPLOAD_UNKNOWN"


def test_session_belongs_to_its_repository(session, registry):
    repository, location, data = session
    path = target(location).replace(repository.name, "other/name")
    for method in ("GET", "PATCH", "DELETE"):
        assert repository.call(method, path).status == 404
    check_unmoved(repository, location, data)


def test_empty_patch(session):
    repository, location, data = session
    check_session(repository.patch(location, b""), 202, 1000)
    check_session(repository.call("PATCH", target(location), pieces=[]),
                  202, 1000)
    check_unmoved(repository, location, data)


def test_status(registry, repo_name):
    repository = oci.Repository(registry, repo_name)
    location = start(repository)
    check_session(repository.upload_status(location), 204, 0)
    location = check_session(repository.patch(location, b"x"), 202, 1)
    answer = repository.upload_status(location)
    check_session(answer, 204, 1)
    assert "Content-Length" not in answer.headers
    check_session(repository.call("HEAD", target(location)), 204, 1)


def test_second_writer_is_refused(session):
    """While one request writes, another gets 416 and changes nothing."""
    repository, location, data = session
    server = repository.server
    body = bytes_of(300_000, 5)
    with http.Connection(server.host, server.port) as slow:
        slow.send(http.head("PATCH", target(location), {
            "Content-Length": str(len(body)), "Expect": "100-continue"}))
        slow.wait_for_continue()
        slow.send(body[:1000])
        check_session(repository.patch(location, b""), 416, 1000)
        put = repository.finish(location, oci.digest(data))
        check_session(put, 416, 1000)
        slow.send(body[1000:])
        check_session(slow.read_response("PATCH"), 202, 1000 + len(body))
    check_unmoved(repository, location.replace("=1000", "=301000"),
                  data + body)


def test_many_writers_one_wins(session):
    repository, location, data = session
    pieces = [bytes_of(40_000, n) for n in range(8)]
    answers = {}

    def write(n):
        answers[n] = repository.patch(location, pieces[n])
    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [n for n in range(8) if answers[n].status == 202]
    assert len(won) == 1, [a.status for a in answers.values()]
    assert all(answers[n].status == 416 for n in range(8) if n not in won)
    location = answers[won[0]].headers["Location"]
    check_unmoved(repository, location, data + pieces[won[0]])


def test_same_blob_at_once(registry, repo_name):
    """Many clients push the same bytes: all get 201, one file stays."""
    repository = oci.Repository(registry, repo_name)
    data = bytes_of(700_000, 9)
    digest = oci.digest(data)
    locations = [start(repository) for _ in range(8)]
    answers = []

    def push(location):
        answers.append(repository.finish(location, digest, data))
    threads = [threading.Thread(target=push, args=(one,))
               for one in locations]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers:
        check_created(answer, digest)
    check_blob(repository, data)


def test_too_large(make_registry):
    server = make_registry(location_directives="registry_upload_max 100k;")
    repository = oci.Repository(server, "limit/one")
    whole = bytes_of(100 * KI)
    location = start(repository)
    for pieces in (None, [whole, b"x"]):
        answer = repository.call(
            "PATCH", target(location), (),
            b"" if pieces else whole + b"x", pieces)
        assert answer.status == 413, answer
        assert answer.error_code() == "SIZE_INVALID"
        check_session(repository.upload_status(location), 204, 0)
    location = check_session(repository.patch(location, whole[:-1]), 202,
                             len(whole) - 1)
    assert repository.patch(location, b"ab").status == 413
    check_created(repository.finish(location, oci.digest(whole), whole[-1:]),
                  oci.digest(whole))
    check_blob(repository, whole)


def test_pipelined_request_after_body(registry, repo_name):
    repository = oci.Repository(registry, repo_name)
    for pieces in (False, True):
        location = start(repository)
        body = bytes_of(200_000, 3)
        headers = ({"Transfer-Encoding": "chunked"} if pieces else
                   {"Content-Length": str(len(body))})
        sent = http.chunked([body[:777], body[777:]]) if pieces else body
        with http.Connection(registry.host, registry.port) as one:
            one.send(http.head("PATCH", target(location), headers) + sent
                     + http.head("GET", target(location)))
            check_session(one.read_response("PATCH"), 202, len(body))
            check_session(one.read_response("GET"), 204, len(body))


def test_connection_lives_on_after_refusal(session):
    repository, location, data = session
    server = repository.server
    with http.Connection(server.host, server.port) as one:
        for _ in range(3):
            answer = one.request("PATCH", target(location),
                                 {"Content-Range": "5-9"}, b"01234")
            assert answer.status == 416
        check_session(one.request("GET", target(location)), 204, 1000)


def test_bad_chunk_framing(session):
    repository, location, data = session
    server = repository.server
    with http.Connection(server.host, server.port) as one:
        one.send(http.head("PATCH", target(location),
                           {"Transfer-Encoding": "chunked"})
                 + b"4\r\nabcd\r\nZZZ\r\n")
        assert one.read_response("PATCH").status == 400
    # What came before the nonsense may be kept.
    answer = repository.upload_status(location)
    assert answer.headers["Range"] in ("0-999", "0-1003")
    kept = data + (b"abcd" if answer.headers["Range"] == "0-1003" else b"")
    check_unmoved(repository, answer.headers["Location"], kept)
