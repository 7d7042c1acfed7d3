"""bench/run: a quick run is complete, and failures never become numbers."""

import importlib.machinery
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import clients
from harness.server import BUILD, TREE

sys.path.insert(0, str(TREE / "bench"))

from kit import (bench, catalog, cold, machine, places, report,  # noqa: E402
                 servers, table, targets)

RUN = TREE / "bench" / "run"


def needs():
    """Skips where the build must not be measured."""
    clients.need("docker-registry")
    made = machine.build_facts(BUILD)
    if made.get("sanitize") or made.get("type") == "Debug":
        pytest.skip("bench/run refuses debug and sanitizer builds")


@pytest.fixture
def in_memory():
    """A folder in memory, where the machine has that."""
    base = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=base if base.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.alone
@pytest.mark.ours
@pytest.mark.timeout(300)
def test_quick_run_measures_every_row(tmp_path, in_memory):
    needs()
    out = tmp_path / "out.json"
    done = subprocess.run(
        [RUN, "--quick", "--build", BUILD, "--out", out, "--data", tmp_path,
         "--memory", in_memory],
        capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    document = json.loads(out.read_text())
    listed = subprocess.run([RUN, "--list"], capture_output=True, text=True,
                            check=True).stdout.splitlines()
    assert [row["key"] for row in document["rows"]] == [
        line.split()[0] for line in listed]
    for row, asked in zip(document["rows"], table.all_rows(), strict=True):
        if row["place"] == "memory" and not places.has_room(in_memory, True):
            assert row["servers"]["ours"]["state"] == "skipped"
            continue
        for name in asked.servers:
            side = row["servers"][name]
            if (row["key"], name) == ("push-100m-chunked", "static"):
                assert side["state"] == "skipped"
                continue
            assert side["state"] == "ok", (row["key"], name, side)
            field = report.RATES[row["scale"]]
            assert side[field]["median"] > 0
            if row["per"]:
                assert side[report.COSTS[row["per"]]]["median"] > 0
        assert ("floor" in row["servers"]) == asked.floor, row["key"]
    assert_numbers({row["key"]: row["servers"]["ours"]["runs"][0]
                    for row in document["rows"]
                    if row["servers"]["ours"]["state"] == "ok"},
                   on_disk=document["places"]["disk"] not in places.IN_MEMORY)
    assert document["machine"]["cores"] >= 1
    assert document["servers"]["ours"]["state"] == "ok"
    # One round proves nothing, and the table says so.
    assert "one run only" in done.stdout
    assert {one["verdict"] for one in document["targets"]} <= {
        "one run only", "no number"}
    # Nothing of the run is left behind.
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    assert not list(in_memory.iterdir())


def assert_numbers(ours, on_disk):
    """What only some rows have is there, and can be true."""
    idle = ours["rss-idle"]
    assert 0 < idle["pss_bytes"] < idle["rss_bytes"]
    assert ours["rss-after"]["rss_bytes"] > 0
    assert ours["rss-uploads"]["added_bytes"] > 1 << 20
    assert "added_bytes" in ours["rss-pulls"]
    for key in ("push-1g", "push-100m-chunked"):
        assert ("written_per_byte" in ours[key]) == on_disk
        assert 1 <= ours[key].get("written_per_byte", 1) < 3
    cold = ours["cold-manifest-one"]
    assert cold["added_us"] == cold["p50_us"] - cold["warm_p50_us"]
    assert ours["start"]["start_s"] > 0


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


def test_disturbed_rounds_do_not_count_for_a_number_alone_either():
    runs = runs_of(10, 99, 11)
    runs[1]["foreign_cores"] = 0.9
    assert report.numbers(runs, "units_per_s") == [10, 11]
    runs[0]["foreign_cores"] = 0.9
    assert report.numbers(runs, "units_per_s") == [10, 99, 11]


@pytest.mark.parametrize("writes", [True, False])
def test_another_server_is_first_in_each_round(monkeypatch, writes):
    done = []
    one = bench.Bench(bench.Plan(), None, [], None, None)
    monkeypatch.setattr(one, "_one",
                        lambda _, server, __: done.append(server.name))
    monkeypatch.setattr(one, "_one_floor", lambda *_: done.append("floor"))
    monkeypatch.setattr(one, "flush", lambda: done.append("flush"))
    row = SimpleNamespace(servers=("ours", "static", "registry"), floor=True,
                          writes=writes)
    sides = [SimpleNamespace(name=name)
             for name in ("ours", "static", "registry", "plain")]
    for number, order in enumerate((
            ["ours", "floor", "static", "registry"],
            ["static", "registry", "ours", "floor"],
            ["registry", "ours", "floor", "static"])):
        done.clear()
        one._row(row, sides, number)
        assert [name for name in done if name != "flush"] == order
        # What one wrote is on the disk before the next one's turn.
        assert done[1::2] == (["flush"] * 4 if writes else order[1::2])


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
        place, versus = "disk", ()

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


# Targets


def a_row(key, **sides):
    """The document of a row with runs of `name=[numbers]`."""
    row = next(row for row in table.all_rows() if row.key == key)
    field = report.RATES[row.scale]
    fake = SimpleNamespace(skipped={}, failed={}, runs={
        (key, name): [{"round": i + 1, field: value, "p50_us": 1,
                       "p99_us": 1, "cpu_per_10k": 1, "cpu_per_gib": 1}
                      for i, value in enumerate(values)]
        for name, values in sides.items()})
    return report.row_document(row, fake, list(sides))


def verdicts(row):
    return {one["target"]: (one["value"], one["verdict"])
            for one in targets.judge([row])}


def test_targets_are_met_or_not():
    got = verdicts(a_row("get-1k", ours=[95, 96, 94], static=[100, 100, 100],
                         registry=[5, 5, 5]))
    assert got["≥ 0.93 × static nginx"] == (0.95, "met")
    assert got["≥ 45 × docker-registry"] == (19.0, "not met")
    assert got["≥ 1 × plain static nginx"] == (None, "no number")


def test_a_target_with_noisy_rounds_is_refused_without_a_number():
    got = verdicts(a_row("get-1k", ours=[100, 200, 300], static=[100] * 3,
                         registry=[1] * 3))
    value, said = got["≥ 45 × docker-registry"]
    assert value is None
    assert said.startswith("refused: runs disagree by 100%")
    assert said.endswith("each round meets it")
    got = verdicts(a_row("get-1k", ours=[80, 90, 100], static=[100] * 3))
    assert got["≥ 0.93 × static nginx"][1].endswith(
        "the rounds lie on both sides")


def test_one_run_proves_no_target():
    got = verdicts(a_row("get-1k", ours=[95], static=[100]))
    assert got["≥ 0.93 × static nginx"] == (None, "one run only")


@pytest.mark.parametrize("values, said", [
    ([1.001, 1.002, 1.004], "met"), ([1.01, 1.01, 1.01], "not met"),
    ([2.0, 2.0, 2.0], "not met")])
def test_one_byte_is_written_once(values, said):
    target = targets.Target("push-1g", "written", 1.0, False)
    assert targets.verdict(target, values) == said


def test_every_target_is_about_a_row_and_servers_it_is_asked_of():
    rows = {row.key: row for row in table.all_rows()}
    for target in targets.TARGETS:
        row = rows[target.row]
        other = target.what.partition("/")[2]
        known = {*row.servers, *(["floor"] if row.floor else []),
                 *row.versus[:1], ""}
        assert other in known, target
        assert target.text()
        if target.row + targets.MEMORY in rows:
            assert row.place == "disk"
            assert rows[target.row + targets.MEMORY].place == "memory"
    about = [(one.row, one.what, one.label) for one in targets.TARGETS]
    assert len(about) == len(set(about))


def test_a_row_is_compared_with_another_one_of_the_same_round():
    row = next(r for r in table.all_rows() if r.key == "push-100m-chunked")
    fake = SimpleNamespace(skipped={}, failed={}, runs={
        ("push-100m-chunked", "ours"): [
            {"round": 1, "mb_per_s": 90}, {"round": 2, "mb_per_s": 180}],
        ("push-100m", "ours"): [
            {"round": 2, "mb_per_s": 200}, {"round": 1, "mb_per_s": 100}]})
    document = report.row_document(row, fake, ["ours"])
    assert document["ratios"]["ours/one stream"]["rate"]["runs"] == [0.9, 0.9]
    assert verdicts(document)["≥ 0.85 × one stream"] == (0.9, "met")


def test_a_bound_is_judged_once_and_the_other_number_kept():
    def push(key, values):
        document = a_row(key, ours=values, registry=[10] * 3,
                         floor=[100] * 3)
        document["servers"]["ours"]["runs"] = [
            {"round": i, "cpu_per_gib": value / 100}
            for i, value in enumerate(values)]
        return document
    disk, memory = push("push-1g", [50, 90, 130]), \
        push("push-1g-memory", [95, 95, 95])
    judged = {one["target"]: one for one in targets.judge([disk, memory])}
    rate = judged["≥ 0.9 × one thread"]
    assert (rate["place"], rate["value"], rate["verdict"]) == (
        "memory", 0.95, "met")
    assert rate["elsewhere"]["disk"]["verdict"].startswith("refused")
    cpu = judged["≤ 1.3 CPU s/GiB"]
    assert (cpu["place"], cpu["value"]) == ("disk", 0.9)
    assert cpu["elsewhere"]["memory"]["value"] == 0.95
    # Where memory has no room, the disk is what there is.
    memory["servers"], memory["ratios"] = {}, {}
    rate = targets.judge([disk, memory])[0]
    assert (rate["row"], rate["place"]) == ("push-1g", "disk")
    assert len(targets.judge([disk])) == len(targets.judge([disk, memory]))


# The parts


def test_manifests_of_the_tree_differ_and_have_one_size(tmp_path):
    asked = catalog.make_tree(tmp_path, 300)
    assert len(set(asked)) == 300
    top = tmp_path / "docker/registry/v2"
    for target in asked[::50]:
        _, _, rest = target.partition("/v2/")
        name, _, digest = rest.partition("/manifests/")
        hex_ = digest.partition(":")[2]
        data = (top / "blobs/sha256" / hex_[:2] / hex_ / "data").read_bytes()
        assert len(data) == 2000
        assert catalog.digest_of(data) == digest
        link = (top / "repositories" / name / "_manifests/revisions/sha256"
                / hex_ / "link")
        assert link.read_text() == digest


@pytest.mark.parametrize("hits, wrong", [([5, 5], False), ([5, 6], True)])
def test_an_answer_from_memory_is_not_cold(tmp_path, hits, wrong):
    counts = iter(hits)
    place = places.CatalogPlace(tmp_path, tmp_path / "db", 10, [])
    place.targets = [f"/t{i}" for i in range(10)]
    place.warm_target = "/warm"
    asked = []

    def load(_server, _connections, arguments):
        asked.append(arguments)
        return {"requests": 4, "p50_us": 9.0}
    fake = SimpleNamespace(
        place=place, plan=bench.Plan(), load=load,
        timed=lambda _, work: work())
    server = SimpleNamespace(name="ours", memory_hits=lambda: next(counts))
    row = cold.ColdGet("k", "t", 1)
    if wrong:
        with pytest.raises(cold.client.Wrong, match="not cold"):
            row.measure(fake, server)
        return
    run = row.measure(fake, server)
    assert run["added_us"] == 0
    warm = [words for words in asked if "--target" in words]
    assert all("/warm" in words for words in warm) and len(warm) == 2
    # Two runs of four and the one under way: those that come next are others.
    assert place.next["ours"] == 10


def test_pushed_blobs_give_their_room_back(tmp_path):
    server = servers.Measured()
    server.root = tmp_path
    digest = "sha256:" + "ab" * 32
    path = server.path_of(digest)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 100)
    with open(path, "rb") as still_open:
        server.forget([digest, "sha256:" + "cd" * 32])
        assert still_open.read() == b""
    assert not path.exists()


def run_module():
    loader = importlib.machinery.SourceFileLoader("bench_run", str(RUN))
    spec = importlib.util.spec_from_loader("bench_run", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("text, expected", [
    ('echo \'{"blob_get": 5, "static_get": 4.5}\'',
     {"state": "ok", "counts": {"blob_get": 5, "static_get": 4.5}}),
    ("echo no valgrind >&2; exit 2",
     {"state": "failed", "why": "exit status 2: no valgrind"}),
    ("echo '[]'", {"state": "failed",
                   "why": "exit status 0: it said nothing"})])
def test_instructions_are_counted_or_it_says_why_not(text, expected):
    assert run_module().beside(["sh", "-c", text], lambda found: {
        "counts": dict(found.items())}) == expected


def test_readme_holds_the_table_of_its_results():
    """Made from the results file it names, never by hand."""
    readme = (TREE / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- (bench/results/\S+\.json) -->\n(.*?)"
                      r"<!-- end of the table -->", readme, re.S)
    assert found, "README.md has no table"
    done = subprocess.run([RUN, "--table", TREE / found[1]],
                          capture_output=True, text=True, check=True)
    assert found[2].strip() == done.stdout.strip()
