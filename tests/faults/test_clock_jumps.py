"""The wall clock of nginx and of registryd jumps: a day or a week ahead, back,
and a leap second. Tokens fail safe, nothing is collected and no upload is
swept early, and a restart of the daemon meanwhile changes nothing of that."""

import json
import os
import subprocess
import time

import pytest

from harness import http, oci
from harness.authorized import PRIVATE, Authorized, basic, bearer
from harness.faults import FaultyRegistry
from harness.process import wait_until
from harness.rounds import verify
from harness.server import BUILD

pytestmark = [pytest.mark.ours, pytest.mark.heavy]
FULL = os.environ.get("LONGSHORE_CRASH") == "full"
DAY = 86_400


def set_clock(server, seconds):
    for plan in server.plans.values():
        plan.set_clock(seconds)


class FaultyAuthorized(FaultyRegistry, Authorized):
    """With accounts, and with a clock that can be set."""


@pytest.fixture
def server():
    with FaultyRegistry(workers=1, daemon_config="gc_interval_s = 0") as one:
        yield one
        set_clock(one, 0)
        verify(one)


def collect(server, status=0):
    done = subprocess.run(
        [BUILD / "registryctl", "--root", server.root, "--json", "gc", "run"],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == status, (done.stdout, done.stderr)
    return json.loads(done.stdout or "{}")


@pytest.mark.parametrize("jump, restart", [
    pytest.param(jump, restart, id=name) for jump, restart, name in (
        (DAY + 60, False, "day"), (DAY + 60, True, "day-restarted"),
        (8 * DAY, False, "week"), (8 * DAY, True, "week-restarted"),
        (-DAY - 60, False, "back"), (-DAY - 60, True, "back-restarted"))
    if FULL or name in ("day", "week-restarted", "back-restarted")])
def test_nothing_goes_early(server, jump, restart):
    repo = oci.Repository(server, "clock/jumps")
    alone = repo.push_blob(b"nothing refers to it" * 99)
    location = repo.start_upload().headers["Location"]
    location = repo.patch(location, b"half of it, ").headers["Location"]
    collect(server)
    set_clock(server, jump)
    if restart:
        # Twice: what the first start has noted must not calm the second.
        server.restart_daemon()
        wait_until(lambda: "the clock was set" in
                   (server.dir / "daemon.log").read_text(),
                   what="it is seen that the clock was set")
        server.restart_daemon()
    # The file system's own clock stays as it is, so to the servers all files
    # are as old as the clock has jumped.
    failed = collect(server, 3)
    assert "the clock was set" in json.dumps(failed), failed
    assert repo.get_blob(alone).status == 200
    status = repo.upload_status(location)
    assert status.status == 204, status.body
    answer = repo.finish(location, oci.digest(b"half of it, the rest"),
                         b"the rest")
    assert answer.status == 201, answer.body
    assert repo.get_blob(oci.digest(b"half of it, the rest")).status == 200


def test_a_leap_second_is_no_jump(server):
    repo = oci.Repository(server, "clock/leap")
    repo.push(oci.make_image((b"leap",)), "v1")
    collect(server)
    for seconds in (0.9, 0, -0.9):
        set_clock(server, seconds)
        assert collect(server).get("state", "done") == "done"
        assert repo.get_manifest("v1").status == 200


@pytest.fixture(scope="module")
def accounts():
    with FaultyAuthorized(workers=1) as one:
        yield one


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_tokens_fail_safe(accounts, jump):
    """One of another time is refused; a new one is good at once; and nobody
    gets in who did not before."""
    def token(who="writer"):
        answer = http.request(
            accounts, "GET", "/-/token?service=registry&scope=repository:"
            f"{PRIVATE}:pull", basic(who, accounts.password(who)))
        return answer.json()["token"]

    def status(headers):
        return http.request(accounts, "GET", f"/v2/{PRIVATE}/manifests/v1",
                            headers).status
    set_clock(accounts, 0)
    before = token()
    assert status(bearer(token())) == 200
    set_clock(accounts, jump)
    # One that this nginx has seen before lives as long as it was to live, by
    # a clock that nobody sets; one that it has not is of another time.
    wait_until(lambda: status({}) == 401, what="the time is noticed")
    wait_until(lambda: status(bearer(before)) == 401, 15,
               what="one of another time is refused")
    wait_until(lambda: status(bearer(token())) == 200, 15,
               what="a new one is good")
    assert status(bearer(token("stranger"))) in (401, 403, 404)
    assert status({}) == 401
    set_clock(accounts, 0)
    wait_until(lambda: status(bearer(token())) == 200, 15,
               what="after it as before")


def test_a_pause_of_a_day(make_registry):
    """Who comes back after a day goes on where he was; who does not within
    the limit finds nothing, and nothing is left of it."""
    server = make_registry(daemon_config=f"upload_max_age_s = {2 * DAY}\n")
    repo = oci.Repository(server, "pause/day")
    folders = {}
    for name, age in (("day", DAY), ("three", 3 * DAY)):
        location = repo.start_upload().headers["Location"]
        location = repo.patch(location, b"x" * 500_000).headers["Location"]
        folder = (server.root / "docker/registry/v2/repositories" / repo.name
                  / "_uploads" / oci.target(location).split("?")[0].rsplit(
                      "/", 1)[1])
        for path in (*folder.iterdir(), folder):
            then = time.time() - age
            os.utime(path, (then, then))
        folders[name] = folder, location
    server.restart_daemon()  # it sweeps at its start
    wait_until(lambda: not folders["three"][0].exists(), what="it is swept")
    assert repo.upload_status(folders["three"][1]).status == 404
    status = repo.upload_status(folders["day"][1])
    assert status.status == 204
    assert status.headers["Location"].endswith("offset=500000")
    data = b"x" * 500_000 + b"y" * 1000
    answer = repo.finish(status.headers["Location"], oci.digest(data),
                         b"y" * 1000)
    assert answer.status == 201, answer.body
    assert repo.get_blob(oci.digest(data)).body == data
