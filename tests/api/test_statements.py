"""No list runs a statement for each of its rows: of 10 rows it takes as many
as of 200. Every list of REST and of registryctl is one of these, or is named
as none."""

import re
import subprocess

import pytest

from harness import http
from harness.accounts import Accounts
from harness.api import ApiServer
from harness.private import add_repository
from harness.server import BUILD
from harness.statements import Statements

pytestmark = [pytest.mark.ours, pytest.mark.timeout(600)]

FEW, MANY = 10, 200
ISSUERS = 60  # 64 there may be
KEY = {"kty": "OKP", "crv": "Ed25519", "kid": "a", "alg": "EdDSA", "use": "sig",
       "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}  # of RFC 8037
P = "/repositories/files"
# Paths of GET, and what is asked for in their place.
LISTS = {
    "/me/tokens": "/me/tokens?n=1000",
    "/users": "/users?n=1000",
    "/services": "/services?n=1000",
    "/groups": "/groups?n=1000",
    "/groups/{name}": "/groups/all",
    "/users/{name}": "/users/root",
    "/tokens": "/tokens?n=1000",
    "/certificates": "/certificates?n=1000",
    "/grants": "/grants?n=1000",
    "/visibility": "/visibility?n=1000",
    "/issuers": "/issuers?n=1000",
    "/issuers/{name}": "/issuers/issuer0",
    "/issuers/{name}/rules": "/issuers/issuer0/rules?n=1000",
    "/retention": "/retention?n=1000",
    "/retention/runs": "/retention/runs",
    "/immutable-tags": "/immutable-tags?n=1000",
    "/repositories": "/repositories?n=1000",
    "/search": "/search?q=sample&n=1000",
    "/repositories/{repository}": P,
    "/repositories/{repository}/search": f"{P}/search?q=sample&n=1000",
    "/repositories/{repository}/packages": f"{P}/packages?n=1000",
    "/repositories/{repository}/packages/{package}": f"{P}/packages/tool",
    "/repositories/{repository}/packages/{package}/versions/{version}":
        f"{P}/packages/wide/versions/1",
    "/repositories/{repository}/files": f"{P}/files?n=1000",
    "/repositories/{repository}/packages/{package}/properties":
        f"{P}/packages/tool/properties",
    "/repositories/{repository}/packages/{package}/versions/{version}"
    "/properties": f"{P}/packages/wide/versions/1/properties",
    "/repositories/{repository}/files/{path}/properties":
        f"{P}/files/wide%2F1%2F0/properties",
}
# Others that have several rows behind them.
ALSO = [f"{P}/packages?n=1000&prefix=s", f"{P}/files?n=1000&prefix=wide",
        f"{P}/packages?n=1000&property=stage%3Dreleased",
        "/grants?n=1000&principal=root", "/tokens?n=1000&principal=root",
        "/certificates?n=1000&principal=root"]
NONE = {"/health", "/openapi.json", "/version", "/me", "/me/can", "/can",
        "/services/{name}", "/formats", "/retention/preview",
        "/repositories/{repository}/files/{path}"}

COMMANDS = {
    "user list": (), "user show": ("root",), "service list": (),
    "service show": ("service0",), "group list": (), "group show": ("all",),
    "token list": (), "certificate list": (), "grant list": (),
    "visibility list": (), "issuer list": (), "issuer show": ("issuer0",),
    "issuer rule list": (), "retention list": (), "immutable list": (),
    "key list": ("--repository", "files"),
    "key export": ("--repository", "files", "--kind", "ed25519"),
    "repository list": ("--limit", "1000"), "repository show": ("files",),
    "package list": ("files", "--limit", "1000"),
    "package show": ("files", "tool"),
    "package search": ("sample", "--limit", "1000"),
    "file list": ("files", "--limit", "1000"),
    "property get": ("files", "--package", "tool"),
    "audit list": ("--action", "issuer.add"), "audit head": (),
}


class World:
    """A registry of which every list has as many rows as were added."""

    def __init__(self, server, statements, beside):
        self.server = server
        self.statements, self.beside = statements, beside
        self.rows = 0
        self.accounts = Accounts(server.root)
        for name, rest in (("files", {}), ("other", {})):
            server.done("POST", "/repositories", body={
                "name": name, "format": "generic", **rest}, status=201)
        self.done("POST", "/groups", {"name": "all"}, 201)
        self.root = self.ask("SELECT id FROM principals WHERE name = 'root'")

    def ask(self, sql):
        return self.accounts.change(lambda db: db.execute(sql).fetchone()[0])

    def done(self, method, path, body=None, status=204):
        return self.server.done(method, path, body=body, status=status)

    def put(self, path):
        answer = http.request(self.server, "PUT", f"/generic/files/{path}",
                              self.server.who("root"), path.encode())
        assert answer.status == 201, answer.body

    def properties(self, where, count):
        # As many as one thing may have.
        self.done("PUT", f"{P}/{where}/properties", {"properties": [
            {"name": f"name{i}", "value": "x"}
            for i in range(min(count, 99))]
            + [{"name": "stage", "value": "released"}]})

    def grow(self, rows):
        for i in range(self.rows, rows):
            self.add_accounts(i)
            self.add_issuers(i)
            add_repository(self.server, f"sample{i}", "generic")
            for path in (f"sample{i}/1/f", f"tool/{i}/f", f"wide/1/{i}"):
                self.put(path)
            self.properties(f"packages/sample{i}", 1)
        for where in ("packages/tool", "packages/wide/versions/1",
                      "files/wide%2F1%2F0"):
            self.properties(where, rows)
        # Each takes a while, and nobody has many.
        for _ in range(1 if self.rows == 0 else 7):
            self.server.ctl("key", "rotate" if self.rows else "create",
                            "--repository", "files", "--kind", "ed25519")
        self.rows = rows

    def add_accounts(self, i):
        user = self.accounts.user(f"user{i}", password="")
        self.accounts.user(f"service{i}", "service", password="")
        self.accounts.group(f"group{i}", self.root)
        self.done("PUT", f"/groups/all/members/user{i}")
        self.accounts.token(self.root, "pull")
        self.accounts.certificate(self.root, f"{i:064x}")
        self.accounts.grant(user, f"sample{i}", "pull")
        self.accounts.grant(self.root, f"sample{i}", "pull")
        self.accounts.visibility(f"sample{i}", "public")
        self.done("PUT", "/retention", {
            "pattern": f"sample{i}", "keep_last": 1}, 200)
        self.done("PUT", "/immutable-tags", {
            "pattern": f"sample{i}", "tags": "v*"})

    def add_issuers(self, i):
        if i >= ISSUERS:
            return
        self.done("POST", "/issuers", {
            "name": f"issuer{i}", "url": f"https://issuer{i}.example.org",
            "audiences": ["registry"], "jwks": {"keys": [KEY]}}, 201)
        for issuer in {"issuer0", f"issuer{i}"}:
            self.done("POST", f"/issuers/{issuer}/rules", {
                "when": [f"sub=who{i}"], "actions": ["pull"],
                "repositories": ["sample*"]}, 201)

    def rest(self, path):
        def get():
            answer = self.server.call("GET", path)
            assert answer.status == 200, (path, answer.body)
            assert "next" not in answer.headers.get("Link", "")
            if "n=1000" in path:
                rows, = [value for value in answer.json().values()
                         if isinstance(value, list)]
                assert len(rows) >= min(self.rows, ISSUERS), path
        return self.statements.fewest(get)

    def command(self, name):
        def call():
            done = subprocess.run(
                [BUILD / "registryctl", "--root", self.server.root, "--json",
                 *name.split(), *COMMANDS[name]], check=False, timeout=60,
                capture_output=True, text=True)
            assert done.returncode == 0, (name, done.stderr)
            assert done.stdout.strip(), name
        with self.beside.watched():
            return self.beside.of(call)

    def measure(self):
        return {**{path: self.rest(path) for path in self.paths()},
                **{name: self.command(name) for name in COMMANDS}}

    @staticmethod
    def paths():
        return [*LISTS.values(), *ALSO]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    statements = Statements(tmp_path_factory.mktemp("registryd"))
    beside = Statements(tmp_path_factory.mktemp("registryctl"))
    with statements.watched():
        server = ApiServer(1).start()
    try:
        yield World(server, statements, beside)
    finally:
        server.close()


def test_all_lists_are_known(world):
    paths = world.done("GET", "/openapi.json", status=200)["paths"]
    assert {path for path, ways in paths.items() if "get" in ways} == \
        set(LISTS) | NONE
    page = subprocess.run([BUILD / "registryctl", "page", "reference"],
                          check=True, capture_output=True, text=True).stdout
    said = re.findall(r"^\| `([a-z -]+?(?: list| show| search| get| head|"
                      r" export))\b", page, re.M)
    # Backups are read from their folder, not from the database.
    assert set(said) == set(COMMANDS) | {"backup list"}


def test_as_many_statements_for_many_rows(world):
    world.grow(FEW)
    few = world.measure()
    world.grow(MANY)
    many = world.measure()
    for what, texts in few.items():
        assert texts, f"{what}: nothing was counted"
        print(f"{len(texts):3} {len(many[what]):3} {what}")
    more = {what: sorted(set(many[what]), key=many[what].count)[-1]
            for what, texts in few.items()
            if len(many[what]) > len(texts)}
    assert not more, "\n".join(
        f"{what}: {len(few[what])} statements of {FEW} rows, "
        f"{len(many[what])} of {MANY}: {text}" for what, text in more.items())
