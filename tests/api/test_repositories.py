"""Repositories of packages over /api/v1: their life, what they hold, who may
see and change it, and that a change is in force when its answer arrives."""

import re
import urllib.parse

import pytest

from harness import http
from harness.api import MOUNT, ApiServer
from harness.server import Registry

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def server():
    with ApiServer(1) as one:
        yield one


def make(server, name, **more):
    return server.done("POST", "/repositories", body={
        "name": name, "format": "generic", **more}, status=201)


def put(server, path, body=b"bytes", who="root"):
    answer = http.request(server, "PUT", f"/generic/{path}",
                          server.who(who), body)
    assert answer.status == 201, answer.body


def get(server, path, who="root"):
    return http.request(server, "GET", f"/generic/{path}",
                        server.who(who) if who else {}).status


def pages(server, path, member, who="root"):
    """All entries of a list by its Link headers, and how many pages."""
    found, count = [], 0
    while path:
        answer = server.call("GET", path, who)
        assert answer.status == 200, answer.body
        found += answer.json()[member]
        count += 1
        link = answer.headers.get("Link", "")
        hit = re.fullmatch(rf'<{MOUNT}(\S+)>; rel="next"', link)
        assert bool(hit) == bool(link), link
        path = hit and hit[1]
    return found, count


def test_life_of_a_repository(server):
    answer = server.call("POST", "/repositories", body={
        "name": "life", "format": "generic", "description": "ours",
        "settings": {"overwrite": True}})
    assert answer.status == 201
    assert answer.headers["Location"] == MOUNT + "/repositories/life"
    made = answer.json()
    assert made["settings"] == {"overwrite": True}
    assert server.done("GET", "/repositories/life", status=200) == made
    assert server.call("POST", "/repositories", body={
        "name": "life", "format": "generic"}).status == 409
    for body in (b"one", b"two"):
        put(server, "life/a/1/f", body)
    changed = server.done("PATCH", "/repositories/life", body={
        "settings": {}}, status=200)
    assert changed["settings"] == {} and changed["description"] == "ours"
    refused = http.request(server, "PUT", "/generic/life/a/1/f",
                           server.who("root"), b"three")
    assert refused.status == 409
    assert get(server, "life/a/1/f") == 200
    assert server.call("DELETE", "/repositories/life").status == 409
    assert get(server, "life/a/1/f") == 200
    server.done("DELETE", "/repositories/life?packages=true")
    # nginx kept it until then.
    assert get(server, "life/a/1/f") == 404
    assert server.call("GET", "/repositories/life").status == 404
    assert server.call("DELETE", "/repositories/life").status == 404


@pytest.mark.parametrize("body, pointer", [
    ({"name": "Upper", "format": "generic"}, "/name"),
    ({"name": "a/b", "format": "generic"}, None),
    ({"name": "ok-1", "format": "none"}, None),
    ({"name": "ok-1", "format": "oci"}, None),
    ({"name": "ok-1", "format": "generic", "settings": []}, "/settings"),
    ({"format": "generic"}, "/name")])
def test_a_wrong_wish_is_422(server, body, pointer):
    answer = server.call("POST", "/repositories", body=body)
    assert answer.status == 422, answer.body
    assert answer.json().get("pointer") == pointer
    assert server.call("GET", "/repositories/ok-1").status == 404


def test_packages_page_by_key(server):
    make(server, "paged")
    for name in ("b", "a", "c", "aa"):
        put(server, f"paged/{name}/1/f")
    found, count = pages(server, "/repositories/paged/packages?n=2",
                         "packages")
    assert [one["key"] for one in found] == ["a", "aa", "b", "c"]
    assert count == 2
    found, count = pages(server,
                         "/repositories/paged/packages?n=1&prefix=a",
                         "packages")
    assert [one["key"] for one in found] == ["a", "aa"] and count == 2
    files, count = pages(server, "/repositories/paged/files?n=3", "files")
    assert [one["path"] for one in files] == ["a/1/f", "aa/1/f", "b/1/f",
                                              "c/1/f"]
    assert count == 2
    for bad in ("n=0", "n=1001", "x=1", "property=a",
                "property=a%3Db&prefix=a"):
        assert server.call(
            "GET", f"/repositories/paged/packages?{bad}").status == 422, bad


def test_versions_are_yanked_restored_and_removed(server):
    make(server, "states")
    for version in ("1.0", "1.10", "1.9"):
        put(server, f"states/a b+/{version}/f".replace(" ", "%20"))
    package = "/repositories/states/packages/a%20b%2B"
    shown = server.done("GET", package, status=200)
    assert shown["name"] == "a b+"
    assert [one["key"] for one in shown["versions"]] == ["1.0", "1.9", "1.10"]
    assert all(one["state"] == "active" and one["publisher"] == "root"
               for one in shown["versions"])
    yanked = server.done("PATCH", f"{package}/versions/1.9", body={
        "state": "yanked", "reason": "broken"}, status=200)
    assert (yanked["state"], yanked["reason"]) == ("yanked", "broken")
    assert yanked["files"][0]["path"] == "a b+/1.9/f"
    again = server.done("PATCH", f"{package}/versions/1.9", body={
        "state": "active"}, status=200)
    assert (again["state"], again["reason"]) == ("active", "")
    assert server.call("PATCH", f"{package}/versions/1.9", body={
        "state": "gone"}).status == 422
    assert get(server, "states/a%20b+/1.9/f") == 200
    server.done("DELETE", f"{package}/versions/1.9")
    assert get(server, "states/a%20b+/1.9/f") == 404
    assert server.call("GET", f"{package}/versions/1.9").status == 404
    assert server.call("DELETE", f"{package}/versions/1.9").status == 404
    server.done("DELETE", package)
    assert get(server, "states/a%20b+/1.0/f") == 404
    assert server.call("GET", package).status == 404
    actions = [row["action"] for row in server.ctl(
        "audit", "list", "--repository", "states")["audit"]]
    for action in ("repository.create", "package.publish", "package.yank",
                   "package.restore", "package.delete"):
        assert action in actions, actions


def test_files_and_properties(server):
    make(server, "props")
    put(server, "props/tool/1/dir/f", b"abc")
    path = urllib.parse.quote("tool/1/dir/f", safe="")
    shown = server.done("GET", f"/repositories/props/files/{path}",
                        status=200)
    assert (shown["package"], shown["version"], shown["size"]) == (
        "tool", "1", 3)
    assert len(shown["sha256"]) == 64 and len(shown["md5"]) == 32
    assert server.call("DELETE",
                       f"/repositories/props/files/{path}").status == 409
    package = "/repositories/props/packages/tool"
    for place in (package, f"{package}/versions/1",
                  f"/repositories/props/files/{path}"):
        wanted = [{"name": "stage", "value": place[-4:]},
                  {"name": "stage", "value": "x=y"}]
        server.done("PUT", f"{place}/properties",
                    body={"properties": wanted})
        got = server.done("GET", f"{place}/properties", status=200)
        assert sorted(got["properties"], key=str) == sorted(wanted, key=str)
        server.done("PUT", f"{place}/properties",
                    body={"properties": [{"name": "on", "value": place[-4:]}]})
    for value, found in (("tool", 1), ("ns/1", 1), ("other", 0)):
        value = urllib.parse.quote(f"on={value}", safe="")
        answer = server.done(
            "GET", f"/repositories/props/packages?property={value}",
            status=200)
        assert len(answer["packages"]) == found, value
    assert server.call("PUT", f"{package}/properties", body={
        "properties": [{"name": "a"}]}).status == 422
    assert server.call("GET", f"{package}x/properties").status == 404


def test_search_finds_what_one_may_read(server):
    for name in ("open-1", "shut-1"):
        make(server, name)
        put(server, f"{name}/searchable-{name}/1/f")
        put(server, f"{name}/other/1/f")
    server.done("PUT", "/visibility", body={
        "pattern": "open-1", "visibility": "public"})
    both = server.done("GET", "/search?q=searchable", status=200)
    assert both["total"] == 2
    assert {one["repository"] for one in both["packages"]} == {"open-1",
                                                               "shut-1"}
    for who in (None, "stranger"):
        seen = server.done("GET", "/search?q=search", who, status=200)
        assert [one["repository"] for one in seen["packages"]] == ["open-1"]
        names = [one["name"] for one in server.done(
            "GET", "/repositories", who, status=200)["repositories"]]
        assert names == ["open-1"]
        status = 401 if who is None else 403
        assert server.call("GET", "/repositories/shut-1/search?q=search",
                           who).status == status
        assert server.call("GET", "/repositories/open-1/search?q=search",
                           who).status == 200
        assert server.call("GET", "/repositories/open-1/packages",
                           who).status == 200
        assert server.call("DELETE", "/repositories/open-1/packages/other",
                           who).status == status
    found, count = pages(server, "/repositories/open-1/search?n=1",
                         "packages")
    assert len(found) == 2 and count == 2
    named, count = pages(server, "/repositories?n=1", "repositories")
    assert count == len(named) and {"open-1", "shut-1"} <= {
        one["name"] for one in named}


def test_formats_tell_how_clients_are_set_up(server):
    formats = {one["key"]: one for one in server.done(
        "GET", "/formats", None, status=200)["formats"]}
    assert formats["oci"]["mounts"] == ["v2"] and not formats["oci"]["kinds"]
    generic = formats["generic"]
    assert generic["kinds"] == ["local"] and "generic" in generic["mounts"]
    assert any("{url}" in file["text"] for file in generic["setup"])


def test_without_accounts_everybody_may():
    with Registry(workers=1) as one:
        def call(method, path, body=b""):
            return http.request(one, method, MOUNT + path, {
                "Content-Type": "application/json"} if body else {}, body)
        made = call("POST", "/repositories",
                    b'{"name":"free","format":"generic"}')
        assert made.status == 201, made.body
        assert http.request(one, "PUT", "/generic/free/a/1/f", {},
                            b"x").status == 201
        assert call("GET", "/search?q=a").json()["total"] == 1
        assert call("DELETE", "/repositories/free/packages/a").status == 204
        assert call("DELETE", "/repositories/free").status == 204
