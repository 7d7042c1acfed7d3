"""What a hostile client sends to /api/v1, and what may be found of secrets."""

import json
from pathlib import Path

import pytest

from harness import http
from harness.api import JSON, MOUNT, ApiServer
from harness.authorized import bearer

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def server():
    with ApiServer(1) as one:
        yield one


def nested(depth):
    return b'{"name":' + b"[" * depth + b"]" * depth + b"}"


BODIES = [
    (b"", 400), (b" ", 400), (b"null", 400), (b"[]", 400), (b'"x"', 400),
    (b"{", 400), (b"{}x", 400), (b"{}{}", 400), (b"{'name':'a'}", 400),
    (b'{"name":"a",}', 400), (b'{"name":"a"} // x', 400),
    (b'\xef\xbb\xbf{"name":"a"}', 400), (b'{"name":"a\x00"}', 400),
    (b'{"name":"\\u0000"}', 400), (b'{"name":"a\\nb"}', 400),
    (b'{"name":"\xff\xfe"}', 400), (b'{"name":"\xc0\xaf"}', 400),
    (b'{"name":"\\ud800"}', 400), (b'{"name":"\xed\xa0\x80"}', 400),
    (b'{"name":"a","name":"b"}', 400), (b'{"name":"a","n\\u0061me":"b"}', 400),
    (b'{"name":1e400}', 400), (b'{"name":1.5}', 400), (b'{"name":NaN}', 400),
    (b'{"name":99999999999999999999}', 400),
    (nested(5), 400), (nested(20000), 400),
    (b'{"name":[' + b"1," * 2000 + b"1]}", 400),
    (nested(1), 422), (b"{}", 422), (b'{"name":null}', 422),
    (b'{"name":1}', 422), (b'{"name":true}', 422), (b'{"name":{}}', 422),
    (b'{"name":""}', 422), (b'{"name":"a/b"}', 422), (b'{"name":"a b"}', 422),
    (b'{"name":".."}', 422), (b'{"name":"\xc3\xa9"}', 422),
    (b'{"name":"' + b"a" * 129 + b'"}', 422),
    (b'{"name":"x","kind":"admin"}', 422), (b'{"Name":"x"}', 422),
    (b'{"name":"x","__proto__":{}}', 422),
    (b'{"name":"x","password":null}', 422),
    (b'{"name":"anonymous"}', 409), (b'{"name":"authenticated"}', 409),
    (b'{"name":"' + b"a" * 70000 + b'"}', 413),
]


@pytest.mark.parametrize("kind", ["users", "groups"])
def test_bodies(server, kind):
    before = server.done("GET", f"/{kind}", status=200)
    for body, status in BODIES:
        if kind == "groups" and b"password" in body:
            continue
        answer = server.call("POST", f"/{kind}", body=body)
        assert answer.status == status, (body[:60], answer.status)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status
    assert server.done("GET", f"/{kind}", status=200) == before


def test_a_length_that_is_not_told(server):
    headers = {**server.who("root"), **JSON}
    for body, status in ((b'{"name":1}', 422), (b" " * 70000, 413),
                         (b"", 400)):
        pieces = [body[at:at + 9000] for at in range(0, len(body), 9000)]
        answer = http.request(server, "POST", MOUNT + "/users", headers,
                              pieces=pieces)
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("kind", [
    None, "text/plain", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x", "application/jsonx",
    "application/json, text/plain", "application/json; charset=utf-16",
    "text/plain; application/json", "application/problem+json"])
def test_only_json_is_read(server, kind):
    """A page of another site can send anything else with our credentials."""
    headers = {**server.who("root"), **({"Content-Type": kind} if kind else {})}
    answer = http.request(server, "POST", MOUNT + "/users", headers,
                          b'{"name":"forged"}')
    assert answer.status == 415
    server.done("GET", "/users/forged", status=404)


def test_no_other_page_is_let_in(server):
    answer = server.call("OPTIONS", "/users", None, **{
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "DELETE"})
    assert answer.status in (401, 405)
    for method, path in (("GET", "/users"), ("OPTIONS", "/users")):
        answer = server.call(method, path, Origin="https://evil.example")
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_queries(server):
    for query, status in (("?x=1", 422), ("?principal=root&principal=root",
                                          422), ("?principal=%zz", 422),
                          ("?principal=a%00", 422), ("?n=%31", 200),
                          ("?principal=" + "a" * 200, 422), ("?&&", 422),
                          ("?principal=nobody-here", 404), ("?", 200)):
        answer = server.call("GET", "/tokens" + query)
        assert answer.status == status, (query, answer.status, answer.body)
    assert server.call("GET", "/me?x=1").status == 422


def test_a_body_where_none_is_read(server):
    for method, path in (("GET", "/me"), ("DELETE", "/users/nobody-here")):
        assert server.call(method, path, body=b"{}").status == 400


def test_no_secret_is_in_any_log(server):
    canary = "canary-password-93f1"
    made = server.token("root", name="of the canary")
    who = bearer(made["token"])
    server.done("POST", "/users", who, {"name": "canary",
                                        "password": canary}, 201)
    server.done("PUT", "/users/canary/password", who,
                {"password": canary + "-2"})
    server.done("POST", "/users", who, {"name": "canary",
                                        "password": canary}, 409)
    server.done("POST", "/users", who, {"name": "x", "password": canary,
                                        canary: 1}, 422)
    server.done("PUT", "/me/password", "canary", {
        "old": canary, "new": canary + "-3"}, 401)
    server.done("POST", "/tokens/revoke", body={"token": made["token"]})
    server.done("POST", "/tokens/revoke", body={"token": made["token"]},
                status=404)
    seen = json.dumps(server.done("GET", "/users", status=200))
    seen += json.dumps(server.done("GET", "/tokens", status=200))
    assert canary not in seen and made["token"] not in seen
    files = [path for path in Path(server.root).parent.rglob("*")
             if path.is_file()]
    for path in files:
        text = path.read_bytes()
        assert canary.encode() not in text, path
        assert made["token"].encode() not in text, path
    logs = [path for path in files if path.suffix == ".log"]
    assert any(b"/api/v1/users" in path.read_bytes() for path in logs), logs
