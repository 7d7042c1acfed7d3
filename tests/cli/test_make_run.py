"""`make run` itself: three lines, a push, Ctrl-C, and what it refuses."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from harness.clients import need_right
from harness.ports import free_port
from harness.process import alive, run, wait_until, within
from harness.server import BUILD, TREE

pytestmark = [
    pytest.mark.timeout(900),  # the first of them may have to build
    pytest.mark.skipif(
        bool(os.environ.get("LONGSHORE_PRELOAD")),
        reason="make run does not preload the sanitizers' libraries")]


class MakeRun:
    """One `make run` in a process group of its own, as in a terminal."""

    def __init__(self, data, port=None, auth="off", **environment):
        self.data = Path(data)
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = {**os.environ, **environment}
        # A make above us would hand its own options down.
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            ["make", "-s", "-C", TREE, "run", f"PORT={self.port}",
             f"DATA={data}", f"AUTH={auth}", f"BUILD={BUILD}"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, env=environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def lines(self, count=4):
        """The next `count` lines of standard output; the fourth says that
        the registry is open, or who makes the administrator."""
        out = [self.process.stdout.readline().rstrip("\n")
               for _ in range(count)]
        if "" in out:
            raise AssertionError(f"it said: {out} {self.finish()}")
        return out

    def pids(self):
        """Processes of this run: those that have its data in their words."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(self.data) in words and alive(int(entry.name)):
                found.append(int(entry.name))
        return found

    def pid_of(self, name):
        return int((self.data / "run" / f"{name}.pid").read_text())

    def ctrl_c(self):
        os.killpg(self.process.pid, signal.SIGINT)

    def finish(self, seconds=60):
        """Waits for the end; standard error without make's own words."""
        out, err = self.process.communicate(timeout=seconds)
        return [line for line in (out + err).splitlines()
                if not re.match(r"make(\[\d+\])?: |ninja: no work to do"
                                r"|\[0/2\] Re-checking", line)]

    def close(self):
        if self.process.poll() is None:
            self.ctrl_c()
            try:
                self.process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.communicate()


@pytest.fixture(scope="module", autouse=True)
def built():
    """Up to date, so that `make run` has nothing to say about building."""
    run(TREE / "tools" / "build", "release", BUILD, "programs", seconds=900)


@pytest.fixture
def make_run():
    started = []

    def start(*arguments, **keywords):
        started.append(MakeRun(*arguments, **keywords))
        return started[-1]
    yield start
    for one in started:
        one.close()


def push_blob(url, content):
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    answer = requests.post(f"{url}/v2/hello/blobs/uploads/",
                           params={"digest": digest}, data=content, timeout=20)
    assert answer.status_code == 201, answer.text
    return digest


def pull_blob(url, digest):
    answer = requests.get(f"{url}/v2/hello/blobs/{digest}", timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.content


def refused(data, port=None, **environment):
    """The one line with which `make run` ends before it starts anything."""
    attempt = MakeRun(data, port, **environment)
    lines = attempt.finish()
    assert attempt.process.returncode != 0
    assert len(lines) == 1, lines
    assert lines[0].startswith("make run: ")
    return lines[0]


@pytest.mark.alone
def test_three_lines_push_pull_and_ctrl_c(make_run, tmp_path):
    data = tmp_path / "data"
    server = make_run(data)
    url, push, where, loud = server.lines()
    assert server.url in url
    assert f"docker push 127.0.0.1:{server.port}/" in push
    assert str(data) in where
    assert loud.startswith("OPEN ") and "AUTH=off" in loud
    content = os.urandom(3 << 20)
    digest = push_blob(server.url, content)
    assert pull_blob(server.url, digest) == content
    hexes = digest.split(":")[1]
    assert (data / "docker/registry/v2/blobs/sha256" / hexes[:2] / hexes
            / "data").read_bytes() == content
    assert requests.get(f"{server.url}/status", timeout=20).status_code == 200

    pids = server.pids()
    assert len(pids) >= 3  # registryd, nginx and at least one worker
    server.ctrl_c()
    # Where the end takes more than a second it says something.
    assert all("finishes what it has" in line for line in server.finish())
    assert not [pid for pid in pids if alive(pid)]
    assert not list((data / "run").glob("*.pid"))
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=5)

    # Another run: quick, on the same data.
    def seconds_of_a_start():
        start = time.monotonic()
        server = make_run(data)
        server.lines()
        took = time.monotonic() - start
        assert pull_blob(server.url, digest) == content
        server.ctrl_c()
        server.finish()
        return took
    within(2, seconds_of_a_start)


def test_sigterm_to_make_ends_it_as_well(make_run, tmp_path):
    server = make_run(tmp_path / "data")
    server.lines()
    pids = server.pids()
    server.process.terminate()
    assert all("finishes what it has" in line for line in server.finish())
    assert not [pid for pid in pids if alive(pid)]


@contextmanager
def half_an_upload(server):
    """A connection with five of ten bytes of a PATCH, which nginx has begun
    to take."""
    where = requests.post(f"{server.url}/v2/hello/blobs/uploads/",
                          timeout=20).headers["Location"]
    path = where.replace(server.url, "")

    def begun():
        status = requests.get(f"{server.url}/status", timeout=20, headers={
            "Accept": "application/json"}).json()
        return status["uploads_active"] == 1
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.settimeout(20)
        client.sendall((f"PATCH {path} HTTP/1.1\r\nHost: x\r\n"
                        "Content-Length: 10\r\n"
                        "Content-Type: application/octet-stream\r\n"
                        "\r\nfirst").encode())
        wait_until(begun, what="upload has begun")
        yield client


def refuses_connections(server):
    """True once nginx has closed what it listens on."""
    try:
        socket.create_connection(("127.0.0.1", server.port), 20).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        pass
    return False


def test_ctrl_c_lets_an_upload_finish(make_run, tmp_path):
    server = make_run(tmp_path / "data")
    server.lines()
    with half_an_upload(server) as client:
        server.ctrl_c()
        wait_until(lambda: refuses_connections(server),
                   what="nginx takes no more")
        client.sendall(b"later")
        assert client.recv(4096).startswith(b"HTTP/1.1 202")
    assert all("finishes what it has" in line for line in server.finish())
    assert server.pids() == []


def test_a_second_ctrl_c_does_not_wait(make_run, tmp_path):
    server = make_run(tmp_path / "data")
    server.lines()
    with half_an_upload(server):
        server.ctrl_c()
        wait_until(lambda: refuses_connections(server),
                   what="nginx takes no more")
        server.ctrl_c()
        server.finish(30)  # half of what nginx has for its requests
    assert server.pids() == []


@pytest.mark.parametrize("name", ["registryd", "nginx"])
def test_if_one_dies_so_does_the_other(make_run, tmp_path, name):
    server = make_run(tmp_path / "data")
    server.lines()
    pids = server.pids()
    os.kill(server.pid_of(name), signal.SIGKILL)
    lines = server.finish()
    assert len(lines) == 1, lines
    assert f"{name} ended (signal SIGKILL)" in lines[0]
    assert server.process.returncode != 0
    wait_until(lambda: not [pid for pid in pids if alive(pid)],
               what="all ended")


def test_killed_itself_it_leaves_nobody_behind(make_run, tmp_path):
    data = tmp_path / "data"
    server = make_run(data)
    server.lines()
    pids = server.pids()
    os.killpg(server.process.pid, signal.SIGKILL)
    wait_until(lambda: not [pid for pid in pids if alive(pid)],
               what="all ended")
    make_run(data).lines()  # and nothing is in the way of the next


def test_port_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused(tmp_path / "data", port)
        assert f"port {port} is in use by " in line
        assert f"(process {os.getpid()})" in line


def test_auth_that_is_none(tmp_path):
    assert "neither on nor off" in refused(tmp_path / "data", auth="maybe")


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", ""])
def test_port_that_is_none(tmp_path, port):
    line = refused(tmp_path / "data", port or " ")
    assert "is not a number between 1 and 65535" in line


def test_a_second_run_on_the_same_data(make_run, tmp_path):
    data = tmp_path / "data"
    server = make_run(data)
    server.lines()
    line = refused(data)
    assert "in use by another make run" in line and server.url in line
    assert requests.get(f"{server.url}/v2/", timeout=20).status_code == 200


def test_data_is_a_file(tmp_path):
    path = tmp_path / "data"
    path.write_text("")
    assert "not a directory" in refused(path)


@pytest.fixture
def mounted(tmp_path):
    """A file system of the test's own: mounted("size=…") gives its folder."""
    need_right("CAP_SYS_ADMIN", "to mount a file system")
    folder = tmp_path / "mounted"
    folder.mkdir()

    def mount(options):
        run("mount", "-t", "tmpfs", "-o", options, "longshore-test", folder)
        return folder
    yield mount
    run("umount", folder, check=False)


def test_data_cannot_be_written(mounted):
    assert "read-only file system" in refused(mounted("size=1m,ro") / "data")


@pytest.mark.parametrize("options", ["size=1m", "size=256m,nr_inodes=3"])
def test_full_disk(mounted, options):
    assert "disk full" in refused(mounted(options))


def test_disk_that_is_full_to_the_last_byte(mounted):
    folder = mounted("size=256k")
    with pytest.raises(OSError), open(folder / "ballast", "wb") as file:
        while True:
            file.write(b"\0" * 4096)
            file.flush()
    assert "disk full" in refused(folder)


@pytest.mark.parametrize("name", ['a"b', "a\\b"])
def test_data_with_a_name_that_nginx_cannot_have(tmp_path, name):
    assert "holds a character" in refused(tmp_path / name)


def test_data_with_spaces(make_run, tmp_path):
    server = make_run(tmp_path / "my data")
    server.lines()
    content = b"x" * 1000
    assert pull_blob(server.url, push_blob(server.url, content)) == content


def test_data_deeper_than_a_socket_may_be(make_run, tmp_path):
    server = make_run(tmp_path / ("d" * 150))
    server.lines()
    content = b"deep"
    assert pull_blob(server.url, push_blob(server.url, content)) == content
    server.ctrl_c()
    server.finish()
    uses = re.search(r'ipc://(/tmp/longshore-[^/"]+)',
                     (server.data / "run/nginx.conf").read_text())
    assert uses and not Path(uses[1]).exists()


def test_data_longer_than_a_root_may_be(tmp_path):
    assert "at most 400" in refused(tmp_path / ("d" * 200) / ("d" * 200))


def test_relative_data_starts_at_the_tree(make_run, tmp_path):
    server = make_run(os.path.relpath(tmp_path / "data", TREE))
    assert str(tmp_path / "data") in server.lines()[2]


def test_what_is_not_built_is_said(tmp_path):
    # Without make, which would build it.
    done = run(TREE / "tools" / "run", check=False, env={
        **os.environ, "PORT": str(free_port()), "DATA": str(tmp_path),
        "BUILD": str(tmp_path / "none")})
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert "is not built; make build" in done.stdout


def test_no_nginx_is_said(tmp_path):
    line = refused(tmp_path / "data", LONGSHORE_NGINX="/nonexistent/nginx")
    assert "nginx" in line
