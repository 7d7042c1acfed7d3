"""bench/micro/run: each micro-benchmark times what it says it does."""

import json
import subprocess
import sys

import pytest

from harness.server import BUILD, TREE

sys.path.insert(0, str(TREE / "bench"))

from kit import machine  # noqa: E402

RUN = TREE / "bench" / "micro" / "run"
WANTED = {
    "common": {"parse_path", "parse_digest", "encode_question",
               "decode_decision_message", "verify_token",
               "hash_with_saved_state"},
    "nginx": {"cache_hit", "cache_hit_while_another_looks_up", "cache_miss",
              "cache_insert_again", "cache_insert_with_eviction",
              "cache_drop"},
}


def run(*arguments):
    return subprocess.run([RUN, "--build", BUILD, *arguments], text=True,
                          capture_output=True, timeout=120, check=False)


@pytest.mark.ours
@pytest.mark.parametrize("program", WANTED)
def test_every_benchmark_runs(program):
    made = machine.build_facts(BUILD)
    if made.get("sanitize") or made.get("type") == "Debug":
        pytest.skip("bench/micro/run refuses debug and sanitizer builds")
    done = run("--only", program, "--", "--benchmark_min_time=0.01",
               "--benchmark_format=json")
    assert done.returncode == 0, done.stdout + done.stderr
    timed = json.loads(done.stdout)["benchmarks"]
    bad = [one for one in timed if one.get("error_occurred")]
    assert not bad
    assert all(one["real_time"] > 0 for one in timed)
    names = {one["name"].split("/")[0] for one in timed}
    assert WANTED[program] <= names
    if program == "nginx":
        assert "[emerg]" not in done.stderr


@pytest.mark.ours
def test_a_wrong_argument_is_an_error():
    made = machine.build_facts(BUILD)
    if made.get("sanitize") or made.get("type") == "Debug":
        pytest.skip("bench/micro/run refuses debug and sanitizer builds")
    assert run("--only", "nginx", "--", "--benchmark_speed=11").returncode == 1


def test_an_unfit_build_is_refused(tmp_path):
    (tmp_path / "bench_build.json").write_text(
        '{"type": "Debug", "sanitize": "", "compiler": "x"}')
    done = subprocess.run([RUN, "--build", tmp_path], text=True,
                          capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("bench/micro/run: ")
