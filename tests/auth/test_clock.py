"""A clock that is set back makes times of what was issued before lie in the
future: access tokens of then must not be trusted when it gets there."""

import time

import pytest

from harness import http
from harness.authorized import PRIVATE, Authorized, basic, bearer
from harness.other_token import signed_again
from harness.process import wait_until

pytestmark = pytest.mark.ours
MANIFEST = f"/v2/{PRIVATE}/manifests/v1"


@pytest.fixture(scope="module")
def server():
    with Authorized(2) as one:
        yield one


def access(server, who):
    answer = http.request(
        server, "GET", "/-/token?service=registry&scope=repository:"
        f"{PRIVATE}:pull", basic(who, server.password(who)))
    assert answer.status == 200, answer.body
    return answer.json()["token"]


def status(server, token):
    return http.request(server, "GET", MANIFEST, bearer(token)).status


def of_now(claims):
    """Issued before the clock was set back, it says a time after it."""
    claims["iat"] = claims["nbf"] = int(time.time())


def set_back(server, seconds):
    """As if the clock had been set back since registryd looked at it last:
    the machine's start, which it kept, was so much later then."""
    path = server.root / "keys" / "token" / "clock"
    assert path.stat().st_mode & 0o777 == 0o600
    boot, began = path.read_text().split()
    path.write_text(f"{boot} {int(began) + int(seconds * 1000)}\n")
    server.restart_daemon()


def test_what_was_revoked_is_not_trusted_again(server):
    token = access(server, "reader")
    assert status(server, token) == 200
    server.ctl("user", "disable", "reader")
    wait_until(lambda: status(server, token) == 401, what="it is revoked")
    revoked = time.time()
    wait_until(lambda: time.time() > revoked + 2.1, what="two seconds later")
    # What nginx alone would trust, for all that it has heard.
    later = signed_again(server, token, of_now)
    assert status(server, later) == 200
    set_back(server, 3600)
    wait_until(lambda: status(server, later) == 401, what="the key is gone")
    for _ in range(8):
        assert status(server, later) == 401
    # Everybody else asks for another one.
    assert status(server, access(server, "writer")) == 200


@pytest.mark.parametrize("seconds", (0, 0.5, -3600))
def test_a_restart_alone_ends_nothing(server, seconds):
    token = access(server, "writer")
    set_back(server, seconds)
    assert status(server, token) == 200
