"""What the kernel says about processes and the machine: CPU time, memory,
processes of a tree, time taken by others."""

import os
import time

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
GIB = 1 << 30


def tree(pid):
    """The process and all its descendants, [] when it is gone."""
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        try:
            tasks = os.listdir(f"/proc/{one}/task")
        except OSError:
            continue
        found.append(one)
        for task in tasks:
            try:
                with open(f"/proc/{one}/task/{task}/children",
                          encoding="ascii") as f:
                    queue.extend(int(word) for word in f.read().split())
            except OSError:
                continue
    return found


def _stat_cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu_s(pid):
    """CPU seconds, user and system, of all threads a process ever had.

    The process's CPU clock counts in nanoseconds what /proc/PID/stat counts
    in ticks of 10 ms, which is too coarse for a push of 100 MiB; the latter
    is the fallback where the clock cannot be read.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return _stat_cpu_s(pid)


def cpu_of(pids):
    return {pid: cpu_s(pid) for pid in pids}


def memory(pids):
    """(RSS, PSS) in bytes, summed over processes. RSS counts a page shared
    by n processes n times, PSS once."""
    rss = pss = 0
    for pid in pids:
        with open(f"/proc/{pid}/statm", encoding="ascii") as f:
            rss += int(f.read().split()[1]) * PAGE
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            for line in f:
                if line.startswith("Pss:"):
                    pss += int(line.split()[1]) * 1024
                    break
    return rss, pss


def written(pids):
    """Bytes that processes have sent towards a disk so far: each page counts
    when a process makes it dirty (/proc/PID/io, write_bytes), so a page that
    is written twice with its write-back in between counts twice, and files
    that are copied count twice. The file system's own journal is not in it,
    and a file system in memory counts nothing. None where it cannot be read.
    """
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/io", encoding="ascii") as f:
                facts = dict(line.split(": ") for line in f)
        except OSError:
            return None
        total += int(facts["write_bytes"])
    return total


def kernel_s():
    """CPU seconds of the kernel's own threads so far: write-back, journal and
    discards, which a run that writes causes without being charged for it."""
    total = 0.0
    try:
        with open("/proc/2/task/2/children", encoding="ascii") as f:
            pids = f.read().split()
    except OSError:
        return total  # a container does not see them
    for pid in pids:
        try:
            total += _stat_cpu_s(pid)
        except OSError:
            continue
    return total


def busy_s():
    """CPU seconds the whole machine has spent so far, stolen time included."""
    with open("/proc/stat", encoding="ascii") as f:
        ticks = [int(word) for word in f.readline().split()[1:]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks[:8]) - idle) / TICK
