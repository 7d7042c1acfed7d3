"""The first ten minutes of README.md, word for word, against what `make run`
starts. Only what is of this machine is put in: address, folders, and an image
that needs no network in place of busybox."""

import os
import pty
import re
import select
import subprocess
import time
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
import requests

from harness.process import run, wait_until
from harness.server import BUILD, TREE, MakeRun

pytestmark = [
    pytest.mark.ours, pytest.mark.heavy, pytest.mark.timeout(300),
    pytest.mark.skipif(
        bool(os.environ.get("LONGSHORE_PRELOAD")),
        reason="make run does not preload the sanitizers' libraries")]

PASSWORD = "correct horse 9"
ECHO = r"""
#include <stdio.h>
int main(int count, char **words) {
    for (int n = 1; n < count; ++n)
        printf("%s%s", words[n], n + 1 < count ? " " : "\n");
    return 0;
}
"""


def commands(heading):
    """The commands below a heading of README.md, in blocks, without their
    comments."""
    text = (TREE / "README.md").read_text()
    part = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"(?:^    .*\n)+", part, re.M)
    return [[line.partition(" #")[0].strip() for line in
             block.splitlines()] for block in blocks]


class Form(HTMLParser):
    """A form of a page, as one fills it in."""

    def __init__(self, text):
        super().__init__()
        self.fields, self.action = {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.action = attrs["action"]
        elif tag == "input":
            self.fields[attrs["name"]] = attrs.get("value", "")


def open_link(link):
    """What a person with a browser does."""
    url, _, key = link.partition("#")
    form = Form(requests.get(url, timeout=20).text)
    form.fields.update(key=key, name="admin", password=PASSWORD,
                       again=PASSWORD)
    answer = requests.post(urljoin(url, form.action), form.fields, timeout=20,
                           headers={"Origin": url.rpartition("/-/")[0]})
    assert answer.status_code == 200, answer.text
    return answer.text


def at_a_terminal(command, env, answers):
    """Runs it where it can ask; (exit status, what was on the screen)."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        ["bash", "-c", command], env=env, stdin=slave, stdout=slave,
        stderr=slave, start_new_session=True)
    os.close(slave)
    screen, end = b"", time.monotonic() + 120
    waiting = list(answers)
    try:
        while True:
            assert time.monotonic() < end, screen
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                part = os.read(master, 4096)
            except OSError:  # nobody has the terminal any more
                break
            if not part:
                break
            screen += part
            if waiting and waiting[0][0].encode() in screen.lower():
                os.write(master, waiting.pop(0)[1].encode() + b"\n")
    finally:
        os.close(master)
        if process.poll() is None and time.monotonic() >= end:
            process.kill()
        status = process.wait(60)
    return status, screen.decode(errors="replace")


LOGIN = [("username:", "admin"), ("password:", PASSWORD)]


@pytest.fixture
def started():
    with MakeRun(auth="on") as server:
        yield server


@pytest.fixture
def busybox(docker, tmp_path):
    """What `docker pull busybox` would have brought: an echo to run."""
    source = tmp_path / "echo.c"
    source.write_text(ECHO)
    (tmp_path / "root/bin").mkdir(parents=True)
    run("gcc", "-static", "-Os", "-o", tmp_path / "root/bin/echo", source)
    run("tar", "-cf", tmp_path / "root.tar", "-C", tmp_path / "root", "bin")
    docker("import", tmp_path / "root.tar", "busybox")


class Reader:
    """Somebody who does what README.md says."""

    def __init__(self, server, env):
        self.server, self.env = server, env

    def type(self, command, answers=()):
        for word, mine in (
                ("127.0.0.1:5000", self.server.address),
                ("build/registryctl", f"{BUILD}/registryctl"),
                ("--root var", f"--root {self.server.root}")):
            command = command.replace(word, mine)
        status, screen = at_a_terminal(command, self.env, answers)
        assert status == 0, (command, screen)
        return screen


def told(server):
    """The link in what `make run` printed."""
    wait_until(lambda: "setup " in server.output.read_text(), 20,
               what="make run says its lines")
    said = server.output.read_text()
    found = re.search(r"^setup +(\S+)  \(makes the first", said, re.M)
    assert found and found[1].startswith(f"{server.url}/-/setup#"), said
    assert f"docker login {server.address}" in said
    return found[1]


def test_with_docker(started, docker, busybox):
    (first,), docker_block, _ = commands("The first push")
    assert first == "make run"
    assert "docker pull busybox" in docker_block
    page = open_link(told(started))
    assert f"docker login -u admin {started.address}" in page
    one = Reader(started, {**docker.env, "DOCKER_HOST": docker.socket})
    for command in docker_block:
        if command == "docker pull busybox":
            continue
        said = one.type(command, LOGIN)
    assert "it works" in said.splitlines()
    # The last one was without a login, as is this; to push takes one.
    docker("rmi", f"{started.address}/hello:1")
    assert "it works" in one.type(docker_block[-1])
    denied = docker("push", f"{started.address}/hello:1", check=False)
    assert denied.returncode != 0


def test_with_skopeo_and_the_command(started, home, layout):
    text = (TREE / "README.md").read_text()
    setup = re.search(r"`(build/registryctl --root var setup \w+)`", text)[1]
    told(started)
    one = Reader(started, home)
    one.type(setup, [("password of", PASSWORD), ("again", PASSWORD)])
    login, copy = commands("The first push")[2]
    one.type(login, LOGIN)
    one.type(copy.replace("docker://busybox", f"oci:{layout}:v1"))
    assert requests.get(f"{started.url}/v2/hello/manifests/1",
                        timeout=20).status_code == 401
    one.type("build/registryctl --root var visibility set hello public")
    wait_until(lambda: run(
        "skopeo", "inspect", "--no-creds", "--tls-verify=false",
        f"docker://{started.address}/hello:1", env=home,
        check=False).returncode == 0, 20, 0.2, "everybody may pull it")


def test_next_time_there_is_no_link(started):
    link = told(started)
    open_link(link)
    again = MakeRun(auth="on", root=started.root)
    started.stop()
    try:
        again.start()
        wait_until(lambda: "data " in again.output.read_text(), 20,
                   what="it says its lines")
        assert requests.get(f"{again.url}/-/setup",
                            timeout=20).status_code == 410
    finally:
        again.stop()
    assert len(again.output.read_text().splitlines()) == 3
