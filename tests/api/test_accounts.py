"""What an administrator does over /api/v1, and what of it clients see: with
the answer's last byte nginx knows, in every worker."""

import json
import subprocess
import time

import pytest
import requests

from harness.api import MOUNT, REPOSITORY, ApiServer, soon
from harness.authorized import basic, bearer

pytestmark = pytest.mark.ours
PASSWORD = "a password of clients 1"


@pytest.fixture(scope="module")
def server():
    with ApiServer(2) as one:
        yield one


def rfc3339(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ",
                         time.gmtime(time.time() + seconds))


def make_user(server, name, kind="users"):
    made = server.done("POST", f"/{kind}", body={
        "name": name, "password": PASSWORD}, status=201)
    assert made["name"] == name and made["password"] is True
    return basic(name, PASSWORD)


def pulls(server, who, status):
    """Over connections of their own, so that every worker is met."""
    seen = [server.pull(who) for _ in range(12)]
    return set(seen) == {status} or seen


def test_a_grant_and_its_end(server):
    who = make_user(server, "granted")
    assert pulls(server, who, 403) is True
    grant = {"principal": "granted", "pattern": "team/**",
             "actions": ["pull", "push"]}
    server.done("POST", "/grants", body=grant)
    assert pulls(server, who, 200) is True
    assert grant in server.done("GET", "/grants?principal=granted",
                                status=200)["grants"]
    can = "/can?principal=granted&action=pull&repository=" + REPOSITORY
    assert server.done("GET", can, status=200)["allowed"] is True
    server.done("DELETE", "/grants?principal=granted&pattern=team/**"
                "&actions=pull")
    assert pulls(server, who, 403) is True
    assert server.done("GET", can, status=200)["allowed"] is False
    server.done("DELETE", "/grants?principal=granted&pattern=team/**")
    server.done("DELETE", "/grants?principal=granted&pattern=team/**",
                status=404)


def test_a_group(server):
    who = make_user(server, "member", "services")
    server.done("POST", "/groups", body={"name": "devs"}, status=201)
    server.done("POST", "/grants", body={
        "principal": "devs", "pattern": "team/**", "actions": ["pull"]})
    server.done("PUT", "/groups/devs/members/member")
    server.done("PUT", "/groups/devs/members/member")
    assert pulls(server, who, 200) is True
    group = server.done("GET", "/groups/devs", status=200)
    assert group["members"] == ["member"]
    assert server.done("GET", "/services/member",
                       status=200)["groups"] == ["devs"]
    server.done("PATCH", "/groups/devs", body={"disabled": True}, status=200)
    assert pulls(server, who, 403) is True
    server.done("PATCH", "/groups/devs", body={"disabled": False}, status=200)
    assert pulls(server, who, 200) is True
    server.done("DELETE", "/groups/devs/members/member")
    assert pulls(server, who, 403) is True
    server.done("PUT", "/groups/devs/members/devs", status=422)
    server.done("GET", "/users/devs", status=404)
    server.done("DELETE", "/groups/devs")


def test_an_account_ends(server):
    who = make_user(server, "ending")
    server.done("POST", "/grants", body={
        "principal": "ending", "pattern": "**", "actions": ["pull"]})
    token = server.token(who, actions=["pull"])["token"]
    assert pulls(server, bearer(token), 200) is True
    assert pulls(server, who, 200) is True
    state = server.done("PATCH", "/users/ending", body={"disabled": True},
                        status=200)
    assert state["disabled"] is True
    assert pulls(server, bearer(token), 401) is True
    server.done("PATCH", "/users/ending", body={"disabled": False}, status=200)
    assert pulls(server, bearer(token), 200) is True
    server.done("PUT", "/users/ending/password",
                body={"password": "another password 22"})
    assert server.pull(who) == 401
    server.done("DELETE", "/users/ending/lock")
    assert server.pull(basic("ending", "another password 22")) == 200
    server.done("DELETE", "/users/ending")
    assert pulls(server, bearer(token), 401) is True
    server.done("GET", "/users/ending", status=404)


def test_nobody_locks_itself_out(server):
    server.done("DELETE", "/users/root", status=409)
    server.done("PATCH", "/users/root", body={"disabled": True}, status=409)
    server.done("DELETE", "/users/anonymous", status=404)


def test_a_token_and_its_end(server):
    make_user(server, "ci", "services")
    server.done("POST", "/grants", body={
        "principal": "ci", "pattern": "team/**", "actions": ["pull"]})
    made = server.done("POST", "/tokens", body={
        "principal": "ci", "name": "for the tests", "actions": ["pull"],
        "repositories": [REPOSITORY], "expires": rfc3339(3600)}, status=201)
    who = bearer(made["token"])
    assert pulls(server, who, 200) is True
    listed = server.done("GET", "/tokens?principal=ci", status=200)["tokens"]
    assert [(one["id"], one["state"], one["name"]) for one in listed] == [
        (made["id"], "active", "for the tests")]
    assert made["token"] not in json.dumps(listed)
    server.done("DELETE", f"/tokens/{made['id']}")
    assert pulls(server, who, 401) is True
    again = server.token(server.who("root"), actions=["pull"])
    server.done("POST", "/tokens/revoke", body={"token": again["token"]})
    assert server.pull(bearer(again["token"])) == 401
    # A whole token in a target would be in every log on the way.
    server.done("DELETE", f"/tokens/{again['token']}", status=404)


def test_certificates(server):
    first = "ab" * 32
    server.done("POST", "/certificates", body={
        "principal": "stranger", "fingerprint": first.upper()})
    server.done("POST", "/certificates", status=409, body={
        "principal": "root", "fingerprint": first})
    found = server.done("GET", "/certificates?principal=stranger", status=200)
    assert [one["fingerprint"] for one in found["certificates"]] == [first]
    server.done("DELETE", f"/certificates/{first}")
    server.done("DELETE", f"/certificates/{first}", status=404)


def test_visibility(server):
    assert server.pull({}) == 401
    rule = {"pattern": "team/*", "visibility": "public"}
    server.done("PUT", "/visibility", body=rule)
    assert pulls(server, {}, 200) is True
    assert server.done("GET", "/visibility",
                       status=200)["visibility"] == [rule]
    server.done("DELETE", "/visibility?pattern=team/*")
    assert pulls(server, {}, 401) is True


def test_a_condition_is_kept(server):
    make_user(server, "watched")
    seen = server.call("GET", "/users/watched")
    tag = seen.headers["ETag"]
    assert server.call("GET", "/users/watched",
                       **{"If-None-Match": tag}).status == 304
    server.done("PATCH", "/users/watched", body={"disabled": True},
                status=200, **{"If-Match": tag})
    for stale in (tag, '"p0"', '"x"', 'W/"p1"', '"p99999999999999999999"'):
        server.done("DELETE", "/users/watched", status=412,
                    **{"If-Match": stale})
    fresh = server.call("GET", "/users/watched").headers["ETag"]
    assert fresh != tag
    server.done("DELETE", "/users/watched",
                **{"If-Match": f'"x", {fresh}'})


def test_pages(server):
    names = [f"page-{number:02}" for number in range(7)]
    for name in names:
        server.done("POST", "/groups", body={"name": name}, status=201)
        server.done("POST", "/grants", body={
            "principal": name, "pattern": "x/**", "actions": ["pull"]})
    for path, key in (("/groups", "name"), ("/grants", "principal")):
        found, target = [], f"{path}?n=3"
        while target:
            answer = server.call("GET", target)
            entries = answer.json()[path[1:]]
            assert len(entries) <= 3
            found += [one[key] for one in entries]
            link = answer.headers.get("Link")
            target = link and link.split(">")[0][len("<" + MOUNT):]
        assert [one for one in found if one.startswith("page-")] == names
    for wrong in ("0", "-1", "x", "1001", "1&n=2"):
        assert server.call("GET", f"/groups?n={wrong}").status == 422
    for name in names:
        server.done("DELETE", f"/groups/{name}")


def test_curl_and_requests(server):
    base = server.url + MOUNT
    done = subprocess.run(
        ["curl", "-sS", "--fail-with-body", "-u",
         "root:" + server.password("root"), "--json",
         '{"name":"curled","password":"a password of curl"}', base + "/users"],
        capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["name"] == "curled"
    session = requests.Session()
    session.auth = ("curled", "a password of curl")
    me = session.get(base + "/me", timeout=60)
    assert me.status_code == 200 and me.json()["administrator"] is False
    made = session.post(base + "/me/tokens", timeout=60,
                        json={"actions": ["pull"], "expires": None})
    assert made.status_code == 201 and made.json()["expires"] is None
    token = {"Authorization": "Bearer " + made.json()["token"]}
    me = requests.get(base + "/me", headers=token, timeout=60).json()
    assert me["credential"] == "api_token"
    assert me["token"]["id"] == made.json()["id"]
    gone = session.delete(base + "/me/tokens/" + made.json()["id"],
                          timeout=60)
    assert gone.status_code == 204 and not gone.content
    assert requests.get(base + "/me", headers=token,
                        timeout=60).status_code == 401


def test_while_the_daemon_is_away(server):
    server.stop_daemon()
    try:
        answer = server.call("GET", "/me")
        assert answer.status == 503 and answer.headers["Retry-After"]
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "unavailable"
    finally:
        server.start_daemon()
    soon(lambda: server.call("GET", "/me").status == 200, "the daemon")
