"""What registryctl takes away ends within a second, in every worker that has
it warm."""

import threading
import time

import pytest

from harness import http, oci
from harness.authorized import (
    BLOB, PRIVATE, SEEN, Authorized, basic, bearer)

pytestmark = [pytest.mark.ours, pytest.mark.heavy]

WORKERS = 4
LATEST_S = 1.0
PASSWORD = "a password to be changed 1"
TARGETS = (f"/v2/{PRIVATE}/manifests/v1",
           f"/v2/{PRIVATE}/manifests/{SEEN.digest}",
           f"/v2/{PRIVATE}/blobs/{oci.digest(BLOB)}")


@pytest.fixture(scope="module")
def server():
    with Authorized(WORKERS, "add_header X-Worker $pid always;",
                    server_directives="keepalive_requests 1000000;") as one:
        yield one


@pytest.fixture
def workers(server):
    """A kept connection to each worker."""
    found, spare = {}, []
    for _ in range(2000):
        connection = http.Connection(server.host, server.port)
        answer = connection.request("GET", "/v2/")
        pid = answer.headers["X-Worker"]
        if pid in found:
            spare.append(connection)
        else:
            found[pid] = connection
        if len(found) == WORKERS:
            break
    for connection in spare:
        connection.close()
    yield list(found.values())
    for connection in found.values():
        connection.close()
    assert len(found) == WORKERS, found.keys()


def access_token(server, headers, name=PRIVATE):
    answer = http.request(
        server, "GET", "/-/token?service=registry&scope=repository:"
        + f"{name}:pull", headers)
    assert answer.status == 200, (answer.status, answer.body)
    return bearer(answer.json()["token"])


def user(server, name):
    server.ctl("user", "add", name, "--password-stdin", given=PASSWORD)
    server.ctl("grant", "add", name, "team/**", "pull")
    return basic(name, PASSWORD)


def member(server, name):
    """One who may pull as a member of a group alone."""
    group = f"{name}s"
    server.ctl("user", "add", name, "--password-stdin", given=PASSWORD)
    server.ctl("group", "add", group)
    server.ctl("group", "member-add", group, name)
    server.ctl("grant", "add", group, "team/**", "pull")
    return basic(name, PASSWORD)


def token_revoked(server):
    user(server, "one")
    token = server.new_token("one", "--actions", "pull")
    return ([bearer(token), basic("x", token),
             access_token(server, basic("x", token))],
            ("token", "revoke", token[4:12]), None, {401})


def password_changed(server):
    headers = user(server, "two")
    return ([headers, access_token(server, headers)],
            ("user", "password", "two", "--password-stdin"),
            "quite another password 2", {401, 429})


def group_left(server):
    headers = member(server, "three")
    return ([headers, access_token(server, headers)],
            ("group", "member-remove", "threes", "three"), None, {403})


def group_disabled(server):
    headers = member(server, "four")
    return ([headers, access_token(server, headers)],
            ("group", "disable", "fours"), None, {403})


def grant_revoked(server):
    headers = user(server, "five")
    token = server.new_token("five", "--actions", "pull")
    return ([headers, bearer(token), access_token(server, headers)],
            ("grant", "remove", "five", "team/**"), None, {403})


def user_disabled(server):
    headers = user(server, "six")
    token = server.new_token("six", "--actions", "pull")
    return ([headers, bearer(token), access_token(server, headers)],
            ("user", "disable", "six"), None, {401, 429})


def user_removed(server):
    headers = user(server, "seven")
    token = server.new_token("seven", "--actions", "pull")
    return ([headers, bearer(token), access_token(server, headers)],
            ("user", "remove", "seven"), None, {401, 429})


def made_private(server):
    """The same targets, of everybody; the last, for it changes them."""
    server.ctl("visibility", "set", PRIVATE, "public")
    return ([{}, access_token(server, {})],
            ("visibility", "set", PRIVATE, "private"), None, {401})


@pytest.mark.parametrize("case", (
    token_revoked, password_changed, group_left, group_disabled,
    grant_revoked, user_disabled, user_removed, made_private))
def test_nothing_later_than_a_second(server, workers, case):
    credentials, command, given, refused = case(server)
    for connection in workers:
        until = time.monotonic() + 10
        for headers in credentials:
            for target in TARGETS:
                while True:  # what allows it may be a moment old
                    status = connection.request(
                        "GET", target, headers).status
                    if status == 200 or time.monotonic() > until:
                        break
                assert status == 200, (headers, target, status)
    seen, errors, done = [], [], threading.Event()

    def poll(connection):
        try:
            while not done.is_set():
                for headers in credentials:
                    for target in TARGETS:
                        asked = time.monotonic()
                        answer = connection.request("GET", target, headers)
                        seen.append((asked, answer.status))
        except Exception as error:  # noqa: BLE001: shown by the test
            errors.append(repr(error))
    threads = [threading.Thread(target=poll, args=(connection,))
               for connection in workers]
    for thread in threads:
        thread.start()
    try:
        server.ctl(*command, given=given)
        returned = time.monotonic()
        time.sleep(LATEST_S + 0.5)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not errors, errors
    good = [asked - returned for asked, status in seen if status < 400]
    later = [status for asked, status in seen
             if asked - returned > LATEST_S]
    print(f"{case.__name__}: {len(seen)} requests, the last good one "
          f"{max(good):+.3f} s after the command")
    assert max(good) <= LATEST_S
    assert len(later) > WORKERS and set(later) <= refused, set(later)
