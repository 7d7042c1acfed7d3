"""Every route of /api/v1 against everybody, from the table that the daemon
answers by: a forgotten check fails here without anybody writing a test."""

import re

import jsonschema
import pytest

from harness import http
from harness.api import MOUNT, ApiServer
from harness.authorized import bearer
from harness.server import Registry

pytestmark = pytest.mark.ours

# "reader": everybody, for what it may see. A route about a repository is of
# "repository", or of "admin of a repository".
ANYBODY = "everybody reader"
LOGGED_IN = ANYBODY + " self"
WRITER = LOGGED_IN + " repository"
ALL = WRITER + " administrator repository-admin"
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture(scope="module")
def server():
    with ApiServer(1) as one:
        yield one


@pytest.fixture(scope="module")
def description(server):
    return server.description()


@pytest.fixture(scope="module")
def people(server):
    """Credential: what of everybody, self, administrator it is good for."""
    narrow = server.token(actions=["pull", "push", "delete"])["token"]
    part = server.token(repositories=["team/**"])["token"]
    whole = server.token(expires=None)["token"]
    doomed = server.who("doomed")
    revoked = server.token("doomed")
    server.done("DELETE", f"/me/tokens/{revoked['id']}", "doomed")
    return {
        "nobody": (None, ANYBODY),
        "stranger": (server.who("stranger"), LOGGED_IN),
        "administrator": (server.who("root"), ALL),
        "whole token": (bearer(whole), ALL),
        "token without admin": (bearer(narrow), WRITER),
        "token of some repositories": (bearer(part), LOGGED_IN),
        "access token": (server.access_token("root"), ANYBODY),
        "revoked token": (bearer(revoked["token"]), ""),
        "wrong token": (bearer("lsr_nothing"), ""),
        "doomed": (doomed, LOGGED_IN),
    }


def right_of(one):
    admin = one.data.get("x-action") == "admin"
    return one.right + ("-admin" if admin else "")


def send(server, one, who, **values):
    return server.call(one.method, one.target(**values), who, one.example())


def test_every_cell(server, description, people):
    cells, wrong = 0, []
    for one in description.operations:
        for name, (who, rights) in people.items():
            answer = send(server, one, who)
            one.check(answer)
            may = right_of(one) in rights.split()
            refused = (401, 403) if name != "nobody" else (401,)
            if not rights:
                refused = (401,)
            # A limited token changes no password, whoever sends the old one;
            # nor makes one that has more. The example's password is wrong.
            own = one.path.startswith("/me/") and one.method in ("PUT", "POST")
            fits = answer.status not in (401, 403) or (
                own and answer.status == 403)
            if (not fits if may else answer.status not in refused):
                wrong.append((one.name, name, answer.status, answer.body))
            assert answer.headers["Cache-Control"] == "no-store"
            if answer.status == 401:
                assert answer.headers["WWW-Authenticate"].startswith(
                    'Basic realm="')
            cells += 1
    assert not wrong, wrong
    assert cells == len(description.operations) * len(people)
    rights = [one.right for one in description.operations]
    assert {"everybody", "self", "administrator", "reader",
            "repository"} == set(rights)
    assert rights.count("everybody") == 2


def test_a_refusal_says_nothing_of_what_exists(server, description, people):
    there = {"name": "root", "member": "doomed", "id": "Ab12Cd34",
             "fingerprint": "0" * 64, "repository": "there"}
    server.done("POST", "/repositories", body={
        "name": "there", "format": "generic"}, status=201)
    for one in description.operations:
        if one.right not in ("administrator", "repository") or (
                "{" not in one.path):
            continue
        for name in ("nobody", "stranger", "access token"):
            who = people[name][0]
            first = send(server, one, who, **there)
            second = send(server, one, who)
            # The name comes back as it was sent.
            body = second.body.replace(b"nobody-here", b"there")
            assert (first.status, first.body.replace(b"nobody-here", b"there")
                    ) == (second.status, body)
    assert server.call("GET", "/users/root").status == 200


def test_every_route_is_there_and_in_the_document(server, description):
    """Allow comes from the table as well, by another way."""
    paths = {}
    for one in description.operations:
        paths.setdefault(one.path, set()).add(one.method)
    for path, methods in paths.items():
        target = re.sub(r"\{\w+\}", "x", path)
        answer = server.call("OPTIONS", target)
        assert answer.status == 405, (path, answer.status)
        allow = set(answer.headers["Allow"].split(", "))
        assert allow - {"HEAD"} >= methods and allow <= METHODS | {"HEAD"}
    for target in ("/nothing", "/users/a/b", "/me/", "/", "//me", "/Users",
                   "/users/%2e%2e", "/users/a%2Fb/password"):
        status = server.call("GET", target).status
        assert status in (400, 404, 405), (target, status)


def test_the_document_is_good(description):
    document = description.document
    assert document["openapi"] == "3.1.0"
    names = [one.data["operationId"] for one in description.operations]
    assert len(names) == len(set(names)) > 30
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for one in description.operations:
        parameters = one.data.get("parameters", [])
        assert re.findall(r"\{(\w+)\}", one.path) == [
            each["name"] for each in parameters if each["in"] == "path"]
        for each in parameters:
            if "example" in each:
                description.check(each["example"], each["schema"])
        bodies = [one.data.get("requestBody"), *one.data["responses"].values()]
        for body in bodies:
            for content in (body or {}).get("content", {}).values():
                jsonschema.Draft202012Validator.check_schema(content["schema"])
                if "example" in content:
                    description.check(content["example"], content["schema"])
        assert one.data["summary"]


def test_requests_are_closed_and_secrets_marked(description):
    schemas = description.document["components"]["schemas"]
    for one in description.operations:
        if "requestBody" not in one.data:
            continue
        name = one.data["requestBody"]["content"]["application/json"][
            "schema"]["$ref"].rsplit("/", 1)[1]
        assert schemas[name]["additionalProperties"] is False
        for member, schema in schemas[name]["properties"].items():
            secret = member in ("password", "old", "new", "token")
            assert (schema.get("format") == "password") == secret


def test_head_is_get_without_a_body(server):
    answer = server.call("HEAD", "/me")
    assert answer.status == 200 and not answer.body
    assert int(answer.headers["Content-Length"]) > 10


def test_without_accounts_there_is_no_api(description):
    with Registry(workers=1) as open_to_all:
        for one in description.operations:
            answer = http.request(open_to_all, one.method,
                                  MOUNT + one.target())
            if one.right == "repository":
                continue  # there are repositories, see test_repositories.py
            public = one.right in ("everybody", "reader")
            expected = 200 if public else 404
            assert answer.status == expected, (one.name, answer.status)
