"""The disk gets full at any moment of a push, a publish, a commit of the
database: 503 and the format's own error, reads go on, and once there is room
everything does, without a restart and with nothing left over.

A small disk with exactly so many pages, or inodes, left; `make test` takes a
few, LONGSHORE_CRASH=full every page and every inode."""

import json
import os

import pytest

from harness import http
from harness.disk import PAGE, small_disk
from harness.process import wait_until
from harness.publishing import FORMATS, add_repositories, publication, send
from harness.rounds import Round, left_over, prepare, sweep, verify
from harness.server import Registry

pytestmark = [pytest.mark.ours, pytest.mark.heavy]
FULL = os.environ.get("LONGSHORE_CRASH") == "full"
CLEAN = (400, 404, 416, 503)  # no 500: it may pass


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small") / "disk"
    with small_disk(folder) as disk:
        with Registry(workers=1, root=folder / "data") as one:
            one.disk = disk
            one.warm = prepare(one)
            add_repositories(one)
            yield one
            disk.grow()
            sweep(one)
            verify(one)


def sizes(unit):
    """How much is left, from nothing on, until a run sees no fault."""
    n = 0
    while True:
        yield n * unit
        n += 1 if FULL or n < 2 else max(1, n * 2 // 3)


def read_again(server):
    """What was there before is served as before."""
    for name, target, wanted in server.warm.readable():
        if name in ("second tag", "generic"):
            continue  # deleted by its round
        answer = http.request(server, "GET", target)
        assert answer.status == 200, (name, answer.status, answer.body)
        assert wanted is None or answer.body == wanted, name


def fill_and_go_on(server, salt, leave):
    """One run with little room; False when it had enough."""
    workers, daemon = server.worker_pids(), server.daemon_pid
    round = Round(server, f"full/{salt}", salt)
    leave()
    try:
        round.run()
        read_again(server)
        round.check(CLEAN, room=False)
    finally:
        server.disk.grow()
    round.check(CLEAN)
    failed = [what for what, answer in round.answers.items()
              if answer is None or answer.status == 503]
    assert None not in round.answers.values(), failed
    round.cancel()
    again = Round(server, f"full/{salt}", salt, round).run()
    assert all(again.done(what) for what in again.answers), again.answers
    again.check()
    wait_until(lambda: not left_over(server), 15,
               what=f"gone: {left_over(server)}")
    assert (server.worker_pids(), server.daemon_pid) == (workers, daemon)
    return bool(failed)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", ["pages", "inodes"])
def test_a_push_at_every_size(server, what):
    runs = 0
    for size in sizes(PAGE if what == "pages" else 1):
        runs += 1
        if not fill_and_go_on(server, f"{what}-{size}", lambda: (
                server.disk.leave(size) if what == "pages"
                else server.disk.leave_inodes(size))):
            break
    assert runs > 3
    print(f"{runs} sizes, up to {size} {what}")
    if what == "pages":
        # Among them some in which the commit itself found no room.
        assert "commit failed" in (server.dir / "daemon.log").read_text()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_says_so(server, format):
    """Its own error, in its own form; the same package succeeds later."""
    refused = 0
    for size in sizes(2 * PAGE):
        package = publication(format, f"full{size}", os.urandom(8).hex()
                              .encode() * 400)
        server.disk.leave(size)
        try:
            answer = send(server, package)
            read_again(server)
        finally:
            server.disk.grow()
        if answer.status < 300 and (refused or size > 20 * PAGE):
            break
        if answer.status < 300:
            continue  # something was removed just then, which gave it room
        refused += 1
        assert answer.status == 503, (size, answer.status, answer.body)
        assert int(answer.headers["Retry-After"]) > 0
        kind = answer.headers["Content-Type"]
        if kind.startswith("application/json"):
            assert json.loads(answer.body)
        else:
            assert kind.startswith("text/plain") and answer.body.strip()
        wait_until(lambda: not left_over(server), 15,
                   what=f"gone: {left_over(server)}")
        assert send(server, package).status in (200, 201)
    assert refused
