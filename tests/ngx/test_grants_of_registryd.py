"""nginx and registryd with authorization on both sides: accounts made with
registryctl, their rights seen from outside, warm and cold."""

import base64
import json
import re
import socket
import time

import pytest

from harness import http, oci
from harness.process import run, wait_until, within
from harness.server import BUILD, Registry

pytestmark = pytest.mark.ours

STATUS = "location = /status { registry_status json; }"
WARM = 10_000
# Pairs sent at once, and how often over one connection (nginx ends one after
# 1000 requests).
BATCH, BATCHES = 20, 24


def basic(name):
    text = f"{name}:correct horse battery {name}"
    return "Basic " + base64.b64encode(text.encode()).decode()


class Both(Registry):
    """Alice may do everything below a/, Bob may pull there."""

    def __init__(self):
        super().__init__(workers=2, daemon_config='auth = "on"\n',
                         location_directives="registry_auth on;",
                         locations=STATUS)

    def control(self, *arguments, text=""):
        return run(
            BUILD / "registryctl", "--config", self.dir / "registryd.conf",
            "--root", self.root, *arguments, input=text).stdout

    def start(self):
        super().start()
        for name, actions in (("alice", "pull,push,delete"), ("bob", "pull")):
            self.control("user", "add", name, "--password-stdin",
                         text=f"correct horse battery {name}\n")
            self.control("grant", "add", name, "a/**", actions)
        wait_until(lambda: self.get("/v2/", basic("bob")).status == 200,
                   what="the accounts are known")
        return self

    def get(self, target, who=None):
        return http.request(self, "GET", target,
                            {"Authorization": who} if who else {})

    def questions(self):
        return self.get("/status").json()["daemon_questions"]


class As(oci.Repository):
    """A repository as somebody sees it."""

    def __init__(self, server, name, who):
        super().__init__(server, name)
        self.who = who

    def call(self, method, path, headers=(), body=b"", pieces=None):
        headers = dict(headers)
        if self.who:
            headers["Authorization"] = self.who
        return super().call(method, path, headers, body, pieces)

    def pulls(self, layer):
        """Statuses of a manifest and of a blob, GET and HEAD."""
        return {answer.status for answer in (
            self.get_manifest("v1"), self.head_manifest("v1"),
            self.get_blob(layer), self.head_blob(layer), self.tags())}


@pytest.fixture(scope="module")
def server():
    with Both() as made:
        yield made


@pytest.fixture
def pushed(server, repo_name):
    """(repository's name, digest of a layer) of what Alice has pushed."""
    name = f"a/{repo_name}"
    image = oci.make_image()
    As(server, name, basic("alice")).push(image, "v1")
    return name, json.loads(image.manifest)["layers"][0]["digest"]


def access_token(server, name, actions="pull", who="bob"):
    answer = server.get(f"/-/token?service=registry"
                        f"&scope=repository:{name}:{actions}", basic(who))
    return "Bearer " + answer.json()["token"]


def test_who_may_what(server, pushed):
    name, layer = pushed
    alice, bob, nobody = (As(server, name, who) for who in (
        basic("alice"), basic("bob"), None))
    assert alice.pulls(layer) == bob.pulls(layer) == {200}
    assert nobody.pulls(layer) == {401}
    assert As(server, name, basic("eve")).pulls(layer) == {401}
    assert bob.start_upload().status == 403
    assert nobody.start_upload().status == 401
    location = alice.start_upload().headers["Location"]
    for other in (bob, nobody):
        assert other.patch(location, b"x").status in (401, 403)
        assert other.upload_status(location).status in (401, 403)
        assert other.cancel(location).status in (401, 403)
    assert alice.patch(location, b"x").status == 202
    assert alice.cancel(location).status == 204


FORMS = {
    "password": lambda server, name, token: basic("bob"),
    "access token": lambda server, name, token: access_token(server, name),
    "API token, Bearer": lambda server, name, token: f"Bearer {token}",
    "API token, Basic": lambda server, name, token: "Basic "
    + base64.b64encode(f"bob:{token}".encode()).decode(),
    "API token alone": lambda server, name, token: token,
}


def warm_requests(server, targets, who):
    """WARM of them over several connections, each answer 200 and as long as
    the first of its target."""
    heads = [http.head("GET", target, {"Authorization": who})
             for target in targets]
    lengths = []
    for head in heads:
        with socket.create_connection((server.host, server.port), 20) as link:
            link.sendall(head.replace(b"\r\n\r\n",
                                      b"\r\nConnection: close\r\n\r\n"))
            answer = b"".join(iter(lambda: link.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        # "keep-alive" in place of "close".
        lengths.append(len(answer) + len("keep-alive") - len("close"))
    pair, length = b"".join(heads), sum(lengths)
    done = 0
    while done < WARM:
        with socket.create_connection((server.host, server.port), 20) as link:
            for _ in range(BATCHES):
                link.sendall(pair * BATCH)
                answers = b""
                while len(answers) < length * BATCH:
                    data = link.recv(length * BATCH - len(answers))
                    assert data
                    answers += data
                assert answers.count(b"HTTP/1.1 200 OK\r\n") == 2 * BATCH
                done += 2 * BATCH


def answered(server):
    """How many questions registryd has answered, by its own count."""
    text = server.get("/-/metrics").body.decode()
    found = re.findall(r"^registryd_answers_total\S* (\d+)$", text, re.M)
    return sum(map(int, found))


@pytest.mark.parametrize("form", FORMS)
def test_warm_requests_ask_nobody(server, pushed, form):
    name, layer = pushed
    token = json.loads(server.control("token", "create", "bob", "--json"))
    who = FORMS[form](server, name, token["token"])
    targets = [f"/v2/{name}/manifests/v1", f"/v2/{name}/blobs/{layer}"]
    while True:
        # What is kept of the first is good for a minute.
        begun = time.monotonic()
        assert As(server, name, who).pulls(layer) == {200}
        theirs, ours = answered(server), server.questions()
        warm_requests(server, targets, who)
        asked, more = server.questions() - ours, answered(server) - theirs
        if time.monotonic() - begun < 50:
            break
    assert asked == 0
    assert more == 1  # the page of these numbers itself, when it was read


def test_a_right_taken_away_is_gone_within_a_second(server, pushed):
    name, layer = pushed
    token = access_token(server, name)
    both = [As(server, name, who) for who in (basic("bob"), token)]

    def seconds_to_the_last():
        for bob in both:
            assert bob.pulls(layer) == {200}
        server.control("grant", "remove", "bob", "a/**", "pull")
        begin = time.monotonic()
        try:
            for bob in both:
                wait_until(lambda: bob.get_blob(layer).status != 200,
                           pause=0.005)
            took = time.monotonic() - begin
            for bob in both:
                assert not bob.pulls(layer) & {200}
        finally:
            server.control("grant", "add", "bob", "a/**", "pull")
            wait_until(lambda: all(bob.pulls(layer) == {200}
                                   for bob in both))
        return took
    within(1.0, seconds_to_the_last)


def test_pulls_go_on_without_registryd(repo_name):
    with Both() as server:
        name = f"a/{repo_name}"
        image = oci.make_image()
        alice, bob = (As(server, name, basic(who))
                      for who in ("alice", "bob"))
        alice.push(image, "v1")
        layer = json.loads(image.manifest)["layers"][0]["digest"]
        assert bob.get_manifest("v1").status == 200
        server.stop_daemon()
        wait_until(lambda: alice.start_upload().status == 503)
        assert bob.get_manifest("v1").body == image.manifest
        assert bob.get_blob(layer).status == 200
        nobody = As(server, name, None)
        assert nobody.get_manifest("v1").status == 503
        assert nobody.get_blob(layer).status == 503
