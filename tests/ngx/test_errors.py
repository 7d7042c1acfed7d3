"""Errors that nginx makes by itself are OCI documents under /v2/."""

import pytest

from harness import http
from harness.server import Registry

pytestmark = pytest.mark.ours

LIMITS = """
limit_req_zone $binary_remote_addr zone=slow:1m rate=1r/m;
limit_req_status 429;
"""
LOCATIONS = """
location /v2/denied/ { deny all; }
location /v2/slow/ { registry on; limit_req zone=slow; }
location /v2/small/ { registry on; client_max_body_size 10; }
location /v2/internal/ { internal; }
location /v2/proxied/ { proxy_pass http://127.0.0.1:9; }
location /v2/teapot/ { return 418; }
location /v2/broken/ { return 500; }
location /v2/gone/ { return 503; }
location /v2/readonly/ { registry on; limit_except GET HEAD { deny all; } }
location /v2/json/ { default_type application/json; return 403 '{"own":1}'; }
location /v2/length/ { return 411; }
location /v2/static/ { alias ./; }
location /other/ { return 404; }
location = /50x.html { return 200 "<html>sorry</html>"; }
"""
SERVER = "error_page 500 502 504 /50x.html;"


@pytest.fixture(scope="module")
def server():
    with Registry(workers=1, http_directives=LIMITS, locations=LOCATIONS,
                  server_directives=SERVER) as made:
        yield made


def raw(server, data, method="GET"):
    with http.Connection(server.host, server.port, timeout=20) as link:
        link.send(data)
        return link.read_response(method)


def check(answer, status, code):
    assert answer.status == status, (answer.status, answer.body)
    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.headers["Docker-Distribution-API-Version"]
            == "registry/2.0")
    assert len(answer.headers.all("Docker-Distribution-API-Version")) == 1
    document = answer.json()
    assert list(document) == ["errors"]
    assert document["errors"][0]["code"] == code
    assert document["errors"][0]["message"]
    assert int(answer.headers["Content-Length"]) == len(answer.body)


@pytest.mark.parametrize("data,status,code", [
    (b"GET /v2/ HTTP/1.1\r\nBad Header\x01: x\r\nHost: a\r\n\r\n", None, None),
    (b"GET /v2/ HTTP/1.1\r\n\r\n", 400, "UNSUPPORTED"),
    (b"\x16\x03\x01\r\n\r\n", 400, "UNSUPPORTED"),
    (b"GET /v2/%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "UNSUPPORTED"),
    (b"GET /v2/../../x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "UNSUPPORTED"),
    (b"GET /v2/\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "UNSUPPORTED"),
    (b"GET /v2/ HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "UNSUPPORTED"),
    (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400,
     "UNSUPPORTED"),
    (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400,
     "UNSUPPORTED"),
    (b"PUT /v2/a/manifests/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n", 400, "UNSUPPORTED"),
    (b"GET /v2/" + b"a" * 40000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414,
     "NAME_INVALID"),
    (b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40000 + b"\r\n\r\n", 431,
     "SIZE_INVALID"),
    (b"TRACE /v2/a/tags/list HTTP/1.1\r\nHost: a\r\n\r\n", 405,
     "UNSUPPORTED"),
    (b"GET /v2/small/manifests/x HTTP/1.1\r\nHost: a\r\n"
     b"Content-Length: 11\r\n\r\n12345678901", 413, "SIZE_INVALID"),
    (b"GET /v2/denied/x HTTP/1.1\r\nHost: a\r\n\r\n", 403, "DENIED"),
    (b"GET /v2/internal/x HTTP/1.1\r\nHost: a\r\n\r\n", 404, "NAME_UNKNOWN"),
    (b"GET /v2/broken/x HTTP/1.1\r\nHost: a\r\n\r\n", 500, "UNKNOWN"),
    (b"POST /v2/length/x HTTP/1.1\r\nHost: a\r\n\r\n", 411,
     "SIZE_INVALID"),
    (b"GET /v2/static/nginx.conf HTTP/1.1\r\nHost: a\r\n"
     b"Range: bytes=99999999-\r\n\r\n", 416, "RANGE_INVALID"),
    (b"GET /v2/static/nginx.conf HTTP/1.1\r\nHost: a\r\n"
     b"Range: bytes=9-5\r\n\r\n", 416, "RANGE_INVALID"),
    (b"GET /v2/teapot/x HTTP/1.1\r\nHost: a\r\n\r\n", 418, "UNKNOWN"),
    (b"GET /v2/proxied/x HTTP/1.1\r\nHost: a\r\n\r\n", 502, "UNKNOWN"),
    (b"PUT /v2/readonly/manifests/x HTTP/1.1\r\nHost: a\r\n"
     b"Content-Length: 0\r\n\r\n", 403, "DENIED"),
    (b"GET /v2/a/tags/list HTTP/1.1\r\nHost: a\r\n"
     b"Transfer-Encoding: gzip\r\n\r\n", 501, "UNKNOWN"),
], ids=lambda value: repr(value)[:50])
def test_made_by_nginx(server, data, status, code):
    server.allow_log("connect\\(\\) failed")
    answer = raw(server, data)
    if status is None:  # an ignored header, not an error
        assert answer.status in (200, 400)
        if answer.status == 400:
            check(answer, 400, "UNSUPPORTED")
        return
    check(answer, status, code)


def test_405_says_what_is_allowed(server):
    answer = raw(server, b"TRACE /v2/a/manifests/x HTTP/1.1\r\n"
                         b"Host: a\r\n\r\n")
    assert answer.headers["Allow"] == "GET, HEAD, PUT, DELETE"


@pytest.mark.parametrize("method,path,allow", [
    ("PUT", "/v2/", "GET, HEAD"),
    ("POST", "/v2/_catalog", "GET, HEAD"),
    ("POST", "/v2/a/manifests/x", "GET, HEAD, PUT, DELETE"),
    ("PUT", "/v2/a/blobs/sha256:" + "0" * 64, "GET, HEAD, DELETE"),
    ("GET", "/v2/a/blobs/uploads/", "POST"),
    ("POST", "/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000",
     "GET, HEAD, PATCH, PUT, DELETE"),
    ("DELETE", "/v2/a/tags/list", "GET, HEAD"),
    ("PATCH", "/v2/a/referrers/sha256:" + "0" * 64, "GET, HEAD"),
    ("OPTIONS", "/v2/a/tags/list", "GET, HEAD"),
    ("BREW", "/v2/a/tags/list", "GET, HEAD"),
])
def test_405_of_ours(server, method, path, allow):
    answer = http.request(server, method, path)
    check(answer, 405, "UNSUPPORTED")
    assert answer.headers["Allow"] == allow


@pytest.mark.parametrize("method,path,status,code", [
    ("GET", "/v2/A/tags/list", 400, "NAME_INVALID"),
    ("GET", "/v2/a/blobs/sha256:zz", 400, "DIGEST_INVALID"),
    ("GET", "/v2/a/manifests/sha256:zz", 400, "DIGEST_INVALID"),
    ("GET", "/v2/a/manifests/.bad", 404, "MANIFEST_UNKNOWN"),
    ("PUT", "/v2/a/manifests/.bad", 400, "TAG_INVALID"),
    ("GET", "/v2/a/referrers/latest", 400, "DIGEST_INVALID"),
    ("PATCH", "/v2/a/blobs/uploads/x", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("GET", "/v2/a%2fb/tags/list", 400, "NAME_INVALID"),
    ("GET", "/v2/a/%2e%2e/tags/list", 400, "NAME_INVALID"),
    ("GET", "/v2/nothing", 404, "NAME_UNKNOWN"),
    ("GET", "/nothing", 404, "NAME_UNKNOWN"),
])
def test_bad_targets(server, method, path, status, code):
    answer = http.request(server, method, path)
    assert (answer.status, answer.error_code()) == (status, code)


def test_416_says_how_much_there_is(server):
    """Of a file that nginx serves by itself: its Content-Range stays."""
    size = server.conf.stat().st_size
    with http.Connection(server.host, server.port) as link:
        answer = link.request("GET", "/v2/static/nginx.conf",
                              {"Range": f"bytes={size}-"})
        check(answer, 416, "RANGE_INVALID")
        assert answer.headers["Content-Range"] == f"bytes */{size}"
        assert "ETag" not in answer.headers
        # The connection goes on, and one byte less is there.
        answer = link.request("GET", "/v2/static/nginx.conf",
                              {"Range": f"bytes={size - 1}-"})
        assert (answer.status, answer.body) == (206, b"\n")


def test_head_has_no_body(server):
    with http.Connection(server.host, server.port) as link:
        answer = link.request("HEAD", "/v2/denied/x")
        assert answer.status == 403
        assert answer.headers["Content-Type"] == "application/json"
        length = int(answer.headers["Content-Length"])
        # The next answer begins where the first one ended.
        again = link.request("GET", "/v2/denied/x")
        check(again, 403, "DENIED")
        assert len(again.body) == length


def test_head_of_400_has_no_body(server):
    with http.Connection(server.host, server.port) as link:
        link.send(b"HEAD /v2/ HTTP/1.1\r\nHost: a/b\r\n\r\n")
        answer = link.read_response("HEAD")
        assert answer.status == 400
        assert answer.headers["Content-Type"] == "application/json"
        assert link.at_end() and link.buffer == b""


def test_429_and_503_say_when(server):
    answers = [http.request(server, "GET", "/v2/slow/manifests/x")
               for _ in range(3)]
    limited = [a for a in answers if a.status == 429]
    assert limited
    check(limited[0], 429, "TOOMANYREQUESTS")
    assert int(limited[0].headers["Retry-After"]) > 0
    answer = http.request(server, "GET", "/v2/gone/x")
    check(answer, 503, "UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) > 0


def test_408(make_registry):
    """A header that stops in the middle."""
    server = make_registry(http_directives="client_header_timeout 1s;")
    with http.Connection(server.host, server.port, timeout=20) as link:
        link.send(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX: ")
        try:
            answer = link.read_response()
        except http.Closed:
            return  # a header that never ends: nginx closes without a word
        check(answer, 408, "UNAVAILABLE")


def test_own_json_stays(server):
    answer = http.request(server, "GET", "/v2/json/x")
    assert (answer.status, answer.body) == (403, b'{"own":1}')


def test_other_paths_stay(server):
    answer = http.request(server, "GET", "/other/x")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "text/html"
    assert "Docker-Distribution-API-Version" not in answer.headers


def test_refused_body_leaves_the_connection_usable(server):
    """The rest of a body is not taken for the next request."""
    with http.Connection(server.host, server.port) as link:
        body = b"GET /v2/smuggled HTTP/1.1\r\nHost: a\r\n\r\n" * 50
        answer = link.request("PUT", "/v2/A/manifests/x", body=body)
        check(answer, 400, "NAME_INVALID")
        if not answer.will_close:
            assert link.request("GET", "/v2/").body == b"{}"


def test_expect_is_answered_without_continue(server):
    answer = raw(server, b"PUT /v2/A/manifests/x HTTP/1.1\r\nHost: a\r\n"
                         b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n",
                 "PUT")
    assert answer.interim == []
    check(answer, 400, "NAME_INVALID")
    assert answer.will_close


def test_1024_ranges_pass_the_header_limit(server):
    ranges = ",".join(f"{10 ** 8 + i}-{10 ** 8 + i}" for i in range(1024))
    answer = http.request(server, "GET", "/v2/", {"Range": "bytes=" + ranges})
    assert answer.status == 200
