"""Many uploads at a time: memory has a bound, and every byte arrives."""

import os
import threading

import pytest

from harness import oci
from harness.process import wait_until

pytestmark = [pytest.mark.ours, pytest.mark.heavy]

MI = 1 << 20
UPLOADS = 60


def rss(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_beyond_the_budget_of_a_worker(make_registry):
    """One by one they would hold 60 × 16 MiB; a worker has 32 MiB for all,
    and a buffer for each that has none."""
    server = make_registry(
        workers=1, location_directives="registry_upload_buffers 16 1m;")
    repository = oci.Repository(server, "load/many")
    repository.push_blob(os.urandom(MI))
    worker = server.worker_pids()[0]
    before, peak = rss(worker), [0]
    data = os.urandom(6 * MI)
    statuses = []

    bodies = [data[i:] + data[:i] for i in range(UPLOADS)]
    digests = [oci.digest(body) for body in bodies]
    start = threading.Barrier(UPLOADS)

    def push(number):
        try:
            location = repository.start_upload().headers["Location"]
        except BaseException:
            start.abort()  # nobody waits for one that does not come
            raise
        start.wait(60)
        answer = repository.finish(location, digests[number],
                                   bodies[number])
        statuses.append(answer.status)
    pushers = [threading.Thread(target=push, args=(i,), daemon=True)
               for i in range(UPLOADS)]
    for pusher in pushers:
        pusher.start()

    def ended():
        peak[0] = max(peak[0], rss(worker))
        return not any(pusher.is_alive() for pusher in pushers)
    wait_until(ended, 120, pause=0.002, what="all uploads ended")
    assert statuses == [201] * UPLOADS
    assert repository.get_blob(digests[-1]).body == bodies[-1]
    # What is over is for the pools of requests and the stacks of threads.
    assert peak[0] - before < (32 + UPLOADS + 16) * MI
