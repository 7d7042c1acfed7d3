"""bench/run: a quick run is complete, and failures never become numbers."""

import json
import socket
import subprocess
import sys
import threading

import pytest

from harness import clients
from harness.server import BUILD, TREE

sys.path.insert(0, str(TREE / "bench"))

from kit import client, machine, report  # noqa: E402

LOAD = BUILD / "bench_load"
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


class Canned:
    """A server that gives one canned answer to every request."""

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                while connection.recv(65536):
                    connection.sendall(self.answer)
                    if b"Connection: close" in self.answer:
                        return
            except OSError:
                return  # the generator has seen enough


def load(port, *arguments, connections=4):
    done = subprocess.run(
        [LOAD, arguments[0], "--port", str(port), "--connections",
         str(connections), *arguments[1:]], capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def test_generator_counts_right_answers():
    with Canned(GOOD) as server:
        code, got = load(server.port, "get", "--target", "/", "--length",
                         "5", "--seconds", "0.2")
    assert (code, got["error"]) == (0, "")
    assert got["units"] > 4
    assert got["body_in"] == 5 * got["units"]
    assert 0 < got["p50_us"] <= got["p99_us"] <= got["max_us"]


@pytest.mark.parametrize("length, code", [(3, 0), (7, 0), (2, 1), (8, 1)])
def test_generator_allows_the_slack_and_no_more(length, code):
    with Canned(GOOD) as server:
        assert load(server.port, "get", "--target", "/", "--length",
                    str(length), "--slack", "2", "--seconds",
                    "0.1")[0] == code


def test_generator_reconnects_when_told_to_close():
    answer = GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with Canned(answer) as server:
        code, got = load(server.port, "get", "--target", "/", "--seconds",
                         "0.2")
    assert (code, got["error"]) == (0, "")
    assert got["reconnects"] >= got["units"] - 4


@pytest.mark.parametrize("answer, says", [
    (GOOD.replace(b"200", b"500"), "expected status 200, found 500"),
    (GOOD.replace(b"5\r\n", b"4\r\n"), "more bytes than Content-Length"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhell",
     "expected a length of 5, found 4"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhello",
     "connection closed"),
    (b"HTTP/1.1 200 OK\r\n\r\nhello", "without Content-Length"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
     "Transfer-Encoding"),
    (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "not an HTTP/1 answer"),
])
def test_generator_fails_on_a_wrong_answer(answer, says):
    with Canned(answer) as server:
        code, got = load(server.port, "get", "--target", "/", "--length",
                         "5", "--seconds", "0.2")
    assert code == 1
    assert says in got["error"]


def test_generator_fails_when_a_push_is_refused(tmp_path):
    body, plan = tmp_path / "body", tmp_path / "plan"
    body.write_bytes(b"x" * 1000)
    plan.write_text("sha256:" + "0" * 64 + " abcd\n")
    refused = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    with Canned(refused) as server:
        code, got = load(server.port, "push", "--repository", "a/b",
                         "--body", str(body), "--plan", str(plan))
    assert code == 1
    assert got["error"] == "POST: expected status 202, found 503"
    assert got["units"] == 0


def test_check_notices_wrong_bytes():
    with Canned(GOOD) as server:
        with pytest.raises(client.Wrong):
            client.check_get(server.port, "/", "sha256:" + "0" * 64, 5)
        with pytest.raises(client.Wrong):
            client.check_ranges(server.port, "/", b"hellx", [(0, 4)])
