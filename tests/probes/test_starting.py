"""Ends at the points that registryd comes to while it starts, after an end in
the middle of something, with an empty database, and with accounts."""

import base64

import pytest

from harness import http, points
from harness.endings import Life
from harness.private import Private

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def bare():
    with Life() as one:
        yield one
        one.sweep()


class Guarded(Life):
    """With accounts, and one repository of files."""

    def make_server(self, settings):
        return Private(workers=1)

    def fill(self):
        self.base = self.server.repository("generic").replace(
            self.server.url, "")
        assert self.put("base", b"base").status == 201

    def call(self, method, name, body=b""):
        token = self.server.tokens["writer"]
        return http.request(self.server, method, f"{self.base}/f/1/{name}",
                            {"Authorization": f"Bearer {token}"}, body)

    def put(self, name, body):
        return self.call("PUT", name, body)

    def get(self, name):
        return self.call("GET", name)

    def login(self):
        """The answer to who asks for an access token."""
        text = f"writer:{self.server.password('writer')}".encode()
        return http.request(
            self.server, "GET", "/-/token?service=registry", {
                "Authorization": "Basic " + base64.b64encode(text).decode()})

    def works(self):
        try:
            return self.get("base").body == b"base" and (
                self.put("again", b"again").status in (200, 201))
        except (OSError, http.Closed):
            return False


@pytest.fixture(scope="module")
def guarded():
    with Guarded() as one:
        yield one
        one.verify()
        one.check_kept(all=True)
        assert [path for path in one.leftovers() if "keys" in path] == []


@pytest.mark.parametrize("name, kind", points.cases(points.START))
def test_a_start_ends(life, name, kind):
    life.end_at_start(name, life.make(kind))


@pytest.mark.parametrize("name, kind", points.cases(points.FIRST_START))
def test_a_start_without_tables_ends(bare, name, kind):
    bare.end_at_start(name, bare.make(kind))


@pytest.mark.parametrize("name, kind", points.cases(points.FIRST_KEYS))
def test_a_start_without_keys_ends(guarded, name, kind):
    guarded.end_at_start(name, guarded.make(kind))


@pytest.mark.parametrize("name, kind", points.cases(points.GUARDED))
def test_registryd_with_accounts_ends(guarded, name, kind):
    guarded.end_daemon(name, guarded.make(kind))
