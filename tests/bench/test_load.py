"""bench_load: right answers are counted, wrong ones end the run, and runs that
stop half-way stop where they say."""

import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from harness.server import BUILD, TREE

sys.path.insert(0, str(TREE / "bench"))

from kit import client  # noqa: E402

LOAD = BUILD / "bench_load"


class Listener:
    """Gives each connection to a thread of its own: serve(connection)."""

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

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
            threading.Thread(target=self.serve, args=(connection,),
                             daemon=True).start()


class Canned(Listener):
    """A server that gives one canned answer to every request."""

    def serve(self, connection):
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


class Recorder(Listener):
    """Reads requests with bodies, answers each and keeps what it was asked.

    `answer(head)` gives the bytes to send; `got` counts body bytes.
    """

    def __init__(self, answer):
        self.heads = []
        self.got = 0
        self.lock = threading.Lock()
        super().__init__(answer)

    def serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while line := stream.readline():
                    length = 0
                    while (header := stream.readline()) != b"\r\n":
                        name, _, value = header.partition(b":")
                        if name.lower() == b"content-length":
                            length = int(value)
                    with self.lock:
                        self.heads.append(line.decode().strip())
                    while length > 0:
                        data = stream.read1(min(length, 65536))
                        length -= len(data)
                        with self.lock:
                            self.got += len(data)
                    connection.sendall(self.answer(line))
            except OSError:
                return  # the generator has seen enough


def start_load(port, *arguments):
    return subprocess.Popen(
        [LOAD, arguments[0], "--port", str(port), *arguments[1:]],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_generator_takes_the_targets_of_a_list_in_turn(tmp_path):
    targets = tmp_path / "targets"
    targets.write_text("".join(f"/t{i}\n" for i in range(100_000)))
    with Recorder(lambda _: GOOD) as server:
        code, got = load(server.port, "get", "--targets", str(targets),
                         "--first", "99998", "--seconds", "0.02",
                         connections=3)
    assert (code, got["error"]) == (0, "")
    asked = [line.split()[1] for line in server.heads]
    assert got["units"] >= 3
    # Each once before any comes again, whichever connection asks; up to
    # three were still on their way when it ended.
    near = [f"/t{(99_998 + i) % 100_000}" for i in range(len(asked) + 3)]
    assert asked[0] in near[:3]
    assert set(asked) <= set(near)
    assert len(set(asked)) == len(asked)


def test_generator_reads_slowly():
    size = 8 << 20
    answer = (f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()
              + b"x" * size)
    with Recorder(lambda _: answer) as server:
        run = start_load(server.port, "hold", "--target", "/", "--rate",
                         "100000", "--connections", "5")
        try:
            assert json.loads(run.stdout.readline()) == {
                "under_way": 5, "error": ""}
            begun = time.monotonic()
            time.sleep(0.5)
            out, _ = run.communicate("")
            seconds = time.monotonic() - begun
        finally:
            run.kill()
    got = json.loads(out)
    assert (run.returncode, got["error"], got["under_way"]) == (0, "", 5)
    assert got["units"] == 0
    # What was read: the rate, however slow this machine is.
    assert 0 < got["body_in"] < 5 * 100_000 * (seconds + 5)


def test_generator_says_when_a_slow_answer_was_over_too_early():
    with Canned(GOOD) as server:
        code, got = load(server.port, "hold", "--target", "/", "--rate",
                         "1000000")
    assert code == 1
    assert "complete before all were under way" in got["error"]


def test_generator_holds_back_the_end_of_bodies(tmp_path):
    body, plan = tmp_path / "body", tmp_path / "plan"
    body.write_bytes(b"x" * 300_000)
    plan.write_text("".join(f"sha256:{i:064d} pre{i}\n" for i in range(6)))

    def answer(line):
        if line.startswith(b"POST"):
            return (b"HTTP/1.1 202 Accepted\r\nLocation: /up\r\n"
                    b"Content-Length: 0\r\n\r\n")
        return b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"

    with Recorder(answer) as server:
        run = start_load(server.port, "push", "--repository", "a/b",
                         "--body", str(body), "--plan", str(plan),
                         "--hold-back", "1000", "--connections", "6")
        try:
            assert json.loads(run.stdout.readline())["under_way"] == 6
            end = time.monotonic() + 60
            while server.got < 6 * 299_000 and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(0.1)
            assert server.got == 6 * 299_000
            out, _ = run.communicate("")
        finally:
            run.kill()
    got = json.loads(out)
    assert (run.returncode, got["error"], got["units"]) == (0, "", 6)
    assert server.got == 6 * 300_000


@pytest.mark.parametrize("arguments", [
    ("get", "--target", "/", "--rate", "5"),
    ("get", "--target", "/", "--hold-back", "5"),
    ("hold", "--target", "/", "--rate", "5", "--threads", "2"),
    ("get", "--targets", "/dev/null"),
    ("get",)])
def test_generator_refuses_what_does_not_fit(arguments):
    done = subprocess.run(
        [LOAD, arguments[0], "--port", "1", *arguments[1:]],
        capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("bench_load: ")


def test_check_notices_wrong_bytes():
    with Canned(GOOD) as server:
        with pytest.raises(client.Wrong):
            client.check_get(server.port, "/", "sha256:" + "0" * 64, 5)
        with pytest.raises(client.Wrong):
            client.check_ranges(server.port, "/", b"hellx", [(0, 4)])
