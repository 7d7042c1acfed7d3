"""Blob GET and HEAD: ranges, conditions, headers. oci.md has the matrix of
what lazy pullers send; every body is compared byte by byte."""

import random

import pytest

from harness import http, oci

pytestmark = [pytest.mark.ours, pytest.mark.sanitize]

SIZE = 300_001


@pytest.fixture(scope="module")
def blob(registry):
    """(server, target, bytes, digest) of one blob in one repository."""
    data = random.Random(7).randbytes(SIZE)
    repository = oci.Repository(registry, "range/one")
    name = repository.push_blob(data)
    return registry, f"/v2/range/one/blobs/{name}", data, name


@pytest.fixture(scope="module")
def small(registry):
    data = random.Random(8).randbytes(2048)
    name = oci.Repository(registry, "range/small").push_blob(data)
    return registry, f"/v2/range/small/blobs/{name}", data, name


def get(blob, ranges=None, method="GET", **headers):
    pairs = {key.replace("_", "-"): value for key, value in headers.items()}
    if ranges is not None:
        pairs["Range"] = ranges
    return http.request(blob[0], method, blob[1], pairs)


def test_whole(blob):
    answer = get(blob)
    assert answer.status == 200
    assert answer.body == blob[2]
    head = answer.headers
    assert head["Content-Type"] == "application/octet-stream"
    assert head["Docker-Content-Digest"] == blob[3]
    assert head["ETag"] == f'"{blob[3]}"'
    assert head["Accept-Ranges"] == "bytes"
    assert head["Cache-Control"] == "private, max-age=31536000, immutable"
    assert head["Docker-Distribution-API-Version"] == "registry/2.0"
    assert "Content-Encoding" not in head
    for name, _ in head:
        assert len(head.all(name)) == 1, f"{name} twice"


def test_head_is_whole(blob):
    for ranges in (None, "bytes=0-1", "bytes=5-5,7-9", f"bytes={SIZE}-"):
        answer = get(blob, ranges, method="HEAD")
        assert answer.status == 200
        assert answer.headers["Content-Length"] == str(SIZE)
        assert "Content-Range" not in answer.headers
        assert answer.headers["Docker-Content-Digest"] == blob[3]


@pytest.mark.parametrize("ranges, first, last", [
    ("500-1499", 500, 1499), ("500-", 500, 2047), ("-500", 1548, 2047),
    ("2000-5000", 2000, 2047), ("0-0", 0, 0), ("2047-2047", 2047, 2047),
    ("0-", 0, 2047), ("-2048", 0, 2047), ("-9999", 0, 2047),
    ("0-18446744073709551616", 0, 2047), ("0-2047", 0, 2047),
    (" 5-6 ", 5, 6), ("0-1,", 0, 1), (",0-1", 0, 1),
    ("0-1,5000-6000", 0, 1),
])
def test_single(small, ranges, first, last):
    answer = get(small, f"bytes={ranges}")
    assert answer.status == 206
    assert answer.body == small[2][first:last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/2048"
    assert answer.headers["Content-Length"] == str(last - first + 1)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["ETag"] == f'"{small[3]}"'


@pytest.mark.parametrize("ranges", [
    "500-0", "5000-10000", "2048-", "-0", "2048-2048,9999-",
    "18446744073709551616-"])
def test_unsatisfiable(small, ranges):
    answer = get(small, f"bytes={ranges}")
    assert answer.status == 416
    assert answer.headers["Content-Range"] == "bytes */2048"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.error_code() == "RANGE_INVALID"
    assert "Cache-Control" not in answer.headers
    assert "ETag" not in answer.headers
    # The connection and the blob are as before.
    assert get(small, "bytes=0-0").body == small[2][:1]


@pytest.mark.parametrize("ranges", [
    "bytes", "bytes=", "bytes=a-b", "bytes=1", "items=0-5", "bytes=--5",
    "bytes=0-1;2-3", "bytes=+1-2", "bytes 0-5", "bytes=,,,"])
def test_not_a_range_is_whole(small, ranges):
    answer = get(small, ranges)
    assert answer.status == 200
    assert answer.body == small[2]


def check_parts(answer, data, ranges):
    assert answer.status == 206
    assert "Content-Range" not in answer.headers
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    parts = answer.parts()
    assert len(parts) == len(ranges)
    for (head, body), (first, last) in zip(parts, ranges):
        assert head["Content-Range"] == f"bytes {first}-{last}/{len(data)}"
        assert head["Content-Type"] == "application/octet-stream"
        assert body == data[first:last + 1]


def test_order_kept_nothing_merged(blob):
    ranges = [(900, 999), (0, 9), (5, 20), (5, 20), (21, 30), (0, 0),
              (SIZE - 1, SIZE - 1), (0, SIZE - 1)]
    answer = get(blob, "bytes=" + ",".join(f"{a}-{b}" for a, b in ranges))
    check_parts(answer, blob[2], ranges)


def test_unsatisfiable_among_others_left_out(blob):
    answer = get(blob, f"bytes=0-3,{SIZE}-,7-9")
    check_parts(answer, blob[2], [(0, 3), (7, 9)])


@pytest.mark.parametrize("count", [2, 3, 512, 1024])
def test_many(blob, count):
    rng = random.Random(count)
    ranges = []
    for _ in range(count):
        first = rng.randrange(SIZE - 300)
        ranges.append((first, first + rng.randrange(300)))
    answer = get(blob, "bytes=" + ",".join(f"{a}-{b}" for a, b in ranges))
    check_parts(answer, blob[2], ranges)


def test_too_many(blob):
    ranges = ",".join(f"{i}-{i}" for i in range(1025))
    answer = get(blob, f"bytes={ranges}")
    assert answer.status == 400
    assert answer.error_code() is not None


def test_boundary_is_not_repeated(blob):
    kinds = {get(blob, "bytes=0-1,3-4").headers["Content-Type"]
             for _ in range(5)}
    assert len(kinds) == 5


def test_keep_alive_after_each_form(blob):
    with http.Connection(blob[0].host, blob[0].port) as connection:
        for ranges, status in (("bytes=0-9", 206), ("bytes=0-9,20-29", 206),
                               ("bytes=999999-", 416), (None, 200),
                               ("bytes=-1", 206)):
            head = {"Range": ranges} if ranges else {}
            assert connection.request("GET", blob[1], head).status == status


@pytest.mark.parametrize("value, status", [
    ("*", 304), ('"{d}"', 304), ('W/"{d}"', 304),
    ('"other", "{d}"', 304), ('"other"', 200), ('"{d}', 200), ("{d}", 200)])
def test_if_none_match(small, value, status):
    for method in ("GET", "HEAD"):
        answer = get(small, method=method,
                     If_None_Match=value.replace("{d}", small[3]))
        assert answer.status == status
        assert answer.headers["ETag"] == f'"{small[3]}"'
        if status == 304:
            assert answer.body == b""
            assert "Content-Type" not in answer.headers


@pytest.mark.parametrize("value, status", [
    ("*", 200), ('"{d}"', 200), ('"a","{d}"', 200), ('W/"{d}"', 412),
    ('"other"', 412)])
def test_if_match(small, value, status):
    answer = get(small, If_Match=value.replace("{d}", small[3]))
    assert answer.status == status


def test_conditions_come_before_ranges(small):
    tag = f'"{small[3]}"'
    assert get(small, "bytes=0-1", If_None_Match=tag).status == 304
    assert get(small, "bytes=9999-", If_None_Match=tag).status == 304
    assert get(small, "bytes=0-1", If_Match='"x"').status == 412


@pytest.mark.parametrize("value, status", [
    ('"{d}"', 206), ('W/"{d}"', 200), ('"other"', 200),
    ("Wed, 21 Oct 2015 07:28:00 GMT", 200)])
def test_if_range(small, value, status):
    answer = get(small, "bytes=10-19",
                 If_Range=value.replace("{d}", small[3]))
    assert answer.status == status
    assert answer.body == (small[2][10:20] if status == 206 else small[2])


def test_empty_blob(registry):
    name = oci.Repository(registry, "range/empty").push_blob(b"")
    blob = (registry, f"/v2/range/empty/blobs/{name}", b"", name)
    answer = get(blob)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == "0"
    assert get(blob, method="HEAD").headers["Content-Length"] == "0"
    for ranges in ("bytes=0-", "bytes=0-0", "bytes=-1"):
        answer = get(blob, ranges)
        assert answer.status == 416
        assert answer.headers["Content-Range"] == "bytes */0"


def test_not_compressed(make_registry):
    server = make_registry(
        http_directives="gzip on; gzip_types *; gzip_min_length 1;")
    data = b"a" * 50_000
    name = oci.Repository(server, "range/text").push_blob(data)
    answer = http.request(server, "GET", f"/v2/range/text/blobs/{name}",
                          {"Accept-Encoding": "gzip, zstd"})
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Content-Length"] == "50000"
    assert answer.body == data
    assert answer.headers["ETag"] == f'"{name}"'


def test_other_repository_does_not_have_it(small):
    answer = http.request(small[0], "GET", f"/v2/range/none/blobs/{small[3]}")
    assert answer.status == 404
    assert answer.error_code() in ("BLOB_UNKNOWN", "NAME_UNKNOWN")


def test_deleted_blob_is_gone_at_once(registry):
    repository = oci.Repository(registry, "range/gone")
    for turn in range(5):
        data = b"gone %d" % turn
        name = repository.push_blob(data)
        for _ in range(4):  # fills the open-file caches of both workers
            assert repository.get_blob(name).body == data
        assert repository.call("DELETE", f"/blobs/{name}").status == 202
        for _ in range(8):
            assert repository.get_blob(name).status == 404


def test_client_that_leaves_is_no_error(blob):
    for _ in range(20):
        with http.Connection(blob[0].host, blob[0].port) as connection:
            connection.send(http.head("GET", blob[1]))
            connection.sock.recv(100)
    assert get(blob).status == 200
    for line in blob[0].error_log.read_text().splitlines():
        assert "[error]" not in line, line
