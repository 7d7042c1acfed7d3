"""worker_cpu_affinity binds a worker to its core, and ZeroMQ's threads not:
they would compete with the worker they serve."""

import os
from pathlib import Path

import pytest

from harness import oci
from harness.process import wait_until

pytestmark = pytest.mark.ours


def threads(pid):
    """{(name, cores it may run on)} of a process, one row per thread."""
    out = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        out.append((name, os.sched_getaffinity(int(task.name))))
    return out


@pytest.mark.parametrize("directive", ["auto", "01 01", ""],
                         ids=("auto", "masks", "none"))
def test_zeromq_s_threads_are_free(make_registry, directive):
    server = make_registry(main_directives=(
        f"worker_cpu_affinity {directive};" if directive else ""))
    oci.Repository(server, "t/bound").push_blob(b"x" * 100_000)
    wait_until(lambda: len(server.worker_pids()) == 2, what="all workers")
    everything = os.sched_getaffinity(0)
    for pid in server.worker_pids():
        def zeromq():
            return [cores for name, cores in threads(pid)
                    if name.startswith("ZMQbg")]
        # The reaper and the one that reads and writes.
        wait_until(lambda: len(zeromq()) >= 2, what="ZeroMQ's threads")
        assert all(cores >= everything for cores in zeromq())
        assert len(os.sched_getaffinity(pid)) == (
            1 if directive else len(everything))
