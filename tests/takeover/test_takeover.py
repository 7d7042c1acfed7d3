"""A data directory goes from docker-registry to us, back, and again.

Everything is pushed by real clients to one server, which then ends; the
other is started on the same directory and must serve all of it, at once.
docker-registry tells nobody what it wrote: when a directory comes back to us,
`registryctl rebuild` is run first, as docs/install.md says.
"""

import json
import os

import pytest

from harness import image, oci
from harness.process import run, wait_until
from harness.server import (
    BUILD, DistributionRegistry, Registry, server_class)

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

PLAIN = "--src-tls-verify=false", "--dest-tls-verify=false"
WAYS = pytest.mark.parametrize(
    "first, second", ((DistributionRegistry, server_class()),
                      (server_class(), DistributionRegistry)),
    ids=("to-ours", "from-ours"))


@pytest.fixture(autouse=True)
def peer(client):
    """Without docker-registry there is nothing to take over."""
    return client("docker-registry")


@pytest.fixture
def skopeo(cli):
    def call(verb, *words):
        return cli("skopeo", "--insecure-policy", verb, *words)
    return call


def opened(kind, root):
    """A server of this kind on the root, not started yet."""
    if kind is Registry and (root / "db").exists():
        run(BUILD / "registryctl", "rebuild", "--root", root)
    return kind(root=root)


def fill(server, skopeo, layout, family_layout):
    """Pushes images of all sorts by skopeo; repository → {tag: digest}."""
    def push(source, name, *more):
        skopeo("copy", *PLAIN, *more, f"oci:{source}:v1",
               f"docker://{server.address}/{name}")
    push(layout, "plain:v1")
    push(layout, "plain:v2")
    push(layout, "deep/er/name_with.dots-and__more:Latest")
    push(layout, "docker/v2s2:v1", "--format", "v2s2")
    push(family_layout, "many:v1", "--all")
    push(layout, "moved:tag")
    push(family_layout, "moved:tag", "--all")
    push(layout, "shared/layers:v1")
    names = {"plain": ("v1", "v2"), "many": ("v1",), "moved": ("tag",),
             "deep/er/name_with.dots-and__more": ("Latest",),
             "docker/v2s2": ("v1",), "shared/layers": ("v1",)}
    return {name: {tag: digest(server, name, tag) for tag in tags}
            for name, tags in names.items()}


def digest(server, name, tag):
    answer = oci.Repository(server, name).head_manifest(tag)
    assert answer.status == 200, (name, tag, answer)
    return answer.headers["Docker-Content-Digest"]


def read_all(server, held):
    """Reads each manifest by tag and digest, each blob; all must match."""
    for name, tags in held.items():
        repo = oci.Repository(server, name)
        for tag, wanted in tags.items():
            answer = repo.get_manifest(tag)
            assert answer.status == 200, (name, tag, answer)
            assert oci.digest(answer.body) == wanted
            read_manifest(repo, wanted)


def read_manifest(repo, wanted):
    answer = repo.get_manifest(wanted)
    assert answer.status == 200, (repo.name, wanted, answer)
    assert oci.digest(answer.body) == wanted
    body = answer.json()
    assert answer.headers["Content-Type"] == body["mediaType"]
    for row in body.get("manifests", ()):
        read_manifest(repo, row["digest"])
    rows = [body["config"], *body["layers"]] if "config" in body else []
    for row in rows:
        blob = repo.get_blob(row["digest"])
        assert blob.status == 200 and oci.digest(blob.body) == row["digest"]


def listed(server):
    """What catalog and tag lists say: repository → sorted tags."""
    out = {}
    for name in oci.catalog(server, "?n=1000").json()["repositories"]:
        answer = oci.Repository(server, name).tags()
        if answer.status == 200:
            out[name] = sorted(answer.json()["tags"] or [])
    return out


def wait_listed(server, held):
    """Lists are complete in the end, though perhaps not at once."""
    wanted = {name: sorted(tags) for name, tags in held.items()}
    try:
        wait_until(lambda: listed(server) == wanted)
    except TimeoutError:
        assert listed(server) == wanted
    if isinstance(server, Registry):
        verify(server)


def verify(server):
    """Database and files agree once the indexing is through."""
    command = BUILD / "registryctl", "verify", "--root", server.root
    try:
        wait_until(lambda: run(*command, check=False).returncode == 0,
                   pause=0.2)
    except TimeoutError:
        run(*command)


@WAYS
def test_all_is_served_at_once(skopeo, layout, family_layout, tmp_path,
                               first, second):
    root = tmp_path / "root"
    with opened(first, root) as server:
        held = fill(server, skopeo, layout, family_layout)
    with opened(second, root) as server:
        read_all(server, held)
        wait_listed(server, held)
        back = tmp_path / "back"
        skopeo("copy", *PLAIN, "--all",
               f"docker://{server.address}/many:v1", f"oci:{back}:v1")
        assert image.layout_blobs(back) == image.layout_blobs(family_layout)


@WAYS
def test_pushing_goes_on(skopeo, layout, family_layout, picture, tmp_path,
                         first, second):
    """There, back and there again, with pushes at every station."""
    root = tmp_path / "root"
    with opened(first, root) as server:
        held = fill(server, skopeo, layout, family_layout)
    for number, kind in enumerate((second, first, second)):
        with opened(kind, root) as server:
            wait_listed(server, held)
            more = oci.make_image([os.urandom(50_000), picture.blobs[1]])
            repo = oci.Repository(server, f"more/{number}")
            repo.push(more, "v1")
            held[f"more/{number}"] = {"v1": more.digest}
            oci.Repository(server, "plain").push(more, "v2")
            held["plain"]["v2"] = more.digest
    with opened(first, root) as server:
        read_all(server, held)
        wait_listed(server, held)


@WAYS
def test_deletes_stay(skopeo, layout, family_layout, tmp_path, first,
                      second):
    root = tmp_path / "root"
    with opened(first, root) as server:
        held = fill(server, skopeo, layout, family_layout)
        gone = held["shared/layers"]["v1"]
        repo = oci.Repository(server, "shared/layers")
        layer = repo.get_manifest(gone).json()["layers"][0]["digest"]
        assert repo.delete_manifest(gone).status == 202
        assert repo.call("DELETE", f"/blobs/{layer}").status == 202
    with opened(second, root) as server:
        repo = oci.Repository(server, "shared/layers")
        assert repo.get_manifest(gone).status == 404
        assert repo.get_manifest("v1").status == 404
        assert repo.head_blob(layer).status == 404
        assert oci.Repository(server, "plain").head_blob(layer).status == 200
        for name, tags in listed(server).items():
            assert gone not in tags, name
    # And what the second one deletes is gone for the first one.
    with opened(second, root) as server:
        repo = oci.Repository(server, "plain")
        assert repo.delete_manifest(held["plain"]["v1"]).status == 202
    with opened(first, root) as server:
        repo = oci.Repository(server, "plain")
        for name in ("v1", "v2", held["plain"]["v1"]):
            assert repo.get_manifest(name).status == 404, name


@WAYS
def test_images_of_docker(docker, hello, note, tmp_path, first, second):
    """Docker pushes to one and runs what it pulls from the other."""
    root, context = tmp_path / "root", tmp_path / "context"
    image.root_tree(context, hello, note, 200_000)
    (context / "Dockerfile").write_text(
        'FROM scratch\nCOPY hello note filler /\nENTRYPOINT ["/hello"]\n')
    with opened(first, root) as server:
        name = f"{server.address}/john/busybox:0.1"
        docker("build", "--network", "none", "-t", name, context)
        docker("push", name)
        docker("rmi", "-f", name)
    with opened(second, root) as server:
        name = f"{server.address}/john/busybox:0.1"
        docker("pull", name)
        said = docker("run", "--rm", "--network", "none", name).stdout
        assert f"{image.GREETING} {note}" in said
        docker("rmi", "-f", name)


@WAYS
def test_unfinished_upload_is_in_nobodys_way(skopeo, layout, tmp_path,
                                             first, second):
    root = tmp_path / "root"
    with opened(first, root) as server:
        repo = oci.Repository(server, "plain")
        answer = repo.start_upload()
        repo.patch(answer.headers["Location"], b"half of it")
        skopeo("copy", *PLAIN, f"oci:{layout}:v1",
               f"docker://{server.address}/plain:v1")
    with opened(second, root) as server:
        held = {"plain": {"v1": digest(server, "plain", "v1")}}
        read_all(server, held)
        wait_listed(server, held)
        oci.Repository(server, "plain").push_blob(b"half of it, now whole")


@pytest.mark.ours
def test_fallback_tags_become_referrers(cli, layout, skopeo, picture,
                                        tmp_path):
    """oras keeps an index under a tag where no referrers API is."""
    root = tmp_path / "root"
    (tmp_path / "sbom").write_text("sbom")
    with opened(DistributionRegistry, root) as server:
        skopeo("copy", *PLAIN, f"oci:{layout}:v1",
               f"docker://{server.address}/plain:v1")
        for kind in ("application/x.one", "application/x.two"):
            cli("oras", "attach", "--plain-http", "--artifact-type", kind,
                f"{server.address}/plain:v1", "sbom:text/plain")
        fallback = picture.digest.replace(":", "-")
        tags = oci.Repository(server, "plain").tags().json()["tags"]
        assert fallback in tags
    with opened(server_class(), root) as server:
        repo = oci.Repository(server, "plain")

        def kinds():
            rows = repo.referrers(picture.digest).json()["manifests"]
            return sorted(row["artifactType"] for row in rows)
        wanted = ["application/x.one", "application/x.two"]
        wait_until(lambda: kinds() == wanted, what="referrers")
        # One more by the API, beside the imported ones.
        cli("oras", "attach", "--plain-http", "--artifact-type",
            "application/x.three", f"{server.address}/plain:v1",
            "sbom:text/plain")
        assert kinds() == sorted([*wanted, "application/x.three"])
        assert repo.get_manifest(fallback).status == 200
        found = json.loads(cli(
            "oras", "discover", "--plain-http", "--format", "json",
            f"{server.address}/plain:v1").stdout)
        assert len(found["manifests"]) == 3


@pytest.mark.ours
def test_large_directory_is_served_before_it_is_indexed(picture, tmp_path):
    """Many repositories and tags; the last one pulls at once."""
    root = tmp_path / "root"
    with opened(DistributionRegistry, root) as server:
        oci.Repository(server, "seed").push(picture, "v1")
    seed = root / "docker/registry/v2/repositories/seed"
    held = {"seed": {"v1": picture.digest}}
    for number in range(400):
        name = f"group{number % 20}/r{number}"
        target = seed.parent / name
        target.parent.mkdir(exist_ok=True)
        # A copy with hard links, for what docker-registry would have made.
        copy_linked(seed, target)
        held[name] = {"v1": picture.digest}
    with opened(server_class(), root) as server:
        last = oci.Repository(server, "group19/r399")
        assert last.get_manifest("v1").body == picture.manifest
        assert last.get_blob(oci.digest(picture.blobs[1])).status == 200
        wait_listed(server, held)


def copy_linked(source, target):
    for folder, _, files in os.walk(source):
        there = target / os.path.relpath(folder, source)
        there.mkdir(parents=True, exist_ok=True)
        for name in files:
            os.link(os.path.join(folder, name), there / name)
