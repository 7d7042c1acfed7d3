"""Issuers of tokens over /api/v1: what is made, changed and removed there is
what tokens are worth, at once, and the audit log says who did it."""

import pytest

from harness import http
from harness.api import REPOSITORY, ApiServer
from harness.authorized import basic, bearer
from harness.issuer import AUDIENCE, IssuerServer, Key

pytestmark = pytest.mark.ours
PATTERN = {"repositories": ["team/**"], "actions": ["pull"]}
RULE = {"when": ["sub=somebody"], **PATTERN}


@pytest.fixture(scope="module")
def issuers():
    with IssuerServer() as one:
        yield one


@pytest.fixture(scope="module")
def server():
    with ApiServer(2) as one:
        yield one


@pytest.fixture
def made(server, issuers, request):
    """One of the test's own, whose keys were given, with a rule."""
    issuer = issuers.issuer("/" + request.node.name.replace("test_", ""))
    issuer.name = issuer.path[1:]
    issuer.document = server.done("POST", "/issuers", body={
        "name": issuer.name, "url": issuer.url, "audiences": [AUDIENCE],
        "jwks": issuer.jwks()}, status=201)
    issuer.rule = server.done("POST", f"/issuers/{issuer.name}/rules",
                              body=RULE, status=201)
    return issuer


def works(server, headers, status=200):
    """Over connections of their own, so that every worker is met."""
    seen = [server.pull(headers) for _ in range(8)]
    assert set(seen) == {status}, seen


def access(server, token):
    answer = http.request(
        server, "GET", "/-/token?service=registry&scope=repository:"
        f"{REPOSITORY}:pull", basic("ci", token))
    assert answer.status == 200, answer.body
    return bearer(answer.json()["token"])


def change(server, issuer, **what):
    return server.done("PATCH", f"/issuers/{issuer.name}", body=what,
                       status=200)


def test_what_is_made_is_shown(server, made):
    shown = server.done("GET", f"/issuers/{made.name}", status=200)
    assert shown == {**made.document, "rules": 1}
    assert shown["url"] == made.url and shown["audiences"] == [AUDIENCE]
    assert shown["keys_from"] == "file" and shown["keys_url"] is None
    assert shown["leeway_s"] == 30 and shown["max_lifetime_s"] == 86400
    assert {text.split("(")[1] for text in shown["keys"]} == {
        "RS256)", "ES256)", "EdDSA)"}
    assert shown in server.done("GET", "/issuers", status=200)["issuers"]
    rules = server.done("GET", f"/issuers/{made.name}/rules", status=200)
    assert rules["rules"] == [made.rule]
    assert made.rule == {"id": made.rule["id"], "issuer": made.name,
                         "as": "", **RULE}
    same = server.ctl("issuer", "show", made.name)
    assert same["audiences"] == [AUDIENCE] and same["rules"] == 1


def test_a_rule_gives_and_ends(server, made):
    token = made.token()
    had = access(server, token)
    works(server, bearer(token))
    works(server, had)
    target = f"/issuers/{made.name}/rules/{made.rule['id']}"
    server.done("DELETE", target.replace(made.name, "nobody"), status=404)
    server.done("DELETE", target)
    works(server, had, 401)
    works(server, bearer(token), 401)
    server.done("DELETE", target, status=404)


def test_as_a_service_account(server, made):
    server.done("POST", "/services", body={"name": "deployer"}, status=201)
    server.done("POST", "/grants", body={
        "principal": "deployer", "pattern": "team/**", "actions": ["pull"]})
    rules = f"/issuers/{made.name}/rules"
    rule = server.done("POST", rules, body={
        "when": ["job=deploy", "ref=main"], "as": "deployer"}, status=201)
    assert rule["actions"] == [] == rule["repositories"]
    works(server, bearer(made.token(sub="x", job="deploy", ref="main")))
    works(server, bearer(made.token(sub="x", job="deploy")), 401)
    for wrong, status in (({"as": "nobody"}, 404), ({"as": "stranger"}, 404),
                          ({"as": "deployer", **PATTERN}, 422),
                          ({"actions": ["pull"]}, 422),
                          ({"repositories": ["team/**"]}, 422), ({}, 422)):
        server.done("POST", rules, body={"when": ["a=b"], **wrong},
                    status=status)
    server.done("POST", rules, body={**RULE, "when": []}, status=422)
    server.done("POST", "/issuers/nobody/rules", body=RULE, status=404)


def test_several_audiences(server, made):
    assert change(server, made, audiences=["a", AUDIENCE])[
        "audiences"] == ["a", AUDIENCE]
    for aud in ("a", AUDIENCE, ["x", "a"], ["a", AUDIENCE]):
        works(server, bearer(made.token(aud=aud)))
    for aud in ("x", f"a {AUDIENCE}", ["x"], []):
        works(server, bearer(made.token(aud=aud)), 401)


def test_a_change_ends_what_was_given(server, made):
    had = access(server, made.token())
    works(server, had)
    change(server, made, leeway_s=0)
    works(server, had, 401)
    again = access(server, made.token())
    works(server, again)
    change(server, made, audiences=["other"])
    works(server, again, 401)
    works(server, bearer(made.token()), 401)
    works(server, access(server, made.token(aud="other")))


def test_other_keys(server, made, issuers):
    old = made.token()
    works(server, bearer(old))
    made.keys = [Key(name) for name in ("RS256", "ES256", "EdDSA")]
    works(server, bearer(made.token()), 401)
    change(server, made, jwks=made.jwks())
    works(server, bearer(made.token()))
    works(server, bearer(old), 401)
    # From an address, and from the file again: never those of before.
    now = change(server, made, keys_url=f"{made.url}/keys",
                 ca_file=str(issuers.ca_file))
    assert now["keys_from"] == "url" and now["keys"] == []
    works(server, bearer(made.token()))
    assert made.requests > 0
    given = [Key("EdDSA")]
    change(server, made, jwks={"keys": [key.jwk() for key in given]})
    works(server, bearer(made.token()), 401)
    made.keys = given
    works(server, bearer(made.token("EdDSA")))
    now = change(server, made, keys_url=None)
    assert now["keys_from"] == "discovery" and now["keys_url"] is None
    works(server, bearer(made.token("EdDSA")))


def test_it_is_removed(server, made):
    token = made.token()
    had = access(server, token)
    works(server, had)
    server.done("DELETE", f"/issuers/{made.name}")
    works(server, had, 401)
    works(server, bearer(token), 401)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/rules")):
        server.done(method, f"/issuers/{made.name}{path}", status=404)


WRONG = [
    {"url": "http://other.example"}, {"url": "https://a.example/?b"},
    {"url": "file:///etc/passwd"}, {"url": ""}, {"name": "a b"},
    {"name": ""}, {"name": "a" * 65}, {"audiences": []},
    {"audiences": ["a b"]}, {"audiences": [""]}, {"audiences": ["a"] * 17},
    {"leeway_s": 61}, {"leeway_s": -1}, {"max_lifetime_s": 59},
    {"max_lifetime_s": 366 * 86400 + 1}, {"ca_file": "relative.pem"},
    {"keys_url": "http://other.example"}, {"jwks": {"keys": []}},
    {"jwks": {}}, {"jwks": "{}"}, {"jwks": None}, {"keys_from": "file"},
    {"keys_url": "https://127.0.0.1:1/keys"}]


def test_what_cannot_be(server, made):
    good = {"name": "other", "url": "https://127.0.0.1:1",
            "audiences": ["a"], "jwks": made.jwks()}
    for wrong in WRONG:
        server.done("POST", "/issuers", body={**good, **wrong}, status=422)
        if "name" not in wrong and "url" not in wrong:
            both = {"jwks": good["jwks"]} if "keys_url" in wrong else {}
            server.done("PATCH", f"/issuers/{made.name}",
                        body={**both, **wrong}, status=422)
    for taken in ({"name": made.name}, {"url": made.url}):
        server.done("POST", "/issuers", body={**good, **taken}, status=409)
    for fixed in ({"name": "x"}, {"url": "https://127.0.0.1:2"}):
        server.done("PATCH", f"/issuers/{made.name}", body=fixed, status=422)
    server.done("PATCH", "/issuers/nobody", body={"leeway_s": 1}, status=404)
    assert server.done("GET", f"/issuers/{made.name}", status=200) == {
        **made.document, "rules": 1}
    works(server, bearer(made.token()))


def test_the_examples_of_the_document_can_be_sent(server):
    """One after the other they make, change and use an issuer."""
    description = server.description()
    steps = [("POST", "/issuers", 201), ("PATCH", "/issuers/{name}", 200),
             ("POST", "/issuers/{name}/rules", 201)]
    name = None
    for method, path, status in steps:
        one = description.operation(method, path)
        answer = server.call(method, one.target(name=name), "root",
                             one.example())
        assert answer.status == status, (path, answer.body)
        one.check(answer)
        name = name or answer.json()["name"]
    server.done("DELETE", f"/issuers/{name}")


def test_keys_with_certificates(server, made):
    """As GitHub and GitLab publish them: x5c is a list in each."""
    keys = [{**key.jwk(), "x5c": ["MIIB", "MIIC"]} for key in made.keys]
    assert len(change(server, made, jwks={"keys": keys})["keys"]) == 3


def test_lists_have_pages(server, made):
    for number in range(4):
        server.done("POST", f"/issuers/{made.name}/rules", body={
            **RULE, "when": [f"sub=n{number}"]}, status=201)
    seen, path = [], f"/issuers/{made.name}/rules?n=2"
    while path:
        answer = server.call("GET", path)
        seen += [rule["id"] for rule in answer.json()["rules"]]
        link = answer.headers.get("Link", "")
        path = link and link[1:link.index(">")].split("/api/v1")[1]
    assert len(seen) == 5 and seen == sorted(seen)


def test_each_change_is_a_row(server, made):
    name = made.name
    rule = made.rule["id"]
    change(server, made, audiences=["a", "b"], max_lifetime_s=60)
    server.done("DELETE", f"/issuers/{name}/rules/{rule}")
    server.done("DELETE", f"/issuers/{name}")
    server.done("PATCH", f"/issuers/{name}", body={"leeway_s": 1}, status=404)
    rows = [row for row in server.ctl("audit", "list", "--action",
                                      "issuer")["audit"]
            if row["target"] == name]
    assert [row["action"] for row in rows] == [
        "issuer.add", "issuer.rule-add", "issuer.change",
        "issuer.rule-remove", "issuer.remove"]
    for row in rows:
        assert (row["principal"], row["credential"], row["from"]) == (
            "root", "password", "127.0.0.1")
        assert len(row["request_id"]) == 32 and row["verdict"] == "done"
    details = [row["detail"] for row in rows]
    assert details[0].startswith(f"{made.url} aud={AUDIENCE} keys=file ")
    assert details[1] == details[3] == (
        f"{rule}: sub=somebody gives pull team/**")
    assert "aud=a b " in details[2] and "lifetime=60" in details[2]
