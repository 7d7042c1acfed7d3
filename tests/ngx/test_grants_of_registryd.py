"""nginx and registryd with authorization on both sides: accounts made with
registryctl, their rights seen from outside, warm and cold."""

import base64
import json
import time

import pytest

from harness import http, oci
from harness.process import run, wait_until
from harness.server import BUILD, Registry

pytestmark = pytest.mark.ours

STATUS = "location = /status { registry_status json; }"
WARM = 2000


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
        run(BUILD / "registryctl", "--config", self.dir / "registryd.conf",
            "--root", self.root, *arguments, input=text)

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


@pytest.mark.parametrize("form", ["password", "token"])
def test_warm_requests_ask_nobody(server, pushed, form):
    name, layer = pushed
    who = basic("bob")
    if form == "token":
        who = access_token(server, name)
    assert As(server, name, who).pulls(layer) == {200}
    before = server.questions()
    targets = [f"/v2/{name}/manifests/v1", f"/v2/{name}/blobs/{layer}"]
    link = http.Connection(server.host, server.port)
    for i in range(WARM):
        answer = link.request("GET", targets[i % 2], {"Authorization": who})
        assert answer.status == 200
        if answer.will_close:
            link.close()
            link = http.Connection(server.host, server.port)
    link.close()
    assert server.questions() == before


def test_a_right_taken_away_is_gone_within_a_second(server, pushed):
    name, layer = pushed
    token = access_token(server, name)
    both = [As(server, name, who) for who in (basic("bob"), token)]
    for bob in both:
        assert bob.pulls(layer) == {200}
    server.control("grant", "remove", "bob", "a/**", "pull")
    begin = time.monotonic()
    try:
        for bob in both:
            wait_until(lambda: bob.get_blob(layer).status != 200, pause=0.005)
        assert time.monotonic() - begin < 1.0
        for bob in both:
            assert not bob.pulls(layer) & {200}
    finally:
        server.control("grant", "add", "bob", "a/**", "pull")
        wait_until(lambda: both[0].get_blob(layer).status == 200)


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
