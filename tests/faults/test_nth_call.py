"""The n-th call fails, n = 1, 2, … until a run sees no fault: a push, chunked,
monolithic and in one POST, a pull, tags, a mount, deletes, packages, with one
write, fsync, open, rename … of nginx's worker or of registryd that fails.

Each run: what got a 2xx is there and exact, what got another status is not,
the error is the format's own, and the same requests succeed right afterwards.
At the end nothing is left over, both processes are the same ones, and
database and disk agree.

`make test` takes the first calls and then ever longer steps;
LONGSHORE_CRASH=full takes every one, in half an hour."""

import os
import subprocess
import time

import pytest

from harness import oci
from harness.faults import FaultyRegistry
from harness.process import wait_until
from harness.rounds import (Round, descriptors, left_over, prepare, sweep,
                            verify)
from harness.server import BUILD

pytestmark = pytest.mark.ours
FULL = os.environ.get("LONGSHORE_CRASH") == "full"
# What nginx says of a file that it could not read or write, and without memory.
TOLD = (r"\[(crit|alert|emerg)\].*(open\(\)|pread|read\(\)|sendfile|failed"
        r"|malloc|memalign)")
DAY = 86_400


def steps():
    """Which calls fail, one after the other."""
    n = 0
    while True:
        yield n
        n += 1 if FULL or n < 1 else 4 * n


@pytest.fixture(scope="module")
def server():
    with FaultyRegistry(workers=1, daemon_config="gc_interval_s = 0") as one:
        one.allow_log(TOLD)
        prepare(one)
        yield one
        sweep(one)
        verify(one)


FAULTS = [("open", "EMFILE"), ("read", "EIO"), ("read", "short"),
          ("write", "ENOSPC"), ("write", "short"), ("write", "EINTR"),
          ("sync", "EIO"), ("rename", "EIO"), ("link", "EMLINK"),
          ("unlink", "EIO"), ("mkdir", "ENOSPC"), ("touch", "EROFS"),
          ("memory", "ENOMEM")]
# In which program there are no such calls.
NONE = {("link", "registryd"), ("touch", "registryd")}
# Allocations of so many bytes and more: after one of a smaller size that fails
# an answer may be lost on its way (test_any_allocation_fails).
LARGE = {"nginx": 4096, "registryd": 64 << 10}


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind, error, program", [
    pytest.param(kind, error, program, id=f"{kind}-{error}-{program}")
    for kind, error in FAULTS for program in ("nginx", "registryd")
    if (kind, program) not in NONE])
def test_the_nth_call_fails(server, kind, error, program):
    plan = server.plans[program]
    before = server.worker_pids(), server.daemon_pid
    opened = descriptors(server)
    struck = 0
    for n in steps():
        salt = f"{program}-{kind}-{error}-{n}".lower()
        round = Round(server, f"nth/{salt}", salt)
        plan.arm(kind, error, first=n, least_bytes=LARGE[program])
        try:
            round.run()
        finally:
            plan.disarm()
        struck += plan.failed
        round.check()
        round.cancel()
        if error == "EINTR" or not plan.failed:  # neither is a fault
            assert all(round.done(what) for what in round.answers), (
                n, plan.last, round.answers)
        if not plan.failed:
            break
        again = Round(server, f"nth/{salt}", salt, round).run()
        assert all(again.done(what) for what in again.answers), (
            n, plan.last, again.answers)
        again.check()
    assert (server.worker_pids(), server.daemon_pid) == before
    assert struck, "there was nothing that could fail"
    wait_until(lambda: all(
        now <= opened[pid] + 8 for pid, now in descriptors(server).items()),
        15, what=f"given back: {opened} {descriptors(server)}")
    print(f"{program} {kind} {error}: {n + 1} calls, {struck} failed")
    if kind in ("unlink", "open"):  # of a folder that is to be cleared
        sweep(server)
    wait_until(lambda: not left_over(server), 15,
               what=f"gone: {left_over(server)}")


def any_steps():
    """Thousands are made in a round: one after the other at first, then ever
    longer steps."""
    n = 0
    while True:
        yield n
        n += 1 + (n // 40 if FULL else 4 * n)


def revive(server):
    """As an init system does: what has ended begins again, and serves."""
    ended = server.daemon.poll() is not None
    if ended:
        server.start_daemon()
    wait_until(server.daemon_answers, 10, what="it serves again")
    return ended


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("program", ["nginx", "registryd"])
def test_any_allocation_fails(program):
    """However small it is. Where there is no way on, the program ends: it
    begins again, and nothing that got a 2xx is lost."""
    with FaultyRegistry(workers=1, daemon_config="gc_interval_s = 0") as one:
        one.allow_log(TOLD)
        one.allow_log("worker process .* exited on signal|registryd is gone")
        prepare(one)
        plan = one.plans[program]
        ends = 0
        for n in any_steps():
            salt = f"any-{program}-{n}"
            round = Round(one, f"nth/{salt}", salt, exact=False)
            plan.arm("memory", "ENOMEM", first=n)
            try:
                round.run()
            finally:
                plan.disarm()
            ends += revive(one)
            round.check()
            round.cancel()
            if not plan.failed:
                break
            again = Round(one, f"nth/{salt}", salt, round, exact=False).run()
            failed = {what: (answer and answer.status, answer and answer.body)
                      for what, answer in again.answers.items()
                      if not again.done(what)}
            assert not failed, (n, failed)
            again.check()
        assert n > 100
        print(f"{program}: {n} allocations, registryd ended {ends} times")
        sweep(one)
        verify(one)


def age(folder):
    """As if all of it had been there for two days."""
    then = time.time() - 2 * DAY
    for name in ("link", "data"):
        for path in folder.rglob(name):
            try:
                os.utime(path, (then, then))
            except FileNotFoundError:
                pass


def collect(server, *more):
    """One run by the daemon; whether it came to its end."""
    try:
        done = subprocess.run(
            [BUILD / "registryctl", "--root", server.root, "--json", "gc",
             "run", *more], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        raise AssertionError("the run is never over") from None
    assert done.returncode in (0, 3), (done.stdout, done.stderr)
    return done.returncode == 0


NEVER = 10**9


def collections_that_fail(kind, plan):
    """Which call fails in each. One in which none does tells of how many
    writes it is made; the last of them say how it ended."""
    if FULL:
        yield from range(10_000)
    yield 1
    if kind == "write":
        yield NEVER
        yield from range(plan.seen - 10, plan.seen, 4)


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind, error", [
    ("rename", "EIO"), ("unlink", "EIO"), ("open", "EMFILE"),
    ("write", "ENOSPC")])
def test_collecting_while_calls_fail(server, kind, error):
    """What is in use stays, whatever fails; what is not goes in the end."""
    plan = server.plans["registryd"]
    before = server.daemon_pid
    blobs = server.root / "docker/registry/v2"
    for n in collections_that_fail(kind, plan):
        repo = oci.Repository(server, f"collect/{kind}-{n}".lower())
        image = oci.make_image((f"kept {kind} {n}".encode(),))
        repo.push(image, "v1")
        gone = [repo.push_blob(f"gone {kind} {n} {k}".encode())
                for k in range(3)]
        age(blobs)
        plan.arm(kind, error, first=n)
        try:
            collect(server)
        finally:
            plan.disarm()
        assert server.daemon_pid == before
        for blob in image.blobs:
            assert repo.get_blob(oci.digest(blob)).body == blob
        assert repo.get_manifest("v1").body == image.manifest
        age(blobs)
        assert collect(server, "--deep"), plan.last
        assert [repo.get_blob(one).status for one in gone] == [404] * 3
        if FULL and not plan.failed:
            break
    wait_until(lambda: not left_over(server), 15,
               what=f"gone: {left_over(server)}")
