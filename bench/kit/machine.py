"""Facts about the machine and the programs, for the results file; and the
checks that a build is fit to be measured."""

import json
import os
import re
import subprocess
from pathlib import Path

SANITIZER_MARKS = (b"__asan_init", b"__tsan_init", b"__ubsan_handle",
                   b"__msan_init")


def _first_line(path, wanted):
    try:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            if line.startswith(wanted):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return "unknown"


def output_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True,
                              timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "absent"
    text = (done.stdout + done.stderr).strip()
    return text.splitlines()[0] if text else "unknown"


def file_system(path):
    """Type of the file system that holds a path."""
    best = ("", "unknown")
    real = os.path.realpath(path)
    with open("/proc/mounts", encoding="utf-8") as f:
        for line in f:
            _, point, kind = line.split()[:3]
            inside = real == point or real.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best[0]):
                best = (point, kind)
    return best[1]


def facts(data):
    with open("/proc/meminfo", encoding="ascii") as f:
        memory_kib = int(f.readline().split()[1])
    return {
        "cpu": _first_line("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_kib / 1024 / 1024, 1),
        "kernel": os.uname().release,
        "machine": os.uname().machine,
        "system": _os_name(),
        "file_system": file_system(data),
        # Of the servers; the generator's connections are cubic.
        "congestion_control": Path(
            "/proc/sys/net/ipv4/tcp_congestion_control").read_text(
                encoding="ascii").strip(),
        "load_average_before": list(os.getloadavg()),
    }


def _os_name():
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', text, re.M)
    return match.group(1) if match else "unknown"


def versions(top):
    from harness.server import NGINX  # bench/micro/run has no harness
    return {
        "nginx": output_of(NGINX, "-v").replace("nginx version: ", ""),
        "docker-registry": output_of("docker-registry", "--version"),
        "wrk": output_of("wrk", "-v").partition(" [")[0],
        "longshore": output_of("git", "-C", str(top), "describe", "--always",
                               "--dirty"),
    }


def build_facts(build):
    """What CMake wrote down of a build directory, {} when it is none."""
    try:
        return json.loads((build / "bench_build.json").read_text())
    except (OSError, ValueError):
        return {}


def unfit(build, binaries):
    """Why binaries of a build must not be measured; None when they may."""
    made = build_facts(build)
    if not made:
        return f"{build} is not a configured build directory"
    if made["type"] not in ("Release", "RelWithDebInfo"):
        return (f"{build}: build type is '{made['type']}'; "
                "Release or RelWithDebInfo is wanted")
    for binary in binaries:
        if not binary.exists():
            return f"{binary} is not built"
        content = binary.read_bytes()
        if made["sanitize"] or any(m in content for m in SANITIZER_MARKS):
            return f"{binary} is a sanitizer build"
    return None
