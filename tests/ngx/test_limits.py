"""nginx's own limits before the registry: the protocol's error, in time."""

import json
import threading

import pytest

from harness import http
from harness.server import Registry

pytestmark = [pytest.mark.ours]


@pytest.fixture(scope="module")
def server():
    with Registry(
            workers=1, daemon_config='auth = "off"\n',
            http_directives="limit_req_zone $binary_remote_addr zone=r:1m"
            " rate=1r/m; limit_conn_zone $binary_remote_addr zone=c:1m;",
            locations="location /v2/slow/ { registry on;"
            " limit_req zone=r burst=2 nodelay; limit_req_status 429; }"
            "location /v2/few/ { registry on; limit_conn c 1;"
            " limit_conn_status 429; }") as one:
        yield one


def check(answer):
    assert answer.status == 429
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
    error = json.loads(answer.body)["errors"][0]
    assert error["code"] == "TOOMANYREQUESTS"
    assert "<html" not in answer.body.decode()


def test_limit_req(server):
    server.allow_log("limiting requests")
    seen = [http.request(server, "GET", "/v2/slow/a/tags/list")
            for _ in range(6)]
    assert [one.status for one in seen[:3]] == [404] * 3
    for one in seen[3:]:
        check(one)
    head = http.request(server, "HEAD", "/v2/slow/a/manifests/x")
    assert (head.status, head.body) == (429, b"")
    check(http.request(server, "POST", "/v2/slow/a/blobs/uploads/"))
    # Elsewhere nothing is limited.
    assert http.request(server, "GET", "/v2/a/tags/list").status == 404


def test_limit_conn(server):
    server.allow_log("limiting connections")
    # An upload that has not ended holds the one connection.
    start = http.request(server, "POST", "/v2/few/a/blobs/uploads/")
    assert start.status == 202
    with http.Connection(server.host, server.port) as busy:
        busy.send(http.head("PATCH", start.headers["Location"],
                            [("Content-Length", "10")], busy.name) + b"12345")
        ended = threading.Event()
        threading.Timer(20, ended.set).start()
        while not ended.is_set():
            answer = http.request(server, "GET", "/v2/few/a/tags/list")
            if answer.status == 429:
                break
        check(answer)
