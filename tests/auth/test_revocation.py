"""What registryctl takes away ends within a second, in every worker that has
it warm."""

import itertools
import threading
import time

import pytest

from harness import http, oci
from harness.authorized import (
    BLOB, PRIVATE, SEEN, Authorized, basic, bearer)
from harness.process import wait_until, within

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

    def complete():
        batch = [http.Connection(server.host, server.port)
                 for _ in range(16)]
        for connection in batch:
            pid = connection.request("GET", "/v2/").headers["X-Worker"]
            if found.setdefault(pid, connection) is not connection:
                spare.append(connection)
        return len(found) == WORKERS
    wait_until(complete, pause=0, what="a connection to every worker")
    for connection in spare:
        connection.close()
    yield list(found.values())
    for connection in found.values():
        connection.close()


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


def token_revoked(server, name):
    user(server, name)
    token = server.new_token(name, "--actions", "pull")
    return ([bearer(token), basic("x", token),
             access_token(server, basic("x", token))],
            ("token", "revoke", token[4:12]), None, {401})


def password_changed(server, name):
    headers = user(server, name)
    return ([headers, access_token(server, headers)],
            ("user", "password", name, "--password-stdin"),
            "quite another password 2", {401, 429})


def group_left(server, name):
    headers = member(server, name)
    return ([headers, access_token(server, headers)],
            ("group", "member-remove", f"{name}s", name), None, {403})


def group_disabled(server, name):
    headers = member(server, name)
    return ([headers, access_token(server, headers)],
            ("group", "disable", f"{name}s"), None, {403})


def grant_revoked(server, name):
    headers = user(server, name)
    token = server.new_token(name, "--actions", "pull")
    return ([headers, bearer(token), access_token(server, headers)],
            ("grant", "remove", name, "team/**"), None, {403})


def user_disabled(server, name):
    headers = user(server, name)
    token = server.new_token(name, "--actions", "pull")
    return ([headers, bearer(token), access_token(server, headers)],
            ("user", "disable", name), None, {401, 429})


def user_removed(server, name):
    headers = user(server, name)
    token = server.new_token(name, "--actions", "pull")
    return ([headers, bearer(token), access_token(server, headers)],
            ("user", "remove", name), None, {401, 429})


def made_private(server, _):
    """The same targets, of everybody; the last, for it changes them."""
    server.ctl("visibility", "set", PRIVATE, "public")
    return ([{}, access_token(server, {})],
            ("visibility", "set", PRIVATE, "private"), None, {401})


@pytest.mark.parametrize("case", (
    token_revoked, password_changed, group_left, group_disabled,
    grant_revoked, user_disabled, user_removed, made_private))
def test_nothing_later_than_a_second(server, workers, case):
    numbers = itertools.count()

    def seconds_to_the_last_good_one():
        name = case.__name__.replace("_", "-")
        return revoke(server, workers, case, f"{name}-{next(numbers)}")
    within(LATEST_S, seconds_to_the_last_good_one)


def revoke(server, workers, case, name):
    """Seconds from the command's end to the last request that was let in."""
    credentials, command, given, refused = case(server, name)
    for connection in workers:
        for headers in credentials:
            for target in TARGETS:
                # What allows it may be a moment old.
                wait_until(lambda: connection.request(
                    "GET", target, headers).status == 200,
                    what=f"{target} with {headers}")
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
        wait_until(lambda: sum(asked > returned + LATEST_S
                               for asked, _ in list(seen)) > WORKERS,
                   pause=0.2, what="requests after that second")
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not errors, errors
    last = max(asked for asked, status in seen if status < 400) - returned
    print(f"{name}: {len(seen)} requests, the last good one {last:+.3f} s "
          "after the command")
    later = {status for asked, status in seen
             if asked - returned > max(LATEST_S, last)}
    assert later <= refused, later
    return last
