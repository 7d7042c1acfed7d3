"""The same thing from two clients at once: one tag, one version of a package
in every format, with other bytes and with the same; and one upload through
two nginx over one root. The same blob from two clients: test_upload_matrix."""

import json
import subprocess
import threading

import pytest

from harness import oci
from harness.process import end, wait_until
from harness.publishing import FORMATS, add_repositories, publication, send
from harness.rounds import left_over, verify
from harness.server import BUILD, Registry

pytestmark = pytest.mark.ours
TAKEN = (403, 409)  # npm says 403


@pytest.fixture(scope="module")
def server():
    with Registry(workers=2) as one:
        add_repositories(one)
        yield one
        wait_until(lambda: not left_over(one), 15,
                   what=f"gone: {left_over(one)}")
        verify(one)


def together(*calls):
    """Their results; all begin at the same moment."""
    results = [None] * len(calls)
    gate = threading.Barrier(len(calls))

    def run(number):
        gate.wait()
        results[number] = calls[number]()
    threads = [threading.Thread(target=run, args=(number,))
               for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_push_one_tag(server):
    """The tag is what one of the last two said, for every reader the same;
    the history has them all, in an order that ends with it."""
    repo = oci.Repository(server, "twice/tag")
    pushed = []
    for number in range(12):
        pair = [oci.make_image((b"%d %d" % (number, who),))
                for who in range(2)]
        for image in pair:
            repo.push(image)
        answers = together(*(
            lambda image=image: repo.put_manifest(
                "latest", image.manifest, image.media_type)
            for image in pair))
        assert [answer.status for answer in answers] == [201, 201]
        pushed += [image.digest for image in pair]
        seen = {repo.get_manifest("latest").headers["Docker-Content-Digest"]
                for _ in range(8)}
        assert len(seen) == 1 and seen <= set(pushed[-2:]), (seen, pushed)
    last, = seen
    folder = (server.root / "docker/registry/v2/repositories" / repo.name
              / "_manifests/tags/latest")
    wait_until(lambda: (folder / "current/link").read_text() == last,
               what="the link file follows")
    kept = {f"sha256:{path.name}" for path in
            (folder / "index/sha256").iterdir()}
    # Of two that come at the same moment the disk may see the last alone.
    assert last in kept and kept <= set(pushed)
    for digest in pushed:
        assert repo.get_manifest(digest).status == 200
    moved = audit(server, "manifest.push", "latest")
    assert len(moved) == len(pushed) and set(moved) == set(pushed)
    assert moved[-1] == last


def audit(server, action, reference):
    """Digests of what the audit trail tells of it, in order."""
    done = subprocess.run(
        [BUILD / "registryctl", "--root", server.root, "--json", "audit",
         "list", "--action", action, "--repository", "twice/tag"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [row["target"] for row in json.loads(done.stdout)["audit"]
            if row["detail"] == reference]


@pytest.mark.parametrize("format", FORMATS)
def test_one_version_twice(server, format):
    for number in range(4):
        name = f"twice{number}"
        one, other = (publication(format, name, salt) for salt in
                      (b"the one", b"the other"))
        answers = together(lambda: send(server, one),
                           lambda: send(server, other))
        good = [answer.status in (200, 201) for answer in answers]
        assert sorted(good) == [False, True], [
            (answer.status, answer.body) for answer in answers]
        refused = answers[good.index(False)]
        assert refused.status in TAKEN, (refused.status, refused.body)
        # What was taken is what is there: the same again is no change, the
        # other one is refused again.
        loser = other if good[0] else one
        assert send(server, loser).status in TAKEN
        again = send(server, one if good[0] else other)
        assert again.status in (200, 201, *TAKEN)


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_bytes_twice(server, format):
    package = publication(format, "equal", b"equal")
    answers = together(*[lambda: send(server, package)] * 2)
    statuses = sorted(answer.status for answer in answers)
    assert statuses[0] in (200, 201), [answer.body for answer in answers]
    assert statuses[1] in (200, 201, *TAKEN), statuses


class OtherNode(Registry):
    """A second nginx over the root and the registryd of the first."""

    def __init__(self, first):
        super().__init__(root=first.root, workers=1)
        self.socket = first.socket

    def start_daemon(self):
        pass

    def stop_daemon(self, *_):
        end(None)


def test_an_upload_goes_on_through_another_nginx(server):
    with OtherNode(server) as other:
        nodes = [oci.Repository(one, "other/node") for one in (server, other)]
        wait_until(other.daemon_answers, what="the other one has the daemon")
        data = bytes(range(256)) * 4000
        location = nodes[0].start_upload().headers["Location"]
        step = len(data) // 8
        for number in range(8):
            node = nodes[number % 2]
            first = number * step
            status = node.upload_status(location)
            assert int(status.headers["Location"].rsplit("=")[-1]) == first
            answer = node.patch(status.headers["Location"],
                                data[first:first + step], first)
            assert answer.status == 202, (answer.status, answer.body)
            location = answer.headers["Location"]
        answer = nodes[1].finish(location, oci.digest(data))
        assert answer.status == 201, answer.body
        for node in nodes:
            assert node.get_blob(oci.digest(data)).body == data
        for number in range(2):
            location = nodes[number].start_upload().headers["Location"]
            assert nodes[1 - number].cancel(location).status == 204
