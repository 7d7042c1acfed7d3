"""/me: everybody for itself, and no credential for more than it has."""

import time

import pytest

from harness.api import REPOSITORY, ApiServer
from harness.authorized import basic, bearer

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def server():
    with ApiServer(1) as one:
        yield one


@pytest.fixture(scope="module")
def owner(server):
    server.done("POST", "/users", body={
        "name": "owner", "password": "the password of owner 1"}, status=201)
    server.done("POST", "/grants", body={
        "principal": "owner", "pattern": "team/**",
        "actions": ["pull", "push"]})
    return server.who("owner")


def in_days(days):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ",
                         time.gmtime(time.time() + days * 86400))


@pytest.mark.parametrize("wish, status", [
    ({"actions": ["pull"]}, 201),
    ({"actions": ["pull"], "repositories": ["team/a"]}, 201),
    ({"actions": ["pull"], "repositories": ["team/a", "team/b/*"]}, 201),
    ({"actions": ["pull", "push"], "expires": "in 10 days"}, 201),
    ({"actions": ["delete"], "repositories": ["team/a"]}, 403),
    ({"actions": ["admin"], "repositories": ["team/a"]}, 403),
    ({"actions": ["pull"], "repositories": ["**"]}, 403),
    ({"actions": ["pull"], "repositories": ["team*"]}, 403),
    ({"actions": ["pull"], "repositories": ["team/a", "other/a"]}, 403),
    ({"actions": ["pull"], "repositories": []}, 403),
    ({"actions": ["pull"], "expires": None}, 403),
    ({"actions": ["pull"], "expires": "in 40 days"}, 403),
])
def test_a_token_makes_none_that_has_more(server, owner, wish, status):
    first = server.token(owner, actions=["pull", "push"],
                         repositories=["team/**"], expires=in_days(30))
    wish = {"repositories": ["team/**"], **wish}
    if wish.get("expires"):
        wish["expires"] = in_days(int(wish["expires"].split()[1]))
    answer = server.call("POST", "/me/tokens", bearer(first["token"]), wish)
    assert answer.status == status, answer.body
    if status == 201:
        made = answer.json()
        assert made["expires"] and made["expires"] <= first["expires"]
        assert made["principal"] == "owner"


def test_a_limited_token_sees_and_ends_only_itself(server, owner):
    other = server.token(owner)
    first = server.token(owner, actions=["pull"])
    who = bearer(first["token"])
    seen = server.done("GET", "/me/tokens", who, status=200)["tokens"]
    assert [one["id"] for one in seen] == [first["id"]]
    server.done("DELETE", f"/me/tokens/{other['id']}", who, status=404)
    server.done("PUT", "/me/password", who, {
        "old": server.password("owner"), "new": "something else 42"}, 403)
    whole = bearer(other["token"])
    seen = server.done("GET", "/me/tokens", whole, status=200)["tokens"]
    assert {first["id"], other["id"]} <= {one["id"] for one in seen}
    server.done("DELETE", f"/me/tokens/{first['id']}", who)
    server.done("GET", "/me", who, status=401)


def test_nobody_ends_the_tokens_of_others(server, owner):
    theirs = server.token("root")
    server.done("DELETE", f"/me/tokens/{theirs['id']}", owner, status=404)
    assert server.done("GET", "/me", bearer(theirs["token"]),
                       status=200)["administrator"] is True
    mine = server.done("GET", "/me/tokens", owner, status=200)["tokens"]
    assert {one["principal"] for one in mine} == {"owner"}


def test_can(server, owner):
    path = "/me/can?action={}&repository=" + REPOSITORY
    assert server.done("GET", path.format("push"), owner,
                       status=200)["allowed"] is True
    assert server.done("GET", path.format("delete"), owner,
                       status=200)["allowed"] is False
    narrow = server.token(owner, actions=["pull"])["token"]
    assert server.done("GET", path.format("push"), bearer(narrow),
                       status=200)["allowed"] is False
    server.done("GET", path.format("everything"), owner, status=422)
    server.done("GET", "/me/can?action=pull&repository=../x", owner,
                status=422)


def test_the_last_administrator_may_be_a_member(server):
    """admin on ** by a group counts, and less than ** does not."""
    for name in ("by-group", "by-team"):
        server.done("POST", "/users", body={
            "name": name, "password": f"the password of {name} 1"},
            status=201)
    server.done("POST", "/groups", body={"name": "admins"}, status=201)
    server.done("PUT", "/groups/admins/members/by-group")
    server.done("POST", "/grants", body={
        "principal": "admins", "pattern": "**", "actions": ["admin"]})
    server.done("POST", "/grants", body={
        "principal": "by-team", "pattern": "*/**", "actions": ["admin"]})
    server.done("POST", "/grants", body={
        "principal": "by-team", "pattern": "**",
        "actions": ["pull", "push", "delete"]})
    server.done("GET", "/users", "by-group", status=200)
    server.done("GET", "/users", "by-team", status=403)
    server.done("PATCH", "/groups/admins", body={"disabled": True},
                status=200)
    server.done("GET", "/users", "by-group", status=403)


def test_a_new_password_needs_the_old_one(server):
    server.done("POST", "/users", body={
        "name": "changing", "password": "the password of changing 1"},
        status=201)
    who = server.who("changing")
    new = "a password after that 2"
    answer = server.done("PUT", "/me/password", who,
                         {"old": "a wrong one 123", "new": new}, 403)
    assert answer["detail"] == "the old password is wrong"
    server.done("PUT", "/me/password", who,
                {"old": server.password("changing"), "new": "short"}, 422)
    server.done("PUT", "/me/password", who,
                {"old": server.password("changing"), "new": new})
    server.done("GET", "/me", basic("changing", new), status=200)
    server.done("GET", "/me", who, status=401)


def test_guessing_the_old_password_locks(server):
    server.done("POST", "/users", body={
        "name": "guessed", "password": "the password of guessed 1"},
        status=201)
    # By a token, which a locked name does not end.
    who = bearer(server.token("guessed")["token"])
    statuses = set()
    for _ in range(8):
        answer = server.call("PUT", "/me/password", who, {
            "old": "a wrong one 123", "new": "something else 42"})
        statuses.add(answer.status)
        if answer.status == 429:
            assert int(answer.headers["Retry-After"]) >= 1
            break
    assert statuses == {403, 429}
    server.done("GET", "/me", who, status=200)
    server.done("DELETE", "/users/guessed/lock")
    server.done("GET", "/me", server.who("guessed"), status=200)
