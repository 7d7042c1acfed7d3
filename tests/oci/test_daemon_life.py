"""registryd as a process: start, refusal to start, garbage, overload, end."""

import json
import os
import socket
import stat
import struct
import subprocess

import pytest
import zmq

from harness.process import wait_until
from harness.seam import (VERSION, Daemon, Decision, Reader, question,
                          text)

INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def daemon():
    with Daemon() as started:
        yield started


def refuse(daemon, *arguments):
    """Runs it to its end, or for half a minute: (exit code, the one line it
    says)."""
    done = subprocess.run(["timeout", "30", *daemon.command(), *arguments],
                          timeout=60, capture_output=True, text=True)
    lines = [line for line in done.stderr.splitlines()
             if not line.startswith("{")]
    return done.returncode, lines


def test_ready_is_told():
    daemon = Daemon()
    path = daemon.dir / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(60)
        daemon.process = subprocess.Popen(
            daemon.command(), env={**os.environ, "NOTIFY_SOCKET": str(path)},
            stderr=subprocess.DEVNULL)
        try:
            assert notify.recv(100) == b"READY=1"
            daemon.connect()
            assert daemon.ask("GET", "/v2/").status == 200
            daemon.process.terminate()
            assert notify.recv(100) == b"STOPPING=1"
            assert daemon.stop() == 0
        finally:
            daemon.close()


@pytest.mark.parametrize("mode", ["0600", "0660", "0666"])
def test_permissions_of_the_sockets(mode):
    with Daemon(settings=f'socket_mode = "{mode}"\n') as daemon:
        daemon.ask("GET", "/v2/")
        for name in ("d", "d.pub"):
            found = stat.S_IMODE(os.stat(daemon.dir / name).st_mode)
            assert found == int(mode, 8)


def test_second_daemon_does_not_take_a_live_socket(daemon):
    daemon.ask("GET", "/v2/")
    other = Daemon()
    other.endpoint = daemon.endpoint
    code, lines = refuse(other)
    assert code == 1 and len(lines) == 1 and "in use" in lines[0]
    assert daemon.ask("GET", "/v2/").status == 200
    other.close()


def test_stale_socket_of_a_killed_daemon_is_replaced(daemon):
    daemon.ask("GET", "/v2/")
    daemon.process.kill()
    daemon.process.wait()
    assert (daemon.dir / "d").exists()
    daemon.start()
    assert daemon.ask("GET", "/v2/").status == 200


def test_file_in_place_of_the_socket_is_left_alone():
    daemon = Daemon()
    (daemon.dir / "d").write_text("precious")
    code, lines = refuse(daemon)
    assert code == 1 and "not a socket" in lines[0]
    assert (daemon.dir / "d").read_text() == "precious"
    daemon.close()


def test_wrong_settings_end_with_2_and_one_line():
    daemon = Daemon(settings="thread = 4\n")
    code, lines = refuse(daemon)
    assert code == 2 and len(lines) == 1
    assert ':1: unknown setting "thread"; did you mean "threads"?' in lines[0]
    daemon.settings = ""
    assert refuse(daemon, "--check") == (0, [])
    assert refuse(daemon, "--nonsense")[0] == 2
    daemon.close()


def test_root_that_cannot_be_used():
    daemon = Daemon()
    daemon.root.write_text("a file")
    code, lines = refuse(daemon)
    assert code == 1 and len(lines) == 1 and str(daemon.root) in lines[0]
    daemon.close()


def test_garbage_is_counted_and_hurts_nobody(daemon):
    good = question("GET", "/v2/")
    for message in (b"", good[:1], bytes([VERSION - 1]) + good[1:],
                    bytes([VERSION + 1]) + good[1:],
                    good[:-1], good + b"x", good[:1] + b"\x09" + good[2:],
                    os.urandom(1000),
                    struct.pack("<BBQ", VERSION, 1, 1) + b"\xff" * 64):
        daemon.socket.send(message)
    daemon.socket.send_multipart([b"", good])
    daemon.socket.send_multipart([good, good, good])
    assert daemon.ask("GET", "/v2/").status == 200
    answer = daemon.ask("GET", "/-/metrics", peer="127.0.0.1")
    assert b"registryd_bad_messages_total 11\n" in answer.body


def test_metrics_are_for_this_machine(daemon):
    daemon.socket.send(struct.pack("<BBH", VERSION, 3, 1) + text("a")
                       + text("v1") + struct.pack("<Q", 7))
    assert daemon.ask("GET", "/-/metrics").status == 404
    for name in ("forwarded", "x-forwarded-host"):
        assert daemon.ask("GET", "/-/metrics", [
            (name, "127.0.0.1"), ("forwarded", "for=127.0.0.1")]).status == 404
    body = daemon.ask("GET", "/-/metrics", peer="127.0.0.1").body.decode()
    assert body.endswith("# EOF\n")
    assert "registryd_cached_answers_total 7\n" in body


def test_writes_are_published_in_order(daemon):
    daemon.ask("GET", "/v2/")
    events = daemon.context.socket(zmq.SUB)
    events.linger = 0
    events.subscribe(b"")
    events.connect(daemon.endpoint + ".pub")

    def receive():
        assert events.poll(60_000)
        reader = Reader(events.recv())
        assert reader.number(1) == VERSION
        return (reader.number(8), reader.number(8),
                [reader.text() for _ in range(reader.number(2))])
    try:
        epoch, sequence, keys = receive()  # the heartbeat
        assert keys == []
        body = b'{"schemaVersion":2,"manifests":[]}'
        for tag in ("a", "b"):
            daemon.put_manifest(f"/v2/x/manifests/{tag}", body, INDEX)
        seen = []
        while len(seen) < 2:
            found = receive()
            assert found[0] == epoch
            if found[2]:
                seen.append(found)
        assert [s for _, s, _ in seen] == [sequence + 1, sequence + 2]
        assert "m,x,a" in seen[0][2] and "m,x,b" in seen[1][2]
        assert receive()[1:] == (sequence + 2, [])
    finally:
        events.close(0)


def test_full_queue_answers_503():
    with Daemon(settings="queue = 1\nthreads = 2\n") as daemon:
        body = b'{"schemaVersion":2,"manifests":[]}'
        # So many that some find the queue of one full, however slow we send.
        count = 500
        for number in range(count):
            daemon.socket.send(question(
                "PUT", f"/v2/x/manifests/t{number}",
                [("Content-Type", INDEX)], len(body), number,
                received=("", 1, len(body), "", "", body)))
        answers = [daemon.receive() for _ in range(count)]
        assert sorted(a.id for a in answers) == list(range(count))
        status = {a.status for a in answers}
        assert status == {201, 503}
        busy = next(a for a in answers if a.status == 503)
        assert busy.error == "UNAVAILABLE" and busy.header("Retry-After")
        assert json.loads(busy.body)["errors"][0]["code"] == "UNAVAILABLE"


def test_end_answers_what_has_arrived(daemon):
    daemon.ask("GET", "/v2/")
    body = b'{"schemaVersion":2,"manifests":[]}'
    count = 50
    for number in range(count):
        daemon.socket.send(question(
            "PUT", f"/v2/x/manifests/t{number}", [("Content-Type", INDEX)],
            len(body), number, received=("", 1, len(body), "", "", body)))
    first = daemon.receive()
    daemon.process.terminate()
    answers = [first]
    while daemon.socket.poll(2000):
        answers.append(Decision(daemon.socket.recv()))
    assert daemon.process.wait(60) == 0
    assert {a.status for a in answers} == {201}
    acknowledged = {a.reference for a in answers}
    daemon.start()
    tags = json.loads(daemon.ask("GET", "/v2/x/tags/list").body)["tags"]
    assert acknowledged <= set(tags)


def test_logs_are_json_with_the_words_of_the_request(daemon):
    body = b'{"schemaVersion":2,"manifests":[]}'
    daemon.put_manifest("/v2/x/manifests/v1", body, INDEX)
    daemon.ask("DELETE", "/v2/x/manifests/none")

    def lines():
        found = [json.loads(line) for line in daemon.log().splitlines()]
        return [line for line in found if line["event"] == "request"][-2:]
    wait_until(lambda: len(lines()) == 2 and "error" in lines()[-1])
    push, delete = lines()
    assert push["request_id"].startswith("request-")
    assert (push["repository"], push["action"], push["reference"],
            push["status"]) == ("x", "push", "v1", 201)
    assert (delete["action"], delete["status"], delete["error"]) \
        == ("delete", 404, "MANIFEST_UNKNOWN")
