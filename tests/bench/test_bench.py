"""bench/run: a quick run is complete, and failures never become numbers."""

import json
import subprocess
import sys

import pytest

from harness import clients
from harness.server import BUILD, TREE

sys.path.insert(0, str(TREE / "bench"))

from kit import machine, report  # noqa: E402

RUN = TREE / "bench" / "run"


def needs():
    """Skips where the build must not be measured."""
    clients.need("docker-registry")
    made = machine.build_facts(BUILD)
    if made.get("sanitize") or made.get("type") == "Debug":
        pytest.skip("bench/run refuses debug and sanitizer builds")


@pytest.mark.alone
@pytest.mark.ours
@pytest.mark.timeout(170)
def test_quick_run_measures_every_row(tmp_path):
    needs()
    out = tmp_path / "out.json"
    done = subprocess.run(
        [RUN, "--quick", "--build", BUILD, "--out", out, "--data", tmp_path],
        capture_output=True, text=True, timeout=160, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    document = json.loads(out.read_text())
    listed = subprocess.run([RUN, "--list"], capture_output=True, text=True,
                            check=True).stdout.splitlines()
    assert [row["key"] for row in document["rows"]] == [
        line.split()[0] for line in listed]
    for row in document["rows"]:
        for name in ("ours", "static", "registry"):
            side = row["servers"][name]
            if (row["key"], name) == ("push-100m-chunked", "static"):
                assert side["state"] == "skipped"
                continue
            assert side["state"] == "ok", (row["key"], name, side)
            field = report.RATES[row["scale"]]
            assert side[field]["median"] > 0
            if row["per"]:
                assert side[report.COSTS[row["per"]]]["median"] > 0
    assert document["machine"]["cores"] >= 1
    assert document["servers"]["ours"]["state"] == "ok"
    # One round proves nothing, and the table says so.
    assert "one run only" in done.stdout
    # Nothing of the run is left behind.
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def runs_of(*rates):
    return [{"round": i + 1, "units_per_s": rate}
            for i, rate in enumerate(rates)]


def test_ratio_is_the_median_of_the_rounds():
    got = report.ratio(runs_of(90, 100, 99), runs_of(100, 100, 100),
                       "units_per_s")
    assert got["state"] == "ok"
    assert got["median"] == 0.99


def test_ratio_is_refused_when_rounds_disagree():
    got = report.ratio(runs_of(80, 100, 100), runs_of(100, 100, 100),
                       "units_per_s")
    assert got["state"] == "disagree"
    assert got["median"] is None
    row = {"ratios": {"ours/static": {"rate": got}}}
    cell = report.cell_ratio(row, "ours/static")
    assert cell == "runs disagree by 20%"


def test_ratio_pairs_runs_of_the_same_round():
    late = [{"round": 2, "units_per_s": 50}]
    got = report.ratio(late, runs_of(1, 100), "units_per_s")
    assert got["runs"] == [0.5]
    assert got["state"] == "one run"


def test_disturbed_rounds_do_not_count_if_two_others_are_left():
    ours = runs_of(100, 50, 98)
    ours[1]["foreign_cores"] = 0.9
    got = report.ratio(ours, runs_of(100, 100, 100), "units_per_s")
    assert (got["runs"], got["left_out"]) == ([1.0, 0.98], 1)
    ours[0]["foreign_cores"] = 0.9
    got = report.ratio(ours, runs_of(100, 100, 100), "units_per_s")
    assert (got["state"], got["left_out"]) == ("disagree", 0)


def test_failed_row_has_no_number():
    class Bench:
        skipped = {}
        failed = {("get-1k", "ours"): "expected status 200, found 500"}
        runs = {("get-1k", "ours"): runs_of(1, 2),
                ("get-1k", "static"): [
                    {"round": 1, "units_per_s": 5, "cpu_per_10k": 1,
                     "p99_us": 1, "p50_us": 1}]}

    class Row:
        key, title, scale, per, connections = "get-1k", "t", "requests", \
            "10k", 1

    row = report.row_document(Row, Bench, ["ours", "static"])
    assert row["servers"]["ours"] == {
        "state": "failed", "why": "expected status 200, found 500"}
    assert row["ratios"] == {}
    assert report.cell_rate(row, "ours") == "failed"


@pytest.mark.parametrize("content", [
    '{"type": "Debug", "sanitize": "", "compiler": "x"}',
    '{"type": "RelWithDebInfo", "sanitize": "address", "compiler": "x"}',
    "", None])
def test_unfit_build_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "bench_build.json").write_text(content)
    (tmp_path / "bench_load").write_bytes(b"")
    done = subprocess.run(
        [RUN, "--quick", "--servers", "static", "--build", tmp_path,
         "--out", tmp_path / "out.json"], capture_output=True, text=True,
        timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("bench/run: ")
    assert not (tmp_path / "out.json").exists()


def test_sanitizer_marks_are_found_in_a_binary(tmp_path):
    (tmp_path / "bench_build.json").write_text(
        '{"type": "Release", "sanitize": "", "compiler": "x"}')
    binary = tmp_path / "registryd"
    binary.write_bytes(b"\x7fELF clean")
    assert machine.unfit(tmp_path, [binary]) is None
    binary.write_bytes(b"\x7fELF __tsan_init\0")
    assert "sanitizer" in machine.unfit(tmp_path, [binary])
