"""Retention and immutable tags: what the rules let go is what the preview
said, and nothing else. Each test ends with registryctl verify."""

import json
import os
import re
import sqlite3
import subprocess
import threading
import time

import pytest

from harness import http, oci
from harness.server import BUILD, Registry
from harness.stored import Store

pytestmark = pytest.mark.ours
DAY_MS = 86_400_000
REMOVED = ("tag.delete", "manifest.delete")


class Rules(Store):
    """The rules of one repository, and a clock for what it holds."""

    def __init__(self, server, name):
        super().__init__(server)
        self.name = name

    def refused(self, *words):
        return subprocess.run(
            [BUILD / "registryctl", "--root", self.server.root, *words],
            capture_output=True, timeout=60, check=False).returncode

    def set(self, *words, pattern=None):
        return self.ctl("retention", "set", pattern or self.name, *words)

    def sql(self, text, *values):
        path = self.server.root / "db" / "longshore.sqlite"
        database = sqlite3.connect(path, timeout=30)
        with database:
            rows = database.execute(text, values).fetchall()
        database.close()
        return rows

    def grow_old(self, days, *tags):
        """As if all of it, or these tags, had been pushed days before."""
        here = "name_id = (SELECT id FROM names WHERE name = ?)"
        past = f"- {days * DAY_MS}"
        for tag in tags:
            self.sql(f"UPDATE tags SET moved_at_ms = moved_at_ms {past} "
                     f"WHERE tag = ? AND {here}", tag, self.name)
        if tags:
            return
        self.sql(f"UPDATE tags SET moved_at_ms = moved_at_ms {past} "
                 f"WHERE {here}", self.name)
        self.sql(f"UPDATE manifests SET pushed_at_ms = pushed_at_ms {past} "
                 f"WHERE {here}", self.name)
        self.sql(f"UPDATE manifest_uses SET held_at_ms = held_at_ms {past},"
                 f" pulled_at_ms = pulled_at_ms {past} WHERE {here}",
                 self.name)

    def forget_uses(self):
        """What was asked for until now, also from nginx's memory."""
        time.sleep(1.3)
        self.ctl("retention", "run", "--repository", "nobody/has/this")
        self.sql("UPDATE manifest_uses SET pulled_at_ms = 0")

    def removals(self, *words):
        report = self.ctl("retention", "preview", "--repository", self.name,
                          *words)
        assert all(one["repository"] == self.name
                   for one in report["removals"])
        told = [one["tag"] or one["digest"] for one in report["removals"]]
        assert len(told) == report["tags"] + report["manifests"]
        return told

    def audited(self):
        rows = self.ctl("audit", "list", "--repository", self.name)["audit"]
        return [row["target"] for row in rows if row["action"] in REMOVED
                and "retention" in row["detail"]]

    def apply(self):
        """What goes, as the preview told it, in the same order."""
        told, before = self.removals(), self.audited()
        report = self.ctl("retention", "run", "--repository", self.name)
        assert report["state"] == "done" and report["spared"] == 0, report
        assert report["tags"] + report["manifests"] == len(told)
        done = self.audited()
        assert done == before + told
        assert self.removals() == []
        return told


@pytest.fixture(scope="module")
def server():
    with Registry() as one:
        yield one


@pytest.fixture
def name(request):
    return "keep/" + re.sub("[^a-z0-9]+", "-", request.node.name).strip("-")


@pytest.fixture
def repository(server, name):
    return oci.Repository(server, name)


@pytest.fixture
def rules(server, name):
    one = Rules(server, name)
    one.sql("UPDATE meta SET value = '1' WHERE key = 'uses_since'")
    yield one
    one.check()


def images(repository, *tags):
    """One image for each tag; digests by tag."""
    found = {}
    for tag in tags:
        image = oci.make_image([tag.encode()])
        found[tag] = repository.push(image, tag)
    return found


def tags(repository):
    answer = repository.tags()
    return json.loads(answer.body)["tags"] if answer.status == 200 else []


def denied(answer, tag):
    error, = json.loads(answer.body)["errors"]
    return (answer.status == 409 and error["code"] == "DENIED"
            and f"tag {tag} of " in error["message"]
            and "is immutable" in error["message"])


def test_rules_for_tags(rules, repository):
    images(repository, "v1", "v2", "a", "b", "c", "d")
    rules.grow_old(100)
    rules.grow_old(4, "a")  # the oldest
    assert repository.get_manifest("b").status == 200
    rules.set("--keep-tags", "v*", "--keep-tags", "c", "--keep-pulled", "30")
    report = rules.ctl("retention", "run", "--repository", rules.name)
    assert report["state"] == "done" and report["tags"] == 2
    assert tags(repository) == ["b", "c", "v1", "v2"]
    rules.set("--keep-last", "1", "--keep-tags", "v1")
    assert rules.apply() == ["b", "v2"]  # c was pushed last of these
    rules.set("--keep-younger", "50")
    repository.push(oci.make_image([b"v1"]), "v1")  # the same again
    assert rules.apply() == ["c"]
    assert tags(repository) == ["v1"]


def test_the_newest_stay(rules, repository):
    digests = images(repository, "1", "2", "3", "4", "5")
    for days, tag in enumerate(["5", "3", "1", "2", "4"], 1):
        rules.grow_old(days, tag)
    rules.set("--keep-last", "2")
    assert rules.apply() == ["1", "2", "4"]
    assert tags(repository) == ["3", "5"]
    # Their manifests stay: nothing was said of them.
    for digest in digests.values():
        assert repository.head_manifest(digest).status == 200
    rules.grow_old(10)
    assert rules.apply() == []


def test_pulls_count_from_memory_too(server, rules, repository):
    digests = images(repository, "cached", "asked", "headed", "never")
    for tag in ("cached", "headed"):
        assert repository.get_manifest(tag).status == 200
    assert repository.head_manifest(digests["headed"]).status == 200
    rules.forget_uses()
    rules.grow_old(100)
    counted = cached_answers(server)
    assert repository.get_manifest("cached").status == 200
    assert repository.head_manifest(digests["headed"]).status == 200
    assert repository.get_manifest(digests["asked"]).status == 200
    time.sleep(1.5)
    assert cached_answers(server) >= counted + 2  # from nginx's memory
    rules.set("--keep-pulled", "30")
    report = rules.ctl("retention", "run", "--repository", rules.name)
    assert report["tags"] == 1, report
    assert tags(repository) == ["asked", "cached", "headed"]


def cached_answers(server):
    body = http.request(server, "GET", "/-/metrics").body.decode()
    return int(re.search(r"registryd_cached_answers_total (\d+)", body)[1])


def test_what_leads_to_what(rules, repository):
    """An index and its children, a subject and its referrers, an image and
    its cosign tags stay together and go together."""
    index, child, signature, cosign, lonely = build_family(repository)
    rules.grow_old(100)
    rules.set("--delete-untagged", "7")
    assert rules.apply() == [lonely]
    for digest in (index, child, signature, cosign):
        assert repository.head_manifest(digest).status == 200
    tag = "sha256-" + index[7:] + ".sig"
    assert tags(repository) == [tag, "v1"]
    assert repository.delete_manifest("v1").status == 202
    assert rules.apply() == []  # it has been without a tag for no time
    rules.forget_uses()
    rules.grow_old(8)
    gone = rules.apply()
    assert set(gone) == {index, child, signature, cosign, tag}
    assert gone[0] == index and gone.index(tag) < gone.index(cosign)
    assert tags(repository) == []
    for digest in (index, child, signature, cosign):
        assert repository.head_manifest(digest).status == 404


def build_family(repository):
    first = oci.make_image([b"one"])
    index = repository.push_index([(first, {"os": "linux"})], "v1")
    signature = oci.make_artifact(b"signature", subject=index.descriptor())
    repository.push(signature)
    cosign = oci.make_image([b"cosign"])
    repository.push(cosign, "sha256-" + index.digest[7:] + ".sig")
    lonely = oci.make_image([b"lonely"])
    repository.push(lonely)
    return (index.digest, first.digest, signature.digest, cosign.digest,
            lonely.digest)


def test_the_most_specific_policy_counts(server, rules, name):
    inner = oci.Repository(server, name + "/inner")
    outer = oci.Repository(server, name + "/outer")
    for one in (inner, outer):
        images(one, "a", "b")
        of_one = Rules(server, one.name)
        of_one.grow_old(100)
        of_one.grow_old(1, "a")
    rules.set("--keep-last", "1", pattern=name + "/**")
    rules.set("--keep-tags", "a", pattern=name + "/inner")
    assert Rules(server, inner.name).apply() == ["b"]
    assert Rules(server, outer.name).apply() == ["a"]
    rules.ctl("retention", "delete", name + "/inner")
    assert Rules(server, inner.name).removals() == []
    patterns = [one["pattern"]
                for one in rules.ctl("retention", "list")["policies"]]
    assert name + "/**" in patterns and name + "/inner" not in patterns
    assert rules.refused("retention", "delete", name + "/inner") == 1
    for bad in (["--keep-last", "-1"], [], ["--keep-tags", "a/b"]):
        assert rules.refused("retention", "set", name, *bad) == 2
    audit = json.dumps(rules.ctl("audit", "list", "--action", "retention"))
    assert "keep tags a" in audit and "retention.remove" in audit


def test_immutable_tags(rules, repository, name):
    first, other = oci.make_image([b"first"]), oci.make_image([b"other"])
    repository.push(first, "v1")
    repository.push(first, "w1")
    repository.push_index([(other, None)], "v2")
    rules.ctl("immutable", "add", name, "v*")
    answer = repository.put_manifest("v1", other.manifest)
    assert denied(answer, "v1"), (answer.status, answer.body)
    answer = repository.put_manifest(f"{other.digest}?tag=v1&tag=w1",
                                     other.manifest)
    assert denied(answer, "v1")
    assert repository.get_manifest("w1").body == first.manifest
    assert repository.put_manifest("v1", first.manifest).status == 201
    assert denied(repository.delete_manifest("v1"), "v1")
    assert denied(repository.delete_manifest(first.digest), "v1")
    assert denied(repository.delete_manifest(other.digest), "v2")
    layer = oci.digest(b"first")
    answer = repository.call("DELETE", f"/blobs/{layer}")
    assert denied(answer, "v1")
    assert repository.get_manifest("v1").body == first.manifest
    rules.grow_old(100)
    rules.set("--keep-younger", "1")
    assert rules.apply() == ["w1"]
    assert tags(repository) == ["v1", "v2"]
    rules.ctl("immutable", "remove", name, "v*")
    assert rules.ctl("immutable", "list")["immutable"] == []
    assert repository.put_manifest("v1", other.manifest).status == 201


def test_a_client_shows_why(server, rules, repository, name, client, tmp_path):
    """skopeo pushes over an immutable tag, and over it again the same."""
    first, other = oci.make_image([b"first"]), oci.make_image([b"other"])
    repository.push(first, "v1")
    repository.push(other, "other")
    rules.ctl("immutable", "add", name, "v1")

    def copy(tag):
        at = f"docker://{server.address}/{name}"
        return subprocess.run(
            [client("skopeo"), "--insecure-policy", "copy",
             "--src-tls-verify=false", "--dest-tls-verify=false",
             f"{at}:{tag}", f"{at}:v1"], capture_output=True, text=True,
            timeout=60, cwd=tmp_path)
    done = copy("other")
    assert done.returncode != 0
    assert f"tag v1 of {name} is immutable" in done.stderr, done.stderr
    done = copy("v1")
    assert done.returncode == 0, done.stderr
    rules.ctl("immutable", "remove", name, "v1")


def test_many_tags_while_others_push(server, rules, repository, name):
    image = oci.make_image([b"many"])
    repository.push(image)
    wanted = 10_000 if os.environ.get("LONGSHORE_CRASH") == "full" else 2000
    for first in range(0, wanted, 32):
        query = "&".join(f"tag=build-{i}"
                         for i in range(first, min(first + 32, wanted)))
        answer = repository.put_manifest(f"{image.digest}?{query}",
                                         image.manifest)
        assert answer.status == 201, answer.body
    rules.set("--keep-last", "10")
    slowest, pushed, stop = 0.0, 0, threading.Event()
    beside = oci.Repository(server, name + "/beside")
    beside.push(image)

    def push():
        nonlocal slowest, pushed
        while not stop.is_set():
            begun = time.monotonic()
            assert beside.put_manifest(f"t{pushed % 7}",
                                       image.manifest).status == 201
            slowest = max(slowest, time.monotonic() - begun)
            pushed += 1
    pusher = threading.Thread(target=push)
    pusher.start()
    begun = time.monotonic()
    report = rules.ctl("retention", "run", "--repository", name)
    took = time.monotonic() - begun
    stop.set()
    pusher.join()
    print(f"{report['tags']} tags in {took:.1f} s; {pushed} pushes beside, "
          f"the slowest {slowest * 1000:.0f} ms")
    assert report["tags"] == wanted - 10 and report["state"] == "done"
    assert len(tags(repository)) == 10
    assert took < 120 and pushed > 10 and slowest < 5
    numbers = http.request(server, "GET", "/-/metrics").body.decode()
    counted = dict(line.split(" ") for line in numbers.splitlines()
                   if line.startswith("registryd_retention"))
    assert int(counted["registryd_retention_tags_total"]) >= wanted - 10
    assert int(counted["registryd_retention_runs_total"]) >= 1


def test_without_the_daemon(server, rules, repository):
    images(repository, "a", "b")
    rules.grow_old(3, "a")
    rules.set("--keep-last", "1")
    told = rules.removals()
    server.stop_daemon()
    try:
        report = rules.ctl("retention", "run", "--repository", rules.name)
        assert report["state"] == "done" and report["tags"] == 1
        assert told == ["a"] and rules.removals() == []
    finally:
        server.start_daemon()
    assert tags(repository) == ["b"]
    status = rules.ctl("retention", "status")
    assert status["interval_seconds"] == 3600
    assert status["runs"][0]["repository"] == rules.name
